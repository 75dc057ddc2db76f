"""Which reader opens which file. Runs in the process of ``pipeline.feeds.child``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline.feeds.batch import OpenLayer
from pipeline.feeds.contracts import Contract, County
from pipeline.feeds.discover import VECTOR_SUFFIXES
from pipeline.feeds.fit import fit
from pipeline.feeds.sealing import sealed
from pipeline.feeds.tables import open_table
from pipeline.feeds.vector import open_vector


@contextmanager
def open_sealed(
    path: Path, contract: Contract, county: County, contract_hash: str
) -> Iterator[OpenLayer]:
    """Open a layer as ``open_layer`` does; its rows carry their seals."""
    with open_layer(path, contract, county) as layer:
        yield replace(layer, batches=sealed(layer, contract_hash))


@contextmanager
def open_layer(path: Path, contract: Contract, county: County) -> Iterator[OpenLayer]:
    """Open the layer or sheet of a file that its contract means, to be read in batches.

    Shape:  a file in; an OpenLayer out.
    Units:  as delivered.
    CRS:    the layer's or the contract's in; the county's out.
    Errors: SourceError and CrsError of the reader.
    Source: docs/sources.md, Design 3 (delivery).
    """
    if path.suffix.lower() in VECTOR_SUFFIXES:
        with open_vector(path, contract.layer, contract.feed, contract.encoding) as raw:
            yield fit(raw, contract, county, path.name)
        return
    with open_table(path, contract) as layer:
        yield layer


def top_of(path: Path) -> list[dict[str, Any]]:
    """The layers or sheets of a file, with what may be their headings and their first rows.

    Shape:  a file in; of each layer name, has_geometry, crs, encoding, ``headings`` (candidates: the
            names of each column) and ``rows`` (texts below the headings, at most 200) out.
    Units:  none.
    CRS:    as delivered.
    Errors: SourceError of the reader.
    Source: none.
    """
    return []
