r"""What can be decided at once, without an algebra system: equal texts, plain numbers, words, choice letters.

``decide`` says True or False only where it is sure; None sends the pair on to ``verifier.equivalence.symbolic``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from verifier.equivalence.kinds import is_read
from verifier.equivalence.normal import as_words, normalise
from verifier.equivalence.numbers import PlainNumber, read_based, read_number
from verifier.equivalence.policy import DEFAULT, Policy
from verifier.equivalence.quantities import Quantity, quantities_equal, read_quantity, restated
from verifier.equivalence.structure import conflict, is_prose
from verifier.equivalence.typed import typed_equal

_TEXT_CHARS = 60


class GoldKind(Enum):
    """What a gold answer is, which decides how answers are compared with it."""

    NUMBER = "number"
    WORDS = "words"
    """Plain words: only the same words are right."""
    EXPRESSION = "expression"
    """Anything else."""
    TEXT = "text"
    """An expression that no algebra system can read, or too large to compute: only the same text is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """A gold answer, read once for its group."""

    text: str
    normal: str
    kind: GoldKind
    number: PlainNumber | None = None
    quantity: Quantity | None = None
    whole: int | None = None
    """The number, where it is a whole one without a point, sign of percent, name or currency."""

    @property
    def can_be_words(self) -> bool:
        """Whether it says the same in capitals and without them."""
        if self.kind is GoldKind.EXPRESSION:
            if _LETTERS.fullmatch(self.normal):  # choices
                return True
            return _LONG_WORD.search(self.normal) is not None and not _MATH_SIGNS.search(self.normal)
        return self.kind is not GoldKind.NUMBER

    @property
    def can_be_text(self) -> bool:
        """Whether it is short and plain enough to be compared as words."""
        return len(self.normal) <= _TEXT_CHARS and "\\" not in self.normal

    def as_text(self) -> Gold:
        """The same gold, to be matched as text only."""
        return Gold(text=self.text, normal=self.normal, kind=GoldKind.TEXT)


_MATH_WORDS = frozenset({"pi", "infty", "infinity", "oo", "sqrt", "emptyset", "inf", "phi", "alpha", "beta", "theta"})
_WORD = re.compile(r"[^\W\d_]+(?:[ '’-]+[^\W\d_]+)*")
_SHORT_WORD_CHARS = 3
_DECIMAL = re.compile(r"([-+]?)(?:\\?\$)?(\d{1,3}(?:,\d{3}){1,5}|\d{1,40})(?:\.(\d{0,40}))?", re.ASCII)
"""Most answers: decided at once where the gold is a whole number."""
_CHOICE = re.compile(r"\(?([A-Z])\)?|\(?([A-Z])(?:[.)]|\) ?[.:]?) ?(.+)", re.DOTALL)
_CHOSEN = re.compile(r"\(?([A-Za-z])\)?|(?:option |choice )?\(?([A-Za-z])(?:[.):]|\) ?[.:]?) ?(.+)", re.DOTALL)
_OTHER_CHOICE = re.compile(
    r"(?<![A-Za-z\\])\(?[A-Z](?:[.):]|$)|[或和不]"
    r"|(?<![A-Za-z])(?i:or|and|not|no|also|maybe|perhaps|possibl[ey]|think|actually|wrong|instead|rather|but)(?![A-Za-z])"
)
_DEEP = 40
"""Braces of what may be nested more deeply than we read."""
_OF_ALGEBRA = re.compile(r"\\(?:int|iint|oint|sum|prod|lim|frac\s?\{d)(?![a-z])|'")
"""What of mathematics is not read here."""
_LETTERS = re.compile(r"[A-Z](?:, ?[A-Z])+")
_LONG_WORD = re.compile(r"[^\W\d_]{3}|[\u4e00-\u9fff]")
_MATH_SIGNS = re.compile(r"[=+*/^<>|'_]|\\(?!text|mathrm|\s)|-")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))? ?(?:\\(?:text|mathrm)\{ ?)?([ap])?\.?(m)?\.? ?\}?", re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2}) ?(?:\\(?:text|mathrm)\{ ?)?([ap])\.?m\.? ?\}?", re.IGNORECASE)
_HOUR_NUMBER = re.compile(r"\d{1,2}")
_SIDES = re.compile(r"(\d{1,9}) ?(?:\\times|x|\*|by) ?(\d{1,9})(?: ?(?:\\times|x|\*|by) ?(\d{1,9}))?")


@lru_cache(maxsize=4096)
def read_gold(text: str) -> Gold | None:
    """Reads a gold answer; None where it says nothing."""
    normal = normalise(text)
    if not any(character.isalnum() for character in normal) and "\\" not in normal:
        return None
    number, quantity = read_number(normal), read_quantity(normal)
    if number is not None:
        whole = _whole(normal)
        return Gold(text=text, normal=normal, kind=GoldKind.NUMBER, number=number, quantity=quantity, whole=whole)
    kind = GoldKind.WORDS if _is_words(normal, text) else GoldKind.EXPRESSION
    return Gold(text=text, normal=normal, kind=kind, quantity=quantity)


