"""Step ``pass_rate``: prompts that are too hard, too easy, or judged too seldom to tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.errors import RecipeError
from curation.steps.base import Fates, GroupStep, option


@dataclass(frozen=True)
class PassRate(GroupStep):
    """Keeps the prompts whose share of right completions lies in a band.

    Reasons: ``too_hard``, ``too_easy``, ``too_few_judged``.

    Formula: with j completions of the prompt that were found right or wrong, in all shards, and r of them right,
    ``min_percent * j <= 100 * r <= max_percent * j``, in whole numbers; UNSCORABLE and FAILED ones, and those that an
    earlier step dropped, do not count. Stands after ``verify``.

    Args:
        min_percent: least share.
        max_percent: greatest share; 100 keeps prompts that are always solved.
        min_judged: least j.

    Example:
        With ``min_percent = 20, max_percent = 80``, a prompt of four completions, all of them right, is dropped as
        ``too_easy``; one with two of four is kept.

    Source:
        open-r1 keeps pass rates of 0.2 to 0.8 (scripts/pass_rate_filtering); the defaults keep all that has one right.
    """

    name: ClassVar[str] = "pass_rate"
    needs_verdicts: ClassVar[bool] = True
    min_percent: int = option(0, least=0, most=100)
    max_percent: int = option(100, least=0, most=100)
    min_judged: int = option(1, least=1)

    def check(self, where: str) -> None:
        """Whether the band holds anything."""
        if self.min_percent > self.max_percent:
            raise RecipeError(f"{where}.min_percent", f"{self.min_percent} is over max_percent, {self.max_percent}")

    def fates(self, alive: pl.DataFrame) -> Fates:
        """By the counts of the group; the value is the share in percent, or how many were judged."""
        judged, right = pl.col("judged").cast(pl.Int64), pl.col("right").cast(pl.Int64)
        reason = (
            pl.when(judged < self.min_judged)
            .then(pl.lit("too_few_judged"))
            .when(100 * right < self.min_percent * judged)
            .then(pl.lit("too_hard"))
            .when(100 * right > self.max_percent * judged)
            .then(pl.lit("too_easy"))
        )
        # One division of two whole numbers, which is the same everywhere; nothing is decided on it.
        value = pl.when(judged < self.min_judged).then(judged).otherwise(100 * right / judged)
        found = alive.select(reason.alias("reason"), value.alias("value"))
        return Fates(reasons=found["reason"], values=found["value"])
