"""A task's own interactor: a program that talks with the solution and says how it did.

What decides, in this order: a solution that ended with an error; what the interactor says is wrong; a limit that the
solution passed; then the rest of what the interactor says. The order is fixed, not that of time, because a crash makes
an interactor say "wrong" and its "wrong" makes solutions crash, within microseconds. An interactor that was still at
work when the solution passed a limit says nothing. One that breaks while a solution talks with it gives no credit,
because only its compiling can be tried without a solution.
"""

from __future__ import annotations

from collections.abc import Sequence

from verifier.errors import SandboxError, UnscorableError
from verifier.judging.ends import ended
from verifier.judging.judge_programs import file_bytes, judge_program, toolchain_for, why_no_program
from verifier.judging.languages import Language
from verifier.judging.limits import judge_limits
from verifier.judging.protocols import ANSWER, INPUT, Said, finding_of, interactor_args
from verifier.judging.results import CaseResult, of_finding
from verifier.sandbox.base import InteractiveRun, Job, Limits, RunResult, RunStatus, Sandbox, StdioRun
from verifier.types import JudgeProgram, StdioTest, TestStatus


class Interactor:
    """The interactor of one reference.

    Args:
        judge: the program.
        beside: the language of the solutions.
        sandbox: tries whether it compiles.
        limits: of the solutions.
    """

    def __init__(self, judge: JudgeProgram, beside: Language, sandbox: Sandbox, limits: Limits) -> None:
        self._judge = judge
        self._beside = beside
        self._sandbox = sandbox
        self._limits = limits
        self.program, self._language = judge_program(judge, "reference.code.interactor")
        self.toolchain = toolchain_for(self._language, beside)

    async def check(self, tests: Sequence[StdioTest]) -> None:
        """Tries whether it compiles, by running it once on a solution that says nothing.

        Raises:
            UnscorableError: it does not.
            SandboxError: it could not be run.
        """
        run = self.runs(tests[:1])[0]
        largest = max(len(data) for _, data in run.files)
        job = Job(
            toolchain=self.toolchain,
            program=self.program,
            runs=(StdioRun(args=run.args, files=run.files),),
            limits=judge_limits(self._limits, largest),
        )
        try:
            result = await self._sandbox.run(job)
        except SandboxError as error:
            if not error.is_own_doing:
                raise
            raise UnscorableError("bad_interactor", "reference.code.interactor takes its sandbox down") from error
        if why := why_no_program(result.compile, result, self._language):
            raise UnscorableError("bad_interactor", f"reference.code.interactor does not compile: {why}")

    def runs(self, tests: Sequence[StdioTest]) -> tuple[InteractiveRun, ...]:
        """One talk for each test case."""
        args = interactor_args(self._judge)
        return tuple(
            InteractiveRun(args=args, files=((INPUT, file_bytes(test.input)), (ANSWER, file_bytes(test.output))))
            for test in tests
        )

    def read(self, run: RunResult) -> CaseResult:
        """What one talk came to."""
        status, detail = ended(run, self._beside)
        if run.status in (RunStatus.SKIPPED, RunStatus.BUDGET):
            return CaseResult(status=status, detail=detail)
        if run.peer is None:
            raise SandboxError("sandbox_lost", "the interactor sent no report")
        finding = finding_of(self._judge, run.peer)
        has_passed_limit = run.status is not RunStatus.EXITED
        if status is TestStatus.AC or (has_passed_limit and finding.said is Said.WRONG):
            return of_finding(finding, breaks="breaks_interactor")
        return CaseResult(status=status, detail=detail)
