"""A bound on what waits, counted in completions: when it is full, the answer is "try later", at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from verifier.errors import OverloadedError


class Admission:
    """Counts completions, or what else is bounded, in and out; for one event loop.

    Args:
        limit: that may be inside at once.
        unit: what is counted, for messages.
    """

    def __init__(self, limit: int, *, unit: str = "completions") -> None:
        self._limit = limit
        self._unit = unit
        self._inside = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def limit(self) -> int:
        """How many may be inside at once."""
        return self._limit

    @property
    def inside(self) -> int:
        """How many are inside now."""
        return self._inside

    @contextmanager
    def enter(self, count: int) -> Iterator[None]:
        """Counts them in for the block, or refuses at once.

        Raises:
            OverloadedError: there is no room, or others already wait for it.
        """
        if self._waiting or not self._fits(count):
            raise OverloadedError(
                f"{self._inside} {self._unit} are being judged and {count} more would pass the limit "
                f"of {self._limit}; try again later"
            )
        self._inside += count
        try:
            yield
        finally:
            self.release(count)

    async def acquire(self, count: int) -> None:
        """Counts them in as soon as there is room and those who came before are in; ``release`` counts them out.

        More than the limit enter alone, when nothing else is inside.
        """
        if not self._waiting and self._fits(count, is_patient=True):
            self._inside += count
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((count, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._admit_waiting()
            else:
                self.release(count)
            raise

    def release(self, count: int) -> None:
        """Counts out what ``acquire`` counted in."""
        self._inside -= count
        self._admit_waiting()

    def _fits(self, count: int, *, is_patient: bool = False) -> bool:
        return self._inside + count <= self._limit or (is_patient and self._inside == 0)

    def _admit_waiting(self) -> None:
        while self._waiting:
            count, turn = self._waiting[0]
            # Who was cancelled in the queue has not run since, and takes no room.
            if not turn.cancelled():
                if not self._fits(count, is_patient=True):
                    return
                self._inside += count
                turn.set_result(None)
            self._waiting.popleft()
