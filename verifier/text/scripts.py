"""Words of a text by Unicode script, counted the way that R1's share of target-language words needs.

A word is a run of two or more letters with the marks and invisible characters between them; single letters are the
variables of mathematics. Scripts written without spaces are counted by character and divided by the length of their
words. All counts are integers in units of ``UNITS_PER_WORD``, so a share is exact and the same everywhere.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

UNITS_PER_WORD = 136
"""Divisible by the 8 of Han, the 17 of kana and the 4 of Thai."""

LONGEST_WORD = 40
"""A longer run of letters is several words glued together."""

_GLUED_LETTERS = 6


class Script(Enum):
    """The scripts that are told apart."""

    LATIN = "Latin"
    GREEK = "Greek"
    CYRILLIC = "Cyrillic"
    ARMENIAN = "Armenian"
    HEBREW = "Hebrew"
    ARABIC = "Arabic"
    DEVANAGARI = "Devanagari"
    BENGALI = "Bengali"
    GURMUKHI = "Gurmukhi"
    GUJARATI = "Gujarati"
    ODIA = "Odia"
    TAMIL = "Tamil"
    TELUGU = "Telugu"
    KANNADA = "Kannada"
    MALAYALAM = "Malayalam"
    SINHALA = "Sinhala"
    THAI = "Thai"
    LAO = "Lao"
    TIBETAN = "Tibetan"
    MYANMAR = "Myanmar"
    GEORGIAN = "Georgian"
    ETHIOPIC = "Ethiopic"
    KHMER = "Khmer"
    HANGUL = "Hangul"
    KANA = "kana"
    HAN = "Han"
    MIXED = "mixed"
    """Look-alike letters of two alphabets in one word; a word of no language."""
    OTHER = "other"


_BLOCKS: tuple[tuple[int, int, Script], ...] = (
    (0x0041, 0x024F, Script.LATIN),
    (0x0250, 0x02FF, Script.LATIN),
    (0x0370, 0x03FF, Script.GREEK),
    (0x0400, 0x052F, Script.CYRILLIC),
    (0x0530, 0x058F, Script.ARMENIAN),
    (0x0590, 0x05FF, Script.HEBREW),
    (0x0600, 0x06FF, Script.ARABIC),
    (0x0750, 0x077F, Script.ARABIC),
    (0x08A0, 0x08FF, Script.ARABIC),
    (0x0900, 0x097F, Script.DEVANAGARI),
    (0x0980, 0x09FF, Script.BENGALI),
    (0x0A00, 0x0A7F, Script.GURMUKHI),
    (0x0A80, 0x0AFF, Script.GUJARATI),
    (0x0B00, 0x0B7F, Script.ODIA),
    (0x0B80, 0x0BFF, Script.TAMIL),
    (0x0C00, 0x0C7F, Script.TELUGU),
    (0x0C80, 0x0CFF, Script.KANNADA),
    (0x0D00, 0x0D7F, Script.MALAYALAM),
    (0x0D80, 0x0DFF, Script.SINHALA),
    (0x0E00, 0x0E7F, Script.THAI),
    (0x0E80, 0x0EFF, Script.LAO),
    (0x0F00, 0x0FFF, Script.TIBETAN),
    (0x1000, 0x109F, Script.MYANMAR),
    (0x10A0, 0x10FF, Script.GEORGIAN),
    (0x1100, 0x11FF, Script.HANGUL),
    (0x1200, 0x139F, Script.ETHIOPIC),
    (0x1780, 0x17FF, Script.KHMER),
    (0x1C80, 0x1C8F, Script.CYRILLIC),
    (0x1C90, 0x1CBF, Script.GEORGIAN),
    (0x1D00, 0x1DBF, Script.LATIN),
    (0x1E00, 0x1EFF, Script.LATIN),
    (0x1F00, 0x1FFF, Script.GREEK),
    (0x2071, 0x209C, Script.LATIN),
    (0x2100, 0x218F, Script.LATIN),
    (0x24B6, 0x24E9, Script.LATIN),
    (0x2C60, 0x2C7F, Script.LATIN),
    (0x2DE0, 0x2DFF, Script.CYRILLIC),
    (0x2E80, 0x2FDF, Script.HAN),
    (0x3005, 0x3007, Script.HAN),
    (0x3021, 0x303B, Script.HAN),
    (0x3041, 0x30FF, Script.KANA),
    (0x3105, 0x312F, Script.HAN),
    (0x3131, 0x318F, Script.HANGUL),
    (0x31A0, 0x31BF, Script.HAN),
    (0x31F0, 0x31FF, Script.KANA),
    (0x3400, 0x4DBF, Script.HAN),
    (0x4E00, 0x9FFF, Script.HAN),
    (0xA640, 0xA69F, Script.CYRILLIC),
    (0xA720, 0xA7FF, Script.LATIN),
    (0xA960, 0xA97F, Script.HANGUL),
    (0xAB30, 0xAB6F, Script.LATIN),
    (0xAC00, 0xD7FF, Script.HANGUL),
    (0xF900, 0xFAFF, Script.HAN),
    (0xFB00, 0xFB06, Script.LATIN),
    (0xFB13, 0xFB17, Script.ARMENIAN),
    (0xFB1D, 0xFB4F, Script.HEBREW),
    (0xFB50, 0xFDFF, Script.ARABIC),
    (0xFE70, 0xFEFC, Script.ARABIC),
    (0xFF21, 0xFF5A, Script.LATIN),
    (0xFF66, 0xFF9F, Script.KANA),
    (0xFFA0, 0xFFDC, Script.HANGUL),
    (0x1AFF0, 0x1B16F, Script.KANA),
    (0x1D400, 0x1D7FF, Script.LATIN),
    (0x20000, 0x3FFFF, Script.HAN),
)
"""Blocks of letters, in order; what lies between belongs to ``OTHER``."""

_STARTS = tuple(first for first, _, _ in _BLOCKS)

_CHARACTER_UNITS: Mapping[Script, int] = MappingProxyType(
    {
        Script.HAN: 85,  # 1.6 characters a word
        Script.KANA: 80,  # 1.7
        Script.THAI: 34,  # 4
        Script.LAO: 34,
        Script.KHMER: 34,
        Script.MYANMAR: 34,
        Script.TIBETAN: 34,
    }
)
"""Scripts without spaces between words: what one letter is worth."""

_SHORT_WORDS = frozenset(
    {
        *(Script.HANGUL, Script.ETHIOPIC, Script.DEVANAGARI, Script.BENGALI, Script.GURMUKHI, Script.GUJARATI),
        *(Script.ODIA, Script.TAMIL, Script.TELUGU, Script.KANNADA, Script.MALAYALAM, Script.SINHALA),
    }
)
"""Scripts of syllables, whose single letters are words and never variables."""

_LOOK_ALIKES = frozenset({Script.LATIN, Script.CYRILLIC, Script.ARMENIAN})
"""Alphabets with letters of the same shape; Greek is left out, since Δx is honest mathematics."""


_SCRIPTS_OF_CODE = frozenset({Script.LATIN, Script.GREEK, Script.OTHER})
_IN_WORDS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Cf"})
_LAST_LETTER = 0x3FFFF


class Word(NamedTuple):
    """A run of letters of one script; a tuple, since a text has hundreds of thousands.

    Args:
        text: as it stands, invisible characters taken out.
        script: of its letters.
        units: what it counts, in units of ``UNITS_PER_WORD``.
        start: where it stands in the text.
        end: where it ends.
    """

    text: str
    script: Script
    units: int
    start: int
    end: int


@cache
def script_of(character: str) -> Script:
    """The script of one letter; OTHER for what is in no block of the table."""
    code = ord(character)
    index = bisect_right(_STARTS, code) - 1
    if index >= 0 and code <= _BLOCKS[index][1]:
        return _BLOCKS[index][2]
    return Script.OTHER


def words(text: str) -> Iterator[Word]:
    """The words of a text in order; linear in its length."""
    for found in _runs().finditer(text):
        run = found.group()
        if run.isascii():
            if len(run) > 1:
                yield Word(run, Script.LATIN, _letters_units(len(run)), found.start(), found.end())
        else:
            yield from _split(run, found.start())


def letter_runs(text: str) -> Iterator[re.Match[str]]:
    """Runs of letters of any script, with their marks and the invisible characters among them."""
    return _runs().finditer(text)


def foreign_words(text: str) -> str:
    """Only what is written in scripts that neither code nor mathematics uses, the rest as spaces."""
    return "" if text.isascii() else " ".join(_foreign_runs().findall(text))


class _Part(NamedTuple):
    """Part of a run that is of one script, with its count of letters, marks aside."""

    script: Script
    text: str
    letters: int
    offset: int


def _split(run: str, start: int) -> Iterator[Word]:
    """A run of letters in its parts of one script each."""
    parts: list[_Part] = []
    script = Script.OTHER
    begin = letters = 0
    for index, character in enumerate(run):
        category = unicodedata.category(character)[0]
        if category != "L":
            continue  # a mark or an invisible character stays with the letter before
        own = script_of(character)
        if letters and own is not script:
            parts.append(_Part(script, run[begin:index], letters, begin))
            begin, letters = index, 0
        script = own
        letters += 1
    if letters:
        parts.append(_Part(script, run[begin:], letters, begin))
    yield from _parts_as_words(parts, start)


def _parts_as_words(parts: list[_Part], start: int) -> Iterator[Word]:
    position = 0
    while position < len(parts):
        first = position
        position += 1
        while position < len(parts) and {parts[position].script, parts[position - 1].script} <= _LOOK_ALIKES:
            position += 1
        joined = parts[first:position]
        script = joined[0].script if len(joined) == 1 else Script.MIXED
        letters = sum(part.letters for part in joined)
        units = _CHARACTER_UNITS.get(script)
        if units is None and letters < 2 and script not in _SHORT_WORDS:  # noqa: PLR2004 - a lone letter
            continue
        text = "".join(part.text for part in joined)
        begin = start + joined[0].offset
        yield Word(
            _visible(text),
            script,
            _letters_units(letters) if units is None else units * letters,
            begin,
            begin + len(text),
        )


def _letters_units(letters: int) -> int:
    return UNITS_PER_WORD * (1 if letters <= LONGEST_WORD else letters // _GLUED_LETTERS)


def _visible(text: str) -> str:
    return text if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Cf")


@cache
def _runs() -> re.Pattern[str]:
    """Matches letters with their marks and the invisible characters among them."""
    return _class_of(lambda c: unicodedata.category(c) in _IN_WORDS)


@cache
def _foreign_runs() -> re.Pattern[str]:
    """Matches runs of letters, with their marks, that are neither Latin nor Greek."""
    return _class_of(lambda c: unicodedata.category(c) in _IN_WORDS and script_of(c) not in _SCRIPTS_OF_CODE)


def _class_of(belongs: Callable[[str], bool]) -> re.Pattern[str]:
    """One character class, repeated: matched in linear time whatever the text."""
    ranges: list[str] = []
    first: int | None = None
    for code in range(_LAST_LETTER + 2):
        is_in = code <= _LAST_LETTER and belongs(chr(code))
        if is_in and first is None:
            first = code
        elif not is_in and first is not None:
            ranges.append(f"\\U{first:08x}-\\U{code - 1:08x}")
            first = None
    return re.compile(f"[{''.join(ranges)}]+")
