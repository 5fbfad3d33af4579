"""Step ``shuffle``: kept samples in a random order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import ArrangeStep, option
from curation.steps.order import mixed, shuffled


@dataclass(frozen=True)
class Shuffle(ArrangeStep):
    """Puts kept samples in an order that follows from ``seed`` and content, whatever shards they stand in.

    Formula: by a hash of ``seed``, the sample's group, and its number among the kept ones of the group; drops nothing.

    Args:
        seed: of the order.

    Example:
        Two runs over the same samples in other files give the same order, another seed gives another.

    Source:
        This project; SplitMix64 as in ``order``.
    """

    name: ClassVar[str] = "shuffle"
    seed: int = option(0, least=0)

    def arranged(self, kept: pl.DataFrame) -> pl.DataFrame:
        """By the hash; ties by place."""
        number = kept.select(pl.int_range(pl.len(), dtype=pl.UInt64).over("group")).to_series().to_numpy()
        hashes = pl.Series("order_", mixed(shuffled(kept["group"], self.seed).to_numpy() ^ number))
        return kept.with_columns(hashes).sort("order_", "place").drop("order_")
