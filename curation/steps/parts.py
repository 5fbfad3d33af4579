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

_HELD = ("head_", "opened_", "rest_")


def with_parts(samples: pl.DataFrame) -> pl.DataFrame:
    """The samples with the columns ``PARTS``."""
    completion = pl.col("completion")
    counted = samples.with_columns(
        completion.str.count_matches(OPEN_TAG, literal=True).alias("opens"),
        completion.str.count_matches(CLOSE_TAG, literal=True).alias("closes"),
        completion.str.split(CLOSE_TAG).list.last().alias("rest_"),
    )
    closed = pl.col("closes") > 0
    # The tail is taken off by its own length in bytes, as the head may hold more closing tags.
    head = completion.str.strip_suffix(pl.concat_str(pl.lit(CLOSE_TAG), pl.col("rest_")))
    cut = counted.with_columns(pl.when(closed).then(head).otherwise(completion).alias("head_"))
    cut = cut.with_columns(pl.col("head_").str.splitn(OPEN_TAG, 2).alias("opened_"))
    before = pl.col("opened_").struct.field("field_0")
    inside = pl.col("opened_").struct.field("field_1")
    is_opened = pl.col("prompt").str.strip_chars_end().str.ends_with(OPEN_TAG)
    reasoning = pl.when(closed | is_opened).then(pl.coalesce(inside, "head_")).otherwise(inside)
    tail = (
        pl.when(closed & ~pl.col("rest_").str.contains(OPEN_TAG, literal=True))
        .then(pl.col("rest_"))
        .when(reasoning.is_null())
        .then(completion)
    )
    parts = cut.with_columns(
        pl.when(inside.is_not_null()).then(before).otherwise(pl.lit("")).alias("before"),
        reasoning.alias("reasoning"),
        tail.alias("tail"),
    )
    return parts.drop(_HELD)
