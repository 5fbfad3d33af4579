"""Step ``validate``: samples that hold nothing to judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, is_blank, option


@dataclass(frozen=True)
class Validate(TextStep):
    """Drops samples without a text on either side.

    Reasons: ``empty_prompt`` and ``empty_completion`` (white space and what nobody sees), ``no_reference`` (neither an
    answer nor tests with more than that, where ``needs_reference`` is set). Rows that cannot be read at all (null or
    invalid text, no completions) are dropped before any step, under the step name ``read``. Value: the code points of
    the white space.

    Args:
        needs_reference: whether a sample without a reference is dropped here; else it reaches ``verify``.

    Example:
        Prompt ``"  "`` is dropped (``empty_prompt``); ``"2+2?"`` with a completion is kept.

    Source:
        NeMo Curator's Llama-Nemotron tutorial, "malformed or empty".
    """

    name: ClassVar[str] = "validate"
    needs_reference: bool = option(default=False)

    def rules(self) -> Sequence[Rule]:
        """Prompt first, then completion, then reference."""
        rules = [
            Rule(reason=f"empty_{part}", drops=is_blank(pl.col(part)), value=pl.col(part).str.len_chars())
            for part in ("prompt", "completion")
        ]
        if self.needs_reference:
            has_answer = pl.col("answers").list.eval(~is_blank(pl.element())).list.any().fill_null(value=False)
            has_tests = ~is_blank(pl.col("tests")).fill_null(value=True)
            rules.append(Rule(reason="no_reference", drops=~has_answer & ~has_tests))
        return rules
