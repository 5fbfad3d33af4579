"""The work of a run in pieces that any process can do: what ``tasks`` does, told in values that can be sent there.

A job reads and writes files of the run directory, and gives back little: counts, names, decisions. Whatever process
does it, once, twice or twice at the same time, the same files come to stand: each is put in place whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.errors import AccountingError, ShardError
from curation.executors.corpus import DECISIONS
from curation.executors.judging import VERDICTS, Bounds, Mask, verdict_frame
from curation.executors.spill import Spill
from curation.executors.state import State
from curation.executors.tasks import JUDGEMENTS, Bench, Piece, annotate, judge, open_shard, write_account, write_data
from curation.facts import FACTS
from curation.manifest import STATE, DataEntry, Directory, RunIdentity, ShardEntry
from curation.output import kept_table
from curation.recipe import Recipe
from curation.shards import CUT_BYTES, Shard, ShardReader
from curation.sources import Content, Source, read_content
from curation.steps.base import Step
from curation.steps.verify import Verify
from verifier.engines.base import Engine
from verifier.engines.store import Verdicts

RETRIES = 3
"""Further tries of a job whose process is lost."""
_SPILL = "spill"

Numbers = npt.NDArray[np.int64]
T_co = TypeVar("T_co", covariant=True)


@dataclass(slots=True, kw_only=True)
class Known:
    """What is known of one shard so far.

    Args:
        content: of its file; None before that is read.
        facts_key: what its facts follow from.
        verdicts_key: what its verdicts follow from; empty where none are asked for.
        samples: how many it holds.
        error: why it cannot be read; empty where it can.
    """

    shard: Shard
    content: Content | None = None
    facts_key: str = ""
    verdicts_key: str = ""
    samples: int = 0
    error: str = ""

    @property
    def name(self) -> str:
        """Of the shard."""
        return self.shard.name

    @property
    def sha256(self) -> str:
        """Of the file; empty before it is read."""
        return self.content.sha256 if self.content is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """What a job gives that cannot read a shard.

    Args:
        shard: its name.
        error: why.
    """

    shard: str
    error: str


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

    @property
    def verify(self) -> Verify | None:
        """The step that asks for verdicts."""
        return next((step for step in self.steps if isinstance(step, Verify)), None)

    @property
    def judging_context(self) -> str:
        """What all verdicts of the run follow from besides what is judged."""
        recipe = "" if self.verify is None else self.verify.recipe
        return json.dumps([self.identity.engine_hash, self.identity.versions["assay"], recipe])

    def bench(self, engine: Engine, *, advance: Callable[[int], None], store: Verdicts | None) -> Bench:
        """With what shards are judged by an engine.

        Raises:
            AccountingError: the recipe asks for no verdicts.
        """
        if self.verify is None:
            raise AccountingError("a shard came to be judged though no step verifies; this is a bug, please report it")
        spec = self.recipe.verify
        return Bench(
            engine=engine,
            verify=self.verify,
            bounds=Bounds(completions=spec.in_flight, bytes=spec.in_flight_bytes),
            advance=advance,
            store=store,
            config_hash=self.identity.engine_hash,
            judge=self.recipe.judge,
        )

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

    def reader(self, known: Known) -> ShardReader:
        """Of a shard.

        Raises:
            ShardError: it cannot be read.
        """
        if known.content is None:
            raise ShardError("was not read")
        return open_shard(known.shard, self.recipe, self.steps, known.content)

    def facts(self, known: Known, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The facts of a shard.

        Raises:
            OSError: they are not there, though they were made.
        """
        found = self.state.read("facts", known.name, known.facts_key, FACTS, columns)
        if found is None:
            raise self._gone("facts", known)
        return found

    def verdicts(self, known: Known) -> pl.DataFrame:
        """Rewards and verdicts of all samples of a shard; all null where none are asked for.

        Raises:
            OSError: they are not there, though they were made.
        """
        if not known.verdicts_key:
            return verdict_frame({}, known.samples)
        found = self.state.read("verdicts", known.name, known.verdicts_key, JUDGEMENTS, list(VERDICTS))
        if found is None:
            raise self._gone("verdicts", known)
        return found

    def _gone(self, kind: str, known: Known) -> OSError:
        return OSError(f"the {kind} of {known.name} went away from {self.path / STATE}")


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
class ReadFile:
    """Reads an input file once."""

    source: Source

    @property
    def name(self) -> str:
        """Of the file."""
        return self.source.path

    @property
    def shard(self) -> str:
        """None: its shards are many."""
        return ""

    def run(self, site: Site) -> Content | Lost:  # noqa: ARG002 - the protocol's
        """What that tells of it."""
        try:
            return read_content(self.source, CUT_BYTES)
        except ShardError as error:
            return Lost(shard="", error=str(error))


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotate:
    """Finds the facts of a shard."""

    known: Known

    @property
    def name(self) -> str:
        """Of the shard."""
        return self.known.name

    @property
    def shard(self) -> str:
        """The same."""
        return self.known.name

    def run(self, site: Site) -> int | Lost:
        """How many samples it holds."""
        directory, known = site.directory(), self.known
        try:
            found = site.state.read("facts", known.name, known.facts_key, FACTS, ["input_row"])
            if found is None:
                reader = site.reader(known)
                found = annotate(reader, site.steps)
                _account_rows(known, found["input_row"].n_unique(), reader.rows)
                directory.check_held()
                site.state.write("facts", known.name, known.facts_key, found)
        except ShardError as error:
            return Lost(shard=known.name, error=str(error))
        return found.height


