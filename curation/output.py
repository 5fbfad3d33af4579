"""What is written of samples: columns of the kept ones, and of the account of the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

_TEXT = pa.string()
_MESSAGES = "messages"
_TURN = pa.struct([("role", _TEXT), ("content", _TEXT)])
_VERDICTS = pa.list_(pa.struct([("verifier", _TEXT), ("outcome", _TEXT), ("score", pa.float64()), ("reason", _TEXT)]))

KEPT = pa.schema(
    [
        ("id", _TEXT),
        ("group_id", _TEXT),
        ("domain", _TEXT),
        ("source", _TEXT),
        (_MESSAGES, pa.list_(_TURN)),
        ("answer", _TEXT),
        ("score", pa.float64()),
        ("reward", pa.float64()),
        ("verdicts", _VERDICTS),
        ("input_file", _TEXT),
        ("input_row", pa.int64()),
        ("completion_index", pa.int32()),
    ]
)
"""Columns of ``data/``: the completion is the last of the messages, so that a text stands there once."""

PACK = pa.field("pack", pa.int64())
"""Besides, where a recipe packs: equal for samples that share a sequence."""

DROPPED = pa.schema(
    [
        ("id", _TEXT),
        ("group_id", _TEXT),
        ("domain", _TEXT),
        ("source", _TEXT),
        ("drop_step", _TEXT),
        ("drop_reason", _TEXT),
        ("drop_value", pa.float64()),
        ("drop_detail", _TEXT),
        ("chars", pa.uint32()),
        ("reward", pa.float64()),
        ("verdicts", _VERDICTS),
        ("input_file", _TEXT),
        ("input_row", pa.int64()),
        ("completion_index", pa.int32()),
    ]
)
"""Columns of ``rejected/`` and ``failed/``: no texts, which stand in the input at the place that is named."""


def kept_table(samples: pl.DataFrame, *, paths: Sequence[str]) -> pa.Table:
    """Kept samples as they are written.

    Args:
        samples: columns of ``SAMPLES``, ``reward`` and ``verdicts``; and ``pack`` where samples are packed.
        paths: of the input files of their shard, for lineage.
    """
    answers = pl.col("answers").list
    # Several gold answers share the one text column a line each; an answer itself has no line break.
    answer = pl.when(pl.col("answers").is_not_null()).then(answers.join("\n")).alias("answer")
    schema = KEPT.append(PACK) if "pack" in samples.columns else KEPT
    names = [name for name in schema.names if name != _MESSAGES]
    frame = samples.with_columns(answer, file_names(samples["file"], paths)).select(names)
    table = table_of(frame, schema.remove(schema.get_field_index(_MESSAGES)))
    return table.add_column(schema.get_field_index(_MESSAGES), schema.field(_MESSAGES), _with_reply(samples))


def _with_reply(samples: pl.DataFrame) -> pa.Array:
    """The messages of each prompt with the completion behind them.

    Put in their order as views and copied once; lists that polars puts together copy each text three times.
    """
    asked = samples[_MESSAGES]
    counts = asked.list.len().fill_null(0).to_numpy().astype(np.int64)
    ends = np.cumsum(counts + 1)
    turns = asked.explode(empty_as_null=False, keep_nulls=False).struct.unnest()
    replies = samples.select(pl.lit("assistant").alias("role"), pl.col("completion").alias("content"))
    order = np.empty(len(turns) + len(replies), np.int64)
    is_reply = np.zeros(len(order), np.bool_)
    is_reply[ends - 1] = True
    order[is_reply] = np.arange(len(turns), len(order))
    order[~is_reply] = np.arange(len(turns))
    placed = pl.concat([turns, replies])[order.tolist()].to_struct()
    offsets = pa.array(np.concatenate(([0], ends)), pa.int32())
    return pa.ListArray.from_arrays(offsets, placed.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(_TURN))


def file_names(files: pl.Series, paths: Sequence[str]) -> pl.Series:
    """The column ``input_file`` of samples, by the number of their file in the shard."""
    return pl.Series("input_file", paths, dtype=pl.String).gather(files)


def table_of(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """The frame with exactly these types."""
    # The oldest layout is that of the file but for the size of offsets, so that texts are copied once.
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
