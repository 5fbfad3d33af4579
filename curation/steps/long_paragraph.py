"""Step ``long_paragraph``: reasoning that is a wall of text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, option


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

    def rules(self) -> Sequence[Rule]:
        """One rule; a split and a maximum, as a counted regex is hundreds of times slower."""
        text = pl.coalesce("reasoning", "completion")
        long_ones = pl.when(text.str.len_chars() > self.max_chars).then(text).otherwise(pl.lit(""))
        longest = long_ones.str.split("\n\n").list.eval(pl.element().str.len_chars()).list.max()
        return [Rule(reason="long_paragraph", drops=longest > self.max_chars)]
