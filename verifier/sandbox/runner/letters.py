"""What a child is told when it has been forked: the system calls that put it behind the walls, and its payload.

All of it is worked out by the supervisor, which is never forked again; the zygote sees neither letters nor
descriptors. A letter is read into memory whose place the zygote has told, so the pointers in it are good.
What a fresh child touches is copied page by page, so it does little more than go through a list of numbers.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import marshal
import os
import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from . import walls

LETTER_BYTES = 1 << 16
_INLINE_BYTES = 48 << 10
"""A longer payload comes as a file in memory."""
_HEAD = struct.Struct("=4qQ256s256s")
"""The serial of the execution, how many calls there are, where the payload starts, the descriptor of the file that
holds it or -1; then what the calls point to and differs from child to child: a group, a directory, and its home."""
_GROUP_AT, _DIRECTORY_AT, _HOME_AT = 32, 40, 296
MAX_PATH_BYTES = 255
_CALL = struct.Struct("=6q")
_MESSAGE = struct.Struct("PIPNPNi")
"""A ``struct msghdr``, with the compiler's own gaps."""
LOW_DESCRIPTORS, HIGH_DESCRIPTORS = 64, 256
"""Descriptors below the first are the children's own; the runner keeps its own between the two."""
_ANCILLARY_BYTES = 512
_CHUNK = 1 << 20

UID, GROUP, DIRECTORY, HOME = "uid", "group", "directory", "home"
"""Marks of arguments that differ from child to child."""
Call = tuple[int | bytes | str, ...]
"""A system call: its number and up to five arguments; bytes stand for a pointer to them."""


class Address(NamedTuple):
    """What differs from child to child.

    Args:
        uid: that it takes.
        group: whose files it may read.
        directory: where it works.
        home: where its temporary files go.
    """

    uid: int
    group: int
    directory: bytes
    home: bytes


class Sender:
    """The supervisor's side.

    Args:
        boxes: one socket for each child of an execution, the first for the leader.
        address: where a child has its letter.
    """

    def __init__(self, boxes: Sequence[socket.socket], address: int) -> None:
        self._boxes = boxes
        self._address = address
        self._packed = functools.lru_cache(maxsize=64)(self._pack)

    def send(
        self,
        at: int,
        serial: int,
        *,
        entry: Callable[[int], tuple[Call, ...]],
        to: Address,
        descriptors: Sequence[int],
        payload: Any,  # noqa: ANN401 (what ``marshal`` takes has no name)
    ) -> None:
        """Puts a letter into a box.

        Args:
            at: which box.
            serial: of the execution.
            entry: gives the calls, made in order; one that fails ends the child. Its argument is the number that the
                next file will have which the child opens.
            to: what the marks in the calls stand for.
            descriptors: become 0, 1, 2, ... of the child.
            payload: what ``enter`` gives the child; data that ``marshal`` takes.
        """
        data = marshal.dumps(payload)
        handed, file = list(descriptors), -1
        if len(data) > _INLINE_BYTES:
            file = memory_file(data)
            handed.append(file)
        try:
            calls = entry(len(handed))
            letter, places = self._packed(calls)
            start = _HEAD.size + len(letter)
            number = len(handed) - 1 if file >= 0 else -1
            head = _HEAD.pack(serial, len(calls), start, number, to.group, to.directory, to.home)
            rows = bytearray(letter)
            for place in places:
                _WORD.pack_into(rows, place, to.uid)
            passed = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"={len(handed)}i", *handed))
            self._boxes[at].sendmsg([head, rows] if file >= 0 else [head, rows, data], [passed])
        finally:
            if file >= 0:
                os.close(file)

    def _pack(self, calls: tuple[Call, ...]) -> tuple[bytes, tuple[int, ...]]:
        """The calls as a child reads them, and where the uid is to be put."""
        rows, texts, places = bytearray(), bytearray(), []
        base = self._address + _HEAD.size + _CALL.size * len(calls)
        known = {
            GROUP: self._address + _GROUP_AT,
            DIRECTORY: self._address + _DIRECTORY_AT,
            HOME: self._address + _HOME_AT,
            UID: 0,
        }
        for call in calls:
            row = [0] * 6
            for place, value in enumerate(call):
                if isinstance(value, bytes):
                    texts += bytes(-(base + len(texts)) % 8)
                    row[place] = base + len(texts)
                    texts += value
                elif isinstance(value, str):
                    row[place] = known[value]
                    if value == UID:
                        places.append(len(rows) + _WORD.size * place)
                else:
                    row[place] = value
            rows += _CALL.pack(*row)
        return bytes(rows + texts), tuple(places)


