"""Step ``code_in_reasoning``: code blocks in the chain of thought; those in the answer are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep
from curation.steps.parts import FENCE

_PAIR = 2
_TILDE_LINE = r"(?m)^ {0,3}~{3,}[^\n~]*$"
_FENCE_LINE = rf"{FENCE}[^\n]*|{_TILDE_LINE}"


@dataclass(frozen=True)
class CodeInReasoning(TextStep):
    """Drops reasoning that holds code blocks: three backticks, or two fences of tildes; ``code_in_reasoning``.

    Inline code is fine. A completion without reasoning is never dropped here. Value: how many fences the reasoning
    holds; detail: the line of the first from its backticks on.

    Example:
        A fence before ``</think>`` is dropped; the same fence after it is kept.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), B.3.3: chains of thought with "code blocks" are filtered out.
    """

    name: ClassVar[str] = "code_in_reasoning"
    needs_parts: ClassVar[bool] = True

    def rules(self) -> Sequence[Rule]:
        """One rule."""
        reasoning = pl.col("reasoning")
        few = pl.when(pl.col("tildes") > 0).then(reasoning)
        return [
            Rule(
                reason="code_in_reasoning",
                drops=(pl.col("fences") > 0) | (few.str.count_matches(_TILDE_LINE) >= _PAIR).fill_null(value=False),
                value=pl.col("fences") + reasoning.str.count_matches(_TILDE_LINE),
                detail=reasoning.str.extract(_FENCE_LINE, 0),
            )
        ]
