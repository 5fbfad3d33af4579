"""The supervisor goes through a plan (``plan.py``) with the solution's server: it asks, and compares what comes back.

What comes back is read as a tester reads it, but only plain data of built-in types within bounds is compared here. For
anything else, an object or an exception say, the dialogue is given up, and a tester runs the script from its beginning.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from . import plain

_LENGTH = struct.Struct(">I")
_MAX_REPLY_BYTES, _MAX_REQUEST_BYTES = 1 << 20, 48 << 10
_MAX_ITEMS = 1000
"""Of a set or dictionary: a program could choose keys that take a long time to put into one."""
_CHUNK = 1 << 16
_HASHED = ("set", "frozenset", "dict")
_TAGS = ("int", "tuple", "complex", "bytes", *_HASHED)

OPERATIONS: Mapping[str, Callable[..., object]] = MappingProxyType(
    {
        "eq": lambda value, wanted: value == wanted,
        "ne": lambda value, wanted: value != wanted,
        "is": lambda value, wanted: value is wanted,
        "true": lambda value, _: value,
        "false": lambda value, _: not value,
        "within": lambda value, wanted: abs(value - wanted[0]) < wanted[1],
        "at_most": lambda value, wanted: abs(value - wanted[0]) <= wanted[1],
    }
)
"""What must hold of a value and the operand of a step."""
_WRAPPERS: Mapping[str, Callable[..., object]] = MappingProxyType(
    {"": lambda value: value, "sorted": sorted, "set": set, "list": list, "tuple": tuple, "len": len, "abs": abs}
)


class _BoundedDecoder(plain.Decoder):
    """Makes values of built-in types alone."""

    def _tagged(self, tag: object, body: object, node: dict[str, object], depth: int) -> object:
        if tag not in _TAGS or (tag in _HASHED and isinstance(body, list) and len(body) > _MAX_ITEMS):
            raise plain.PlainError("not compared here")
        return super()._tagged(tag, body, node, depth)


@dataclass(frozen=True)
class Step:
    """One call, and what must hold of its value.

    Args:
        request: the call as a message.
        operation: of ``OPERATIONS``.
        wrapper: a function that the value goes through first, or empty.
        operand: of the operation.
    """

    request: bytes
    operation: str
    wrapper: str
    operand: object


@dataclass(frozen=True)
class Plan:
    """A script as data.

    Args:
        steps: in order.
        size: bytes that it takes, about.
    """

    steps: Sequence[Step]
    size: int


def read_plan(report: bytes) -> Plan | None:
    """The plan that the reader of a script reports; None if there is none, or it is too large."""
    try:
        told = json.loads(report)["plan"]
        if told is None:
            return None
        steps = [_step(str(told["name"]), step) for step in told["steps"]]
    except (ValueError, KeyError, TypeError, RecursionError, plain.PlainError):
        return None
    if any(len(step.request) > _MAX_REQUEST_BYTES for step in steps):
        return None
    return Plan(steps, len(report))


def _step(name: str, told: list[Any]) -> Step:
    nodes, pairs, operation, wrapper, operand = told
    message = {"do": "call", "target": name, "args": nodes, "ask": True}
    if pairs or not plain.is_bare(nodes):
        message["kwargs"] = pairs
    body = json.dumps(message).encode("ascii")
    return Step(_LENGTH.pack(len(body)) + body, operation, wrapper, plain.Decoder().decode(operand))


class Dialogue:
    """One solution, asked step by step.

    Args:
        descriptor: of the connection; it is closed in the end.
        plan: what is asked.

    Attributes:
        report: as a tester's, when all is decided; None if a tester has to run the script.
    """

    def __init__(self, descriptor: int, plan: Plan) -> None:
        self.descriptor = descriptor
        self.report: dict[str, object] | None = None
        self._plan = plan
        self._at = -1
        self._received = b""
        os.set_blocking(descriptor, False)
        self._ask()

    def take(self) -> bool:
        """Takes what there is to read, and asks on; False when nothing more is asked."""
        try:
            part = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            part = b""
        if not part:
            # Before its first answer it may have ended while it was loaded, which a tester can tell apart.
            if self._at:
                self._end("the solution ended", has_died=True)
            return False
        self._received += part
        if len(self._received) < _LENGTH.size:
            return True
        (length,) = _LENGTH.unpack_from(self._received)
        if length > _MAX_REPLY_BYTES:
            return False
        body = self._received[_LENGTH.size :]
        if len(body) < length:
            return True
        self._received = body[length:]
        # More than what was asked for is no answer.
        return not self._received and self._answer(body[:length])

    def close(self) -> None:
        """Ends the connection, and with it the server."""
        os.close(self.descriptor)

    def _answer(self, body: bytes) -> bool:
        """Goes on with a reply; False if that was the last, or it is not for us."""
        try:
            reply = json.loads(body)
            if not isinstance(reply, dict) or "ask" in reply:
                return False
            if "error" in reply and not self._at:
                self.report = {
                    "solution_error": str(reply["error"]), "is_compile_error": bool(reply.get("is_compile_error")),
                }  # fmt: skip
                return False
            return self._compare(reply)
        except (ValueError, RecursionError, MemoryError, plain.PlainError):
            return False

    def _ask(self) -> bool:
        self._at += 1
        if self._at == len(self._plan.steps):
            self._end("")
            return False
        request = self._plan.steps[self._at].request
        try:
            return os.write(self.descriptor, request) == len(request)
        except BlockingIOError:
            return False
        except OSError:
            return True  # it has gone; that is read next

    def _compare(self, reply: dict[str, object]) -> bool:
        if not reply.keys() <= _HARMLESS or "value" not in reply:
            return False
        step = self._plan.steps[self._at]
        value = _BoundedDecoder().decode(reply["value"])
        if step.wrapper == "set" and isinstance(value, list | tuple | str) and len(value) > _MAX_ITEMS:
            return False
        try:
            holds = bool(OPERATIONS[step.operation](_WRAPPERS[step.wrapper](value), step.operand))
        except (TypeError, ArithmeticError) as error:
            self._end(type(error).__name__)
            return False
        if not holds:
            self._end(AssertionError.__name__)
            return False
        return self._ask()

    def _end(self, why: str, *, has_died: bool = False) -> None:
        calls = min(self._at + 1, len(self._plan.steps))
        self.report = {"tests": [["script", not why, why]], "calls": calls, "solution_died": has_died, "unscorable": ""}


_HARMLESS = {"value", "printed", "complained"}
