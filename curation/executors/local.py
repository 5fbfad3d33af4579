"""All shards of a run in this process.

Three passes over the shards, each of which takes up what is left of it: facts (``state/*.facts.parquet``), verdicts
(``state/*.verdicts.parquet``), and the files. Decisions are made in between, on the facts and verdicts of all shards,
so a changed threshold judges nothing again, and a file is written once.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import polars as pl

from curation.errors import EngineStoppedError, RecipeError, ShardError, near
from curation.executors.annotate import rewritten
from curation.executors.corpus import Corpus
from curation.executors.judging import Bounds, verdict_frame
from curation.executors.ledger import Ledger
from curation.executors.shard import JUDGEMENTS, Fates, ShardWork, annotate_shard, judge_shard, write_shard
from curation.executors.state import State
from curation.executors.store import VerdictStore
from curation.facts import FACTS
from curation.manifest import STATE, Directory, RunIdentity, ShardEntry, manifest_of, open_directory
from curation.recipe import Recipe
from curation.shards import Shard, ShardReader, file_sha256
from curation.steps import facts_hash, recipe_hash
from curation.steps.base import Step
from curation.steps.verify import Verify
from verifier.engines.base import Engine

_CACHE_BYTES = 256 << 20
"""Samples that stay in memory from the first pass to the last."""
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
    with open_directory(plan.output) as directory:
        directory.refuse_strangers(plan.shards)
        async with open_engine() if verify is not None else nullcontext() as engine:
            identity = await _identity(plan, verify, engine)
            spec = plan.recipe.verify
            with VerdictStore(plan.store) if plan.store and verify is not None else nullcontext() as store:
                work = ShardWork(
                    steps=plan.steps,
                    engine=engine,
                    bounds=Bounds(completions=spec.in_flight, bytes=spec.in_flight_bytes),
                    advance=observer.advanced,
                    store=store,
                    context=json.dumps([identity.engine_hash, identity.versions["assay"], verify and verify.recipe]),
                )
                passes = _Passes(plan, directory, identity, work, observer)
                return await passes.run(verify)


async def _identity(plan: RunPlan, verify: Verify | None, engine: Engine | None) -> RunIdentity:
    engine_hash = ""
    if verify is not None and engine is not None:
        info = await engine.info()
        if verify.recipe not in info.recipes:
            raise RecipeError(
                "verify.recipe", f"the engine has no recipe {verify.recipe!r}; {near(verify.recipe, info.recipes)}"
            )
        if verify.keep not in ("correct", "reward", *info.verifiers):
            choices = ("correct", "reward", *info.verifiers)
            raise RecipeError("verify.keep", f"{verify.keep!r} is not a choice; {near(verify.keep, choices)}")
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
    """

    shard: Shard
    sha256: str
    facts_key: str = ""
    facts: pl.DataFrame | None = None
    verdicts_key: str = ""
    verdicts: pl.DataFrame | None = None
    error: str = ""
    reader: ShardReader | None = None


