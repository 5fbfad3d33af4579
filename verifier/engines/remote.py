"""Judges on a server.

One unary call a group: its answer does not wait for another group's. A server that is away or full is tried again
within the deadline, because judging twice does no harm; what cannot be judged in the end is FAILED, never a reward.
"""

from __future__ import annotations

import asyncio
import random

import grpc
import grpc.aio

from verifier.engines.answers import ENGINE, SERVER, failed_group
from verifier.errors import (
    InfrastructureError,
    InvalidRequestError,
    OverloadedError,
    ServerUnavailableError,
    VerifierError,
)
from verifier.types import EngineInfo, Group, GroupResult
from verifier.wire import codec
from verifier.wire.bindings import CHANNEL_OPTIONS, MAX_MESSAGE_BYTES, GetInfoRequest, Stub, VerifyRequest
from verifier.wire.status import error_from_status
from verifier.wire.unicode import well_formed_group

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 5.0
_INFO_TIMEOUT_S = 30.0


class RemoteEngine:
    """An ``Engine`` that asks a server; for the event loop in which it is made.

    Args:
        address: HOST:PORT.
        deadline_s: for one group in all, with its wait in the server's queue and all retries.
        max_attempts: calls for one group while the server is away. A full server is tried until the deadline.
        max_calls: groups in flight at once; more wait here.
    """

    def __init__(
        self, address: str, *, deadline_s: float = 3600.0, max_attempts: int = 8, max_calls: int = 128
    ) -> None:
        self._address = address
        self._deadline_s = deadline_s
        self._max_attempts = max_attempts
        self._room = asyncio.Semaphore(max_calls)
        self._channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub = Stub(self._channel)
        self._is_closed = False

    async def connect(self, timeout_s: float = 10.0) -> None:
        """Waits until the server answers.

        Raises:
            ServerUnavailableError: it does not within the time, or is no verifier.
        """
        try:
            await self._stub.get_info(GetInfoRequest(), timeout=timeout_s, wait_for_ready=True)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                problem = f"what answers at {self._address} is no verifier.v1; check the address"
            else:
                problem = (
                    f"no server answers at {self._address} within {timeout_s:g} s; check the address, "
                    f"or start one there with: verifier serve --bind {self._address}"
                )
            raise ServerUnavailableError("server_unavailable", problem) from error

    async def verify(self, group: Group) -> GroupResult:
        """Judges one group; see ``Engine``."""
        if self._is_closed:
            raise InvalidRequestError("the engine is closed; open a new one")
        group = well_formed_group(group)
        request = VerifyRequest(groups=[codec.group_to_proto(group)])
        size = request.ByteSize()
        if size > MAX_MESSAGE_BYTES:
            raise InvalidRequestError(f"the group has {size} bytes; at most {MAX_MESSAGE_BYTES} can be sent; split it")
        async with self._room:
            try:
                return await self._verify(group, request)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if self._is_closed and not (task and task.cancelling()):
                    return failed_group(group, ENGINE, "engine_closed", "the engine was closed; judge the group again")
                raise

    async def _verify(self, group: Group, request: VerifyRequest) -> GroupResult:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._deadline_s
        attempt = 0
        while True:
            try:
                response = await self._stub.verify(request, timeout=max(0.0, end - loop.time()))
                return _result_of(response.results, group)
            except grpc.aio.AioRpcError as rpc_error:
                error = error_from_status(
                    rpc_error.code(), rpc_error.details() or "", tuple(rpc_error.trailing_metadata() or ())
                )
            except InfrastructureError as unreadable:
                error = unreadable
            attempt += 1
            pause_s = _pause_s(error, attempt)
            is_last = attempt >= self._max_attempts and not isinstance(error, OverloadedError)
            if pause_s is None or is_last or loop.time() + pause_s >= end:
                return _give_up(group, error)
            await asyncio.sleep(pause_s)

    def at_once(self, group: Group, *, is_well_formed: bool = False) -> GroupResult | None:  # noqa: ARG002 - of the interface
        """Nothing: each group goes over the wire."""
        return None

    async def info(self) -> EngineInfo:
        """What the server is made of.

        Raises:
            ServerUnavailableError: it does not answer.
        """
        try:
            response = await self._stub.get_info(GetInfoRequest(), timeout=_INFO_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            raise ServerUnavailableError("server_unavailable", f"{self._address} does not answer") from error
        return codec.info_from_proto(response)

    async def aclose(self) -> None:
        """Ends all calls; groups in flight are answered FAILED."""
        self._is_closed = True
        await self._channel.close()


def _result_of(results: object, group: Group) -> GroupResult:
    answers = [codec.result_from_proto(message) for message in results]  # type: ignore[attr-defined]
    if len(answers) != 1:
        raise InfrastructureError("answer_unreadable", f"one group was asked, {len(answers)} were answered")
    asked, given = len(group.completions), len(answers[0].scores)
    if given != max(1, asked):
        raise InfrastructureError("answer_unreadable", f"{asked} completions were asked, {given} were answered")
    return GroupResult(id=group.id, scores=answers[0].scores)


def _pause_s(error: VerifierError, attempt: int) -> float | None:
    """Time before the next attempt, or None where none can help."""
    if not isinstance(error, ServerUnavailableError | OverloadedError):
        return None
    longest = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**attempt)
    # Spread, so that the clients that one restart sent away do not all come back at once.
    spread = random.uniform(1.0, 1.5)  # noqa: S311 - no secret depends on it
    return max(longest / 1.5, error.retry_after_s if isinstance(error, OverloadedError) else 0.0) * spread


def _give_up(group: Group, error: VerifierError) -> GroupResult:
    if isinstance(error, ServerUnavailableError):
        # A fixed text: what gRPC says holds addresses and times.
        return failed_group(group, SERVER, "server_unavailable", "the server went away; judge the group again")
    if isinstance(error, InfrastructureError):
        return failed_group(group, SERVER, error.reason, error.detail)
    raise error
