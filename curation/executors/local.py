"""All jobs in this process, some at once in threads: what is slow in them (hashing, polars, zstd) lets others run."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from curation.errors import EngineStoppedError
from curation.executors.jobs import AskShard, Lost, Means, Site
from curation.executors.placement import EngineOpener, Jobs, in_turn
from curation.executors.store import VerdictStore
from verifier.engines.base import Engine
from verifier.types import EngineInfo

T = TypeVar("T")

_MOST_THREADS = 2
"""More hold more texts and hardly end sooner: polars has threads of its own."""


class LocalPlacement:
    """This process.

    Args:
        open_engine: opens what judges.
        threads: jobs at once; None takes what suits the machine.
    """

    def __init__(self, open_engine: EngineOpener, *, threads: int | None = None) -> None:
        self._open_engine = open_engine
        self._threads = threads or min(_MOST_THREADS, len(os.sched_getaffinity(0)))

    @asynccontextmanager
    async def opened(self, *, judges: bool, store: Path | None) -> AsyncIterator[LocalCrew]:
        """The crew; see ``Placement``."""
        async with AsyncExitStack() as stack:
            engine = await stack.enter_async_context(self._open_engine(None)) if judges else None
            known = stack.enter_context(VerdictStore(store) if store else nullcontext())
            pool = stack.enter_context(ThreadPoolExecutor(self._threads, thread_name_prefix="curate"))
            yield LocalCrew(pool=pool, threads=self._threads, engine=engine, store=known)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCrew:
    """Threads, and an engine."""

    pool: ThreadPoolExecutor
    threads: int
    engine: Engine | None
    store: VerdictStore | None

    async def engine_info(self) -> EngineInfo:
        """Of the engine."""
        if self.engine is None:
            raise EngineStoppedError("no engine was opened")
        return await self.engine.info()

    async def each(self, site: Site, jobs: Jobs[T]) -> AsyncGenerator[T | Lost, None]:
        """Does jobs; see ``Crew``."""
        begun: deque[Future[T | Lost]] = deque()
        try:
            async for job in in_turn(jobs):
                begun.append(self.pool.submit(job.run, site))
                if len(begun) >= self.threads:
                    yield await asyncio.wrap_future(begun.popleft())
            while begun:
                yield await asyncio.wrap_future(begun.popleft())
        finally:
            for future in begun:
                future.cancel()
            # A thread cannot be stopped, and what it still writes must not meet what is written next.
            wait(begun)

    async def ask(
        self, site: Site, jobs: Sequence[AskShard], advance: Callable[[int], None]
    ) -> AsyncGenerator[pl.DataFrame | Lost, None]:
        """Asks about one shard after the other, as the engine is one; see ``Crew``."""
        means = Means(engine=self.engine, advance=advance, store=self.store)
        for job in jobs:
            yield await job.run(site, means)
