"""Step ``select``: which of a group's remaining completions are kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from curation.errors import RecipeError
from curation.minhash import from_bytes
from curation.steps.base import Fates, GroupStep, groups_of, option
from curation.steps.order import MOST_SEED, mixed, shuffled


@dataclass(frozen=True)
class Select(GroupStep):
    """Keeps all completions of a group, or a few of them; the others are dropped as ``not_selected``.

    Formula: rank in the group, in whole numbers, with the place of shard, row and index as the last tie-break; the
    first ``count`` stay. The rank of ``shortest`` and ``longest`` is by characters; of ``median`` by the distance to
    the middle of the n completions ordered by characters, ``|2 i - (n - 1)|``; of ``random`` by a hash of ``seed``,
    the group and the completion's number in it.

    Args:
        policy: ``all``, ``shortest``, ``longest``, ``median``, ``random`` or ``diverse``.
        count: how many are kept.
        seed: of ``random``.

    Example:
        With ``shortest`` and ``count = 1``, of ``"4"`` and ``"It is 4"`` the second is dropped.

    Source:
        ``all``: DeepSeek-R1 (arXiv 2501.12948 v2), B.3.3, "retain only the correct ones"; ``shortest``:
        Sky-T1-Flash; ``diverse``: farthest-first traversal (Gonzalez: Clustering to minimize the maximum intercluster
        distance, 1985).
    """

    name: ClassVar[str] = "select"
    policy: str = option("all", choices=("all", "shortest", "longest", "median", "random", "diverse"))
    count: int = option(1, least=1)
    seed: int = option(0, least=0, most=MOST_SEED)

    def check(self, where: str) -> None:
        """Whether a count has something to count."""
        if self.policy == "all" and self.count != 1:
            raise RecipeError(
                f"{where}.policy", f'all are kept, and not {self.count}; give a policy, such as "shortest"'
            )

    def reads(self) -> Collection[str]:
        """Signatures, where texts are compared."""
        return ("near",) if self.policy == "diverse" else ()

    def fates(self, alive: pl.DataFrame) -> Fates:
        """By rank in the group; the rank, from 1, is the value."""
        if self.policy == "all":
            return Fates(reasons=pl.Series("reason", [None] * alive.height, dtype=pl.String))
        placed = alive.select("group", "chars", "place")
        if self.policy == "diverse":
            placed = placed.with_columns(rank_by=_farthest_first(alive, self.count))
        elif self.policy == "random":
            number = placed.select(number=pl.int_range(pl.len(), dtype=pl.UInt64).over("group"))["number"].to_numpy()
            scattered = mixed(shuffled(placed["group"], self.seed).to_numpy() ^ number)
            placed = placed.with_columns(rank_by=pl.Series(scattered))
        else:
            chars = pl.col("chars").cast(pl.Int64)
            placed = placed.with_columns(rank_by=-chars if self.policy == "longest" else chars)
        ranked = _ranked(placed)
        if self.policy == "median":
            middle = (2 * pl.col("rank") - pl.len().over("group") + 1).abs()
            ranked = _ranked(ranked.with_columns(rank_by=middle))
        ranked = ranked.sort("place")
        dropped = pl.when(pl.col("rank") >= self.count).then(pl.lit("not_selected"))
        return Fates(reasons=ranked.select(dropped.alias("reason"))["reason"], values=ranked["rank"] + 1)


def _ranked(placed: pl.DataFrame) -> pl.DataFrame:
    ordered = placed.sort("rank_by", "place")
    return ordered.with_columns(rank=pl.int_range(pl.len(), dtype=pl.Int64).over("group"))


def _farthest_first(alive: pl.DataFrame, count: int) -> pl.Series:
    """The order in which the completions of each group are taken; ``count`` for those that are not."""
    marks = from_bytes(alive["near"], np.uint8)
    chars = alive["chars"].to_numpy()
    ranks = np.full(alive.height, count, np.int64)
    for _, places in groups_of(alive["group"]):
        order = places[np.lexsort((places, chars[places]))]
        if len(order) <= count:
            ranks[order] = np.arange(len(order))
            continue
        nearest = np.zeros(len(order), np.int64)
        is_left = np.ones(len(order), np.bool_)
        for rank in range(count):
            # Shortest first among equals, as the order is by length and argmin takes the first.
            taken = int(np.argmin(np.where(is_left, nearest, marks.shape[1] + 1)))
            ranks[order[taken]] = rank
            is_left[taken] = False
            nearest = np.maximum(nearest, np.count_nonzero(marks[order] == marks[order[taken]], axis=1))
    return pl.Series(ranks)
