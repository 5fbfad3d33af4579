r"""Computes nodes of ``syntax``: exactly where they are rational, else as balls that certainly hold the value.

Everything is bounded before it is computed. A ball is a complex number with an error bound (``flint.acb``), so two
values whose balls do not meet are different for certain; see ``values_equal`` for what counts as equal.

Source:
    Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE Trans. Comput. 66 (2017).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from types import MappingProxyType

from flint import acb, arb, arb_mat, ctx, fmpq

from verifier.equivalence.signs import Node

Environment = Mapping[str, acb]
MAX_BITS = 8_000
"""Of an exact number."""
_MAX_FACTORIAL, _MAX_BINOMIAL = 800, 4_000
_MAX_LOG = 1 << 40
"""Largest exponent of two of a ball that is computed on."""
_PRECISIONS = (96, 400, 1600)
_MATRIX_SIZE = 8


class NotComputedError(ValueError):
    """A node that has no value here, or would cost too much."""


UNCOMPUTED = (NotComputedError, ZeroDivisionError, OverflowError, ValueError)
"""What computing a node can raise."""


# --- exactly --------------------------------------------------------------------------------------------------------


def exact(node: Node) -> Fraction | None:
    """The rational number that a node is, where it can be seen without roots and functions; None else."""
    if node[0] == "num":
        return node[1]  # type: ignore[no-any-return]
    try:
        return None if is_heavy(node) else _exact(node)
    except (NotComputedError, ZeroDivisionError, OverflowError):
        return None


_HEAVIEST = 4000
_WEIGHTS: Mapping[str, int] = MappingProxyType({"fact": 300, "call": 10, "pow": 10, "root": 10, "mod": 1000})


def is_heavy(*nodes: Node) -> bool:
    """Whether computing nodes would cost too much in a process that others wait for, as a sum of many factorials."""
    found, todo = 0, list(nodes)
    while todo:
        one = todo.pop()
        found += _WEIGHTS.get(one[0], 1) if one and isinstance(one[0], str) else 0
        if one[:2] == ("call", "binom"):
            found += _WEIGHTS["fact"]
        todo += [part for part in one if isinstance(part, tuple)]
    return found > _HEAVIEST


def _exact(node: Node) -> Fraction:  # noqa: C901, PLR0912 (one case for each kind)
    value: Fraction
    match node[0]:
        case "num":
            value = node[1]
        case "neg":
            value = -_exact(node[1])
        case "sum":
            value = Fraction(0)
            for item in node[1]:
                value = _bounded_fraction(value + _exact(item))
        case "prod":
            value = Fraction(1)
            for item in node[1]:
                value = _bounded_fraction(value * _exact(item))
        case "div":
            value = _exact(node[1]) / _exact(node[2])
        case "percent":
            value = _exact(node[1]) / 100
        case "pow":
            value = _exact_power(_exact(node[1]), _exact(node[2]))
        case "fact":
            value = Fraction(math.factorial(_whole(_exact(node[1]), _MAX_FACTORIAL)))
        case "abs":
            value = abs(_exact(node[1]))
        case "root":
            value = _exact_root(_exact(node[2]), _whole(_exact(node[1]), 64))
        case "call":
            value = _exact_call(node[1], [_exact(item) for item in node[2]])
        case "mod":
            value = _exact_rest(node[1], _exact(node[2]))
        case _:
            raise NotComputedError(node[0])
    return _bounded_fraction(value)


def _bounded_fraction(value: Fraction) -> Fraction:
    if value.numerator.bit_length() > MAX_BITS or value.denominator.bit_length() > MAX_BITS:
        raise NotComputedError("too large")
    return value


def _exact_rest(node: Node, modulus: Fraction) -> Fraction:
    """What is left of a division; of a power without computing the power."""
    if modulus.denominator != 1 or modulus <= 0:
        raise NotComputedError("a modulus")
    if node[0] == "pow":
        base, exponent = _exact(node[1]), _exact(node[2])
        if base.denominator == exponent.denominator == 1 and exponent >= 0:
            return Fraction(pow(int(base), int(exponent), int(modulus)))
    value = _exact(node)
    if value.denominator != 1:
        raise NotComputedError("no whole number")
    return Fraction(int(value) % int(modulus))


def _whole(value: Fraction, largest: int) -> int:
    if value.denominator != 1 or not 0 <= value <= largest:
        raise NotComputedError("no whole number, or too large")
    return int(value)


def _exact_power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        root = _exact_root(base, _whole(Fraction(exponent.denominator), 64))
        return _exact_power(root, Fraction(exponent.numerator))
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * bits > MAX_BITS and abs(base) != 1 and base:
        raise NotComputedError("too large")
    if base == 0 and exponent <= 0:
        raise NotComputedError("no value")
    if abs(base) == 1:
        return Fraction(1) if base == 1 or exponent % 2 == 0 else Fraction(-1)
    return base ** int(exponent)


def _exact_root(value: Fraction, degree: int) -> Fraction:
    if degree == 0 or (value < 0 and degree % 2 == 0):
        raise NotComputedError("no root")
    sign = -1 if value < 0 else 1
    tops = [_integer_root(abs(part), degree) for part in (value.numerator, value.denominator)]
    return Fraction(sign * tops[0], tops[1])


def _integer_root(value: int, degree: int) -> int:
    root = math.isqrt(value) if degree == 2 else round(value ** (1 / degree)) if value.bit_length() < 1000 else 0  # noqa: PLR2004
    if root**degree != value:
        raise NotComputedError("no rational root")
    return root


def _exact_call(name: str, values: list[Fraction]) -> Fraction:
    match name, values:
        case "binom", [top, bottom]:
            return Fraction(math.comb(_whole(top, _MAX_BINOMIAL), _whole(bottom, _MAX_BINOMIAL)))
        case "floor", [value]:
            return Fraction(math.floor(value))
        case "ceil", [value]:
            return Fraction(math.ceil(value))
        case "gcd", [_, *_] if all(value.denominator == 1 for value in values):
            return Fraction(math.gcd(*map(int, values)))
        case "lcm", [_, *_] if all(value.denominator == 1 for value in values):
            return Fraction(math.lcm(*map(int, values)))
        case "max", [_, *_]:
            return max(values)
        case "min", [_, *_]:
            return min(values)
        case _:
            raise NotComputedError(name)


# --- as balls -------------------------------------------------------------------------------------------------------


def variables(node: Node) -> frozenset[str]:
    """Names that stand in a node."""
    found: set[str] = set()
    todo: list[object] = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, tuple):
            if len(one) == 2 and one[0] == "var" and isinstance(one[1], str):  # noqa: PLR2004
                found.add(one[1])
            elif len(one) == 3 and one[0] == "apply":  # noqa: PLR2004
                found.add(one[1])
                todo.append(one[2])
            else:
                todo += one
    return frozenset(found)


def ball(node: Node, environment: Environment) -> acb:  # noqa: C901, PLR0912 (one case for each kind)
    """The value of a node, at the precision that is set.

    Raises:
        NotComputedError: it has none, or it would cost too much.
    """
    match node[0]:
        case "num":
            return _ball_of(node[1])
        case "const":
            return _constant(node[1])
        case "var":
            if node[1] not in environment:
                raise NotComputedError(node[1])
            return environment[node[1]]
        case "sum":
            value = acb(0)
            for item in node[1]:
                value += ball(item, environment)
            return value
        case "prod":
            value = acb(1)
            for item in node[1]:
                value *= ball(item, environment)
            return value
        case "neg":
            return -ball(node[1], environment)
        case "div":
            return _finite(ball(node[1], environment) / ball(node[2], environment))
        case "percent":
            return ball(node[1], environment) / 100
        case "degree":
            return ball(node[1], environment) * acb.pi() / 180
        case "pow":
            return _power(node[1], node[2], environment)
        case "root":
            return _root(ball(node[2], environment), exact(node[1]))
        case "abs":
            return acb(abs(ball(node[1], environment)))
        case "fact":
            return _bounded(ball(node[1], environment) + 1).gamma()
        case "call":
            return _call(node[1], node[2], environment)
        case "apply":
            # As some function: what holds of every function holds of it.
            return _bounded(_some_function(node, environment))
        case "mod":
            rest = exact(node)
            if rest is None:
                raise NotComputedError("mod")
            return _ball_of(rest)
        case kind:
            raise NotComputedError(kind)


def _some_function(node: Node, environment: Environment) -> acb:
    value = ball(("var", node[1]), environment)
    for at, argument in enumerate(node[2]):
        value = value * value + ball(argument, environment) * (at + 2) + 1
    return value


def _ball_of(value: Fraction) -> acb:
    return acb(arb(fmpq(value.numerator, value.denominator)))


def _constant(name: str) -> acb:
    match name:
        case "pi":
            return acb.pi()
        case "e":
            return acb(1).exp()
        case "i":
            return acb(0, 1)
        case _:
            raise NotComputedError(name)


def _finite(value: acb) -> acb:
    if not value.is_finite():
        raise NotComputedError("no value")
    return value


def _bounded(value: acb) -> acb:
    if not value.is_finite() or not abs(value) < _MAX_LOG:
        raise NotComputedError("too large")
    return value


def _power(base: Node, exponent: Node, environment: Environment) -> acb:
    value, power = ball(base, environment), exact(exponent)
    if power is not None:
        if power.denominator == 1 and abs(power) <= _MAX_LOG:
            if power < 0 and value.contains(0):
                raise NotComputedError("no value")
            _bounded(value.log() * int(power) if not value.contains(0) else acb(0))
            return _finite(value ** int(power))
        if power.denominator % 2 and _is_negative(value):
            root = -((-value) ** _ball_of(Fraction(1, power.denominator)))
            return _finite(root ** int(power.numerator))
        if value.contains(0):
            if value == 0 and power > 0:
                return acb(0)
            raise NotComputedError("no value")
        _bounded(value.log() * _ball_of(power))
        return _finite(value ** _ball_of(power))
    other = ball(exponent, environment)
    if base == ("const", "e"):
        return _finite(_bounded(other).exp())
    if value.contains(0):
        raise NotComputedError("no value")
    return _finite(_bounded(value.log() * other).exp())


def _is_negative(value: acb) -> bool:
    return bool(value.imag == 0 and value.real < 0)


def _root(value: acb, degree: Fraction | None) -> acb:
    if degree is None or degree.denominator != 1 or not 2 <= degree <= 64:  # noqa: PLR2004
        raise NotComputedError("a root")
    if degree == 2:  # noqa: PLR2004
        return value.sqrt()
    if value == 0:
        return acb(0)
    if _is_negative(value) and degree % 2:
        return -((-value) ** _ball_of(1 / degree))
    return value ** _ball_of(1 / degree)


_CALLS: Mapping[str, Callable[[acb], acb]] = MappingProxyType(
    {
        "sin": acb.sin, "cos": acb.cos, "tan": acb.tan, "cot": acb.cot, "sec": acb.sec, "csc": acb.csc,
        "sinh": acb.sinh, "cosh": acb.cosh, "tanh": acb.tanh, "coth": acb.coth,
        "arcsin": acb.asin, "arccos": acb.acos, "arctan": acb.atan, "arcsinh": acb.asinh, "arccosh": acb.acosh,
        "arctanh": acb.atanh, "exp": acb.exp, "sqrt": acb.sqrt,
    }
)  # fmt: skip
_INVERSES: Mapping[str, str] = MappingProxyType({"arccot": "arctan", "arcsec": "arccos", "arccsc": "arcsin"})


def _call(name: str, arguments: tuple[Node, ...], environment: Environment) -> acb:  # noqa: C901, PLR0912
    if name == "det":
        return _determinant(arguments, environment)
    values = [ball(item, environment) for item in arguments]
    if len(values) == 1:
        (value,) = values
        if name in _CALLS:
            return _finite(_CALLS[name](_bounded(value)))
        if name in _INVERSES:
            return _finite(_CALLS[_INVERSES[name]](1 / value))
        match name:
            case "ln" | "log":
                return _logarithm(value)
            case "lg":
                return _logarithm(value) / _logarithm(acb(10))
            case "floor" if value.imag == 0:
                return acb(_bounded(value).real.floor())
            case "ceil" if value.imag == 0:
                return acb(_bounded(value).real.ceil())
            case "re":
                return acb(value.real)
            case "im":
                return acb(value.imag)
            case "sgn" if value.imag == 0:
                return acb(value.real.sgn())
    if name == "log" and len(values) == 2:  # noqa: PLR2004
        return _finite(_logarithm(values[0]) / _logarithm(values[1]))
    if name in ("max", "min") and values and all(value.imag == 0 for value in values):
        found = values[0].real
        for value in values[1:]:
            found = found.max(value.real) if name == "max" else found.min(value.real)
        return acb(found)
    if name == "binom" and len(values) == 2:  # noqa: PLR2004
        top, bottom = map(_bounded, values)
        return _finite((top + 1).gamma() / ((bottom + 1).gamma() * (top - bottom + 1).gamma()))
    raise NotComputedError(name)


def _logarithm(value: acb) -> acb:
    if value.contains(0):
        raise NotComputedError("no logarithm")
    return value.log()


def _determinant(arguments: tuple[Node, ...], environment: Environment) -> acb:
    if len(arguments) != 1 or arguments[0][0] != "matrix":
        raise NotComputedError("det")
    rows = arguments[0][1]
    if len(rows) != len(rows[0]) or len(rows) > _MATRIX_SIZE:
        raise NotComputedError("det")
    values = [[ball(item, environment) for item in row] for row in rows]
    if any(value.imag != 0 for row in values for value in row):
        raise NotComputedError("det")
    return acb(arb_mat([[value.real for value in row] for row in values]).det())


def constant(node: Node) -> acb | None:
    """The value of a node without variables; None where it has none, or would cost too much."""
    if is_heavy(node):
        return None
    try:
        return ball(node, {})
    except UNCOMPUTED:
        return None


@contextlib.contextmanager
def precision(bits: int) -> Iterator[None]:
    """Has balls computed with so many bits."""
    before, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = before


def values_equal(one: Node, other: Node) -> bool | None:
    """Whether two nodes have the same value; None where one has none.

    They differ where their balls do not meet. They are equal where the balls still meet with an error below one part in
    2**400, which no two different short expressions do. Where a part of one is so large or small that it would hide the
    difference, nothing is said.
    """
    accuracy, is_zero, is_hidden = 0, False, False
    for bits in _PRECISIONS:
        with precision(bits):
            try:
                first, second = ball(one, {}), ball(other, {})
            except UNCOMPUTED:
                return None
            if not (first.is_finite() and second.is_finite()):
                return None
            if not first.overlaps(second):
                return False
            accuracy = min(first.rel_accuracy_bits(), second.rel_accuracy_bits())
            is_zero = bool(first.contains(0) and second.contains(0))
            is_hidden = bits == _PRECISIONS[-1] and (_hides(one) or _hides(other))
    return True if not is_hidden and (accuracy > _PRECISIONS[1] or is_zero) else None


def _hides(node: Node) -> bool:
    """Whether a part of a node is so large or small that beside it another part cannot be seen."""
    todo: list[object] = [node]
    while todo:
        one = todo.pop()
        if not isinstance(one, tuple):
            continue
        if one and one[0] in ("pow", "fact", "call", "num"):
            value = constant(one)
            if value is None or not value.is_finite():
                return True
            size = abs(value)
            if size > arb(2) ** _HIDING_BITS or (size != 0 and size < arb(2) ** -_HIDING_BITS):
                return True
        todo += one
    return False


_HIDING_BITS = 1000
