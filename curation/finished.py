"""What a run left, read again: its manifest, and the files that it names."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from curation.errors import OutputError, RunLockedError
from curation.manifest import KINDS, LOCK, MANIFEST, Directory, ShardEntry, entry_from_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``manifest.json`` as read."""

    versions: Mapping[str, str]
    recipe_sha256: str
    steps: tuple[str, ...]
    engine_config_hash: str
    is_complete: bool
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
    shards = fields["shards"]
    unfinished = fields["unfinished_shards"]
    versions, steps = fields["versions"], fields["steps"]
    if not (isinstance(shards, list) and isinstance(unfinished, list) and isinstance(steps, list)) or not isinstance(
        versions, dict
    ):
        raise TypeError("shards, unfinished_shards, steps, versions")
    return Manifest(
        versions={str(name): str(version) for name, version in sorted(versions.items())},
        recipe_sha256=str(fields["recipe_sha256"]),
        steps=tuple(map(str, steps)),
        engine_config_hash=str(fields["engine_config_hash"]),
        is_complete=bool(fields["is_complete"]),
        shards=tuple(entry_from_fields(shard) for shard in shards),
        unfinished_shards=tuple(map(str, unfinished)),
    )


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


def outputs_of(directory: Path, shard: ShardEntry) -> dict[str, Path]:
    """Folder -> file of a shard, for the ends that it sent samples to."""
    return {kind: Directory(directory).output(kind, shard.name) for kind in KINDS if kind in shard.outputs}
