"""A pool of processes that can be killed, for CPU-bound work on hostile input.

Threads cannot be stopped and signals need the main thread, so work that may hang runs in worker processes: each
call has a budget of CPU time, and a worker that passes it is killed and replaced. Workers are started by ``exec``,
never by forking a process that may hold gRPC threads, and they are told only names of tasks fixed when the pool is
made, never code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from verifier.errors import InfrastructureError, OverloadedError, WorkerCrashedError
from verifier.workers.frames import Json
from verifier.workers.process import WorkerProcess

_OWN_DEATHS = 2
_OUTSIDE_DEATHS = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Job:
    task: str
    payload: Json
    cpu_budget_s: float
    answer: asyncio.Future[Json]


class WorkerPool:
    """Runs named tasks in processes that are killed when they pass their budget, and replaced.

    Belongs to the event loop in which it was started; that loop may run in any thread.

    Args:
        tasks: name of a task -> ``module:function`` that a worker runs for it. The function takes one JSON value and
            returns one; what it raises is a bug, except that MemoryError ends the worker.
        size: number of processes.
        memory_bytes: address space of each.
        max_waiting: calls that may wait for a worker at once.
    """

    def __init__(
        self,
        *,
        tasks: Mapping[str, str],
        size: int,
        memory_bytes: int = 1 << 30,
        max_waiting: int = 1 << 16,
    ) -> None:
        if size < 1:
            raise ValueError(f"a pool of {size} workers cannot work; give size at least 1")
        self._tasks = dict(tasks)
        self._size = size
        self._memory_bytes = memory_bytes
        self._max_waiting = max_waiting
        self._waiting = 0
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue()
        self._slots: list[asyncio.Task[None]] = []
        self._workers: set[WorkerProcess] = set()
        self._is_open = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the workers that live now."""
        return tuple(sorted(worker.pid for worker in self._workers if worker.is_alive))

    async def start(self) -> None:
        """Starts all workers and waits until their modules are loaded; may be called twice.

        Raises:
            InfrastructureError: a worker could not start; ``worker_start``.
        """
        if self._is_open:
            return
        self._is_open = True
        starts = [asyncio.ensure_future(self._start_worker()) for _ in range(self._size)]
        try:
            workers = await asyncio.gather(*starts)  # not a TaskGroup: callers catch our error, not a group of it
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await self.aclose()
            raise
        # Slots live as long as the pool, so no scope of one function can hold them; aclose waits for them.
        self._slots = [asyncio.create_task(self._serve(worker)) for worker in workers]

    def open(self) -> None:
        """Takes calls from now on; a worker starts with the first call that needs it. Instead of ``start``."""
        if not self._is_open:
            self._is_open = True
            self._slots = [asyncio.create_task(self._serve(None, waits=True)) for _ in range(self._size)]

    async def aclose(self) -> None:
        """Kills every worker and waits for its end; may be called twice. Calls under way fail with ``pool_closed``."""
        self._is_open = False
        slots, self._slots = self._slots, []
        for slot in slots:
            slot.cancel()
        await asyncio.gather(*slots, return_exceptions=True)
        for worker in tuple(self._workers):
            await self._end(worker)
        while not self._jobs.empty():
            _fail(self._jobs.get_nowait(), _closed())

    async def call(self, task: str, payload: Json, *, cpu_budget_s: float) -> Json:
        """Runs a task once, in the order of the calls. A cancelled call kills its worker.

        Raises:
            WorkerTimeoutError: it passed its budget of CPU time.
            WorkerCrashedError: its worker died; ``is_own_doing`` tells whether the task brought it about.
            OverloadedError: too many calls wait.
            InfrastructureError: the pool is closed or cannot start workers.
        """
        if task not in self._tasks:
            raise ValueError(f"no task {task!r}; this pool runs {', '.join(sorted(self._tasks))}")
        if not self._is_open:
            raise _closed()
        if self._waiting >= self._max_waiting + self._size:
            raise OverloadedError(f"{self._waiting} calls wait for {self._size} workers already")
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting += 1
        try:
            self._jobs.put_nowait(_Job(task=task, payload=payload, cpu_budget_s=cpu_budget_s, answer=answer))
            return await answer
        finally:
            self._waiting -= 1

    async def call_with_retry(self, task: str, payload: Json, *, cpu_budget_s: float) -> Json:
        """Like ``call``, but a crash is tried again in a fresh worker.

        A time-out is not: the budget is CPU time, so a busy machine is no excuse.

        Raises:
            WorkerTimeoutError: it passed its budget of CPU time.
            WorkerCrashedError: with ``is_own_doing``, the task took down two workers by its own fault; without,
                three were killed from outside.
            OverloadedError: too many calls wait.
            InfrastructureError: the pool is closed or cannot start workers.
        """
        own = outside = 0
        while True:
            try:
                return await self.call(task, payload, cpu_budget_s=cpu_budget_s)
            except WorkerCrashedError as crash:
                own += crash.is_own_doing
                outside += not crash.is_own_doing
                if own == _OWN_DEATHS or outside == _OUTSIDE_DEATHS:
                    raise

    async def _serve(self, worker: WorkerProcess | None, *, waits: bool = False) -> None:
        """One slot: a job at a time, and a new worker whenever one is spent; with ``waits`` the first comes with it."""
        while True:
            trouble: InfrastructureError | None = None
            if worker is None and not waits:
                try:
                    worker = await self._start_worker()
                except InfrastructureError as error:
                    trouble = error  # the next job hears of it, and after it we try again
            job = await self._jobs.get()
            try:
                if job.answer.done():
                    continue
                if worker is not None and not worker.is_alive:  # it was killed while it idled: not the job's doing
                    await self._end(worker)
                    worker = None
                    worker = await self._start_worker()
                if worker is None and waits:
                    worker, waits = await self._start_worker(), False
                if worker is None:
                    _fail(job, trouble or _closed())
                elif await self._run(worker, job):
                    worker = None
            except InfrastructureError as error:
                _fail(job, error)
            finally:
                _fail(job, _closed())  # only if nothing answered it: this slot is being cancelled

    async def _run(self, worker: WorkerProcess, job: _Job) -> bool:
        """Runs the job and answers it; whether the worker is spent and gone."""
        kill = worker.kill
        job.answer.add_done_callback(lambda answer: kill() if answer.cancelled() else None)
        is_spent = True
        try:
            answer = await worker.run(job.task, job.payload, cpu_budget_s=job.cpu_budget_s)
            is_spent = answer.is_spent or job.answer.done()
            if not job.answer.done():
                job.answer.set_result(answer.value)
        except (InfrastructureError, RuntimeError, ValueError) as error:
            _fail(job, error)
        finally:
            if is_spent:
                await self._end(worker)
        return is_spent

    async def _start_worker(self) -> WorkerProcess:
        worker = await WorkerProcess.spawn(self._tasks, self._memory_bytes)
        self._workers.add(worker)  # from here on aclose ends it, also if we are cancelled at any point
        try:
            await worker.loaded()
        except InfrastructureError:
            await self._end(worker)
            raise
        return worker

    async def _end(self, worker: WorkerProcess) -> None:
        await worker.aclose()
        self._workers.discard(worker)


def _fail(job: _Job, error: Exception) -> None:
    if not job.answer.done():
        job.answer.set_exception(error)


def _closed() -> InfrastructureError:
    return InfrastructureError("pool_closed", "the worker pool is not open")
