"""One shard from its rows to its three files: annotate, decide in the order of the recipe, write once.

Decisions are made on facts and verdicts, never on texts in memory. Where no step verifies and no group reaches over two
frames, as with a list of completions a row, each frame is done for itself, in the memory of a few frames. Else the
facts of the whole shard are at hand when a step decides, some hundred bytes a sample. Both ways give the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from curation.errors import AccountingError
from curation.executors.annotate import NOT_READ, facts_of, with_digests
from curation.executors.judging import VERDICTS, Bounds, Judge, verdict_frame
from curation.executors.ledger import Ledger, Tally, scattered
from curation.executors.writing import ShardFiles
from curation.facts import FACTS
from curation.manifest import Directory, ShardEntry
from curation.shards import Shard, ShardReader
from curation.steps import READ
from curation.steps.base import GroupStep, Step
from curation.steps.verify import Verify
from verifier.engines.base import Engine
from verifier.types import Scored

Frames = Callable[[], Iterable[pl.DataFrame]]
"""Gives the samples of a shard, or of a part of it, as often as asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardWork:
    """What there is to do on any shard of a run.

    Args:
        engine: that judges; None where no step verifies.
        bounds: of what is in flight.
        advance: called with the number of completions just judged.
    """

    steps: Sequence[Step]
    engine: Engine | None
    bounds: Bounds
    advance: Callable[[int], None]


async def curate_shard(
    shard: Shard, reader: ShardReader, directory: Directory, work: ShardWork, *, key: str, sha256: str
) -> ShardEntry:
    """Does one shard and puts its files in place.

    Raises:
        ShardError: it cannot be read; nothing is in place.
        EngineStoppedError: the engine went away; nothing is in place.
        AccountingError: a sample got lost; nothing is in place.
    """
    with ShardFiles(directory, shard) as files:
        tally = await _by_frames(reader, files, work)
        if tally is None:
            files.restart()
            tally = Tally()
            frames = partial(reader.frames, keeps=True)
            facts = pl.concat([pl.DataFrame(schema=FACTS), *(facts_of(frame, work.steps) for frame in frames())])
            await _do(frames, facts, files, work, tally)
        entry = ShardEntry(
            name=shard.name,
            input_file=shard.path,
            input_sha256=sha256,
            key=key,
            rows=reader.rows,
            samples=tally.samples,
            kept=files.samples("data"),
            rejected=files.samples("rejected"),
            failed=files.samples("failed"),
            dropped=tally.dropped,
            failures=tally.failures,
            outputs=files.close(),
        )
    _account(entry, tally)
    directory.publish(entry)
    return entry


async def _by_frames(reader: ShardReader, files: ShardFiles, work: ShardWork) -> Tally | None:
    """Does each frame for itself; None where a group turns out to reach over two."""
    if any(isinstance(step, Verify) for step in work.steps):
        return None
    has_groups = any(isinstance(step, GroupStep) for step in work.steps)
    seen: set[str] = set()
    tally = Tally()
    for frame in reader.frames():
        if has_groups:
            groups = frame["group_key"].unique().to_list()
            if not seen.isdisjoint(groups):
                return None
            seen.update(groups)
        await _do(partial(_alone, frame), facts_of(frame, work.steps), files, work, tally)
    return tally


def _alone(frame: pl.DataFrame) -> Iterable[pl.DataFrame]:
    return (frame,)


async def _do(frames: Frames, facts: pl.DataFrame, files: ShardFiles, work: ShardWork, tally: Tally) -> None:
    """Decides on samples of which all siblings are there, writes and counts them."""
    ledger, verdicts = await _decide(frames, facts, work)
    files.write(frames(), verdicts, ledger)
    tally.add(facts, ledger)


async def _decide(frames: Frames, facts: pl.DataFrame, work: ShardWork) -> tuple[Ledger, pl.DataFrame]:
    ledger = Ledger(facts.height)
    verdicts = pl.DataFrame(schema=VERDICTS)
    for number, step in enumerate(work.steps):
        if isinstance(step, GroupStep | Verify):
            _drop_texts(ledger, facts, work.steps, before=number)
        if isinstance(step, GroupStep):
            alive = ledger.alive()
            if step.needs_digest:
                facts = with_digests(facts, alive, frames())
            ledger.drop(step.name, scattered(step.reasons(facts.filter(alive)), alive))
        elif isinstance(step, Verify):
            found = await _verdicts(frames, ledger, work, step)
            _drop_judged(ledger, step, found, facts.height)
            verdicts = verdict_frame(found, facts.height)
    _drop_texts(ledger, facts, work.steps, before=len(work.steps))
    if verdicts.is_empty():
        verdicts = verdict_frame({}, facts.height)
    return ledger, verdicts


async def _verdicts(frames: Frames, ledger: Ledger, work: ShardWork, step: Verify) -> dict[int, Scored]:
    if work.engine is None:
        raise AccountingError("a recipe that verifies was given no engine")
    judge = Judge(work.engine, recipe=step.recipe, bounds=work.bounds, advance=work.advance)
    return await judge.verdicts(frames, ledger.alive())


def _drop_judged(ledger: Ledger, step: Verify, found: dict[int, Scored], samples: int) -> None:
    decisions = {place: step.decide(scored) for place, scored in found.items()}
    reasons = [decisions[place].reason if place in decisions else None for place in range(samples)]
    failed = [place in decisions and decisions[place].is_failed for place in range(samples)]
    ledger.drop(step.name, pl.Series(reasons, dtype=pl.String), is_failed=pl.Series(failed, dtype=pl.Boolean))


def _drop_texts(ledger: Ledger, facts: pl.DataFrame, steps: Sequence[Step], *, before: int) -> None:
    """Drops by all text steps before a step at once; those that stand before an earlier one were told then."""
    names = {NOT_READ: READ} | {number: step.name for number, step in enumerate(steps)}
    number = pl.col("text_step")
    told = facts.select(
        pl.when(number < before).then("text_reason").alias("reason"),
        number.replace_strict(list(names), list(names.values()), return_dtype=pl.String).alias("step"),
    )
    ledger.drop(told["step"], told["reason"])


def _account(entry: ShardEntry, tally: Tally) -> None:
    """Refuses a shard that does not add up: in = kept + rejected + failed, in samples and in rows."""
    counted = sum(sum(reasons.values()) for reasons in entry.dropped.values())
    rows = tally.rows
    if (
        entry.samples != entry.kept + entry.rejected + entry.failed
        or counted != entry.rejected
        or sum(entry.failures.values()) != entry.failed
        or rows != entry.rows
    ):
        raise AccountingError(
            f"{entry.name}: {entry.samples} samples of {rows} rows in; {entry.kept} kept, {entry.rejected} rejected "
            f"({counted} by reason), {entry.failed} failed out of {entry.rows} rows; this is a bug, please report it"
        )
