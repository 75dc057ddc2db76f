"""What a file is taken for, before anything of it is loaded: ``diqi load --inspect``."""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from sqlalchemy import text

from pipeline.database import database_errors, driver_of
from pipeline.domain.areas import survey_area
from pipeline.domain.persons import hide_person_numbers
from pipeline.errors import SourceError, UsageError
from pipeline.feeds.archive import members
from pipeline.feeds.batch import OpenLayer, RawBatch, raw_batch
from pipeline.feeds.clean import HIDDEN, CleanBatch
from pipeline.feeds.contracts import Column, Contract, County
from pipeline.feeds.crs import label_of
from pipeline.feeds.discover import SourceFile, matching_feeds
from pipeline.feeds.draft import Geometry, draft_contract
from pipeline.feeds.headings import (
    Match,
    match_headings,
    missing_in_words,
    normalise_heading,
)
from pipeline.feeds.isolation import ReadingRoom
from pipeline.feeds.kinds import Kind, kind_of, require_readable
from pipeline.feeds.limits import Limits
from pipeline.feeds.opening import OPEN_LAYER, TOP_OF
from pipeline.feeds.paths import require_file, unreadable_file
from pipeline.feeds.place import Known
from pipeline.feeds.reader import Delivery, LayerCleaning
from pipeline.outputs.inspection import AreaCheck, Inspection, Mapped
from pipeline.outputs.picture import draw_layer
from pipeline.run import contracts_of, county_of
from pipeline.settings import WORKSPACE_FILE, Settings
from pipeline.steps.held import land_held
from pipeline.workspace import running_database

Progress = Callable[[str, int, int | None], None]

_SAMPLE_ROWS = 10
_OF_LAYERS = {"geodatabase", "geopackage", "sqlite", "xlsx", "xls", "xlsb", "ods"}
_EXAMPLES = 3
_FEED_TABLE = re.compile(r"^\[feed\.(\w+)", re.MULTILINE)
_LISTED = 20
# So much of a cell tells what it is.
_SAMPLE_LENGTH = 1_000


def inspect_file(
    path: Path,
    settings: Settings,
    *,
    feed: str | None,
    picture: Path | None,
    as_of: dt.date,
    known: Known | None = None,
    room: ReadingRoom | None = None,
    progress: Progress = lambda _file, _rows, _total: None,
) -> list[Inspection]:
    """Read a file to its end as each feed it serves, and say what was understood; nothing is stored.

    The picture of its shapes goes to ``picture``, else to ``out/inspect/`` of the workspace.
    ``known`` is where land lies that is held, by which a file without a CRS is placed; ``room`` is
    where it is read, one of its own by default.

    Shape:  a file in; one Inspection per data set and feed out.
    Units:  areas in m2.
    CRS:    shapes are drawn in the county's.
    Errors: UsageError (usage.no_file, usage.feed); SourceError where the file cannot be read, or is
            of no feed.
    Source: docs/sources.md, 6 and 7.
    """
    contracts = _contracts(path, settings, feed)
    county = county_of(settings)
    limits = settings.limits.of_files
    found: list[Inspection] = []
    with _room(room, limits) as reading:
        for part in _parts(path, limits):
            feeds, known_by = choose_feed(reading, part, contracts, feed, limits)
            for name in feeds:
                source = SourceFile(
                    path, part.shown, name, None, None, "", inside=part.inside, layer=part.layer
                )
                delivery = Delivery(
                    source, contracts[name], county, as_of, "", known=known or Known()
                )
                found.append(inspect(reading, delivery, known_by, part, progress=progress))
    for one in found:
        _draw(one, settings, picture if len(found) == 1 else None)
    return found


def land_of(settings: Settings) -> Known:
    """Where land lies that the workspace's database holds, where that runs; it is not started.

    Shape:  settings in; boxes of townships, zones or patches out, none where nothing is held.
    Units:  metres.
    CRS:    the county's.
    Errors: DatabaseError where it does not answer.
    Source: docs/sources.md, 3.4 (overlay with a layer of known CRS).
    """
    engine = running_database(settings)
    if engine is None:
        return Known()
    with database_errors(), engine.connect() as connection:
        if connection.scalar(text("SELECT to_regclass('core.area')")) is None:
            return Known()
        with driver_of(connection).cursor() as cursor:
            return land_held(cursor)


