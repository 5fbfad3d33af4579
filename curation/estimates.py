"""From a sample to the corpus: counts with their intervals, time and bytes.

Neighbours in a sample are alike (completions of one prompt, rows of one source), so a sample tells less than its
completions say. The intervals are Wilson's, for so many independent completions as scatter as much as the clusters do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.executors.early import is_early
from curation.executors.spool import on_disk
from curation.sampling import Sample
from curation.steps.base import ArrangeStep, AskStep, Step, domain_head, domain_name
from curation.steps.quota import Quota
from curation.trial import Trial

_Z = 1.959963984540054

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A count in the corpus, with the bounds of its interval of 95 %."""

    count: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEstimate:
    """What there will be of a domain.

    Args:
        domain: empty where samples have none.
        sampled: of the sample.
        kept: of those, before quotas.
        available: in the corpus, before quotas.
        quota: None where there is none.
        state: ``fills``, ``may run short``, ``short``; empty without a quota.
        output: in the corpus, after quotas.
    """

    domain: str
    sampled: int
    kept: int
    available: Estimate
    quota: int | None
    state: str
    output: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEstimate:
    """Time of one stage on the sample, and on the corpus by the same rate."""

    stage: str
    units: int
    wall_s: float
    cpu_s: float
    corpus_wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskEstimate:
    """Bytes on the disk of the output, reckoned from the files of the sample."""

    data: int
    account: int
    state: int
    spill: int

    @property
    def total(self) -> int:
        """The most that is there at once."""
        return self.data + self.account + self.state + self.spill


def share_interval(hits: Flags, clusters: npt.NDArray[np.int64]) -> tuple[float, float]:
    """Wilson's interval of 95 % for the share of hits in the population.

    Formula: with p the share, n the completions and C clusters of m_i with k_i hits, the variance of p between clusters
    is ``C / (C - 1) * sum((k_i - p m_i)^2) / n^2``, and n counts for less by as many times as that is over
    ``p (1 - p) / (n - 1)``. Where all or none are hits nothing scatters, and a cluster counts once.

    Args:
        hits: of each completion.
        clusters: number of the cluster of each.
    """
    n = len(hits)
    if not n:
        return 0.0, 1.0
    p = float(hits.mean())
    _, places = np.unique(clusters, return_inverse=True)
    sizes, counts = np.bincount(places), np.bincount(places, weights=hits)
    many = len(sizes)
    if p in (0.0, 1.0) or many == 1:
        effective = float(many)
    else:
        between = many / (many - 1) * float(((counts - p * sizes) ** 2).sum()) / n**2
        effective = n / max(1.0, between / (p * (1 - p) / (n - 1)))
    middle = p + _Z**2 / (2 * effective)
    spread = _Z * math.sqrt(p * (1 - p) / effective + _Z**2 / (4 * effective**2))
    whole = 1 + _Z**2 / effective
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def estimate_count(hits: Flags, sample: Sample) -> Estimate:
    """How many completions of the corpus are like those that hit; exact where the sample is the corpus."""
    if sample.is_whole:
        return Estimate(count=int(hits.sum()), low=int(hits.sum()), high=int(hits.sum()))
    in_all = sample.samples_in_all
    low, high = share_interval(hits, sample.clusters)
    share = float(hits.mean()) if len(hits) else 0.0
    # What was seen is there.
    least = max(int(hits.sum()), math.floor(low * in_all))
    return Estimate(count=round(share * in_all), low=least, high=max(least, math.ceil(high * in_all)))


def estimate_domains(sample: Sample, trial: Trial, steps: Sequence[Step]) -> list[DomainEstimate]:
    """By domain, those with a quota first; a quota without any sample has a line too."""
    quota = next((step for step in steps if isinstance(step, Quota)), None)
    quotas = {} if quota is None else quota.quotas()
    whole = domain_name(pl.col("domain"))
    head = domain_head(whole)
    key = pl.when(whole.is_in(list(quotas))).then(whole).when(head.is_in(list(quotas))).then(head).otherwise(whole)
    covers = None if quota is None else quota.covers(pl.col("domain"))
    told = trial.facts.select(
        key.alias("domain"), covered=pl.lit(value=True) if covers is None else covers.fill_null(value=False)
    )
    is_kept = trial.fates["drop_step"].is_null().to_numpy()
    found: list[tuple[str, int, int, Estimate, int | None]] = []
    names = [*quotas, *sorted(set(told["domain"]) - set(quotas))]
    for name in names:
        of_it = (told["domain"] == name).to_numpy()
        hits = of_it & is_kept
        is_bounded = name in quotas and bool(told.filter(pl.Series(of_it))["covered"].all())
        available = estimate_count(hits, sample)
        found.append((name, int(of_it.sum()), int(hits.sum()), available, quotas[name] if is_bounded else None))
    shares = (1.0, 1.0, 1.0)
    if quota is not None and quota.when_short == "scale":
        bounded = [(available, bound) for _, _, _, available, bound in found if bound]
        shares = (
            min((min(one.count, bound) / bound for one, bound in bounded), default=1.0),
            min((min(one.low, bound) / bound for one, bound in bounded), default=1.0),
            min((min(one.high, bound) / bound for one, bound in bounded), default=1.0),
        )
    return [
        DomainEstimate(
            domain=name,
            sampled=sampled,
            kept=kept,
            available=available,
            quota=bound,
            state=_state(available, bound),
            output=_bounded(available, bound, shares),
        )
        for name, sampled, kept, available, bound in found
    ]


