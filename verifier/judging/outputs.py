"""Whether a program printed what was expected: the whole output, in linear time, never evaluated.

White space and the case of letters are those of ASCII. A token is a number only where it is written as one in ASCII
decimals: ``-1``, ``1.``, ``.5``, ``1e-5``, and the words ``inf``, ``infinity`` and ``nan`` with or without a sign, in
any case of letters. Hexadecimal, ``1_000`` and the digits of other scripts are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from types import MappingProxyType

from verifier.types import Comparison, Tolerance

_NUMBER = re.compile(rb"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,6})?")
_WORD = re.compile(rb"([+-]?)(inf|nan)(?:inity)?", re.IGNORECASE)
# Differences are rounded to these digits and computed in time linear in those of the numbers. The exponents of what
# ``_NUMBER`` takes cannot pass the bounds.
_CONTEXT = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN)

Matcher = Callable[[bytes, bytes], bool]


def matcher(comparison: Comparison, tolerance: Tolerance | None) -> Matcher:
    """What compares an output with an expected one.

    A tolerance holds for pairs of tokens that are both numbers, in comparisons of tokens; every other token must be
    the same. (The default of the ICPC problem package format, which ignores case unless told otherwise.)
    """
    if tolerance is None:
        return _EXACTLY[comparison]
    within = NumbersWithin(tolerance)
    is_case_free = comparison is Comparison.TOKENS_IGNORE_CASE

    def matches(actual: bytes, expected: bytes) -> bool:
        if is_case_free:
            actual, expected = actual.lower(), expected.lower()
        right = expected.split()
        left = actual.split(None, len(right))
        return len(left) == len(right) and all(a == b or within(a, b) for a, b in zip(left, right, strict=True))

    return matches


class NumbersWithin:
    """Whether two tokens are numbers that differ by a tolerance at most; exact, for numbers of any length.

    An infinity equals itself alone, and NaN equals NaN, whatever the tolerance.
    """

    def __init__(self, tolerance: Tolerance) -> None:
        # As they are written, not as the binary fraction next to it: 0.3 is within 0.1 of 0.2.
        self._absolute = Decimal(repr(float(tolerance.absolute)))
        self._relative = Decimal(repr(float(tolerance.relative)))

    def __call__(self, actual: bytes, expected: bytes) -> bool:
        """Whether the tokens are equal as numbers."""
        if not _NUMBER.fullmatch(actual) or not _NUMBER.fullmatch(expected):
            word = _word(actual)
            return bool(word) and word == _word(expected)
        a, b = Decimal(actual.decode("ascii")), Decimal(expected.decode("ascii"))
        difference = _CONTEXT.abs(_CONTEXT.subtract(a, b))
        return difference <= self._absolute or difference <= _CONTEXT.multiply(self._relative, _CONTEXT.abs(b))


def _word(token: bytes) -> str:
    found = _WORD.fullmatch(token)
    if found is None or (found[2].lower() == b"nan" and token[-3:].lower() != b"nan"):
        return ""
    if found[2].lower() == b"nan":
        return "nan"
    return "-inf" if found[1] == b"-" else "inf"


def _same_tokens(actual: bytes, expected: bytes) -> bool:
    right = expected.split()
    # No more pieces than are expected, and the rest: what a program prints cannot cost us a list of millions.
    return actual.split(None, len(right)) == right


def _same_tokens_in_any_case(actual: bytes, expected: bytes) -> bool:
    return _same_tokens(actual.lower(), expected.lower())


def _same_lines(actual: bytes, expected: bytes) -> bool:
    right = expected.rstrip().split(b"\n")
    left = actual.rstrip().split(b"\n", len(right))
    return [line.rstrip() for line in left] == [line.rstrip() for line in right]


def _same_bytes(actual: bytes, expected: bytes) -> bool:
    return actual == expected


_EXACTLY: Mapping[Comparison, Matcher] = MappingProxyType(
    {
        Comparison.TOKENS: _same_tokens,
        Comparison.TOKENS_IGNORE_CASE: _same_tokens_in_any_case,
        Comparison.LINES: _same_lines,
        Comparison.EXACT: _same_bytes,
    }
)
