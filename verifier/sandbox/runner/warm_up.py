"""What a zygote practises before its first fork, so that a fork costs little.

It does what its children will do, on programs of our own. Code that has run is specialised, and what it looked up is
remembered; a child that finds it so touches fewer pages, each of which it would have to copy.
"""

from __future__ import annotations

import builtins
import socket
import sys

from . import children, script, server
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
        served.announce("solve")
        report = tester.report(_HEAD, _SCRIPT, None)
    if report.get("tests") != [["script", True, ""]]:
        raise AssertionError(f"practice failed: {report}")
