"""A verdict's score always fits its outcome."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

import verifier
from verifier.types import CallTest, CodeReference, Framework, Group, MathReference, Outcome, StdioTest, Verdict


@pytest.mark.parametrize("outcome", [Outcome.CORRECT, Outcome.INCORRECT])
def test_what_was_judged_has_a_score(outcome):
    assert Verdict(verifier="v", outcome=outcome, score=0.5, reason="r").score == 0.5
    with pytest.raises(ValueError, match="cannot have the score None"):
        Verdict(verifier="v", outcome=outcome, score=None, reason="r")


@pytest.mark.parametrize("outcome", [Outcome.UNSCORABLE, Outcome.FAILED])
def test_what_was_not_judged_has_none(outcome):
    assert Verdict(verifier="v", outcome=outcome, score=None, reason="r").score is None
    with pytest.raises(ValueError, match="cannot have the score 0"):
        Verdict(verifier="v", outcome=outcome, score=0.0, reason="r")


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_score_is_in_the_unit_interval(score):
    with pytest.raises(ValueError, match="outside"):
        Verdict.correct("v", "r", score=score)


def test_values_are_frozen_and_compare_by_content():
    group = Group(id="a", completions=("x",))
    assert group == Group(id="a", completions=("x",))
    with pytest.raises(dataclasses.FrozenInstanceError):
        group.id = "b"  # type: ignore[misc]  # that is the test


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Group, {"completions": "xy"}, r"Group\.completions: expected tuple, got str"),
        (Group, {"completions": ("x", None)}, r"Group\.completions\[1\]: expected str, got NoneType"),
        (Group, {"completions": ("x",), "id": 5}, r"Group\.id: expected str, got int"),
        (Group, {"completions": ("x",), "prompt": [{"role": "user"}]}, r"Group\.prompt: expected str, got list"),
        (Group, {"completions": ("x",), "reference": {"math": {}}}, r"Group\.reference: .* got dict"),
        (MathReference, {"answers": "12"}, r"answers: expected tuple, got str"),
        (MathReference, {"answers": (12,)}, r"answers\[0\]: expected str, got int"),
        (CallTest, {"args": [1], "expected": "1"}, r"CallTest\.args: expected str, got list"),
        (StdioTest, {"input": "", "output": 1}, r"StdioTest\.output: expected str, got int"),
        (CodeReference, {"language": "python", "stdio": ({},)}, r"stdio\[0\]: expected StdioTest, got dict"),
        (CodeReference, {"language": "python", "time_limit_s": "4"}, r"time_limit_s: expected .* got str"),
        (CodeReference, {"language": "python", "checker": "int main"}, r"checker: expected .* got str"),
        (CodeReference, {"language": "python", "in_place": 1}, r"in_place: expected bool, got int"),
        (CodeReference, {"language": "python", "groups": ("a",)}, r"groups\[0\]: expected TestGroup, got str"),
        (StdioTest, {"input": "", "output": "", "accepted": "1"}, r"StdioTest\.accepted: expected tuple, got str"),
    ],
)
def test_a_field_of_another_type_is_refused_and_named(kind, fields, message):
    defaults = {"id": "a"} if kind is Group else {}
    with pytest.raises(TypeError, match=message):
        kind(**(defaults | fields))


@pytest.mark.parametrize(
    ("kind", "fields"), [(Group, {"id": "a", "completions": ["x"]}), (MathReference, {"answers": ["1"]})]
)
def test_lists_are_taken_for_tuples(kind, fields):
    as_tuples = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    assert kind(**fields) == kind(**as_tuples)
    assert hash(kind(**fields)) == hash(kind(**as_tuples))


def test_a_framework_is_its_name():
    assert CodeReference(language="python", framework=Framework.PYTEST) == CodeReference(
        language="python", framework="pytest"
    )


def test_every_public_name_is_there():
    assert set(verifier.__all__) <= set(dir(verifier))
    assert all(getattr(verifier, name) is not None for name in verifier.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        verifier.nothing  # noqa: B018 - that is the test


def test_the_words_of_the_domain_can_be_imported_without_grpc():
    code = "import sys, verifier; verifier.Group; print(sorted({'grpc', 'sympy', 'docker'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
