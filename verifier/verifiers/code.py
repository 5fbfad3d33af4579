"""The code verifier: the program of the answer, run in the sandbox against the reference's tests.

Options: ``time_limit_s`` and ``memory_limit_bytes`` where the reference gives none; ``look_in_reasoning`` to take a
program from inside the reasoning when the answer holds none; ``allow_unisolated_script`` (see ``ProgramJudge``).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from verifier.errors import InvalidRequestError, SandboxError, UnknownNameError, UnscorableError
from verifier.judging import ProgramJudge
from verifier.judging.judge import MAX_MEMORY_BYTES, MAX_TIME_LIMIT_S, MIN_MEMORY_BYTES
from verifier.text.code_blocks import find_program
from verifier.text.think import opens_reasoning, split_reasoning
from verifier.types import CodeReference, Group, Outcome, TestStatus, Verdict
from verifier.verifiers.base import Options, Tools
from verifier.verifiers.once import Once

NAME = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeOptions:
    """The options of the verifier."""

    time_limit_s: float = 4.0
    memory_limit_bytes: int = 512 << 20
    look_in_reasoning: bool = False
    allow_unisolated_script: bool = False


class CodeVerifier:
    """Judges programs; a ``VerifierFactory``."""

    def __init__(self, options: Options, tools: Tools) -> None:
        self._options = _parse(options)
        self._tools = tools

    async def open_group(self, group: Group) -> CodeJudge:
        """See ``Verifier.open_group``."""
        if group.reference is None:
            raise UnscorableError("no_reference", "the field reference is missing; give reference.code")
        if not isinstance(group.reference, CodeReference):
            raise UnscorableError("wrong_reference_kind", "the verifier code needs reference.code")
        judge = ProgramJudge(
            group.reference,
            self._tools.sandbox,
            time_limit_s=self._options.time_limit_s,
            memory_limit_bytes=self._options.memory_limit_bytes,
            allow_unisolated_script=self._options.allow_unisolated_script,
        )
        return CodeJudge(judge, is_opened=opens_reasoning(group.prompt), options=self._options)


class CodeJudge:
    """Judges the programs of one group; equal programs run once."""

    def __init__(self, judge: ProgramJudge, *, is_opened: bool, options: CodeOptions) -> None:
        self._judge = judge
        self._is_opened = is_opened
        self._options = options
        self._once: Once[str, Verdict] = Once()

    async def verify(self, completion: str) -> Verdict:
        """See ``GroupJudge.verify``."""
        program = self._program(completion)
        if program is None:
            return Verdict.incorrect(NAME, TestStatus.NO_CODE.value, "the answer holds no program")
        return await self._once.get(program, lambda: self._run(program))

    def _program(self, completion: str) -> str | None:
        parts = split_reasoning(completion, is_opened=self._is_opened)
        tags = self._judge.language.tags
        found = find_program(parts.answer, tags) if parts.answer is not None else None
        if found is None and self._options.look_in_reasoning and parts.reasoning is not None:
            return find_program(parts.reasoning, tags)
        return found

    async def _run(self, program: str) -> Verdict:
        try:
            judged = await self._judge.judge(program)
        except SandboxError as error:
            if not error.is_own_doing:
                raise
            return Verdict.incorrect(NAME, "breaks_sandbox", "the program took its sandbox down, and another again")
        if judged.is_accepted:
            verdict = Verdict.correct(NAME, TestStatus.AC.value)
        else:
            passed = sum(test.status is TestStatus.AC for test in judged.tests)
            first = next(test for test in judged.tests if test.status is not TestStatus.AC)
            detail = f"{passed} of {len(judged.tests)} passed; {first.name}: {first.status.value}"
            detail += f" ({first.detail})" if first.detail else ""
            verdict = Verdict.incorrect(NAME, judged.status.value, detail)
        if verdict.outcome is Outcome.CORRECT:
            verdict = replace(verdict, detail=f"{len(judged.tests)} of {len(judged.tests)} passed")
        return replace(verdict, tests=judged.tests)


def _parse(options: Options) -> CodeOptions:
    known = {field.name: type(field.default) for field in fields(CodeOptions)}
    values: dict[str, object] = {}
    for name, value in options.items():
        kind = known.get(name)
        if kind is None:
            raise UnknownNameError("option", name, tuple(known))
        if kind is float and type(value) is int:
            value = float(value)  # noqa: PLW2901
        if type(value) is not kind:
            raise InvalidRequestError(f"option {name} of the verifier code must be a {kind.__name__}, not {value!r}")
        values[name] = value
    parsed = CodeOptions(**values)  # type: ignore[arg-type]
    if not 0 < parsed.time_limit_s <= MAX_TIME_LIMIT_S:
        raise InvalidRequestError(f"option time_limit_s of the verifier code must be in (0, {MAX_TIME_LIMIT_S:g}]")
    if not MIN_MEMORY_BYTES <= parsed.memory_limit_bytes <= MAX_MEMORY_BYTES:
        raise InvalidRequestError(
            f"option memory_limit_bytes of the verifier code must be in [{MIN_MEMORY_BYTES}, {MAX_MEMORY_BYTES}]"
        )
    return parsed
