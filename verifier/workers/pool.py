"""A pool of processes that can be killed, for CPU-bound work on hostile input.

Threads cannot be stopped and signals need the main thread, so work that may hang runs in worker processes: each
call has a budget of CPU time, and a worker that passes it is killed and replaced. Workers are started by ``exec``,
never by forking a process that may hold gRPC threads, and they are told only names of tasks fixed when the pool is
made, never code.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Self

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What crosses the pipe to a worker and back."""


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
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Starts all workers and waits until their modules are loaded; may be called twice.

        Raises:
            InfrastructureError: a worker could not start; ``worker_start``.
        """
        raise NotImplementedError

    async def aclose(self) -> None:
        """Kills every worker and waits for its end; may be called twice. Calls under way fail with ``pool_closed``."""
        raise NotImplementedError

    async def call(self, task: str, payload: Json, *, cpu_budget_s: float) -> Json:
        """Runs a task once, in the order of the calls. A cancelled call kills its worker.

        Raises:
            WorkerTimeoutError: it passed its budget of CPU time.
            WorkerCrashedError: its worker died; ``is_own_doing`` tells whether the task brought it about.
            OverloadedError: too many calls wait.
            InfrastructureError: the pool is closed or cannot start workers.
        """
        raise NotImplementedError

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
        raise NotImplementedError
