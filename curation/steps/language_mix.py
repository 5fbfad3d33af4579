"""Step ``language_mix``: reasoning that wanders between the scripts of two languages.

A cheap prefilter by scripts; the language verifier judges by words and knows more languages.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import ClassVar

import numpy as np
import polars as pl

from curation.steps.base import Rule, TextStep, of_the_few, option
from curation.steps.views import Bytes, Flags, Views
from curation.words import spans

CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]"
OTHER = (
    r"[\p{Cyrillic}\p{Armenian}\p{Hebrew}\p{Arabic}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}"
    r"\p{Telugu}\p{Kannada}\p{Malayalam}\p{Sinhala}\p{Thai}\p{Lao}\p{Tibetan}\p{Myanmar}\p{Georgian}\p{Ethiopic}\p{Khmer}"
    r"\p{Mongolian}&&\p{L}]"
)
"""Letters of scripts that are neither CJK nor Latin; Greek ones are signs of mathematics."""

_CJK_LANGUAGES = ("zh", "ja", "ko", "yue")
CJK_PROMPT_PERCENT = 30
_START_BYTES = 512
_BATCH_BYTES = 1 << 17

_SURROGATES = 0xD800, 0xDFFF
_TWO_BYTES, _THREE_BYTES, _FOUR_BYTES = 0xD0, 0xE0, 0xF0
"""First bytes of characters of two, three and four bytes; what is less begins Latin or Greek letters, or none."""
_SIGN, _AFTER_SIGNS = 0xE2, 0xB4
"""First byte of U+2000 to U+2FFF, and the second from U+2D00 on, before which no script stands that is looked for."""
_BEYOND = 0x40000
"""From here on Unicode has no letters of any script."""
_CJK, _OTHER = 1, 2
_MARKS = {OTHER: _OTHER, CJK: _CJK}

_LANGUAGE = (
    r"(?:chinese|mandarin|cantonese|japanese|korean|russian|ukrainian|bulgarian|serbian|arabic|persian|farsi|urdu|hebrew"
    r"|hindi|bengali|tamil|telugu|thai|georgian|armenian)"
)
_ABOUT = (
    r"(?i)transliterat|romaniz|"
    r"\btranslate (?:the |this |these |each )?(?:following )?(?:sentence|text|phrase|word|passage|paragraph|poem|line)|"
    rf"\b(?:in|into|to|from|speaks?|says?|write|read) (?:simplified |traditional |modern |classical )?{_LANGUAGE}\b"
    r"|\b(?:foreign|another|other|original|native) (?:language|tongue|alphabet)"
    rf"|\b{_LANGUAGE} (?:characters?|letters?|words?|names?|idioms?|phrases?|poems?|sentences?|texts?"
    r"|language|script|verbs?|writing|pronunciation|translation|grammar|proverbs?|particles?)\b"
    r"|\b(?:kanji|hiragana|katakana|hangul|hanzi|pinyin|haiku|cyrillic|devanagari)\b"
    r"|英文|英语|英語|翻译|翻譯|翻訳|영어|번역|拼音|单词|單詞|перевод|перевед|по-английски|английск"
).replace(r"\b", r"(?-u:\b)")
"""What a prompt on another language says, or one that asks for an answer in it."""


@dataclass(frozen=True)
class LanguageMix(TextStep):
    r"""Drops reasoning whose letters are of two worlds; ``mixed_languages``.

    Formula, in whole numbers. For a prompt in a Latin-script language: dropped if ``100 c > max_cjk_percent (c + l)``
    with ``c`` the CJK characters (Han, kana, Hangul) of the reasoning and its letters of other scripts than Latin and
    Greek, and ``l`` its letters A-Z and a-z; or if ``c > max_cjk_chars``, as a sentence is a change of language
    however long the rest is. For a prompt in a CJK language: dropped if ``100 w > max_latin_percent (c + w)`` with
    ``c`` the CJK characters and ``w`` the Latin words of two letters or more, LaTeX commands not counted. For one
    with letters of another script, such as Russian: as for Latin script, with ``c`` the CJK characters and ``l`` all
    other letters.

    The prompt's language is the column ``language``, or CJK where at least 30 % of the prompt's letters are. Nothing is
    dropped where the prompt is about another language: it asks for a translation, speaks of Chinese characters, or,
    in Latin script and with no ``language`` named, holds CJK characters. Where there is no reasoning, the whole
    completion is taken. Value: the share in percent, ``100 c / (c + l)`` or ``100 w / (c + w)``; detail: the counts.

    Args:
        max_cjk_percent: greatest share of CJK and other characters under a Latin-script prompt.
        max_latin_percent: greatest share of Latin words under a CJK prompt.
        max_cjk_chars: greatest number of those characters, whatever their share; 0 for no bound.

    Example:
        Prompt ``"What is 2+2?"``: ``"I add 两个数字 and get 4"`` is dropped, ``"I add both and get 4"`` is kept.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), B.3.3, drops "mixed languages" without giving a threshold; 5 % is that of
        allenai/open-instruct's filter, 50 % and 20 characters are this project's.
    """

    name: ClassVar[str] = "language_mix"
    needs_parts: ClassVar[bool] = True
    max_cjk_percent: int = option(5, least=0)
    max_latin_percent: int = option(50, least=0)
    max_cjk_chars: int = option(20, least=0)

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """Counts of characters and words, made only of the texts where they can matter."""
        text, prompt, foreign, is_asked = pl.col("text_"), pl.col("prompt"), pl.col("foreign_"), pl.col("is_asked_")
        language = pl.col("language").str.strip_chars().str.to_lowercase().str.slice(0, 3)
        is_named = language.str.split("-").list.first().is_in(_CJK_LANGUAGES)
        asked_cjk, asked_foreign, asked_letters = (
            pl.col("asked_cjk_"),
            pl.col("asked_foreign_"),
            pl.col("asked_letters_"),
        )
        by_prompt = 100 * asked_cjk >= CJK_PROMPT_PERCENT * (asked_cjk + asked_letters)
        is_cjk = ((asked_cjk > 0) & by_prompt).fill_null(value=False)
        is_wide = _most_foreign(prompt, prompt.str.len_chars()) > 0
        return (
            {
                "text_": pl.coalesce("reasoning", "completion"),
                # Of the whole completion, which is at least that of the reasoning.
                "most_foreign_": _most_foreign(pl.col("completion"), pl.col("chars")),
                "asked_cjk_": _count(prompt, _cjk, where=is_wide),
                "asked_foreign_": _count(prompt, _foreign, where=is_wide),
            },
            {
                "asked_letters_": _count(prompt, _is_letter, where=asked_cjk > 0),
                # Few texts are pure ASCII, and fewer hold CJK: a dash in them must not cost a look at the whole.
                "start_letters_": text.map_batches(_start_letters, return_dtype=pl.Int64),
            },
            {
                "is_asked_": pl.when(language.fill_null("") != "").then(is_named).otherwise(is_cjk),
                "has_other_": (asked_foreign > asked_cjk).fill_null(value=False),
            },
            {"foreign_": _count(text, _foreign, where=is_asked | ~self._are_few())},
            {
                "letters_": _count(text, _is_letter, where=~is_asked & (foreign > 0)),
                "words_": _count(text, _words, where=is_asked),
                "cjk_": _count(text, _cjk, where=(is_asked | pl.col("has_other_")) & (foreign > 0)),
            },
        )

    def _are_few(self) -> pl.Expr:
        """Whether ``most_foreign_`` characters could not drop a text with so many letters at its start."""
        percent, most = self.max_cjk_percent, pl.col("most_foreign_")
        are_few = percent * pl.col("start_letters_") >= max(0, 100 - percent) * most
        return are_few & (most <= self.max_cjk_chars) if self.max_cjk_chars else are_few

    def rules(self) -> Sequence[Rule]:
        """One rule."""
        words, is_asked, has_other, foreign = (
            pl.col(name) for name in ("words_", "is_asked_", "has_other_", "foreign_")
        )
        cjk = pl.col("cjk_").fill_null(0)
        odd = pl.when(is_asked | has_other).then(cjk).otherwise(foreign)
        is_many = odd > self.max_cjk_chars if self.max_cjk_chars else pl.lit(value=False)
        letters = pl.col("letters_") + pl.when(has_other).then(foreign - cjk).otherwise(0)
        drops = (
            pl.when(is_asked)
            .then(100 * words > self.max_latin_percent * (cjk + words))
            .otherwise(is_many | (100 * odd > self.max_cjk_percent * (odd + letters)))
        )
        is_unnamed = pl.col("language").fill_null("") == ""
        holds_cjk = ~is_asked & is_unnamed & (pl.col("asked_cjk_") > 0).fill_null(value=False)
        # Few samples are in doubt, and each prompt is looked at for a dozen expressions.
        asked = pl.when(drops).then("prompt")
        is_about = asked.str.contains(_ABOUT).fill_null(value=False) | holds_cjk
        share = pl.when(is_asked).then(100 * words / (cjk + words)).otherwise(100 * odd / (odd + letters))
        beside = pl.when(is_asked).then(pl.format(", {} Latin words", words)).otherwise(pl.lit(""))
        all_cjk = _count(pl.col("text_"), _cjk, where=pl.lit(value=True))
        kind = pl.when(odd == all_cjk).then(pl.lit("CJK")).otherwise(pl.lit("CJK or other"))
        detail = pl.format("{} {} characters{}", odd, kind, beside)
        return [Rule(reason="mixed_languages", drops=drops & ~is_about, value=share, detail=detail)]


def _most_foreign(text: pl.Expr, chars: pl.Expr) -> pl.Expr:
    # Each takes at least one byte more than one.
    return text.str.len_bytes().cast(pl.Int64) - chars.cast(pl.Int64)


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
    is_cjk: Flags = _scripts(text) == _CJK
    return is_cjk


def _foreign(text: Bytes) -> Flags:
    is_foreign: Flags = _scripts(text) > 0
    return is_foreign


def _scripts(text: Bytes) -> Bytes:
    """Of the first byte of each character: ``_CJK``, ``_OTHER``, or 0 for all else."""
    found = np.zeros(len(text), np.uint8)
    may_lead = text >= _TWO_BYTES
    # Most of what begins so are dashes and signs of mathematics.
    may_lead[:-1] &= (text[:-1] != _SIGN) | (text[1:] >= _AFTER_SIGNS)
    leads = np.flatnonzero(may_lead)
    sizes = 2 + (text[leads] >= _THREE_BYTES) + (text[leads] >= _FOUR_BYTES)
    for size in (2, 3, 4):
        own = leads[sizes == size]
        codes = text[own].astype(np.int32) & (0xFF >> (size + 1))
        for place in range(1, size):
            codes = codes << 6 | (text[own + place] & 0x3F)
        found[own] = _script_table()[np.minimum(codes, _BEYOND)]
    return found


@cache
def _script_table() -> Bytes:
    """The script of each code point before ``_BEYOND``, as the regexes say, and none of that."""
    every = np.arange(_BEYOND + 1, dtype="<u4")
    text = every[(every < _SURROGATES[0]) | (every > _SURROGATES[1])].tobytes().decode("utf-32-le")
    table = np.zeros(len(every), np.uint8)
    for pattern, mark in _MARKS.items():
        found = "".join(pl.Series([text]).str.extract_all(f"{pattern}+")[0])
        table[np.frombuffer(found.encode("utf-32-le"), "<u4")] = mark
    return table


@cache
def characters(*scripts: str) -> str:
    """The characters of ``CJK``, of ``OTHER``, or of both, as a class of ``re``, which knows no scripts."""
    marks = [_MARKS[script] for script in scripts]
    codes = np.flatnonzero(np.isin(_script_table(), marks))
    starts = np.flatnonzero(np.diff(codes, prepend=-1) > 1)
    runs = zip(codes[starts].tolist(), codes[np.append(starts[1:], len(codes)) - 1].tolist(), strict=True)
    return "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in runs) + "]"


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
