"""Step ``dedup``: equal completions of one prompt, and such as are nearly equal."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.minhash import from_bytes
from curation.steps.base import Fates, GroupStep, groups_of, option
from curation.steps.order import mixed
from curation.words import first_equal

_ALL = 100


@dataclass(frozen=True)
class Dedup(GroupStep):
    """Drops completions that repeat an earlier one of their group; the first by shard, row and index stays.

    Reasons: ``duplicate``: equal, character by character. ``near_duplicate``: at least ``similarity_percent`` of the
    runs of five words are in both, by the estimate of ``curation.minhash`` with 128 bins; compared are the completions
    that stay. The detail is the id of the one that stays, the value the estimate in percent.

    Args:
        similarity_percent: 100 drops equal ones alone.

    Example:
        Of two completions ``"4"`` the second is dropped; ``"4"`` and ``"4."`` are both kept.

    Source:
        Exact dedup of (problem, solution), as in NVIDIA NeMo-Skills; near-duplicates in a group are this project's.
    """

    name: ClassVar[str] = "dedup"
    drops_few: ClassVar[bool] = True
    similarity_percent: int = option(100, least=1, most=_ALL)

    def reads(self) -> Collection[str]:
        """Digests, and signatures where near ones count."""
        return ("digest",) if self.similarity_percent == _ALL else ("digest", "near")

    def fates(self, alive: pl.DataFrame) -> Fates:
        """By digests, then by signatures."""
        first = _first_equal(alive)
        is_twin = pl.Series(first != np.arange(len(first)))
        found = pl.select(
            pl.when(is_twin).then(pl.lit("duplicate")).alias("reason"),
            pl.when(is_twin).then(pl.lit(100.0)).alias("value"),
            pl.when(is_twin).then(pl.Series(first)).alias("twin"),
        )
        if self.similarity_percent < _ALL:
            near = _near_twins(alive, found["reason"].is_null(), self.similarity_percent)
            found = found.with_row_index("number").join(near, on="number", how="left", maintain_order="left")
            found = found.select(
                pl.coalesce("reason", pl.when(pl.col("like").is_not_null()).then(pl.lit("near_duplicate"))),
                pl.coalesce("value", "percent"),
                pl.coalesce("twin", "like"),
            )
        return Fates(reasons=found["reason"], values=found["value"], twins=alive["place"].gather(found["twin"]))


def _first_equal(alive: pl.DataFrame) -> npt.NDArray[np.int64]:
    """For each sample the first that equals it in its group: itself where there is none before, or it has no digest."""
    keys = mixed(mixed(alive["group"].to_numpy()) ^ alive["digest"].fill_null(0).to_numpy())
    return np.where(alive["digest"].is_null().to_numpy(), np.arange(len(keys)), first_equal(keys))


def _near_twins(alive: pl.DataFrame, stays: pl.Series, percent: int) -> pl.DataFrame:
    """The samples that are like an earlier one that stays.

    Returns:
        Their ``number`` among those given, ``percent``, and the number of the one that stays, ``like``.
    """
    marks = from_bytes(alive["near"], np.uint8)
    # One without a signature is dropped by a text step that comes later.
    is_open = (stays & alive["near"].is_not_null()).to_numpy()
    bins = marks.shape[1]
    least = -(-percent * bins // _ALL)
    twins: list[tuple[int, float, int]] = []
    for _, numbers in groups_of(alive["group"]):
        kept: list[int] = []
        for number in numbers[is_open[numbers]].tolist():
            agree = np.count_nonzero(marks[kept] == marks[number], axis=1) if kept else np.zeros(0, np.int64)
            if len(agree) and agree.max() >= least:
                nearest = int(agree.argmax())
                twins.append((number, float(_ALL * agree[nearest] / bins), kept[nearest]))
            else:
                kept.append(number)
    schema = {"number": pl.UInt32, "percent": pl.Float64, "like": pl.Int64}
    return pl.DataFrame(twins, schema=schema, orient="row")
