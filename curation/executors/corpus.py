"""Decisions over all shards at once, on facts and verdicts alone, in the order of the recipe.

Facts of all shards stand one after the other, so a sample's place in them is a total order, and every tie falls the
same way. The steps before ``verify`` say what is to be judged, those after it what is kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import polars as pl

from curation.errors import AccountingError
from curation.executors.annotate import NOT_READ
from curation.executors.ledger import Ledger, scattered
from curation.facts import FACTS, JUDGED
from curation.steps import READ
from curation.steps.base import GroupStep, Step
from curation.steps.verify import Verify

DECISIONS = pl.Schema({"verify_reason": pl.String, "is_failed": pl.Boolean, "is_right": pl.Boolean})
"""What ``verify`` makes of a sample: why it is dropped, and whether it is right, wrong, or was not found to be either
(null)."""


class Corpus:
    """The facts of all shards, and what has become of their samples so far."""

    def __init__(self, facts: Sequence[pl.DataFrame], steps: Sequence[Step]) -> None:
        self._ends = list(accumulate((frame.height for frame in facts), initial=0))
        self._facts = pl.concat([pl.DataFrame(schema=FACTS), *facts])
        self._steps = steps
        self._ledger = Ledger(self._facts.height)
        self._verify = next((number for number, step in enumerate(steps) if isinstance(step, Verify)), None)

    def decide_before_verdicts(self) -> None:
        """Does the steps that stand before ``verify``; all where there is none."""
        self._decide(0, len(self._steps) if self._verify is None else self._verify)

    def decide_after(self, decisions: Sequence[pl.DataFrame]) -> None:
        """Does ``verify``, and the steps that stand after it.

        Args:
            decisions: of each shard, with the columns of ``DECISIONS``.
        """
        if self._verify is None:
            return
        made = pl.concat([pl.DataFrame(schema=DECISIONS), *(frame.select(list(DECISIONS)) for frame in decisions)])
        if made.height != self._facts.height:
            raise AccountingError(f"{made.height} decisions for {self._facts.height} samples")
        self._ledger.drop(self._steps[self._verify].name, made["verify_reason"], is_failed=made["is_failed"])
        is_right = pl.col("is_right")
        counts = (is_right.is_not_null().sum().over("group_key"), is_right.sum().over("group_key"))
        self._facts = self._facts.with_columns(made["is_right"]).with_columns(
            expression.cast(dtype).alias(name) for expression, (name, dtype) in zip(counts, JUDGED.items(), strict=True)
        )
        self._decide(self._verify + 1, len(self._steps))

    def alive(self) -> list[pl.Series]:
        """Of each shard, which samples no step has dropped."""
        alive = self._ledger.alive()
        return [alive.slice(start, end - start) for start, end in pairwise(self._ends)]

    def parts(self) -> Iterator[tuple[pl.DataFrame, Ledger]]:
        """Of each shard, its facts and fates."""
        for start, end in pairwise(self._ends):
            yield self._facts.slice(start, end - start), self._ledger.part(start, end - start)

    def _decide(self, first: int, stop: int) -> None:
        for number in range(first, stop):
            step = self._steps[number]
            if isinstance(step, GroupStep):
                self._drop_texts(before=number)
                alive = self._ledger.alive()
                self._ledger.drop(step.name, scattered(step.reasons(self._facts.filter(alive)), alive))
        self._drop_texts(before=stop)

    def _drop_texts(self, *, before: int) -> None:
        """Drops by all text steps before a step at once; those that stand before an earlier one were told then."""
        names = {NOT_READ: READ} | {number: step.name for number, step in enumerate(self._steps)}
        number = pl.col("text_step")
        told = self._facts.select(
            pl.when(number < before).then("text_reason").alias("reason"),
            number.replace_strict(list(names), list(names.values()), return_dtype=pl.String).alias("step"),
        )
        self._ledger.drop(told["step"], told["reason"])
