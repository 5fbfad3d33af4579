"""What the report counts: sums over the Parquet outputs that a manifest names.

Each output is scanned lazily, for a few columns at a time, and is turned into counts before the next is opened, so
texts never pile up. What stays is a counter a length and domain, and one a pass rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import OutputError
from curation.finished import Manifest, outputs_of
from curation.manifest import KINDS
from curation.steps import READ
from curation.steps.language_mix import CJK

SCRIPTS: Mapping[str, str] = {
    "Latin": "[A-Za-z]",
    "CJK (Han, kana, Hangul)": CJK,
    "Cyrillic": r"\p{Cyrillic}",
    "Greek": r"\p{Greek}",
    "Arabic": r"\p{Arabic}",
    "Hebrew": r"\p{Hebrew}",
    "Devanagari": r"\p{Devanagari}",
    "Thai": r"\p{Thai}",
}
"""Name -> pattern of one character. Letters of Greek are mostly signs of mathematics."""

_FORM = ("format", "language")
_JUDGED = ("CORRECT", "INCORRECT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is counted over all outputs.

    Args:
        domains: domain -> folder -> samples.
        lengths: domain -> length in characters -> kept samples.
        scripts: folder -> script -> samples with a character of it.
        pass_rates: (right, judged) -> prompts.
        verdicts: (verifier, outcome, reason) -> verdicts.
        prompts: (step, reason) -> prompts that lost a sample so, each once a file.
    """

    domains: dict[str, Counter[str]] = field(default_factory=dict)
    lengths: dict[str, Counter[int]] = field(default_factory=dict)
    scripts: dict[str, Counter[str]] = field(default_factory=lambda: {kind: Counter() for kind in KINDS})
    pass_rates: Counter[tuple[int, int]] = field(default_factory=Counter)
    verdicts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    prompts: Counter[tuple[str, str]] = field(default_factory=Counter)


def in_order(steps: Mapping[str, object], manifest: Manifest) -> list[str]:
    """Names of steps in the order of the recipe."""
    known = [READ, *manifest.steps]
    return sorted(steps, key=lambda name: (known.index(name) if name in known else len(known), name))


def survey(directory: Path, manifest: Manifest) -> Survey:
    """Counts over the outputs of all shards.

    Raises:
        OutputError: an output is missing, or is not the one that the manifest names.
    """
    found = Survey()
    judged: list[pl.DataFrame] = []
    for shard in manifest.done:
        files = outputs_of(directory, shard)
        for kind, file in files.items():
            _check(file, shard.outputs[kind].samples)
        try:
            for kind, file in files.items():
                _count_texts(found, kind, file)
                _count_verdicts(found, file)
                if kind != "data":
                    _count_prompts(found, file)
            judged += [_judged(file) for kind, file in files.items() if kind != "failed"]
        except (pl.exceptions.PolarsError, OSError) as error:
            raise OutputError(
                f"outputs of shard {shard.name} cannot be read; run `curate run` again: {error}"
            ) from error
    found.pass_rates.update(_pass_rates(judged))
    return found


