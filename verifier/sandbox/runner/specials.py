"""The special methods that both sides know: what a class has of them, its proxy or stand-in has."""

from __future__ import annotations

import builtins
import copy
import enum
import math
import operator
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and", "or", "xor", "lshift", "rshift",
)  # fmt: skip
ORDERINGS = ("lt", "le", "gt", "ge")
UNARY = ("neg", "pos", "invert", "abs")
NUMBERS = ("int", "float", "complex", "index", "round", "trunc", "floor", "ceil", "len", "length_hint", "bool")
ITEMS = ("getitem", "setitem", "delitem", "contains", "reversed")
ITERATION = ("iter", "next")
CONTEXT = ("enter", "exit", "aenter", "aexit")
AWAITED = ("await", "aiter", "anext")
TEXTS = ("repr", "str", "format", "bytes", "fspath")
ALL = (
    *BINARY,
    *(f"r{name}" for name in (*BINARY, "divmod")),
    *(f"i{name}" for name in BINARY),
    *ORDERINGS, *UNARY, *NUMBERS, *ITEMS, *ITERATION, *CONTEXT, *AWAITED, *TEXTS, "divmod", "call", "eq", "hash",
)  # fmt: skip


WELL_KNOWN: tuple[type, ...] = (types.FunctionType, types.MethodType)
"""Classes of nearly every entry point: both sides know them by their place here, so nothing is told of them."""


def told_of(kind: type, handle: int, bases: list[object]) -> dict[str, object]:
    """What the server tells of a class."""
    told: dict[str, object] = {
        "t": "handle", "h": handle, "k": "class", "n": kind.__name__, "b": bases, "s": list(defined_by(kind)),
    }  # fmt: skip
    if isinstance(kind.__doc__, str) and kind.__module__ != "builtins":
        told["d"] = kind.__doc__
    if kind.__module__ in ("builtins", "types"):
        told["builtin"] = True
    if getattr(kind, "__hash__", None) is None:
        told["unhashable"] = True
    if issubclass(kind, enum.Enum):
        told["enum"] = True
    fields = getattr(kind, "__dataclass_fields__", None)
    if isinstance(fields, dict):
        told["fields"] = [name for name in fields if isinstance(name, str)]
    return told


def defined_by(kind: type[object]) -> tuple[str, ...]:
    """The special methods that a class or its bases define, other than ``object``'s."""
    names: dict[str, None] = {}
    for base in kind.__mro__[:-1]:
        names.update(dict.fromkeys(name for name in vars(base) if name.startswith("__")))
    return tuple(name for name in ALL if f"__{name}__" in names and getattr(kind, f"__{name}__", None) is not None)


class Loop:
    """The one event loop in which everything is awaited, made when it is first needed."""

    def __init__(self) -> None:
        self._loop: AbstractEventLoop | None = None

    def run(self, awaitable: object) -> object:
        """What it gives."""
        if self._loop is None:
            import asyncio  # noqa: PLC0415 (a fifth of the memory of a warm interpreter, which each fork would copy)

            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(_awaited(awaitable))


async def _awaited(awaitable: object) -> object:
    return await awaitable  # type: ignore[misc]


def _exit(manager: object, error: object) -> object:
    kind = type(error) if isinstance(error, BaseException) else None
    return bool(type(manager).__exit__(manager, kind, error, None))  # type: ignore[attr-defined]


def _reflected(operation: Callable[[object, object], object]) -> Callable[[object, object], object]:
    return lambda right, left: operation(left, right)


def operations(loop: Loop) -> Mapping[str, Callable[..., object]]:
    """What can be asked to be done with objects, by name."""

    async def leave(manager: object, error: object) -> object:
        kind = type(error) if isinstance(error, BaseException) else None
        return bool(await type(manager).__aexit__(manager, kind, error, None))  # type: ignore[attr-defined]

    own: dict[str, Callable[..., object]] = {
        **{name: getattr(operator, f"__{name}__") for name in (*BINARY, *ORDERINGS, *UNARY, "eq")},
        **{f"i{name}": getattr(operator, f"__i{name}__") for name in BINARY},
        **{name: getattr(operator, name) for name in ("getitem", "setitem", "delitem", "contains", "index")},
        **{f"r{name}": _reflected(getattr(operator, f"__{name}__")) for name in BINARY},
        "rdivmod": _reflected(divmod),
        "length_hint": operator.length_hint,
        **{
            name: getattr(builtins, name)
            for name in (
                "int", "float", "complex", "round", "len", "bool", "reversed", "iter", "next", "repr", "str", "format",
                "bytes", "divmod", "hash", "getattr", "setattr", "delattr", "dir", "vars",
            )
        },
        **{name: getattr(math, name) for name in ("trunc", "floor", "ceil")},
        "vars_of": lambda kind: [name for name, value in vars(kind).items() if isinstance(value, types.FunctionType)],
        "copy": copy.copy,
        "deepcopy": copy.deepcopy,
        "fspath": lambda value: type(value).__fspath__(value),
        "enter": lambda manager: type(manager).__enter__(manager),
        "exit": _exit,
        "aenter": lambda manager: loop.run(type(manager).__aenter__(manager)),
        "aexit": lambda manager, error: loop.run(leave(manager, error)),
        "await": loop.run,
        "aiter": aiter,
        "anext": lambda iterator: loop.run(anext(iterator)),
        "send": lambda generator, value: generator.send(value),
        "throw": lambda generator, error: generator.throw(error),
    }  # fmt: skip
    return types.MappingProxyType(own)


def class_of(names: Iterable[str], method: Callable[[str], object]) -> dict[str, object]:
    """The body of a class that has these special methods."""
    known = set(ALL)
    return {f"__{name}__": method(name) for name in names if name in known}
