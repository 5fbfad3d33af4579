"""The methods of ``VerifierService``: messages in, the engine asked, messages out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

from verifier.engines.admission import Admission
from verifier.engines.base import Engine
from verifier.errors import InvalidRequestError
from verifier.types import Group, GroupResult
from verifier.wire import codec
from verifier.wire.bindings import (
    Context,
    GetInfoRequest,
    GetInfoResponse,
    Servicer,
    VerifyRequest,
    VerifyResponse,
    VerifyStreamRequest,
    VerifyStreamResponse,
)

_STREAMS = 4
"""One stream may fill one in this many of all places, so it cannot shut the others out."""


class VerifierService(Servicer):
    """Answers the calls.

    Args:
        engine: judges.
        max_pending_completions: that all calls together may have in the engine.
        max_pending_bytes: of messages, likewise.
    """

    def __init__(self, engine: Engine, *, max_pending_completions: int, max_pending_bytes: int) -> None:
        self._engine = engine
        self._admission = Admission(max_pending_completions)
        self._memory = Admission(max_pending_bytes, unit="bytes")

    async def Verify(  # noqa: N802 - the proto's name
        self, request: VerifyRequest, _context: Context
    ) -> VerifyResponse:
        """Judges a batch, or refuses all of it at once."""
        groups = [codec.group_from_proto(message) for message in request.groups]
        places = sum(self._places(group) for group in groups)
        if places > self._admission.limit:
            raise InvalidRequestError(
                f"groups: {places} completions in one call; give at most {self._admission.limit}, or use VerifyStream"
            )
        with self._admission.enter(places), self._memory.enter(request.ByteSize()):
            async with asyncio.TaskGroup() as tasks:
                works = [tasks.create_task(self._engine.verify(group)) for group in groups]
        return VerifyResponse(results=[codec.result_to_proto(work.result()) for work in works])

    async def VerifyStream(  # noqa: N802 - the proto's name
        self, requests: AsyncIterator[VerifyStreamRequest], context: Context
    ) -> None:
        """Judges groups as they come; reads no further while there is no room."""
        window = Admission(max(1, self._admission.limit // _STREAMS))
        writing = asyncio.Lock()  # one message at a time may be written to a call

        async def answer(work: asyncio.Task[GroupResult]) -> None:
            message = VerifyStreamResponse(result=codec.result_to_proto(await work))
            async with writing:
                await context.write(message)

        async with asyncio.TaskGroup() as tasks:
            async for request in requests:
                group = codec.group_from_proto(request.group)
                places, size = self._places(group), request.ByteSize()
                # The window counts what is not yet written: who does not read is not read from.
                await window.acquire(places)
                await self._admission.acquire(places)
                try:
                    await self._memory.acquire(size)
                except asyncio.CancelledError:
                    self._admission.release(places)
                    raise
                work = tasks.create_task(self._engine.verify(group))
                # Callbacks, because a task that is cancelled before it starts runs no finally.
                work.add_done_callback(partial(_release, self._admission, places))
                work.add_done_callback(partial(_release, self._memory, size))
                written = tasks.create_task(answer(work))
                written.add_done_callback(partial(_release, window, places))

    async def GetInfo(  # noqa: N802 - the proto's name
        self, _request: GetInfoRequest, _context: Context
    ) -> GetInfoResponse:
        """What the engine is made of."""
        return codec.info_to_proto(await self._engine.info())

    def _places(self, group: Group) -> int:
        """Completions to count: none for a group that the engine answers in place because it can never enter."""
        count = len(group.completions)
        return count if count <= self._admission.limit else 0


def _release(admission: Admission, places: int, _task: asyncio.Task[object]) -> None:
    admission.release(places)