def _check(file: Path, samples: int) -> None:
    try:
        rows = int(pq.read_metadata(file).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{file} cannot be read; run `curate run` again: {error}") from error
    if rows != samples:
        raise OutputError(f"{file} holds {rows} samples where the manifest says {samples}; run `curate run` again")


def _count_texts(found: Survey, kind: str, file: Path) -> None:
    text = pl.col("completion")
    # Most texts are ASCII alone, and are told by two lengths without a search.
    beyond = pl.when(text.str.len_bytes() > text.str.len_chars()).then(text).otherwise(pl.lit(""))
    flags = [
        (text if name == "Latin" else pl.col("beyond_")).str.contains(pattern).fill_null(value=False).alias(name)
        for name, pattern in SCRIPTS.items()
    ]
    counts = (
        pl.scan_parquet(file)
        .select(pl.col("domain").fill_null(""), "completion")
        .with_columns(beyond.alias("beyond_"))
        .select("domain", text.str.len_chars().alias("length"), *flags)
        .group_by("domain", "length")
        .agg(pl.len().alias("samples"), *(pl.col(name).sum() for name in SCRIPTS))
        .collect(engine="streaming")
    )
    for row in counts.iter_rows(named=True):
        found.domains.setdefault(row["domain"], Counter())[kind] += row["samples"]
        for name in SCRIPTS:
            found.scripts[kind][name] += row[name]
        if kind == "data" and row["length"] is not None:
            found.lengths.setdefault(row["domain"], Counter())[row["length"]] += row["samples"]


def _count_verdicts(found: Survey, file: Path) -> None:
    verdict = pl.col("verdicts").struct
    parts = [verdict.field(name).fill_null("").alias(name) for name in ("verifier", "outcome", "reason")]
    counts = (
        pl.scan_parquet(file)
        .select("verdicts")
        .filter(pl.col("verdicts").list.len() > 0)
        .explode("verdicts")
        .select(parts)
        .group_by("verifier", "outcome", "reason")
        .agg(pl.len())
        .collect(engine="streaming")
    )
    for verifier, outcome, reason, count in counts.iter_rows():
        found.verdicts[verifier, outcome, reason] += count


def _count_prompts(found: Survey, file: Path) -> None:
    counts = (
        pl.scan_parquet(file)
        .group_by("drop_step", "drop_reason")
        .agg(pl.col("group_id").n_unique())
        .collect(engine="streaming")
    )
    for step, reason, prompts in counts.iter_rows():
        found.prompts[step, reason] += prompts


def _pass_rates(parts: list[pl.DataFrame]) -> Counter[tuple[int, int]]:
    """(right, judged) -> prompts. The samples of a prompt may stand in several files."""
    counts = (
        pl.concat([pl.DataFrame(schema={"prompt": pl.UInt64, "right": pl.Int64, "judged": pl.Int64}), *parts])
        .group_by("prompt")
        .agg(pl.col("right", "judged").sum())
        .group_by("right", "judged")
        .agg(pl.len())
    )
    return Counter({(right, judged): prompts for right, judged, prompts in counts.iter_rows()})


def _judged(file: Path) -> pl.DataFrame:
    """Right and judged completions of each prompt in a file, some bytes a prompt."""
    outcomes = pl.col("verdicts").list.eval(pl.element().struct.field("outcome"))
    # The form of a completion says nothing of whether its answer is right, unless nothing else was asked.
    is_content = ~pl.element().struct.field("verifier").is_in(_FORM)
    content = pl.col("verdicts").list.eval(pl.element().filter(is_content).struct.field("outcome"))
    is_judged = pl.col("outcomes").list.eval(pl.element().is_in(_JUDGED)).list.all()
    is_right = pl.col("outcomes").list.eval(pl.element() == _JUDGED[0]).list.all()
    scan = pl.scan_parquet(file)
    # Ids of two files may be equal by chance, and their prompts are not.
    prompt = pl.struct("group_id", _prompt(scan), "answer").hash()
    return (
        scan.filter(pl.col("verdicts").list.len() > 0)
        .select(
            prompt.alias("prompt"), pl.when(content.list.len() > 0).then(content).otherwise(outcomes).alias("outcomes")
        )
        .filter(is_judged)
        .group_by("prompt")
        .agg(is_right.cast(pl.Int64).sum().alias("right"), pl.len().cast(pl.Int64).alias("judged"))
        .collect(engine="streaming")
    )


def _prompt(scan: pl.LazyFrame) -> pl.Expr:
    """The prompt's text in ``data/`` as in the other folders, where the conversation does not stand."""
    if "prompt" in scan.collect_schema():
        return pl.col("prompt")
    messages = pl.col("messages")
    turns = messages.list.head(messages.list.len() - 1)
    return turns.list.eval(pl.element().struct.field("content").drop_nulls()).list.join("\n\n").alias("prompt")
