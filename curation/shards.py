"""Shards: parts of input files of bounded size, and their rows as frames of samples in bounded memory.

A shard is a range of row groups of a Parquet file, or a range of bytes of a file of JSON lines; or, where there are
many small files, some that follow one another, as each piece of work costs more than they do. It is the unit of work:
it is done whole or not at all. A file that cannot be cut (a single row group, compressed lines) is one shard, and is
streamed all the same. Groups reach over shards: what belongs together is decided on all of them at once.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.arrow import plain_type
from curation.columns import Layout, RowFormat, find_layout
from curation.errors import ShardError
from curation.jsonl import batch_of, json_schema, read_lines
from curation.rows import Stretch, samples_from_rows, samples_from_stretches
from curation.sources import PARQUET, READ_ERRORS, Content, Source
from curation.words import runs_of

T = TypeVar("T")
Rows = TypeVar("Rows", pa.RecordBatch, pa.RecordBatch | pl.DataFrame)

_SHARD_BYTES = 128 << 20
_BATCH_BYTES = 16 << 20
_BATCH_ROWS = 2048
_GROUP_BYTES = 24 << 20
_FOOTER_BYTES = 256 << 10
_BUFFER_BYTES = 1 << 20
_NAME_DIGITS = 5
_CHANGED = "the file changed while it was read; run again"

CUT_BYTES = 64 << 20
"""Length of the parts of plain JSON lines."""

SMALL_BYTES = 1 << 20
"""Of a file that may share a shard with others."""
FEW_FILES = 64
"""Fewer small files have a shard each."""
GATHERED_FILES = 128
"""That a shard holds at most, as all of them are open at once."""
_GATHERED_BYTES = 16 << 20

Range = tuple[int, int | None]
"""First and stop of a shard of a file; the last has no stop."""
UNCUT: tuple[Range, ...] = ((0, None),)
"""A file that is one shard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A part of an input file, or several small files.

    Args:
        name: of its outputs; unique in the run.
        source: the file, or the first of them.
        first: its first row group, or the byte at which it begins.
        stop: the row group or byte at which the next begins; None for all that is left.
        further: the other files; each of them is whole.
    """

    name: str
    source: Source
    first: int = 0
    stop: int | None = None
    further: tuple[Source, ...] = ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """All files."""
        return (self.source, *self.further)

    @property
    def paths(self) -> tuple[str, ...]:
        """Of the files, as they stand in the lineage of each sample."""
        return tuple(source.path for source in self.sources)

    def of(self, sources: Sequence[Source]) -> Shard:
        """The shard without its other files."""
        return replace(self, source=sources[0], further=tuple(sources[1:]))

    @property
    def part(self) -> str:
        """Which part of the file it is, for keys."""
        return f"{self.first}-{self.stop}"


def cut_into_shards(sources: Sequence[Source]) -> tuple[Shard, ...]:
    """The shards of some files, in their order. A file that cannot be read is one shard, which will fail."""
    found: list[tuple[Source, Sequence[Range]]] = []
    for source in sources:
        try:
            found.append((source, _ranges(source)))
        except (*READ_ERRORS, pa.ArrowException):
            found.append((source, UNCUT))
    return named_shards(found)


def named_shards(files: Sequence[tuple[Source, Sequence[Range]]]) -> tuple[Shard, ...]:
    """The shards of some files, each with the ranges that it is cut into."""
    shards: list[Shard] = []
    for sources in _gathered(files):
        (source, ranges), further = sources[0], tuple(source for source, _ in sources[1:])
        for number, (first, stop) in enumerate(ranges):
            name = f"{source.stem}-{number:0{_NAME_DIGITS}d}" if len(ranges) > 1 else source.stem
            name += f"-and-{len(further)}-more" if further else ""
            shards.append(Shard(name=name, source=source, first=first, stop=stop, further=further))
    uses = Counter(shard.name for shard in shards)
    return tuple(shard if uses[shard.name] == 1 else renamed(shard) for shard in shards)


def renamed(shard: Shard) -> Shard:
    """The shard under a name that no shard of another file has."""
    return replace(shard, name=f"{shard.name}-{_digest(shard.source.path)}")


def _gathered(
    files: Sequence[tuple[Source, Sequence[Range]]],
) -> Iterator[Sequence[tuple[Source, Sequence[Range]]]]:
    """Files that are to share a shard together, and each of the others alone; in their order."""
    sizes = [_small_size(source) if len(ranges) == 1 else None for source, ranges in files]
    is_many = sum(size is not None for size in sizes) >= FEW_FILES
    held: list[tuple[Source, Sequence[Range]]] = []
    held_bytes = 0
    for file, size in zip(files, sizes, strict=True):
        fits = size is not None and len(held) < GATHERED_FILES and held_bytes + size <= _GATHERED_BYTES
        if held and not (is_many and fits):
            yield held
            held, held_bytes = [], 0
        if is_many and size is not None:
            held.append(file)
            held_bytes += size
        else:
            yield [file]
    if held:
        yield held


def _small_size(source: Source) -> int | None:
    """Bytes of a small file; None of another, and of one that cannot be asked."""
    try:
        size = source.size()
    except READ_ERRORS:
        return None
    return size if size <= SMALL_BYTES else None


def _digest(path: str) -> str:
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:8]


def _ranges(source: Source) -> list[Range]:
    if source.format != PARQUET:
        return ranges_of_lines(source, source.size())
    return ranges_of_groups(footer_of(source))


def footer_of(source: Source) -> pq.FileMetaData:
    """What a Parquet file says of its row groups and columns.

    Raises:
        OSError: it cannot be read.
        pa.ArrowException: it is damaged.
    """
    with source.open() as stream:
        return pq.read_metadata(stream)


def rows_of_groups(footer: pq.FileMetaData) -> list[int]:
    """How many rows each row group holds."""
    return [int(footer.row_group(number).num_rows) for number in range(footer.num_row_groups)]


def ranges_of_groups(footer: pq.FileMetaData) -> list[Range]:
    """How a Parquet file is cut."""
    firsts, size = [0], 0
    for number in range(footer.num_row_groups):
        group = int(footer.row_group(number).total_byte_size)
        if size and size + group > _SHARD_BYTES:
            firsts.append(number)
            size = 0
        size += group
    return _between(firsts)


def ranges_of_lines(source: Source, size: int) -> list[Range]:
    """How a file of JSON lines with so many bytes is cut."""
    return _between(list(range(0, 0 if source.compression else size, CUT_BYTES)) or [0])


def _between(firsts: Sequence[int]) -> list[Range]:
    return list(zip(firsts, [*firsts[1:], None], strict=True))


def schema_of(source: Source) -> pa.Schema:
    """The columns of a file.

    Raises:
        OSError: it cannot be read.
        pa.ArrowException: it is damaged.
    """
    return json_schema(source) if source.format != PARQUET else footer_of(source).schema.to_arrow_schema()


def check_columns(
    sources: Sequence[Source], mapping: Mapping[str, str], rows: RowFormat | None = None, schema: str = ""
) -> None:
    """Refuses files without the columns that are needed, before any work.

    A file that cannot be read at all is passed over here: its shards fail, which is not a mistake of the recipe.

    Raises:
        InputError: naming the file, the part and the columns there are.
    """
    for source in sources:
        try:
            columns = schema_of(source)
        except (*READ_ERRORS, pa.ArrowException):
            continue
        find_layout(columns, mapping, path=source.path, rows=rows, named=schema)


class ShardReader:
    """The samples of one shard, frame by frame, as often as asked.

    Args:
        shard: which part of which file.
        mapping: part -> column, as the recipe says.
        content: what is known of the file.
        rows: how the tests of a row are read; None for the product's own JSON.
        schema: name of ``curation.schemas``, as the recipe says; empty to recognise it.
        rewrite: applied to each frame as it is read.
        like: reader of a file whose columns this one may share, which are then not sought again.
    """

    def __init__(
        self,
        shard: Shard,
        mapping: Mapping[str, str],
        *,
        content: Content,
        rows: RowFormat | None = None,
        schema: str = "",
        rewrite: Callable[[pl.DataFrame], pl.DataFrame],
        like: ShardReader | None = None,
    ) -> None:
        self._shard = shard
        self.tag = content.sha256[:16]
        self._rewrite = rewrite
        source = shard.source
        try:
            self._state = source.state()
            # What was decided on the file as it was is not true of another one.
            if content.state not in ("", self._state):
                raise ShardError(_CHANGED)
            self._file = _ParquetPart(shard, content.footer) if source.format == PARQUET else _LinesPart(shard, content)
            if like is not None and self.schema.equals(like.schema):
                self.layout: Layout = like.layout
            else:
                self.layout = find_layout(self.schema, mapping, path=source.path, rows=rows, named=schema)
        except (*READ_ERRORS, pa.ArrowException) as error:
            raise ShardError(_message(error, source)) from error

    @property
    def schema(self) -> pa.Schema:
        """The columns of the file."""
        return self._file.schema

    @property
    def rows(self) -> int | None:
        """How many the shard holds; None where they were not counted, as in compressed lines."""
        return self._file.rows

    def frames(self, first: int = 0, stop: int | None = None) -> Generator[pl.DataFrame, None, None]:
        """Frames of ``SAMPLES``, in row order.

        Args:
            first: the first row, as ``input_row`` counts them, or any row before the shard.
            stop: the row after the last; None for all.

        Raises:
            ShardError: the file is damaged, or changed since it was opened.
        """
        for batch, first_row, troubles in self._checked(self._file.batches(self.layout.names, first, stop)):
            samples = samples_from_rows(batch, self.layout, first_row=first_row, tag=self.tag, troubles=troubles)
            yield self._rewrite(samples)

    def frames_of(self, rows: npt.NDArray[np.int64]) -> Iterator[pl.DataFrame]:
        """Frames of ``SAMPLES`` of some rows that can be read, in their order; no others are made samples of.

        Args:
            rows: as ``input_row`` counts them, ascending, each once; at least one.

        Raises:
            ShardError: the file is damaged, or changed since it was opened.
        """
        batches = self._file.batches(self.layout.names, int(rows[0]), int(rows[-1]) + 1)
        for batch, first_row, _ in self._checked(batches):
            here = rows[slice(*np.searchsorted(rows, [first_row, first_row + len(batch)]))]
            if not len(here):
                continue
            wanted = np.zeros(len(batch), np.bool_)
            wanted[here - first_row] = True
            chosen = batch.filter(pl.Series(wanted) if isinstance(batch, pl.DataFrame) else pa.array(wanted))
            starts, sizes = runs_of(here - np.arange(len(here)))
            stretches = [
                Stretch(rows=size, first_row=row, tag=self.tag)
                for row, size in zip(here[starts].tolist(), sizes.tolist(), strict=True)
            ]
            yield self._rewrite(samples_from_stretches(chosen, self.layout, stretches, {}))

    def batches(self) -> Iterator[_ArrowBatch]:
        """The rows as they stand in the file; see ``frames``."""
        return self._checked(self._file.arrow_batches(self.layout.names))

    def _checked(self, batches: Iterator[T]) -> Iterator[T]:
        try:
            yield from batches
            is_changed = self._shard.source.state() != self._state
        except (*READ_ERRORS, pa.ArrowException) as error:
            raise ShardError(_message(error, self._shard.source)) from error
        if is_changed:
            raise ShardError(_CHANGED)

    def ranges(self, rows: Sequence[int]) -> list[tuple[int, int]]:
        """First and stop of the ranges to ask ``frames`` for, where some rows are wanted alone.

        Args:
            rows: ascending.
        """
        return self._file.ranges(rows)


class GatheredReader:
    """The samples of a shard of several files.

    Args:
        shard: it.
        contents: what is known of each file.
        open_one: opens a file, as a shard of its own.
        rewrite: applied to each frame as it is read.

    Raises:
        ShardError: some of the files cannot be read; names all of them.
    """

    def __init__(
        self,
        shard: Shard,
        contents: Sequence[Content],
        *,
        open_one: Callable[[Shard, Content, ShardReader | None], ShardReader],
        rewrite: Callable[[pl.DataFrame], pl.DataFrame],
    ) -> None:
        self._rewrite = rewrite
        self._readers: list[ShardReader] = []
        self._paths = shard.paths
        errors: dict[str, str] = {}
        for source, content in zip(shard.sources, contents, strict=True):
            like = self._readers[-1] if self._readers else None
            try:
                self._readers.append(open_one(shard.of([source]), content, like))
            except ShardError as error:
                errors[source.path] = str(error)
        if errors:
            raise ShardError(next(iter(errors.values())), errors)

    @property
    def rows(self) -> int | None:
        """How many the files hold; None where they were not counted."""
        counts = [reader.rows for reader in self._readers]
        return None if None in counts else sum(count or 0 for count in counts)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Frames of ``SAMPLES``, in the order of files and rows; those of like columns hold rows of many files.

        Raises:
            ShardError: a file is damaged, or changed since it was opened; names it.
        """
        held = _Held()
        for number, (reader, path) in enumerate(zip(self._readers, self._paths, strict=True)):
            try:
                for batch in reader.batches():
                    if held.batches and not held.takes(reader.layout, batch[0]):
                        yield self._rewrite(held.samples())
                        held = _Held()
                    held.add(number, reader, batch)
            except ShardError as error:
                raise ShardError(str(error), {path: str(error)}) from error
        if held.batches:
            yield self._rewrite(held.samples())


