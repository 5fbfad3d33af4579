"""What is written of samples: columns of the kept ones, and of the account of the others."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

_TEXT = pa.string()
_VERDICTS = pa.list_(pa.struct([("verifier", _TEXT), ("outcome", _TEXT), ("score", pa.float64()), ("reason", _TEXT)]))

KEPT = pa.schema(
    [
        ("id", _TEXT),
        ("group_id", _TEXT),
        ("domain", _TEXT),
        ("source", _TEXT),
        ("messages", pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))),
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
    reply = pl.struct(pl.lit("assistant").alias("role"), pl.col("completion").alias("content"))
    frame = samples.with_columns(
        answer,
        file_names(samples["file"], paths),
        pl.concat_list("messages", pl.concat_list(reply)).alias("messages"),
    )
    schema = KEPT.append(PACK) if "pack" in samples.columns else KEPT
    return table_of(frame.select(schema.names), schema)


def file_names(files: pl.Series, paths: Sequence[str]) -> pl.Series:
    """The column ``input_file`` of samples, by the number of their file in the shard."""
    return pl.Series("input_file", paths, dtype=pl.String).gather(files)


def table_of(frame: pl.DataFrame, schema: pa.Schema) -> pa.Table:
    """The frame with exactly these types."""
    # The oldest layout is that of the file but for the size of offsets, so that texts are copied once.
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
