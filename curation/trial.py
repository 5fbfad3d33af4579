"""A recipe tried on a sample: the stages of a run one after the other, with their time, and what they leave.

Each stage is that of a run (``executors.tasks``, ``executors.corpus``); its files are written to a folder that goes
away, so that their sizes are real.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pyarrow as pa

from curation.costs import cpu_s
from curation.executors.annotate import facts_of
from curation.executors.arrange import TRAIN
from curation.executors.corpus import Corpus, columns_needed
from curation.executors.judging import VERDICTS, Bounds, Mask, verdict_frame
from curation.executors.state import State
from curation.executors.tasks import Bench, Piece, annotate, asked_again, judge, write_account, write_data
from curation.manifest import STATE, DataEntry, ShardEntry, open_directory
from curation.output import kept_table
from curation.recipe import Recipe
from curation.rows import BadReference, reference_from_columns
from curation.sampling import Sample
from curation.shards import Shard
from curation.sources import Source
from curation.steps.base import AskStep, Step, TextStep
from curation.steps.quality import JudgedQuality
from curation.steps.quota import Quota
from curation.steps.verify import DECISIONS, Verify
from verifier.engines.base import Engine
from verifier.formats import Task
from verifier.types import MathReference, Reference

_NAME = "sample"
_NO_END = 10**15
_WARMING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What one stage took.

    Args:
        name: of it.
        units: how many samples it worked on.
        wall_s: time on the clock.
        cpu_s: of all processors, this process and its children; of a server nothing is known.
    """

    name: str
    units: int
    wall_s: float
    cpu_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a recipe makes of a sample.

    Args:
        entry: the account, as of a shard.
        facts: columns of ``facts.FACTS``.
        fates: columns of ``ledger.FATES``.
        judgements: columns of ``tasks.JUDGEMENTS``; None where nothing was judged.
        to_judge: which samples ``verify`` would judge.
        to_score: which samples a judge would score; they are let pass, and none is asked for.
        stages: in order.
        steps_s: name of each text step -> CPU seconds that it took alone on all samples.
        data_bytes: of the file of kept samples.
        account_bytes: of the files of all others.
        state_bytes: of what a run knows between its passes.
        spill_bytes: of kept samples on their way into another order.
        aside_bytes: of facts that are put aside while decisions are made.
    """

    entry: ShardEntry
    facts: pl.DataFrame
    fates: pl.DataFrame
    judgements: pl.DataFrame | None
    to_judge: pl.Series
    to_score: pl.Series
    stages: tuple[Stage, ...]
    steps_s: dict[str, float]
    data_bytes: int
    account_bytes: int
    state_bytes: int
    spill_bytes: int
    aside_bytes: int


def without_bounds(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps with quotas that a sample cannot fill, nor fall short of; domains without one still have none.

    How many samples of each domain there are is told by the whole corpus alone.
    """
    return tuple(
        dataclasses.replace(
            step,
            preset="",
            domains=", ".join(f"{domain} = {_NO_END}" for domain in step.quotas()),
            when_short="take_all",
        )
        if isinstance(step, Quota)
        else step
        for step in steps
    )


async def try_recipe(sample: Sample, recipe: Recipe, steps: Sequence[Step], engine: Engine | None) -> Trial:
    """Runs the stages.

    Args:
        sample: rewritten by the steps.
        recipe: for the bounds of judging.
        steps: of the recipe.
        engine: that judges; None leaves out the verdicts, and lets what is to be judged pass.

    Raises:
        EngineStoppedError: the engine went away.
    """
    steps = without_bounds(steps)
    clock = _Clock()
    # What is read and built at the first use alone is no part of a rate.
    facts_of(sample.samples.head(_WARMING), steps)
    with clock.stage("filter", sample.samples.height):
        facts = annotate(sample, steps)
    corpus = Corpus([facts.select(columns_needed(steps))], steps, samples=facts.height)
    judgements = None
    asked = {step.name: np.zeros(facts.height, np.bool_) for step in (Verify, JudgedQuality)}
    for step in steps:
        if not isinstance(step, AskStep):
            continue
        [wanted] = corpus.decide_before(step)
        asked[step.name] = wanted
        if isinstance(step, Verify) and engine is not None:
            bounds = Bounds(completions=recipe.verify.in_flight, bytes=recipe.verify.in_flight_bytes)
            bench = Bench(engine=engine, verify=step, bounds=bounds, advance=lambda _: None)
            judgements = await _judged(sample, bench, wanted, clock)
            corpus.decide_by(step, 0, judgements.select(list(DECISIONS)))
        else:
            corpus.decide_by(step, 0, _unanswered(step, facts.height))
    corpus.decide_rest()
    corpus.name_twins(lambda _, column: facts[column])
    fates = corpus.ledger.fates(0, facts.height)
    verdicts = verdict_frame({}, facts.height) if judgements is None else judgements.select(list(VERDICTS))
    with TemporaryDirectory(prefix="curate-plan-") as folder:
        shard = Shard(name=_NAME, source=Source(path=_NAME))
        with open_directory(Path(folder)) as directory:
            State(directory.path / STATE).write("facts", _NAME, "", facts)
            if judgements is not None:
                State(directory.path / STATE).write("verdicts", _NAME, "", judgements)
            entry = write_account(shard, directory, facts, fates, verdicts, key="", sha256s=("",))
            piece = Piece(
                reader=sample,
                rows=facts["input_row"].to_numpy(),
                verdicts=verdicts,
                places=corpus.kept()["place"].to_numpy(),
            )
            tables: list[pa.Table] = []
            with clock.stage("write", entry.kept):
                tables = [kept_table(frame, paths=shard.paths) for frame, _ in piece.frames()]
                data = DataEntry(name=_NAME, split=TRAIN, key="")
                data = write_data(directory, data, tables, samples=entry.kept, packs=False)
            state_bytes = sum(file.stat().st_size for file in (directory.path / STATE).glob("*.parquet"))
    return Trial(
        entry=entry,
        facts=facts,
        fates=fates,
        judgements=judgements,
        to_judge=pl.Series(asked[Verify.name]),
        to_score=pl.Series(asked[JudgedQuality.name]),
        stages=tuple(clock.stages),
        steps_s=_alone(sample.samples, steps),
        data_bytes=data.output.bytes,
        account_bytes=sum(output.bytes for output in entry.outputs.values()),
        state_bytes=state_bytes,
        spill_bytes=_spilled(tables),
        aside_bytes=corpus.bytes_aside,
    )


