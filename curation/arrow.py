"""Kinds of Arrow types, as far as the reading of shards tells them apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pyarrow as pa


def plain_type(column_type: pa.DataType) -> pa.DataType:
    """The type with dictionaries and views resolved, so that there is one kind of text and one of list."""
    types = pa.types
    if types.is_dictionary(column_type):
        return plain_type(column_type.value_type)
    if types.is_string(column_type) or types.is_large_string(column_type) or types.is_string_view(column_type):
        return pa.large_string()
    if is_list(column_type):
        return pa.large_list(plain_type(column_type.value_type))
    if types.is_struct(column_type):
        return pa.struct([pa.field(item.name, plain_type(item.type)) for item in column_type])
    return column_type


def is_list(column_type: pa.DataType) -> bool:
    """Whether it is a list of any length."""
    types = pa.types
    return bool(types.is_list(column_type) or types.is_large_list(column_type) or types.is_fixed_size_list(column_type))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What a column may be.

    Args:
        told: as a message tells it.
        fits: of a plain type.
    """

    told: str
    fits: Callable[[pa.DataType], bool]

    def __or__(self, other: Kind) -> Kind:
        """Either of two."""
        return Kind(told=f"{self.told}, or {other.told}", fits=lambda t: self.fits(t) or other.fits(t))


def structs(told: str, **fields: Kind) -> Kind:
    """A struct that has at least these fields."""

    def fits(column_type: pa.DataType) -> bool:
        if not pa.types.is_struct(column_type):
            return False
        types = {item.name: item.type for item in column_type}
        return all(name in types and kind.fits(types[name]) for name, kind in fields.items())

    return Kind(told=told, fits=fits)


def lists(told: str, kind: Kind) -> Kind:
    """A list of values of one kind."""
    return Kind(told=told, fits=lambda t: is_list(t) and kind.fits(t.value_type))


TEXT = Kind(told="a text", fits=lambda t: bool(pa.types.is_large_string(t)))
NOTHING = Kind(told="nothing but null", fits=lambda t: bool(pa.types.is_null(t)))
TEXTS = lists("a list of texts", TEXT)
WHOLE = Kind(told="a whole number", fits=lambda t: bool(pa.types.is_integer(t)))
NUMBER = Kind(told="a number", fits=lambda t: bool(pa.types.is_integer(t) or pa.types.is_floating(t)))
ANY = Kind(told="anything", fits=lambda _: True)
FLAG = Kind(told="true or false", fits=lambda t: bool(pa.types.is_boolean(t)))
_DECIMAL = Kind(told="a decimal", fits=lambda t: bool(pa.types.is_decimal(t)))
VALUE = Kind(told="a text, a number, true or false", fits=(TEXT | NUMBER | _DECIMAL | FLAG).fits)
FLAGS = lists("a list of true and false", FLAG)
STRUCT = structs("a struct")
CHAT = lists("a list of {role, content}", structs("", role=TEXT, content=TEXT))
PARTS_CHAT = lists(
    "a list of {role, content} with contents of {type, text}",
    structs("", role=TEXT, content=lists("", structs("", type=TEXT, text=TEXT))),
)
SHAREGPT = lists("a list of {from, value}", structs("", **{"from": TEXT, "value": TEXT}))
