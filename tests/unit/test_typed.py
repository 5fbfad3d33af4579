"""Answers compared by what they are: labelled pairs, and what must hold of every pair."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.equivalence import normalise
from verifier.equivalence.evaluate import exact
from verifier.equivalence.kinds import readings
from verifier.equivalence.signs import NotReadError
from verifier.equivalence.syntax import read
from verifier.equivalence.typed import typed_equal
from verifier.equivalence.values import Scalar

PAIRS = [json.loads(line) for line in Path("tests/cases/equivalence.jsonl").read_text(encoding="utf-8").splitlines()]
SIGNS = st.sampled_from(
    (
        *("1", "12", "0.5", "x", "n", "i", "e", "\\pi", "\\infty", "+", "-", "*", "/", "^", "_", "(", ")", "[", "]"),
        *("{", "}", "\\{", "\\}", "\\frac", "\\sqrt", "\\sqrt[3]", ",", ";", "=", "<", "\\le", "\\ne", "\\in", "\\cup"),
        *(
            "\\setminus",
            "\\mathbb{R}",
            "\\mathbb{Z}",
            "|",
            "!",
            "%",
            "^\\circ",
            "'",
            ":",
            "\\pm",
            "\\sin",
            "\\log",
            "or",
        ),
        *("\\text{cm}", "\\text{ or }", "\\begin{pmatrix}", "\\end{pmatrix}", "&", "\\\\", "\\approx", "\\binom", "C"),
        *("\\lfloor", "\\rfloor", "\\bmod", "\\mid", "f(x)", "1,234", " ", "$", "\\overline{3}", "2:3", "\\vec", "1e5"),
    )
)
SOUP = st.lists(SIGNS, max_size=12).map("".join)


def numbers(top: int = 30) -> st.SearchStrategy[str]:
    return st.integers(0, top).map(str) | st.sampled_from(("0.5", "\\frac{1}{3}", "\\sqrt{2}", "\\pi", "x", "y"))


def expressions() -> st.SearchStrategy[str]:
    return st.recursive(
        numbers(),
        lambda inner: st.one_of(
            st.builds("({})+{}".format, inner, inner),
            st.builds("({})({})".format, inner, inner),
            st.builds(lambda one, other: f"\\frac{{{one}}}{{{other}}}", inner, inner),
            st.builds(lambda one: f"\\sqrt{{{one}}}", inner),
            st.builds("({})^{}".format, inner, st.sampled_from(("2", "3", "{-1}"))),
            st.builds("-({})".format, inner),
        ),
        max_leaves=6,
    )


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{pair['kind']}: {pair['gold']} | {pair['answer']}" for pair in PAIRS])
def test_labelled_pairs(pair: dict[str, object]) -> None:
    found = typed_equal(normalise(str(pair["gold"])), normalise(str(pair["answer"])))
    assert found is pair["equal"]


@given(SOUP, SOUP)
def test_any_text_is_read_or_refused_and_compared_without_an_error(one: str, other: str) -> None:
    try:
        read(normalise(one))
    except NotReadError:
        assert True
    assert typed_equal(normalise(one), normalise(other)) in (True, False, None)


@given(expressions())
def test_an_expression_never_differs_from_itself_in_another_form(text: str) -> None:
    for form in (
        f"({text})+0",
        f"1\\cdot({text})",
        f"-(-({text}))",
        f"\\frac{{2({text})}}{{2}}",
        f"\\left({text}\\right)",
    ):
        assert typed_equal(normalise(text), normalise(form)) is not False


@given(expressions(), st.sampled_from(("1", "0.001", "10^{-9}", "\\frac{1}{1000000}")))
def test_an_expression_never_equals_a_neighbour(text: str, step: str) -> None:
    assert typed_equal(normalise(text), normalise(f"({text})+{step}")) is not True


@given(expressions(), expressions())
def test_expressions_that_are_no_decimals_compare_alike_both_ways(one: str, other: str) -> None:
    if "." not in one + other:
        first, second = normalise(one), normalise(other)
        assert typed_equal(first, second) is typed_equal(second, first)


@given(st.fractions(max_denominator=10**6))
def test_a_fraction_is_read_exactly(value: Fraction) -> None:
    sign = "-" if value < 0 else ""
    text = f"{sign}\\frac{{{abs(value.numerator)}}}{{{value.denominator}}}"
    (found,) = readings(normalise(text))
    assert isinstance(found, Scalar)
    assert exact(found.node) == value


@given(st.integers(-(10**9), 10**9), st.integers(0, 9))
def test_a_decimal_is_read_exactly(whole: int, places: int) -> None:
    text = f"{'-' if whole < 0 else ''}{abs(whole) // 10**places}.{abs(whole) % 10**places:0{max(places, 1)}d}"
    (found,) = readings(normalise(text))
    assert isinstance(found, Scalar)
    assert exact(found.node) == Fraction(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 3000 + "1" + ")" * 3000,
        "1" * 5000,
        "x^" * 1500 + "2",
        "9^{9^{9^9}}",
        "((10!)!)!",
        "\\frac" * 1000,
        "1e999999999",
    ],
)
def test_a_bomb_is_refused_at_once(text: str) -> None:
    normal = normalise(text)
    assert typed_equal(normal, "1") is not True
    assert typed_equal("1", normal) is not True
