"""Where the parts are put together: settings in, an open engine out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from verifier.engines.base import Engine
from verifier.errors import InvalidRequestError
from verifier.settings import Settings


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[Engine]:
    """An engine that is closed, with every process it started, when the block ends.

    Args:
        settings: with ``server`` it is a ``RemoteEngine``, else a ``LocalEngine``.

    Raises:
        InvalidRequestError: a setting or recipe that cannot be used.
        ServerUnavailableError: the server cannot be reached.
    """
    raise InvalidRequestError(f"no engine yet for {settings.server or 'this process'}")
    yield
