"""Plain data across processes: what crosses, what it becomes, and that nothing of a solution's types does."""

from __future__ import annotations

import array
import datetime as dt
import json
import math
import uuid
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from decimal import Decimal
from enum import IntEnum
from fractions import Fraction
from pathlib import PurePosixPath

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


def _kind(value):
    return type(value).__name__


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
        1 << 256,
        (1 << 256) + 1,
        -(1 << 53) - 1,
        [10**5000],
        True,
        ...,
        slice(1, None, 2),
        dt.UTC,
        dt.timezone(dt.timedelta(hours=-3)),
        uuid.UUID(int=5),
        PurePosixPath("a/b"),
        array.array("i", [1, 2]),
        memoryview(b"ab"),
        defaultdict(list, {1: [2]}),
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


@pytest.mark.parametrize("value", [object(), iter([1]), print, lambda: 0, type("Own", (), {}), SystemExit], ids=_kind)
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
        {"t": "ndarray", "v": "AAAA", "d": "<U999999999", "s": [1]},
        {"t": "ndarray", "v": "AAAA", "d": "|O", "s": [1]},
        {"t": "ndarray", "v": [1], "d": "object", "s": [-1]},
        {"t": "ndarray", "v": [1], "d": "object", "s": [10**12]},
        {"t": "ndarray", "v": "AAAAAAAAAAA=", "d": "<i8", "s": [10**12]},
        {"t": "scalar", "v": "", "d": "<i8"},
        {"t": "same", "v": 0},
        {"t": "slice", "v": [1, 2, 3, 4]},
        {"t": "constant", "v": "exit"},
        {"t": "defaultdict", "v": [[1]], "n": "eval"},
        {"t": "keys", "v": [[1]]},
        {"t": "ZoneInfo", "v": "../../etc/passwd"},
        {"t": "UUID", "v": "x"},
        {"t": "array", "v": "AA==", "n": "zz"},
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
    for scalar in (np.float32(0.5), np.bool_(1), np.datetime64("2024-02-29"), np.str_("a"), np.complex64(1j)):
        assert crossed(scalar) == scalar
        assert type(crossed(scalar)) is type(scalar)
    assert crossed(np.array([1, "a", None], dtype=object)).tolist() == [1, "a", None]
    with pytest.raises(plain.PlainError):
        plain.encode(np.zeros(2, dtype=[("x", "i4")]))


def test_a_number_of_numpy_is_plain_for_a_reader_of_json():
    np = pytest.importorskip("numpy")
    assert plain.Encoder(is_json=True).encode([np.int64(3), np.bool_(1), np.float32(0.5)]) == [3, True, 0.5]


@pytest.mark.parametrize("value", [iter([1, 2]), map(int, "12"), {1: 0, 2: 0}.keys(), (n for n in (1, 2))], ids=_kind)
def test_what_is_drawn_item_by_item_is_a_tuple_for_a_reader_of_json(value):
    assert plain.Encoder(is_json=True).encode(value) == {"t": "tuple", "v": [1, 2]}


def lent(*values):
    """The values as they cross with what can be changed in them listed, and the lists of both sides."""
    ours: list[object] = []
    theirs: list[object] = []
    encoder, decoder = plain.Encoder(containers=ours), plain.Decoder(containers=theirs)
    nodes = json.loads(json.dumps([encoder.encode(value) for value in values]))
    return [decoder.decode(node) for node in nodes], ours, theirs


def test_what_stands_in_two_places_is_one_thing_on_the_other_side():
    row = [0]
    (matrix, again), _, _ = lent([row, row], row)
    assert matrix[0] is matrix[1] is again


def test_a_list_that_holds_itself_crosses_where_things_are_listed():
    loop: list[object] = [1]
    loop.append(loop)
    ((back,), _, _) = lent(loop)
    assert back[1] is back


def changed(value, change):
    """The value after a change of what crossed came back."""
    (there,), ours, theirs = lent(value)
    change(there)
    encoder, decoder = plain.Encoder(containers=theirs), plain.Decoder(containers=ours[:])
    states = json.loads(json.dumps([encoder.state(one) for one in theirs[: len(ours)]]))
    for one, state in zip(ours[:], states, strict=True):
        plain.replace(one, decoder.state(state))
    return value


def test_a_change_deep_inside_comes_back_to_the_same_objects():
    row, other = [1, 2], {"a": {1}}
    matrix = changed([row, other], lambda it: (it[0].reverse(), it[1]["a"].add(2), it[1].update(b=it[0]), it.reverse()))
    assert matrix == [other, row]
    assert matrix[1] is row
    assert (row, other) == ([2, 1], {"a": {1, 2}, "b": [2, 1]})
    assert other["b"] is row


@given(st.recursive(st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner)))
def test_no_change_changes_nothing(value):
    before = json.dumps(value)
    assert json.dumps(changed([value], lambda _: None)[0]) == before


def test_a_change_of_another_type_is_none():
    target = [1]
    plain.replace(target, {2: 3})
    assert target == [1]


def test_fractions_decimals_and_dates_are_exact():
    for value in (Fraction(1, 3), Decimal("0.10"), dt.date(2024, 2, 29), dt.timedelta(days=-1, microseconds=1)):
        assert str(crossed(value)) == str(value)
