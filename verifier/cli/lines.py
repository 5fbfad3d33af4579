"""Lines of a file or pipe, read in a thread of their own with bounded memory."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Iterator

from verifier.wire.jsonl import MAX_LINE_BYTES

_CHUNK_BYTES = 1 << 16
_AHEAD = 8


def lines_of(descriptor: int, max_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """The lines of a descriptor, without their ends.

    Of a line with more than ``max_bytes`` only the first ``max_bytes + 1`` are kept, so that it is seen to be too long.
    """
    parts: list[bytes] = []
    size = 0
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            parts.append(piece[: max(0, max_bytes + 1 - size)])
            yield b"".join(parts)
            parts, size = [], 0
        if rest and size <= max_bytes:
            rest = rest[: max_bytes + 1 - size]
            parts.append(rest)
            size += len(rest)
    if parts:
        yield b"".join(parts)


async def read_lines(descriptor: int) -> AsyncIterator[bytes]:
    """The lines of a descriptor; waits for them without holding the loop.

    A daemon thread reads, because a read of a terminal cannot be stopped, and an interrupt must not wait for it.
    """
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[bytes | OSError | None] = asyncio.Queue()
    ahead = threading.Semaphore(_AHEAD)

    def put(item: bytes | OSError | None) -> bool:
        ahead.acquire()
        try:
            loop.call_soon_threadsafe(lines.put_nowait, item)
        except RuntimeError:
            # The loop is closed: nobody reads on.
            return False
        return True

    def read() -> None:
        try:
            for line in lines_of(descriptor):
                if not put(line):
                    return
            put(None)
        except OSError as error:
            put(error)

    threading.Thread(target=read, name="lines", daemon=True).start()
    while True:
        item = await lines.get()
        ahead.release()
        if item is None:
            return
        if isinstance(item, OSError):
            raise item
        yield item
