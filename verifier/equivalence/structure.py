r"""How an answer is put together: its parts, brackets, unit and equation signs, without reading any mathematics.

Answers whose build differs cannot be equal, whatever an algebra system makes of them. Such systems read part of a text
and pass over the rest, which pays for hedges (``3 or 4`` for 3), lists that are too long, and other units. ``conflict``
only ever refuses; where it has no opinion the comparison goes on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations

from verifier.equivalence.numbers import read_number
from verifier.equivalence.quantities import CHANGING_WORDS, quantities_equal, read_quantity
from verifier.equivalence.units import Unit, read_unit

_SEPARATOR = re.compile(
    r"\\(?:text|mathrm)\s?\{\s?,?\s?(?:or|and|或|和)\s?\}|(?<![a-zA-Z\\])(?:or|and)(?![a-zA-Z])|\\(?:lor|vee)(?![a-zA-Z])|或|和"
)
_SENTENCE = re.compile(r"(?<![a-zA-Z\\])[A-Za-z][A-Za-z'’]{0,30}(?:,? [A-Za-z][A-Za-z'’]{0,30}){3}(?![a-zA-Z])")
_TEXT = re.compile(r"\\(?:text|mathrm)\s?\{[^{}]*\}")
_WORKS = re.compile(r"\d[^\d]{0,60}[-+*/=][^\d]{0,60}\d")
_LONG_WORDS = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{3,}(?![A-Za-z])")
_NOT_WORDS = frozenset(
    {
        *("sin", "cos", "tan", "cot", "sec", "csc", "log", "exp", "sqrt", "arcsin", "arccos", "arctan", "max", "min"),
        *("gcd", "lcm", "mod", "and", "theta", "alpha", "beta", "infinity", "begin", "end", "pmatrix", "bmatrix"),
        *("matrix", "array", "cases", "vmatrix"),
    }
)
_SAID_OF = re.compile(r"[A-Z][a-z'’]{1,30} (?:[a-z]{2,30} ){1,3}[$€£¥]?\d|[A-Z][a-z'’]{1,30} [a-z]{2,30}[$€£¥]\d")
_GROUPED_NUMBER = re.compile(r"[-+]?(?:\\?\$)?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_TAIL_UNIT = re.compile(
    r"(?<=[\d})!]) ?"
    r"(?:\\(?:text|mathrm) ?\{ ?(?P<boxed>[^{}]{1,40}?)\.? ?\}|(?P<bare> [a-zA-Z][a-zA-Z ]{0,40}|cm|mm|km|kg))"
    r"(?: ?\^ ?\{? ?(?P<power>\d) ?\}?)?$"
)
_SEPARATOR_ALONE = re.compile(
    r"\\(?:text|mathrm)\s?\{\s?,?\s?(?:or|and)\s?\}|(?<![a-zA-Z\\{])\s?(?:or|and)(?![a-zA-Z}])|\\[a-zA-Z]+"
)
_WORD = re.compile(r"(?<![a-z\\])[a-z]{2,}")
_MATH_WORDS = frozenset({"pi", "sqrt", "mod", "percent"})
_HALVES = frozenset({"am", "pm"})
"""Of the day: they may be left out, but not confused."""
_DOTTED = re.compile(r"\d(?:'|\s?(?:\\[lcv]?dots(?![a-zA-Z])|\.\.|…))$")
_LETTER_TAIL = re.compile(r"[-+]?\d+(?:\.\d+)?[a-zA-Z]")
_BARE_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")
_NOT_A_LIST = re.compile(r"\\(?:begin|cup|cap|ldots|dots|cdots|le|ge|in)(?![a-zA-Z])|[<>]")
_BRACKETS = {"(": ")", "[": "]", "\\{": "\\}", "\\langle": "\\rangle"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Parts of an answer, and the brackets around them as two signs; empty for none."""

    brackets: str
    parts: tuple[str, ...]


_TAIL_CHARS = 80


def conflict(gold: str, answer: str) -> bool:
    """Whether two normalised texts are built so differently that they cannot be equal."""
    return (
        _units_conflict(gold, answer)
        or _words_conflict(gold, answer)
        or _is_hedged_value(gold, answer)
        or _is_letter_lost(gold, answer)
        or _parts_conflict(gold, answer)
        or _amounts_conflict(gold, answer)
        or _is_false_chain(answer)
    )


def is_prose(normal: str) -> bool:
    r"""Whether the answer is a sentence, outside of ``\text{}``: four words in a row, or two before a number."""
    if not any(character.isalpha() for character in normal):
        return False
    bare = _TEXT.sub(" ", normal)
    return bool(_SENTENCE.search(bare) or _SAID_OF.match(bare))


def is_derivation(normal: str) -> bool:
    """Whether the answer works something out in words: ``40 games/year * 4 years = 160 games``."""
    if not _WORKS.search(normal):
        return False
    words = {word for word in _LONG_WORDS.findall(_TEXT.sub(" ", normal)) if word not in _NOT_WORDS}
    return len(words) > 1


def sides_of(normal: str) -> tuple[str, str]:
    """Both sides of an equation such as ``x^2+y^2=5``, which is 5 only where that was asked for; else empty."""
    left, equals, right = normal.partition("=")
    return (left.strip(), right.strip()) if equals and left and right and "=" not in right else ("", "")


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


