"""Where the files that are not Python lie: sql, gis_layers, config. Nobody else builds a path."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_path(*parts: str) -> Path:
    """Find a file or folder of ``sql/``, ``gis_layers/`` or ``config/``.

    An installed wheel carries them in ``pipeline/_data/``; in a checkout they lie beside the
    package. Whether the path exists is the caller's business.

    Shape:  path parts in, such as ``"gis_layers", "parcel.qml"``; one absolute path out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: docs/sources.md, Style 1.
    """
    installed = _PACKAGE / "_data"
    root = installed if installed.is_dir() else _PACKAGE.parent
    return root.joinpath(*parts)
