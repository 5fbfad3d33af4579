"""What has become of each sample of a shard so far: alive, dropped by a step, or failed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from curation.errors import AccountingError

FATES = pl.Schema({"drop_step": pl.String, "drop_reason": pl.String, "is_failed": pl.Boolean})
"""One row a sample; ``drop_step`` is null while it is alive."""


class Ledger:
    """The fates of the samples of one shard, in row order. A fate is final: the first to drop a sample names it."""

    def __init__(self, samples: int) -> None:
        self._fates = pl.DataFrame(
            {"drop_step": [None] * samples, "drop_reason": [None] * samples, "is_failed": [False] * samples},
            schema=FATES,
        )

    def alive(self) -> pl.Series:
        """Which samples no step has dropped."""
        return self._fates["drop_step"].is_null().alias("alive")

    def drop(self, step: str | pl.Series, reasons: pl.Series, *, is_failed: pl.Series | None = None) -> None:
        """Drops the live samples that have a reason.

        Args:
            step: name of the step; or a name for each sample.
            reasons: one a sample of the shard, null for those that stay.
            is_failed: which of them failed rather than were rejected; None for none.

        Raises:
            AccountingError: the reasons are not one a sample.
        """
        if reasons.len() != self._fates.height:
            name = step if isinstance(step, str) else "of texts"
            raise AccountingError(f"step {name} gave {reasons.len()} reasons for {self._fates.height} samples")
        falls = self.alive() & reasons.is_not_null()
        failed = pl.Series([False], dtype=pl.Boolean) if is_failed is None else is_failed
        self._fates = self._fates.with_columns(
            drop_step=pl.when(falls).then(step if isinstance(step, pl.Series) else pl.lit(step)).otherwise("drop_step"),
            drop_reason=pl.when(falls).then(reasons).otherwise("drop_reason"),
            is_failed=pl.when(falls).then(failed).otherwise("is_failed"),
        )

    def fates(self, first: int, count: int) -> pl.DataFrame:
        """The fates of some samples; columns of ``FATES``."""
        return self._fates.slice(first, count)

    def part(self, first: int, count: int) -> Ledger:
        """The fates of some samples, as a ledger of their own."""
        part = Ledger(0)
        part._fates = self.fates(first, count)
        return part

    def digest(self) -> str:
        """Of all fates, for keys that are kept."""
        return hashlib.sha256(self._fates.write_csv().encode()).hexdigest()

    def counts(self) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
        """Step -> reason -> samples rejected, and reason -> samples failed."""
        dropped = self._fates.filter(pl.col("drop_step").is_not_null())
        groups = dropped.group_by("drop_step", "drop_reason", "is_failed", maintain_order=True).len()
        rejected: dict[str, dict[str, int]] = {}
        failed: dict[str, int] = {}
        for step, reason, is_failed, count in groups.iter_rows():
            if is_failed:
                failed[reason] = failed.get(reason, 0) + count
            else:
                rejected.setdefault(step, {})[reason] = count
        return rejected, failed


@dataclass(slots=True)
class Tally:
    """Sums over the parts of a shard.

    Args:
        dropped: step -> reason -> samples rejected.
        failures: reason -> samples failed.
    """

    samples: int = 0
    rows: int = 0
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def add(self, facts: pl.DataFrame, ledger: Ledger) -> None:
        """Adds whole rows: their samples and what has become of them."""
        self.samples += facts.height
        self.rows += facts["input_row"].n_unique()
        dropped, failures = ledger.counts()
        for step, reasons in dropped.items():
            _add(self.dropped.setdefault(step, {}), reasons)
        _add(self.failures, failures)


def _add(totals: dict[str, int], counts: Mapping[str, int]) -> None:
    for reason, count in counts.items():
        totals[reason] = totals.get(reason, 0) + count


def scattered(values: pl.Series, alive: pl.Series) -> pl.Series:
    """The values of the live samples at their places among all; null elsewhere."""
    places = pl.DataFrame({"place": alive.arg_true(), "value": values})
    everywhere = pl.DataFrame({"place": pl.Series(range(alive.len()), dtype=pl.UInt32)})
    return everywhere.join(places, on="place", how="left", maintain_order="left")["value"]
