"""The work of a run in pieces that any process can do: what ``tasks`` does, told in values that can be sent there.

A job reads and writes files of the run directory, and gives back little: counts, names, decisions. Whatever process
does it, once, twice or twice at the same time, the same files come to stand: each is put in place whole.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.errors import AccountingError, EngineStoppedError, RecipeError, ShardError
from curation.executors.early import EARLY, AtHand, Early
from curation.executors.judging import VERDICTS, Bounds, Mask, nobody, verdict_frame
from curation.executors.spill import Spill
from curation.executors.state import State
from curation.executors.tasks import (
    JUDGEMENTS,
    Bench,
    Piece,
    annotate,
    asked_again,
    judge,
    opened,
    write_account,
    write_data,
)
from curation.facts import FACTS
from curation.judge_spec import JudgeSpec
from curation.manifest import STATE, DataEntry, Directory, RunIdentity, ShardEntry
from curation.output import kept_table
from curation.recipe import Recipe
from curation.shards import CUT_BYTES, GatheredReader, Shard, ShardReader
from curation.sources import Content, Source, read_content
from curation.steps.base import AskStep, Step
from curation.steps.quality import JudgedQuality
from curation.steps.verify import Verify
from verifier.engines.base import Engine
from verifier.engines.store import Verdicts
from verifier.generative.patience import Patience

RETRIES = 3
"""Further tries of a job whose process is lost."""
_SPILL = "spill"

EARLY_KIND = "early"
VERDICTS_KIND = "verdicts"
SCORES_KIND = "scores"

Numbers = npt.NDArray[np.int64]
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(slots=True, kw_only=True)
class Known:
    """What is known of one shard so far.

    Args:
        contents: of its files; empty before they are read.
        facts_key: what its facts follow from.
        answer_keys: kind of answers (``Inquiry.kind``) -> what those that are asked for follow from.
        samples: how many it holds; None before that is known.
        error: why it cannot be read; empty where it can.
    """

    shard: Shard
    contents: tuple[Content, ...] = ()
    facts_key: str = ""
    answer_keys: dict[str, str] = field(default_factory=dict)
    samples: int | None = None
    error: str = ""

    @property
    def name(self) -> str:
        """Of the shard."""
        return self.shard.name

    @property
    def size(self) -> int:
        """How many samples it holds.

        Raises:
            ValueError: that is not known yet.
        """
        if self.samples is None:
            raise ValueError(f"{self.name} was not read")
        return self.samples

    @property
    def sha256s(self) -> tuple[str, ...]:
        """Of the files; empty texts before they are read."""
        return tuple(content.sha256 for content in self.contents) or ("",) * len(self.shard.sources)

    @property
    def key(self) -> tuple[str, ...]:
        """What all that is known of its samples follows from."""
        return (self.facts_key, *(part for item in sorted(self.answer_keys.items()) for part in item))


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What a job gives that cannot read a shard.

    Args:
        shard: its name.
        error: why.
        files: of a shard of several files, those that cannot be read: path -> why; empty for all of it.
    """

    shard: str
    error: str
    files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, known: Known, error: ShardError) -> Lost:
        """What is told of that error."""
        return cls(shard=known.name, error=str(error), files=error.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all jobs of a run share.

    Args:
        path: of the run directory.
        hold: of the run on it.
        identity: of the run.
    """

    path: Path
    hold: str
    recipe: Recipe
    steps: tuple[Step, ...]
    identity: RunIdentity

    @property
    def state(self) -> State:
        """What the run knows between its passes."""
        return State(self.path / STATE)

    def directory(self) -> Directory:
        """The run directory, with temporary files that no other job has.

        Raises:
            RunLockedError: the run is over.
        """
        directory = Directory(self.path, self.hold)
        directory.check_held()
        return directory

    def spill(self, *, packs: bool) -> Spill:
        """Where samples lie on their way into another order."""
        return Spill(self.path / STATE / _SPILL, packs=packs)

    def reader(self, known: Known) -> ShardReader | GatheredReader:
        """Of a shard.

        Raises:
            ShardError: it cannot be read.
        """
        if not known.contents:
            raise ShardError("was not read")
        return opened(known.shard, self.recipe, self.steps, known.contents)

    def facts(self, known: Known, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The facts of a shard.

        Raises:
            OSError: they are not there, though they were made.
        """
        found = self.state.read("facts", known.name, known.facts_key, FACTS, columns)
        if found is None:
            raise self.gone("facts", known)
        return found

    def verdicts(self, known: Known) -> pl.DataFrame:
        """Rewards and verdicts of all samples of a shard; all null where none are asked for.

        Raises:
            OSError: they are not there, though they were made.
        """
        found = self._answers(VERDICTS_KIND, known, JUDGEMENTS, list(VERDICTS))
        return verdict_frame({}, known.size) if found is None else found

    def scores(self, known: Known) -> pl.Series | None:
        """The scores that a judge gave to the samples of a shard; None where none are asked for.

        Raises:
            OSError: they are not there, though they were made.
        """
        found = self._answers(SCORES_KIND, known, JudgedQuality.answers, ["score"])
        return None if found is None else found["score"]

    def _answers(self, kind: str, known: Known, schema: pl.Schema, columns: Sequence[str]) -> pl.DataFrame | None:
        if kind not in known.answer_keys:
            return None
        found = self.state.read(kind, known.name, known.answer_keys[kind], schema, columns)
        if found is None:
            raise self.gone(kind, known)
        return found

    def gone(self, kind: str, known: Known) -> OSError:
        """What to raise where a file of the state is no longer there, though it was made."""
        return OSError(f"the {kind} of {known.name} went away from {self.path / STATE}")


def key_of(*parts: str) -> str:
    """A hash of all that something follows from."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def given_up(cause: str) -> str:
    """What is told of a job whose every try lost its process, of which the last for this cause."""
    return f"each of {1 + RETRIES} processes that worked on it was lost: {cause}"


class Job(Protocol[T_co]):
    """Something to do, anywhere."""

    @property
    def name(self) -> str:
        """Of what it is about, for messages."""

    @property
    def shard(self) -> str:
        """The shard that fails where the job ends every process that tries it; empty where that stops the run."""

    def run(self, site: Site) -> T_co | Lost:
        """Does it, or finds that it is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFiles:
    """Reads input files once: one that is cut into shards, or those that share one."""

    sources: tuple[Source, ...]

    @property
    def name(self) -> str:
        """Of the first file."""
        return self.sources[0].path

    @property
    def shard(self) -> str:
        """None: its shards are many."""
        return ""

    def run(self, site: Site) -> list[Content | str]:  # noqa: ARG002 - the protocol's
        """What that tells of each, or why it cannot be read."""
        found: list[Content | str] = []
        for source in self.sources:
            try:
                found.append(read_content(source, CUT_BYTES))
            except ShardError as error:
                found.append(str(error))
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotate:
    """Finds the facts of a shard.

    Args:
        early: what to ask about it meanwhile, where that needs no waiting; None asks nothing.
    """

    known: Known
    early: AskVerdicts | None = None

    @property
    def name(self) -> str:
        """Of the shard."""
        return self.known.name

    @property
    def shard(self) -> str:
        """The same."""
        return self.known.name

    def run(self, site: Site, at_hand: AtHand | None = None) -> int | Lost:
        """How many samples it holds.

        Args:
            site: of the run.
            at_hand: with what to judge; None judges nothing.
        """
        directory, known = site.directory(), self.known
        try:
            found = site.state.read("facts", known.name, known.facts_key, FACTS, ["file"])
            if found is None:
                reader = site.reader(known)
                asked = self.early
                early = None if asked is None or at_hand is None else asked.early(site, at_hand)
                found = annotate(reader, site.steps, None if early is None else early.look)
                _account_rows(known, found.select("file", "input_row").n_unique(), reader.rows)
                directory.check_held()
                if asked is not None and early is not None:
                    # First, as nobody asks again for what is missing beside facts that are there.
                    site.state.write(EARLY_KIND, known.name, asked.early_key(site, known), early.answers())
                site.state.write("facts", known.name, known.facts_key, found)
        except ShardError as error:
            return Lost.of(known, error)
        return found.height


def asks_early(job: Job[T] | AskShard) -> bool:
    """Whether a job judges where an engine is at hand."""
    return isinstance(job, Annotate) and job.early is not None


def done(job: Job[T], site: Site, at_hand: AtHand | None) -> T | Lost:
    """Does a job in this process.

    Args:
        job: to do.
        site: of the run.
        at_hand: with what to judge, where something is there.
    """
    if isinstance(job, Annotate):
        return cast("T | Lost", job.run(site, at_hand))
    return job.run(site)


def _account_rows(known: Known, rows: int, in_file: int | None) -> None:
    """Refuses facts that do not tell of every row of the shard."""
    if in_file is not None and rows != in_file:
        raise AccountingError(
            f"{known.name}: samples of {rows} rows out of {in_file} rows; this is a bug, please report it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What comes of the answers about a shard.

    Args:
        answers: columns of the step's ``answers``, one row a sample.
        recalled: completions about which the store knew.
    """

    answers: pl.DataFrame
    recalled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """With what is asked, where it is.

    Args:
        engine: that judges; None where no step verifies.
        advance: called with the number of completions just asked about.
        store: of answers that are known; None asks about all.
        recalled: called with the number of completions about which the store knew.
        patience: with a judge model that asks to wait.
    """

    engine: Engine | None
    advance: Callable[[int], None]
    store: Verdicts | None
    recalled: Callable[[int], None] = nobody
    patience: Patience = field(default_factory=Patience)


class Inquiry(ABC):
    """What a step asks about samples."""

    kind: ClassVar[str]
    """Name of the answers in the state."""
    stage: ClassVar[str]
    """Name of the pass."""
    schema: ClassVar[pl.Schema]
    """Of the answers as they are kept; the step's own columns are among them."""

    @property
    @abstractmethod
    def step(self) -> AskStep:
        """That asks."""

    @abstractmethod
    def context(self, site: Site) -> str:
        """What all answers follow from besides what is asked about."""

    @abstractmethod
    def failure_bound(self, recipe: Recipe) -> tuple[str, float]:
        """The option that says how many percent of the answers may be FAILED, and what it says."""

    def told_early(self, site: Site, known: Known) -> pl.DataFrame | None:  # noqa: ARG002 - few have any
        """What was found while the facts of a shard were, columns of ``early.EARLY``; None where nothing was."""
        return None

    @abstractmethod
    async def answers(self, site: Site, means: Means, known: Known, wanted: Mask) -> pl.DataFrame:
        """The answers about some samples of a shard; columns of ``schema``, one row a sample.

        Raises:
            ShardError: it cannot be read.
            EngineStoppedError: nobody can be asked.
        """


@dataclass(frozen=True, slots=True)
class AskVerdicts(Inquiry):
    """The verdicts of an engine, and of a judge model on what that leaves to it."""

    kind: ClassVar[str] = VERDICTS_KIND
    stage: ClassVar[str] = "judging"
    schema: ClassVar[pl.Schema] = JUDGEMENTS
    step: Verify

    def context(self, site: Site) -> str:
        """Of the step, the engine and the judge."""
        judge = site.recipe.judge
        identities = [] if judge is None or not judge.is_second else [judge.identity]
        return json.dumps([self.step.name, dataclasses.asdict(self.step), self._engine_context(site), *identities])

    def failure_bound(self, recipe: Recipe) -> tuple[str, float]:
        """That of ``[verify]``."""
        return "[verify] max_failed_percent", recipe.verify.max_failed_percent

    async def answers(self, site: Site, means: Means, known: Known, wanted: Mask) -> pl.DataFrame:
        """Verdicts, and what comes of them."""
        if means.engine is None:
            raise EngineStoppedError("no engine was opened")
        spec = site.recipe.verify
        bench = Bench(
            engine=means.engine,
            verify=self.step,
            bounds=Bounds(completions=spec.in_flight, bytes=spec.in_flight_bytes),
            advance=means.advance,
            store=means.store,
            config_hash=site.identity.engine_hash,
            judge=site.recipe.judge,
            recalled=means.recalled,
            patience=means.patience,
        )
        return await judge(site.reader(known), bench, wanted)

    def early(self, site: Site, at_hand: AtHand) -> Early:
        """For what can be said of a shard while it is read for its facts."""
        return Early(self.step, site.steps, at_hand, site.identity.engine_hash)

    def told_early(self, site: Site, known: Known) -> pl.DataFrame | None:
        """See ``early``."""
        return site.state.read(EARLY_KIND, known.name, self.early_key(site, known), EARLY)

    def early_key(self, site: Site, known: Known) -> str:
        """What that follows from."""
        return key_of(known.facts_key, self.context(site), EARLY_KIND)

    def _engine_context(self, site: Site) -> str:
        return json.dumps([site.identity.engine_hash, site.identity.versions["assay"], self.step.recipe])


@dataclass(frozen=True, slots=True)
class AskScores(Inquiry):
    """The scores of a judge model."""

    kind: ClassVar[str] = SCORES_KIND
    stage: ClassVar[str] = "scoring"
    schema: ClassVar[pl.Schema] = JudgedQuality.answers
    step: JudgedQuality

    def context(self, site: Site) -> str:
        """Of the judge, without the bound of the step."""
        return json.dumps(
            [self.step.name, self.step.identity(_judge(site.recipe).options), site.identity.versions["assay"]]
        )

    def failure_bound(self, recipe: Recipe) -> tuple[str, float]:
        """That of ``[judge]``."""
        return "[judge] max_failed_percent", _judge(recipe).max_failed_percent

    async def answers(self, site: Site, means: Means, known: Known, wanted: Mask) -> pl.DataFrame:
        """Scores."""
        from curation.executors.scoring import score  # noqa: PLC0415 - few runs wait for its HTTP client

        return await score(
            site.reader(known).frames,
            wanted,
            step=self.step,
            options=_judge(site.recipe).options,
            advance=means.advance,
            store=means.store,
            recalled=means.recalled,
            patience=means.patience,
        )


def _judge(recipe: Recipe) -> JudgeSpec:
    if recipe.judge is None:
        raise RecipeError("judge", "a step asks a judge, and the recipe has none; add the table")
    return recipe.judge


def inquiries(steps: Sequence[Step]) -> list[Inquiry]:
    """What the steps of a recipe ask, in their order."""
    found: list[Inquiry] = []
    for step in steps:
        if isinstance(step, Verify):
            found.append(AskVerdicts(step))
        elif isinstance(step, JudgedQuality):
            found.append(AskScores(step))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AskShard:
    """Asks about the samples of a shard. Not a ``Job``: it is done where an engine is.

    Args:
        inquiry: what.
        wanted: about which samples.
        first_key: of answers of which some failed, and are still to be asked for once more.
        is_last: whether those that failed are to be asked for now, and all are final then.
    """

    known: Known
    inquiry: Inquiry
    wanted: Mask
    first_key: str
    is_last: bool = False

    @property
    def shard(self) -> str:
        """Name of the shard."""
        return self.known.name

    async def run(self, site: Site, means: Means) -> Answered | Lost:
        """What is decided on.

        Raises:
            EngineStoppedError: nobody can be asked.
        """
        directory, known, state, inquiry = site.directory(), self.known, site.state, self.inquiry
        recalled: list[int] = []
        means = replace(means, recalled=recalled.append)
        kind, last_key = inquiry.kind, known.answer_keys[inquiry.kind]
        found = state.read(kind, known.name, self.first_key, inquiry.schema)
        try:
            if self.is_last:
                # Another try at the same job may have ended after it wrote.
                done = state.read(kind, known.name, last_key, inquiry.schema) if found is None else None
                before = done if found is None else found
                if before is None:
                    raise site.gone(kind, known)
                made = done
                if made is None:
                    failed = before["is_failed"].to_numpy()
                    made = asked_again(before, await inquiry.answers(site, means, known, failed), failed)
            else:
                made = found
                if made is None:
                    made = await self._asked(site, means)
        except ShardError as error:
            return Lost.of(known, error)
        if made is not found:
            is_final = self.is_last or not made["is_failed"].any()
            directory.check_held()
            state.write(kind, known.name, last_key if is_final else self.first_key, made)
        return Answered(answers=made.select(list(inquiry.step.answers)), recalled=sum(recalled))

    async def _asked(self, site: Site, means: Means) -> pl.DataFrame:
        """The answers, of which some may be known since the facts were found."""
        inquiry, known = self.inquiry, self.known
        early = inquiry.told_early(site, known)
        if early is None:
            return await inquiry.answers(site, means, known, self.wanted)
        is_known = early["is_known"].to_numpy() & self.wanted
        means.advance(int(is_known.sum()))
        means.recalled(int((early["is_recalled"].to_numpy() & is_known).sum()))
        told = early.select(pl.when(pl.Series(is_known)).then(name).alias(name) for name in inquiry.schema)
        told = told.with_columns(pl.col("is_failed").fill_null(value=False)).match_to_schema(inquiry.schema)
        left = self.wanted & ~is_known
        return asked_again(told, await inquiry.answers(site, means, known, left), left) if left.any() else told


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFile:
    """Looks whether a file of kept samples stands as its entry says."""

    name: str

    @property
    def shard(self) -> str:
        """None."""
        return ""

    def run(self, site: Site) -> DataEntry | None:
        """The entry; None where there is no such file."""
        return site.directory().data_entry(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Kept samples of one shard.

    Args:
        places: of them in the shard, ascending.
        packs: the pack of each; None where nothing is packed.
    """

    known: Known
    places: Numbers
    packs: Numbers | None

    def piece(self, site: Site) -> Piece:
        """The samples, to be read.

        Raises:
            ShardError: the shard cannot be read.
        """
        return Piece(
            reader=site.reader(self.known),
            rows=site.facts(self.known, ["input_row"])["input_row"].to_numpy(),
            verdicts=site.verdicts(self.known),
            scores=site.scores(self.known),
            places=self.places,
            packs=self.packs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """Brings kept samples of a shard into the spill.

    Args:
        key: what they follow from.
        owners: number of the file that each goes to.
        positions: of each in that file.
        packs: whether the run packs.
    """

    part: Part
    key: str
    owners: Numbers
    positions: Numbers
    packs: bool

    @property
    def name(self) -> str:
        """Of the shard."""
        return self.part.known.name

    @property
    def shard(self) -> str:
        """The same."""
        return self.part.known.name

    def run(self, site: Site) -> tuple[str, list[int]] | Lost:
        """The shard, and the number of the file that each of its batches in the spill goes to."""
        directory = site.directory()
        try:
            batches = site.spill(packs=self.packs).scatter(
                self.name,
                self.key,
                self.part.piece(site),
                paths=self.part.known.shard.paths,
                owners=self.owners,
                positions=self.positions,
                check_held=directory.check_held,
            )
        except ShardError as error:
            return Lost.of(self.part.known, error)
        return self.name, batches


class _LostPartError(ShardError):
    """The shard of a part of a file cannot be read."""

    def __init__(self, lost: Lost) -> None:
        self.lost = lost
        super().__init__(lost.error)


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """Writes a file of kept samples.

    Args:
        entry: of the file, without its output.
        samples: how many there must be.
        packs: whether samples are packed.
        parts: the samples where they stand in the order of the input.
        scattered: else the shards in the spill, each with the numbers of its batches that go to the file.
    """

    entry: DataEntry
    samples: int
    packs: bool
    parts: tuple[Part, ...] = ()
    scattered: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the file."""
        return self.entry.name

    @property
    def shard(self) -> str:
        """None: samples of many shards may stand in it."""
        return ""

    def run(self, site: Site) -> DataEntry | Lost:
        """The whole entry."""
        directory = site.directory()
        tables = self._read(site) if self.parts else site.spill(packs=self.packs).gather(self.scattered)
        try:
            return write_data(directory, self.entry, tables, samples=self.samples, packs=self.packs)
        except _LostPartError as error:
            return error.lost

    def _read(self, site: Site) -> Iterator[pa.Table]:
        for part in self.parts:
            try:
                for frame, _ in part.piece(site).frames():
                    yield kept_table(frame, paths=part.known.shard.paths)
            except ShardError as error:
                raise _LostPartError(Lost.of(part.known, error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Writes what became of the samples of a shard.

    Args:
        fates: of all of them, columns of ``ledger.FATES``.
        key: what the account follows from.
    """

    known: Known
    fates: pl.DataFrame
    key: str

    @property
    def name(self) -> str:
        """Of the shard."""
        return self.known.name

    @property
    def shard(self) -> str:
        """None: its samples stand in ``data/`` by now, and cannot be taken back."""
        return ""

    def run(self, site: Site) -> ShardEntry:
        """Its entry.

        Raises:
            AccountingError: a sample got lost.
        """
        return write_account(
            self.known.shard,
            site.directory(),
            site.facts(self.known),
            self.fates,
            site.verdicts(self.known),
            key=self.key,
            sha256s=self.known.sha256s,
        )
