"""All shards of a run in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from curation.errors import EngineStoppedError, RecipeError, ShardError, near
from curation.executors.annotate import rewritten
from curation.executors.judging import Bounds
from curation.executors.shard import ShardWork, curate_shard
from curation.manifest import Directory, RunIdentity, ShardEntry, manifest_of, open_directory
from curation.recipe import Recipe
from curation.shards import Shard, ShardReader, file_sha256
from curation.steps import recipe_hash
from curation.steps.base import Step
from curation.steps.verify import Verify
from verifier.engines.base import Engine

EngineOpener = Callable[[], AbstractAsyncContextManager[Engine]]


class Observer(Protocol):
    """Is told how a run goes on."""

    def shard_started(self, shard: Shard, rows: int) -> None:
        """Work on a shard begins."""

    def advanced(self, completions: int) -> None:
        """Completions were judged."""

    def shard_ended(self, entry: ShardEntry, *, is_fresh: bool) -> None:
        """A shard is done, failed, or was done before (not fresh)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """What a run is to do.

    Args:
        retries_failed: whether shards with failed samples are done again.
    """

    recipe: Recipe
    steps: tuple[Step, ...]
    shards: tuple[Shard, ...]
    output: Path
    retries_failed: bool = False


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
            work = ShardWork(
                steps=plan.steps,
                engine=engine,
                bounds=Bounds(completions=spec.in_flight, bytes=spec.in_flight_bytes),
                advance=observer.advanced,
            )
            return await _run_shards(
                _Run(plan=plan, directory=directory, identity=identity, work=work, observer=observer)
            )


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
        engine_hash=engine_hash,
        versions={name: version(name) for name in ("assay", "polars", "pyarrow")},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run under way."""

    plan: RunPlan
    directory: Directory
    identity: RunIdentity
    work: ShardWork
    observer: Observer


async def _run_shards(run: _Run) -> RunReport:
    entries: list[ShardEntry] = []
    stopped = ""
    shards = run.plan.shards
    for shard in shards:
        try:
            entry, is_fresh = await _run_shard(run, shard)
        except EngineStoppedError as error:
            stopped = str(error)
            break
        entries.append(entry)
        run.observer.shard_ended(entry, is_fresh=is_fresh)
    unfinished = [shard.name for shard in shards[len(entries) :]]
    run.directory.write_manifest(manifest_of(run.identity, entries, unfinished))
    return RunReport(entries=entries, unfinished=unfinished, stopped=stopped)


async def _run_shard(run: _Run, shard: Shard) -> tuple[ShardEntry, bool]:
    """The entry of a shard, and whether it was made now."""
    plan, directory = run.plan, run.directory
    try:
        sha256 = file_sha256(shard.path)
    except OSError as error:
        return _failed_shard(run, shard, sha256="", error=f"cannot be read: {error.strerror}"), True
    key = run.identity.key(shard, sha256)
    entry = directory.entry(shard.name)
    if entry is not None and entry.key == key and not entry.error and not (plan.retries_failed and entry.failed):
        return entry, False
    directory.forget(shard.name)
    try:
        rewrite = partial(rewritten, steps=plan.steps)
        reader = ShardReader(shard, plan.recipe.columns, sha256=sha256, rows=plan.recipe.rows, rewrite=rewrite)
        run.observer.shard_started(shard, reader.rows)
        return await curate_shard(shard, reader, directory, run.work, key=key, sha256=sha256), True
    except ShardError as error:
        return _failed_shard(run, shard, sha256=sha256, error=str(error)), True


def _failed_shard(run: _Run, shard: Shard, *, sha256: str, error: str) -> ShardEntry:
    key = run.identity.key(shard, sha256)
    run.directory.forget(shard.name)
    entry = ShardEntry(name=shard.name, input_file=shard.path, input_sha256=sha256, key=key, error=error)
    run.directory.publish(entry)
    return entry
