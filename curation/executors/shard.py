"""What is done to one shard: its facts, its verdicts, and in the end its three files, written once.

No decision is made here; those are made on the facts and verdicts of all shards (``corpus``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import polars as pl

from curation.errors import AccountingError
from curation.executors.annotate import facts_of
from curation.executors.corpus import DECISIONS
from curation.executors.judging import VERDICTS, Bounds, Judge, verdict_frame
from curation.executors.ledger import Ledger, Tally
from curation.executors.store import VerdictStore
from curation.executors.writing import ShardFiles
from curation.facts import FACTS
from curation.manifest import Directory, ShardEntry
from curation.shards import Shard, ShardReader
from curation.steps.base import Step
from curation.steps.verify import Verify
from verifier.engines.base import Engine
from verifier.types import Outcome, Scored

JUDGEMENTS = pl.Schema({**VERDICTS, **DECISIONS})
"""One row a sample: its verdicts, and what ``verify`` makes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardWork:
    """What there is to do on any shard of a run.

    Args:
        engine: that judges; None where no step verifies.
        bounds: of what is in flight.
        advance: called with the number of completions just judged.
        store: of verdicts that are known; None judges all.
        context: what the keys of all verdicts share.
    """

    steps: Sequence[Step]
    engine: Engine | None
    bounds: Bounds
    advance: Callable[[int], None]
    store: VerdictStore | None = None
    context: str = ""


def annotate_shard(reader: ShardReader, work: ShardWork) -> pl.DataFrame:
    """The facts of a shard.

    Raises:
        ShardError: it cannot be read.
    """
    frames: Iterable[pl.DataFrame] = reader.frames(keeps=True)
    return pl.concat([pl.DataFrame(schema=FACTS), *(facts_of(frame, work.steps) for frame in frames)])


async def judge_shard(reader: ShardReader, work: ShardWork, step: Verify, alive: pl.Series) -> pl.DataFrame:
    """The verdicts of a shard and what comes of them; columns of ``JUDGEMENTS``, one row a sample.

    Raises:
        ShardError: it cannot be read.
        EngineStoppedError: the engine went away.
    """
    if work.engine is None:
        raise AccountingError("a recipe that verifies was given no engine")
    judge = Judge(
        work.engine,
        recipe=step.recipe,
        bounds=work.bounds,
        advance=work.advance,
        store=work.store,
        context=work.context,
    )

    def frames() -> Iterable[pl.DataFrame]:
        return reader.frames(keeps=True)

    found = await judge.verdicts(frames, alive) if alive.any() else {}
    if work.store is not None:
        work.store.flush()
    return verdict_frame(found, alive.len()).hstack(_decisions(step, found, alive.len()))


def _decisions(step: Verify, found: dict[int, Scored], samples: int) -> pl.DataFrame:
    made = {place: step.decide(scored) for place, scored in found.items()}
    is_right = {
        place: decision.reason is None
        for place, decision in made.items()
        if not decision.is_failed and not _is_unscorable(found[place])
    }
    columns = {
        "verify_reason": [made[place].reason if place in made else None for place in range(samples)],
        "is_failed": [place in made and made[place].is_failed for place in range(samples)],
        "is_right": [is_right.get(place) for place in range(samples)],
    }
    return pl.DataFrame(columns, schema=DECISIONS)


def _is_unscorable(scored: Scored) -> bool:
    outcomes = {verdict.outcome for verdict in scored.verdicts}
    return Outcome.INCORRECT not in outcomes and (not outcomes or Outcome.UNSCORABLE in outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """What has become of the samples of a shard: their facts, verdicts and ends, in row order."""

    facts: pl.DataFrame
    verdicts: pl.DataFrame
    ledger: Ledger


def write_shard(
    shard: Shard, reader: ShardReader, directory: Directory, fates: Fates, *, key: str, sha256: str
) -> ShardEntry:
    """Writes the files of a shard and puts them in place.

    Raises:
        ShardError: it cannot be read; nothing is in place.
        AccountingError: a sample got lost; nothing is in place.
    """
    tally = Tally()
    tally.add(fates.facts, fates.ledger)
    with ShardFiles(directory, shard) as files:
        files.write(reader.frames(), fates.verdicts.select(list(VERDICTS)), fates.ledger)
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
