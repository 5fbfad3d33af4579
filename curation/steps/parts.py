"""The parts of a completion as expressions: reasoning, what follows it, and the counts of the tags.

The same cut as ``verifier.text.think``: at the last ``</think>``, with the first ``<think>`` before it opening the
reasoning. Split on literals throughout; a regex that spans the reasoning is ten times slower.
"""

from __future__ import annotations

import polars as pl

from verifier.text.think import CLOSE_TAG, OPEN_TAG

PARTS = ("opens", "closes", "before", "reasoning", "tail")
"""Counts of both tags; text before the first opening tag; the reasoning, null where there is none; what follows the
reasoning, null where it never ends."""

_HELD = ("pieces_", "rest_", "head_", "opened_")


def with_parts(samples: pl.DataFrame) -> pl.DataFrame:
    """The samples with the columns ``PARTS``."""
    completion, rest = pl.col("completion"), pl.col("rest_")
    closed = pl.col("closes") > 0
    cut = (
        samples.with_columns(pieces_=completion.str.split(CLOSE_TAG))
        .with_columns(closes=pl.col("pieces_").list.len() - 1, rest_=pl.col("pieces_").list.last())
        # The tail is taken off as a suffix, as the head may hold more closing tags.
        .with_columns(
            head_=completion.str.strip_suffix(
                pl.when(closed).then(pl.concat_str(pl.lit(CLOSE_TAG), rest)).otherwise(pl.lit(""))
            )
        )
        .with_columns(
            opened_=pl.col("head_").str.splitn(OPEN_TAG, 2),
            opens=completion.str.count_matches(OPEN_TAG, literal=True),
        )
    )
    before = pl.col("opened_").struct.field("field_0")
    inside = pl.col("opened_").struct.field("field_1")
    is_opened = pl.col("prompt").str.strip_chars_end().str.ends_with(OPEN_TAG)
    reasoning = pl.when(closed | is_opened).then(pl.coalesce(inside, "head_")).otherwise(inside)
    tail = (
        pl.when(closed & ~rest.str.contains(OPEN_TAG, literal=True))
        .then(rest)
        .when(~closed & ~is_opened & inside.is_null())
        .then(completion)
    )
    parts = cut.with_columns(
        before=pl.when(inside.is_not_null()).then(before).otherwise(pl.lit("")), reasoning=reasoning, tail=tail
    )
    return parts.drop(_HELD)
