"""Step ``shuffle``: kept samples in a random order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.steps.base import ArrangeStep, option
from curation.steps.order import MOST_SEED, mixed, shuffled

_ORDER = "shuffle_order"


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
    seed: int = option(0, least=0, most=MOST_SEED)

    def marks(self, kept: pl.DataFrame) -> Mapping[str, npt.NDArray[Any]]:
        """The hash."""
        number = kept.select(pl.int_range(pl.len(), dtype=pl.UInt64).over("group")).to_series().to_numpy()
        return {_ORDER: mixed(shuffled(kept["group"], self.seed).to_numpy() ^ number)}

    def arranged(self, kept: pl.DataFrame) -> pl.DataFrame:
        """By the hash; ties by place."""
        # Sorted by numpy, which takes less room.
        order = np.lexsort((kept["place"].to_numpy(), kept[_ORDER].to_numpy()))
        return kept.drop(_ORDER)[order]
