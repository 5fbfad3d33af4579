"""One program against the tests of a reference: builds the jobs, reads the results, never sees a completion."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import SandboxError
from verifier.judging.ends import compile_error, is_compiled
from verifier.judging.limits import Bounds, limits_of
from verifier.judging.results import CaseResult
from verifier.judging.scoring import score_of
from verifier.judging.shape import check_shape, language_of
from verifier.judging.way import Programs
from verifier.judging.ways import way_for
from verifier.sandbox.base import Job, JobResult, RunResult, RunStatus, Sandbox
from verifier.types import CodeReference, Scoring, TestResult, TestStatus

MAX_LIMITS_PASSED = 5
"""How often a program may pass a limit before its other test cases are skipped, where each could still earn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the tests found of one program.

    Args:
        tests: one for each test case.
        score: in [0, 1], by the reference's scoring.
        reason: code of the verdict.
    """

    tests: tuple[TestResult, ...]
    score: float
    reason: str

    @property
    def is_accepted(self) -> bool:
        """Whether every test case was accepted; no test case is no acceptance."""
        return bool(self.tests) and all(test.status is TestStatus.AC for test in self.tests)


class ProgramJudge:
    """Judges programs against one reference, whose fields it checks first.

    Args:
        reference: the tests.
        sandbox: runs the programs.
        bounds: limits where the reference gives none.

    Raises:
        UnscorableError: the reference cannot be used; the detail names the field and the remedy.
    """

    def __init__(self, reference: CodeReference, sandbox: Sandbox, bounds: Bounds) -> None:
        self._reference = reference
        self._sandbox = sandbox
        self._bounds = bounds
        self.language = language_of(reference.language, "reference.code.language")
        check_shape(reference, self.language)
        self._limits = limits_of(reference, bounds)
        self._way = way_for(reference, self.language, sandbox, self._limits)

    async def check(self) -> None:
        """Tries the reference's own programs, once and before any completion.

        Raises:
            UnscorableError: one of them does not work.
            SandboxError: they could not be tried.
        """
        await self._way.check()

    async def judge(self, source: str) -> Judged:
        """Runs a program against every test.

        Raises:
            SandboxError: it could not be run.
            UnscorableError: the script of tests is at fault.
        """
        programs = self._way.programs(source)
        if programs is None:
            return self._unbuilt("the program declares nothing, in plain types, that the tests call")
        result = await self._run(programs)
        if result.compile is not None and not is_compiled(result.compile):
            return self._unbuilt(compile_error(result.compile, self.language))
        if result.peer_compile is not None and not is_compiled(result.peer_compile) and not programs.is_peer_ours:
            return self._unbuilt("the tests do not compile with the declaration in the program")
        if len(result.runs) != len(self._way.runs):
            raise SandboxError("sandbox_broken", "what the reference brings to judge with does not compile any more")
        return self._judged(await self._way.read(result.runs))

    def _unbuilt(self, detail: str) -> Judged:
        return self._judged((CaseResult(status=TestStatus.CE, detail=detail),) * len(self._way.names))

    async def _run(self, programs: Programs) -> JobResult:
        """Runs all test cases; where each can earn by itself, also those after one that passed a limit."""
        result = await self._sandbox.run(self._job(programs, tuple(range(len(self._way.runs))), spent_s=0.0))
        if self._reference.scoring == Scoring.ALL or not result.runs:
            return result
        runs = list(result.runs)
        for _ in range(MAX_LIMITS_PASSED - 1):
            todo = self._worth_running(runs)
            if not todo:
                break
            more = await self._sandbox.run(self._job(programs, todo, spent_s=sum(run.cpu_time_s for run in runs)))
            if len(more.runs) != len(todo):
                raise SandboxError("sandbox_broken", "the program compiled before, and now does not")
            for at, run in zip(todo, more.runs, strict=True):
                runs[at] = run
        return JobResult(compile=result.compile, peer_compile=result.peer_compile, runs=tuple(runs))

    def _worth_running(self, runs: list[RunResult]) -> tuple[int, ...]:
        """Test cases that were skipped and can still earn: not those of a group in which a limit was passed."""
        skipped = tuple(at for at, run in enumerate(runs) if run.status is RunStatus.SKIPPED)
        if self._reference.scoring != Scoring.GROUPS:
            return skipped
        tests = self._reference.stdio or self._reference.calls
        unlimited = (RunStatus.EXITED, RunStatus.SKIPPED)
        lost = {tests[at].group for at, run in enumerate(runs) if run.status not in unlimited}
        return tuple(at for at in skipped if tests[at].group not in lost)

    def _job(self, programs: Programs, todo: tuple[int, ...], *, spent_s: float) -> Job:
        total_s = self._bounds.total_time_limit_s
        return Job(
            toolchain=self._way.toolchain,
            program=programs.program,
            peer=programs.peer,
            runs=tuple(self._way.runs[at] for at in todo),
            limits=self._limits,
            total_cpu_time_s=max(total_s - spent_s, 0.0) if total_s else None,
        )

    def _judged(self, found: tuple[CaseResult, ...]) -> Judged:
        names = self._way.names
        tests = tuple(
            TestResult(name=one.name or names[min(at, len(names) - 1)], status=one.status, detail=one.detail)
            for at, one in enumerate(found)
        )
        first = next((one for one in found if one.status is not TestStatus.AC), None)
        reason = TestStatus.AC.value if first is None else first.reason or first.status.value
        return Judged(tests=tests, score=score_of(self._reference, [one.credit for one in found]), reason=reason)
