r"""Whether an answer is in its simplest form, as a textbook asks for it.

Fractions are reduced and have no root below, roots hold no factor that can be taken out, no arithmetic of plain numbers
is left to do, and like terms are collected. A product and what it is multiplied out are both simple.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction

from verifier.equivalence.evaluate import constant, exact, values_equal, variables
from verifier.equivalence.kinds import readings
from verifier.equivalence.nodes import has_kind
from verifier.equivalence.signs import Node
from verifier.equivalence.values import Bag, Matrix, Named, Ratio, Region, Scalar, Seq, Value

_FRACTION = re.compile(r"\\frac ?\{ ?-?(\d+) ?\} ?\{ ?-?(\d+) ?\}|(?<![\d.])(\d+) ?/ ?(\d+)(?![\d.])")
_ONE, _ZERO = Fraction(1), Fraction(0)
_SMALL_DENOMINATOR = 100
_MAX_RADICAND = 10**7
"""A larger one is not searched for factors."""


def is_simplest(normal: str) -> bool:
    """Whether a normalised answer is in its simplest form; what is not read as mathematics always is."""
    for found in _FRACTION.finditer(normal):
        top, bottom = (int(part) for part in found.groups() if part is not None)
        if math.gcd(top, bottom) != 1 or bottom == 1:
            return False
    values = readings(normal)
    return not values or any(_is_simple(value) for value in values)


def _is_simple(value: Value) -> bool:
    match value:
        case Scalar(node=node):
            return _is_simple_node(node)
        case Bag(items=items) | Seq(items=items):
            return all(_is_simple(item) for item in items)
        case Named(value=inner):
            return _is_simple(inner)
        case Matrix(rows=rows):
            return all(_is_simple(item) for row in rows for item in row)
        case Ratio(items=items):
            parts = [exact(item) for item in items]
            whole = [part for part in parts if part is not None and part.denominator == 1]
            return len(whole) < len(parts) or math.gcd(*map(int, whole)) == 1
        case Region(pieces=pieces):
            return all(_is_simple_node(end) for piece in pieces for end in (piece.low, piece.high))
        case _:
            return True


def _is_simple_node(node: Node) -> bool:  # noqa: C901 (one case for each kind)
    match node:
        case ("num", _, _) | ("const", _) | ("var", _) | ("apply", *_):
            return True
        case ("neg", inner):
            return inner[0] != "neg" and _is_simple_node(inner)
        case ("sum", (("num", whole, None), ("div", ("num", top, None), ("num", bottom, None)))) if (
            whole.denominator == 1
        ):
            return 0 < top < bottom and math.gcd(int(top), int(bottom)) == 1  # a mixed number
        case ("sum", items):
            return _all_simple(items) and _is_collected(items)
        case ("prod", items):
            return _all_simple(items) and sum(exact(item) is not None for item in items) <= 1 and _has_one_root(items)
        case ("div", top, bottom):
            return _is_reduced(top, bottom)
        case ("root", degree, inner):
            return _is_simple_node(inner) and _has_no_factor(exact(inner), exact(degree))
        case ("pow", base, exponent):
            if (
                base[0] == "const"
                and exact(exponent) is not None
                and (base[1] == "i" or exact(exponent) in (_ZERO, _ONE))
            ):
                return False
            return exact(node) is None and base[0] != "pow" and _is_simple_node(base) and _is_simple_node(exponent)
        case ("call", _, _) if not variables(node) and _is_rational(node):
            return False
        case _:
            return exact(node) is None and _all_simple([part for part in node[1:] if isinstance(part, tuple)])


def _is_rational(node: Node) -> bool:
    r"""Whether a function of constants comes to a fraction of small numbers, as ``\log_28`` and ``\sin30^\circ`` do."""
    value = constant(node)
    if value is None or not value.is_finite() or not value.imag.contains(0):
        return False
    near = Fraction(float(value.real.mid())).limit_denominator(_SMALL_DENOMINATOR)
    return values_equal(node, ("num", near, None)) is True


def _all_simple(items: tuple[Node, ...] | list[Node]) -> bool:
    return all(_is_simple_node(item) for item in items if item and isinstance(item[0], str))


def _is_collected(items: tuple[Node, ...]) -> bool:
    """Whether no two terms of a sum differ only in their number."""
    terms = [_term(item) for item in items]
    return len({factors for _, factors in terms}) == len(terms) and all(number != 0 for number, _ in terms)


def _term(node: Node) -> tuple[Fraction, tuple[Node, ...]]:
    """A term as a number times other factors."""
    value = exact(node)
    if value is not None:
        return value, ()
    match node:
        case ("neg", inner):
            number, factors = _term(inner)
            return -number, factors
        case ("div", top, bottom) if divisor := exact(bottom):
            number, factors = _term(top)
            return number / divisor, factors
        case ("prod", items):
            terms = [_term(item) for item in items]
            others = sorted((factor for _, part in terms for factor in part), key=repr)
            return math.prod((number for number, _ in terms), start=_ONE), tuple(others)
        case _:
            return _ONE, (node,)


def _has_one_root(items: tuple[Node, ...]) -> bool:
    degrees = [item[1] for item in items if item[0] == "root" and exact(item[2]) is not None]
    return len(set(degrees)) == len(degrees)


def _is_reduced(top: Node, bottom: Node) -> bool:
    if not (_is_simple_node(top) and _is_simple_node(bottom)) or has_kind(bottom, ("div",)) or has_kind(top, ("div",)):
        return False
    divisor = exact(bottom)
    if divisor is None:
        return not (has_kind(bottom, ("root",)) and not has_kind(bottom, ("var",)))
    if divisor.denominator != 1 or divisor in (_ONE, _ZERO) or divisor < 0:
        return False
    terms = top[1] if top[0] == "sum" else (top,)
    numbers = [_term(term)[0] for term in terms]
    return all(number.denominator == 1 for number in numbers) and math.gcd(int(divisor), *map(int, numbers)) == 1


def _has_no_factor(radicand: Fraction | None, degree: Fraction | None) -> bool:
    """Whether nothing can be taken out of a root of a number."""
    if radicand is None or degree is None or degree.denominator != 1:
        return True
    if radicand.denominator != 1 or radicand in (_ONE, _ZERO) or (radicand < 0 and degree % 2 == 1):
        return False
    rest, power = abs(int(radicand)), int(degree)
    if rest > _MAX_RADICAND:
        return True
    factor = 2
    while factor**power <= rest:
        if rest % factor**power == 0:
            return False
        factor += 1
    return True
