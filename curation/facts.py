"""Facts about samples: the table on which all decisions are made, without any text of a sample."""

from __future__ import annotations

import polars as pl

FACTS = pl.Schema(
    {
        "id": pl.String,
        "group_id": pl.String,
        "file": pl.UInt32,
        "input_row": pl.Int64,
        "completion_index": pl.Int32,
        "group": pl.UInt64,
        "prompt": pl.UInt64,
        "domain": pl.String,
        "source": pl.String,
        "prompt_chars": pl.UInt32,
        "chars": pl.UInt32,
        "tokens": pl.UInt32,
        "text_step": pl.Int32,
        "text_reason": pl.String,
        "text_value": pl.Float64,
        "text_detail": pl.String,
        "digest": pl.UInt64,
        "near": pl.Binary,
        "prompt_near": pl.Binary,
    }
)
"""One row a sample, in the order of files and rows.

``file`` is the number of the input file among those of the shard, ``input_row`` that of the row in it.
``group`` and ``prompt`` are hashes: of all that makes a group, and of the prompt's text alone. ``text_step`` is the
number of the first text step that would drop the sample (-1: it could not be read), null where none would;
``text_value`` is what was measured and ``text_detail`` what was found, as the rule of ``text_reason`` tells it
(``steps.base.Rule``); null where it does not. ``digest`` is of the completion.
"""

OPTIONAL = ("tokens", "near", "prompt_near")
"""What costs much, and is null where no step of the recipe reads it, or a text step drops the sample: tokens of prompt
and completion; the near-duplicate signature of the completion (``minhash.small``); and that of the prompt, for one
sample of each prompt in a shard."""

JUDGED = pl.Schema({"judged": pl.UInt32, "right": pl.UInt32})
"""What group steps after ``verify`` see besides: of a sample's group, in all shards, how many completions were found
right or wrong, and how many right."""