class _Held:
    """Rows of several files on their way into one frame."""

    def __init__(self) -> None:
        self.batches: list[pa.RecordBatch] = []
        self._layout: Layout | None = None
        self._stretches: list[Stretch] = []
        self._troubles: dict[str, list[int]] = {}
        self._rows = self._bytes = 0

    def takes(self, layout: Layout, batch: pa.RecordBatch) -> bool:
        """Whether there is room for these rows, and they are read alike."""
        return (
            layout is self._layout
            and batch.schema.equals(self.batches[0].schema)
            and self._rows + batch.num_rows <= _BATCH_ROWS
            and self._bytes + batch.nbytes <= _BATCH_BYTES
        )

    def add(self, number: int, reader: ShardReader, read: _ArrowBatch) -> None:
        """Takes rows of a file."""
        batch, first_row, troubles = read
        for reason, rows in troubles.items():
            self._troubles.setdefault(reason, []).extend(self._rows + row for row in rows)
        self._layout = reader.layout
        self._stretches.append(Stretch(rows=batch.num_rows, first_row=first_row, tag=reader.tag, file=number))
        self.batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes

    def samples(self) -> pl.DataFrame:
        """The samples of all of them."""
        if self._layout is None:
            raise ValueError("no rows were taken")
        batch = self.batches[0] if len(self.batches) == 1 else pa.concat_batches(self.batches)
        return samples_from_stretches(batch, self._layout, self._stretches, self._troubles)


