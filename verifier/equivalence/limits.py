r"""What is refused before anything is computed: answers that would cost far more than they can be worth.

The CPU budget of a worker is the wall; this only keeps common bombs (towers of powers, huge factorials, deep nesting)
from costing a worker each.
"""

from __future__ import annotations

import re

MAX_ANSWER_CHARS = 4000
MAX_DEPTH = 60
MAX_DIGITS = 400
MAX_EXPONENT = 5000
MAX_FACTORIAL = 2100
MAX_BINOMIAL = 5000

_LEVEL = r"(?:\^|\*\*)\s?[{(]{0,2}\s?(?:\d+|[a-zA-Z]|\\pi)\s?"
_POWER = re.compile(r"(?:\^|\*\*)\s?\{?\s?\(?\s?-?(\d+)")
_TOWER = re.compile(rf"{_LEVEL}{_LEVEL}(?:\^|\*\*)")
_STACKED = re.compile(r"\d\s?\}?\s?(?:\^|\*\*)\s?[{(]?\s?(\d+)\s?(?:\^|\*\*)\s?[{(]?\s?(\d+)")
_FACTORIAL = re.compile(r"(\d+)\s?\}?\)?\s?!")
_NESTED_FACTORIAL = re.compile(r"!\s?[)}]\s?!|!!")
_BINOMIAL = re.compile(r"\\[dt]?binom\s?\{?\s?(\d+)")
_POWERED = re.compile(r"\\[dt]?binom\s?\{[^{}]*\^|\d\s?\^\s?\{?\d+\}?\s?!")
_BOUND = re.compile(r"\\(?:sum|prod|int)(?![a-zA-Z])[^\\]{0,80}\^\s?\{?\s?(?:\d{5,}|\d+\s?\^)")
_DIGITS = re.compile(r"\d+")


def is_too_complex(text: str) -> str:
    """Why the text must not be computed, in a few words; empty where it may be."""
    if len(text) > MAX_ANSWER_CHARS:
        return "too long"
    if _depth(text) > MAX_DEPTH:
        return "nested too deeply"
    if any(len(run) > MAX_DIGITS for run in _DIGITS.findall(text)):
        return "too many digits"
    if any(int(exponent) > MAX_EXPONENT for exponent in _POWER.findall(text)) or _is_tower(text):
        return "a power too large"
    if _NESTED_FACTORIAL.search(text) or any(int(n) > MAX_FACTORIAL for n in _FACTORIAL.findall(text)):
        return "a factorial too large"
    if _POWERED.search(text) or any(int(n) > MAX_BINOMIAL for n in _BINOMIAL.findall(text)):
        return "a binomial too large"
    if _BOUND.search(text):
        return "a sum or product too long"
    return ""


def _is_tower(text: str) -> bool:
    """Whether powers stand on powers, so that few signs make a number without end."""
    if _TOWER.search(text):
        return True
    stacked = ((int(base), int(exponent)) for base, exponent in _STACKED.findall(text))
    return any(base > 1 and exponent * base.bit_length() > MAX_EXPONENT.bit_length() for base, exponent in stacked)


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in text:
        if character in "{([":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "})]":
            depth -= 1
    return deepest
