"""Every exception of curation, drawn once.

    CurationError
      UsageError                 the user's recipe, options or files; exit status 2, nothing was done
        RecipeError              a recipe that cannot be read; names the field and the remedy
        InputError               no shards, or shards without the columns that are needed
        RunLockedError           another run is at work on the directory
        OutputError              the directory cannot take this run
        ClusterError             a cluster that cannot be reached, or Ray is not there
      ShardError                 one shard cannot be read; the others go on
      RunStoppedError            the run cannot go on now; what is done stays, and a rerun goes on
        EngineStoppedError       the engine went away, or fails too often
        ClusterStoppedError      nothing of the cluster is left that could work, or work ends whatever does it
      AccountingError            rows in and rows out differ: a bug, the shard is not written

A sample that is dropped is not an exception: it is a row with ``drop_step`` and ``drop_reason``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping


class CurationError(Exception):
    """Base of all errors that curation raises on purpose."""


class UsageError(CurationError):
    """The user's recipe, options or files; nothing was done."""


class RecipeError(UsageError):
    """A recipe that cannot be read.

    Args:
        field: where, such as ``steps[2].max_chars``.
        message: what is wrong, and the remedy.
    """

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        self.told = message
        super().__init__(f"{field}: {message}")

    def __reduce__(self) -> tuple[type[RecipeError], tuple[str, str]]:
        return type(self), (self.field, self.told)


class InputError(UsageError):
    """No shards were found, or a shard lacks a column."""


class RunLockedError(UsageError):
    """Another run is at work on the directory."""


class OutputError(UsageError):
    """The output directory cannot take this run."""


class ClusterError(UsageError):
    """The cluster that was asked for cannot be used."""


class ShardError(CurationError):
    """One shard cannot be read; the others go on.

    Args:
        message: why.
        files: of a shard of several files, those that cannot be read: path -> why; empty for all of it.
    """

    def __init__(self, message: str, files: Mapping[str, str] | None = None) -> None:
        self.files = dict(files or {})
        super().__init__(message)


class RunStoppedError(CurationError):
    """The run cannot go on now; what is done stays done, and a rerun goes on from there."""


class EngineStoppedError(RunStoppedError):
    """The engine went away, or fails too often."""


class ClusterStoppedError(RunStoppedError):
    """Nothing of the cluster is left that could work, or a piece of work ends every process that does it."""


class AccountingError(CurationError):
    """Rows in and rows out differ, which is a bug; the shard is not written."""


def near(name: str, known: Iterable[str]) -> str:
    """A remedy that names the nearest known name, and all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names) or 'none'}"
