"""First pass over a shard: facts about every sample, and the first text step that would drop it.

Text steps look at one sample alone, so all of them are tried here, in the order of the recipe, each on the samples
that the earlier ones let through. What a group step or the verifier decides in between cannot change which text
step is the first to drop a sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import polars as pl
import xxhash

from curation.facts import FACTS, OPTIONAL
from curation.minhash import Signatures, as_bytes, small
from curation.steps import counting_tokenizer, facts_read
from curation.steps.base import DETAIL_CHARS, LOOKED_AT, RewriteStep, Rule, Step, TextStep
from curation.steps.parts import PARTS, with_parts
from curation.steps.tokens import count_tokens
from curation.steps.views import Views

NOT_READ = -1
"""``text_step`` of samples with a ``trouble``."""


def rewritten(samples: pl.DataFrame, steps: Sequence[Step]) -> pl.DataFrame:
    """The samples with their texts as the rewriting steps leave them."""
    for step in steps:
        if isinstance(step, RewriteStep):
            samples = step.rewritten(samples)
    return samples


def facts_of(samples: pl.DataFrame, steps: Sequence[Step]) -> pl.DataFrame:
    """Facts about the samples, columns of ``FACTS``.

    Args:
        samples: columns of ``rows.SAMPLES``, rewritten.
        steps: of the recipe.
    """
    chars = samples["completion"].str.len_chars().alias("chars")
    # Each column is dear to filter.
    indexed = samples.select(*LOOKED_AT, chars, "trouble").with_row_index("place")
    unread = pl.col("trouble").is_not_null()
    alive = indexed.filter(~unread).drop("trouble")
    dropped = [_told(indexed.filter(unread), NOT_READ, Rule(reason="", drops=unread), reason=pl.col("trouble"))]
    for look in _looks(tuple(steps)):
        if look.step.needs_parts and PARTS[0] not in alive.columns:
            alive = with_parts(alive)
        measured = alive
        for columns in look.measures:
            measured = measured.with_columns(**columns)
        reasons = measured.select(look.reason)["text_reason"]
        if reasons.null_count() == reasons.len():
            continue
        # What was measured is told of the few that are dropped, one rule after the other.
        for rule in look.rules:
            which = reasons == rule.reason
            if which.any():
                dropped.append(_told(measured.filter(which), look.number, rule))
        alive = alive.filter(reasons.is_null())
    fates = pl.concat(dropped)
    known = samples.select(
        "id",
        "group_id",
        "file",
        "input_row",
        "completion_index",
        pl.col("group_key").str.head(16).str.to_integer(base=16, dtype=pl.UInt64).alias("group"),
        _hashes(samples["prompt"]).alias("prompt"),
        "domain",
        "source",
        pl.col("prompt").str.len_chars().alias("prompt_chars"),
        chars,
        _hashes(samples["completion"]).alias("digest"),
    ).with_row_index("place")
    facts = known.join(fates, on="place", how="left", maintain_order="left")
    if facts_read(steps).intersection(OPTIONAL):
        facts = facts.join(_optional(alive, samples["messages"], steps), on="place", how="left", maintain_order="left")
    else:
        facts = facts.with_columns(pl.lit(None).alias(name) for name in OPTIONAL)
    return facts.select([pl.col(name).cast(dtype) for name, dtype in FACTS.items()])


def _optional(alive: pl.DataFrame, messages: pl.Series, steps: Sequence[Step]) -> pl.DataFrame:
    """The columns of ``facts.OPTIONAL`` for the samples that no text step drops, with the messages of all."""
    wanted = facts_read(steps)
    found: dict[str, pl.Series] = {name: pl.Series([None] * alive.height, dtype=FACTS[name]) for name in OPTIONAL}
    if "tokens" in wanted:
        path = counting_tokenizer(steps)
        found["tokens"] = count_tokens(alive["prompt"], path) + count_tokens(alive["completion"], path)
    if "near" in wanted:
        found["near"] = as_bytes(small(Signatures.of(alive["completion"])))
    if "prompt_near" in wanted:
        firsts = alive["group_key"].is_first_distinct()
        system, asked = _asked(alive["prompt"].filter(firsts), messages.gather(alive["place"].filter(firsts)))
        signed = as_bytes(Signatures.of(asked, are_prompts=True, under=system))
        found["prompt_near"] = found["prompt_near"].scatter(firsts.arg_true(), signed)
    return pl.DataFrame({"place": alive["place"], **found})


def _asked(prompts: pl.Series, messages: pl.Series) -> tuple[pl.Series, pl.Series]:
    """What the system says in prompts, null where it says nothing, and the rest of them."""
    turn, all_turns = pl.element().struct, pl.col("messages").list
    is_system = turn.field("role") == "system"
    system, asked = (
        all_turns.eval(turn.field("content").filter(which).drop_nulls()) for which in (is_system, ~is_system)
    )
    texts = pl.DataFrame({"prompt": prompts, "messages": messages}).with_columns(system=system, asked=asked)
    has_both = (pl.col("system").list.len() > 0) & (pl.col("asked").list.len() > 0)
    joined = texts.select(
        pl.when(has_both).then(pl.col("system").list.join("\n\n")).alias("system"),
        pl.when(has_both).then(pl.col("asked").list.join("\n\n")).otherwise("prompt").alias("asked"),
    )
    return joined["system"], joined["asked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What a text step asks of each frame.

    Args:
        step: it.
        number: of it among the text steps.
        measures: rounds of columns.
        rules: in the order in which they are tried.
        reason: of the first rule that drops a sample.
    """

    step: TextStep
    number: int
    measures: Sequence[Mapping[str, pl.Expr]]
    rules: Sequence[Rule]
    reason: pl.Expr


@lru_cache(1)
def _looks(steps: tuple[Step, ...]) -> tuple[_Look, ...]:
    """Those of a recipe; made once, as their expressions cost about as much as what they find in a small frame."""
    text_steps = (step for step in steps if isinstance(step, TextStep))
    return tuple(
        _Look(step=step, number=number, measures=step.measures(), rules=step.rules(), reason=_reason(step))
        for number, step in enumerate(text_steps)
    )


def _reason(step: TextStep) -> pl.Expr:
    reason: pl.Expr = pl.lit(None, pl.String)
    for rule in reversed(step.rules()):
        reason = pl.when(rule.drops).then(pl.lit(rule.reason)).otherwise(reason)
    if (covers := step.covers(pl.col("domain"))) is not None:
        reason = pl.when(covers).then(reason)
    return reason.alias("text_reason")


def _told(dropped: pl.DataFrame, number: int, rule: Rule, *, reason: pl.Expr | None = None) -> pl.DataFrame:
    """The fates of samples that one rule drops."""
    value = pl.lit(None) if rule.value is None else rule.value
    detail = pl.lit(None) if rule.detail is None else rule.detail
    return dropped.select(
        "place",
        pl.lit(number, pl.Int32).alias("text_step"),
        (pl.lit(rule.reason) if reason is None else reason).alias("text_reason"),
        value.cast(pl.Float64).alias("text_value"),
        detail.cast(pl.String).str.head(DETAIL_CHARS).alias("text_detail"),
    )


def _hashes(texts: pl.Series) -> pl.Series:
    """A hash of each text that no version changes; null where there is no text."""
    # Their bytes are hashed where they stand, without making an object of each.
    found = [None if text is None else xxhash.xxh3_64_intdigest(text) for text in Views(texts)]
    return pl.Series(found, dtype=pl.UInt64)
