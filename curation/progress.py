"""Progress of a run on standard error: a bar with rate and time left on a terminal, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from curation.manifest import ShardEntry
from curation.shards import Shard


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f} rows/s" if task.speed else "- rows/s")


class ShardProgress:
    """An observer that draws a bar over the rows of all shards.

    Judging is the slow part, so within a shard the bar goes by completions judged.
    """

    def __init__(self, progress: Progress, total_rows: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total_rows)
        self._done = 0
        self._rows = 0
        self._judged = 0
        self._shown = 0

    def shard_started(self, shard: Shard, rows: int) -> None:
        """Names the shard."""
        self._rows, self._judged = rows, 0
        self._progress.update(self._task, description=shard.name)

    def advanced(self, completions: int) -> None:
        """Moves on inside the shard, never past its rows."""
        self._judged += completions
        self._show(self._done + min(self._rows, self._judged))

    def shard_ended(self, entry: ShardEntry, *, is_fresh: bool) -> None:
        """Moves to the end of the shard."""
        self._done += entry.rows if not entry.error else self._rows if is_fresh else 0
        self._rows = 0
        self._show(self._done)

    def _show(self, rows: int) -> None:
        self._progress.update(self._task, completed=rows)


@contextmanager
def shard_progress(shards: tuple[Shard, ...]) -> Iterator[ShardProgress]:
    """An observer for the command line; draws nothing where standard error is not a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        yield ShardProgress(progress, sum(_rows(shard) for shard in shards) if console.is_terminal else 0)


def _rows(shard: Shard) -> int:
    try:
        return int(pq.read_metadata(shard.path).num_rows)
    except (OSError, pa.ArrowException):
        return 0
