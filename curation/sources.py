"""Where rows come from: files on this machine, or in any store that fsspec reads (``s3://``, ``gs://``, ``hf://`` ...).

A file is known by the sha256 of its bytes. Files elsewhere are read as streams and never copied to this machine.
"""

from __future__ import annotations

import glob
import hashlib
import io
import lzma
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path, PurePath
from typing import BinaryIO, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from curation.errors import InputError, ShardError

PARQUET, JSON_LINES = "parquet", "jsonl"

_ZSTD = "zstd"
_JSON_ENDINGS = (".jsonl", ".ndjson", ".json")
_COMPRESSIONS: Mapping[str, str] = {".gz": "gzip", ".zst": _ZSTD, ".bz2": "bz2", ".xz": "xz"}
_OTHERS = (".csv", ".tsv", ".arrow", ".txt", ".md", ".toml", ".yaml", ".yml")
_CHUNK_BYTES = 4 << 20
_BLOCK_BYTES = 8 << 20


READ_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a file that is damaged, or cut off, may raise: those of compression are no ``OSError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One input file.

    Args:
        path: as the glob gave it, or a URL; stands in the lineage of each sample.
        options: of the store, as fsspec takes them.
    """

    path: str
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    @property
    def is_remote(self) -> bool:
        """Whether it is read over fsspec."""
        return "://" in self.path

    @property
    def compression(self) -> str | None:
        """How all of the file is compressed; None for Parquet and plain text."""
        return None if self.format == PARQUET else _COMPRESSIONS.get(PurePath(self.path).suffix.lower())

    @property
    def format(self) -> str:
        """``PARQUET`` or ``JSON_LINES``, by the name's ending."""
        name = PurePath(self.path)
        ending = PurePath(name.stem).suffix if name.suffix.lower() in _COMPRESSIONS else name.suffix
        return JSON_LINES if ending.lower() in _JSON_ENDINGS else PARQUET

    @property
    def stem(self) -> str:
        """The name without folders and endings."""
        name = PurePath(self.path)
        return PurePath(name.stem).stem if self.compression else name.stem

    def open(self) -> BinaryIO:
        """The bytes of the file as they are.

        Raises:
            OSError: it cannot be read.
        """
        if not self.is_remote:
            return Path(self.path).open("rb")
        system, path = url_to_fs(self.path, **self.options)
        return cast("BinaryIO", system.open(path, "rb", block_size=_BLOCK_BYTES))

    def open_text(self) -> BinaryIO:
        """The bytes of its text, without the compression of the whole.

        Raises:
            OSError: it cannot be read.
        """
        if self.compression is None:
            return self.open()
        if self.compression == _ZSTD:
            # Others end as if the text did where a frame is cut off.
            return cast("BinaryIO", io.BufferedReader(pa.CompressedInputStream(self.open(), _ZSTD)))
        return cast("BinaryIO", fsspec.open(self.path, "rb", compression=self.compression, **self.options).open())

    def state(self) -> str:
        """What changes when the file does, told without reading it.

        Raises:
            OSError: it cannot be asked.
        """
        if not self.is_remote:
            stat = Path(self.path).stat()
            return f"{stat.st_size}-{stat.st_mtime_ns}"
        system, path = url_to_fs(self.path, **self.options)
        return str(system.ukey(path))

    def size(self) -> int:
        """Bytes of the file as it lies there.

        Raises:
            OSError: it cannot be asked.
        """
        if not self.is_remote:
            return Path(self.path).stat().st_size
        system, path = url_to_fs(self.path, **self.options)
        return int(system.size(path) or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What reading a file once tells of it.

    Args:
        sha256: of its bytes.
        rows_before: of JSON lines, how many rows begin before each cut; empty for Parquet.
        footer: of Parquet, where it was kept; None has it read by who needs it.
        state: of a file on this machine when it was read (``Source.state``); empty where any will do. What a store
            tells of a file may differ from process to process.
    """

    sha256: str
    rows_before: tuple[int, ...] = ()
    footer: pq.FileMetaData | None = None
    state: str = ""


def find_sources(
    globs: Sequence[str], options: Mapping[str, str | int | float | bool] | None = None, *, output: str = ""
) -> tuple[Source, ...]:
    """The files that globs match, sorted, each once.

    Args:
        globs: of paths and URLs.
        options: of the stores that URLs name.
        output: directory of the run; what it holds is no input, so that a run in the midst of its input can go on.

    Raises:
        InputError: no globs, one that matches no file, or a store that cannot be asked.
    """
    if not globs:
        raise InputError('no input; give --input GLOB, or [input] globs = ["..."] in the recipe')
    paths: dict[str, str] = {}
    for pattern in globs:
        matches = _remote(pattern, options or {}) if "://" in pattern else _local(pattern, output)
        for path in matches:
            paths.setdefault(path if "://" in path else str(Path(path).resolve()), path)
    found = sorted(paths.values())
    for path in found:
        if not path.isprintable():
            raise InputError(
                f"{path!r}: the name is not plain text, and stands in every row's lineage; rename the file"
            )
        if PurePath(path).suffix.lower() in _OTHERS:
            raise InputError(
                f"{path}: is read neither as Parquet nor as JSON lines (.jsonl, also .gz or .zst); convert it, or "
                f"narrow the glob"
            )
    return tuple(Source(path=path, options=(options or {}) if "://" in path else {}) for path in found)


def _local(pattern: str, output: str) -> list[str]:
    pattern = str(Path(pattern).expanduser()) if pattern.startswith("~") else pattern
    # A name may hold the signs of a glob.
    named = [pattern] if Path(pattern).is_file() else []
    found = named or glob.glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute pattern
    matches = sorted(PurePath(path).as_posix() for path in found if Path(path).is_file())
    if not matches:
        folder = pattern.rstrip("/")
        advice = f"write {folder}/*.parquet or {folder}/*.jsonl" if Path(pattern).is_dir() else "check the path"
        raise InputError(f"no file matches {pattern!r}; {advice}, and quote the glob in a shell")
    if output:
        own = Path(output).resolve()
        matches = [path for path in matches if not Path(path).resolve().is_relative_to(own)]
        if not matches:
            raise InputError(
                f"all that {pattern!r} matches lies in the output directory {output}; give another --output"
            )
    return matches


def _remote(pattern: str, options: Mapping[str, str | int | float | bool]) -> list[str]:
    try:
        system, path = url_to_fs(pattern, **options)
        found = [path] if not glob.has_magic(path) else system.glob(path)
        matches = sorted(system.unstrip_protocol(name) for name in found if system.isfile(name))
    except ImportError as error:
        raise InputError(f"{pattern}: {error}; install it beside curate") from error
    except ValueError as error:
        raise InputError(f"{pattern}: {error}") from error
    except Exception as error:
        # Each store has exceptions of its own, of credentials, names and the network.
        raise InputError(
            f"{pattern}: the store cannot be asked ({type(error).__name__}: {error}); check the URL, the credentials "
            f"in the environment, and [input.storage]"
        ) from error
    if not matches:
        raise InputError(f"no file matches {pattern!r}; check the URL")
    return matches


def file_sha256(path: str | Path) -> str:
    """The sha256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as stream:
        return _sha256(stream)


def _sha256(stream: BinaryIO) -> str:
    return hashlib.file_digest(cast("io.BufferedIOBase", stream), "sha256").hexdigest()


def read_content(source: Source, cut_bytes: int) -> Content:
    """Reads a file once.

    Args:
        source: the file.
        cut_bytes: length of the parts of plain JSON lines for which rows are counted.

    Raises:
        ShardError: it cannot be read.
    """
    try:
        state = "" if source.is_remote else source.state()
        with source.open() as stream:
            if source.format == PARQUET or source.compression is not None:
                return Content(sha256=_sha256(stream), state=state)
            return replace(_counted(stream, cut_bytes), state=state)
    except OSError as error:
        raise ShardError(f"cannot be read: {error.strerror or error}") from error


def _counted(stream: BinaryIO, cut_bytes: int) -> Content:
    """The sha256, and how many rows begin in each part. A row is a line with anything but white space in it."""
    digest = hashlib.sha256()
    starts: list[int] = [0]
    offset = 0
    line_start = 0
    is_blank = True
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
        position = 0
        while position < len(chunk):
            end = chunk.find(b"\n", position)
            stop = len(chunk) if end < 0 else end
            if is_blank and chunk[position:stop].strip():
                is_blank = False
                part = line_start // cut_bytes
                starts.extend([0] * (part + 1 - len(starts)))
                starts[part] += 1
            if end < 0:
                break
            position = end + 1
            line_start, is_blank = offset + position, True
        offset += len(chunk)
    return Content(sha256=digest.hexdigest(), rows_before=tuple(accumulate(starts, initial=0)))
