"""Step ``dedup_prompts``: prompts that come again, in the same words or nearly so."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.minhash import BINS, NO_TEXT, clusters, from_bytes
from curation.steps.base import CorpusStep, Fates, Parts, option
from curation.words import first_equal

_ALL = 100
_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class DedupPrompts(CorpusStep):
    """Drops all completions of prompts that repeat an earlier prompt; the first by shard and row stays.

    Reasons: ``equal_prompt``: the text is that of another group, which has another id or reference. ``near_prompt``:
    the prompt is in the cluster of an earlier one, where links of a cluster are pairs with at least
    ``similarity_percent`` of their runs of five words in common, by the estimate of ``curation.minhash`` with 128
    bins (short prompts only where they are equal but for case, spaces, dollars and the last full stop), under the same
    words of the system, with the same numbers in the same order, and with as many signs and words that turn a question
    round, such as "least" for "greatest": else it is another problem. Standard instructions, such as "reason step by
    step", are left out. The detail is the ``group_id`` of the prompt that stays, the value the estimate to it in
    percent, which is lower where a chain links the two.

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

    def over(self, parts: Parts) -> Iterator[tuple[pl.DataFrame, Fates]]:
        """Group by group: by the hash of the prompt, then by clusters of signatures."""
        dropped = self._dropped(parts)
        for part in parts.read():
            found = part.select("group").join(dropped, on="group", how="left", maintain_order="left")
            yield (
                part,
                Fates(reasons=found["reason"], values=found["percent"], twins=found["first"], named_by="group_id"),
            )

    def _dropped(self, parts: Parts) -> pl.DataFrame:
        """The groups that are dropped.

        Returns:
            ``group``, ``reason``, ``percent``, and the place of the first sample of the prompt that stays, ``first``.
        """
        groups = pl.concat([_firsts(part).select("place", "group", "prompt") for part in parts.read("prompt")]).sort(
            "place"
        )
        places = groups["place"].to_numpy()
        numbers = np.arange(len(places))
        # Of each group the one that stays, by number: the first with its prompt, or the first of that one's cluster.
        leaders = first_equal(groups["prompt"].fill_null(0).to_numpy())
        groups = groups.drop("prompt")
        is_equal = pl.Series(leaders != numbers)
        percent = np.full(len(places), float(_ALL))
        if self.similarity_percent < _ALL:
            stay = np.flatnonzero(leaders == numbers)
            labels, agreed = self._clusters(parts, places[stay])
            rows = np.searchsorted(stay, leaders)
            is_near = stay[labels[rows]] != leaders
            percent[is_near] = agreed[rows[is_near]]
            leaders = stay[labels[rows]]
        reason = pl.when(is_equal).then(pl.lit("equal_prompt")).otherwise(pl.lit("near_prompt"))
        found = groups.select("group", reason.alias("reason"), percent=percent, first=places[leaders])
        return found.filter(pl.Series(leaders != numbers))

    def _clusters(
        self, parts: Parts, places: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Of each of these prompts the first of its cluster, by number, and the estimate to it in percent.

        Args:
            parts: of the corpus.
            places: of the first sample of each prompt, ascending.
        """
        signatures = parts.table(len(places), BINS)
        is_signed = np.zeros(len(places), np.bool_)
        for part in parts.read("prompt_near"):
            signed = _firsts(part).filter(pl.col("prompt_near").is_not_null())
            numbers = np.searchsorted(places, signed["place"].to_numpy())
            is_here = signed["place"].to_numpy() == places[np.minimum(numbers, len(places) - 1)]
            rows, found = numbers[is_here], signed["prompt_near"].filter(pl.Series(is_here))
            signatures[rows] = from_bytes(found, np.uint32).reshape(len(rows), BINS)
            is_signed[rows] = True
        signatures[~is_signed] = NO_TEXT
        labels = clusters(signatures, threshold_percent=self.similarity_percent)
        agree = np.empty(len(places), np.float64)
        for first in range(0, len(places), _AT_ONCE):
            here = slice(first, first + _AT_ONCE)
            agree[here] = np.count_nonzero(signatures[here] == signatures[labels[here]], axis=1)
        return labels, _ALL * agree / BINS


def _firsts(part: pl.DataFrame) -> pl.DataFrame:
    """The first sample of each group."""
    return part.filter(pl.col("group").is_first_distinct())
