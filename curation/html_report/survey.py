"""What the report counts: sums over the Parquet outputs that a manifest names, and over the verdicts of the run.

Each file is scanned lazily, for a few columns at a time, and is turned into counts before the next is opened, so texts
never pile up. What stays is a counter a length and domain, some 30 bytes a dropped sample, and 16 a judged prompt.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import OutputError
from curation.finished import Manifest, outputs_of
from curation.lookup import facts_file, rows_at, verdicts_file
from curation.manifest import DATA
from curation.steps import READ
from curation.steps.decontaminate import Decontaminate
from curation.steps.language_mix import CJK
from curation.steps.private_data import PrivateData
from curation.steps.verify import Verify

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

UNSHOWN = (PrivateData.name,)
"""Steps of whose samples nothing is shown: a page is sent about, and these were dropped so that they are not."""

_MOST_DETAILS = 10
_ITEM = r"^(.*?)(?: (?:ngram|item|equal|masked))?: "
"""Before the words stand the name of the item, and how it was found."""

_End = tuple[str, str, str]
"""Folder, step and reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Samples that were dropped for one reason.

    Args:
        samples: how many.
        prompts: how many different ``group_id`` they have.
        chars: median length; None where none has a completion.
        measured: how many carry a number.
        least: of these numbers; likewise the median (the lower one) and the greatest.
        details: what was found most often, each with its samples; of an evaluation item its name. What was found but
            once tells nothing of the others, and is left out where it is no evaluation item.
        distinct: how many different things were found.
    """

    samples: int
    prompts: int
    chars: int | None = None
    measured: int = 0
    least: float = 0.0
    median: float = 0.0
    greatest: float = 0.0
    details: tuple[tuple[str, int], ...] = ()
    distinct: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What is counted over all outputs.

    Args:
        domains: domain -> folder -> samples.
        sources: source -> folder -> samples; under the empty name those that have none.
        lengths: domain -> length in characters -> kept samples.
        scripts: script -> kept samples with a character of it.
        pass_rates: (right, judged) -> prompts.
        has_verdicts: whether the verdicts of all shards were there to be counted by prompt.
        verdicts: (verifier, outcome, reason) -> verdicts.
        reasons: (folder, step, reason) -> the samples that were dropped so.
    """

    domains: dict[str, Counter[str]] = field(default_factory=dict)
    sources: dict[str, Counter[str]] = field(default_factory=dict)
    lengths: dict[str, Counter[int]] = field(default_factory=dict)
    scripts: Counter[str] = field(default_factory=Counter)
    pass_rates: Counter[tuple[int, int]] = field(default_factory=Counter)
    has_verdicts: bool = True
    verdicts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    reasons: Mapping[_End, Reason] = field(default_factory=dict)


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
    dropped = _Dropped()
    for kind, file, output in outputs_of(directory, manifest):
        _check(file, output.samples)
        try:
            _count_names(found, kind, file)
            _count_verdicts(found, file)
            if kind == DATA:
                _count_texts(found, file)
            else:
                dropped.add(kind, file)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise OutputError(f"{file} cannot be read; run `curate run` again: {error}") from error
    rates = _pass_rates(directory, manifest)
    found.pass_rates.update(rates or {})
    return replace(found, reasons=dropped.reasons(), has_verdicts=rates is not None)


