"""Whether a program printed what was expected."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.judging.outputs import matcher
from verifier.types import Comparison, Tolerance


def matches(actual: bytes, expected: str, comparison=Comparison.TOKENS, **tolerance: float):
    allowed = Tolerance(**tolerance) if tolerance else None
    return matcher(comparison, allowed)(actual, expected.encode("utf-8", "replace"))


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (b"1 2\n", "1 2\n"),
        (b"1 2", "1 2\n"),
        (b"1  2 \n\n", "1 2"),
        (b"1\n2\n", "1 2"),
        (b"1\r\n2\r\n", "1\n2\n"),
        (b"", ""),
        (b"\n \t", ""),
        ("é\n".encode(), "é"),
        (b"a\x0bb", "a b"),
    ],
)
def test_outputs_with_the_same_tokens_match(actual, expected):
    assert matches(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (b"12", "1 2"),
        (b"1 2 3", "1 2"),
        (b"1", "1 2"),
        (b"YES", "yes"),
        (b"1.0", "1"),
        (b"0.333333", "0.333334"),
        (b"1 2", "2 1"),
        (b"", "0"),
        (b"0", ""),
        (b"\xff", "?"),
        ("1\u00a02".encode(), "1 2"),
        (b"5\x00", "5"),
        (b"5 ", "5 6"),
        (b"5 6 7 8 9", "5 6"),
    ],
)
def test_other_outputs_do_not(actual, expected):
    assert not matches(actual, expected)


@pytest.mark.parametrize(
    ("actual", "expected", "comparison", "is_match"),
    [
        (b"Yes NO", "YES\nno\n", Comparison.TOKENS_IGNORE_CASE, True),
        (b"Yes NO", "YES\n", Comparison.TOKENS_IGNORE_CASE, False),
        ("É".encode(), "é", Comparison.TOKENS_IGNORE_CASE, False),
        ("\u212a".encode(), "k", Comparison.TOKENS_IGNORE_CASE, False),
        (b"a b \t\r\nc\n\n \n", "a b\nc", Comparison.LINES, True),
        (b"a b\nc", "a b\nc\n\n", Comparison.LINES, True),
        (b"a  b", "a b", Comparison.LINES, False),
        (b" a", "a", Comparison.LINES, False),
        (b"a\n\nb", "a\nb", Comparison.LINES, False),
        (b"\na", "a", Comparison.LINES, False),
        (b"a\nb\nc", "a\nb", Comparison.LINES, False),
        (b"A", "a", Comparison.LINES, False),
        (b"", "\n", Comparison.LINES, True),
        (b"a\n", "a\n", Comparison.EXACT, True),
        (b"a", "a\n", Comparison.EXACT, False),
        (b"a\r\n", "a\n", Comparison.EXACT, False),
    ],
)
def test_each_comparison_has_its_own_rules(actual, expected, comparison, is_match):
    assert matches(actual, expected, comparison) is is_match


@pytest.mark.parametrize(
    ("actual", "expected", "tolerance"),
    [
        (b"0.333333", "0.3333334", {"absolute": 1e-6}),
        (b"1e5", "100000.0", {"absolute": 1e-9}),
        (b"+1.", "1", {"absolute": 0}),
        (b".5", "0.50", {"relative": 0}),
        (b"-0", "0", {"absolute": 0}),
        (b"1000001", "1000000", {"relative": 1e-6}),
        (b"0.3", "0.2", {"absolute": 0.1}),
        (b"x 1.0 y", "x 1.00000001 y", {"relative": 1e-6}),
        (b"INF -Infinity NaN", "+inf -INF nan", {"absolute": 1e-6}),
        (b"-nan", "nan", {"absolute": 1e-6}),
        (b"1" + b"0" * 400, "1" + "0" * 399 + "1", {"absolute": 1}),
        (b"1e-999999", "0", {"absolute": 1e-9}),
    ],
)
def test_numbers_within_the_tolerance_match(actual, expected, tolerance):
    assert matches(actual, expected, **tolerance)


@pytest.mark.parametrize(
    ("actual", "expected", "tolerance"),
    [
        (b"0.33333", "0.3333334", {"absolute": 1e-6}),
        (b"0.30000000000000000001", "0.2", {"absolute": 0.1}),
        (b"1000000000000000001", "1000000000000000000", {"absolute": 0.5}),
        (b"9007199254740993", "9007199254740992", {"absolute": 0.5}),
        (b"inf", "1e999999", {"relative": 0.9}),
        (b"1e999999", "inf", {"relative": 0.9}),
        (b"inf", "-inf", {"absolute": 1}),
        (b"nan", "0", {"absolute": 1e300}),
        (b"0", "nan", {"absolute": 1e300}),
        (b"1e400", "2e400", {"relative": 0.4}),
        (b"0x10", "16", {"absolute": 1}),
        (b"1_0", "10", {"absolute": 1}),
        ("٣".encode(), "3", {"absolute": 1}),
        (b"1e", "1", {"absolute": 1}),
        (b"1.5.0", "1.5", {"absolute": 1}),
        (b".", "0", {"absolute": 1}),
        (b"1,0", "1", {"absolute": 1}),
        (b"1e1000000", "1e1000001", {"absolute": 1}),
        (b"naninity", "nan", {"absolute": 1}),
        (b"2", "2 2", {"absolute": 1}),
        (b"2 2 2", "2 2", {"absolute": 1}),
        (b"yes", "YES", {"absolute": 1}),
        (b"0", "1e-3", {"relative": 0.5}),
    ],
)
def test_a_tolerance_reaches_no_further(actual, expected, tolerance):
    assert not matches(actual, expected, **tolerance)


def test_case_and_tolerance_go_together():
    assert matches(b"Case 1.0E0", "CASE 1.0000001", Comparison.TOKENS_IGNORE_CASE, absolute=1e-6)
    assert not matches(b"Case 1.0E0", "CASE 1.0000001", absolute=1e-6)


tokens = st.lists(st.text(alphabet="aB01.-e+", min_size=1, max_size=6), max_size=6)


@given(tokens, st.lists(st.sampled_from([" ", "\n", "\t", "\r\n"])))
def test_white_space_never_decides(words, gaps):
    spaced = "".join(word + (gaps[at % len(gaps)] if gaps else " ") for at, word in enumerate(words))
    assert matches(spaced.encode(), " ".join(words))
    assert matches(spaced.encode(), " ".join(words), absolute=0)


@given(st.text(), st.sampled_from(Comparison), st.sampled_from([{}, {"absolute": 1e-9}, {"relative": 0.1}]))
def test_every_text_matches_itself(text, comparison, tolerance):
    assert matches(text.encode("utf-8", "replace"), text, comparison, **tolerance)


@given(tokens, tokens)
def test_without_a_tolerance_only_the_same_tokens_match(left, right):
    assert matches(" ".join(left).encode(), " ".join(right)) == (left == right)


decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6)
small = st.sampled_from([0.0, 1e-6, 0.1, 0.5, 2.0])


@given(decimals, decimals, small, small.filter(lambda number: number < 1))
def test_the_tolerance_is_the_formula_exactly(a, b, absolute, relative):
    difference = abs(Fraction(a) - Fraction(b))
    allowed = max(Fraction(str(absolute)), Fraction(str(relative)) * abs(Fraction(b)))
    assert matches(f"{a}".encode(), f"{b}", absolute=absolute, relative=relative) == (difference <= allowed)


def test_text_that_no_encoding_has_matches_nothing_by_accident():
    assert not matches(b"\xed\xa0\x80", "\ud800")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (b"1" * 1_000_000, "2" * 1_000_000),
        (b"0." + b"3" * 1_000_000, "1e999999"),
        (b"1" * 1_000_000 + b"e999999", "1" * 1_000_000 + "e-999999"),
        (b"1e999999", "1e-999999"),
        (b"1 " * 1_000_000, "1"),
        (b"+" * 1_000_000, "1"),
    ],
    ids=["integers", "fraction", "exponents", "far apart", "many", "signs"],
)
def test_long_numbers_are_compared_at_once(actual, expected):
    assert not matches(actual, expected, absolute=1e-6, relative=1e-6)
