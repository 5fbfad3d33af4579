"""What a way to judge programs is: how they are run, and what their runs mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from verifier.judging.languages import Language
from verifier.judging.preludes import with_prelude
from verifier.judging.results import CaseResult
from verifier.sandbox.base import Program, Run, RunResult
from verifier.types import CodeReference


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


class SingleWay:
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
