"""What a run left, read again: its manifest, and the files that it names."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import OutputError, RunLockedError
from curation.manifest import (
    DATA,
    DROPPED_KINDS,
    LOCK,
    MANIFEST,
    DataEntry,
    Directory,
    Output,
    ShardEntry,
    data_entry_from_fields,
    entry_from_fields,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``manifest.json`` as read."""

    versions: Mapping[str, str]
    recipe_sha256: str
    steps: tuple[str, ...]
    engine_config_hash: str
    is_complete: bool
    files: tuple[DataEntry, ...]
    shards: tuple[ShardEntry, ...]
    unfinished_shards: tuple[str, ...]

    @property
    def done(self) -> tuple[ShardEntry, ...]:
        """The shards that could be read."""
        return tuple(shard for shard in self.shards if not shard.error)

    def total(self, name: str) -> int:
        """Sum of a count (``rows``, ``samples``, ``kept``, ``rejected``, ``failed``) over the shards."""
        return sum(getattr(shard, name) for shard in self.done)


def read_manifest(directory: Path) -> Manifest:
    """The manifest of a run.

    Raises:
        OutputError: there is none, or it is not one; with the remedy.
    """
    path = directory / MANIFEST
    if not directory.is_dir():
        raise OutputError(f"{directory} is no directory; give the output directory of `curate run`")
    try:
        return _manifest(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise OutputError(
            f"{directory} has no {MANIFEST}, so no run has come to its end there; "
            f"run `curate run RECIPE --output {directory}` (again), then report"
        ) from error
    except OSError as error:
        raise OutputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise OutputError(f"{path} is no manifest of this version of curate; run `curate run` again") from error


def _manifest(fields: Mapping[str, object]) -> Manifest:
    versions = fields["versions"]
    if not isinstance(versions, dict):
        raise TypeError("versions")
    return Manifest(
        versions={str(name): str(version) for name, version in sorted(versions.items())},
        recipe_sha256=str(fields["recipe_sha256"]),
        steps=tuple(map(str, _list(fields, "steps"))),
        engine_config_hash=str(fields["engine_config_hash"]),
        is_complete=bool(fields["is_complete"]),
        files=tuple(map(data_entry_from_fields, _list(fields, "files"))),
        shards=tuple(map(entry_from_fields, _list(fields, "shards"))),
        unfinished_shards=tuple(map(str, _list(fields, "unfinished_shards"))),
    )


def _list(fields: Mapping[str, object], name: str) -> list[Any]:
    value = fields[name]
    if not isinstance(value, list):
        raise TypeError(name)
    return value


@contextmanager
def held_still(directory: Path) -> Iterator[None]:
    """Keeps runs away from a directory while it is read, where it still has its lock.

    Raises:
        RunLockedError: a run is at work on it.
    """
    try:
        lock = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # A copy of a run may have come without its lock, and then no run works on it.
        yield
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunLockedError(f"a run is at work on {directory}; wait until it has ended") from error
        yield
    finally:
        os.close(lock)


def outputs_of(directory: Path, manifest: Manifest) -> Iterator[tuple[str, Path, Output]]:
    """Folder, path and entry of each file of samples that a manifest names."""
    run = Directory(directory)
    for file in manifest.files:
        yield DATA, run.output(DATA, file.name), file.output
    for shard in manifest.done:
        for kind in DROPPED_KINDS:
            if kind in shard.outputs:
                yield kind, run.output(kind, shard.name), shard.outputs[kind]
