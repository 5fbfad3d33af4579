"""Step ``long_paragraph``: reasoning that is a wall of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from curation.steps.base import Rule, TextStep, option
from curation.steps.views import find

_BREAK = "\n\n"
BLANK_LINES = r"\r?\n[ \t\r]*\n\s*"
_LIST_LINES, _LIST_LINE_CHARS = 10, 60


@dataclass(frozen=True)
class LongParagraph(TextStep):
    r"""Drops reasoning with a paragraph that is too long; ``long_paragraph``.

    Formula: the greatest ``len_chars`` of the parts of the reasoning between blank lines is over ``max_chars``. A part
    of ten lines or more, none of them over 60 characters, is a table, a list or a derivation and no
    paragraph. Where there is no reasoning, the whole completion is taken. Value: that length; detail: the start of the
    paragraph.

    Args:
        max_chars: greatest length of a paragraph.

    Example:
        With ``max_chars = 20``, thirty letters in one paragraph are dropped, and kept as two of fifteen.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), B.3.3, drops "long paragraphs" without giving a threshold; 2,000 is this
        project's.
    """

    name: ClassVar[str] = "long_paragraph"
    needs_parts: ClassVar[bool] = True
    max_chars: int = option(2_000, least=1)

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """The longest paragraph, in characters where its bytes are too many.

        Breaks without white space between are found by one literal search, as a counted regex is hundreds of times
        slower; where a paragraph seems too long by that, all blank lines count.
        """
        text, size = pl.col("text_"), pl.col("size_")
        long, wide = (pl.when(pl.col(name) > self.max_chars).then(text) for name in ("size_", "widest_"))
        return (
            {"text_": pl.coalesce("reasoning", "completion")},
            {"size_": text.str.len_bytes().cast(pl.Int64)},
            {"widest_": pl.map_batches([long, size], _widest, return_dtype=pl.Int64)},
            {"longest_": _longest(wide)},
        )

    def rules(self) -> Sequence[Rule]:
        """One rule."""
        longest, text = pl.col("longest_"), pl.col("text_")
        paragraph = _parts(text).list.eval(pl.element().sort_by(_prose(pl.element()), descending=True)).list.first()
        drops = longest > self.max_chars
        return [Rule(reason="long_paragraph", drops=drops, value=longest, detail=paragraph.str.strip_chars_start())]


def prose_chars(part: str) -> int:
    """What is measured of one part."""
    lines = part.split("\n")
    return 0 if len(lines) >= _LIST_LINES and max(map(len, lines)) <= _LIST_LINE_CHARS else len(part)


def _parts(text: pl.Expr) -> pl.Expr:
    return text.str.split(BLANK_LINES, literal=False)


def _longest(text: pl.Expr) -> pl.Expr:
    return _parts(text).list.eval(_prose(pl.element())).list.max()


def _prose(part: pl.Expr) -> pl.Expr:
    """The characters of a part; none where it is a list."""
    has_few = part.str.count_matches("\n", literal=True) < _LIST_LINES - 1
    return (
        pl.when(has_few | part.str.contains(rf"[^\n]{{{_LIST_LINE_CHARS + 1}}}"))
        .then(part.str.len_chars())
        .otherwise(0)
    )


def _widest(columns: Sequence[pl.Series]) -> pl.Series:
    """Bytes of the longest paragraph of each text, all of them where there is no text."""
    texts, sizes = columns
    counts, places = find(texts, (_BREAK,))
    # The end of a text is one break more.
    stops = np.insert(places, np.cumsum(counts), sizes.to_numpy())
    first = np.cumsum(counts) - counts + np.arange(len(counts))
    starts = np.roll(stops, 1) + len(_BREAK)
    starts[first] = 0
    return pl.Series(np.maximum.reduceat(stops - starts, first) if len(first) else [], dtype=pl.Int64)
