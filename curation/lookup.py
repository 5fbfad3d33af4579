"""Texts of samples that were dropped: they stand in the input alone, and are read there again when somebody asks.

A text counts only if it is the one that the run saw: its facts, hashes of prompt and completion among them, must be
those that the run wrote down. So a file that was changed, or another one under its name, is told at once, without
reading all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import ShardError, UsageError
from curation.executors.annotate import facts_of
from curation.executors.tasks import open_shard
from curation.finished import Manifest
from curation.manifest import RECIPE, STATE, ShardEntry
from curation.recipe import Recipe, load_recipe
from curation.shards import Shard
from curation.sources import Content, Source
from curation.steps import STEPS, build_steps
from curation.steps.base import RewriteStep, Step

_PLACE = ("input_row", "completion_index")
_SEEN = ("prompt", "digest", "chars")
"""Facts that tell one text from another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a sample stands.

    Args:
        shard: name.
        path: of the input file, as the run knew it.
        row: of the input file.
        index: of the completion in its row; None for a row without completions.
    """

    shard: str
    path: str
    row: int
    index: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """What stands there.

    Args:
        prompt: as the steps saw it.
        completion: likewise; None where there is none.
        answer: several gold answers a line each; empty where there is none.
        missing: why the text is not to be had; empty where it is.
    """

    prompt: str = ""
    completion: str | None = None
    answer: str = ""
    missing: str = ""


class Lookup:
    """The inputs of a run. Files of a relative path are sought from here, then from each folder above the run's.

    Args:
        directory: of the run.
        manifest: of the run.
    """

    def __init__(self, directory: Path, manifest: Manifest) -> None:
        self._directory = directory
        self._shards = {entry.name: (number, entry) for number, entry in enumerate(manifest.done)}

    def texts(self, places: Iterable[Place]) -> Iterator[tuple[Place, Text]]:
        """The text of each place, or why it is not to be had; as the input has them, one frame in memory at a time."""
        of_files: dict[tuple[int, int], list[Place]] = {}
        for place in dict.fromkeys(places):
            number, entry = self._shards[place.shard]
            of_files.setdefault((number, entry.paths.index(place.path)), []).append(place)
        for _, found in sorted(of_files.items()):
            entry = self._shards[found[0].shard][1]
            wanted = sorted(found, key=lambda place: (place.row, -1 if place.index is None else place.index))
            told: set[Place] = set()
            missing = ""
            try:
                for place, text in self._texts(entry, wanted):
                    told.add(place)
                    yield place, text
            except _GoneError as error:
                missing = str(error)
            for place in wanted:
                if place not in told:
                    changed = f"{place.path} is not what it was when the run read it"
                    yield place, Text(missing=missing or changed)

    def _texts(self, entry: ShardEntry, places: Sequence[Place]) -> Iterator[tuple[Place, Text]]:
        """The texts of one file that are there and are those that the run saw."""
        rows = sorted({place.row for place in places})
        number = entry.paths.index(places[0].path)
        told = entry.inputs[number]
        first_row, facts = self._facts(entry, number, rows)
        recipe, steps = self._recipe
        source = self._source(told.path, recipe)
        first, _, stop = told.part.partition("-")
        shard = Shard(name=entry.name, source=source, first=int(first), stop=None if stop == str(None) else int(stop))
        # Where its first row is known, the file need not be counted.
        content = Content(sha256=told.sha256, rows_before=(first_row,))
        wanted = {(place.row, place.index): place for place in places}
        try:
            reader = open_shard(shard, recipe, steps, content)
            for start, end in reader.ranges(rows):
                for frame in reader.frames(start, end):
                    found = frame.filter(pl.col("input_row").is_in(rows))
                    seen = facts_of(found, ()).select(*_PLACE, *_SEEN)
                    same = found.join(
                        seen.join(facts, on=[*_PLACE, *_SEEN], how="semi", nulls_equal=True),
                        on=_PLACE,
                        how="semi",
                        nulls_equal=True,
                    )
                    for row in same.select(*_PLACE, "prompt", "completion", "answers").iter_rows(named=True):
                        place = wanted.get((row["input_row"], row["completion_index"]))
                        if place is not None:
                            yield place, _text(row)
        except ShardError as error:
            raise _GoneError(f"{told.path}: {error}") from error
        except UsageError:
            # Other columns than before: another file stands under the name.
            return

    def _facts(self, entry: ShardEntry, number: int, rows: Sequence[int]) -> tuple[int, pl.DataFrame]:
        """The first row of a file in its shard, and what the run knew of some of its rows."""
        facts = pl.scan_parquet(facts_file(self._directory, entry.name), glob=False).filter(pl.col("file") == number)
        try:
            first_row = facts.select(pl.col("input_row").first()).collect().item()
            wanted = facts.filter(pl.col("input_row").is_in(rows)).select(*_PLACE, *_SEEN).collect()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _GoneError(f"{STATE}/ of the run is not there, by which a text is known again") from error
        return int(first_row), wanted

    @cached_property
    def _recipe(self) -> tuple[Recipe, tuple[Step, ...]]:
        """The recipe, and its steps that rewrite texts; the others may need files that have gone."""
        try:
            recipe = load_recipe(self._directory / RECIPE)
            specs = [spec for spec in recipe.steps if issubclass(STEPS.get(spec.name, Step), RewriteStep)]
            return recipe, build_steps(replace(recipe, steps=tuple(specs)))
        except UsageError as error:
            raise _GoneError(f"the recipe of the run cannot be used: {error}") from error

    def _source(self, path: str, recipe: Recipe) -> Source:
        if "://" in path:
            return Source(path=path, options=recipe.storage)
        folders = [Path(), *self._directory.resolve().parents]
        found = next((folder / path for folder in folders if (folder / path).is_file()), None)
        if found is None:
            raise _GoneError(f"{path} is not there any more")
        return Source(path=str(found))


class _GoneError(Exception):
    """Texts of a shard are not to be had."""


def facts_file(directory: Path, shard: str) -> Path:
    """What a run wrote down of the samples of a shard, in row order; columns of ``FACTS``."""
    return directory / STATE / f"{shard}.facts.parquet"


def verdicts_file(directory: Path, shard: str) -> Path:
    """What verdicts came to, a row a sample in the same order; columns of ``tasks.JUDGEMENTS``."""
    return directory / STATE / f"{shard}.verdicts.parquet"


def rows_at(file: Path, rows: Iterable[int], columns: Sequence[str]) -> Iterator[tuple[int, Mapping[str, object]]]:
    """Some rows of an output by their number, ascending; reads a row group at a time, and those with such a row alone.

    Raises:
        OSError: it cannot be read.
        pa.ArrowException: it is damaged.
    """
    left = sorted(rows)
    if not left:
        return
    with pq.ParquetFile(file) as parquet:
        first = 0
        for index in range(parquet.num_row_groups):
            stop = first + int(parquet.metadata.row_group(index).num_rows)
            here = [row for row in left if first <= row < stop]
            if here:
                group = parquet.read_row_group(index, columns=list(columns))
                yield from zip(here, group.take(pa.array([row - first for row in here])).to_pylist(), strict=True)
            first = stop


def _text(row: Mapping[str, object]) -> Text:
    completion, answers = row["completion"], row["answers"]
    return Text(
        prompt=str(row["prompt"] or ""),
        completion=completion if isinstance(completion, str) else None,
        answer="\n".join(map(str, answers)) if isinstance(answers, list) else "",
    )
