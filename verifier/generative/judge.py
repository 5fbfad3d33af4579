"""A verdict of a judge model: one or several votes, each read strictly.

What the judge says is CORRECT or INCORRECT. What it does not say, or not as agreed, is never either of them: it is our
failure, with a reason.
"""

from __future__ import annotations

from verifier.generative.chat import Connections
from verifier.generative.options import JudgeOptions
from verifier.generative.panel import Panel, check_task
from verifier.generative.prompts import AGAIN, load_template
from verifier.generative.replies import verdict_in
from verifier.text.think import opens_reasoning, split_reasoning
from verifier.types import Verdict

JUDGE = "judge"


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
        self._panel = Panel(options, connections)

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
        check_task(question, reference)
        request = self._template.filled(question=question, reference=reference, answer=answer)
        votes = await self._panel.votes(request, verdict_in, again=AGAIN)
        right, wrong = votes.said.count(True), votes.said.count(False)
        if max(right, wrong) < votes.needed:
            raise votes.troubles[0]
        manner = "judged" if max(right, wrong) == self._options.votes else "majority"
        detail = f"{right} of {self._options.votes} votes say correct" if self._options.votes > 1 else ""
        if right >= votes.needed:
            return Verdict.correct(JUDGE, f"{manner}_correct", detail)
        return Verdict.incorrect(JUDGE, f"{manner}_incorrect", detail)


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
