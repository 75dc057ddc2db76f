"""The reference county: the files of a whole county, and what must come out of them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from pipeline.demo.generator.cover import Base, read_base
from pipeline.demo.generator.delivery import PatchFile, write_first_day, write_night
from pipeline.demo.generator.economy import FIRST_DAY, State, begin
from pipeline.demo.generator.land import Land, PatchChunk
from pipeline.demo.generator.nights import next_night
from pipeline.demo.generator.noise import HIGH, LOW, NONE, Noise, Pen
from pipeline.demo.generator.rules import plant_rules
from pipeline.demo.generator.truth import work_out

__all__ = ["FIRST_DAY", "HIGH", "LOW", "NONE", "Noise", "generate"]


def generate(folder: Path, *, scale: float, seed: int, noise: Noise = NONE, night: int = 0) -> None:
    """Write the files that the offices of the county 330299 (青岚县) exchange, and the truth.

    ``inbox/<date>/`` gets the deliveries of the first day (2026-06-30), or, with a night, the full
    snapshots of that day plus ``night`` days of the feeds that change; ``truth/<date>/`` what must
    come out of them. A night builds on the nights before it, which are replayed in memory. The
    truth is that of undamaged files, whatever the noise; it tells which links the noise hit.

    Shape:  a folder in, made where it is missing; at scale 1 300,000 patches, 60,000 parcels and
            footprints, 13,000 enterprises. Equal arguments give equal bytes.
    Units:  metres, m2; leased land in mu, money in 万元.
    CRS:    EPSG:4549.
    Errors: ValueError where the scale is below 0.002 or the night is negative; OSError where the
            folder cannot be written.
    Source: measured recipe of a synthetic county; docs/how-it-decides.md for the truth.
    """
    if night < 0:
        raise ValueError(f"night {night}: nights count from 1, 0 is the first day")
    day = FIRST_DAY + dt.timedelta(days=night)
    inbox = folder / "inbox" / day.isoformat()
    inbox.mkdir(parents=True, exist_ok=True)
    land, pen = Land(scale, seed), Pen(noise, seed)
    if night == 0:
        with PatchFile(inbox, land) as patches:
            base = read_base(land, patches.add)
        state = plant_rules(land, begin(land, base))
        write_first_day(inbox, land, state, pen)
    else:
        base = read_base(land, _drop)
        state = _replay(land, base, night)
        write_night(inbox, state, pen)
    truth = work_out(base, state, pen)
    truth.write(folder / "truth" / day.isoformat())


def _replay(land: Land, base: Base, night: int) -> State:
    """The state of the county after some nights."""
    state = plant_rules(land, begin(land, base))
    for number in range(1, night + 1):
        state = next_night(land, base, state, number)
    return state


def _drop(chunk: PatchChunk) -> None:
    """Take a chunk of patches that no file is made of."""
