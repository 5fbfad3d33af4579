"""The supervisor's talk with a solution: what is forged, late, strange or too much decides nothing."""

from __future__ import annotations

import json
import os
import select
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.sandbox.runner.dialogue import Dialogue, Plan, read_plan
from verifier.sandbox.runner.plan import plan_of

RIGHT = {"tests": [["script", True, ""]], "calls": 2, "solution_died": False, "unscorable": ""}


def plan_for(text, entry_point="f") -> Plan:
    plan = read_plan(json.dumps({"plan": plan_of(text, entry_point)}).encode())
    assert plan is not None
    return plan


TWO = plan_for("assert f(1) == [1, 2]\nassert f({'a': (1,)}, k=2) == {'x': None}")
ANSWERS = ({"value": [1, 2]}, {"value": {"t": "dict", "v": [["x", None]]}})


def frame(reply) -> bytes:
    body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    return struct.pack(">I", len(body)) + body


class Solution:
    """The other end."""

    def __init__(self, plan: Plan = TWO) -> None:
        self._socket, theirs = socket.socketpair()
        self.dialogue = Dialogue(theirs.detach(), plan)

    def asked(self):
        (length,) = struct.unpack(">I", self._socket.recv(4))
        return json.loads(self._socket.recv(length, socket.MSG_WAITALL))

    def says(self, data: bytes) -> bool:
        """Whether the dialogue goes on."""
        self._socket.sendall(data)
        goes_on = True
        while goes_on and select.select([self.dialogue.descriptor], [], [], 0)[0]:
            goes_on = self.dialogue.take()
        return goes_on

    def leaves(self) -> bool:
        self._socket.close()
        return self.dialogue.take()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.close()
        self.dialogue.close()


def test_a_right_solution_is_asked_step_by_step_and_passes():
    with Solution() as solution:
        assert solution.asked() == {"do": "call", "target": "f", "args": [1], "ask": True}
        assert solution.says(frame(ANSWERS[0]))
        asked = solution.asked()
        assert asked["kwargs"] == {"k": 2}
        assert not solution.says(frame(ANSWERS[1]))
        assert solution.dialogue.report == RIGHT


def test_what_holds_is_never_sent():
    with Solution() as solution:
        assert "2" not in json.dumps(solution.asked())


@pytest.mark.parametrize("value", [[1], [1, 2, 3], [2, 1], None, True, 1, "[1, 2]", {"t": "tuple", "v": [1, 2]}])
def test_a_wrong_value_fails(value):
    with Solution() as solution:
        assert not solution.says(frame({"value": value}))
        assert solution.dialogue.report["tests"] == [["script", False, "AssertionError"]]


@pytest.mark.parametrize(
    "reply",
    [
        {},
        [],
        {"ask": True, "do": "input", "args": [], "kwargs": {}},
        {"raised": {"t": "error", "h": 5}},
        {"value": [1, 2], "raised": None},
        {"value": [1, 2], "objects": []},
        {"value": [1, 2], "report": RIGHT},
        {"uncrossable": "x"},
        {"value": {"t": "handle", "h": 0}},
        {"value": {"t": "own", "v": 0}},
        {"value": {"t": "namedtuple", "n": "X", "f": ["__eq__"], "v": [1]}},
        {"value": {"t": "ndarray", "d": "<i8", "s": [1], "v": ""}},
        {"value": {"t": "Decimal", "v": "1"}},
        {"value": {"t": "Fraction", "v": [1, 1]}},
        {"value": {"t": "set", "v": list(range(2000))}},
        {"value": {"t": "dict", "v": [[n, 0] for n in range(2000)]}},
        {"value": {"t": "int", "v": "not a number"}},
        {"value": {"v": 1}},
        b"[" * 100_000,
        b"{}{}",
        b"\xff\xfe",
        b"",
    ],
)
def test_what_is_no_plain_value_leaves_it_to_a_tester(reply):
    with Solution() as solution:
        assert not solution.says(frame(reply))
        assert solution.dialogue.report is None


