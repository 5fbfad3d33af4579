"""Whether two numbers or expressions are the same: exactly, as balls, at many points, or as a rounding decimal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import permutations

from flint import acb, arb, fmpq

from verifier.equivalence.evaluate import (
    UNCOMPUTED,
    ball,
    constant,
    exact,
    is_heavy,
    precision,
    values_equal,
    variables,
)
from verifier.equivalence.numbers import is_terminating
from verifier.equivalence.policy import DEFAULT, Policy
from verifier.equivalence.signs import Node

POINTS, NEEDED_POINTS = 8, 3
_SCALES = (1, 41, 700)
"""Of the points, in turns: what a bound or a step does shows only beyond it."""
_WHOLE_SCALES = (1, 3, 97, 10_007, 1_000_003)
POINT_BITS = 160
_LEAST_DIGITS = 3
"""Of a reference that is a decimal: with so many it may be the rounding of what has no decimal."""
_ANSWER_DIGITS = 8
"""Of an answer, for which nobody vouches."""
_MACHINE_DIGITS = 15
_NUMBERED = frozenset({"C_1", "C_2", "C_3", "c_1", "c_2", "c_3", "C_0", "c_0"})
_INTEGRATION = _NUMBERED | {"C"}
_ADDED = _INTEGRATION | {"c", "K", "k", "D"}
_FACTORS = _INTEGRATION | {"A"}
"""Letters for constants of integration, by how they stand."""
_MAX_CONSTANTS = 3
_COUNTERS = frozenset("kmnl")
INFINITY: Node = ("const", "inf")
MINUS_INFINITY: Node = ("neg", INFINITY)


def nodes_equal(gold: Node, answer: Node, seed: bytes, policy: Policy = DEFAULT) -> bool | None:
    """Whether two numbers or expressions are the same; None where it cannot be told.

    Args:
        gold: of the reference.
        answer: compared with it.
        seed: from which the points follow at which expressions are compared.
        policy: whether a decimal may stand for what it rounds.
    """
    if gold == answer:
        return True
    if is_infinite(gold) or is_infinite(answer):
        return False
    one, other = exact(gold), exact(answer)
    if one is not None and other is not None:
        return one == other or (policy.rounding and _is_rounding(gold, one, answer, other))
    if gold[0] == answer[0] and _ordered(gold) == _ordered(answer):
        return True
    if is_heavy(gold, answer):
        return None
    if variables(gold) or variables(answer):
        return _same_expression(gold, answer, seed)
    is_equal = values_equal(gold, answer)
    if policy.rounding and is_equal is False and (digits_of(gold) or digits_of(answer)):
        return _is_near(gold, answer)
    return is_equal


def _same_expression(gold: Node, answer: Node, seed: bytes) -> bool | None:
    """Whether two expressions with variables are the same, but for letters that stand for whole or any numbers."""
    if (same := _same_family(gold, answer)) is not None:
        return same
    answer = _with_letter_of(gold, answer)
    found: bool | None = False
    for form in _with_constants_of(gold, answer):
        same = same_function(gold, form, seed)
        if same or _differ_by_constant(gold, form, seed):
            return True
        found = None if same is None else found
    return found


def _ordered(node: Node) -> Node:
    """A node with the items of its sums and products in one order."""
    parts = tuple(_ordered(part) if isinstance(part, tuple) else part for part in node)
    if parts and parts[0] in ("sum", "prod") and len(parts) == 2:  # noqa: PLR2004
        return (parts[0], tuple(sorted(parts[1], key=repr)))
    return parts


def same_function(gold: Node, answer: Node, seed: bytes) -> bool | None:
    """Whether two expressions agree wherever both can be computed; real numbers are compared with real ones."""
    agreed = 0
    with precision(POINT_BITS):
        for one, other, is_positive in at_points(gold, answer, seed, turns=3 * POINTS):
            if not (one.is_finite() and other.is_finite()):
                continue
            if not is_positive and not (is_real(one) and is_real(other)):
                continue
            if not one.overlaps(other):
                return False
            is_rough = min(one.rel_accuracy_bits(), other.rel_accuracy_bits()) < POINT_BITS // 3
            if is_rough and not _are_zero(one, other):
                continue
            agreed += 1
            if agreed == POINTS:
                break
    return True if agreed >= NEEDED_POINTS else None


def at_points(gold: Node, answer: Node, seed: bytes, turns: int) -> Iterator[tuple[acb, acb, bool]]:
    """The values of two nodes where both can be computed, and whether all variables are positive there."""
    names = sorted(variables(gold) | variables(answer))
    whole = _whole_names(gold) | _whole_names(answer)
    for turn in range(turns):
        environment = {
            name: _whole_point(seed, turn, at) if name in whole else _point(seed, turn, at)
            for at, name in enumerate(names)
        }
        try:
            values = ball(gold, environment), ball(answer, environment)
        except UNCOMPUTED:
            continue
        yield *values, turn % 2 == 0


def _point(seed: bytes, turn: int, at: int) -> acb:
    """A number at which expressions are compared: it follows from both texts, so no answer can be made for it.

    In every other turn some are negative, of several not all alike.
    """
    digest = _digest(seed, turn, at)
    size = (257 + int.from_bytes(digest[:4], "big") % 3000) * _SCALES[turn // 2 % len(_SCALES)]
    is_negative = turn % 2 == 1 and (turn // 2 + at) % 3 != 1
    return acb(arb(fmpq(-size if is_negative else size, 1009 + int.from_bytes(digest[4:6], "big") % 64)))


def _whole_point(seed: bytes, turn: int, at: int) -> acb:
    digest = _digest(seed, turn, at)
    size = 2 + turn + int.from_bytes(digest[:2], "big") % 7 * _WHOLE_SCALES[turn % len(_WHOLE_SCALES)]
    return acb(-size if turn % 3 == 2 else size)  # noqa: PLR2004 (one in three)


def _digest(seed: bytes, turn: int, at: int) -> bytes:
    salt = turn.to_bytes(8, "big") + at.to_bytes(8, "big")
    return hashlib.blake2b(seed, digest_size=8, salt=salt).digest()


def _whole_names(node: Node) -> set[str]:
    r"""Names that stand for whole numbers, by what is done with them: ``(-1)^n``, ``n!``, ``\cos n\pi``."""
    found: set[str] = set()
    todo: list[object] = [node]
    while todo:
        one = todo.pop()
        if not isinstance(one, tuple) or not one:
            continue
        match one:
            case ("pow", base, exponent) if (value := exact(base)) is not None and value < 0:
                found |= variables(exponent)
            case ("fact", _) | ("call", "floor" | "ceil" | "binom", _):
                found |= variables(one)
            case ("call", "sin" | "cos" | "tan", _) if _has_pi(one):
                found |= variables(one)
        todo += one
    return {name for name in found if name in _COUNTERS or name[:2] in ("\0Z", "\0N")}


def is_real(value: acb) -> bool:
    """Whether a ball holds a real number, and hardly anything else."""
    least = arb(2) ** (-POINT_BITS // 2)
    return bool(value.imag.contains(0)) and bool(abs(value.imag) <= abs(value.real) * least + least)


def _are_zero(one: acb, other: acb) -> bool:
    """Whether both are zero as far as can be seen."""
    least = arb(2) ** (-POINT_BITS // 2)
    return bool(one.contains(0) and other.contains(0) and abs(one) < least and abs(other) < least)


def _with_letter_of(gold: Node, answer: Node) -> Node:
    r"""The solutions of a trigonometric equation, ``k\pi`` say, with the letter that the reference counts by."""
    ours, theirs = variables(gold), variables(answer)
    if ours == theirs:
        return answer
    missing, new = ours - theirs, theirs - ours
    if len(missing) != 1 or len(new) != 1:
        return answer
    (old,), (name,) = new, missing
    if old.startswith("\0") != name.startswith("\0"):  # a whole number by what only one of them says
        return replaced(answer, {old: ("var", name)})
    if not missing | new <= _COUNTERS or not (_has_pi(gold) and _has_pi(answer)) or len(ours) != 1:
        return answer
    return replaced(answer, {old: ("var", name)})


def _same_family(gold: Node, answer: Node) -> bool | None:
    r"""Whether ``\frac{\pi}{4}+k\pi`` and ``k\pi-\frac{3\pi}{4}`` are the same numbers; None for other expressions."""
    names = [variables(side) for side in (gold, answer)]
    if any(len(one) != 1 for one in names) or not (_has_pi(gold) or _has_pi(answer)):
        return None
    is_said = any(name.startswith("\0Z") for one in names for name in one)
    if not is_said and not (names[0] == names[1] == {"k"}):
        return None  # nobody says that it counts: (n-2)\pi is a sum of angles
    counters = [next(iter(one)) for one in names]
    if not all(name in _COUNTERS or name.startswith("\0Z") for name in counters):
        return None
    lines: list[tuple[acb, acb]] = []
    with precision(POINT_BITS):
        for node, name in zip((gold, answer), counters, strict=True):
            values = [constant(replaced(node, {name: ("num", Fraction(at), None)})) for at in (0, 1, 2, 5)]
            known = [value for value in values if value is not None and value.is_finite()]
            if len(known) < len(values):
                return None
            step = known[1] - known[0]
            is_line = known[2].overlaps(known[0] + 2 * step) and known[3].overlaps(known[0] + 5 * step)
            if not is_line or step.contains(0) or not is_real(step):
                return None
            lines.append((known[0], step))
        (start, step), (other, other_step) = lines
        if not (step.overlaps(other_step) or step.overlaps(-other_step)):
            return False
        if not is_said and (start / step).real.unique_fmpz() is not None:
            return None  # with k this may be a sum of angles as well
        shift = (other - start) / step
        return is_real(shift) and shift.real.unique_fmpz() is not None if shift.is_finite() else None


def _with_constants_of(gold: Node, answer: Node) -> Iterator[Node]:
    """An answer with the letters that the reference has for its constants of integration, in each order."""
    ours, theirs = variables(gold), variables(answer)
    missing, new = sorted(ours - theirs), sorted(theirs - ours)
    if ours == theirs and len(ours & _NUMBERED) > 1:
        missing = new = sorted(ours & _NUMBERED)
    if not missing or not ours & theirs - {*missing} or len(missing) != len(new) or len(missing) > _MAX_CONSTANTS:
        yield answer
        return
    is_alone = len(missing) == 1
    is_added = is_alone and _is_added(gold, missing[0]) and _is_added(answer, new[0])
    letters = _ADDED if is_added else _FACTORS if is_alone else _FACTORS | {"B", "D"}
    of_integration = _INTEGRATION if is_alone else _NUMBERED
    if not {*missing, *new} <= letters or not ({*missing} <= of_integration or {*new} <= of_integration):
        yield answer
        return
    for order in permutations(missing):
        yield replaced(answer, {old: ("var", name) for old, name in zip(new, order, strict=True)})


def _differ_by_constant(gold: Node, answer: Node, seed: bytes) -> bool:
    """Whether both end in the same constant of integration, and differ by a number."""
    if not {"C"} < variables(gold) or variables(gold) != variables(answer) or len(variables(gold)) != 2:  # noqa: PLR2004
        return False
    if not (_is_added(gold, "C") and _is_added(answer, "C")):
        return False
    found: list[acb] = []
    with precision(POINT_BITS):
        for one, other, _ in at_points(gold, answer, seed, turns=3 * POINTS):
            difference = one - other
            if not difference.is_finite():
                continue
            if found and not difference.overlaps(found[0]):
                return False
            found.append(difference)
            if len(found) == POINTS:
                break
    return len(found) >= NEEDED_POINTS


def _is_added(node: Node, name: str) -> bool:
    return node[0] == "sum" and ("var", name) in node[1]


def _has_pi(node: Node) -> bool:
    return node == ("const", "pi") or any(_has_pi(part) for part in node if isinstance(part, tuple))


def replaced(node: Node, by_name: dict[str, Node]) -> Node:
    """A node with other nodes in the place of its variables."""
    if len(node) == 2 and node[0] == "var" and node[1] in by_name:  # noqa: PLR2004 (a variable)
        return by_name[node[1]]
    return tuple(replaced(part, by_name) if isinstance(part, tuple) else part for part in node)


def has_kind(node: object, kinds: tuple[str, ...], *, below: bool = False) -> bool:
    """Whether a node, or what is in it, is of one of these kinds; ``below`` leaves the node itself out.

    A determinant is a number, whatever it holds.
    """
    todo: list[object] = [node]
    if below and isinstance(node, tuple):
        todo = [] if node[:2] == ("call", "det") else list(node)
    while todo:
        one = todo.pop()
        if isinstance(one, tuple):
            if one and one[0] in kinds:
                return True
            if one[:2] != ("call", "det"):
                todo += one
    return False


def is_infinite(node: Node) -> bool:
    """Whether it is infinity, of either sign."""
    return node in (INFINITY, MINUS_INFINITY)


# --- decimals -------------------------------------------------------------------------------------------------------


def digits_of(node: Node) -> int:
    """Significant digits of a decimal; 0 of what is none."""
    if node[0] == "neg":
        return digits_of(node[1])
    if node[0] != "num" or node[2] is None:
        return 0
    shown = str(abs(node[1].numerator) * 10 ** node[2] // node[1].denominator)
    return len(shown.lstrip("0"))


def places_of(node: Node) -> int:
    """Digits of a decimal after its point."""
    return int(node[1][2] if node[0] == "neg" else node[2])


def _is_rounding(gold: Node, one: Fraction, answer: Node, other: Fraction) -> bool:
    """Whether one is a decimal that shows the other, which no decimal can be, as far as it goes."""
    shown = digits_of(gold), digits_of(answer)
    if all(shown) or not any(shown):
        return False
    decimal, value, hidden, least = (
        (gold, one, other, _LEAST_DIGITS) if shown[0] else (answer, other, one, _ANSWER_DIGITS)
    )
    if max(shown) < least or is_terminating(hidden):
        return False
    return abs(value - hidden) * 2 <= Fraction(1, 10 ** places_of(decimal))


def _is_near(gold: Node, answer: Node) -> bool | None:
    """The same for a value that is no fraction."""
    for decimal, other, least in ((gold, answer, _LEAST_DIGITS), (answer, gold, _ANSWER_DIGITS)):
        digits = digits_of(decimal)
        if digits < least or exact(other) is not None:
            continue
        value, shown = constant(other), constant(decimal)
        if value is None or shown is None:
            return None
        error = abs(shown - value)
        # A machine's number shows no more than sixteen digits of it.
        if error * 2 <= arb(fmpq(1, 10 ** places_of(decimal))):
            return True
        if digits >= _MACHINE_DIGITS and error <= abs(value) * arb(2) ** -51:
            return True
    return False
