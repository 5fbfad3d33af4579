"""The solution as a script of tests sees it: proxies that hold nothing but a number.

Rules that keep a solution from judging itself:

* what comes back is plain data of exact types, or a handle; a handle never equals plain data, and is never ordered
  against it, and the solution is not asked;
* operators with a plain operand are passed on only for objects that the script made itself by calling a class that
  it spells with a capital, so an expected value never becomes an operand of what a function returned; the result
  must be an object again, and is never turned into a number or a truth value;
* ``StopIteration`` crosses only where an iterator is asked for its next item: out of a call it would end the script's
  own loops early;
* an exception crosses as a local one, with its text, arguments and attributes; what is no ``Exception``
  (``SystemExit``, a test framework's skip) is the solution's death.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Iterable

from . import plain
from .channel import Channel, Message, PeerGoneError

BINARY = (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor", "lshift", "rshift",
    "lt", "le", "gt", "ge", "eq", "ne",
)  # fmt: skip
UNARY = ("neg", "pos", "invert", "abs")
ITEMS = ("getitem", "setitem", "delitem")
CONVERSIONS = ("len", "iter", "next", "hash", "repr", "str", "bool", "int", "float", "reversed")
COPIES = ("copy", "deepcopy")
_ORDERINGS = ("lt", "le", "gt", "ge")


class SolutionDiedError(BaseException):
    """The solution's process has ended, or a call raised what is no ``Exception``."""


class UnscorableScriptError(BaseException):
    """The script asks for what cannot cross; the task is at fault."""