def _state(available: Estimate, bound: int | None) -> str:
    if bound is None:
        return ""
    if available.high < bound:
        return "short"
    return "may run short" if available.low < bound else "fills"


def _bounded(available: Estimate, bound: int | None, shares: tuple[float, float, float]) -> Estimate:
    if bound is None:
        return available
    middle, low, high = (math.floor(bound * share) for share in shares)
    return Estimate(count=min(available.count, middle), low=min(available.low, low), high=min(available.high, high))


def estimate_kept(sample: Sample, trial: Trial, domains: Sequence[DomainEstimate]) -> Estimate:
    """Samples in the output; where quotas bound them, the sum over the domains."""
    whole = estimate_count(trial.fates["drop_step"].is_null().to_numpy(), sample)
    if all(one.quota is None for one in domains):
        return whole
    middle, low, high = (sum(getattr(one.output, part) for one in domains) for part in ("count", "low", "high"))
    return Estimate(count=middle, low=low, high=min(high, whole.high))


def estimate_time(
    sample: Sample, trial: Trial, steps: Sequence[Step], kept: Estimate, *, processes: int
) -> list[StageEstimate]:
    """Each stage of a run by its rate on the sample. The verdicts that a store knows would take no time.

    Args:
        sample: that was drawn.
        trial: of it.
        steps: of the recipe.
        kept: samples in the output.
        processes: of the run, which share what takes CPU time; what waits is waited for by one.
    """

    def shared(wall_s: float, cpu_s: float) -> float:
        busy_s = min(wall_s, cpu_s)
        return wall_s - busy_s + busy_s / processes

    passes = 2 + sum(isinstance(step, AskStep) for step in steps)
    if is_early(steps) and sample.samples["tests"].is_null().all():
        passes -= 1
    read_s = passes * sample.read_s * sample.rows_in_all / max(1, sample.rows_read)
    grown = sample.samples_in_all / max(1, sample.samples.height)
    found = [
        StageEstimate(stage="hash the files", units=0, wall_s=0.0, cpu_s=0.0, corpus_wall_s=sample.hash_s),
        StageEstimate(
            stage=f"read the rows, {passes} times",
            units=sample.rows_read,
            wall_s=sample.read_s,
            cpu_s=sample.read_s,
            corpus_wall_s=shared(read_s, read_s),
        ),
    ]
    for stage in trial.stages:
        factor = kept.count / max(1, trial.entry.kept) if stage.name == "write" else grown
        found.append(
            StageEstimate(
                stage=stage.name,
                units=stage.units,
                wall_s=stage.wall_s,
                cpu_s=stage.cpu_s,
                corpus_wall_s=shared(stage.wall_s, stage.cpu_s) * factor,
            )
        )
    return found


def estimate_disk(sample: Sample, trial: Trial, steps: Sequence[Step], kept: Estimate) -> DiskEstimate:
    """By the bytes of a sample in each kind of file; facts are put aside, and samples where a step arranges them."""
    in_all = sample.samples_in_all
    dropped = trial.entry.samples - trial.entry.kept
    each: Mapping[str, float] = {
        "data": trial.data_bytes / max(1, trial.entry.kept),
        "account": trial.account_bytes / max(1, dropped),
        "state": trial.state_bytes / max(1, trial.entry.samples),
        "spill": trial.spill_bytes / max(1, trial.entry.kept),
        "aside": trial.aside_bytes / max(1, trial.entry.samples),
    }
    is_spilled = any(isinstance(step, ArrangeStep) for step in steps)
    return DiskEstimate(
        data=round(each["data"] * kept.count),
        account=round(each["account"] * max(0, in_all - kept.count)),
        state=round(each["state"] * in_all),
        spill=on_disk(round(each["aside"] * in_all)) + (round(each["spill"] * kept.count) if is_spilled else 0),
    )
