"""How a run ended, in the words of contest judges. What a program reports of itself is a description, never a pass."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from types import MappingProxyType

from verifier.judging.languages import Language
from verifier.sandbox.base import RunResult, RunStatus
from verifier.types import TestStatus

_LIMITS: Mapping[RunStatus, tuple[TestStatus, str]] = MappingProxyType(
    {
        RunStatus.TIME: (TestStatus.TLE, ""),
        RunStatus.MEMORY: (TestStatus.MLE, ""),
        RunStatus.OUTPUT: (TestStatus.OLE, ""),
        RunStatus.PROCESSES: (TestStatus.RE, "too many processes"),
        RunStatus.SKIPPED: (TestStatus.SKIPPED, ""),
        RunStatus.BUDGET: (TestStatus.TLE, "the time for all test cases was spent"),
    }
)
_NAME_CHARS = 60
_MESSAGE_CHARS = 200


def ended(run: RunResult, language: Language) -> tuple[TestStatus, str]:
    """AC and nothing if the program ended well, whatever it gave; else its status and what is to be said of it."""
    if run.status is not RunStatus.EXITED:
        return _LIMITS[run.status]
    if not language.run_command:
        report = report_of(run)
        if report.get("is_compile_error") is True:
            return TestStatus.CE, error_of(run)
        if report.get("error") == "MemoryError":
            return TestStatus.MLE, ""
        if error := error_of(run):
            return TestStatus.RE, error
    if (run.signal or run.exit_code) and any(mark.encode() in run.stderr for mark in language.memory_marks):
        return TestStatus.MLE, ""
    if run.signal:
        return TestStatus.RE, signal_name(run.signal)
    if run.exit_code:
        return TestStatus.RE, f"exit code {run.exit_code}"
    return TestStatus.AC, ""


def report_of(run: RunResult) -> dict[str, object]:
    """The first line of a Python run's report; a broken one is none."""
    try:
        report = json.loads(run.value.partition(b"\n")[0] or b"{}")
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


def error_of(run: RunResult) -> str:
    """The exception that ended a Python run, or empty."""
    report = report_of(run)
    error, message = report.get("error"), report.get("message")
    if error == "Uncrossable" and isinstance(message, str):
        return printable(message, _MESSAGE_CHARS)
    return printable(error) if isinstance(error, str) else ""


def printable(text: str, count: int = _NAME_CHARS) -> str:
    """What a solution may have chosen, such as the name of an exception: short and without control characters."""
    return "".join(char for char in text[:count] if char.isprintable())


def signal_name(number: int) -> str:
    """Such as ``SIGSEGV``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def is_compiled(result: RunResult | None) -> bool:
    """Whether compiling went well, or there was nothing to compile."""
    return result is None or (result.status is RunStatus.EXITED and not result.exit_code and not result.signal)


def compile_error(result: RunResult, language: Language) -> str:
    """The compiler's first error, without the path of the jail."""
    if result.status is not RunStatus.EXITED:
        return f"compiling passed its {result.status.value} limit"
    return printable(language.first_error(result.stderr.decode("utf-8", "replace")), _MESSAGE_CHARS)
