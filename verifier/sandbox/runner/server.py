"""The solution's side of a script of tests: it holds the solution and answers what the tester asks.

Nothing here decides what is right: a solution can rewrite all of it. ``remote.py`` is the side that must not trust.
"""

from __future__ import annotations

import builtins
import contextlib
import functools
import inspect
import os
import random
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any, cast

from . import children, plain, specials
from .borrowed import Borrowed
from .channel import Channel, Message, PeerGoneError
from .printed import Printed
from .typed import Typed

CHANNEL = 3
_DUNDERS = ("__doc__", "__qualname__", "__annotations__", "__defaults__", "__kwdefaults__")
_TEXT_CHARS = 2000
_NO_NEWS = {"do", "ask", "name", "names", "shared", "target", "args", "kwargs", "in_place"}
"""What a request may have that tells nothing new of the tests."""
_CAUSES = 20


class Server:
    """Loads the solution and answers the tester's requests from it.

    It is made before its process is forked, so that a child has little left to make.

    Args:
        descriptor: of the connection to the tester.
    """

    def __init__(self, descriptor: int = CHANNEL) -> None:
        self._module = types.ModuleType("solution")
        self._printed = Printed(1), Printed(2)
        self._typed = Typed()
        self._objects: list[object] = list(specials.WELL_KNOWN)
        self._numbers = {id(kind): number for number, kind in enumerate(specials.WELL_KNOWN)}
        self._told = set(range(len(specials.WELL_KNOWN)))
        self._entries: dict[str, object] = {}
        self._replaced: dict[str, list[object]] = {}
        self._loop = specials.Loop()
        self.channel = Channel(descriptor, self.answer)
        self._borrowed = Borrowed(self.ask)
        self._do: dict[str, Callable[[Message], Message]] = {
            "bind": self._bind,
            "find": lambda message: self._reply(self._find(str(message["name"]))),
            "call": self._call,
            "operate": self._operate,
            "set": self._set,
            "derive": self._derive,
            "signature": lambda message: {"value": _signature(self._value(message["target"]), self._encode)},
            "code": lambda message: {"value": _code(self._value(message["target"]))},
        }

    def run(self, head: dict[str, object], source: str, _: object) -> None:
        """Serves until the tester has gone; never returns.

        Args:
            head: ``announce``, where it is not asked for, is the name that the tester wants to know of first.
            source: of the solution.
        """
        trouble, name = self.load(source), head.get("announce")
        with contextlib.suppress(PeerGoneError):
            if trouble is None:
                if name is not None:
                    self.announce(str(name))
                self.channel.serve()
            else:
                if name is None:
                    self.channel.receive()
                self.channel.send(trouble)
        os._exit(0)

    def announce(self, name: str) -> None:
        """Tells what the solution has by this name, without being asked."""
        self.channel.send(self.answer({"do": "bind", "names": [name]}))

    def load(self, source: str) -> Message | None:
        """Loads the solution; why it cannot be loaded, or None."""
        children.show_source(source)
        try:
            program = compile(source, children.SOURCE_NAME, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            return {"error": type(error).__name__, "is_compile_error": True}
        sys.stdout, sys.stderr, sys.stdin = self._printed[0].stream, self._printed[1].stream, self._typed
        try:
            self._module = self._borrowed.module = children.load_program(program, "solution")
        except BaseException as error:  # noqa: BLE001
            return {"error": type(error).__name__, "is_compile_error": False}
        self._typed.ask = self.ask
        builtins.input = lambda *prompt: str(self.ask({"do": "input"}, *prompt))
        return None

    @functools.cached_property
    def _operations(self) -> Mapping[str, Callable[..., object]]:
        return specials.operations(self._loop)

    def answer(self, message: Message) -> Message:
        """What a request gives, with what was printed meanwhile."""
        try:
            if not message.keys() <= _NO_NEWS:
                self._take_news(message)
            reply = self._do[message["do"]](message)  # type: ignore[index]
        except plain.PlainError as error:
            reply = {"uncrossable": str(error)[:200]}
        except BaseException as error:  # noqa: BLE001 (whatever the solution raises crosses)
            reply = self._raised(error)
        out, err = self._printed
        if out.data or err.data or not (out.stream.write_through and err.stream.write_through):
            self._with_printed(reply)
        return reply

    def ask(self, message: Message, *args: object, **kwargs: object) -> object:
        """Asks the tester with these arguments; raises what it raised."""
        containers: list[object] = []
        message |= self._arguments(args, kwargs, containers)
        reply = self.channel.ask(self._with_printed(message))
        return self._value_of(reply, containers)

    # --- in ---

    def _take_news(self, message: Message) -> None:
        if "classes" in message or "objects" in message:
            self._borrowed.receive(message, self._value)
        patches = message.get("patches")
        if isinstance(patches, dict):
            for name, node in patches.items():
                self._borrowed.patch(name, None if node is None else self._value(node))
        if "environ" in message:
            os.environ.update({name: str(text) for name, text in message["environ"].items() if text is not None})  # type: ignore[attr-defined]
            for name in [name for name, text in message["environ"].items() if text is None]:  # type: ignore[attr-defined]
                os.environ.pop(name, None)
        if "random" in message:
            random.setstate(self._value(message["random"]))  # type: ignore[arg-type]
        if "numpy_random" in message:
            import numpy as np  # noqa: PLC0415 (the tests use it)

            np.random.set_state(cast("Any", self._value(message["numpy_random"])))  # noqa: NPY002

    def _bind(self, message: Message) -> Message:
        """What the solution has of the names that the tests use."""
        self._borrowed.share(message.get("shared"))
        names = message["names"]
        assert isinstance(names, list)
        found = []
        for name in names:
            try:
                value = self._find(str(name))
                # Nothing was lent yet, so a function is the solution's own.
                found.append([name, self._handle(value) if type(value) in specials.WELL_KNOWN else self._encode(value)])
            except Exception:  # noqa: BLE001, S112 (a class of the solution's that cannot be made has no methods)
                continue
        reply: Message = {"found": found}
        if self._borrowed.has_news:
            self._borrowed.add_objects(reply, self._encode)
        return reply

    def _find(self, name: str) -> object:
        if name.isidentifier() and hasattr(self._module, name):
            return getattr(self._module, name)
        return children.find_entry_point(self._module, name)

    def _set(self, message: Message) -> Message:
        name, names = str(message["name"]), vars(self._module)
        if "value" in message:
            if name in names:
                self._replaced.setdefault(name, []).append(names[name])
            names[name] = self._value(message["value"])
        elif self._replaced.get(name):
            # Patching tools delete what they put into a module that has a name only when it is asked for.
            names[name] = self._replaced[name].pop()
        else:
            delattr(self._module, name)
        return {"value": None}

    def _derive(self, message: Message) -> Message:
        bases, body = self._value(message["bases"]), message["body"]
        assert isinstance(bases, list)
        assert isinstance(body, dict)
        held = {name: self._value(node) for name, node in body.items()}
        return self._reply(types.new_class(str(message["name"]), tuple(bases), None, lambda own: own.update(held)))

    def _call(self, message: Message) -> Message:
        containers: list[object] = []
        told: Any = message["target"]
        target: Any
        if type(told) is str:
            target = self._entries.get(told)
            if target is None:
                target = self._entries[told] = self._find(told)
        else:
            # An exception that was raised has a handle too.
            target = self._objects[told["h"]] if told["t"] == "handle" else self._value(told)
        args: Any = message["args"]
        if "kwargs" in message:
            pairs: Any = message["kwargs"]
            decoder = plain.Decoder(self._take, containers=containers)
            args = [decoder.decode(node) for node in args]
            result = target(*args, **{name: decoder.decode(node) for name, node in pairs.items()})
        else:
            plain.lists_in(args, containers)
            result = target(*args)
        reply: Message = {"value": result if plain.is_bare(result) else self._encode(result)}
        is_in_place = result is None or "in_place" in message
        if is_in_place and containers:
            encoder = plain.Encoder(self._node_of, containers=containers)
            reply["states"] = [encoder.state(container) for container in containers[:]]
        if self._borrowed.has_news:
            self._borrowed.add_objects(reply, self._encode, everything=is_in_place)
        return reply

    def _operate(self, message: Message) -> Message:
        args = message["args"]
        assert isinstance(args, list)
        return self._reply(self._operations[str(message["name"])](*map(self._value, args)))

    def _value(self, node: object) -> object:
        return plain.decode(node, self._take)

    def _value_of(self, reply: Message, containers: list[object]) -> object:
        self._take_news(reply)
        if "raised" in reply:
            error = self._value(reply["raised"])
            raise error if isinstance(error, BaseException) else RuntimeError("the test's function raised")
        states = reply.get("states")
        if isinstance(states, list):
            decoder = plain.Decoder(self._take, containers=containers)
            for container, node in zip(containers[:], states, strict=False):
                plain.replace(container, decoder.state(node))
        return self._value(reply.get("value"))

    def _take(self, node: dict[str, object]) -> object:
        if node["t"] == "handle":
            return self._objects[int(str(node["h"]))]
        if node["t"] == "error" and "h" in node:
            return self._objects[int(str(node["h"]))]
        return self._borrowed.take(node, self._value)

    # --- out ---

    def _with_printed(self, message: Message) -> Message:
        out, err = self._printed
        if text := out.taken():
            message["printed"] = text
        if text := err.taken():
            message["complained"] = text
        return message

    def _reply(self, value: object) -> Message:
        reply: Message = {"value": self._encode(value)}
        self._borrowed.add_objects(reply, self._encode)
        return reply

    def _raised(self, error: BaseException) -> Message:
        reply: Message = {"raised": self._error(error)}
        self._borrowed.add_objects(reply, self._encode)
        return reply

    def _arguments(self, args: tuple[object, ...], kwargs: dict[str, object], containers: list[object]) -> Message:
        encoder = plain.Encoder(self._node_of, containers=containers)
        message: Message = {
            "args": [encoder.encode(arg) for arg in args],
            "kwargs": {name: encoder.encode(arg) for name, arg in kwargs.items()},
        }
        self._borrowed.add_objects(message, self._encode)
        return message

    def _encode(self, value: object) -> plain.Node:
        return plain.encode(value, self._node_of)

    def _node_of(self, value: object) -> plain.Node:
        node = self._borrowed.node_of(value)
        if node is not None:
            return node
        return self._error(value) if isinstance(value, BaseException) else self._handle(value)

    def _handle(self, value: object) -> dict[str, object]:
        number = self._numbers.get(id(value))
        if number is None:
            number = len(self._objects)
            self._objects.append(value)
            self._numbers[id(value)] = number
        node: dict[str, object] = {"t": "handle", "h": number}
        if number in self._told:
            return node
        self._told.add(number)
        if isinstance(value, type):
            bases = [self._encode(base) for base in value.__bases__ if base is not object]
            return specials.told_of(value, number, bases)
        name, kind = getattr(value, "__name__", None), type(value)
        known = self._numbers.get(id(kind))
        node["c"] = self._encode(kind) if known is None else {"t": "handle", "h": known}
        node["k"], node["n"] = "object", name if isinstance(name, str) else ""
        return node

    def _error(self, error: BaseException, causes: int = 0) -> dict[str, object]:
        known = self._borrowed.error_of(error)
        if known is not None:
            return known
        node: dict[str, object] = {"t": "error", "h": self._handle(error)["h"], "c": self._encode(type(error))}
        try:
            node["text"] = str(error)[:_TEXT_CHARS]
            args = error.args
            if isinstance(error, OSError) and error.filename is not None:
                args = (error.errno, error.strerror, error.filename)
            node["v"] = [self._encode(arg) for arg in args]
            node["a"] = {name: self._encode(value) for name, value in vars(error).items() if not name.startswith("_")}
            if error.__cause__ is not None and causes < _CAUSES:
                node["cause"] = self._error(error.__cause__, causes + 1)
        except Exception:  # noqa: BLE001 (the solution's own __str__ and values)
            return node
        return node


def _signature(target: object, encode: Callable[[object], plain.Node]) -> plain.Node:
    signature = inspect.signature(target)  # type: ignore[arg-type]
    empty = inspect.Parameter.empty

    def annotation(value: object) -> plain.Node:
        return encode(
            value
            if isinstance(value, str) or (isinstance(value, type) and plain.known_type(value.__name__) is value)
            else str(value)
        )

    parameters = [
        [
            each.name,
            int(each.kind),
            [encode(each.default)] if each.default is not empty else [],
            [annotation(each.annotation)] if each.annotation is not empty else [],
        ]
        for each in signature.parameters.values()
    ]
    result = signature.return_annotation
    return [parameters, [annotation(result)] if result is not inspect.Signature.empty else []]


def _code(target: object) -> plain.Node:
    code = inspect.unwrap(target).__code__  # type: ignore[arg-type]
    names = list(code.co_varnames)
    return [
        code.co_name, code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, names,
        code.co_firstlineno,
    ]  # fmt: skip
