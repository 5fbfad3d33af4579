"""Step ``dedup``: equal completions of one prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Fates, GroupStep


@dataclass(frozen=True)
class Dedup(GroupStep):
    """Drops completions that equal an earlier one of their group, character by character; ``duplicate``.

    The first by shard, row and index stays.

    Example:
        Of two completions ``"4"`` the second is dropped; ``"4"`` and ``"4."`` are both kept.

    Source:
        Exact dedup of (problem, solution), as in NVIDIA NeMo-Skills.
    """

    name: ClassVar[str] = "dedup"
    reads: ClassVar[tuple[str, ...]] = ("digest", "id")

    def fates(self, alive: pl.DataFrame) -> Fates:
        """By digests; samples without one have no twin. The id of the twin that stays is the detail."""
        twins = pl.struct("group", "digest")
        is_twin = pl.col("digest").is_not_null() & ~twins.is_first_distinct()
        found = alive.select(
            pl.when(is_twin).then(pl.lit("duplicate")).alias("reason"),
            pl.when(is_twin).then(pl.col("id").first().over("group", "digest")).alias("detail"),
        )
        return Fates(reasons=found["reason"], details=found["detail"])
