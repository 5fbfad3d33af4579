"""How test cases become one score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import UnscorableError
from verifier.judging.scoring import check_scoring, score_of
from verifier.types import CodeReference, Scoring, StdioTest, TestGroup


def reference(scoring, groups=(), tests=("",) * 4):
    return CodeReference(
        language="python",
        stdio=tuple(StdioTest(input="", output="", group=name) for name in tests),
        scoring=scoring,
        groups=tuple(TestGroup(name=name, points=points) for name, points in groups),
    )


GROUPED = reference("groups", [("easy", 30), ("hard", 70)], ("easy", "easy", "hard", "hard"))


@pytest.mark.parametrize(
    ("scored", "earned", "score"),
    [
        (reference("all"), [1, 1, 1, 1], 1.0),
        (reference("all"), [1, 1, 1, 0.9], 0.0),
        (reference("fraction"), [1, 1, 1, 1], 1.0),
        (reference("fraction"), [1, 0, 1, 0], 0.5),
        (reference("fraction"), [1, 0.5, 0, 0.5], 0.5),
        (reference("fraction"), [0, 0, 0, 0], 0.0),
        (reference("fraction"), [], 0.0),
        (GROUPED, [1, 1, 1, 1], 1.0),
        (GROUPED, [1, 1, 1, 0], 0.3),
        (GROUPED, [0, 1, 1, 1], 0.7),
        (GROUPED, [1, 0.5, 0.25, 1], 0.325),
        (GROUPED, [0, 0, 0, 0], 0.0),
        (reference("groups", [("sample", 0), ("x", 5)], ("sample", "x")), [0, 1], 1.0),
    ],
)
def test_what_is_earned_becomes_a_score(scored, earned, score):
    check_scoring(scored)
    assert score_of(scored, earned) == pytest.approx(score)


@pytest.mark.parametrize(
    ("scored", "part"),
    [
        (reference("best"), "scoring 'best' is none of all, fraction, groups"),
        (reference("all", [("a", 1)]), "need reference.code.scoring groups"),
        (reference("groups", [("a", 1)], ("a", "b")), "group 'b', which reference.code.groups lack"),
        (reference("groups", [("a", 1), ("b", 1)], ("a",)), "groups[1]: no test is in the group 'b'"),
        (reference("groups", [("a", 1), ("a", 1)], ("a",)), "groups[1].name 'a' stands twice"),
        (reference("groups", [("a", -1)], ("a",)), "groups[0].points -1"),
        (reference("groups", [("a", float("nan"))], ("a",)), "groups[0].points nan"),
        (reference("groups", [("a", float("inf"))], ("a",)), "groups[0].points inf"),
        (reference("groups", [("a", 0)], ("a",)), "have no points"),
        (reference("groups"), "group ''"),
        (CodeReference(language="python", script="x", scoring="groups"), "needs stdio or calls"),
    ],
)
def test_scoring_at_fault_names_its_field(scored, part):
    with pytest.raises(UnscorableError) as error:
        check_scoring(scored)
    assert error.value.reason == "bad_reference"
    assert part in error.value.detail


points = st.lists(st.integers(0, 100), min_size=1, max_size=5).filter(any)


@given(points, st.lists(st.floats(0, 1), min_size=5, max_size=5), st.sampled_from(Scoring))
def test_a_score_is_in_range_and_full_where_everything_was_accepted(worth, earned, scoring):
    names = [str(at) for at in range(len(worth))]
    scored = reference(scoring, zip(names, worth, strict=True) if scoring is Scoring.GROUPS else (), names)
    check_scoring(scored)
    assert 0 <= score_of(scored, earned[: len(worth)]) <= 1
    assert score_of(scored, [1.0] * len(worth)) == 1
    assert score_of(scored, [0.0] * len(worth)) == 0
