"""Step ``quality``: a score that came with the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, option


@dataclass(frozen=True)
class Quality(TextStep):
    """Drops samples whose score is too low; made for what no rule can verify.

    The score is the column ``quality_score``, or the one that ``[input.columns] score`` names: of a reward model, a
    judge, or people. Reasons: ``low_score``, the value is the score; ``no_score``: null or NaN. With ``only`` a recipe
    asks it of the general track alone: ``only = "general"``, as ``verify`` there has ``skip = "general"``.

    Args:
        min_score: least score that stays.
        needs_score: whether a sample without a score is dropped.

    Example:
        With ``min_score = 0.7``, a score of 0.65 is dropped and 0.7 is kept.

    Source:
        Filters by reward models and judges, as of AM-DeepSeek-R1-Distilled and Llama-Nemotron; R1 has its 200,000
        non-reasoning samples from a pipeline with people's checks (arXiv 2501.12948 v2, B.3.3). Which column and which
        bound, this project's.
    """

    name: ClassVar[str] = "quality"
    min_score: float = option(0.0)
    needs_score: bool = option(True)  # noqa: FBT003 - the default of an option

    def rules(self) -> Sequence[Rule]:
        """Two bounds."""
        score = pl.col("score").fill_nan(None)
        rules = [Rule(reason="low_score", drops=score < self.min_score, value=score)]
        if self.needs_score:
            rules.insert(0, Rule(reason="no_score", drops=score.is_null()))
        return rules