class _Passes:
    """The passes of a run over its shards: facts, verdicts, files; decisions are made in between, on all shards."""

    def __init__(
        self, plan: RunPlan, directory: Directory, identity: RunIdentity, work: ShardWork, observer: Observer
    ) -> None:
        self._plan = plan
        self._directory = directory
        self._state = State(directory.path / STATE)
        self._identity = identity
        self._work = work
        self._observer = observer
        self._cache_left = _CACHE_BYTES
        self._facts_hash = facts_hash(plan.recipe, plan.steps)

    async def run(self, verify: Verify | None) -> RunReport:
        """All of them; stops before the files where the engine goes away."""
        self._directory.forget_manifest()
        shards = [_Known(shard=shard, sha256="") for shard in self._plan.shards]
        self._observer.stage_started("reading", len(shards))
        for known in shards:
            self._annotate(known)
            self._observer.advanced(1)
        try:
            corpus = await self._decide(shards, verify)
        except EngineStoppedError as error:
            return self._report([], [known.shard.name for known in shards], str(error))
        return self._report(self._write(shards, corpus), [], "")

    async def _decide(self, shards: list[_Known], verify: Verify | None) -> Corpus:
        """Decides on the samples of all shards that can be read; anew without one that no longer can when judged."""
        while True:
            good = [known for known in shards if known.facts is not None]
            corpus = Corpus([known.facts for known in good if known.facts is not None], self._plan.steps)
            corpus.decide_before_verdicts()
            if verify is None:
                return corpus
            await self._judge(good, corpus, verify)
            if all(known.facts is not None for known in good):
                corpus.decide_after([known.verdicts for known in good if known.verdicts is not None])
                return corpus

    def _annotate(self, known: _Known) -> None:
        shard = known.shard
        try:
            known.sha256 = file_sha256(shard.path)
            known.facts_key = _key(known.sha256, self._facts_hash, self._identity.versions["assay"])
            known.facts = self._state.read("facts", shard.name, known.facts_key, FACTS)
            if known.facts is None:
                known.facts = annotate_shard(self._reader(known), self._work)
                self._read_once(known)
                self._state.write("facts", shard.name, known.facts_key, known.facts)
        except OSError as error:
            known.error = f"cannot be read: {error.strerror}"
        except ShardError as error:
            known.error = str(error)

    async def _judge(self, shards: list[_Known], corpus: Corpus, verify: Verify) -> None:
        """Fetches the verdicts of all shards; one that cannot be read any more loses its facts.

        Raises:
            EngineStoppedError: the engine went away.
        """
        alive = corpus.alive()
        self._observer.stage_started("judging", sum(int(series.sum()) for series in alive))
        options = json.dumps([verify.name, dataclasses.asdict(verify), self._work.context])
        for known, live in zip(shards, alive, strict=True):
            mask = hashlib.sha256(live.to_numpy().tobytes()).hexdigest()
            known.verdicts_key = _key(known.facts_key, options, mask)
            found = self._state.read("verdicts", known.shard.name, known.verdicts_key, JUDGEMENTS)
            if found is not None and not (self._plan.retries_failed and found["is_failed"].any()):
                known.verdicts = found
                self._observer.advanced(int(live.sum()))
                continue
            is_first = known.reader is None
            try:
                known.verdicts = await judge_shard(self._reader(known), self._work, verify, live)
            except ShardError as error:
                known.facts, known.error = None, str(error)
                continue
            if is_first:
                self._read_once(known)
            self._state.write("verdicts", known.shard.name, known.verdicts_key, known.verdicts)

    def _write(self, shards: list[_Known], corpus: Corpus) -> list[ShardEntry]:
        self._observer.stage_started("writing", len(shards))
        parts = corpus.parts()
        entries: list[ShardEntry] = []
        for known in shards:
            if known.facts is None:
                entry, is_fresh = self._failed(known), True
            else:
                facts, ledger = next(parts)
                entry, is_fresh = self._written(known, facts, ledger)
            entries.append(entry)
            self._observer.advanced(1)
            self._observer.shard_ended(entry, is_fresh=is_fresh)
        return entries

    def _written(self, known: _Known, facts: pl.DataFrame, ledger: Ledger) -> tuple[ShardEntry, bool]:
        """The entry of a shard, and whether its files were written now."""
        shard, directory = known.shard, self._directory
        key = _key(shard.path, known.facts_key, known.verdicts_key, ledger.digest())
        entry = directory.entry(shard.name)
        is_anew = entry is not None and self._plan.retries_failed and entry.failed
        if entry is not None and entry.key == key and not entry.error and not is_anew:
            return entry, False
        directory.forget(shard.name)
        verdicts = verdict_frame({}, facts.height) if known.verdicts is None else known.verdicts
        try:
            reader = self._reader(known)
            fates = Fates(facts=facts, verdicts=verdicts, ledger=ledger)
            entry = write_shard(shard, reader, directory, fates, key=key, sha256=known.sha256)
        except ShardError as error:
            known.error = str(error)
            return self._failed(known), True
        finally:
            known.reader = None
        return entry, True

    def _failed(self, known: _Known) -> ShardEntry:
        self._directory.forget(known.shard.name)
        self._state.forget(known.shard.name)
        entry = ShardEntry(
            name=known.shard.name,
            input_file=known.shard.path,
            input_sha256=known.sha256,
            key=_key(known.shard.path, known.sha256),
            error=known.error,
        )
        self._directory.publish(entry)
        return entry

    def _reader(self, known: _Known) -> ShardReader:
        """The reader of a shard, which keeps its samples for the next pass while there is room for them."""
        if known.reader is None:
            recipe = self._plan.recipe
            known.reader = ShardReader(
                known.shard,
                recipe.columns,
                sha256=known.sha256,
                rows=recipe.rows,
                schema=recipe.schema,
                rewrite=partial(rewritten, steps=self._plan.steps),
                cache_bytes=self._cache_left,
            )
        return known.reader

    def _read_once(self, known: _Known) -> None:
        """Takes what a reader keeps off the room that is left; one that keeps nothing goes."""
        if known.reader is not None:
            self._cache_left -= known.reader.kept_bytes
            known.reader = known.reader if known.reader.kept_bytes else None

    def _report(self, entries: list[ShardEntry], unfinished: list[str], stopped: str) -> RunReport:
        self._directory.write_manifest(manifest_of(self._identity, entries, unfinished))
        return RunReport(entries=entries, unfinished=unfinished, stopped=stopped)


def _key(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
