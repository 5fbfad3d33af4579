"""A pool of slots for each toolchain: fair, bounded, and it replaces what was lost.

The retry rule stands here, once for all backends: a job whose runner is lost runs again in a new one. If it takes
that one down too it is the job's own doing; if runners are killed from outside, three attempts are made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from verifier.errors import SandboxError
from verifier.sandbox.base import Job, JobResult
from verifier.sandbox.slot import Slot, close_quietly

ATTEMPTS = 3
RECYCLE_AFTER = 5000
"""Executions after which a runner is replaced, so that nothing a kernel or interpreter leaks can add up."""

OpenSlot = Callable[[str], Awaitable[Slot]]


class SlotPool:
    """At most ``size`` jobs at once, in runners that are kept warm.

    Args:
        size: runners at most.
        open_slot: starts one for a toolchain.
        is_shared: every runner serves every toolchain (``local``), rather than one of its own (``docker``).
    """

    def __init__(self, *, size: int, open_slot: OpenSlot, is_shared: bool) -> None:
        self._open_slot = open_slot
        self._is_shared = is_shared
        self._idle: dict[str, list[Slot]] = {}
        self._permits = asyncio.Semaphore(size)
        self._is_closed = False

    async def run(self, job: Job) -> JobResult:
        """Runs a job when a runner is free, and again if the runner is lost.

        Raises:
            SandboxError: it cannot be run; ``is_own_doing`` if the job took two runners down.
        """
        async with self._permits:
            own_doing = 0
            for attempt in range(ATTEMPTS):
                try:
                    return await self._run_once(job)
                except SandboxError as error:
                    own_doing += error.is_own_doing
                    if not error.is_lost or own_doing > 1 or attempt == ATTEMPTS - 1:
                        raise
            raise SandboxError("sandbox_lost", "no attempt was made")

    async def _run_once(self, job: Job) -> JobResult:
        slot = await self._take(job.toolchain)
        try:
            result = await slot.run(job)
        except SandboxError as error:
            if not error.is_lost:
                self._give_back(job.toolchain, slot)
                raise
            error.is_own_doing = await close_quietly(slot) or error.is_own_doing
            raise
        except BaseException:
            # Cancelled: the program goes with its runner.
            await close_quietly(slot)
            raise
        if slot.executions >= RECYCLE_AFTER or slot.is_spent or self._is_closed:
            await close_quietly(slot)
        else:
            self._give_back(job.toolchain, slot)
        return result

    def _key(self, toolchain: str) -> str:
        return "" if self._is_shared else toolchain

    def _give_back(self, toolchain: str, slot: Slot) -> None:
        self._idle.setdefault(self._key(toolchain), []).append(slot)

    async def _take(self, toolchain: str) -> Slot:
        idle = self._idle.get(self._key(toolchain), [])
        while idle:
            slot = idle.pop()
            if slot.link.is_open():
                return slot
            # It went while nothing ran, so no job is to blame.
            await close_quietly(slot)
        return await self._open(toolchain)

    async def _open(self, toolchain: str) -> Slot:
        if self._is_closed:
            raise SandboxError("sandbox_closed", "the sandbox is closed")
        # One runner too many of another toolchain makes room.
        for slots in self._idle.values():
            if slots and not self._is_shared:
                await close_quietly(slots.pop(0))
                break
        slot = await self._open_slot(toolchain)
        refusal = slot.refusal()
        if refusal:
            await close_quietly(slot)
            raise SandboxError("no_isolation", refusal)
        return slot

    async def warm(self, toolchain: str, count: int) -> None:
        """Starts runners ahead of the first jobs.

        Raises:
            SandboxError: none can be started.
        """
        slots = await asyncio.gather(*(self._open_slot(toolchain) for _ in range(count)), return_exceptions=True)
        failure: BaseException | None = None
        for slot in slots:
            if isinstance(slot, BaseException):
                failure = slot
            elif slot.refusal():
                await close_quietly(slot)
                failure = SandboxError("no_isolation", slot.refusal())
            else:
                self._give_back(toolchain, slot)
        if failure is not None:
            raise failure

    async def probe(self, toolchain: str) -> Slot:
        """A runner to look at; give it back with ``done``.

        Raises:
            SandboxError: none can be started.
        """
        idle = self._idle.get(self._key(toolchain), [])
        return idle.pop() if idle else await self._open_slot(toolchain)

    def done(self, toolchain: str, slot: Slot) -> None:
        """Takes back a runner that ``probe`` gave."""
        self._give_back(toolchain, slot)

    async def aclose(self) -> None:
        """Ends every runner; may be called twice."""
        self._is_closed = True
        for slots in self._idle.values():
            while slots:
                await close_quietly(slots.pop())
