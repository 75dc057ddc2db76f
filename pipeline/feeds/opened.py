"""A layer as its file holds it, before a contract is laid over it: names, batches, CRS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import SourceError

# Rows that are read, cleaned and sent at a time.
BATCH_ROWS = 4_096
# No spreadsheet has more columns (XFD); a table of more is a table with a wrong separator.
MOST_COLUMNS = 16_384
# The column of shapes, after those of ``fields``.
GEOMETRY = "geom"
# The column of seals that a reader may add (``pipeline.feeds.sealing``).
SEAL = "seal"
# Columns of what was found of the shapes, as ``pipeline.feeds.geometry.Drawn`` has it.
DRAWN_TEXTS = ("rule", "problem", "reason")
DRAWN_NUMBERS = ("area_before", "area_after", "x", "y")
STORED, GIVEN = "geom_stored", "geom_given"


@dataclass(frozen=True)
class Texts:
    """What a contract says of texts.

    ``declared`` is an encoding or ``auto``, ``known`` the headings that it knows, ``hidden`` those
    whose values no message may show.
    """

    declared: str = "auto"
    known: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Note:
    """Something to be told along with a layer: a message code and its parameters."""

    code: str
    params: Mapping[str, object]


@dataclass
class RawLayer:
    """What a reader of one format found; nothing is matched to a contract or reprojected.

    Each batch holds one column per heading in the order of ``fields``, then ``geom`` (WKB) where
    ``has_geometry``. ``crs`` is an authority code, WKT or PROJJSON as text; None: the file does not
    tell. ``notes`` are message codes and their parameters about the whole layer; ``row_issues`` says
    of single rows, numbered from 1, why they cannot be used as they are. Both are complete when the
    batches have been read.
    """

    name: str
    fields: list[str]
    batches: Iterator[pa.RecordBatch]
    has_geometry: bool
    geometry_type: str | None
    crs: str | None
    row_total: int | None
    encoding: str | None = None
    names_encoding: str | None = None
    # whether the format itself sets the CRS, as GeoJSON does, and not the file
    is_default_crs: bool = False
    # boxes of all shapes, where the file states them
    boxes: npt.NDArray[np.float64] | None = None
    notes: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    row_issues: list[tuple[int, str, dict[str, object]]] = field(default_factory=list)


def require_few_columns(file: str, layer: str, columns: int) -> None:
    """Refuse a layer of more columns than any program shows.

    Shape:  names of file and layer and the number of columns in; nothing out.
    Units:  none.
    CRS:    none.
    Errors: SourceError: source.too_many_columns.
    Source: ECMA-376, 18.3.1.73 (rows of a sheet have 16,384 cells).
    """
    if columns > MOST_COLUMNS:
        raise SourceError(
            "source.too_many_columns", file=file, layer=layer, columns=columns, limit=MOST_COLUMNS
        )


def unique_names(names: list[str]) -> list[str]:
    """Names of columns for Arrow, which finds columns by name: repeated ones get a number.

    Shape:  any list of texts in; as many different texts out, none of them ``geom``.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: Arrow schemas allow equal names, but look-ups by name then fail.
    """
    taken = {GEOMETRY}
    found: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in taken:
            number += 1
            unique = f"{name}_{number}"
        taken.add(unique)
        found.append(unique)
    return found
