"""Which column of a shard plays which part, and whether a row is a prompt or a completion.

To let another name be found by itself, add it to ``ROLES``; the first that a shard has is taken, and a recipe's
``[input.columns]`` overrules all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from curation.arrow import (
    ANY,
    CHAT,
    NUMBER,
    PARTS_CHAT,
    STRUCT,
    TEXT,
    TEXTS,
    VALUE,
    WHOLE,
    Kind,
    is_list,
    lists,
    plain_type,
)
from curation.errors import InputError, near
from curation.schemas import (
    COLUMNS,
    COMPLETIONS,
    CONVERSATION,
    Made,
    Schema,
    find_schema,
    parts_chat,
    raw,
    turn_reasoning,
)
from verifier.formats import FORMATS

ROLES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "problem", "question", "messages"),
    "completions": COMPLETIONS,
    # "reasoning" and "thinking" are as often a setting, or the words of a judge.
    "reasoning": ("reasoning_content",),
    "answer": ("answer", "solution", "ground_truth"),
    "tests": ("tests", "test_cases", "unit_tests", "reference"),
    "domain": ("domain",),
    # A column "language" mostly names the programming language, so the natural one must be mapped by hand.
    "language": ("natural_language",),
    "source": ("source", "data_source", "dataset"),
    # "score" alone may be anything: votes, a pass rate, a difficulty.
    "score": ("quality_score",),
    # Many tables have a column "system" that is no part of the prompt.
    "system": (),
    "id": ("id", "uuid"),
    "group_id": ("group_id", "prompt_id", "problem_id"),
}
"""Part -> names under which it is found, in the order they are tried."""

_REQUIRED = ("prompt", "completions")
_ONLY_IF_FIT = ("reasoning", "domain", "language", "source", "score", "system", "id", "group_id")
"""Parts whose names stand for other things too: a column of another type is passed over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFormat:
    """How the tests of a row are read where they are written as a public dataset writes them.

    Args:
        name: of ``verifier.formats.FORMATS``.
        fields: field of the format -> column, where they have different names.
        program_language: of the programs, where the tests fit any; empty keeps the row's.
    """

    name: str
    fields: Mapping[str, str]
    program_language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the rows of one shard are read.

    Args:
        columns: part -> column, for the parts that a column plays as it stands.
        is_list: a row is a prompt with a list of completions; else a row is one completion.
        is_chat: the prompt is a list of messages; else a text.
        rows: how the tests of a row are read; None for the product's own JSON.
        row_columns: field of the format -> column, for the fields that the shard has.
        schema: name of the schema by which it was read; ``columns`` where each part was found by itself.
        shared: name -> expression over ``schemas.raw`` columns that several parts are made of.
        made: part -> expression over ``schemas.raw`` columns.
        made_of: the columns of these expressions.
        has_markup: completions may hold the markup that ``schemas.with_think_tags`` rewrites.
    """

    columns: Mapping[str, str]
    is_list: bool
    is_chat: bool
    rows: RowFormat | None = None
    row_columns: Mapping[str, str] = field(default_factory=dict)
    schema: str = COLUMNS
    shared: Mapping[str, pl.Expr] = field(default_factory=dict)
    made: Mapping[str, pl.Expr] = field(default_factory=dict)
    made_of: tuple[str, ...] = ()
    has_markup: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is read, once."""
        return tuple(dict.fromkeys((*self.columns.values(), *self.row_columns.values(), *self.made_of)))

    @property
    def is_conversation(self) -> bool:
        """Whether the completion is the last turn of a conversation."""
        return CONVERSATION in self.made and "completions" not in {*self.columns, *self.made}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inner:
    """A field inside of a column."""

    column: str
    type: pa.DataType
    value: pl.Expr


