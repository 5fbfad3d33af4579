r"""What an answer is: a number, an expression, a list, a tuple, a set of numbers, a matrix, an equation, or words.

A text is read whole (``syntax``) and becomes a value of one of the kinds below. A text may be read in more than one
way, where ``1,234`` may be a number or two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product

from flint import arb, fmpq

from verifier.equivalence import syntax
from verifier.equivalence.deep import flattened
from verifier.equivalence.evaluate import constant, exact, values_equal, variables
from verifier.equivalence.nodes import (
    INFINITY,
    MINUS_INFINITY,
    digits_of,
    has_kind,
    is_infinite,
    nodes_equal,
    places_of,
    replaced,
)
from verifier.equivalence.quantities import CHANGING_WORDS
from verifier.equivalence.signs import Node, NotReadError
from verifier.equivalence.units import Unit, read_unit

_CACHED = 4096
_MAX_SIGNS = 4
DEGREE = read_unit("degree")


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number or an expression, with what it counts."""

    node: Node
    unit: Unit | None = None
    words: str = ""
    is_percent: bool = False


@dataclass(frozen=True, slots=True)
class Bag:
    """A set, or a list without brackets; its order says nothing."""

    items: tuple[Value, ...]
    is_braced: bool


@dataclass(frozen=True, slots=True)
class Seq:
    """A tuple, a vector, or an interval that could be either."""

    items: tuple[Value, ...]
    brackets: str


@dataclass(frozen=True, slots=True)
class Piece:
    """An interval of real numbers."""

    low: Node
    high: Node
    has_low: bool
    has_high: bool


@dataclass(frozen=True, slots=True)
class Region:
    """A union of intervals."""

    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """An equation or inequality: ``node`` is zero, below zero, or at most zero."""

    node: Node
    kind: str


@dataclass(frozen=True, slots=True)
class Named:
    """``x = ...``."""

    name: Node
    value: Value


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix or a column."""

    rows: tuple[tuple[Value, ...], ...]


@dataclass(frozen=True, slots=True)
class Ratio:
    """``2:3``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """Words, or a set that has a name."""

    text: str


@dataclass(frozen=True, slots=True)
class Never:
    """What is false whatever is asked, such as ``3=4``."""


Value = Scalar | Bag | Seq | Region | Relation | Named | Matrix | Ratio | Words | Never
_NEVER = Never()
_EMPTY = Region(())


def is_read(text: str) -> bool:
    """Whether a normalised text is mathematics that is read here."""
    return any(not isinstance(one, Words) for one in readings(text))


@lru_cache(maxsize=_CACHED)
def readings(text: str) -> tuple[Value, ...]:
    """What a normalised text may be; nothing where it is no mathematics that we read."""
    found: list[Value] = []
    text = flattened(text)
    for has_groups in syntax.group_readings(text):
        try:
            found.append(_value(syntax.read(text, has_groups=has_groups)))
        except (NotReadError, _NoValueError):
            continue
    return tuple(found)


class _NoValueError(ValueError):
    """A node that is none of the kinds."""


# --- kinds ----------------------------------------------------------------------------------------------------------


def _value(node: Node) -> Value:  # noqa: C901, PLR0912 (one case for each kind)
    match node:
        case ("bag", items, is_braced):
            return _bag(items, is_braced=is_braced)
        case ("seq", opener, closer, items):
            return _seq(items, opener + closer)
        case ("rel", operands, relations):
            return _relation(operands, relations)
        case ("in", head, tail):
            if _name_of(head) is None:
                raise _NoValueError("an element that is no name")
            inside = _value(tail)
            if isinstance(inside, Scalar):
                raise _NoValueError("an element of what is no set")
            return Named(head, inside)
        case ("cup", items):
            return _joined([_value(item) for item in items])
        case ("without", whole, part):
            return _without(_value(whole), _value(part))
        case ("builder", head, conditions):
            return _built(head, conditions)
        case ("known", name):
            return _known(name)
        case ("matrix", rows):
            return Matrix(tuple(tuple(_value(item) for item in row) for row in rows))
        case ("ratio", items):
            return Ratio(items)
        case ("text", words):
            return Words(words)
        case ("sum", (first, ("neg", ("bag", _, True) as second))) if first[0] in (
            "builder",
            "bag",
            "cup",
            "known",
            "seq",
        ):
            return _without(_value(first), _value(second))
        case ("cap" | "notin", *_):
            raise _NoValueError(str(node[0]))
        case _:
            return _scalar(node)


