"""Rule sets as files: finding, reading, laying one over the other, and saying what is wrong.

A rule set is ``config/rules/<id>.toml`` of the program or ``rules/<id>.toml`` of a workspace, which goes
before. It may extend another; ``rules/<id>.xlsx`` of the workspace, the form that an office fills in, is
laid over it; single values may be set by their paths.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from pipeline._paths import data_path
from pipeline.domain.rules import paths
from pipeline.domain.rules.problems import Problem, find_problems
from pipeline.domain.rules.schema import RuleSet
from pipeline.errors import SettingsError, UsageError
from pipeline.messages import both
from pipeline.rule_form import FilledForm, FormError, read_form, write_form

Tables = dict[str, Any]
_LONGEST_CHAIN: Final = 10


class RulesError(SettingsError):
    """A rule set cannot be used; ``problems`` are all that is wrong with it."""

    def __init__(self, name: str, problems: list[Problem]) -> None:
        self.problems = problems
        path, code, params = problems[0]
        words = _in_words(code, params)
        super().__init__("rules.refused", name=name, path=path, count=len(problems), **words)


def rule_files(workspace: Path | None) -> dict[str, Path]:
    """Rule sets by id: those of the program, and those of the workspace over them.

    Errors: none.
    """
    files = {path.stem: path for path in sorted(data_path("config", "rules").glob("*.toml"))}
    if workspace is not None:
        files |= {path.stem: path for path in sorted((workspace / "rules").glob("*.toml"))}
    return files


def load_rules(
    name: str | Path,
    workspace: Path | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    with_form: bool = True,
) -> RuleSet:
    """Read a rule set by its id or file, with what it extends, its form, and changed values.

    Errors: RulesError with everything that is wrong; SettingsError where a file cannot be read.
    """
    tables = read_tables(name, workspace, with_form=with_form)
    for path, value in (changes or {}).items():
        set_value(tables, path, value)
    return rules_of(tables, str(name))


def rules_of(tables: Tables, name: str) -> RuleSet:
    """A rule set of its tables.

    Errors: RulesError with everything that is wrong.
    """
    rules, problems = check_tables(tables)
    if rules is None or problems:
        raise RulesError(name, problems)
    return rules


def check_tables(tables: Tables) -> tuple[RuleSet | None, list[Problem]]:
    """A rule set of its tables, and what is wrong with it; None where it is not even well formed.

    Errors: none.
    """
    try:
        rules = RuleSet.model_validate(tables)
    except ValidationError as error:
        return None, _problems_of(error, tables)
    problems = find_problems(rules)
    of_readings = [
        (f"reading.{name}.set.{path}", "rules.reading_wrong", _in_words(code, params))
        for name, reading in rules.reading.items()
        for path, code, params in _problems_with(tables, reading.set)
        if (path, code, params) not in problems
    ]
    return rules, [*problems, *of_readings]


def _problems_with(tables: Tables, changes: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with a rule set once some values are others."""
    other: Tables = _copy(tables)
    other["reading"] = {}
    for path, value in changes.items():
        try:
            set_value(other, path, value)
        except SettingsError as error:
            return [(path, error.code, error.params)]
    return check_tables(other)[1]


def _in_words(code: str, params: dict[str, object]) -> dict[str, object]:
    zh, en = both(code, params)
    return {"zh": zh, "en": en}


def read_tables(
    name: str | Path, workspace: Path | None = None, *, with_form: bool = True
) -> Tables:
    """The tables of a rule set as they are after what it extends and its form.

    Errors: SettingsError where a file is missing or cannot be read, or the chain has no end.
    """
    files = rule_files(workspace)
    file = _file_of(name, files)
    if isinstance(name, Path):
        # what lies beside a file may be what it extends
        files |= {path.stem: path for path in sorted(file.parent.glob("*.toml"))}
    chain: list[Tables] = []
    seen: list[str] = []
    while True:
        tables = _read(file)
        chain.insert(0, tables)
        seen.append(file.stem)
        base = tables.get("extends")
        if not base:
            break
        if base in seen or len(seen) > _LONGEST_CHAIN:
            raise SettingsError("rules.extends_itself", name=file.stem, chain=" → ".join(seen))
        if base not in files:
            raise SettingsError(
                "rules.no_such_set", name=base, known="、".join(files), like=_like(base, files)
            )
        file = files[base]
    merged: Tables = {}
    for one in chain:
        merged = dict(_over(merged, one))
    merged["is_basis"] = bool(chain[-1].get("is_basis", False))
    form = form_of(merged, workspace) if with_form else None
    return merged if form is None else lay_form_over(merged, form)


