"""All jobs on this machine: in threads of this process, and where that lasts, in further processes too."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from curation.errors import EngineStoppedError, RunStoppedError
from curation.executors.early import AtHand
from curation.executors.helpers import Equipment, Helper, HelperLostError
from curation.executors.jobs import Answered, AskShard, Job, Lost, Means, Site, done
from curation.executors.placement import Asked, EngineOpener, Jobs, asked_of, in_turn
from verifier.engines.base import Engine
from verifier.engines.store import VerdictStore
from verifier.generative.patience import Patience
from verifier.types import EngineInfo

T = TypeVar("T")

_MOST_THREADS = 2
"""More hold more texts and hardly end sooner: polars has threads of its own."""
_MOST_PROCESSES = 4
"""Each takes some 300 MB; more are for those who ask."""
_LEAST_BYTES = 256 << 20
"""Of input, before further processes are worth the CPU second that each takes to begin."""


_AHEAD = 2
"""Jobs that are handed over, in those that are done at once: one at work and one to follow."""


def processors() -> int:
    """Of this machine, that this process may use."""
    return len(os.sched_getaffinity(0))


def processes_for(input_bytes: int, *, least_bytes: int = _LEAST_BYTES, most: int | None = None) -> int:
    """How many processes a run has.

    Args:
        input_bytes: of all files.
        least_bytes: for which there is more than one.
        most: that there may be; None takes what suits the machine.
    """
    return (most or min(_MOST_PROCESSES, processors())) if input_bytes >= least_bytes else 1


class LocalPlacement:
    """This machine.

    Args:
        open_engine: opens what judges; must be a value that can be sent to another process where there are some.
        threads: jobs at once in this process while it is alone; None takes what suits the machine.
        processes: at most, with this one; None takes what suits the machine.
        judges_apart: whether the further processes judge too, each with an engine of its own.
        judges_here: whether the engine is in this process, and no server.
        least_bytes: of input, for which there are further processes.
    """

    def __init__(
        self,
        open_engine: EngineOpener,
        *,
        threads: int | None = None,
        processes: int | None = 1,
        judges_apart: bool = True,
        judges_here: bool = True,
        least_bytes: int = _LEAST_BYTES,
    ) -> None:
        self._open_engine = open_engine
        self._threads = threads or min(_MOST_THREADS, processors())
        self._processes = processes
        self._judges_apart = judges_apart
        self._judges_here = judges_here
        self._least_bytes = least_bytes

    @asynccontextmanager
    async def opened(self, *, judges: bool, store: Path | None, input_bytes: int) -> AsyncIterator[LocalCrew]:
        """The crew; see ``Placement``."""
        async with AsyncExitStack() as stack:
            equipment = Equipment(open_engine=self._open_engine, store=store, judges=self._judges_apart)
            further = processes_for(input_bytes, least_bytes=self._least_bytes, most=self._processes) - 1
            helpers = [Helper(equipment) for _ in range(further)]
            for helper in helpers:
                # Its imports take most of a second, in which this process has its own to do.
                stack.callback(helper.close)
                helper.begin()
            engine = await stack.enter_async_context(self._open_engine(None)) if judges else None
            known = stack.enter_context(VerdictStore(store) if store else nullcontext())
            # Each thread at work here holds the texts of a frame, and all wait for one interpreter.
            threads = 1 if helpers else self._threads
            pool = stack.enter_context(ThreadPoolExecutor(threads + further, thread_name_prefix="curate"))
            for helper in helpers:
                # Also before the threads end, which takes with it what they started.
                stack.callback(helper.close)
            at_hand = AtHand(engine=engine, store=known) if engine is not None and self._judges_here else None
            yield LocalCrew(
                pool=pool,
                hands=_Hands(threads=threads, helpers=helpers, at_hand=at_hand),
                engine=engine,
                store=known,
                judges_apart=self._judges_apart,
                judges_at_once=at_hand is not None,
            )


class _Hands:
    """Who does jobs: this process in some threads, and the helpers."""

    def __init__(self, *, threads: int, helpers: Sequence[Helper], at_hand: AtHand | None) -> None:
        self.helpers = helpers
        self._at_hand = at_hand
        self.count = threads + len(helpers)
        """How many jobs are done at once."""
        self._free: SimpleQueue[Helper | None] = SimpleQueue()
        for hand in (*helpers, *([None] * threads)):
            self._free.put(hand)

    def do(self, site: Site, job: Job[T]) -> T | Lost:
        """Does a job, with whoever is free.

        Raises:
            RunStoppedError: it ends each process that does it.
        """
        hand = self._free.get()
        try:
            return done(job, site, self._at_hand) if hand is None else hand.do(site, job)
        except HelperLostError as error:
            raise RunStoppedError(f"{job.name}: {error}") from error
        finally:
            self._free.put(hand)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalCrew:
    """Threads, helpers, and an engine."""

    pool: ThreadPoolExecutor
    hands: _Hands
    engine: Engine | None
    store: VerdictStore | None
    judges_apart: bool = False
    judges_at_once: bool = False
    patience: Patience = field(default_factory=Patience)

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
                begun.append(self.pool.submit(self.hands.do, site, job))
                while len(begun) >= _AHEAD * self.hands.count:
                    yield await asyncio.wrap_future(begun.popleft())
            while begun:
                yield await asyncio.wrap_future(begun.popleft())
        finally:
            for future in begun:
                future.cancel()
            # A thread cannot be stopped, and what it still writes must not meet what is written next.
            wait(begun)

    async def ask(
        self, site: Site, jobs: Sequence[AskShard], advance: Callable[[int], None], waits: Callable[[str], None]
    ) -> AsyncGenerator[Answered | Lost, None]:
        """Asks about shards here, one after the other as the engine is one, and in each helper; see ``Crew``."""
        loop, asked = asyncio.get_running_loop(), asked_of(jobs, advance, waits)
        self.patience.told = waits
        waiting = deque(asked)
        here = asyncio.create_task(self._ask_here(site, waiting, advance))
        # A judge model is asked from here alone, as its bounds are for all.
        helpers = self.hands.helpers if self.judges_apart and site.recipe.judge is None else ()
        apart = [self.pool.submit(_ask_apart, helper, site, waiting, loop) for helper in helpers]
        try:
            for one in asked:
                yield await one.answer
        finally:
            waiting.clear()
            here.cancel()
            if not all(one.answer.done() for one in asked):
                for helper in helpers:
                    helper.abandon()
            await asyncio.gather(here, *map(asyncio.wrap_future, apart), return_exceptions=True)
            for one in asked:
                one.dismiss()

    async def _ask_here(self, site: Site, waiting: deque[Asked], advance: Callable[[int], None]) -> None:
        means = Means(engine=self.engine, advance=advance, store=self.store, patience=self.patience)
        while waiting:
            one = waiting.popleft()
            try:
                one.settle(await one.job.run(site, means))
            except Exception as error:  # noqa: BLE001 - told where the result is waited for
                waiting.clear()
                one.settle(error)


def _ask_apart(
    helper: Helper,
    site: Site,
    waiting: deque[Asked],
    loop: asyncio.AbstractEventLoop,
) -> None:
    """Asks in a helper about what waits; the loop of this process, at work too, need not turn for the next shard."""
    while True:
        try:
            one = waiting.popleft()
        except IndexError:
            return
        try:
            outcome = helper.ask(site, one.job, partial(_from_thread, loop, one.tell))
        except Exception as error:  # noqa: BLE001 - told where the result is waited for
            waiting.clear()
            loop.call_soon_threadsafe(one.settle, error)
            return
        loop.call_soon_threadsafe(one.settle, outcome)


def _from_thread(loop: asyncio.AbstractEventLoop, tell: Callable[[int], None], count: int) -> None:
    loop.call_soon_threadsafe(tell, count)
