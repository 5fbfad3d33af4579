"""First pass over a shard: facts about every sample, and the first text step that would drop it.

Text steps look at one sample alone, so all of them are tried here, in the order of the recipe, each on the samples
that the earlier ones let through. What a group step or the verifier decides in between cannot change which text
step is the first to drop a sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import xxhash

from curation.facts import FACTS
from curation.steps.base import GroupStep, RewriteStep, Step, TextStep
from curation.steps.parts import PARTS, with_parts

NOT_READ = -1
"""``text_step`` of samples with a ``trouble``."""


def rewritten(samples: pl.DataFrame, steps: Sequence[Step]) -> pl.DataFrame:
    """The samples with their texts as the rewriting steps leave them."""
    for step in steps:
        if isinstance(step, RewriteStep):
            samples = samples.with_columns(step.columns())
    return samples


def facts_of(samples: pl.DataFrame, steps: Sequence[Step]) -> pl.DataFrame:
    """Facts about the samples, columns of ``FACTS``.

    Args:
        samples: columns of ``rows.SAMPLES``, rewritten.
        steps: of the recipe.
    """
    # Lists are dear to filter, and only few columns are looked at.
    indexed = samples.drop("messages").with_row_index("place")
    dropped = [
        indexed.filter(pl.col("trouble").is_not_null()).select(
            "place", pl.lit(NOT_READ, pl.Int32).alias("text_step"), pl.col("trouble").alias("text_reason")
        )
    ]
    alive = indexed.filter(pl.col("trouble").is_null())
    for number, step in enumerate(steps):
        if not isinstance(step, TextStep):
            continue
        if step.needs_parts and PARTS[0] not in alive.columns:
            alive = with_parts(alive)
        reasons = _reasons(alive, step)
        if reasons.null_count() == reasons.len():
            continue
        stays = reasons.is_null()
        told = alive.select("place", pl.lit(number, pl.Int32).alias("text_step"), reasons)
        dropped.append(told.filter(~stays))
        alive = alive.filter(stays)
    fates = pl.concat(dropped)
    facts = indexed.select(
        "place",
        "input_row",
        "completion_index",
        "group_key",
        "domain",
        pl.col("completion").str.len_chars().alias("chars"),
        _digests(indexed["completion"], steps),
    ).join(fates, on="place", how="left", maintain_order="left")
    return facts.select([pl.col(name).cast(dtype) for name, dtype in FACTS.items()])


def _reasons(alive: pl.DataFrame, step: TextStep) -> pl.Series:
    measured = alive
    for columns in step.measures():
        measured = measured.with_columns(**columns)
    return measured.select(_reason(step).alias("text_reason"))["text_reason"]


def _reason(step: TextStep) -> pl.Expr:
    reason: pl.Expr = pl.lit(None, pl.String)
    for rule in reversed(step.rules()):
        reason = pl.when(rule.drops).then(pl.lit(rule.reason)).otherwise(reason)
    return reason


def _digests(completions: pl.Series, steps: Sequence[Step]) -> pl.Series:
    """A digest of each completion, where a step compares them."""
    if not any(isinstance(step, GroupStep) and step.needs_digest for step in steps):
        return pl.Series("digest", [None] * completions.len(), dtype=pl.String)
    # As bytes, which spares making text of them only to encode it again.
    found = [None if text is None else xxhash.xxh3_128_hexdigest(text) for text in completions.cast(pl.Binary)]
    return pl.Series("digest", found, dtype=pl.String)
