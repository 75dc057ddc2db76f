"""Work done ahead of whoever asks for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")


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
