"""The parts of a completion as expressions: reasoning, what follows it, and the counts of the tags.

The same cut as ``verifier.text.think``: at the last ``</think>``, with the first ``<think>`` before it opening the
reasoning. One search finds the places of each tag, and the parts are cut as bytes, which copies no text; to split it is
ten times slower, and a regex that spans the reasoning a hundred times.
"""

from __future__ import annotations

import polars as pl

from verifier.text.think import CLOSE_TAG, OPEN_TAG

PARTS = ("opens", "closes", "before", "reasoning", "tail")
"""Counts of both tags; text before the first opening tag; the reasoning, null where there is none; what follows the
reasoning, null where it never ends."""

_NEVER = 1 << 62
_HELD = ("closes_at_", "opens_at_", "from_", "to_")


def with_parts(samples: pl.DataFrame) -> pl.DataFrame:
    """The samples with the columns ``PARTS``."""
    completion = pl.col("completion")
    placed = samples.with_columns(closes_at_=_places(CLOSE_TAG), opens_at_=_places(OPEN_TAG)).with_columns(
        closes=pl.col("closes_at_").list.len(),
        opens=pl.col("opens_at_").list.len(),
        to_=pl.col("closes_at_").list.last(),
        from_=pl.col("opens_at_").list.first(),
    )
    first, last, end = pl.col("from_"), pl.col("opens_at_").list.last(), pl.col("to_")
    is_closed, has_tag = end.is_not_null(), (first < end.fill_null(_NEVER)).fill_null(value=False)
    is_opened = pl.col("prompt").str.strip_chars_end().str.ends_with(OPEN_TAG)
    start = pl.when(has_tag).then(first + len(OPEN_TAG)).when(is_closed | is_opened).then(0)
    stop = pl.coalesce(end, completion.str.len_bytes().cast(pl.Int64))
    tail_start = (
        pl.when(is_closed & (last < end).fill_null(value=True))
        .then(end + len(CLOSE_TAG))
        .when(~is_closed & ~is_opened & ~has_tag)
        .then(0)
    )
    return placed.with_columns(
        before=_cut(pl.lit(0, pl.Int64), pl.when(has_tag).then(first).otherwise(0)),
        reasoning=_cut(start, stop - start),
        tail=_cut(tail_start, None),
    ).drop(_HELD)


def _places(tag: str) -> pl.Expr:
    """Byte offsets of a tag; two of them never overlap."""
    return pl.col("completion").str.find_many([tag]).cast(pl.List(pl.Int64))


def _cut(start: pl.Expr, length: pl.Expr | None) -> pl.Expr:
    """Bytes of the completion as text; tags are ASCII, so no character is cut in two."""
    return pl.col("completion").cast(pl.Binary).bin.slice(start, length).cast(pl.String)
