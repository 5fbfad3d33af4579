"""A verdict of a judge model: one or several votes, each read strictly.

What the judge says is CORRECT or INCORRECT. What it does not say, or not as agreed, is never either of them: it is our
failure, with a reason.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from verifier.errors import InvalidRequestError, JudgeModelError, UnknownNameError, UnscorableError
from verifier.generative.chat import ChatModel, Connections, Endpoint, Message, is_address
from verifier.generative.prompts import AGAIN, Template, load_template, plain
from verifier.generative.replies import UnreadableReplyError, verdict_in
from verifier.text.think import opens_reasoning, split_reasoning
from verifier.types import Verdict

NAME = "judge"

_MAX_TASK_CHARS = 200_000
_RESERVED = ("messages", "model", "n", "stream", "seed", "temperature", "max_tokens")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEPT_CHARS = 20_000
"""Of an unreadable reply that goes back to the judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeOptions:
    """Options of a judge model.

    Args:
        url: of an OpenAI-compatible API, up to ``/v1``.
        model: that is asked for there.
        key_env: name of the environment variable that holds the key; empty sends none.
        prompt: name of a template, or path of one with ``{question}``, ``{reference}`` and ``{answer}``.
        votes: asked for each answer, an odd number; the majority decides.
        temperature: of sampling.
        seed: of the first vote; each further one adds 1.
        max_tokens: of a reply; 0 sends no bound, for servers that take another field (see ``body``).
        timeout_s: for one request.
        in_flight: requests at once.
        retries: after trouble that may pass, and after a reply that cannot be read.
        max_answer_chars: longest final answer that is read.
        body: further fields of the request, such as ``chat_template_kwargs``.
    """

    url: str = ""
    model: str = ""
    key_env: str = ""
    prompt: str = "r1"
    votes: int = 1
    temperature: float = 0.0
    seed: int = 0
    max_tokens: int = 4096
    timeout_s: float = 300.0
    in_flight: int = 64
    retries: int = 3
    max_answer_chars: int = 20_000
    body: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


_RANGES: Mapping[str, tuple[float, float]] = {
    "votes": (1, 99),
    "temperature": (0.0, 2.0),
    "seed": (0, 2**31 - 1),
    "max_tokens": (0, 1_000_000),
    "timeout_s": (0.001, 86_400.0),
    "in_flight": (1, 100_000),
    "retries": (0, 100),
    "max_answer_chars": (1, 1_000_000),
}
_EXPECTED: Mapping[type, str] = {str: "a text", int: "a whole number", float: "a number"}


def judge_options(table: Mapping[str, object]) -> JudgeOptions:
    """The options in a table.

    Raises:
        UnknownNameError: an option that does not exist.
        InvalidRequestError: an option with a value that it cannot take; the message names both.
    """
    kinds = {item.name: type(item.default) for item in fields(JudgeOptions) if item.name != "body"}
    values: dict[str, object] = {}
    for name, value in table.items():
        if name == "body":
            values[name] = _body(value)
        elif name in kinds:
            values[name] = _checked(name, value, kinds[name])
        else:
            raise UnknownNameError("option", name, (*kinds, "body"))
    options = JudgeOptions(**values)  # type: ignore[arg-type]  # each value was just checked against its field
    _check(options)
    return options


def _checked(name: str, value: object, kind: type) -> object:
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise InvalidRequestError(f"{name}: expected {_EXPECTED[kind]}, got {value!r}")
    least, most = _RANGES.get(name, (0, 0))
    if isinstance(value, int | float) and not least <= value <= most:
        raise InvalidRequestError(f"{name}: must be from {least:g} to {most:g}, got {value!r}")
    return value


