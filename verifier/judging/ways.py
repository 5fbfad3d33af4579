"""The ways to judge a program, one for each kind of test. To add one: its class, and its line in ``way_for``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from verifier.judging.checkers import Case, Checker
from verifier.judging.ends import ended, report_of
from verifier.judging.interactors import Interactor
from verifier.judging.judge_programs import file_bytes
from verifier.judging.languages import Language
from verifier.judging.outputs import matcher
from verifier.judging.results import ACCEPTED, SKIPPED, WRONG, CaseResult, of_finding
from verifier.judging.testing import Bridging, Testing
from verifier.judging.values import parse_expected, value_matches
from verifier.judging.way import Programs, SingleWay, Way
from verifier.sandbox.base import (
    CallRun,
    Limits,
    Run,
    RunResult,
    Sandbox,
    StdioRun,
)
from verifier.types import CodeReference, Comparison, TestStatus

_LONG_BYTES = 1 << 20


def way_for(reference: CodeReference, language: Language, sandbox: Sandbox, limits: Limits) -> Way:
    """The way for a reference whose shape was checked.

    Raises:
        UnscorableError: nothing can judge it safely.
    """
    if reference.interactor:
        return Talking(reference, language, sandbox, limits)
    if reference.checker:
        return Checking(reference, language, sandbox, limits)
    if reference.stdio:
        return Comparing(reference, language)
    if reference.calls:
        return Calling(reference, language)
    if not language.run_command:
        return Testing(reference, language)
    return Bridging(reference, language, sandbox, limits)


class Comparing(SingleWay):
    """Whole outputs against expected ones."""

    def __init__(self, reference: CodeReference, language: Language) -> None:
        super().__init__(reference, language)
        self.names = _names("stdio", reference.stdio)
        self.runs: tuple[Run, ...] = tuple(StdioRun(stdin=file_bytes(test.input)) for test in reference.stdio)
        self._matches = matcher(Comparison(reference.comparison), reference.tolerance)

    async def read(self, runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
        """Accepted is what equals one of the outputs that the reference takes."""
        return await _each(self._read_one, runs)

    def _read_one(self, at: int, run: RunResult) -> CaseResult:
        status, detail = ended(run, self._language)
        if status is not TestStatus.AC:
            return CaseResult(status=status, detail=detail)
        test = self._reference.stdio[at]
        is_right = any(self._matches(run.stdout, file_bytes(output)) for output in (test.output, *test.accepted))
        return ACCEPTED if is_right else WRONG


class Checking(SingleWay):
    """Whole outputs by the task's own checker."""

    def __init__(self, reference: CodeReference, language: Language, sandbox: Sandbox, limits: Limits) -> None:
        super().__init__(reference, language)
        assert reference.checker is not None  # noqa: S101 (for the type checker)
        self.names = _names("stdio", reference.stdio)
        self.runs: tuple[Run, ...] = tuple(StdioRun(stdin=file_bytes(test.input)) for test in reference.stdio)
        self._checker = Checker(reference.checker, language, sandbox, limits)

    async def check(self) -> None:
        """Tries the checker on the task's own answers."""
        await self._checker.check(self._reference.stdio)

    async def read(self, runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
        """Asks the checker about the outputs of the runs that ended well."""
        found: dict[int, CaseResult] = {}
        asked: list[int] = []
        for at, run in enumerate(runs):
            status, detail = ended(run, self._language)
            if status is TestStatus.AC:
                asked.append(at)
            else:
                found[at] = CaseResult(status=status, detail=detail)
        cases = [Case(test=self._reference.stdio[at], output=runs[at].stdout) for at in asked]
        for at, finding in zip(asked, await self._checker.findings(cases), strict=True):
            found[at] = SKIPPED if finding is None else of_finding(finding, breaks="breaks_checker")
        return tuple(found[at] for at in range(len(runs)))


class Talking(SingleWay):
    """A talk with the task's own interactor."""

    def __init__(self, reference: CodeReference, language: Language, sandbox: Sandbox, limits: Limits) -> None:
        super().__init__(reference, language)
        assert reference.interactor is not None  # noqa: S101 (for the type checker)
        self.names = _names("stdio", reference.stdio)
        self._interactor = Interactor(reference.interactor, language, sandbox, limits)
        self.runs: tuple[Run, ...] = self._interactor.runs(reference.stdio)
        self.toolchain = self._interactor.toolchain

    async def check(self) -> None:
        """Tries whether the interactor compiles."""
        await self._interactor.check(self._reference.stdio)

    def programs(self, source: str) -> Programs | None:
        """The program, and the interactor beside it."""
        return Programs(program=self._program(source), peer=self._interactor.program)

    async def read(self, runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
        """What the interactor says of each talk."""
        return tuple(self._interactor.read(run) for run in runs)


class Calling(SingleWay):
    """Calls of a Python function, whose values are compared here."""

    def __init__(self, reference: CodeReference, language: Language) -> None:
        super().__init__(reference, language)
        self.names = _names("calls", reference.calls)
        self.runs: tuple[Run, ...] = tuple(
            CallRun(entry_point=reference.entry_point, args=test.args, kwargs=test.kwargs, in_place=reference.in_place)
            for test in reference.calls
        )
        self._expected = tuple(
            parse_expected(test.expected, f"reference.code.calls[{at}].expected")
            for at, test in enumerate(reference.calls)
        )

    async def read(self, runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
        """Accepted is what equals the expected value."""
        return await _each(self._read_one, runs)

    def _read_one(self, at: int, run: RunResult) -> CaseResult:
        status, detail = ended(run, self._language)
        if status is not TestStatus.AC:
            return CaseResult(status=status, detail=detail)
        report = report_of(run)
        if "value" not in report:
            return CaseResult(status=TestStatus.RE, detail="the call did not return")
        is_right = value_matches(report["value"], self._expected[at], self._reference.tolerance)
        return ACCEPTED if is_right else WRONG


def _names(kind: str, tests: Sequence[object]) -> tuple[str, ...]:
    return tuple(f"{kind}[{at}]" for at in range(len(tests)))


async def _each(read: Callable[[int, RunResult], CaseResult], runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
    """Reads each run; off the event loop where there is so much to compare that others would wait for it."""

    def read_all() -> tuple[CaseResult, ...]:
        return tuple(read(at, run) for at, run in enumerate(runs))

    if sum(len(run.stdout) + len(run.value) for run in runs) < _LONG_BYTES:
        return read_all()
    return await asyncio.to_thread(read_all)
