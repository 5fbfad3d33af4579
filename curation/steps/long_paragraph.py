"""Step ``long_paragraph``: reasoning that is a wall of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from curation.steps.base import Rule, TextStep, option
from curation.steps.views import find

_BREAK = "\n\n"


@dataclass(frozen=True)
class LongParagraph(TextStep):
    r"""Drops reasoning with a paragraph that is too long; ``long_paragraph``.

    Formula: the greatest ``len_chars`` of the parts of the reasoning between ``\n\n`` is over ``max_chars``. Where
    there is no reasoning, the whole completion is taken. Value: that length; detail: the start of the paragraph.

    Args:
        max_chars: greatest length of a paragraph.

    Example:
        With ``max_chars = 20``, thirty letters in one paragraph are dropped, and kept as two of fifteen.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), B.3.3, drops "long paragraphs" without giving a threshold; 2,000 is this
        project's.
    """

    name: ClassVar[str] = "long_paragraph"
    needs_parts: ClassVar[bool] = True
    max_chars: int = option(2_000, least=1)

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """The longest paragraph, in characters where its bytes are too many.

        The breaks are found by one literal search, as a counted regex is hundreds of times slower.
        """
        text, size = pl.col("text_"), pl.col("size_")
        long, wide = (pl.when(pl.col(name) > self.max_chars).then(text) for name in ("size_", "widest_"))
        return (
            {"text_": pl.coalesce("reasoning", "completion")},
            {"size_": text.str.len_bytes().cast(pl.Int64)},
            {"widest_": pl.map_batches([long, size], _widest, return_dtype=pl.Int64)},
            {"longest_": _lengths(wide).list.max()},
        )

    def rules(self) -> Sequence[Rule]:
        """One rule."""
        longest, text = pl.col("longest_"), pl.col("text_")
        paragraph = text.str.split(_BREAK).list.get(_lengths(text).list.arg_max())
        drops = longest > self.max_chars
        return [Rule(reason="long_paragraph", drops=drops, value=longest, detail=paragraph.str.strip_chars_start())]


def _lengths(text: pl.Expr) -> pl.Expr:
    return text.str.split(_BREAK).list.eval(pl.element().str.len_chars())


def _widest(columns: Sequence[pl.Series]) -> pl.Series:
    """Bytes of the longest paragraph of each text, all of them where there is no text."""
    texts, sizes = columns
    counts, places = find(texts, (_BREAK,))
    # The end of a text is one break more.
    stops = np.insert(places, np.cumsum(counts), sizes.to_numpy())
    first = np.cumsum(counts) - counts + np.arange(len(counts))
    starts = np.roll(stops, 1) + len(_BREAK)
    starts[first] = 0
    return pl.Series(np.maximum.reduceat(stops - starts, first) if len(first) else [], dtype=pl.Int64)
