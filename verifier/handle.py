"""The engine as a program holds it: the same calls plain and async.

    with open_engine() as engine:                  async with open_engine() as engine:
        results = engine.verify([group, ...])          results = await engine.averify([group, ...])

The plain face runs an event loop in a thread of its own, so it works in any thread and beside any other loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Iterable, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from verifier import bootstrap
from verifier.engines.admission import Admission
from verifier.engines.answers import ENGINE, failed_group, unscorable_group
from verifier.engines.base import Engine
from verifier.errors import InvalidRequestError, OverloadedError
from verifier.settings import Settings, Value, load_settings
from verifier.types import EngineInfo, Group, GroupResult

T = TypeVar("T")

_THREAD = "verifier-engine"


class EngineHandle:
    """An engine to be opened by ``with`` or ``async with``, once.

    Args:
        settings: what it is made of.
        store: file of verdicts that are known, of this program and others; None knows none.
    """

    def __init__(self, settings: Settings, *, store: str | Path | None = None) -> None:
        self._settings = settings
        self._store = None if store is None else Path(store)
        self._stack = AsyncExitStack()
        self._engine: Engine | None = None
        self._loop: _LoopThread | None = None
        self._room = Admission(settings.max_pending_completions)
        self._opener = 0

    async def __aenter__(self) -> Self:
        if self._engine is not None:
            raise InvalidRequestError("the engine is open already; make another one")
        self._engine = await self._stack.enter_async_context(bootstrap.open_engine(self._settings, store=self._store))
        self._opener = os.getpid()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine = None
        await self._stack.__aexit__(kind, error, trace)

    def __enter__(self) -> Self:
        loop = _LoopThread()
        try:
            loop.run(self.__aenter__())
        except BaseException:
            loop.close()
            raise
        self._loop = loop
        # A trainer's reward object often lives until the program ends. This hook runs while threads still can, which
        # atexit does not; closing twice does nothing.
        threading._register_atexit(self.__exit__, None, None, None)  # type: ignore[attr-defined]  # noqa: SLF001
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop, self._loop = self._loop, None
        # A forked child leaves the block too: the engine is still its parent's.
        if loop is not None and self._opener == os.getpid():
            try:
                loop.run(self.__aexit__(None, None, None))
            finally:
                loop.close()

    def verify(self, groups: Iterable[Group]) -> list[GroupResult]:
        """One result a group, in order; see ``averify``. In a ``with`` block, from any thread.

        Raises:
            InvalidRequestError: the engine was not opened by ``with``, or in another process.
            TypeError: what was given is no group.
        """
        return self._plain().run(self.averify(tuple(groups)))

    def info(self) -> EngineInfo:
        """What the engine is made of."""
        return self._plain().run(self.ainfo())

    async def averify(self, groups: Sequence[Group]) -> list[GroupResult]:
        """One result a group, in order. Any number of groups: no more are in flight than the engine takes.

        A group that cannot be judged is UNSCORABLE or FAILED in its place and never costs the others their answers.
        """
        engine = self._opened()
        for number, group in enumerate(groups):
            if not isinstance(group, Group):
                raise TypeError(f"groups[{number}]: expected Group, got {type(group).__name__}")
        async with asyncio.TaskGroup() as tasks:
            works: list[asyncio.Task[GroupResult]] = []
            for group in groups:
                places = len(group.completions)
                await self._room.acquire(places)
                work = tasks.create_task(answer(engine, group))
                work.add_done_callback(lambda _, places=places: self._room.release(places))  # type: ignore[misc]
                works.append(work)
        return [work.result() for work in works]

    async def ainfo(self) -> EngineInfo:
        """What the engine is made of."""
        return await self._opened().info()

    def _opened(self) -> Engine:
        if self._engine is None:
            raise InvalidRequestError("the engine is not open; use it inside its with or async with block")
        self._require_opener()
        return self._engine

    def _plain(self) -> _LoopThread:
        if self._loop is None:
            raise InvalidRequestError("the engine was not opened by a plain with block; await averify instead")
        self._require_opener()
        return self._loop

    def _require_opener(self) -> None:
        # The loop's thread is not there in a forked child, so a call would wait for ever.
        if self._opener != os.getpid():
            raise InvalidRequestError("the engine was opened in another process, before a fork; open one in this one")


class Client(EngineHandle):
    """An engine on a server, with the same two faces.

    Args:
        address: HOST:PORT.
        deadline_s: for one group in all, with its wait in the server's queue and all retries.
        max_pending_completions: in flight at once.
        store: file of verdicts that are known; None knows none.
    """

    def __init__(
        self,
        address: str,
        *,
        deadline_s: float = 3600.0,
        max_pending_completions: int = 1024,
        store: str | Path | None = None,
    ) -> None:
        super().__init__(
            load_settings(
                environ={},
                server=address,
                deadline_s=deadline_s,
                max_pending_completions=max_pending_completions,
            ),
            store=store,
        )


def open_engine(settings: Settings | None = None, *, store: str | Path | None = None, **fields: Value) -> EngineHandle:
    """An engine in this process, or on a server where ``server`` is given; for ``with`` or ``async with``.

    Args:
        settings: complete settings, or None to read the environment and ``fields``.
        store: file of verdicts that are known, of this program and others; None knows none.
        fields: settings by name, such as ``sandbox="docker"``.

    Raises:
        InvalidRequestError: a setting that cannot be used.
    """
    if settings is None:
        return EngineHandle(load_settings(None, None, **fields), store=store)
    if fields:
        raise InvalidRequestError("give settings or single fields, not both")
    return EngineHandle(settings, store=store)


async def answer(engine: Engine, group: Group) -> GroupResult:
    """The engine's result, with what it refuses answered in place."""
    try:
        return await engine.verify(group)
    except InvalidRequestError as error:
        return unscorable_group(group, "invalid_request", str(error))
    except OverloadedError:
        return failed_group(group, ENGINE, "overloaded", "the engine stayed full until the deadline; try again later")


class _LoopThread:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=_loop_until_stopped, args=(started,), name=_THREAD, daemon=True)
        self._thread.start()
        self._loop, self._stop = started.result()

    def run(self, work: Coroutine[object, object, T]) -> T:
        """Runs it there and waits; an interrupt here cancels it there."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Ends what still runs, then the thread."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()


def _loop_until_stopped(started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]) -> None:
    async def wait() -> None:
        stop = asyncio.Event()
        started.set_result((asyncio.get_running_loop(), stop))
        await stop.wait()

    # Its end cancels all tasks and closes generators and executors.
    asyncio.run(wait())
