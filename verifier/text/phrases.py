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
    r"(?<![A-Za-z])(?:answers?|ans)(?:\*\*|__)?(?:[ ]to[ ][a-z ]{1,40})?[ \t]?(?:is|are|equals|should\ be"
    r"|must\ be|would\ be|=|:|：)"
    r"|(?<![A-Za-z])solutions?\ (?:is|are)(?=[ :]*(?:\$|\\|[-\d(\[]|[a-z]\ ?=))"
    r"|(?:^|\n)[ \t]*(?:\$|\\\()?\\text\ ?\{\ ?(?:final\ )?answer:?\ ?\}:?"
    r"|(?<![A-Za-z])(?:option|choice)\ (?=\(?[A-H]\)?\ is\ (?:the\ )?(?:correct|right))"
    r"|(?<![A-Za-z])correct\ (?:option|choice)(?:\*\*)?[ \t]?(?:is|:|：)"
    r"|(?:^|\n)[ \t#>*_]{0,12}(?:the\ )?(?:final\ |correct\ )?answer[ \t*_#]{0,8}(?=\n|\$|\\\(|\\\[)"
    r"|\"answer\"\s?:\s?(?=\"?[-\d$\\])|【答案】|答案(?:\*\*)?(?:应该?)?(?:就?是|即?为|选|等于|[:：])"
    r"(?:选项)?|(?:^|\n)[ \t*]{0,4}答[:：]"
    r"|(?:故|应|因此|所以)(?:选|填)[项择]?[:：]?|选[择项]?[ \t:：]?(?=[(（]?[A-H](?![A-Za-z]))|正确(?:选项"
    r"|答案)(?:是|为|[:：])",
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
    r",?\s(?:because|since|as(?!\swell)|where|which|given that|due to)\s(?!.{0,80}(?:incorrect|wrong|mistake"
    r"|also|not\s|false))"
    r"|,?\s\(?not\s(?=\$?-?\d)|,\sso\s(?!.{0,60}\d)|(?<=[A-H])\sis\s(?:the\s)?(?:correct|right)"
    r"|(?<=[A-H]\))\sis\s(?:the\s)?(?:correct|right)|\s(?=\([a-z]{2,20}\)\.?$)"
    r"|,\s(?:and\s|so\s)?(?:it\s)?(?:not|can(?:not|['’]t|\snot)\sbe|isn['’]t|is\snot)\s(?=[(]?[A-H](?![a-z]))",
    re.IGNORECASE,
)
_NAMES = re.compile(r"\s(?:is|are|equals|was|were|be)\s", re.IGNORECASE)
_UNSURE = re.compile(
    r"(?<![A-Za-z])(?:or|either|neither|nor|not|maybe|perhaps|if|unless|no|nothing|wrong|false|incorrect|rejected|guess"
    r"|first|old|previous|other)(?![A-Za-z])|\d",
    re.IGNORECASE,
)
_LED_BY_HAN = re.compile(
    r"(?:(?![不没非若错])[\u4e00-\u9fff，,]){0,20}?(?:共有|有|需要|需|共|是|为|得到?)(?=\s?\$?-?\d)"
)
_SENTENCE_START = re.compile(r"[A-Za-z][a-z]* [A-Za-z$\\]")
_HAN_VERB = re.compile(r"[\u4e00-\u9fff]{2,}[^\n]{0,40}?(?:是|为|等于|=|有)")
_BARE_WORD = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z]{2,}")
_LATEX_NAMES = re.compile(r"\\(?:begin|end)\s?\{[a-zA-Z]{1,20}\*?\}|\\[a-zA-Z]+")
_UNIT_AFTER = re.compile(r" (?!(?:or|not|maybe|and|is)(?![a-z]))[a-z]{1,12}\.?")
_OPENERS = (("$$", "$$"), ("\\[", "\\]"), ("\\(", "\\)"), ("$", "$"))
_MARKS = " \t#>*_"


def named_answers(text: str) -> tuple[str, ...] | None:
    """What the last phrase names, several where it names several formulas; None where there is no phrase.

    Empty where the words before the phrase deny it ("I don't think the answer is 42"). A phrase that names no value
    ("this answer is consistent") is passed over if an earlier one does.
    """
    for pattern in (_ANSWER, _RESULT):
        found = list(pattern.finditer(text))[-_LAST_PHRASES:]
        if not found:
            continue
        for before, match in zip([*found[-2::-1], None], reversed(found), strict=True):
            named = _named(text, match.end())
            if any(map(_is_value, named)):
                return () if _is_denied(text, match.start()) else (*_said_before(text, before, match), *named)
        return () if _is_denied(text, found[-1].start()) else _named(text, found[-1].end())
    return None


