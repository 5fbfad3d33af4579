"""What has become of each sample so far: alive, dropped by a step, or failed; in some bytes a sample."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.errors import AccountingError
from curation.steps import READ
from curation.steps.base import Step

FATES = pl.Schema(
    {
        "drop_step": pl.String,
        "drop_reason": pl.String,
        "drop_value": pl.Float64,
        "drop_detail": pl.String,
        "is_failed": pl.Boolean,
    }
)
"""One row a sample; ``drop_step`` is null while it is alive."""

_ALIVE = -2
_READ = -1


class Ledger:
    """The fates of samples, in the order of shards and rows. A fate is final: the first to drop a sample names it."""

    def __init__(self, samples: int, steps: Sequence[Step]) -> None:
        self._names = {_READ: READ} | {number: step.name for number, step in enumerate(steps)}
        self._steps: npt.NDArray[np.int16] = np.full(samples, _ALIVE, np.int16)
        self._reasons: npt.NDArray[np.int32] = np.zeros(samples, np.int32)
        self._values: npt.NDArray[np.float64] = np.full(samples, np.nan)
        self._failed: npt.NDArray[np.bool_] = np.zeros(samples, np.bool_)
        self._details: dict[int, str] = {}
        self._twins: list[tuple[str, npt.NDArray[np.int64], npt.NDArray[np.int64]]] = []
        self._codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def alive(self) -> npt.NDArray[np.bool_]:
        """Which samples no step has dropped."""
        return np.equal(self._steps, _ALIVE)

    def drop(
        self,
        step: int | pl.Series,
        reasons: pl.Series,
        *,
        among: npt.NDArray[np.bool_] | None = None,
        values: pl.Series | None = None,
        details: pl.Series | None = None,
        twins: pl.Series | None = None,
        named_by: str = "",
        is_failed: pl.Series | None = None,
    ) -> None:
        """Drops the live samples that have a reason.

        Args:
            step: number of the step in the recipe; or one a sample.
            reasons: null for those that stay.
            among: to which samples the series belong, in order; None for all.
            values: what was measured.
            details: what was found.
            twins: the place of the sample that each one is like; its name becomes the detail, see ``twins``.
            named_by: the column of facts that names it.
            is_failed: which of them failed rather than were rejected; None for none.

        Raises:
            AccountingError: the reasons are not one a sample.
        """
        places = np.arange(len(self)) if among is None else np.flatnonzero(among)
        if reasons.len() != len(places):
            name = self._names[step] if isinstance(step, int) else "of texts"
            raise AccountingError(f"step {name} gave {reasons.len()} reasons for {len(places)} samples")
        falls = reasons.is_not_null().to_numpy() & (self._steps[places] == _ALIVE)
        if not falls.any():
            return
        fallen, mask = places[falls], pl.Series(falls)
        self._steps[fallen] = step if isinstance(step, int) else step.filter(mask).to_numpy()
        self._reasons[fallen] = self._coded(reasons.filter(mask).cast(pl.String))
        if values is not None:
            self._values[fallen] = values.filter(mask).cast(pl.Float64).fill_null(float("nan")).to_numpy()
        if details is not None:
            found = details.filter(mask)
            here = found.is_not_null()
            self._details.update(zip(fallen[here.to_numpy()].tolist(), found.filter(here).to_list(), strict=True))
        if twins is not None:
            like = twins.filter(mask)
            is_like = like.is_not_null().to_numpy()
            self._twins.append((named_by, fallen[is_like], like.drop_nulls().cast(pl.Int64).to_numpy()))
        if is_failed is not None:
            self._failed[fallen] = is_failed.filter(mask).to_numpy()

    def twins(self) -> Mapping[str, npt.NDArray[np.int64]]:
        """Column of facts -> places whose value in it is still to be told by ``name_twins``, ascending."""
        columns = {name for name, _, _ in self._twins}
        return {
            column: np.unique(np.concatenate([twins for name, _, twins in self._twins if name == column]))
            for column in sorted(columns)
        }

    def name_twins(self, column: str, places: npt.NDArray[np.int64], names: Sequence[str]) -> None:
        """Makes a detail of each name.

        Args:
            column: of facts, that the names come from.
            places: those that ``twins`` gave for it.
            names: one each.
        """
        for _, fallen, twins in (one for one in self._twins if one[0] == column):
            found = np.searchsorted(places, twins).tolist()
            self._details.update((place, names[at]) for place, at in zip(fallen.tolist(), found, strict=True))
        self._twins = [one for one in self._twins if one[0] != column]

    def fates(self, first: int, count: int) -> pl.DataFrame:
        """The fates of some samples; columns of ``FATES``. What text steps measured stands in the facts."""
        part = slice(first, first + count)
        steps, reasons, values = self._steps[part], self._reasons[part], self._values[part]
        names = ["", *self._codes]
        details: list[str | None] = [self._details.get(place) for place in range(first, first + count)]
        return pl.DataFrame(
            {
                "drop_step": pl.Series(steps).replace_strict(self._names, default=None, return_dtype=pl.String),
                "drop_reason": pl.Series([names[code] or None for code in reasons.tolist()], dtype=pl.String),
                "drop_value": pl.Series(values).fill_nan(None),
                "drop_detail": pl.Series(details, dtype=pl.String),
                "is_failed": self._failed[part],
            },
            schema=FATES,
        )

    def digest(self, first: int, count: int) -> str:
        """Of the fates of some samples, for keys that are kept; the same whatever the other samples are."""
        part = slice(first, first + count)
        names = ["", *self._codes]
        used, codes = np.unique(self._reasons[part], return_inverse=True)
        ordered = sorted(range(len(used)), key=lambda index: names[used[index]])
        ranks = np.empty(len(used), np.int32)
        ranks[ordered] = np.arange(len(used), dtype=np.int32)
        digest = hashlib.sha256("\0".join(names[used[index]] for index in ordered).encode())
        for array in (ranks[codes], self._steps[part], self._values[part], self._failed[part]):
            digest.update(np.ascontiguousarray(array).tobytes())
        details = [
            (place - first, self._details[place]) for place in range(first, first + count) if place in self._details
        ]
        digest.update(repr(details).encode())
        return digest.hexdigest()

    def _coded(self, reasons: pl.Series) -> npt.NDArray[np.int32]:
        for reason in reasons.unique(maintain_order=True):
            self._codes.setdefault(reason, len(self._codes) + 1)
        coded = reasons.replace_strict(self._codes, return_dtype=pl.Int32)
        return coded.to_numpy()
