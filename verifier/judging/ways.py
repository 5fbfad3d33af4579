"""The ways to judge a program, one for each kind of test. To add one: a class here, and its line in ``way_for``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from verifier.errors import SandboxError, UnscorableError
from verifier.judging.bridges import BRIDGES
from verifier.judging.bridges.declarations import find_declaration, is_declared
from verifier.judging.checkers import Case, Checker
from verifier.judging.ends import compile_error, ended, is_compiled, report_of
from verifier.judging.interactors import Interactor
from verifier.judging.judge_programs import file_bytes
from verifier.judging.languages import Language
from verifier.judging.limits import judge_limits
from verifier.judging.outputs import matcher
from verifier.judging.preludes import with_prelude
from verifier.judging.results import ACCEPTED, SKIPPED, WRONG, CaseResult, of_finding
from verifier.judging.scripts import NAME, read_pair, read_report
from verifier.judging.values import parse_expected, value_matches
from verifier.sandbox.base import (
    CallRun,
    Job,
    Limits,
    PairRun,
    Program,
    Run,
    RunResult,
    Sandbox,
    ScriptRun,
    StdioRun,
)
from verifier.types import CodeReference, Comparison, Framework, TestStatus

_LONG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """What is run for one program of a completion.

    Args:
        program: the program.
        peer: runs beside it.
        is_peer_ours: the peer is made from the reference alone, so that only the reference can break it.
    """

    program: Program
    peer: Program | None = None
    is_peer_ours: bool = True


class Way(Protocol):
    """How the programs of one reference are run, and what their runs mean.

    ``names`` are those of the test cases, ``runs`` what is run for each, and ``toolchain`` the image.
    """

    names: tuple[str, ...]
    runs: tuple[Run, ...]
    toolchain: str

    async def check(self) -> None:
        """Tries what the reference brings to judge with, before any completion.

        Raises:
            UnscorableError: it does not work.
            SandboxError: it could not be tried.
        """
        ...

    def programs(self, source: str) -> Programs | None:
        """What is run for a program; None if it has not what the tests call."""
        ...

    async def read(self, runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
        """What the runs mean: one result for each, or those that a script of tests names."""
        ...


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


class _Plain:
    """What the ways share that run a program by itself."""

    def __init__(self, reference: CodeReference, language: Language) -> None:
        self._reference = reference
        self._language = language
        self.toolchain = language.toolchain

    async def check(self) -> None:
        """There is nothing to try."""

    def programs(self, source: str) -> Programs | None:
        """The program, after the prelude of the reference."""
        return Programs(program=self._program(source))

    def _program(self, source: str) -> Program:
        language = self._language
        prelude = self._reference.prelude
        return language.program(with_prelude(language.name, prelude, source, source_name=language.source_name))


class Comparing(_Plain):
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


class Checking(_Plain):
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


class Talking(_Plain):
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


class Calling(_Plain):
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


class Testing(_Plain):
    """A Python script of tests, in which the solution is a proxy."""

    names: tuple[str, ...] = (NAME,)

    def __init__(self, reference: CodeReference, language: Language) -> None:
        super().__init__(reference, language)
        self.runs: tuple[Run, ...] = (
            ScriptRun(
                entry_point=reference.entry_point,
                script=reference.script,
                framework=reference.framework or Framework.PLAIN.value,
                in_place=reference.in_place,
                prelude=reference.prelude,
            ),
        )

    async def read(self, runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
        """What the tester reports."""
        return read_report(runs[0], self._language)


class Bridging(_Plain):
    """A script of tests in another language, in a process of its own.

    Where the reference brings no declaration of the entry point, that of each program is read, in plain types alone.
    """

    names: tuple[str, ...] = (NAME,)
    runs: tuple[Run, ...] = (PairRun(),)

    def __init__(self, reference: CodeReference, language: Language, sandbox: Sandbox, limits: Limits) -> None:
        super().__init__(reference, language)
        bridge = BRIDGES.get(language.name)
        if bridge is None:
            raise UnscorableError(
                "unisolated_script",
                f"reference.code.script in {language.name} would share a process with the solution, which could fake a"
                f" pass; use stdio; a script can be in python, {', '.join(sorted(BRIDGES))}",
            )
        self._bridge = bridge
        self._sandbox = sandbox
        self._limits = limits
        self._tester = bridge.tester(reference) if is_declared(language.name, reference) else None

    async def check(self) -> None:
        """Tries whether the tester compiles, without any solution."""
        if self._tester is None:
            return
        job = Job(toolchain=self.toolchain, program=self._tester, runs=(), limits=judge_limits(self._limits, 0))
        try:
            result = await self._sandbox.run(job)
        except SandboxError as error:
            if not error.is_own_doing:
                raise
            raise UnscorableError("bad_script", "reference.code.script takes its sandbox down") from error
        if result.compile is not None and not is_compiled(result.compile):
            why = compile_error(result.compile, self._language)
            raise UnscorableError("bad_script", f"reference.code.script does not compile: {why}")

    def programs(self, source: str) -> Programs | None:
        """The program, with the prelude and what answers calls, and the tester beside it."""
        reference = self._reference
        if self._tester is not None:
            return Programs(program=self._bridge.solution(reference, source), peer=self._tester)
        found = find_declaration(self._language.name, source, reference.script, reference.entry_point)
        if found is None:
            return None
        reference = replace(
            reference,
            entry_point=found.entry_point,
            signature=found.signature,
            prelude=f"{found.prelude}{reference.prelude}",
        )
        program, tester = self._bridge.solution(reference, source), self._bridge.tester(reference)
        return Programs(program=program, peer=tester, is_peer_ours=False)

    async def read(self, runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
        """How the tester ended."""
        return (read_pair(runs[0], self._language),)


def _names(kind: str, tests: Sequence[object]) -> tuple[str, ...]:
    return tuple(f"{kind}[{at}]" for at in range(len(tests)))


async def _each(read: Callable[[int, RunResult], CaseResult], runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
    """Reads each run; off the event loop where there is so much to compare that others would wait for it."""

    def read_all() -> tuple[CaseResult, ...]:
        return tuple(read(at, run) for at, run in enumerate(runs))

    if sum(len(run.stdout) + len(run.value) for run in runs) < _LONG_BYTES:
        return read_all()
    return await asyncio.to_thread(read_all)
