"""From counts to the page: sorts, shares and charts; the words and the form stand in ``page.html.j2``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from curation.finished import Manifest
from curation.html_report.charts import DROPPED, KEPT, QUIET, Bar, Chart, columns_chart, rows_chart
from curation.html_report.examples import Examples
from curation.html_report.excerpts import cut
from curation.html_report.survey import SCRIPTS, Survey, in_order
from curation.manifest import KINDS, total_dropped, total_failures

_MOST_DOMAINS = 20
_MOST_SOURCES = 50
_MOST_REASONS = 100
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the funnel: samples that a step dropped, or could not judge, for one reason."""

    step: str
    reason: str
    samples: int
    prompts: int
    left: int
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


def render(manifest: Manifest, survey: Survey, examples: Sequence[Examples]) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("curation.html_report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"n": _number, "share": _share, "name": lambda text: cut(text, _NAME_CHARS)}
    lines = _funnel(manifest, survey)
    domains = [
        Yield(name=name, kept=counts["data"], rejected=counts["rejected"], failed=counts[_FAILED])
        for name, counts in survey.domains.items()
    ]
    sources = [
        Yield(name=shard.input_file, kept=shard.kept, rejected=shard.rejected, failed=shard.failed, error=shard.error)
        for shard in manifest.shards
    ]
    rates = survey.pass_rates
    return environment.get_template("page.html.j2").render(
        manifest=manifest,
        totals={name: manifest.total(name) for name in ("rows", "samples", "kept", "rejected", _FAILED)},
        steps=[(step, [line for line in lines if line.step == step]) for step in _step_names(lines)],
        lines=lines,
        funnel_chart=_funnel_chart(manifest, lines),
        domains=_longest(domains, _MOST_DOMAINS, "domains"),
        sources=_longest(sources, _MOST_SOURCES, "files"),
        pass_chart=_pass_chart(rates),
        prompts=_prompts(rates),
        lengths=_lengths(survey.lengths),
        length_chart=_length_chart(survey.lengths),
        chars_per_token=_CHARS_PER_TOKEN,
        scripts=_scripts(survey),
        of_kind={kind: sum(counts[kind] for counts in survey.domains.values()) for kind in KINDS},
        verdicts=_verdicts(survey.verdicts),
        duplicates=[line for line in lines if "dedup" in line.step],
        contaminated=[line for line in lines if line.step == "decontaminate"],
        failures=[line for line in lines if line.is_failed],
        kept_examples=[group for group in examples if group.kind == "data"],
        dropped_examples=_sorted_examples(examples, lines),
    )


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
    for step in in_order({**dropped, **({"verify": None} if failures else {})}, manifest):
        reasons = [(False, reason, count) for reason, count in dropped.get(step, {}).items()]
        if step == "verify":
            reasons += [(True, reason, count) for reason, count in failures.items()]
        for is_failed, reason, count in sorted(reasons, key=lambda item: (item[0], -item[2], item[1])):
            left -= count
            line = Line(
                step=step,
                reason=reason,
                samples=count,
                prompts=survey.prompts[step, reason],
                left=left,
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


def _scripts(survey: Survey) -> list[tuple[str, dict[str, int]]]:
    rows = [(name, {kind: survey.scripts[kind][name] for kind in KINDS}) for name in SCRIPTS]
    return [(name, counts) for name, counts in rows if name.startswith(("Latin", "CJK")) or any(counts.values())]


def _verdicts(counts: Counter[tuple[str, str, str]]) -> list[tuple[str, str, str, int]]:
    order = {"CORRECT": 0, "INCORRECT": 1, "UNSCORABLE": 2, "FAILED": 3}
    rows = [(*key, count) for key, count in counts.items()]
    rows.sort(key=lambda row: (row[0], order.get(row[1], len(order)), -row[3], row[2]))
    return rows[:_MOST_REASONS]


def _sorted_examples(examples: Sequence[Examples], lines: Sequence[Line]) -> list[tuple[Line, Examples]]:
    """In the order of the funnel, each with its line there."""
    found = {(group.kind == _FAILED, group.step, group.reason): group for group in examples if group.kind != "data"}
    keyed = [((line.is_failed, line.step, line.reason), line) for line in lines]
    return [(line, found[key]) for key, line in keyed if key in found]
