"""The text inside a pickle that holds one text and nothing else; no pickle is ever executed.

A pickle is a program for a small machine that can call anything. The few instructions that a pickled text needs
(protocol, frame, text, memo, stop) are read here one after the other; any other is refused by its name.

Source:
    CPython, ``Lib/pickletools.py`` (the list of opcodes).
"""

from __future__ import annotations

import pickletools
import zlib
from collections.abc import Mapping
from types import MappingProxyType

_PROTO, _FRAME, _STOP = 0x80, 0x95, 0x2E
_MAX_PROTOCOL = 5
_TEXTS: Mapping[int, int] = MappingProxyType({0x8C: 1, 0x58: 4, 0x8D: 8})
"""Opcode of a text -> bytes of its length."""
_SKIPPED: Mapping[int, int] = MappingProxyType({_PROTO: 1, _FRAME: 8, 0x94: 0, 0x71: 1, 0x72: 4})
"""Opcode that changes nothing for a single text (protocol, frame, three kinds of memo) -> bytes of its argument."""


class PickleError(ValueError):
    """The bytes are no pickle of one text; the message says what was found."""


def inflated(data: bytes, max_bytes: int) -> bytes:
    """The bytes of a zlib stream.

    Raises:
        PickleError: it is no such stream, or longer than ``max_bytes`` when inflated.
    """
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise PickleError("is not a zlib stream") from error
    if len(plain) > max_bytes:
        raise PickleError(f"has more than {max_bytes} bytes when inflated")
    if not stream.eof:
        raise PickleError("is a zlib stream that was cut")
    return plain


def pickled_text(data: bytes) -> str:
    """The text in a pickle of one text.

    Raises:
        PickleError: the pickle holds anything else.
    """
    text: str | None = None
    at = 0
    while at < len(data):
        code = data[at]
        at += 1
        if code == _STOP:
            if text is None or at != len(data):
                break
            return text
        if code in _SKIPPED:
            if code == _PROTO and data[at : at + 1] > bytes([_MAX_PROTOCOL]):
                raise PickleError("is a pickle of an unknown protocol")
            at += _SKIPPED[code]
        elif code in _TEXTS and text is None:
            start = at + _TEXTS[code]
            end = start + int.from_bytes(data[at:start], "little")
            text = _decoded(data[start:end], end - start)
            at = end
        else:
            raise PickleError(f"is a pickle with the instruction {_name(code)}, which is no plain text")
    raise PickleError("is not the pickle of one text")


def _decoded(data: bytes, size: int) -> str:
    if len(data) != size:
        raise PickleError("is a pickle that was cut")
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise PickleError("is a pickle whose text is not UTF-8") from error


def _name(code: int) -> str:
    return next((opcode.name for opcode in pickletools.opcodes if opcode.code == chr(code)), f"0x{code:02x}")
