"""A score of a judge model: a whole number on a scale, the median of one or several votes, each read strictly.

It is given to an answer by itself, where there is no reference to hold it against. What the judge does not say, or not
as agreed, is no score: it is our failure, with a reason.
"""

from __future__ import annotations

from functools import partial

from verifier.generative.chat import Connections
from verifier.generative.judge import final_answer
from verifier.generative.options import JudgeOptions, Scale
from verifier.generative.panel import Panel, check_task
from verifier.generative.prompts import SCORE_AGAIN, SCORING, load_template
from verifier.generative.replies import score_in
from verifier.types import Verdict


class ScoreModel:
    """Scores final answers; for one event loop.

    Args:
        options: what is asked, of whom; ``prompt`` is the template of a score.
        scale: of the scores.
        connections: the caller opens and closes them.

    Raises:
        InvalidRequestError: the template cannot be used, or the key is not there.
    """

    def __init__(self, options: JudgeOptions, scale: Scale, connections: Connections) -> None:
        self._options = options
        self._words = {"least": str(scale.least), "most": str(scale.most)}
        self._read = partial(score_in, least=scale.least, most=scale.most)
        self._template = load_template(options.prompt, SCORING)
        self._panel = Panel(options, connections)

    @property
    def in_flight(self) -> int:
        """Requests at once."""
        return self._options.in_flight

    def final_answer(self, prompt: str, completion: str) -> str | Verdict:
        """The part of a completion that is scored, or the verdict INCORRECT where there is none to score."""
        return final_answer(prompt, completion, max_chars=self._options.max_answer_chars)

    async def score(self, *, question: str, answer: str) -> int:
        """The median of the votes that can be read; of two in the middle the lower.

        Raises:
            UnscorableError: the question is longer than any model reads.
            JudgeModelError: the judge could not be asked, or most votes cannot be read.
        """
        check_task(question)
        request = self._template.filled(question=question, answer=answer, **self._words)
        again = SCORE_AGAIN.replace("{least}", self._words["least"]).replace("{most}", self._words["most"])
        votes = await self._panel.votes(request, self._read, again=again)
        if len(votes.said) < votes.needed:
            raise votes.troubles[0]
        return sorted(votes.said)[(len(votes.said) - 1) // 2]