_WORD = struct.Struct("=q")


_FIRST_ROW = _HEAD.size // 8


class Receiver:
    """The side of the zygote and its children.

    Args:
        boxes: the other ends, as descriptors out of the children's way.
    """

    def __init__(self, boxes: Sequence[int]) -> None:
        self._words = (ctypes.c_long * (LETTER_BYTES // 8))()
        self._ancillary = ctypes.create_string_buffer(_ANCILLARY_BYTES)
        self.address = ctypes.addressof(self._words)
        self._vector = ctypes.create_string_buffer(struct.pack("PN", self.address, LETTER_BYTES))
        control = ctypes.addressof(self._ancillary)
        self._told = _MESSAGE.pack(0, 0, ctypes.addressof(self._vector), 1, control, _ANCILLARY_BYTES, 0)
        self._header = ctypes.create_string_buffer(self._told)
        self._message = ctypes.addressof(self._header)
        self._boxes = list(boxes)
        self._numbers = walls.CALLS["recvmsg"], walls.CALLS["close_range"]
        self._can_close = walls.CALL(walls.CALLS["close_range"], 1 << 20, 1 << 20, 0, 0, 0) == 0

    def close(self, first: int, end: int) -> None:
        """Closes the descriptors from ``first`` on, below ``end``."""
        if self._can_close:
            walls.CALL(self._numbers[1], first, end - 1, 0, 0, 0)
        else:
            os.closerange(first, end)

    def enter(self, at: int, serial: int) -> object:
        """In a fresh child: takes its letter, makes the calls, and gives the payload.

        Raises:
            OSError: a call failed; nothing of the job has run.
        """
        box = self._boxes[at]
        while True:
            self.close(0, LOW_DESCRIPTORS)
            size = walls.CALL(self._numbers[0], box, self._message, 0, 0, 0)
            if size <= 0:
                raise ConnectionError("no letter")
            if self._words[0] == serial:
                return self._read(size)
            # Else it is one that a child never took, because somebody killed it.

    @contextlib.contextmanager
    def practice(self) -> Iterator[Sender]:
        """Has the letters of a sender of our own come in the place of the supervisor's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        box, boxes = lifted(theirs.detach()), self._boxes
        self._boxes = [box]
        try:
            with socket.socket(fileno=lifted(ours.detach())) as end:
                yield Sender([end], self.address)
        finally:
            self._boxes = boxes
            os.close(box)
            # The kernel has noted in it how much came.
            ctypes.memmove(self._message, self._told, len(self._told))

    def _read(self, size: int) -> object:
        call, words = walls.CALL, self._words
        row, end = _FIRST_ROW, _FIRST_ROW + 6 * words[1]
        while row < end:
            if call(words[row], words[row + 1], words[row + 2], words[row + 3], words[row + 4], words[row + 5]) < 0:
                walls.call(words[row], *words[row + 1 : row + 6])
            row += 6
        if words[3] < 0:
            start = words[2]
            return marshal.loads(ctypes.string_at(self.address + start, size - start))  # noqa: S302 (of the supervisor)
        parts = []
        while part := os.read(words[3], _CHUNK):
            parts.append(part)
        return marshal.loads(b"".join(parts))  # noqa: S302


def lifted(descriptor: int) -> int:
    """The same descriptor out of the children's way."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, LOW_DESCRIPTORS)
    os.close(descriptor)
    return high


def memory_file(data: bytes) -> int:
    """A file in memory, at its beginning: a child can read it without anybody pumping."""
    descriptor = os.memfd_create("input")
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
