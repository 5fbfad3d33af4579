"""Whether two answers are the same: exact where that is cheap, with math-verify in a worker where it is not.

Nothing here starts a process; ``MATH_TASKS`` names what a worker pool runs.
"""

from __future__ import annotations

from verifier.equivalence.exact import Gold, GoldKind, can_ask_algebra, decide, is_unreadable, read_gold
from verifier.equivalence.forms import has_form
from verifier.equivalence.kinds import is_read, is_same_formula
from verifier.equivalence.limits import MAX_ANSWER_CHARS, is_too_complex
from verifier.equivalence.normal import is_plain, normalise, peel
from verifier.equivalence.numbers import read_number
from verifier.equivalence.policy import Need, Order, Percent, Policy
from verifier.equivalence.quantities import unit_after
from verifier.equivalence.simplest import is_simplest
from verifier.equivalence.structure import is_derivation, is_list, is_prose, sides_of
from verifier.equivalence.typed import is_within

EQUAL_TASK = "math.equal"
PARSE_TASK = "math.parse"
MATH_TASKS = {
    EQUAL_TASK: "verifier.equivalence.symbolic:equal",
    PARSE_TASK: "verifier.equivalence.symbolic:can_parse",
}
"""Tasks for ``verifier.workers.WorkerPool``."""

__all__ = [
    "EQUAL_TASK",
    "MATH_TASKS",
    "MAX_ANSWER_CHARS",
    "PARSE_TASK",
    "Gold",
    "GoldKind",
    "Need",
    "Order",
    "Percent",
    "Policy",
    "can_ask_algebra",
    "decide",
    "has_form",
    "is_derivation",
    "is_list",
    "is_plain",
    "is_prose",
    "is_read",
    "is_same_formula",
    "is_simplest",
    "is_too_complex",
    "is_unreadable",
    "is_within",
    "normalise",
    "peel",
    "read_gold",
    "read_number",
    "sides_of",
    "unit_after",
]
