"""Scripts of tests: what a tester says, in Python from its report and in other languages from how it ends.

A tester runs in a process of its own, and what a solution says of itself counts nowhere here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.errors import SandboxError, UnscorableError
from verifier.judging.bridges import TesterExit
from verifier.judging.ends import ended, printable, report_of
from verifier.judging.languages import Language
from verifier.judging.results import ACCEPTED, WRONG, CaseResult
from verifier.sandbox.base import RunResult, RunStatus
from verifier.types import TestStatus

NAME = "script"
_DIED = CaseResult(status=TestStatus.RE, detail="the solution ended during the tests")
_CUT = CaseResult(status=TestStatus.RE, detail="the tests did not end")
_RAISED = CaseResult(status=TestStatus.RE, detail="the solution raised an error")


def read_report(run: RunResult, language: Language) -> tuple[CaseResult, ...]:
    """What the tester of a Python script found.

    Raises:
        UnscorableError: the script is at fault.
        SandboxError: the sandbox lacks what the tester needs.
    """
    if run.status is not RunStatus.EXITED:
        status, detail = ended(run, language)
        return (CaseResult(status=status, detail=detail),)
    report = report_of(run)
    if not report:
        return (_CUT,)
    _check_report(report)
    if "solution_error" in report:
        status = TestStatus.CE if report.get("is_compile_error") is True else TestStatus.RE
        return (CaseResult(status=status, detail=printable(str(report["solution_error"]))),)
    return _read_tests(report)


def _check_report(report: Mapping[str, object]) -> None:
    if "missing" in report:
        raise SandboxError(
            "no_toolchain", f"{report['missing']} is not installed in the sandbox's Python; install it there"
        )
    if "missing_module" in report:
        raise UnscorableError(
            "missing_module",
            f"reference.code.script imports {printable(str(report['missing_module']))}, which the sandbox's Python does"
            " not have; install it there, or let the entry point be bound by its name",
        )
    if "script_error" in report:
        raise UnscorableError("bad_script", f"reference.code.script is not Python: {report['script_error']}")
    if report.get("unscorable"):
        raise UnscorableError("unsupported_argument", f"reference.code.script: {report['unscorable']}")


def _read_tests(report: Mapping[str, object]) -> tuple[CaseResult, ...]:
    tests = report.get("tests")
    if not isinstance(tests, list) or (not tests and not report.get("calls")):
        raise UnscorableError("no_tests", "reference.code.script holds no test; check reference.code.framework")
    found = tuple(_read_test(test) for test in tests)
    passed = bool(found) and all(test.status is TestStatus.AC for test in found)
    if passed and not report.get("calls"):
        raise _vacuous()
    if report.get("solution_died") and passed:
        return (_DIED,)
    return found or (CaseResult(status=TestStatus.RE, detail="no test was completed"),)


def _read_test(test: object) -> CaseResult:
    match test:
        case [str(name), bool(is_right), str(why)]:
            if is_right:
                return CaseResult(status=TestStatus.AC, name=name)
            status = TestStatus.WA if why == "AssertionError" else TestStatus.RE
            return CaseResult(status=status, detail=printable(why), name=name)
        case _:
            raise SandboxError("sandbox_lost", "the tester sent no report")


def _vacuous() -> UnscorableError:
    return UnscorableError(
        "vacuous_script", "reference.code.script passes without a call of the solution; call its check function"
    )


def read_pair(run: RunResult, language: Language) -> CaseResult:
    """What the tester of a bridge found. Only how it ended decides; a solution can end itself, never it.

    Raises:
        UnscorableError: the script calls nothing.
        SandboxError: there is no tester.
    """
    tester = run.peer
    if tester is None:
        raise SandboxError("sandbox_lost", "the tester sent no report")
    for one in (run, tester):
        if one.status is not RunStatus.EXITED:
            status, detail = ended(one, language)
            return CaseResult(status=status, detail=detail)
    if tester.signal or tester.exit_code not in tuple(TesterExit):
        return _CUT
    match TesterExit(tester.exit_code):
        case TesterExit.VACUOUS:
            raise _vacuous()
        case TesterExit.BROKEN:
            raise UnscorableError(
                "bad_script",
                "reference.code.script uses a name or a module that is not there; declare it in the prelude",
            )
        case TesterExit.GONE:
            status, detail = ended(run, language)
            return _DIED if status is TestStatus.AC else CaseResult(status=status, detail=detail)
        case found:
            return _FOUND[found]


_FOUND: Mapping[TesterExit, CaseResult] = MappingProxyType(
    {TesterExit.PASSED: ACCEPTED, TesterExit.FAILED: WRONG, TesterExit.RAISED: _RAISED}
)
