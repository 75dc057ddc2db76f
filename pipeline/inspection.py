"""What a file is taken for, before anything of it is loaded: ``diqi load --inspect``."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely

from pipeline.domain.areas import survey_area
from pipeline.errors import SourceError, UsageError
from pipeline.feeds.batch import OpenLayer, RawBatch, raw_batch
from pipeline.feeds.clean import CleanBatch, Manner, clean_batch
from pipeline.feeds.contracts import Column, Contract, County
from pipeline.feeds.discover import matching_feeds
from pipeline.feeds.headings import match_headings
from pipeline.feeds.isolation import ReadingRoom
from pipeline.feeds.readers import open_layer, top_of
from pipeline.outputs.picture import draw_layer
from pipeline.run import contracts_of, county_of
from pipeline.settings import WORKSPACE_FILE, Settings

Progress = Callable[[str, int, int | None], None]

_SAMPLE_ROWS = 10
_EXAMPLES = 3
# Shapes that are drawn as they are; of more, each is drawn as the box around it.
_DRAWN_SHAPES = 20_000


@dataclass(frozen=True)
class Mapped:
    """One canonical column: the headings that serve it, its type, and the unit that is read."""

    column: str
    headings: tuple[str, ...]
    type: str
    is_required: bool
    unit: str | None = None
    unit_from: str | None = None


@dataclass(frozen=True)
class AreaCheck:
    """Sums over the rows that have an official area and a shape, m2."""

    rows: int
    official_m2: float
    plane_m2: float
    survey_m2: float
    median_ratio: float


@dataclass
class Drawn:
    """What is drawn of a layer, in the county's CRS: boxes of all shapes, and shapes of a few."""

    boxes: list[npt.NDArray[np.float64]] = field(default_factory=list)
    shapes: list[npt.NDArray[np.object_]] = field(default_factory=list)
    is_whole: bool = True

    def add(self, shapes: npt.NDArray[np.object_]) -> None:
        """Take the shapes of a batch."""
        boxes = shapely.bounds(shapes)
        self.boxes.append(boxes[np.isfinite(boxes).all(axis=1)])
        self.is_whole = self.is_whole and sum(map(len, self.boxes)) <= _DRAWN_SHAPES
        self.shapes = [*self.shapes, shapes] if self.is_whole else []


@dataclass
class Inspection:
    """What a file is taken for, and what would become of its rows.

    ``known_by`` says how its feed was chosen: the contract's ``files`` (name), its headings, or a
    person. ``findings`` are rules with severity, number of rows, and the first rows as examples.
    ``refusal`` is why the file as a whole would be refused.
    """

    file: str
    kind: str
    feed: str
    known_by: str
    layer: str
    encoding: str | None
    crs: str | None
    crs_from: str | None
    notes: list[tuple[str, dict[str, object]]]
    mapping: list[Mapped]
    unused: list[str]
    rows: int = 0
    quarantined: int = 0
    duplicates: int = 0
    ignored_lines: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    sample: list[dict[str, str | None]] = field(default_factory=list)
    areas: AreaCheck | None = None
    refusal: SourceError | None = None
    picture: str | None = None
    drawn: Drawn = field(default_factory=Drawn)


def inspect_file(
    path: Path,
    settings: Settings,
    *,
    feed: str | None,
    picture: Path | None,
    as_of: dt.date,
    progress: Progress = lambda _file, _rows, _total: None,
) -> list[Inspection]:
    """Read a file to its end as each feed it serves, and say what was understood; nothing is stored.

    The picture of its shapes goes to ``picture``, else to ``out/inspect/`` of the workspace.

    Shape:  a file in; one Inspection per feed out.
    Units:  areas in m2.
    CRS:    shapes are drawn in the county's.
    Errors: UsageError (usage.no_file, usage.feed); SourceError where the file cannot be read, or is
            of no feed.
    Source: docs/sources.md, 6 and 7.
    """
    contracts = _contracts(path, settings, feed)
    county = county_of(settings)
    found: list[Inspection] = []
    with closing(ReadingRoom(settings.limits.of_files)) as room:
        feeds, known_by = choose_feed(room, path, contracts, feed)
        for name in feeds:
            terms = (room, path, contracts[name], county, known_by)
            found.append(inspect(*terms, as_of=as_of, progress=progress))
    for one in found:
        if one.drawn.boxes and sum(map(len, one.drawn.boxes)):
            target = picture or _picture_path(settings, one)
            target.parent.mkdir(parents=True, exist_ok=True)
            boxes = np.concatenate(one.drawn.boxes)
            shapes = np.concatenate(one.drawn.shapes) if one.drawn.shapes else None
            caption = f"{len(boxes)} shapes, {one.crs} -> {county.crs}, x {boxes[:, 0].min():.0f}"
            caption += (
                f" to {boxes[:, 2].max():.0f}, y {boxes[:, 1].min():.0f} to {boxes[:, 3].max():.0f}"
            )
            draw_layer(target, boxes, shapes, caption)
            one.picture = str(target)
    return found


