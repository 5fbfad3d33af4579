"""Where jobs are done: the seam between the passes of a run, which are one, and the engines, which are many."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from curation.executors.jobs import Answered, AskShard, Job, Lost, Site
from curation.executors.judging import nobody
from verifier.engines.base import Engine
from verifier.settings import Settings, load_settings
from verifier.types import EngineInfo

_SIZES = ("ASSAY_WORKERS", "ASSAY_SANDBOX_SLOTS")

T = TypeVar("T")
Jobs = Iterable[Job[T]] | AsyncIterable[Job[T]]

EngineOpener = Callable[[int | None], AbstractAsyncContextManager[Engine]]
"""Opens an engine on a machine that gives it so many processors; None leaves that to the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsOpener:
    """An ``EngineOpener`` by the settings of the command; can be sent to another process.

    Args:
        server: address of a server that judges; None judges where this is called.
        sandbox: name of the sandbox backend; None takes the default.
        environ: the command's variables that begin with ``ASSAY_``.
    """

    server: str | None = None
    sandbox: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, processors: int | None = None) -> AbstractAsyncContextManager[Engine]:
        """An engine; see ``EngineOpener``."""
        from verifier.bootstrap import open_engine  # noqa: PLC0415 - only recipes that verify wait for its imports

        return open_engine(self.settings(processors), is_ready=False)

    def settings(self, processors: int | None = None) -> Settings:
        """The settings in force.

        Raises:
            InvalidRequestError: one of them is wrong.
        """
        sizes = {} if processors is None else dict.fromkeys(_SIZES, str(processors))
        return load_settings(environ={**sizes, **self.environ}, server=self.server, sandbox=self.sandbox)


@dataclass(slots=True)
class Asked:
    """A shard that is being asked about, by whoever; its answer is awaited in the order of the shards.

    Args:
        job: about which shard.
        advance: of the observer, called with the number of completions just asked about.
        answer: what comes of it.
        waits: of the observer, called with what a judge model is waited for.
        tries: that lost their process or node.
        told: completions that the observer knows of.
    """

    job: AskShard
    advance: Callable[[int], None]
    answer: asyncio.Future[Answered | Lost]
    waits: Callable[[str], None] = nobody
    tries: int = 0
    told: int = 0

    def tell(self, count: int) -> None:
        """So many completions in this try; a further one begins anew, which the observer need not know."""
        self.advance(max(0, count - self.told))
        self.told = max(self.told, count)

    def settle(self, outcome: Answered | Lost | Exception) -> None:
        """Gives the answer, unless nobody asks any more."""
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)

    def dismiss(self) -> None:
        """Nobody asks any more: what went wrong meanwhile is no fault that was overlooked."""
        _ = self.answer.cancel() or self.answer.exception()


def asked_of(
    jobs: Sequence[AskShard], advance: Callable[[int], None], waits: Callable[[str], None] = nobody
) -> list[Asked]:
    """Those jobs, of which nobody has the answer yet; in a running loop."""
    loop = asyncio.get_running_loop()
    return [Asked(job, advance, loop.create_future(), waits) for job in jobs]


class Crew(Protocol):
    """What does jobs, while it is open. Results come in the order of the jobs, whoever was faster.

    An iterator that is left early must be closed: jobs that have begun are then at their end, and no other begins.
    """

    @property
    def judges_at_once(self) -> bool:
        """Whether who does jobs has an engine at hand for what needs no waiting."""

    async def engine_info(self) -> EngineInfo:
        """Of the engine that judges."""

    def each(self, site: Site, jobs: Jobs[T]) -> AsyncGenerator[T | Lost, None]:
        """Does jobs, some at once.

        Raises:
            ClusterStoppedError: there is nothing left that could do them.
        """

    def ask(
        self, site: Site, jobs: Sequence[AskShard], advance: Callable[[int], None], waits: Callable[[str], None]
    ) -> AsyncGenerator[Answered | Lost, None]:
        """Asks about shards.

        Args:
            site: of the run.
            jobs: the shards.
            advance: called with the number of completions just asked about.
            waits: called with what a judge model is waited for that asks to wait, and with an empty text afterwards.

        Raises:
            EngineStoppedError: the engine, or a judge model, went away.
            ClusterStoppedError: there is nothing left that could ask.
        """


class Placement(Protocol):
    """A place to do jobs in."""

    def opened(self, *, judges: bool, store: Path | None, input_bytes: int) -> AbstractAsyncContextManager[Crew]:
        """A crew, until the block ends.

        Args:
            judges: whether it needs an engine.
            store: file of the answers that are known; None knows none.
            input_bytes: of all input files, about.

        Raises:
            UsageError: it cannot be opened as the user asks.
        """


async def in_turn(jobs: Jobs[T]) -> AsyncIterator[Job[T]]:
    """The jobs, one after the other."""
    if isinstance(jobs, AsyncIterable):
        async for job in jobs:
            yield job
    else:
        for job in jobs:
            yield job
