r"""Readings of expressions with plus-minus signs, and of sums of unit vectors."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import product, repeat

from verifier.equivalence.evaluate import variables
from verifier.equivalence.nodes import has_kind, replaced
from verifier.equivalence.signs import Node
from verifier.equivalence.values import NoValueError, Scalar, Seq


def vector(node: Node) -> Seq | None:
    r"""``\mathbf{i}+2\mathbf{j}`` by its coordinates; None for what is no sum of unit vectors."""
    names = variables(node)
    if not names & set(_UNIT_VECTORS):
        return None
    size = 3 if _UNIT_VECTORS[2] in names else 2
    zero, one = ("num", Fraction(0), None), ("num", Fraction(1), None)
    nothing = dict.fromkeys(_UNIT_VECTORS, zero)
    if not _is_linear_in(node):
        raise NoValueError("a product of vectors")
    return Seq(tuple(Scalar(replaced(node, nothing | {name: one})) for name in _UNIT_VECTORS[:size]), "()")


_UNIT_VECTORS = ("\0i", "\0j", "\0k")


def _is_linear_in(node: Node) -> bool:
    """Whether unit vectors only stand in sums, and in products and fractions by themselves, and each term has one."""
    match node:
        case ("var", name):
            return name in _UNIT_VECTORS
        case ("neg", inner):
            return _is_linear_in(inner)
        case ("sum", items):
            return all(_is_linear_in(item) for item in items)
        case ("div", top, bottom):
            return _is_linear_in(top) and not variables(bottom) & set(_UNIT_VECTORS)
        case ("prod", items):
            return sum(bool(variables(item) & set(_UNIT_VECTORS)) for item in items) == 1 and any(
                map(_is_linear_in, items)
            )
        case _:
            return False


MAX_SIGNS = 4


def both_signs(node: Node) -> tuple[Node, ...]:
    """The readings of a node with plus-minus signs, which depend on each other where there is a minus-plus sign.

    Raises:
        NoValueError: it has too many.
    """
    if has_kind(node, ("mp",)):
        return tuple(with_sign(node, sign) for sign in (1, -1))
    count = _signs_in(node)
    if count > MAX_SIGNS:
        raise NoValueError("too many signs")
    return tuple(_with_signs(node, iter(signs)) for signs in product((1, -1), repeat=count))


def _signs_in(node: Node) -> int:
    """How many plus-minus signs stand in a node."""
    own = int(node[0] == "pm" and len(node) == 2)  # noqa: PLR2004
    return own + sum(_signs_in(part) for part in node if isinstance(part, tuple) and part)


def _with_signs(node: Node, signs: Iterator[int]) -> Node:
    """One reading of what has plus-minus signs, each by the next of these signs."""
    if node[0] in ("pm", "mp") and len(node) == 2:  # noqa: PLR2004
        is_same = (node[0] == "pm") == (next(signs) > 0)
        inner = _with_signs(node[1], signs)
        return inner if is_same else ("neg", inner)
    return tuple(_with_signs(one, signs) if isinstance(one, tuple) and one else one for one in node)


def with_sign(node: Node, sign: int) -> Node:
    """The reading of what has plus-minus signs in which all are this one."""
    return _with_signs(node, repeat(sign))
