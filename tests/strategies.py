"""Hypothesis strategies for the words of the domain."""

from __future__ import annotations

from hypothesis import strategies as st

from verifier.types import (
    CallTest,
    CodeReference,
    Group,
    GroupResult,
    MathReference,
    Outcome,
    Scored,
    StdioTest,
    TestResult,
    TestStatus,
    Verdict,
)

texts = st.text(max_size=12)
"""Any text but lone surrogates, which no wire carries."""

math_references = st.builds(MathReference, answers=st.lists(texts, max_size=3).map(tuple))
code_references = st.builds(
    CodeReference,
    language=texts,
    stdio=st.lists(st.builds(StdioTest, input=texts, output=texts), max_size=2).map(tuple),
    calls=st.lists(st.builds(CallTest, args=texts, kwargs=texts, expected=texts), max_size=2).map(tuple),
    script=texts,
    framework=st.sampled_from(["plain", "unittest", "pytest", "other"]),
    entry_point=texts,
    time_limit_s=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    memory_limit_bytes=st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
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
