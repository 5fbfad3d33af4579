"""How often a judge model agrees with the rules, over the samples of a run that both judged (``audit_percent``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from curation.errors import OutputError, UsageError
from curation.finished import held_still, outputs_of, read_manifest
from curation.steps.verify import AUDIT, FORM
from verifier.types import Outcome

_RIGHT, _WRONG = Outcome.CORRECT.value, Outcome.INCORRECT.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What both said.

    Args:
        counts: (the rules found it right, the judge found it right) -> samples.
        unjudged: outcome of the audit that is no verdict -> samples.
        reasons: (verifier and reason of the rules, the judge found it right) -> samples.
    """

    counts: Counter[tuple[bool, bool]] = field(default_factory=Counter)
    unjudged: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, bool]] = field(default_factory=Counter)

    @property
    def samples(self) -> int:
        """That both found right or wrong."""
        return self.counts.total()

    @property
    def agreed(self) -> int:
        """That both found the same of."""
        return self.counts[True, True] + self.counts[False, False]

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa: agreement beyond what chance gives; 1 is all, 0 is none. None where chance gives all."""
        counts, samples = self.counts, self.samples
        rules_right = counts[True, True] + counts[True, False]
        judge_right = counts[True, True] + counts[False, True]
        by_chance = rules_right * judge_right + (samples - rules_right) * (samples - judge_right)
        if by_chance == samples * samples:
            return None
        return (samples * self.agreed - by_chance) / (samples * samples - by_chance)


def agreement(directory: Path) -> Agreement:
    """The agreement in a finished run.

    Raises:
        OutputError: the directory is no run's, or a file of it cannot be read.
        UsageError: the run had no audit.
    """
    found = Agreement()
    with held_still(directory):
        for _, file, _ in outputs_of(directory, read_manifest(directory)):
            try:
                _count(found, file)
            except (pl.exceptions.PolarsError, OSError) as error:
                raise OutputError(f"{file} cannot be read; run `curate run` again: {error}") from error
    if not found.samples and not found.unjudged:
        raise UsageError(f"{directory} has no audit; give the recipe [judge] audit_percent, such as 1, and run again")
    return found


def _count(found: Agreement, file: Path) -> None:
    verdict = pl.element().struct
    audit = pl.col("verdicts").list.eval(pl.element().filter(verdict.field("verifier") == AUDIT)).list.first()
    rules = pl.col("verdicts").list.eval(pl.element().filter(~verdict.field("verifier").is_in([*FORM, AUDIT])))
    wrong = rules.list.eval(pl.element().filter(verdict.field("outcome") != _RIGHT))
    shown = pl.coalesce(wrong.list.first(), rules.list.first()).struct
    counts = (
        pl.scan_parquet(file, glob=False)
        .select("verdicts")
        .filter(pl.col("verdicts").list.eval(verdict.field("verifier") == AUDIT).list.any())
        .select(
            (wrong.list.len() == 0).alias("rules"),
            audit.struct.field("outcome").alias("judge"),
            pl.format("{}:{}", shown.field("verifier"), shown.field("reason")).alias("reason"),
        )
        .group_by("rules", "judge", "reason")
        .len()
        .collect()
    )
    for is_right, outcome, reason, samples in counts.iter_rows():
        if outcome not in (_RIGHT, _WRONG):
            found.unjudged[outcome] += samples
            continue
        found.counts[is_right, outcome == _RIGHT] += samples
        found.reasons[reason, outcome == _RIGHT] += samples


def told(found: Agreement) -> Iterator[str]:
    """The agreement, in lines for a reader."""
    yield f"{'rules':<28}{'judge: correct':>16}{'incorrect':>12}"
    for is_right, word in ((True, "right"), (False, "wrong")):
        yield f"{word:<28}{found.counts[is_right, True]:>16,}{found.counts[is_right, False]:>12,}"
    for reason in sorted({reason for reason, _ in found.reasons}):
        yield f"  {reason:<26}{found.reasons[reason, True]:>16,}{found.reasons[reason, False]:>12,}"
    if found.unjudged:
        shown = ", ".join(f"{samples:,} {outcome}" for outcome, samples in sorted(found.unjudged.items()))
        yield f"not judged: {shown}"
    kappa = "not defined, as one of them found all the same" if found.kappa is None else f"{found.kappa:.3f}"
    if found.samples:
        share = f"{100 * found.agreed / found.samples:.1f}%"
        yield f"agreement {found.agreed:,} of {found.samples:,} ({share}), Cohen's kappa {kappa}"