def _said_before(text: str, before: re.Match[str] | None, match: re.Match[str]) -> tuple[str, ...]:
    """What the phrase right before another one names: "The answer is 6. The answer is 5." names both."""
    if before is None:
        return ()
    between = text[before.end() : match.start()]
    if len(between) > _BETWEEN_CHARS or _CORRECTING.search(between) or _is_denied(text, before.start()):
        return ()
    named = _named(text, before.end())
    return named if any(map(_is_value, named)) else ()


_BETWEEN_CHARS = 24
_CORRECTING = re.compile(
    r"[?？]|(?<![A-Za-z])(?:wait|no|not|actually|however|but|wrong|incorrect|sorry|so|thus)(?![A-Za-z])|不|错",
    re.IGNORECASE,
)


def hashed(text: str) -> tuple[str, ...]:
    """What a last line such as ``#### 42`` marks, with what other such lines and the line before it say; or nothing."""
    before, _, line = text.rstrip().rpartition("\n")
    found = _HASHED.fullmatch(line)
    value = plain(found[1]) if found else ""
    last = before.rstrip().rpartition("\n")[2]
    if not _VALUE.fullmatch(value) or _OPEN.search(plain(last)):
        return ()
    return tuple(dict.fromkeys((*map(plain, _HASHES.findall(before)), *(named_answers(last) or ()), value)))


def answer_after(text: str) -> tuple[str, ...]:
    """Numbers and choices that are said to be the answer in what stands beside or after a marked one.

    Only what the whole clause gives counts ("So the answer is 43."), a line of ``#### 43``, or a last line that is
    nothing but a value.
    """
    is_said = "nswer" in text or "答案" in text
    found = [_first_of(match) for match in list(_SAID_TO_BE.finditer(text))[-_LAST_PHRASES:]] if is_said else []
    found += _HASHES.findall(text) if "####" in text else []
    last = text.rstrip().rpartition("\n")[2].strip()
    bare = plain(last)
    if OF_BOX not in last and text.rpartition(OF_BOX)[2].count("\n") and is_number(bare):
        found.append(bare)
    return tuple(dict.fromkeys(plain(one) for one in found))


def denies(before: str) -> bool:
    """Whether the words right before an answer deny it: "the answer is not", 不是."""
    return leads_on(before.rstrip(" $:*\n([\\")) and _DENIAL.search(before[-_NEAR_CHARS:]) is not None


def leads_on(before: str) -> bool:
    """Whether a text may end in a denial of what follows, or in "or"; quick, and no closer look."""
    return _LEADING_ON.search(before[-_WORD_CHARS:]) is not None


def goes_on(after: str) -> bool:
    """Whether what stands right after an answer says that it is wrong, or corrects it."""
    return _RETRACTED.match(after) is not None or _CORRECTED.search(after) is not None


def is_number(text: str) -> bool:
    """Whether a text is a number alone."""
    return _NUMBER_ALONE.fullmatch(text) is not None


def alternatives(before: str, after: str) -> tuple[str, ...]:
    r"""Values that "or" puts beside an answer, such as 43 in ``\boxed{42} or 43``; they must be right as well."""
    matches = [_OR_AFTER.match(after)]
    if before.rstrip(" $\\(\n").casefold().endswith(_LINKING):
        matches.append(_OR_BEFORE.search(before[-_NEAR_CHARS:]))
    return tuple(plain(_first_of(match)) for match in matches if match)


def _first_of(match: re.Match[str]) -> str:
    """The one of its groups that took part."""
    return next(group for group in match.groups() if group)