class Link:
    """The tester's end of the connection.

    Attributes:
        calls: how often the solution was asked for anything.
        is_dead: whether it died; a script cannot pass any more, whatever it catches.
        unscorable: what the script passed that cannot cross, or empty.
    """

    def __init__(self, descriptor: int, entry_point: str = "") -> None:
        self._entry_point = entry_point
        self.channel = Channel(descriptor, self._answer)
        self.calls = 0
        self.is_dead = False
        self.unscorable = ""
        self._functions: list[object] = []
        self._exceptions: dict[str, type[BaseException]] = {}

    # --- out ---

    def present(self, names: Iterable[str]) -> list[str]:
        """Those of the names that the solution has."""
        wanted = list(names)
        found = self._reply({"do": "has", "names": wanted})
        return [name for name in wanted if isinstance(found, list) and name in found]

    def find(self, name: str) -> object:
        """The solution's object of this name; AttributeError if it has none."""
        value = self._reply({"do": "find", "name": name})
        if isinstance(value, Remote):
            value._may_make = value._kind == "class" and name[:1].isupper()
        if isinstance(value, type) and name == self._entry_point:
            # An exception class is made here, so using it asks the solution for nothing; it is no vacuous script.
            self.calls += 1
        return value

    def call(self, target: Remote, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Calls an object of the solution; arguments are copies."""
        self.calls += 1
        message: Message = {
            "do": "call",
            "target": target._node(),
            "args": [self.encode(arg) for arg in args],
            "kwargs": {name: self.encode(arg) for name, arg in kwargs.items()},
        }
        reply = self._ask(message)
        value = self._value(reply)
        changed = reply.get("args")
        if value is None and isinstance(changed, list) and len(changed) == len(args):
            for arg, node in zip(args, changed, strict=True):
                self._take_change(arg, node)
        if isinstance(value, Remote) and target._may_make:
            value._is_made = True
        return value

    def operate(self, name: str, *args: object) -> object:
        """An operation of ``script._OPERATIONS`` on the solution's objects."""
        self.calls += 1
        reply = self._ask({"do": "operate", "name": name, "args": [self.encode(arg) for arg in args]})
        return self._value(reply, may_stop=name == "next")

    def encode(self, value: object) -> plain.Node:
        """The node of an argument."""
        return plain.encode(value, self._node_of)

    def _node_of(self, value: object) -> plain.Node:
        if isinstance(value, Remote):
            return value._node()
        if isinstance(value, type) and isinstance(getattr(value, "_assay_handle", None), dict):
            return value._assay_handle  # type: ignore[attr-defined]
        if callable(value) and not isinstance(value, type):
            self._functions.append(value)
            return {"t": "callback", "h": len(self._functions) - 1}
        self.unscorable = f"an argument of type {type(value).__name__} cannot cross to the solution"
        raise UnscorableScriptError(self.unscorable)

    # --- back ---

    def _ask(self, message: Message) -> Message:
        try:
            return self._shown(self.channel.ask(message))
        except PeerGoneError as error:
            self.is_dead = True
            raise SolutionDiedError("the solution ended") from error

    @staticmethod
    def _shown(message: Message) -> Message:
        """Prints what the solution printed, where the script may capture it."""
        text = message.get("printed")
        if isinstance(text, str):
            sys.stdout.write(text.encode("utf-8", "replace").decode())
        return message

    def _reply(self, message: Message) -> object:
        return self._value(self._ask(message))

    def _value(self, reply: Message, *, may_stop: bool = False) -> object:
        raised = reply.get("raised")
        if raised is not None:
            self._raise(raised, may_stop=may_stop)
        try:
            return plain.decode(reply.get("value"), self._take)
        except plain.PlainError as error:
            self.is_dead = True
            raise SolutionDiedError(str(error)) from error

    def _take(self, node: dict[str, object]) -> object:
        bases = node.get("bases")
        if isinstance(bases, list) and "BaseException" in bases:
            return self._exception(str(node.get("n")), [str(base) for base in bases], node)
        remote = Remote(self, node)
        return _awaited(remote) if remote._kind == "coroutine" else remote

    def _exception(self, name: str, bases: list[str], node: object = None) -> type[BaseException]:
        known = getattr(builtins, name, None)
        if bases and bases[0] == name and isinstance(known, type) and issubclass(known, BaseException):
            return known
        if name not in self._exceptions:
            base = getattr(builtins, bases[0], Exception) if bases else Exception
            if not (isinstance(base, type) and issubclass(base, BaseException)):
                base = Exception
            body = {"_assay_handle": node, "__str__": _text_of}
            self._exceptions[name] = type(name if name.isidentifier() else "Error", (base,), body)
        return self._exceptions[name]

    def _raise(self, raised: object, *, may_stop: bool) -> None:
        if not isinstance(raised, dict) or raised.get("fatal"):
            self.is_dead = True
            raise SolutionDiedError("the solution tried to end the test")
        bases = raised.get("bases")
        kind = self._exception(
            str(raised.get("name")), [str(base) for base in bases] if isinstance(bases, list) else []
        )
        if not issubclass(kind, Exception):
            self.is_dead = True
            raise SolutionDiedError("the solution tried to end the test")
        if issubclass(kind, StopIteration | StopAsyncIteration) and not may_stop:
            kind = RuntimeError
        raise self._made(kind, raised)

    def _made(self, kind: type[Exception], raised: dict[str, object]) -> Exception:
        text = str(raised.get("text"))
        args, attributes = self._parts(raised)
        try:
            error = kind(*args) if args is not None else kind(text)
        except (TypeError, ValueError):  # UnicodeDecodeError and its like want other arguments
            return Exception(text)
        error.__dict__.update({name: value for name, value in attributes.items() if not name.startswith("_")})
        if kind.__str__ is _text_of:
            error.__dict__["_assay_text"] = text
        return error

    def _parts(self, raised: dict[str, object]) -> tuple[list[object] | None, dict[str, object]]:
        nodes, pairs = raised.get("args"), raised.get("attributes")
        if not isinstance(nodes, list) or not isinstance(pairs, dict):
            return None, {}
        try:
            args = [plain.decode(node, self._take) for node in nodes]
            return args, {name: plain.decode(node, self._take) for name, node in pairs.items()}
        except plain.PlainError:
            return None, {}

    def _take_change(self, arg: object, node: object) -> None:
        if node is None:
            return
        try:
            value = plain.decode(node, self._take)
        except plain.PlainError as error:
            self.is_dead = True
            raise SolutionDiedError(str(error)) from error
        if type(arg) is list and type(value) is list:
            arg[:] = value
        elif (type(arg) is dict and type(value) is dict) or (type(arg) is set and type(value) is set):
            arg.clear()
            arg.update(value)
        elif type(arg) is bytearray and type(value) is bytearray:
            arg[:] = value

    def _answer(self, message: Message) -> Message:
        """The solution calls back a function that the script passed to it."""
        functions = self._functions
        self._shown(message)
        number, nodes, pairs = message.get("h"), message.get("args"), message.get("kwargs")
        if not isinstance(number, int) or not isinstance(nodes, list) or not isinstance(pairs, dict):
            raise PeerGoneError("not a message")
        if not 0 <= number < len(functions):
            raise PeerGoneError("no such function")
        try:
            args = [plain.decode(node, self._take) for node in nodes]
            kwargs = {str(name): plain.decode(node, self._take) for name, node in pairs.items()}
            value = functions[number](*args, **kwargs)  # type: ignore[operator]
            return {"value": plain.encode(value, self._answer_node)}
        except Exception as error:  # noqa: BLE001 (the script's own function; the solution sees that it raised)
            return {"raised": {"name": type(error).__name__}}
        except (SystemExit, KeyboardInterrupt) as error:
            # The solution chose the arguments, so it is the solution that ends the script.
            self.is_dead = True
            raise SolutionDiedError("the solution had the script end itself") from error

    def _answer_node(self, value: object) -> plain.Node:
        # What a callback gives can depend on what the solution gave it, so it never shows that the task is at fault.
        before = self.unscorable
        try:
            return self._node_of(value)
        except UnscorableScriptError as error:
            self.unscorable = before
            raise plain.PlainError("a result that cannot cross") from error


def _text_of(error: BaseException) -> str:
    """The text that the solution's own class made, also where its arguments would make another."""
    text = error.__dict__.get("_assay_text")
    return text if isinstance(text, str) else Exception.__str__(error)


async def _awaited(remote: Remote) -> object:
    """A coroutine of the solution, as one that the script can await."""
    return remote._link.operate("await", remote)


class Remote:
    """An object of the solution."""

    __slots__ = ("_handle", "_is_made", "_is_mixed", "_kind", "_link", "_may_make", "_name")
    _link: Link
    _handle: object
    _kind: str
    _name: str
    _may_make: bool
    _is_made: bool
    _is_mixed: bool

    def __init__(self, link: Link, node: dict[str, object]) -> None:
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_handle", node.get("h"))
        object.__setattr__(self, "_kind", str(node.get("k")))
        object.__setattr__(self, "_name", str(node.get("n")))
        for flag in ("_may_make", "_is_made", "_is_mixed"):
            object.__setattr__(self, flag, False)

    def _node(self) -> dict[str, object]:
        return {"t": "handle", "h": self._handle}

    def __call__(self, *args: object, **kwargs: object) -> object:
        return self._link.call(self, args, kwargs)

    def __getattr__(self, name: str) -> object:
        if name == "__name__":
            return self._name
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        value = self._link.operate("getattr", self, name)
        if isinstance(value, Remote):
            value._may_make = value._kind == "class" and name[:1].isupper()
        return value

    def __copy__(self) -> object:
        return self._copied("copy")

    def __deepcopy__(self, memo: object) -> object:
        return self._copied("deepcopy")

    def _copied(self, how: str) -> object:
        value = self._link.operate(how, self)
        if isinstance(value, Remote):
            value._is_made = self._is_made
        return value

    def __setattr__(self, name: str, value: object) -> None:
        if name in Remote.__slots__:
            object.__setattr__(self, name, value)
        else:
            self._link.operate("setattr", self, name, value)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, Remote) and self._link.operate("isinstance", instance, self) is True

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Remote):
            return False
        return self._handle == other._handle or self._link.operate("eq", self, other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        value = self._link.operate("hash", self)
        return value if isinstance(value, int) else 0

    def __bool__(self) -> bool:
        self._be_unmixed()
        return self._kind != "object" or self._link.operate("bool", self) is True

    def __repr__(self) -> str:
        return self._text("repr")

    def __str__(self) -> str:
        return self._text("str")

    def _text(self, how: str) -> str:
        value = self._link.operate(how, self)
        return value if isinstance(value, str) else f"<{self._name}>"

    def __contains__(self, item: object) -> bool:
        self._allow(item)
        return self._link.operate("contains", self, item) is True

    def __len__(self) -> int:
        self._be_unmixed()
        value = self._link.operate("len", self)
        if not isinstance(value, int):
            raise TypeError("len() gave no number")
        return value

    def __iter__(self) -> object:
        return self._link.operate("iter", self)

    def __next__(self) -> object:
        return self._link.operate("next", self)

    def __enter__(self) -> object:
        return self._link.operate("enter", self)

    def __exit__(self, *_: object) -> None:
        self._link.operate("exit", self)

    def _allow(self, other: object) -> None:
        if not (self._is_made or isinstance(other, Remote)):
            raise TypeError(f"an object of the solution ({self._name}) cannot be combined with plain data")

    def _be_unmixed(self) -> None:
        if self._is_mixed:
            raise TypeError(f"an object of the solution ({self._name}) that met plain data cannot become a number")


def _binary(name: str, *, is_reflected: bool) -> object:
    def method(self: Remote, other: object) -> object:
        if name in _ORDERINGS and not isinstance(other, Remote):
            return NotImplemented
        self._allow(other)
        value = self._link.operate(name, other, self) if is_reflected else self._link.operate(name, self, other)
        is_mixed = self._is_mixed or not isinstance(other, Remote) or other._is_mixed
        if isinstance(value, Remote):
            value._is_made, value._is_mixed = self._is_made, is_mixed
        elif is_mixed:
            raise TypeError(f"an object of the solution ({self._name}) and plain data gave plain data")
        return value

    return method


def _unary(name: str) -> object:
    def method(self: Remote, *args: object) -> object:
        if name not in ITEMS:
            self._be_unmixed()
        return self._link.operate(name, self, *args)

    return method


def _install() -> None:
    for name in BINARY:
        plain_name = name.rstrip("_")
        if name in ("eq", "ne"):
            continue
        setattr(Remote, f"__{plain_name}__", _binary(name, is_reflected=False))
        if name not in _ORDERINGS:
            setattr(Remote, f"__r{plain_name}__", _binary(name, is_reflected=True))
    for name in (*UNARY, *ITEMS, "int", "float", "reversed"):
        setattr(Remote, f"__{name}__", _unary(name))


_install()


class _SolutionModule(types.ModuleType):
    """The module ``solution``: a name is looked up in the solution when it is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        link: Link = self.__dict__["_assay_link"]
        value = link.find(name)
        self.__dict__[name] = value
        return value


def solution_module(link: Link, exported: tuple[str, ...]) -> types.ModuleType:
    """The module that ``from solution import ...`` finds; ``*`` gives the exported names alone."""
    module = _SolutionModule("solution")
    module.__dict__["_assay_link"] = link
    module.__dict__["__all__"] = list(exported)
    return module
