"""Plain data across processes: values in, JSON-able nodes out, and back.

What is decoded is made of exact built-in types and nothing else, so no ``__eq__``, subclass or lazy object of a
solution can reach a comparison. Lists and JSON scalars stand for themselves; all else is an object with a tag
``t``. Objects that cannot be copied may cross as handles, if the caller gives a way to make them.
"""

from __future__ import annotations

import base64
import builtins
import datetime as dt
import functools
from collections import Counter, OrderedDict, deque, namedtuple
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

MAX_DEPTH = 200
_EXACT_INT = 1 << 53
_TYPE_NAMES = (
    "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range", "set",
    "str", "tuple", "type",
)  # fmt: skip

Node = object
MakeHandle = Callable[[object], Node]
TakeHandle = Callable[[dict[str, object]], object]


class PlainError(Exception):
    """A value that cannot cross, or a node that is not one."""


def encode(value: object, handle: MakeHandle | None = None, depth: int = 0) -> Node:  # noqa: C901, PLR0912
    """The node of a value; subclasses of plain types cross as the plain type.

    Raises:
        PlainError: a type that cannot cross and no ``handle`` to stand for it, or nesting over ``MAX_DEPTH``.
    """
    kind = type(value)
    if value is None or kind is bool or kind is str or kind is float:
        return value
    if kind is int:
        return value if -_EXACT_INT <= value <= _EXACT_INT else {"t": "int", "v": hex(value)}  # type: ignore[operator,arg-type]
    if depth > MAX_DEPTH:
        raise PlainError("the value is nested too deeply")
    below = depth + 1
    if isinstance(value, list):
        return [encode(item, handle, below) for item in list.__iter__(value)]
    if isinstance(value, tuple):
        items = [encode(item, handle, below) for item in tuple.__iter__(value)]
        names = None if kind is tuple else getattr(kind, "_fields", None)
        if isinstance(names, tuple) and len(names) == len(items) and all(type(name) is str for name in names):
            return {"t": "namedtuple", "v": items, "n": str(kind.__name__), "f": list(names)}
        return {"t": "tuple", "v": items}
    if isinstance(value, Counter):
        return {"t": "Counter", "v": _encode_pairs(value, handle, below)}
    if isinstance(value, OrderedDict):
        return {"t": "OrderedDict", "v": _encode_pairs(value, handle, below)}
    if isinstance(value, dict):
        return {"t": "dict", "v": _encode_pairs(value, handle, below)}
    if isinstance(value, set):
        return {"t": "set", "v": [encode(item, handle, below) for item in set.__iter__(value)]}
    if isinstance(value, frozenset):
        return {"t": "frozenset", "v": [encode(item, handle, below) for item in frozenset.__iter__(value)]}
    if isinstance(value, deque):
        items = [encode(item, handle, below) for item in deque.__iter__(value)]
        return {"t": "deque", "v": items, "n": value.maxlen}
    if isinstance(value, str):
        return str.__getitem__(value, slice(None))
    if isinstance(value, int):
        return encode(int.__pos__(value), handle, below)
    if isinstance(value, float):
        return float.__pos__(value)
    if isinstance(value, complex):
        return {"t": "complex", "v": [value.real, value.imag]}
    if isinstance(value, bytes | bytearray):
        return {"t": "bytes" if isinstance(value, bytes) else "bytearray", "v": base64.b64encode(value).decode()}
    if isinstance(value, range):
        return {"t": "range", "v": [encode(n) for n in (value.start, value.stop, value.step)]}
    if isinstance(value, Decimal):
        return {"t": "Decimal", "v": str(value)}
    if isinstance(value, Fraction):
        return {"t": "Fraction", "v": [encode(value.numerator), encode(value.denominator)]}
    if isinstance(value, dt.datetime | dt.date | dt.time):
        name = "datetime" if isinstance(value, dt.datetime) else kind.__name__
        return {"t": name, "v": value.isoformat()}
    if isinstance(value, dt.timedelta):
        return {"t": "timedelta", "v": [value.days, value.seconds, value.microseconds]}
    return _encode_other(value, handle, below)


def _encode_pairs(value: dict[Any, Any], handle: MakeHandle | None, depth: int) -> Node:
    return [[encode(key, handle, depth), encode(item, handle, depth)] for key, item in dict.items(value)]


