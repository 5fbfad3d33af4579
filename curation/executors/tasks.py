"""What is done to one shard, or to one file of the output; the same wherever it is done.

A task reads and writes files of the run directory alone, so it can be done in any process that sees them.
No decision is made here; those are made on the facts and verdicts of all shards (``corpus``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.errors import AccountingError
from curation.executors.annotate import facts_of, rewritten
from curation.executors.judging import VERDICTS, Bounds, Judge, Mask, nobody, verdict_frame
from curation.executors.writing import SampleFile
from curation.facts import FACTS
from curation.judge_spec import JudgeSpec
from curation.manifest import DATA, DROPPED_KINDS, DataEntry, Directory, InputEntry, Output, ShardEntry
from curation.output import DROPPED, KEPT, PACK, file_names, table_of
from curation.recipe import Recipe
from curation.shards import GatheredReader, Shard, ShardReader
from curation.sources import Content
from curation.steps.base import Step
from curation.steps.verify import DECISIONS, Verify, overruled
from verifier.engines.base import Engine
from verifier.engines.store import Verdicts
from verifier.generative.patience import Patience
from verifier.types import Outcome, Scored

JUDGEMENTS = pl.Schema({**VERDICTS, **DECISIONS})
"""One row a sample: its verdicts, and what ``verify`` makes of it."""

Places = npt.NDArray[np.int64]


class Readable(Protocol):
    """What samples come from: a shard, or a sample of several."""

    def frames(self) -> Iterator[pl.DataFrame]:
        """Frames of ``rows.SAMPLES``, in the order of files and rows."""
        ...


class Ranged(Protocol):
    """What gives some rows of one file alone, too."""

    def frames_of(self, rows: Places) -> Iterator[pl.DataFrame]:
        """Frames of ``rows.SAMPLES``, in row order, of rows that ascend."""
        ...


def open_shard(
    shard: Shard, recipe: Recipe, steps: Sequence[Step], content: Content, like: ShardReader | None = None
) -> ShardReader:
    """The reader of a shard of one file, with texts as the recipe's first step leaves them.

    Raises:
        ShardError: it cannot be read.
    """
    return ShardReader(
        shard,
        recipe.columns,
        content=content,
        rows=recipe.rows,
        schema=recipe.schema,
        rewrite=partial(rewritten, steps=steps),
        like=like,
    )


def opened(
    shard: Shard, recipe: Recipe, steps: Sequence[Step], contents: Sequence[Content]
) -> ShardReader | GatheredReader:
    """The same of any shard.

    Args:
        shard: which.
        recipe: for the columns.
        steps: of the recipe.
        contents: of each of its files.

    Raises:
        ShardError: it, or some of its files, cannot be read.
    """
    if not shard.further:
        return open_shard(shard, recipe, steps, contents[0])
    return GatheredReader(
        shard,
        contents,
        open_one=lambda one, content, like: open_shard(one, recipe, steps, content, like),
        rewrite=partial(rewritten, steps=steps),
    )


def annotate(
    reader: Readable, steps: Sequence[Step], look: Callable[[pl.DataFrame, pl.DataFrame], None] | None = None
) -> pl.DataFrame:
    """The facts of a shard.

    Args:
        reader: of the shard.
        steps: of the recipe.
        look: called with each frame and its facts, while they are at hand.

    Raises:
        ShardError: it cannot be read.
    """
    found = [pl.DataFrame(schema=FACTS)]
    for frame in reader.frames():
        found.append(facts_of(frame, steps))
        if look is not None:
            look(frame, found[-1])
    return pl.concat(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """With what verdicts are made.

    Args:
        engine: that judges.
        verify: the step that asks for them.
        bounds: of what is in flight.
        advance: called with the number of completions just judged.
        store: of verdicts that are known; None judges all.
        config_hash: of the engine, for the store's keys.
        recalled: called with the number of completions that the store knew.
        judge: a model for what the engine cannot decide; None has none.
        patience: with that model.
    """

    engine: Engine
    verify: Verify
    bounds: Bounds
    advance: Callable[[int], None]
    store: Verdicts | None = None
    config_hash: str = ""
    recalled: Callable[[int], None] = nobody
    judge: JudgeSpec | None = None
    patience: Patience = field(default_factory=Patience)


async def judge(reader: Readable, bench: Bench, wanted: Mask) -> pl.DataFrame:
    """The verdicts of a shard and what comes of them; columns of ``JUDGEMENTS``, one row a sample.

    Args:
        reader: of the shard.
        bench: with what to judge.
        wanted: which samples.

    Raises:
        ShardError: it cannot be read.
        EngineStoppedError: the engine went away.
    """
    worker = Judge(
        bench.engine,
        recipe=bench.verify.recipe,
        bounds=bench.bounds,
        advance=bench.advance,
        store=bench.store,
        config_hash=bench.config_hash,
        recalled=lambda places: bench.recalled(len(places)),
    )
    found = await worker.verdicts(reader.frames, wanted) if wanted.any() else {}
    decided, told = await _with_opinions(reader, bench, found)
    if bench.store is not None:
        bench.store.flush()
    return verdict_frame(told, len(wanted)).hstack(decisions(bench.verify, decided, len(wanted)))


def asked_again(before: pl.DataFrame, now: pl.DataFrame, again: Mask) -> pl.DataFrame:
    """The answers of an earlier asking, with those of a later one for some samples."""
    is_new = pl.Series(again)
    merged = (pl.when(is_new).then(now[name]).otherwise(before[name]).alias(name) for name in before.columns)
    return pl.select(merged).match_to_schema(before.schema)


async def _with_opinions(
    reader: Readable, bench: Bench, found: dict[int, Scored]
) -> tuple[dict[int, Scored], dict[int, Scored]]:
    """What decides, and what is written: the verdicts of the engine, with those of the judge model."""
    if bench.judge is None or not bench.judge.is_second or not found:
        return found, found
    from curation.executors.second import second_opinions  # noqa: PLC0415 - few runs wait for its HTTP client

    opinions = await second_opinions(
        reader.frames, found, spec=bench.judge, verify=bench.verify, store=bench.store, patience=bench.patience
    )
    decided = {place: overruled(scored, opinions.get(place)) for place, scored in found.items()}
    told = {
        place: replace(decided[place], verdicts=(*scored.verdicts, opinions[place])) if place in opinions else scored
        for place, scored in found.items()
    }
    return decided, told


def decisions(step: Verify, found: dict[int, Scored], samples: int) -> pl.DataFrame:
    """What ``verify`` makes of the verdicts; columns of ``DECISIONS``, one row a sample."""
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


def write_account(
    shard: Shard,
    directory: Directory,
    facts: pl.DataFrame,
    fates: pl.DataFrame,
    verdicts: pl.DataFrame,
    *,
    key: str,
    sha256s: Sequence[str],
) -> ShardEntry:
    """Writes what became of the samples of a shard that were not kept, and puts it in place.

    Args:
        shard: which.
        directory: of the run.
        facts: columns of ``FACTS``.
        fates: columns of ``ledger.FATES``.
        verdicts: columns of ``VERDICTS``.
        key: what all of it follows from.
        sha256s: of the input files.

    Raises:
        AccountingError: a sample got lost; nothing is in place.
    """
    samples = (
        facts.hstack(fates)
        .hstack(verdicts)
        .with_columns(
            pl.coalesce("drop_value", pl.when(_of_text()).then("text_value")).alias("drop_value"),
            pl.coalesce("drop_detail", pl.when(_of_text()).then("text_detail")).alias("drop_detail"),
            file_names(facts["file"], shard.paths),
        )
    )
    dropped = samples.filter(pl.col("drop_step").is_not_null())
    outputs: dict[str, Output] = {}
    for kind, is_failed in zip(DROPPED_KINDS, (False, True), strict=True):
        chosen = dropped.filter(pl.col("is_failed") == is_failed).select(DROPPED.names)
        if chosen.height:
            with SampleFile(directory.temporary(kind, shard.name), DROPPED) as file:
                file.append(table_of(chosen, DROPPED))
                outputs[kind] = file.close()
    rejected, failed = _counts(dropped)
    entry = ShardEntry(
        name=shard.name,
        key=key,
        inputs=_inputs(shard, samples, sha256s),
        dropped=rejected,
        failures=failed,
        outputs=outputs,
    )
    counted, missed = (
        sum(sum(reasons.values()) for reasons in ends.values()) for ends in (entry.dropped, entry.failures)
    )
    written = {kind: output.samples for kind, output in outputs.items()}
    if (
        facts.height != entry.samples
        or entry.samples != entry.kept + entry.rejected + entry.failed
        or not counted == entry.rejected == written.get(DROPPED_KINDS[0], 0)
        or not missed == entry.failed == written.get(DROPPED_KINDS[1], 0)
    ):
        raise AccountingError(
            f"{entry.name}: {facts.height} samples in; {entry.kept} kept, {entry.rejected} rejected "
            f"({counted} by reason), {entry.failed} failed; this is a bug, please report it"
        )
    directory.publish(entry)
    return entry


def _inputs(shard: Shard, samples: pl.DataFrame, sha256s: Sequence[str]) -> tuple[InputEntry, ...]:
    """What became of the samples of each file."""
    is_dropped, is_failed = pl.col("drop_step").is_not_null(), pl.col("is_failed")
    counts = samples.group_by("file").agg(
        pl.col("input_row").n_unique().alias("rows"),
        pl.len().alias("samples"),
        (~is_dropped).sum().alias("kept"),
        (is_dropped & ~is_failed).sum().alias("rejected"),
        (is_dropped & is_failed).sum().alias("failed"),
    )
    found = {number: counted for number, *counted in counts.iter_rows()}
    names = counts.columns[1:]
    return tuple(
        InputEntry(path=path, part=shard.part, sha256=sha256, **dict(zip(names, found.get(number, ()), strict=False)))
        for number, (path, sha256) in enumerate(zip(shard.paths, sha256s, strict=True))
    )


def _of_text() -> pl.Expr:
    return pl.col("drop_reason").eq_missing(pl.col("text_reason"))


def _counts(dropped: pl.DataFrame) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """Step -> reason -> samples rejected, and the same of those that failed."""
    groups = dropped.group_by("drop_step", "drop_reason", "is_failed", maintain_order=True).len()
    rejected: dict[str, dict[str, int]] = {}
    failed: dict[str, dict[str, int]] = {}
    for step, reason, is_failed, count in groups.iter_rows():
        (failed if is_failed else rejected).setdefault(step, {})[reason] = count
    return rejected, failed


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Samples of one shard that go to one file of the output.

    Args:
        reader: of the shard.
        rows: number of the input row of each sample of the shard.
        verdicts: of each sample of the shard, columns of ``VERDICTS``.
        scores: that a judge gave to each sample of the shard; None where none was asked.
        places: of the samples in the shard, ascending.
        packs: the pack of each; None where nothing is packed.
    """

    reader: Ranged | GatheredReader
    rows: npt.NDArray[np.int64]
    verdicts: pl.DataFrame
    scores: pl.Series | None = None
    places: Places
    packs: npt.NDArray[np.int64] | None = None

    def frames(self) -> Iterator[tuple[pl.DataFrame, Places]]:
        """The samples with their verdicts, and which of ``places`` they are.

        Raises:
            ShardError: the shard cannot be read, or no longer holds these samples.
        """
        if not len(self.places):
            return
        if isinstance(self.reader, GatheredReader):
            read, frames = np.arange(len(self.rows)), self.reader.frames()
        else:
            rows = np.unique(self.rows[self.places])
            read, frames = np.flatnonzero(np.isin(self.rows, rows)), self.reader.frames_of(rows)
        start = 0
        for frame in frames:
            among = read[start : start + frame.height]
            start += frame.height
            low, high = np.searchsorted(self.places, among[[0, -1]] + [0, 1]) if len(among) else (0, 0)
            here = self.places[low:high]
            if len(here):
                chosen = frame[np.searchsorted(among, here).tolist()] if len(here) < frame.height else frame
                judged = self.verdicts[here.tolist()]
                samples = chosen.with_columns(judged["reward"], judged["verdicts"])
                if self.scores is not None:
                    given = self.scores.gather(here)
                    samples = samples.with_columns(score=pl.coalesce(given.cast(pl.Float64), "score"))
                if self.packs is not None:
                    samples = samples.with_columns(pl.Series("pack", self.packs[low:high]))
                yield samples, np.arange(low, high)


def write_data(
    directory: Directory, entry: DataEntry, tables: Iterable[pa.Table], *, samples: int, packs: bool
) -> DataEntry:
    """Writes a file of kept samples, and puts it in place.

    Args:
        directory: of the run.
        entry: of the file, without its output.
        tables: the samples in order.
        samples: how many there must be.
        packs: whether samples are packed.

    Returns:
        The whole entry.

    Raises:
        ShardError: a shard cannot be read; nothing is in place.
        AccountingError: another number of samples came; nothing is in place.
    """
    with SampleFile(directory.temporary(DATA, entry.name), KEPT.append(PACK) if packs else KEPT) as file:
        for table in tables:
            file.append(table)
        output = file.close()
    if output.samples != samples:
        raise AccountingError(
            f"{entry.name}: {samples} samples were kept and {output.samples} came to be written; this is a bug, "
            f"please report it"
        )
    done = replace(entry, output=output)
    directory.publish_data(done)
    return done
