"""What the solution has, as a script of tests sees it: objects and classes that hold nothing but a number.

A proxy has those special methods that its class has in the solution. Rules that keep a solution from judging itself:

* a proxy never equals plain data, and is never ordered against it, and the solution is not asked;
* operators with a plain operand are passed on only for objects that the script made itself, by calling a class that
  it spells with a capital, or that such an object gave of its own class; so an expected value never becomes an operand
  of what a function returned. The result must be an object again, and is never turned into a number or a truth value;
* ``in`` asks the solution only for such objects; else the items are drawn and compared here;
* ``with`` swallows only an exception that the script raised itself, by ``raise``.
"""

from __future__ import annotations

import dataclasses
import inspect
import types
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from . import specials

if TYPE_CHECKING:
    from .remote import Link

_NAME_CHARS = 100
_KNOWN: Mapping[str, type] = types.MappingProxyType(
    {
        str(kind.__name__): kind
        for kind in (
            types.FunctionType, types.MethodType, types.BuiltinFunctionType, types.GeneratorType,
            types.AsyncGeneratorType, map, filter, zip, enumerate, reversed,
        )
    }
)  # fmt: skip
"""Built-in types that a proxy says it is of."""
_STOPPING = ("next", "send", "throw", "anext")
READABLE = ("__doc__", "__qualname__", "__annotations__", "__defaults__", "__kwdefaults__", "__wrapped__")
"""Attributes by names of this kind that are asked for."""


class RemoteType(type):
    """A class of the solution."""

    _assay_link: Link
    _assay_class: object
    _assay_may_make: bool

    def __new__(mcs, name: str, bases: tuple[type, ...], body: dict[str, object], **_: object) -> Any:  # noqa: ANN401
        """A class of the script's that derives from one of the solution's; the solution makes it."""
        base = next((base for base in bases if "_assay_link" in dir(base)), None)
        if base is None:
            return type.__new__(mcs, name, bases, body)
        return base._assay_link.derived(name, bases, body)  # type: ignore[attr-defined]

    def __init__(cls, *_: object, **__: object) -> None:
        """Nothing is left to be done."""

    def __call__(cls, *args: object, **kwargs: object) -> object:
        """An object of the class, made by the solution."""
        return cls._assay_link.call(cls, args, kwargs)

    def __getattr__(cls, name: str) -> object:
        if _is_hidden(name):
            raise AttributeError(name)
        return cls._assay_link.attribute(cls, name)

    def __setattr__(cls, name: str, value: object) -> None:
        if name.startswith(("__", "_assay", "_abc_")):
            type.__setattr__(cls, name, value)
        else:
            cls._assay_link.operate("setattr", cls, name, value)

    def __delattr__(cls, name: str) -> None:
        cls._assay_link.operate("delattr", cls, name)

    @property
    def __signature__(cls) -> object:
        return cls._assay_link.signature(cls)


class RemoteEnumType(RemoteType):
    """An enumeration of the solution."""

    def __iter__(cls) -> object:
        return cls._assay_link.operate("iter", cls)

    def __len__(cls) -> int:
        found = cls._assay_link.operate("len", cls)
        return found if isinstance(found, int) else 0

    def __getitem__(cls, name: object) -> object:
        return cls._assay_link.operate("getitem", cls, name)

    def __contains__(cls, item: object) -> bool:
        return isinstance(item, Remote) and type(item) is cls


def _is_hidden(name: str) -> bool:
    return name.startswith("_assay") or (name.startswith("__") and name.endswith("__") and name not in READABLE)


class Remote(metaclass=RemoteType):
    """An object of the solution."""

    __slots__ = ("_assay_handle", "_assay_is_made", "_assay_is_mixed", "_assay_maker", "_assay_name")
    _assay_link: Link
    _assay_handle: object
    _assay_name: str
    _assay_is_made: bool
    _assay_is_mixed: bool
    _assay_maker: type | None

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (whatever it is)
        if name == "__name__" and self._assay_name:
            return self._assay_name
        if name == "__signature__":
            return self._assay_link.signature(self)
        if name == "__code__" and isinstance(self, types.FunctionType):
            return self._assay_link.code(self)
        if _is_hidden(name):
            raise AttributeError(name)
        return self._assay_link.attribute(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        if name in Remote.__slots__:
            object.__setattr__(self, name, value)
        else:
            self._assay_link.operate("setattr", self, name, value)

    def __delattr__(self, name: str) -> None:
        self._assay_link.operate("delattr", self, name)

    @property
    def __dict__(self) -> dict[str, object]:  # type: ignore[override]
        found = self._assay_link.operate("vars", self)
        return found if isinstance(found, dict) else {}

    def __dir__(self) -> list[str]:
        found = self._assay_link.operate("dir", self)
        return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []

    def __copy__(self) -> object:
        return self._assay_link.made(self._assay_link.operate("copy", self), self)

    def __deepcopy__(self, memo: object) -> object:
        return self._assay_link.made(self._assay_link.operate("deepcopy", self), self)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Remote):
            return False
        if self._assay_handle == other._assay_handle:
            return True
        if not (type(self)._assay_compares or type(other)._assay_compares):
            return False
        return self._assay_link.operate("eq", self, other) is True

    _assay_compares = False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        if not type(self)._assay_compares:
            return hash((Remote, str(self._assay_handle)))
        value = self._assay_link.operate("hash", self)
        return value if isinstance(value, int) else 0

    def __repr__(self) -> str:
        return self._assay_text("repr")

    def __str__(self) -> str:
        return self._assay_text("str")

    def __format__(self, how: str) -> str:
        return self._assay_text("format", how)

    def _assay_text(self, how: str, *args: object) -> str:
        value = self._assay_link.operate(how, self, *args)
        return value if isinstance(value, str) else f"<{type(self).__name__}>"

    def _assay_allow(self, other: object) -> None:
        if not (self._assay_is_made or isinstance(other, Remote)):
            raise TypeError(f"an object of the solution ({type(self).__name__}) cannot be combined with plain data")

    def _assay_be_unmixed(self) -> None:
        if self._assay_is_mixed:
            raise TypeError(
                f"an object of the solution ({type(self).__name__}) that met plain data cannot become a number"
            )