def is_for_algebra(gold: str, answer: str) -> bool:
    """Whether an algebra system, which passes over what it does not read, can be trusted with two normalised texts.

    They are formulas without words, and say of as many things that they are equal, less, or left out.
    """
    sides = gold, answer
    if any(_NEVER_ASKED.search(side) or _has_words(side) for side in sides):
        return False
    sides = _OF_OPERATOR.sub("", gold), _OF_OPERATOR.sub("", answer)
    is_matrix = "\\begin" in gold and "\\begin" in answer
    signs = _COUNTED[: -len(_OF_ROWS)] if is_matrix else _COUNTED
    return all(len(sign.findall(sides[0])) == len(sign.findall(sides[1])) for sign in signs)


def _has_words(text: str) -> bool:
    if any(character.isdigit() for part in _TEXT.findall(text) for character in part):
        return True
    said = {word for part in _TEXT.findall(text) for word in re.findall(r"[^\W\d_]{2,}", part.partition("{")[2])}
    bare = _TEXT.sub(" ", text)
    said.update(_LONG_WORDS.findall(bare), _HAN.findall(bare))
    return bool(said - _NOT_WORDS)


_HAN = re.compile(r"[\u4e00-\u9fff]")
_NEVER_ASKED = re.compile(
    r"\\(?:approx|sim|simeq|Rightarrow|implies|Leftrightarrow|iff|rightarrow|cancel|sout|ne|neq|not|therefore|because"
    r"|partial|nabla|wedge|vee|land|lor|Longrightarrow)(?![a-zA-Z])|[~#@?]|\)\s?\d|\d\s?_\s?\{?\s?\d|\^\{\(\d+\)\}"
)
_OF_OPERATOR = re.compile(r"\\(?:lim|sum|prod|int|iint|oint|log|max|min|sup|inf)(?![a-z]) ?_ ?(?:\{[^{}]*\}|\w)")
_OF_ROWS = (r"\\\\", r"[,;]")
_COUNTED = tuple(
    re.compile(pattern)
    for pattern in (
        r"=",
        r"[<>]|\\[lg]e(?![a-z])",
        r"\\in(?![a-z])",
        r"\\ldots",
        r"'",
        r"(?<=[\w)}])_",
        r":",
        r"\\to(?![a-z])",
        *_OF_ROWS,
    )
)


def _parts_conflict(gold: str, answer: str) -> bool:
    if _NOT_A_LIST.search(gold) or _NOT_A_LIST.search(answer):
        return _bracket_pair(gold) != _bracket_pair(answer) != "" != _bracket_pair(gold)
    one, other = build(gold), build(answer)
    if one.brackets and other.brackets and len(one.parts) > 1 and _clash(one, other):
        return True
    return _counts(one).isdisjoint(_counts(other))


def _amounts_conflict(gold: str, answer: str) -> bool:
    """Whether two lists of amounts, such as 40 red ones and 60 blue ones, hold different numbers."""
    sides = [[read_quantity(part) for part in build(text).parts] for text in (gold, answer)]
    amounts = [sorted(one.number.value for one in side if one is not None) for side in sides]
    is_read = all(len(side) > 1 and None not in side for side in sides)
    has_words = any(one is not None and one.words for side in sides for one in side)
    return is_read and has_words and amounts[0] != amounts[1]


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
    if built.brackets in ("", "{}"):
        return frozenset({len(built.parts), len(set(built.parts))})
    return frozenset({len(built.parts)})


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
    """Whether both end in units that we know and that make them differ."""
    one, other = _unit(gold), _unit(answer)
    if one is None or other is None or one == other:
        return False
    amounts = read_quantity(gold), read_quantity(answer)
    return amounts[0] is None or amounts[1] is None or quantities_equal(amounts[0], amounts[1]) is not True


def _unit(text: str) -> Unit | None:
    """The unit at the end, if it is one that we know."""
    if text.endswith("^\\circ"):
        return read_unit("degree")
    match = _TAIL_UNIT.search(text, max(len(text) - _TAIL_CHARS, 0))
    if match is None:
        return None
    return read_unit((match["boxed"] or match["bare"]).strip(), power=int(match["power"] or 1))


def _words_conflict(gold: str, answer: str) -> bool:
    """Whether the answer says something in words that changes it or offers another, and the gold does not."""
    said, asked = _changing(answer), _changing(gold)
    halves = (said ^ asked) & _HALVES if asked & _HALVES else frozenset()
    return not said - _HALVES <= asked or halves == _HALVES


def _changing(text: str) -> frozenset[str]:
    """Words that change an answer; "or" and "and" only where they do not stand between the parts of a list."""
    words = _WORD.findall(_SEPARATOR_ALONE.sub(" ", text).casefold())
    return CHANGING_WORDS.intersection(words) - _MATH_WORDS


def _are_far(sides: list[str]) -> bool:
    """Whether plain numbers that are said to be near differ by more than the rounding that they show."""
    numbers = [number for number in (read_number(side.strip()) for side in sides) if number is not None]
    return any(
        abs(one.value - other.value) * 2 > (max(one.step, other.step) or 1) for one, other in combinations(numbers, 2)
    )


def _is_hedged_value(gold: str, answer: str) -> bool:
    """``42 = 42 or 41`` in its mathematical forms: far numbers called near, dots or a prime after a number."""
    if _are_far(answer.split("\\approx")):
        return True
    return bool(_DOTTED.search(answer) and not _DOTTED.search(gold))


def _is_letter_lost(gold: str, answer: str) -> bool:
    """``2h`` is two times h; the answer 2 is not it."""
    return bool(_LETTER_TAIL.fullmatch(gold) and _BARE_NUMBER.fullmatch(answer))


def _is_false_chain(answer: str) -> bool:
    """Whether the answer says of different plain numbers that they are equal, such as ``3=4=5``."""
    sides = [side.strip() for side in answer.split("=")]
    numbers = {side for side in sides if _BARE_NUMBER.fullmatch(side)}
    return len(sides) > 1 and len(numbers) > 1
