r"""Plain numbers with what follows them: a unit, a currency, a percent sign, ``million``, or the things counted.

As in ``numbers`` the whole text must be read, else it is no quantity. Words that are no unit we know stand for what is
counted and are not compared; words that would change the number, or offer another, make it no quantity.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise

from verifier.equivalence.numbers import PlainNumber, numbers_equal, read_number, was_rounded
from verifier.equivalence.policy import DEFAULT, Need, Policy
from verifier.equivalence.units import Unit, read_unit

_MAX_CHARS = 240

_MEASURE = re.compile(
    r"(?P<number>.*?[\d}%.])\s?"
    r"(?:\\(?:text|mathrm)\s?\{(?P<boxed>(?:[^{}]|\^ ?\{-?\d\}){1,80})\}|\{(?P<braced>[a-zA-Z]{1,20})\}"
    r"|(?P<bare>\s[a-zA-Z]{2,20}(?:[ /-][a-zA-Z]{1,20}){0,5}|\s?[a-zA-Z]{0,4}/[a-zA-Z]{1,20}|[\u4e00-\u9fff]{1,8}"
    r"(?:/[\u4e00-\u9fff]{1,4})?))"
    r"(?:\s?\^\s?\{?(?P<power>-?[1-4])\}?)?"
)
_DEGREES = re.compile(r"(?P<number>.*?[\d}.])\s?\^\\circ\s?(?:\\(?:text|mathrm)\{\s?)?(?P<scale>[CF]?)\s?\}?")
_WORDS = re.compile(
    r"/?[^\W\d_]+(?: ?\^ ?\{?-?\d\}?)?(?:(?:[ /.·-]|\\cdot ?| per )+[^\W\d_]+(?: ?\^ ?\{?-?\d\}?)?)*\.?"
)
_WORD = re.compile(r"[^\W\d_]+")
_MAGNITUDES = {
    "hundred": 10**2,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
    "trillion": 10**12,
    "dozen": 12,
    "dozens": 12,
    "百": 10**2,
    "千": 10**3,
    "万": 10**4,
    "亿": 10**8,
}
_CHANGING_LINES = (
    "or and not more less than minus plus times over about mod pi sqrt squared cubed percent half halves third thirds",
    "quarter quarters am pm if when for is are where with without but negative radians base factorial maybe perhaps",
    "either neither nor no never any at most least so few fewer greater under below above approximately roughly around",
    "nearly almost between to until except unless other another both all none vs versus alternatively oder ou",
    "one two three four five six seven eight nine ten eleven twelve twenty root doubled tripled twice wrong false",
    "probably think guess rejected impossible unlikely likely unknown cannot reciprocal negated opposite inverse bound",
    "upper lower isn isnt nicht falsch vielleicht possibly however although though instead rather double triple also",
    "actually wrongly correct false hardly scarcely excluded excluding minus discarded retracted nein non pas kein ou",
    "well as peut être нет не возможно ではない никак",
    "january february march april june july august september october november december",
    "incorrect score gross tens hundreds thousands millions lakh crore bn mil fold mille basis tenth tenths hundredths",
)
CHANGING_WORDS = frozenset(word for line in _CHANGING_LINES for word in line.split()).union(_MAGNITUDES)
"""Words beside a number that change it, bound it or offer another."""
CHANGING_HAN = frozenset(
    "或和与不非至到约多少几第除乘加减倍半成折零一二三四五六七八九十的吗左右以上下是错误可能大概也许未否反负没无若如但虽"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number and what it counts.

    Args:
        number: with its magnitude word multiplied in.
        unit: one that we know, else None.
        words: those that are no unit we know.
        is_compound: it was said in several units, so that no one of them can be left out.
    """

    number: PlainNumber
    unit: Unit | None = None
    words: str = ""
    is_compound: bool = False


@lru_cache(maxsize=4096)
def read_quantity(normal: str) -> Quantity | None:
    """The quantity that a normalised text is, or None."""
    if not normal or len(normal) > _MAX_CHARS or normal[:2].isalpha():  # a name has one letter
        return None
    number = read_number(normal)
    if number is not None:
        sign = "%" if number.is_percent else number.currency
        return Quantity(number=number, unit=read_unit(sign) if sign else None)
    if degrees := _DEGREES.fullmatch(normal):
        return _quantity(degrees["number"], {"C": "celsius", "F": "fahrenheit"}.get(degrees["scale"], "degree"), 1)
    measure = _MEASURE.fullmatch(normal)
    if measure is None:
        return _read_compound(normal)
    words = (measure["boxed"] or measure["braced"] or measure["bare"]).strip().replace("\\", "")
    found = _quantity(measure["number"], words, int(measure["power"] or 1))
    return _read_compound(normal) if found is None else found


