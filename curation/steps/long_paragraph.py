"""Step ``long_paragraph``: reasoning that is a wall of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, option

_BREAK = "\n\n"


@dataclass(frozen=True)
class LongParagraph(TextStep):
    r"""Drops reasoning with a paragraph that is too long; ``long_paragraph``.

    Formula: the greatest ``len_chars`` of the parts of the reasoning between ``\n\n`` is over ``max_chars``. Where
    there is no reasoning, the whole completion is taken.

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
        text, breaks = pl.col("text_"), pl.col("breaks_")
        size = text.str.len_bytes().cast(pl.Int64)
        widest = pl.max_horizontal(
            pl.coalesce(breaks.list.first(), size),
            breaks.list.diff().list.max() - len(_BREAK),
            size - breaks.list.last() - len(_BREAK),
        )
        wide = pl.when(pl.col("widest_") > self.max_chars).then(text).otherwise(pl.lit(""))
        return (
            {"text_": pl.coalesce("reasoning", "completion")},
            {"breaks_": text.str.find_many([_BREAK]).cast(pl.List(pl.Int64))},
            {"widest_": widest},
            {"longest_": wide.str.split(_BREAK).list.eval(pl.element().str.len_chars()).list.max()},
        )

    def rules(self) -> Sequence[Rule]:
        """One rule."""
        return [Rule(reason="long_paragraph", drops=pl.col("longest_") > self.max_chars)]
