"""``diqi explain``: the chain from delivered rows to a published figure, for one subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

from sqlalchemy import Connection, func, select

from pipeline.explain.book import TABLES, Book, Story
from pipeline.explain.enterprise import enterprise_story
from pipeline.explain.parcel import parcel_story
from pipeline.explain.patch import patch_story
from pipeline.explain.render import render
from pipeline.explain.township import township_story
from pipeline.outputs.tables import reflect

__all__ = ["Kind", "Story", "explain", "render"]

Kind = Literal["enterprise", "parcel", "township", "patch"]

_STORIES: Final[dict[Kind, Callable[[Book, str], Story]]] = {
    "enterprise": enterprise_story,
    "parcel": parcel_story,
    "township": township_story,
    "patch": patch_story,
}


def explain(connection: Connection, kind: Kind, key: str) -> Story:
    """Tell how a figure came about, from the delivered rows to the published layer.

    Shape:  a kind and a key in (enterprise: its code, its credit code, or its name where one alone
            bears it; parcel: its code, held now or once; township: area code or name; patch: its
            code); a dict of JSON values out, no geometry. Closed values stay codes: ``render``
            puts them into words.
    Units:  square metres, mu where a name ends in ``_mu``; exact decimals as text.
    CRS:    none (no geometry).
    Errors: UsageError ``explain.not_found``; ``explain.not_unique`` where a name has several.
    Source: docs/sources.md, Design 6; invariant 10. Reads only, in the transaction that the caller began.
    """
    # Hundreds of small look-ups: starting workers for each would cost more than the work.
    connection.execute(select(func.set_config("max_parallel_workers_per_gather", "0", True)))
    book = Book(connection, reflect(connection, TABLES))
    wanted = key.strip()
    story = _STORIES[kind](book, wanted)
    return {"kind": kind, "asked": wanted, "publication": book.publication, **story}