def _contracts(path: Path, settings: Settings, feed: str | None) -> dict[str, Contract]:
    contracts = contracts_of(settings)
    if not path.exists():
        raise UsageError("usage.no_file", path=str(path))
    if feed is not None and feed not in contracts:
        raise UsageError("usage.feed", feed=feed, feeds=", ".join(contracts))
    return contracts


def _picture_path(settings: Settings, one: Inspection) -> Path:
    name = f"{Path(one.file).stem}.{one.feed}.png"
    has_workspace = (settings.workspace / WORKSPACE_FILE).is_file()
    return (settings.workspace / "out" / "inspect" if has_workspace else Path.cwd()) / name


def choose_feed(
    room: ReadingRoom,
    path: Path,
    contracts: Mapping[str, Contract],
    wanted: str | None,
) -> tuple[list[str], str]:
    """Tell which feeds a file serves, and by what that is known.

    Shape:  a file in; feeds and one of ``person``, ``name``, ``headings`` out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.no_feed where no contract fits, and those of reading the file.
    Source: contracts of the feeds.
    """
    if wanted is not None:
        return [wanted], "person"
    if feeds := matching_feeds(path, contracts):
        return feeds, "name"
    best: dict[str, tuple[int, str]] = {}
    nearest: tuple[int, str, str] = (0, "", "")
    for layer in room.asked(top_of, path, file=path.name):
        for feed, contract in contracts.items():
            for headings in layer["headings"]:
                match = match_headings(contract, [(name,) for name in headings])
                fits_shape = layer["has_geometry"] or not contract.geometry_required
                if not match.missing and fits_shape:
                    best[feed] = max(best.get(feed, (0, "")), (match.score, layer["name"]))
                elif match.score > nearest[0]:
                    nearest = (match.score, feed, ", ".join(match.missing))
    if not best:
        raise SourceError(
            "source.no_feed", file=path.name, feed=nearest[1] or "-", missing=nearest[2] or "-"
        )
    most = max(score for score, _ in best.values())
    return [feed for feed, (score, _) in best.items() if score == most], "headings"


def inspect(
    room: ReadingRoom,
    path: Path,
    contract: Contract,
    county: County,
    known_by: str,
    *,
    kind: str,
    as_of: dt.date,
    progress: Progress = lambda _file, _rows, _total: None,
) -> Inspection:
    """Read a file as one feed, to its end, and say what was understood; nothing is stored.

    Shape:  a file in; an Inspection out.
    Units:  areas in m2.
    CRS:    shapes are drawn in the county's.
    Errors: SourceError where the file cannot be read as this feed.
    Source: docs/sources.md, 6 and 7.
    """
    with room.opened(open_layer, path, contract, county, file=path.name) as layer:
        result = _begun(path, layer, contract, known_by, kind)
        gathered = _Gathered(contract, county)
        for batch in layer.batches:
            rows = raw_batch(batch, len(layer.headings))
            clean = clean_batch(rows, layer, contract, county, Manner(as_of))
            gathered.take(rows, clean, result)
            progress(path.name, result.rows, layer.row_total)
    result.ignored_lines = len(layer.ignored_lines)
    result.notes = layer.notes
    gathered.finish(result, contract)
    return result


def _begun(
    path: Path, layer: OpenLayer, contract: Contract, known_by: str, kind: str
) -> Inspection:
    used = layer.match.used
    return Inspection(
        file=path.name,
        kind=kind,
        feed=contract.feed,
        known_by=known_by,
        layer=layer.name,
        encoding=layer.encoding,
        crs=layer.crs,
        crs_from=layer.crs_from,
        notes=layer.notes,
        mapping=_mapping(layer, contract),
        unused=[h for i, h in enumerate(layer.headings) if i not in used and h],
    )


def _mapping(layer: OpenLayer, contract: Contract) -> list[Mapped]:
    """Each canonical column with the headings behind it."""
    found: list[Mapped] = []
    for name, column in contract.columns.items():
        places = tuple(p for leaf in _leaves(contract, name) for p in _places(layer, leaf))
        unit, unit_from = _unit(layer, column, places)
        headings = tuple(layer.headings[place] for place in dict.fromkeys(places))
        found.append(Mapped(name, headings, column.type, column.required, unit, unit_from))
    for melted in contract.melt:
        places = layer.match.positions.get(f"melt:{melted.indicator}", ())
        if places:
            unit, unit_from = _unit(layer, Column(type="number", unit=melted.unit), places)
            headings = tuple(layer.headings[place] for place in places)
            found.append(Mapped(melted.indicator, headings, "number", False, unit, unit_from))
    return found


def _leaves(contract: Contract, name: str) -> list[str]:
    column = contract.column(name)
    if column is None or not column.depends_on:
        return [name]
    return [leaf for part in column.depends_on for leaf in _leaves(contract, part)]


