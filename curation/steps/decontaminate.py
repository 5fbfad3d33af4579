"""Step ``decontaminate``: items of evaluation sets in prompts and completions."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import polars as pl

from curation.contamination import KINDS, LEAST_N, ContaminationIndex, read_sets
from curation.errors import InputError, RecipeError
from curation.sources import file_sha256
from curation.steps.base import Rule, TextStep, option

_PARTS = ("prompt", "completion")


_HIT = pl.Struct({"kind": pl.String, "source": pl.String, "span": pl.String})


def _rule(part: str, kind: str) -> Rule:
    hit = pl.col(f"{part}_hit_").struct
    words = hit["span"].str.count_matches(" ", literal=True) + 1
    detail = pl.format(f"{{}} {kind}: {{}}", hit["source"], hit["span"])
    return Rule(reason=f"{part}_{kind}", drops=hit["kind"] == kind, value=words, detail=detail)


@dataclass(frozen=True)
class Decontaminate(TextStep):
    """Drops samples whose prompt or completion holds an item of an evaluation set.

    Reasons: ``prompt_ngram`` (``n`` telling words in a row), ``prompt_item`` (all of a short item), ``prompt_equal``
    (the prompt is the item, standard instructions aside), ``prompt_masked`` (the same with other numbers), and
    ``completion_...`` alike. Words are compared without case, punctuation, spacing and LaTeX layout and signs; with
    Chinese characters among them a run has 8/5 of n. Value: how many words in a row are those of the item; detail: the
    item's file and row (from 0), the kind, and the words. See ``curation.contamination``.

    Args:
        sets: files of evaluation sets, JSON lines or Parquet, as globs with commas between.
        n: words in a row; 10 as in R1, 8 and 13 are usual too.
        completions: whether completions are looked at, and not only prompts.
        masked: whether items with other numbers count.

    Example:
        With MATH-500 as the set, a prompt that quotes ten words of one of its problems is dropped; one on the same
        theorem in other words is kept.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), supplement D.1: 10-grams of evaluation questions; masked numbers from
        Light-R1 (arXiv 2503.10460); whole short items, and that instructions tell nothing, are this project's.
    """

    name: ClassVar[str] = "decontaminate"
    sets: str = option("")
    n: int = option(10, least=LEAST_N)
    completions: bool = option(True)  # noqa: FBT003 - the default of an option
    masked: bool = option(True)  # noqa: FBT003 - the default of an option

    def check(self, where: str) -> None:
        """Whether the sets are there and can be read."""
        if not self.sets.strip():
            raise RecipeError(f"{where}.sets", 'no evaluation set; give sets = "eval/*.jsonl"')
        try:
            if not self._files:
                raise RecipeError(f"{where}.sets", f"no file matches {self.sets!r}; check the path")
            _ = self._index
        except InputError as error:
            raise RecipeError(f"{where}.sets", str(error)) from error

    def inputs(self) -> Mapping[str, str]:
        """The files of the sets."""
        return {f"sets:{path}": file_sha256(path) for path in self._files}

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """How an item was found in each part; a text that comes again is looked at once."""
        parts = _PARTS if self.completions else _PARTS[:1]
        return ({f"{part}_hit_": pl.col(part).map_batches(self._hits, return_dtype=_HIT) for part in parts},)

    def rules(self) -> Sequence[Rule]:
        """One for each part and kind."""
        parts = _PARTS if self.completions else _PARTS[:1]
        kinds = [kind for kind in KINDS if self.masked or kind != "masked"]
        return [_rule(part, kind) for part in parts for kind in kinds]

    def _hits(self, texts: pl.Series) -> pl.Series:
        once = texts.unique(maintain_order=True)
        hits = self._index.hits(once).select(list(_HIT.to_schema())).with_columns(once.alias("text")).drop_nulls("kind")
        found = pl.DataFrame({"text": texts}).join(hits, on="text", how="left", maintain_order="left")
        return found.drop("text").to_struct()

    @cached_property
    def _files(self) -> tuple[str, ...]:
        patterns = [part.strip() for part in self.sets.split(",") if part.strip()]
        found = {path for pattern in patterns for path in glob.glob(pattern, recursive=True)}  # noqa: PTH207 - absolute ones
        return tuple(sorted(path for path in found if Path(path).is_file()))

    @cached_property
    def _index(self) -> ContaminationIndex:
        return ContaminationIndex.build(read_sets(self._files), n=self.n)