def _collected(scan: pl.LazyFrame, first: int, stop: int) -> pl.DataFrame | None:
    """Rows of a file; None where polars cannot read them, such as text that is no UTF-8."""
    try:
        # What follows is slower on several chunks by more than it takes to make one of them.
        return scan.slice(first, stop - first).collect(engine="in-memory").rechunk()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None


_Troubles = Mapping[str, tuple[int, ...]]
_ArrowBatch = tuple[pa.RecordBatch, int, _Troubles]
_Batch = _ArrowBatch | tuple[pl.DataFrame, int, _Troubles]
"""Rows, the number of the first one, and reason -> rows of the batch that cannot be read."""


class _ParquetPart:
    """Row groups of a Parquet file."""

    def __init__(self, shard: Shard, footer: pq.FileMetaData | None) -> None:
        self._source = shard.source
        self._footer = footer_of(self._source) if footer is None else footer
        self.schema: pa.Schema = self._footer.schema.to_arrow_schema()
        sizes = rows_of_groups(self._footer)
        self._groups = range(shard.first, len(sizes) if shard.stop is None else shard.stop)
        if self._groups.stop > len(sizes):
            raise ShardError("the file changed since the run began; run again")
        self._firsts = list(accumulate(sizes, initial=0))
        byte_size = sum(int(self._footer.row_group(number).total_byte_size) for number in self._groups)
        self.rows: int | None = self._firsts[self._groups.stop] - self._firsts[self._groups.start]
        self._batch_rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, byte_size // max(1, self.rows))))

    def batches(self, columns: Sequence[str], first: int, stop: int | None) -> Iterator[_Batch]:
        end = self._firsts[self._groups.stop] if stop is None else stop
        wanted = [group for group in self._groups if self._firsts[group] < end and first < self._firsts[group + 1]]
        for batch, position in self._placed(self._read(columns, wanted), wanted):
            after = position + len(batch)
            if position < end and first < after:
                skipped = max(0, first - position)
                yield batch.slice(skipped, min(end, after) - position - skipped), position + skipped, {}

    def arrow_batches(self, columns: Sequence[str]) -> Iterator[_ArrowBatch]:
        for batch, position in self._placed(self._read_by_arrow(columns, self._groups), self._groups):
            yield batch, position, {}

    def _placed(self, batches: Iterator[Rows], groups: Sequence[int]) -> Iterator[tuple[Rows, int]]:
        """Each batch with the number of its first row."""
        position = self._firsts[groups[0]] if groups else 0
        for batch in batches:
            yield batch, position
            position += len(batch)
        if groups and position != self._firsts[groups[-1] + 1]:
            raise ShardError(f"the file ends at row {position}, short of what its footer says")

    def _read(self, columns: Sequence[str], groups: Sequence[int]) -> Iterator[pa.RecordBatch | pl.DataFrame]:
        """Neighbouring row groups: by polars, which takes two thirds of pyarrow's time, as far as it takes them."""
        done = 0
        if groups and (scan := self._scan(columns)) is not None:
            for count in self._together(groups):
                frame = _collected(scan, self._firsts[groups[done]], self._firsts[groups[done + count - 1] + 1])
                if frame is None:
                    break
                yield frame
                done += count
        if done < len(groups):
            yield from self._read_by_arrow(columns, groups[done:])

    def _read_by_arrow(self, columns: Sequence[str], groups: Sequence[int]) -> Iterator[pa.RecordBatch]:
        if not groups:
            return
        # Without these two pyarrow holds all that it has read of the file, or a whole row group.
        options = {"pre_buffer": False, "buffer_size": _BUFFER_BYTES, "metadata": self._footer}
        with self._source.open() as stream, pq.ParquetFile(stream, **options) as file:
            yield from file.iter_batches(
                batch_size=self._batch_rows, columns=list(columns), use_threads=False, row_groups=list(groups)
            )

    def _scan(self, columns: Sequence[str]) -> pl.LazyFrame | None:
        """The file as polars reads it, where that is as pyarrow does; None for what pyarrow is to read.

        That is files elsewhere, row groups that are too large to be held, footers that are dear to be read for every
        batch, and types of which the two make different ones.
        """
        size = max((int(self._footer.row_group(number).total_byte_size) for number in self._groups), default=0)
        if self._source.is_remote or size > _GROUP_BYTES or self._footer.serialized_size > _FOOTER_BYTES:
            return None
        try:
            path = Path(self._source.path).absolute()
            scan = pl.scan_parquet(path, glob=False, hive_partitioning=False).select(columns)
            return scan if dict(scan.collect_schema()) == self._types(columns) else None
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def _types(self, columns: Sequence[str]) -> dict[str, pl.DataType]:
        """The columns as they are when pyarrow reads them."""
        types = {name: plain_type(self.schema.field(name).type) for name in columns}
        return {name: cast("pl.Series", pl.from_arrow(pa.array([], kind))).dtype for name, kind in types.items()}

    def _together(self, groups: Sequence[int]) -> Iterator[int]:
        """How many of the groups, one after the other, make a batch."""
        count = rows = 0
        for group in groups:
            more = self._firsts[group + 1] - self._firsts[group]
            if count and rows + more / 2 > self._batch_rows:
                yield count
                count = rows = 0
            count, rows = count + 1, rows + more
        yield count

    def ranges(self, rows: Sequence[int]) -> list[tuple[int, int]]:
        groups = groupby(rows, key=lambda row: bisect_right(self._firsts, row))
        return [(here[0], here[-1] + 1) for _, found in groups if (here := list(found))]


