"""Requests between a tester and a solution: one JSON message at a time, nested where a callback calls back."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable

_LENGTH = struct.Struct(">I")
MAX_MESSAGE_BYTES = 64 << 20
_CHUNK = 1 << 16

Message = dict[str, object]


class PeerGoneError(Exception):
    """The other process has ended, or sent what is no message."""


class Channel:
    """One end of the connection; ``answer`` serves what the other end asks while we wait for it."""

    def __init__(self, descriptor: int, answer: Callable[[Message], Message]) -> None:
        self._descriptor = descriptor
        self._answer = answer
        self._received = bytearray()

    def ask(self, message: Message) -> Message:
        """Sends a request and gives its reply.

        Raises:
            PeerGoneError: there will be no reply.
        """
        self.send({**message, "ask": True})
        while True:
            received = self.receive()
            if not received.get("ask"):
                return received
            self.send(self._answer(received))

    def serve(self) -> None:
        """Answers requests until the other end goes away."""
        while True:
            try:
                self.send(self._answer(self.receive()))
            except PeerGoneError:
                return

    def send(self, message: Message) -> None:
        """Writes one message."""
        body = json.dumps(message).encode("ascii")
        data = memoryview(_LENGTH.pack(len(body)) + body)
        if len(body) > MAX_MESSAGE_BYTES:
            raise PeerGoneError(f"a message of {len(body)} bytes")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise PeerGoneError("the other process has ended") from error

    def receive(self) -> Message:
        """Reads one message."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        if length > MAX_MESSAGE_BYTES:
            raise PeerGoneError(f"a message of {length} bytes")
        try:
            message = json.loads(self._exactly(length))
        except (ValueError, RecursionError) as error:
            raise PeerGoneError("not a message") from error
        if not isinstance(message, dict):
            raise PeerGoneError("not a message")
        return message

    def _exactly(self, count: int) -> bytes:
        while len(self._received) < count:
            try:
                part = os.read(self._descriptor, _CHUNK)
            except OSError as error:
                raise PeerGoneError("the other process has ended") from error
            if not part:
                raise PeerGoneError("the other process has ended")
            self._received += part
        data = bytes(self._received[:count])
        del self._received[:count]
        return data