def _places(layer: OpenLayer, leaf: str) -> tuple[int, ...]:
    positions = layer.match.positions
    return positions.get(leaf) or positions.get(f"heading:{leaf}", ())


def _unit(layer: OpenLayer, column: Column, places: Sequence[int]) -> tuple[str | None, str | None]:
    """The unit in which figures are read, and who says so."""
    if column.unit is None or not places:
        return None, None
    stated = next((layer.match.units[p] for p in places if p in layer.match.units), None)
    if stated is not None:
        return stated, "heading"
    return column.unit, "row" if column.unit_column is not None else "contract"


class _Gathered:
    """What is gathered over the batches of a layer."""

    def __init__(self, contract: Contract, county: County) -> None:
        self.county = county
        self.area_column = next(
            (
                name
                for name, column in contract.columns.items()
                if name == "official_area_m2" and column.unit is not None
            ),
            None,
        )
        self.keys: list[npt.NDArray[np.uint64]] = []
        self.official: list[npt.NDArray[np.float64]] = []
        self.plane: list[npt.NDArray[np.float64]] = []
        self.survey: list[npt.NDArray[np.float64]] = []
        self.issues: list[pd.DataFrame] = []

    def take(self, rows: RawBatch, clean: CleanBatch, result: Inspection) -> None:
        """Take one batch."""
        good = clean.rows["outcome"].isna()
        result.rows += len(rows.row_number)
        result.quarantined += int(clean.rows.loc[~good, "file_row"].nunique())
        keys = clean.rows.loc[good, "key"].dropna()
        self.keys.append(pd.util.hash_pandas_object(keys, index=False).to_numpy(np.uint64))
        self.issues.append(clean.issues)
        if len(result.sample) < _SAMPLE_ROWS:
            hidden = {
                "row_hash",
                "outcome",
                "geom",
                "extra",
                "key",
                "scope_key",
                "part",
                "file_row",
            }
            shown = clean.rows.drop(columns=hidden & set(clean.rows.columns))
            wanted = shown.head(_SAMPLE_ROWS - len(result.sample))
            result.sample += [
                {name: None if pd.isna(value) else str(value) for name, value in row.items()}
                for row in wanted.to_dict("records")
            ]
        if "geom" in clean.rows.columns:
            shapes = np.asarray(shapely.from_wkb(clean.rows["geom"].to_numpy()), dtype=object)
            result.drawn.add(shapes[shapes != None])  # noqa: E711 - element by element
            self._measure(shapes, clean.rows)

    def _measure(self, shapes: npt.NDArray[np.object_], rows: pd.DataFrame) -> None:
        if self.area_column is None:
            return
        official = pd.to_numeric(rows[self.area_column], errors="coerce").to_numpy(np.float64)
        has_both = (shapes != None) & np.isfinite(official)  # noqa: E711 - element by element
        self.official.append(official[has_both])
        self.plane.append(shapely.area(shapes[has_both]))
        self.survey.append(survey_area(shapes[has_both], self.county.crs))

    def finish(self, result: Inspection, contract: Contract) -> None:
        """Sum up."""
        keys = np.concatenate(self.keys) if self.keys else np.array([], np.uint64)
        result.duplicates = len(keys) - len(np.unique(keys))
        issues = pd.concat(self.issues, ignore_index=True) if self.issues else None
        if issues is not None and len(issues):
            for (severity, rule), group in issues.groupby(["severity", "rule"], sort=True):
                examples = group.head(_EXAMPLES).drop(columns=["rule", "severity"])
                result.findings.append(
                    {
                        "rule": rule,
                        "severity": severity,
                        "rows": int(group["row_number"].nunique()),
                        "examples": examples.astype(object)
                        .where(examples.notna(), None)
                        .to_dict("records"),
                    }
                )
        official = np.concatenate(self.official) if self.official else np.array([])
        if len(official):
            plane, survey = np.concatenate(self.plane), np.concatenate(self.survey)
            result.areas = AreaCheck(
                rows=len(official),
                official_m2=float(official.sum()),
                plane_m2=float(plane.sum()),
                survey_m2=float(survey.sum()),
                median_ratio=float(np.median(official / np.where(plane > 0, plane, np.nan))),
            )
        result.refusal = _refusal(result, contract)


def _refusal(result: Inspection, contract: Contract) -> SourceError | None:
    """Why the file as a whole would be refused."""
    bad, rows = result.quarantined, result.rows
    if rows == 0:
        return SourceError("source.empty", file=result.file, layer=result.layer)
    is_too_much = bad > contract.min_bad_rows and bad > contract.max_bad_share * rows
    if not is_too_much and bad < rows:
        return None
    errors = [one for one in result.findings if one["severity"] == "error"]
    worst = max(errors, key=lambda one: one["rows"], default={"rule": "-"})
    return SourceError(
        "source.too_many_bad_rows",
        file=result.file,
        layer=result.layer,
        feed=result.feed,
        bad=bad,
        rows=rows,
        rule=worst["rule"],
    )
