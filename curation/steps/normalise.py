"""Step ``normalise``: one kind of line break, no byte order mark, no NUL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import polars as pl

from curation.steps.base import RewriteStep, option

_REPLACED = (("\r\n", "\n"), ("\r", "\n"), ("\ufeff", ""), ("\0", ""))


@dataclass(frozen=True)
class Normalise(RewriteStep):
    r"""Writes ``\r\n`` and ``\r`` as ``\n``, and takes away U+FEFF and U+0000, in completions.

    Must be the first step, so that all others and the output see the same text. Unicode is not composed (NFC): it
    changes what the model wrote, and verifiers do it where they compare.

    Args:
        trims: whether white space around the completion goes too.

    Example:
        ``"a\r\nb"`` becomes ``"a\nb"``; nothing is dropped.

    Source:
        This project; paragraphs and fences are told by ``\n``.
    """

    name: ClassVar[str] = "normalise"
    trims: bool = option(default=True)

    def rewritten(self, samples: pl.DataFrame) -> pl.DataFrame:
        """The completions; those that have nothing to change, which are most, are not copied."""
        text = samples["completion"]
        for old, new in _REPLACED:
            text = _where(text, text.str.contains(old, literal=True), partial(_replaced, old=old, new=new))
        if self.trims:
            ends = pl.select(text.str.head(1) + text.str.tail(1)).to_series()
            text = _where(text, ends.str.contains(r"\s"), lambda few: few.str.strip_chars())
        return samples.with_columns(text.alias("completion"))


def _where(texts: pl.Series, needed: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """The texts, changed where that is needed."""
    if not needed.any():
        return texts
    # What is masked is not changed and costs nothing.
    few = pl.select(pl.when(needed).then(texts)).to_series()
    return pl.select(pl.coalesce(change(few), texts)).to_series()


def _replaced(texts: pl.Series, *, old: str, new: str) -> pl.Series:
    return texts.str.replace_all(old, new, literal=True)
