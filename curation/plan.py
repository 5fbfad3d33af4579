"""What a plan tells: findings with their remedies, files, steps, and the outlook of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from curation.estimates import DiskEstimate, DomainEstimate, Estimate, StageEstimate
from curation.manifest import ShardEntry
from curation.recipe import Option


class Level(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    """A run would not begin, or would not end well."""
    ATTENTION = "attention"
    """A run would do its work, and may not give what is wanted."""
    REMARK = "remark"
    """Good to know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something to tell, with the remedy.

    Args:
        level: how much it matters.
        field: of the recipe, the option or the part of the machine that it is about.
        message: what is found, and what to do.
    """

    level: Level
    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileGroup:
    """Files that are read alike.

    Args:
        schema: of ``curation.schemas``, or ``columns``.
        parts: part -> the column that plays it, or of which columns it is made.
        is_list: whether a row holds a list of completions; else it holds one.
        files: how many.
        first: path of the first.
        shards: that they stand in.
        rows: of all.
        is_counted: whether rows were counted.
        bytes: of all.
    """

    schema: str
    parts: Mapping[str, str]
    is_list: bool
    files: int
    first: str
    shards: int
    rows: int
    is_counted: bool
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """A step as it will run.

    Args:
        name: of it.
        options: those that are not the default.
        reads: files that it reads, by option.
        dropped: of the sample.
        ms_per_1000: CPU milliseconds for 1,000 completions; None where it is not measured by itself.
    """

    name: str
    options: Mapping[str, Option]
    reads: tuple[str, ...]
    dropped: int = 0
    ms_per_1000: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """Completions of the sample without a verdict on their content, for one reason.

    Args:
        outcome: ``UNSCORABLE`` (the task is at fault) or ``FAILED`` (ours).
        reason: ``VERIFIER:REASON``.
        count: of the sample.
        examples: where some of them stand.
    """

    outcome: str
    reason: str
    count: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the sample says of the corpus.

    Args:
        completions: of the sample.
        prompts: of the sample.
        rows: of the sample.
        is_whole: whether the sample is the corpus.
        is_judged: whether verdicts were made.
        judged: completions that ``verify`` judged.
        to_score: that a judge would be asked to score, of the corpus; None where no step asks one.
        completions_in_all: of the corpus.
        kept: in the output.
        domains: a line each.
        unjudged: by reason, most first.
        stages: of a run.
        disk: of a run.
        free_bytes: where the output goes; None without an output.
    """

    completions: int
    prompts: int
    rows: int
    is_whole: bool
    is_judged: bool
    judged: int
    to_score: Estimate | None
    completions_in_all: int
    kept: Estimate
    domains: list[DomainEstimate]
    unjudged: list[Unjudged]
    stages: list[StageEstimate]
    disk: DiskEstimate
    free_bytes: int | None


@dataclass(slots=True, kw_only=True)
class Plan:
    """All that is found; what an error kept from being found is empty."""

    findings: list[Finding] = field(default_factory=list)
    files: list[FileGroup] = field(default_factory=list)
    steps: list[StepPlan] = field(default_factory=list)
    output: str = ""
    engine: str = ""
    judge: str = ""
    funnel: ShardEntry | None = None
    outlook: Outlook | None = None

    def add(self, level: Level, where: str, message: str) -> None:
        """Adds a finding."""
        self.findings.append(Finding(level=level, field=where, message=message))

    def of(self, level: Level) -> list[Finding]:
        """The findings of one level."""
        return [finding for finding in self.findings if finding.level is level]

    @property
    def status(self) -> int:
        """0: a run is ready to begin; 1: it is, but something needs attention; 2: it is not."""
        if self.of(Level.ERROR):
            return 2
        return 1 if self.of(Level.ATTENTION) else 0
