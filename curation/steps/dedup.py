"""Step ``dedup``: equal completions of one prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import GroupStep


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
    needs_digest: ClassVar[bool] = True

    def reasons(self, alive: pl.DataFrame) -> pl.Series:
        """By digests; samples without one have no twin."""
        is_twin = pl.col("digest").is_not_null() & ~pl.struct("group_key", "digest").is_first_distinct()
        return alive.select(pl.when(is_twin).then(pl.lit("duplicate")).alias("reason"))["reason"]
