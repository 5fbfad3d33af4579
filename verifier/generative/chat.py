"""One OpenAI-compatible endpoint of chat completions (vLLM, SGLang, ...): bounded, patient, and plain about trouble.

What passes is tried again: no connection, a timeout, a server's error, an answer that is none. A server that is busy
(429, or 503 with ``Retry-After``) holds back all requests, for as long as it says, and that costs no try; but when it
has said nothing else for ``busy_s``, requests fail that it answers so.
"""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import httpx2
import orjson

from verifier.errors import JudgeModelError
from verifier.generative.patience import Patience

_CONNECT_S = 20.0
_MAX_BODY_BYTES = 8 << 20
_SHOWN_CHARS = 200
_BACKOFF_S = 0.5
_BUSY_PAUSE_S = 1.0
"""Of the first wait for a server that does not say how long."""
_MAX_PAUSE_S = 60.0
_OK = 200
_PASSING = frozenset({408, 409, 425, 500, 502, 503, 504, 520, 522, 524, 529})
_BUSY = 429
_UNAVAILABLE = 503
_REFUSED_KEY = frozenset({401, 403})
_ABSENT = 404

Message = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model answers, and how long it is waited for.

    Args:
        url: up to ``/v1``.
        key: that is sent; empty sends none.
        key_env: name of the variable that it came from, for messages.
        timeout_s: for one request in all.
        in_flight: requests at once.
        retries: after trouble that may pass.
        busy_s: for which it may say that it is busy.
    """

    url: str
    key: str = field(default="", repr=False)
    key_env: str = ""
    timeout_s: float = 300.0
    in_flight: int = 64
    retries: int = 3
    busy_s: float = 900.0


class Connections:
    """The HTTP client of an event loop, opened when it is first needed.

    Args:
        patience: with endpoints that ask to wait; None for what these connections are used for alone.
    """

    def __init__(self, patience: Patience | None = None) -> None:
        self.patience = patience or Patience()
        self._client: httpx2.AsyncClient | None = None

    @property
    def client(self) -> httpx2.AsyncClient:
        """The client; bounded by those who use it, and by no more."""
        if self._client is None:
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
            timeout = httpx2.Timeout(None, connect=_CONNECT_S)
            self._client = httpx2.AsyncClient(limits=limits, timeout=timeout, follow_redirects=False)
        return self._client

    async def aclose(self) -> None:
        """Closes all connections; may be called twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


class _PassingError(Exception):
    """Trouble that may pass; ``error`` is what it comes to if it does not.

    Args:
        pause_s: for which the server asks to wait; None where it does not.
        busy: status by which the server says that it is busy; 0 where it does not.
    """

    def __init__(self, error: JudgeModelError, *, pause_s: float | None = None, busy: int = 0) -> None:
        self.error = error
        self.pause_s = pause_s
        self.busy = busy
        super().__init__(str(error))