def lay_form_over(tables: Tables, form: Path) -> Tables:
    """The tables with what an office filled in.

    Errors: SettingsError where the form cannot be read, or is for another rule set.
    """
    filled = read_form(form)
    if filled.rule_set != tables.get("id"):
        raise SettingsError(
            "rules.form_of_other", form=form.name, name=filled.rule_set, wanted=tables.get("id")
        )
    merged: Tables = _copy(tables)
    for path, value in filled.values.items():
        set_value(merged, path, value)
    return merged


def set_value(tables: Tables, path: str, value: Any) -> None:  # noqa: ANN401 - any TOML value
    """Set one value by its path: names of tables, or numbers from 0 in lists, between dots.

    Errors: SettingsError where the path leads through something that is no table.
    """
    try:
        paths.set_value(tables, path, value)
    except KeyError as error:
        raise SettingsError("rules.no_such_path", path=path, part=error.args[0]) from error


def two_rule_sets(
    workspace: Path, in_use: RuleSet | None, names: Sequence[str], sets: Sequence[str]
) -> tuple[RuleSet, RuleSet]:
    """The two rule sets that a what-if compares.

    Shape:  the rule set in use, none to two names, and PATH=VALUE texts in; two rule sets out.
    Errors: UsageError where they do not make two; RulesError, SettingsError as ``load_rules``.
    """
    changes: dict[str, Any] = {}
    for one in sets:
        path, sign, value = one.partition("=")
        if not sign or not path.strip():
            raise UsageError("rules.set_unclear", text=one)
        changes[path.strip()] = value_of_text(value.strip())
    if len(names) > 2 or (len(names) < 2 and not changes) or (not names and in_use is None):
        raise UsageError("rules.two_needed")
    first = load_rules(_named(names[0]), workspace) if names else in_use
    assert first is not None  # noqa: S101 - looked at above
    if len(names) == 2:
        return first, load_rules(_named(names[1]), workspace, changes)
    base = _named(names[0]) if names else first.id
    return first, load_rules(base, workspace, changes)


def _named(text: str) -> str | Path:
    return Path(text) if text.endswith(".toml") else text


def value_of_text(text: str) -> Any:  # noqa: ANN401 - any TOML value
    """A value as it is typed on a command line: a number, yes or no, a list, else a word.

    Errors: none.
    """
    try:
        return tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except tomllib.TOMLDecodeError:
        return text


@dataclass(frozen=True)
class Checked:
    """A rule set that was looked at: what is wrong with it, and what it leaves out.

    ``rules`` is None where it is not even well formed. ``form`` is the form that was laid over it, with how
    many values that says.
    """

    name: str
    rules: RuleSet | None
    problems: list[Problem]
    form: tuple[str, int] | None = None

    @property
    def papers(self) -> dict[str, list[str]]:
        """What is left out, by the paper that has it."""
        found: dict[str, list[str]] = {}
        for path, paper in self.rules.papers() if self.rules is not None else []:
            found.setdefault(paper, []).append(path)
        return found


def check_rules(what: str, workspace: Path | None = None) -> Checked:
    """Look at a rule set: by its id, a .toml, or a form (.xlsx) laid over the rule set that it is for.

    Errors: SettingsError where a file cannot be read, or there is no such rule set.
    """
    try:
        if Path(what).suffix.lower() in {".xlsx", ".xls", ".xlsm"}:
            form: Path | None = Path(what)
            name: str | Path = read_form(Path(what)).rule_set
        else:
            name = Path(what) if what.lower().endswith(".toml") else what
            form = None
        tables = read_tables(name, workspace, with_form=False)
        form = form or form_of(tables, workspace)
        filled = None if form is None else read_form(form)
    except FormError as error:
        return Checked(what, None, [("", *problem) for problem in error.problems])
    if form is None or filled is None:
        return Checked(str(tables["id"]), *check_tables(tables))
    tables = lay_form_over(tables, form)
    rules, problems = check_tables(tables)
    told = [(_place_in(filled, path), code, params) for path, code, params in problems]
    return Checked(str(tables["id"]), rules, told, (str(form), len(filled.values)))