def _scalar(node: Node) -> Value:
    if has_kind(node, ("pm", "mp")):
        return Bag(tuple(_scalar(_with_sign(node, sign)) for sign in (1, -1)), is_braced=False)
    if has_kind(
        node, ("bag", "seq", "rel", "in", "cup", "known", "matrix", "text", "ratio", "builder", "unit"), below=True
    ):
        raise _NoValueError("a part that is no number")
    match node:
        case ("unit", inner, words, power):
            unit = read_unit(words, power=power)
            if unit is None and (power != 1 or not _is_plain(words)):
                raise _NoValueError("words that change the number")
            found = _scalar(inner)
            if not isinstance(found, Scalar) or found.unit is not None or found.is_percent:
                raise _NoValueError("a unit of what is no number")
            return Scalar(found.node, unit=unit, words="" if unit else words.casefold().strip(" ."))
        case ("percent", inner):
            return Scalar(inner, is_percent=True)
        case ("degree", inner):
            return Scalar(inner, unit=DEGREE)
        case ("neg", ("degree", inner)):
            return Scalar(("neg", inner), unit=DEGREE)
        case ("neg", ("percent", inner)):
            return Scalar(("neg", inner), is_percent=True)
        case _:
            return Scalar(node)


def _with_sign(node: Node, sign: int) -> Node:
    """One reading of what has plus-minus signs."""
    if node[0] in ("pm", "mp") and len(node) == 2:  # noqa: PLR2004
        inner = _with_sign(node[1], sign)
        return inner if (node[0] == "pm") == (sign > 0) else ("neg", inner)
    return tuple(_with_sign(one, sign) if isinstance(one, tuple) and one else one for one in node)


def _bag(items: Sequence[Node], *, is_braced: bool) -> Value:
    parameters = {
        (item[1], item[2][1])
        for item in items
        if item[0] == "in" and item[2][0] == "known" and item[2][1][0] in "ZN" and len(items) > 1
    }
    kept = [item for item in items if not (item[0] == "in" and (item[1], item[2][1]) in parameters)]
    if parameters:
        kept = [_renamed(item, parameters) for item in kept]
    found: list[Value] = []
    for item in kept:
        value = _value(item)
        if isinstance(value, Bag) and item[0] != "bag":
            found += value.items  # of a plus-minus
        elif isinstance(value, Named) and isinstance(value.value, Bag) and not value.value.is_braced:
            found += [Named(value.name, one) for one in value.value.items]
        else:
            found.append(value)
    if len(found) == 1 and not is_braced:
        return found[0]
    if not is_braced and any(isinstance(bare([value])[0], Region) for value in found):
        names = {value.name for value in found if isinstance(value, Named)}
        if len(names) == 1:
            return Named(names.pop(), _joined([_point(value) for value in bare(found)]))
    return _by_solution(found) or Bag(tuple(found), is_braced=is_braced)


def _point(value: Value) -> Value:
    return Bag((value,), is_braced=True) if isinstance(value, Scalar) else value


