"""Shards: which files there are, and their rows as frames of samples in bounded memory.

One input file is one shard, and the shard is the unit of work: it is done whole or not at all. Rows are read in
batches of bounded bytes; a shard whose samples are small enough stays in memory between the passes over it, and
a larger one is read again.
"""

from __future__ import annotations

import glob
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.columns import Layout, RowFormat, find_layout
from curation.errors import InputError, ShardError
from curation.rows import samples_from_rows

_BATCH_BYTES = 16 << 20
_BATCH_ROWS = 2048
_BUFFER_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One input file.

    Args:
        name: of its outputs; unique in the run.
        path: as the glob gave it; stands in the lineage of each sample.
    """

    name: str
    path: str


def find_shards(globs: tuple[str, ...]) -> tuple[Shard, ...]:
    """The files that the globs match, sorted, each once.

    Raises:
        InputError: no globs, or one that matches no file.
    """
    if not globs:
        raise InputError('no input; give --input GLOB, or [input] globs = ["..."] in the recipe')
    paths: dict[Path, str] = {}
    for pattern in globs:
        matches = sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matches:
            advice = f"write {pattern.rstrip('/')}/*.parquet" if Path(pattern).is_dir() else "check the path"
            raise InputError(f"no file matches {pattern!r}; {advice}, and quote the glob in a shell")
        for path in matches:
            paths.setdefault(Path(path).resolve(), PurePath(path).as_posix())
    found = sorted(paths.values())
    for path in found:
        if not path.isprintable():
            raise InputError(
                f"{path!r}: the name is not plain text, and stands in every row's lineage; rename the file"
            )
    stems = Counter(PurePath(path).stem for path in found)
    return tuple(Shard(name=_name(path, is_unique=stems[PurePath(path).stem] == 1), path=path) for path in found)


def _name(path: str, *, is_unique: bool) -> str:
    stem = PurePath(path).stem
    return stem if is_unique else f"{stem}-{hashlib.sha256(path.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"


def check_columns(
    shards: tuple[Shard, ...], mapping: Mapping[str, str], rows: RowFormat | None = None, schema: str = ""
) -> None:
    """Refuses shards without the columns that are needed, before any work.

    A file that cannot be read at all is passed over here: it is one failed shard, not a mistake of the recipe.

    Raises:
        InputError: naming the shard, the part and the columns there are.
    """
    for shard in shards:
        try:
            columns = pq.read_schema(shard.path)
        except (OSError, pa.ArrowException):
            continue
        find_layout(columns, mapping, path=shard.path, rows=rows, named=schema)


def file_sha256(path: str | Path) -> str:
    """The sha256 of a file's bytes.

    Raises:
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class ShardReader:
    """The samples of one shard, frame by frame, as often as asked, always cut at the same rows.

    Args:
        shard: the file.
        mapping: part -> column, as the recipe says.
        sha256: of the file.
        rows: how the tests of a row are read; None for the product's own JSON.
        schema: name of ``curation.schemas``, as the recipe says; empty to recognise it.
        rewrite: applied to each frame as it is read.
        cache_bytes: size of samples up to which they stay in memory between passes.
    """

    def __init__(
        self,
        shard: Shard,
        mapping: Mapping[str, str],
        *,
        sha256: str,
        rows: RowFormat | None = None,
        schema: str = "",
        rewrite: Callable[[pl.DataFrame], pl.DataFrame],
        cache_bytes: int,
    ) -> None:
        self._shard = shard
        self._tag = sha256[:16]
        self._rewrite = rewrite
        self._cache_bytes = cache_bytes
        self._frames: list[pl.DataFrame] | None = None
        self.kept_bytes = 0
        """Size of the samples that are kept in memory."""
        try:
            self._state = _state(shard.path)
            with pq.ParquetFile(shard.path) as file:
                self.rows = int(file.metadata.num_rows)
                self.layout: Layout = find_layout(file.schema_arrow, mapping, path=shard.path, rows=rows, named=schema)
                self._bytes = _bytes(file, set(self.layout.names))
            self._batch_rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, self._bytes // max(1, self.rows))))
        except (OSError, pa.ArrowException) as error:
            raise ShardError(_message(error)) from error

    def frames(self, *, keeps: bool = False) -> Iterator[pl.DataFrame]:
        """Frames of ``SAMPLES``, in row order.

        Args:
            keeps: whether they stay in memory for the next time, where they fit.

        Raises:
            ShardError: the file is damaged, or changed since it was opened.
        """
        if self._frames is not None:
            yield from self._frames
            return
        keeps = keeps and self._bytes <= self._cache_bytes
        kept: list[pl.DataFrame] | None = [] if keeps else None
        size = 0
        for frame in self._read():
            size += int(frame.estimated_size())
            if size > self._cache_bytes:
                kept = None
            if kept is not None:
                kept.append(frame)
            yield frame
        if kept is not None:
            self._frames, self.kept_bytes = kept, size

    def _read(self) -> Iterator[pl.DataFrame]:
        first_row = 0
        try:
            # Without these two pyarrow holds all that it has read of the file, or a whole row group.
            with pq.ParquetFile(self._shard.path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
                columns = list(self.layout.names)
                for batch in file.iter_batches(batch_size=self._batch_rows, columns=columns, use_threads=False):
                    samples = samples_from_rows(batch, self.layout, first_row=first_row, tag=self._tag)
                    yield self._rewrite(samples)
                    first_row += batch.num_rows
            is_changed = _state(self._shard.path) != self._state
        except (OSError, pa.ArrowException) as error:
            raise ShardError(_message(error)) from error
        if is_changed:
            raise ShardError("the file changed while it was read; run again")
        if first_row != self.rows:
            raise ShardError(f"the file holds {first_row} rows where its footer says {self.rows}")


def _state(path: str) -> tuple[int, int]:
    stat = Path(path).stat()
    return int(stat.st_size), int(stat.st_mtime_ns)


def _bytes(file: pq.ParquetFile, columns: set[str]) -> int:
    """Size of the columns in memory, by the footer."""
    metadata = file.metadata
    size = 0
    for group in range(metadata.num_row_groups):
        chunks = metadata.row_group(group)
        for index in range(chunks.num_columns):
            chunk = chunks.column(index)
            if chunk.path_in_schema.split(".")[0] in columns:
                size += chunk.total_uncompressed_size
    return int(size)


def _message(error: Exception) -> str:
    first = (str(error) or type(error).__name__).splitlines()[0]
    return f"cannot be read as Parquet: {first}"
