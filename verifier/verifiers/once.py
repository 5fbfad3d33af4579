"""Equal work of a group done once, and its outcome shared by all who ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(slots=True, eq=False)
class _Shared(Generic[V]):
    work: asyncio.Future[V]
    waiting: int = 0


class Once(Generic[K, V]):
    """Runs a piece of work once for each key; those who ask while it runs share it.

    What failed or was cancelled is forgotten, so that the next to ask tries again. Work goes on while anyone waits for
    it, and is cancelled when nobody does. With a limit, the outcome that was made first is forgotten beyond it.
    """

    def __init__(self, *, limit: int | None = None) -> None:
        self._shared: dict[K, _Shared[V]] = {}
        self._limit = limit

    async def get(self, key: K, start: Callable[[], Awaitable[V]]) -> V:
        """The outcome for this key; ``start`` makes it, if nobody has yet."""
        shared = self._shared.get(key)
        if shared is None:
            # It is awaited below by everyone who shares it, so it cannot belong to one caller's scope.
            self._make_room()
            shared = self._shared[key] = _Shared(work=asyncio.ensure_future(start()))
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.work)
        finally:
            shared.waiting -= 1
            failed = shared.work.done() and (shared.work.cancelled() or shared.work.exception() is not None)
            abandoned = not shared.work.done() and shared.waiting == 0
            if (failed or abandoned) and self._shared.get(key) is shared:
                del self._shared[key]
            if abandoned:
                shared.work.cancel()

    def _make_room(self) -> None:
        if self._limit is not None and len(self._shared) >= self._limit:
            oldest = next((key for key, shared in self._shared.items() if shared.work.done()), None)
            if oldest is not None:
                del self._shared[oldest]
