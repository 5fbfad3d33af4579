"""A task's own checker: a program that reads input, output and answer, and says whether the output is right.

It runs in a job of its own when the solution's has ended, and in each run it has the files of one test case. It is
tried on the task's own answers before any completion: what fails there is the task's fault, and so what fails later
is the doing of the completion, which cannot gain from breaking it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.errors import SandboxError, UnscorableError
from verifier.judging.judge_programs import file_bytes, judge_program, toolchain_for, why_no_program
from verifier.judging.languages import Language
from verifier.judging.limits import judge_limits
from verifier.judging.protocols import ANSWER, INPUT, OUTPUT, Finding, Said, checker_args, finding_of
from verifier.sandbox.base import Job, JobResult, Limits, RunStatus, Sandbox, StdioRun
from verifier.types import JudgeProgram, Protocol, StdioTest


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What a checker is given of one test case."""

    test: StdioTest
    output: bytes


class Checker:
    """The checker of one reference.

    Args:
        judge: the program.
        beside: the language of the solutions.
        sandbox: runs it.
        limits: of the solutions.
    """

    def __init__(self, judge: JudgeProgram, beside: Language, sandbox: Sandbox, limits: Limits) -> None:
        self._judge = judge
        self._sandbox = sandbox
        self._limits = limits
        self._program, self._language = judge_program(judge, "reference.code.checker")
        self._toolchain = toolchain_for(self._language, beside)

    async def check(self, tests: Sequence[StdioTest]) -> None:
        """Tries it on the task's own answers. An empty one proves nothing, so there it need only compile.

        Raises:
            UnscorableError: it does not compile, or breaks on an answer.
            SandboxError: it could not be run.
        """
        known = [at for at, test in enumerate(tests) if test.output.strip()]
        tried = [Case(test=tests[at], output=file_bytes(tests[at].output)) for at in known or [0]]
        try:
            result = await self._run(tried)
        except SandboxError as error:
            if not error.is_own_doing:
                raise
            raise UnscorableError("bad_checker", "reference.code.checker takes its sandbox down") from error
        if why := why_no_program(result.compile, result, self._language):
            raise UnscorableError("bad_checker", f"reference.code.checker does not compile: {why}")
        for at, run in zip(known, result.runs, strict=False):
            finding = finding_of(self._judge, run)
            if finding.said is Said.BROKEN:
                detail = f"reference.code.checker fails on the answer of stdio[{at}]: {finding.detail}"
                raise UnscorableError("bad_checker", detail)

    async def findings(self, cases: Sequence[Case]) -> list[Finding | None]:
        """What it says of each case; None for those that were not tried after one on which it passed a limit.

        Raises:
            SandboxError: it could not be run.
        """
        if not cases:
            return []
        try:
            result = await self._run(cases)
        except SandboxError as error:
            if not error.is_own_doing:
                raise
            return [Finding(said=Said.BROKEN, detail="it takes its sandbox down")] * len(cases)
        if len(result.runs) != len(cases):
            raise SandboxError("sandbox_broken", "the checker compiled before, and now does not")
        return [None if run.status is RunStatus.SKIPPED else finding_of(self._judge, run) for run in result.runs]

    async def _run(self, cases: Sequence[Case]) -> JobResult:
        is_icpc = self._judge.protocol == Protocol.ICPC
        args = checker_args(self._judge)
        runs, largest = [], 0
        for case in cases:
            files = [(INPUT, file_bytes(case.test.input)), (ANSWER, file_bytes(case.test.output))]
            if not is_icpc:
                files.append((OUTPUT, case.output))
            largest = max(largest, *(len(data) for _, data in files))
            runs.append(StdioRun(stdin=case.output if is_icpc else b"", args=args, files=tuple(files)))
        limits = judge_limits(self._limits, largest)
        job = Job(toolchain=self._toolchain, program=self._program, runs=tuple(runs), limits=limits)
        return await self._sandbox.run(job)
