"""First pass over a shard: facts about every sample, and the first text step that would drop it.

Text steps look at one sample alone, so all of them are tried here, in the order of the recipe, each on the samples
that the earlier ones let through. What a group step or the verifier decides in between cannot change which text
step is the first to drop a sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import xxhash

from curation.facts import FACTS, OPTIONAL
from curation.minhash import Signatures, as_bytes, small
from curation.steps import counting_tokenizer, facts_read
from curation.steps.base import RewriteStep, Step, TextStep
from curation.steps.parts import PARTS, with_parts
from curation.steps.tokens import count_tokens

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
    text_steps = (step for step in steps if isinstance(step, TextStep))
    for number, step in enumerate(text_steps):
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
        "id",
        "group_id",
        "input_row",
        "completion_index",
        pl.col("group_key").str.head(16).str.to_integer(base=16, dtype=pl.UInt64).alias("group"),
        _hashes(indexed["prompt"]).alias("prompt"),
        "domain",
        "source",
        pl.col("prompt").str.len_chars().alias("prompt_chars"),
        pl.col("completion").str.len_chars().alias("chars"),
        pl.lit(None).alias("text_value"),
        pl.lit(None).alias("text_detail"),
        _hashes(indexed["completion"]).alias("digest"),
    ).join(fates, on="place", how="left", maintain_order="left")
    costly = _optional(alive, steps)
    facts = facts.join(costly, on="place", how="left", maintain_order="left")
    return facts.select([pl.col(name).cast(dtype) for name, dtype in FACTS.items()])


def _optional(alive: pl.DataFrame, steps: Sequence[Step]) -> pl.DataFrame:
    """The columns of ``facts.OPTIONAL`` for the samples that no text step drops."""
    wanted = facts_read(steps)
    found: dict[str, pl.Series] = {name: pl.Series([None] * alive.height, dtype=FACTS[name]) for name in OPTIONAL}
    if "tokens" in wanted:
        path = counting_tokenizer(steps)
        found["tokens"] = count_tokens(alive["prompt"], path) + count_tokens(alive["completion"], path)
    if "near" in wanted:
        found["near"] = as_bytes(small(Signatures.of(alive["completion"])))
    if "prompt_near" in wanted:
        firsts = alive["group_key"].is_first_distinct()
        signed = as_bytes(Signatures.of(alive["prompt"].filter(firsts)))
        found["prompt_near"] = found["prompt_near"].scatter(firsts.arg_true(), signed)
    return pl.DataFrame({"place": alive["place"], **found})


def _reasons(alive: pl.DataFrame, step: TextStep) -> pl.Series:
    measured = alive
    for columns in step.measures():
        measured = measured.with_columns(**columns)
    reason = _reason(step)
    if (covers := step.covers(pl.col("domain"))) is not None:
        reason = pl.when(covers).then(reason)
    return measured.select(reason.alias("text_reason"))["text_reason"]


def _reason(step: TextStep) -> pl.Expr:
    reason: pl.Expr = pl.lit(None, pl.String)
    for rule in reversed(step.rules()):
        reason = pl.when(rule.drops).then(pl.lit(rule.reason)).otherwise(reason)
    return reason


def _hashes(texts: pl.Series) -> pl.Series:
    """A hash of each text that no version changes; null where there is no text."""
    # As bytes, which spares making text of them only to encode it again.
    found = [None if text is None else xxhash.xxh3_64_intdigest(text) for text in texts.cast(pl.Binary)]
    return pl.Series(found, dtype=pl.UInt64)
