"""Step ``pack``: kept samples put together into sequences of bounded length."""

from __future__ import annotations

import bisect
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.sources import file_sha256
from curation.steps.base import ArrangeStep, option
from curation.steps.tokens import check_tokenizer

_CHARS_PER_TOKEN = 4
_SIZE = "pack_size"


@dataclass(frozen=True)
class Pack(ArrangeStep):
    """Numbers the sequences of at most ``max_tokens`` that samples share, in the column ``pack`` of the output.

    A sample stays whole and a row of its own; the samples of a pack stand one after the other, in one split, so a
    trainer fills a sequence by joining rows of one number. One longer than a sequence has a pack for itself.

    Formula: within a split, best fit, longest first: each sample goes to the pack with the least room that still
    holds it, ties by the order before. Packs then stand in the order of their first sample. A length is that of the
    prompt and the completion in tokens of ``tokenizer``, without what a chat template adds; without a tokenizer it is
    their characters over four, rounded up.

    Args:
        max_tokens: length of a sequence.
        tokenizer: path of a ``tokenizer.json`` of Hugging Face; empty counts characters.

    Example:
        With ``max_tokens = 10``, samples of 7, 6, 4 and 3 tokens make two packs: 7 + 3 and 6 + 4.

    Source:
        32,768 tokens: DeepSeek-R1 (arXiv 2501.12948 v2), B.4.2; best fit decreasing: Ding et al., Fewer truncations
        improve language modeling (arXiv 2404.10830).
    """

    name: ClassVar[str] = "pack"
    max_tokens: int = option(32_768, least=1)
    tokenizer: str = option("")

    def check(self, where: str) -> None:
        """Whether the tokenizer can be used."""
        if self.tokenizer:
            check_tokenizer(self.tokenizer, where=f"{where}.tokenizer")

    def inputs(self) -> Mapping[str, str]:
        """The tokenizer's file."""
        return {"tokenizer": file_sha256(self.tokenizer)} if self.tokenizer else {}

    def reads(self) -> Collection[str]:
        """Tokens, where there is a tokenizer."""
        return ("tokens",) if self.tokenizer else ()

    def marks(self, kept: pl.DataFrame) -> Mapping[str, npt.NDArray[Any]]:
        """The length."""
        if self.tokenizer:
            return {_SIZE: kept["tokens"].to_numpy()}
        chars = kept.select(pl.col("chars").cast(pl.Int64) + pl.col("prompt_chars")).to_series()
        return {_SIZE: (-(-chars // _CHARS_PER_TOKEN)).cast(pl.UInt32).to_numpy()}

    def arranged(self, kept: pl.DataFrame) -> pl.DataFrame:
        """Split by split."""
        packed = kept.with_columns(pack=pl.lit(None, pl.Int64)).drop(_SIZE)
        parts = [packed.clear()]
        first = 0
        for split in kept["split"].unique(maintain_order=True):
            is_here = kept["split"] == split
            packs = _packed(kept[_SIZE].filter(is_here).to_numpy(), self.max_tokens)
            numbered = packed.filter(is_here).with_columns(pl.Series("pack", packs + first))
            parts.append(numbered[np.argsort(packs, kind="stable")])
            first += int(packs.max(initial=-1)) + 1
        return pl.concat(parts)


def _packed(lengths: npt.NDArray[Any], most: int) -> npt.NDArray[np.int64]:
    """The pack of each sample; numbered by their first sample."""
    sizes = lengths.astype(np.int64)
    packs = np.empty(len(sizes), np.int64)
    # Room left -> packs with so much, in ascending order of both.
    rooms: list[tuple[int, int]] = []
    opened = 0
    for index in map(int, np.argsort(-sizes, kind="stable")):
        size = int(sizes[index])
        found = bisect.bisect_left(rooms, (size, -1))
        if found < len(rooms):
            room, pack = rooms.pop(found)
        else:
            room, pack = most, opened
            opened += 1
        packs[index] = pack
        if room > size:
            bisect.insort(rooms, (room - size, pack))
    _, first = np.unique(packs, return_index=True)
    ranks = np.empty(opened, np.int64)
    ranks[np.argsort(first, kind="stable")] = np.arange(opened)
    return ranks[packs]
