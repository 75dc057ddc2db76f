"""Words for what people are asked: evidence and its score, what is missing, what has changed.

Codes, stages and parcels are told; whom a record names is not: the layers show no natural persons.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from pipeline.domain.linking import PARTS
from pipeline.messages import Language, both, catalogue, render

EVIDENCE_CHANGED: Final = "evidence_changed"
ROLES: Final = ("owner", "tenant", "sub_tenant", "operator")
_EVIDENCE: Final = "evidence"
_STOP: Final[dict[Language, str]] = {"zh": "，", "en": ", "}
_LANGUAGES: Final[tuple[Language, Language]] = ("zh", "en")
# How many pieces of evidence that came or went are named, the rest counted.
_NAMED: Final = 6


def question(row: Mapping[str, Any]) -> str:
    """What is asked of one row of the review queue.

    Shape:  columns of sql/layers/review_queue.sql in; ``中文 / English`` out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: config/messages, review.<reason>, else review.<stage>.
    """
    reason = f"review.{row['reason']}"
    code = reason if reason in catalogue("zh") else f"review.{row['stage']}"
    params = {str(name): value for name, value in row.items()}
    if row["reason"] != EVIDENCE_CHANGED:
        return " / ".join(both(code, params))
    said: list[str] = []
    for language in _LANGUAGES:
        kind = render(f"decision_kind.{row['kind']}", {}, language)
        parcel = (
            render("review.of_parcel", {"parcel_code": row["parcel_code"]}, language)
            if row["parcel_code"]
            else ""
        )
        changes = [
            render(f"review.{name}", {"what": _named(row[name], language)}, language)
            for name in ("come", "gone")
            if row[name]
        ]
        words = {
            **params,
            "kind": kind,
            "parcel": parcel,
            "changes": " ".join(changes) if language == "en" else "".join(changes),
        }
        said.append(render(code, words, language))
    return " / ".join(said)


def lines_of(pieces: Iterable[Mapping[str, Any]]) -> list[str]:
    """Evidence for a person, one line per piece: what it is, its reason, its score and the parts of it.

    Shape:  dicts of stage, reason, score, parts and records (how many say the same) in;
            ``中文 / English``, one line each, out.
    Units:  scores 0 to 1.
    CRS:    none (no geometry).
    Errors: none.
    Source: derived.link_candidate.
    """
    return [" / ".join(_piece(piece, language) for language in _LANGUAGES) for piece in pieces]


def score_text(score: object) -> str:
    """A score as it is read: at most four decimals, no zeros at the end.

    Shape:  one number in; one text out.
    Units:  0 to 1.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    whole, _, part = f"{Decimal(str(score)):.4f}".partition(".")
    return f"{whole}.{part.rstrip('0') or '0'}"


def parts_text(parts: Mapping[str, Any], language: Language) -> str:
    """What a score is made of, the evidence first.

    Shape:  weights by the names of ``pipeline.domain.linking.PARTS`` in; one text out.
    Units:  parts of a score.
    CRS:    none (no geometry).
    Errors: none.
    Source: config/messages, part.<name>.
    """
    known = [name for name in PARTS if name in parts]
    told = []
    for name in [*known, *sorted(set(parts) - set(known))]:
        weight = score_text(parts[name])
        sign = "" if name == _EVIDENCE or weight.startswith("-") else "+"
        told.append(f"{render(f'part.{name}', {}, language)} {sign}{weight}")
    return _STOP[language].join(told)


def lacking(names: Iterable[str]) -> tuple[str, str]:
    """What an enterprise lacks that would have placed it.

    Shape:  names of ``pipeline.domain.linking.MISSING`` in; the Chinese and the English text out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: derived.seat.missing.
    """
    found = list(names)
    zh, en = (
        [render(f"missing.{name}", {}, language) for name in found] for language in _LANGUAGES
    )
    return "、".join(zh), ", ".join(en)


def chinese(words: str) -> str:
    """The Chinese half of a text ``中文 / English``; a name in it that holds the same sign stands in both.

    Shape:  one text in; its first half out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: none.
    """
    halves = words.split(" / ")
    return " / ".join(halves[: len(halves) // 2]) or words


def piece_of_word(word: str) -> tuple[str, str]:
    """Stage and parcel of a word of ``derived.evidence_of``; the record that it rests on is left out.

    Shape:  ``stage parcel role record`` in, where a parcel code may hold blanks; stage and parcel out.
    Units:  none.
    CRS:    none (no geometry).
    Errors: none.
    Source: sql/migrations/0003_derived.sql.
    """
    stage, *rest = word.split(" ")
    end = next((place for place, part in enumerate(rest) if part in ROLES), len(rest))
    return stage, " ".join(rest[:end])


def _named(words: Iterable[str], language: Language) -> str:
    """The pieces behind the words of one list, each once."""
    pieces = list(dict.fromkeys(piece_of_word(word) for word in words))
    told = [
        render(
            "review.piece",
            {"stage": render(f"stage.{stage}", {}, language), "parcel": parcel},
            language,
        )
        for stage, parcel in pieces[:_NAMED]
    ]
    if len(pieces) > _NAMED:
        told.append(render("review.more_pieces", {"count": len(pieces) - _NAMED}, language))
    return _STOP[language].join(told)


def _piece(piece: Mapping[str, Any], language: Language) -> str:
    params = {
        "stage": render(f"stage.{piece['stage']}", {}, language),
        "reason": render(f"reason.{piece['reason']}", {}, language),
        "score": score_text(piece["score"]),
        "parts": parts_text(piece["parts"], language),
        "records": piece["records"],
    }
    code = "review.evidence" if piece["records"] == 1 else "review.evidence_of_several"
    return render(code, params, language)
