"""The tester's end of the connection: it asks the solution, and trusts nothing of what comes back.

* What comes back is plain data of exact types, an object of a class that the script lent, or a proxy (``proxies.py``).
* ``StopIteration`` crosses only where an iterator is asked for its next item: out of a call it would end the script's
  own loops early.
* An exception crosses as a local one, with its text, arguments and attributes; what is no ``Exception``
  (``SystemExit``, a test framework's skip) is the solution's death.
* An assertion of the script that fails in a function which the solution calls fails the script, unless the exception
  comes back to it.
"""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
from collections.abc import Callable, Mapping
from typing import Any

from . import plain, proxies, specials
from .borrowed import ERROR_MODULES
from .channel import Channel, Message, PeerGoneError
from .owned import Owned
from .patches import Patches
from .proxies import Remote, RemoteErrorType, RemoteType

_MAX_DETAIL = 200
_FUNCTION, _FIRST_HANDLE = specials.WELL_KNOWN.index(types.FunctionType), len(specials.WELL_KNOWN)
_FIRST_TOLD: Message = {"t": "handle", "h": _FIRST_HANDLE, "k": "object", "c": {"t": "handle", "h": _FUNCTION}}
_OF_CLASS_STATEMENTS = ("__module__", "__qualname__", "__classcell__", "__firstlineno__", "__static_attributes__")


class SolutionDiedError(BaseException):
    """The solution's process has ended, or a call gave what cannot cross or raised what is no ``Exception``."""


class UnscorableScriptError(BaseException):
    """The script asks for what cannot cross; the task is at fault."""


