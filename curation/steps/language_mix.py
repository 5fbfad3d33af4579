"""Step ``language_mix``: reasoning that wanders between a CJK language and a Latin-script one.

A cheap prefilter by scripts; the language verifier judges by words and knows more languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, option

_CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"
_LATIN = "[A-Za-z]"
_LATIN_WORD = "[A-Za-z]{2,}"
_COMMAND = r"\\[A-Za-z]{2,}"
_CJK_LANGUAGES = ("zh", "ja", "ko", "yue")
_CJK_PROMPT_PERCENT = 30


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

    def rules(self) -> Sequence[Rule]:
        """One rule, with its costly counts made only where they can matter."""
        text = pl.coalesce("reasoning", "completion")
        # Each CJK character has at least two bytes more than characters; both branches of when/then are evaluated,
        # so it is the text that is masked.
        is_asked = _is_cjk_prompt()
        may_hold = is_asked | (text.str.len_bytes() - text.str.len_chars() >= 2)  # noqa: PLR2004 - see above
        cjk = _count(text, _CJK, where=may_hold)
        letters = _count(text, _LATIN, where=~is_asked & (cjk > 0))
        words = _count(text, _LATIN_WORD, where=is_asked) - _count(text, _COMMAND, where=is_asked)
        drops = (
            pl.when(is_asked)
            .then(100 * words > self.max_latin_percent * (cjk + words))
            .otherwise(100 * cjk > self.max_cjk_percent * (cjk + letters))
        )
        return [Rule(reason="mixed_languages", drops=drops)]


def _count(text: pl.Expr, pattern: str, *, where: pl.Expr) -> pl.Expr:
    return pl.when(where).then(text).otherwise(pl.lit("")).str.count_matches(pattern).cast(pl.Int64)


def _is_cjk_prompt() -> pl.Expr:
    prompt = pl.col("prompt")
    language = pl.col("language").str.strip_chars().str.to_lowercase().str.slice(0, 3)
    is_given = pl.col("language").is_not_null() & (language != "")
    may_hold = prompt.str.len_bytes() - prompt.str.len_chars() >= 2  # noqa: PLR2004 - as above
    cjk = _count(prompt, _CJK, where=may_hold)
    letters = _count(prompt, _LATIN, where=cjk > 0)
    by_prompt = (cjk > 0) & (100 * cjk >= _CJK_PROMPT_PERCENT * (cjk + letters))
    by_name = language.str.split("-").list.first().is_in(_CJK_LANGUAGES)
    return pl.when(is_given).then(by_name).otherwise(by_prompt)