def _place_in(filled: FilledForm, path: str) -> str:
    """A path with the cell of a form that set it."""
    place = filled.places.get(path)
    return path if place is None else f"{path}（{place}）"


def form_of(tables: Tables, workspace: Path | None) -> Path | None:
    """The form of a rule set in a workspace, where there is one.

    Errors: none.
    """
    if workspace is None:
        return None
    form = workspace / "rules" / f"{tables.get('id', '')}.xlsx"
    return form if form.is_file() else None


def list_rules(workspace: Path | None = None, in_use: str = "") -> list[dict[str, Any]]:
    """Every rule set that can be named, with how far it can be used.

    Errors: none: what cannot be read is told with its problem.
    """
    found = []
    for name, file in rule_files(workspace).items():
        is_own = workspace is not None and file.parent == workspace / "rules"
        row: dict[str, Any] = {
            "id": name,
            "title_zh": "",
            "title_en": "",
            "edition": "",
            "from": "workspace" if is_own else "program",
            "is_in_use": name == in_use,
            "is_basis": False,
            "missing": None,
            "problems": 0,
            "form": None,
        }
        try:
            checked = check_rules(name, workspace)
        except SettingsError as error:
            found.append({**row, "problems": 1, "error": error.code})
            continue
        row["problems"] = len(checked.problems)
        row["form"] = checked.form[0] if checked.form else None
        if (rules := checked.rules) is not None:
            row |= {"title_zh": rules.title_zh, "title_en": rules.title_en}
            row |= {"edition": rules.edition, "is_basis": rules.is_basis}
            row["missing"] = len(rules.papers())
        found.append(row)
    return found


def write_form_of(name: str, workspace: Path | None = None, out: Path | None = None) -> Path:
    """Write the form of a rule set, with what the form of the workspace says already; tell where it is.

    A file in which somebody has filled in something is not written over.

    Errors: RulesError, SettingsError.
    """
    tables = read_tables(name, workspace, with_form=False)
    rules = rules_of(tables, name)
    before = form_of(tables, workspace)
    filled = None if before is None else read_form(before).values
    folder = Path.cwd() if workspace is None else workspace / "rules"
    path = out or folder / f"{rules.id}.xlsx"
    if path.exists() and not _is_blank(path):
        raise SettingsError("rules.form_holds_values", file=str(path))
    write_form(path, rules, filled)
    return path


def _is_blank(path: Path) -> bool:
    """Whether a file is a form that says nothing; what is no form is somebody's."""
    try:
        return not read_form(path).values
    except SettingsError:
        return False


def _file_of(name: str | Path, files: Mapping[str, Path]) -> Path:
    if isinstance(name, Path):
        return name
    if name not in files:
        raise SettingsError(
            "rules.no_such_set", name=name, known="、".join(files), like=_like(name, files)
        )
    return files[name]


