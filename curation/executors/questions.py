"""Questions to a model about the samples of a shard: many in flight, in bounded memory, equal ones asked once.

The store knows the answers for later runs, under a key of what is asked and of whom.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from curation.errors import EngineStoppedError
from curation.executors.judging import frames_ahead
from verifier.engines.store import Verdicts
from verifier.errors import JudgeModelError, UnscorableError
from verifier.types import Scored, Verdict

_ASKED_AHEAD = 2
"""Questions in memory, in those that are in flight."""
_WRITTEN_EVERY_S = 1.0
"""What a killed run loses at most: a model's answers are dear, and the store writes many at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A sample to be asked about.

    Args:
        place: in the shard.
        key: of what is asked.
        texts: that the model is given.
        is_audit: the rules have decided; the verdict is only compared with theirs.
    """

    place: int
    key: bytes
    texts: tuple[str, ...]
    is_audit: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sample that waits for an answer."""

    place: int
    is_audit: bool


class Questions(ABC):
    """Asks about the samples of a shard.

    Args:
        verifier: name of the model's verdicts.
        in_flight: requests at once.
        store: of answers that are known; None asks for all.
    """

    def __init__(self, *, verifier: str, in_flight: int, store: Verdicts | None) -> None:
        self._verifier = verifier
        self._store = store
        self._waiting: dict[bytes, list[Waiting]] = {}
        self._known: dict[bytes, Scored] = {}
        self._stored: set[bytes] = set()
        self.recalled = 0
        """Samples about which the store knew."""
        self._room = asyncio.Semaphore(_ASKED_AHEAD * in_flight)
        self._written = time.monotonic()

    @abstractmethod
    def of(self, frame: pl.DataFrame, first: int) -> Sequence[Question]:
        """What to ask about the samples of a frame, whose first one has this place; tells what needs no asking."""

    @abstractmethod
    async def answer(self, texts: tuple[str, ...]) -> Scored:
        """What the model says.

        Raises:
            UnscorableError: the task is at fault.
            JudgeModelError: it says nothing.
        """

    @abstractmethod
    def tell(self, waiting: Waiting, answer: Scored) -> None:
        """Takes the answer for one of the samples that waited for it."""

    async def ask_all(self, frames: Callable[[], Iterable[pl.DataFrame]]) -> None:
        """Reads the shard, and asks as it goes.

        Raises:
            EngineStoppedError: nobody can be asked until someone mends it.
        """
        try:
            await self._ask_all(frames)
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def _ask_all(self, frames: Callable[[], Iterable[pl.DataFrame]]) -> None:
        first = 0
        async with asyncio.TaskGroup() as tasks:
            async for frame in frames_ahead(frames()):
                asked = self.of(frame, first)
                if self._store is not None:
                    stored = self._store.find(list({one.key for one in asked} - self._known.keys()))
                    self._known.update(stored)
                    self._stored.update(stored)
                for one in asked:
                    await self._put(one, tasks)
                first += frame.height

    async def _put(self, one: Question, tasks: asyncio.TaskGroup) -> None:
        if (known := self._known.get(one.key)) is not None:
            self.recalled += one.key in self._stored
            self.tell(Waiting(one.place, one.is_audit), known)
            return
        waiting = self._waiting.setdefault(one.key, [])
        waiting.append(Waiting(one.place, one.is_audit))
        if len(waiting) == 1:
            await self._room.acquire()
            tasks.create_task(self._ask(one))

    async def _ask(self, one: Question) -> None:
        try:
            answer = await self._answered(one)
        finally:
            self._room.release()
        for waiting in self._waiting.pop(one.key):
            self.tell(waiting, answer)
        self._known[one.key] = answer
        if self._store is not None:
            self._store.add([(one.key, answer)])
            if time.monotonic() - self._written >= _WRITTEN_EVERY_S:
                self._store.flush()
                self._written = time.monotonic()

    async def _answered(self, one: Question) -> Scored:
        try:
            return await self.answer(one.texts)
        except UnscorableError as error:
            return Scored(reward=None, verdicts=(Verdict.unscorable(self._verifier, error.reason),))
        except JudgeModelError as error:
            if error.is_lasting:
                raise EngineStoppedError(f"the judge model cannot be asked: {error}") from error
            return Scored(reward=None, verdicts=(Verdict.failed(self._verifier, error.reason),))
