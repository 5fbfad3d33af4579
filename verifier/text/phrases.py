r"""Answers that no box marks: what a phrase such as "the answer is" names, or what stands alone on the last line.

The rule, in order: the last phrase that names an answer (English or Chinese, also as a heading over the answer); else
the last phrase that names a result; else the last line, if it is nothing but a formula, a number or one word, plain, in
dollars or bold, or after ``####``; else the value with which the last sentence ends, after a verb, where it draws a
conclusion ("Therefore, the area is 42.") or is all there is. A formula or number within a sentence is no answer else,
however likely it looks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_PHRASE_CHARS = 1000
_BARE_CHARS = 200
_LAST_CHARS = 2000

_ANSWER = re.compile(
    r"answers?(?:\*\*|__)?[ \t]?(?:is|are|equals|should\ be|must\ be|=|:|：)"
    r"|correct\ (?:option|choice)(?:\*\*)?[ \t]?(?:is|:|：)"
    r"|(?:^|\n)[ \t#>*_]{0,12}(?:the\ )?(?:final\ |correct\ )?answer[ \t*_#]{0,8}(?=\n|\$|\\\(|\\\[)"
    r"|答案(?:应该?)?(?:是|为|等于|[:：])|(?:^|\n)[ \t*]{0,4}答[:：]"
    r"|(?:故|应|因此|所以)选|选[ \t]?(?=[(（]?[A-H](?![A-Za-z]))",
    re.IGNORECASE | re.VERBOSE,
)
_RESULT = re.compile(r"result(?:\*\*)?\s?(?:is|are|:|：)|结果(?:是|为|等于|[:：])", re.IGNORECASE)
_FILLERS = re.compile(
    r"(?:(?:therefore|thus|then|hence|so|simply|just|exactly|clearly|indeed|now|equal\ to|option|choice|given\ by"
    r"|for\ sure|certainly|definitely|obviously)"
    r"(?![A-Za-z])|[ \t,:：*_#]){1,20}",
    re.IGNORECASE | re.VERBOSE,
)
_REASONS = re.compile(
    r",?\s(?:because|since|as|where|which|given that|due to)\s"
    r"|,\s(?:and\s|so\s)?(?:it\s)?(?:not|can(?:not|['’]t|\snot)\sbe|isn['’]t|is\snot)\s(?=[(]?[A-H](?![a-z]))",
    re.IGNORECASE,
)
_NAMES = re.compile(r"\s(?:is|are|equals|was|were|be)\s", re.IGNORECASE)
_UNSURE = re.compile(
    r"(?<![A-Za-z])(?:or|either|neither|nor|not|maybe|perhaps|if|unless|no)(?![A-Za-z])|\d", re.IGNORECASE
)
_SENTENCE_START = re.compile(r"[A-Za-z][a-z]* [A-Za-z$\\]")
_HAN_VERB = re.compile(r"[\u4e00-\u9fff]{2,}\s?(?:是|为|等于|=|有)")
_BARE_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")
_LATEX_NAMES = re.compile(r"\\(?:begin|end)\s?\{[a-zA-Z]{1,20}\*?\}|\\[a-zA-Z]+")
_UNIT_AFTER = re.compile(r" (?!(?:or|not|maybe|and|is)(?![a-z]))[a-z]{1,12}\.?")
_OPENERS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"))
_MARKS = " \t#>*_"


def named_answers(text: str) -> tuple[str, ...] | None:
    """What the last phrase names, several where it names several formulas; None where there is no phrase."""
    last = None
    for pattern in (_ANSWER, _RESULT):
        for last in pattern.finditer(text):  # noqa: B007 - the last match is what we want
            pass
        if last is not None:
            return _named(text, last.end())
    return None


def last_line(text: str) -> str | None:
    """The last line, or the formula displayed there, if it says nothing but an answer."""
    text = text.rstrip()
    for opener, closer in _OPENERS[:2]:
        if text.endswith(closer):
            start = text.rfind(opener, max(0, len(text) - _LAST_CHARS), len(text) - len(closer))
            before = text[:start].rpartition("\n")[2] if start >= 0 else "x"
            if not before.strip(_MARKS):
                return text[start + len(opener) : -len(closer)].strip()
    line = text[-_LAST_CHARS:].rpartition("\n")[2]
    bare = line.strip().lstrip("#>").strip()
    if not bare or len(bare) > _BARE_CHARS or bare.startswith("<"):
        return None
    found = list(_spans(bare))
    if len(found) == 1 and "\n" not in text and not bare[found[0][2] :].strip(" .。*"):
        return found[0][0]  # one sentence is all there is, and it ends in its one formula
    if len(found) == 1 and found[0][1] == 0 and _UNIT_AFTER.fullmatch(bare[found[0][2] :]):
        return bare.replace("$", "")
    is_formula = len(found) == 1 and plain(bare) == found[0][0]
    has_words = _BARE_WORD.search(_LATEX_NAMES.sub(" ", bare)) or _HAN_VERB.search(bare)
    is_word = not any(character.isspace() for character in bare) and not _HAN_VERB.search(bare)
    return plain(bare) if is_formula or not has_words or is_word else None


def concluded(text: str) -> str | None:
    """The value with which the last sentence ends, if it draws a conclusion or is all there is; None else."""
    text = text[-_LAST_CHARS:].strip()
    line = text.rpartition("\n")[2]
    ends = list(_SENTENCE_END.finditer(line.rstrip(" .。*$")))
    sentence = line[ends[-1].end() :] if ends else line
    is_all = sentence == text
    concludes = list(_THEREFORE.finditer(sentence))
    sentence = sentence[concludes[-1].end() :] if concludes else sentence
    if len(sentence) > _BARE_CHARS or _DOUBT.search(sentence) or not (is_all or (concludes and _ENDED.search(line))):
        return None
    verbs = list(_VERBS.finditer(sentence))
    value = plain(sentence[verbs[-1].end() :]) if verbs else ""
    value = value[1:-1] if value.startswith("[") and value.endswith("]") and "," not in value else value
    return value if _VALUE.fullmatch(value) else None


_THEREFORE = re.compile(
    r"(?i:(?<![A-Za-z])(?:therefore|thus|hence|in conclusion|consequently|en conclusion|por lo tanto|por tanto|somit)"
    r"(?![A-Za-z])|因此|所以|综上|结论|由此)|(?<![A-Za-z])(?:So|Donc|Ainsi|Also|Daher|Finally|As a result)(?=[ ,])"
)
_ENDED = re.compile(r"[.。!！*$)]\s*$")
_VERBS = re.compile(
    r"(?<=\s)(?:is|are|was|were|equals|be|est|sont|ist|es|son)\s(?:equal\sto\s|exactly\s|de\s)?|(?<=it)['’]s\s|=|≈"
    r"|\\approx(?![a-z])|是|为|等于|共?有|得到?"
)
_DOUBT = re.compile(
    r"(?<![A-Za-z])(?:or|not|either|neither|nor|maybe|perhaps|might|may|could|if|unless|cannot|can['’]t|isn['’]t|but"
    r"|wrong|incorrect|false|except|between|guess|ou|oder|pas|nicht|probably|likely|should)(?![A-Za-z])|[或不非若]|可能|也许|\?|？",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?:[-−+]?\s?[$€£¥]?\s?\d[\d,. ]*(?:/\s?\d+)?\s?(?:%|\\%|°)?\s?(?:[A-Za-z²³]{1,12}(?:[ /][A-Za-z²³]{1,12}){0,2}"
    r"|[\u4e00-\u9fff]{1,6})?|[A-H]|\(?\s?[-−]?\d[^()]{0,40}\)|\$[^$]{1,100}\$|\\\([^$]{1,100}\\\)"
    r"|[-−]?\\[a-z]{2,}[^$]{1,100}|[-−\d./*+()√π^ a-z]{1,20})"
)


def conclusion(text: str) -> str:
    """The one value with which a sentence or derivation ends; empty where it ends with none or more than one.

    It stands after the last sign of equality, or is the only number of the last sentence, which must not be in doubt.
    """
    sentence = _SENTENCE_END.split(text.strip().rstrip(".。\"'`} "))[-1]
    if _HEDGE.search(sentence):
        return ""
    before, equals, after = sentence.rpartition("=")
    numbers = _NUMBER.findall(after)
    return after.strip() if equals and before and len(numbers) == 1 else numbers[0] if len(numbers) == 1 else ""


_HEDGE = re.compile(
    r"(?<![A-Za-z])(?:or|not|cannot|can['’]t|but|unless|maybe|perhaps|either|unknown)(?![A-Za-z])|[或不]", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"\.\s|[。！？\n]|[?!]\s")
_NUMBER = re.compile(r"(?<![\w.,])-?[$€£¥]?\d+(?:,\d{3})*(?:\.\d+)?(?:/\d+)?%?(?![\w])")


def segments(line: str) -> Iterator[str]:
    """Contents of the formulas between dollars, brackets or parentheses of LaTeX."""
    return (content for content, _, _ in _spans(line))


def plain(text: str) -> str:
    """Without bold marks, full stops and the dollars around it."""
    text = text.strip()
    for _ in range(3):
        text = text.strip("*").strip().rstrip("。").strip()
        if text.endswith(".") and not text.endswith(".."):
            text = text[:-1].strip()
    for opener, closer in _OPENERS:
        inner = text[len(opener) : -len(closer)]
        if (
            text.startswith(opener)
            and text.endswith(closer)
            and len(text) > len(opener + closer)
            and closer not in inner
        ):
            return inner.strip()
    return text


def _named(text: str, start: int) -> tuple[str, ...]:
    region = _first_line(text, start)
    filler = _FILLERS.match(region)
    region = region[filler.end() :] if filler else region
    region = _REASONS.split(region, maxsplit=1)[0] if not region.startswith(("$$", "\\[")) else region
    region = _said_of(region)
    found = tuple(segments(region))
    if found:
        return found
    return (_sentence(region),)


def _said_of(region: str) -> str:
    """Of "the area of $ABC$ is 42" the 42; everything where the answer comes first, or more than one is offered."""
    if not _SENTENCE_START.match(region):
        return region
    sentence = region.partition(". ")[0]
    verbs = list(_NAMES.finditer(sentence))
    if not verbs or _UNSURE.search(sentence, 0, verbs[-1].start()):
        return region
    return sentence[verbs[-1].end() :]


def _first_line(text: str, start: int) -> str:
    """The first line with any content from there on; a display formula may span lines."""
    rest = text[start : start + _PHRASE_CHARS].lstrip(" \t\r\n:：*_")
    for opener, closer in _OPENERS[:2]:
        if rest.startswith(opener):
            return rest[: rest.find(closer, len(opener)) + len(closer)] if closer in rest[len(opener) :] else ""
    return rest.partition("\n")[0]


def _spans(line: str) -> Iterator[tuple[str, int, int]]:
    position = 0
    while True:
        starts = [(line.find(opener, position), opener, closer) for opener, closer in _OPENERS]
        starts = [start for start in starts if start[0] >= 0]
        if not starts:
            return
        start, opener, closer = min(starts, key=lambda found: (found[0], -len(found[1])))
        end = line.find(closer, start + len(opener))
        if end < 0:
            return
        yield line[start + len(opener) : end].strip(), start, end + len(closer)
        position = end + len(closer)


def _sentence(line: str) -> str:
    """The line up to the end of its first sentence, without the closer of a formula that began before it."""
    for stop in (". ", "。", "！", "? "):
        line = line.partition(stop)[0]
    line = plain(line)
    for opener, closer in _OPENERS[1:3]:
        if line.endswith(closer) and opener not in line:
            line = line[: -len(closer)].rstrip()
    return line
