"""What a run leaves beside its data: one entry a shard, the manifest, and the lock.

``shards/NAME.json`` says that a shard is done and under which key; it is removed before the shard's outputs are
replaced and written after them, so an entry never vouches for bytes of another run. ``manifest.json`` is made of
the entries. Nothing here holds a time or a host, so equal runs leave equal trees.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from curation.errors import OutputError, RunLockedError
from curation.files import sweep, sync, temporary_name, whole_file
from curation.shards import Shard
from curation.sources import file_sha256

DATA = "data"
"""Folder of kept samples."""
DROPPED_KINDS = ("rejected", "failed")
"""Folders of the account of the others."""
KINDS = (DATA, *DROPPED_KINDS)
"""Folders of the three ends a sample can come to."""

STATE = "state"
"""Folder of what a run knows between its passes."""
_ENTRIES = "shards"
_DATA_ENTRIES = "files"
_FOLDERS = (*KINDS, _ENTRIES, _DATA_ENTRIES, STATE)
MANIFEST = "manifest.json"
RECIPE = "recipe.toml"
"""The recipe of the run, as it was written."""
CARD = "README.md"
"""The dataset card."""
LOCK = ".lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One file of samples."""

    samples: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputEntry:
    """What became of one file of a shard, or of one part of a file.

    Args:
        part: which part of the file.
        samples: completions, and one for each row that had none.
    """

    path: str
    part: str
    sha256: str
    rows: int = 0
    samples: int = 0
    kept: int = 0
    rejected: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardEntry:
    """What became of one shard.

    Args:
        key: what the outputs depend on; a shard with another key is done again.
        inputs: its files, or the part of a file that it is.
        error: why the shard could not be read; empty where it was done.
        dropped: step -> reason -> samples rejected.
        failures: step -> reason -> samples that could not be judged.
        outputs: folder -> file; a folder that got no sample has none.
    """

    name: str
    key: str
    inputs: tuple[InputEntry, ...]
    error: str = ""
    dropped: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    failures: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)

    @property
    def paths(self) -> list[str]:
        """Of its files."""
        return [item.path for item in self.inputs]

    @property
    def where(self) -> str:
        """The same for messages."""
        first, *more = self.paths
        return f"{first} and {len(more)} more" if more else first

    @property
    def rows(self) -> int:
        """Of all its files; the other counts likewise."""
        return sum(item.rows for item in self.inputs)

    @property
    def samples(self) -> int:
        """Completions, and one for each row that had none."""
        return sum(item.samples for item in self.inputs)

    @property
    def kept(self) -> int:
        """Samples that were kept."""
        return sum(item.kept for item in self.inputs)

    @property
    def rejected(self) -> int:
        """Samples that were dropped."""
        return sum(item.rejected for item in self.inputs)

    @property
    def failed(self) -> int:
        """Samples that could not be judged."""
        return sum(item.failed for item in self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataEntry:
    """One file of kept samples.

    Args:
        split: that it belongs to.
        key: what its content follows from.
        domains: domain -> samples.
        chars: code points of prompts and completions.
    """

    name: str
    split: str
    key: str
    domains: Mapping[str, int] = field(default_factory=dict)
    chars: int = 0
    output: Output = Output(samples=0, bytes=0, sha256="")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """What all shards of a run share.

    Args:
        steps: names of the recipe's steps, in order.
        engine_hash: of the engine's configuration; empty where no step verifies.
        versions: of the packages that decide or write; what is kept between runs depends on that of ``assay``.
    """

    recipe_hash: str
    steps: tuple[str, ...]
    engine_hash: str
    versions: Mapping[str, str]


class Directory:
    """The output directory of a run, held by its lock.

    Args:
        path: of it.
        hold: what the lock's file says for as long as the run holds it; empty for one that only reads.
    """

    def __init__(self, path: Path, hold: str = "") -> None:
        self.path = path
        self.hold = hold
        self._temporaries: dict[tuple[str, str], Path] = {}

    def check_held(self) -> None:
        """Refuses to go on for a run that is over, as work in another process may outlive it.

        Raises:
            RunLockedError: the directory is no longer that run's.
        """
        try:
            held = (self.path / LOCK).read_text(encoding="ascii")
        except OSError as error:
            raise RunLockedError(f"{self.path} cannot be seen: {error.strerror}") from error
        if held != self.hold:
            raise RunLockedError(f"the run that this is part of no longer holds {self.path}")

    def output(self, kind: str, name: str) -> Path:
        """File of one end of one shard."""
        return self.path / kind / f"{name}.parquet"

    def temporary(self, kind: str, name: str) -> Path:
        """Where this object writes that file before it is whole; another one does so elsewhere."""
        return self._temporaries.setdefault((kind, name), self.path / kind / temporary_name())

    def entry(self, name: str) -> ShardEntry | None:
        """The entry of a shard whose outputs stand as it says; None where there is no such."""
        entry = self._entry(name)
        if entry is None:
            return None
        for kind in DROPPED_KINDS:
            output = entry.outputs.get(kind)
            if self.output(kind, name).exists() != (output is not None):
                return None
            if output is not None and not self._stands(kind, name, output):
                return None
        return entry

    def _entry(self, name: str) -> ShardEntry | None:
        try:
            return entry_from_fields(json.loads((self.path / _ENTRIES / f"{name}.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def data_entry(self, name: str) -> DataEntry | None:
        """The entry of a file of kept samples that stands as it says; None where there is no such."""
        try:
            fields = json.loads((self.path / _DATA_ENTRIES / f"{name}.json").read_text(encoding="utf-8"))
            entry = data_entry_from_fields(fields)
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return entry if self._stands(DATA, name, entry.output) else None

    def _stands(self, kind: str, name: str, output: Output) -> bool:
        file = self.output(kind, name)
        return file.exists() and file.stat().st_size == output.bytes and file_sha256(file) == output.sha256

    def forget(self, name: str) -> None:
        """Takes back that a shard, and so the run, is done."""
        self.forget_manifest()
        (self.path / _ENTRIES / f"{name}.json").unlink(missing_ok=True)
        for folder in (self.path, self.path / _ENTRIES):
            sync(folder)

    def forget_manifest(self) -> None:
        """Takes back that the run is done."""
        (self.path / MANIFEST).unlink(missing_ok=True)

    def forget_data(self, stays: Collection[str]) -> None:
        """Takes away the files of kept samples but for some, by name."""
        for folder, ending in ((DATA, ".parquet"), (_DATA_ENTRIES, ".json")):
            for file in sorted((self.path / folder).glob(f"*{ending}")):
                if file.name.removesuffix(ending) not in stays:
                    file.unlink()
            sync(self.path / folder)

    def publish(self, entry: ShardEntry) -> None:
        """Puts the temporary files of a shard's account in place, then says that it is done.

        Raises:
            RunLockedError: the run is over.
        """
        self.check_held()
        for kind in DROPPED_KINDS:
            target = self.output(kind, entry.name)
            if kind in entry.outputs:
                self.temporary(kind, entry.name).replace(target)
            else:
                target.unlink(missing_ok=True)
            sync(target.parent)
        _write(self.path / _ENTRIES / f"{entry.name}.json", _json(asdict(entry)))

    def publish_data(self, entry: DataEntry) -> None:
        """Puts the temporary file of kept samples in place, then says that it is done.

        Raises:
            RunLockedError: the run is over.
        """
        self.check_held()
        self.temporary(DATA, entry.name).replace(self.output(DATA, entry.name))
        sync(self.path / DATA)
        _write(self.path / _DATA_ENTRIES / f"{entry.name}.json", _json(asdict(entry)))

    def write_recipe(self, text: str) -> None:
        """Writes ``recipe.toml``."""
        _write(self.path / RECIPE, text.encode())

    def write_card(self, text: str) -> None:
        """Writes ``README.md``."""
        _write(self.path / CARD, text.encode())

    def write_manifest(self, text: Mapping[str, object]) -> None:
        """Writes ``manifest.json``."""
        _write(self.path / MANIFEST, _json(text))

    def discard(self, name: str) -> None:
        """Takes away the account of a shard that is none any more; its entry at the last, as a kill leaves the rest."""
        self.forget_manifest()
        for kind in DROPPED_KINDS:
            self.output(kind, name).unlink(missing_ok=True)
        self.forget(name)

    def check_strangers(self, shards: Sequence[Shard]) -> list[str]:
        """The shards of earlier runs that this one reads anew under other names; changes nothing.

        Raises:
            OutputError: there are results of files that are not of this run; names them.
        """
        names = {shard.name for shard in shards}
        paths = {path for shard in shards for path in shard.paths}
        outdated: list[str] = []
        strangers: dict[str, None] = {}
        for name in sorted(file.stem for file in (self.path / _ENTRIES).glob("*.json")):
            if name in names:
                continue
            entry = self._entry(name)
            gone = [name] if entry is None else [path for path in entry.paths if path not in paths]
            if gone and (entry is None or not entry.error):
                strangers |= dict.fromkeys(gone)
            else:
                outdated.append(name)
        if strangers:
            listed = ", ".join(list(strangers)[:5]) + (", ..." if len(strangers) > len(list(strangers)[:5]) else "")
            raise OutputError(
                f"{self.path} holds results of {len(strangers)} file(s) that are not in this input: {listed}; "
                f"give all inputs together, or choose another --output"
            )
        return outdated


@contextmanager
def open_directory(path: Path) -> Iterator[Directory]:
    """The output directory, made where needed, swept of half-written files, and held alone.

    Raises:
        RunLockedError: another run holds it.
        OutputError: it cannot be made or written.
    """
    try:
        for folder in (path, *(path / name for name in _FOLDERS)):
            folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise OutputError(f"{path} cannot be used: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunLockedError(
                f"another run is at work on {path}; wait for it, or choose another --output"
            ) from error
        folders = (path, *(path / name for name in _FOLDERS))
        for folder in folders:
            sweep(folder)
        hold = secrets.token_hex(8)
        os.ftruncate(lock, 0)
        os.pwrite(lock, hold.encode("ascii"), 0)
        os.fsync(lock)
        try:
            yield Directory(path, hold)
        finally:
            # Work of this run that a lost machine still does comes to nothing from here on.
            os.ftruncate(lock, 0)
            for folder in folders:
                sweep(folder)
    finally:
        os.close(lock)


def manifest_of(
    identity: RunIdentity, entries: Sequence[ShardEntry], files: Sequence[DataEntry], unfinished: Sequence[str]
) -> dict[str, object]:
    """The manifest of a run."""
    done = [entry for entry in entries if not entry.error]
    return {
        "versions": dict(identity.versions),
        "recipe_sha256": identity.recipe_hash,
        "steps": list(identity.steps),
        "engine_config_hash": identity.engine_hash,
        "is_complete": not unfinished and len(done) == len(entries),
        "totals": {
            "shards": len(entries) + len(unfinished),
            "shards_done": len(done),
            "shards_failed": len(entries) - len(done),
            **{name: sum(getattr(entry, name) for entry in done) for name in ("rows", "samples")},
            **{name: sum(getattr(entry, name) for entry in done) for name in ("kept", "rejected", "failed")},
            "dropped": total_dropped(done),
            "failures": total_failures(done),
        },
        "files": [asdict(entry) for entry in files],
        "shards": [asdict(entry) for entry in entries],
        "unfinished_shards": list(unfinished),
    }


def total_dropped(entries: Sequence[ShardEntry]) -> dict[str, dict[str, int]]:
    """Step -> reason -> samples that it dropped, over all entries."""
    return _summed([entry.dropped for entry in entries])


def total_failures(entries: Sequence[ShardEntry]) -> dict[str, dict[str, int]]:
    """Step -> reason -> samples that could not be judged, over all entries."""
    return _summed([entry.failures for entry in entries])


def _summed(counts: Sequence[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = {}
    for steps in counts:
        for step, reasons in steps.items():
            of_step = totals.setdefault(step, {})
            for reason, count in reasons.items():
                of_step[reason] = of_step.get(reason, 0) + count
    return totals


def entry_from_fields(fields: Mapping[str, object]) -> ShardEntry:
    """The entry that was written as these fields.

    Raises:
        TypeError: they are those of no entry.
        KeyError: likewise.
    """
    outputs = fields["outputs"]
    if not isinstance(outputs, dict):
        raise TypeError("outputs")
    failures = fields["failures"]
    if not isinstance(failures, dict) or not all(isinstance(reasons, dict) for reasons in failures.values()):
        raise TypeError("failures")  # earlier versions counted them by reason alone
    inputs = fields["inputs"]
    if not isinstance(inputs, list) or not inputs:
        raise TypeError("inputs")
    made = {kind: Output(**output) for kind, output in outputs.items()}
    read = tuple(InputEntry(**item) for item in inputs)
    return ShardEntry(**{**fields, "inputs": read, "outputs": made})  # type: ignore[arg-type]


def data_entry_from_fields(fields: Mapping[str, object]) -> DataEntry:
    """The entry that was written as these fields.

    Raises:
        TypeError: they are those of no entry.
        KeyError: likewise.
    """
    output = fields["output"]
    if not isinstance(output, dict):
        raise TypeError("output")
    return DataEntry(**{**fields, "output": Output(**output)})  # type: ignore[arg-type]


def _json(value: Mapping[str, object]) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _write(path: Path, content: bytes) -> None:
    with whole_file(path) as stream:
        stream.write(content)
