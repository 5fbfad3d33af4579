r"""How an answer is put together: its parts, brackets, unit and equation signs, without reading any mathematics.

Answers whose build differs cannot be equal, whatever an algebra system makes of them. Such systems read part of a text
and pass over the rest, which pays for hedges (``3 or 4`` for 3), lists that are too long, and other units. ``conflict``
only ever refuses; where it has no opinion the comparison goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_SEPARATOR = re.compile(
    r"\\(?:text|mathrm)\s?\{\s?,?\s?(?:or|and|或|和)\s?\}|(?<![a-zA-Z\\])(?:or|and)(?![a-zA-Z])|\\(?:lor|vee)(?![a-zA-Z])|或|和"
)
_SENTENCE = re.compile(r"(?<![a-zA-Z\\])[A-Za-z][A-Za-z'’]{0,30}(?:,? [A-Za-z][A-Za-z'’]{0,30}){3}(?![a-zA-Z])")
_TEXT = re.compile(r"\\(?:text|mathrm)\s?\{[^{}]*\}")
_GROUPED_NUMBER = re.compile(r"[-+]?(?:\\?\$)?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_TAIL_UNIT = re.compile(
    r"(?<=[\d})!]) ?"
    r"(?:\\(?:text|mathrm) ?\{ ?(?P<boxed>[^{}]{1,40}?)\.? ?\}|(?P<bare> [a-zA-Z][a-zA-Z ]{0,40}|cm|mm|km|kg))"
    r"(?: ?\^ ?\{? ?(?P<power>\d) ?\}?)?$"
)
_LETTER_TAIL = re.compile(r"[-+]?\d+(?:\.\d+)?[a-zA-Z]")
_BARE_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_NOT_A_LIST = re.compile(r"\\(?:begin|cup|cap|ldots|dots|cdots|le|ge|in)(?![a-zA-Z])|[<>]")
_UNITS = {
    "mm": ("millimeter", "millimetre"),
    "cm": ("centimeter", "centimetre"),
    "m": ("meter", "metre"),
    "km": ("kilometer", "kilometre"),
    "in": ("inch", "inche"),
    "ft": ("feet", "foot"),
    "mi": ("mile",),
    "g": ("gram",),
    "kg": ("kilogram",),
    "s": ("second", "sec"),
    "min": ("minute",),
    "h": ("hour", "hr"),
    "day": (),
    "week": (),
    "year": (),
    "$": ("dollar",),
    "cent": (),
}
_CANONICAL = {alias: unit for unit, aliases in _UNITS.items() for alias in (unit, *aliases)}
_CONVERTIBLE = (
    frozenset({"mm", "cm", "m", "km", "in", "ft", "mi"}),
    frozenset({"g", "kg"}),
    frozenset({"s", "min", "h", "day", "week", "year"}),
    frozenset({"$", "cent"}),
)
_BRACKETS = {"(": ")", "[": "]", "\\{": "\\}", "\\langle": "\\rangle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Parts of an answer, and the brackets around them as two signs; empty for none."""

    brackets: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    name: str
    power: str
    rest: str
    """What stands before it."""


_TAIL_CHARS = 80


def conflict(gold: str, answer: str) -> bool:
    """Whether two normalised texts are built so differently that they cannot be equal."""
    return (
        _units_conflict(gold, answer)
        or _is_letter_lost(gold, answer)
        or _parts_conflict(gold, answer)
        or _is_false_chain(answer)
    )


def is_prose(normal: str) -> bool:
    r"""Whether the answer is a sentence: four words in a row, outside of ``\text{}``."""
    return bool(_SENTENCE.search(_TEXT.sub(" ", normal)))


def is_list(normal: str) -> bool:
    """Whether the answer names several things, in a set, a list or by a plus-minus."""
    built = build(normal)
    return built.brackets in ("", "{}") and max(_counts(built)) > 1


def build(normal: str) -> Build:
    """Splits an answer at its top level, inside the one bracket that may hold it all."""
    text = _after_name(normal)
    brackets, inner = _bracketed(text)
    parts = split_list(inner)
    if not brackets or (len(parts) == 1 and brackets != "{}"):
        return Build(brackets="", parts=split_list(normal))
    return Build(brackets=brackets, parts=parts)


def split_list(text: str) -> tuple[str, ...]:
    """The parts between commas, semicolons, "or" and "and" that stand outside any bracket."""
    if _GROUPED_NUMBER.fullmatch(text):
        return (text,)
    text = _SEPARATOR.sub(" , ", text) if _SEPARATOR.search(text) else text
    parts: list[str] = []
    depth = start = position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
            depth += text.startswith("{", position) - text.startswith("}", position)
        elif character in "([{":
            depth += 1
        elif character in ")]}":
            depth = max(depth - 1, 0)
        elif character in ",;" and depth == 0:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    parts.append(text[start:])
    return tuple(part.strip() for part in parts if part.strip(" ."))


