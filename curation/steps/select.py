"""Step ``select``: which of a group's remaining completions are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import GroupStep, option


@dataclass(frozen=True)
class Select(GroupStep):
    """Keeps all completions of a group, or its few shortest; the others are dropped as ``not_selected``.

    Formula of ``shortest``: rank in the group by (characters, input row, index in the row), all whole numbers, so
    that ties always fall the same way; the first ``count`` stay.

    Args:
        policy: ``all`` or ``shortest``.
        count: how many ``shortest`` keeps.

    Example:
        With ``shortest`` and ``count = 1``, of ``"4"`` and ``"It is 4"`` the second is dropped.

    Source:
        ``all``: DeepSeek-R1 (arXiv 2501.12948 v2), B.3.3, "retain only the correct ones"; ``shortest``:
        Sky-T1-Flash.
    """

    name: ClassVar[str] = "select"
    policy: str = option("all", choices=("all", "shortest"))
    count: int = option(1, least=1)

    def reasons(self, alive: pl.DataFrame) -> pl.Series:
        """By rank in the group."""
        if self.policy == "all":
            return pl.Series("reason", [None] * alive.height, dtype=pl.String)
        ranked = alive.with_row_index("place").sort("chars", "input_row", "completion_index")
        ranked = ranked.with_columns(rank=pl.int_range(pl.len()).over("group_key")).sort("place")
        dropped = pl.when(pl.col("rank") >= self.count).then(pl.lit("not_selected"))
        return ranked.select(dropped.alias("reason"))["reason"]
