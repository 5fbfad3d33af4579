"""Which scripts are data, and what their plans say: a claim must hold exactly where the assertion would."""

from __future__ import annotations

import ast
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.sandbox.runner import plan
from verifier.sandbox.runner.plain import Decoder
from verifier.sandbox.runner.plan import NotDataError, plan_of


def steps(text, entry_point="f"):
    return plan_of(text, entry_point)["steps"]


def decoded(node):
    return Decoder().decode(node)


def test_an_assertion_becomes_a_call_and_what_its_value_is_compared_with():
    ((args, pairs, operation, wrapper, operand),) = steps("assert f([1, 2.5], key='a') == (3, {'b': None})")
    assert (decoded(args), pairs, operation, wrapper) == ([[1, 2.5]], {"key": "a"}, "eq", "")
    assert decoded(operand) == (3, {"b": None})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("assert f(1) == 2", ("eq", "", 2)),
        ("assert 2 == f(1)", ("eq", "", 2)),
        ("assert f(1) != 2", ("ne", "", 2)),
        ("assert f(1) is None", ("is", "", None)),
        ("assert f(1)", ("true", "", None)),
        ("assert not f(1)", ("false", "", None)),
        ("assert set(f(1)) == set([1, 2])", ("eq", "set", {1, 2})),
        ("assert sorted(f(1)) == [1]", ("eq", "sorted", [1])),
        ("assert abs(f(1) - 0.5) < 1e-6", ("within", "", [0.5, 1e-6])),
        ("assert abs(0.5 - f(1)) <= 1e-6", ("at_most", "", [0.5, 1e-6])),
        ("assert f(1) == 2, 'what: ' + str(f(1))", ("eq", "", 2)),
        ("assert f(1) == -0.0", ("eq", "", -0.0)),
        ("assert f(1) == 10**20 + 1", ("eq", "", 10**20 + 1)),
        ("assert f(1) == 'ab' * 3", ("eq", "", "ababab")),
        ("assert f(1) == float('inf')", ("eq", "", math.inf)),
    ],
)
def test_claims(text, expected):
    ((_, _, operation, wrapper, operand),) = steps(text)
    found = [decoded(one) for one in operand] if operation in ("within", "at_most") else decoded(operand)
    assert (operation, wrapper, found) == expected
    assert math.copysign(1, found) == math.copysign(1, expected[2]) if isinstance(found, float) else True


@pytest.mark.parametrize(
    "text",
    [
        "M = {'a': 1}\ndef check(candidate):\n    'Says.'\n    assert True\n    assert candidate(1) == 2\ncheck(f)",
        "import math\nfrom typing import List\nassert f(1) == 2",
        "from solution import f\nassert f(1) == 2",
        "def check(candidate):\n    assert f(1) == 2\ncheck(f)",
        "assert f(1) == 2 and f(2) == 3",
    ],
)
def test_what_stands_around_the_assertions_of_public_data_sets_is_passed_over(text):
    assert steps(text)


def test_a_method_is_called_on_one_object():
    assert plan_of("def check(c):\n    assert c(1) == 2\ncheck(Solution().f)", "Solution().f")["name"] == "Solution().f"
    with pytest.raises(NotDataError):
        plan_of("def check(c):\n    assert c(1) == 2\ncheck(Solution().f)\ncheck(Solution().f)", "Solution().f")


@pytest.mark.parametrize(
    "text",
    [
        "assert f(x) == 1",
        "assert f(*[1]) == 1",
        "assert f(**{'a': 1}) == 1",
        "assert f(1)(2) == 3",
        "assert f(f(1)) == 2",
        "assert f(1).x == 2",
        "assert f(1)[0] == 2",
        "assert f(1) == f(2)",
        "assert f(1) < 2",
        "assert 1 < f(1) < 3",
        "assert f(1) in (1, 2)",
        "assert f(1) is 2",
        "assert f(1) == 1 or f(2) == 1",
        "assert f(1) == [x for x in (1,)]",
        "assert g(1) == 2",
        "assert f(1) == {**{}}",
        "assert f(1) == {[]: 1}",
        "assert f(1) == 'a' * 10**9",
        "assert f(1) == 10 ** 10 ** 10",
        "assert f(1) == 1 / 0",
        "assert f(1) == -True",
        "assert f(1) == ...",
        "f(1)",
        "x = f(1)\nassert x == 1",
        "f = 1\nassert f(1) == 2",
        "def f(x): return x\nassert f(1) == 1",
        "from math import *\nassert f(1) == 2",
        "from math import sqrt as f\nassert f(1) == 1",
        "import numpy\nassert f(1) == 2",
        "from solution import g\nassert f(1) == 2",
        "set = 3\nassert set(f(1)) == 2",
        "def check(set):\n    assert set(1) == 2\ncheck(f)",
        "def check(a, b):\n    assert a(1) == 2\ncheck(f)",
        "def check(a=f):\n    assert a(1) == 2\ncheck(f)",
        "@f\ndef check(a):\n    assert a(1) == 2\ncheck(f)",
        "def check(a):\n    a = 3\n    assert a(1) == 2\ncheck(f)",
        "def check(a):\n    assert a(1) == 2\ncheck(g)",
        "def check(a):\n    assert a(1) == 2",
        "for x in (1, 2): assert f(x) == x",
        "try:\n    f(1)\nexcept ValueError: pass",
        "",
    ],
)
def test_whatever_is_more_has_no_plan(text):
    with pytest.raises(NotDataError):
        plan_of(text, "f")


@pytest.mark.parametrize("entry_point", ["set", "sorted", "len", "abs", "tuple", "float", "dict"])
def test_an_entry_point_named_like_what_claims_use_has_no_plan(entry_point):
    with pytest.raises(NotDataError):
        plan_of(f"assert {entry_point}([1]) == [1]", entry_point)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers()
HASHABLE = SCALARS | st.tuples(SCALARS, SCALARS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(HASHABLE, inner) | st.sets(HASHABLE),
    max_leaves=12,
)


PRINTED_IN_ORDER = VALUES.filter(lambda value: "{" not in repr(value)) | st.sets(SCALARS, max_size=1)


@given(value=PRINTED_IN_ORDER)
def test_a_literal_is_read_as_python_reads_it(value):
    text = ast.unparse(ast.parse(repr(value), mode="eval"))
    if any(word in text for word in ("nan", "inf", "set()")):
        return
    try:
        found = plan._literal(ast.parse(text, mode="eval").body)
    except NotDataError:
        return
    assert repr(found) == repr(eval(text))  # noqa: S307 (a literal of our own)
