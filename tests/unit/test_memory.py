"""Rows that came before word for word are taken over; whatever cleaning looks at makes another row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import shapely
from shapely.geometry import Point

from pipeline.feeds.batch import OpenLayer, RawBatch
from pipeline.feeds.contracts import County
from pipeline.feeds.geometry import clean_points, drawn_from
from pipeline.feeds.headings import Match
from pipeline.feeds.memory import Memory, part_of
from pipeline.feeds.sealing import context_of, seals_of

COUNTY = County("330299", "EPSG:4549")


def batch(*rows: tuple[str | None, ...], **options: object) -> RawBatch:
    columns = [pd.Series(list(column), dtype="str") for column in zip(*rows, strict=True)]
    base = RawBatch(np.arange(1, len(rows) + 1), columns, [None] * len(columns))
    return replace(base, **options)  # type: ignore[arg-type]


def layer(**options: object) -> OpenLayer:
    match = Match({"name": (0,)}, {}, (), is_melted=False)
    base = OpenLayer("sheet", ["名称", "面积"], match, iter(()), crs="EPSG:4549", encoding="utf-8")
    return replace(base, **options)  # type: ignore[arg-type]


CONTEXT = context_of(layer(), "contract")


def delivered(
    *rows: tuple[str | None, ...], number: int | None = None, shapes: list[Point] | None = None
) -> pa.RecordBatch:
    columns = {"row": pa.array(range(1, len(rows) + 1), pa.int32())}
    for i, column in enumerate(zip(*rows, strict=True)):
        columns[f"c{i}"] = pa.array(column, pa.string())
        columns[f"n{i}"] = pa.array([i == number] * len(rows))
    if shapes is not None:
        columns["geom"] = pa.array(shapely.to_wkb(np.array(shapes, dtype=object)), pa.binary())
    return pa.RecordBatch.from_pydict(columns)


def test_the_same_row_has_the_same_seal_wherever_it_stands() -> None:
    one = seals_of(delivered(("a", "1"), ("b", "2")), CONTEXT)
    other = seals_of(delivered(("b", "2"), ("c", None), ("a", "1")), CONTEXT)
    assert one == [other[2], other[0]]
    assert len(set(other)) == 3
    part = delivered(("b", "2"), ("c", None), ("a", "1"), shapes=[Point(1, 2)] * 3).slice(1)
    assert seals_of(part, CONTEXT)[1:] == seals_of(
        delivered(("a", "1"), shapes=[Point(1, 2)]), CONTEXT
    )


@pytest.mark.parametrize(
    "other",
    [
        delivered(("a", "2")),
        delivered(("a", None)),
        delivered(("a1", "")),
        delivered(("1", "a")),
        # digits may be lost in a cell that was a number
        delivered(("a", "1"), number=1),
        delivered(("a", "1"), shapes=[Point(1, 2)]),
    ],
)
def test_another_row_has_another_seal(other: pa.RecordBatch) -> None:
    assert seals_of(delivered(("a", "1")), CONTEXT) != seals_of(other, CONTEXT)


def test_shapes_are_told_apart() -> None:
    places = ((1, 2), (1, 2.000001), (1, 2))
    one, other, same = (seals_of(delivered(("a",), shapes=[Point(*p)]), CONTEXT) for p in places)
    assert one == same != other


@pytest.mark.parametrize(
    ("options", "contract"),
    [
        ({"headings": ["名称", "土地面积"]}, "contract"),
        ({"match": Match({"name": (1,)}, {}, (), is_melted=False)}, "contract"),
        ({"match": Match({"name": (0,)}, {1: "mu"}, (), is_melted=False)}, "contract"),
        ({"crs": "EPSG:4548"}, "contract"),
        ({"encoding": "gb18030"}, "contract"),
        ({"is_spreadsheet": True}, "contract"),
        ({}, "another contract"),
    ],
)
def test_what_is_read_otherwise_is_not_known(options: dict[str, object], contract: str) -> None:
    assert context_of(layer(**options), contract) != CONTEXT


def test_a_memory_gives_back_what_it_was_told() -> None:
    hashes = seals_of(delivered(("a", "1"), ("b", "2")), CONTEXT)
    memory = Memory([(hashes[1], "B", False, "330299001", "2025", b"content")])
    nothing, found = memory.find(hashes)
    assert nothing is None
    assert found is not None
    assert (found.key, found.scope_key, found.part, found.row_hash) == (
        "B",
        "330299001",
        "2025",
        b"content",
    )
    assert len(memory) == 1


def test_the_name_of_a_person_is_not_shown() -> None:
    rows = [
        (b"1", "P|1|王|某", True, None, None, b"x"),
        (b"2", "P|1|91330299", False, None, None, b"y"),
    ]
    person, firm = Memory(rows, [False, False, True]).find([b"1", b"2"])
    assert person is not None
    assert firm is not None
    assert (person.key, person.subject) == ("P|1|王|某", "P|1|…")
    assert (firm.key, firm.subject) == ("P|1|91330299", "P|1|91330299")


def test_a_part_keeps_rows_numbers_and_shapes_together() -> None:
    whole = batch(
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
        numeric=[None, np.array([True, False, True])],
        drawn=drawn_from(clean_points(np.array([Point(0, 0), None, Point(2, 2)]), COUNTY)),
    )
    part = part_of(whole, np.array([True, False, True]))
    assert part.row_number.tolist() == [1, 3]
    assert [column.tolist() for column in part.columns] == [["a", "c"], ["1", "3"]]
    assert part.numeric[1] is not None
    assert part.numeric[1].tolist() == [True, True]
    assert part.drawn is not None
    assert shapely.from_wkb(part.drawn.stored).tolist() == [Point(0, 0), Point(2, 2)]
    assert part.drawn.middle.tolist() == [[0, 0], [2, 2]]
