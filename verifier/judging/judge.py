"""One program against the tests of a reference: builds the job, reads the results, never sees a completion."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass

from verifier.errors import SandboxError, UnscorableError
from verifier.judging.languages import LANGUAGES, Language
from verifier.judging.outputs import matcher
from verifier.judging.values import parse_expected, value_matches
from verifier.sandbox.base import (
    CallRun,
    Job,
    JobResult,
    Limits,
    Run,
    RunResult,
    RunStatus,
    Sandbox,
    ScriptRun,
    StdioRun,
)
from verifier.types import CodeReference, Comparison, Framework, TestResult, TestStatus

MAX_TIME_LIMIT_S = 300.0
MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 16 << 20, 64 << 30
MAX_TEST_BYTES = 512 << 20
_MIN_OUTPUT_BYTES, _MAX_OUTPUT_BYTES, _KEPT_BYTES = 64 << 10, 16 << 20, 64 << 20

_LIMIT_STATUS = {
    RunStatus.TIME: TestStatus.TLE,
    RunStatus.MEMORY: TestStatus.MLE,
    RunStatus.OUTPUT: TestStatus.OLE,
    RunStatus.PROCESSES: TestStatus.RE,
    RunStatus.SKIPPED: TestStatus.SKIPPED,
    RunStatus.BUDGET: TestStatus.SKIPPED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the tests found of one program."""

    tests: tuple[TestResult, ...]

    @property
    def is_accepted(self) -> bool:
        """Whether every test case was accepted; no test case is no acceptance."""
        return bool(self.tests) and all(test.status is TestStatus.AC for test in self.tests)

    @property
    def status(self) -> TestStatus:
        """AC, or the status of the first test case that was not accepted."""
        return next((test.status for test in self.tests if test.status is not TestStatus.AC), TestStatus.AC)


