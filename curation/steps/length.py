"""Step ``length``: bounds on the characters of a completion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, option


@dataclass(frozen=True)
class Length(TextStep):
    """Drops completions that are too short or too long; ``too_short``, ``too_long``.

    Formula: ``min_chars <= len_chars(completion) <= max_chars``, in Unicode code points.

    Args:
        min_chars: least length.
        max_chars: greatest length; the default is 32,768 tokens of four characters.

    Example:
        With ``max_chars = 10``, twelve letters are dropped and ten are kept.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), B.4.2: 32,768 tokens of context in fine-tuning.
    """

    name: ClassVar[str] = "length"
    min_chars: int = option(1, least=0)
    max_chars: int = option(131_072, least=1)

    def rules(self) -> Sequence[Rule]:
        """Short first."""
        length = pl.col("completion").str.len_chars()
        return [
            Rule(reason="too_short", drops=length < self.min_chars),
            Rule(reason="too_long", drops=length > self.max_chars),
        ]
