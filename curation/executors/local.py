"""All shards of a run in this process.

Passes over the shards, each of which takes up what is left of it: facts (``state/*.facts.parquet``), verdicts
(``state/*.verdicts.parquet``), the account of what was dropped, and the files of what is kept. Decisions are made in
between, on the facts and verdicts of all shards, so a changed threshold judges nothing again, and a text is written
once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
import pyarrow as pa

from curation.card import card_of
from curation.errors import AccountingError, EngineStoppedError, ShardError
from curation.executors.arrange import FilePlan, plan_files
from curation.executors.corpus import DECISIONS, Corpus, columns_needed
from curation.executors.judging import VERDICTS, Bounds, Mask, verdict_frame
from curation.executors.spill import Spill
from curation.executors.state import State
from curation.executors.store import VerdictStore
from curation.executors.tasks import (
    JUDGEMENTS,
    Bench,
    Piece,
    annotate,
    judge,
    open_shard,
    write_account,
    write_data,
)
from curation.facts import FACTS
from curation.manifest import STATE, DataEntry, Directory, RunIdentity, ShardEntry, manifest_of, open_directory
from curation.output import kept_table
from curation.recipe import Recipe
from curation.shards import CUT_BYTES, Shard, ShardReader
from curation.sources import Content, read_content
from curation.steps import facts_hash, recipe_hash
from curation.steps.base import Step
from curation.steps.verify import Verify
from verifier.engines.base import Engine

_SPILL = "spill"
_LEAST_JUDGED = 200
"""Verdicts before the share of those that failed says anything."""

EngineOpener = Callable[[], AbstractAsyncContextManager[Engine]]


class Observer(Protocol):
    """Is told how a run goes on."""

    def stage_started(self, stage: str, total: int) -> None:
        """A pass over the shards begins, over so many rows or completions."""

    def advanced(self, count: int) -> None:
        """So many of them are done."""

    def shard_ended(self, entry: ShardEntry, *, is_fresh: bool) -> None:
        """A shard is done, failed, or was done before (not fresh)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a run is to do.

    Args:
        retries_failed: whether what failed is judged again.
        store: file of the verdicts that are known; None knows none.
    """

    recipe: Recipe
    steps: tuple[Step, ...]
    shards: tuple[Shard, ...]
    output: Path
    retries_failed: bool = False
    store: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a run has come to.

    Args:
        entries: of the shards that are done or failed, in order.
        unfinished: names of the shards that were not reached.
        stopped: why the run stopped early; empty where it did not.
    """

    entries: list[ShardEntry]
    unfinished: list[str] = field(default_factory=list)
    stopped: str = ""


async def run(plan: RunPlan, open_engine: EngineOpener, observer: Observer) -> RunReport:
    """Does what is left of a run.

    Raises:
        UsageError: the directory is held by another run or has other shards in it, or the recipe asks for what the
            engine does not have.
        AccountingError: a sample got lost.
    """
    verify = next((step for step in plan.steps if isinstance(step, Verify)), None)
    if plan.recipe.judge is not None:
        plan.recipe.judge.check()
    with open_directory(plan.output) as directory:
        directory.refuse_strangers(plan.shards)
        async with open_engine() if verify is not None else nullcontext() as engine:
            identity = await _identity(plan, verify, engine)
            spec = plan.recipe.verify
            with VerdictStore(plan.store) if plan.store and verify is not None else nullcontext() as store:
                bench = None
                if verify is not None and engine is not None:
                    bench = Bench(
                        engine=engine,
                        verify=verify,
                        bounds=Bounds(completions=spec.in_flight, bytes=spec.in_flight_bytes),
                        advance=observer.advanced,
                        store=store,
                        context=json.dumps([identity.engine_hash, identity.versions["assay"], verify.recipe]),
                        judge=plan.recipe.judge,
                    )
                return await _Passes(plan, directory, identity, bench, observer).run()