def _parts_conflict(gold: str, answer: str) -> bool:
    if _NOT_A_LIST.search(gold) or _NOT_A_LIST.search(answer):
        return _bracket_pair(gold) != _bracket_pair(answer) != "" != _bracket_pair(gold)
    one, other = build(gold), build(answer)
    if one.brackets and other.brackets and len(one.parts) > 1 and _clash(one, other):
        return True
    return _counts(one).isdisjoint(_counts(other))


def _clash(one: Build, other: Build) -> bool:
    if one.brackets == other.brackets:
        return False
    pair = len(one.parts) == 2  # noqa: PLR2004 - two in square brackets may be an interval; more are a list
    return pair or "{}" in (one.brackets, other.brackets)


def _counts(built: Build) -> frozenset[int]:
    """How many things the answer may name; a plus-minus names two, and a set names equal ones once."""
    signs = sum(part.count("\\pm") + part.count("\\mp") for part in built.parts)
    if signs:
        doubled = sum(1 for part in built.parts if "\\pm" in part or "\\mp" in part)
        return frozenset({len(built.parts) + doubled, len(built.parts)} if len(built.parts) > 1 else {2, 4})
    return frozenset({len(built.parts), len(set(built.parts))})


def _bracket_pair(text: str) -> str:
    return _bracketed(_after_name(text))[0]


def _bracketed(text: str) -> tuple[str, str]:
    """The signs of the bracket around the whole text, and what it holds."""
    opener = next((sign for sign in _BRACKETS if text.startswith(sign)), "")
    closer = next((sign for sign in _BRACKETS.values() if text.endswith(sign)), "")
    if not opener or not closer or len(text) <= len(opener) + len(closer):
        return "", text
    inner = text[len(opener) : -len(closer)]
    depth = 0
    for sign in re.findall(r"\\langle|\\rangle|\\[{}]|[()\[\]{}]", inner):
        depth += 1 if sign in ("(", "[", "{", "\\{", "\\langle") else -1
        if depth < 0:
            return "", text
    signs = opener[-1:] + closer[-1:] if "\\" not in (opener + closer)[:2] else "()" if "langle" in opener else "{}"
    return signs, inner


def _after_name(text: str) -> str:
    """What stands after ``x =`` or ``(x, y) =``."""
    head, equals, tail = text.rpartition("=")
    if not equals or ("," in tail and "=" in head):
        return text
    is_name = len(head) <= 40 and not any(character.isdigit() for character in head)  # noqa: PLR2004 - a name is short
    return tail.strip() if is_name and not head.rstrip().endswith(("<", ">", "\\")) else text


def _units_conflict(gold: str, answer: str) -> bool:
    one, other = _unit(gold), _unit(answer)
    if one is None or other is None or one == other:
        return False
    if one.power != other.power and one.name == other.name:
        return True
    is_convertible = any(one.name in kind and other.name in kind for kind in _CONVERTIBLE)
    return one.rest == other.rest if is_convertible else True  # 1 m is 100 cm, but 10 cm is not 10 m


def _unit(text: str) -> _Unit | None:
    """The unit at the end, if it is one that we know."""
    match = _TAIL_UNIT.search(text, max(len(text) - _TAIL_CHARS, 0))
    if match is None:
        return None
    word = (match["boxed"] or match["bare"]).strip().casefold()
    power = match["power"] or "1"
    for prefix, value in (("square ", "2"), ("cubic ", "3")):
        if word.startswith(prefix):
            word, power = word.removeprefix(prefix), value
    name = _CANONICAL.get(word) or _CANONICAL.get(word.removesuffix("s"))
    return _Unit(name=name, power=power, rest=text[: match.start()].strip()) if name else None


def _is_letter_lost(gold: str, answer: str) -> bool:
    """``2h`` is two times h; the answer 2 is not it."""
    return bool(_LETTER_TAIL.fullmatch(gold) and _BARE_NUMBER.fullmatch(answer))


def _is_false_chain(answer: str) -> bool:
    """Whether the answer says of different plain numbers that they are equal, such as ``3=4=5``."""
    sides = [side.strip() for side in answer.split("=")]
    numbers = {side for side in sides if _BARE_NUMBER.fullmatch(side)}
    return len(sides) > 1 and len(numbers) > 1
