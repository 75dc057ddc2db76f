"""Delivered headings against a contract: aliases, merged lines, units in brackets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipeline.domain.units import UNIT_BASE, UNIT_NAMES
from pipeline.feeds.contracts import Column, Contract

_BRACKETED = re.compile(r"(.+?)(?:_?[(\[]([^()\[\]]+)[)\]]|/([^/()]+))")
# NFKC has made one width of it; a bracket may stand around.
_TABLE_UNITS = re.compile(r"(?:计量)?单位:([^:()]+)")
_UNIT_CELL = re.compile(r"(?:单位[::]?)?[(\[]?([^()\[\]]+?)[)\]]?")
_DBF_NAME_BYTES = 10


@dataclass(frozen=True)
class Match:
    """Which delivered columns serve which canonical columns, parts, points and indicators.

    ``positions`` holds the positions in the order of the aliases; ``units`` what a heading or the
    line of units below it says.
    """

    positions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    units: dict[int, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    is_melted: bool = False

    @property
    def used(self) -> frozenset[int]:
        """Positions that serve anything."""
        return frozenset(p for found in self.positions.values() for p in found)

    @property
    def score(self) -> int:
        """How many canonical columns, parts and indicators were found."""
        return len(self.positions)


def normalise_heading(text: str) -> str:
    """Bring a heading to the form in which aliases are compared.

    Shape:  one text in; one text out, empty where nothing is left.
    Units:  none (a unit in brackets stays).
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7 (file habits): width, line breaks, marks of required fields.
    """
    flat = "".join(unicodedata.normalize("NFKC", text).split())
    return flat.strip("*:").upper()


def delivered_names(match: Match, headings: Sequence[str]) -> dict[str, str]:
    """What the office calls the columns that serve something, by the names that issues have for them.

    Shape:  a Match and the delivered headings in; canonical column, part or indicator to heading out,
            several headings of one with 、 between them.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/how-to-work-with-offices.md, section 5 (a row goes back in the words of its file).
    """
    return {
        name.partition(":")[2] if name.startswith(("melt:", "heading:")) else name: "、".join(
            headings[position] for position in positions
        )
        for name, positions in match.positions.items()
    }


def unit_of_cell(text: str) -> str | None:
    """The unit that a cell of a line of units names, such as ``（亩）``; None where it names none.

    Shape:  one text in; one unit code or None out.
    Units:  codes as in ``UNIT_BASE``.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7 (file habits): unit line below the header.
    """
    match = _UNIT_CELL.fullmatch(normalise_heading(text))
    return None if match is None else UNIT_NAMES.get(match[1])


def without_unit(text: str) -> tuple[str, str | None]:
    """Part a heading from the unit that it states in brackets or behind a stroke.

    Shape:  one text in; the heading and one unit code out, the whole and None where it states none.
    Units:  codes as in ``UNIT_BASE``.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7 (file habits).
    """
    match = _BRACKETED.fullmatch(normalise_heading(text))
    unit = None if match is None else UNIT_NAMES.get(match[2] or match[3])
    return (text, None) if match is None or unit is None else (match[1].rstrip("_"), unit)


def match_headings(
    contract: Contract,
    names: Sequence[Sequence[str]],
    *,
    cut_in: str | None = None,
    unit_line: dict[int, str] | None = None,
    table_units: Sequence[str] = (),
) -> Match:
    """Find the canonical columns among delivered headings.

    ``names[i]`` are the names that column i may go by, best first (a merged heading of two lines
    has several). An alias that fits two columns equally well fits none: which one is meant would
    be a guess. ``cut_in`` is the encoding in which names were cut to 10 bytes (DBF).

    Shape:  one tuple of names per delivered column in; one Match out.
    Units:  a heading's bracket with a known unit of the right kind is the unit of its column;
            ``table_units`` are those of the whole table, for columns that name none: the one of
            their kind, where there is one.
    CRS:    none (no geometry).
    Errors: none; required columns that were not found are in ``missing``.
    Source: contract of the feed.
    """
    search = _Search(names, cut_in, dict(unit_line or {}))
    positions: dict[str, tuple[int, ...]] = {}
    for name, aliases, unit in _wanted(contract):
        if found := search.find(aliases, unit):
            positions[name] = found
    is_melted = bool(contract.melt) and "value" not in positions
    if is_melted:
        for melted in contract.melt:
            if found := search.find((*melted.aliases, melted.indicator), melted.unit):
                positions[f"melt:{melted.indicator}"] = found
    used = {position for found in positions.values() for position in found}
    units = {position: unit for position, unit in search.units.items() if position in used}
    for name, unit in _units_wanted(contract):
        of_kind = [one for one in table_units if UNIT_BASE[one][0] == UNIT_BASE[unit][0]]
        if len(of_kind) == 1:
            for position in positions.get(name, ()):
                units.setdefault(position, of_kind[0])
    return Match(
        positions, units, missing_columns(contract, positions, is_melted=is_melted), is_melted
    )


def _units_wanted(contract: Contract) -> Iterator[tuple[str, str]]:
    """Columns and indicators whose figures have a unit, with the usual one."""
    for name, column in (*contract.columns.items(), *contract.parts.items()):
        if column.unit is not None:
            yield name, column.unit
    for melted in contract.melt:
        yield f"melt:{melted.indicator}", melted.unit


def units_of_table(texts: Sequence[str]) -> tuple[str, ...]:
    """Units that a line above the headings names, such as ``单位：万元、亩``.

    Shape:  the cells of that line in; codes of units out, none where it names none or one that is not
            known.
    Units:  codes as in ``UNIT_BASE``.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, 7 (file habits): title line, line of units.
    """
    found: list[str] = []
    for text in texts:
        match = _TABLE_UNITS.search(normalise_heading(text))
        if match is None:
            continue
        named = [UNIT_NAMES.get(one) for one in re.split("[、,;/，；]", match[1]) if one]
        if None in named:
            return ()
        found += [unit for unit in named if unit is not None]
    return tuple(dict.fromkeys(found))


def known_headings(contract: Contract) -> frozenset[str]:
    """Every heading that a contract knows.

    Shape:  a contract in, names as it writes them out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: contract of the feed.
    """
    melted = (alias for indicator in contract.melt for alias in indicator.aliases)
    wanted = (alias for _, aliases, _ in _wanted(contract) for alias in aliases)
    return frozenset((*wanted, *melted, *contract.never_stored))


def personal_headings(contract: Contract) -> frozenset[str]:
    """Headings whose values may be of a natural person, so that no message shows them.

    Shape:  a contract in, names as it writes them out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: contract of the feed (``personal``, ``never_stored``).
    """
    own = {
        name: column
        for name, column in (*contract.columns.items(), *contract.parts.items())
        if column.personal
    }
    aliases = (alias for name, column in own.items() for alias in (name, *column.aliases))
    return frozenset((*aliases, *contract.never_stored))


def _wanted(contract: Contract) -> Iterator[tuple[str, tuple[str, ...], str | None]]:
    """Name, aliases and unit of everything that is delivered as a column of its own."""
    for name, column in (*contract.columns.items(), *contract.parts.items()):
        if column.value is None and not column.depends_on:
            yield name, (*column.aliases, name), column.unit
        for other in column.depends_on:
            if contract.column(other) is None:
                yield f"heading:{other}", (other,), None
    if contract.change is not None:
        yield "change", contract.change.aliases, None
    if contract.point is not None:
        yield "point:x", contract.point.x, None
        yield "point:y", contract.point.y, None


class _Search:
    """Delivered names, looked up by alias; ``units`` is what was learnt on the way."""

    def __init__(
        self, names: Sequence[Sequence[str]], cut_in: str | None, units: dict[int, str]
    ) -> None:
        self.index, self.stated = _index(names)
        self.cut_in = cut_in
        self.units = units

    def find(self, aliases: Sequence[str], unit: str | None) -> tuple[int, ...]:
        """Positions that the aliases name, in their order."""
        found: dict[int, None] = {}
        for alias in aliases:
            position = _position(self.index, alias, self.cut_in)
            if position is None and unit is not None:
                position, bracket = _with_unit(self.index, self.stated, alias, unit)
                if position is not None and bracket is not None:
                    self.units.setdefault(position, bracket)
            if position is not None:
                found.setdefault(position)
        return tuple(found)


def _index(
    names: Sequence[Sequence[str]],
) -> tuple[dict[str, list[tuple[int, int]]], dict[str, list[tuple[int, int, str]]]]:
    """Where each name stands, (rank, position), and each name without its bracketed unit."""
    index: dict[str, list[tuple[int, int]]] = {}
    stated: dict[str, list[tuple[int, int, str]]] = {}
    for position, candidates in enumerate(names):
        for rank, candidate in enumerate(dict.fromkeys(map(normalise_heading, candidates))):
            if not candidate:
                continue
            index.setdefault(candidate, []).append((rank, position))
            bare, unit = without_unit(candidate)
            if unit is not None:
                stated.setdefault(bare, []).append((rank, position, unit))
    return index, stated


def _position(
    index: dict[str, list[tuple[int, int]]], alias: str, cut_in: str | None
) -> int | None:
    """The one column that an alias names best, None where there is none or several."""
    wanted = normalise_heading(alias)
    found = index.get(wanted, [])
    if not found and cut_in is not None:
        whole = wanted.encode(cut_in, "replace")
        if len(whole) > _DBF_NAME_BYTES:
            found = index.get(whole[:_DBF_NAME_BYTES].decode(cut_in, "ignore"), [])
    if not found:
        return None
    best = min(rank for rank, _ in found)
    nearest = [position for rank, position in found if rank == best]
    return nearest[0] if len(nearest) == 1 else None


def _with_unit(
    index: dict[str, list[tuple[int, int]]],
    stated: dict[str, list[tuple[int, int, str]]],
    alias: str,
    unit: str,
) -> tuple[int | None, str | None]:
    """The one column that an alias names with a unit of the same kind in brackets behind it."""
    wanted = normalise_heading(alias)
    of_kind = [
        (rank, position, found)
        for rank, position, found in stated.get(wanted, [])
        if UNIT_BASE[found][0] == UNIT_BASE[unit][0]
    ]
    if wanted in index or not of_kind:
        return None, None
    best = min(rank for rank, _, _ in of_kind)
    nearest = [(position, found) for rank, position, found in of_kind if rank == best]
    return nearest[0] if len(nearest) == 1 else (None, None)


def missing_columns(
    contract: Contract, positions: dict[str, tuple[int, ...]], *, is_melted: bool
) -> tuple[str, ...]:
    """Name the required columns for which nothing is delivered and nothing stands in.

    Shape:  positions of columns, parts and indicators as in ``Match``, and whether the table is a wide
            one, in; canonical columns out, in the order of the contract.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: contract of the feed.
    """
    optional = {"indicator", "value", "unit"} if is_melted else set()
    if contract.internal is not None and contract.internal.may_lack:
        optional.add(contract.internal.column)
    missing = [
        name
        for name, column in contract.columns.items()
        if column.required and name not in optional and not _is_given(contract, positions, name)
    ]
    if is_melted and not any(name.startswith("melt:") for name in positions):
        missing.append("value")
    return tuple(missing)


def missing_in_words(contract: Contract, match: Match) -> str:
    """Name what was not found as people know it: the column and the headings it may go by.

    Shape:  a Match with missing columns in; one text out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: docs/sources.md, Style 5 (what, where, what to do next).
    """
    words = []
    for name in match.missing:
        for leaf in _absent(contract, match.positions, name):
            column = contract.column(leaf)
            aliases = () if column is None else column.aliases
            words.append(f"{leaf} ({', '.join(aliases)})" if aliases else leaf)
    return "; ".join(dict.fromkeys(words))


def _absent(contract: Contract, positions: dict[str, tuple[int, ...]], name: str) -> list[str]:
    """The delivered columns behind a column that were not found."""
    column = contract.column(name)
    if column is None or not column.depends_on:
        return [name]
    return [
        leaf
        for part in column.depends_on
        if not _is_given(contract, positions, part)
        for leaf in _absent(contract, positions, part)
    ]


def _is_given(contract: Contract, positions: dict[str, tuple[int, ...]], name: str) -> bool:
    column: Column | None = contract.column(name)
    if column is None:
        return f"heading:{name}" in positions
    if name in positions or column.value is not None or column.default is not None:
        return True
    if column.parts:
        return all(_is_given(contract, positions, part) for part in column.parts)
    return any(_is_given(contract, positions, part) for part in column.first_of)
