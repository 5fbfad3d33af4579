"""Verdicts that need no waiting, given while a shard is read for its facts, so that its texts are read once less.

What is to be judged is decided when the facts of all shards are known. Where nothing but ``dedup`` stands between the
text steps and ``verify`` that is nearly all that the text steps let through, so as much is judged here. The pass that
asks takes those of these verdicts that it wants, and asks for the others: the output is the same with and without.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
import polars as pl

from curation.executors.judging import Instant, Mask, verdict_frame
from curation.executors.tasks import JUDGEMENTS, decisions
from curation.steps.base import AskStep, GroupStep, Step, TextStep
from curation.steps.verify import Verify
from verifier.engines.base import Engine
from verifier.engines.store import Verdicts
from verifier.types import Scored

EARLY = pl.Schema({**JUDGEMENTS, "is_known": pl.Boolean(), "is_recalled": pl.Boolean()})
"""One row a sample: what the pass that asks would find, whether that is known, and whether the store knew it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtHand:
    """An engine in this process and a store, which jobs in several threads take in turn."""

    engine: Engine
    store: Verdicts | None
    turn: AbstractContextManager[object] = field(default_factory=Lock)


def is_early(steps: Sequence[Step]) -> bool:
    """Whether nearly all that the text steps before ``verify`` let through comes to it."""
    for step in steps:
        if isinstance(step, Verify):
            return True
        if isinstance(step, AskStep) or (isinstance(step, GroupStep) and not step.drops_few):
            return False
    return False


class Early:
    """The verdicts of one shard.

    Args:
        verify: the step that asks.
        steps: of the recipe.
        at_hand: with what to judge.
        config_hash: of the engine.
    """

    def __init__(self, verify: Verify, steps: Sequence[Step], at_hand: AtHand, config_hash: str) -> None:
        self._verify = verify
        self._covers = verify.covers(pl.col("domain"))
        self._before = sum(isinstance(step, TextStep) for step in steps[: steps.index(verify)])
        self._at_hand = at_hand
        self._recalled: set[int] = set()
        self._judge = Instant(
            at_hand.engine,
            recipe=verify.recipe,
            store=at_hand.store,
            config_hash=config_hash,
            recalled=self._recalled.update,
        )
        self._found: dict[int, Scored] = {}
        self._samples = 0

    def look(self, samples: pl.DataFrame, facts: pl.DataFrame) -> None:
        """Judges the samples of the next frame of the shard.

        Args:
            samples: columns of ``rows.SAMPLES``, rewritten.
            facts: of them, columns of ``FACTS``.
        """
        with self._at_hand.turn:
            self._found |= self._judge.at_once(samples, self._wanted(samples, facts), first_place=self._samples)
        self._samples += samples.height

    def answers(self) -> pl.DataFrame:
        """What is known of all samples so far; columns of ``EARLY``."""
        with self._at_hand.turn:
            if self._at_hand.store is not None:
                self._at_hand.store.flush()
        places = np.arange(self._samples)
        return (
            verdict_frame(self._found, self._samples)
            .hstack(decisions(self._verify, self._found, self._samples))
            .with_columns(
                is_known=pl.Series(np.isin(places, list(self._found))),
                is_recalled=pl.Series(np.isin(places, list(self._recalled))),
            )
        )

    def _wanted(self, samples: pl.DataFrame, facts: pl.DataFrame) -> Mask:
        # Tests take long to read, and nothing is known of them without waiting.
        wanted = samples["tests"].is_null() & (facts["text_step"].is_null() | (facts["text_step"] >= self._before))
        if self._covers is not None:
            wanted &= samples.select(self._covers).to_series()
        return wanted.to_numpy()