async def _judged(sample: Sample, bench: Bench, wanted: Mask, clock: _Clock) -> pl.DataFrame:
    first = wanted & (np.cumsum(wanted) <= _WARMING)
    if first.sum() < wanted.sum():
        await judge(sample, bench, first)
    with clock.stage("judge", int(wanted.sum())):
        judgements = await judge(sample, bench, wanted)
    failed = judgements["is_failed"].to_numpy()
    # As a run does: much of what fails is a passing trouble.
    return asked_again(judgements, await judge(sample, bench, failed), failed) if failed.any() else judgements


def _unanswered(step: AskStep, samples: int) -> pl.DataFrame:
    nothing = pl.select(pl.repeat(None, samples, dtype=dtype).alias(name) for name, dtype in step.answers.items())
    return nothing.with_columns(is_failed=False)


def verdict_reasons(trial: Trial) -> pl.DataFrame:
    """The verdicts of the samples that were judged: ``place`` in the sample, ``verifier``, ``outcome``, ``reason``."""
    if trial.judgements is None:
        empty = {"place": pl.UInt32, "verifier": pl.String, "outcome": pl.String, "reason": pl.String}
        return pl.DataFrame(schema=empty)
    given = trial.judgements.with_row_index("place").filter(pl.col("verdicts").is_not_null())
    return given.select("place", "verdicts").explode("verdicts", empty_as_null=True, keep_nulls=True).unnest("verdicts")


def reference_kinds(samples: pl.DataFrame) -> pl.Series:
    """Of each sample what its completion can be held against: ``math``, ``code``, ``none``, or ``bad``.

    Tests of a dataset that turn out to be no tests are ``bad`` too.
    """
    parts = samples.select("answers", "tests", "domain")
    known: dict[str, str] = {}
    kinds = []
    for answers, tests, domain in parts.iter_rows():
        key = repr((answers, tests, domain))
        if key not in known:
            known[key] = _kind(reference_from_columns(answers, tests, domain or ""))
        kinds.append(known[key])
    return pl.Series("reference", kinds, dtype=pl.String)


def _kind(reference: Reference | Task | BadReference | None) -> str:
    match reference:
        case None:
            return "none"
        case BadReference():
            return "bad"
        case MathReference():
            return "math"
        case _:
            return "code"


def _alone(samples: pl.DataFrame, steps: Sequence[Step]) -> dict[str, float]:
    """What each text step costs on all samples, beyond what is done for any recipe."""

    def spent(some: Sequence[Step]) -> float:
        began = time.process_time()
        facts_of(samples, some)
        return time.process_time() - began

    spent(())
    base = spent(())
    return {step.name: max(0.0, spent((step,)) - base) for step in steps if isinstance(step, TextStep)}


def _spilled(tables: Sequence[pa.Table]) -> int:
    if not tables:
        return 0
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, tables[0].schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        for table in tables:
            writer.write_table(table)
    return int(sink.getvalue().size)


class _Clock:
    """Stages as they are measured."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    @contextmanager
    def stage(self, name: str, units: int) -> Iterator[None]:
        """Measures the block."""
        wall, cpu = time.perf_counter(), cpu_s()
        yield
        self.stages.append(
            Stage(name=name, units=units, wall_s=time.perf_counter() - wall, cpu_s=max(0.0, cpu_s() - cpu))
        )
