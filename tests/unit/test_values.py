"""Whether a call returned what was expected."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import UnscorableError
from verifier.judging.values import parse_expected, value_matches
from verifier.sandbox.runner import plain
from verifier.types import Tolerance


def matches(value, expected: str, **tolerance: float):
    """As a value that a solution returned is compared, by way of the wire."""
    node = json.loads(json.dumps(plain.Encoder(is_json=True).encode(value)))
    allowed = Tolerance(**tolerance) if tolerance else None
    return value_matches(node, parse_expected(expected, "expected"), allowed)


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
        (range(2, 8, 3), "[2, 5]"),
        ([range(0)], "[[]]"),
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
        (range(2), "[1, 0]"),
        (range(10**15), "[0, 1]"),
        ([True], "[1]"),
        (float("nan"), "0"),
        ({10**5000: 1}, '{"1": 1}'),
    ],
)
def test_values_that_are_not(value, expected):
    assert not matches(value, expected)


@pytest.mark.parametrize(
    ("value", "expected", "tolerance"),
    [
        (2.05, "2", {"absolute": 0.2}),
        (2, "2.05", {"absolute": 0.2}),
        ([{"a": (0.1,)}], '[{"a": [0.1000001]}]', {"relative": 1e-5}),
        (1e300, "1.000001e300", {"relative": 1e-5}),
        (float(10**20), str(10**20 + 1), {"relative": 1e-9}),
        (float("inf"), "Infinity", {"absolute": 1}),
        (float("nan"), "NaN", {"absolute": 1}),
    ],
)
def test_numbers_within_the_tolerance_match_wherever_they_stand(value, expected, tolerance):
    assert matches(value, expected, **tolerance)
    assert not matches(value, expected) or value == float("inf") or value != value  # noqa: PLR0124 (NaN)


@pytest.mark.parametrize(
    ("value", "expected", "tolerance"),
    [
        (3, "2", {"absolute": 5}),
        (10**20 + 1, str(10**20), {"relative": 0.5}),
        (True, "1.0", {"absolute": 5}),
        (0.5, "null", {"absolute": 5}),
        ("1.0", "1.1", {"absolute": 5}),
        ("1.0", '"1.1"', {"absolute": 5}),
        ({1.0: 1}, '{"1.1": 1}', {"absolute": 5}),
        ([1.0, 2.0], "[1.0]", {"absolute": 5}),
        (1e308, "Infinity", {"absolute": 1e300, "relative": 0.9}),
        (float("inf"), "1e308", {"absolute": 1e300, "relative": 0.9}),
        (float("-inf"), "Infinity", {"absolute": 5}),
        (float("nan"), "1.0", {"absolute": 5}),
        (1.0, "NaN", {"absolute": 5}),
        (10**400, "1.5", {"relative": 0.9}),
        (1.5, str(10**400), {"relative": 0.9}),
        (2**53 + 1, "9007199254740992.0", {"absolute": 0}),
        (1e308, "-1e308", {"relative": 0.9}),
    ],
)
def test_a_tolerance_covers_floats_alone(value, expected, tolerance):
    assert not matches(value, expected, **tolerance)


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
    for expected in ("1", "[1]", '{"1": 1}', '"a"'):
        assert not value_matches(node, parse_expected(expected, "expected"))


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
