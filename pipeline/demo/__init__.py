"""Invented counties: the reference county of any size, and a township drawn by hand for tests."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from pipeline.demo.generator import FIRST_DAY, HIGH, LOW, NONE, Noise, generate
from pipeline.demo.township import COUNTY, CRS
from pipeline.errors import SettingsError, UsageError
from pipeline.settings import WORKSPACE_FILE, load_settings
from pipeline.workspace import create_workspace

COUNTY_NAME: Final = "青岚县"
DEFAULT_SCALE: Final = 0.05
DEFAULT_SEED: Final = 1
SMALLEST, LARGEST = 0.002, 12.0
LAST_NIGHT: Final = 366

# The rule set of the invented county.
RULES: Final = Path(__file__).with_name("demo-1.0.toml")

_RECORD = "generated.json"
_DRAFT = ".generating-"
_LEVELS: Final = {"none": NONE, "low": LOW, "high": HIGH}
_KINDS: Final = tuple(field.name for field in fields(Noise))


class Generated(NamedTuple):
    """What was generated: its day, the folders of its files, and how the county was drawn."""

    date: dt.date
    inbox: Path
    truth: Path
    scale: float
    seed: int
    noise: Noise


def make_demo(
    workspace: Path, *, scale: float | None, seed: int | None, noise: Iterable[str] = ()
) -> Generated:
    """Make a workspace with the first day of the reference county; what exists is left as it is.

    Errors: those of ``make_county``.
    """
    if not (workspace / WORKSPACE_FILE).exists():
        create_workspace(workspace, code=COUNTY, name=COUNTY_NAME, crs=CRS)
        write_rules(workspace)
    return make_county(workspace, scale=scale, seed=seed, noise=noise)


def write_rules(workspace: Path) -> Path:
    """Put the invented county's rule set into a workspace; it is used once ``evaluation.ruleset`` names it.

    Shape:  a workspace in, the file out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: OSError where it cannot be written.
    Source: invented, on top of what is published of Cixi 4.0.
    """
    file = workspace / "rules" / RULES.name
    file.parent.mkdir(exist_ok=True)
    return Path(shutil.copyfile(RULES, file))


def make_county(
    folder: Path,
    *,
    scale: float | None = None,
    seed: int | None = None,
    noise: Iterable[str] = (),
    night: int = 0,
) -> Generated:
    """Write one day's deliveries and truth of the reference county, wholly or not at all.

    ``generated.json`` keeps how the county was drawn: what is not given is taken from there, so
    that a night fits its first day. A day that is there already is left as it is. ``noise`` holds
    ``none``, ``low``, ``high`` or ``kind=share``; later words override earlier ones.

    Shape:  a folder in, a workspace or not, made where it is missing.
    Units:  metres, m2.
    CRS:    EPSG:4549.
    Errors: UsageError on a scale, night or noise that cannot be, on a county drawn otherwise, on
            the workspace of another county, or a day that was not generated; SettingsError when
            the folder cannot be written.
    Source: ``pipeline.demo.generator``.
    """
    _refuse_other_workspace(folder)
    known = _read_record(folder)
    words = list(noise)
    asked = {"scale": scale, "seed": seed, "noise": asdict(_noise(words)) if words else None}
    usual = {"scale": DEFAULT_SCALE, "seed": DEFAULT_SEED, "noise": asdict(NONE)}
    for name, value in asked.items():
        if known and value is not None and value != known[name]:
            raise UsageError(
                "generate.drawn_otherwise",
                folder=str(folder),
                name=name,
                known=str(known[name]),
                asked=str(value),
            )
    drawn: dict[str, Any] = (known or usual) | {n: v for n, v in asked.items() if v is not None}
    if not SMALLEST <= drawn["scale"] <= LARGEST:
        raise UsageError(
            "usage.scale", scale=drawn["scale"], smallest=SMALLEST, largest=f"{LARGEST:g}"
        )
    if not 0 <= night <= LAST_NIGHT:
        raise UsageError("usage.night", night=night, last=LAST_NIGHT)
    day = (FIRST_DAY + dt.timedelta(days=night)).isoformat()
    made = Generated(
        dt.date.fromisoformat(day),
        folder / "inbox" / day,
        folder / "truth" / day,
        drawn["scale"],
        drawn["seed"],
        Noise(**drawn["noise"]),
    )
    if made.inbox.exists():
        if not known:
            raise UsageError("generate.not_generated", folder=str(made.inbox))
        return made
    try:
        with _draft(folder) as draft:
            generate(draft, scale=made.scale, seed=made.seed, noise=made.noise, night=night)
            (draft / _RECORD).write_text(json.dumps(drawn, indent=2) + "\n", encoding="utf-8")
            (draft / _RECORD).replace(folder / _RECORD)
            # the inbox comes last: a day whose deliveries are there has its truth
            for part in ("truth", "inbox"):
                (folder / part).mkdir(exist_ok=True)
                target = folder / part / day
                if target.exists():
                    shutil.rmtree(target)
                (draft / part / day).rename(target)
    except OSError as error:
        raise SettingsError("generate.not_writable", path=str(folder), reason=str(error)) from error
    return made


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """A hidden folder to write into; those of processes that died are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{_DRAFT}*"):
        if not _is_alive(left.name.removeprefix(_DRAFT)):
            shutil.rmtree(left)
    draft = folder / f"{_DRAFT}{os.getpid()}"
    draft.mkdir()
    try:
        yield draft
    finally:
        shutil.rmtree(draft)


def _is_alive(pid: str) -> bool:
    return pid.isdecimal() and Path("/proc", pid).exists()


def _refuse_other_workspace(folder: Path) -> None:
    """Invented deliveries do not belong into the inbox of a real county."""
    if not (folder / WORKSPACE_FILE).exists():
        return
    code = load_settings(folder).county.code
    if code != COUNTY:
        raise UsageError("generate.other_county", folder=str(folder), county=code, ours=COUNTY)


def _read_record(folder: Path) -> dict[str, Any]:
    """How the county in this folder was drawn; empty where none was."""
    file = folder / _RECORD
    if not file.exists():
        return {}
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        drawn = {"scale": known["scale"], "seed": known["seed"], "noise": known["noise"]}
        Noise(**drawn["noise"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError("generate.bad_record", path=str(file), reason=str(error)) from error
    return drawn


def _noise(words: Iterable[str]) -> Noise:
    """Read ``none``, ``low``, ``high`` and ``kind=share``; later words override earlier ones."""
    noise = NONE
    for word in words:
        kind, _, share = word.partition("=")
        if word in _LEVELS:
            noise = _LEVELS[word]
        elif kind in _KINDS and _is_share(share):
            noise = replace(noise, **{kind: float(share)})
        else:
            raise UsageError("usage.noise", text=word, kinds=", ".join(_KINDS))
    return noise


def _is_share(text: str) -> bool:
    try:
        return 0 <= float(text) <= 1
    except ValueError:
        return False
