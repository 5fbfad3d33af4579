"""Step ``dedup_prompts``: prompts that come again, in the same words or nearly so."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from curation.minhash import clusters, from_bytes
from curation.steps.base import Fates, GroupStep, option

_ALL = 100


@dataclass(frozen=True)
class DedupPrompts(GroupStep):
    """Drops all completions of prompts that repeat an earlier prompt; the first by shard and row stays.

    Reasons: ``equal_prompt``: the text is that of another group, which has another id or reference. ``near_prompt``:
    the prompt is in the cluster of an earlier one, where links of a cluster are pairs with at least
    ``similarity_percent`` of their runs of five words in common, by the estimate of ``curation.minhash`` with 128
    bins (short prompts only where they are equal but for case, spaces, dollars and the last full stop), and the same
    numbers in the same order: with other numbers it is another problem. The detail is the ``group_id`` of the prompt
    that stays, the value the estimate to it in percent, which is lower where a chain links the two.

    Args:
        similarity_percent: 100 drops equal ones alone.

    Example:
        "Find the sum of the first ten odd numbers, please." and the same with "Compute" are one at 60; two problems on
        one theorem are two, and so are those that differ in a number.

    Source:
        MinHash with a threshold of 80 %: Lee et al., Deduplicating training data makes language models better (arXiv
        2107.06499); signatures: ``curation.minhash``.
    """

    name: ClassVar[str] = "dedup_prompts"
    similarity_percent: int = option(80, least=1, most=_ALL)

    def reads(self) -> Collection[str]:
        """Hashes of prompts, and signatures where near ones count."""
        return ("prompt",) if self.similarity_percent == _ALL else ("prompt", "prompt_near")

    def fates(self, alive: pl.DataFrame) -> Fates:
        """Group by group: by the hash of the prompt, then by clusters of signatures."""
        placed = alive.select("group", "prompt").with_row_index("place")
        groups = placed.group_by("group", maintain_order=True).first()
        first = groups.select(pl.col("group").first().over("prompt").alias("twin")).to_series()
        groups = groups.with_columns(twin=first, percent=pl.lit(100.0), reason=pl.lit("equal_prompt"))
        if self.similarity_percent < _ALL:
            groups = self._with_near(groups, alive)
        firsts = groups.select(twin="group", first="place")
        groups = groups.filter(pl.col("twin") != pl.col("group")).join(firsts, on="twin", how="left")
        found = placed.select("group").join(
            groups.select("group", "reason", "percent", "first"), on="group", how="left", maintain_order="left"
        )
        return Fates(reasons=found["reason"], values=found["percent"], twins=found["first"], named_by="group_id")

    def _with_near(self, groups: pl.DataFrame, alive: pl.DataFrame) -> pl.DataFrame:
        signed = alive.select("group", "prompt_near").filter(pl.col("prompt_near").is_not_null())
        signed = signed.unique("group", keep="first", maintain_order=True)
        signed = (
            groups.filter(pl.col("twin") == pl.col("group"))
            .select("group")
            .join(signed, on="group", how="inner", maintain_order="left")
        )
        signatures = from_bytes(signed["prompt_near"], np.uint32)
        labels = clusters(signatures, threshold_percent=self.similarity_percent)
        agree = np.count_nonzero(signatures == signatures[labels], axis=1)
        near = pl.DataFrame(
            {
                "group": signed["group"],
                "leader": signed["group"].gather(labels),
                "near_percent": _ALL * agree / signatures.shape[1],
            }
        )
        joined = groups.join(near, left_on="twin", right_on="group", how="left", maintain_order="left")
        is_near = pl.col("leader").is_not_null() & (pl.col("leader") != pl.col("twin"))
        is_equal = pl.col("twin") != pl.col("group")
        return joined.with_columns(
            pl.when(is_near).then("leader").otherwise("twin").alias("twin"),
            pl.when(is_near).then("near_percent").otherwise("percent").alias("percent"),
            pl.when(is_equal).then(pl.lit("equal_prompt")).otherwise(pl.lit("near_prompt")).alias("reason"),
        )
