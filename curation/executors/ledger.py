"""What has become of each sample so far: alive, dropped by a step, or failed; in four bytes a sample.

What was measured and found is needed once, when a shard is accounted for, so it is put aside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.errors import AccountingError
from curation.executors.spool import Spool
from curation.steps import READ
from curation.steps.base import Fates, Step

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

Places = npt.NDArray[np.int64]

_READ = -1
_ALIVE = 127
"""In the place of the number of a step; after all of them."""
_ALIVE_IN_DIGESTS = -2
_STRETCH = 1 << 19
"""Places whose values and details are read at once."""

_TOLD = pl.Schema({"place": pl.Int64, "value": pl.Float64, "detail": pl.String})
_TWINS = pl.Schema({"place": pl.Int64, "twin": pl.Int64, "named_by": pl.String})


class Ledger:
    """The fates of samples, in the order of shards and rows.

    What text steps make of a sample is known from the start, and holds unless a step before drops it. A fate is
    final: the first step to drop a sample names it.

    Args:
        samples: how many.
        steps: of the recipe.
        folder: for what is put aside.
    """

    def __init__(self, samples: int, steps: Sequence[Step], *, folder: Path | None = None) -> None:
        self._names = {_READ: READ} | {number: step.name for number, step in enumerate(steps)}
        self._steps: npt.NDArray[np.int8] = np.full(samples, _ALIVE, np.int8)
        self._reasons: npt.NDArray[np.unsignedinteger] = np.zeros(samples, np.uint16)
        self._failed: npt.NDArray[np.bool_] = np.zeros(samples, np.bool_)
        stretches = samples // _STRETCH + 1
        self._told = Spool(_TOLD, stretches, folder)
        self._twins = Spool(_TWINS, stretches, folder)
        self._at_hand: dict[int, pl.DataFrame] = {}
        self._codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._steps)

    def alive(self, before: int, among: Places | slice = slice(None)) -> npt.NDArray[np.bool_]:
        """Which samples come to a step: those that no step before it drops.

        Args:
            before: number of the step; that of all steps for what is left by all.
            among: places of the samples that are asked about.
        """
        return np.greater_equal(self._steps[among], before)

    def foresee(self, first: int, steps: pl.Series, reasons: pl.Series) -> None:
        """What text steps make of some samples.

        Args:
            first: place of the first of them.
            steps: number in the recipe of the first that drops each; null where none does.
            reasons: null likewise.
        """
        part = slice(first, first + steps.len())
        self._steps[part] = steps.fill_null(_ALIVE).to_numpy()
        falls = steps.is_not_null()
        codes = self._coded(reasons.filter(falls))
        self._reasons[first + np.flatnonzero(falls.to_numpy())] = codes

    def drop(self, step: int, places: Places, fates: Fates) -> None:
        """Drops the samples that come to a step and have a reason.

        Args:
            step: its number in the recipe.
            places: of the samples that the step looked at.
            fates: what it makes of them.

        Raises:
            AccountingError: the fates are not one a sample.
        """
        reasons = fates.reasons
        if reasons.len() != len(places):
            raise AccountingError(f"step {self._names[step]} gave {reasons.len()} reasons for {len(places)} samples")
        falls = reasons.is_not_null().to_numpy() & self.alive(step, places)
        if not falls.any():
            return
        fallen, mask = places[falls], pl.Series(falls)
        codes = self._coded(reasons.filter(mask).cast(pl.String))
        self._steps[fallen] = step
        self._reasons[fallen] = codes
        if fates.is_failed is not None:
            self._failed[fallen] = fates.is_failed.filter(mask).to_numpy()
        if fates.values is not None or fates.details is not None:
            self._tell(
                fallen, *(None if found is None else found.filter(mask) for found in (fates.values, fates.details))
            )
        if fates.twins is not None:
            like = pl.DataFrame({"place": fallen, "twin": fates.twins.filter(mask)}).drop_nulls("twin")
            like = like.with_columns(named_by=pl.lit(fates.named_by))
            self._twins.add(like, like["twin"].to_numpy() // _STRETCH)

    def twins(self) -> Iterator[pl.DataFrame]:
        """Samples that are to be named after another; those together whose twins stand together.

        Yields:
            ``place``, that of the other (``twin``), and the column of facts that tells its name (``named_by``).
        """
        for stretch in range(self._twins.parts):
            yield self._twins.read(stretch)

    def name_twins(self, places: Places, names: pl.Series) -> None:
        """Makes a detail of the name of each one's twin."""
        self._tell(places, None, names)

    def fates(self, first: int, count: int) -> pl.DataFrame:
        """The fates of some samples; columns of ``FATES``. What text steps measured stands in the facts."""
        part = slice(first, first + count)
        values, details = self._found(first, count)
        reasons = pl.Series([None, *self._codes], dtype=pl.String).gather(self._reasons[part])
        return pl.DataFrame(
            {
                "drop_step": pl.Series(self._steps[part]).replace_strict(
                    self._names, default=None, return_dtype=pl.String
                ),
                "drop_reason": reasons,
                "drop_value": pl.Series(values).fill_nan(None),
                "drop_detail": pl.Series([None], dtype=pl.String)
                .new_from_index(0, count)
                .scatter(details["place"] - first, details["detail"]),
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
        values, details = self._found(first, count)
        # Of the same types whatever the arrays are held in, so that what is done stays done.
        steps = np.where(self._steps[part] == _ALIVE, _ALIVE_IN_DIGESTS, self._steps[part]).astype(np.int16)
        for array in (ranks[codes], steps, values, self._failed[part]):
            digest.update(np.ascontiguousarray(array).tobytes())
        told = [(place - first, detail) for place, detail in details.iter_rows()]
        digest.update(repr(told).encode())
        return digest.hexdigest()

    def _tell(self, places: Places, values: pl.Series | None, details: pl.Series | None) -> None:
        told = pl.DataFrame({"place": places}).with_columns(
            value=pl.lit(None, pl.Float64) if values is None else values.cast(pl.Float64),
            detail=pl.lit(None, pl.String) if details is None else details,
        )
        told = told.filter(pl.col("value").is_not_null() | pl.col("detail").is_not_null())
        self._told.add(told, told["place"].to_numpy() // _STRETCH)
        self._at_hand.clear()

    def _found(self, first: int, count: int) -> tuple[npt.NDArray[np.float64], pl.DataFrame]:
        """What was measured of each sample, NaN where nothing was; and what was found: ``place``, ``detail``."""
        stretches = range(first // _STRETCH, (first + max(0, count - 1)) // _STRETCH + 1)
        # Shards come one after the other, so what is read for one is there for the next.
        self._at_hand = {
            number: self._at_hand[number] if number in self._at_hand else self._told.read(number)
            for number in stretches
        }
        told = pl.concat(self._at_hand.values()).filter(pl.col("place").is_between(first, first + count - 1))
        values = np.full(count, np.nan)
        measured = told.drop_nulls("value")
        values[measured["place"].to_numpy() - first] = measured["value"].to_numpy()
        return values, told.drop_nulls("detail").select("place", "detail").sort("place")

    def _coded(self, reasons: pl.Series) -> npt.NDArray[np.unsignedinteger]:
        for reason in reasons.unique(maintain_order=True):
            self._codes.setdefault(reason, len(self._codes) + 1)
        if len(self._codes) > np.iinfo(self._reasons.dtype).max:
            self._reasons = self._reasons.astype(np.uint32)
        return reasons.replace_strict(self._codes, return_dtype=pl.UInt32).to_numpy()
