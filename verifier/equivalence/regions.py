r"""Sets of real numbers: intervals, their unions, what conditions have in common, points left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from verifier.equivalence.evaluate import constant, exact, values_equal
from verifier.equivalence.nodes import INFINITY, MINUS_INFINITY, is_infinite
from verifier.equivalence.signs import Node
from verifier.equivalence.values import DEGREE, Bag, Named, NoValueError, Piece, Region, Scalar, Seq, Value

_MAX_LISTED = 64


def overlap(regions: Sequence[Region]) -> Region | None:
    """What regions have in common, where conditions such as ``0<x<2, x≠1`` hold together; None where they do not meet.

    Conditions that do not meet, ``x<1, x>2``, are a choice.
    """
    found = regions[0]
    for region in regions[1:]:
        found = common(found, region)
    return found if found.pieces else None


def common(one: Region, other: Region) -> Region:
    """What two sets have in common."""
    if len(one.pieces) * len(other.pieces) > _MAX_PIECES:
        raise NoValueError("too many pieces")
    pieces: list[Piece] = []
    for first in one.pieces:
        for second in other.pieces:
            low, has_low = _bound((first.low, first.has_low), (second.low, second.has_low), max, all)
            high, has_high = _bound((first.high, first.has_high), (second.high, second.has_high), min, all)
            width = approximate(high) - approximate(low)
            if width > SMALL or (abs(width) <= SMALL and has_low and has_high):
                pieces.append(Piece(low, high, has_low, has_high))
    return region_of(pieces)


_End = tuple[Node, bool]
"""An end of an interval, and whether it belongs to it."""


def _bound(
    one: _End,
    other: _End,
    further: Callable[[float, float], float],
    held: Callable[[tuple[bool, bool]], bool],
) -> _End:
    """The further of two ends, by ``max`` or ``min``; one that both have is held by ``any`` or ``all`` of them."""
    first, second = approximate(one[0]), approximate(other[0])
    if first == second or abs(first - second) <= SMALL:
        return one[0], held((one[1], other[1]))
    return one if further(first, second) == first else other


SMALL = 1e-9
_MAX_PIECES = 64


def as_set(value: Value) -> Value:
    """A number as the set that holds it."""
    return Bag((value,), is_braced=True) if isinstance(value, Scalar) else value


def negative(node: Node) -> Node:
    """The end of an interval on the other side of zero."""
    if is_infinite(node):
        return MINUS_INFINITY if node == INFINITY else INFINITY
    value = exact(node)
    return ("num", -value, None) if value is not None else ("neg", node)


def all_but(node: Node) -> Region:
    """Every number but one."""
    return region_of(
        [
            Piece(MINUS_INFINITY, node, has_low=False, has_high=False),
            Piece(node, INFINITY, has_low=False, has_high=False),
        ]
    )


def region_of(pieces: list[Piece]) -> Region:
    """Pieces in order, those that touch joined."""
    ordered = sorted(pieces, key=lambda piece: approximate(piece.low))
    joined: list[Piece] = []
    for piece in ordered:
        last = joined[-1] if joined else None
        if last is not None and not is_infinite(last.high) and not is_infinite(piece.low):
            gap = approximate(piece.low) - approximate(last.high)
            is_same = abs(gap) < SMALL and values_equal(last.high, piece.low) is True
            if gap < 0 and not is_same:
                raise NoValueError("pieces that overlap")
            if is_same and (last.has_high or piece.has_low):
                joined[-1] = Piece(last.low, piece.high, last.has_low, piece.has_high)
                continue
        joined.append(piece)
    return Region(tuple(joined))


def approximate(node: Node) -> float:
    """An end of an interval as a float, to put ends in order.

    Raises:
        NoValueError: it has none.
    """
    if node == INFINITY:
        return float("inf")
    if node == MINUS_INFINITY:
        return float("-inf")
    rational = exact(node)
    value = rational if rational is not None else constant(node)
    if value is None:
        raise NoValueError("a bound without a value")
    try:
        return float(value) if isinstance(value, Fraction) else float(value.real.mid())
    except (OverflowError, ValueError) as error:
        raise NoValueError("a bound without a value") from error


def joined(values: list[Value]) -> Value:
    """The union of sets of numbers or elements.

    Raises:
        NoValueError: one is no such set.
    """
    if all(isinstance(value, Bag) and value.is_braced for value in values):
        return Bag(tuple(item for value in values if isinstance(value, Bag) for item in value.items), is_braced=True)
    pieces: list[Piece] = []
    for value in values:
        region = as_region(value)
        if region is None:
            raise NoValueError("a union of other things")
        pieces += region.pieces
    return union(pieces)


def union(pieces: Sequence[Piece]) -> Region:
    """The union of pieces, also of those that overlap."""
    found: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (approximate(piece.low), not piece.has_low)):
        last = found[-1] if found else None
        gap = approximate(piece.low) - approximate(last.high) if last is not None else 1.0
        if last is None or gap > SMALL or (abs(gap) <= SMALL and not (last.has_high or piece.has_low)):
            found.append(piece)
            continue
        high, has_high = _bound((last.high, last.has_high), (piece.high, piece.has_high), max, any)
        has_low = last.has_low or (piece.has_low and approximate(piece.low) == approximate(last.low))
        found[-1] = Piece(last.low, high, has_low, has_high)
    return Region(tuple(found))


def moved(piece: Piece, start: Fraction, step: Fraction) -> Piece:
    """The numbers x for which ``start + step x`` lies in a piece."""
    ends = [_solved(end, start, step) for end in (piece.low, piece.high)]
    if step > 0:
        return Piece(ends[0], ends[1], piece.has_low, piece.has_high)
    return Piece(ends[1], ends[0], piece.has_high, piece.has_low)


def _solved(end: Node, start: Fraction, step: Fraction) -> Node:
    if is_infinite(end):
        return end if step > 0 else negative(end)
    value = exact(end)
    if value is not None:
        return ("num", (value - start) / step, None)
    return ("div", ("sum", (end, ("num", -start, None))), ("num", step, None))


def as_region(value: Value) -> Region | None:
    """The set of numbers that a value can be taken for, or None."""
    match value:
        case Region():
            return value
        case Seq((Scalar() as first, Scalar() as second), brackets):
            low, high = (("degree", one.node) if one.unit == DEGREE else one.node for one in (first, second))
            return Region((Piece(low, high, brackets[0] == "[", brackets[1] == "]"),))
        case Bag(items, is_braced=True) if all(isinstance(item, Scalar) for item in items):
            nodes = [item.node for item in items if isinstance(item, Scalar)]
            try:
                return region_of([Piece(node, node, has_low=True, has_high=True) for node in nodes])
            except NoValueError:
                return None
        case Named(_, inner):
            return as_region(inner)
        case _:
            return None


def _complement(region: Region) -> Region:
    pieces: list[Piece] = []
    low, has_low = MINUS_INFINITY, False
    for piece in region.pieces:
        if not is_infinite(piece.low):
            pieces.append(Piece(low, piece.low, has_low, not piece.has_low))
        low, has_low = piece.high, not piece.has_high
    if not region.pieces or not is_infinite(low) or low == MINUS_INFINITY:
        pieces.append(Piece(low, INFINITY, has_low, has_high=False))
    return Region(tuple(pieces))


def without(whole: Value, part: Value) -> Value:
    """A region without single points."""
    region = as_region(whole)
    if region is not None and (left_out := as_region(part)) is not None and not isinstance(part, Bag):
        return common(region, _complement(left_out))
    if region is None or not isinstance(part, Bag):
        raise NoValueError("a difference of other sets")
    pieces = list(region.pieces)
    for item in part.items:
        if not isinstance(item, Scalar):
            raise NoValueError("a difference of other sets")
        at = approximate(item.node)
        inside = next((piece for piece in pieces if approximate(piece.low) < at < approximate(piece.high)), None)
        if inside is None:
            raise NoValueError("a point that is not inside")
        pieces.remove(inside)
        pieces += [
            Piece(inside.low, item.node, inside.has_low, has_high=False),
            Piece(item.node, inside.high, has_low=False, has_high=inside.has_high),
        ]
    return region_of(pieces)


def whole_numbers(region: Region, domain: str) -> Value:
    """Those of a bounded region; others are not read."""
    if domain not in ("Z", "N") or len(region.pieces) != 1:
        raise NoValueError("a set of whole numbers")
    (piece,) = region.pieces
    low, high = exact(piece.low), exact(piece.high)
    if low is None or high is None or high - low > _MAX_LISTED or (domain == "N" and low <= 0):
        raise NoValueError("a set of whole numbers without end")
    first = math.ceil(low) + (low.denominator == 1 and not piece.has_low)
    last = math.floor(high) - (high.denominator == 1 and not piece.has_high)
    return Bag(tuple(Scalar(("num", Fraction(n), None)) for n in range(first, last + 1)), is_braced=True)
