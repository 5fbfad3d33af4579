"""Scoring JSON Lines: many groups in flight, bounded memory, results in the order of the lines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import click

from verifier.bootstrap import open_engine
from verifier.cli.lines import read_lines
from verifier.cli.rows import GroupReader, LineReader, RowReader, characters, with_recipe
from verifier.cli.samples import opened_samples
from verifier.cli.table import TableWriter
from verifier.engines.admission import Admission
from verifier.engines.base import Engine
from verifier.engines.store import VerdictStore, default_store
from verifier.engines.stored import StoredEngine
from verifier.errors import InvalidRequestError, UnknownNameError
from verifier.formats import find_format
from verifier.handle import answer
from verifier.settings import Settings
from verifier.types import GroupResult, Outcome
from verifier.wire.jsonl import MalformedLineError, line_from_result, malformed_result

STANDARD = "-"
_MAX_GROUPS = 1024
_MAX_BYTES = 256 << 20
_SHOWN_ERRORS = 10
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)

Write = Callable[[GroupResult], None]


@dataclass(slots=True)
class Counts:
    """What a run saw."""

    groups: int = 0
    completions: int = 0
    malformed: int = 0
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    rewards: int = 0
    reward_sum: float = 0.0
    known: int | None = None
    """Completions that were answered from a verdict store; None without one."""

    def add(self, result: GroupResult) -> None:
        """Counts a result."""
        self.completions += len(result.scores)
        for scored in result.scores:
            self.outcomes.update(verdict.outcome for verdict in scored.verdicts)
            if scored.reward is not None:
                self.rewards += 1
                self.reward_sum += scored.reward

    def as_text(self) -> str:
        """One line for a reader."""
        verdicts = ", ".join(f"{self.outcomes[outcome]} {outcome.name}" for outcome in Outcome)
        mean = f", mean {self.reward_sum / self.rewards:.3f}" if self.rewards else ""
        known = "" if self.known is None else f"; {self.known} completions from the verdict store"
        return (
            f"{self.groups} groups, {self.completions} completions, {self.malformed} malformed lines; "
            f"verdicts: {verdicts}; rewards: {self.rewards}{mean}{known}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowOptions:
    """How lines that are rows of a dataset are read.

    Args:
        format: name of the dataset's format; empty for groups in the product's own JSON.
        completions: path of the completions that are joined to the rows; empty takes those in the rows.
        is_own: judge the dataset's own solutions in the place of completions.
        language: of the programs, where the tests fit any.
        time_limit_s: where a row gives none; None leaves the choice to the verifier.
    """

    format: str = ""
    completions: str = ""
    is_own: bool = False
    language: str = ""
    time_limit_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    """A line on its way: its result or the work that will give it, and the room it takes."""

    work: asyncio.Task[GroupResult] | GroupResult
    completions: int
    size_bytes: int


def usable_default_store() -> Path | None:
    """The verdict store that nobody named; None, with a word of warning, where it cannot be used."""
    try:
        path = default_store()
        VerdictStore(path).close()
    except InvalidRequestError as error:
        # Nobody asked for it, so a machine without a place for it judges as well.
        click.echo(f"verifier: {error}; going on without", err=True)
        return None
    return path


def score(
    settings: Settings,
    *,
    source: str,
    output: str,
    recipe: str,
    is_table: bool,
    rows: RowOptions | None = None,
    store: Path | None = None,
) -> None:
    """Judges the lines of a file and writes their results.

    Args:
        settings: of the engine.
        source: path, or ``-`` for standard input.
        output: path, or ``-`` for standard output; a file is replaced only when all is done.
        recipe: of every group; empty leaves the choice to the lines.
        is_table: print a table, and JSON only into a path.
        rows: how lines that are rows of a dataset are read; None for groups in the product's own JSON.
        store: file of verdicts that are known; None knows none.

    Raises:
        VerifierError: nothing could be judged at all.
    """
    counts = None
    with (
        _opened_reader(rows or RowOptions()) as reader,
        _opened_input(source) as descriptor,
        _opened_output(output, is_table=is_table) as write,
    ):
        counts = asyncio.run(_score(settings, descriptor, write, recipe=recipe, reader=reader, store=store))
    if counts is None:
        # Whoever reads our output has enough of it; not every line was answered.
        raise SystemExit(1)
    click.echo(counts.as_text(), err=True)


@contextlib.contextmanager
def _opened_reader(rows: RowOptions) -> Iterator[LineReader]:
    if not rows.format:
        if rows != RowOptions():
            raise InvalidRequestError(
                "--completions, --solutions, --language and --time-limit need --format; see verifier formats"
            )
        yield GroupReader()
        return
    dataset = find_format(rows.format)
    if not rows.completions:
        yield RowReader(dataset=dataset, is_own=rows.is_own, language=rows.language, time_limit_s=rows.time_limit_s)
        return
    if rows.is_own:
        raise InvalidRequestError("--solutions judges the dataset's own, so --completions has no place beside it")
    with opened_samples(rows.completions, dataset) as samples:
        yield RowReader(dataset=dataset, samples=samples, language=rows.language, time_limit_s=rows.time_limit_s)


async def _score(
    settings: Settings, descriptor: int, write: Write, *, recipe: str, reader: LineReader, store: Path | None
) -> Counts:
    with _ended_by_signals():
        async with open_engine(settings, store=store) as engine:
            if recipe:
                known = (await engine.info()).recipes
                if recipe not in known:
                    raise UnknownNameError("recipe", recipe, known)
            counts = await score_lines(
                read_lines(descriptor),
                engine,
                write,
                recipe=recipe,
                max_completions=settings.max_pending_completions,
                reader=reader,
            )
            counts.known = engine.found if isinstance(engine, StoredEngine) else None
            return counts


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Ends the task as Ctrl-C does, so that whoever stops a batch finds no process and no file of ours."""
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        received.append(number)
        if task is not None:
            task.cancel()

    # What is ignored, as under nohup, stays ignored.
    numbers = [number for number in _ENDINGS if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    except asyncio.CancelledError:
        if received:
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def score_lines(
    lines: AsyncIterator[bytes],
    engine: Engine,
    write: Write,
    *,
    recipe: str = "",
    max_completions: int,
    reader: LineReader | None = None,
) -> Counts:
    """Judges lines and writes a result for each, in order; reads ahead only as far as the bounds allow.

    Args:
        lines: without their ends; blank ones are passed over.
        engine: judges.
        write: is given each result.
        recipe: of every group; empty leaves the choice to the lines.
        max_completions: in flight or waiting to be written.
        reader: of the lines; None for groups in the product's own JSON.
    """
    reader = reader or GroupReader()
    counts = Counts()
    completions, size = Admission(max_completions), Admission(_MAX_BYTES)
    pending: asyncio.Queue[_Pending | None] = asyncio.Queue(_MAX_GROUPS)

    async def write_all() -> None:
        while (item := await pending.get()) is not None:
            result = item.work if isinstance(item.work, GroupResult) else await item.work
            write(result)
            counts.add(result)
            completions.release(item.completions)
            size.release(item.size_bytes)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(write_all())
        number = 0
        async for line in lines:
            number += 1
            if not line or line.isspace():
                continue
            counts.groups += 1
            await size.acquire(len(line))
            try:
                group = with_recipe(reader.read(line, number), recipe)
            except MalformedLineError as error:
                _tell(error, counts)
                await pending.put(_Pending(work=malformed_result(error), completions=0, size_bytes=len(line)))
                continue
            if isinstance(group, GroupResult):
                await pending.put(_Pending(work=group, completions=0, size_bytes=len(line)))
                continue
            # The engine answers at once a group that is too large for it; here it need only be able to pass.
            places = min(len(group.completions), max_completions)
            await completions.acquire(places)
            # Completions that were joined, and tests that were packed, take more room than the line.
            more = max(0, min(characters(group), _MAX_BYTES) - len(line))
            await size.acquire(more)
            work = tasks.create_task(answer(engine, group))
            await pending.put(_Pending(work=work, completions=places, size_bytes=len(line) + more))
        for result in reader.rest():
            counts.groups += 1
            await pending.put(_Pending(work=result, completions=0, size_bytes=0))
        await pending.put(None)
    return counts


def _tell(error: MalformedLineError, counts: Counts) -> None:
    counts.malformed += 1
    if counts.malformed <= _SHOWN_ERRORS:
        click.echo(f"verifier: {error}".encode(errors="replace"), err=True)
    if counts.malformed == _SHOWN_ERRORS:
        click.echo("verifier: further malformed lines are answered and counted, not shown", err=True)


@contextlib.contextmanager
def _opened_input(source: str) -> Iterator[int]:
    if source == STANDARD:
        yield 0
        return
    try:
        stream = Path(source).open("rb")  # noqa: SIM115 - closed below; the error is told apart from errors in the block
    except OSError as error:
        raise InvalidRequestError(f"input {source} cannot be read: {error.strerror}") from error
    with stream:
        yield stream.fileno()


@contextlib.contextmanager
def _opened_output(output: str, *, is_table: bool) -> Iterator[Write]:
    table = TableWriter() if is_table else None
    if output == STANDARD:
        with _standard_output() as stream:
            yield table.write if table is not None else _line_writer(stream)
        return
    with _opened_file(output) as stream, _standard_output():
        to_file = _line_writer(stream)
        yield to_file if table is None else _both(to_file, table.write)


def _both(first: Write, second: Write) -> Write:
    def write(result: GroupResult) -> None:
        first(result)
        second(result)

    return write


def _line_writer(stream: BinaryIO) -> Write:
    def write(result: GroupResult) -> None:
        stream.write(line_from_result(result))
        # A reader at the other end of a pipe gets each result as it comes.
        stream.flush()

    return write


@contextlib.contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    try:
        yield sys.stdout.buffer
        sys.stdout.flush()
    except* BrokenPipeError:
        # The reader has enough, as head does. What Python still flushes at exit must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _opened_file(output: str) -> Iterator[BinaryIO]:
    # A link stays and its target is replaced; a device or a pipe cannot be replaced and is written to.
    path = Path(os.path.realpath(output))
    is_replaced = path.is_file() or not path.exists()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp") if is_replaced else path
    try:
        stream = temporary.open("wb")
    except OSError as error:
        raise InvalidRequestError(f"output {output} cannot be written: {error.strerror}") from error
    try:
        with stream:
            yield stream
            if is_replaced:
                stream.flush()
                os.fsync(stream.fileno())
        if is_replaced:
            temporary.replace(path)
    except OSError as error:
        # A full disk does not say whose file was not written.
        error.filename = error.filename or output
        raise
    finally:
        if is_replaced:
            temporary.unlink(missing_ok=True)
