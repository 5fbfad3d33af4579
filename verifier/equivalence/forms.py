r"""Answers of forms that are no mathematics of their own: choices, times, dates, sides, congruences, amounts, words.

Each comparer says True or False where a side has its form, and None where it has not.
"""

from __future__ import annotations

import re
from fractions import Fraction

from verifier.equivalence.numbers import read_number
from verifier.equivalence.quantities import read_quantity
from verifier.equivalence.structure import split_list

_PREFIX = r"(?:(?:option|choice|answer)\s?|选项?)?"
_CHOICE = re.compile(rf"(?i:{_PREFIX})(?:\(?([A-Z])\)?(?:项|选项)?|\(?([A-H])(?:[.):]|\) ?[.:]?) ?(.+))", re.DOTALL)
_CHOSEN = re.compile(
    rf"(?i:{_PREFIX})(?:\(?([A-Za-z])\)?(?:项|选项)?|\(?([A-Ha-h])(?:[.):]|\) ?[.:]?) ?(.+))", re.DOTALL
)
OPTION = re.compile(r"\(?([A-H])(?:[.):]|\) ?[.:]?) ?(.+)", re.DOTALL)
_CHOSEN_LETTERS = re.compile(r"\(?[A-H]\)?(?:(?:, ?and |, ?| and |、| ?& ?)?\(?[A-H]\)?){1,7}")
OTHER_CHOICE = re.compile(
    r"(?<![A-Za-z\\])\(?[A-H](?:[.):]|$|\)?,? (?:or|and|is) )|(?<![A-Za-z\\])\(?[A-Ha-h](?:[.)]|\s\d)"
    r"|(?<![A-Za-z])(?i:or|and|not|nor|but|maybe) \(?[A-H]\)?(?![A-Za-z])|[或和不非][ (]?[A-H](?![A-Za-z])"
    r"|\\ne(?![a-z])|\|"
    r"|\\lor(?![a-z])"
    r"|^ ?(?i:is|isn['’]t|was|rejected|impossible|incorrect|wrong|false|maybe|perhaps|possibly|probably"
    r"|excluded|unlikely"
    r"|eliminated|i think|actually|not [A-H]|not correct|not right|or|and|错|错误|不对|不是|不选|排除)(?![A-Za-z])"
    r"|(?i:also possible|(?<![A-Za-z])is (?:wrong|incorrect|false))"
)
"""In what stands after a letter: another letter, or words that deny it."""
_OTHER_LETTER = re.compile(r"(?<![A-Za-z\\])\(?[A-H](?:[.):]|$)")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))? ?(?:\\(?:text|mathrm)\{ ?)?([ap])?\.?(m)?\.? ?\}?", re.IGNORECASE)
_HOUR = re.compile(r"(\d{1,2}) ?(?:\\(?:text|mathrm)\{ ?)?([ap])\.?m\.? ?\}?", re.IGNORECASE)
_HOUR_NUMBER = re.compile(r"\d{1,2}")
_SIDES = re.compile(r"(\d{1,9}) ?(?:\\times|x|\*|by) ?(\d{1,9})(?: ?(?:\\times|x|\*|by) ?(\d{1,9}))?")
_YES_OR_NO = re.compile(r"(yes|no)[,.;:] ?([^,;]{1,80})", re.IGNORECASE)
_AGREEING = frozenset(
    {
        *("it", "is", "they", "are", "he", "she", "we", "this", "that", "does", "do", "did", "can", "will", "correct"),
        *("true", "right", "possible", "exist", "exists"),
    }
)
_DISAGREEING = frozenset({"not", "no", "isn", "aren", "doesn", "don", "didn", "cannot", "won", "t", "impossible"})
_SAID = {
    form: meaning
    for meaning, forms in {
        "none": (
            "no solution|no solutions|there is no solution|there are no solutions|has no solution|no real solution"
            "|no real solutions|\\emptyset|empty set|the empty set|\\{\\}|无解|空集|方程无解"
        ),
        "dne": "dne|does not exist|the limit does not exist|不存在",
        "all": (
            "\\mathbb{r}|\\mathbb r|\\r|all real numbers|all reals|all real x|(-\\infty,\\infty)|(-\\infty, \\infty)"
            "|(-\\infty,+\\infty)|x\\in\\mathbb{r}"
            "|x\\in \\mathbb{r}|全体实数|一切实数"
        ),
        "endless": (
            "infinitely many|infinitely many solutions|an infinite number|infinite solutions"
            "|infinite number of solutions|无数|无穷多|无数个"
        ),
        "yes": "yes|true|是|是的|正确|对",
        "no": "no|false|否|不是|错误|错",
    }.items()
    for form in forms.split("|")
}


