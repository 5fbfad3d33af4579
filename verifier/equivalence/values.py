r"""The kinds of things that an answer can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from verifier.equivalence.signs import Node
from verifier.equivalence.units import Unit, read_unit

DEGREE, RADIAN = read_unit("degree"), read_unit("radian")


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
class Cases:
    """Values by the conditions under which they hold; None for all else."""

    rows: tuple[tuple[Value, Value | None], ...]


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


Value = Scalar | Bag | Seq | Region | Relation | Named | Matrix | Cases | Ratio | Words | Never


NEVER = Never()


EMPTY = Region(())


class NoValueError(ValueError):
    """A node that is none of the kinds."""


def bare(items: Sequence[Value]) -> Sequence[Value]:
    """Values without the names before them."""
    return [item.value if isinstance(item, Named) else item for item in items]
