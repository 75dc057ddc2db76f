"""The industrial base, and what lies on it: overlay and coverage by the generator's own arithmetic.

Areas are taken in the equal-area plane of ``survey``. Where a parcel is known to lie within one
patch nothing is intersected; elsewhere shapely is. Overlapping parcels come in pairs only, so the
largest share over each spot is the sum of both less the smaller share over what they have in
common.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
import shapely

from pipeline.demo.generator.land import INDUSTRIAL, Land, PatchChunk
from pipeline.demo.generator.noise import Ints
from pipeline.demo.generator.survey import Floats, Shapes, survey_area
from pipeline.demo.generator.words import TOWNSHIP_CODES, TOWNSHIPS, ZONES

STATES: Final = ("linked", "evaluated", "transition", "covered")
AREA_CODES: Final = (*TOWNSHIP_CODES, *(code for code, *_ in ZONES))
AREA_NAMES: Final = (*TOWNSHIPS, *(name for _, name, _ in ZONES))


@dataclass(frozen=True)
class Base:
    """The industrial patches of a county, by patch number.

    ``part`` has one row per patch and assessment unit (``area``, a place in ``AREA_CODES``) with
    the survey area that lies in it; ``zone`` is the zone that cuts a patch, -1 where none does.
    """

    patch: Ints
    shape: Shapes
    survey_m2: Floats
    official_m2: Floats
    township: Ints
    zones: Shapes
    zone: Ints
    part: pd.DataFrame

    @cached_property
    def tree(self) -> shapely.STRtree:
        """An index over the patches."""
        return shapely.STRtree(self.shape)


def official_area(survey_m2: Floats) -> Floats:
    """TBMJ: the survey area to 0.01 m2.

    Shape:  n areas in, n out.
    Units:  m2.
    CRS:    none (no geometry).
    Errors: none.
    Source: area rule of the survey.
    """
    return np.asarray(np.rint(survey_m2 * 100) / 100)


def read_base(land: Land, sink: Callable[[PatchChunk], None]) -> Base:
    """Go over all patches once, hand them on, and keep the industrial ones.

    Shape:  the land, and what takes each chunk of patches, in; the base out.
    Units:  m2.
    CRS:    EPSG:4549.
    Errors: those of the sink.
    Source: docs/how-it-decides.md, sections 2 and 6.
    """
    numbers: list[Ints] = []
    shapes: list[Shapes] = []
    areas: list[Floats] = []
    for chunk in land.chunks():
        sink(chunk)
        chosen = land.use[chunk.patch] == INDUSTRIAL
        if chosen.any():
            # industrial cells have no islands in them
            numbers.append(chunk.patch[chosen])
            shapes.append(shapely.polygons(chunk.rings[chosen]))
            areas.append(chunk.survey_m2[chosen])
    patch = np.concatenate(numbers)
    order = np.argsort(patch, kind="stable")
    patch, shape = patch[order], np.concatenate(shapes)[order]
    survey = np.concatenate(areas)[order]
    township = land.township[patch]
    zone, part = _parts(shape, survey, township, land.zones)
    return Base(patch, shape, survey, official_area(survey), township, land.zones, zone, part)


def overlay(base: Base, number: Ints, shape: Shapes, home: Ints) -> pd.DataFrame:
    """Lay parcels over the industrial patches.

    Shape:  n parcels (number, shape, the patch that holds all of it or -1) in; one row per parcel
            and patch that share land out: parcel, place (of the patch in the base), area_m2, shape.
    Units:  m2 on the ellipsoid, to 0.0001.
    CRS:    EPSG:4549.
    Errors: none.
    Source: docs/how-it-decides.md, section 2.
    """
    inside = np.flatnonzero(home >= 0)
    place = np.searchsorted(base.patch, home[inside])
    across = np.flatnonzero(home < 0)
    which, under = base.tree.query(shape[across], predicate="intersects")
    order = np.lexsort((under, which))
    which, under = across[which[order]], under[order]
    pieces = _polygons(shapely.intersection(base.shape[under], shape[which]))
    parcel = np.concatenate([inside, which])
    pieces = np.concatenate([shape[inside], pieces])
    area = np.round(survey_area(pieces), 4)
    table = pd.DataFrame(
        {
            "parcel": number[parcel],
            "place": np.concatenate([place, under]),
            "area_m2": area,
            "shape": pieces,
        }
    )
    return table[table["area_m2"] > 0].reset_index(drop=True)


def main_township(base: Base, pieces: pd.DataFrame) -> pd.Series:
    """Township of each parcel with industrial land: the one with most of it.

    Shape:  the base and the overlay in; township (from 0) by parcel out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-it-decides.md, section 2.
    """
    land = pieces.assign(township=base.township[pieces["place"]])
    land = land.groupby(["parcel", "township"])["area_m2"].sum().reset_index()
    land = land.sort_values(["parcel", "area_m2", "township"], ascending=[True, False, True])
    return land.drop_duplicates("parcel").set_index("parcel")["township"]


def measure(base: Base, pieces: pd.DataFrame, share: pd.DataFrame, pairs: Ints) -> pd.DataFrame:
    """Measure the coverage of each assessment unit.

    Shape:  the base; the overlay; the shares of the parcels (one column per state of ``STATES``,
            by parcel); the pairs of parcels that overlap, (n, 2), in; one row per assessment unit
            with base, linked, evaluated, transition and covered area out.
    Units:  m2, official areas.
    CRS:    EPSG:4549 (pieces).
    Errors: none.
    Source: docs/how-it-decides.md, section 6 (COV_SPATIAL).
    """
    own = _by_area(base, pieces)
    # what two parcels have in common counts once, at the larger share
    first = pieces.set_index("parcel").loc[pairs[:, 0]]
    second = pieces.set_index("parcel").loc[pairs[:, 1]]
    common = first.reset_index(drop=True)
    common["shape"] = _polygons(
        shapely.intersection(first["shape"].to_numpy(), second["shape"].to_numpy())
    )
    common["area_m2"] = np.round(survey_area(common["shape"].to_numpy()), 4)
    common["pair"] = np.arange(len(common))
    shared = _by_area(base, common)
    table = base.part[["place", "area"]].copy()
    # official area per survey area of the patch
    factor = (base.official_m2 / base.survey_m2)[table["place"]]
    for state in STATES:
        counted = own["part_m2"] * share[state].reindex(own["parcel"]).fillna(0).to_numpy()
        pair = pairs[shared["pair"]]
        smaller = np.minimum(
            share[state].reindex(pair[:, 0]).fillna(0).to_numpy(),
            share[state].reindex(pair[:, 1]).fillna(0).to_numpy(),
        )
        land = pd.concat(
            [
                own[["place", "area"]].assign(m2=counted),
                shared[["place", "area"]].assign(m2=-shared["part_m2"] * smaller),
            ]
        )
        land = land.groupby(["place", "area"])["m2"].sum().reset_index()
        found = table.merge(land, how="left", on=["place", "area"])["m2"].fillna(0).to_numpy()
        table[f"{state}_area_m2"] = np.round(found * factor, 4)
    table["base_area_m2"] = np.round(base.part["part_m2"] * factor, 4)
    names = [f"{state}_area_m2" for state in ("base", *STATES)]
    total = table.groupby("area")[names].sum().reindex(range(len(AREA_CODES)), fill_value=0.0)
    total.insert(0, "area_code", AREA_CODES)
    total.insert(1, "name", AREA_NAMES)
    total.insert(2, "kind", ["township"] * len(TOWNSHIPS) + ["zone"] * len(ZONES))
    return total.reset_index(drop=True).round(4)


def _parts(
    shape: Shapes, survey: Floats, township: Ints, zones: Shapes
) -> tuple[Ints, pd.DataFrame]:
    """Divide the patches among zones and townships; no patch touches two zones."""
    tree = shapely.STRtree(shape)
    zone = np.full(len(shape), -1)
    place = [np.arange(len(shape))]
    area = [township.copy()]
    part = [survey.copy()]
    for number, outline in enumerate(zones):
        code = len(TOWNSHIPS) + number
        inside = tree.query(outline, predicate="contains")
        area[0][inside] = code
        cut = np.setdiff1d(tree.query(outline, predicate="intersects"), inside)
        within = survey_area(_polygons(shapely.intersection(shape[cut], outline)))
        cut, within = cut[within >= 5e-5], within[within >= 5e-5]
        zone[cut] = number
        part[0][cut] -= within
        place.append(cut)
        area.append(np.full(len(cut), code))
        part.append(within)
    table = pd.DataFrame(
        {
            "place": np.concatenate(place),
            "area": np.concatenate(area),
            "part_m2": np.concatenate(part),
        }
    )
    return zone, table


def _by_area(base: Base, pieces: pd.DataFrame) -> pd.DataFrame:
    """Divide pieces among the assessment units: one row per piece and unit, with part_m2."""
    place = pieces["place"].to_numpy()
    cut = np.flatnonzero(base.zone[place] >= 0)
    zone = base.zone[place[cut]]
    shape = pieces["shape"].to_numpy()[cut]
    within = np.round(survey_area(_polygons(shapely.intersection(shape, base.zones[zone]))), 4)
    left = pieces["area_m2"].to_numpy(copy=True)
    left[cut] -= within
    # the first rows of the parts are the patches themselves
    whole = pieces.assign(area=base.part["area"].to_numpy()[place], part_m2=left)
    parts = pieces.iloc[cut].assign(area=len(TOWNSHIPS) + zone, part_m2=within)
    return pd.concat([whole, parts], ignore_index=True)


def _polygons(shapes: Shapes) -> Shapes:
    """Keep only the polygons of shapes."""
    kind = shapely.get_type_id(shapes)
    mixed = np.flatnonzero((kind != 3) & (kind != 6))
    if len(mixed) == 0:
        return shapes
    parts, owner = shapely.get_parts(shapes[mixed], return_index=True)
    chosen = np.isin(shapely.get_type_id(parts), (3, 6))
    kept = shapes.copy()
    kept[mixed] = shapely.MultiPolygon()
    for number in np.unique(owner[chosen]):
        kept[mixed[number]] = shapely.union_all(parts[chosen & (owner == number)])
    return kept
