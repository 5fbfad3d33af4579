"""The code verifier: the program of the answer, run in the sandbox against the reference's tests.

Options: ``look_in_reasoning`` to take a program from inside the reasoning when the answer holds none; the others are
limits, see ``verifier.judging.Bounds``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from verifier.errors import InvalidRequestError, SandboxError, UnknownNameError, UnscorableError
from verifier.judging.limits import (
    MAX_MEMORY_BYTES,
    MAX_OUTPUT_BYTES,
    MAX_PROCESSES,
    MAX_TIME_LIMIT_S,
    MAX_TOTAL_TIME_S,
    MAX_WALL_FACTOR,
    MIN_MEMORY_BYTES,
    MIN_OUTPUT_BYTES,
    Bounds,
)
from verifier.text.code_blocks import find_program
from verifier.text.think import opens_reasoning, split_reasoning
from verifier.types import CodeReference, Group, TestStatus, Verdict
from verifier.verifiers.base import Options, Tools
from verifier.verifiers.once import Once

if TYPE_CHECKING:
    from verifier.judging.judge import Judged, ProgramJudge

NAME = "code"


LOOK_IN_REASONING = "look_in_reasoning"
_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "time_limit_s": (0.001, MAX_TIME_LIMIT_S),
        "memory_limit_bytes": (MIN_MEMORY_BYTES, MAX_MEMORY_BYTES),
        "wall_factor": (1.0, MAX_WALL_FACTOR),
        "output_limit_bytes": (MIN_OUTPUT_BYTES, MAX_OUTPUT_BYTES),
        "processes": (1, MAX_PROCESSES),
        "total_time_limit_s": (0.0, MAX_TOTAL_TIME_S),
    }
)
"""What each limit may be, both ends included."""


class CodeVerifier:
    """Judges programs; a ``VerifierFactory``."""

    def __init__(self, options: Options, tools: Tools) -> None:
        self._bounds, self._looks_in_reasoning = _parse(options)
        self._tools = tools

    async def open_group(self, group: Group) -> CodeJudge:
        """See ``Verifier.open_group``."""
        if group.reference is None:
            raise UnscorableError("no_reference", "the field reference is missing; give reference.code")
        if not isinstance(group.reference, CodeReference):
            raise UnscorableError("wrong_reference_kind", "the verifier code needs reference.code")
        from verifier.judging.judge import ProgramJudge  # noqa: PLC0415 - who judges no program does not wait for it

        judge = ProgramJudge(group.reference, self._tools.sandbox, self._bounds)
        await judge.check()
        is_opened = opens_reasoning(group.prompt)
        return CodeJudge(judge, is_opened=is_opened, looks_in_reasoning=self._looks_in_reasoning)


class CodeJudge:
    """Judges the programs of one group; equal programs run once."""

    def __init__(self, judge: ProgramJudge, *, is_opened: bool, looks_in_reasoning: bool) -> None:
        self._judge = judge
        self._is_opened = is_opened
        self._looks_in_reasoning = looks_in_reasoning
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
        if found is None and self._looks_in_reasoning and parts.reasoning is not None:
            return find_program(parts.reasoning, tags)
        return found

    async def _run(self, program: str) -> Verdict:
        try:
            judged = await self._judge.judge(program)
        except SandboxError as error:
            if not error.is_own_doing:
                raise
            return Verdict.incorrect(NAME, "breaks_sandbox", "the program took its sandbox down, and another again")
        return _verdict(judged)


def _verdict(judged: Judged) -> Verdict:
    passed = sum(test.status is TestStatus.AC for test in judged.tests)
    detail = f"{passed} of {len(judged.tests)} passed"
    if judged.is_accepted:
        return replace(Verdict.correct(NAME, judged.reason, detail), tests=judged.tests)
    first = next(test for test in judged.tests if test.status is not TestStatus.AC)
    detail += f"; {first.name}: {first.status.value}"
    detail += f" ({first.detail})" if first.detail else ""
    return replace(Verdict.incorrect(NAME, judged.reason, detail, score=judged.score), tests=judged.tests)


def _parse(options: Options) -> tuple[Bounds, bool]:
    kinds = {field.name: type(field.default) for field in fields(Bounds)} | {LOOK_IN_REASONING: bool}
    values: dict[str, object] = {}
    for name, value in options.items():
        kind = kinds.get(name)
        if kind is None:
            raise UnknownNameError("option", name, tuple(kinds))
        if kind is float and type(value) is int:
            value = float(value)  # noqa: PLW2901
        if type(value) is not kind:
            raise InvalidRequestError(f"option {name} of the verifier code must be a {kind.__name__}, not {value!r}")
        if isinstance(value, int | float) and name in _RANGES:
            least, most = _RANGES[name]
            if not least <= value <= most:
                raise InvalidRequestError(f"option {name} of the verifier code must be in [{least:g}, {most:g}]")
        values[name] = value
    looks_in_reasoning = values.pop(LOOK_IN_REASONING, False) is True
    return Bounds(**values), looks_in_reasoning  # type: ignore[arg-type]
