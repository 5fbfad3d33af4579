"""``progress.json``: how far a run is, for whoever asks from another terminal. It goes when the run has ended well."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from curation.errors import UsageError
from curation.executors.passes import Observer
from curation.files import TEMPORARY
from curation.manifest import ShardEntry

PROGRESS = "progress.json"
PASSES = {"reading": 1, "judging": 2, "scoring": 2, "writing": 3, "accounting": 4}
"""Stage -> the pass of a run that it is. The second may be left out; its stages come in the order of their steps."""

_EVERY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Args:
        stage: the pass.
        total: what it goes over: shards, completions or files.
        done: of them.
        shards: that the run has; 0 before it is known.
        began: when the run began, in seconds since 1970; the other times likewise.
        stage_began: when the pass began.
        told: when this was written.
        error: of the last shard that could not be read, or why the run stopped; empty where there is none.
        waits: what a judge model is waited for that asks to wait; empty for nothing.
    """

    stage: str = ""
    total: int = 0
    done: int = 0
    shards: int = 0
    began: float = 0.0
    stage_began: float = 0.0
    told: float = 0.0
    error: str = ""
    waits: str = ""

    @property
    def rate(self) -> float:
        """What is done a second in this pass, on average."""
        return self.done / (self.told - self.stage_began) if self.told > self.stage_began else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest of this pass takes at that rate; None where nothing is done yet."""
        return (self.total - self.done) / self.rate if self.done and self.rate else None


def read_progress(directory: Path) -> Progress | None:
    """What was written last; None where there is nothing, as after a run that ended well."""
    try:
        return Progress(**json.loads((directory / PROGRESS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


class ProgressFile:
    """An observer that writes how far a run is, at most once a second. The file is put in place whole, unsynced."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / PROGRESS
        self._progress = Progress()
        self._next = 0.0
        self._has_begun = False

    def stage_started(self, stage: str, total: int) -> None:
        """Written at once."""
        now = time.time()
        self._progress = replace(
            self._progress,
            stage=stage,
            total=total,
            done=0,
            shards=self._progress.shards or total,
            began=self._progress.began or now,
            stage_began=now,
            waits="",
        )
        self._has_begun = True
        self._write()

    def advanced(self, count: int) -> None:
        """Written when its time has come."""
        self._progress = replace(self._progress, done=self._progress.done + count)
        if time.monotonic() >= self._next:
            self._write()

    def waits(self, told: str) -> None:
        """Written at once where it is news, and else when its time has come."""
        is_news = bool(told) != bool(self._progress.waits)
        self._progress = replace(self._progress, waits=told)
        if is_news or time.monotonic() >= self._next:
            self._write()

    def shard_ended(self, entry: ShardEntry, *, is_fresh: bool) -> None:  # noqa: ARG002 - the protocol's
        """Keeps the error of a shard that failed."""
        if entry.error:
            self._progress = replace(self._progress, error=f"{entry.where}: {entry.error}")

    def stopped(self, reason: str) -> None:
        """Says why the run stopped early; what was written stays, as the run is to go on."""
        if self._has_begun:
            self._progress = replace(self._progress, error=reason)
            self._write()

    def ended(self) -> None:
        """Takes the file away."""
        if self._has_begun:
            self._path.unlink(missing_ok=True)

    def _write(self) -> None:
        self._next = time.monotonic() + _EVERY_S
        self._progress = replace(self._progress, told=time.time())
        temporary = self._path.with_name(PROGRESS + TEMPORARY)
        temporary.write_text(json.dumps(asdict(self._progress), indent=2, sort_keys=True) + "\n", encoding="utf-8")
        temporary.replace(self._path)


@contextmanager
def progress_file(directory: Path) -> Iterator[ProgressFile]:
    """A writer for one run; what breaks the run off is told in the file.

    A run that never began, as another one holds the directory, touches nothing.
    """
    writer = ProgressFile(directory)
    try:
        yield writer
    except UsageError:
        # The recipe asks for what is not there: there is no run to go on with.
        writer.ended()
        raise
    except BaseException as error:
        # The disk may be what is at fault, and the error that tells of it goes on.
        with suppress(OSError):
            writer.stopped(f"{type(error).__name__}: {error}".rstrip(": "))
        raise


class Observers:
    """Several observers as one."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def stage_started(self, stage: str, total: int) -> None:
        """Tells each."""
        for observer in self._observers:
            observer.stage_started(stage, total)

    def advanced(self, count: int) -> None:
        """Tells each."""
        for observer in self._observers:
            observer.advanced(count)

    def waits(self, told: str) -> None:
        """Tells each."""
        for observer in self._observers:
            observer.waits(told)

    def shard_ended(self, entry: ShardEntry, *, is_fresh: bool) -> None:
        """Tells each."""
        for observer in self._observers:
            observer.shard_ended(entry, is_fresh=is_fresh)
