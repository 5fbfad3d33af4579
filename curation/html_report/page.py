"""From counts to the page: sorts, shares and charts; the words and the form stand in ``page.html.j2``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from curation.costs import Cost
from curation.finished import Manifest
from curation.html_report.charts import DROPPED, KEPT, QUIET, Bar, Chart, columns_chart, rows_chart
from curation.html_report.examples import Examples
from curation.html_report.survey import SCRIPTS, Reason, Survey, in_order
from curation.manifest import DATA, DataEntry, InputEntry, ShardEntry, total_dropped, total_failures
from curation.steps.decontaminate import Decontaminate
from curation.steps.language_mix import LanguageMix
from curation.visible import cut, measured

_MOST_DOMAINS = 20
_MOST_SOURCES = 50
_MOST_REASONS = 100
_MOST_FILES = 50
_MOST_INPUTS = 1_000
_MOST_FAILED = 20
_MOST_FOUND = 3
_FOUND_CHARS = 80
_NAME_CHARS = 160
_ALL = 10
_CHARS_PER_TOKEN = 4
_R1_TOKENS: Mapping[str, str] = {
    "math": "6,094.2",
    "code": "7,435.7",
    "stem": "4,928.8",
    "logic": "2,739.0",
    "general": "1,419.8",
}
"""Average tokens by domain: DeepSeek-R1 (arXiv 2501.12948 v2), Table 5."""

_R1_TOKENS_ALL = "5,355.3"
_FAILED = "failed"
_SLOW = ("TLE", "too_complex", "worker_timeout", "deadline_exceeded")
"""Reasons of verdicts that say that a time was spent."""
_UNTOLD = Reason(samples=0, prompts=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the funnel: samples that a step dropped, or could not judge, for one reason.

    Args:
        left: after it.
        told: what is known of these samples.
    """

    step: str
    reason: str
    samples: int
    left: int
    told: Reason
    is_failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Yield:
    """What became of the samples of one domain or input file."""

    name: str
    kept: int
    rejected: int
    failed: int
    error: str = ""

    @property
    def samples(self) -> int:
        """All of them."""
        return self.kept + self.rejected + self.failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Lengths of kept samples of one domain, in characters."""

    domain: str
    samples: int
    mean: int
    least: int
    p10: int
    median: int
    p90: int
    greatest: int
    r1_tokens: str

    @property
    def mean_tokens(self) -> int:
        """The mean in tokens, by a rule of thumb."""
        return self.mean // _CHARS_PER_TOKEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """The files of one split, each of ``least`` to ``greatest`` bytes."""

    name: str
    files: int
    samples: int
    bytes: int
    least: int
    greatest: int


def render(manifest: Manifest, survey: Survey, examples: Sequence[Examples], costs: Mapping[str, Cost]) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("curation.html_report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "n": _number,
        "share": _share,
        "name": lambda text: cut(text, _NAME_CHARS),
        "found": lambda text: cut(text, _FOUND_CHARS),
        "measured": measured,
        "size": _size,
        "seconds": _seconds,
    }
    lines = _funnel(manifest, survey)
    inputs = _inputs(manifest)
    failing = [shard for shard in manifest.done if shard.failed]
    rates = survey.pass_rates
    return environment.get_template("page.html.j2").render(
        manifest=manifest,
        totals={name: manifest.total(name) for name in ("rows", "samples", "kept", "rejected", _FAILED)},
        steps=[(step, [line for line in lines if line.step == step]) for step in _step_names(lines)],
        lines=lines,
        funnel_chart=_funnel_chart(manifest, lines),
        told=[line for line in lines if _is_told(line)],
        most_found=_MOST_FOUND,
        domains=_longest(_yields(survey.domains), _MOST_DOMAINS, "domains"),
        sources=_longest(_yields(survey.sources), _MOST_SOURCES, "sources") if any(survey.sources) else [],
        inputs=_longest(inputs, _MOST_SOURCES, "files"),
        pass_chart=_pass_chart(rates),
        prompts=_prompts(rates),
        has_verdicts=survey.has_verdicts,
        lengths=_lengths(survey.lengths),
        length_chart=_length_chart(survey.lengths),
        chars_per_token=_CHARS_PER_TOKEN,
        scripts=_scripts(survey),
        mixed=[line for line in lines if line.step == LanguageMix.name],
        verdicts=_verdicts(survey.verdicts)[:_MOST_REASONS],
        duplicates=[line for line in lines if "dedup" in line.step],
        contaminated=[line for line in lines if line.step == Decontaminate.name],
        failures=[line for line in lines if line.is_failed],
        failing=failing[:_MOST_FAILED],
        more_failing=len(failing[_MOST_FAILED:]),
        unread=[row for row in inputs if row.error],
        slow=[row for row in _verdicts(survey.verdicts) if row[2] in _SLOW],
        splits=_splits(manifest.files),
        files=manifest.files[:_MOST_FILES],
        more_files=len(manifest.files[_MOST_FILES:]),
        costs=costs,
        hashes=_hashes(manifest.shards)[:_MOST_INPUTS],
        more_hashes=len(_hashes(manifest.shards)[_MOST_INPUTS:]),
        kept_examples=[group for group in examples if group.kind == DATA],
        dropped_examples=_sorted_examples(examples, lines),
    )


def _is_told(line: Line) -> bool:
    return bool(line.told.measured or line.told.details)


def _yields(counts: Mapping[str, Counter[str]]) -> list[Yield]:
    return [
        Yield(name=name, kept=ends[DATA], rejected=ends["rejected"], failed=ends[_FAILED])
        for name, ends in counts.items()
    ]


def _inputs(manifest: Manifest) -> list[Yield]:
    """What became of each input file; a file of several shards has the first of their errors."""
    found: dict[str, list[tuple[InputEntry, str]]] = {}
    for shard in manifest.shards:
        for item in shard.inputs:
            found.setdefault(item.path, []).append((item, shard.error))
    return [
        Yield(
            name=name,
            kept=sum(item.kept for item, _ in parts),
            rejected=sum(item.rejected for item, _ in parts),
            failed=sum(item.failed for item, _ in parts),
            error=next((error for _, error in parts if error), ""),
        )
        for name, parts in found.items()
    ]


def _hashes(shards: Sequence[ShardEntry]) -> list[tuple[str, str, int, int]]:
    """File, sha256, rows and shards of each input."""
    found: dict[tuple[str, str], list[int]] = {}
    for item in (item for shard in shards for item in shard.inputs):
        found.setdefault((item.path, item.sha256), []).append(item.rows)
    return [(name, sha256, sum(rows), len(rows)) for (name, sha256), rows in found.items()]


def _splits(files: Sequence[DataEntry]) -> list[Split]:
    found: dict[str, list[DataEntry]] = {}
    for file in files:
        found.setdefault(file.split, []).append(file)
    return [
        Split(
            name=name,
            files=len(of_split),
            samples=sum(file.output.samples for file in of_split),
            bytes=sum(file.output.bytes for file in of_split),
            least=min(file.output.bytes for file in of_split),
            greatest=max(file.output.bytes for file in of_split),
        )
        for name, of_split in found.items()
    ]


def _size(count: int) -> str:
    for unit, name in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count} B"


def _seconds(seconds: float) -> str:
    return f"{seconds:,.1f} s"


def _number(count: int) -> str:
    return f"{count:,}"


def _share(count: int, whole: int) -> str:
    if not whole:
        return "–"
    # A few of many are not none, and nearly all are not all.
    if 0 < 1000 * count < whole:
        return "<0.1 %"
    if count < whole and 1000 * (whole - count) < whole:
        return ">99.9 %"
    return f"{100 * count / whole:.1f} %"


def _funnel(manifest: Manifest, survey: Survey) -> list[Line]:
    dropped = total_dropped(list(manifest.done))
    failures = total_failures(list(manifest.done))
    left = manifest.total("samples")
    lines = []
    for step in in_order({**dropped, **failures}, manifest):
        reasons = [(False, reason, count) for reason, count in dropped.get(step, {}).items()]
        reasons += [(True, reason, count) for reason, count in failures.get(step, {}).items()]
        for is_failed, reason, count in sorted(reasons, key=lambda item: (item[0], -item[2], item[1])):
            left -= count
            line = Line(
                step=step,
                reason=reason,
                samples=count,
                left=left,
                told=survey.reasons.get((_FAILED if is_failed else "rejected", step, reason), _UNTOLD),
                is_failed=is_failed,
            )
            lines.append(line)
    return lines


def _step_names(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(line.step for line in lines))


def _funnel_chart(manifest: Manifest, lines: Sequence[Line]) -> Chart | None:
    left = samples = manifest.total("samples")
    if not samples:
        return None
    bars = [Bar(name="in", value=samples, role=QUIET, label=f"{samples:,}")]
    for step in _step_names(lines):
        gone = sum(line.samples for line in lines if line.step == step)
        left -= gone
        bars.append(Bar(name=cut(step, 24), value=left, more=gone, role=QUIET, label=f"−{gone:,}"))
    kept = manifest.total("kept")
    bars.append(Bar(name="kept", value=kept, label=f"{kept:,} ({_share(kept, samples)})"))
    return rows_chart("funnel", "Samples left after each step, and those that it took away", bars)


def _longest(rows: Iterable[Yield], most: int, noun: str) -> list[Yield]:
    """The greatest, and the others as one."""
    ordered = sorted(rows, key=lambda row: (not row.error, -row.samples, row.name))
    if len(ordered) <= most:
        return ordered
    others = ordered[most:]
    rest = Yield(
        name=f"{len(others):,} more {noun}",
        kept=sum(row.kept for row in others),
        rejected=sum(row.rejected for row in others),
        failed=sum(row.failed for row in others),
    )
    return [*ordered[:most], rest]


def _prompts(rates: Counter[tuple[int, int]]) -> dict[str, int]:
    return {
        "judged": rates.total(),
        "completions": sum(judged * prompts for (_, judged), prompts in rates.items()),
        "right": sum(right * prompts for (right, _), prompts in rates.items()),
        "none": sum(prompts for (right, _), prompts in rates.items() if not right),
        "all": sum(prompts for (right, judged), prompts in rates.items() if right == judged),
        "single": sum(prompts for (_, judged), prompts in rates.items() if judged == 1),
    }


def _pass_chart(rates: Counter[tuple[int, int]]) -> Chart | None:
    if not rates:
        return None
    # None and all stand alone: a group that is of one mind gives no advantage to learn from.
    bins: Counter[int] = Counter()
    for (right, judged), prompts in rates.items():
        bins[_ALL + 1 if right == judged else -(-_ALL * right // judged)] += prompts
    names = ["none", *(f"≤{10 * place}" for place in range(1, _ALL)), "<100", "all"]
    roles = [DROPPED, *[QUIET] * _ALL, KEPT]
    bars = [Bar(name=names[place], value=bins[place], role=roles[place]) for place in range(_ALL + 2)]
    return columns_chart("pass", "Prompts by pass rate", bars, axis="right completions, % of those judged")


def _lengths(lengths: Mapping[str, Counter[int]]) -> list[Lengths]:
    rows = [_length(name, counts, _R1_TOKENS.get(name.strip().lower(), "")) for name, counts in lengths.items()]
    rows = sorted(rows, key=lambda row: (-row.samples, row.domain))[:_MOST_DOMAINS]
    return rows if not rows else [*rows, _length("all", _all(lengths), _R1_TOKENS_ALL)]


def _all(lengths: Mapping[str, Counter[int]]) -> Counter[int]:
    return sum(lengths.values(), Counter())


def _length(domain: str, counts: Counter[int], r1_tokens: str) -> Lengths:
    samples = counts.total()
    ordered = sorted(counts.items())

    def at(percent: int) -> int:
        rank, seen = -(-percent * samples // 100), 0
        for length, count in ordered:
            seen += count
            if seen >= rank:
                return length
        return ordered[-1][0]

    return Lengths(
        domain=domain,
        samples=samples,
        mean=sum(length * count for length, count in ordered) // samples,
        least=ordered[0][0],
        p10=at(10),
        median=at(50),
        p90=at(90),
        greatest=ordered[-1][0],
        r1_tokens=r1_tokens,
    )


def _length_chart(lengths: Mapping[str, Counter[int]]) -> Chart | None:
    counts = _all(lengths)
    if not counts:
        return None
    # Lengths span decades, so each bar is twice as wide as the one before it.
    bins: Counter[int] = Counter()
    for length, count in counts.items():
        bins[length.bit_length()] += count
    places = range(min(bins), max(bins) + 1)
    bars = [Bar(name=f"<{_short(1 << place)}", value=bins[place]) for place in places]
    return columns_chart("length", "Kept samples by length", bars, axis="characters (1k is 1,024)")


def _short(count: int) -> str:
    for unit, suffix in ((1 << 20, "M"), (1 << 10, "k")):
        if count >= unit:
            return f"{count // unit}{suffix}"
    return str(count)


def _scripts(survey: Survey) -> list[tuple[str, int]]:
    rows = [(name, survey.scripts[name]) for name in SCRIPTS]
    return [(name, count) for name, count in rows if name.startswith(("Latin", "CJK")) or count]


def _verdicts(counts: Counter[tuple[str, str, str]]) -> list[tuple[str, str, str, int]]:
    order = {"CORRECT": 0, "INCORRECT": 1, "UNSCORABLE": 2, "FAILED": 3}
    rows = [(*key, count) for key, count in counts.items()]
    rows.sort(key=lambda row: (row[0], order.get(row[1], len(order)), -row[3], row[2]))
    return rows


def _sorted_examples(examples: Sequence[Examples], lines: Sequence[Line]) -> list[tuple[Line, Examples]]:
    """In the order of the funnel, each with its line there."""
    found = {(group.kind == _FAILED, group.step, group.reason): group for group in examples if group.kind != DATA}
    keyed = [((line.is_failed, line.step, line.reason), line) for line in lines]
    return [(line, found[key]) for key, line in keyed if key in found]
