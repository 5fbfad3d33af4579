"""The passes of a run over its shards, wherever they are done.

Each pass takes up what is left of it: facts (``state/*.facts.parquet``), verdicts (``state/*.verdicts.parquet``) and
scores (``state/*.scores.parquet``), the files of what is kept, and the account of what was dropped. Decisions are made
in between, in this process, on the facts and answers of all shards, so a changed threshold judges nothing again, and a
text is written once. What is done to one shard or to one file is a job, and a ``Placement`` says who does it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.card import card_of
from curation.errors import EngineStoppedError, RunStoppedError
from curation.executors.arrange import FilePlan, plan_files
from curation.executors.corpus import Corpus, columns_needed
from curation.executors.early import is_early
from curation.executors.jobs import (
    EARLY_KIND,
    Account,
    Annotate,
    Answered,
    AskShard,
    AskVerdicts,
    CheckFile,
    Inquiry,
    Known,
    Lost,
    Part,
    ReadFiles,
    Scatter,
    Site,
    WriteFile,
    inquiries,
    key_of,
)
from curation.executors.judging import Mask
from curation.executors.placement import Crew, Placement
from curation.executors.state import State
from curation.manifest import (
    STATE,
    DataEntry,
    Directory,
    InputEntry,
    RunIdentity,
    ShardEntry,
    manifest_of,
    open_directory,
)
from curation.recipe import Recipe
from curation.shards import Shard, renamed
from curation.sources import Content
from curation.steps import facts_hash, recipe_hash
from curation.steps.base import Step
from curation.steps.verify import Verify

T = TypeVar("T")

_LEAST_JUDGED = 200
"""Verdicts before the share of those that failed says anything."""


class Observer(Protocol):
    """Is told how a run goes on."""

    def stage_started(self, stage: str, total: int) -> None:
        """A pass over the shards begins, over so many rows or completions."""

    def advanced(self, count: int) -> None:
        """So many of them are done."""

    def waits(self, told: str) -> None:
        """A judge model asks to wait, as is told; empty when that is over. May come often, and with no news."""

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


@dataclass(slots=True, kw_only=True)
class Tally:
    """How much was asked.

    Args:
        asked: completions about which the answers did not stand in the directory yet.
        recalled: those of them about which the verdict store knew.
    """

    asked: int = 0
    recalled: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a run has come to.

    Args:
        entries: of the shards that are done or failed, in order.
        unfinished: names of the shards that were not reached.
        stopped: why the run stopped early; empty where it did not.
        tallies: stage -> what was asked in it.
    """

    entries: list[ShardEntry]
    unfinished: list[str] = field(default_factory=list)
    stopped: str = ""
    tallies: Mapping[str, Tally] = field(default_factory=dict)


async def run(plan: RunPlan, placement: Placement, observer: Observer) -> RunReport:
    """Does what is left of a run.

    Raises:
        UsageError: the directory is held by another run or has other shards in it, the recipe asks for what the
            engine does not have, or the placement cannot be opened.
        AccountingError: a sample got lost.
    """
    verify = next((step for step in plan.steps if isinstance(step, Verify)), None)
    if plan.recipe.judge is not None:
        plan.recipe.judge.check()
    with open_directory(plan.output) as directory:
        for outdated in directory.check_strangers(plan.shards):
            State(directory.path / STATE).forget(outdated)
            directory.discard(outdated)
        async with placement.opened(
            judges=verify is not None,
            store=plan.store if inquiries(plan.steps) else None,
            input_bytes=_input_bytes(plan.shards),
        ) as crew:
            try:
                engine_hash = "" if verify is None else await _engine_hash(verify, crew)
            except RunStoppedError as error:
                return RunReport(entries=[], unfinished=[shard.name for shard in plan.shards], stopped=str(error))
            identity = RunIdentity(
                recipe_hash=recipe_hash(plan.recipe, plan.steps),
                steps=tuple(step.name for step in plan.steps),
                engine_hash=engine_hash,
                versions={name: version(name) for name in ("assay", "polars", "pyarrow")},
            )
            return await _Passes(plan, directory, identity, crew, observer).run()


def _input_bytes(shards: Sequence[Shard]) -> int:
    """Of all files; one that cannot be asked is told of when it is read."""
    found = 0
    for source in {source.path: source for shard in shards for source in shard.sources}.values():
        with suppress(OSError):
            found += source.size()
    return found


async def _engine_hash(verify: Verify, crew: Crew) -> str:
    info = await crew.engine_info()
    for wrong in verify.refused_by(info):
        raise wrong
    return info.config_hash