class ChatModel:
    """Asks one endpoint; for one event loop.

    Args:
        endpoint: where.
        connections: the caller opens and closes them.
    """

    def __init__(self, endpoint: Endpoint, connections: Connections) -> None:
        self._endpoint = endpoint
        self._connections = connections
        self._slots = asyncio.Semaphore(endpoint.in_flight)
        self._resume_at = 0.0

    async def reply(self, messages: Sequence[Message], body: Mapping[str, object]) -> str:
        """The text with which the model answers these messages.

        Args:
            messages: the conversation.
            body: the other fields of the request, ``model`` among them.

        Raises:
            JudgeModelError: it did not answer, also not when asked again.
        """
        content = orjson.dumps({**body, "messages": [dict(message) for message in messages], "n": 1, "stream": False})
        async with self._slots:
            tries = 0
            busy: list[float] = []
            while True:
                await self._wait_for_room()
                try:
                    return await self._ask(content)
                except _PassingError as trouble:
                    if trouble.busy:
                        busy.append(time.monotonic())
                        self._hold_back(trouble, busy)
                        continue
                    tries += 1
                    if tries > self._endpoint.retries:
                        raise trouble.error from trouble
                    pause_s = _BACKOFF_S * 2 ** (tries - 1) if trouble.pause_s is None else trouble.pause_s
                    await asyncio.sleep(min(pause_s, _MAX_PAUSE_S))

    def _hold_back(self, trouble: _PassingError, busy: Sequence[float]) -> None:
        """Has all requests wait for a busy server.

        Args:
            trouble: what it says.
            busy: when it said so to this request, each time.

        Raises:
            JudgeModelError: it has said nothing else for too long, or nothing else to this request.
        """
        now, endpoint, patience = busy[-1], self._endpoint, self._connections.patience
        left_s = min(patience.since(endpoint.url, now), busy[0]) + endpoint.busy_s - now
        if left_s <= 0:
            raise trouble.error from trouble
        # What asks to be asked again at once would be asked without a pause.
        pause_s = trouble.pause_s or min(_BUSY_PAUSE_S * 2 ** (len(busy) - 1), _MAX_PAUSE_S)
        # The last time is when patience ends, also where the server asks for more.
        self._resume_at = max(self._resume_at, now + min(pause_s, left_s))
        patience.told(
            f"{endpoint.url} answers HTTP {trouble.busy} and asks to wait; what it still does not answer in "
            f"{left_s:.0f} s is FAILED"
        )

    async def _wait_for_room(self) -> None:
        # The moment may be put off while this waits for it.
        while (left_s := self._resume_at - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)

    async def _ask(self, content: bytes) -> str:
        key = self._endpoint.key
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        url = f"{self._endpoint.url}/chat/completions"
        try:
            async with (
                asyncio.timeout(self._endpoint.timeout_s),
                self._connections.client.stream("POST", url, content=content, headers=headers) as response,
            ):
                answer = await _bounded(response)
        except (TimeoutError, httpx2.TimeoutException) as error:
            detail = f"no answer within {self._endpoint.timeout_s:g} s"
            raise _PassingError(JudgeModelError("judge_timeout", detail)) from error
        except httpx2.ConnectError as error:
            detail = f"nothing answers at {self._endpoint.url}: {error}"
            raise _PassingError(JudgeModelError("judge_unreachable", detail, is_lasting=True)) from error
        except httpx2.InvalidURL as error:
            raise JudgeModelError("judge_unreachable", f"{url} is no address: {error}", is_lasting=True) from error
        except httpx2.HTTPError as error:
            detail = f"the connection was lost: {error or type(error).__name__}"
            raise _PassingError(JudgeModelError("judge_connection_lost", detail)) from error
        if not _is_busy(response):
            self._connections.patience.answered(self._endpoint.url)
        if response.status_code != _OK:
            shown = answer.decode("utf-8", "replace")[:_SHOWN_CHARS]
            _raise_for(response, shown.replace(key, "...") if key else shown, self._endpoint.key_env)
        return _text_of(answer)


async def _bounded(response: httpx2.Response) -> bytes:
    answer = bytearray()
    async for chunk in response.aiter_bytes():
        answer += chunk
        if len(answer) > _MAX_BODY_BYTES:
            raise _PassingError(JudgeModelError("judge_bad_response", f"the answer has over {_MAX_BODY_BYTES} bytes"))
    return bytes(answer)


def _is_busy(response: httpx2.Response) -> bool:
    status, has_pause = response.status_code, _retry_after(response.headers.get("retry-after")) is not None
    return status == _BUSY or (status == _UNAVAILABLE and has_pause)


def _raise_for(response: httpx2.Response, shown: str, key_env: str) -> None:
    status = response.status_code
    detail = f"HTTP {status}: {shown}"
    pause_s = _retry_after(response.headers.get("retry-after"))
    if _is_busy(response):
        raise _PassingError(JudgeModelError(f"judge_busy_{status}", detail), pause_s=pause_s, busy=status)
    if status in _PASSING:
        raise _PassingError(JudgeModelError("judge_error", detail), pause_s=pause_s)
    if status in _REFUSED_KEY:
        remedy = f"look at the key in the variable {key_env}" if key_env else "name the key's variable with key_env"
        raise JudgeModelError("judge_unauthorized", f"{remedy}; {detail}", is_lasting=True)
    if status == _ABSENT:
        raise JudgeModelError("judge_not_found", f"look at url and model; {detail}", is_lasting=True)
    raise JudgeModelError("judge_refused", detail)


def _retry_after(value: str | None) -> float | None:
    """Seconds, from a number or a date; None where it says nothing that can be used."""
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except ValueError:
            return None
    # A NaN is no wait either.
    return max(seconds, 0.0) if seconds < float("inf") else None


def _text_of(answer: bytes) -> str:
    """The one text of a chat completion.

    Raises:
        JudgeModelError: it was cut off, or withheld.
        _PassingError: it is no chat completion.
    """
    try:
        completion = orjson.loads(answer)
        choices = completion["choices"]
        choice = choices[0]
        finish, text = choice["finish_reason"], choice["message"]["content"]
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError) as error:
        shown = answer[:_SHOWN_CHARS].decode("utf-8", "replace")
        raise _PassingError(JudgeModelError("judge_bad_response", f"not a chat completion: {shown}")) from error
    if finish == "length":
        raise JudgeModelError("judge_truncated", "the reply passed max_tokens before its verdict; give more")
    if finish == "content_filter":
        raise JudgeModelError("judge_filtered", "the server withheld the reply")
    if finish != "stop" or not isinstance(text, str) or len(choices) != 1:
        raise _PassingError(
            JudgeModelError("judge_bad_response", f"a completion that ended by {finish!r}, without one text")
        )
    return text