def _compare_letters(gold: str, answer: str) -> bool | None:
    """Several choices: the same letters. None where one is no such list."""
    sides = [opened(side) for side in (gold, answer)]
    if not all(map(_CHOSEN_LETTERS.fullmatch, sides)) or all(side.isalpha() for side in sides):
        return None
    letters = [[one for one in side if one in "ABCDEFGH"] for side in sides]
    if not all(len(side) == len(set(side)) for side in letters) or letters[0] != sorted(letters[0]):
        return None
    return sorted(letters[0]) == sorted(letters[1])


def _compare_congruences(gold: str, answer: str) -> bool | None:
    """``x≡3 (mod 7)``: the same rest of the same modulus; the rest alone may stand for it."""
    one, other = _congruence(gold), _congruence(answer)
    if one is None and other is None:
        return None
    if one is not None and other is not None:
        is_other = bool(one[2] and other[2]) and one[2] != other[2]
        return not is_other and one[1] == other[1] and (one[0] - other[0]) % one[1] == 0
    known, number = (one, read_number(answer)) if one is not None else (other, read_number(gold))
    if known is None or number is None:
        return None
    return 0 <= known[0] < known[1] and known[0] == number.value


def _congruence(text: str) -> tuple[int, int, str] | None:
    """The rest, the modulus, and the name of what leaves it."""
    found = _CONGRUENCE.fullmatch(text)
    return (int(found[2]), int(found[3]), found[1] or "") if found and int(found[3]) else None


_CONGRUENCE = re.compile(
    r"(?:(?:([a-zA-Z])|[-+*^(){}\d\s]{1,60}) ?\\equiv ?)?(-?\d{1,40}) ?"
    r"(?:\\pmod|\(\\?(?:bmod|mod)) ?\{? ?(\d{1,40}) ?\}?\)?"
)


_PARTED = re.compile(r"[,;]|and|or|[和或]")


def _compare_amounts(gold: str, answer: str) -> bool | None:
    """Lists of amounts of named things, such as 3 red and 4 blue: the same of each. None where one is no such list."""
    if not _PARTED.search(gold) or not _PARTED.search(answer):
        return None
    sides = [[read_quantity(part) for part in split_list(opened(text))] for text in (gold, answer)]
    if any(len(side) < 2 or any(one is None or not one.words for one in side) for side in sides):  # noqa: PLR2004
        return None
    amounts = [[(one.words.rstrip("s"), one.number.value) for one in side if one is not None] for side in sides]
    if sorted(amounts[0]) == sorted(amounts[1]):
        return True
    words = [{name for name, _ in side} for side in amounts]
    is_in_order = [number for _, number in amounts[0]] == [number for _, number in amounts[1]]
    # Other names of the same things, as far as none of them stands for another.
    renamed = [(one, other) for (one, _), (other, _) in zip(*amounts, strict=False) if one != other]
    return is_in_order and not any(one in words[1] or other in words[0] for one, other in renamed)


def _compare_said(gold: str, answer: str) -> bool | None:
    """Words of which several say the same: no solution and the empty set. None where a side is none of them."""
    one, other = (_said(opened(side)) for side in (gold, answer))
    return None if one is None or other is None else one == other


def _said(text: str) -> str | None:
    start = _YES_OR_NO.fullmatch(text)
    if start is not None:
        if any(sign.isdigit() or sign in "\\$" for sign in start[2]):
            return None  # it says more than that
        word, rest = start[1].casefold(), frozenset(re.findall(r"[^\W\d_]+", start[2].casefold()))
        known = _AGREEING if word == "yes" else _AGREEING - {"correct", "true", "right"} | _DISAGREEING
        is_denied = word == "no" and rest.isdisjoint(_DISAGREEING)
        return word if rest <= known and not is_denied else None
    return _SAID.get(text.strip(" .").casefold())


def has_form(normal: str) -> bool:
    """Whether a normalised text has one of the forms that are read here alone."""
    text = opened(normal)
    return _congruence(normal) is not None or _said(text) is not None or _date(text) is not None


def _compare_dates(gold: str, answer: str) -> bool | None:
    """Days of the year, in either order; a year may be left out."""
    one, other = _date(opened(gold)), _date(opened(answer))
    if one is None and other is None:
        return None
    if one is None or other is None:
        return False if read_number(answer if one else gold) is not None else None
    return one[:2] == other[:2] and (one[2] == other[2] or not (one[2] and other[2]))


def _date(text: str) -> tuple[str, int, str] | None:
    found = _DATE.fullmatch(text)
    return found and ((found[1] or found[4])[:3].casefold(), int(found[2] or found[3]), found[5] or "")


_MONTHS = (
    "(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?)"
)
_DATE = re.compile(
    rf"(?:{_MONTHS}\.? ?(\d{{1,2}})(?:st|nd|rd|th)?|(\d{{1,2}})(?:st|nd|rd|th)? ?(?:of )?{_MONTHS}\.?)"
    r"(?:,? ?(\d{4}))?",
    re.IGNORECASE,
)