def _like(name: str, known: Iterable[str]) -> str:
    """The most similar of known names, else all of them."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return found[0] if found else "–"


def _read(file: Path) -> Tables:
    try:
        data = file.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError("rules.no_such_file", path=str(file), reason=reason) from error
    try:
        tables = tomllib.loads(data.decode("utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError("rules.not_utf8", path=str(file), line=line) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError("rules.not_toml", path=str(file), reason=str(error)) from error
    if tables.get("id") != file.stem:
        raise SettingsError(
            "rules.id_is_file_name", path=str(file), id=str(tables.get("id")), stem=file.stem
        )
    return tables


def _over(base: Any, other: Any) -> Any:  # noqa: ANN401 - values of TOML
    """One value over another; of two tables each value."""
    if not isinstance(base, dict) or not isinstance(other, dict):
        return _copy(other)
    return {**base, **{name: _over(base.get(name), value) for name, value in other.items()}}


def _copy(value: Any) -> Any:  # noqa: ANN401 - a value of TOML
    if isinstance(value, dict):
        return {name: _copy(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_copy(part) for part in value]
    return value


# What pydantic refuses, by the beginning of its type, in words of ours.
_REFUSALS: Final = (
    ("extra_forbidden", "rules.unknown_key"),
    ("missing", "rules.key_missing"),
    ("decimal_", "rules.not_a_number"),
    ("finite_number", "rules.not_a_number"),
    ("int_from_float", "rules.not_whole"),
    ("int_", "rules.not_a_number"),
    ("greater_than_equal", "rules.too_small"),
    ("greater_than", "rules.not_above"),
    ("less_than_equal", "rules.too_large"),
    ("less_than", "rules.not_below"),
    ("date_", "rules.not_a_date"),
    ("tuple_type", "rules.not_a_list"),
    ("list_type", "rules.not_a_list"),
    ("dict_type", "rules.not_a_table"),
    ("model_", "rules.not_a_table"),
    ("literal_error", "rules.not_one_of"),
    ("string_pattern_mismatch", "rules.not_a_name"),
    ("string_too_short", "rules.too_short"),
    ("too_short", "rules.too_short"),
    ("string_too_long", "rules.too_long"),
    ("string_", "rules.not_text"),
    ("bool_", "rules.not_yes_no"),
)
_BOUNDS: Final = ("gt", "ge", "lt", "le", "min_length", "max_length")
_LONGEST_VALUE: Final = 60


def _problems_of(error: ValidationError, tables: Tables) -> list[Problem]:
    """What pydantic refuses, in words of ours, each place once."""
    found: dict[str, Problem] = {}
    for one in error.errors():
        place = _place_of([str(part) for part in one["loc"]], one["type"], tables)
        path = ".".join(place)
        code, params = _in_our_words(one, place)
        if path in found and {code, found[path][1]} == {"rules.not_a_number", "rules.not_one_of"}:
            # a value that may be a number or a word is refused as both
            words = params if code == "rules.not_one_of" else found[path][2]
            found[path] = path, "rules.neither_number_nor_word", words
        found.setdefault(path, (path, code, params))
    return list(found.values())


def _place_of(parts: list[str], kind: str, tables: Tables) -> list[str]:
    """Where an error is, without the types that a value was tried as."""
    at: Any = tables
    for number, part in enumerate(parts):
        if isinstance(at, dict) and part in at:
            at = at[part]
        elif isinstance(at, list) and part.isdigit() and int(part) < len(at):
            at = at[int(part)]
        else:
            return parts[: number + (kind == "missing")]
    return parts


def _in_our_words(error: Any, place: list[str]) -> tuple[str, dict[str, object]]:  # noqa: ANN401 - pydantic's own
    """A code and its parameters for one error."""
    kind, context = error["type"], error.get("ctx", {})
    if kind.startswith("rules."):
        return kind, context
    key = place[-1] if place else ""
    value = str(error.get("input"))
    if len(value) > _LONGEST_VALUE:
        value = f"{value[:_LONGEST_VALUE]}…"
    params: dict[str, object] = {"key": key, "value": value}
    code = next((code for begin, code in _REFUSALS if kind.startswith(begin)), "rules.wrong_value")
    if code == "rules.unknown_key":
        known = _fields_at(place[:-1])
        return code, {"key": key, "like": _like(key, known), "known": "、".join(known)}
    if code == "rules.not_one_of":
        params["known"] = "、".join(re.findall("'([^']*)'", context["expected"]))
    elif code == "rules.too_large" and key == "share":
        code = "rules.share_is_a_fraction"
    elif code == "rules.wrong_value":
        params["reason"] = error["msg"]
    for name in _BOUNDS:
        if name in context:
            params["limit"] = context[name]
    return code, params


def _fields_at(place: list[str]) -> list[str]:
    """Keys that a table may have."""
    model: Any = RuleSet
    names = iter(place)
    for part in names:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
        field = model.model_fields.get(part)
        if field is None:
            return []
        model = _model_in(field.annotation)
        if _is_table_of(field.annotation) or part in {"when", "any", "tiers", "persons"}:
            next(names, None)
    known = isinstance(model, type) and issubclass(model, BaseModel)
    return sorted(model.model_fields) if known else []


def _is_table_of(annotation: Any) -> bool:  # noqa: ANN401 - a type
    return getattr(annotation, "__origin__", None) is dict


def _model_in(annotation: Any) -> Any:  # noqa: ANN401 - a type
    """The model of a field, of the values of its table, or of the members of its list."""
    arguments = getattr(annotation, "__args__", None)
    if not arguments:
        return annotation
    for one in arguments:
        found = _model_in(one)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return found
    return None
