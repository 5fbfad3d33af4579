"""One shard from its rows to its three files: annotate, decide in the order of the recipe, write once.

Decisions are made on facts and verdicts, never on texts in memory, so a shard of any size needs the memory of a few
batches and some hundred bytes a sample. Groups may lie scattered over a shard of one row a completion: the facts of
the whole shard are at hand when a group step decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from curation.errors import AccountingError
from curation.executors.annotate import NOT_READ, facts_of, with_digests
from curation.executors.judging import VERDICTS, Bounds, Judge, verdict_frame
from curation.executors.ledger import Ledger, scattered
from curation.executors.writing import ShardFiles
from curation.facts import FACTS
from curation.manifest import Directory, ShardEntry
from curation.shards import Shard, ShardReader
from curation.steps import READ
from curation.steps.base import GroupStep, Step, TextStep
from curation.steps.verify import Verify
from verifier.engines.base import Engine
from verifier.types import Scored


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
    facts = pl.concat([pl.DataFrame(schema=FACTS), *(facts_of(frame, work.steps) for frame in reader.frames())])
    ledger, verdicts = await _decide(reader, facts, work)
    with ShardFiles(directory, shard.name) as files:
        files.write(reader.frames(), verdicts, ledger, shard.path)
        dropped, failures = ledger.counts()
        entry = ShardEntry(
            name=shard.name,
            input_file=shard.path,
            input_sha256=sha256,
            key=key,
            rows=reader.rows,
            samples=facts.height,
            kept=files.samples("data"),
            rejected=files.samples("rejected"),
            failed=files.samples("failed"),
            dropped=dropped,
            failures=failures,
            outputs=files.close(),
        )
    _account(entry, facts)
    directory.publish(entry)
    return entry


async def _decide(reader: ShardReader, facts: pl.DataFrame, work: ShardWork) -> tuple[Ledger, pl.DataFrame]:
    ledger = Ledger(facts.height)
    ledger.drop(READ, _text_reasons(facts, NOT_READ))
    verdicts = pl.DataFrame(schema=VERDICTS)
    for number, step in enumerate(work.steps):
        if isinstance(step, TextStep):
            ledger.drop(step.name, _text_reasons(facts, number))
        elif isinstance(step, GroupStep):
            alive = ledger.alive()
            if step.needs_digest:
                facts = with_digests(facts, alive, reader.frames())
            ledger.drop(step.name, scattered(step.reasons(facts.filter(alive)), alive))
        elif isinstance(step, Verify):
            found = await _verdicts(reader, ledger, work, step)
            _drop_judged(ledger, step, found, facts.height)
            verdicts = verdict_frame(found, facts.height)
    if verdicts.is_empty():
        verdicts = verdict_frame({}, facts.height)
    return ledger, verdicts


async def _verdicts(reader: ShardReader, ledger: Ledger, work: ShardWork, step: Verify) -> dict[int, Scored]:
    if work.engine is None:
        raise AccountingError("a recipe that verifies was given no engine")
    judge = Judge(work.engine, recipe=step.recipe, bounds=work.bounds, advance=work.advance)
    return await judge.verdicts(reader.frames, ledger.alive())


def _drop_judged(ledger: Ledger, step: Verify, found: dict[int, Scored], samples: int) -> None:
    decisions = {place: step.decide(scored) for place, scored in found.items()}
    reasons = [decisions[place].reason if place in decisions else None for place in range(samples)]
    failed = [place in decisions and decisions[place].is_failed for place in range(samples)]
    ledger.drop(step.name, pl.Series(reasons, dtype=pl.String), is_failed=pl.Series(failed, dtype=pl.Boolean))


def _text_reasons(facts: pl.DataFrame, number: int) -> pl.Series:
    return facts.select(pl.when(pl.col("text_step") == number).then("text_reason"))["text_reason"]


def _account(entry: ShardEntry, facts: pl.DataFrame) -> None:
    """Refuses a shard that does not add up: in = kept + rejected + failed, in samples and in rows."""
    counted = sum(sum(reasons.values()) for reasons in entry.dropped.values())
    rows = facts["input_row"].n_unique()
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
