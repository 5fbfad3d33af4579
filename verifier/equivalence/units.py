"""Units of measure, exactly: what a unit is made of, and how much of its base it is.

Closed tables: a word that is not here is an unknown unit, which is neither converted nor told apart from another.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

_MAX_POWER = 4

_BASES: dict[str, dict[str, str]] = {
    "length": {
        "mm millimeter millimetre 毫米": "1/1000",
        "cm centimeter centimetre 厘米": "1/100",
        "dm decimeter decimetre 分米": "1/10",
        "m meter metre 米": "1",
        "km kilometer kilometre 千米 公里": "1000",
        "in inch inches": "127/5000",
        "ft foot feet": "381/1250",
        "yd yard": "1143/1250",
        "mi mile": "201168/125",
    },
    "mass": {
        "mg milligram": "1/1000",
        "g gram 克": "1",
        "kg kilogram 千克 公斤": "1000",
        "t tonne megagram 吨": "1000000",
        "lb pound 磅": "45359237/100000",
        "oz ounce": "45359237/1600000",
    },
    "time": {
        "s sec second 秒": "1",
        "min minute 分钟": "60",
        "h hr hour 小时": "3600",
        "day 天": "86400",
        "week 周": "604800",
    },
    "month": {"month 个月": "1", "year yr 年": "12"},
    "volume": {
        "ml milliliter millilitre 毫升": "1/1000000",
        "l liter litre 升": "1/1000",
        "gal gallon": "473176473/125000000000",
        "qt quart": "473176473/500000000000",
        "pint": "473176473/1000000000000",
    },
    "area": {"hectare ha 公顷": "10000", "acre": "316160658/78125", "亩": "2000/3"},
    "force": {"n newton 牛": "1", "kn": "1000"},
    "pressure": {"pa pascal": "1", "kpa": "1000", "megapascal": "1000000", "mpa": "1/1000"},
    "frequency": {"hz hertz 赫兹": "1", "khz": "1000", "megahertz": "1000000", "mhz": "1/1000"},
    "energy": {"j joule 焦耳": "1", "kj": "1000", "megajoule": "1000000"},
    "power": {"w watt 瓦": "1", "kw": "1000", "megawatt": "1000000", "mw": "1/1000"},
    "amount": {"mol mole": "1", "mmol": "1/1000"},
    "speed": {"mph": "1397/3125", "kph kmh": "5/18"},
    "$": {"$ dollar usd 美元": "1", "cent ¢": "1/100"},
    "€": {"€ euro eur 欧元": "1"},
    "£": {"£ gbp": "1"},
    "¥": {"¥ yuan rmb cny 元": "1"},
    "₹": {"₹ rupee": "1"},
    "%": {"% percent": "1"},
    "degree": {"degree deg 度": "1"},
    "radian": {"radian rad": "1"},
    "°C": {"celsius 摄氏度": "1"},
    "°F": {"fahrenheit": "1"},
}
_KNOWN = {
    word: (base, Fraction(factor))
    for base, units in _BASES.items()
    for words, factor in units.items()
    for word in words.split()
}
_HAN_POWERS = {"平方": 2, "立方": 3}
_BY_CASE = {"MPa": "megapascal", "MW": "megawatt", "MHz": "megahertz", "MJ": "megajoule", "Mg": "megagram"}
"""What differs from a thousandth part only by its case."""
_MADE_OF = {"volume": (("length", 3),), "area": (("length", 2),), "speed": (("length", 1), ("time", -1))}
_FILLERS = frozenset({"of", "a", "an", "the"})
_OF_DEGREES = re.compile(r"^degrees? (?=celsius|fahrenheit)")
_PER = re.compile(r"\s?/\s?|\sper\s|\sa\s")
_POWERED = re.compile(r"(?P<word>[^\W\d_]+|[$€£¥₹%¢])(?: ?\^? ?\{?(?P<power>\d)\}?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit.

    Args:
        bases: what it measures with powers, in order, such as (("length", 1), ("time", -1)).
        factor: how much of the bases one of it is.
    """

    bases: tuple[tuple[str, int], ...]
    factor: Fraction


def read_unit(text: str, *, power: int = 1) -> Unit | None:
    """The unit that a text names, or None where a word of it is not known.

    Args:
        text: such as ``cm``, ``square feet``, ``miles per hour``, ``m/s^2``.
        power: of the whole.
    """
    for written, said in _BY_CASE.items():
        text = text.replace(written, said)
    parts = _PER.split(_OF_DEGREES.sub("", text.strip().strip(".").casefold()))
    bases: dict[str, int] = {}
    factor = Fraction(1)
    for index, part in enumerate(parts):
        single = _single(part)
        if single is None:
            return None
        base, amount, exponent = single
        exponent *= power * (-1 if index else 1)
        for name, times in _MADE_OF.get(base, ((base, 1),)):
            bases[name] = bases.get(name, 0) + times * exponent
        factor *= amount**exponent
    return Unit(bases=_sorted(bases.items()), factor=factor)


def _single(text: str) -> tuple[str, Fraction, int] | None:
    """Base, amount and power of one unit."""
    han = text[:2] if text[:2] in _HAN_POWERS else ""
    if han:
        text = text[2:]
    words = [word for word in text.replace("-", " ").split() if word not in _FILLERS]
    power = _HAN_POWERS.get(han, 1)
    for names, value in ((("square", "sq", "squared"), 2), (("cubic", "cu", "cubed"), 3)):
        if len(words) > 1 and (words[0] in names or words[-1] in names):
            words = [word for word in words if word not in names]
            power = value
    if len(words) != 1:
        return None
    found = _POWERED.fullmatch(words[0])
    if found is None:
        return None
    if found["power"]:
        power = int(found["power"])
    word = found["word"]
    known = _KNOWN.get(word) or _KNOWN.get(word.removesuffix("s"))
    return None if known is None or not 0 < power <= _MAX_POWER else (known[0], known[1], power)


def _sorted(items: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((base, power) for base, power in items if power))
