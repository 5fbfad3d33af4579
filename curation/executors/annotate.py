"""First pass over a shard: facts about every sample, and the first text step that would drop it.

Text steps look at one sample alone, so all of them are tried here, in the order of the recipe, each on the samples
that the earlier ones let through. What a group step or the verifier decides in between cannot change which text
step is the first to drop a sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import polars as pl

from curation.facts import FACTS
from curation.steps.base import RewriteStep, Step, TextStep
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
    """Facts about the samples, columns of ``FACTS``; ``digest`` is left null.

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
        pl.col("completion").str.len_chars().alias("chars"),
        pl.col("completion").str.len_bytes().alias("bytes"),
        pl.lit(None, pl.String).alias("digest"),
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


def with_digests(facts: pl.DataFrame, alive: pl.Series, frames: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The facts with a digest of each live completion that has a sibling of the same size.

    Sizes differ almost always, so almost no text is hashed.

    Args:
        facts: of the whole shard.
        alive: which samples count.
        frames: the shard's samples, rewritten; read only where a digest is needed.
    """
    size = pl.struct("group_key", "bytes")
    wanted = facts.select(alive.alias("alive"), "group_key", "bytes").select(
        (pl.col("alive") & (pl.col("alive").sum().over(size) > 1)).alias("wanted")
    )["wanted"]
    if not wanted.any():
        return facts
    digests: list[str | None] = []
    for frame in frames:
        marks = wanted.slice(len(digests), frame.height)
        if not marks.any():
            digests.extend([None] * frame.height)
            continue
        texts = frame.select(pl.when(marks).then("completion"))["completion"]
        digests.extend(None if text is None else hashlib.sha256(text.encode()).hexdigest() for text in texts)
    return facts.with_columns(pl.Series("digest", digests, dtype=pl.String))