_LINKING = ("or", "或", "或者", "and", "=", ",")
"""With one of these a text ends that puts a value beside what follows."""
OF_BOX = "\0"
"""Stands for a box in a text in which phrases are looked for."""
_LAST_PHRASES = 20
_LEADING_ON = re.compile(
    r"(?:(?<![A-Za-z])(?:or|not|never|to|the|twice|of|from|than|but|minus|negative|is|was|were|nicht|pas|es|\\neq?)"
    r"|n['’]t|[éèе或者是非于≠❌✗✘])$",
    re.IGNORECASE,
)
"""With one of these a denial or "or" ends: most answers have none before them, and need no closer look."""
_WORD_CHARS = 12
_NEAR_CHARS = 60
_ONE_VALUE = (
    r"(\$?-?\\?\$?\d++(?:[.,]\d++)*+(?:/\d++)?(?:\\?%)?\$?"
    r"|\$-?\\[dt]?frac\s?\{?\d+\}?\s?\{?\d+\}?\$|\$[^$\n]{1,40}\$|\\\(.{1,40}?\\\))"
)
_ONE_SAID = rf"(?:{_ONE_VALUE}|(\(?[A-H]\)?|yes|no|true|false)(?![A-Za-z]))"
"""A value, a choice, or a word that answers."""
_DENIAL = re.compile(
    r"(?:(?<![A-Za-z])(?:is|are|was|be|it['’]?s|equals?)\s(?:certainly\s|definitely\s)?(?:not|never)"
    r"(?:\sequal\sto|\sthe)?"
    r"|(?<![A-Za-z])(?:isn|wasn|aren)['’]t|(?:^|[\n.,;])\s*(?:certainly\s|definitely\s)?not|不是|并非|不等于"
    r"|\\ne|\\neq|≠"
    r"|(?<![^\W\d_])(?:nicht|n['’]est pas|no es|não é|non è|не)"
    r"|(?<![A-Za-z-])(?:minus|negative)(?=[ \t$]*(?:\\\(|\\\[)?[ \t]*$)"
    r"|(?<![A-Za-z])(?:twice|half of|different from|other than|anything but|instead of|rather than"
    r"|the (?:square|negative|double|opposite|reciprocal) of|(?:if|suppose|assume)[^.\n]{0,12}(?:answer"
    r"|it)\s(?:is|was|were))|[❌✗✘])"
    r"[\s$:*]*(?:\\\(|\\\[)?\s*$",
    re.IGNORECASE,
)
_RETRACTED = re.compile(
    r"[\s$)\]\\*]{0,6}(?:(?:is|was|seems)\s(?:clearly\s)?"
    r"(?:wrong|incorrect|false|rejected|not\s(?:right|correct|the\s(?:(?:right|correct)\s)?(?:answer|value)))"
    r"|(?:cannot\sbe|can['’]t\sbe|isn['’]t)\s(?:right|correct|the\s(?:(?:right|correct)\s)?answer))"
    r"(?=[.,;!\s]*(?:$|\n|[.,;!]|but))"
    r"|[\s$)\]\\*.]{0,6}(?:this|that|it) is (?:wrong|incorrect|not (?:right|correct))(?=[.,;!\s]*(?:$|\n|[.,;!]))"
    r"|[\s$)\]\\*]{0,6}[❌✗✘]|[\s$)\]\\*。，]{0,6}(?:是错误?的|不对|不是答案|并?不正确|有误|是不正确的)",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    r"(?:^|[\n.。!])\s*\**(?:correction|edit|on second thought|i mean|oops|更正|等等，应该是"
    r"|应该是)[\s,:：,*]{1,4}[^.\n]{0,40}\d",
    re.IGNORECASE,
)
_OR_WORDS = r"(?:\\text\{\s*(?:or|and)\s*\}|\\lor(?![a-z])|or|alternatively|或者?|也可能是|oder|ou|или)"
_OR_AFTER = re.compile(
    rf"[\s$)\]\\]{{0,4}}[,.;]?\s*\(?{_OR_WORDS}(?:\s(?:maybe|possibly|perhaps|even))?\s*(?:{_ONE_SAID}|([A-Z][a-z]{{1,20}}))"
    r"(?=[\s.。,;!)$]*(?:$|\n|[.。,;!)]|\s(?:if|when|depending|unless)\s))"
    rf"|\s?\$?,\s?\$?{_ONE_VALUE}\$?[\s.。]*(?:$|\n)|\$?\s?=\s?\$?{_ONE_VALUE}(?=[\s.。,;!)$]*(?:$|\n))",
    re.IGNORECASE,
)
_OR_BEFORE = re.compile(
    rf"(?<![\w$]){_ONE_SAID},?\s*(?:or|或者?)\s*\$?(?:[a-z]\s?=\s?)?(?:\\\()?\$?$"
    rf"|(?:^|\n|\sare\s)[\s$]*{_ONE_VALUE},?\s(?:and\s)?\$?$|(?:^|[$\n=])\s*{_ONE_VALUE}\s?=\s?\$?$",
    re.IGNORECASE,
)
_SAID_TO_BE = re.compile(
    r"(?<!approximate )(?<!decimal )(?<!numerical )(?:(?<![A-Za-z])answer(?:\s(?:is|should\sbe|must\sbe)|:)"
    r"|答案(?:应该?|应当)?[是为:：])"
    rf"[\s:*]*(?:therefore\s|thus\s|actually\s|simply\s)?{_ONE_SAID}(?=[\s.。!*]*(?:$|\n|\0)|[.。!]\s)",
    re.IGNORECASE,
)
_NUMBER_ALONE = re.compile(r"-?[$€£¥]?\d[\d,.]*(?:/\d+)?%?|[a-z]\s?=\s?-?\d[\d.,]*")
_HASHED = re.compile(r"[ \t]*####[ \t]*(\S.{0,200}?)[ \t]*")
_HASHES = re.compile(r"^[ \t]*####[ \t]*(-?\$?\d[\d,./%]*)[ \t]*$", re.MULTILINE)


