"""Scores that a judge model gives to samples of a shard, for the step ``quality``.

The store has a score as a reward without verdicts, under a key of the judge, the scale and what is scored, and not of
the bound: a changed bound asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from importlib.metadata import version

import polars as pl

from curation.executors.judging import Mask
from curation.executors.questions import Question, Questions, Waiting
from curation.steps.quality import JudgedQuality
from verifier.engines.store import Verdicts, content_key
from verifier.generative.chat import Connections
from verifier.generative.options import JudgeOptions
from verifier.generative.patience import Patience
from verifier.generative.score import ScoreModel
from verifier.types import Outcome, Scored, Verdict


async def score(
    frames: Callable[[], Iterable[pl.DataFrame]],
    wanted: Mask,
    *,
    step: JudgedQuality,
    options: JudgeOptions,
    advance: Callable[[int], None],
    store: Verdicts | None,
    recalled: Callable[[int], None],
    patience: Patience,
) -> pl.DataFrame:
    """The scores of some samples; columns of ``JudgedQuality.answers``, one row for each sample of the shard.

    Args:
        frames: gives the samples of the whole shard.
        wanted: which of them to score.
        step: that asks.
        options: of the judge.
        advance: called with the number of samples just scored.
        store: of scores that are known; None asks for all.
        recalled: called with the number of samples whose scores the store knew.
        patience: with a model that asks to wait.

    Raises:
        EngineStoppedError: nobody can be asked until someone mends it.
    """
    found: dict[int, Scored] = {}
    if wanted.any():
        async with aclosing(Connections(patience)) as connections:
            judge = ScoreModel(step.asks(options), step.range, connections)
            context = f"{step.name} {version('assay')} {step.identity(options)}"
            asking = _Scores(wanted, judge, context, found, advance, store)
            await asking.ask_all(frames)
            recalled(asking.recalled)
        if store is not None:
            store.flush()
    return _frame(found, len(wanted))


class _Scores(Questions):
    def __init__(  # noqa: PLR0917 - one call
        self,
        wanted: Mask,
        judge: ScoreModel,
        context: str,
        found: dict[int, Scored],
        advance: Callable[[int], None],
        store: Verdicts | None,
    ) -> None:
        super().__init__(verifier=JudgedQuality.name, in_flight=judge.in_flight, store=store)
        self._wanted = wanted
        self._judge = judge
        self._context = context
        self._found = found
        self._advance = advance

    async def answer(self, texts: tuple[str, ...]) -> Scored:
        """The score."""
        question, answer = texts
        return Scored(reward=float(await self._judge.score(question=question, answer=answer)), verdicts=())

    def tell(self, waiting: Waiting, answer: Scored) -> None:
        """Keeps it."""
        self._found[waiting.place] = answer
        self._advance(1)

    def of(self, frame: pl.DataFrame, first: int) -> list[Question]:
        """The final answers of the samples that are wanted."""
        here = frame.with_row_index("place", offset=first).filter(pl.Series(self._wanted[first : first + frame.height]))
        asked: list[Question] = []
        for place, prompt, completion in here.select("place", "prompt", "completion").iter_rows():
            answer = self._judge.final_answer(prompt, completion)
            if isinstance(answer, Verdict):
                self.tell(Waiting(place, is_audit=False), Scored(reward=None, verdicts=(answer,)))
                continue
            parts = (prompt, answer)
            asked.append(Question(place=place, key=content_key(self._context, parts), texts=parts))
        return asked


def _frame(found: Mapping[int, Scored], samples: int) -> pl.DataFrame:
    scored = [found.get(place) for place in range(samples)]
    verdicts = [one.verdicts[0] if one is not None and one.verdicts else None for one in scored]
    columns = {
        "score": [None if one is None or one.reward is None else int(one.reward) for one in scored],
        "score_reason": [None if verdict is None else _reason(verdict) for verdict in verdicts],
        "is_failed": [verdict is not None and verdict.outcome is Outcome.FAILED for verdict in verdicts],
    }
    return pl.DataFrame(columns, schema=JudgedQuality.answers)


def _reason(verdict: Verdict) -> str:
    return f"unscorable:{verdict.reason}" if verdict.outcome is Outcome.UNSCORABLE else verdict.reason
