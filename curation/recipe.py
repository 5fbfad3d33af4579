"""What a run does, read from a TOML file: input, output, steps in order, and how verdicts decide.

An unknown key is an error that names the nearest known one. Steps are read as names with options here; the table in
``curation.steps`` knows what each of them takes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from curation.columns import ROLES, RowFormat
from curation.errors import RecipeError, near
from curation.presets import preset_names
from curation.schemas import COLUMNS, SCHEMAS
from verifier.formats import FORMATS

if TYPE_CHECKING:
    from curation.judge_spec import JudgeSpec

Option = str | int | float | bool
T = TypeVar("T")

_INPUT = ("globs", "columns", "schema", "format", "fields", "program_language", "storage", "licences")

_IN_FLIGHT_COMPLETIONS = 512
_IN_FLIGHT_BYTES = 64 << 20
_MAX_FAILED_PERCENT = 10.0
_FILE_MB = 128
_ALL_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One ``[[steps]]`` entry: a name of the table of steps, and its options."""

    name: str
    options: Mapping[str, Option]
    where: str
    """Place in the recipe, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifySpec:
    """The table ``[verify]``: with what rewards are made, and which are kept.

    Args:
        options: options of the step ``verify``.
        in_flight: completions being judged at once.
        in_flight_bytes: their UTF-8 bytes in all.
        max_failed_percent: share of FAILED verdicts above which the run stops.
    """

    options: Mapping[str, Option] = field(default_factory=dict)
    in_flight: int = _IN_FLIGHT_COMPLETIONS
    in_flight_bytes: int = _IN_FLIGHT_BYTES
    max_failed_percent: float = _MAX_FAILED_PERCENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A recipe as written; ``curation.steps.build_steps`` turns its steps into objects.

    Args:
        schema: of ``curation.schemas``, or ``columns`` for none; empty to recognise it.
        storage: options of the stores that inputs lie in, as fsspec takes them.
        licences: glob of inputs -> licence, for the dataset card.
        file_bytes: text that a file of the output holds, about.
        judge: a language model for what the rules cannot decide; None has none.
        text: as it was written.
    """

    globs: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    rows: RowFormat | None = None
    schema: str = ""
    storage: Mapping[str, Option] = field(default_factory=dict)
    licences: Mapping[str, str] = field(default_factory=dict)
    output: str = ""
    file_bytes: int = _FILE_MB << 20
    steps: tuple[StepSpec, ...] = ()
    verify: VerifySpec = field(default_factory=VerifySpec)
    judge: JudgeSpec | None = None
    text: str = ""


def load_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises:
        RecipeError: naming the field and the remedy.
    """
    return parse_recipe(recipe_text(path), name=str(path))


def recipe_text(path: Path) -> str:
    """The text of a recipe's file.

    Raises:
        RecipeError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        name = path.name.removesuffix(".toml")
        hint = f"; it is a preset: curate presets show {name} > {name}.toml" if name in preset_names() else ""
        raise RecipeError(str(path), f"cannot be read: {error.strerror}{hint}") from error
    except UnicodeDecodeError as error:
        raise RecipeError(str(path), "is not UTF-8 text; save it as UTF-8") from error


def parse_recipe(text: str, *, name: str = "recipe") -> Recipe:
    """The recipe in a TOML text.

    Raises:
        RecipeError: naming the field and the remedy.
    """
    recipe, wrong = read_recipe(text, name=name)
    if wrong:
        raise wrong[0]
    return recipe


