"""A small part of a corpus, spread over all of it, with whole prompts: what a plan is made on.

A corpus of some hundred megabytes is read once whole, and of each k prompts one is taken wherever its rows lie. Of a
larger one, short runs of neighbouring rows are taken, so that no more is read than lies around them. No chance is in
it: the same files give the same sample.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from fsspec.compression import compr

from curation.columns import Layout, find_layout
from curation.errors import InputError, ShardError
from curation.executors.tasks import open_shard, opened
from curation.jsonl import why_no_lines, why_no_parquet
from curation.recipe import Recipe
from curation.rows import SAMPLES
from curation.shards import (
    CUT_BYTES,
    UNCUT,
    Range,
    Shard,
    ShardReader,
    footer_of,
    named_shards,
    ranges_of_groups,
    ranges_of_lines,
    rows_of_groups,
    schema_of,
)
from curation.sources import PARQUET, READ_ERRORS, Content, Source, read_content
from curation.steps.base import Step
from curation.steps.order import mixed

_WHOLE_BYTES = 256 << 20
_COUNTED_BYTES = 2 << 30
_HEAD_BYTES = 64 << 20
_SKIPPED_BYTES = 32 << 20
_RUNS = 48
_LEAST_RUNS = 8
_MARGIN_ROWS = 64
_CHUNK_BYTES = 4 << 20
_HASHED_BYTES = 32 << 20
_KEPT_FOOTER_BYTES = 32 << 20

_KEY, _PART = "key_", "part_"
_PROMPT = pl.col("group_key")
_ROW = pl.format("{}:{}:{}", _PART, "file", "input_row")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSurvey:
    """What a file tells of itself without being read whole.

    Args:
        source: the file.
        bytes: of the file as it lies there.
        text_bytes: of its rows without compression, about.
        rows: how many it holds.
        is_counted: whether they were counted, and not reckoned from its head.
        schema: its columns; None where it cannot be read.
        layout: how its rows are read; None where they cannot be.
        content: what a reader of it needs to know.
        ranges: of the shards that it is cut into.
        group_rows: rows of each row group; empty for JSON lines.
        error: why it cannot be read, or which column is missing; empty where all is well.
        trouble: why none of its rows can be read, though a run would account for each; empty where some can.
    """

    source: Source
    bytes: int = 0
    text_bytes: int = 0
    rows: int = 0
    is_counted: bool = True
    schema: pa.Schema | None = None
    layout: Layout | None = None
    content: Content = field(default_factory=lambda: Content(sha256=""))
    ranges: Sequence[Range] = UNCUT
    group_rows: Sequence[int] = ()
    error: str = ""
    trouble: str = ""


def survey_file(source: Source, recipe: Recipe) -> FileSurvey:
    """Looks once at a file's footer, or at its head where it has none, and finds its columns.

    Plain JSON lines of up to 2 GiB are counted; of larger files, and of those that compress to more than 64 MiB of
    text, the number of rows is reckoned from the head.
    """
    try:
        size = source.size()
        if source.format == PARQUET:
            footer = footer_of(source)
            groups = [footer.row_group(number) for number in range(footer.num_row_groups)]
            found = FileSurvey(
                source=source,
                bytes=size,
                text_bytes=sum(int(group.total_byte_size) for group in groups),
                rows=int(footer.num_rows),
                schema=footer.schema.to_arrow_schema(),
                content=Content(sha256="", footer=footer),
                ranges=ranges_of_groups(footer),
                group_rows=rows_of_groups(footer),
            )
        else:
            found = _lines_survey(source, size)
    except (*READ_ERRORS, ValueError, pa.ArrowException, ShardError) as error:
        told = (str(error) or type(error).__name__).splitlines()[0]
        told = (error.strerror or told) if isinstance(error, OSError) else told
        # A file that is damaged within may begin as it should, and one that cannot be opened has no beginning.
        kind = why_no_parquet(source) if isinstance(error, pa.ArrowInvalid) and source.format == PARQUET else ""
        remedy = f"it {kind}" if kind else "mend or remove the file"
        return FileSurvey(source=source, error=f"{source.path}: cannot be read: {told}; {remedy}")
    return laid_out(found, recipe)


def laid_out(survey: FileSurvey, recipe: Recipe) -> FileSurvey:
    """The survey with the columns that a recipe finds in it; a file that cannot be read stays as it is."""
    if survey.schema is None:
        return survey
    path = survey.source.path
    try:
        layout = find_layout(survey.schema, recipe.columns, path=path, rows=recipe.rows, named=recipe.schema)
    except InputError as error:
        return replace(survey, layout=None, error=str(error))
    return replace(survey, layout=layout, error="")


def survey_files(sources: Sequence[Source], recipe: Recipe) -> list[FileSurvey]:
    """Looks at all files. Footers are kept for who reads rows, as long as they are small in all."""
    surveys: list[FileSurvey] = []
    kept = 0
    for source in sources:
        survey = survey_file(source, recipe)
        if (footer := survey.content.footer) is not None:
            kept += int(footer.serialized_size)
            if kept > _KEPT_FOOTER_BYTES:
                survey = replace(survey, content=replace(survey.content, footer=None))
        surveys.append(survey)
    return surveys


def _lines_survey(source: Source, size: int) -> FileSurvey:
    schema = schema_of(source)
    trouble = "" if schema.names or not size else why_no_lines(source)
    if source.compression is None and size <= _COUNTED_BYTES:
        content = read_content(source, CUT_BYTES)
        rows = content.rows_before[-1]
        return FileSurvey(
            source=source,
            bytes=size,
            text_bytes=size,
            rows=rows,
            schema=schema,
            content=content,
            ranges=ranges_of_lines(source, size),
            trouble=trouble if rows else "",
        )
    lines, text, read, is_whole = _head(source)
    share = 1.0 if is_whole else size / max(1, read)
    return FileSurvey(
        source=source,
        bytes=size,
        text_bytes=int(text * share),
        rows=round(lines * share),
        is_counted=is_whole,
        schema=schema,
        ranges=ranges_of_lines(source, size),
        trouble=trouble if lines else "",
    )


def _head(source: Source) -> tuple[int, int, int, bool]:
    """Of the first text of a file: lines, bytes, bytes that were read of the file for it, and whether it is all."""
    lines = text = 0
    with source.open() as raw:
        wrapped = raw if source.compression is None else compr[source.compression](raw, mode="rb")
        stream = cast("BinaryIO", wrapped)
        while chunk := stream.read(_CHUNK_BYTES):
            lines += chunk.count(b"\n")
            text += len(chunk)
            if text >= _HEAD_BYTES:
                return lines, text, raw.tell(), False
        return lines, text, raw.tell(), True


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a row of a sample comes from."""

    path: str
    row: int
    after_byte: int = 0
    """Rows are counted from here, where those before it were not counted."""

    def __str__(self) -> str:
        """For people."""
        return f"{self.path} row {self.row}" + (f" after byte {self.after_byte}" if self.after_byte else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Samples of a corpus, as if they were one shard.

    Args:
        samples: columns of ``rows.SAMPLES``; ``input_row`` is the number of the row in ``places``.
        places: of each row.
        clusters: of each sample, a number that neighbours share which are more alike than others: those of one prompt,
            or of one run of rows.
        rows_in_all: of the corpus.
        is_whole: whether it is all of the corpus.
        is_scattered: whether completions of one prompt may be missing from it.
        read_s: time that was spent on reading rows.
        rows_read: how many were read in that time.
        hash_s: time that it takes to read all files for their hash.
    """

    samples: pl.DataFrame
    places: tuple[Place, ...]
    clusters: npt.NDArray[np.int64]
    rows_in_all: int
    is_whole: bool
    is_scattered: bool
    read_s: float
    rows_read: int
    hash_s: float

    def frames(self) -> Iterator[pl.DataFrame]:
        """The samples, as a shard's reader gives them."""
        yield self.samples

    def frames_of(self, rows: npt.NDArray[np.int64]) -> Iterator[pl.DataFrame]:
        """Those of some rows."""
        yield self.samples.filter(pl.Series(np.isin(self.samples["input_row"].to_numpy(), rows)))

    @property
    def samples_in_all(self) -> int:
        """Samples of the corpus, reckoned from those of the rows that were taken."""
        return round(self.samples.height * self.rows_in_all / max(1, len(self.places)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A shard and where its rows stand in its file."""

    shard: Shard
    survey: FileSurvey
    first: int
    rows: int
    group_firsts: tuple[int, ...]
    """Rows from which reading can begin."""

    @property
    def after_byte(self) -> int:
        return 0 if self.survey.is_counted or self.survey.source.format == PARQUET else self.shard.first


def draw_sample(
    files: Sequence[FileSurvey], recipe: Recipe, steps: Sequence[Step], *, completions: int, by_prompt: bool = True
) -> Sample:
    """About so many completions, whole prompts, evenly spread by their position in the files.

    Args:
        files: those that can be read.
        recipe: for columns and format.
        steps: of the recipe; those that rewrite texts are applied.
        completions: how many; a prompt is never cut, so it may be some more.
        by_prompt: whether all rows of a prompt are wanted; else rows are taken wherever they stand.

    Raises:
        ShardError: a file is damaged.
    """
    in_all = sum(file.rows for file in files)
    is_small = sum(file.text_bytes for file in files) <= _WHOLE_BYTES and all(file.is_counted for file in files)
    drawn = _Drawn()
    if is_small:
        _draw_prompts(files, recipe, steps, drawn, completions=completions, key=_PROMPT if by_prompt else _ROW)
    else:
        _draw_runs([part for file in files for part in _parts(file)], recipe, steps, completions, drawn)
    places: list[Place] = []
    numbered = [pl.DataFrame(schema=SAMPLES)]
    for taken in drawn.taken:
        row = pl.struct("file", "input_row")
        number = len(places) + row.rle_id().cast(pl.Int64)
        numbered.append(taken.samples.with_columns(pl.lit(0, pl.UInt32).alias("file"), number.alias("input_row")))
        places += [
            Place(path=taken.paths[file], row=row, after_byte=taken.after_byte)
            for file, row in taken.samples.select("file", "input_row").unique(maintain_order=True).iter_rows()
        ]
    samples = pl.concat(numbered)
    clusters = np.array(drawn.clusters, np.int64)
    return Sample(
        samples=samples,
        places=tuple(places),
        clusters=clusters,
        rows_in_all=max(in_all, len(places)),
        is_whole=is_small and len(places) == in_all,
        is_scattered=not is_small and _is_scattered(files, samples, clusters),
        read_s=drawn.read_s,
        rows_read=drawn.rows_read,
        hash_s=_hash_s(files),
    )


def _hash_s(files: Sequence[FileSurvey]) -> float:
    """By the rate of the first bytes of the largest."""
    largest = max(files, key=lambda file: file.bytes)
    began = time.perf_counter()
    with largest.source.open() as stream:
        read = stream.read(_HASHED_BYTES)
    hashlib.sha256(read).digest()
    return (time.perf_counter() - began) * sum(file.bytes for file in files) / max(1, len(read))


def scattered_places(count: int, in_all: int) -> npt.NDArray[np.int64]:
    """So many places of all, ascending: one in each of as many equal parts.

    Where in its part each lies is scattered by a hash of its number: what comes again in an even rhythm, such as
    every fourth row of another domain, would be met always or never at even distances.
    """
    numbers = np.arange(count + 1, dtype=np.int64)
    bounds = numbers * in_all // max(1, count)
    widths = np.diff(bounds).astype(np.uint64)
    return bounds[:-1] + (mixed(numbers[:-1].astype(np.uint64)) % np.maximum(widths, 1)).astype(np.int64)


def _is_scattered(files: Sequence[FileSurvey], samples: pl.DataFrame, clusters: npt.NDArray[np.int64]) -> bool:
    """Whether rows of one prompt lie apart, or may: each stands alone though it has the id of a prompt."""
    if all(file.layout is not None and file.layout.is_list for file in files):
        return False
    marked = samples.select("group_key").with_columns(cluster=pl.Series(clusters))
    apart = marked.group_by("group_key").agg(pl.col("cluster").n_unique(), pl.len())
    has_ids = any(file.layout is not None and "group_id" in file.layout.columns for file in files)
    return bool((apart["cluster"] > 1).any() or (has_ids and (apart["len"] == 1).all()))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """Samples of a shard, and the paths of its files."""

    paths: Sequence[str]
    samples: pl.DataFrame
    after_byte: int = 0


@dataclass(slots=True)
class _Drawn:
    taken: list[_Taken] = field(default_factory=list)
    clusters: list[int] = field(default_factory=list)
    taken_to: dict[int, int] = field(default_factory=dict)
    read_s: float = 0.0
    rows_read: int = 0


def _parts(file: FileSurvey) -> Iterator[_Part]:
    shards = named_shards([(file.source, file.ranges)])
    if file.source.format == PARQUET:
        firsts = np.cumsum([0, *file.group_rows]).tolist()
        for shard in shards:
            groups = firsts[shard.first : None if shard.stop is None else shard.stop + 1]
            first, stop = (groups[0], groups[-1]) if groups else (0, 0)
            yield _Part(shard=shard, survey=file, first=first, rows=stop - first, group_firsts=tuple(groups[:-1]))
        return
    before = file.content.rows_before
    for number, shard in enumerate(shards):
        if before:
            first = before[min(number, len(before) - 1)]
            rows = before[min(number + 1, len(before) - 1)] - first
        else:
            first, rows = 0, file.rows // len(shards)
        yield _Part(shard=shard, survey=file, first=first, rows=rows, group_firsts=(first,))


def _draw_prompts(
    files: Sequence[FileSurvey], recipe: Recipe, steps: Sequence[Step], drawn: _Drawn, *, completions: int, key: pl.Expr
) -> None:
    """Of each k prompts (or rows) in the order of their first rows one, with all its rows wherever they lie."""
    shards = named_shards([(file.source, file.ranges) for file in files])
    contents = {file.source.path: file.content for file in files}

    def keyed(number: int, shard: Shard) -> Iterator[pl.DataFrame]:
        for frame in opened(shard, recipe, steps, [contents[path] for path in shard.paths]).frames():
            yield frame.with_columns(pl.lit(number, pl.Int64).alias(_PART)).with_columns(key.alias(_KEY))

    began = time.perf_counter()
    keys = [pl.DataFrame(schema={_KEY: pl.String, _PART: pl.Int64})]
    for number, shard in enumerate(shards):
        for frame in keyed(number, shard):
            keys.append(frame.select(_KEY, _PART))
            drawn.rows_read += frame.select("file", "input_row").n_unique()
    drawn.read_s = time.perf_counter() - began
    all_keys = pl.concat(keys)
    groups = all_keys.group_by(_KEY, maintain_order=True).len()
    # As many prompts as hold so many completions on average, at even distances.
    count = min(groups.height, max(1, -(-completions * groups.height // max(1, all_keys.height))))
    picked = groups[scattered_places(count, groups.height).tolist()]
    numbers = {key: number for number, key in enumerate(picked[_KEY])}
    is_picked = pl.col(_KEY).is_in(list(numbers))
    for number in sorted(all_keys.filter(is_picked)[_PART].unique()):
        found = pl.concat([frame.filter(is_picked) for frame in keyed(number, shards[number])])
        drawn.taken.append(_Taken(paths=shards[number].paths, samples=found.drop(_KEY, _PART)))
        drawn.clusters += [numbers[name] for name in found[_KEY]]


def _draw_runs(parts: Sequence[_Part], recipe: Recipe, steps: Sequence[Step], completions: int, drawn: _Drawn) -> None:
    """Runs of neighbouring rows, one in each of as many parts of equal length."""
    readers: dict[int, ShardReader] = {}
    ends = np.cumsum([part.rows for part in parts])
    in_all = int(ends[-1]) if len(ends) else 0

    def run(position: int, wanted: int) -> tuple[pl.DataFrame, int]:
        owner = int(np.searchsorted(ends, position, side="right"))
        part = parts[owner]
        if owner not in readers:
            readers[owner] = open_shard(part.shard, recipe, steps, part.survey.content)
        start = part.first + position - int(ends[owner] - part.rows)
        begin = max(first for first in part.group_firsts if first <= start)
        row_bytes = max(1, part.survey.text_bytes // max(1, part.survey.rows))
        # A run far inside of a huge row group is taken nearer to its start, as all before it must be read.
        start = max(min(start, begin + _SKIPPED_BYTES // row_bytes), drawn.taken_to.get(owner, part.first))
        began = time.perf_counter()
        found = _run_of(readers[owner], part, start, wanted)
        drawn.read_s += time.perf_counter() - began
        if found.height:
            drawn.rows_read += int(found["input_row"].item(-1)) + 1 - begin
        return found, owner

    if not in_all:
        return
    probe, _ = run(in_all // 2, 1)
    a_prompt = probe.height // max(1, probe["group_key"].n_unique())
    runs = min(_RUNS, in_all, max(_LEAST_RUNS, completions // max(1, a_prompt)))
    for number, position in enumerate(scattered_places(runs, in_all).tolist()):
        found, owner = run(position, (number + 1) * completions // runs - number * completions // runs)
        if found.height:
            drawn.taken_to[owner] = int(found["input_row"].item(-1)) + 1
            part = parts[owner]
            drawn.taken.append(_Taken(paths=part.shard.paths, samples=found, after_byte=part.after_byte))
            drawn.clusters += [number] * found.height


def _run_of(reader: ShardReader, part: _Part, start: int, wanted: int) -> pl.DataFrame:
    """Whole prompts of the rows from ``start`` on, with at least so many completions where they are near."""
    margin = 1 if reader.layout.is_list else _MARGIN_ROWS
    stop = min(start + wanted + margin, part.first + part.rows) if part.survey.is_counted else start + wanted + margin
    first = max(start - 1, part.first)
    with closing(reader.frames(first, stop)) as frames:
        found = pl.DataFrame(schema=SAMPLES)
        for frame in frames:
            found = found.vstack(frame)
            if found.height and int(found["input_row"].item(-1)) + 1 >= stop:
                break
    runs = found.select("input_row", run=pl.col("group_key").rle_id())
    before = runs.filter(pl.col("input_row") < start)["run"]
    found = found.with_columns(run=runs["run"])
    if first < start:
        # A prompt that began before is not whole.
        found = found.filter((pl.col("input_row") >= start) & ~pl.col("run").is_in(before.to_list()))
    counts = found.group_by("run", maintain_order=True).len()
    if not counts.height:
        return found.drop("run")
    has_more = stop < part.first + part.rows
    reached = counts.with_columns(total=pl.col("len").cum_sum())
    enough = reached.filter(pl.col("total") >= wanted)["run"]
    last = int(enough.item(0)) if len(enough) else int(counts["run"].item(-1))
    is_cut = has_more and last == int(counts["run"].item(-1)) and counts.height > 1 and not reader.layout.is_list
    return found.filter(pl.col("run") < last if is_cut else pl.col("run") <= last).drop("run")