def find_layout(
    schema: pa.Schema, mapping: Mapping[str, str], *, path: str, rows: RowFormat | None = None, named: str = ""
) -> Layout:
    """The layout of a shard with this schema.

    Args:
        schema: of the Parquet file.
        mapping: part -> column, as the recipe says.
        path: of the shard, for messages.
        rows: how the tests of a row are read; None for the product's own JSON, or as the dataset has them.
        named: the dataset's schema that the recipe names; empty to recognise it.

    Raises:
        InputError: a column is missing or of a type that cannot play its part.
    """
    if not schema.names:
        # Lines of which none can be read still are rows, each with its trouble.
        schema = pa.schema([(mapping.get(role, role), pa.string()) for role in ("prompt", "completions")])
        rows, named = None, COLUMNS
    # A format in the recipe says how rows are read, so there is nothing to recognise.
    found = find_schema(schema, COLUMNS if rows else named, mapping, path=path)
    types = {item.name: plain_type(item.type) for item in schema}
    if found is not None and found.format:
        rows = RowFormat(name=found.format, fields={})
    made = _made(found, types, mapping, path=path)
    columns = _columns(_roles(rows, found), types, mapping, made, path=path)
    if "prompt" in columns and PARTS_CHAT.fits(types[columns["prompt"]]):
        made["prompt"] = parts_chat(columns.pop("prompt"))
    is_list_row = _is_list_row("completions", columns, made, types)
    if "reasoning" in {*columns, *made} and _is_list_row("reasoning", columns, made, types) != is_list_row:
        if "reasoning" in mapping:
            raise InputError(
                f"{path}: the reasoning must be {'a list' if is_list_row else 'a text'}, as the completions are; "
                f"{mapping['reasoning']!r} is not; map another column under [input.columns]"
            )
        columns.pop("reasoning", None)
    made_of = tuple(dict.fromkeys(column for part in made.values() for column in part.of))
    if found is not None and found.shared:
        made_of = tuple(dict.fromkeys((*made_of, *found.has)))
    layout = Layout(
        columns=columns,
        is_list=is_list_row,
        is_chat=_is_list_row("prompt", columns, made, types)
        or (CONVERSATION in made and "prompt" not in {*columns, *made}),
        rows=rows,
        row_columns=_row_columns(schema.names, rows, path=path) if rows else {},
        schema=COLUMNS if found is None else found.name,
        shared={} if found is None else found.shared,
        made={role: part.value for role, part in made.items()},
        made_of=made_of,
        has_markup=found is not None and found.has_markup and "completions" not in mapping,
    )
    _refuse_namesakes(schema.names, layout, path=path)
    return layout


def _columns(
    roles: Mapping[str, tuple[str, ...]],
    types: Mapping[str, pa.DataType],
    mapping: Mapping[str, str],
    made: Mapping[str, Made],
    *,
    path: str,
) -> dict[str, str]:
    """The column of each part that is not made."""
    columns = {}
    for role, candidates in roles.items():
        if role in made or (role == "prompt" and CONVERSATION in made and role not in mapping):
            continue
        fitting = [
            column
            for column in candidates
            if role not in _ONLY_IF_FIT or _TYPES[role].fits(types.get(column, pa.null()))
        ]
        is_needed = role in _REQUIRED and CONVERSATION not in made
        column = _column(role, fitting, types, mapping, path=path, is_needed=is_needed)
        if column is not None:
            columns[role] = column
    for role, column in columns.items():
        # A column of nothing but null has no type of its own.
        if not pa.types.is_null(types[column]) and not _TYPES[role].fits(types[column]):
            inside = [name for name, inner in _fields({column: types[column]}).items() if _TYPES[role].fits(inner.type)]
            hint = f", or what stands inside of it: {', '.join(inside)}" if inside else ""
            raise InputError(
                f"{path}: column {column!r} cannot be the {role}: it is {types[column]}, expected {_TYPES[role].told}; "
                f"map another column under [input.columns]{hint}"
            )
    return columns


def _is_list_row(
    role: str, columns: Mapping[str, str], made: Mapping[str, Made], types: Mapping[str, pa.DataType]
) -> bool:
    """Whether a part is a list in each row."""
    if role in columns:
        return is_list(types[columns[role]])
    return role in made and made[role].is_list


def _mapped_fields(types: Mapping[str, pa.DataType], mapping: Mapping[str, str], *, path: str) -> dict[str, Made]:
    """The parts that the recipe maps to a field inside of a column, such as ``reward_model.ground_truth``.

    Raises:
        InputError: the field is of a type that cannot play the part.
    """
    found: dict[str, Made] = {}
    fields = _fields(types) if any("." in name and name not in types for name in mapping.values()) else {}
    for role, name in mapping.items():
        if name in types or name not in fields:
            continue
        inner = fields[name]
        if not _TYPES[role].fits(inner.type):
            raise InputError(
                f"{path}: the field {name!r} cannot be the {role}: it is {inner.type}, expected {_TYPES[role].told}; "
                f"map another one under [input.columns]"
            )
        found[role] = Made(of={inner.column: ANY}, value=inner.value, is_list=is_list(inner.type))
    return found


def _fields(types: Mapping[str, pa.DataType]) -> Mapping[str, _Inner]:
    """The fields inside of columns, by their path; those of a list of objects are lists."""
    found: dict[str, _Inner] = {}
    waiting = [(name, _Inner(column=name, type=held, value=raw(name))) for name, held in types.items()]
    for path, outer in waiting:
        is_many = is_list(outer.type)
        objects = outer.type.value_type if is_many else outer.type
        for item in objects if pa.types.is_struct(objects) else ():
            one = pl.element().struct.field(item.name)
            value = outer.value.list.eval(one) if is_many else outer.value.struct.field(item.name)
            kind = pa.large_list(item.type) if is_many else item.type
            inner = f"{path}.{item.name}", _Inner(column=outer.column, type=kind, value=value)
            waiting.append(inner)
            found.setdefault(*inner)
    return found


