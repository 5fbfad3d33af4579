"""Plain data across processes: what crosses, what it becomes, and that nothing of a solution's types does."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections import Counter, OrderedDict, deque, namedtuple
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.sandbox.runner import plain

Point = namedtuple("Point", "x y")  # noqa: PYI024 (its types do not matter)

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(10**60), max_value=10**60)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.fractions()
    | st.dates()
    | st.datetimes()
    | st.times()
    | st.timedeltas()
    | st.builds(range, st.integers(-100, 100), st.integers(-100, 100), st.integers(1, 9))
)
hashables = st.recursive(
    scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=4
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.lists(inner, max_size=3).map(deque)
        | st.sets(hashables, max_size=3)
        | st.dictionaries(hashables, inner, max_size=3)
        | st.dictionaries(hashables, inner, max_size=3).map(OrderedDict)
        | st.builds(Point, inner, inner)
    ),
    max_leaves=12,
)


def crossed(value):
    return plain.decode(json.loads(json.dumps(plain.encode(value))))


@given(values)
def test_a_value_comes_back_equal_and_of_its_type(value):
    back = crossed(value)
    assert back == value
    assert type(back) is type(value) or type(back).__name__ == "Point"


@pytest.mark.parametrize(
    "value",
    [
        Counter("abca"),
        bytearray(b"ab"),
        deque([1, 2], maxlen=2),
        float("inf"),
        -0.0,
        1 << 53,
        -(1 << 53) - 1,
        [10**5000],
        True,
        int,
        ValueError,
        "\ud800",
        {1: {2: {3, 4}}},
        [(1, [2, (3,)])],
    ],
    ids=lambda value: type(value).__name__,
)
def test_rarer_values_cross_too(value):
    back = crossed(value)
    assert back == value
    assert type(back) is type(value)


def test_nan_crosses_as_nan():
    assert math.isnan(crossed(float("nan")))


def test_a_named_tuple_keeps_its_names_and_is_no_class_of_the_sender():
    back = crossed(Point(1, 2))
    assert (back.x, back.y) == (1, 2)
    assert type(back) is not Point


def liar(base):
    """A subclass that says it equals everything, and lies wherever a subclass can."""
    truth = dict.fromkeys(("__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__"), lambda self, other: True)
    return type("Liar", (base,), truth | {"__hash__": lambda self: 0, "__iter__": lambda self: iter(())})


@pytest.mark.parametrize("value", [1, 1.5, "x", [1], (1,), {1: 2}, {1}, frozenset({1}), b"x", deque([1])], ids=repr)
def test_a_subclass_crosses_as_the_plain_type(value):
    back = crossed(liar(type(value))(value))
    assert type(back) is type(value)
    assert back == value
    assert not isinstance(value, str | int | float) or back != "something else"


def test_an_enumeration_of_integers_crosses_as_its_number():
    back = crossed(IntEnum("Colour", "RED GREEN").GREEN)  # type: ignore[attr-defined]
    assert back == 2
    assert type(back) is int


def test_a_liar_about_its_own_type_cannot_cross():
    class Liar:
        @property  # type: ignore[misc]
        def __class__(self):
            return int

    with pytest.raises((plain.PlainError, TypeError)):
        plain.encode(Liar())


@pytest.mark.parametrize(
    "value", [object(), iter([1]), print, lambda: 0, type("Own", (), {}), SystemExit, ...], ids=str
)
def test_what_is_no_data_needs_a_handle(value):
    with pytest.raises(plain.PlainError):
        plain.encode(value)
    assert plain.encode([value], lambda _: {"t": "handle", "h": 0}) == [{"t": "handle", "h": 0}]


def test_nesting_past_the_limit_is_refused_in_both_directions():
    deep: list[object] = []
    for _ in range(plain.MAX_DEPTH + 2):
        deep = [deep]
    with pytest.raises(plain.PlainError):
        plain.encode(deep)
    with pytest.raises(plain.PlainError):
        plain.decode(deep)


def test_a_value_that_holds_itself_is_refused():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(plain.PlainError):
        plain.encode(loop)


@pytest.mark.parametrize(
    "node",
    [
        {},
        {"t": "no such"},
        {"t": "int", "v": "zz"},
        {"t": "int", "v": 5},
        {"t": "set", "v": [[1]]},
        {"t": "dict", "v": [[1]]},
        {"t": "dict", "v": [[[1], 2]]},
        {"t": "Fraction", "v": [1, 0]},
        {"t": "Fraction", "v": [1.5, 2]},
        {"t": "timedelta", "v": [10**30]},
        {"t": "range", "v": [1, 2, 0]},
        {"t": "Decimal", "v": "one"},
        {"t": "datetime", "v": "today"},
        {"t": "bytes", "v": "?"},
        {"t": "handle", "h": 1},
        {"t": "namedtuple", "v": [1], "n": "P", "f": ["__eq__"]},
        {"t": "namedtuple", "v": [1], "n": "P", "f": ["x", "y"]},
        {"t": "namedtuple", "v": [1], "n": "import os", "f": ["x"]},
        {"t": "type", "v": "SystemExit"},
        {"t": "type", "v": "eval"},
        {"t": "ndarray", "v": [1], "d": 5, "s": 5},
        {"t": "complex", "v": ["1", 2]},
    ],
    ids=str,
)
def test_a_damaged_node_is_refused(node):
    with pytest.raises(plain.PlainError):
        plain.decode(node)


nodes = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries(
            {"t": st.sampled_from(["int", "tuple", "set", "dict", "Counter", "Fraction", "Decimal", "range", "bytes"])},
            optional={"v": inner, "n": inner, "f": inner, "d": inner, "s": inner},
        )
    ),
    max_leaves=8,
)


@given(nodes)
def test_any_node_is_decoded_or_refused(node):
    try:
        plain.decode(node)
    except plain.PlainError:
        return


def test_an_array_crosses_with_its_type_and_shape():
    np = pytest.importorskip("numpy")
    array = np.arange(6, dtype="int16").reshape(2, 3)
    back = crossed(array)
    assert np.array_equal(back, array)
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert crossed(np.float32(0.5)) == 0.5
    assert crossed(np.bool_(1)) is True


def test_fractions_decimals_and_dates_are_exact():
    for value in (Fraction(1, 3), Decimal("0.10"), dt.date(2024, 2, 29), dt.timedelta(days=-1, microseconds=1)):
        assert str(crossed(value)) == str(value)
