"""How a judge program of a task (a checker or an interactor) is called, and what its end says.

What it prints is read only where the protocol says so; the solution cannot end it with a code of its choice, only
break it. What is no answer of the protocol (another exit code, a crash, a limit) is a broken judge, never a pass.

Source:
    testlib's ``resultExitCode``; the ICPC problem package format, "Output validators"; the checkers of
    open-r1/codeforces.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from verifier.judging.ends import error_of, signal_name
from verifier.sandbox.base import RunResult, RunStatus
from verifier.types import JudgeProgram, Protocol

INPUT, OUTPUT, ANSWER = "input", "output", "answer"
FEEDBACK = "./"
_ICPC_RIGHT, _ICPC_WRONG = 42, 43
_TESTLIB_RIGHT = 0
_TESTLIB_WRONG = (1, 2, 4, 8)
"""Wrong answer, presentation error, dirt after the answer, unexpected end of the output."""
_TESTLIB_POINTS = (5, 7)
_TESTLIB_PERCENT = 50
_POINTS = re.compile(rb"\s*(?:points\s+)?((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e-?[0-9]{1,3})?)(?:\s|$)")
_SCORE = re.compile(rb"\s*((?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e-?[0-9]{1,3})?)\s*")


class Said(Enum):
    """What a judge program said."""

    RIGHT = "right"
    WRONG = "wrong"
    PARTLY = "partly right"
    BROKEN = "broken"
    """Nothing that its protocol knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a judge program found: ``credit`` is the share of the test case that is earned."""

    said: Said
    credit: float = 0.0
    detail: str = ""


RIGHT = Finding(said=Said.RIGHT, credit=1.0)
WRONG = Finding(said=Said.WRONG)


def checker_args(judge: JudgeProgram) -> tuple[str, ...]:
    """The arguments of a checker, which also reads the output from its standard input under ``Protocol.ICPC``."""
    match Protocol(judge.protocol):
        case Protocol.TESTLIB:
            return (INPUT, OUTPUT, ANSWER, *judge.args)
        case Protocol.ICPC:
            return (INPUT, ANSWER, FEEDBACK, *judge.args)
        case Protocol.PRINTED:
            return (INPUT, ANSWER, OUTPUT, *judge.args)


def interactor_args(judge: JudgeProgram) -> tuple[str, ...]:
    """The arguments of an interactor; ``OUTPUT`` is a file that it may write (testlib)."""
    if judge.protocol == Protocol.TESTLIB:
        return (INPUT, OUTPUT, ANSWER, *judge.args)
    return (INPUT, ANSWER, FEEDBACK, *judge.args)


def finding_of(judge: JudgeProgram, run: RunResult) -> Finding:
    """What a run of a judge program says."""
    if run.status is not RunStatus.EXITED:
        return _broken(f"it passed its {run.status.value} limit")
    if run.signal:
        return _broken(signal_name(run.signal))
    if error := error_of(run):
        # A Python program that raises ends with 1, which means "wrong" to testlib.
        return _broken(error)
    match Protocol(judge.protocol):
        case Protocol.TESTLIB:
            return _testlib(run)
        case Protocol.ICPC:
            known = {_ICPC_RIGHT: RIGHT, _ICPC_WRONG: WRONG}
            return known.get(run.exit_code) or _broken(f"exit code {run.exit_code}")
        case Protocol.PRINTED:
            return _printed(run)


def _testlib(run: RunResult) -> Finding:
    code = run.exit_code
    if code == _TESTLIB_RIGHT:
        return RIGHT
    if code in _TESTLIB_WRONG:
        return WRONG
    if code in _TESTLIB_POINTS:
        points = _POINTS.match(run.stderr[:200])
        return _credited(float(points[1])) if points else _broken(f"exit code {code} without points")
    if _TESTLIB_PERCENT <= code <= _TESTLIB_PERCENT + 100:
        return _credited((code - _TESTLIB_PERCENT) / 100)
    return _broken(f"exit code {code}")


def _printed(run: RunResult) -> Finding:
    if run.exit_code:
        return _broken(f"exit code {run.exit_code}")
    score = _SCORE.fullmatch(run.stdout[:200])
    return _credited(float(score[1])) if score else _broken("it printed no score")


def _credited(credit: float) -> Finding:
    if credit > 1:
        return _broken("a score past 1")
    if credit in (0, 1):
        return RIGHT if credit else WRONG
    return Finding(said=Said.PARTLY, credit=credit, detail=f"{credit:.4g} of 1")


def _broken(detail: str) -> Finding:
    return Finding(said=Said.BROKEN, detail=detail)