@dataclass(frozen=True)
class Part:
    """A data set of a file: the file itself, or what lies in a zip."""

    path: Path
    name: str
    kind: str
    inside: str | None = None
    layer: str | None = None
    other_name: str | None = None

    @property
    def shown(self) -> str:
        """The name under which it is told of."""
        return self.path.name if self.inside is None else f"{self.path.name}/{self.inside}"


def _parts(path: Path, limits: Limits) -> list[Part]:
    require_file(path)
    try:
        kind = kind_of(path)
    except OSError as error:
        raise unreadable_file(path, error) from error
    require_readable(path, kind)
    if kind is not Kind.ZIP:
        return [Part(path, path.name, kind.value)]
    packed = members(path, limits)
    parts = [Part(path, one.name, f"zip, {one.kind.value}", one.inside) for one in packed]
    if len(parts) == 1:
        # a zip may be named, and what it holds not
        parts = [replace(parts[0], other_name=path.stem + Path(packed[0].name).suffix)]
    return parts


def _draw(one: Inspection, settings: Settings, picture: Path | None) -> None:
    if not one.drawn.boxes or not sum(map(len, one.drawn.boxes)):
        return
    target = picture or _picture_path(settings, one)
    target.parent.mkdir(parents=True, exist_ok=True)
    boxes = np.concatenate(one.drawn.boxes)
    shapes = np.concatenate(one.drawn.shapes) if one.drawn.shapes else None
    low, high = boxes.min(axis=0), boxes.max(axis=0)
    caption = (
        f"{len(boxes)} shapes, {one.crs} -> {settings.county.crs}, "
        f"x {low[0]:.0f} to {high[2]:.0f}, y {low[1]:.0f} to {high[3]:.0f}"
    )
    draw_layer(target, boxes, shapes, caption)
    one.picture = str(target)


@contextmanager
def _room(given: ReadingRoom | None, limits: Limits) -> Iterator[ReadingRoom]:
    """The room that was given, else one that is closed afterwards."""
    if given is not None:
        yield given
        return
    with closing(ReadingRoom(limits)) as room:
        yield room


def draft_of(
    path: Path, settings: Settings, feed: str | None, *, room: ReadingRoom | None = None
) -> str:
    """Draft a contract for a file, columns guessed and marked, ready to be corrected.

    Shape:  a file in; the text of a workspace's ``sources.toml`` for it out.
    Units:  those of the headings.
    CRS:    as the file says.
    Errors: UsageError (usage.no_file, usage.feed, draft.no_feed); SourceError where the file cannot
            be read.
    Source: docs/how-to-add-a-feed.md.
    """
    contracts = _contracts(path, settings, feed)
    limits = settings.limits.of_files
    drafts: list[str] = []
    with _room(room, limits) as reading:
        for part in _parts(path, limits):
            layers = reading.asked(TOP_OF, path, part.inside, limits, file=path.name)
            drafts += [_draft(part, layer, contracts, feed) for layer in layers]
    return "\n".join(_each_once(drafts))


def _each_once(drafts: list[str]) -> list[str]:
    """Drafts of which a feed has one; those of other layers for the same feed become comments."""
    taken: set[str] = set()
    shown: list[str] = []
    for draft in drafts:
        feeds = set(_FEED_TABLE.findall(draft))
        is_twice = bool(feeds & taken)
        taken |= feeds
        shown.append(re.sub("^(?=.)", "# ", draft, flags=re.MULTILINE) if is_twice else draft)
    return shown


def _draft(
    part: Part, layer: dict[str, Any], contracts: Mapping[str, Contract], feed: str | None
) -> str:
    names, rows = _likely_headings(layer, contracts)
    columns = [
        pd.Series([row[i] if i < len(row) else None for row in rows], dtype="str")
        for i in range(len(names))
    ]
    kind: Geometry = "none"
    if layer["has_geometry"]:
        kind = "point" if "Point" in str(layer["geometry_type"]) else "polygon"
    crs = layer["crs"]
    return draft_contract(
        contracts,
        names,
        columns,
        file=part.name,
        geometry=kind,
        crs=None if crs is None else label_of(crs),
        encoding=layer["encoding"],
        layer=layer["name"] if part.kind in _OF_LAYERS else None,
        feed=feed,
    )


