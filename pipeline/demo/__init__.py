"""The invented county: a township drawn by hand."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from pipeline.demo.township import COUNTY, CRS, DATE, write_township
from pipeline.settings import WORKSPACE_FILE
from pipeline.workspace import create_workspace

COUNTY_NAME = "青岚县"
AS_OF = dt.date.fromisoformat(DATE)


def make_demo(workspace: Path) -> None:
    """Make the demo's workspace with its deliveries; one that exists is left as it is.

    Errors: SettingsError when the folder cannot be written.
    """
    if (workspace / WORKSPACE_FILE).exists():
        return
    create_workspace(workspace, code=COUNTY, name=COUNTY_NAME, crs=CRS)
    write_township(workspace)
