"""What reading one delivered file may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one file may cost; all of it settings (``[limits]``).

    ``max_bytes``, ``max_ratio`` (bytes out per byte in, from ``ratio_from_bytes`` on) and
    ``max_entries`` are of one archive, ``max_workbook_bytes`` and ``max_cells`` of one workbook
    and one sheet; ``min_free_bytes`` stay free on the disk. ``memory_mib`` is what the process that
    reads may take beyond its own, ``seconds`` how long it may be silent; ``max_row_bytes`` is of one
    row with its shape.
    """

    memory_mib: int
    seconds: int
    max_bytes: int
    max_entries: int
    max_ratio: int
    ratio_from_bytes: int
    min_free_bytes: int
    max_workbook_bytes: int
    max_cells: int
    max_row_bytes: int