def _likely_headings(
    layer: dict[str, Any], contracts: Mapping[str, Contract]
) -> tuple[list[str], list[list[str | None]]]:
    """The candidate that fits any contract best, and the rows below it."""
    best, most = 0, (-1, -1)
    for place, headings in enumerate(layer["headings"]):
        names = [tuple(one) for one in headings]
        score = max(match_headings(contract, names).score for contract in contracts.values())
        filled = len({one[0] for one in names if one[0]})
        if (score, filled if score == 0 else 0) > most:
            best, most = place, (score, filled if score == 0 else 0)
    chosen: list[str] = [one[0] for one in layer["headings"][best]]
    return chosen, layer["rows"][layer["ends"][best] + 1 :]


def _contracts(path: Path, settings: Settings, feed: str | None) -> dict[str, Contract]:
    contracts = contracts_of(settings)
    if not os.path.lexists(path):
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
    part: Part,
    contracts: Mapping[str, Contract],
    wanted: str | None,
    limits: Limits,
) -> tuple[list[str], str]:
    """Tell which feeds a file serves, and by what that is known.

    Shape:  a data set in; feeds and one of ``person``, ``name``, ``headings`` out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.no_feed where no contract fits, source.no_feed_near where none is even
            near, and those of reading the file.
    Source: contracts of the feeds.
    """
    if wanted is not None:
        return [wanted], "person"
    for name in filter(None, (part.name, part.other_name)):
        if feeds := matching_feeds(part.path.with_name(name), contracts, part.path):
            return feeds, "name"
    fitting: dict[str, int] = {}
    nearest: tuple[int, str, str] = (0, "", "")
    headings_found: list[str] = []
    for layer in room.asked(TOP_OF, part.path, part.inside, limits, file=part.shown):
        if layer["has_fields"]:
            headings_found += [names[0] for names in layer["headings"][0][:_LISTED] if names[0]]
        for feed, contract in contracts.items():
            if contract.geometry_required and not layer["has_geometry"]:
                continue
            for headings in layer["headings"]:
                match = match_headings(contract, [tuple(names) for names in headings])
                if not match.missing and _names_its_key(contract, match):
                    fitting[feed] = max(fitting.get(feed, 0), match.score)
                elif match.score > nearest[0]:
                    nearest = (match.score, feed, missing_in_words(contract, match))
    if not fitting:
        raise _of_no_feed(part.shown, nearest, headings_found)
    most = max(fitting.values())
    return [feed for feed, score in fitting.items() if score == most], "headings"


def _names_its_key(contract: Contract, match: Match) -> bool:
    """Whether headings name what identifies a record; any shapes could be buildings without numbers."""
    leaves = {leaf for name in contract.key for leaf in _leaves(contract, name)}
    return not leaves.isdisjoint(match.positions)


def _of_no_feed(file: str, nearest: tuple[int, str, str], headings: list[str]) -> SourceError:
    score, feed, missing = nearest
    if score:
        return SourceError("source.no_feed", file=file, feed=feed, missing=missing)
    found = ", ".join(map(hide_person_numbers, headings[:_LISTED])) or "–"
    return SourceError("source.no_feed_near", file=file, found=found)


def inspect(
    room: ReadingRoom,
    delivery: Delivery,
    known_by: str,
    part: Part,
    *,
    progress: Progress = lambda _file, _rows, _total: None,
) -> Inspection:
    """Read a file as one feed, to its end, and say what was understood; nothing is stored.

    Shape:  a delivery that is in no database in; an Inspection out.
    Units:  areas in m2.
    CRS:    shapes are drawn in the county's.
    Errors: SourceError where the file cannot be read as this feed.
    Source: docs/sources.md, 6 and 7.
    """
    contract = delivery.contract
    opening = delivery.opening(room.limits)
    with room.opened(OPEN_LAYER, opening, file=part.shown) as layer:
        result = _begun(part, layer, contract, known_by)
        gathered = _Gathered(contract, delivery.county)
        cleaning = LayerCleaning(layer, delivery)
        for batch in layer.batches:
            rows = raw_batch(batch, len(layer.headings))
            gathered.take(rows, cleaning(rows), result)
            progress(part.shown, result.rows, layer.row_total)
        cleaning.finish()
    for one in result.mapping:
        detected = cleaning.detected.get(one.column)
        if detected is not None and one.unit_from == "contract":
            one.unit, one.unit_from = detected, "geometry"
    result.ignored_lines = layer.ignored_lines.count
    result.notes = layer.notes
    gathered.finish(result, contract)
    return result