class Link:
    """The tester's end of the connection. It is made before its process is forked.

    Args:
        descriptor: of the connection.

    Attributes:
        calls: how often the solution was asked for anything.
        death: why the solution is dead; a script cannot pass any more, whatever it catches. Empty while it lives.
        unscorable: what the script passed that cannot cross, or empty.
        trouble: why the solution could not be loaded.
    """

    def __init__(self, descriptor: int) -> None:
        self.prelude: dict[str, object] = {}
        self.channel = Channel(descriptor, self.answer)
        self.calls = 0
        self.death = ""
        self.unscorable = ""
        self.trouble: Message = {}
        self._entry_point = ""
        self._in_place = False
        self._owned = Owned()
        self._patches = Patches()
        self._raising: frozenset[int] = frozenset()
        self._loop = specials.Loop()
        self._remotes: dict[object, Any] = {
            number: proxies.new_class(self, specials.told_of(kind, number, []), [])
            for number, kind in enumerate(specials.WELL_KNOWN)
        }
        self._first = proxies.new(self._remotes[_FUNCTION], _FIRST_HANDLE, "")
        """Stands for the function that the solution tells of first, nearly always the only one; made beforehand."""
        self._errors: dict[object, BaseException] = {}
        self._failed: list[BaseException] = []
        self._crossed: list[BaseException] = []

    def begin(self, script: str, *, entry_point: str, prelude: dict[str, object], in_place: bool) -> None:
        """Learns of the task.

        Args:
            script: the tests.
            entry_point: the name under test.
            prelude: what the tester's own run of the prelude defined.
            in_place: whether what every call changes in its arguments is changed for the script.
        """
        self.prelude, self._entry_point, self._in_place = prelude, entry_point, in_place
        self._raising = _lines_that_raise(script)
        self._patches.begin(script)
        if prelude:
            self._owned.share(prelude)

    @functools.cached_property
    def _operations(self) -> Mapping[str, Callable[..., object]]:
        return specials.operations(self._loop)

    @property
    def has_failed(self) -> bool:
        """Whether an assertion failed that the solution has kept from the script."""
        return bool(self._failed)

    # --- out ---

    def bind(self, names: list[str], *, is_announced: bool = False) -> dict[str, object] | None:
        """Those of the names that the solution has, and what they stand for; None if it could not be loaded.

        ``trouble`` says why then.

        Args:
            names: in order.
            is_announced: whether the solution tells of the entry point, or of its trouble, without being asked.
        """
        found: dict[str, object] = {}
        asked = names
        if is_announced:
            reply = self._heard(self.channel.hear)
            name = self._entry_point
            if names == [name] and reply == {"found": [[name, {**_FIRST_TOLD, "n": name}]]}:
                # Nearly always; each step more would cost a fresh process the copy of a page.
                object.__setattr__(self._first, "_assay_name", name)
                self._remotes[_FIRST_HANDLE] = self._first
                return {name: self._first}
            if not self._bind(reply, [name], found):
                return None
            asked = [one for one in names if one != name]
            if not asked:
                return found
        reply = self._ask({"do": "bind", "names": asked, "shared": list(self._owned.shared)})
        return found if self._bind(reply, asked, found) else None

    def _bind(self, reply: Message, names: list[str], found: dict[str, object]) -> bool:
        """Adds what a reply tells of names to what was found; False if the solution could not be loaded."""
        if "error" in reply:
            self.trouble = reply
            return False
        if "objects" in reply or "raised" in reply:
            self._value(reply)
        told = reply.get("found")
        if type(told) is not list:
            return True
        try:
            for name, node in told:
                if name in names:
                    found[name] = self._of_name(name, self._decode(node))
        except (plain.PlainError, TypeError, ValueError) as error:
            raise self.die(str(error)) from error
        return True

    def find(self, name: str) -> Any:  # noqa: ANN401 (whatever it is)
        """The solution's object of this name; AttributeError if it has none."""
        return self._of_name(name, self._reply({"do": "find", "name": name}))

    def _of_name(self, name: str, value: object) -> object:
        if name == self._entry_point and isinstance(value, RemoteErrorType):
            # An exception class stands here, so using it asks the solution for nothing; it is no vacuous script.
            self.calls += 1
        return self._spelled(value, name)

    @staticmethod
    def _spelled(value: object, name: str) -> object:
        if isinstance(value, RemoteType) and name[:1].isupper():
            value._assay_may_make = True
        return value

    def put(self, name: str, *value: object) -> None:
        """Sets a name of the solution's module, or deletes it."""
        message: Message = {"do": "set", "name": name}
        if value:
            message["value"] = self.encode(value[0])
        self._reply(message)

    def call(self, target: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Calls an object of the solution; arguments are copies."""
        self.calls += 1
        containers: list[object] = []
        message: Message = {"do": "call", "target": self._handle_of(target), "args": list(args)}
        if kwargs or not (plain.is_bare(message["args"]) and plain.lists_in(message["args"], containers)):  # type: ignore[arg-type]
            containers = []
            encoder = plain.Encoder(self._node_of, containers=containers)
            message["args"] = [encoder.encode(arg) for arg in args]
            message["kwargs"] = {name: encoder.encode(arg) for name, arg in kwargs.items()}
        if self._in_place:
            message["in_place"] = True
        reply = self._ask(message)
        value = reply.get("value")
        if "raised" in reply or "objects" in reply or not plain.is_bare(value):
            value = self._value(reply)
        if value is None or self._in_place:
            self._take_states(reply, containers)
        maker = target if isinstance(target, RemoteType) and target._assay_may_make else None
        if isinstance(target, Remote):
            maker = target._assay_maker  # type: ignore[assignment]
        return self.made(value) if maker is not None and isinstance(value, Remote) and type(value) is maker else value

    def derived(self, name: str, bases: tuple[type, ...], body: dict[str, object]) -> object:
        """A class of the script's that derives from the solution's: its functions stay here and are called back."""
        held = {key: value for key, value in body.items() if key not in _OF_CLASS_STATEMENTS}
        message: Message = {
            "do": "derive",
            "name": name,
            "bases": [self.encode(base) for base in bases],
            "body": {key: self.encode(value) for key, value in held.items()},
        }
        kind = self._reply(message)
        if not isinstance(kind, RemoteType):
            raise self.die("no class was derived")
        for base in (kind, *bases) if "__classcell__" in body else ():
            self._let_super_find(base)
        cell = body.get("__classcell__")
        if isinstance(cell, types.CellType):
            cell.cell_contents = kind
        kind._assay_may_make = True
        return kind

    def _let_super_find(self, kind: type) -> None:
        """Puts the methods of one of the solution's classes where ``super()`` looks: in the class itself."""
        for name in ("__init__", *(each for each in self.operate("vars_of", kind) if isinstance(each, str))):

            def method(*args: object, name: str = name, **kwargs: object) -> object:
                return self.call(self.operate("getattr", kind, name), args, kwargs)

            if isinstance(kind, RemoteType):
                type.__setattr__(kind, name, method)

    def operate(self, name: str, *args: object, may_stop: bool = False) -> Any:  # noqa: ANN401 (whatever it gives)
        """An operation of ``specials.operations`` on the solution's objects."""
        self.calls += 1
        reply = self._ask({"do": "operate", "name": name, "args": [self.encode(arg) for arg in args]})
        return self._value(reply, may_stop=may_stop)

    def attribute(self, owner: Any, name: str) -> object:  # noqa: ANN401 (a proxy of any kind)
        """An attribute of one of the solution's objects."""
        value = self._spelled(self.operate("getattr", owner, name), name)
        if isinstance(value, Remote) and not value._assay_is_made:
            may_make = owner if isinstance(owner, RemoteType) and owner._assay_may_make else None
            value._assay_maker = type(owner) if isinstance(owner, Remote) and owner._assay_is_made else may_make
        return value

    def made(self, value: object, by: Remote | None = None) -> Any:  # noqa: ANN401
        """The proxy of an object that the script made itself, or that one which it made (``by``) gave."""
        if not isinstance(value, Remote) or value._assay_is_made or (by is not None and not by._assay_is_made):
            return value
        # What a function returned before keeps its own proxy, which may do less.
        again = proxies.new(type(value), value._assay_handle, value._assay_name, is_made=True)
        self._remotes[value._assay_handle] = again
        return again

    def signature(self, target: object) -> inspect.Signature:
        """Of one of the solution's functions or classes."""
        self.calls += 1
        node = self._ask({"do": "signature", "target": self._handle_of(target)})
        found = self._told(node, lambda value: proxies.signature_of(value, self._decode))
        assert isinstance(found, inspect.Signature)
        return found

    def code(self, target: object) -> types.CodeType:
        """Of one of the solution's functions."""
        self.calls += 1
        found = self._told(self._ask({"do": "code", "target": self._handle_of(target)}), proxies.code_of)
        assert isinstance(found, types.CodeType)
        return found

    def _told(self, reply: Message, read: Callable[[object], Any]) -> Any:  # noqa: ANN401
        if "raised" in reply:
            self._raise(reply["raised"], may_stop=False)
        try:
            return read(reply.get("value"))
        except (ValueError, TypeError) as error:
            raise TypeError("the solution's function says nothing of itself") from error

    def may_swallow(self, error: object) -> bool:
        """Whether a ``with`` of the solution's may end an exception: one that a ``raise`` of the script raised."""
        if not isinstance(error, Exception) or isinstance(error, AssertionError):
            return False
        if any(error is one for one in self._crossed):
            return False
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        return trace is not None and trace.tb_lineno in self._raising

    def encode(self, value: object) -> plain.Node:
        """The node of an argument."""
        return plain.encode(value, self._node_of)

    def _handle_of(self, target: Any) -> dict[str, object]:  # noqa: ANN401 (a proxy of any kind)
        if isinstance(target, type):
            return {"t": "handle", "h": target._assay_class}  # type: ignore[attr-defined]
        if isinstance(target, BaseException):
            return {"t": "error", "h": target.__dict__["_assay_handle"]}
        return {"t": "handle", "h": target._assay_handle}

    def _node_of(self, value: object) -> plain.Node:
        if isinstance(value, Remote | RemoteType | RemoteErrorType):
            return self._handle_of(value)
        if isinstance(value, BaseException) and value.__dict__.get("_assay_handle") is not None:
            return self._handle_of(value)
        node = self._owned.node_of(value, self.encode)
        if node is None:
            self.unscorable = f"an argument of type {type(value).__name__} cannot cross to the solution"
            raise UnscorableScriptError(self.unscorable)
        return node

    # --- back ---

    def die(self, why: str) -> SolutionDiedError:
        """Remembers that the solution is dead, and gives the exception that says so."""
        self.death = self.death or why[:_MAX_DETAIL]
        return SolutionDiedError(self.death)

    def _ask(self, message: Message) -> Message:
        if self._patches.may_be_made:
            self._patches.add_to(message, self.encode)
        if self._owned.has_news:
            self._owned.add_objects(message, self.encode)
            self._owned.add_classes(message)
        return self._heard(self.channel.ask, message)

    def _heard(self, channel: Callable[..., Message], *message: Message) -> Message:
        """What comes through the channel, with what goes with any message."""
        try:
            reply = channel(*message)
        except PeerGoneError as error:
            raise self.die("the solution ended") from error
        if "printed" in reply or "complained" in reply:
            self._show(reply)
        if "uncrossable" in reply:
            raise self.die(str(reply["uncrossable"]))
        return reply

    @staticmethod
    def _show(message: Message) -> None:
        """Prints what the solution printed, where the script may capture it."""
        for name, stream in (("printed", sys.stdout), ("complained", sys.stderr)):
            text = message.get(name)
            if isinstance(text, str):
                stream.write(text.encode("utf-8", "replace").decode())

    def _reply(self, message: Message) -> object:
        return self._value(self._ask(message))

    def _value(self, reply: Message, *, may_stop: bool = False) -> object:
        in_place = self._in_place or ("raised" not in reply and reply.get("value") is None)
        try:
            if "objects" in reply:
                self._owned.receive(reply, self._decode, in_place=in_place)
            raised = reply.get("raised")
            value = self._decode(reply.get("value") if raised is None else raised)
        except plain.PlainError as error:
            raise self.die(str(error)) from error
        if raised is not None:
            self._raise(value, may_stop=may_stop)
        return value

    def _decode(self, node: object) -> object:
        return plain.decode(node, self._take)

    def _take(self, node: dict[str, object]) -> object:
        match node.get("t"), node.get("h"):
            case "handle", int(handle):
                known = self._remotes.get(handle)
                return self._met(node, handle) if known is None else known
            case "error", _:
                return self._error(node)
            case "stdlib", _:
                return _library_error(node)
            case _:
                return self._owned.take(node)

    def _met(self, node: dict[str, object], handle: int) -> object:
        if node.get("k") == "class":
            bases = node.get("b")
            kinds = [self._decode(base) for base in bases] if isinstance(bases, list) else []
            value: Any = proxies.new_class(self, node, [kind for kind in kinds if isinstance(kind, type)])
        else:
            kind = self._decode(node.get("c"))
            if not isinstance(kind, RemoteType):
                raise plain.PlainError("an object without a class")
            value = proxies.new(kind, handle, str(node.get("n") or ""))
            if kind.__name__ == "coroutine":
                return _awaited(value)
        self._remotes[handle] = value
        return value

    def _error(self, node: dict[str, object]) -> BaseException:
        number = node.get("o")
        if isinstance(number, int) and 0 <= number < len(self._owned.errors):
            return self._owned.errors[number]
        handle = node.get("h")
        known = self._errors.get(handle) if isinstance(handle, int) else None
        return self._new_error(node, handle) if known is None else known

    def _new_error(self, node: dict[str, object], handle: object) -> BaseException:
        kind, nodes, held, text = self._decode(node.get("c")), node.get("v"), node.get("a"), node.get("text")
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise plain.PlainError("an exception of no exception class")
        args = tuple(map(self._decode, nodes)) if isinstance(nodes, list) else (str(text),)
        try:
            error = kind.__new__(kind, *args)
            if not isinstance(kind, RemoteErrorType):
                error.__init__(*args)  # type: ignore[misc]
        except (TypeError, ValueError):
            # The class wants other arguments than it kept; what it is and says stays.
            error = BaseException.__new__(kind)
        error.args = args
        if isinstance(held, dict):
            for name, value in held.items():
                if not name.startswith("_"):
                    error.__dict__[name] = self._decode(value)
        if isinstance(kind, RemoteErrorType):
            error.__dict__["_assay_text"] = text
        if isinstance(handle, int):
            error.__dict__["_assay_handle"] = handle
            self._errors[handle] = error
        if "cause" in node:
            cause = self._decode(node["cause"])
            error.__cause__ = cause if isinstance(cause, BaseException) else None
        return error

    def _raise(self, error: object, *, may_stop: bool) -> None:
        if not isinstance(error, BaseException):
            error = self._decode(error)
        if not isinstance(error, Exception):
            raise self.die("the solution tried to end the test")
        self._failed = [one for one in self._failed if one is not error]
        if isinstance(error, StopIteration | StopAsyncIteration) and not may_stop:
            error = RuntimeError(str(error))
        self._crossed.append(error)
        raise error.with_traceback(None)

    def _take_states(self, reply: Message, containers: list[object]) -> None:
        states = reply.get("states")
        if not isinstance(states, list):
            return
        decoder = plain.Decoder(self._take, containers=containers)
        try:
            for container, node in zip(containers[:], states, strict=False):
                plain.replace(container, decoder.state(node))
        except plain.PlainError as error:
            raise self.die(str(error)) from error

    # --- what the solution asks ---

    def answer(self, message: Message) -> Message:
        """Does what the solution asks of the script."""
        self._show(message)
        try:
            if "objects" in message:
                self._owned.receive(message, self._decode, in_place=False)
            function = self._asked(message)
            nodes, pairs = message.get("args"), message.get("kwargs")
            if function is None or not isinstance(nodes, list) or not isinstance(pairs, dict):
                raise PeerGoneError("not a message")
            containers: list[object] = []
            decoder = plain.Decoder(self._take, containers=containers)
            args = [decoder.decode(node) for node in nodes]
            kwargs = {str(name): decoder.decode(node) for name, node in pairs.items()}
        except plain.PlainError as error:
            raise PeerGoneError("not a message") from error
        reply = self._called(function, args, kwargs, containers)
        self._owned.add_objects(reply, self._answered)
        self._owned.add_classes(reply)
        return reply

    def _called(
        self, function: Callable[..., object], args: list[object], kwargs: dict[str, object], containers: list[object]
    ) -> Message:
        try:
            value = _finished(function(*args, **kwargs))
            reply: Message = {"value": self._answered(value)}
            if value is None and containers:
                encoder = plain.Encoder(self._answer_node, containers=containers)
                reply["states"] = [encoder.state(container) for container in containers[:]]
        except Exception as error:  # noqa: BLE001 (the script's own function; the solution sees what it raised)
            if isinstance(error, AssertionError):
                self._failed.append(error)
            return {"raised": self._owned.error(error, self._answered)}
        except (SolutionDiedError, UnscorableScriptError):
            raise
        except BaseException as error:
            # The solution chose the arguments, so it is the solution that ends the script.
            raise self.die("the solution had the script end itself") from error
        return reply

    def _asked(self, message: Message) -> Callable[..., object] | None:
        owned, number, name = self._owned, message.get("v", message.get("h")), message.get("name")
        one: object
        match message.get("do"), number:
            case "callback", int(at) if 0 <= at < len(owned.functions):
                return owned.functions[at]
            case "method", int(at) if at in owned.objects and _has_special(owned.objects[at], name):
                one = owned.objects[at]
                if name == "call" and callable(one):
                    return one
                return lambda *args: self._operations[str(name)](one, *args)
            case "attribute", int(at) if at in owned.objects and isinstance(name, str) and not name.startswith("_"):
                one = owned.objects[at]
                return lambda: getattr(one, name)
            case "make", int(at) if 0 <= at < len(owned.classes):
                return owned.classes[at]
            case "input", _:
                return input
            case "stdin", _ if message.get("how") in ("read", "readline"):
                return getattr(sys.stdin, str(message["how"]))  # type: ignore[no-any-return]
            case _:
                return None

    def _answered(self, value: object) -> plain.Node:
        return plain.encode(value, self._answer_node)

    def _answer_node(self, value: object) -> plain.Node:
        # What a callback gives can depend on what the solution gave it, so it never shows that the task is at fault.
        before = self.unscorable
        try:
            return self._node_of(value)
        except UnscorableScriptError as error:
            self.unscorable = before
            raise plain.PlainError("a result that cannot cross") from error


def _has_special(value: Any, name: object) -> bool:  # noqa: ANN401 (whatever was lent)
    return name in specials.defined_by(type(value))


async def _awaited(remote: Remote) -> object:
    """A coroutine of the solution, as one that the script can await."""
    return remote._assay_link.operate("await", remote)


def _finished(value: object) -> object:
    """What a function of the script gave, awaited if it is a coroutine; the script's own loop may be running."""
    if not inspect.iscoroutine(value):
        return value
    import asyncio  # noqa: PLC0415 (see specials.Loop)

    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(value)))
    thread.start()
    thread.join()
    return found[0] if found else None


