"""Progress of a run on standard error: a bar with rate and time left on a terminal, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from curation.manifest import ShardEntry


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "-/s")


class ShardProgress:
    """An observer that draws a bar over each pass: over shards, or over the completions to be judged."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=0)
        self._stage = ""

    def stage_started(self, stage: str, total: int) -> None:
        """Begins a bar."""
        self._stage = stage
        self._progress.reset(self._task, description=stage, total=total)

    def advanced(self, count: int) -> None:
        """Moves on."""
        self._progress.advance(self._task, count)

    def waits(self, told: str) -> None:
        """Says so in the place of the pass's name."""
        self._progress.update(self._task, description=f"{self._stage}: {told}" if told else self._stage)

    def shard_ended(self, entry: ShardEntry, *, is_fresh: bool) -> None:
        """Told by the count."""


@contextmanager
def shard_progress() -> Iterator[ShardProgress]:
    """An observer for the command line; draws nothing where standard error is not a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield ShardProgress(progress)
