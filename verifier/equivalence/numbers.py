r"""Plain numbers: integers, decimals, fractions, mixed numbers, powers of ten, and numbers with a base.

The whole text must be a number, else it is none: there is no taking a number out of a text. Digits and exponents are
bounded, so that reading one is cheap whatever it says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from verifier.equivalence.policy import DEFAULT, Percent, Policy

_MAX_CHARS = 240
_MAX_EXPONENT = 400
_LEAST_BASE = 2
_MAX_BASE = 36
_ENOUGH_DIGITS = 6
"""A decimal that shows this many digits stands for the value that it rounds; fewer do not."""
_ROUNDED_DIGITS = 3

_INTEGER = r"\d{1,100}"
_GROUPED = r"\d{1,3}(?:,\d{3}){1,20}|\d{1,3}(?: \d{3}){1,20}"

_NAMED = re.compile(r"([a-zA-Z](?:_(?:\w|\{\w{1,3}\}))?)? ?(?:=|\\approx(?![a-zA-Z])) ?(.+)")
_WHOLE = re.compile(rf"(?P<whole>{_GROUPED}|{_INTEGER})(?:\.(?P<places>\d{{0,100}}))?|\.(?P<only>\d{{1,100}})")
_LATEX_FRACTION = re.compile(
    rf"(?:(?P<units>{_INTEGER}) ?)?\\frac ?\{{ ?(?P<sign>-?) ?(?P<top>{_INTEGER}) ?\}}"
    rf" ?\{{ ?(?P<bottom>{_INTEGER}) ?\}}"
)
_PLAIN_FRACTION = re.compile(rf"(?:(?P<units>{_INTEGER}) +)?(?P<sign>)(?P<top>{_INTEGER}) ?/ ?(?P<bottom>{_INTEGER})")
_SCIENTIFIC = re.compile(
    r"(?P<digits>\d{1,40}(?:\.\d{0,40})?) ?"
    r"(?:(?:\\times|\\cdot|\*|x) ?10 ?\^ ?(?:\{ ?(?P<braced>-?\d{1,4}) ?\}|(?P<bare>-?\d{1,4}))"
    r"|[eE](?P<short>[+-]?\d{1,4}))"
)
_REPEATING = re.compile(r"(?P<units>\d{0,40})\.(?P<places>\d{0,40})\\overline ?\{ ?(?P<cycle>\d{1,40}) ?\}")
_DOTS = re.compile(
    r"(?P<units>\d{0,40})\.(?P<places>\d{0,40}?)(?P<cycle>\d{1,6}?)(?P<again>(?:(?P=cycle)){1,40})\s?(?:\\[lc]?dots|\.\.\.|…)"
)
_CURRENCY = re.compile(r"(?:\\?(?P<sign>[$€£¥₹]))\s?")
_BASED = re.compile(r"(-?)(\d[0-9A-Za-z]{0,100}) ?_ ?(?:\{ ?(\d{1,2}) ?\}|(\d{1,2}))")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainNumber:
    """A number that a text is.

    Args:
        value: exact; of ``50%`` it is 50.
        digits: significant digits where it was written with a decimal point, else None.
        step: value of one unit in its last place, where it was written with a decimal point.
        is_percent: it carried a percent sign.
        name: the variable of ``x = 5``, else empty.
        currency: the sign of ``$5``, else empty.
    """

    value: Fraction
    digits: int | None = None
    step: Fraction = Fraction(0)
    is_percent: bool = False
    name: str = ""
    currency: str = ""


def read_number(normal: str) -> PlainNumber | None:
    """The number that a normalised text is, or None."""
    if not normal or len(normal) > _MAX_CHARS or normal[:2].isalpha():  # a name has one letter
        return None
    name, text = "", normal
    named = _NAMED.fullmatch(text)
    if named:
        name, text = named[1] or "", named[2].strip()
    is_percent = text.endswith("%")
    if is_percent:
        text = text[:-1].removesuffix("\\").rstrip()
    negative = text.startswith("-")
    text = text.lstrip("+-").lstrip() if text[:1] in "+-" and text[1:2] not in ("+", "-") else text
    currency = _CURRENCY.match(text)
    if currency:
        text = text[currency.end() :]
    found = _unsigned(text)
    if found is None:
        return None
    value, digits, step = found
    return PlainNumber(
        value=-value if negative else value,
        digits=digits,
        step=step,
        is_percent=is_percent,
        name=name,
        currency=currency["sign"] if currency else "",
    )


def numbers_equal(gold: PlainNumber, answer: PlainNumber, policy: Policy = DEFAULT) -> bool:
    """Whether the two are the same number.

    A percent sign on one side only may be meant as ``/100`` or be left out. A decimal stands for the value that it
    rounds or cuts, if it shows enough digits; how near the values are does not matter otherwise.
    """
    same = _same if policy.rounding else _alike
    if gold.is_percent == answer.is_percent:
        return same(gold, answer)
    percent, plain = (gold, answer) if gold.is_percent else (answer, gold)
    share = _share(percent)
    return (policy.percent is Percent.EITHER and same(percent, plain)) or same(share, plain)


def _share(percent: PlainNumber) -> PlainNumber:
    return PlainNumber(value=percent.value / 100, digits=percent.digits, step=percent.step / 100)


def was_rounded(gold: PlainNumber, answer: PlainNumber) -> bool:
    """Whether the gold is a decimal to which the answer, a fraction that no decimal can be, is rounded.

    A gold was rounded by its author, so fewer digits are enough than of an answer.
    """
    if gold.is_percent != answer.is_percent:
        gold, answer = (_share(side) if side.is_percent else side for side in (gold, answer))
    if gold.digits is None or gold.digits < _ROUNDED_DIGITS or answer.digits is not None:
        return False
    return not is_terminating(answer.value) and abs(gold.value - answer.value) * 2 <= gold.step


def is_terminating(value: Fraction) -> bool:
    """Whether a decimal shows all of it."""
    rest = value.denominator
    for factor in (2, 5):
        while rest % factor == 0:
            rest //= factor
    return rest == 1


def repeating(units: str, places: str, cycle: str) -> Fraction:
    """The number of which these digits stand before the point, after it once, and after it without end."""
    tail = Fraction(int(cycle), (10 ** len(cycle) - 1) * 10 ** len(places))
    return Fraction(int((units + places) or "0"), 10 ** len(places)) + tail


def read_based(normal: str) -> tuple[int | None, int] | None:
    """Value and base of a text such as ``25_6``, or None; no value where a digit is too large for the base."""
    match = _BASED.fullmatch(normal)
    if not match:
        return None
    base = int(match[3] or match[4])
    if not _LEAST_BASE <= base <= _MAX_BASE:
        return None
    value = 0
    for digit in (int(sign, _MAX_BASE) for sign in match[2]):
        if digit >= base:
            return None, base
        value = value * base + digit
    return -value if match[1] else value, base


def _unsigned(text: str) -> tuple[Fraction, int | None, Fraction] | None:
    """Value, significant digits and step of the last place."""
    if whole := _WHOLE.fullmatch(text):
        places = whole["places"] or whole["only"] or ""
        return _decimal((whole["whole"] or "").replace(",", "").replace(" ", ""), places)
    if fraction := _LATEX_FRACTION.fullmatch(text) or _PLAIN_FRACTION.fullmatch(text):
        bottom = int(fraction["bottom"])
        if bottom == 0 or (fraction["units"] and fraction["sign"]):
            return None
        value = Fraction(int(fraction["top"]), bottom)
        return (-value if fraction["sign"] else int(fraction["units"] or 0) + value), None, Fraction(0)
    if cycled := _REPEATING.fullmatch(text):
        return repeating(cycled["units"], cycled["places"], cycled["cycle"]), None, Fraction(0)
    if dots := _DOTS.fullmatch(text):
        return _repeating(dots)
    if scientific := _SCIENTIFIC.fullmatch(text):
        exponent = int(scientific["braced"] or scientific["bare"] or scientific["short"])
        if abs(exponent) > _MAX_EXPONENT:
            return None
        units, _, places = scientific["digits"].partition(".")
        value, digits, step = _decimal(units, places)
        scale = Fraction(10) ** exponent
        return value * scale, digits, step * scale
    return None


def _repeating(dots: re.Match[str]) -> tuple[Fraction, int | None, Fraction] | None:
    """The value of ``0.333...``: a digit three times, or a longer cycle twice."""
    places, cycle = dots["places"], dots["cycle"]
    if len(cycle) == 1 and len(dots["again"]) == 1:
        return None
    return repeating(dots["units"], places, cycle), None, Fraction(0)


def _decimal(units: str, places: str) -> tuple[Fraction, int | None, Fraction]:
    value = Fraction(int((units + places) or "0"), 10 ** len(places))
    if not places.strip("0"):
        return value, None, Fraction(0)
    return value, len((units + places).lstrip("0")), Fraction(1, 10 ** len(places))


def _alike(one: PlainNumber, other: PlainNumber) -> bool:
    return one.value == other.value


def _same(one: PlainNumber, other: PlainNumber) -> bool:
    return one.value == other.value or _shows(one, other) or _shows(other, one)


def _shows(rounded: PlainNumber, exact: PlainNumber) -> bool:
    """Whether a decimal is what the other number looks like in so many places, rounded or cut."""
    if rounded.digits is None or rounded.digits < _ENOUGH_DIGITS or rounded.value * exact.value < 0:
        return False
    if exact.digits is not None and exact.step >= rounded.step:  # it shows no more than the first
        return False
    error = abs(rounded.value - exact.value)
    return error * 2 <= rounded.step or (error < rounded.step and abs(rounded.value) < abs(exact.value))