def decide(gold: Gold, answer: str, policy: Policy = DEFAULT) -> bool | None:
    """Whether a normalised answer is equal to the gold; None where only an algebra system can say."""
    if answer == gold.normal:
        return True
    if gold.whole is not None and (plain := _DECIMAL.fullmatch(answer)):
        sign, units, places = plain.groups()
        return not (places or "").strip("0") and int(sign + units.replace(",", "")) == gold.whole
    quantity = read_quantity(answer) if gold.quantity is not None else None
    if gold.quantity is not None and quantity is not None:
        is_equal = quantities_equal(gold.quantity, quantity, policy)
        if is_equal is not None:
            return is_equal
    for compare in (_compare_choices, _compare_sides, _compare_times):
        if (found := compare(gold.normal, answer)) is not None:
            return found
    if _is_restated(gold, answer, policy):
        return True
    if gold.can_be_words and as_words(answer) == as_words(gold.normal) != "" and _has_word(answer):
        return True
    if gold.kind in (GoldKind.WORDS, GoldKind.TEXT) or (gold.kind is GoldKind.NUMBER and _is_words(answer, answer)):
        return False
    return False if is_prose(answer) else _decide_mathematics(gold, answer, policy)


def _is_restated(gold: Gold, answer: str, policy: Policy) -> bool:
    """Whether either side says one amount in several ways, and the other is that amount."""
    if value := restated(answer):
        return decide(gold, value, policy) is True
    value = restated(gold.normal)
    one = read_gold(value) if value else None
    return one is not None and decide(one, answer, policy) is True


def _whole(normal: str) -> int | None:
    found = _DECIMAL.fullmatch(normal)
    return int(found[1] + found[2].replace(",", "")) if found and not found[3] and "$" not in normal else None


def _decide_mathematics(gold: Gold, answer: str, policy: Policy) -> bool | None:
    typed = typed_equal(gold.normal, answer, policy)
    if typed is not None:
        return typed
    based = _compare_bases(gold, answer)
    if based is not None:
        return based
    return False if conflict(gold.normal, answer) else None


def is_unreadable(answer: str) -> bool:
    """Whether a normalised answer is neither read here nor of a kind that an algebra system reads whole."""
    return not is_read(answer) and not _OF_ALGEBRA.search(answer) and answer.count("{") < _DEEP


def _compare_choices(gold: str, answer: str) -> bool | None:
    """A letter against a letter, either with the text of its option; None where the gold is no choice."""
    choice = _CHOICE.fullmatch(_opened(gold))
    chosen = _CHOSEN.fullmatch(_opened(answer)) if choice else None
    if choice is None or chosen is None:
        return None
    letter, text = chosen[1] or chosen[2], chosen[3] or ""
    if text and _OTHER_CHOICE.search(text):
        return text == choice[3] and letter == choice[2]
    return letter.upper() == (choice[1] or choice[2])


def _compare_times(gold: str, answer: str) -> bool | None:
    """Two times of day; which half is meant may be left out, and so may minutes that are none. None for others."""
    ours, theirs = _time_of(gold), _time_of(answer)
    if ours is None and theirs is None:
        return None
    if ours is None or theirs is None:
        hour, other = (theirs, gold) if ours is None else (ours, answer)
        if hour is None or not hour[1] or not _HOUR_NUMBER.fullmatch(other):
            return None  # 2:00 alone may be a ratio
        return hour[0] == (int(other), 0, 0)
    return ours[0] == theirs[0] and (ours[1] == theirs[1] or not (ours[1] and theirs[1]))


def _time_of(text: str) -> tuple[tuple[int, int, int], str] | None:
    if hour := _HOUR.fullmatch(text):
        return (int(hour[1]), 0, 0), hour[2].casefold()
    found = _TIME.fullmatch(text)
    return found and ((int(found[1]), int(found[2]), int(found[3] or 0)), (found[4] or "").casefold())


def _compare_sides(gold: str, answer: str) -> bool | None:
    """``3 x 4`` names two sides: neither 12 nor ``2 x 6`` is it. None where the gold is no such thing."""
    sides = _SIDES.fullmatch(gold)
    if sides is None:
        return None
    given = _SIDES.fullmatch(answer)
    if given is None:
        return False if read_number(answer) is not None else None
    return sorted(map(int, filter(None, sides.groups()))) == sorted(map(int, filter(None, given.groups())))


def _compare_bases(gold: Gold, answer: str) -> bool | None:
    expected, given = read_based(gold.normal), read_based(answer)
    if expected is None and given is None:
        return None
    if expected is not None and given is not None:
        return expected == given and expected[0] is not None
    if expected is None and given is not None and gold.number is not None:
        return gold.number.value == given[0]
    if expected is not None and read_number(answer) is not None:
        return False
    return None


def _is_words(normal: str, text: str) -> bool:
    """Whether the gold is words rather than a product of variables."""
    if not _WORD.fullmatch(normal) or normal.casefold() in _MATH_WORDS:
        return False
    if len(normal) > _SHORT_WORD_CHARS or "\\text" in text:
        return len(normal) > 1
    return len(normal) > 1 and (normal.isupper() or not normal.isascii())  # AB names a segment, ab is a product


def _opened(answer: str) -> str:
    return re.sub(r"\\(?:text|mathrm|mathbf) ?\{([^{}]*)\}", r"\1", answer).strip()


def _has_word(answer: str) -> bool:
    return any(character.isalpha() for character in answer)
