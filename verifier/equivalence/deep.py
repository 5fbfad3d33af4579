r"""Fractions of plain numbers that are nested more deeply than is read, worked out from the inside.

A continued fraction of a few hundred levels is cheap to compute but not to read level by level.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

_DEEP = 40
_MAX_ROUNDS = 1000
_MAX_DIGITS = 400
_TERM = r"[-+]?\d{1,400}(?:/\d{1,400})?"
_SUM = rf"{_TERM}(?:[-+]\d{{1,400}}(?:/\d{{1,400}})?){{0,4}}"
_INNERMOST = re.compile(rf"(?<=[{{+-])\\frac ?\{{({_SUM})\}} ?\{{({_SUM})\}}(?=[}}+-])")
_TERMS = re.compile(_TERM)


def flattened(text: str) -> str:
    """The text with the innermost fractions of plain numbers worked out, as often as it is nested too deeply."""
    if text.count("{") < 2 * _DEEP:
        return text
    return settled(_INNERMOST, _worked_out, text, rounds=_MAX_ROUNDS)


def settled(
    pattern: re.Pattern[str], replacement: str | Callable[[re.Match[str]], str], text: str, *, rounds: int
) -> str:
    """The text with what a pattern finds replaced until nothing changes, or so many times over."""
    for _ in range(rounds):
        replaced = pattern.sub(replacement, text)
        if replaced == text:
            break
        text = replaced
    return text


def _worked_out(found: re.Match[str]) -> str:
    top, bottom = (sum(map(Fraction, _TERMS.findall(part)), Fraction(0)) for part in found.groups())
    value = top / bottom if bottom else None
    if value is None or max(len(str(value.numerator)), len(str(value.denominator))) > _MAX_DIGITS:
        return found[0]
    is_after_sign = value < 0 and found.string[found.start() - 1] != "{"
    return found[0] if is_after_sign else str(value)
