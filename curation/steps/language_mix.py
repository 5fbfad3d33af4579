"""Step ``language_mix``: reasoning that wanders between a CJK language and a Latin-script one.

A cheap prefilter by scripts; the language verifier judges by words and knows more languages.
"""

from __future__ import annotations

import string
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import ClassVar

import numpy as np
import polars as pl

from curation.steps.base import Rule, TextStep, of_the_few, option
from curation.steps.views import Bytes, Flags, Numbers, Views
from curation.words import spans

CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"
_CJK_LANGUAGES = ("zh", "ja", "ko", "yue")
CJK_PROMPT_PERCENT = 30
_START_BYTES = 256
_BATCH_BYTES = 1 << 17

_SURROGATES = 0xD800, 0xDFFF
_THREE_BYTES, _FOUR_BYTES = 0xE1, 0xF0
"""First bytes of characters of three and four bytes; no CJK character has fewer or begins with 0xE0."""


@dataclass(frozen=True)
class LanguageMix(TextStep):
    r"""Drops reasoning whose letters are of two worlds; ``mixed_languages``.

    Formula, in whole numbers. Let ``c`` be the CJK characters (Han, kana, Hangul) of the reasoning. For a prompt in
    a Latin-script language: dropped if ``100 c > max_cjk_percent (c + l)`` with ``l`` its letters A-Z and a-z. For
    a prompt in a CJK language: dropped if ``100 w > max_latin_percent (c + w)`` with ``w`` its Latin words of two
    letters or more, LaTeX commands not counted. The prompt's language is the column ``language``, or CJK where at
    least 30 % of the prompt's letters are. Where there is no reasoning, the whole completion is taken. Value: the share
    in percent, ``100 c / (c + l)`` or ``100 w / (c + w)``; detail: the counts.

    Args:
        max_cjk_percent: greatest share of CJK characters under a Latin-script prompt.
        max_latin_percent: greatest share of Latin words under a CJK prompt.

    Example:
        Prompt ``"What is 2+2?"``: ``"I add 两个数字 and get 4"`` is dropped, ``"I add both and get 4"`` is kept.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), B.3.3, drops "mixed languages" without giving a threshold; 5 % is that of
        allenai/open-instruct's filter, 50 % is this project's.
    """

    name: ClassVar[str] = "language_mix"
    needs_parts: ClassVar[bool] = True
    max_cjk_percent: int = option(5, least=0)
    max_latin_percent: int = option(50, least=0)

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """Counts of characters and words, made only of the texts where they can matter."""
        text, prompt, is_asked = pl.col("text_"), pl.col("prompt"), pl.col("is_asked_")
        language = pl.col("language").str.strip_chars().str.to_lowercase().str.slice(0, 3)
        is_named = language.str.split("-").list.first().is_in(_CJK_LANGUAGES)
        asked_cjk, asked_letters = pl.col("asked_cjk_"), pl.col("asked_letters_")
        by_prompt = 100 * asked_cjk >= CJK_PROMPT_PERCENT * (asked_cjk + asked_letters)
        is_cjk = ((asked_cjk > 0) & by_prompt).fill_null(value=False)
        return (
            {
                "text_": pl.coalesce("reasoning", "completion"),
                # Of the whole completion, which is at least that of the reasoning.
                "most_cjk_": _most_cjk(pl.col("completion"), pl.col("chars")),
                "asked_cjk_": _count(prompt, _cjk, where=_most_cjk(prompt, prompt.str.len_chars()) > 0),
            },
            {
                "asked_letters_": _count(prompt, _is_letter, where=asked_cjk > 0),
                # Few texts are pure ASCII, and fewer hold CJK: a dash in them must not cost a look at the whole.
                "start_letters_": text.map_batches(_start_letters, return_dtype=pl.Int64),
            },
            {"is_asked_": pl.when(language.fill_null("") != "").then(is_named).otherwise(is_cjk)},
            # To look for letters is several times faster than to look for CJK characters.
            {"letters_": _count(text, _is_letter, where=~is_asked & ~self._are_enough(pl.col("start_letters_")))},
            {
                "cjk_": _count(text, _cjk, where=is_asked | ~self._are_enough(pl.col("letters_"))),
                "words_": _count(text, _words, where=is_asked),
            },
        )

    def _are_enough(self, letters: pl.Expr) -> pl.Expr:
        """Whether beside so many letters ``most_cjk_`` characters could not drop a text."""
        percent = self.max_cjk_percent
        return percent * letters >= max(0, 100 - percent) * pl.col("most_cjk_")

    def rules(self) -> Sequence[Rule]:
        """One rule."""
        cjk, words, letters, is_asked = pl.col("cjk_"), pl.col("words_"), pl.col("letters_"), pl.col("is_asked_")
        drops = (
            pl.when(is_asked)
            .then(100 * words > self.max_latin_percent * (cjk + words))
            .otherwise(100 * cjk > self.max_cjk_percent * (cjk + letters))
        )
        share = pl.when(is_asked).then(100 * words / (cjk + words)).otherwise(100 * cjk / (cjk + letters))
        beside = pl.when(is_asked).then(pl.format(", {} Latin words", words)).otherwise(pl.lit(""))
        detail = pl.format("{} CJK characters{}", cjk, beside)
        return [Rule(reason="mixed_languages", drops=drops, value=share, detail=detail)]