def new(kind: RemoteType, handle: object, name: str, *, is_made: bool = False) -> Remote:
    """A proxy of this class."""
    remote = object.__new__(cast("type[Remote]", kind))
    _set(remote, "_assay_handle", handle)
    _set(remote, "_assay_name", name)
    _set(remote, "_assay_is_made", is_made)
    _set(remote, "_assay_is_mixed", False)  # noqa: FBT003
    _set(remote, "_assay_maker", None)
    return remote


_set = object.__setattr__


def new_class(link: Link, told: dict[str, object], bases: list[type]) -> type:
    """The class that a node tells of; what it tells is the solution's word, and believed of nothing but itself."""
    name = str(told.get("n"))[:_NAME_CHARS].replace("\0", "")
    marks = {"_assay_link": link, "_assay_class": told.get("h"), "_assay_may_make": False, "__module__": "solution"}
    errors = tuple(base for base in bases if issubclass(base, BaseException))
    if errors:
        return _new_error(name, errors, marks)
    names = _texts(told.get("s"))
    body: dict[str, object] = {**marks, "__slots__": (), **specials.class_of(names, _METHODS.__getitem__)}
    body["_assay_compares"] = "eq" in names
    if told.get("unhashable"):
        body["__hash__"] = None
    known = _KNOWN.get(name) if told.get("builtin") else None
    if isinstance(told.get("d"), str):
        body["__doc__"] = told["d"]
    if known is not None:
        body["__class__"] = property(lambda _: known)
        body |= {each: property(_reading(link, each)) for each in ("__doc__", "__annotations__")}
    if known is types.GeneratorType:
        body |= {name: _METHODS[name] for name in ("send", "throw")}
    fields = _texts(told.get("fields"))
    if fields:
        body["__dataclass_fields__"] = {each: _field(each) for each in fields}
    metaclass = RemoteEnumType if told.get("enum") else RemoteType
    parents = tuple(base for base in bases if isinstance(base, RemoteType)) or (Remote,)
    try:
        return type.__new__(metaclass, name, parents, body)
    except TypeError:
        return type.__new__(metaclass, name, (Remote,), body)


def _reading(link: Link, name: str) -> Callable[[object], object]:
    return lambda self: link.attribute(self, name)


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def _field(name: str) -> object:
    field: Any = dataclasses.field()
    field.name, field._field_type = name, dataclasses._FIELD  # type: ignore[attr-defined]
    return field


class RemoteErrorType(type):
    """An exception class of the solution."""

    _assay_link: Link

    def __call__(cls, *args: object, **kwargs: object) -> object:
        """An exception of the class, made by the solution."""
        return cls._assay_link.call(cls, args, kwargs)

    def __getattr__(cls, name: str) -> object:
        if _is_hidden(name):
            raise AttributeError(name)
        return cls._assay_link.attribute(cls, name)


def _new_error(name: str, bases: tuple[type, ...], marks: dict[str, object]) -> type:
    body = {**marks, "__str__": _text_of, "__getattr__": _error_attribute}
    try:
        return type.__new__(RemoteErrorType, name, bases, body)
    except TypeError:
        return type.__new__(RemoteErrorType, name, (Exception,), body)


def _text_of(error: BaseException) -> str:
    """The text that the solution's own class made, also where its arguments would make another."""
    text = error.__dict__.get("_assay_text")
    return text if isinstance(text, str) else BaseException.__str__(error)