class _LinesPart:
    """Rows of a file of JSON lines."""

    def __init__(self, shard: Shard, content: Content) -> None:
        self._shard = shard
        self.schema = json_schema(shard.source)
        before = content.rows_before
        self._first_row = before[min(shard.first // CUT_BYTES, len(before) - 1)] if before else 0
        self.rows: int | None = None
        if len(before) > 1:
            last = len(before) - 1 if shard.stop is None else min(shard.stop // CUT_BYTES, len(before) - 1)
            self.rows = before[last] - self._first_row

    def arrow_batches(self, columns: Sequence[str]) -> Iterator[_ArrowBatch]:
        return self.batches(columns, 0, None)

    def batches(self, columns: Sequence[str], first: int, stop: int | None) -> Iterator[_ArrowBatch]:
        # Where no line can be read there are no columns, and those that are asked for hold nothing.
        known = self.schema.names
        schema = pa.schema([self.schema.field(name) if name in known else (name, pa.string()) for name in columns])
        lines: list[bytes] = []
        size = 0
        number = self._first_row
        for line in read_lines(self._shard.source, first=self._shard.first, stop=self._shard.stop):
            if stop is not None and number >= stop:
                break
            number += 1
            if number <= first:
                continue
            lines.append(line)
            size += len(line)
            if size >= _BATCH_BYTES or len(lines) >= _BATCH_ROWS:
                yield self._batch(lines, schema, number)
                lines, size = [], 0
        if lines:
            yield self._batch(lines, schema, number)

    @staticmethod
    def ranges(rows: Sequence[int]) -> list[tuple[int, int]]:
        # Each range is read from the start of the part.
        return [(rows[0], rows[-1] + 1)] if rows else []

    @staticmethod
    def _batch(lines: Sequence[bytes], schema: pa.Schema, stop: int) -> _ArrowBatch:
        read = batch_of(lines, schema)
        return read.batch, stop - len(lines), read.troubles


def _message(error: Exception, source: Source) -> str:
    first = (str(error) or type(error).__name__).splitlines()[0]
    if isinstance(error, OSError) and not isinstance(error, pa.ArrowException):
        return f"cannot be read: {error.strerror or first}"
    return f"cannot be read as {'Parquet' if source.format == PARQUET else 'JSON lines'}: {first}"
