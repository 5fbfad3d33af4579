"""Words are cut and hashed as a plain reading of their definition says."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.words import _MATH_LETTER, _MATH_LETTERS, LAYOUT, SIGNS, UNSEEN, batches, grams, spread, words_of

SPACELESS = "\u3000-\u9fff\U00020000-\U0003ffff"
WORD = re.compile(rf"[0-9]+|[^\W_{SPACELESS}0-9]+|[^\W_]")
HASHES = [9655124868583665259, 4195387188477202824, 11289965219937860442, 15497129431802628298, 1240194252853529251]
ASCII = st.sampled_from(
    [
        *r"aBz09 \_,.{}$^|~&;<>" + "\n\x00\t",
        *("\\left(", "\\quad", "\\dfrac", "\\tfrac", "\\frac", "\\leq", "\\text{", "left"),
        *("&lt;", "&#39;", "&#x27;", "<br />", "</sup>"),
    ]
)
FOREIGN = st.sampled_from("\u00adéÉßİΣςπ√ﬁ²½①Ａ９＼…“→\u0301\u0338\u200b已知、。〇々ァカﾊﾞ각ᄀ𠀀𝒙😀١_")
# A column holds no lone surrogates.
TEXTS = st.lists(ASCII | FOREIGN | st.characters(codec="utf-8"), max_size=30).map("".join)

OTHER_NAMES = {
    **dict.fromkeys(("dfrac", "tfrac"), "frac"),
    **dict.fromkeys(("dbinom", "tbinom"), "binom"),
    **{f"{name}q": name for name in ("le", "ge", "ne")},
}


ENTITY = "&(?:#[0-9]{1,5}|#[xX][0-9a-fA-F]{1,4}|nbsp|ensp|emsp|thinsp|amp|lt|gt|quot|apos|[lr][sd]quo|[nm]dash);"
TAG = "</?(?:b|i|u|p|br|em|strong|span|div|sub|sup|li|ul|ol)[ \t]*/?>"


def naive_words(text, layout=LAYOUT):
    text = re.sub(TAG, " ", re.sub(ENTITY, " ", text))
    # Signs of other scripts are looked at as far as no ASCII stands between, but for the letter before.
    folded = re.sub(
        r"[A-Za-z0-9]?[^\x00-\x7f]+",
        lambda run: _MATH_LETTER.sub(
            lambda letter: f" {_MATH_LETTERS[letter[0]]} ",
            unicodedata.normalize("NFKC", re.sub(f"[{UNSEEN}]", "", run[0])).casefold(),
        ),
        text,
    ).casefold()
    found = []
    for match in WORD.finditer(folded):
        word, is_command = match.group(), folded[: match.start()].endswith("\\")
        is_short = re.search(r"\\[dtc]?frac$", folded[: match.start()]) and word.isdigit() and len(word) > 1
        if is_command and word in layout:
            continue
        found += [word[0], word[1:]] if is_short else [OTHER_NAMES.get(word, word) if is_command else word]
    return found


def read(text, **options):
    return [word.decode() for word in words_of(pl.Series([text]), **options).of_row(0)]


@given(st.lists(TEXTS | st.none(), max_size=8))
def test_words_are_those_of_the_plain_definition(texts):
    for layout, options in ((LAYOUT, {}), (LAYOUT | SIGNS, {"has_signs": False})):
        words = words_of(pl.Series(texts, dtype=pl.String), **options)
        assert [words.of_row(row) for row in range(len(texts))] == [
            [word.encode() for word in naive_words(text or "", layout)] for text in texts
        ]


@given(st.lists(TEXTS, max_size=8))
def test_numbers_and_characters_are_told(texts):
    words = words_of(pl.Series(texts, dtype=pl.String))
    for place in range(len(words.starts)):
        word = words.word(place).decode()
        assert words.is_digits[place] == bool(re.fullmatch("[0-9]+", word))
        assert words.is_character[place] == bool(re.fullmatch(f"[{SPACELESS}]", word))


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{1}{2}",
        r"\frac 1 2",
        r"\dfrac{ 1 }{ 2 }",
        r"\left( \frac{1}{2} \right)",
        r"\displaystyle\tfrac{1}\,{2}\quad",
        "ＦＲＡＣ １ ２",
    ],
)
def test_other_spellings_of_a_fraction_are_one(text):
    assert read(text) == ["frac", "1", "2"]


def test_other_names_of_commands_and_their_type_are_no_other_words():
    assert read(r"\dbinom{n}{2} \leq \text{max} \mathrm{P} \neq leq") == [
        "binom",
        "n",
        "2",
        "le",
        "max",
        "p",
        "ne",
        "leq",
    ]


@pytest.mark.parametrize(
    "text", ["a/b ≤ 1/2", r"\frac{a}{b} \leq \frac12", r"\cfrac a b <= \dfrac12", r"{a \over b} \le \tfrac{1}{2}"]
)
def test_signs_can_be_left_out(text):
    assert read(text, has_signs=False) == ["a", "b", "1", "2"]


def test_letters_of_mathematics_are_their_commands():
    assert read("2πr√2, ∠ABC: α") == read(r"2 \pi r \sqrt{2} \angle ABC \alpha")
    assert read("λόγον") == ["λόγον"]


def test_markup_is_no_word():
    assert read("Janet&#39;s&nbsp;x<sup>2</sup> &lt; y<br/>") == read("Janet's x^2 < y")
    assert read("Q&A; a<c> and &alpha;") == ["q", "a", "a", "c", "and", "alpha"]


def test_a_short_fraction_has_two_numbers():
    assert read(r"\frac12 \frac{12}{3} \sqrt12 \frac3x") == read(r"\frac 1 2 \frac 12 3 \sqrt 12 \frac 3 x")


def test_what_nobody_sees_cuts_no_word():
    assert read("hexa\u00adgon\u200b \u202aof\u202c si\u2063x") == ["hexagon", "of", "six"]


@pytest.mark.parametrize("text", ["x^2", "x²", "x ^ {2}", "X_2"])
def test_a_power_is_a_letter_and_a_number(text):
    assert read(text) == ["x", "2"]


def test_layout_commands_are_words_where_they_are_english():
    assert read(r"turn left \leftarrow right") == ["turn", "left", "leftarrow", "right"]


def test_chinese_characters_are_words_beside_latin_ones():
    assert read("已知f(x)=2，求x") == ["已", "知", "f", "x", "2", "求", "x"]


def test_a_text_ends_its_last_word():
    words = words_of(pl.Series(["ab", "cd", None, "", "ef"]))
    assert [words.of_row(row) for row in range(5)] == [[b"ab"], [b"cd"], [], [], [b"ef"]]


@given(st.lists(st.text("ab", min_size=1, max_size=90), min_size=2, max_size=12))
def test_hashes_are_equal_where_words_are(texts):
    hashes = words_of(pl.Series(texts)).hashes()
    assert len(hashes) == len(texts)
    assert (hashes[:, None] == hashes[None, :]).tolist() == [[a == b for b in texts] for a in texts]


def test_hashes_are_the_same_with_every_version():
    hashes = words_of(pl.Series(["find 12 已 incomprehensible", "w" * 100])).hashes()
    assert hashes.tolist() == HASHES


def test_masked_numbers_share_a_hash():
    plain = words_of(pl.Series(["a 12 345 b"]))
    masked = plain.hashes(masks_numbers=True)
    assert masked[1] == masked[2]
    assert masked[[0, 3]].tolist() == plain.hashes()[[0, 3]].tolist()


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(1, 18))
def test_grams_are_equal_where_runs_are(values, size):
    hashes = grams(spread(np.array(values, np.uint64) + np.uint64(1)), size)
    runs = [tuple(values[start : start + size]) for start in range(len(values) - size + 1)]
    assert len(hashes) == len(runs)
    assert (hashes[:, None] == hashes[None, :]).tolist() == [[a == b for b in runs] for a in runs]


@given(st.lists(st.text("aé", max_size=9) | st.none(), max_size=20), st.integers(1, 30))
def test_batches_cover_each_text_once(texts, batch_bytes):
    series = pl.Series(texts, dtype=pl.String)
    found = list(batches(series, batch_bytes))
    assert [first for first, _ in found] == np.cumsum([0, *(len(part) for _, part in found)])[: len(found)].tolist()
    assert [text for _, part in found for text in part.to_list()] == texts
    assert all(len(part) == 1 or part.str.len_bytes().fill_null(0).sum() <= batch_bytes for _, part in found)
