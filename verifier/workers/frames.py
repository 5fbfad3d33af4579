"""How messages cross the pipe between the pool and a worker: four bytes of length, then JSON in ASCII."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import BinaryIO

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]
"""What crosses the pipe to a worker and back."""

HEADER_BYTES = 4
MAX_FRAME_BYTES = 16 * 1024 * 1024


def pack(message: Json) -> bytes:
    """One message as a frame; escapes all but ASCII, so that a lone surrogate passes too.

    Raises:
        ValueError: the message is over ``MAX_FRAME_BYTES``.
    """
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"a message of {len(body)} bytes is over the limit of {MAX_FRAME_BYTES} for one call")
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def body_length(header: bytes) -> int:
    """Length of the body that follows this header.

    Raises:
        ValueError: no sane peer writes such a header.
    """
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME_BYTES:
        raise ValueError(f"a frame announces {length} bytes, over the limit of {MAX_FRAME_BYTES}")
    return length


def read_frame(stream: BinaryIO) -> bytes | None:
    """The next body of a blocking stream; None at its end."""
    header = stream.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return None
    length = body_length(header)
    body = stream.read(length)
    return body if len(body) == length else None
