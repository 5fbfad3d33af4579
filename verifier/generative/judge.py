"""A verdict of a judge model: one or several votes, each read strictly.

What the judge says is CORRECT or INCORRECT. What it does not say, or not as agreed, is never either of them: it is our
failure, with a reason.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from verifier.errors import JudgeModelError, UnscorableError
from verifier.generative.chat import ChatModel, Connections, Endpoint, Message
from verifier.generative.options import JudgeOptions, api_key
from verifier.generative.prompts import AGAIN, load_template, plain
from verifier.generative.replies import UnreadableReplyError, verdict_in
from verifier.text.think import opens_reasoning, split_reasoning
from verifier.types import Verdict

JUDGE = "judge"

_MAX_TASK_CHARS = 200_000
_KEPT_CHARS = 20_000
"""Of an unreadable reply that goes back to the judge."""


class JudgeModel:
    """Judges final answers; for one event loop.

    Args:
        options: what is asked, of whom.
        connections: the caller opens and closes them.

    Raises:
        InvalidRequestError: the template cannot be used, or the key is not there.
    """

    def __init__(self, options: JudgeOptions, connections: Connections) -> None:
        self._options = options
        self._template = load_template(options.prompt)
        endpoint = Endpoint(
            url=options.url.rstrip("/"),
            key=api_key(options),
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
            return Verdict.correct(JUDGE, f"{manner}_correct", detail)
        return Verdict.incorrect(JUDGE, f"{manner}_incorrect", detail)

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


def final_answer(prompt: str, completion: str, *, max_chars: int) -> str | Verdict:
    """What follows the reasoning of a completion; the verdict INCORRECT where that is nothing, or too much.

    An answer that is too long is the completion's own doing, as it is for the other verifiers: if it were our failure,
    padding would get an answer out of being judged.
    """
    answer = split_reasoning(completion, is_opened=opens_reasoning(prompt)).answer
    if answer is None:
        return Verdict.incorrect(JUDGE, "no_answer", "the reasoning never ends")
    answer = answer.strip()
    if not answer:
        return Verdict.incorrect(JUDGE, "empty_answer", "nothing follows the reasoning")
    if len(answer) > max_chars:
        return Verdict.incorrect(JUDGE, "too_long_answer", f"a final answer has at most {max_chars} characters")
    return answer
