"""The tester's functions, objects and classes as the solution sees them.

An object of a class that the script or the prelude wrote comes with what it holds, and is of the solution's class of
that name if there is one; so a list of nodes is walked here, without asking. What it lacks here (methods, the special
ones as well) is asked of the tester. All that the tester gives has a number, and goes back by it.
"""

from __future__ import annotations

import builtins
import contextlib
import enum
import importlib
import json
import random
import sys
import time
import types
from collections.abc import Callable, Mapping
from typing import Any

from . import plain, specials
from .channel import Message
from .fields import fields_of

ERROR_MODULES = (
    "argparse", "ast", "asyncio", "binascii", "concurrent.futures", "configparser", "copy", "csv", "dataclasses",
    "decimal", "graphlib", "ipaddress", "json", "lzma", "pickle", "queue", "re", "shutil", "sqlite3", "statistics",
    "struct", "subprocess", "tokenize", "urllib.error", "xml.etree.ElementTree", "zlib", "zoneinfo", "numpy",
)  # fmt: skip
"""Libraries whose exceptions are the same on both sides."""
LIBRARIES = (
    "collections",
    "copy",
    "datetime",
    "functools",
    "itertools",
    "json",
    "math",
    "operator",
    "random",
    "re",
    "string",
    "time",
    "numpy",
)
"""Libraries that are passed by their names."""
FUNCTION_MODULES = ("builtins", "math", "_operator")
"""Libraries whose functions are passed by their names."""

Value = Callable[[object], object]
Encode = Callable[[object], plain.Node]