def _body(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidRequestError(f"body: expected a table of fields of the request, got {value!r}")
    for name in value:
        if name in _RESERVED:
            raise InvalidRequestError(f"body.{name}: is set by the judge itself; leave it out")
    try:
        json.dumps(dict(value))
    except TypeError as error:
        raise InvalidRequestError(f"body: cannot be sent as JSON: {error}") from error
    return MappingProxyType(dict(value))


def _check(options: JudgeOptions) -> None:
    for name in ("url", "model"):
        if not getattr(options, name):
            raise InvalidRequestError(f"{name}: is missing; a judge needs the url of its API and the name of its model")
    if "@" in options.url:
        # The url is not shown: it may hold the key.
        raise InvalidRequestError("url: must not hold a user or password; name the key's variable with key_env")
    if not is_address(options.url):
        raise InvalidRequestError(f"url: {options.url!r} is no address such as http://127.0.0.1:8000/v1")
    if options.key_env and not _VARIABLE.fullmatch(options.key_env):
        # The value is not shown: it may be the key itself.
        raise InvalidRequestError("key_env: must be the name of an environment variable, never the key itself")
    key = os.environ.get(options.key_env, "").strip() if options.key_env else "none"
    if not key:
        raise InvalidRequestError(
            f"key_env: the variable {options.key_env} is not set; export it, or leave key_env out"
        )
    if not (key.isascii() and key.isprintable()):
        raise InvalidRequestError(
            f"key_env: the variable {options.key_env} holds signs that no key has; export it again"
        )
    if options.votes % 2 == 0:
        raise InvalidRequestError(f"votes: must be odd, so that there is a majority, got {options.votes}")
    if options.votes > 1 and options.temperature == 0:
        raise InvalidRequestError("votes: at temperature 0 all votes are the same; set temperature, such as 0.6")


class JudgeModel:
    """Judges final answers; for one event loop.

    Args:
        options: what is asked, of whom.
        connections: the caller opens and closes them.

    Raises:
        InvalidRequestError: the template cannot be used.
    """

    def __init__(self, options: JudgeOptions, connections: Connections) -> None:
        self._options = options
        self._template = load_template(options.prompt)
        endpoint = Endpoint(
            url=options.url.rstrip("/"),
            key_env=options.key_env,
            timeout_s=options.timeout_s,
            in_flight=options.in_flight,
            retries=options.retries,
        )
        self._chat = ChatModel(endpoint, connections)
        self._fields = _request_fields(options)

    @property
    def in_flight(self) -> int:
        """Requests at once."""
        return self._options.in_flight

    @property
    def identity(self) -> str:
        """All that its verdicts follow from, as JSON: not where the model answers, nor how long it is waited for."""
        return identity_of(self._options, self._template)

    def final_answer(self, prompt: str, completion: str) -> str | Verdict:
        """The part of a completion that is judged, or the verdict where there is none to judge."""
        return final_answer(prompt, completion, max_chars=self._options.max_answer_chars)

    async def judge(self, *, question: str, reference: str, answer: str) -> Verdict:
        """The verdict on a final answer.

        Raises:
            UnscorableError: question and reference are longer than any model reads.
            JudgeModelError: the judge could not be asked, or did not say which.
        """
        if len(question) + len(reference) > _MAX_TASK_CHARS:
            raise UnscorableError("task_too_long", f"question and reference have over {_MAX_TASK_CHARS} characters")
        request = self._template.filled(question=question, reference=reference, answer=answer)
        votes = await asyncio.gather(*(self._vote(request, number) for number in range(self._options.votes)))
        right, wrong = votes.count(True), votes.count(False)
        needed = self._options.votes // 2 + 1
        if max(right, wrong) < needed:
            raise next(vote for vote in votes if isinstance(vote, JudgeModelError))
        manner = "judged" if max(right, wrong) == self._options.votes else "majority"
        detail = f"{right} of {self._options.votes} votes say correct" if self._options.votes > 1 else ""
        if right >= needed:
            return Verdict.correct(NAME, f"{manner}_correct", detail)
        return Verdict.incorrect(NAME, f"{manner}_incorrect", detail)

    async def _vote(self, request: str, number: int) -> bool | JudgeModelError:
        try:
            return await self._ask(request, number)
        except JudgeModelError as error:
            return error

    async def _ask(self, request: str, number: int) -> bool:
        request_fields = {**self._fields, "seed": self._options.seed + number}
        first: Message = {"role": "user", "content": request}
        messages = [first]
        tries = 0
        while True:
            reply = await self._chat.reply(messages, request_fields)
            try:
                return verdict_in(reply)
            except UnreadableReplyError as error:
                tries += 1
                if tries > self._options.retries:
                    raise JudgeModelError("judge_unreadable", f"the last of {tries} replies: {error}") from error
                # At temperature 0 the same request would have the same reply.
                said: Message = {"role": "assistant", "content": plain(reply[-_KEPT_CHARS:])}
                messages = [first, said, {"role": "user", "content": AGAIN.format(trouble=error)}]


def _request_fields(options: JudgeOptions) -> Mapping[str, object]:
    bound = {"max_tokens": options.max_tokens} if options.max_tokens else {}
    return {**options.body, "model": options.model, "temperature": options.temperature, **bound}


def identity_of(options: JudgeOptions, template: Template | None = None) -> str:
    """All that the verdicts of such a judge follow from, as JSON.

    Raises:
        InvalidRequestError: the template cannot be used.
    """
    template = template or load_template(options.prompt)
    deciding = {
        "model": options.model,
        "template": template.sha256,
        "votes": options.votes,
        "temperature": options.temperature,
        "seed": options.seed,
        "max_tokens": options.max_tokens,
        "max_answer_chars": options.max_answer_chars,
        "body": dict(options.body),
    }
    return json.dumps(deciding, sort_keys=True)


def final_answer(prompt: str, completion: str, *, max_chars: int) -> str | Verdict:
    """What follows the reasoning of a completion; the verdict INCORRECT where that is nothing, or too much.

    An answer that is too long is the completion's own doing, as it is for the other verifiers: if it were our failure,
    padding would get an answer out of being judged.
    """
    answer = split_reasoning(completion, is_opened=opens_reasoning(prompt)).answer
    if answer is None:
        return Verdict.incorrect(NAME, "no_answer", "the reasoning never ends")
    answer = answer.strip()
    if not answer:
        return Verdict.incorrect(NAME, "empty_answer", "nothing follows the reasoning")
    if len(answer) > max_chars:
        return Verdict.incorrect(NAME, "too_long_answer", f"a final answer has at most {max_chars} characters")
    return answer