def _by_solution(values: Sequence[Value]) -> Value | None:
    """``p=5, q=2, p=7, q=2`` as two solutions of two names each; None for anything else."""
    if not all(isinstance(value, Named) for value in values):
        return None
    names = [value.name for value in values if isinstance(value, Named)]
    size = names.index(names[0], 1) if names and names[0] in names[1:] else 0
    if size < 2 or len(names) % size or names != names[:size] * (len(names) // size):  # noqa: PLR2004
        return None
    solutions = [Bag(tuple(values[at : at + size]), is_braced=False) for at in range(0, len(values), size)]
    return Bag(tuple(solutions), is_braced=False)


def _renamed(node: Node, parameters: Iterable[tuple[Node, str]]) -> Node:
    """The same with its whole-numbered parameters under names that everybody has."""
    names = sorted((one[1], of) for one, of in parameters if one[0] == "var")
    return replaced(node, {name: ("var", f"\0{of}{at}") for at, (name, of) in enumerate(names)})


def _seq(items: Sequence[Node], brackets: str) -> Value:
    if len(items) == 2 and (brackets in ("(]", "[)") or any(is_infinite(item) for item in items)):  # noqa: PLR2004
        return _region([Piece(items[0], items[1], brackets[0] == "[", brackets[1] == "]")])
    if brackets in ("(]", "[)"):
        raise _NoValueError("brackets that do not match")
    if has_kind(tuple(items), ("mp",)):
        return Bag(
            tuple(_seq([_with_sign(item, sign) for item in items], brackets) for sign in (1, -1)), is_braced=False
        )
    if has_kind(tuple(items), ("pm",)):
        if sum(has_kind(item, ("pm",)) for item in items) > _MAX_SIGNS:
            raise _NoValueError("too many signs")
        choices = [
            [_with_sign(item, sign) for sign in ((1, -1) if has_kind(item, ("pm",)) else (1,))] for item in items
        ]
        return Bag(tuple(_seq(chosen, brackets) for chosen in product(*choices)), is_braced=False)
    return Seq(tuple(_value(item) for item in items), brackets)


def _name_of(node: Node) -> Node | None:
    r"""A node that only names something: ``x``, ``f(x)``, ``AB``, ``|AB|``, ``(x, y)``."""
    if node[0] == "label":
        return node if _is_plain(node[1]) else None
    if node[0] in ("var", "apply"):
        return node
    if node[0] == "abs" and node[1][0] == "prod":  # the length of a segment
        return _name_of(node[1])
    if node[0] == "prod" and all(item[0] == "var" and _is_of_point(item[1]) for item in node[1]):
        return node
    if node[0] == "seq" and all(item[0] == "var" for item in node[3]):
        return node
    return None


_PLAIN_WORDS = re.compile(r"[^\W\d_]{2,}(?:[ .·'’-]{1,2}[^\W\d_]+)*\.?")
_DENYING = frozenset({"false", "wrong", "incorrect", "unknown", "cannot", "isn't", "isnt"})


def _is_plain(words: str) -> bool:
    """Whether words only name what is counted or asked for, and neither change nor deny it."""
    said = re.findall(r"[^\W\d_]+", words.casefold())
    return bool(_PLAIN_WORDS.fullmatch(words.strip())) and CHANGING_WORDS.union(_DENYING).isdisjoint(said)


def _is_of_point(name: str) -> bool:
    return name[:1].isupper() or name in ("angle", "triangle")


def _relation(operands: Sequence[Node], relations: Sequence[str]) -> Value:
    if relations[-1] == "approx" and "approx" not in relations[:-1]:
        return _approximated(operands, relations)
    if set(relations) == {"="}:
        return _equation(operands)
    region = _inequality(operands, relations)
    if region is not None:
        return region
    if len(operands) != 2 or relations[0] == "ne":  # noqa: PLR2004
        raise _NoValueError("a chain of relations")
    left, right = operands
    if relations[0] in (">", "ge"):
        left, right = right, left
    return Relation(_difference(left, right), "<" if relations[0] in ("<", ">") else "<=")


def _approximated(operands: Sequence[Node], relations: Sequence[str]) -> Value:
    """What an approximation is given for, where that is near: within one unit of its last place."""
    if len(operands) == 2 and _name_of(operands[0]) is not None:  # noqa: PLR2004
        return Named(operands[0], _value(operands[1]))
    value = _value(operands[-2]) if len(operands) == 2 else _relation(operands[:-1], relations[:-1])  # noqa: PLR2004
    shown, inner = operands[-1], value.value if isinstance(value, Named) else value
    if not isinstance(inner, Scalar) or variables(inner.node) or variables(shown):
        raise _NoValueError("an approximation of what is no number")
    step = Fraction(1, 10 ** places_of(shown)) if digits_of(shown) else Fraction(1, 2)
    one, other = constant(inner.node), constant(shown)
    if one is None or other is None:
        raise _NoValueError("an approximation")
    is_near = abs(one - other) <= arb(fmpq(step.numerator, step.denominator))
    return value if is_near else _NEVER


def _difference(left: Node, right: Node) -> Node:
    if has_kind((left, right), ("seq", "bag", "matrix", "rel", "text", "unit", "pm", "mp"), below=True):
        raise _NoValueError("no difference")
    return ("sum", (left, ("neg", right)))


def _equation(operands: Sequence[Node]) -> Value:
    first, last = operands[0], operands[-1]
    while len(operands) > 2 and _name_of(operands[0]) is not None and _name_of(operands[1]) is not None:  # noqa: PLR2004
        operands = operands[1:]  # x = y = 2
        first = operands[0]
    name = _name_of(first)
    if name is None and len(operands) == 2 and _name_of(last) is not None and not variables(first):  # noqa: PLR2004
        return Named(last, _value(first))
    if len(operands) == 2:  # noqa: PLR2004
        if name is not None and (name[0] != "var" or name[1] not in variables(last)):
            return Named(name, _value(last))
        if not variables(first) and not variables(last):
            return _chain(operands)
        return Relation(_difference(first, last), "=")
    if name is not None:
        return Named(name, _chain(operands[1:]))
    return _chain(operands)


def _chain(operands: Sequence[Node]) -> Value:
    """What a chain of equal things is: its last part, where they are equal."""
    values = [_value(operand) for operand in operands]
    for one, other in pairwise(values):
        if not isinstance(one, Scalar) or not isinstance(other, Scalar):
            raise _NoValueError("a chain of what is no number")
        is_equal = nodes_equal(one.node, other.node, b"chain")
        if is_equal is None:
            raise _NoValueError("a chain")
        if not is_equal:
            return _NEVER
    return values[-1]


_FLIPPED = {"<": ">", ">": "<", "le": "ge", "ge": "le", "ne": "ne", "=": "="}


def _inequality(operands: Sequence[Node], relations: Sequence[str]) -> Named | None:
    """The numbers for which a name lies between constants."""
    at = next((at for at, operand in enumerate(operands) if _name_of(operand) is not None), None)
    if at is None or len(operands) > 3 or any(variables(one) for index, one in enumerate(operands) if index != at):  # noqa: PLR2004
        return None
    low: tuple[Node, bool] = (MINUS_INFINITY, False)
    high: tuple[Node, bool] = (INFINITY, False)
    for index, relation in enumerate(relations):
        # Seen from the name.
        other, seen = (operands[index], _FLIPPED[relation]) if index < at else (operands[index + 1], relation)
        if (index if index < at else index + 1) not in (at - 1, at + 1):
            return None
        if seen == "ne":
            if len(relations) > 1:
                return None
            pieces = [Piece(MINUS_INFINITY, other, False, False), Piece(other, INFINITY, False, False)]  # noqa: FBT003
            return Named(operands[at], _region(pieces))
        if seen in (">", "ge"):
            low = (other, seen == "ge")
        elif seen in ("<", "le"):
            high = (other, seen == "le")
        else:
            return None
    return Named(operands[at], _region([Piece(low[0], high[0], low[1], high[1])]))


def _region(pieces: list[Piece]) -> Region:
    """Pieces in order, those that touch joined."""
    ordered = sorted(pieces, key=lambda piece: _approximate(piece.low))
    joined: list[Piece] = []
    for piece in ordered:
        last = joined[-1] if joined else None
        if last is not None and not is_infinite(last.high) and not is_infinite(piece.low):
            gap = _approximate(piece.low) - _approximate(last.high)
            is_same = abs(gap) < 1e-9 and values_equal(last.high, piece.low) is True  # noqa: PLR2004
            if gap < 0 and not is_same:
                raise _NoValueError("pieces that overlap")
            if is_same and (last.has_high or piece.has_low):
                joined[-1] = Piece(last.low, piece.high, last.has_low, piece.has_high)
                continue
        joined.append(piece)
    return Region(tuple(joined))


def _approximate(node: Node) -> float:
    if node == INFINITY:
        return float("inf")
    if node == MINUS_INFINITY:
        return float("-inf")
    rational = exact(node)
    value = rational if rational is not None else constant(node)
    if value is None:
        raise _NoValueError("a bound without a value")
    try:
        return float(value) if isinstance(value, Fraction) else float(value.real.mid())
    except (OverflowError, ValueError) as error:
        raise _NoValueError("a bound without a value") from error


def _joined(values: list[Value]) -> Value:
    if all(isinstance(value, Bag) and value.is_braced for value in values):
        return Bag(tuple(item for value in values if isinstance(value, Bag) for item in value.items), is_braced=True)
    pieces: list[Piece] = []
    for value in values:
        region = as_region(value)
        if region is None:
            raise _NoValueError("a union of other things")
        pieces += region.pieces
    return _region(pieces)


def as_region(value: Value) -> Region | None:
    """The set of numbers that a value can be taken for, or None."""
    match value:
        case Region():
            return value
        case Seq((Scalar(node=low), Scalar(node=high)), brackets):
            return Region((Piece(low, high, brackets[0] == "[", brackets[1] == "]"),))
        case Bag(items, is_braced=True) if all(isinstance(item, Scalar) for item in items):
            nodes = [item.node for item in items if isinstance(item, Scalar)]
            try:
                return _region([Piece(node, node, has_low=True, has_high=True) for node in nodes])
            except _NoValueError:
                return None
        case Named(_, inner):
            return as_region(inner)
        case _:
            return None


def _without(whole: Value, part: Value) -> Value:
    """A region without single points."""
    region = as_region(whole)
    if region is None or not isinstance(part, Bag):
        raise _NoValueError("a difference of other sets")
    pieces = list(region.pieces)
    for item in part.items:
        if not isinstance(item, Scalar):
            raise _NoValueError("a difference of other sets")
        at = _approximate(item.node)
        inside = next((piece for piece in pieces if _approximate(piece.low) < at < _approximate(piece.high)), None)
        if inside is None:
            raise _NoValueError("a point that is not inside")
        pieces.remove(inside)
        pieces += [
            Piece(inside.low, item.node, inside.has_low, has_high=False),
            Piece(item.node, inside.high, has_low=False, has_high=inside.has_high),
        ]
    return _region(pieces)


def _built(head: Node, conditions: Sequence[Node]) -> Value:
    if head[0] == "in":
        head = head[1]
    if len(conditions) == 1 and head[0] == "var":
        value = _value(conditions[0])
        if isinstance(value, Named) and isinstance(value.value, Region) and value.name == head:
            return value.value
    raise _NoValueError("a set by a condition")


def _known(name: str) -> Value:
    match name:
        case "empty":
            return _EMPTY
        case "R":
            return Region((Piece(MINUS_INFINITY, INFINITY, has_low=False, has_high=False),))
        case "R+":
            return Region((Piece(("num", Fraction(0), None), INFINITY, has_low=False, has_high=False),))
        case _:
            return Words(f"\\mathbb{name}")


def bare(items: Sequence[Value]) -> Sequence[Value]:
    """Values without the names before them."""
    return [item.value if isinstance(item, Named) else item for item in items]