def _error_attribute(error: BaseException, name: str) -> object:
    link, handle = type(error)._assay_link, error.__dict__.get("_assay_handle")  # type: ignore[attr-defined]
    if _is_hidden(name) or handle is None:
        raise AttributeError(name)
    return link.attribute(error, name)


# --- special methods ------------------------------------------------------------------------------------------------


def _binary(name: str) -> Callable[..., object]:
    def method(self: Remote, other: object) -> object:
        self._assay_allow(other)
        value = self._assay_link.operate(name, self, other)
        is_mixed = self._assay_is_mixed or not isinstance(other, Remote) or other._assay_is_mixed
        if isinstance(value, Remote):
            value = self._assay_link.made(value, self)
            value._assay_is_mixed = value._assay_is_mixed or is_mixed
        elif is_mixed and value is not NotImplemented:
            raise TypeError(f"an object of the solution ({type(self).__name__}) and plain data gave plain data")
        return value

    return method


def _ordering(name: str) -> Callable[..., object]:
    def method(self: Remote, other: object) -> object:
        return self._assay_link.operate(name, self, other) if isinstance(other, Remote) else NotImplemented

    return method


def _number(name: str) -> Callable[..., object]:
    def method(self: Remote, *args: object) -> object:
        self._assay_be_unmixed()
        return self._assay_link.operate(name, self, *args)

    return method


def _asked(name: str) -> Callable[..., object]:
    def method(self: Remote, *args: object) -> object:
        return self._assay_link.operate(name, self, *args, may_stop=name in _STOPPING)

    return method


def _awaiting(name: str) -> Callable[..., object]:
    async def method(self: Remote, *args: object) -> object:
        if name == "aexit":
            error = args[1] if len(args) > 1 else None
            return self._assay_link.operate(name, self, error) is True and self._assay_link.may_swallow(error)
        return self._assay_link.operate(name, self, *args, may_stop=name in _STOPPING)

    return method


def _contains(self: Remote, item: object) -> bool:
    if self._assay_is_made or isinstance(item, Remote):
        return self._assay_link.operate("contains", self, item) is True
    return any(one is item or one == item for one in self)  # type: ignore[attr-defined]


def _exit(self: Remote, _: object = None, error: object = None, __: object = None) -> bool:
    return self._assay_link.operate("exit", self, error) is True and self._assay_link.may_swallow(error)


def _call(self: Remote, *args: object, **kwargs: object) -> object:
    return self._assay_link.call(self, args, kwargs)


def _await(self: Remote) -> Any:  # noqa: ANN401 (a generator)
    return self._assay_link.operate("await", self)
    yield


_METHODS: Mapping[str, Any] = types.MappingProxyType(
    {
        **{name: _asked(name) for name in (*specials.ALL, "send", "throw")},
        **{
            name: _binary(name)
            for name in (
                *specials.BINARY, "divmod", *(f"r{name}" for name in (*specials.BINARY, "divmod")),
                *(f"i{name}" for name in specials.BINARY),
            )
        },
        **{name: _ordering(name) for name in specials.ORDERINGS},
        **{name: _number(name) for name in (*specials.UNARY, *specials.NUMBERS)},
        **{name: getattr(Remote, f"__{name}__") for name in ("eq", "hash", "repr", "str", "format")},
        **{name: _awaiting(name) for name in ("aenter", "aexit", "anext")},
        "contains": _contains,
        "exit": _exit,
        "call": _call,
        "await": _await,
    }
)  # fmt: skip


def signature_of(node: object, decode: Callable[[object], object]) -> inspect.Signature:
    """The signature that a node tells of.

    Raises:
        ValueError: it tells of none.
    """
    match node:
        case [list(parameters), list(result)]:
            each = [_parameter(one, decode) for one in parameters]
            return inspect.Signature(each, return_annotation=decode(result[0]) if result else inspect.Signature.empty)
        case _:
            raise ValueError("no signature")


def _parameter(node: object, decode: Callable[[object], object]) -> inspect.Parameter:
    match node:
        case [str(name), int(kind), list(default), list(annotation)]:
            return inspect.Parameter(
                name,
                inspect._ParameterKind(kind),
                default=decode(default[0]) if default else inspect.Parameter.empty,
                annotation=decode(annotation[0]) if annotation else inspect.Parameter.empty,
            )
        case _:
            raise ValueError("no parameter")


def code_of(node: object) -> types.CodeType:
    """A code object that says the same of itself, and does nothing.

    Raises:
        ValueError: the node tells of none.
    """
    match node:
        case [str(name), int(flags), int(args), int(positional), int(keywords), list(names), int(line)]:
            names = [str(each) for each in names]
            return (lambda: None).__code__.replace(
                co_name=name, co_flags=flags, co_argcount=args, co_posonlyargcount=positional,
                co_kwonlyargcount=keywords, co_varnames=tuple(names), co_nlocals=len(names), co_firstlineno=line,
                co_filename="solution.py",
            )  # fmt: skip
        case _:
            raise ValueError("no code")
