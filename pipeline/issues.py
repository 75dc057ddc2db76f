"""What goes back to the offices: the rows of their deliveries that are to be mended, and refused files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from pipeline import __version__
from pipeline.database import read_sql
from pipeline.domain.persons import hide_person_numbers
from pipeline.errors import SettingsError
from pipeline.feeds.contracts import Contract
from pipeline.messages import both, catalogue
from pipeline.outputs.issue_sheets import (
    IssueLine,
    RefusedLine,
    read_issue_stamp,
    write_issue_sheet,
)
from pipeline.outputs.tables import read_codes

_GEOMETRY: Final = "图形 geometry"
_AT_ONCE: Final = 5_000


def write_issue_sheets(
    connection: Connection, contracts: Mapping[str, Contract], folder: Path
) -> list[Path]:
    """Write one workbook per office that has something to mend; take the others away.

    A workbook that holds all of it already is left alone. No natural person's name or number is in
    them: values of personal columns are hidden where issues are found, numbers typed elsewhere here.

    Shape:  an open connection, the contracts and the folder in; the workbooks that are there out.
    Units:  those of the delivered values.
    CRS:    none.
    Errors: SettingsError export.not_writable; those of the database.
    Source: docs/how-to-work-with-offices.md, section 5.
    """
    found = connection.execute(text(read_sql("sql", "run", "office_delivery.sql"))).all()
    by_office: dict[str, list[Row[Any]]] = {}
    for row in found:
        # a feed that the program no longer knows has no office
        if row.feed in contracts:
            by_office.setdefault(contracts[row.feed].office, []).append(row)
    paths: list[Path] = []
    for office, deliveries in sorted(by_office.items()):
        path = folder / f"{_file_name(office)}.xlsx"
        paths.append(path)
        stamp = _stamp(office, deliveries, contracts)
        if read_issue_stamp(path) == stamp:
            continue
        write_issue_sheet(
            path,
            office,
            _lines(connection, deliveries, contracts),
            sum(row.issue_count for row in deliveries),
            [_refused(row, contracts) for row in deliveries if row.state == "refused"],
            stamp,
        )
    _take_away(folder, paths)
    return paths


def _take_away(folder: Path, kept: Sequence[Path]) -> None:
    """Delete the workbooks of offices that have nothing to mend; other files are not ours."""
    for path in sorted(folder.glob("*.xlsx")):
        if path not in kept and read_issue_stamp(path) is not None:
            try:
                path.unlink()
            except OSError as error:
                raise SettingsError(
                    "export.not_writable", path=str(path), reason=str(error)
                ) from error


def _file_name(office: str) -> str:
    """The name of an office as that of a file: no separators, nothing hidden, not too long."""
    plain = "".join(sign if sign.isalnum() or sign in "-_ ." else "_" for sign in office)
    return plain.strip(" .")[:60] or "_"


def _stamp(office: str, deliveries: Sequence[Row[Any]], contracts: Mapping[str, Contract]) -> str:
    """A hash of all that decides what is in a workbook."""
    feeds = sorted({row.feed for row in deliveries})
    content = [
        __version__,
        office,
        [catalogue("zh"), catalogue("en")],
        [contracts[feed].model_dump_json(by_alias=True) for feed in feeds],
        [
            [
                *(row.feed, row.file, row.layer, row.data_date.isoformat(), row.state),
                *(row.content_hash, row.contract_hash, row.issue_count),
                row.detail if row.state == "refused" else row.detail.get("columns"),
            ]
            for row in deliveries
        ],
    ]
    coded = json.dumps(content, ensure_ascii=False, sort_keys=True)
    return hashlib.blake2b(coded.encode(errors="replace"), digest_size=16).hexdigest()


def _lines(
    connection: Connection, deliveries: Sequence[Row[Any]], contracts: Mapping[str, Contract]
) -> Iterator[IssueLine]:
    """The issues of some deliveries, file by file and row by row."""
    by_id = {row.delivery_id: row for row in deliveries}
    headings: dict[tuple[int, str | None], str] = {}
    result = connection.execute(
        text(read_sql("sql", "run", "office_issue.sql")),
        {"deliveries": list(by_id)},
        execution_options={"yield_per": _AT_ONCE},
    )
    severities = read_codes()["severity"]
    for row in result:
        delivery = by_id[row.delivery_id]
        contract = contracts[delivery.feed]
        place = (row.delivery_id, row.field)
        if place not in headings:
            columns = delivery.detail.get("columns", {})
            headings[place] = heading_of(contract, row.field, columns)
        key = hide_person_numbers(row.subject_key)
        value = None if row.value is None else hide_person_numbers(row.value)
        said = {"feed": delivery.feed, "subject_key": key, "value": value, **row.params}
        said["field"] = headings[place]
        reason = both(row.rule, said)
        next_step = both(f"{row.rule}.next_step", said)
        yield IssueLine(
            file=delivery.file,
            layer=delivery.layer,
            data_date=delivery.data_date.isoformat(),
            row_number=row.row_number,
            heading=headings[place],
            value=value,
            severity=f"{severities[row.severity]} {row.severity}",
            reason_zh=hide_person_numbers(reason[0]),
            reason_en=hide_person_numbers(reason[1]),
            next_step_zh=next_step[0],
            next_step_en=next_step[1],
            feed=_title(contract),
            key=key,
            rule=row.rule,
        )


def _title(contract: Contract) -> str:
    return f"{contract.title_zh} {contract.title_en}"


def _refused(row: Row[Any], contracts: Mapping[str, Contract]) -> RefusedLine:
    """Why nothing of a file was taken, and what to do."""
    contract = contracts[row.feed]
    code = str(row.detail.get("code", ""))
    reason = both(code, dict(row.detail.get("params", {})))
    return RefusedLine(
        file=row.file,
        feed=_title(contract),
        data_date=row.data_date.isoformat(),
        reason_zh=hide_person_numbers(reason[0]),
        reason_en=hide_person_numbers(reason[1]),
        rule=code,
    )


def heading_of(contract: Contract, field: str | None, delivered: Mapping[str, str]) -> str:
    """What the office calls a field: the heading of its file, else the first one that is usual.

    Shape:  a contract, the name that an issue has for the field, and the delivered headings of the
            file by such names in; one text out, empty where the issue is about the whole row.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: config/sources.toml (aliases).
    """
    if not field:
        return ""
    if field in delivered:
        return delivered[field]
    if field == "geom":
        return _GEOMETRY
    column = contract.column(field)
    if column is not None and column.depends_on:
        parts = [heading_of(contract, part, delivered) for part in column.depends_on]
        return "、".join(dict.fromkeys(parts))
    return _usual_headings(contract).get(field, field)


def _usual_headings(contract: Contract) -> dict[str, str]:
    """The first Chinese heading, else the first one, of each column, part and indicator."""
    aliases = {name: c.aliases for name, c in (*contract.columns.items(), *contract.parts.items())}
    aliases |= {melted.indicator: melted.aliases for melted in contract.melt}
    if contract.change is not None:
        aliases["change"] = contract.change.aliases
    return {
        name: next((one for one in found if not one.isascii()), found[0])
        for name, found in aliases.items()
        if found
    }
