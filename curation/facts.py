"""Facts about samples: the small table on which group steps decide, without any text."""

from __future__ import annotations

import polars as pl

FACTS = pl.Schema(
    {
        "input_row": pl.Int64,
        "completion_index": pl.Int32,
        "group_key": pl.String,
        "chars": pl.UInt32,
        "bytes": pl.UInt32,
        "text_step": pl.Int32,
        "text_reason": pl.String,
        "digest": pl.String,
    }
)
"""One row a sample, in row order.

``text_step`` is the number of the first text step that would drop the sample (-1: it could not be read), null where
none would; ``digest`` is null unless another sample of its group has a completion of the same size.
"""