def read_recipe(text: str, *, name: str = "recipe") -> tuple[Recipe, list[RecipeError]]:
    """What of a TOML text can be read as a recipe, with defaults for the rest, and what is wrong with that."""
    wrong: list[RecipeError] = []

    def tried(read: Callable[[], T], default: T) -> T:
        try:
            return read()
        except RecipeError as error:
            wrong.append(error)
            return default

    def table(tables: Mapping[str, object], key: str, names: Iterable[str] | None, where: str) -> Mapping[str, object]:
        nothing: Mapping[str, object] = {}
        found = tried(lambda: _table(tables, key, where=where), nothing)
        wrong.extend(_unknown(found, names, where=where) if names is not None else ())
        return found

    try:
        tables: Mapping[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return Recipe(text=text), [RecipeError(name, f"is not TOML: {error}")]
    wrong.extend(_unknown(tables, ("input", "output", "steps", "verify", "judge"), where=""))
    source = table(tables, "input", _INPUT, "input")
    columns = table(source, "columns", ROLES, "input.columns")
    storage = table(source, "storage", None, "input.storage")
    licences = table(source, "licences", None, "input.licences")
    output = table(tables, "output", ("dir", "file_mb"), "output")
    no_steps: tuple[StepSpec, ...] = ()
    steps = tried(lambda: _steps(tables.get("steps", [])), no_steps)
    recipe = Recipe(
        globs=tried(lambda: _texts(source.get("globs", []), where="input.globs"), ()),
        columns=tried(
            lambda: {role: _text(column, where=f"input.columns.{role}") for role, column in columns.items()}, {}
        ),
        rows=tried(lambda: _rows(source), None),
        schema=tried(lambda: _schema(source), ""),
        storage=tried(
            lambda: {key: _option(value, where=f"input.storage.{key}") for key, value in storage.items()}, {}
        ),
        licences=tried(
            lambda: {key: _text(value, where=f"input.licences.{key}") for key, value in licences.items()}, {}
        ),
        output=tried(lambda: _text(output.get("dir", ""), where="output.dir"), ""),
        file_bytes=tried(lambda: _count(output.get("file_mb", _FILE_MB), where="output.file_mb"), _FILE_MB) << 20,
        steps=steps,
        verify=tried(lambda: _verify(tables, steps), VerifySpec()) if steps else VerifySpec(),
        judge=tried(lambda: _judge(tables, steps), None) if steps else None,
        text=text,
    )
    return recipe, wrong


def _schema(source: Mapping[str, object]) -> str:
    if "schema" not in source:
        return ""
    name = _text(source["schema"], where="input.schema")
    if name not in (COLUMNS, *SCHEMAS):
        raise RecipeError("input.schema", f"unknown schema {name!r}; {near(name, (COLUMNS, *SCHEMAS))}")
    if name != COLUMNS and "format" in source:
        raise RecipeError("input.schema", "the format says how rows are read; leave schema or format out")
    return name


def _rows(source: Mapping[str, object]) -> RowFormat | None:
    if "format" not in source:
        for key in ("fields", "program_language"):
            if key in source:
                raise RecipeError(f"input.{key}", 'says how rows of a dataset are read; add format = "..." in [input]')
        return None
    name = _text(source["format"], where="input.format")
    if name not in FORMATS:
        raise RecipeError("input.format", f"unknown format {name!r}; {near(name, FORMATS)}")
    fields = _table(source, "fields", where="input.fields")
    for wrong in _unknown(fields, FORMATS[name].columns, where="input.fields"):
        raise wrong
    return RowFormat(
        name=name,
        fields={key: _text(column, where=f"input.fields.{key}") for key, column in fields.items()},
        program_language=_text(source.get("program_language", ""), where="input.program_language"),
    )


def _steps(entries: object) -> tuple[StepSpec, ...]:
    if not isinstance(entries, list):
        raise RecipeError("steps", "write each step as a table [[steps]] with a name")
    if not entries:
        raise RecipeError("steps", 'the recipe has no steps; add at least one [[steps]] with name = "..."')
    specs = []
    for index, entry in enumerate(entries):
        where = f"steps[{index}]"
        if not isinstance(entry, dict):
            raise RecipeError(where, "write each step as a table [[steps]] with a name")
        if "name" not in entry:
            raise RecipeError(where, 'has no name; add name = "..."')
        name = _text(entry["name"], where=f"{where}.name")
        options = {key: _option(value, where=f"{where}.{key}") for key, value in entry.items() if key != "name"}
        specs.append(StepSpec(name=name, options=options, where=f"{where} ({name})"))
    return tuple(specs)


def _verify(tables: Mapping[str, object], steps: tuple[StepSpec, ...]) -> VerifySpec:
    table = dict(_table(tables, "verify"))
    if table and not any(step.name == "verify" for step in steps):
        raise RecipeError("verify", 'no step uses this table; add [[steps]] with name = "verify" where it belongs')
    in_flight = _count(table.pop("in_flight", _IN_FLIGHT_COMPLETIONS), where="verify.in_flight")
    in_flight_bytes = _count(table.pop("in_flight_bytes", _IN_FLIGHT_BYTES), where="verify.in_flight_bytes")
    most = table.pop("max_failed_percent", _MAX_FAILED_PERCENT)
    if isinstance(most, bool) or not isinstance(most, int | float) or not 0 <= most <= _ALL_PERCENT:
        raise RecipeError("verify.max_failed_percent", f"must be a number from 0 to 100, got {most!r}")
    options = {key: _option(value, where=f"verify.{key}") for key, value in table.items()}
    return VerifySpec(
        options=options, in_flight=in_flight, in_flight_bytes=in_flight_bytes, max_failed_percent=float(most)
    )


def _judge(tables: Mapping[str, object], steps: tuple[StepSpec, ...]) -> JudgeSpec | None:
    if "judge" not in tables:
        return None
    from curation.judge_spec import judge_spec  # noqa: PLC0415 - it needs the verifier's options; few recipes have one

    table = _table(tables, "judge")
    spec = judge_spec(table)
    is_scoring = any(step.name == "quality" and step.options.get("by") == "judge" for step in steps)
    if not (is_scoring or any(step.name == "verify" for step in steps)):
        raise RecipeError(
            "judge",
            'no step uses this table; add [[steps]] with name = "verify", or name = "quality" and by = "judge", where '
            "it belongs",
        )
    if not (is_scoring or spec.is_second):
        told = 'is empty, and no step quality has by = "judge"'
        raise RecipeError("judge.judges", f"{told}, so the model is asked nothing; give reasons, or such a step")
    keep = _table(tables, "verify").get("keep", "correct")
    if spec.is_second and keep not in ("correct", "reward"):
        raise RecipeError(
            "judge",
            f"the verdict of one verifier decides, [verify] keep = {keep!r}, and a judge gives another one; "
            'set keep = "correct", or leave [judge] out',
        )
    return spec


def _unknown(table: Mapping[str, object], names: Iterable[str], *, where: str) -> list[RecipeError]:
    known = tuple(names)
    return [
        RecipeError(f"{where}.{key}" if where else key, f"unknown key; {near(key, known)}")
        for key in table
        if key not in known
    ]


def _table(tables: Mapping[str, object], name: str, *, where: str = "") -> Mapping[str, object]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise RecipeError(where or name, f"must be a table, got {table!r}")
    return table


def _text(value: object, *, where: str) -> str:
    if not isinstance(value, str):
        raise RecipeError(where, f"must be a text, got {value!r}")
    return value


def _texts(value: object, *, where: str) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        raise RecipeError(where, f"must be a list of texts, got {value!r}")
    return tuple(_text(item, where=f"{where}[{index}]") for index, item in enumerate(value))


def _count(value: object, *, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RecipeError(where, f"must be a whole number of at least 1, got {value!r}")
    return value


def _option(value: object, *, where: str) -> Option:
    if not isinstance(value, str | int | float | bool):
        raise RecipeError(where, f"must be a text, a number, true or false, got {value!r}")
    return value
