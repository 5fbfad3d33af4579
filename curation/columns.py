"""Which column of a shard plays which part, and whether a row is a prompt or a completion.

To let another name be found by itself, add it to ``ROLES``; the first that a shard has is taken, and a recipe's
``[input.columns]`` overrules all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from curation.errors import InputError, near
from verifier.formats import FORMATS

ROLES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("prompt", "problem", "question", "messages"),
    "completions": ("completions", "generations", "responses", "completion", "response"),
    "answer": ("answer", "solution", "ground_truth"),
    "tests": ("tests", "test_cases", "unit_tests", "reference"),
    "domain": ("domain",),
    # A column "language" mostly names the programming language, so the natural one must be mapped by hand.
    "language": ("natural_language",),
    "id": ("id", "uuid"),
    "group_id": ("group_id", "prompt_id", "problem_id"),
}
"""Part -> names under which it is found, in the order they are tried."""

_REQUIRED = ("prompt", "completions")


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
        columns: part -> column, for the parts that the shard has.
        is_list: a row is a prompt with a list of completions; else a row is one completion.
        is_chat: the prompt is a list of messages; else a text.
        rows: how the tests of a row are read; None for the product's own JSON.
        row_columns: field of the format -> column, for the fields that the shard has.
    """

    columns: Mapping[str, str]
    is_list: bool
    is_chat: bool
    rows: RowFormat | None = None
    row_columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Every column that is read, once."""
        return tuple(dict.fromkeys((*self.columns.values(), *self.row_columns.values())))


def find_layout(schema: pa.Schema, mapping: Mapping[str, str], *, path: str, rows: RowFormat | None = None) -> Layout:
    """The layout of a shard with this schema.

    Args:
        schema: of the Parquet file.
        mapping: part -> column, as the recipe says.
        path: of the shard, for messages.
        rows: how the tests of a row are read; None for the product's own JSON.

    Raises:
        InputError: a column is missing or of a type that cannot play its part.
    """
    columns = {}
    for role, candidates in _roles(rows).items():
        column = _column(role, candidates, schema.names, mapping, path=path)
        if column is not None:
            columns[role] = column
    types = {role: plain_type(schema.field(column).type) for role, column in columns.items()}
    for role, column_type in types.items():
        expected, fits = _TYPES[role]
        if not fits(column_type):
            raise InputError(
                f"{path}: column {columns[role]!r} cannot be the {role}: it is {column_type}, expected {expected}; "
                f"map another column under [input.columns]"
            )
    return Layout(
        columns=columns,
        is_list=_is_list(types["completions"]),
        is_chat=_is_list(types["prompt"]),
        rows=rows,
        row_columns=_row_columns(schema.names, rows, path=path) if rows else {},
    )


def _roles(rows: RowFormat | None) -> Mapping[str, tuple[str, ...]]:
    """The names of each part; those of a dataset's format come first, and its solutions are no answers."""
    if rows is None:
        return ROLES
    dataset = FORMATS[rows.name]
    own = {"prompt": dataset.prompts, "id": dataset.ids}
    return {
        role: tuple(dict.fromkeys((*own.get(role, ()), *names))) if role not in ("answer", "tests") else ()
        for role, names in ROLES.items()
    }


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
    role: str, candidates: tuple[str, ...], names: list[str], mapping: Mapping[str, str], *, path: str
) -> str | None:
    if role in mapping:
        if mapping[role] not in names:
            raise InputError(
                f"{path}: [input.columns] maps {role} to {mapping[role]!r}, which the shard does not have; "
                f"{near(mapping[role], names)}"
            )
        return mapping[role]
    found = next((name for name in candidates if name in names), None)
    if found is None and role in _REQUIRED:
        raise InputError(
            f"{path}: no column for the {role}; looked for {', '.join(candidates)}; the shard has {', '.join(names)}. "
            f'Name it in the recipe: [input.columns] {role} = "..."'
        )
    return found


def plain_type(column_type: pa.DataType) -> pa.DataType:
    """The type with dictionaries and views resolved, so that there is one kind of text and one of list."""
    types = pa.types
    if types.is_dictionary(column_type):
        return plain_type(column_type.value_type)
    if types.is_string(column_type) or types.is_large_string(column_type) or types.is_string_view(column_type):
        return pa.large_string()
    if _is_list(column_type):
        return pa.large_list(plain_type(column_type.value_type))
    if types.is_struct(column_type):
        return pa.struct([pa.field(item.name, plain_type(item.type)) for item in column_type])
    return column_type


def _is_list(column_type: pa.DataType) -> bool:
    return bool(pa.types.is_list(column_type) or pa.types.is_large_list(column_type))


def _is_text(column_type: pa.DataType) -> bool:
    return bool(pa.types.is_large_string(column_type))


def _is_name(column_type: pa.DataType) -> bool:
    return _is_text(column_type) or bool(pa.types.is_integer(column_type))


def _is_texts(column_type: pa.DataType) -> bool:
    return _is_list(column_type) and _is_text(column_type.value_type)


def _is_chat(column_type: pa.DataType) -> bool:
    if not (_is_list(column_type) and pa.types.is_struct(column_type.value_type)):
        return False
    fields = {item.name: item.type for item in column_type.value_type}
    return all(name in fields and _is_text(fields[name]) for name in ("role", "content"))


def _is_answer(column_type: pa.DataType) -> bool:
    return _is_name(column_type) or _is_texts(column_type) or bool(pa.types.is_floating(column_type))


_TYPES: Mapping[str, tuple[str, Callable[[pa.DataType], bool]]] = {
    "prompt": ("a text, or a list of {role, content}", lambda t: _is_text(t) or _is_chat(t)),
    "completions": ("a text, or a list of texts", lambda t: _is_text(t) or _is_texts(t)),
    "answer": ("a text, a number, or a list of texts", _is_answer),
    "tests": ("JSON text, or a struct", lambda t: _is_text(t) or bool(pa.types.is_struct(t))),
    "domain": ("a text", _is_text),
    "language": ("a text", _is_text),
    "id": ("a text or a whole number", _is_name),
    "group_id": ("a text or a whole number", _is_name),
}