def test_what_comes_before_it_was_asked_for_is_no_answer():
    with Solution() as solution:
        assert not solution.says(frame(ANSWERS[0]) + frame(ANSWERS[1]))
        assert solution.dialogue.report is None


def test_a_reply_that_is_too_long_is_not_waited_for():
    with Solution() as solution:
        assert not solution.says(struct.pack(">I", 1 << 30))
        assert solution.dialogue.report is None


def test_a_reply_may_come_in_pieces():
    with Solution() as solution:
        data = frame(ANSWERS[0])
        assert all(solution.says(bytes([byte])) for byte in data)
        assert solution.dialogue.report is None
        assert not solution.says(frame(ANSWERS[1]))
        assert solution.dialogue.report == RIGHT


@pytest.mark.parametrize("more", [b"", frame(ANSWERS[1])[:5]])
def test_a_solution_that_goes_away_has_died(more):
    with Solution() as solution:
        assert solution.says(frame(ANSWERS[0]))
        if more:
            assert solution.says(more)
        assert not solution.leaves()
        assert solution.dialogue.report["solution_died"] is True
        assert solution.dialogue.report["tests"] == [["script", False, "the solution ended"]]


@pytest.mark.parametrize("said", [b"", frame(ANSWERS[0])[:5]])
def test_one_that_goes_away_without_an_answer_is_left_to_a_tester(said):
    with Solution() as solution:
        if said:
            solution.says(said)
        assert not solution.leaves()
        assert solution.dialogue.report is None


@pytest.mark.parametrize("is_compile_error", [True, False])
def test_a_solution_that_cannot_be_loaded_says_so_and_only_at_first(is_compile_error):
    trouble = {"error": "E", "is_compile_error": is_compile_error}
    with Solution() as solution:
        assert not solution.says(frame(trouble))
        assert solution.dialogue.report == {"solution_error": "E", "is_compile_error": is_compile_error}
    with Solution() as solution:
        assert solution.says(frame(ANSWERS[0]))
        assert not solution.says(frame(trouble))
        assert solution.dialogue.report is None


@pytest.mark.parametrize(
    ("claim", "value", "why"),
    [
        ("sorted(f(1)) == [1]", [1, "a"], "TypeError"),
        ("len(f(1)) == 1", 5, "TypeError"),
        ("abs(f(1) - 0.5) < 1", "x", "TypeError"),
        ("abs(f(1) - 0.5) < 1", {"t": "int", "v": hex(10**400)}, "OverflowError"),
        ("set(f(1)) == {1}", [[1]], "TypeError"),
    ],
)
def test_a_claim_that_cannot_be_tried_fails_as_the_assertion_would(claim, value, why):
    with Solution(plan_for(f"assert {claim}")) as solution:
        assert not solution.says(frame({"value": value}))
        assert solution.dialogue.report["tests"] == [["script", False, why]]


@given(data=st.binary(max_size=60))
def test_noise_is_never_right(data):
    with Solution() as solution:
        while data and solution.says(data[:7]):
            data = data[7:]
        report = solution.dialogue.report
        assert report is None or report.get("tests") != RIGHT["tests"]


@pytest.mark.parametrize("report", [b"", b"{}", b"null", b'{"plan": null}', b'{"plan": {"steps": [[1]], "name": "f"}}'])
def test_a_report_without_a_plan_is_none(report):
    assert read_plan(report) is None


def test_a_call_that_is_too_long_to_be_sent_at_once_has_a_tester():
    text = f"assert f('{'x' * 60_000}') == 1"
    assert read_plan(json.dumps({"plan": plan_of(text, "f")}).encode()) is None


def test_the_connection_is_closed():
    solution = Solution()
    descriptor = solution.dialogue.descriptor
    solution.__exit__()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
