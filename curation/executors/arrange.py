"""Which kept sample stands where: files of even size for each split, in the order that the recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.steps.base import SPLITS, ArrangeStep, Step
from curation.words import starts_of

TRAIN = "train"
"""The split of all samples where no step splits."""

_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """One file of the output.

    Args:
        name: without its ending.
        split: that it belongs to.
        places: of its samples among all of the run, in the order of the file; whole numbers of 32 or 64 bits.
        domains: domain -> samples.
        chars: code points of prompts and completions.
        packs: the pack of each; None where nothing is packed.
    """

    name: str
    split: str
    domains: Mapping[str, int]
    chars: int
    places: npt.NDArray[np.integer]
    packs: npt.NDArray[np.int64] | None = None

    @property
    def is_in_order(self) -> bool:
        """Whether samples come as they do in the input, so that they can be written as they are read."""
        return bool((self.places[1:] > self.places[:-1]).all())


def plan_files(kept: pl.DataFrame, steps: Sequence[Step], *, file_bytes: int) -> list[FilePlan]:
    """The files of a run.

    Args:
        kept: the kept samples in the order of the input, as ``Corpus.kept`` gives them.
        steps: of the recipe.
        file_bytes: characters of text that a file holds, about; the files of a split differ by no more than a sample.
    """
    arranged = kept.with_columns(split=pl.lit(TRAIN, SPLITS))
    for step in steps:
        if isinstance(step, ArrangeStep):
            arranged = step.arranged(arranged)
    files: list[FilePlan] = []
    for split in sorted(arranged["split"].unique().to_list(), key=lambda name: (name != TRAIN, name)):
        part = arranged.filter(pl.col("split") == split).drop("split")
        places = part["place"].to_numpy()
        packs = part["pack"].to_numpy() if "pack" in part.columns else None
        ends = np.cumsum(part["chars"].to_numpy(), dtype=np.int64)
        total = int(ends[-1])
        count = max(1, min(part.height, -(-total // file_bytes)))
        # Of whole numbers: sample i goes to the file in which its first character falls.
        firsts = np.searchsorted(ends, [-(-number * total // count) for number in range(1, count)]) + 1
        if packs is not None:
            # A pack stays in one file: all of it goes where its first sample does.
            starts = np.append(starts_of(packs), part.height)
            firsts = starts[np.searchsorted(starts, firsts)]
        for number, (low, high) in enumerate(pairwise([0, *firsts.tolist(), part.height])):
            files.append(
                FilePlan(
                    name=f"{split}-{number:0{_DIGITS}d}-of-{count:0{_DIGITS}d}",
                    split=split,
                    domains=_counted(part["domain"].slice(low, high - low)),
                    chars=int(ends[high - 1] - (ends[low - 1] if low else 0)) if high > low else 0,
                    places=places[low:high],
                    packs=None if packs is None else packs[low:high],
                )
            )
    return files


def _counted(domains: pl.Series) -> dict[str, int]:
    counts = domains.cast(pl.String).fill_null("").value_counts(name="samples").sort("domain")
    return dict(counts.iter_rows())
