"""Work done ahead of whoever asks for it, and a collector that keeps out of the way."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

_Item = TypeVar("_Item")
# New objects after which the collector looks at the young ones; 700 by default.
_CALM = 200_000


def ahead(items: Iterator[_Item], count: int) -> Generator[_Item]:
    """Draw items in a thread of their own, a few before they are asked for.

    Shape:  an iterator without None in, its items in their order out; errors come where the item would.
    Units:  none.
    CRS:    none.
    Errors: those of the iterator.
    Source: docs/decisions/0011-fast-where-it-is-cheap.md.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = deque(thread.submit(next, items, None) for _ in range(count))
        try:
            while (item := coming.popleft().result()) is not None:
                coming.append(thread.submit(next, items, None))
                yield item
        finally:
            thread.shutdown(cancel_futures=True)
            if isinstance(items, Generator):
                items.close()


@contextmanager
def calm_collector() -> Generator[None]:
    """Let the collector of cycles look less often while batches of rows pass through.

    They are hundreds of thousands of objects without a cycle; walking over them all again and again is a
    tenth of a night. What is no longer referred to goes at once, as ever.

    Shape:  a context.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/decisions/0011-fast-where-it-is-cheap.md.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_CALM, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