def _account_rows(known: Known, rows: int, in_file: int | None) -> None:
    """Refuses facts that do not tell of every row of the shard."""
    if in_file is not None and rows != in_file:
        raise AccountingError(
            f"{known.name}: samples of {rows} rows out of {in_file} rows; this is a bug, please report it"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What comes of the verdicts of a shard.

    Args:
        decisions: columns of ``DECISIONS``, one row a sample.
        recalled: completions whose verdicts the store knew.
    """

    decisions: pl.DataFrame
    recalled: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeShard:
    """Asks an engine for the verdicts of a shard. Not a ``Job``: it is done where an engine is.

    Args:
        wanted: which samples.
        first_key: of verdicts of which some failed, and are still to be asked for once more.
        is_last: whether those that failed are to be asked for now, and all are final then.
    """

    known: Known
    wanted: Mask
    first_key: str
    is_last: bool = False

    @property
    def shard(self) -> str:
        """Name of the shard."""
        return self.known.name

    async def run(self, site: Site, bench: Bench) -> Judged | Lost:
        """What comes of the verdicts.

        Raises:
            EngineStoppedError: the engine went away.
        """
        directory, known, state = site.directory(), self.known, site.state
        recalled: list[int] = []
        bench = replace(bench, recalled=recalled.append)
        found = state.read("verdicts", known.name, self.first_key, JUDGEMENTS)
        try:
            if self.is_last:
                # Another try at the same job may have ended after it wrote.
                done = state.read("verdicts", known.name, known.verdicts_key, JUDGEMENTS) if found is None else None
                before = done if found is None else found
                if before is None:
                    raise OSError(f"the verdicts of {known.name} went away from {site.path / STATE}")
                made = done
                if made is None:
                    failed = before["is_failed"].to_numpy()
                    made = await judge(site.reader(known), bench, failed, before=before)
            else:
                made = found
                if made is None:
                    made = await judge(site.reader(known), bench, self.wanted)
        except ShardError as error:
            return Lost(shard=known.name, error=str(error))
        if made is not found:
            is_final = self.is_last or not made["is_failed"].any()
            directory.check_held()
            state.write("verdicts", known.name, known.verdicts_key if is_final else self.first_key, made)
        return Judged(decisions=made.select(list(DECISIONS)), recalled=sum(recalled))


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
            path=self.known.shard.path,
            rows=site.facts(self.known, ["input_row"])["input_row"].to_numpy(),
            verdicts=site.verdicts(self.known),
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
                owners=self.owners,
                positions=self.positions,
                check_held=directory.check_held,
            )
        except ShardError as error:
            return Lost(shard=self.name, error=str(error))
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
                    yield kept_table(frame, input_file=part.known.shard.path)
            except ShardError as error:
                raise _LostPartError(Lost(shard=part.known.name, error=str(error))) from error


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
            sha256=self.known.sha256,
        )