def _asked_early(plan: RunPlan) -> AskVerdicts | None:
    """What may be asked while shards are read for their facts; None where that waits for other decisions."""
    has_second = plan.recipe.judge is not None and plan.recipe.judge.is_second
    first = next(iter(inquiries(plan.steps)), None)
    return first if isinstance(first, AskVerdicts) and is_early(plan.steps) and not has_second else None


class _LostShardError(Exception):
    """A file that was read before cannot be read any more; all is to be decided anew without it."""


class _Passes:
    """The passes of a run over its shards; decisions are made in between, on all shards."""

    def __init__(
        self, plan: RunPlan, directory: Directory, identity: RunIdentity, crew: Crew, observer: Observer
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._identity = identity
        self._crew = crew
        self._observer = observer
        self._site = Site(
            path=directory.path, hold=directory.hold, recipe=plan.recipe, steps=plan.steps, identity=identity
        )
        self._facts_hash = facts_hash(plan.recipe, plan.steps)
        self._columns = columns_needed(plan.steps)
        self._early = _asked_early(plan) if crew.judges_at_once else None
        self._shards = [Known(shard=shard) for shard in plan.shards]
        self._tallies: dict[str, Tally] = {}

    async def run(self) -> RunReport:
        """All of them; what is done stays where the run has to stop."""
        self._directory.forget_manifest()
        self._directory.write_recipe(self._plan.recipe.text)
        try:
            while True:
                await self._read()
                good = [known for known in self._shards if not known.error]
                try:
                    corpus = await self._decide(good)
                    files = await self._write(good, corpus)
                    break
                except _LostShardError:
                    continue
            entries = await self._account(corpus)
        except RunStoppedError as error:
            return self._report([], [], [known.name for known in self._shards], str(error))
        return self._report(entries, files, [], "")

    async def _read(self) -> None:
        """Finds the facts of all shards; of what a bad file was taken out of, once more."""
        while unread := [known for known in self._shards if known.samples is None and not known.error]:
            self._observer.stage_started("reading", len(unread))
            asked: deque[Known] = deque()
            async with aclosing(self._crew.each(self._site, self._annotations(unread, asked))) as outcomes:
                async for outcome in outcomes:
                    known = asked.popleft()
                    if isinstance(outcome, Lost):
                        self._lose(known, outcome)
                    else:
                        known.samples = outcome
                    self._observer.advanced(1)

    async def _annotations(self, unread: Sequence[Known], asked: deque[Known]) -> AsyncIterator[Annotate]:
        """A job for each shard as its files have been read, so that they are still at hand when its turn comes."""
        files = [list(shards) for _, shards in groupby(unread, key=lambda known: known.shard.paths)]
        jobs = [ReadFiles(sources=shards[0].shard.sources) for shards in files]
        async with aclosing(self._crew.each(self._site, jobs)) as read:
            for shards in files:
                found = await anext(read)
                paths = shards[0].shard.paths
                contents = [found.error] * len(paths) if isinstance(found, Lost) else found
                errors = {path: one for path, one in zip(paths, contents, strict=True) if isinstance(one, str)}
                for known in shards:
                    if errors:
                        self._lose(known, Lost(shard=known.name, error=next(iter(errors.values())), files=errors))
                        self._observer.advanced(1)
                        continue
                    known.contents = tuple(one for one in contents if isinstance(one, Content))
                    known.facts_key = key_of(
                        *known.sha256s, known.shard.part, self._facts_hash, self._identity.versions["assay"]
                    )
                    asked.append(known)
                    yield Annotate(known=known, early=self._early)

    def _lose(self, known: Known, lost: Lost) -> None:
        """Keeps in mind that a shard cannot be read; of several files only those do fail that are told."""
        known.error = lost.error
        bad = [source for source in known.shard.sources if source.path in lost.files]
        if not bad or not known.shard.further:
            return
        good = [source for source in known.shard.sources if source.path not in lost.files]
        # Others in its place, to be read anew: its facts are those of all files, and jobs may still be at work on it.
        places = [Known(shard=known.shard.of(good))] if good else []
        for source in bad:
            shard = renamed(Shard(name=source.stem, source=source)) if places else known.shard.of([source])
            places.append(Known(shard=shard, error=lost.files[source.path]))
        at = next(place for place, other in enumerate(self._shards) if other is known)
        self._shards[at : at + 1] = places

    async def _decide(self, shards: list[Known]) -> Corpus:
        """Decides on the samples of all shards.

        Raises:
            _LostShardError: one of them can no longer be read.
        """
        corpus = Corpus(
            (self._site.facts(known, self._columns) for known in shards),
            self._plan.steps,
            samples=sum(known.size for known in shards),
            folder=self._directory.path / STATE,
        )
        for inquiry in inquiries(self._plan.steps):
            await self._ask(shards, corpus, inquiry)
        for known in shards:
            # Whatever run left them.
            self._site.state.forget(known.name, EARLY_KIND)
        corpus.decide_rest()
        corpus.name_twins(lambda number, column: self._site.facts(shards[number], [column])[column])
        return corpus

    async def _ask(self, shards: list[Known], corpus: Corpus, inquiry: Inquiry) -> None:
        """Does a step that asks, for all shards.

        Raises:
            EngineStoppedError: who is asked went away, or fails too often.
            _LostShardError: a shard can no longer be read.
        """
        wanted = corpus.decide_before(inquiry.step)
        self._observer.stage_started(inquiry.stage, sum(int(mask.sum()) for mask in wanted))
        context = inquiry.context(self._site)
        missing: list[int] = []
        for number, (known, mask) in enumerate(zip(shards, wanted, strict=True)):
            digest = hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()
            known.answer_keys[inquiry.kind] = key_of(known.facts_key, context, digest)
            failed = self._standing(known, inquiry, ["is_failed"])
            if failed is None or (self._plan.retries_failed and failed["is_failed"].any()):
                missing.append(number)
        tally = self._tallies.setdefault(inquiry.stage, Tally())
        tally.asked += sum(int(wanted[number].sum()) for number in missing)
        jobs = [
            AskShard(
                known=shards[number],
                inquiry=inquiry,
                wanted=wanted[number],
                first_key=_first_key(shards[number], inquiry),
            )
            for number in missing
        ]
        waited_for = set(missing)
        again: dict[int, Mask] = {}
        asked, failures = 0, Counter[str]()
        async with aclosing(
            self._crew.ask(self._site, jobs, self._observer.advanced, self._observer.waits)
        ) as outcomes:
            for number, (known, mask) in enumerate(zip(shards, wanted, strict=True)):
                is_anew = number in waited_for
                if is_anew:
                    outcome = await anext(outcomes)
                    found = self._answered(known, outcome)
                    tally.recalled += outcome.recalled if isinstance(outcome, Answered) else 0
                else:
                    found = self._standing(known, inquiry, list(inquiry.step.answers))
                    if found is None:
                        raise self._site.gone(inquiry.kind, known)
                    self._observer.advanced(int(mask.sum()))
                asked += int(mask.sum())
                if found is None:
                    continue
                failed = found.filter("is_failed")
                if is_anew and failed.height:
                    again[number] = found["is_failed"].to_numpy()
                else:
                    corpus.decide_by(inquiry.step, number, found)
                failures.update(inquiry.step.fates_by(failed).reasons.cast(pl.String).to_list())
                self._refuse_failures(asked, failures, inquiry)
        await self._ask_failed(shards, corpus, again, inquiry)
        if any(known.error for known in shards):
            raise _LostShardError

    def _standing(self, known: Known, inquiry: Inquiry, columns: list[str]) -> pl.DataFrame | None:
        """What was answered about a shard before; None where it is still to be asked about."""
        return self._site.state.read(inquiry.kind, known.name, known.answer_keys[inquiry.kind], inquiry.schema, columns)

    async def _ask_failed(
        self, shards: list[Known], corpus: Corpus, again: Mapping[int, Mask], inquiry: Inquiry
    ) -> None:
        """Asks once more for what failed, when all shards have been asked about: much of that is a passing trouble."""
        jobs = [
            AskShard(
                known=shards[number],
                inquiry=inquiry,
                wanted=failed,
                first_key=_first_key(shards[number], inquiry),
                is_last=True,
            )
            for number, failed in again.items()
        ]
        async with aclosing(
            self._crew.ask(self._site, jobs, self._observer.advanced, self._observer.waits)
        ) as outcomes:
            for number in again:
                if (found := self._answered(shards[number], await anext(outcomes))) is not None:
                    corpus.decide_by(inquiry.step, number, found)

    def _answered(self, known: Known, outcome: Answered | Lost) -> pl.DataFrame | None:
        """The answers about a shard; None where it is lost, and that is kept in mind."""
        if isinstance(outcome, Lost):
            self._lose(known, outcome)
            return None
        return outcome.answers

    def _refuse_failures(self, asked: int, failures: Counter[str], inquiry: Inquiry) -> None:
        name, most = inquiry.failure_bound(self._plan.recipe)
        if asked >= _LEAST_JUDGED and 100 * failures.total() > most * asked:
            worst, count = min(failures.items(), key=lambda item: (-item[1], item[0]))
            raise EngineStoppedError(
                f"{failures.total()} of {asked} completions could not be judged, which is over {name} = {most:g}; most "
                f"of them ({count}) for {worst}: mend that, or raise the bound"
            )

    async def _write(self, shards: list[Known], corpus: Corpus) -> list[DataEntry]:
        """The files of what is kept: those that do not stand yet are written, the others stay.

        Raises:
            _LostShardError: a shard can no longer be read.
        """
        files = plan_files(corpus.kept(), self._plan.steps, file_bytes=self._plan.recipe.file_bytes)
        layout = _Layout(shards, corpus.bounds, files, self._identity)
        self._observer.stage_started("writing", len(files))
        entries = [layout.entry(file) for file in files]
        done = await self._files_standing(entries)
        self._directory.forget_data([file.name for file in files if file.name in done])
        self._observer.advanced(len(done))
        missing = [number for number, file in enumerate(files) if file.name not in done]
        scattered = [number for number in missing if not files[number].is_in_order]
        owners: dict[str, npt.NDArray[np.uint32]] = {}
        async with aclosing(self._crew.each(self._site, layout.scatter_jobs(scattered))) as spilled:
            async for scattered_shard in spilled:
                shard, of_batches = self._unless_lost(scattered_shard)
                owners[shard] = np.array(of_batches, np.uint32)
        jobs = (layout.write_job(number, entries[number], owners) for number in missing)
        async with aclosing(self._crew.each(self._site, jobs)) as written:
            async for outcome in written:
                entry = self._unless_lost(outcome)
                done[entry.name] = entry
                self._observer.advanced(1)
        self._site.spill(packs=layout.packs).clear()
        return [done[file.name] for file in files]

    async def _files_standing(self, entries: Sequence[DataEntry]) -> dict[str, DataEntry]:
        """Name -> entry of the files that stand already."""
        found: dict[str, DataEntry] = {}
        async with aclosing(self._crew.each(self._site, [CheckFile(name=entry.name) for entry in entries])) as outcomes:
            for entry in entries:
                there = await anext(outcomes)
                if isinstance(there, DataEntry) and there.key == entry.key:
                    found[there.name] = there
        return found

    def _unless_lost(self, outcome: T | Lost) -> T:
        """What a job gave.

        Raises:
            _LostShardError: it could not read a shard, of which that is kept in mind.
        """
        if isinstance(outcome, Lost):
            self._lose(next(known for known in self._shards if known.name == outcome.shard), outcome)
            raise _LostShardError
        return outcome

    async def _account(self, corpus: Corpus) -> list[ShardEntry]:
        """What became of the samples of each shard."""
        self._observer.stage_started("accounting", len(self._shards))
        entries: dict[str, ShardEntry] = {}
        jobs: list[tuple[Known, str, int]] = []
        starts = iter(corpus.bounds)
        for known in self._shards:
            if known.error:
                entries[known.name] = self._failed(known)
                self._ended(entries[known.name], is_fresh=True)
                continue
            start = next(starts)
            key = key_of(*known.shard.paths, *known.key, corpus.ledger.digest(start, known.size))
            entry = self._directory.entry(known.name)
            is_anew = entry is not None and self._plan.retries_failed and entry.failed
            if entry is not None and entry.key == key and not entry.error and not is_anew:
                entries[known.name] = entry
                self._ended(entry, is_fresh=False)
            else:
                self._directory.forget(known.name)
                jobs.append((known, key, start))
        # The fates of a shard are put together when its turn comes.
        accounts = (
            Account(known=known, fates=corpus.ledger.fates(start, known.size), key=key) for known, key, start in jobs
        )
        async with aclosing(self._crew.each(self._site, accounts)) as outcomes:
            async for outcome in outcomes:
                entry = self._unless_lost(outcome)
                entries[entry.name] = entry
                self._ended(entry, is_fresh=True)
        return [entries[known.name] for known in self._shards]

    def _ended(self, entry: ShardEntry, *, is_fresh: bool) -> None:
        self._observer.advanced(1)
        self._observer.shard_ended(entry, is_fresh=is_fresh)

    def _failed(self, known: Known) -> ShardEntry:
        self._directory.forget(known.name)
        self._site.state.forget(known.name)
        entry = ShardEntry(
            name=known.name,
            key=key_of(*known.shard.paths, *known.sha256s),
            inputs=tuple(
                InputEntry(path=path, part=known.shard.part, sha256=sha256)
                for path, sha256 in zip(known.shard.paths, known.sha256s, strict=True)
            ),
            error=known.error,
        )
        self._directory.publish(entry)
        return entry

    def _report(
        self, entries: list[ShardEntry], files: list[DataEntry], unfinished: list[str], stopped: str
    ) -> RunReport:
        if entries:
            self._directory.write_card(card_of(self._plan.recipe, files, entries, self._identity.versions))
        self._directory.write_manifest(manifest_of(self._identity, entries, files, unfinished))
        return RunReport(entries=entries, unfinished=unfinished, stopped=stopped, tallies=self._tallies)


class _Layout:
    """Which samples of which shard go to which file, and the jobs that bring them there."""

    def __init__(
        self, shards: Sequence[Known], bounds: Sequence[int], files: Sequence[FilePlan], identity: RunIdentity
    ) -> None:
        self._shards = shards
        self._bounds = np.array(bounds)
        self._files = files
        self._identity_key = json.dumps(dict(identity.versions), sort_keys=True)
        """What the bytes of all files follow from besides."""
        self.packs = any(file.packs is not None for file in files)

    def entry(self, file: FilePlan) -> DataEntry:
        """The file with the key that its bytes follow from."""
        digest = hashlib.sha256(json.dumps([file.name, self._identity_key]).encode())
        for number, indices in self._parts(file):
            known = self._shards[number]
            digest.update(json.dumps([known.shard.paths, *known.key]).encode())
            digest.update((file.places[indices] - self._bounds[number]).astype(np.int64).tobytes())
            digest.update(indices.tobytes())
            if file.packs is not None:
                digest.update(file.packs[indices].tobytes())
        return DataEntry(
            name=file.name, split=file.split, key=digest.hexdigest(), domains=file.domains, chars=file.chars
        )

    def write_job(self, number: int, entry: DataEntry, owners: Mapping[str, npt.NDArray[np.uint32]]) -> WriteFile:
        """Writes a file; one whose order is not that of the input from its batches in the spill.

        Args:
            number: of the file.
            entry: of it.
            owners: of each shard in the spill the number of the file that each batch goes to.
        """
        file = self._files[number]
        batches = {} if file.is_in_order else {name: np.flatnonzero(of == number) for name, of in owners.items()}
        return WriteFile(
            entry=entry,
            samples=len(file.places),
            packs=self.packs,
            scattered={name: places.tolist() for name, places in batches.items() if len(places)},
            parts=tuple(self._file_parts(file)) if file.is_in_order else (),
        )

    def _file_parts(self, file: FilePlan) -> Iterator[Part]:
        for owner, indices in self._parts(file):
            yield Part(
                known=self._shards[owner],
                places=(file.places[indices] - self._bounds[owner]).astype(np.int64),
                packs=None if file.packs is None else file.packs[indices],
            )

    def scatter_jobs(self, numbers: Sequence[int]) -> Iterator[Scatter]:
        """Brings the samples of some files from all shards into the spill."""
        if not numbers:
            return
        files = [self._files[number] for number in numbers]
        # In 32 bits, as there may be tens of millions; jobs and keys are given their few in 64.
        places = np.concatenate([file.places for file in files])
        owners = np.repeat(np.array(numbers, np.uint32), [len(file.places) for file in files])
        positions = np.concatenate([np.arange(len(file.places), dtype=np.uint32) for file in files])
        packs = [part for file in files if (part := file.packs) is not None]
        packed = np.concatenate(packs) if self.packs else None
        order = np.argsort(places, kind="stable")
        starts = np.searchsorted(places[order], self._bounds)
        for number, known in enumerate(self._shards):
            here = order[starts[number] : starts[number + 1]]
            if not len(here):
                continue
            placed = [array[here].astype(np.int64) for array in (places, owners, positions)]
            digest = hashlib.sha256(b"".join(part.tobytes() for part in placed)).hexdigest()
            yield Scatter(
                part=Part(
                    known=known,
                    places=placed[0] - self._bounds[number],
                    packs=None if packed is None else packed[here],
                ),
                key=key_of(self._identity_key, *known.key, digest),
                owners=placed[1],
                positions=placed[2],
                packs=self.packs,
            )

    def _parts(self, file: FilePlan) -> Iterator[tuple[int, np.ndarray]]:
        """Number of each shard with samples of the file, and which of them, by their index in the file."""
        owners = np.searchsorted(self._bounds, file.places, side="right") - 1
        order = np.argsort(file.places, kind="stable")
        counts = np.bincount(owners, minlength=len(self._shards))
        for number, indices in enumerate(np.split(order, np.cumsum(counts)[:-1])):
            if len(indices):
                yield number, indices


def _first_key(known: Known, inquiry: Inquiry) -> str:
    """Of answers of which some failed, and are still to be asked for once more."""
    return key_of(known.answer_keys[inquiry.kind], "first")