def _begun(part: Part, layer: OpenLayer, contract: Contract, known_by: str) -> Inspection:
    used = layer.match.used
    never = {normalise_heading(name) for name in contract.never_stored}
    rest = [h for i, h in enumerate(layer.headings) if i not in used and h]
    return Inspection(
        file=part.shown,
        kind=part.kind,
        feed=contract.feed,
        known_by=known_by,
        layer=layer.name,
        encoding=layer.encoding,
        crs=layer.crs,
        crs_from=layer.crs_from,
        notes=layer.notes,
        mapping=_mapping(layer, contract),
        unused=[heading for heading in rest if normalise_heading(heading) not in never],
        dropped=[heading for heading in rest if normalise_heading(heading) in never],
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
    by_row = column.unit_column is not None and column.unit_column in layer.match.positions
    return column.unit, "row" if by_row else "contract"


class _Gathered:
    """What is gathered over the batches of a layer."""

    def __init__(self, contract: Contract, county: County) -> None:
        self.county = county
        self.contract = contract
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
        self.findings: dict[tuple[str, str], dict[str, Any]] = {}

    def take(self, rows: RawBatch, clean: CleanBatch, result: Inspection) -> None:
        """Take one batch."""
        good = clean.rows["outcome"].isna()
        result.rows += len(rows.row_number)
        result.quarantined += int(clean.rows.loc[~good, "file_row"].nunique())
        keys = clean.rows.loc[good, "key"].dropna()
        self.keys.append(pd.util.hash_pandas_object(keys, index=False).to_numpy().astype(np.uint64))
        self._find(clean.issues)
        if len(result.sample) < _SAMPLE_ROWS:
            names = ["file_row", *self.contract.columns]
            shown = clean.rows[names].head(_SAMPLE_ROWS - len(result.sample))
            for name, column in self.contract.columns.items():
                if column.personal:
                    # what may be the name of a person is shown to nobody
                    shown = shown.assign(**{name: shown[name].mask(shown[name].notna(), HIDDEN)})
            result.sample += [
                {
                    str(name): None if pd.isna(value) else str(value)[:_SAMPLE_LENGTH]
                    for name, value in row.items()
                }
                for row in shown.to_dict("records")
            ]
        if "geom" in clean.rows.columns:
            shapes = np.asarray(shapely.from_wkb(clean.rows["geom"].to_numpy()), dtype=object)
            result.drawn.add(shapes[shapes != None])  # noqa: E711 - element by element
            self._measure(shapes, clean.rows)

    def _find(self, issues: pd.DataFrame) -> None:
        """Count the rows of each rule, and keep the first as examples."""
        if not len(issues):
            return
        for (severity, rule), group in issues.groupby(["severity", "rule"], sort=True):
            found = self.findings.setdefault(
                (str(severity), str(rule)),
                {"rule": rule, "severity": severity, "rows": 0, "examples": []},
            )
            # rows of one number are of one batch
            found["rows"] += int(group["row_number"].nunique())
            wanted = _EXAMPLES - len(found["examples"])
            examples = group.head(wanted).drop(columns=["rule", "severity"]).astype(object)
            found["examples"] += examples.where(examples.notna(), None).to_dict("records")

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
        result.findings = [self.findings[key] for key in sorted(self.findings)]
        official = np.concatenate(self.official) if self.official else np.array([])
        if len(official):
            plane, survey = np.concatenate(self.plane), np.concatenate(self.survey)
            has_area = plane > 0
            ratios = official[has_area] / plane[has_area]
            result.areas = AreaCheck(
                rows=len(official),
                official_m2=float(official.sum()),
                plane_m2=float(plane.sum()),
                survey_m2=float(survey.sum()),
                median_ratio=float(np.median(ratios)) if len(ratios) else 0.0,
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
