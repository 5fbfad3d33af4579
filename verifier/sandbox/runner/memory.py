"""How the memory of a zygote lies before its first fork, so that a fork costs little.

* ``plug``: what a child allocates lies side by side, and not in gaps on pages that it would have to copy.
* ``join``: what was mapped from files lies in fewer pieces. A fork copies the notes of each, and its end frees them.
* ``gather``: memory lies in large pages, of which the kernel notes one where it would note 512.

Where the kernel does not do a part of it, nothing is lost but time.
"""

from __future__ import annotations

import ctypes
import gc
from dataclasses import dataclass

from . import walls


@dataclass(frozen=True)
class _Span:
    """A piece of memory as the kernel lists it."""

    start: int
    end: int
    access: str
    offset: int
    inode: str
    name: str

    def is_followed_by(self, other: _Span) -> bool:
        """Whether another continues it, in memory and in their file."""
        if not self.is_of_file or self.inode != other.inode:
            return False
        return self.end == other.start and self.end - self.start == other.offset - self.offset

    @property
    def is_of_file(self) -> bool:
        """Whether it is mapped from a file."""
        return self.inode != "0"

    def whole_pages(self) -> tuple[int, int]:
        """Where the large pages begin and end that lie in it."""
        return -(-self.start // _LARGE_PAGE) * _LARGE_PAGE, self.end // _LARGE_PAGE * _LARGE_PAGE


def _spans() -> list[_Span]:
    found = []
    with open("/proc/self/maps", encoding="ascii", errors="replace") as maps:
        for line in maps:
            bounds, access, offset, _, inode, *name = line.split(maxsplit=5)
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            found.append(_Span(start, end, access, int(offset, 16), inode, name[0].strip() if name else ""))
    return found


def _libc() -> ctypes.CDLL:
    # The module ``mmap`` would be in the way of programs.
    libc = ctypes.CDLL(None)
    libc.mmap.argtypes = [ctypes.c_size_t, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int]
    libc.munmap.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
    libc.mremap.argtypes = [ctypes.c_size_t, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_size_t]
    libc.mmap.restype = libc.mremap.restype = ctypes.c_size_t
    return libc


def _collapse(start: int, end: int) -> bool:
    """Has the kernel put memory into large pages (Linux 6.1); whether all of it was."""
    done = [
        walls.CALL(walls.CALLS["madvise"], at, _LARGE_PAGE, _MADV_COLLAPSE, 0, 0)
        for at in range(start, end, _LARGE_PAGE)
    ]
    return not any(done)


def join() -> None:
    """Joins the pieces of each file: what is only read to the code beside it, and what is sealed to the data.

    A loader seals parts of the data, so that a program with a hole is not bent to another's will. Our children run
    whatever they are given.
    """
    libc, spans = _libc(), _spans()
    starts = {span.start: span for span in spans}
    ends = {span.end: span for span in spans}
    for span in spans:
        before, after = ends.get(span.start), starts.get(span.end)
        beside = {before.access} if before is not None and before.is_followed_by(span) else set()
        beside |= {after.access} if after is not None and span.is_followed_by(after) else set()
        if span.access == "r--p" and "r-xp" in beside:
            libc.mprotect(span.start, span.end - span.start, _READ | _EXECUTE)
        elif span.access == "r--p" and "rw-p" in beside:
            libc.mprotect(span.start, span.end - span.start, _READ | _WRITE)
    for span in _spans():
        if span.access == "r-xp" and span.is_of_file:
            _copy_code(libc, *span.whole_pages())


def _copy_code(libc: ctypes.CDLL, low: int, high: int) -> None:
    """Puts a copy in large pages into the place of code: a child has it without asking for it piece by piece."""
    size = high - low
    if size <= 0:
        return
    mapped = libc.mmap(0, size + _LARGE_PAGE, _READ | _WRITE, _PRIVATE, -1, 0)
    if mapped == _FAILED:
        return
    copy = -(-mapped // _LARGE_PAGE) * _LARGE_PAGE
    ctypes.memmove(copy, low, size)
    libc.munmap(mapped, copy - mapped)
    libc.munmap(copy + size, mapped + _LARGE_PAGE - copy)
    if not _collapse(copy, copy + size) or libc.mprotect(copy, size, _READ | _EXECUTE):
        libc.munmap(copy, size)
    elif libc.mremap(copy, size, size, _TO_THERE, low) != low:
        raise OSError("code was unmapped and cannot be mapped again")


def gather() -> None:
    """Puts memory that lies together into large pages.

    They have their places, so memory is made to reach from one to another, where nothing else is.
    """
    libc = _libc()
    for span in _spans():
        is_heap = span.name == "[heap]"
        if span.access != "rw-p" or (span.name and not is_heap) or span.end - span.start < _LARGE_PAGE // 8:
            continue
        low, high = span.start // _LARGE_PAGE * _LARGE_PAGE, -(-span.end // _LARGE_PAGE) * _LARGE_PAGE
        for at, size in ((low, span.start - low), (span.end, 0 if is_heap else high - span.end)):
            if size:
                libc.mmap(at, size, _READ | _WRITE, _WHERE_FREE, -1, 0)
        _collapse(low, high)


def plug() -> list[bytes]:
    """Fills the free places between what is allocated, so that children allocate side by side, on pages of their own.

    What it gives must be kept.
    """
    gc.collect()
    kept: list[bytes] = []
    # Objects of up to 512 bytes come from pools, one size in each; a fresh pool gives them side by side.
    for size in range(512, _BYTES_HEAD, -16):
        last, side_by_side, whole = 0, 1, (_POOL_BYTES - _POOL_HEAD) // size
        while side_by_side < whole:
            kept.append(bytes(size - _BYTES_HEAD))
            at = id(kept[-1])
            side_by_side = side_by_side + 1 if at == last + size else 1
            last = at
    # Larger ones are cut from whatever is free, else from the end of the heap, which only grows.
    kept += [bytes(_LARGEST) for _ in range(_IS_FRESH)]
    end = max(map(id, kept[-_IS_FRESH:]))
    for size in _LARGE:
        at_end = 0
        while at_end < _IS_FRESH:
            kept.append(bytes(size - _BYTES_HEAD))
            at_end = at_end + 1 if id(kept[-1]) > end else 0
            end = max(end, id(kept[-1]))
    return kept


_READ, _WRITE, _EXECUTE = 1, 2, 4
_PRIVATE, _WHERE_FREE = 0x2 | 0x20, 0x2 | 0x20 | 0x100000
"""Private and anonymous, the latter at that address or nowhere (MAP_FIXED_NOREPLACE)."""
_TO_THERE = 1 | 2
"""MREMAP_MAYMOVE, MREMAP_FIXED."""
_FAILED = ctypes.c_size_t(-1).value
_LARGE_PAGE, _MADV_COLLAPSE = 2 << 20, 25
_LARGEST = 120_000
"""Just below what is mapped for itself."""
_LARGE = (98304, 65536, 32768, 16384, 8192, 6144, 4096, 3072, 2048, 1536, 1280, 1024, 896, 768, 640, 576, 544, 528)
_BYTES_HEAD = bytes.__basicsize__
_POOL_BYTES, _POOL_HEAD = 1 << 14, 48
"""Of the interpreter's allocator."""
_IS_FRESH = 6
