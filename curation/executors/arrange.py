"""Which kept sample stands where: files of even size for each split, in the order that the recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.steps.base import ArrangeStep, Step
from curation.words import runs_of

TRAIN = "train"
"""The split of all samples where no step splits."""

_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """One file of the output.

    Args:
        name: without its ending.
        split: that it belongs to.
        places: of its samples among all of the run, in the order of the file.
        domains: domain -> samples.
        chars: code points of prompts and completions.
        packs: the pack of each; None where nothing is packed.
    """

    name: str
    split: str
    domains: Mapping[str, int]
    chars: int
    places: npt.NDArray[np.int64]
    packs: npt.NDArray[np.int64] | None = None

    @property
    def is_in_order(self) -> bool:
        """Whether samples come as they do in the input, so that they can be written as they are read."""
        return bool((np.diff(self.places) > 0).all())


def plan_files(kept: pl.DataFrame, steps: Sequence[Step], *, file_bytes: int) -> list[FilePlan]:
    """The files of a run.

    Args:
        kept: facts of the kept samples, with ``place``, in the order of the input.
        steps: of the recipe.
        file_bytes: characters of text that a file holds, about; the files of a split differ by no more than a sample.
    """
    arranged = kept.with_columns(split=pl.lit(TRAIN), pack=pl.lit(None, pl.Int64))
    for step in steps:
        if isinstance(step, ArrangeStep):
            arranged = step.arranged(arranged)
    files: list[FilePlan] = []
    for split in sorted(arranged["split"].unique(), key=lambda name: (name != TRAIN, name)):
        part = arranged.filter(pl.col("split") == split)
        size = part.select(pl.col("chars").cast(pl.Int64) + pl.col("prompt_chars"))["chars"].to_numpy()
        before = np.cumsum(size) - size
        total = int(size.sum())
        count = max(1, min(part.height, -(-total // file_bytes)))
        # Of whole numbers: sample i goes to the file in which its first character falls.
        owner = before * count // max(1, total)
        places = part["place"].to_numpy()
        packs = None if part["pack"].null_count() else part["pack"].to_numpy()
        if packs is not None:
            # A pack stays in one file: all of it goes where its first sample does.
            starts, sizes = runs_of(packs)
            owner = np.repeat(owner[starts], sizes)
        bounds = np.searchsorted(owner, np.arange(count + 1))
        for number in range(count):
            low, high = bounds[number], bounds[number + 1]
            files.append(
                FilePlan(
                    name=f"{split}-{number:0{_DIGITS}d}-of-{count:0{_DIGITS}d}",
                    split=split,
                    domains=_counted(part["domain"].slice(low, high - low)),
                    chars=int(size[low:high].sum()),
                    places=places[low:high],
                    packs=None if packs is None else packs[low:high],
                )
            )
    return files


def _counted(domains: pl.Series) -> dict[str, int]:
    counts = domains.cast(pl.String).fill_null("").value_counts(name="samples").sort("domain")
    return dict(counts.iter_rows())
