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
        "nm nanometer": "1/1000000000",
        "μm micrometer micron 微米": "1/1000000",
        "mm millimeter millimetre 毫米": "1/1000",
        "megameter": "1000000",
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
        "ms millisecond": "1/1000",
        "s sec second 秒": "1",
        "min minute 分钟": "60",
        "h hr hour 小时 时": "3600",
        "day 天": "86400",
        "week 周": "604800",
    },
    "month": {"month 个月": "1", "year yr 年": "12"},
    "volume": {
        "ml milliliter millilitre cc 毫升": "1/1000000",
        "l liter litre 升": "1/1000",
        "gal gallon": "473176473/125000000000",
        "qt quart": "473176473/500000000000",
        "pint": "473176473/1000000000000",
    },
    "area": {"hectare ha 公顷": "10000", "acre": "316160658/78125", "亩": "2000/3"},
    # Those made of others, in grams, metres, seconds and amperes.
    "force": {"n newton 牛": "1000", "kn": "1000000"},
    "pressure": {"pa pascal": "1000", "kpa": "1000000", "megapascal": "1000000000", "mpa": "1"},
    "frequency": {"hz hertz 赫兹": "1", "khz": "1000", "megahertz": "1000000", "mhz": "1/1000"},
    "energy": {
        "j joule 焦耳": "1000",
        "kj": "1000000",
        "megajoule": "1000000000",
        "millijoule": "1",
        "kwh": "3600000000",
    },
    "power": {"w watt 瓦": "1000", "kw": "1000000", "megawatt": "1000000000", "milliwatt mw": "1"},
    "current": {"amp ampere 安": "1", "milliampere": "1/1000", "megaampere": "1000000"},
    "charge": {"coulomb": "1", "millicoulomb": "1/1000", "μc": "1/1000000"},
    "voltage": {"volt 伏": "1000", "kilovolt": "1000000", "millivolt": "1", "megavolt": "1000000000"},
    "resistance": {"ω ohm 欧姆": "1000", "kω": "1000000"},
    "temperature": {"kelvin": "1"},
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
_BY_CASE = {
    "MPa": "megapascal", "MW": "megawatt", "MHz": "megahertz", "MJ": "megajoule", "Mg": "megagram", "MG": "megagauss",
    "Mm": "megameter", "MA": "megaampere", "MV": "megavolt", "K": "kelvin", "kB": "kilobyte", "kb": "kilobit",
    "A": "ampere", "mA": "milliampere", "V": "volt", "mV": "millivolt", "kV": "kilovolt", "C": "coulomb",
    "mC": "millicoulomb", "mJ": "millijoule", "mW": "milliwatt", "\\Omega": "ohm", "\\mu m": "micrometer",
}  # fmt: skip
"""What differs from another unit only by its case."""
_CASED = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(map(re.escape, _BY_CASE))})(?![A-Za-z])")
_MADE_OF = {
    "volume": (("length", 3),),
    "area": (("length", 2),),
    "speed": (("length", 1), ("time", -1)),
    "force": (("mass", 1), ("length", 1), ("time", -2)),
    "pressure": (("mass", 1), ("length", -1), ("time", -2)),
    "frequency": (("time", -1),),
    "energy": (("mass", 1), ("length", 2), ("time", -2)),
    "power": (("mass", 1), ("length", 2), ("time", -3)),
    "charge": (("current", 1), ("time", 1)),
    "voltage": (("mass", 1), ("length", 2), ("time", -3), ("current", -1)),
    "resistance": (("mass", 1), ("length", 2), ("time", -3), ("current", -2)),
}
_PRODUCT = re.compile(r"\s?(?:\\cdot(?![a-z])|\\times(?![a-z])|\\ ?,|[·*⋅])\s?|\s+")
_FILLERS = frozenset({"of", "a", "an", "the"})
_OF_DEGREES = re.compile(r"^degrees? (?=celsius|fahrenheit)")
_PER = re.compile(r"\s?/\s?|\sper\s|\sa\s")
_HYPHEN = re.compile(r"(?<=[a-z])-(?=[a-z])")
_POWERED = re.compile(r"(?P<word>[^\W\d_]+|[$€£¥₹%¢])(?: ?\^? ?\{?(?P<power>-?\d)\}?)?")


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
        power: of the last unit in it.
    """
    text = _CASED.sub(lambda cased: _BY_CASE[cased[0]], text)
    parts = _PER.split(_OF_DEGREES.sub("", text.strip().strip(".").casefold()))
    bases: dict[str, int] = {}
    factor = Fraction(1)
    for index, part in enumerate(parts):
        pieces = _pieces(part)
        if pieces is None:
            return None
        for at, (base, amount, exponent) in enumerate(pieces):
            is_last = index == len(parts) - 1 and at == len(pieces) - 1
            times = exponent * (power if is_last else 1) * (-1 if index else 1)
            for name, count in _MADE_OF.get(base, ((base, 1),)):
                bases[name] = bases.get(name, 0) + count * times
            factor *= amount**times
    return Unit(bases=_sorted(bases.items()), factor=factor)


def _pieces(text: str) -> list[tuple[str, Fraction, int]] | None:
    """Base, amount and power of each of the units in a product; one mostly."""
    single = _single(text)
    if single is not None:
        return [single]
    found = [_single(piece) for piece in _PRODUCT.split(text.strip()) if piece]
    known = [piece for piece in found if piece is not None]
    return known if known and len(known) == len(found) else None


def _single(text: str) -> tuple[str, Fraction, int] | None:
    """Base, amount and power of one unit."""
    han = text[:2] if text[:2] in _HAN_POWERS else ""
    if han:
        text = text[2:]
    words = [word.rstrip(".") for word in _HYPHEN.sub(" ", text).split() if word not in _FILLERS]
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
    return None if known is None or not 0 < abs(power) <= _MAX_POWER else (known[0], known[1], power)


def _sorted(items: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((base, power) for base, power in items if power))
