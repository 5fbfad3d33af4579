"""What counts as equal where it is a matter of choice: each option does what its name says, and its default another."""

from __future__ import annotations

import pytest

from verifier.equivalence import Need, Order, Percent, Policy, decide, normalise, read_gold
from verifier.equivalence.simplest import is_simplest

SHARE = Policy(percent=Percent.SHARE)
UNITS = Policy(units=Need.REQUIRED)
NAMES = Policy(names=Need.REQUIRED)
STRICT = Policy(order=Order.STRICT)
EXACT = Policy(rounding=False)


@pytest.mark.parametrize(
    ("policy", "gold", "answer", "by_default"),
    [
        (SHARE, "50\\%", "50", True),
        (SHARE, "50\\%", "0.5", True),
        (SHARE, "\\sqrt{2}\\%", "\\sqrt{2}", True),
        (UNITS, "5\\text{ cm}", "5", True),
        (UNITS, "5", "5\\text{ cm}", True),
        (UNITS, "\\sqrt{2}\\text{ cm}", "\\sqrt{2}", True),
        (NAMES, "x=5", "5", True),
        (NAMES, "5", "x=5", True),
        (NAMES, "x=\\sqrt{2}", "\\sqrt{2}", True),
        (NAMES, "x=1, y=2", "(1, 2)", True),
        (NAMES, "x<3", "(-\\infty, 3)", True),
        (STRICT, "1, 2", "2, 1", True),
        (STRICT, "1, 2", "1, 2", True),
        (STRICT, "\\{1, 2\\}", "\\{2, 1\\}", True),
        (EXACT, "6.46", "\\frac{84}{13}", True),
        (EXACT, "\\frac{1}{3}", "0.3333333333", True),
        (EXACT, "3.14159", "\\pi", True),
        (EXACT, "0.5", "\\frac{1}{2}", True),
    ],
)
def test_a_policy_is_asked(policy: Policy, gold: str, answer: str, *, by_default: bool) -> None:
    allowed = {
        (SHARE, "0.5"), (UNITS, "5\\text{ cm}"), (NAMES, "x=5"), (NAMES, "(-\\infty, 3)"), (STRICT, "1, 2"),
        (STRICT, "\\{2, 1\\}"), (EXACT, "\\frac{1}{2}"),
    }  # fmt: skip
    read = read_gold(gold)
    assert read is not None
    assert decide(read, normalise(answer)) is by_default
    assert decide(read, normalise(answer), policy) is ((policy, answer) in allowed)


@pytest.mark.parametrize(
    "text",
    [
        "5", "-5", "0.5", "\\frac{1}{2}", "1\\frac{1}{2}",
        "2\\sqrt{3}", "\\frac{\\sqrt{3}}{3}", "1+\\sqrt{2}", "\\pi", "2\\pi",
        "\\frac{\\pi}{3}", "x^2+2x+1", "(x+1)^2", "2x", "\\ln 2",
        "\\{1, 2\\}", "(1, \\frac{1}{2})", "x=5", "2:3", "[0, \\sqrt{2}]",
        "\\frac{3+\\sqrt{5}}{2}", "e^2", "\\text{yes}",
    ],
)  # fmt: skip
def test_these_are_in_their_simplest_form(text: str) -> None:
    assert is_simplest(normalise(text))


@pytest.mark.parametrize(
    "text",
    [
        "2+3", "\\frac{2}{4}", "\\frac{4}{2}", "\\sqrt{8}", "\\sqrt{4}",
        "\\frac{1}{\\sqrt{3}}", "2\\cdot3", "2^{3}", "5!", "x+x",
        "\\binom{5}{2}", "\\sqrt{2}\\cdot\\sqrt{3}", "\\frac{2+2\\sqrt{3}}{4}",
        "\\log_2 8", "\\{1, 1+1\\}", "x=2+3", "4:6",
        "\\sin 30^\\circ", "i^2", "\\frac{\\frac{1}{2}}{3}",
    ],
)  # fmt: skip
def test_these_are_not(text: str) -> None:
    assert not is_simplest(normalise(text))
