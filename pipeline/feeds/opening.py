"""What is asked of the process that opens files; what answers is named, so that nobody else loads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pipeline.feeds.contracts import Contract, County
from pipeline.feeds.limits import Limits
from pipeline.feeds.place import Known

# Functions of ``pipeline.feeds.readers``.
OPEN_LAYER: Final = "pipeline.feeds.readers:open_layer"
LIST_LAYERS: Final = "pipeline.feeds.readers:list_layers"
TOP_OF: Final = "pipeline.feeds.readers:top_of"


@dataclass(frozen=True)
class Opening:
    """What is to be opened, and how.

    ``inside`` names the data set of a zip, ``layer`` the layer of a database where the contract
    names none; ``seal`` is the hash under which rows are known again, None where none need be.
    """

    path: Path
    contract: Contract
    county: County
    limits: Limits
    inside: str | None = None
    layer: str | None = None
    known: Known = field(default_factory=Known)
    seal: str | None = None