def _refuse_namesakes(names: Sequence[str], layout: Layout, *, path: str) -> None:
    for name in layout.names:
        if names.count(name) > 1:
            raise InputError(f"{path}: several columns are named {name!r}; rename all but the one that is meant")


def _made(
    found: Schema | None, types: Mapping[str, pa.DataType], mapping: Mapping[str, str], *, path: str
) -> dict[str, Made]:
    """The parts that are made, by the schema, or of fields inside of columns that the recipe maps."""
    made = {
        role: part
        for role, part in (found.made.items() if found is not None else ())
        if role not in mapping and all(column in types and kind.fits(types[column]) for column, kind in part.of.items())
    }
    if CONVERSATION in made and "reasoning" not in made and not {"completions", "reasoning"} & set(mapping):
        reasoning = turn_reasoning(made[CONVERSATION], types)
        made |= {} if reasoning is None else {"reasoning": reasoning}
    return made | _mapped_fields(types, mapping, path=path)


def _roles(rows: RowFormat | None, found: Schema | None) -> Mapping[str, tuple[str, ...]]:
    """The names of each part; those of the dataset come first, and the solutions of a format are no answers."""
    own: dict[str, tuple[str, ...]] = {}
    without: tuple[str, ...] = ()
    if rows is not None:
        dataset = FORMATS[rows.name]
        own = {"prompt": dataset.prompts, "id": dataset.ids}
        without = ("answer", "tests")
    roles = {role: tuple(dict.fromkeys((*own.get(role, ()), *names))) for role, names in ROLES.items()}
    if found is not None:
        roles |= found.columns
        without = (*without, *found.without)
    return {role: () if role in without else names for role, names in roles.items()}


def _row_columns(names: list[str], rows: RowFormat, *, path: str) -> Mapping[str, str]:
    dataset = FORMATS[rows.name]
    for name, column in rows.fields.items():
        if column not in names:
            raise InputError(
                f"{path}: [input.fields] maps {name} to {column!r}, which the shard does not have; "
                f"{near(column, names)}"
            )
    found = {name: rows.fields.get(name, name) for name in dataset.columns}
    missing = [name for name in dataset.needed if found[name] not in names]
    if missing:
        raise InputError(
            f"{path}: the format {rows.name} needs the field {missing[0]}; the shard has {', '.join(names)}. "
            f'Name its column in the recipe: [input.fields] {missing[0]} = "..."'
        )
    return {name: column for name, column in found.items() if column in names}


def _column(
    role: str,
    candidates: Sequence[str],
    types: Mapping[str, pa.DataType],
    mapping: Mapping[str, str],
    *,
    path: str,
    is_needed: bool,
) -> str | None:
    if role in mapping:
        if mapping[role] not in types:
            raise InputError(
                f"{path}: [input.columns] maps {role} to {mapping[role]!r}, which the shard does not have; "
                f"{near(mapping[role], (*types, *_fields(types)) if '.' in mapping[role] else types)}"
            )
        return mapping[role]
    found = next((name for name in candidates if name in types), None)
    if found is None and is_needed:
        raise InputError(
            f"{path}: no column for the {role}; looked for {', '.join(candidates)}; the shard has {', '.join(types)}. "
            f'Name it in the recipe: [input.columns] {role} = "..."'
        )
    return found


def fitting_columns(role: str, schema: pa.Schema) -> list[str]:
    """The columns whose type can play a part, in the order of the file, and then such fields inside of columns."""
    types = {item.name: plain_type(item.type) for item in schema}
    kinds = {**types, **{path: inner.type for path, inner in _fields(types).items() if path not in types}}
    return [name for name, kind in kinds.items() if _TYPES[role].fits(kind)]


_TYPES: Mapping[str, Kind] = {
    "prompt": TEXT | CHAT | PARTS_CHAT,
    "completions": TEXT | TEXTS,
    "reasoning": TEXT | TEXTS,
    "answer": VALUE | lists("a list of them", VALUE),
    "tests": Kind(told="JSON text", fits=TEXT.fits) | STRUCT,
    "domain": TEXT,
    "language": TEXT,
    "source": TEXT,
    "score": NUMBER,
    "system": TEXT,
    "id": TEXT | WHOLE,
    "group_id": TEXT | WHOLE,
}
