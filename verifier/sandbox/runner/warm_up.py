"""What a zygote does before its first fork, so that a fork costs little.

* ``practise``: it does what its children will do, on programs of our own. Code that has run is specialised, and what it
  looked up is remembered; a child that finds it so touches fewer pages, each of which it would have to copy.
* ``plug``: what a child allocates lies side by side, and not in gaps on pages that it would have to copy.
* ``gather``: memory lies in large pages, of which the kernel notes one where it would note 512.
"""

from __future__ import annotations

import builtins
import ctypes
import gc
import socket
import sys

from . import children, script, server, walls
from .channel import Channel, Message

ROUNDS = 12
"""More than an interpreter needs to specialise a function."""
_PROGRAM = """\
import sys
def solve(items):
    return sorted(int(item) for item in items)
for line in ("3 1 2", "5 4"):
    print(*solve(line.split()), sep=" ")
"""
_SOLUTION = """\
from typing import List
def solve(items: List[int], name: str = "") -> List[int]:
    found = {}
    for item in items:
        found[item] = found.get(item, 0) + 1
    return sorted(found) if not name else [name]
"""
_SCRIPT = """\
METADATA = {}
def check(candidate):
    assert candidate([3, 1, 2]) == [1, 2, 3]
    assert candidate([], "a") == ["a"]
    assert candidate([1.5, -2], name="") == [-2, 1.5]
check(solve)
"""
_HEAD: dict[str, object] = {"entry_point": "solve", "framework": "plain", "in_place": False, "prelude": ""}
_CALL: dict[str, object] = {"entry_point": "solve", "args": "[[2, 1]]", "kwargs": "", "in_place": False}


class _Looped(Channel):
    """A tester's end whose other end is served here, one request at a time."""

    served: server.Server

    def ask(self, message: Message) -> Message:
        self.send({**message, "ask": True})
        other = self.served.channel
        other.send(self.served.answer(other.receive()))
        return self.receive()


def practise() -> None:
    """Runs each kind of child a few times, and leaves everything as it was."""
    modules, argv = dict(sys.modules), list(sys.argv)
    streams, asked = (sys.stdin, sys.stdout, sys.stderr), builtins.input
    digits = sys.get_int_max_str_digits()
    for _ in range(ROUNDS):
        children.exit_code_of({}, _PROGRAM, None)
        sys.stdout.flush()
        children.value_of(_CALL, _SOLUTION, None)
        try:
            _test()
        finally:
            sys.stdin, sys.stdout, sys.stderr = streams
            builtins.input = asked
        children.forget_source()
    sys.argv[:] = argv
    sys.set_int_max_str_digits(digits)
    for name in sys.modules.keys() - modules.keys():
        del sys.modules[name]
    sys.modules.update(modules)


def _test() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        served, tester = server.Server(theirs.fileno()), script.Tester(ours.fileno())
        tester.link.channel = looped = _Looped(ours.fileno(), tester.link.answer)
        looped.served = served
        served.load(_SOLUTION)
        report = tester.report(_HEAD, _SCRIPT, None)
    if report.get("tests") != [["script", True, ""]]:
        raise AssertionError(f"practice failed: {report}")


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


def gather() -> None:
    """Has the kernel put memory that lies together into large pages, where it can (Linux 6.1).

    Large pages have their places, so memory is made to reach from one to another, where nothing else is.
    """
    libc = ctypes.CDLL(None)
    libc.mmap.argtypes = [ctypes.c_size_t, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mmap.restype = ctypes.c_void_p
    with open("/proc/self/maps", encoding="ascii") as maps:
        spans = [line.split() for line in maps]
    for span in spans:
        first, end = (int(bound, 16) for bound in span[0].split("-"))
        is_heap = span[-1] == "[heap]"
        if span[1] != "rw-p" or (len(span) >= _NAMED and not is_heap) or end - first < _LARGE_PAGE // 8:
            continue
        low, high = first // _LARGE_PAGE * _LARGE_PAGE, -(-end // _LARGE_PAGE) * _LARGE_PAGE
        for at, size in ((low, first - low), (end, 0 if is_heap else high - end)):
            if size:
                libc.mmap(at, size, _PROT_READ_WRITE, _WHERE_FREE, -1, 0)
        for at in range(low, high, _LARGE_PAGE):
            walls.CALL(walls.CALLS["madvise"], at, _LARGE_PAGE, _MADV_COLLAPSE, 0, 0)


_PROT_READ_WRITE, _WHERE_FREE = 1 | 2, 0x2 | 0x20 | 0x100000
"""Private and anonymous, at that address or nowhere (MAP_FIXED_NOREPLACE). The module ``mmap`` would be in the way."""
_LARGE_PAGE, _MADV_COLLAPSE, _NAMED = 2 << 20, 25, 6
_LARGEST = 120_000
"""Just below what is mapped for itself."""
_LARGE = (98304, 65536, 32768, 16384, 8192, 6144, 4096, 3072, 2048, 1536, 1280, 1024, 896, 768, 640, 576, 544, 528)
_BYTES_HEAD = bytes.__basicsize__
_POOL_BYTES, _POOL_HEAD = 1 << 14, 48
"""Of the interpreter's allocator."""
_IS_FRESH = 6
