"""Step ``format``: the reasoning stands between one pair of think tags, and an answer follows it.

A prefilter for what must never reach the verifiers; the format verifier gives the reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, is_blank


@dataclass(frozen=True)
class Format(TextStep):
    """Drops completions that do not have the form ``<think>reasoning</think>answer``.

    Reasons: ``no_think`` (no tag at all), ``unclosed_think`` (never ends: truncated), ``unopened_think``,
    ``repeated_think`` (more than one of a tag), ``text_before_think``, ``empty_think``, ``empty_answer``. The opening
    tag may be missing where the prompt ends with it.

    Value: for the reasons about tags, how many there are of both kinds; else the code points of the text that is before
    the first tag (its start is the detail), or of the white space that is in place of reasoning or answer.

    Example:
        ``"<think></think> 4"`` is dropped (``empty_think``); ``"<think>2+2</think> 4"`` is kept.

    Source:
        DeepSeek-R1's template (arXiv 2501.12948, table 1).
    """

    name: ClassVar[str] = "format"
    needs_parts: ClassVar[bool] = True

    def rules(self) -> Sequence[Rule]:
        """Tags first, then what they hold."""
        opens, closes = pl.col("opens"), pl.col("closes")
        is_opened, before, reasoning = pl.col("is_opened"), pl.col("before"), pl.col("reasoning")
        # The tail is null where the tags stand in the wrong order, so that nothing was answered.
        tail = pl.col("tail").fill_null("")
        is_repeated = (closes > 1) | (opens > 1) | ((opens > 0) & is_opened)
        tags = opens + closes
        return [
            Rule(reason="no_think", drops=(tags == 0) & ~is_opened, value=tags),
            Rule(reason="unclosed_think", drops=closes == 0, value=tags),
            Rule(reason="unopened_think", drops=(opens == 0) & ~is_opened, value=tags),
            Rule(reason="repeated_think", drops=is_repeated, value=tags),
            Rule(reason="text_before_think", drops=~is_blank(before), value=before.str.len_chars(), detail=before),
            Rule(reason="empty_think", drops=is_blank(reasoning), value=reasoning.str.len_chars()),
            Rule(reason="empty_answer", drops=is_blank(tail), value=tail.str.len_chars()),
        ]
