"""Plain data across processes: values in, JSON-able nodes out, and back.

What is decoded is made of exact built-in types and nothing else, so no ``__eq__``, subclass or lazy object of a
solution can reach a comparison. Lists and JSON scalars stand for themselves; all else is an object with a tag
``t``. What is not plain goes through the ``other`` of the one who encodes, if there is one, and comes back through the
``other`` of the one who decodes. To add a type: its entry in ``_ENCODERS``, and its case in ``Decoder``.
"""

from __future__ import annotations

import array
import base64
import builtins
import datetime as dt
import functools
import importlib
import math
import re
import sys
import types
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from itertools import chain
from pathlib import PurePath, PurePosixPath
from typing import Any

MAX_DEPTH = 200
_SHORT_INT = 1 << 256
"""What JSON writes in decimal; reading long numbers so takes quadratic time."""
_TYPE_NAMES = (
    "bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range", "set",
    "str", "tuple", "type",
)  # fmt: skip
_CONTAINERS: Mapping[str, type] = types.MappingProxyType(
    {kind.__name__: kind for kind in (Counter, OrderedDict, defaultdict, deque, dict, list, set)}
)
_CONSTANTS: Mapping[str, object] = types.MappingProxyType({"Ellipsis": ..., "NotImplemented": NotImplemented})
_SIMPLE = frozenset({bool, float, str, type(None)})
_INTEGERS = frozenset({int})
_OTHERS = frozenset({"handle", "error", "stdlib", "own", "callback", "class", "member", "function", "module"})
"""Tags of what is not plain."""
_VIEWS: Mapping[type, str] = types.MappingProxyType(
    {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
)
_DTYPE = re.compile(
    r"[<>|=]?(?:b1|[iu][1248]|f2|f4|f8|f16|c8|c16|c32|[US][1-9][0-9]{0,6}|[mM]8(?:\[[0-9a-zA-Z]{1,9}\])?)"
)
_ARRAY_KINDS = "biufcmMUS"

Node = object
ToNode = Callable[[object], Node]
FromNode = Callable[[dict[str, object]], object]


class PlainError(Exception):
    """A value that cannot cross, or a node that is not one."""


def encode(value: object, other: ToNode | None = None) -> Node:
    """The node of a value; see ``Encoder``."""
    return Encoder(other).encode(value)


def decode(node: Node, other: FromNode | None = None) -> object:
    """The value of a node; see ``Decoder``."""
    return node if is_bare(node) else Decoder(other).decode(node)


def is_bare(value: object, depth: int = 0) -> bool:
    """Whether a value stands for itself as a node: a scalar of JSON, or a list of such values.

    Most values do, and then neither an encoder nor a decoder is needed.
    """
    kind = type(value)
    if kind is list:
        kinds = set(map(type, value))  # type: ignore[call-overload]
        if kinds <= _SIMPLE:
            return True
        if kinds == _INTEGERS:
            return bool(min(value) >= -_SHORT_INT and max(value) <= _SHORT_INT)  # type: ignore[call-overload]
        if depth > MAX_DEPTH:
            return False
        for item in value:  # type: ignore[attr-defined]  # noqa: SIM110 (a generator is one thing more to touch)
            if not is_bare(item, depth + 1):
                return False
        return True
    return kind in _SIMPLE or (kind is int and -_SHORT_INT <= value <= _SHORT_INT)  # type: ignore[operator]


def lists_in(values: list[object], found: list[object]) -> bool:
    """Lists what can be changed in values that are ``is_bare``, as ``Encoder`` does; False if one is met twice."""
    for value in values:
        if type(value) is list:
            found.append(value)
            lists_in(value, found)
    return len(set(map(id, found))) == len(found)


class Encoder:
    """Makes nodes of values; subclasses of plain types cross as the plain type.

    Args:
        other: makes the node of what is not plain.
        containers: what can be changed in place is listed here, in order, and what is listed is referred to; None for
            values that are never changed and hold nothing twice.
        is_json: for a reader who compares with JSON: numbers of numpy are plain numbers, and what is drawn item by
            item is a tuple.

    Raises:
        PlainError: (when used) a type that cannot cross and no ``other``, or nesting over ``MAX_DEPTH``.
    """

    def __init__(
        self, other: ToNode | None = None, *, containers: list[object] | None = None, is_json: bool = False
    ) -> None:
        self._other = other
        self._containers = containers
        self._numbers = {id(value): number for number, value in enumerate(containers or ())}
        self._top = 0
        self._is_json = is_json

    def encode(self, value: object, depth: int = 0) -> Node:
        """The node of a value."""
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is float:
            return value
        if kind is int:
            return value if -_SHORT_INT <= value <= _SHORT_INT else {"t": "int", "v": hex(value)}  # type: ignore[operator,arg-type]
        if depth > MAX_DEPTH:
            raise PlainError("the value is nested too deeply")
        if kind.__module__ == "numpy" and hasattr(kind, "dtype"):
            return self._numpy(value, depth)
        found = _ENCODERS.get(kind)
        if found is None:
            every = chain(_ENCODERS.items(), _rare())
            found = next((method for base, method in every if isinstance(value, base)), Encoder._else)
        return found(self, value, depth + 1)

    def state(self, container: object) -> Node:
        """The node of a listed container as it is now; the others are referred to."""
        self._top = id(container)
        return self.encode(container)

    def _again(self, value: object) -> Node:
        """A reference to a container that is listed; None if it is listed only now."""
        if self._containers is None:
            return None
        number = self._numbers.get(id(value))
        if number is not None:
            is_top, self._top = id(value) == self._top, 0
            return None if is_top else {"t": "same", "v": number}
        self._numbers[id(value)] = len(self._containers)
        self._containers.append(value)
        return None

    def _list(self, value: list[object], depth: int) -> Node:
        again = self._again(value)
        if again:
            return again
        items = [*list.__iter__(value)]
        kinds = set(map(type, items))
        if kinds <= _SIMPLE or (kinds == {int} and min(items) >= -_SHORT_INT and max(items) <= _SHORT_INT):  # type: ignore[type-var,operator]
            return items
        return [self.encode(item, depth) for item in items]

    def _tuple(self, value: tuple[object, ...], depth: int) -> Node:
        kind = type(value)
        items = [self.encode(item, depth) for item in tuple.__iter__(value)]
        names = None if kind is tuple else getattr(kind, "_fields", None)
        if isinstance(names, tuple) and len(names) == len(items) and all(type(name) is str for name in names):
            return {"t": "namedtuple", "v": items, "n": str(kind.__name__), "f": list(names)}
        return {"t": "tuple", "v": items}

    def _dict(self, value: dict[object, object], depth: int) -> Node:
        again = self._again(value)
        if again:
            return again
        name = next(name for name, kind in _CONTAINERS.items() if isinstance(value, kind))
        pairs = [[self.encode(key, depth), self.encode(item, depth)] for key, item in dict.items(value)]
        node: dict[str, object] = {"t": name, "v": pairs}
        if isinstance(value, defaultdict) and isinstance(value.default_factory, type):
            node["n"] = value.default_factory.__name__
        return node

    def _set(self, value: set[object], depth: int) -> Node:
        again = self._again(value)
        return again or {"t": "set", "v": [self.encode(item, depth) for item in set.__iter__(value)]}

    def _frozenset(self, value: frozenset[object], depth: int) -> Node:
        return {"t": "frozenset", "v": [self.encode(item, depth) for item in frozenset.__iter__(value)]}

    def _deque(self, value: deque[object], depth: int) -> Node:
        again = self._again(value)
        return again or {
            "t": "deque", "v": [self.encode(item, depth) for item in deque.__iter__(value)], "n": value.maxlen,
        }  # fmt: skip

    def _str(self, value: str, _: int) -> Node:
        return str.__getitem__(value, slice(None))

    def _int(self, value: int, depth: int) -> Node:
        return self.encode(int.__pos__(value), depth)

    def _float(self, value: float, _: int) -> Node:
        return float.__pos__(value)

    def _complex(self, value: complex, _: int) -> Node:
        return {"t": "complex", "v": [value.real, value.imag]}

    def _bytes(self, value: bytes, _: int) -> Node:
        return {"t": "bytes", "v": base64.b64encode(value).decode()}

    def _bytearray(self, value: bytearray, _: int) -> Node:
        return self._again(value) or {"t": "bytearray", "v": base64.b64encode(value).decode()}

    def _memoryview(self, value: memoryview, _: int) -> Node:
        return {"t": "memoryview", "v": base64.b64encode(value.tobytes()).decode()}

    def _array(self, value: array.array[Any], _: int) -> Node:
        return {"t": "array", "v": base64.b64encode(value.tobytes()).decode(), "n": value.typecode}

    def _range(self, value: range, depth: int) -> Node:
        return {"t": "range", "v": [self.encode(n, depth) for n in (value.start, value.stop, value.step)]}

    def _slice(self, value: slice, depth: int) -> Node:
        return {"t": "slice", "v": [self.encode(n, depth) for n in (value.start, value.stop, value.step)]}

    def _decimal(self, value: Decimal, _: int) -> Node:
        return {"t": "Decimal", "v": Decimal.__str__(value)}

    def _fraction(self, value: Fraction, depth: int) -> Node:
        return {"t": "Fraction", "v": [self.encode(value.numerator, depth), self.encode(value.denominator, depth)]}

    def _date(self, value: dt.date, _: int) -> Node:
        return {"t": "date", "v": dt.date.isoformat(value)}

    def _datetime(self, value: dt.datetime, _: int) -> Node:
        return {"t": "datetime", "v": dt.datetime.isoformat(value), "n": value.fold}

    def _time(self, value: dt.time, _: int) -> Node:
        return {"t": "time", "v": dt.time.isoformat(value), "n": value.fold}

    def _timedelta(self, value: dt.timedelta, _: int) -> Node:
        return {"t": "timedelta", "v": [value.days, value.seconds, value.microseconds]}

    def _timezone(self, value: dt.timezone, _: int) -> Node:
        offset = value.utcoffset(None)
        return {"t": "timezone", "v": [offset.days, offset.seconds, offset.microseconds]}

    def _zone(self, value: Any, _: int) -> Node:  # noqa: ANN401 (not loaded)
        return {"t": "ZoneInfo", "v": str(value.key)}

    def _uuid(self, value: Any, _: int) -> Node:  # noqa: ANN401
        return {"t": "UUID", "v": value.hex}

    def _path(self, value: PurePath, _: int) -> Node:
        return {"t": "path", "v": str(value), "n": type(value).__name__}

    def _view(self, value: Any, depth: int) -> Node:  # noqa: ANN401 (one of three types that have no names)
        items = [self.encode(item, depth) for item in value]
        return {"t": "tuple" if self._is_json else _VIEWS[type(value)], "v": items}

    def _type(self, value: type, depth: int) -> Node:
        if known_type(value.__name__) is value:
            return {"t": "type", "v": value.__name__}
        return self._else(value, depth)

    def _constant(self, value: object, _: int) -> Node:
        return {"t": "constant", "v": repr(value)}

    def _numpy(self, value: Any, depth: int) -> Node:  # noqa: ANN401 (numpy may not be here)
        if type(value).__name__ == "ndarray":
            return self._again(value) or self._ndarray(value, depth + 1)
        if self._is_json or value.dtype.kind not in _ARRAY_KINDS or value.dtype.itemsize == 0:
            return self.encode(value.item() if self._is_json else value.tolist(), depth + 1)
        return {"t": "scalar", "d": value.dtype.str, "v": base64.b64encode(value.tobytes()).decode()}

    def _ndarray(self, value: Any, depth: int) -> Node:  # noqa: ANN401
        node: dict[str, object] = {"t": "ndarray", "d": value.dtype.str, "s": list(value.shape)}
        if value.dtype.kind in _ARRAY_KINDS and value.dtype.itemsize:
            return {**node, "v": base64.b64encode(value.tobytes()).decode()}
        if value.dtype.kind == "O":
            return {**node, "d": "object", "v": [self.encode(item, depth) for item in value.ravel().tolist()]}
        raise PlainError(f"an array of type {value.dtype.str[:40]} cannot cross")

    def _else(self, value: object, depth: int) -> Node:
        if self._is_json and isinstance(value, Iterator):
            return {"t": "tuple", "v": [self.encode(item, depth) for item in value]}
        if self._other is None:
            raise PlainError(f"a value of type {type(value).__name__} cannot cross")
        return self._other(value)


_ENCODERS: Mapping[type, Callable[[Encoder, Any, int], Node]] = types.MappingProxyType(
    {
        list: Encoder._list,
        tuple: Encoder._tuple,
        dict: Encoder._dict,
        set: Encoder._set,
        frozenset: Encoder._frozenset,
        deque: Encoder._deque,
        str: Encoder._str,
        int: Encoder._int,
        float: Encoder._float,
        complex: Encoder._complex,
        bytes: Encoder._bytes,
        bytearray: Encoder._bytearray,
        memoryview: Encoder._memoryview,
        array.array: Encoder._array,
        range: Encoder._range,
        slice: Encoder._slice,
        Decimal: Encoder._decimal,
        Fraction: Encoder._fraction,
        dt.datetime: Encoder._datetime,
        dt.date: Encoder._date,
        dt.time: Encoder._time,
        dt.timedelta: Encoder._timedelta,
        dt.timezone: Encoder._timezone,
        PurePath: Encoder._path,
        type({}.keys()): Encoder._view,
        type({}.values()): Encoder._view,
        type({}.items()): Encoder._view,
        type: Encoder._type,
        type(...): Encoder._constant,
        type(NotImplemented): Encoder._constant,
        types.FunctionType: Encoder._else,
        types.MethodType: Encoder._else,
    }
)


_RARE: Mapping[tuple[str, str], Callable[[Encoder, Any, int], Node]] = types.MappingProxyType(
    {("zoneinfo", "ZoneInfo"): Encoder._zone, ("uuid", "UUID"): Encoder._uuid}
)
"""Types of modules that few programs load: loaded in the zygote they would burden every fork."""


def _rare() -> Iterator[tuple[type, Callable[[Encoder, Any, int], Node]]]:
    for (module, name), method in _RARE.items():
        if module in sys.modules:
            yield getattr(sys.modules[module], name), method


def known_type(name: object) -> type | None:
    """A built-in type of data, or a built-in exception that is no way to end a test."""
    known = getattr(builtins, name, None) if isinstance(name, str) else None
    if not isinstance(known, type):
        return None
    return known if known.__name__ in _TYPE_NAMES or issubclass(known, Exception) else None


@functools.lru_cache(maxsize=64)
def _named_tuple(name: str, fields: tuple[str, ...]) -> Callable[..., object]:
    return namedtuple(name, fields)  # noqa: PYI024 (its types are not known)


class Decoder:
    """Makes values of nodes.

    Args:
        other: takes nodes of tags that are not plain.
        containers: where an ``Encoder`` listed what can be changed, the same is listed here; None: nothing is referred
            to.

    Raises:
        PlainError: (when used) not a node, or nested too deeply.
    """

    def __init__(self, other: FromNode | None = None, *, containers: list[object] | None = None) -> None:
        self._other = other
        self._containers = containers
        self._is_top = False

    def decode(self, node: Node, depth: int = 0) -> object:
        """The value of a node."""
        if node is None or isinstance(node, bool | int | float | str):
            return node
        if depth > MAX_DEPTH:
            raise PlainError("the value is nested too deeply")
        if isinstance(node, list):
            items: list[object] = []
            self._list_container(items)
            if set(map(type, node)) <= _SIMPLE | {int}:
                items += node
            else:
                items += [self.decode(item, depth + 1) for item in node]
            return items
        if not isinstance(node, dict):
            raise PlainError("not a value")
        tag = node.get("t")
        if self._other is not None and type(tag) is str and tag in _OTHERS:
            return self._other(node)
        try:
            return self._tagged(tag, node.get("v"), node, depth + 1)
        except (TypeError, ValueError, ArithmeticError, OverflowError, LookupError, OSError) as error:
            raise PlainError(f"a damaged value tagged {str(tag)[:40]!r}") from error

    def state(self, node: Node) -> object:
        """A copy of what a container of the list has become, where the others are those of the list."""
        self._is_top = True
        return self.decode(node)

    def _list_container(self, value: object) -> None:
        is_top, self._is_top = self._is_top, False
        if self._containers is not None and not is_top:
            self._containers.append(value)

    def _items(self, nodes: list[object], depth: int) -> list[object]:
        return [self.decode(item, depth) for item in nodes]

    def _tagged(self, tag: object, body: object, node: dict[str, object], depth: int) -> object:  # noqa: C901, PLR0912
        match tag, body:
            case "same", int(number) if self._containers is not None and 0 <= number < len(self._containers):
                return self._containers[number]
            case "int", str(text):
                return int(text, 16)
            case "tuple" | "frozenset", list(items):
                values = self._items(items, depth)
                return tuple(values) if tag == "tuple" else frozenset(values)
            case "set" | "deque" | "dict" | "Counter" | "OrderedDict" | "defaultdict", list(items):
                return self._container(str(tag), items, node.get("n"), depth)
            case "namedtuple", list(items):
                name, names = node.get("n"), node.get("f")
                if not isinstance(name, str) or not isinstance(names, list):
                    raise PlainError("a damaged namedtuple")
                return _named_tuple(name, tuple(map(str, names)))(*self._items(items, depth))
            case "type", str(name) if known := known_type(name):
                return known
            case "constant", str(name) if name in _CONSTANTS:
                return _CONSTANTS[name]
            case "complex", [float() | int() as real, float() | int() as imag]:
                return complex(real, imag)
            case "bytes" | "bytearray" | "memoryview" | "array" | "scalar", str(text):
                return self._of_bytes(str(tag), base64.b64decode(text, validate=True), node)
            case "range" | "Fraction" | "timedelta" | "timezone" | "slice", list(items):
                return _of_numbers(str(tag), [self.decode(item, depth) for item in items])
            case _, str(text) if tag in _OF_TEXT:
                return _OF_TEXT[str(tag)](text, node)
            case "keys" | "values" | "items", list(items):
                return _view(str(tag), self._items(items, depth))
            case "ndarray", _:
                return self._ndarray(body, node, depth)
            case _:
                if self._other is None:
                    raise PlainError(f"an object that cannot cross, tagged {str(tag)[:40]!r}")
                return self._other(node)

    def _container(self, tag: str, items: list[Any], extra: object, depth: int) -> object:
        if tag == "deque":
            value: Any = deque(maxlen=extra if isinstance(extra, int) else None)
        elif tag == "defaultdict":
            factory = known_type(extra)
            value = defaultdict(factory if factory is None or extra in _TYPE_NAMES else None)
        else:
            value = _CONTAINERS[tag]()
        self._list_container(value)
        if tag == "deque":
            value.extend(self._items(items, depth))
        elif tag == "set":
            value.update(self._items(items, depth))
        else:
            for key, item in items:
                value[self.decode(key, depth)] = self.decode(item, depth)
        return value

    def _of_bytes(self, tag: str, data: bytes, node: dict[str, object]) -> object:
        match tag, node.get("n"):
            case "bytes", _:
                return data
            case "memoryview", _:
                return memoryview(data)
            case "bytearray", _:
                value = bytearray(data)
                self._list_container(value)
                return value
            case "array", str(code):
                return array.array(code, data)
            case "scalar", _:
                return _from_buffer(data, node.get("d"), [1])[0]
            case _:
                raise PlainError(f"a damaged {tag}")

    def _ndarray(self, body: object, node: dict[str, object], depth: int) -> object:
        shape = node.get("s")
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise PlainError("a damaged ndarray")
        if isinstance(body, str):
            value = _from_buffer(base64.b64decode(body, validate=True), node.get("d"), shape)
            self._list_container(value)
            return value
        if not isinstance(body, list) or node.get("d") != "object" or len(body) != math.prod(shape):
            raise PlainError("a damaged ndarray")
        np = _numpy()
        value = np.empty(shape, dtype=object)
        self._list_container(value)
        flat = value.reshape(-1)
        for at, item in enumerate(body):
            flat[at] = self.decode(item, depth)
        return value


def replace(container: Any, state: Any) -> None:  # noqa: ANN401 (one of the types that are listed)
    """Gives a container of a list the contents of a copy of the same type; another type is no change of it."""
    if type(container) is not type(state):
        return
    if isinstance(container, list | bytearray):
        container[:] = state
    elif isinstance(container, dict | set | deque):
        container.clear()
        (container.extend if isinstance(container, deque) else container.update)(state)
    elif getattr(container, "shape", None) == getattr(state, "shape", ()):
        container[...] = state


def _of_numbers(tag: str, numbers: list[Any]) -> object:
    if tag == "slice":
        return slice(*numbers)
    if not all(type(number) is int for number in numbers):
        raise PlainError(f"a damaged {tag}")
    match tag:
        case "timedelta":
            return dt.timedelta(*numbers)
        case "timezone":
            return dt.timezone(dt.timedelta(*numbers))
        case "range":
            return range(*numbers)
        case _:
            return Fraction(*numbers)


def _datetime(text: str, node: dict[str, object]) -> object:
    return dt.datetime.fromisoformat(text).replace(fold=int(node.get("n") == 1))


def _time(text: str, node: dict[str, object]) -> object:
    return dt.time.fromisoformat(text).replace(fold=int(node.get("n") == 1))


def _path(text: str, node: dict[str, object]) -> object:
    name = node.get("n")
    import pathlib  # noqa: PLC0415 (already loaded)

    kind = getattr(pathlib, name, PurePosixPath) if isinstance(name, str) and "Windows" not in name else PurePosixPath
    return kind(text) if isinstance(kind, type) and issubclass(kind, PurePath) else PurePosixPath(text)


_OF_TEXT: Mapping[str, Callable[[str, dict[str, object]], object]] = types.MappingProxyType(
    {
        "Decimal": lambda text, _: Decimal(text),
        "date": lambda text, _: dt.date.fromisoformat(text),
        "datetime": _datetime,
        "time": _time,
        "ZoneInfo": lambda text, _: importlib.import_module("zoneinfo").ZoneInfo(text),
        "UUID": lambda text, _: importlib.import_module("uuid").UUID(text),
        "path": _path,
    }
)


def _view(tag: str, items: list[Any]) -> object:
    if tag == "values":
        return dict(enumerate(items)).values()
    return dict.fromkeys(items).keys() if tag == "keys" else dict(items).items()


def _numpy() -> Any:  # noqa: ANN401
    try:
        import numpy as np  # noqa: PLC0415 (imported only when an array crosses: it costs 0.1 s)
    except ImportError as error:
        raise PlainError("numpy is not installed here") from error
    return np


def _from_buffer(data: bytes, dtype: object, shape: list[object]) -> Any:  # noqa: ANN401
    if not isinstance(dtype, str) or not _DTYPE.fullmatch(dtype):
        raise PlainError("a damaged ndarray")
    return _numpy().frombuffer(bytearray(data), dtype=dtype).reshape(shape)
