"""Further processes of this machine that do jobs, so that what Python does in them waits for no other thread.

A helper is started by ``exec`` and gets jobs over a socket, one at a time. It ends with the run: when the socket is
closed, or by the kernel where the run is killed.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, nullcontext
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar, cast

from curation.collector import collect_rarely
from curation.errors import AccountingError
from curation.executors.early import AtHand
from curation.executors.jobs import RETRIES, Answered, AskShard, Job, Lost, Means, Site, asks_early, done, given_up
from curation.executors.judging import nobody
from curation.executors.placement import EngineOpener
from verifier.engines.store import VerdictStore
from verifier.lifetime import end_with

T = TypeVar("T")

_SILENCE_S = 3600.0
"""Without a word of a helper at work, before it counts as lost; no job is silent for minutes."""
_END_S = 10.0
_MAIN = "from curation.executors.helpers import main; main()"
_DONE, _RAISED, _JUDGED = "done", "raised", "judged"


class HelperLostError(Exception):
    """The process ended, or said nothing for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What a helper is started with.

    Args:
        open_engine: opens what judges, when the first shard is to be judged; must be a value that can be sent.
        store: file of the verdicts that are known; None knows none.
        judges: whether it may open the engine.
    """

    open_engine: EngineOpener
    store: Path | None
    judges: bool = True


class Helper:
    """A process, for one thread at a time; begins with the first job, or before."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._is_abandoned = False

    @property
    def pid(self) -> int:
        """Of the process; 0 where there is none."""
        return 0 if self._process is None else self._process.pid

    def begin(self) -> None:
        """Starts the process, where there is none."""
        if self._connection is None:
            self._start()

    def do(self, site: Site, job: Job[T]) -> T | Lost:
        """Does a job; see ``Job.run``.

        Raises:
            HelperLostError: each process that tried was lost, though the job concerns no single shard.
        """
        outcome: T | Lost = self._tried(site, job, nobody)
        return outcome

    def ask(self, site: Site, job: AskShard, tell: Callable[[int], None]) -> Answered | Lost:
        """Asks about a shard; see ``AskShard.run``.

        Args:
            site: of the run.
            job: about which.
            tell: called with the number of completions so far, which begins anew with each try.
        """
        outcome: Answered | Lost = self._tried(site, job, tell)
        return outcome

    def close(self) -> None:
        """Ends the process, which is at its end when this returns."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def abandon(self) -> None:
        """Ends the process in the midst of its job, for good; from any thread."""
        self._is_abandoned = True
        if self._process is not None:
            self._process.kill()

    def _tried(self, site: Site, job: Job[Any] | AskShard, tell: Callable[[int], None]) -> Any:  # noqa: ANN401 - the job's
        for tried in range(1 + RETRIES):
            try:
                return self._asked(site, job, tell)
            except HelperLostError as error:
                self._discard()
                if self._is_abandoned:
                    raise
                if tried == RETRIES and job.shard:
                    return Lost(shard=job.shard, error=given_up(str(error)))
                if tried == RETRIES:
                    raise HelperLostError(given_up(str(error))) from error
        raise AccountingError("a job was never tried; this is a bug, please report it")

    def _asked(self, site: Site, job: Job[Any] | AskShard, tell: Callable[[int], None]) -> Any:  # noqa: ANN401 - the job's
        connection = self._connection or self._start()
        judged = 0
        try:
            connection.send((site, job))
            while connection.poll(_SILENCE_S):
                kind, value = connection.recv()
                if kind == _DONE:
                    return value
                if kind == _RAISED:
                    raise value
                judged += value
                tell(judged)
        except (EOFError, ConnectionError) as error:
            raise HelperLostError(self._ended()) from error
        raise HelperLostError(f"it said nothing for {_SILENCE_S:.0f} s")

    def _start(self) -> Connection:
        ours, theirs = socket.socketpair()
        paths = [path or os.getcwd() for path in sys.path]  # noqa: PTH109 - a name on the path, as the others
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _MAIN, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # a Ctrl-C at the terminal is for the command, which then ends this one
            )
        self._connection = Connection(ours.detach())
        self._connection.send(self._equipment)
        return self._connection

    def _ended(self) -> str:
        status = None if self._process is None else self._process.wait(_END_S)
        return f"it ended with status {status}" if status is None or status >= 0 else f"signal {-status} ended it"

    def _discard(self) -> None:
        if self._process is not None:
            self._process.kill()
        self.close()


class _Asking:
    """What a helper asks: an engine and a store, opened on a stack when they are first needed."""

    def __init__(self, equipment: Equipment, connection: Connection, stack: AsyncExitStack) -> None:
        self._equipment = equipment
        self._connection = connection
        self._stack = stack
        self._at_hand: AtHand | None = None

    async def ask(self, site: Site, job: AskShard) -> Answered | Lost:
        at_hand = await self._opened()
        return await job.run(site, Means(engine=at_hand.engine, advance=self._tell, store=at_hand.store))

    async def do(self, site: Site, job: Job[T]) -> T | Lost:
        judges = self._equipment.judges and asks_early(job)
        return done(job, site, await self._opened() if judges else None)

    async def _opened(self) -> AtHand:
        if self._at_hand is None:
            path = self._equipment.store
            store = self._stack.enter_context(nullcontext() if path is None else VerdictStore(path))
            # The other processors have helpers of their own.
            engine = await self._stack.enter_async_context(self._equipment.open_engine(1))
            self._at_hand = AtHand(engine=engine, store=store)
        return self._at_hand

    def _tell(self, count: int) -> None:
        self._connection.send((_JUDGED, count))


async def _serve(connection: Connection) -> None:
    """Does jobs until the socket is closed."""
    async with AsyncExitStack() as stack:
        asking = _Asking(connection.recv(), connection, stack)
        while True:
            try:
                site, job = connection.recv()
                connection.send(await _outcome(asking, site, job))
            except (EOFError, ConnectionError):
                return


async def _outcome(asking: _Asking, site: Site, job: Job[object] | AskShard) -> tuple[str, object]:
    try:
        outcome = await (asking.ask(site, job) if isinstance(job, AskShard) else asking.do(site, job))
    except Exception as error:  # noqa: BLE001 - raised where the job came from
        return _RAISED, _sendable(error)
    return _DONE, outcome


def _sendable(error: Exception) -> Exception:
    try:
        return cast("Exception", pickle.loads(pickle.dumps(error)))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever its constructor makes of what it is given
        return AccountingError(f"{type(error).__name__}: {error}")


def main() -> None:
    """A helper, whose arguments are its end of the socket and the process that it belongs to."""
    descriptor, parent = map(int, sys.argv[1:])
    end_with(parent)
    # What this process starts must not keep the socket open when it is gone.
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - it takes no names
    collect_rarely()
    asyncio.run(_serve(Connection(descriptor)))
