"""Step ``format``: the reasoning stands between one pair of think tags, and an answer follows it.

A prefilter for what must never reach the verifiers; the format verifier gives the reward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, is_blank
from verifier.text.think import OPEN_TAG


@dataclass(frozen=True)
class Format(TextStep):
    """Drops completions that do not have the form ``<think>reasoning</think>answer``.

    Reasons: ``no_think`` (no tag at all), ``unclosed_think`` (never ends: truncated), ``unopened_think``,
    ``repeated_think`` (more than one of a tag), ``text_before_think``, ``empty_think``, ``empty_answer``. The opening
    tag may be missing where the prompt ends with it.

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
        is_opened = pl.col("prompt").str.strip_chars_end().str.ends_with(OPEN_TAG)
        return [
            Rule(reason="no_think", drops=(opens == 0) & (closes == 0) & ~is_opened),
            Rule(reason="unclosed_think", drops=closes == 0),
            Rule(reason="unopened_think", drops=(opens == 0) & ~is_opened),
            Rule(reason="repeated_think", drops=(closes > 1) | (opens > 1) | ((opens > 0) & is_opened)),
            Rule(reason="text_before_think", drops=~is_blank(pl.col("before"))),
            Rule(reason="empty_think", drops=is_blank(pl.col("reasoning"))),
            # The tail is null where the tags stand in the wrong order, so that nothing was answered.
            Rule(reason="empty_answer", drops=is_blank(pl.col("tail").fill_null(""))),
        ]
