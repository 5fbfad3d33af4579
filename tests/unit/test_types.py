"""A verdict's score always fits its outcome."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

import verifier
from verifier.types import Group, Outcome, Verdict


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


def test_every_public_name_is_there():
    assert all(getattr(verifier, name) is not None for name in verifier.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        verifier.nothing  # noqa: B018 - that is the test


def test_the_words_of_the_domain_can_be_imported_without_grpc():
    code = "import sys, verifier; verifier.Group; print(sorted({'grpc', 'sympy', 'docker'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
