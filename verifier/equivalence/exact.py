r"""What can be decided at once, without an algebra system: equal texts, plain numbers, words, choice letters.

``decide`` says True or False only where it is sure; None sends the pair on to ``verifier.equivalence.symbolic``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from verifier.equivalence.forms import COMPARERS, COMPARERS_OF_WHOLE, OPTION, OTHER_CHOICE, opened
from verifier.equivalence.kinds import is_read
from verifier.equivalence.normal import as_words, boxed_in, normalise
from verifier.equivalence.numbers import PlainNumber, read_based, read_number
from verifier.equivalence.policy import DEFAULT, Policy
from verifier.equivalence.quantities import Quantity, measured_by_letter, quantities_equal, read_quantity, restated
from verifier.equivalence.structure import conflict, is_for_algebra, is_prose
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gold:
    """A gold answer, read once; each is equal to itself alone, so that it is a fast key."""

    text: str
    normal: str
    kind: GoldKind
    number: PlainNumber | None = None
    quantity: Quantity | None = None
    whole_text: str = ""
    """All of the reference in one spelling, where it is a solution of which the box is the answer."""
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
_YES_NO = frozenset({"yes", "no"})
_DECIMAL = re.compile(r"([-+]?)(?:\\?\$)?(\d{1,3}(?:,\d{3}){1,5}|\d{1,40})(?:\.(\d{0,40}))?", re.ASCII)
"""Most answers: decided at once where the gold is a whole number."""
_IDLE_SPACE = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])")
_DEEP = 40
"""Braces of what may be nested more deeply than we read."""
_OF_ALGEBRA = re.compile(r"\\(?:int|iint|oint|sum|prod|lim|frac\s?\{d)(?![a-z])|'")
"""What of mathematics is not read here."""
_LETTERS = re.compile(r"[A-Z](?:, ?[A-Z])+")
_LONG_WORD = re.compile(r"[^\W\d_]{3}|[\u4e00-\u9fff]")
_MATH_SIGNS = re.compile(r"[=+*/^<>|'_]|\\(?!text|mathrm|\s)|-")


@lru_cache(maxsize=4096)
def read_gold(text: str) -> Gold | None:
    """Reads a gold answer; None where it says nothing."""
    boxed = boxed_in(text)
    # A reference of GSM8K is a solution with its answer after the last such sign.
    normal = normalise(boxed or text.rpartition("####")[2] or text)
    whole_text = normalise(text) if boxed else ""
    if not any(character.isalnum() for character in normal) and "\\" not in normal:
        return None
    number, quantity = read_number(normal), read_quantity(normal)
    if number is not None:
        whole = _whole(normal)
        return Gold(text=text, normal=normal, kind=GoldKind.NUMBER, number=number, quantity=quantity, whole=whole)
    kind = GoldKind.WORDS if _is_words(normal, text) else GoldKind.EXPRESSION
    return Gold(text=text, normal=normal, kind=kind, quantity=quantity, whole_text=whole_text)


def decide(gold: Gold, answer: str, policy: Policy = DEFAULT) -> bool | None:
    """Whether a normalised answer is equal to the gold; None where only an algebra system can say."""
    if answer in (gold.normal, gold.whole_text):
        return True
    if gold.whole is not None and (is_whole := _is_the_whole(gold.whole, answer)) is not None:
        return is_whole
    if (is_equal := _compare_quantities(gold, answer, policy)) is not None:
        return is_equal
    for compare in COMPARERS if gold.whole is None else COMPARERS_OF_WHOLE:
        if (found := compare(gold.normal, answer)) is not None:
            return found
    if (found := _compare_options(gold.normal, answer, policy)) is not None:
        return found
    if _is_restated(gold, answer, policy):
        return True
    if gold.can_be_words and as_words(answer) == as_words(gold.normal) != "" and _has_word(answer):
        return True
    if gold.kind in (GoldKind.WORDS, GoldKind.TEXT) or _is_word_beside(gold, answer):
        return False
    return False if is_prose(answer) else _decide_mathematics(gold, answer, policy)


def _compare_quantities(gold: Gold, answer: str, policy: Policy) -> bool | None:
    """Amounts of something; a letter is a unit where the other side has one of its kind. None for anything else."""
    expected = gold.quantity
    given = read_quantity(answer) if expected is not None or gold.kind is GoldKind.EXPRESSION else None
    if expected is not None and given is None and expected.unit is not None:
        given = measured_by_letter(answer, expected.unit)
    if expected is None and given is not None and given.unit is not None:
        expected = measured_by_letter(gold.normal, given.unit)
    return None if expected is None or given is None else quantities_equal(expected, given, policy)


def _compare_options(gold: str, answer: str, policy: Policy) -> bool | None:
    """An option with its letter against its text alone: ``(B) 12`` and 12. None for anything else."""
    one, other = OPTION.fullmatch(opened(gold)), OPTION.fullmatch(opened(answer))
    if (one is None) == (other is None):
        return None
    texts = (one[2], answer) if one is not None else (gold, other[2] if other else "")
    found, text = read_gold(texts[0]), normalise(texts[1])
    if found is None or found.quantity is None or read_quantity(text) is None or OTHER_CHOICE.search(texts[1]):
        return None
    return decide(found, text, policy)


def _is_restated(gold: Gold, answer: str, policy: Policy) -> bool:
    """Whether either side says one amount in several ways, and the other is that amount."""
    if value := restated(answer):
        return decide(gold, value, policy) is True
    value = restated(gold.normal)
    one = read_gold(value) if value else None
    return one is not None and decide(one, answer, policy) is True


def _is_the_whole(whole: int, answer: str) -> bool | None:
    """Whether a number such as 28, -28, $28.00 or 2,800 is this whole number; None for anything else."""
    plain = _DECIMAL.fullmatch(answer)
    if plain is None:
        return None
    sign, units, places = plain.groups()
    return not (places or "").strip("0") and int(sign + units.replace(",", "")) == whole


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
    if _squeezed(gold.normal) == _squeezed(answer):
        return True
    return False if conflict(gold.normal, answer) else None


def _squeezed(text: str) -> str:
    return _IDLE_SPACE.sub("", opened(text))


def can_ask_algebra(gold: Gold, answer: str) -> bool:
    """Whether an algebra system may be asked: one side is not read here, and it would pass over nothing in either."""
    return not (is_read(answer) and is_read(gold.normal)) and is_for_algebra(gold.normal, answer)


def is_unreadable(answer: str) -> bool:
    """Whether a normalised answer is neither read here nor of a kind that an algebra system reads whole."""
    return not is_read(answer) and not _OF_ALGEBRA.search(answer) and answer.count("{") < _DEEP


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
    if normal.casefold() in _YES_NO:
        return True
    if not _WORD.fullmatch(normal) or normal.casefold() in _MATH_WORDS:
        return False
    if len(normal) > _SHORT_WORD_CHARS or "\\text" in text:
        return len(normal) > 1
    return len(normal) > 1 and (normal.isupper() or not normal.isascii())  # AB names a segment, ab is a product


def _is_word_beside(gold: Gold, answer: str) -> bool:
    """Whether the answer is a word, and the gold a number or expression."""
    return answer.casefold() in _YES_NO or (gold.kind is GoldKind.NUMBER and _is_words(answer, answer))


def _has_word(answer: str) -> bool:
    return any(character.isalpha() for character in answer)
