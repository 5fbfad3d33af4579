"""What a solution prints while a script of tests calls it, kept for the script: it may capture and compare it."""

from __future__ import annotations

import contextlib
import io
import os

LIMIT = 1 << 20


class Printed(io.RawIOBase):
    """Takes the place of a descriptor below ``sys.stdout`` or ``sys.stderr``; what passes the limit goes to it.

    Attributes:
        data: what was printed since the last time, but for what the stream keeps if it is told to.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.data = bytearray()
        self.stream = io.TextIOWrapper(self, encoding="utf-8", errors="replace", write_through=True)  # type: ignore[type-var]
        """The text stream above this."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    @property
    def raw(self) -> Printed:
        """This: nothing is kept in between."""
        return self

    def write(self, data: object) -> int:
        text = bytes(data)  # type: ignore[call-overload]
        room = LIMIT - len(self.data)
        self.data += text[:room]
        rest = memoryview(text)[room:]
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]
        return len(text)

    def taken(self) -> str:
        """The text since the last time."""
        with contextlib.suppress(ValueError):  # the solution has closed its own output
            self.stream.flush()
        text = self.data.decode("utf-8", "replace")
        self.data.clear()
        return text