class ProgramJudge:
    """Judges programs against one reference, which it checks first.

    Args:
        reference: the tests.
        sandbox: runs the programs.
        time_limit_s: CPU seconds where the reference gives none.
        memory_limit_bytes: where the reference gives none.
        allow_unisolated_script: run scripts of other languages than Python in the solution's own process, where
            the solution can fake a pass.

    Raises:
        UnscorableError: the reference cannot be used; the detail names the field and the remedy.
    """

    def __init__(
        self,
        reference: CodeReference,
        sandbox: Sandbox,
        *,
        time_limit_s: float,
        memory_limit_bytes: int,
        allow_unisolated_script: bool,
    ) -> None:
        self._reference = reference
        self._sandbox = sandbox
        self.language = _language(reference)
        self._is_python = not self.language.run_command
        _check_shape(reference, is_python=self._is_python, allow_unisolated_script=allow_unisolated_script)
        self._limits = _limits(reference, time_limit_s, memory_limit_bytes)
        self._expected = tuple(
            parse_expected(test.expected, f"reference.code.calls[{at}].expected")
            for at, test in enumerate(reference.calls)
        )
        self._runs = self._make_runs()

    async def judge(self, program: str) -> Judged:
        """Runs a program against every test.

        Raises:
            SandboxError: it could not be run.
            UnscorableError: the script of tests is at fault.
        """
        if self._reference.script and not self._is_python:
            program = f"{program}\n{self._reference.script}"
        job = Job(
            toolchain=self.language.toolchain,
            program=self.language.program(program),
            runs=self._runs,
            limits=self._limits,
        )
        result = await self._sandbox.run(job)
        return Judged(tests=self._read(result))

    def _make_runs(self) -> tuple[Run, ...]:
        reference = self._reference
        if reference.stdio:
            return tuple(StdioRun(stdin=test.input.encode("utf-8", "replace")) for test in reference.stdio)
        if reference.calls:
            return tuple(
                CallRun(entry_point=reference.entry_point, args=test.args, kwargs=test.kwargs)
                for test in reference.calls
            )
        if not self._is_python:
            return (StdioRun(stdin=b""),)
        framework = reference.framework or Framework.PLAIN.value
        return (ScriptRun(entry_point=reference.entry_point, script=reference.script, framework=framework),)

    def _read(self, result: JobResult) -> tuple[TestResult, ...]:
        names = self._names()
        if result.compile is not None and not result.runs:
            detail = _compile_detail(result.compile)
            return tuple(TestResult(name=name, status=TestStatus.CE, detail=detail) for name in names)
        if self._reference.script and self._is_python:
            return self._read_script(result.runs[0])
        return tuple(
            self._read_run(at, name, run) for at, (name, run) in enumerate(zip(names, result.runs, strict=True))
        )

    def _names(self) -> tuple[str, ...]:
        reference = self._reference
        kind, count = ("stdio", len(reference.stdio)) if reference.stdio else ("calls", len(reference.calls))
        return tuple(f"{kind}[{at}]" for at in range(count)) or ("script",)

    def _read_run(self, at: int, name: str, run: RunResult) -> TestResult:
        status, detail = self._ended(run)
        if status is not TestStatus.AC:
            return TestResult(name=name, status=status, detail=detail)
        if self._reference.stdio:
            expected = self._reference.stdio[at].output.encode("utf-8", "replace")
            if not matcher(Comparison.TOKENS, None)(run.stdout, expected):
                return TestResult(name=name, status=TestStatus.WA)
        elif self._reference.calls and not value_matches(_report(run).get("value"), self._expected[at]):
            return TestResult(name=name, status=TestStatus.WA)
        return TestResult(name=name, status=TestStatus.AC)

    def _ended(self, run: RunResult) -> tuple[TestStatus, str]:
        """AC if the program ended well; what it gave is not looked at."""
        if run.status is not RunStatus.EXITED:
            return _LIMIT_STATUS[run.status], ""
        report = _report(run) if self._is_python else {}
        error = report.get("error")
        if isinstance(error, str):
            if report.get("is_compile_error") is True:
                return TestStatus.CE, _name(error)
            if error == "MemoryError":
                return TestStatus.MLE, ""
            message = report.get("message")
            return TestStatus.RE, message[:200] if error == "Uncrossable" and isinstance(message, str) else _name(error)
        if run.signal:
            out_of_memory = b"bad_alloc" in run.stderr
            return (TestStatus.MLE, "") if out_of_memory else (TestStatus.RE, _signal_name(run.signal))
        if run.exit_code:
            return TestStatus.RE, f"exit code {run.exit_code}"
        if self._reference.calls and "value" not in report:
            return TestStatus.RE, "the call did not return"
        return TestStatus.AC, ""

    def _read_script(self, run: RunResult) -> tuple[TestResult, ...]:
        if run.status is not RunStatus.EXITED:
            return (TestResult(name="script", status=_LIMIT_STATUS[run.status]),)
        report = _report(run)
        if not report:
            return (TestResult(name="script", status=TestStatus.RE, detail="the tests did not end"),)
        if "missing" in report:
            raise SandboxError(
                "no_toolchain", f"{report['missing']} is not installed in the sandbox's Python; install it there"
            )
        if "missing_module" in report:
            raise UnscorableError(
                "missing_module",
                f"reference.code.script imports {_name(str(report['missing_module']))}, which the sandbox's Python does"
                " not have; install it there, or let the entry point be bound by its name",
            )
        if "script_error" in report:
            raise UnscorableError("bad_script", f"reference.code.script is not Python: {report['script_error']}")
        if report.get("unscorable"):
            raise UnscorableError("unsupported_argument", f"reference.code.script: {report['unscorable']}")
        if "solution_error" in report:
            status = TestStatus.CE if report.get("is_compile_error") is True else TestStatus.RE
            return (TestResult(name="script", status=status, detail=_name(str(report["solution_error"]))),)
        return self._read_tests(report)

    @staticmethod
    def _read_tests(report: dict[str, object]) -> tuple[TestResult, ...]:
        tests = report.get("tests")
        if not isinstance(tests, list) or (not tests and not report.get("calls")):
            raise UnscorableError("no_tests", "reference.code.script holds no test; check reference.code.framework")
        found = tuple(_script_test(test) for test in tests)
        passed = bool(found) and all(test.status is TestStatus.AC for test in found)
        if passed and not report.get("calls"):
            raise UnscorableError(
                "vacuous_script", "reference.code.script passes without a call of the solution; call its check function"
            )
        if report.get("solution_died") and passed:
            return (TestResult(name="script", status=TestStatus.RE, detail="the solution ended during the tests"),)
        return found or (TestResult(name="script", status=TestStatus.RE, detail="no test was completed"),)


def _script_test(test: object) -> TestResult:
    match test:
        case [str(name), bool(is_right), str(why)]:
            if is_right:
                return TestResult(name=name, status=TestStatus.AC)
            status = TestStatus.WA if why == "AssertionError" else TestStatus.RE
            return TestResult(name=name, status=status, detail=_name(why))
        case _:
            raise SandboxError("sandbox_lost", "the tester sent no report")


