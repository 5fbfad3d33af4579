"""The ways to judge by a script of tests, which runs in another process than the program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from verifier.errors import SandboxError, UnscorableError
from verifier.judging.bridges import BRIDGES
from verifier.judging.bridges.declarations import find_declaration, is_declared
from verifier.judging.ends import compile_error, is_compiled
from verifier.judging.languages import Language
from verifier.judging.limits import judge_limits
from verifier.judging.results import CaseResult
from verifier.judging.scripts import NAME, read_pair, read_report
from verifier.judging.way import Programs, SingleWay
from verifier.sandbox.base import Job, Limits, PairRun, Run, RunResult, Sandbox, ScriptRun
from verifier.types import CodeReference, Framework, TestStatus


class Testing(SingleWay):
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


class Bridging(SingleWay):
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
        try:
            program, tester = self._bridge.solution(reference, source), self._bridge.tester(reference)
        except UnscorableError:
            # The declaration is the program's own, and so is what is wrong with it.
            return None
        return Programs(program=program, peer=tester, is_peer_ours=False)

    async def read(self, runs: Sequence[RunResult]) -> tuple[CaseResult, ...]:
        """How the tester ended."""
        try:
            return (read_pair(runs[0], self._language),)
        except UnscorableError:
            if self._tester is not None:
                raise
            # What the tests call was taken from the program, so that it is not there is the program's doing.
            return (CaseResult(status=TestStatus.RE, detail="the tests do not find in the program what they call"),)
