"""Exact comparison: normal forms, plain numbers, structure, limits; all without a process."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.equivalence import GoldKind, decide, is_list, is_too_complex, normalise, read_gold
from verifier.equivalence.numbers import numbers_equal, read_based, read_number
from verifier.equivalence.quantities import read_quantity
from verifier.equivalence.structure import conflict, split_list

PIECES = st.sampled_from(
    (
        *("1", "23", "000", ".", ",", " ", "-", "+", "\\frac", "{", "}", "(", ")", "[", "]", "\\{", "\\}", "\\text{"),
        *("cm", "m", "x", "=", "\\pm", "\\sqrt", "√", "π", "²", "½", "％", "%", "$", "\\$", "_", "^", "\\circ", "or"),
        *("and", "/", ":", "！", "\\left", "\\right", "\\,", "\\!", "~", "**", "\\overline", "e", "\\times", "10"),
        *("答案", "\ud800", "\\", '"', "!", "\\binom", "\\begin{pmatrix}", "\\end{pmatrix}"),
    )
)
SOUP = st.lists(PIECES, max_size=30).map("".join)
VALUES = st.fractions(max_denominator=10**6)


def forms(value: Fraction) -> list[str]:
    sign, top, bottom = "-" if value < 0 else "", abs(value.numerator), value.denominator
    found = [f"{sign}\\frac{{{top}}}{{{bottom}}}", f"{sign}{top}/{bottom}", f"${sign}\\dfrac{{{top}}}{{{bottom}}}$"]
    found.append(f"x = {sign}\\tfrac{{{3 * top}}}{{{3 * bottom}}}")
    if bottom == 1:
        found += [
            f"{sign}{top}",
            f"{sign}{top}.0",
            f"{sign}{top:,}",
            f"\\text{{{sign}{top}}}",
            f"{sign.replace('-', '−')}{top}.",
        ]
    elif top > bottom:
        found.append(f"{sign}{top // bottom}\\frac{{{top % bottom}}}{{{bottom}}}")
    return found


@given(SOUP)
def test_any_text_is_read_without_raising_and_the_same_when_read_again(text: str) -> None:
    normal = normalise(text)
    again = normalise(normal)
    assert normalise(again) == again
    read_number(normal)
    read_quantity(normal)
    is_list(normal)
    is_too_complex(text)


@given(SOUP, SOUP)
def test_any_two_texts_are_compared_without_raising(one: str, other: str) -> None:
    gold = read_gold(one)
    if gold is not None:
        assert decide(gold, normalise(other)) in (True, False, None)
        assert decide(gold, gold.normal) is True


@given(VALUES, st.data())
def test_equal_numbers_in_different_forms_are_equal(value: Fraction, data: st.DataObject) -> None:
    gold = read_gold(data.draw(st.sampled_from(forms(value))))
    assert gold is not None
    assert decide(gold, normalise(data.draw(st.sampled_from(forms(value))))) is True


@given(VALUES, VALUES, st.data())
def test_different_fractions_are_different_in_every_form(one: Fraction, other: Fraction, data: st.DataObject) -> None:
    gold = read_gold(data.draw(st.sampled_from(forms(one))))
    assert gold is not None
    assert decide(gold, normalise(data.draw(st.sampled_from(forms(other))))) is (one == other)


@given(SOUP, SOUP)
def test_numbers_compare_the_same_both_ways(one: str, other: str) -> None:
    first, second = read_number(normalise(one)), read_number(normalise(other))
    if first is not None and second is not None:
        assert numbers_equal(first, second) == numbers_equal(second, first)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("1/3", "0.333333", True),
        ("1/3", "0.333", False),
        ("2/3", "0.666667", True),
        ("2/3", "0.666666", True),
        ("2/3", "0.666668", False),
        ("3.14", "3.14159", False),
        ("1e-10", "0.0000000001", True),
        ("0.0000001", "0.0000002", False),
        ("1000000.1", "1000000.2", False),
        ("12345678", "12345679", False),
        ("50%", "0.5", True),
        ("50%", "0.05", False),
        ("0.5", "50", False),
    ],
)
def test_decimals_stand_for_what_they_show(one: str, other: str, *, equal: bool) -> None:
    first, second = read_number(normalise(one)), read_number(normalise(other))
    assert first is not None
    assert second is not None
    assert numbers_equal(first, second) is equal
    assert numbers_equal(second, first) is equal


@pytest.mark.parametrize(
    "text", ["", "x", "1+1", "1,2", "(2,345)", "1/0", "--1", "1.2.3", "1e999999", "25_6", "١/x", "9" * 300]
)
def test_what_is_not_plainly_a_number_is_none(text: str) -> None:
    assert read_number(normalise(text)) is None


@pytest.mark.parametrize(
    "text", ["10 miles per hour", "5 pounds/day", "448 mL", "3,000 feet", "\\$7 dollars", "2.5 cups"]
)
def test_a_unit_after_a_number_is_passed_over(text: str) -> None:
    assert read_quantity(normalise(text)) is not None


@pytest.mark.parametrize("text", ["3 or more", "5 squared", "2 x", "3 minus a bit", "4 and 5 cups"])
def test_words_that_change_a_number_are_not_units(text: str) -> None:
    assert read_quantity(normalise(text)) is None


def test_numbers_with_a_base_are_read_with_it() -> None:
    assert read_based("25_6") == (17, 6)
    assert read_based("-11_{2}") == (-3, 2)
    assert read_based("25_5") == (None, 5)
    assert read_based("x_1") is None


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2", ("1", "2")),
        ("1331,1728", ("1331", "1728")),
        ("1,331", ("1,331",)),
        ("(1,2),(3,4)", ("(1,2)", "(3,4)")),
        ("x=1\\text{ or }x=2", ("x=1", "x=2")),
        ("3 and 4", ("3", "4")),
        ("\\frac{1}{2};\\sqrt{2}", ("\\frac{1}{2}", "\\sqrt{2}")),
        ("\\{1,2\\}", ("\\{1,2\\}",)),
        ("coordinates", ("coordinates",)),
    ],
)
def test_a_list_is_split_at_its_top_level(text: str, parts: tuple[str, ...]) -> None:
    assert split_list(text) == parts


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("3", "3 or 4"),
        ("1,2", "1"),
        ("\\{1,2\\}", "(1,2)"),
        ("(1,2)", "[1,2]"),
        ("\\pm 3", "3"),
        ("10\\text{ cm}", "10\\text{ m}"),
    ],
)
def test_answers_of_another_build_are_in_conflict(gold: str, answer: str) -> None:
    assert conflict(gold, answer)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("1,2", "\\{2,1\\}"),
        ("(1,0)", "1,0"),
        ("1\\pm\\sqrt{2}", "1+\\sqrt{2},1-\\sqrt{2}"),
        ("(x,y)=(1,2)", "(1,2)"),
        ("x=1\\text{ or }x=2", "1,2"),
        ("x\\in\\{1,2\\}", "\\{1,2\\}"),
        ("\\{1,2\\}", "\\{1,1,2\\}"),
        ("1\\text{ m}", "100\\text{ cm}"),
        ("5\\text{ cm}", "5"),
        ("(1,2)", "\\langle 1,2\\rangle"),
    ],
)
def test_answers_of_the_same_build_are_not_in_conflict(gold: str, answer: str) -> None:
    assert not conflict(gold, answer)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("5", GoldKind.NUMBER),
        ("east", GoldKind.WORDS),
        ("ABC", GoldKind.WORDS),
        ("xy", GoldKind.EXPRESSION),
        ("\\pi", GoldKind.EXPRESSION),
    ],
)
def test_a_gold_answer_has_a_kind(text: str, kind: GoldKind) -> None:
    gold = read_gold(text)
    assert gold is not None
    assert gold.kind is kind


@pytest.mark.parametrize("text", ["", " ", "$$", "...", "?", "-"])
def test_a_gold_answer_that_says_nothing_is_none(text: str) -> None:
    assert read_gold(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "9^{9^{9^9}}",
        "9**9**9**9",
        "2^{2^{10}}",
        "3^{10000}",
        "5000!",
        "(3!)!",
        "3!!",
        "\\binom{10^6}{5}",
        "\\sum_{k=1}^{10^{8}} k",
        "1" * 500,
        "(" * 70,
        "x" * 5000,
    ],
)
def test_bombs_are_refused(text: str) -> None:
    assert is_too_complex(text)


@pytest.mark.parametrize(
    "text",
    ["2^{100}", "x^{200}-1", "e^{x^2}", "20!", "\\binom{10}{3}", "\\sum_{k=1}^{n} k", "2^{3^2}", "\\int_0^1 x dx"],
)
def test_ordinary_mathematics_is_not(text: str) -> None:
    assert is_too_complex(text) == ""


@pytest.mark.parametrize(
    "piece",
    ["{", "\\text{", "1,", "1 ", "\\frac{1}", "a=", "√(", "^{2", "$", "1\\,", " or ", "1 a ", "²", "!", "\\sum "],
)
@pytest.mark.timeout(30)
def test_a_hostile_answer_of_the_greatest_length_is_compared_at_once(piece: str) -> None:
    text = piece * (4000 // len(piece))
    gold = read_gold("1,2")
    assert gold is not None
    decide(gold, normalise(text))
    is_too_complex(text)
    hostile = read_gold(text)
    if hostile is not None:
        decide(hostile, "5")
