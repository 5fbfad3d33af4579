"""A language model that compares a final answer with a reference answer: DeepSeek-R1's generative reward.

For references that no rule can compare: sentences, explanations, proofs. The reference is that of the verifier
``math``, whose gold answers may be any text. Options: those of ``verifier.generative.options.JudgeOptions``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from verifier.errors import UnscorableError
from verifier.generative.judge import JudgeModel
from verifier.generative.options import judge_options
from verifier.generative.references import reference_text
from verifier.types import Group, MathReference, Verdict
from verifier.verifiers.base import GroupJudge, Options, Tools
from verifier.verifiers.once import Once


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeVerifier:
    """Judges by one model."""

    model: JudgeModel

    async def open_group(self, group: Group) -> GroupJudge:
        """A judge of the group's completions.

        Raises:
            UnscorableError: there is no reference, or none that is a text.
        """
        if group.reference is None:
            raise UnscorableError("no_reference", "give reference.math.answers, which may be any text")
        if not isinstance(group.reference, MathReference):
            raise UnscorableError("wrong_reference_kind", "the verifier judge needs reference.math, not reference.code")
        reference = reference_text(group.reference.answers)
        if not reference:
            raise UnscorableError("no_reference", "reference.math.answers says nothing; give at least one text")
        return _Judge(model=self.model, question=group.prompt, reference=reference)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    model: JudgeModel
    question: str
    reference: str
    once: Once[str, Verdict] = field(default_factory=Once)

    async def verify(self, completion: str) -> Verdict:
        answer = self.model.final_answer(self.question, completion)
        if isinstance(answer, Verdict):
            return answer
        return await self.once.get(
            answer, lambda: self.model.judge(question=self.question, reference=self.reference, answer=answer)
        )


def judge_verifier(options: Options, tools: Tools) -> JudgeVerifier:
    """Makes the verifier.

    Raises:
        UnknownNameError: an option that does not exist.
        InvalidRequestError: an option with a value it cannot take.
    """
    return JudgeVerifier(model=JudgeModel(judge_options(options), tools.connections))
