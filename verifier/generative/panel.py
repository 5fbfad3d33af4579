"""Votes of a model on one request: each is read strictly, and asked for anew where it cannot be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from verifier.errors import JudgeModelError, UnscorableError
from verifier.generative.chat import ChatModel, Connections, Endpoint, Message
from verifier.generative.options import JudgeOptions, api_key
from verifier.generative.prompts import plain
from verifier.generative.replies import UnreadableReplyError

_MAX_TASK_CHARS = 200_000
_KEPT_CHARS = 20_000
"""Of an unreadable reply that goes back to the judge."""
_CHECK_S = 60.0
_NO_ANSWER = ("judge_truncated", "judge_filtered")
"""What ends a reply of a model that was asked and would answer."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes(Generic[T]):
    """What the votes came to.

    Args:
        said: by those that could be read.
        troubles: of the others.
        needed: a majority of all.
    """

    said: Sequence[T]
    troubles: Sequence[JudgeModelError]
    needed: int


def check_task(*texts: str) -> None:
    """Refuses a task that no model reads.

    Raises:
        UnscorableError: its texts are longer than any does.
    """
    if sum(map(len, texts)) > _MAX_TASK_CHARS:
        raise UnscorableError(
            "task_too_long", f"what the judge must read beside the answer has over {_MAX_TASK_CHARS} characters"
        )


class Panel:
    """As many votes of a model as the options say; for one event loop.

    Args:
        options: what is asked, of whom.
        connections: the caller opens and closes them.

    Raises:
        InvalidRequestError: the key is not there.
    """

    def __init__(self, options: JudgeOptions, connections: Connections) -> None:
        self._options = options
        endpoint = Endpoint(
            url=options.url.rstrip("/"),
            key=api_key(options),
            key_env=options.key_env,
            timeout_s=options.timeout_s,
            in_flight=options.in_flight,
            retries=options.retries,
            busy_s=options.busy_s,
        )
        self._chat = ChatModel(endpoint, connections)
        bound = {"max_tokens": options.max_tokens} if options.max_tokens else {}
        self._fields = {**options.body, "model": options.model, "temperature": options.temperature, **bound}

    async def votes(self, request: str, read: Callable[[str], T], *, again: str) -> Votes[T]:
        """All votes on a request.

        Args:
            request: with all texts fenced.
            read: what a reply says; raises UnreadableReplyError where it does not.
            again: what such a reply is answered with; ``{trouble}`` says why.
        """
        numbers = range(self._options.votes)
        found = await asyncio.gather(*(self._vote(request, read, again, number) for number in numbers))
        return Votes(
            said=[value for value in found if not isinstance(value, JudgeModelError)],
            troubles=[value for value in found if isinstance(value, JudgeModelError)],
            needed=self._options.votes // 2 + 1,
        )

    async def check(self) -> None:
        """Asks for next to nothing, to see whether the model answers.

        Raises:
            JudgeModelError: it does not.
        """
        bound = {"max_tokens": 1} if self._options.max_tokens else {}
        try:
            await self._chat.reply([{"role": "user", "content": "Say yes."}], {**self._fields, **bound})
        except JudgeModelError as error:
            if error.reason not in _NO_ANSWER:
                raise

    async def _vote(self, request: str, read: Callable[[str], T], again: str, number: int) -> T | JudgeModelError:
        try:
            return await self._ask(request, read, again, number)
        except JudgeModelError as error:
            return error

    async def _ask(self, request: str, read: Callable[[str], T], again: str, number: int) -> T:
        request_fields = {**self._fields, "seed": self._options.seed + number}
        first: Message = {"role": "user", "content": request}
        messages = [first]
        tries = 0
        while True:
            reply = await self._chat.reply(messages, request_fields)
            try:
                return read(reply)
            except UnreadableReplyError as error:
                tries += 1
                if tries > self._options.retries:
                    raise JudgeModelError("judge_unreadable", f"the last of {tries} replies: {error}") from error
                # At temperature 0 the same request would have the same reply.
                said: Message = {"role": "assistant", "content": plain(reply[-_KEPT_CHARS:])}
                messages = [first, said, {"role": "user", "content": again.format(trouble=error)}]


async def check_model(options: JudgeOptions) -> None:
    """Whether the model of these options can be asked at all.

    Raises:
        InvalidRequestError: the key is not there.
        JudgeModelError: it does not answer.
    """
    soon = replace(options, timeout_s=min(options.timeout_s, _CHECK_S), retries=0, busy_s=0.0)
    async with aclosing(Connections()) as connections:
        await Panel(soon, connections).check()