def _library_error(node: dict[str, object]) -> type:
    module, name = sys.modules.get(str(node.get("m"))), node.get("v")
    if node.get("m") not in ERROR_MODULES:
        raise plain.PlainError("an exception of an unknown library")
    if module is None:
        module = __import__(str(node["m"]), fromlist=["*"])
    kind = getattr(module, name, None) if isinstance(name, str) else None
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        raise plain.PlainError("an exception of an unknown library")
    return kind


def _lines_that_raise(script: str) -> frozenset[int]:
    """The lines of a script's ``raise`` statements; none where it is no Python."""
    import ast  # noqa: PLC0415 (already loaded by the one who runs scripts)

    if "raise" not in script:
        return frozenset()
    try:
        tree = ast.parse(script)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return frozenset()
    return frozenset(node.lineno for node in ast.walk(tree) if isinstance(node, ast.Raise))


class _SolutionModule(types.ModuleType):
    """The module ``solution``: a name is looked up in the solution when it is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        link: Link = self.__dict__["_assay_link"]
        return link.prelude[name] if name in link.prelude else link.find(name)

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            self.__dict__["_assay_link"].put(name, value)

    def __delattr__(self, name: str) -> None:
        self.__dict__["_assay_link"].put(name)


def solution_module(link: Link) -> types.ModuleType:
    """The module that ``from solution import ...`` finds; what ``*`` gives is not known yet."""
    module = _SolutionModule("solution")
    module.__dict__["_assay_link"] = link
    module.__dict__["__file__"] = "solution.py"
    return module