def _compare_choices(gold: str, answer: str) -> bool | None:
    """A letter against a letter, either with the text of its option; None where the gold is no choice."""
    choice = _CHOICE.fullmatch(opened(gold))
    chosen = _CHOSEN.fullmatch(opened(answer)) if choice else None
    if choice is None or chosen is None:
        return None
    letter, text = chosen[1] or chosen[2], chosen[3] or ""
    if choice[3] and _OTHER_LETTER.search(choice[3]):
        return None  # it names more than one
    if text and OTHER_CHOICE.search(text):
        return text == choice[3] and letter == choice[2]
    numbers = [read_number(side.strip()) for side in (choice[3] or "", text)]
    if numbers[0] is not None and numbers[1] is not None and numbers[0].value != numbers[1].value:
        return False  # the same letter with another text
    expected = choice[1] or choice[2]
    is_choice = expected in "ABCDEFGH" or not gold.isalpha()  # R alone is a name, and r another
    return (letter.upper() if is_choice else letter) == expected


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
    if bool(ours[1]) != bool(theirs[1]) and (_of_day(ours) == _of_day(theirs)):
        return True
    return ours[0] == theirs[0] and (ours[1] == theirs[1] or not (ours[1] and theirs[1]))


def _of_day(time: tuple[tuple[int, int, int], str]) -> tuple[int, int, int]:
    """A time with its half of the day as one of 24 hours, such as 14:30 for 2:30 pm."""
    (hour, minute, second), half = time
    return (hour % 12 + 12 * (half == "p") if half else hour, minute, second)


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


def opened(answer: str) -> str:
    """Without the commands around words."""
    return " ".join(_COMMAND.sub(r" \1 ", answer).split()) if "\\" in answer else answer.strip()


_COMMAND = re.compile(r"\\(?:text|mathrm|mathbf) ?\{([^{}]*)\}")


def _compare_spelled(gold: str, answer: str) -> bool | None:
    """A whole number in words against one in digits or words: forty-two and 42. None where neither is in words."""
    if not any(side[:1].isalpha() or side[:5] == "\\text" for side in (gold, answer)):
        return None
    words = [_spelled(opened(side)) for side in (gold, answer)]
    if words[0] is None and words[1] is None:
        return None
    numbers = [
        Fraction(word) if word is not None else found.value if (found := read_number(side)) is not None else None
        for word, side in zip(words, (gold, answer), strict=True)
    ]
    return None if numbers[0] is None or numbers[1] is None else numbers[0] == numbers[1]


def _spelled(text: str) -> int | None:
    """The whole number that English words name, below a billion."""
    total, rest = 0, text.casefold().replace("-", " ")
    if len(rest) > _SPELLED_CHARS:
        return None
    for name, scale in (("million", 1_000_000), ("thousand", 1_000)):
        head, found, tail = rest.partition(f" {name}")
        if not found:
            continue
        group = 1 if head == "a" else _below_thousand(head)
        if not group:
            return None
        total, rest = total + group * scale, tail.lstrip(", ").removeprefix("and ")
        if not rest:
            return total
    group = _below_thousand(rest)
    return None if group is None else total + group


def _below_thousand(words: str) -> int | None:
    found = _SPELLED.fullmatch(words)
    if found is None or not words:
        return None
    hundreds, tens, ones, small = (_WORTH[found[name] or ""] for name in ("hundreds", "tens", "ones", "small"))
    return 100 * hundreds + tens + ones + small


_SPELLED_CHARS = 120
_BELOW_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
)
_OF_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_SMALL = {word: at for at, word in enumerate(_BELOW_TWENTY.split())}
_TENS = {word: 10 * at for at, word in enumerate(_OF_TENS.split(), start=2)}
_WORTH = {"a": 1, "": 0, **_SMALL, **_TENS}
_DIGIT_WORDS = "|".join(list(_SMALL)[1:10])
_SPELLED = re.compile(
    rf"(?:(?P<hundreds>a|{_DIGIT_WORDS}) hundred(?: and(?= ))?(?: |$))?"
    rf"(?:(?P<tens>{'|'.join(_TENS)})(?: (?P<ones>{_DIGIT_WORDS}))?|(?P<small>{'|'.join(_SMALL)}))?"
)


COMPARERS = (
    _compare_spelled,
    _compare_choices,
    _compare_letters,
    _compare_sides,
    _compare_times,
    _compare_congruences,
    _compare_said,
    _compare_dates,
    _compare_amounts,
)
"""In the order in which they are asked."""
COMPARERS_OF_WHOLE = (_compare_spelled, _compare_dates, _compare_times, _compare_congruences)
"""Those that say anything where the gold is a whole number."""
