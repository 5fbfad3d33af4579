"""How the test cases of a program become one score: all or nothing, a fraction, or groups with points."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.errors import UnscorableError
from verifier.types import CodeReference, Scoring, TestGroup


def check_scoring(reference: CodeReference) -> None:
    """Checks the fields ``scoring`` and ``groups``.

    Raises:
        UnscorableError: they contradict each other or the tests; the detail names the field.
    """
    if reference.scoring not in tuple(Scoring):
        known = ", ".join(Scoring)
        raise UnscorableError("bad_reference", f"reference.code.scoring {reference.scoring!r} is none of {known}")
    if reference.scoring != Scoring.GROUPS:
        if reference.groups:
            raise UnscorableError("bad_reference", "reference.code.groups need reference.code.scoring groups")
        return
    if not (reference.stdio or reference.calls):
        raise UnscorableError("bad_reference", "reference.code.scoring groups needs stdio or calls")
    _check_groups(reference)


def _check_groups(reference: CodeReference) -> None:
    names = [group.name for group in reference.groups]
    used = _groups_of_tests(reference)
    for at, group in enumerate(reference.groups):
        field = f"reference.code.groups[{at}]"
        if group.name in names[:at]:
            raise UnscorableError("bad_reference", f"{field}.name {group.name!r} stands twice")
        if group.name not in used:
            raise UnscorableError("bad_reference", f"{field}: no test is in the group {group.name!r}")
        if not 0 <= group.points <= 1e9:  # noqa: PLR2004 (so that no sum passes the floats; NaN fails too)
            raise UnscorableError("bad_reference", f"{field}.points {group.points} is not in [0, 1e9]")
    strange = sorted(set(used) - set(names))
    if strange:
        raise UnscorableError(
            "bad_reference", f"a test is in the group {strange[0]!r}, which reference.code.groups lack"
        )
    if not sum(group.points for group in reference.groups):
        raise UnscorableError("bad_reference", "reference.code.groups have no points")


def score_of(reference: CodeReference, earned: Sequence[float]) -> float:
    """The score of a program.

    Args:
        reference: checked by ``check_scoring``.
        earned: of each test case, in order: 1 if accepted, else what a checker's partial points gave it, or 0.
    """
    if not earned:
        return 0.0
    match Scoring(reference.scoring):
        case Scoring.ALL:
            return float(all(credit == 1 for credit in earned))
        case Scoring.FRACTION:
            return sum(earned) / len(earned)
        case Scoring.GROUPS:
            return _points(reference.groups, _groups_of_tests(reference), earned)


def _points(groups: Sequence[TestGroup], used: Sequence[str], earned: Sequence[float]) -> float:
    """As the IOI counts: a group is worth what its worst test case is."""
    worst: dict[str, float] = {}
    for name, credit in zip(used, earned, strict=True):
        worst[name] = min(credit, worst.get(name, 1.0))
    total = sum(group.points for group in groups)
    return min(sum(group.points * worst[group.name] for group in groups) / total, 1.0)


def _groups_of_tests(reference: CodeReference) -> tuple[str, ...]:
    return tuple(test.group for test in (reference.stdio or reference.calls))