def measured_by_letter(normal: str, unit: Unit) -> Quantity | None:
    """``5000 m`` beside a length: a letter is a unit where the other side has one of its kind; None for others."""
    found = _BY_LETTER.fullmatch(normal)
    if found is None:
        return None
    quantity = _quantity(found[1], found[2], int(found[3] or 1))
    return quantity if quantity is not None and quantity.unit and quantity.unit.bases == unit.bases else None


def unit_after(text: str) -> str:
    r"""The unit with which a text goes on after a number, as LaTeX: ``\text{kg}``, ``\%``; empty for none."""
    found = _UNIT_AFTER.match(text)
    if found is None:
        return ""
    if found["sign"]:
        return "\\%" if "%" in found["sign"] else "^\\circ"
    unit = (found["boxed"] or found["bare"]) + (found["power"] or "").replace(" ", "")
    return rf"\text{{{unit}}}" if read_unit(unit) is not None else ""


_UNIT_AFTER = re.compile(
    r"[\s$]{0,3}(?:\\[,;: ]|~)?\s?(?:(?P<sign>\\?%|\^\s?\{?\s?\\circ\s?\}?|°)"
    r"|(?:\\(?:text|mathrm)\s?\{\s*(?P<boxed>[^{}]{1,20}?)\s*\}|(?!in[ .])(?P<bare>[A-Za-z]{1,12}(?:/[A-Za-z]{1,6})?))"
    r"(?P<power>\s?\^\s?\{?[23]\}?)?(?=[\s.,;$)]|$))"
)
_BY_LETTER = re.compile(r"(-?[\d.,]{1,40}) ?([a-zA-Z])(?: ?\^ ?\{? ?([23]) ?\}?)?")


def quantities_equal(gold: Quantity, answer: Quantity, policy: Policy = DEFAULT) -> bool | None:
    """Whether the two are the same amount; None where what they count cannot be compared.

    A unit that is missing on one side is not asked for, unless the policy says so. Known units of one kind are
    converted.
    """
    if policy.names is Need.REQUIRED and gold.number.name and not answer.number.name:
        return False
    if gold.number.name and answer.number.name and gold.number.name != answer.number.name:
        return None
    if gold.unit is not None and answer.unit is not None:
        if gold.unit.bases != answer.unit.bases:
            return False
        scale = answer.unit.factor / gold.unit.factor
        return _equal(gold.number, _scaled(answer.number, scale), policy)
    if policy.units is Need.REQUIRED and _is_measured(gold) and not (answer.unit or answer.words):
        return False
    gold_is_named, answer_is_named = (bool(side.unit or side.words) for side in (gold, answer))
    if (gold.is_compound and not answer_is_named) or (answer.is_compound and not gold_is_named):
        return False
    if gold_is_named and answer_is_named and _singular(gold.words) != _singular(answer.words):
        return None
    return any(
        _equal(one, other, policy)
        for one in _numbers_of(gold, alone=not answer_is_named)
        for other in _numbers_of(answer, alone=not gold_is_named)
    )


def _numbers_of(quantity: Quantity, *, alone: bool) -> Iterator[PlainNumber]:
    """The number of a quantity; beside one without a unit also cents as a part of the whole."""
    yield quantity.number
    if alone and quantity.unit is not None and quantity.unit.bases == _MONEY and quantity.unit.factor != 1:
        yield _scaled(quantity.number, quantity.unit.factor)


def _is_measured(gold: Quantity) -> bool:
    """Whether it carries a unit or what it counts; a percent sign is no unit."""
    return not gold.number.is_percent and bool(gold.unit or gold.words)


def _equal(gold: PlainNumber, answer: PlainNumber, policy: Policy) -> bool:
    return numbers_equal(gold, answer, policy) or (policy.rounding and was_rounded(gold, answer))