class Borrowed:
    """What the tester has given, by numbers.

    Args:
        ask: asks the tester: a message, then arguments.

    Attributes:
        module: the solution, when it is loaded.
    """

    def __init__(self, ask: Callable[..., object]) -> None:
        self.module = types.ModuleType("solution")
        self._ask = ask
        self._shared: set[str] = set()
        self._objects: dict[int, object] = {}
        self._numbers: dict[int, int] = {}
        self._told: dict[int, str] = {}
        self._pending: list[int] = []
        self._classes: dict[int, type] = {}
        self._class_numbers: dict[int, int] = {}
        self._functions: dict[int, object] = {}
        self._function_numbers: dict[int, int] = {}
        self._errors: dict[int, tuple[BaseException, object]] = {}
        self._originals: dict[str, object] = {}

    def share(self, names: object) -> None:
        """Objects of classes of these names cross with what they hold."""
        if isinstance(names, list):
            self._shared.update(map(str, names))

    # --- in ---

    def receive(self, message: Message, value: Value) -> None:
        """Takes the classes and objects that come with a message."""
        for told in message.get("classes", ()):  # type: ignore[attr-defined]
            kind = self._make_class(told, value)
            self._classes[told["v"]] = kind
            self._class_numbers[id(kind)] = told["v"]
        objects: list[list[Any]] = message.get("objects", [])  # type: ignore[assignment]
        for number, class_number, held in objects:
            if number not in self._objects:
                made = self._make(self._classes[class_number], held)
                self._objects[number] = made
                self._numbers[id(made)] = number
        for number, _, held in objects:
            self._told[number] = json.dumps(held, sort_keys=True)
            one = self._objects[number]
            if held is None or isinstance(one, enum.Enum):
                continue
            for name in fields_of(one).keys() - held.keys():
                with contextlib.suppress(AttributeError):
                    object.__delattr__(one, name)
            for name, node in held.items():
                object.__setattr__(one, name, value(node))

    def take(self, node: dict[str, object], value: Value) -> object:
        """What a node stands for."""
        match node["t"], node.get("v"):
            case "own", int(number):
                return self._objects[number]
            case "class", int(number):
                return self._classes[number]
            case "class", None:
                return getattr(self.module, str(node["n"]))
            case "callback", int(number):
                return self._function(number, node)
            case "error", _:
                return self._error(node, value)
            case "stdlib" | "function", str(name):
                return getattr(importlib.import_module(str(node["m"])), name)
            case "module", str(name):
                return importlib.import_module(name)
            case _:
                raise plain.PlainError("an unknown tag")

    def patch(self, name: str, value: object) -> None:
        """Puts what the tests put in the place of a library's function; None: the function itself."""
        owner, _, attribute = name.rpartition(".")
        module = importlib.import_module(owner)
        original = self._originals.setdefault(name, getattr(module, attribute))
        setattr(module, attribute, original if value is None else value)

    def _make_class(self, told: dict[str, Any], value: Value) -> type:
        own = getattr(self.module, told["n"], None)
        if told["held"] and isinstance(own, type):
            self._shared.add(told["n"])
            return own
        bases = tuple(value(base) for base in told.get("b", ()))
        if bases:
            return type(told["n"], bases, {})  # type: ignore[arg-type]
        if told["held"]:
            self._shared.add(told["n"])
        number = told["v"]

        def make(kind: type, *args: object, **kwargs: object) -> object:  # noqa: ARG001
            return self._ask({"do": "make", "v": number}, *args, **kwargs)

        body = specials.class_of(told["s"], self._forward)
        return type(told["n"], (_StandIn,), {**body, "_assay_asks": self._attribute, "__new__": make})

    def _make(self, kind: type, held: dict[str, Any] | None) -> object:
        if issubclass(kind, enum.Enum):
            return kind[str((held or {}).get("name"))]
        return object.__new__(kind)

    def _forward(self, name: str) -> Callable[..., object]:
        def method(this: object, *args: object, **kwargs: object) -> object:
            if name in ("exit", "aexit"):
                args = args[1:2]
            return self._ask({"do": "method", "v": self._numbers.get(id(this)), "name": name}, *args, **kwargs)

        return method

    def _attribute(self, this: object, name: str) -> object:
        number = self._numbers.get(id(this))
        if number is None or name.startswith("_"):
            raise AttributeError(name)
        return self._ask({"do": "attribute", "v": number, "name": name})

    def _function(self, number: int, node: dict[str, object]) -> object:
        known = self._functions.get(number)
        if known is not None:
            return known

        def called(*args: object, **kwargs: object) -> object:
            return self._ask({"do": "callback", "h": number}, *args, **kwargs)

        async def awaited(*args: object, **kwargs: object) -> object:
            return self._ask({"do": "callback", "h": number}, *args, **kwargs)

        function = awaited if node.get("a") else called
        function.__name__ = function.__qualname__ = str(node.get("n"))
        function.__doc__ = doc if isinstance(doc := node.get("d"), str) else None
        self._functions[number] = function
        self._function_numbers[id(function)] = number
        return function

    def _error(self, node: dict[str, object], value: Value) -> object:
        kind, args = value(node["c"]), node["v"]
        assert isinstance(kind, type)
        assert isinstance(args, list)
        error = kind.__new__(kind, *map(value, args))
        assert isinstance(error, BaseException)
        error.args = tuple(map(value, args))
        for name, held in node.get("a", {}).items():
            error.__dict__[name] = value(held)
        self._errors[id(error)] = (error, node["o"])
        return error

    # --- out ---

    def node_of(self, value: object) -> plain.Node:
        """The node of what the tester gave, or has a class for; None for all else."""
        number = self._numbers.get(id(value))
        if number is not None:
            self._pending.append(number)
            return {"t": "own", "v": number}
        if id(value) in self._function_numbers:
            return {"t": "callback", "v": self._function_numbers[id(value)]}
        if isinstance(value, type):
            return self._class_node(value)
        kind = next((one for one in type(value).__mro__ if one.__name__ in self._shared), None)
        if kind is None or isinstance(value, BaseException):
            return None
        if isinstance(value, enum.Enum):
            return {"t": "member", "n": kind.__name__, "v": value.name}
        number = -len(self._objects) - 1
        self._objects[number] = value
        self._numbers[id(value)] = number
        self._pending.append(number)
        return {"t": "own", "v": number}

    def error_of(self, error: BaseException) -> dict[str, object] | None:
        """The node of an exception that the tester's own function raised."""
        known = self._errors.get(id(error))
        return None if known is None else {"t": "error", "o": known[1]}

    def _class_node(self, kind: type) -> plain.Node:
        number = self._class_numbers.get(id(kind))
        if number is not None:
            return {"t": "class", "v": number}
        if kind.__name__ in self._shared and getattr(self.module, kind.__name__, None) is kind:
            return {"t": "class", "n": kind.__name__}
        name = next((name for name in ERROR_MODULES if is_of(kind, name)), None)
        return None if name is None else {"t": "stdlib", "m": name, "v": kind.__name__}

    @property
    def has_news(self) -> bool:
        """Whether objects were lent, or go back."""
        return bool(self._pending or self._told)

    def add_objects(self, message: Message, encode: Encode, *, everything: bool = False) -> None:
        """Adds what the objects hold that a message refers to, or all whose contents have changed."""
        done: dict[int, list[object]] = {}
        todo = [*self._pending, *(self._told if everything else ())]
        self._pending.clear()
        while todo:
            number = todo.pop()
            if number in done:
                continue
            one = self._objects[number]
            if self._told.get(number) == "null" or isinstance(one, enum.Enum):
                continue
            held = {name: encode(value) for name, value in fields_of(one).items()}
            text = json.dumps(held, sort_keys=True)
            todo += self._pending
            self._pending.clear()
            kind = next((kind.__name__ for kind in type(one).__mro__ if kind.__name__ in self._shared), "")
            done[number] = [number, kind, held] if not everything or self._told.get(number) != text else []
            if number < 0 or everything:
                self._told[number] = text
        objects = [one for one in done.values() if one]
        if objects:
            message["objects"] = objects


def is_of(kind: type, name: str) -> bool:
    """Whether an exception's class is what a library has under its name."""
    module = sys.modules.get(name)
    return module is not None and issubclass(kind, Exception) and getattr(module, kind.__name__, None) is kind


class _StandIn:
    """An object of the tester's; what it lacks here is asked for."""

    _assay_asks: Callable[[object, str], object]

    def __getattr__(self, name: str) -> object:
        return type(self)._assay_asks(self, name)

    def __deepcopy__(self, memo: object) -> object:
        return self


_WATCHED = tuple(
    (f"{owner.__name__}.{name}", owner, name)
    for owner, names in (
        (builtins, ("print", "open")),
        (random, ("random", "randint", "randrange", "choice", "choices", "sample", "shuffle", "uniform", "gauss")),
        (time, ("time", "sleep", "perf_counter", "monotonic")),
    )
    for name in names
)


def watched() -> Mapping[str, object]:
    """The functions of libraries that tests put others in the place of, by their names."""
    return {full: getattr(owner, name) for full, owner, name in _WATCHED}
