"""Step ``language_mix``: reasoning that wanders between a CJK language and a Latin-script one.

A cheap prefilter by scripts; the language verifier judges by words and knows more languages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, option

CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"
_LATIN = "[A-Za-z]"
_LATIN_WORD = "[A-Za-z]{2,}"
_COMMAND = r"\\[A-Za-z]{2,}"
_CJK_LANGUAGES = ("zh", "ja", "ko", "yue")
CJK_PROMPT_PERCENT = 30
_START_CHARS = 2_000


@dataclass(frozen=True)
class LanguageMix(TextStep):
    r"""Drops reasoning whose letters are of two worlds; ``mixed_languages``.

    Formula, in whole numbers. Let ``c`` be the CJK characters (Han, kana, Hangul) of the reasoning. For a prompt in
    a Latin-script language: dropped if ``100 c > max_cjk_percent (c + l)`` with ``l`` its letters A-Z and a-z. For
    a prompt in a CJK language: dropped if ``100 w > max_latin_percent (c + w)`` with ``w`` its Latin words of two
    letters or more, LaTeX commands not counted. The prompt's language is the column ``language``, or CJK where at
    least 30 % of the prompt's letters are. Where there is no reasoning, the whole completion is taken.

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
        """Counts of characters and words, each made only of the texts where it can matter."""
        text, prompt = pl.col("text_"), pl.col("prompt")
        language = pl.col("language").str.strip_chars().str.to_lowercase().str.slice(0, 3)
        is_named = language.str.split("-").list.first().is_in(_CJK_LANGUAGES)
        by_prompt = 100 * pl.col("asked_cjk_") >= CJK_PROMPT_PERCENT * (pl.col("asked_cjk_") + pl.col("asked_letters_"))
        is_cjk = pl.when(language.fill_null("") != "").then(is_named).otherwise((pl.col("asked_cjk_") > 0) & by_prompt)
        is_asked, cjk, chars = pl.col("is_asked_"), pl.col("cjk_"), pl.col("chars_")
        is_unclear = (cjk > 0) & (100 * cjk <= self.max_cjk_percent * chars)
        return (
            {
                "text_": pl.coalesce("reasoning", "completion"),
                "asked_cjk_": _count(prompt, CJK, where=_most_cjk(prompt) > 0),
            },
            {
                "asked_letters_": _count(prompt, _LATIN, where=pl.col("asked_cjk_") > 0),
                "chars_": text.str.len_chars().cast(pl.Int64),
                "most_cjk_": _most_cjk(text),
            },
            {"is_asked_": is_cjk, "may_drop_": ~self._has_letters_enough(text, pl.col("most_cjk_"))},
            {"cjk_": _count(text, CJK, where=(pl.col("most_cjk_") > 0) & (is_asked | pl.col("may_drop_")))},
            {
                # Where there are too many CJK characters even if all others were letters, letters need no count.
                "letters_": _count(text, _LATIN, where=~is_asked & is_unclear),
                "words_": _count(text, _LATIN_WORD, where=is_asked) - _count(text, _COMMAND, where=is_asked),
            },
        )

    def _has_letters_enough(self, text: pl.Expr, most_cjk: pl.Expr) -> pl.Expr:
        """Whether a start of the text has so many letters that even ``most_cjk`` characters could not drop it.

        Few texts are pure ASCII, and fewer hold CJK: a dash or a sign in them must not cost a search of the whole.
        """
        percent = self.max_cjk_percent
        if not percent:
            return pl.lit(value=False)
        wanted = most_cjk * max(0, 100 - percent)
        chars = 2 * wanted // percent + 1
        start = pl.when(chars <= _START_CHARS).then(text.str.head(chars)).otherwise(pl.lit(""))
        return percent * start.str.count_matches(_LATIN).cast(pl.Int64) >= wanted

    def rules(self) -> Sequence[Rule]:
        """One rule."""
        cjk, letters, words = pl.col("cjk_"), pl.col("letters_"), pl.col("words_")
        drops = (
            pl.when("is_asked_")
            .then(100 * words > self.max_latin_percent * (cjk + words))
            .otherwise(100 * cjk > self.max_cjk_percent * (cjk + letters))
        )
        return [Rule(reason="mixed_languages", drops=drops)]


def _most_cjk(text: pl.Expr) -> pl.Expr:
    # A CJK character takes at least two bytes more than one.
    return (text.str.len_bytes().cast(pl.Int64) - text.str.len_chars().cast(pl.Int64)) // 2


def _count(text: pl.Expr, pattern: str, *, where: pl.Expr) -> pl.Expr:
    # Both branches of when/then are evaluated, so it is the text that is masked, not the count.
    return pl.when(where).then(text).otherwise(pl.lit("")).str.count_matches(pattern).cast(pl.Int64)
