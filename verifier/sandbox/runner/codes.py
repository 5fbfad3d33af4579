"""Code of Python programs and scripts, kept by their text, so that what runs often is compiled once.

The child that is the first to run a text tells its code before it runs anything of it, at the beginning of its report.
So what is kept is what our own compiling gave, and nothing that a program did can be in it. It goes to children that
run the same text, and nowhere else.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from .records import FIRST, LENGTH

_HEAD = len(FIRST) + LENGTH.size
MAX_BYTES, MAX_ENTRY_BYTES = 32 << 20, 4 << 20


class Codes:
    """What was used last, in bounded memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: bytes) -> bytes | bool:
        """The code of a text; True if it is to be told."""
        code = self._kept.get(key)
        if code is None:
            return True
        self._kept.move_to_end(key)
        return code

    def take(self, key: bytes, report: bytes) -> bytes:
        """Keeps the code that a report begins with; the rest of the report."""
        if not report.startswith(FIRST) or len(report) < _HEAD:
            return report
        (length,) = LENGTH.unpack_from(report, len(FIRST))
        code, rest = report[_HEAD : _HEAD + length], report[_HEAD + length :]
        if len(code) == length <= MAX_ENTRY_BYTES and key not in self._kept:
            self._kept[key] = code
            self._bytes += length
        while self._bytes > MAX_BYTES:
            self._bytes -= len(self._kept.popitem(last=False)[1])
        return rest


def key_of(kind: str, text: str) -> bytes:
    """The key of a text.

    Args:
        kind: of what is kept of it.
        text: all of it.
    """
    return hashlib.sha256(f"{kind}\0{text}".encode("utf-8", "surrogatepass")).digest()
