from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.text.scripts import LONGEST_WORD, UNITS_PER_WORD, Script, foreign_words, script_of, words


def found(text: str) -> list[tuple[str, Script]]:
    return [(word.text, word.script) for word in words(text)]


def count(text: str) -> Fraction:
    return Fraction(sum(word.units for word in words(text)), UNITS_PER_WORD)


@settings(deadline=None)
@given(text=st.text())
def test_any_text_has_words_in_order_that_stand_where_they_say(text: str) -> None:
    position = 0
    for word in words(text):
        assert position <= word.start < word.end <= len(text)
        assert word.units > 0
        position = word.end


@settings(deadline=None)
@given(first=st.text(), second=st.text())
def test_words_of_two_lines_are_the_words_of_each(first: str, second: str) -> None:
    assert found(first + "\n" + second) == found(first) + found(second)


@pytest.mark.parametrize(
    ("character", "script"),
    [
        ("a", Script.LATIN),
        ("é", Script.LATIN),
        ("Ａ", Script.LATIN),
        ("𝐀", Script.LATIN),
        ("α", Script.GREEK),
        ("я", Script.CYRILLIC),
        ("中", Script.HAN),
        ("𠀀", Script.HAN),
        ("々", Script.HAN),
        ("の", Script.KANA),
        ("カ", Script.KANA),
        ("ｶ", Script.KANA),
        ("한", Script.HANGUL),
        ("ع", Script.ARABIC),
        ("ह", Script.DEVANAGARI),
        ("ไ", Script.THAI),
        ("𐌰", Script.OTHER),
    ],
)
def test_each_letter_has_its_script(character: str, script: Script) -> None:
    assert script_of(character) is script


def test_a_single_letter_is_a_variable_and_no_word() -> None:
    assert found("x + y = я") == []


def test_a_single_syllable_of_korean_is_a_word() -> None:
    assert found("수 x") == [("수", Script.HANGUL)]


def test_scripts_are_split_where_they_meet() -> None:
    assert found("用python写") == [("用", Script.HAN), ("python", Script.LATIN), ("写", Script.HAN)]


def test_han_counts_by_character() -> None:
    assert count("一二三四五六七八") == 5


def test_kana_counts_by_character() -> None:
    assert count("あ" * 17) == 10


def test_marks_belong_to_their_letters() -> None:
    assert count("हिन्दी में") == 2
    assert found("e\u0301te\u0301") == [("e\u0301te\u0301", Script.LATIN)]


@pytest.mark.parametrize("invisible", ["\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad"])
def test_invisible_characters_do_not_break_a_word_into_letters(invisible: str) -> None:
    assert found(invisible.join("hello")) == [("hello", Script.LATIN)]


def test_a_word_with_letters_of_two_alphabets_belongs_to_none() -> None:
    assert found("сat раss") == [("сat", Script.MIXED), ("раss", Script.MIXED)]


def test_a_greek_letter_beside_a_latin_one_is_a_formula() -> None:
    assert found("Δx αβγ") == [("αβγ", Script.GREEK)]


def test_words_glued_together_count_as_several() -> None:
    assert count("a" * LONGEST_WORD) == 1
    assert count("thisiswritten" * 20) == 260 // 6


def test_fullwidth_letters_are_latin() -> None:
    assert found("Ｈｅｌｌｏ") == [("Ｈｅｌｌｏ", Script.LATIN)]


def test_foreign_words_leave_out_the_scripts_of_code_and_mathematics() -> None:
    assert foreign_words("x = 'привет' # 你好 é Δ") == "привет 你好"
    assert foreign_words("plain") == ""
