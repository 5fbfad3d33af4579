"""Requests between a tester and a solution: one JSON message at a time, nested where a callback calls back."""

from __future__ import annotations

import json
import json.encoder
import os
import struct
from collections.abc import Callable, Iterable
from typing import Any

_LENGTH = struct.Struct(">I")
MAX_MESSAGE_BYTES = 64 << 20
_CHUNK, _MAX_READ = 1 << 16, 1 << 20


_PARSE: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
"""What ``json.loads`` comes to, with fewer steps: a fresh process pays for each function that it is first to use."""


Message = dict[str, object]


def _new_writer() -> Callable[[object, int], Iterable[str]]:
    """What ``json.dumps`` comes to, made once where the interpreter has that part in C."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return lambda value, _: json.JSONEncoder().iterencode(value)
    text = json.encoder.encode_basestring_ascii
    return make({}, _no_default, text, None, ": ", ", ", False, False, True)  # type: ignore[no-any-return]  # noqa: FBT003


def _no_default(value: object) -> object:
    raise TypeError(f"{type(value).__name__} is no part of a message")


_write = _new_writer()


def written(message: object) -> bytes:
    """A message as JSON."""
    return "".join(_write(message, 0)).encode("ascii")


class PeerGoneError(Exception):
    """The other process has ended, or sent what is no message."""


class Channel:
    """One end of the connection; ``answer`` serves what the other end asks while we wait for it.

    There are few functions here, and long ones: each costs a fresh process that uses it for the first time more than
    what it does.
    """

    def __init__(self, descriptor: int, answer: Callable[[Message], Message]) -> None:
        self._descriptor = descriptor
        self._answer = answer
        self._received = b""

    def ask(self, message: Message) -> Message:
        """Sends a request and gives its reply.

        Raises:
            PeerGoneError: there will be no reply.
        """
        message["ask"] = True
        self.send(message)
        return self.hear()

    def hear(self) -> Message:
        """The next message that asks for nothing; what is asked meanwhile is answered.

        Raises:
            PeerGoneError: there will be none.
        """
        while True:
            received = self.receive()
            if "ask" not in received:
                return received
            self.send(self._answer(received))

    def serve(self) -> None:
        """Answers requests until the other end goes away."""
        try:
            while True:
                self.send(self._answer(self.receive()))
        except PeerGoneError:
            return

    def send(self, message: Message) -> None:
        """Writes one message."""
        body = "".join(_write(message, 0)).encode("ascii")
        if len(body) > MAX_MESSAGE_BYTES:
            raise PeerGoneError(f"a message of {len(body)} bytes")
        data = _LENGTH.pack(len(body)) + body
        try:
            done = os.write(self._descriptor, data)
            while done < len(data):
                done += os.write(self._descriptor, memoryview(data)[done:])
        except OSError as error:
            raise PeerGoneError("the other process has ended") from error

    def receive(self) -> Message:
        """Reads one message."""
        received = self._received
        try:
            while len(received) < _LENGTH.size or len(received) < _LENGTH.size + _LENGTH.unpack_from(received)[0]:
                received = self._more(received)
        except OSError as error:
            raise PeerGoneError("the other process has ended") from error
        end = _LENGTH.size + _LENGTH.unpack_from(received)[0]
        self._received = received[end:]
        try:
            message, read = _PARSE(received[_LENGTH.size : end].decode("ascii"), 0)
        except (ValueError, RecursionError, StopIteration) as error:
            raise PeerGoneError("not a message") from error
        if type(message) is not dict or read != end - _LENGTH.size:
            raise PeerGoneError("not a message")
        return message

    def _more(self, received: bytes) -> bytes:
        """What was received, and more: all of a message that is not yet whole."""
        if len(received) < _LENGTH.size:
            wanted = _CHUNK
        else:
            wanted = _LENGTH.unpack_from(received)[0] + _LENGTH.size - len(received)
            if wanted > MAX_MESSAGE_BYTES:
                raise PeerGoneError(f"a message of {wanted} bytes")
        parts = [received]
        while True:
            part = os.read(self._descriptor, max(_CHUNK, min(wanted, _MAX_READ)))
            if not part:
                raise PeerGoneError("the other process has ended")
            parts.append(part)
            wanted -= len(part)
            if wanted <= 0 or len(received) < _LENGTH.size:
                return b"".join(parts)
