"""The land of the county: use, townships, villages and zones of every patch; where parcels lie.

Everything is drawn in cells of the lattice. A parcel that is planted inside one cell has that
patch as its ``home``: its overlay is its own area, known without any intersection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from pipeline.demo.generator.lattice import Lattice, stream
from pipeline.demo.generator.noise import Ints
from pipeline.demo.generator.survey import Floats, Shapes, survey_area
from pipeline.demo.generator.words import TOWNSHIPS, ZONES

Bools = npt.NDArray[np.bool_]

PATCHES: Final = 300_000
PARCELS: Final = 60_000
INDUSTRIAL_PARCELS: Final = 12_000
_ISLAND_SHARE: Final = 0.02
_INDUSTRIAL_SHARE: Final = 0.06
_SETTLEMENT_SHARE: Final = 0.042
_ISLAND_POINTS: Final = 18
# Townships lie in five columns of four; villages are squares of cells within them.
_TOWN_COLUMNS, _TOWN_ROWS = 5, 4
_VILLAGE_CELLS: Final = 32

# code, name, kind of ownership (20 state, 30 collective), share of the open land
USES: Final = (
    ("0601", "工业用地", "20", 0.0),
    ("0702", "农村宅基地", "30", 0.0),
    ("0101", "水田", "30", 0.36),
    ("0103", "旱地", "30", 0.10),
    ("0201", "果园", "30", 0.07),
    ("0301", "乔木林地", "30", 0.20),
    ("0307", "其他林地", "30", 0.06),
    ("0404", "其他草地", "30", 0.03),
    ("05H1", "商业服务业设施用地", "20", 0.01),
    ("0602", "采矿用地", "20", 0.005),
    ("0701", "城镇住宅用地", "20", 0.015),
    ("0809", "公用设施用地", "20", 0.01),
    ("1003", "公路用地", "20", 0.03),
    ("1006", "农村道路", "30", 0.03),
    ("1101", "河流水面", "20", 0.02),
    ("1104", "坑塘水面", "30", 0.03),
    ("1107", "沟渠", "30", 0.01),
    ("1202", "设施农用地", "30", 0.02),
)
INDUSTRIAL, SETTLEMENT = 0, 1
_POND: Final = 15

# Outlines in a rectangle of the lattice, s to the east and t to the north, 0 to 1.
_PARCEL_RING = np.array(
    [
        [0, 0],
        [1 / 3, 0],
        [2 / 3, 0],
        [1, 0],
        [1, 0.5],
        [1, 1],
        [2 / 3, 1],
        [1 / 3, 1],
        [0, 1],
        [0, 0.5],
    ]
)
# The points of that ring that lie off the straight side, inwards.
_BENT = np.array([0, 1, 1, 0, 0, 0, -1, -1, 0, 0])
_L_RING = np.array([[0, 0], [1, 0], [1, 0.45], [0.55, 0.45], [0.55, 1], [0, 1]])
SQUARE_RING: Final = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])


class PatchChunk(NamedTuple):
    """Some patches with the same number of points: number, rings, where rings start, area."""

    patch: Ints
    rings: Floats
    starts: tuple[int, ...]
    survey_m2: Floats


@dataclass(frozen=True)
class Land:
    """The patches of a county: cells of a lattice, and islands in some of them.

    Shape:  patch numbers run over the cells row by row, then over the islands.
    Units:  metres, m2.
    CRS:    EPSG:4549.
    Errors: ValueError where the scale is too small for the county to have 20 townships.
    Source: measured recipe of a synthetic county.
    """

    scale: float
    seed: int

    @cached_property
    def lattice(self) -> Lattice:
        """The cells: as many as leave about 2 % of the patches to islands."""
        patches = self.patches
        columns = round(np.sqrt(patches / (1 + _ISLAND_SHARE)))
        rows = int(patches / (1 + _ISLAND_SHARE) / max(columns, 1))
        if columns < 4 * _TOWN_COLUMNS or rows < 4 * _TOWN_ROWS:
            raise ValueError(f"scale {self.scale} is too small: take at least 0.002")
        return Lattice(columns, rows, self.seed)

    @property
    def patches(self) -> int:
        """How many patches there are."""
        return round(PATCHES * self.scale)

    @cached_property
    def island_cell(self) -> Ints:
        """Which cells have an island in them: none of industry or homes."""
        count = self.patches - self.lattice.cells
        open_land = np.flatnonzero(self._cell_use > SETTLEMENT)
        return np.sort(stream(self.seed, "islands").choice(open_land, count, replace=False))

    @cached_property
    def use(self) -> Ints:
        """Land use of each patch, as its place in ``USES``; 6 % are industrial."""
        industrial = round(_INDUSTRIAL_SHARE * self.patches) - self._industrial_cells
        islands = np.full(len(self.island_cell), _POND)
        islands[:industrial] = INDUSTRIAL
        return np.concatenate(
            [self._cell_use, stream(self.seed, "island use").permutation(islands)]
        )

    @cached_property
    def township(self) -> Ints:
        """Township of each patch, from 0; borders run along the edges of cells."""
        row, column = np.divmod(np.arange(self.lattice.cells), self.lattice.columns)
        u, v = column / self.lattice.columns, row / self.lattice.rows
        sway = 0.025
        east = u + sway * np.sin(2 * np.pi * 2.3 * v + 1)
        north = v + sway * np.sin(2 * np.pi * 2.7 * u + 2)
        place = np.clip((north * _TOWN_ROWS).astype(np.int64), 0, _TOWN_ROWS - 1) * _TOWN_COLUMNS
        cells = place + np.clip((east * _TOWN_COLUMNS).astype(np.int64), 0, _TOWN_COLUMNS - 1)
        return np.concatenate([cells, cells[self.island_cell]])

    @cached_property
    def village(self) -> Ints:
        """Number of each patch's village within its township, from 1."""
        row, column = np.divmod(np.arange(self.lattice.cells), self.lattice.columns)
        square = row // _VILLAGE_CELLS * 10_000 + column // _VILLAGE_CELLS
        town = self.township[: self.lattice.cells]
        places, index = np.unique(town * 10**9 + square, return_inverse=True)
        first = np.searchsorted(places, np.arange(len(TOWNSHIPS)) * 10**9)
        cells = index - first[town] + 1
        return np.concatenate([cells, cells[self.island_cell]])

    @cached_property
    def number(self) -> Ints:
        """Number of each patch within its village, from 1."""
        place = self.township * 1000 + self.village
        return pd.Series(place).groupby(place).cumcount().to_numpy().astype(np.int64) + 1

    @cached_property
    def islands(self) -> Floats:
        """Rings of the islands, clockwise and closed, (islands, points, 2)."""
        drawn = stream(self.seed, "island rings")
        count = len(self.island_cell)
        row, column = np.divmod(self.island_cell, self.lattice.columns)
        centre = self.lattice.place(column + 0.5, row + 0.5)
        radius = drawn.uniform(8, 12, (count, 1)) + drawn.uniform(0, 3, (count, _ISLAND_POINTS))
        angle = -2 * np.pi * np.arange(_ISLAND_POINTS) / _ISLAND_POINTS
        way = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        rings = np.round(centre[:, None] + radius[..., None] * way, 3)
        return np.concatenate([rings, rings[:, :1]], axis=1)

    @cached_property
    def townships(self) -> Shapes:
        """Polygons of the townships, which follow the edges of the patches."""
        region = self.township[: self.lattice.cells].reshape(self.lattice.rows, -1)
        lines = self.lattice.border_lines(region)
        faces = shapely.get_parts(shapely.polygonize(lines))
        inner = shapely.get_coordinates(shapely.point_on_surface(faces))
        town = region.ravel()[self._cell_of(inner)]
        return np.array(
            [shapely.union_all(faces[town == number]) for number in range(len(TOWNSHIPS))]
        )

    @cached_property
    def zones(self) -> Shapes:
        """Polygons of the development zones; they cut patches, and each spans four townships."""
        angle = np.linspace(0, 2 * np.pi, 73)[:-1]
        shapes = []
        for number, (u, v) in enumerate(self._zone_centres):
            wave = 1 + 0.07 * np.sin(5 * angle + number) + 0.02 * np.sin(17 * angle)
            half_u = 0.38 * self.lattice.columns / _TOWN_COLUMNS
            half_v = 0.38 * self.lattice.rows / _TOWN_ROWS
            ring = self.lattice.place(
                u + half_u * wave * np.cos(angle), v + half_v * wave * np.sin(angle)
            )
            shapes.append(shapely.polygons(ring))
        return np.array(shapes)

    def chunks(self) -> Iterator[PatchChunk]:
        """All patches: cells band by band, those with an island apart, then the islands."""
        rings, area = self.islands, survey_area(shapely.polygons(self.islands))
        for band in self.lattice.bands():
            cell = band.first_cell + np.arange(len(band.rings))
            at = np.searchsorted(self.island_cell, cell)
            has = np.isin(cell, self.island_cell)
            yield PatchChunk(cell[~has], band.rings[~has], (0,), band.survey_m2[~has])
            hole = at[has]
            # a hole runs the other way round
            both = np.concatenate([band.rings[has], rings[hole][:, ::-1]], axis=1)
            starts = (0, band.rings.shape[1])
            yield PatchChunk(cell[has], both, starts, band.survey_m2[has] - area[hole])
        yield PatchChunk(self.lattice.cells + np.arange(len(rings)), rings, (0,), area)

    def zone_of(self, places: Floats) -> Ints:
        """Which zone points lie in, -1 for none."""
        points = shapely.points(places)
        found = np.full(len(places), -1)
        for number in range(len(ZONES)):
            found[shapely.contains(self.zones[number], points)] = number
        return found

    @cached_property
    def _zone_centres(self) -> list[tuple[float, float]]:
        """Where the zones lie, u and v: over corners where four townships meet."""
        across, up = self.lattice.columns / _TOWN_COLUMNS, self.lattice.rows / _TOWN_ROWS
        return [(across, up), (4 * across, 3 * up)]

    @property
    def _industrial_cells(self) -> int:
        """How many cells are industrial; a few islands are, too."""
        islands = self.patches - self.lattice.cells
        return round(_INDUSTRIAL_SHARE * self.patches) - round(_INDUSTRIAL_SHARE * islands)

    @cached_property
    def _cell_use(self) -> Ints:
        """Land use of each cell: industry and homes in clusters, the rest mixed."""
        cells, columns = self.lattice.cells, self.lattice.columns
        row, column = np.divmod(np.arange(cells), columns)
        drawn = stream(self.seed, "land use")
        shares = np.array([share for *_, share in USES])
        use = drawn.choice(len(USES), cells, p=shares / shares.sum())
        industry = self._field("industry") + 0.15 * drawn.random(cells)
        for u, v in self._zone_centres:
            industry += 0.8 * np.exp(
                -(((column - u) / columns) ** 2 + ((row - v) / self.lattice.rows) ** 2) / 0.002
            )
        chosen = np.argsort(-industry, kind="stable")[: self._industrial_cells]
        homes = self._field("homes") + 0.1 * drawn.random(cells)
        homes[chosen] = -1
        use[np.argsort(-homes, kind="stable")[: round(_SETTLEMENT_SHARE * cells)]] = SETTLEMENT
        use[chosen] = INDUSTRIAL
        return use

    def _field(self, what: str) -> Floats:
        """A smooth random height of each cell, 0 to 1, bumps of about eight cells."""
        rows, columns = self.lattice.rows, self.lattice.columns
        coarse = stream(self.seed, what).random((rows // 8 + 3, columns // 8 + 3))
        row, column = np.divmod(np.arange(self.lattice.cells), columns)
        r, s = np.divmod(row / 8, 1)
        c, t = np.divmod(column / 8, 1)
        i, j = r.astype(np.int64), c.astype(np.int64)
        below = coarse[i, j] * (1 - t) + coarse[i, j + 1] * t
        above = coarse[i + 1, j] * (1 - t) + coarse[i + 1, j + 1] * t
        return np.asarray(below * (1 - s) + above * s)

    def _cell_of(self, places: Floats) -> Ints:
        """The cell whose middle is nearest to each point."""
        rows, columns = self.lattice.rows, self.lattice.columns
        u, v = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
        tree = shapely.STRtree(shapely.points(self.lattice.place(u.ravel(), v.ravel())))
        return np.asarray(tree.nearest(shapely.points(places)), dtype=np.int64)


@dataclass(frozen=True)
class Plots:
    """Where the parcels of a new county lie.

    ``box`` is the rectangle in the lattice (u0, v0, u1, v1), NaN for a parcel that is an island;
    ``cell`` the cell in which it begins; ``home`` the one patch that holds all of it, -1 where it
    lies across several; ``partner`` the other parcel of an overlapping pair on industrial land,
    ``twin`` the one beyond a common border within the cell, -1 for none.
    """

    box: Floats
    shape: Shapes
    cell: Ints
    home: Ints
    partner: Ints
    twin: Ints
    is_industrial: Bools


def plant_parcels(land: Land) -> Plots:
    """Lay out the parcels of a county: 12,000 of industry at scale 1, first, and 48,000 others.

    Of the industrial ones 34 % lie alone in a patch, 19 % two in a patch with a common border,
    2 % two in a patch and overlapping, 38 % across two patches (of two townships where the border
    allows), 5 % across a patch of another use, 2 % are islands.

    Shape:  the land in; n plots out.
    Units:  metres.
    CRS:    EPSG:4549.
    Errors: none.
    Source: default chosen.
    """
    total = round(PARCELS * land.scale)
    industrial = _industrial_plots(land, round(INDUSTRIAL_PARCELS * land.scale))
    homes = _home_boxes(land, total - len(industrial.cell))
    row, column = np.floor(homes[:, 1]).astype(np.int64), np.floor(homes[:, 0]).astype(np.int64)
    cell = row * land.lattice.columns + column
    nobody = np.full(len(homes), -1)
    return Plots(
        np.concatenate([industrial.box, homes]),
        np.concatenate([industrial.shape, _parcel_shapes(land, homes, "homes")]),
        np.concatenate([industrial.cell, cell]),
        np.concatenate([industrial.home, cell]),
        np.concatenate([industrial.partner, nobody]),
        np.concatenate([industrial.twin, nobody]),
        np.arange(total) < len(industrial.cell),
    )


def shapes_within(land: Land, box: Floats, part: Sequence[float], ring: Floats) -> Shapes:
    """Draw shapes in a part of rectangles of the lattice.

    Shape:  n rectangles (u0, v0, u1, v1), the part (s0, t0, s1, t1) of each in 0 to 1, and the
            ring to draw in that part, (points, 2), in; n polygons out.
    Units:  cells in, metres out.
    CRS:    EPSG:4549.
    Errors: none.
    Source: none.
    """
    s = part[0] + (part[2] - part[0]) * ring[:, 0]
    t = part[1] + (part[3] - part[1]) * ring[:, 1]
    u = box[:, [0]] * (1 - s) + box[:, [2]] * s
    v = box[:, [1]] * (1 - t) + box[:, [3]] * t
    return np.asarray(shapely.polygons(land.lattice.place(u, v)), dtype=object)


def l_shapes(land: Land, box: Floats, part: Sequence[float]) -> Shapes:
    """Draw L-shaped buildings in a part of rectangles of the lattice; as ``shapes_within``.

    Shape:  n rectangles and the part of each in; n polygons out.
    Units:  cells in, metres out.
    CRS:    EPSG:4549.
    Errors: none.
    Source: none.
    """
    return shapes_within(land, box, part, _L_RING)


def _industrial_plots(land: Land, count: int) -> Plots:
    """Parcels on industrial patches."""
    drawn = stream(land.seed, "plots")
    columns = land.lattice.columns
    use = land.use[: land.lattice.cells].reshape(-1, columns)
    town = land.township[: land.lattice.cells].reshape(-1, columns)
    # some townships have more of their land parcelled than others
    zeal = stream(land.seed, "zeal").uniform(0.6, 1.6, len(TOWNSHIPS))

    def ordered(cells: Ints) -> Ints:
        wish = drawn.random(len(cells)) ** (1 / zeal[town.ravel()[cells]])
        return cells[np.argsort(-wish, kind="stable")]

    is_pair = (use[:, :-1] == INDUSTRIAL) & (use[:, 1:] == INDUSTRIAL)
    # pairs begin in every second column; those across a township's border come first
    row, column = np.nonzero(is_pair & (np.arange(columns - 1) % 2 == 0))
    pairs = ordered(row * columns + column)
    is_border = town.ravel()[pairs] != town.ravel()[pairs + 1]
    pairs = np.concatenate([pairs[is_border], pairs[~is_border]])[: round(0.38 * count)]

    open_side = np.zeros(use.shape, dtype=bool)
    open_side[:, :-1] = (use[:, :-1] == INDUSTRIAL) & (use[:, 1:] > SETTLEMENT)
    open_side[:, :-1] &= ~np.isin(
        np.arange(land.lattice.cells).reshape(use.shape)[:, 1:], land.island_cell
    )
    single = np.setdiff1d(np.flatnonzero(use == INDUSTRIAL), np.concatenate([pairs, pairs + 1]))
    mixed = ordered(single[open_side.ravel()[single]])[: round(0.05 * count)]
    single = ordered(np.setdiff1d(single, mixed))
    islands = np.flatnonzero(land.use[land.lattice.cells :] == INDUSTRIAL)[: round(0.02 * count)]
    overlapping, single = np.split(single, [round(0.01 * count)])
    left = count - len(pairs) - len(mixed) - len(islands) - 2 * len(overlapping)
    halves = max(round(0.095 * count), left - len(single))
    halved, single = np.split(single, [halves])
    whole = single[: left - 2 * len(halved)]

    def box(cells: Ints, west: Floats | float, east: Floats | float) -> Floats:
        v, u = np.divmod(cells, columns)
        low, high = drawn.uniform(0.07, 0.11, (2, len(cells)))
        return np.stack([u + west, v + low, u + east, v + 1 - high], axis=-1)

    def edge(cells: Ints, low: float, high: float) -> Floats:
        return drawn.uniform(low, high, len(cells))

    split = edge(halved, 0.42, 0.58)
    west_half = box(halved, edge(halved, 0.07, 0.11), split)
    east_half = west_half.copy()
    east_half[:, 0], east_half[:, 2] = west_half[:, 2], halved % columns + 1 - 0.1
    west_over = box(overlapping, 0.1, edge(overlapping, 0.52, 0.6))
    east_over = box(overlapping, edge(overlapping, 0.4, 0.48), 0.9)
    pieces = [
        box(whole, edge(whole, 0.07, 0.11), 1 - edge(whole, 0.07, 0.11)),
        west_half,
        east_half,
        west_over,
        east_over,
        box(pairs, edge(pairs, 0.07, 0.11), 2 - edge(pairs, 0.07, 0.11)),
        box(mixed, edge(mixed, 0.07, 0.11), edge(mixed, 1.3, 1.6)),
    ]
    boxes = np.concatenate(pieces)
    inside = np.concatenate([whole, halved, halved, overlapping, overlapping])
    across = np.concatenate([pairs, mixed])
    island = shapely.polygons(land.islands[islands])
    n, h, o = len(whole), len(halved), len(overlapping)
    partner, twin = np.full(count, -1), np.full(count, -1)
    twin[n : n + 2 * h] = np.roll(np.arange(n, n + 2 * h), h)
    over = n + 2 * h
    partner[over : over + 2 * o] = np.roll(np.arange(over, over + 2 * o), o)
    return Plots(
        np.concatenate([boxes, np.full((len(islands), 4), np.nan)]),
        np.concatenate([_parcel_shapes(land, boxes, "industry"), island]),
        np.concatenate([inside, across, land.island_cell[islands]]),
        np.concatenate([inside, np.full(len(across), -1), land.lattice.cells + islands]),
        partner,
        twin,
        np.ones(count, dtype=bool),
    )


def _home_boxes(land: Land, count: int) -> Floats:
    """Rectangles of parcels that are not of industry, six places to a cell; 2 % overlap."""
    drawn = stream(land.seed, "homes")
    cells = np.flatnonzero(land.use[: land.lattice.cells] == SETTLEMENT)
    places = np.sort(drawn.permutation(6 * len(cells))[:count])
    row, column = np.divmod(cells[places // 6], land.lattice.columns)
    j, i = np.divmod(places % 6, 3)
    gap = drawn.uniform(0.02, 0.05, (4, count))
    box = np.stack(
        [
            column + 0.08 + 0.28 * i + gap[0],
            row + 0.08 + 0.42 * j + gap[1],
            column + 0.08 + 0.28 * (i + 1) - gap[2],
            row + 0.08 + 0.42 * (j + 1) - gap[3],
        ],
        axis=-1,
    )
    # a neighbour to the east that is built on, too, is run into
    has_neighbour = np.append((np.diff(places) == 1) & (i[:-1] < 2), [False])
    chosen = np.flatnonzero(has_neighbour)
    chosen = drawn.permutation(chosen)[: round(0.01 * count)]
    box[chosen, 2] = box[chosen + 1, 0] + 0.03
    return box


def _parcel_shapes(land: Land, box: Floats, what: str) -> Shapes:
    """Polygons of parcels: rectangles of the lattice whose long sides bend a little."""
    bend = stream(land.seed, "bends", len(what)).uniform(0, 0.03, (len(box), len(_BENT))) * _BENT
    s, t = _PARCEL_RING[:, 0], _PARCEL_RING[:, 1] + bend
    u = box[:, [0]] * (1 - s) + box[:, [2]] * s
    v = box[:, [1]] * (1 - t) + box[:, [3]] * t
    return np.asarray(shapely.polygons(land.lattice.place(u, v)), dtype=object)