def _most_cjk(text: pl.Expr, chars: pl.Expr) -> pl.Expr:
    # A CJK character takes at least two bytes more than one.
    return (text.str.len_bytes().cast(pl.Int64) - chars.cast(pl.Int64)) // 2


def _count(text: pl.Expr, find: Callable[[Bytes], Flags], *, where: pl.Expr) -> pl.Expr:
    def counted(texts: pl.Series) -> Iterator[int]:
        return _counted(texts, find)

    # Both branches of when/then are evaluated, so it is the text that is masked, not the count.
    few = pl.when(where).then(text)
    return few.map_batches(lambda texts: of_the_few(texts, counted, pl.Int64()), return_dtype=pl.Int64)


def _counted(texts: pl.Series, find: Callable[[Bytes], Flags]) -> Iterator[int]:
    """How often something is found in each text, looked for in all of them, one after the other.

    A regex costs by the match, and there may be thousands in a text.
    """
    views = Views(texts)
    bodies = list(views)
    for first, last in spans(views.sizes, _BATCH_BYTES):
        # The break keeps the last word of a text from the first of the next.
        found = find(np.frombuffer(b"\n".join([*(body or b"" for body in bodies[first:last]), b""]), np.uint8))
        ends = np.cumsum(views.sizes[first:last] + 1).tolist()
        yield from (int(np.count_nonzero(found[start:end])) for start, end in pairwise([0, *ends]))


def _cjk(text: Bytes) -> Flags:
    found = np.zeros(len(text), np.bool_)
    leads = np.flatnonzero(text >= _THREE_BYTES)
    is_wide = text[leads] >= _FOUR_BYTES
    found[leads] = _is_cjk(text, leads, 3)
    if is_wide.any():
        found[leads[is_wide]] = _is_cjk(text, leads[is_wide], 4)
    return found


def _is_cjk(text: Bytes, leads: Numbers, size: int) -> Flags:
    """Whether characters of this many bytes are CJK."""
    codes = text[leads].astype(np.int32) & (0xFF >> (size + 1))
    for place in range(1, size):
        codes = codes << 6 | (text[leads + place] & 0x3F)
    is_cjk: Flags = _cjk_table()[codes]
    return is_cjk


@cache
def _cjk_table() -> Flags:
    """Which code points are CJK, as the regex says."""
    every = np.arange(sys.maxunicode + 1, dtype="<u4")
    text = every[(every < _SURROGATES[0]) | (every > _SURROGATES[1])].tobytes().decode("utf-32-le")
    found = "".join(pl.Series([text]).str.extract_all(f"{CJK}+")[0])
    table = np.zeros(len(every), np.bool_)
    table[np.frombuffer(found.encode("utf-32-le"), "<u4")] = True
    return table


def _words(text: Bytes) -> Flags:
    """Where Latin words of two letters or more begin that are no LaTeX commands."""
    is_letter = _is_letter(text)
    found = np.zeros(len(text), np.bool_)
    found[:-1] = is_letter[:-1] & is_letter[1:]
    found[1:] &= ~is_letter[:-1] & (text[:-1] != ord("\\"))
    return found


def _is_letter(text: Bytes) -> Flags:
    # In lower case; what is less than "a" is then far more than 26 letters away, as bytes have no sign.
    return (text | 0x20) - np.uint8(ord("a")) < len(string.ascii_lowercase)


def _start_letters(texts: pl.Series) -> pl.Series:
    """Latin letters among the first bytes of each text."""
    views = Views(texts)
    start = views.bytes_at(np.arange(len(texts)), np.zeros(len(texts), np.int64), _START_BYTES)
    is_letter = _is_letter(start) & (np.arange(_START_BYTES) < views.sizes[:, np.newaxis])
    return pl.Series(is_letter.sum(axis=1, dtype=np.int64))