def _language(reference: CodeReference) -> Language:
    language = LANGUAGES.get(reference.language.lower())
    if language is None:
        known = ", ".join(sorted({language.name for language in LANGUAGES.values()}))
        raise UnscorableError(
            "unsupported_language", f"reference.code.language {reference.language!r} is not known; known: {known}"
        )
    return language


def _check_shape(reference: CodeReference, *, is_python: bool, allow_unisolated_script: bool) -> None:
    given = [name for name in ("stdio", "calls", "script") if getattr(reference, name)]
    if len(given) != 1:
        raise UnscorableError(
            "bad_reference", f"reference.code needs exactly one of stdio, calls and script; given: {given or 'none'}"
        )
    if reference.framework not in ("", *(framework.value for framework in Framework)):
        raise UnscorableError(
            "bad_reference", f"reference.code.framework {reference.framework!r} is not plain, unittest or pytest"
        )
    if reference.calls:
        if not is_python:
            raise UnscorableError("bad_reference", "reference.code.calls need Python; use stdio for other languages")
        if not reference.entry_point:
            raise UnscorableError("bad_reference", "reference.code.entry_point is needed by calls")
        _check_arguments(reference)
    if reference.script and not is_python and not allow_unisolated_script:
        raise UnscorableError(
            "unisolated_script",
            "reference.code.script would share a process with the solution, which could fake a pass; use stdio, or set"
            " the option allow_unisolated_script of the verifier code",
        )
    size = sum(len(test.input) + len(test.output) for test in reference.stdio)
    if size > MAX_TEST_BYTES:
        raise UnscorableError(
            "tests_too_large", f"reference.code.stdio has {size} characters; at most {MAX_TEST_BYTES}"
        )


def _check_arguments(reference: CodeReference) -> None:
    for at, test in enumerate(reference.calls):
        field = f"reference.code.calls[{at}]"
        if not isinstance(parse_expected(test.args, f"{field}.args"), list):
            raise UnscorableError("bad_reference", f"{field}.args is not a JSON list")
        if test.kwargs and not isinstance(parse_expected(test.kwargs, f"{field}.kwargs"), dict):
            raise UnscorableError("bad_reference", f"{field}.kwargs is not a JSON object")


def _limits(reference: CodeReference, time_limit_s: float, memory_limit_bytes: int) -> Limits:
    time_s = reference.time_limit_s if reference.time_limit_s is not None else time_limit_s
    memory = reference.memory_limit_bytes if reference.memory_limit_bytes is not None else memory_limit_bytes
    if not 0 < time_s <= MAX_TIME_LIMIT_S:
        raise UnscorableError(
            "bad_reference", f"reference.code.time_limit_s {time_s} is not in (0, {MAX_TIME_LIMIT_S:g}]"
        )
    if not MIN_MEMORY_BYTES <= memory <= MAX_MEMORY_BYTES:
        raise UnscorableError(
            "bad_reference",
            f"reference.code.memory_limit_bytes {memory} is not in [{MIN_MEMORY_BYTES}, {MAX_MEMORY_BYTES}]",
        )
    # What is kept of all tests together stays bounded, whatever a program writes.
    output = max(_KEPT_BYTES // max(len(reference.stdio), 1), _MIN_OUTPUT_BYTES)
    output = max(
        [min(output, _MAX_OUTPUT_BYTES), *(2 * len(test.output.encode("utf-8", "replace")) for test in reference.stdio)]
    )
    report = _MAX_OUTPUT_BYTES
    if reference.calls:
        # An encoded value is longer than its JSON, by its tags.
        report = max(_MIN_OUTPUT_BYTES, *(32 * len(test.expected) for test in reference.calls))
    return Limits(cpu_time_s=time_s, memory_bytes=memory, output_bytes=output, report_bytes=report)


def _report(run: RunResult) -> dict[str, object]:
    """The first line of a report; a broken one is none."""
    try:
        report = json.loads(run.value.partition(b"\n")[0] or b"{}")
    except (ValueError, RecursionError):
        return {}
    return report if isinstance(report, dict) else {}


def _name(text: str) -> str:
    """An exception's name, as a solution may have called it: short and printable."""
    return "".join(char for char in text[:60] if char.isprintable())


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _compile_detail(result: RunResult) -> str:
    """The compiler's first error, without the path of the jail."""
    if result.status is not RunStatus.EXITED:
        return f"compiling passed its {result.status.value} limit"
    for line in _lines(result.stderr):
        _, found, message = line.partition("error: ")
        if found:
            return message[:200]
    return ""


def _lines(data: bytes) -> Sequence[str]:
    return data.decode("utf-8", "replace").splitlines()