async def _identity(plan: RunPlan, verify: Verify | None, engine: Engine | None) -> RunIdentity:
    engine_hash = ""
    if verify is not None and engine is not None:
        info = await engine.info()
        for wrong in verify.refused_by(info):
            raise wrong
        engine_hash = info.config_hash
    return RunIdentity(
        recipe_hash=recipe_hash(plan.recipe, plan.steps),
        steps=tuple(step.name for step in plan.steps),
        engine_hash=engine_hash,
        versions={name: version(name) for name in ("assay", "polars", "pyarrow")},
    )


@dataclass(slots=True)
class _Known:
    """What is known of one shard so far.

    Args:
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
    def sha256(self) -> str:
        return self.content.sha256 if self.content is not None else ""


class _Passes:
    """The passes of a run over its shards; decisions are made in between, on all shards."""

    def __init__(
        self, plan: RunPlan, directory: Directory, identity: RunIdentity, bench: Bench | None, observer: Observer
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._state = State(directory.path / STATE)
        self._identity = identity
        self._bench = bench
        self._observer = observer
        self._facts_hash = facts_hash(plan.recipe, plan.steps)
        self._columns = columns_needed(plan.steps)
        self.identity_key = json.dumps(dict(identity.versions), sort_keys=True)
        """What the bytes of all files follow from besides."""

    async def run(self) -> RunReport:
        """All of them; stops before anything is written where the engine goes away."""
        self._directory.forget_manifest()
        self._directory.write_recipe(self._plan.recipe.text)
        shards = [_Known(shard=shard) for shard in self._plan.shards]
        self._read(shards)
        try:
            while True:
                good = [known for known in shards if not known.error]
                corpus = await self._decide(good)
                if corpus is not None and (files := self._write(good, corpus)) is not None:
                    break
        except EngineStoppedError as error:
            return self._report([], [], [known.shard.name for known in shards], str(error))
        return self._report(self._account(shards, corpus), files, [], "")

    def _read(self, shards: list[_Known]) -> None:
        self._observer.stage_started("reading", len(shards))
        contents: dict[str, Content | ShardError] = {}
        for known in shards:
            source = known.shard.source
            if source.path not in contents:
                try:
                    contents[source.path] = read_content(source, CUT_BYTES)
                except ShardError as error:
                    contents[source.path] = error
            content = contents[source.path]
            if isinstance(content, ShardError):
                known.error = str(content)
            else:
                known.content = content
                known.facts_key = _key(
                    content.sha256, known.shard.part, self._facts_hash, self._identity.versions["assay"]
                )
                self._annotate(known)
            self._observer.advanced(1)

    def _annotate(self, known: _Known) -> None:
        try:
            found = self._state.read("facts", known.shard.name, known.facts_key, FACTS, ["input_row"])
            if found is None:
                reader = self._reader(known)
                found = annotate(reader, self._plan.steps)
                _account_rows(known, found["input_row"].n_unique(), reader.rows)
                self._state.write("facts", known.shard.name, known.facts_key, found)
            known.samples = found.height
        except ShardError as error:
            known.error = str(error)

    async def _decide(self, shards: list[_Known]) -> Corpus | None:
        """Decides on the samples of all shards; None where one of them can no longer be read."""
        corpus = Corpus([self._facts(known, self._columns) for known in shards], self._plan.steps)
        corpus.decide_before_verdicts()
        if self._bench is None:
            return corpus
        decisions = await self._judge(shards, corpus.to_judge(), self._bench)
        if any(known.error for known in shards):
            return None
        corpus.decide_after(decisions)
        return corpus

    def _facts(self, known: _Known, columns: Sequence[str] | None = None) -> pl.DataFrame:
        found = self._state.read("facts", known.shard.name, known.facts_key, FACTS, columns)
        if found is None:
            raise OSError(f"the facts of {known.shard.name} went away from {self._directory.path / STATE}")
        return found

    async def _judge(self, shards: list[_Known], wanted: list[Mask], bench: Bench) -> list[pl.DataFrame]:
        """The decisions of all shards; one that cannot be read any more gets an error.

        Raises:
            EngineStoppedError: the engine went away, or fails too often.
        """
        self._observer.stage_started("judging", sum(int(mask.sum()) for mask in wanted))
        options = json.dumps(
            [bench.verify.name, dataclasses.asdict(bench.verify), bench.context, *_judge_identity(bench)]
        )
        decisions: list[pl.DataFrame] = []
        again: list[tuple[int, _Known]] = []
        judged, failures = 0, pl.DataFrame(schema=DECISIONS)
        for known, mask in zip(shards, wanted, strict=True):
            digest = hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()
            known.verdicts_key = _key(known.facts_key, options, digest)
            found = self._verdicts(known, list(DECISIONS))
            if found is not None and not (self._plan.retries_failed and found["is_failed"].any()):
                self._observer.advanced(int(mask.sum()))
            else:
                try:
                    found = await self._first_verdicts(known, mask, bench)
                except ShardError as error:
                    known.error = str(error)
                    found = pl.DataFrame(schema=DECISIONS)
                if found["is_failed"].any():
                    again.append((len(decisions), known))
            decisions.append(found)
            judged += int(mask.sum())
            failures = failures.vstack(found.filter("is_failed"))
            self._refuse_failures(judged, failures)
        for place, known in again:
            decisions[place] = await self._judge_failed(known, bench)
        return decisions

    async def _first_verdicts(self, known: _Known, mask: Mask, bench: Bench) -> pl.DataFrame:
        """Decisions of a shard; its verdicts are final where none of them failed."""
        first = self._state.read("verdicts", known.shard.name, _first_key(known), JUDGEMENTS)
        if first is None:
            first = await judge(self._reader(known), bench, mask)
            is_final = not first["is_failed"].any()
            key = known.verdicts_key if is_final else _first_key(known)
            self._state.write("verdicts", known.shard.name, key, first)
        return first.select(list(DECISIONS))

    async def _judge_failed(self, known: _Known, bench: Bench) -> pl.DataFrame:
        """Asks once more for what failed, when all shards have been judged: much of what fails is a passing trouble."""
        first = self._state.read("verdicts", known.shard.name, _first_key(known), JUDGEMENTS)
        if first is None:
            raise OSError(f"the verdicts of {known.shard.name} went away from {self._directory.path / STATE}")
        failed = first["is_failed"].to_numpy()
        try:
            final = await judge(self._reader(known), bench, failed, before=first)
        except ShardError as error:
            known.error = str(error)
            return first.select(list(DECISIONS))
        self._state.write("verdicts", known.shard.name, known.verdicts_key, final)
        return final.select(list(DECISIONS))

    def _refuse_failures(self, judged: int, failures: pl.DataFrame) -> None:
        most = self._plan.recipe.verify.max_failed_percent
        if judged >= _LEAST_JUDGED and 100 * failures.height > most * judged:
            reasons = failures.group_by("verify_reason").len().sort(-pl.col("len").cast(pl.Int64), "verify_reason")
            worst, count = reasons.row(0)
            raise EngineStoppedError(
                f"{failures.height} of {judged} completions could not be judged, which is over "
                f"[verify] max_failed_percent = {most:g}; most of them ({count}) for {worst}: mend that, or raise the "
                f"bound"
            )

    def _verdicts(self, known: _Known, columns: Sequence[str]) -> pl.DataFrame | None:
        return self._state.read("verdicts", known.shard.name, known.verdicts_key, JUDGEMENTS, columns)

    def _written_verdicts(self, known: _Known) -> pl.DataFrame:
        """Rewards and verdicts of all samples of a shard."""
        if self._bench is None:
            return verdict_frame({}, known.samples)
        found = self._verdicts(known, list(VERDICTS))
        if found is None:
            raise OSError(f"the verdicts of {known.shard.name} went away from {self._directory.path / STATE}")
        return found

    def _write(self, shards: list[_Known], corpus: Corpus) -> list[DataEntry] | None:
        """The files of what is kept; None where a shard can no longer be read, and all is to be decided anew."""
        files = plan_files(corpus.kept(), self._plan.steps, file_bytes=self._plan.recipe.file_bytes)
        output = _Output(self._directory, shards, corpus, files, self)
        self._observer.stage_started("writing", len(files))
        try:
            return output.write(self._observer)
        except _LostShardError as lost:
            lost.known.error = str(lost)
            return None

    def _account(self, shards: list[_Known], corpus: Corpus) -> list[ShardEntry]:
        """What became of the samples of each shard."""
        self._observer.stage_started("accounting", len(shards))
        starts = iter(corpus.bounds)
        entries: list[ShardEntry] = []
        for known in shards:
            if known.error:
                entry, is_fresh = self._failed(known), True
            else:
                entry, is_fresh = self._accounted(known, corpus, next(starts))
            entries.append(entry)
            self._observer.advanced(1)
            self._observer.shard_ended(entry, is_fresh=is_fresh)
        return entries

    def _accounted(self, known: _Known, corpus: Corpus, start: int) -> tuple[ShardEntry, bool]:
        """The entry of a shard, and whether its files were written now."""
        shard, directory = known.shard, self._directory
        key = _key(shard.path, known.facts_key, known.verdicts_key, corpus.ledger.digest(start, known.samples))
        entry = directory.entry(shard.name)
        is_anew = entry is not None and self._plan.retries_failed and entry.failed
        if entry is not None and entry.key == key and not entry.error and not is_anew:
            return entry, False
        directory.forget(shard.name)
        entry = write_account(
            shard,
            directory,
            self._facts(known),
            corpus.ledger.fates(start, known.samples),
            self._written_verdicts(known),
            key=key,
            sha256=known.sha256,
        )
        return entry, True

    def _failed(self, known: _Known) -> ShardEntry:
        self._directory.forget(known.shard.name)
        self._state.forget(known.shard.name)
        entry = ShardEntry(
            name=known.shard.name,
            input_file=known.shard.path,
            input_part=known.shard.part,
            input_sha256=known.sha256,
            key=_key(known.shard.path, known.sha256),
            error=known.error,
        )
        self._directory.publish(entry)
        return entry

    def _reader(self, known: _Known) -> ShardReader:
        if known.content is None:
            raise ShardError("was not read")
        return open_shard(known.shard, self._plan.recipe, self._plan.steps, known.content)

    def piece(self, known: _Known, places: np.ndarray, packs: np.ndarray | None) -> Piece:
        """Samples of a shard, on their way to the output."""
        return Piece(
            reader=self._reader(known),
            path=known.shard.path,
            rows=self._facts(known, ["input_row"])["input_row"].to_numpy(),
            verdicts=self._written_verdicts(known),
            places=places,
            packs=packs,
        )

    def _report(
        self, entries: list[ShardEntry], files: list[DataEntry], unfinished: list[str], stopped: str
    ) -> RunReport:
        if entries:
            self._directory.write_card(card_of(self._plan.recipe, files, entries, self._identity.versions))
        self._directory.write_manifest(manifest_of(self._identity, entries, files, unfinished))
        return RunReport(entries=entries, unfinished=unfinished, stopped=stopped)


class _LostShardError(ShardError):
    """A shard that was read before cannot be read any more."""

    def __init__(self, known: _Known, error: ShardError) -> None:
        self.known = known
        super().__init__(str(error))


class _Output:
    """The files of what is kept: those that do not stand yet are written, the others stay."""

    def __init__(
        self, directory: Directory, shards: list[_Known], corpus: Corpus, files: list[FilePlan], passes: _Passes
    ) -> None:
        self._directory = directory
        self._shards = shards
        self._bounds = np.array(corpus.bounds)
        self._files = files
        self._passes = passes
        self._packs = any(file.packs is not None for file in files)

    def write(self, observer: Observer) -> list[DataEntry]:
        """Writes what is missing.

        Raises:
            _LostShardError: a shard cannot be read any more.
        """
        entries = [self._entry(file) for file in self._files]
        standing = [self._directory.data_entry(entry.name) for entry in entries]
        done = {
            there.name: there
            for there, entry in zip(standing, entries, strict=True)
            if there and there.key == entry.key
        }
        self._directory.forget_data(done)
        spill = Spill(self._directory.path / STATE / _SPILL, packs=self._packs)
        missing = [number for number, entry in enumerate(entries) if entry.name not in done]
        scattered = [number for number in missing if not self._files[number].is_in_order]
        if scattered:
            self._scatter(spill, scattered)
        for number, (file, entry) in enumerate(zip(self._files, entries, strict=True)):
            if entry.name not in done:
                tables = self._read(file) if file.is_in_order else spill.gather(number)
                samples = len(file.places)
                done[entry.name] = write_data(self._directory, entry, tables, samples=samples, packs=self._packs)
            observer.advanced(1)
        spill.clear()
        return [done[entry.name] for entry in entries]

    def _parts(self, file: FilePlan) -> Iterator[tuple[int, np.ndarray]]:
        """Number of each shard with samples of the file, and which of them, by their index in the file."""
        owners = np.searchsorted(self._bounds, file.places, side="right") - 1
        order = np.argsort(file.places, kind="stable")
        counts = np.bincount(owners, minlength=len(self._shards))
        for number, indices in enumerate(np.split(order, np.cumsum(counts)[:-1])):
            if len(indices):
                yield number, indices

    def _entry(self, file: FilePlan) -> DataEntry:
        """The file with the key that its bytes follow from."""
        digest = hashlib.sha256(json.dumps([file.name, self._passes.identity_key]).encode())
        for number, indices in self._parts(file):
            known = self._shards[number]
            digest.update(json.dumps([known.shard.path, known.facts_key, known.verdicts_key]).encode())
            digest.update((file.places[indices] - self._bounds[number]).tobytes())
            digest.update(indices.tobytes())
            if file.packs is not None:
                digest.update(file.packs[indices].tobytes())
        return DataEntry(
            name=file.name, split=file.split, key=digest.hexdigest(), domains=file.domains, chars=file.chars
        )

    def _piece(self, number: int, places: np.ndarray, packs: np.ndarray | None) -> Piece:
        known = self._shards[number]
        try:
            return self._passes.piece(known, places - self._bounds[number], packs)
        except ShardError as error:
            raise _LostShardError(known, error) from error

    def _read(self, file: FilePlan) -> Iterator[pa.Table]:
        """The samples of a file whose order is that of the input."""
        for number, indices in self._parts(file):
            piece = self._piece(number, file.places[indices], None if file.packs is None else file.packs[indices])
            try:
                for frame, _ in piece.frames():
                    yield kept_table(frame, input_file=piece.path)
            except ShardError as error:
                raise _LostShardError(self._shards[number], error) from error

    def _scatter(self, spill: Spill, files: Sequence[int]) -> None:
        """Brings the samples of some files from all shards into the spill."""
        places = np.concatenate([self._files[number].places for number in files])
        owners = np.repeat(np.array(files), [len(self._files[number].places) for number in files])
        positions = np.concatenate([np.arange(len(self._files[number].places)) for number in files])
        packs = [part for number in files if (part := self._files[number].packs) is not None]
        packed = np.concatenate(packs) if self._packs else None
        order = np.argsort(places, kind="stable")
        starts = np.searchsorted(places[order], self._bounds)
        for number, known in enumerate(self._shards):
            here = order[starts[number] : starts[number + 1]]
            if not len(here):
                continue
            piece = self._piece(number, places[here], None if packed is None else packed[here])
            digest = hashlib.sha256(b"".join(part[here].tobytes() for part in (places, owners, positions))).hexdigest()
            key = _key(self._passes.identity_key, known.facts_key, known.verdicts_key, digest)
            try:
                spill.scatter(known.shard.name, key, piece, owners[here], positions[here])
            except ShardError as error:
                raise _LostShardError(known, error) from error


def _account_rows(known: _Known, rows: int, in_file: int | None) -> None:
    """Refuses facts that do not tell of every row of the shard."""
    if in_file is not None and rows != in_file:
        raise AccountingError(
            f"{known.shard.name}: samples of {rows} rows out of {in_file} rows; this is a bug, please report it"
        )


def _judge_identity(bench: Bench) -> list[str]:
    return [] if bench.judge is None else [bench.judge.identity]


def _first_key(known: _Known) -> str:
    """Of verdicts of which some failed, and are still to be asked for once more."""
    return _key(known.verdicts_key, "first")


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
