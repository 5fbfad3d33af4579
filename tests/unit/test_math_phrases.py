"""Answers without a box, formulas that a question asks to work out, and units: what is read and what is refused."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.equivalence.normal import normalise
from verifier.equivalence.quantities import quantities_equal, read_quantity
from verifier.equivalence.units import read_unit
from verifier.text.asked import asked_formulas
from verifier.text.phrases import last_line, named_answers

PIECES = st.sampled_from(
    [
        *("The answer is ", "答案是", "故选", "Final Answer", ":", "\n", "$", "$$", "\\[", "\\]", "**"),
        *("42", "x", " is ", "because ", "Simplify ", "#### ", ". ", "or ", "\\text{cm}", "^2", "/", "million"),
    ]
)
SOUP = st.lists(PIECES, max_size=30).map("".join)


@given(SOUP)
def test_any_text_is_read_without_raising(text: str) -> None:
    named_answers(text)
    last_line(text)
    asked_formulas(text)
    read_quantity(normalise(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The area of $ABC$ is 5. Final Answer: The area of $ABC$ is 5.", ("5",)),
        ("The answer is 3 by 4.", ("3 by 4",)),
        ("The answer is 5 because 2+3=5.", ("5",)),
        ("The answer is either 4 or the area is 5.", ("either 4 or the area is 5",)),
        ("Answers: $1$ and $2$", ("1", "2")),
        ("The result is 4. The answer is 5. This result is nice.", ("5",)),
        ("nothing here", None),
    ],
)
def test_a_phrase_names_what_a_reader_would_take(text: str, found: tuple[str, ...] | None) -> None:
    assert named_answers(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\n\n42", "42"),
        ("a\n#### 42", "42"),
        ("a\n**42**", "42"),
        ("a\n$$\n42\n$$", "42"),
        ("so $$42$$", "42"),
        ("so 42", None),
        ("we get $42$", "42"),
        ("that is so.\nwe get $42$", None),
        ("we get $42$ or $43$", None),
        ("a\n\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"),
        ("", None),
    ],
)
def test_the_last_line_counts_where_it_is_nothing_but_an_answer(text: str, found: str | None) -> None:
    assert last_line(text) == found


@pytest.mark.parametrize(
    ("text", "formulas"),
    [
        ("Simplify $\\sqrt{50}$.", ["\\sqrt{50}"]),
        ("What is the value of $2^3$?", ["2^3"]),
        ("计算 $5!$ 的值", ["5!"]),
        ("Evaluate 2^10.", ["2^10"]),
        ("Which is larger, $\\frac12$ or $\\frac13$?", []),
    ],
)
def test_what_is_asked_follows_an_order(text: str, formulas: list[str]) -> None:
    assert [asked.formula for asked in asked_formulas(text)] == formulas


@pytest.mark.parametrize(
    ("gold", "answer", "equal"),
    [
        ("1\\text{ m}", "100\\text{ cm}", True),
        ("1\\text{ m}", "1.0\\text{ cm}", False),
        ("1\\text{ m}^2", "10000\\text{ cm}^2", True),
        ("36\\text{ km/h}", "10\\text{ m/s}", True),
        ("60\\text{ miles per hour}", "60\\text{ mph}", True),
        ("\\$1", "100\\text{ cents}", True),
        ("\\$42", "€42", False),
        ("42\\text{ apples}", "42\\text{ pears}", None),
        ("42", "42个苹果", True),
        ("420000", "42万元", True),
        ("36", "3\\text{ dozen}", True),
        ("6.46", "84/13", True),
        ("84/13", "6.46", False),
        ("0.5", "0.46", False),
    ],
)
def test_quantities_are_compared_with_their_units(gold: str, answer: str, *, equal: bool | None) -> None:
    first, second = read_quantity(normalise(gold)), read_quantity(normalise(answer))
    assert first is not None
    assert second is not None
    assert quantities_equal(first, second) is equal


def test_a_compound_unit_is_made_of_its_bases() -> None:
    unit = read_unit("kilometers per hour")
    assert unit is not None
    assert unit.bases == (("length", 1), ("time", -1))
    assert unit.factor == Fraction(1000, 3600)
    assert read_unit("furlongs") is None


@pytest.mark.parametrize(
    "text",
    [
        "answer " * 100_000,
        "the answer is " * 100_000,
        "simplify " * 100_000,
        "$" * 500_000,
        "\n" * 500_000,
        "选" * 300_000,
        "# " * 300_000,
        "\\[" * 200_000 + "\\]",
    ],
)
@pytest.mark.timeout(30)
def test_long_texts_are_read_in_linear_time(text: str) -> None:
    named_answers(text)
    last_line(text)
    asked_formulas(text)