def _encode_other(value: object, handle: MakeHandle | None, depth: int) -> Node:
    kind = type(value)
    if kind.__module__ == "numpy" and hasattr(value, "tolist") and hasattr(value, "dtype"):
        if getattr(value, "ndim", 0) == 0:
            return encode(value.tolist(), handle, depth)
        shape = [int(n) for n in getattr(value, "shape", ())]
        return {"t": "ndarray", "v": encode(value.tolist(), handle, depth), "d": str(value.dtype), "s": shape}
    if type(value) in (type({}.keys()), type({}.values()), type({}.items())):
        return [encode(item, handle, depth) for item in value]  # type: ignore[attr-defined]
    if isinstance(value, type) and _known_type(value.__name__) is value:
        return {"t": "type", "v": value.__name__}
    if handle is None:
        raise PlainError(f"a value of type {kind.__name__} cannot cross")
    return handle(value)


def _known_type(name: object) -> type | None:
    """A built-in type of data, or a built-in exception that is no way to end a test."""
    known = getattr(builtins, name, None) if isinstance(name, str) else None
    if not isinstance(known, type):
        return None
    return known if known.__name__ in _TYPE_NAMES or issubclass(known, Exception) else None


@functools.lru_cache(maxsize=64)
def _named_tuple(name: str, fields: tuple[str, ...]) -> Callable[..., object]:
    return namedtuple(name, fields)  # noqa: PYI024 (its types are not known)


def decode(node: Node, handle: TakeHandle | None = None, depth: int = 0) -> object:
    """The value of a node, of exact built-in types.

    Raises:
        PlainError: not a node, or nested too deeply.
    """
    if node is None or isinstance(node, bool | int | float | str):
        return node
    if depth > MAX_DEPTH:
        raise PlainError("the value is nested too deeply")
    if isinstance(node, list):
        return [decode(item, handle, depth + 1) for item in node]
    if not isinstance(node, dict):
        raise PlainError("not a value")
    tag = node.get("t")
    if tag in ("handle", "callback"):
        if handle is None:
            raise PlainError("an object that cannot cross")
        return handle(node)
    try:
        return _decode_tagged(tag, node.get("v"), node, handle, depth + 1)
    except (TypeError, ValueError, ArithmeticError, OverflowError) as error:
        raise PlainError(f"a damaged value tagged {tag!r}") from error


def _decode_tagged(  # noqa: C901, PLR0912
    tag: object, body: object, node: dict[str, object], handle: TakeHandle | None, depth: int
) -> object:
    match tag, body:
        case "int", str(text):
            return int(text, 16)
        case "tuple" | "set" | "frozenset" | "deque", list(items):
            values = [decode(item, handle, depth) for item in items]
            if tag == "deque":
                size = node.get("n")
                return deque(values, size if isinstance(size, int) else None)
            return {"tuple": tuple, "set": set, "frozenset": frozenset}[str(tag)](values)
        case "namedtuple", list(items):
            name, names = node.get("n"), node.get("f")
            if not isinstance(name, str) or not isinstance(names, list):
                raise PlainError("a damaged namedtuple")
            return _named_tuple(name, tuple(map(str, names)))(*(decode(item, handle, depth) for item in items))
        case "type", str(name) if known := _known_type(name):
            return known
        case "dict" | "Counter" | "OrderedDict", list(items):
            pairs = [(decode(key, handle, depth), decode(item, handle, depth)) for key, item in items]
            if tag == "Counter":
                return Counter(dict(pairs))
            return OrderedDict(pairs) if tag == "OrderedDict" else dict(pairs)
        case "complex", [float() | int() as real, float() | int() as imag]:
            return complex(real, imag)
        case "bytes" | "bytearray", str(text):
            data = base64.b64decode(text, validate=True)
            return data if tag == "bytes" else bytearray(data)
        case "range" | "Fraction" | "timedelta", list(items):
            numbers = [decode(item) for item in items]
            if not all(type(number) is int for number in numbers):
                raise PlainError(f"a damaged {tag}")
            if tag == "timedelta":
                return dt.timedelta(*numbers)  # type: ignore[arg-type]
            return range(*numbers) if tag == "range" else Fraction(*numbers)  # type: ignore[call-overload]
        case "Decimal", str(text):
            return Decimal(text)
        case "datetime" | "date" | "time", str(text):
            return getattr(dt, str(tag)).fromisoformat(text)
        case "ndarray", _:
            return _decode_array(decode(body, handle, depth), node)
        case _:
            raise PlainError(f"an unknown tag {tag!r}")


def _decode_array(nested: object, node: dict[str, object]) -> object:
    """The array where numpy is installed on this side, else its nested lists."""
    try:
        import numpy as np  # noqa: PLC0415 (imported only when an array crosses: it costs 0.1 s)
    except ImportError:
        return nested
    dtype, shape = node.get("d"), node.get("s")
    if not isinstance(dtype, str) or not isinstance(shape, list):
        raise PlainError("a damaged ndarray")
    return np.array(nested, dtype=dtype).reshape(shape)
