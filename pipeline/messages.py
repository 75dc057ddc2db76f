"""Messages: codes become Chinese and English text here, at the edge, and nowhere else."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Literal

from pipeline._paths import data_path

Language = Literal["zh", "en"]


# A list of headings may be as long as a file.
_SHOWN = 600
# What a terminal or a page would act on instead of showing it.
_UNSHOWN = dict.fromkeys((*range(32), *range(127, 160)), "�")
_UNSHOWN |= dict.fromkeys(map(ord, "\t\n\r\u2028\u2029"), " ")


class _Lenient(dict[str, object]):
    """A parameter that a text names and a caller did not give stays visible as its name."""

    def __missing__(self, name: str) -> str:
        return "{" + name + "}"


@cache
def catalogue(language: Language) -> dict[str, str]:
    """All texts of one language by code.

    Errors: ValueError when two files define the same code (a bug).
    """
    texts: dict[str, str] = {}
    for file in sorted(data_path("config", "messages").glob(f"*{language}.toml")):
        for code, text in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if code in texts:
                raise ValueError(f"message {code} is defined twice, again in {file.name}")
            texts[code] = text
    return texts


def render(code: str, params: dict[str, object], language: Language) -> str:
    """The text of a code with its parameters filled in; the code itself where no text is kept.

    A parameter ``problem`` is itself a code; ``reading`` tells a proposal, where there is one;
    ``missing`` is a list of codes.
    """
    texts = catalogue(language)
    if code not in texts:
        return code
    values = _Lenient({name: shown(value) for name, value in params.items()})
    values["problem"] = texts.get(f"problem.{params.get('problem')}", params.get("problem"))
    has_proposal = params.get("proposal") is not None
    values["reading"] = texts["problem.reading"].format_map(values) if has_proposal else ""
    if isinstance(missing := params.get("missing"), list):
        values["missing"] = ", ".join(texts.get(f"missing.{name}", str(name)) for name in missing)
    return texts[code].format_map(values)


def shown(value: object, length: int = _SHOWN) -> object:
    """A value from a file as it may be printed: no control characters, and not without end.

    Shape:  any value in; texts changed and cut, any other value as it was, out.
    Units:  none.
    CRS:    none.
    Errors: none.
    Source: none.
    """
    if not isinstance(value, str):
        return value
    text = value if len(value) <= length else f"{value[:length]}…"
    # half a character, as in a file name that is no UTF-8
    return text.translate(_UNSHOWN).encode("utf-8", "replace").decode()


def both(code: str, params: dict[str, object]) -> tuple[str, str]:
    """The Chinese and the English text of a code."""
    return render(code, params, "zh"), render(code, params, "en")
