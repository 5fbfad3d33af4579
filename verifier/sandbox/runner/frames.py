"""Messages on a byte stream: a JSON header and binary blobs.

A frame is the header's length (4 bytes, big-endian), the header as JSON with the blobs' lengths under ``blobs``,
and the blobs. Both ends of the supervisor's pipe use it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence

MAX_HEADER_BYTES = 64 << 20
MAX_BLOBS_BYTES = 1 << 30
LENGTH = struct.Struct(">I")

Header = dict[str, object]


_TO_JSON = json.JSONEncoder().encode


class FrameError(Exception):
    """The other end does not speak the protocol, or went away in the middle of a frame."""


def pack(header: Header, blobs: Sequence[bytes] = ()) -> bytes:
    """The bytes of one frame."""
    text = _TO_JSON({**header, "blobs": list(map(len, blobs))}).encode("ascii")
    return b"".join((LENGTH.pack(len(text)), text, *blobs))


def blob_lengths(header: Header) -> list[int]:
    """The lengths of the blobs that follow a header.

    Raises:
        FrameError: they are not lengths, or too much in all.
    """
    lengths = header.get("blobs")
    if not isinstance(lengths, list) or not all(type(n) is int and n >= 0 for n in lengths):
        raise FrameError("a frame without blob lengths")
    if sum(lengths) > MAX_BLOBS_BYTES:
        raise FrameError(f"a frame of {sum(lengths)} bytes")
    return lengths


def parse_header(text: bytes) -> Header:
    """The header of a frame.

    Raises:
        FrameError: it is no JSON object.
    """
    try:
        header = json.loads(text)
    except ValueError as error:
        raise FrameError("a frame whose header is not JSON") from error
    if not isinstance(header, dict):
        raise FrameError("a frame whose header is not an object")
    return header


def read(read_exactly: Callable[[int], bytes]) -> tuple[Header, list[bytes]]:
    """Reads one frame through a function that gives exactly n bytes.

    Raises:
        FrameError: not a frame.
        EOFError: from ``read_exactly``, when the stream has ended.
    """
    (length,) = LENGTH.unpack(read_exactly(LENGTH.size))
    if length > MAX_HEADER_BYTES:
        raise FrameError(f"a frame header of {length} bytes")
    header = parse_header(read_exactly(length))
    return header, [read_exactly(n) for n in blob_lengths(header)]