def _is_denied(text: str, at: int) -> bool:
    """Whether the words right before a phrase deny what it says: "I don't think the answer is 42", 错误答案是."""
    return _DENIED_PHRASE.search(text[max(at - _NEAR_CHARS, 0) : at]) is not None


_DENIED_PHRASE = re.compile(
    r"(?:(?:don['’]t|do not|doesn['’]t|does not|never|cannot|can['’]t|doubt(?: that)?)\s(?:think|believe|say"
    r"|mean|claim)?[^.\n]{0,20}"
    r"|(?<![A-Za-z])(?:the\s)?(?:false|wrong|incorrect|untrue|doubt|deny|unlikely)\s?(?:that\s)?(?:the\s"
    r"|my\s)?(?:final\s)?"
    r"|(?<![A-Za-z])(?:if|suppose|assume|whether)\s(?:that\s)?(?:the|my)\s(?:final\s)?"
    r"|(?:错误的?|不正确的?|不能说|不是|并非|假设|如果|我?不)\s?)$",
    re.IGNORECASE,
)


def _is_value(text: str) -> bool:
    """Whether a text can be a value, and is no clause about one."""
    text = plain(text)
    if any(character.isdigit() for character in text) or "\\" in text or "$" in text:
        return True
    words = text.split()
    return 0 < len(words) <= _VALUE_WORDS and words[0].casefold() not in _ABOUT and not _HAN_CLAUSE.search(text)


_VALUE_WORDS = 3
_HAN_CLAUSE = re.compile(r"正确|合理|一致|符合")
_ABOUT = frozenset(
    {
        *(
            "consistent",
            "correct",
            "helpful",
            "reasonable",
            "valid",
            "verified",
            "right",
            "an",
            "a",
            "also",
            "in",
            "as",
        ),
        *("wrong", "unique", "therefore", "helpful!", "given", "found", "expected", "to", "based", "confirmed"),
    }
)


def last_line(text: str) -> str | None:
    """The last line, or the formula displayed there, if it says nothing but an answer, and the line before is none."""
    text = text.rstrip()
    for opener, closer in _OPENERS[:2]:
        if text.endswith(closer):
            start = text.rfind(opener, max(0, len(text) - _LAST_CHARS), len(text) - len(closer))
            before, _, same = text[:start].rpartition("\n") if start >= 0 else ("", "", "x")
            if not same.strip(_MARKS):
                return None if _is_contested(before) else text[start + len(opener) : -len(closer)].strip()
    before, _, line = text[-_LAST_CHARS:].rpartition("\n")
    bare = line.strip().lstrip("#").strip()
    bare = bare[1:].strip() if bare.startswith("> ") and before.strip() else bare
    if not bare or len(bare) > _BARE_CHARS or bare.startswith("<") or _is_contested(before):
        return None
    found = list(_spans(bare))
    if len(found) == 1 and not before.strip() and not bare[found[0][2] :].strip(" .。*"):
        # One sentence is all there is, and it ends in its one formula.
        said = bare[: found[0][1]]
        return None if _DOUBT.search(said) or _JOINED.search(said) else found[0][0]
    if len(found) == 1 and found[0][1] == 0 and _UNIT_AFTER.fullmatch(bare[found[0][2] :]):
        return bare.replace("$", "")
    is_formula = len(found) == 1 and plain(bare) == found[0][0]
    has_words = _BARE_WORD.search(_LATEX_NAMES.sub(" ", bare)) or _HAN_VERB.search(bare)
    is_word = not any(character.isspace() for character in bare) and not _HAN_VERB.search(bare)
    return plain(bare) if is_formula or not has_words or is_word else None


