"""Whether two answers are the same: exact where that is cheap, with math-verify in a worker where it is not.

Nothing here starts a process; ``MATH_TASKS`` names what a worker pool runs.
"""

from __future__ import annotations

from verifier.equivalence.exact import Gold, GoldKind, decide, read_gold
from verifier.equivalence.limits import MAX_ANSWER_CHARS, is_too_complex
from verifier.equivalence.normal import normalise
from verifier.equivalence.structure import is_list, is_prose

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
    "decide",
    "is_list",
    "is_prose",
    "is_too_complex",
    "normalise",
    "read_gold",
]
