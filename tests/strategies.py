"""Hypothesis strategies for the words of the domain."""

from __future__ import annotations

from hypothesis import strategies as st

from verifier.types import (
    CallTest,
    CodeReference,
    Group,
    GroupResult,
    JudgeProgram,
    MathReference,
    Outcome,
    Scored,
    SourceFile,
    StdioTest,
    TestGroup,
    TestResult,
    TestStatus,
    Tolerance,
    Verdict,
)

texts = st.text(max_size=12)
"""Any text but lone surrogates, which no wire carries."""

_texts = st.lists(texts, max_size=2).map(tuple)
_numbers = st.floats(allow_nan=False, allow_infinity=False)
_judge_programs = st.builds(
    JudgeProgram,
    language=texts,
    source=texts,
    files=st.lists(st.builds(SourceFile, name=texts, text=texts), max_size=2).map(tuple),
    protocol=st.sampled_from(["testlib", "icpc", "other"]),
    args=_texts,
)

math_references = st.builds(MathReference, answers=st.lists(texts, max_size=3).map(tuple))
code_references = st.builds(
    CodeReference,
    language=texts,
    stdio=st.lists(st.builds(StdioTest, input=texts, output=texts, accepted=_texts, group=texts), max_size=2).map(
        tuple
    ),
    calls=st.lists(st.builds(CallTest, args=texts, kwargs=texts, expected=texts, group=texts), max_size=2).map(tuple),
    script=texts,
    framework=st.sampled_from(["plain", "unittest", "pytest", "other"]),
    entry_point=texts,
    time_limit_s=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    memory_limit_bytes=st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
    prelude=texts,
    signature=texts,
    in_place=st.booleans(),
    comparison=st.sampled_from(["tokens", "exact", "other"]),
    tolerance=st.none() | st.builds(Tolerance, absolute=_numbers, relative=_numbers),
    checker=st.none() | _judge_programs,
    interactor=st.none() | _judge_programs,
    scoring=st.sampled_from(["all", "groups", "other"]),
    groups=st.lists(st.builds(TestGroup, name=texts, points=_numbers), max_size=2).map(tuple),
)
groups = st.builds(
    Group,
    id=texts,
    completions=st.lists(texts, max_size=3).map(tuple),
    prompt=texts,
    reference=st.none() | math_references | code_references,
    language=texts,
    recipe=texts,
)

_tests = st.lists(st.builds(TestResult, name=texts, status=st.sampled_from(TestStatus), detail=texts), max_size=2)


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    """Verdicts whose score fits the outcome."""
    outcome = draw(st.sampled_from(Outcome))
    is_judged = outcome in (Outcome.CORRECT, Outcome.INCORRECT)
    return Verdict(
        verifier=draw(texts),
        outcome=outcome,
        score=draw(st.floats(0, 1)) if is_judged else None,
        reason=draw(texts),
        detail=draw(texts),
        tests=tuple(draw(_tests)),
    )


results = st.builds(
    GroupResult,
    id=texts,
    scores=st.lists(
        st.builds(
            Scored,
            reward=st.none() | st.floats(allow_nan=False, allow_infinity=False),
            verdicts=st.lists(verdicts(), max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
)
