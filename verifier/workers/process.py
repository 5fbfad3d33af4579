"""One worker process, seen from the pool: started, given one request at a time, measured, killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from verifier.errors import InfrastructureError, WorkerCrashedError, WorkerTimeoutError
from verifier.workers.frames import HEADER_BYTES, Json, body_length, pack

_START_LIMIT_S = 120.0
_WALL_FACTOR = 20.0
_WALL_FLOOR_S = 60.0
_SHORTEST_LOOK_S = 0.01

_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
"""Signals by which a task cannot end its own worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a worker said to one request; ``is_spent`` tells that it should not get another."""

    value: Json
    is_spent: bool


class WorkerProcess:
    """A worker; make one with ``spawn``, and end it with ``aclose``, whatever happens between."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("a worker is started with pipes")
        self._process = process
        self._stdin = process.stdin
        self._stdout = process.stdout

    @classmethod
    async def spawn(cls, tasks: Mapping[str, str], memory_bytes: int) -> Self:
        """Starts a worker, which then loads its modules; see ``loaded``.

        Raises:
            InfrastructureError: no process could be started; ``worker_start``.
        """
        specification = {"parent": os.getpid(), "memory_bytes": memory_bytes, "tasks": dict(tasks)}
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "verifier.workers.child", json.dumps(specification)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
                start_new_session=True,  # a Ctrl-C at the terminal is for the program, which then closes the pool
            )
        except OSError as error:
            raise InfrastructureError("worker_start", f"cannot start {sys.executable}: {error.strerror}") from error
        return cls(process)

    async def loaded(self) -> None:
        """Waits until it has loaded its modules.

        Raises:
            WorkerCrashedError: it was killed from outside.
            InfrastructureError: it could not; ``worker_start``.
        """
        try:
            async with asyncio.timeout(_START_LIMIT_S):
                message = await self._read()
        except TimeoutError:
            message = {"error": f"it was not ready after {_START_LIMIT_S:g} s"}
        except EOFError:
            status = await self._process.wait()
            if -status in _FROM_OUTSIDE:
                raise _crash(status) from None
            message = {"error": "it ended at once; is its memory limit too low?"}
        if "ready" not in message:
            raise InfrastructureError("worker_start", f"a worker could not load its tasks: {message.get('error')}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether nobody has seen it end yet."""
        return self._process.returncode is None

    async def run(self, task: str, payload: Json, *, cpu_budget_s: float) -> Answer:
        """One request and its answer. After any exception the worker must be closed.

        Raises:
            WorkerTimeoutError: it passed its budget of CPU time.
            WorkerCrashedError: it died, or hung without using CPU time.
            RuntimeError: the task raised, which is a bug of its own.
            ValueError: the payload is over the limit of a frame.
        """
        request = pack({"task": task, "payload": payload, "cpu_budget_s": cpu_budget_s})
        before_s = self._cpu_time_s()
        # The exchange must go on while we look at the clock now and then; it is ended below, whatever happens.
        exchange = asyncio.ensure_future(self._exchange(request))
        try:
            await self._watch(exchange, before_s, cpu_budget_s)
            message = exchange.result()
        except EOFError:
            raise await self._death(cpu_budget_s) from None
        finally:
            if not exchange.done():
                exchange.cancel()
                await asyncio.wait({exchange})
        if "error" in message:
            raise RuntimeError(f"task {task!r} raised in its worker:\n{message['error']}")
        return Answer(value=message["value"], is_spent=bool(message["retire"]))

    def kill(self) -> None:
        """Kills it now, if it still lives."""
        if self.is_alive:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def aclose(self) -> None:
        """Kills it, waits for its end and frees the pipes; may be called twice."""
        self.kill()
        self._stdin.close()
        await self._process.wait()
        while await self._stdout.read(1 << 16):  # to the end, so that the transport closes before the loop does
            pass
        with suppress(BrokenPipeError, ConnectionResetError):
            await self._stdin.wait_closed()

    async def _watch(self, exchange: asyncio.Future[Mapping[str, Json]], before_s: float, budget_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget_s * _WALL_FACTOR + _WALL_FLOOR_S
        used_s = 0.0
        while True:
            await asyncio.wait({exchange}, timeout=max(budget_s - used_s, _SHORTEST_LOOK_S))
            if exchange.done():
                return
            used_s = self._cpu_time_s() - before_s
            if used_s >= budget_s:
                raise _too_long(budget_s)
            if loop.time() > deadline:
                raise WorkerCrashedError("worker_stalled", "a worker got no CPU time", is_own_doing=False)

    async def _exchange(self, request: bytes) -> Mapping[str, Json]:
        with suppress(BrokenPipeError, ConnectionResetError):  # it died; reading tells
            self._stdin.write(request)
            await self._stdin.drain()
        return await self._read()

    async def _read(self) -> Mapping[str, Json]:
        try:
            header = await self._stdout.readexactly(HEADER_BYTES)
            body = await self._stdout.readexactly(body_length(header))
        except (asyncio.IncompleteReadError, ConnectionResetError) as error:
            raise EOFError from error
        message: Mapping[str, Json] = json.loads(body)
        return message

    async def _death(self, cpu_budget_s: float) -> InfrastructureError:
        status = await self._process.wait()
        if status == -signal.SIGXCPU:
            return _too_long(cpu_budget_s)
        return _crash(status)

    def _cpu_time_s(self) -> float:
        """CPU time that it has used so far, read from the kernel's clock of that process."""
        try:
            return time.clock_gettime((~self._process.pid << 3) | 2)
        except OSError:  # it is gone; reading tells
            return 0.0


def _crash(status: int) -> WorkerCrashedError:
    cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return WorkerCrashedError("worker_crashed", f"a worker died: {cause}", is_own_doing=-status not in _FROM_OUTSIDE)


def _too_long(cpu_budget_s: float) -> WorkerTimeoutError:
    return WorkerTimeoutError("worker_timeout", f"passed its budget of {cpu_budget_s:g} s of CPU time")


def _environment() -> dict[str, str]:
    """Fixed, so that verdicts do not hang on the caller's environment and no secret of it reaches a worker."""
    fixed = {
        "PATH": os.defpath,
        "LC_ALL": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    if "LD_LIBRARY_PATH" in os.environ:  # the interpreter itself may need it
        fixed["LD_LIBRARY_PATH"] = os.environ["LD_LIBRARY_PATH"]
    return fixed
