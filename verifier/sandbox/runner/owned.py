"""The script's own objects, functions and classes, as they are lent to the solution.

An object of a class that the script or the prelude wrote crosses with what it holds. What the solution changes in it
is seen here only where arguments are changed in place; a result that holds a changed one holds a copy. What comes back
is an object of a class that was lent, or that the prelude defines; it holds data and never a method.
"""

from __future__ import annotations

import enum
import functools
import inspect
import json
import operator
import types
from collections.abc import Callable
from typing import Any

from . import borrowed, plain, specials
from .channel import Message
from .fields import fields_of

SCRIPT_MODULES = ("__main__", "test_solution", "prelude")
_NEVER = (
    types.FrameType, types.CodeType, types.TracebackType, types.ModuleType, types.CellType, types.MappingProxyType,
)  # fmt: skip
"""Types through which a solution could reach what was not lent to it."""
_FUNCTIONS = (
    types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.MethodDescriptorType, functools.partial,
    types.MethodWrapperType, types.WrapperDescriptorType, operator.itemgetter, operator.attrgetter,
    operator.methodcaller,
)  # fmt: skip

Encode = Callable[[object], plain.Node]
Value = Callable[[object], object]


class Owned:
    """What the script has lent, by numbers."""

    def __init__(self) -> None:
        self.functions: list[Callable[..., object]] = []
        self.errors: list[BaseException] = []
        self.objects: dict[int, object] = {}
        self.classes: list[type] = []
        self.shared: dict[str, type] = {}
        self._numbers: dict[int, int] = {}
        self._sent: dict[int, str] = {}
        self._class_numbers: dict[type, int] = {}
        self._pending: list[int] = []
        self._new_classes: list[dict[str, object]] = []
        self._copies: dict[int, object] = {}
        self._lent: set[int] = set()

    def share(self, prelude: dict[str, object]) -> None:
        """Lends the classes that the prelude defines."""
        for name, kind in prelude.items():
            if isinstance(kind, type) and kind.__module__ == "prelude":
                self.shared[name] = kind

    # --- out ---

    def node_of(self, value: object, encode: Encode) -> plain.Node:
        """The node of what is lent; None for what never is."""
        if isinstance(value, _NEVER):
            return self._module(value)
        if isinstance(value, type):
            return self._class(value, encode)
        if isinstance(value, BaseException):
            return self.error(value, encode)
        if isinstance(value, _FUNCTIONS):
            return self._function(value)
        number = self._numbers.get(id(value))
        if number is None:
            number = len(self.objects)
            self.objects[number] = value
            self._numbers[id(value)] = number
        self._pending.append(number)
        return {"t": "own", "v": number}

    @staticmethod
    def _module(value: object) -> plain.Node:
        name = value.__name__ if isinstance(value, types.ModuleType) else ""
        return {"t": "module", "v": name} if name in borrowed.LIBRARIES else None

    def _function(self, value: Any) -> plain.Node:  # noqa: ANN401 (one of several types)
        module, name = getattr(value, "__module__", None), getattr(value, "__name__", "")
        if isinstance(value, types.BuiltinFunctionType) and module in borrowed.FUNCTION_MODULES:
            return {"t": "function", "m": "operator" if module == "_operator" else module, "v": name}
        number = next((at for at, known in enumerate(self.functions) if known == value), len(self.functions))
        if number == len(self.functions):
            self.functions.append(value)
        node: dict[str, object] = {"t": "callback", "v": number, "n": name or type(value).__name__}
        if inspect.iscoroutinefunction(value):
            node["a"] = True
        if isinstance(value, types.FunctionType) and value.__doc__:
            node["d"] = value.__doc__
        return node

    def _class(self, kind: type, encode: Encode) -> plain.Node:
        name = next((name for name in borrowed.ERROR_MODULES if borrowed.is_of(kind, name)), None)
        if name is not None:
            return {"t": "stdlib", "m": name, "v": kind.__name__}
        return {"t": "class", "v": self._class_number(kind, encode)}

    def _class_number(self, kind: type, encode: Encode) -> int:
        number = self._class_numbers.get(kind)
        if number is not None:
            return number
        number = self._class_numbers[kind] = len(self.classes)
        self.classes.append(kind)
        held = kind.__module__ in SCRIPT_MODULES or kind is types.SimpleNamespace
        told: dict[str, object] = {"v": number, "n": kind.__name__, "held": held, "s": specials.defined_by(kind)}
        if issubclass(kind, BaseException):
            told["b"] = [encode(base) for base in kind.__bases__]
        elif held:
            self.shared.setdefault(kind.__name__, kind)
        self._new_classes.append(told)
        return number

    def error(self, error: BaseException, encode: Encode) -> dict[str, object]:
        """The node of an exception; it comes back by its number."""
        self.errors.append(error)
        return {
            "t": "error",
            "o": len(self.errors) - 1,
            "c": encode(type(error)),
            "v": [encode(arg) for arg in error.args],
            "a": {name: encode(value) for name, value in vars(error).items() if not name.startswith("_")},
        }

    def add_objects(self, message: Message, encode: Encode) -> None:
        """Adds to a message what the objects hold that it refers to, where the solution does not know it yet.

        These are the objects that its reply may change.
        """
        objects: list[object] = []
        done: set[int] = set()
        while self._pending:
            number = self._pending.pop()
            if number in done:
                continue
            done.add(number)
            value = self.objects[number]
            kind = self._class_number(type(value), encode)
            held = {name: encode(one) for name, one in fields_of(value).items()} if self._is_held(value) else None
            text = json.dumps(held, sort_keys=True)
            if self._sent.get(number) != text:
                self._sent[number] = text
                objects.append([number, kind, held])
        if objects:
            message["objects"] = objects
        self._lent = done

    @property
    def has_news(self) -> bool:
        """Whether there is anything to be added to a message, or to be forgotten of the last one."""
        return bool(self._pending or self._new_classes or self._lent)

    def add_classes(self, message: Message) -> None:
        """Adds the classes that the solution does not know yet; after all else of the message is encoded."""
        if self._new_classes:
            message["classes"], self._new_classes = self._new_classes, []

    @staticmethod
    def _is_held(value: object) -> bool:
        return type(value).__module__ in SCRIPT_MODULES or type(value) is types.SimpleNamespace

    # --- back ---

    def receive(self, message: Message, value: Value, *, in_place: bool) -> None:
        """Takes what objects hold now; what was lent before the last message stays as it was.

        Raises:
            PlainError: no such object, or what its class does not let it hold.
        """
        told = self._told(message.get("objects", []))
        self._copies = {}
        is_changed = any(
            number >= 0 and json.dumps(held, sort_keys=True) != self._sent.get(number) for number, _, held in told
        )
        for number, name, _ in told:
            if number not in self.objects:
                self.objects[number] = self._made(name)
                self._numbers[id(self.objects[number])] = number
            elif number >= 0 and is_changed and not in_place:
                self._copies[number] = object.__new__(type(self.objects[number]))
        for number, _, held in told:
            if number in self._copies:
                _fill(self._copies[number], {name: value(node) for name, node in held.items()})
            elif number < 0 or (in_place and number in self._lent):
                _fill(self.objects[number], {name: value(node) for name, node in held.items()})
                self._sent[number] = json.dumps(held, sort_keys=True)

    def _told(self, objects: object) -> list[tuple[int, str, dict[str, object]]]:
        told: list[tuple[int, str, dict[str, object]]] = []
        for one in objects if isinstance(objects, list) else ():
            match one:
                case [int(number), str(name), dict(held)] if number < 0 or self._is_held(self.objects.get(number)):
                    told.append((number, name, held))
                case _:
                    raise plain.PlainError("a damaged object")
        return told

    def _made(self, name: str) -> object:
        kind = self.shared.get(name)
        if kind is None or issubclass(kind, BaseException | enum.Enum):
            raise plain.PlainError("an object of a class that was not lent")
        return object.__new__(kind)

    def take(self, node: dict[str, object]) -> object:
        """What a node stands for that the script gave, or an object of a class of its own."""
        match node.get("t"), node.get("v"):
            case "own", int(number) if number in self._copies:
                return self._copies[number]
            case "own", int(number) if number in self.objects:
                return self.objects[number]
            case "callback", int(number) if 0 <= number < len(self.functions):
                return self.functions[number]
            case "class", int(number) if 0 <= number < len(self.classes):
                return self.classes[number]
            case "class", None if node.get("n") in self.shared:
                return self.shared[str(node["n"])]
            case "member", str(name) if issubclass(kind := self.shared.get(str(node.get("n")), object), enum.Enum):
                return kind[name]
            case _:
                raise plain.PlainError("what the tests did not give")


def _fill(value: object, held: dict[str, object]) -> None:
    """Gives an object what it holds: data, where its class has no method or the like of that name."""
    kind = type(value)
    for name in held:
        there = inspect.getattr_static(kind, name, None)
        is_slot = isinstance(there, types.MemberDescriptorType)
        if name.startswith("__") or (not is_slot and (callable(there) or hasattr(type(there), "__get__"))):
            raise plain.PlainError(f"an object that holds {name[:40]!r} in the place of a method")
    for name in fields_of(value).keys() - held.keys():
        object.__delattr__(value, name)
    for name, one in held.items():
        try:
            object.__setattr__(value, name, one)
        except AttributeError as error:
            raise plain.PlainError("an object that holds what its class does not") from error
