"""A layer as its file holds it, before any contract looks at it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

# Rows that are read, cleaned and sent at a time.
BATCH_ROWS = 8_192
GEOMETRY = "geom"
SEAL = "seal"


@dataclass
class RawLayer:
    """An opened layer.

    ``batches`` hold one column per heading, in their order, and last, where there are shapes, the
    column ``geom`` (WKB, null where a row has none). ``geometry_type`` is the kind that the file
    states, ``Unknown`` where it holds several; ``crs`` an authority code, WKT, PROJJSON or PROJ text,
    None where nothing is told. ``notes`` are codes of messages with their parameters.
    """

    name: str
    fields: list[str]
    batches: Iterator[pa.RecordBatch]
    has_geometry: bool = False
    geometry_type: str | None = None
    crs: str | None = None
    row_total: int | None = None
    encoding: str | None = None
    notes: list[tuple[str, dict[str, object]]] = field(default_factory=list)
