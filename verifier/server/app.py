"""The server's life: engine first, then the port; on a signal not serving, then drained, then gone.

The engine and its processes stand before gRPC starts its threads, and nothing forks after that.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from verifier.bootstrap import open_engine
from verifier.engines.base import Engine
from verifier.errors import InvalidRequestError
from verifier.server.interceptors import ErrorInterceptor
from verifier.server.service import VerifierService
from verifier.settings import Settings
from verifier.wire.bindings import SERVER_OPTIONS, SERVICE_NAME, add_to_server

_LOGGER = logging.getLogger(__name__)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server that listens at ``address``, with the port that it really has."""

    address: str
    server: grpc.aio.Server
    health: health.aio.HealthServicer

    async def drain(self, grace_s: float) -> None:
        """Says NOT_SERVING, lets the calls in flight end for ``grace_s``, then cancels what is left."""
        await self.health.enter_graceful_shutdown()
        await self.server.stop(grace_s)


@asynccontextmanager
async def start_server(engine: Engine, settings: Settings) -> AsyncIterator[RunningServer]:
    """A server over an open engine; stopped at once when the block ends, unless it was drained before.

    Raises:
        InvalidRequestError: the address cannot be listened on.
    """
    server = grpc.aio.server(interceptors=[ErrorInterceptor()], options=SERVER_OPTIONS)
    service = VerifierService(
        engine,
        max_pending_completions=settings.max_pending_completions,
        max_pending_bytes=settings.max_pending_bytes,
    )
    add_to_server(service, server)
    health_service = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    if settings.reflection:
        reflection.enable_server_reflection((SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    address = _listen(server, settings.bind)
    await server.start()
    try:
        for name in ("", SERVICE_NAME):
            await health_service.set(name, health_pb2.HealthCheckResponse.SERVING)
        yield RunningServer(address=address, server=server, health=health_service)
    finally:
        await server.stop(None)


async def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT, then drains; a second signal ends the draining.

    Args:
        settings: of the server and its engine.
        announce: is told the address once the server answers.

    Raises:
        InvalidRequestError: a setting that cannot be used.
    """
    if settings.server:
        raise InvalidRequestError(f"setting server: a server judges itself; leave out {settings.server!r}")
    signals: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, signals.put_nowait, number)
    try:
        async with open_engine(settings) as engine, start_server(engine, settings) as running:
            announce(running.address)
            _LOGGER.info("stopping on %s: calls in flight have %g s", (await signals.get()).name, settings.drain_s)
            await _drain_unless_signalled(running, settings.drain_s, signals)
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def _drain_unless_signalled(
    running: RunningServer, grace_s: float, signals: asyncio.Queue[signal.Signals]
) -> None:
    # Two lone tasks, because the first to end decides.
    drained = asyncio.create_task(running.drain(grace_s))
    signalled = asyncio.create_task(signals.get())
    await asyncio.wait((drained, signalled), return_when=asyncio.FIRST_COMPLETED)
    if not drained.done():
        await running.server.stop(None)
    signalled.cancel()
    await drained


def _listen(server: grpc.aio.Server, bind: str) -> str:
    try:
        port = server.add_insecure_port(bind)
    except RuntimeError as error:
        raise InvalidRequestError(f"setting bind: cannot listen on {bind}; is the port free, the host ours?") from error
    if bind.startswith("unix:"):
        return bind
    return f"{bind.rpartition(':')[0]}:{port}"
