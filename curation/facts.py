"""Facts about samples: the small table on which all decisions are made, without any text."""

from __future__ import annotations

import polars as pl

FACTS = pl.Schema(
    {
        "input_row": pl.Int64,
        "completion_index": pl.Int32,
        "group_key": pl.String,
        "domain": pl.String,
        "chars": pl.UInt32,
        "text_step": pl.Int32,
        "text_reason": pl.String,
        "text_value": pl.Float64,
        "text_detail": pl.String,
        "digest": pl.String,
    }
)
"""One row a sample, in row order.

``text_step`` is the number of the first text step that would drop the sample (-1: it could not be read), null where
none would. ``text_value`` is what was measured and ``text_detail`` what was found, as the rule of ``text_reason`` tells
it (``steps.base.Rule``); null where it does not. ``digest`` is of the completion, where a step of the recipe asks for
it.
"""

JUDGED = pl.Schema({"judged": pl.UInt32, "right": pl.UInt32})
"""What group steps after ``verify`` see besides: of a sample's group, in all shards, how many completions were found
right or wrong, and how many right."""