def _is_contested(before: str) -> bool:
    """Whether the line before an answer that stands alone is another one, or ends in a doubt."""
    line = before.rstrip().rpartition("\n")[2].strip()
    bare = plain(line.lstrip("#>-• ").strip())
    if not bare:
        return False
    if _OPEN.search(bare):
        return True
    return _VALUE.fullmatch(bare) is not None or line.startswith("####")


_OPEN = re.compile(
    r"(?:(?<![A-Za-z])(?:not|n['’]t|or|maybe|perhaps|either|neither)|不是|或者?)[\s:：,]*$", re.IGNORECASE
)
_JOINED = re.compile(r"[-−+*/^\d]$")


def concluded(text: str) -> str | None:
    """The value with which the last sentence ends, if it draws a conclusion or is all there is; None else."""
    text = text[-_LAST_CHARS:].strip()
    line = text.rpartition("\n")[2]
    ends = list(_SENTENCE_END.finditer(line.rstrip(" .。*$")))
    sentence = line[ends[-1].end() :] if ends else line
    is_all = sentence == text
    concludes = list(_THEREFORE.finditer(sentence))
    sentence = sentence[concludes[-1].end() :] if concludes else sentence
    if len(sentence) > _BARE_CHARS or _UNCERTAIN.search(sentence):
        return None
    if not (is_all or (concludes and _ENDED.search(line))):
        return None
    verbs = list(_VERBS.finditer(sentence))
    if verbs and _DENIAL.search(sentence[: verbs[-1].end()] + " "):
        return None
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
    r"|wrong|incorrect|false|except|between|guess|ou|oder|pas|nicht|probably|likely|should)(?![A-Za-z])"
    r"|[或不非若]|可能|也许|\?|？",
    re.IGNORECASE,
)
_UNCERTAIN = re.compile(
    r"(?<![A-Za-z])(?:maybe|perhaps|might|may be|could|guess|probably|likely|unless|either|if|or|not sure)(?![A-Za-z])"
    r"|可能|也许|如果|假设|或|\?|？",
    re.IGNORECASE,
)
_VALUE = re.compile(
    r"(?:[-−+]?\s?[$€£¥]?\s?\d[\d,. ]*(?:/\s?\d+)?\s?(?:%|\\%|°)?\s?(?:[A-Za-z²³]{1,12}(?:[ /][A-Za-z²³]{1,12}){0,2}"
    r"|[\u4e00-\u9fff]{1,6})?|[A-H]|\(?\s?[-−]?\d[^()]{0,40}\)|\$[^$]{1,100}\$|\\\([^$]{1,100}\\\)"
    r"|[-−]?\\[a-z]{2,}[^$]{1,100}|(?=[^\d]{0,19}\d)(?:[-−\d./*+()√π^ ]|(?<![a-z])[a-z](?![a-z])|sqrt|pi){1,20})"
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
    r"(?<![A-Za-z])(?:or|not|cannot|can['’]t|isn['’]t|doesn['’]t|don['’]t|but|unless|maybe|perhaps|either"
    r"|unknown|least|most"
    r"|except|twice|half|double|may|might|could|wrong|guess|incorrect|false|about|around|approximately"
    r"|between|if|more|less"
    r"|fewer|over|under|below|above|never|no|neither|nearly|almost)(?![A-Za-z])|[或不非约至]",
    re.IGNORECASE,
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
    region, rest = _first_lines(text, start)
    filler = _FILLERS.match(region)
    region = region[filler.end() :] if filler else region
    region = _REASONS.split(region, maxsplit=1)[0] if not region.startswith(("$$", "\\[")) else region
    if OF_BOX in _sentence(region):
        return (OF_BOX,)
    region = _said_of(region)
    if quoted := _QUOTED.match(region):
        return (quoted[1],)
    parts = _OR.split(_sentence(region))
    if len(parts) > 1 and all(_VALUE.fullmatch(plain(part)) for part in parts):
        return tuple(plain(part) for part in parts)
    found = list(_spans(region))
    outside = "".join(
        region[end:begin]
        for end, begin in zip([0, *(span[2] for span in found)], [*(span[1] for span in found), None], strict=True)
    )
    if found and not _BESIDE.search(_sentence(_SEPARATORS.sub(" ", outside) if len(found) > 1 else outside)):
        named = [content for content, _, _ in found]
    else:
        named = [_sentence(region)]
    if rest:
        return tuple(dict.fromkeys([*named, *rest]))
    if not region:
        return tuple(named)
    tail = region[len(_sentence(region)) :] + text[start : start + _PHRASE_CHARS].partition(region)[2]
    more = _OTHER.match(tail)
    return (*named, more[1].strip()) if more else tuple(named)


_SEPARATORS = re.compile(r"(?<![A-Za-z])or(?![A-Za-z])|或")
_BESIDE = re.compile(
    r"\d|(?<![A-Za-z])(?:or|not|half|double|twice|times|minus|negative|from|maybe|perhaps|either|instead|but"
    r"|between|unless)"
    r"(?![A-Za-z])|[不非或倍半负-]|%\s"
)
"""What beside a formula changes it or offers another."""
_OTHER = re.compile(
    r"[\s.,。，?？!！]{1,12}((?:(?:or|或者?|but|actually|wait|no|not sure|maybe|perhaps"
    r"|otherwise)(?![A-Za-z]))[^\n]{0,100}"
    r"|(?<=\n)\$?-?\d[\d.,]{0,20}\$?(?=\s*$))",
    re.IGNORECASE,
)
_QUOTED = re.compile(r'"([^"\n]{1,200})"')
_OR = re.compile(r",?\s+(?:or|或者?)\s+(?:also\s)?", re.IGNORECASE)
_ITEM = re.compile(r"[ \t]*(?:[-*•+]|\d{1,2}[.)])[ \t]+(\S.*)")


def _said_of(region: str) -> str:
    """Of "the area of $ABC$ is 42" the 42; everything where the answer comes first, or more than one is offered."""
    if led := _LED_BY_HAN.match(region):
        return region[led.end() :]
    if not _SENTENCE_START.match(region):
        return region
    sentence = region.partition(". ")[0]
    verbs = list(_NAMES.finditer(sentence))
    if not verbs or _UNSURE.search(sentence, 0, verbs[-1].start()):
        return region
    return sentence[verbs[-1].end() :]


def _first_lines(text: str, start: int) -> tuple[str, list[str]]:
    """The first line with any content from there on, and the items or values under it where it begins a list.

    A display formula may span lines.
    """
    rest = text[start : start + _PHRASE_CHARS].lstrip(" \t\r\n:：*_】")
    is_below = "\n" in text[start : start + _PHRASE_CHARS].partition(rest[:1])[0] if rest else False
    for opener, closer in _OPENERS[:2]:
        if rest.startswith(opener):
            end = rest.find(closer, len(opener))
            return (rest[: end + len(closer)] if end >= 0 else ""), []
    lines = rest.split("\n")
    if not is_below:
        return lines[0], []
    item = _ITEM.match(lines[0])
    if lines[0].startswith("> "):
        return lines[0][2:], []
    more: list[str] = []
    for line in lines[1:]:
        following = _ITEM.match(line) if item else None
        value = plain(following[1]) if following else plain(line.strip()) if not item else ""
        if not value or not (following or _VALUE.fullmatch(value)):
            break
        more.append(value)
    return (item[1] if item else lines[0]), more


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


_LOOSE_END = re.compile(r"^[^(（]*[)）]$|^[-\d.,]+!$")
"""A bracket that opened before, and an exclamation: to write a factorial one writes a formula."""


def _sentence(line: str) -> str:
    """The line up to the end of its first sentence, without the closer of a formula that began before it."""
    for stop in (". ", "。", "！", "? ", "! "):
        line = line.partition(stop)[0]
    line = plain(line)
    line = line[:-1].rstrip() if line.endswith(("!", ")", "）")) and _LOOSE_END.search(line) else line
    for opener, closer in _OPENERS[1:3]:
        if line.endswith(closer) and opener not in line:
            line = line[: -len(closer)].rstrip()
    return line
