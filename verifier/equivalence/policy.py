"""What counts as equal where that is a matter of choice; the defaults are what a reward usually wants."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Percent(Enum):
    """What ``50%`` is equal to, where only one side carries the sign."""

    EITHER = "either"
    """50 and 0.5."""
    SHARE = "share"
    """Only 0.5."""


class Need(Enum):
    """Whether an answer must carry what its reference carries."""

    OPTIONAL = "optional"
    REQUIRED = "required"


class Order(Enum):
    """Of a list without brackets. A set is never in order, a tuple always."""

    FREE = "free"
    STRICT = "strict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What counts as equal.

    Args:
        percent: see ``Percent``.
        units: whether an answer must carry the unit of its reference; one that it carries must always fit.
        names: whether ``5`` may stand for ``x=5``.
        order: of a list without brackets.
        rounding: whether a decimal may stand for the value that it rounds, by the rules in docs/math.md.
        simplest_form: whether an answer must be in its simplest form, as in ``simplest``.
    """

    percent: Percent = Percent.EITHER
    units: Need = Need.OPTIONAL
    names: Need = Need.OPTIONAL
    order: Order = Order.FREE
    rounding: bool = True
    simplest_form: bool = False


DEFAULT = Policy()