def _check(file: Path, samples: int) -> None:
    try:
        rows = int(pq.read_metadata(file).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise OutputError(f"{file} cannot be read; run `curate run` again: {error}") from error
    if rows != samples:
        raise OutputError(f"{file} holds {rows} samples where the manifest says {samples}; run `curate run` again")


def _count_names(found: Survey, kind: str, file: Path) -> None:
    scan = pl.scan_parquet(file, glob=False)
    for name, names in (("domain", found.domains), ("source", found.sources)):
        counts = scan.group_by(pl.col(name).fill_null("")).agg(pl.len()).collect(engine="streaming")
        for value, count in counts.sort(name).iter_rows():
            names.setdefault(value, Counter())[kind] += count


def _count_texts(found: Survey, file: Path) -> None:
    text = pl.col("text_")
    # Most texts are ASCII alone, and are told by two lengths without a search.
    beyond = pl.when(text.str.len_bytes() > text.str.len_chars()).then(text).otherwise(pl.lit(""))
    flags = [
        (text if name == "Latin" else pl.col("beyond_")).str.contains(pattern).fill_null(value=False).alias(name)
        for name, pattern in SCRIPTS.items()
    ]
    counts = (
        pl.scan_parquet(file, glob=False)
        .select(pl.col("domain").fill_null(""), pl.col("messages").list.last().struct.field("content").alias("text_"))
        .with_columns(beyond.alias("beyond_"))
        .select("domain", text.str.len_chars().alias("length"), *flags)
        .group_by("domain", "length")
        .agg(pl.len().alias("samples"), *(pl.col(name).sum() for name in SCRIPTS))
        .collect(engine="streaming")
    )
    for row in counts.sort("domain", "length").iter_rows(named=True):
        for name in SCRIPTS:
            found.scripts[name] += row[name]
        if row["length"] is not None:
            found.lengths.setdefault(row["domain"], Counter())[row["length"]] += row["samples"]


def _count_verdicts(found: Survey, file: Path) -> None:
    verdict = pl.col("verdicts").struct
    parts = [verdict.field(name).fill_null("").alias(name) for name in ("verifier", "outcome", "reason")]
    counts = (
        pl.scan_parquet(file, glob=False)
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


class _Dropped:
    """The samples that were dropped, in some bytes each: texts of details are read again for the few that are shown."""

    def __init__(self) -> None:
        self._ends: dict[_End, int] = {}
        self._files: list[Path] = []
        self._parts: list[pl.DataFrame] = []

    def add(self, kind: str, file: Path) -> None:
        """Those of one file."""
        detail = pl.when(pl.col("drop_step") == Decontaminate.name).then(_item("drop_detail")).otherwise("drop_detail")
        part = (
            pl.scan_parquet(file, glob=False)
            .select(
                pl.concat_str("drop_step", "drop_reason", separator="\0").alias("end"),
                pl.col("drop_value").alias("value"),
                pl.when(~pl.col("drop_step").is_in(UNSHOWN) & detail.is_not_null()).then(detail.hash()).alias("detail"),
                pl.col("group_id").hash().alias("prompt"),
                "chars",
            )
            .collect(engine="streaming")
        )
        ends = {}
        for end in part["end"].unique(maintain_order=True):
            step, _, reason = end.partition("\0")
            ends[end] = self._ends.setdefault((kind, step, reason), len(self._ends))
        self._parts.append(part.with_columns(pl.col("end").replace_strict(ends, return_dtype=pl.UInt16)))
        self._files.append(file)

    def reasons(self) -> dict[_End, Reason]:
        """What is to be said of each."""
        if not self._parts:
            return {}
        every = pl.concat(self._parts).with_row_index("at")
        details = self._details(every)
        value = pl.col("value")
        counts = (
            every.group_by("end")
            .agg(
                pl.len().alias("samples"),
                pl.col("prompt").n_unique().alias("prompts"),
                pl.col("chars").quantile(0.5, "lower").cast(pl.Int64),
                value.count().alias("measured"),
                value.min().fill_null(0.0).alias("least"),
                value.quantile(0.5, "lower").fill_null(0.0).alias("median"),
                value.max().fill_null(0.0).alias("greatest"),
                pl.col("detail").drop_nulls().n_unique().alias("distinct"),
            )
            .sort("end")
        )
        found: dict[_End, Reason] = {}
        for end, row in zip(self._ends, counts.iter_rows(named=True), strict=True):
            number = row.pop("end")
            found[end] = Reason(details=tuple(details.get(number, ())), **row)
        return found

    def _details(self, every: pl.DataFrame) -> dict[int, list[tuple[str, int]]]:
        """The most frequent details of each end; of equally frequent ones, those that come first."""
        items = [number for (_, step, _), number in self._ends.items() if step == Decontaminate.name]
        most = (
            every.filter(pl.col("detail").is_not_null())
            .group_by("end", "detail")
            .agg(pl.len().alias("samples"), pl.col("at").min())
            .filter((pl.col("samples") > 1) | pl.col("end").is_in(items))
            .sort("end", -pl.col("samples").cast(pl.Int64), "at")
            .group_by("end", maintain_order=True)
            .head(_MOST_DETAILS)
        )
        bounds = list(accumulate((part.height for part in self._parts), initial=0))
        wanted: dict[int, list[int]] = {}
        for at in most["at"].to_list():
            wanted.setdefault(bisect_right(bounds, at) - 1, []).append(at)
        texts: dict[int, str] = {}
        for number, places in wanted.items():
            rows = [at - bounds[number] for at in places]
            for row, fields in rows_at(self._files[number], rows, ("drop_step", "drop_detail")):
                texts[bounds[number] + row] = _detail(fields)
        found: dict[int, list[tuple[str, int]]] = {}
        for end, samples, at in most.select("end", "samples", "at").iter_rows():
            found.setdefault(end, []).append((texts[at], samples))
        return found


def _item(column: str) -> pl.Expr:
    """The name of an evaluation item, without the words that were found of it."""
    return pl.coalesce(pl.col(column).str.extract(_ITEM), column)


def _detail(fields: Mapping[str, object]) -> str:
    detail = str(fields["drop_detail"])
    item = re.match(_ITEM, detail) if fields["drop_step"] == Decontaminate.name else None
    return item[1] if item else detail


def _pass_rates(directory: Path, manifest: Manifest) -> Counter[tuple[int, int]] | None:
    """(right, judged) -> prompts, over the completions that ``verify`` found right or wrong, as ``pass_rate`` does.

    The samples of a prompt may stand in several shards. None where what the run knew of them is not there.
    """
    parts = [pl.DataFrame(schema={"group": pl.UInt64, "right": pl.UInt32, "judged": pl.UInt32})]
    for shard in manifest.done if Verify.name in manifest.steps else ():
        if not shard.samples:
            continue
        try:
            groups = pl.read_parquet(facts_file(directory, shard.name), columns=["group"], glob=False)
            rights = pl.read_parquet(verdicts_file(directory, shard.name), columns=["is_right"], glob=False)
        except (pl.exceptions.PolarsError, OSError):
            return None
        if not groups.height == rights.height == shard.samples:
            return None
        parts.append(
            groups.hstack(rights)
            .filter(pl.col("is_right").is_not_null())
            .group_by("group")
            .agg(pl.col("is_right").sum().cast(pl.UInt32).alias("right"), pl.len().cast(pl.UInt32).alias("judged"))
        )
    counts = pl.concat(parts).group_by("group").agg(pl.col("right", "judged").sum()).group_by("right", "judged").len()
    return Counter({(right, judged): prompts for right, judged, prompts in counts.iter_rows()})
