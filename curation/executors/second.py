"""What a judge model says of the samples of a shard that the rules leave to it, and of those in the audit.

A second pass over the shard: the rules have judged, and only what the judge could still turn is asked about. The store
has its verdicts under a key of the judge and not of the rules: a changed judge asks anew, and those of the rules stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version

import polars as pl

from curation.executors.questions import Question, Questions, Waiting
from curation.judge_spec import JudgeSpec
from curation.steps.verify import AUDIT, FORM, Verify, overruled
from verifier.engines.store import Verdicts, content_key
from verifier.generative.chat import Connections
from verifier.generative.judge import JUDGE, JudgeModel
from verifier.generative.options import identity_of
from verifier.generative.patience import Patience
from verifier.generative.references import is_prose_reference, reference_text
from verifier.types import Outcome, Scored, Verdict

_RIGHT = Verdict.correct(JUDGE, "judged_correct")


async def second_opinions(
    frames: Callable[[], Iterable[pl.DataFrame]],
    found: Mapping[int, Scored],
    *,
    spec: JudgeSpec,
    verify: Verify,
    store: Verdicts | None,
    patience: Patience,
) -> dict[int, Verdict]:
    """Place in the shard -> verdict of the judge, or of the audit.

    Args:
        frames: gives the samples of the whole shard.
        found: what the rules found.
        spec: whom to ask, and about what.
        verify: the step that decides.
        store: of verdicts that are known; None asks for all.
        patience: with a model that asks to wait.

    Raises:
        EngineStoppedError: nobody can be asked until someone mends it.
    """
    async with aclosing(Connections(patience)) as connections:
        asking = _Opinions(found, spec, verify, JudgeModel(spec.options, connections), store)
        await asking.ask_all(frames)
        return asking.opinions


class _Opinions(Questions):
    def __init__(
        self,
        found: Mapping[int, Scored],
        spec: JudgeSpec,
        verify: Verify,
        judge: JudgeModel,
        store: Verdicts | None,
    ) -> None:
        super().__init__(verifier=JUDGE, in_flight=judge.in_flight, store=store)
        self.opinions: dict[int, Verdict] = {}
        self._found = found
        self._spec = spec
        self._verify = verify
        self._judge = judge
        self._context = f"{JUDGE} {version('assay')} {identity_of(spec.options)}"
        self._is_prose = lru_cache(1)(is_prose_reference)

    async def answer(self, texts: tuple[str, ...]) -> Scored:
        """The verdict of the judge."""
        question, reference, answer = texts
        verdict = await self._judge.judge(question=question, reference=reference, answer=answer)
        # The detail is not written, and a shard has many.
        return Scored(reward=None, verdicts=(replace(verdict, detail=""),))

    def tell(self, waiting: Waiting, answer: Scored) -> None:
        """Keeps it."""
        [verdict] = answer.verdicts
        self.opinions[waiting.place] = replace(verdict, verifier=AUDIT) if waiting.is_audit else verdict

    def of(self, frame: pl.DataFrame, first: int) -> list[Question]:
        """What the rules leave to the judge, and what is in the audit."""
        places = [place for place in range(first, first + frame.height) if self._may_matter(place)]
        rows = frame[[place - first for place in places]].select("prompt", "answers", "completion")
        asked = (self._question(place, *row) for place, row in zip(places, rows.iter_rows(), strict=True))
        return [one for one in asked if one is not None]

    def _may_matter(self, place: int) -> bool:
        scored = self._found.get(place)
        return scored is not None and (self._spec.audit_percent > 0 or not _is_right(scored))

    def _question(self, place: int, prompt: str, answers: list[str] | None, completion: str) -> Question | None:
        reference = reference_text(answers or ())
        if not reference:
            return None
        scored = self._found[place]
        is_left = self._spec.wants(scored, is_prose=self._is_prose(tuple(answers or ())))
        if is_left and self._verify.decide(overruled(scored, _RIGHT)).reason is not None:
            return None  # its form is wrong, and no verdict on its content could keep it
        if not is_left and (self._spec.audit_percent == 0 or not _is_decided(scored)):
            return None
        answer = self._judge.final_answer(prompt, completion)
        if isinstance(answer, Verdict):
            if is_left:
                self.opinions[place] = replace(answer, detail="")
            return None
        parts = (prompt, reference, answer)
        if not is_left and not self._spec.audits(content_key(AUDIT, parts)):
            return None
        return Question(place=place, key=content_key(self._context, parts), texts=parts, is_audit=not is_left)


def _is_right(scored: Scored) -> bool:
    return all(verdict.outcome is Outcome.CORRECT for verdict in scored.verdicts)


def _is_decided(scored: Scored) -> bool:
    has_content = any(verdict.verifier not in FORM for verdict in scored.verdicts)
    return has_content and all(verdict.score is not None for verdict in scored.verdicts)