def _quantity(number_text: str, words: str, power: int) -> Quantity | None:
    number = read_number(number_text.strip())
    if number is None or not _WORDS.fullmatch(words):
        return None
    first = _WORD.search(words)
    head = first.group() if first else ""
    is_unit = read_unit(words, power=power) is not None
    magnitude = None if is_unit else _MAGNITUDES.get(head.casefold()) or _MAGNITUDES.get(head[:1])
    if magnitude:
        head = head if head.casefold() in _MAGNITUDES else head[:1]
        number = _scaled(number, Fraction(magnitude))
        words = words[len(head) :].strip()
    if not words:
        return Quantity(number=number, unit=read_unit(number.currency) if number.currency else None)
    if words.casefold() in ("percent", "percents", "pct"):
        return None if number.is_percent else Quantity(number=replace(number, is_percent=True), unit=read_unit("%"))
    unit = read_unit(words, power=power)
    if unit is not None:
        is_other = bool(number.currency) and read_unit(number.currency) != unit
        return None if is_other or number.is_percent else Quantity(number=number, unit=unit)
    if not CHANGING_WORDS.isdisjoint(_WORD.findall(words.casefold())) or not CHANGING_HAN.isdisjoint(words):
        return None
    if "次方" in words or "百分点" in words:
        return None
    return Quantity(number=number, words=f"{words.casefold()}^{power}" if power != 1 else words.casefold())


def restated(normal: str) -> str:
    """The first of several ways to say one amount: ``225 minutes or 3 hours 45 minutes``, ``4 (3 red and 1 blue)``.

    They must be the same amount, or in parentheses add up to it; empty for anything else.
    """
    if len(normal) > _MAX_CHARS or not ("(" in normal or " or " in normal):
        return ""
    if breakdown := _BREAKDOWN.fullmatch(normal):
        whole = read_quantity(breakdown["whole"])
        parts = [read_quantity(part.strip()) for part in _JOINED.split(breakdown["parts"])]
        if whole is not None and whole.unit and len(parts) == 1 and parts[0] is not None and parts[0].unit:
            return breakdown["whole"] if quantities_equal(whole, parts[0]) else ""
        found = [part for part in parts if part is not None and (part.words or part.unit)]
        total = sum(one.number.value for one in found)
        is_sum = whole is not None and len(found) == len(parts) > 1 and whole.number.value == total
        return breakdown["whole"] if is_sum else ""
    ways = [way.strip(' "') for way in normal.split(" or ")]
    amounts = [read_quantity(way) for way in ways]
    first = amounts[0]
    if len(ways) < 2 or first is None or first.unit is None:  # noqa: PLR2004 (two ways)
        return ""
    is_same = all(one is not None and one.unit and quantities_equal(first, one) for one in amounts[1:])
    return next((way for way in ways if _MEASURE.fullmatch(way)), "") if is_same else ""


def _read_compound(normal: str) -> Quantity | None:
    """``3 hours 45 minutes``: parts of one kind, each of a smaller unit, as the smallest of them."""
    normal = _OPENED.sub(r" \1 ", normal).replace("  ", " ").strip() if "\\" in normal else normal
    found = _COMPOUND.fullmatch(normal)
    if found is None:
        return None
    parts = [(Fraction(part[1]), read_unit(part[2])) for part in _PART.finditer(normal)]
    units = [unit for _, unit in parts if unit is not None]
    if len(units) < len(parts) or len({unit.bases for unit in units}) > 1:
        return None
    if any(smaller.factor >= larger.factor for larger, smaller in pairwise(units)):
        return None
    total = sum((number * unit.factor for number, unit in zip((number for number, _ in parts), units, strict=True)))
    return Quantity(number=PlainNumber(value=Fraction(total) / units[-1].factor), unit=units[-1], is_compound=True)


_MONEY = (("$", 1),)
_OPENED = re.compile(r"\\(?:text|mathrm)\s?\{[ ~]*([a-zA-Z]{1,12})[ ~]*\}")
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([a-zA-Z]{1,12})")
_COMPOUND = re.compile(r"\d{1,9} ?[a-zA-Z]{1,12}(?:(?:,| and|, and)? ?\d{1,9}(?:\.\d{1,9})? ?[a-zA-Z]{1,12}){1,3}")
_BREAKDOWN = re.compile(r"(?P<whole>[^()]{1,60}?) ?\((?P<parts>[^()]{1,160})\)")
_JOINED = re.compile(r",? and |, ?|\+| plus ")


def _scaled(number: PlainNumber, scale: Fraction) -> PlainNumber:
    return number if scale == 1 else replace(number, value=number.value * scale, step=number.step * scale)


def _singular(words: str) -> str:
    return words.strip(" .").removesuffix("s")
