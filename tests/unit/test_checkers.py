"""Whether what a program gave is what was expected."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import UnscorableError
from verifier.judging.checkers import outputs_match, parse_expected, value_matches
from verifier.sandbox.runner import plain


def matches(value, expected: str):
    """As a value that a solution returned is compared, by way of the wire."""
    return value_matches(json.loads(json.dumps(plain.encode(value))), parse_expected(expected, "expected"))


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
    assert outputs_match(actual, expected)


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
        (b"\xff", "?"),
        ("1\u00a02".encode(), "1 2"),
        (b"5\x00", "5"),
        (b"5 ", "5 6"),
    ],
)
def test_other_outputs_do_not(actual, expected):
    assert not outputs_match(actual, expected)


@given(
    st.lists(st.text(alphabet="ab01.-", min_size=1), max_size=6), st.lists(st.sampled_from([" ", "\n", "\t", "\r\n"]))
)
def test_white_space_never_decides(tokens, gaps):
    spaced = "".join(token + (gaps[at % len(gaps)] if gaps else " ") for at, token in enumerate(tokens))
    assert outputs_match(spaced.encode(), " ".join(tokens))


def test_text_that_no_encoding_has_matches_nothing_by_accident():
    assert not outputs_match(b"\xed\xa0\x80", "\ud800")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        (1.0, "1"),
        (1, "1.0"),
        (-0.0, "0"),
        ("a", '"a"'),
        (None, "null"),
        (True, "true"),
        ([], "[]"),
        ((1, (2, 3)), "[1, [2, 3]]"),
        ([(1, 2)], "[[1, 2]]"),
        ({"a": (1,)}, '{"a": [1]}'),
        ({1: 2}, '{"1": 2}'),
        ({None: 1, True: 2, 1.5: 3}, '{"null": 1, "true": 2, "1.5": 3}'),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
        (10**30, str(10**30)),
        (2**53, "9007199254740992"),
        (2**53 + 1, "9007199254740993"),
        ([10**5000], f"[1{'0' * 5000}]"),
        ({10**300: 1}, json.dumps({str(10**300): 1})),
        ("", '""'),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_values_that_json_says_are_equal(value, expected):
    assert matches(value, expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, "1"),
        (1, "true"),
        (False, "0"),
        (0, "false"),
        (None, "0"),
        (0, "null"),
        ("1", "1"),
        (1, '"1"'),
        ([1], "1"),
        ([1, 2], "[1]"),
        ([1], "[1, 2]"),
        ([2, 1], "[1, 2]"),
        ({1, 2}, "[1, 2]"),
        (frozenset(), "[]"),
        ({}, "[]"),
        ([], "{}"),
        ({"a": 1, "b": 2}, '{"a": 1}'),
        ({1: 2, "1": 2}, '{"1": 2}'),
        ({(1,): 2}, '{"(1,)": 2}'),
        (2**53 + 1, "9007199254740992"),
        (0.3, "0.30000000000000004"),
        (1.0000001, "1"),
        (b"a", '"a"'),
        (1 + 0j, "1"),
        (range(2), "[0, 1]"),
        ([True], "[1]"),
        (float("nan"), "0"),
        ({10**5000: 1}, '{"1": 1}'),
    ],
)
def test_values_that_are_not(value, expected):
    assert not matches(value, expected)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(json_values)
def test_a_value_matches_its_own_json(value):
    assert matches(value, json.dumps(value))


def tupled(value):
    if isinstance(value, list):
        return tuple(tupled(item) for item in value)
    return {key: tupled(item) for key, item in value.items()} if isinstance(value, dict) else value


@given(json_values)
def test_tuples_at_any_depth_are_equal_to_lists(value):
    assert matches(tupled(value), json.dumps(value))


@given(json_values, json_values)
def test_values_that_differ_in_python_do_not_match(left, right):
    if matches(left, json.dumps(right)) and "NaN" not in json.dumps(left):
        assert left == right


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("tvnfdsh"), inner, max_size=3),
    max_leaves=10,
)


@given(anything, json_values)
def test_any_forged_value_is_compared_without_trouble(node, expected):
    assert value_matches(node, expected) in (True, False)


@pytest.mark.parametrize(
    "node",
    [
        {"t": "Fraction", "v": [{"t": "int", "v": "0x1" + "7" * 400_000}, {"t": "int", "v": "0x3" + "5" * 400_000}]},
        {"t": "set", "v": [{"t": "int", "v": hex(i * ((1 << 61) - 1))} for i in range(60_000)]},
        {"t": "ndarray", "v": ["a"] * 9, "d": "S2000000000", "s": [9]},
        {"t": "Decimal", "v": "1e999999999"},
        {"t": "dict", "v": [[{"t": "int", "v": "0x" + "f" * 2_000_000}, 1]]},
        {"t": "int", "v": "0x" + "f" * 8_000_000},
    ],
    ids=["fraction", "set", "array", "decimal", "key", "integer"],
)
def test_a_forged_value_cannot_cost_the_judge_its_time(node):
    started = time.process_time()
    for expected in ("1", "[1]", '{"1": 1}', '"a"'):
        assert not value_matches(node, parse_expected(expected, "expected"))
    assert time.process_time() - started < 1.0


def test_nesting_past_the_limit_is_no_match():
    text = "[" * 300 + "]" * 300
    assert not value_matches(json.loads(text), json.loads(text))


@pytest.mark.parametrize("text", ["", "nope", "[1", "{1: 2}", "'a'", "[" * 100_000, "1 2"])
def test_an_expected_value_that_is_no_json_names_its_field(text):
    with pytest.raises(UnscorableError, match=r"calls\[3\]\.expected") as error:
        parse_expected(text, "calls[3].expected")
    assert error.value.reason == "bad_reference"


def test_an_expected_integer_may_have_any_number_of_digits():
    assert parse_expected("1" + "0" * 9999, "expected") == 10**9999
    assert parse_expected(str(math.factorial(1000)), "expected") == math.factorial(1000)
