r"""The one final answer of a completion, found where a reader would look for it and nowhere else.

The last ``\boxed{}`` rules; where there is none, the last ``<answer>`` block, then what
``verifier.text.phrases`` finds: the last phrase such as "the answer is" or 答案是, then a last line that is nothing but
an answer, then a conclusion. Boxes that differ are all returned, because which of them is meant is not ours to choose,
and so is what a phrase after the box names. A blank or unfinished box is no answer, and nothing earlier takes its
place: falling back would pay for a number that happens to stand in the text. A box that is a part of something larger,
or that the words beside it deny, is no answer either.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from verifier.text.phrases import (
    OF_BOX,
    alternatives,
    answer_after,
    concluded,
    denies,
    goes_on,
    hashed,
    is_number,
    last_line,
    leads_on,
    named_answers,
    plain,
)
from verifier.text.visible import has_comments, has_marks, hides, shown, spoken

MAX_TEXTS = 32
"""Different boxes that are told apart; what boxes more than that is a list of guesses."""


class AnswerKind(Enum):
    """How the answer was marked."""

    BOX = "box"
    TAG = "tag"
    PHRASE = "phrase"
    BARE = "bare"
    NONE = "none"


class FoundAnswer(NamedTuple):
    """What was found.

    Args:
        kind: how it was marked.
        texts: the answer; several where the completion marked several that differ in their text. Empty for NONE.
        reason: for NONE, why: ``no_answer`` (nothing was marked, or a box never ends), ``empty_answer``,
            ``part_of_expression`` (the box is a part of something larger) or ``denied_answer`` (the words beside it say
            that it is not the answer, or offer another).
        after: what stands right after the last box.
    """

    kind: AnswerKind
    texts: tuple[str, ...] = ()
    reason: str = ""
    after: str = ""


class Box(NamedTuple):
    """One box: what it holds, and where it stands with its command."""

    content: str
    start: int
    end: int


_TOKEN = re.compile(r"\\(?:boxed|fbox)[ \t\n]{0,8}\{|\\.|[{}]", re.DOTALL)
_BEGIN = "\\boxed{"
_MAX_WRAPS = 8
_PLAIN = re.compile(r"[-+]?(?:\\?\$)?[A-Za-z0-9][A-Za-z0-9.,/% ]*")
_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])")
_UNBRACED = re.compile(r"\\(?:boxed|fbox)[ \t]+(\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z]))|\\(?:boxed|fbox)(\d)")
_BLANK = re.compile(
    r"\\(?:text|textbf|mathrm|mathbf|quad|qquad|hspace|phantom|ldots|dots|underline|[ ,;:!])(?![a-zA-Z])"
)
_BLANK_CHARS = frozenset(" \t\r\n_.-?*$~{}()[]:,;…—–\u200b\u00a0\u3000。，、？！!\\")
_EMPTY_SET = re.compile(r"\\\{\s*(?:\\right)?\\\}")
_PLACEHOLDERS = frozenset({"answer", "your answer", "final answer", "the answer", "the final answer", "ans"})
_SPOKEN_OF = re.compile(
    r"(?<![A-Za-z])(?:in|inside|within|into|using|with|by|of)(?: (?:a|the|an))?[ `$]{1,3}$|[用在到入][ `$]{0,3}$"
)
_SAID = re.compile(r"(?!and(?![a-z]))[^\s$,]+")
_NAMING = re.compile(r"(?i:answer|result|solution|ans[ :]|option|choice)|[答选果填]")
_ENDS = " .。$\n)]}*\\"
_CONTEXT_CHARS = 300
_BESIDE_CHARS = 32
_NEAR_CHARS = 120
_OPENERS = ("$$", "$", "\\(", "\\[", "\\displaystyle")
_JOINED_BEFORE = re.compile(
    r"(?:[+/^√]|\d|[\w)}]\s?\+\s?|\\(?:times|cdot|div|pm|mp|ne|neq|not|sqrt|log|ln|sin|cos|tan|arcsin|bmod"
    r"|pi)\s?|(?<![A-Za-z])[a-zA-Z]\(|\{)$"
    r"|(?:^|[=(,+*/^$<>\d]|\\[a-z]+|[\w)}])\s?[-−]$|(?:[=(,+*/^]|\d)\s*[-−]\s$"
)
_LISTED_AFTER = re.compile(r"\s?,\s?-?\d")
_LISTED_BEFORE = re.compile(r"(?:\(|\\\{)\s?-?\d[\d.]*,\s?$")
_BULLET = re.compile(r"^[ \t>]*(?:[-*+•]|\d{1,2}[.)])[ \t]+$")
_JOINED_AFTER = re.compile(
    r"[+/^](?!\s?\{?\s?\\circ)\s?[\d\\a-z({]|\s[+/]\s[\d\\a-z]|\s?[-−]\s?[\d\\](?=[^$]*\$)|!\s*(?:\$|\\\))"
    r"|[.,]?\d|\s?\+\s?[A-Za-z\d\\](?=[^$\n]{0,40}\$)"
    r"|\s?\\(?:times|cdot|div|pm|mp|sqrt|frac|dfrac|bmod|mod)(?![a-zA-Z])|\s?\\(?:pi|ne|neq)(?![a-zA-Z])"
    r"|\s?_\s?\{?\d|\$?\s?[π√]|\s[xyzni]\s?\$|[xyzni](?![A-Za-z])"
    r"|(?:\s|\$|\\text\{)*(?:thousand|million|billion|trillion|hundred|dozen)(?![a-z])"
)
_DISPLAY_BRACES = re.compile(
    r"\\(?:text|mathbf|boldsymbol|bm|mathrm|textbf|displaystyle|large|Large|color\s?\{\w+\}"
    r"|textcolor\s?\{\w+\}|underline)\s?\{$"
)


def find_answer(text: str, *, accept_phrase: bool = True) -> FoundAnswer:
    r"""The final answer in a text, which should be the part after the reasoning; linear in its length.

    Args:
        text: where to look.
        accept_phrase: also take an answer that is not boxed or tagged: after a phrase, alone on its line, or as the
            conclusion.
    """
    if (content := only_box(text)) is not None:
        return FoundAnswer(kind=AnswerKind.BOX, texts=(content,))
    return search_answer(text, accept_phrase=accept_phrase)


def search_answer(text: str, *, accept_phrase: bool = True) -> FoundAnswer:
    """``find_answer`` for a text in which ``only_box`` finds nothing."""
    text = shown(text)
    blocks, outside = _answer_blocks(text)
    if blocks:
        return _from_blocks(blocks, outside)
    if _BOX.search(text):
        boxed = _from_boxes(text)
        if boxed is not None:
            return boxed
    if accept_phrase:
        return _from_phrase(spoken(text))
    return FoundAnswer(kind=AnswerKind.NONE, reason="no_answer")


def only_box(text: str) -> str | None:
    """What the only box of a text holds, where it ends the text and nothing stands near it: as most policies answer.

    Boxes that hold the same are one.
    """
    start = text.rfind(_BEGIN)
    # What strikes out would stand on the same line, which is looked at below.
    if start < 0 or has_marks(text):
        return None
    line = text.rfind("\n", 0, start) + 1
    content = _in_last_line(text, line, start)
    if not content:
        return None
    before = text[max(start - _NEAR_CHARS, 0) : line].rstrip()
    last = before[-1:]
    if last in _OPEN_ENDS or (last.isalpha() and leads_on(before)):
        return None
    if not (content.isdecimal() or _PLAIN.fullmatch(content) or _is_sole(content)):
        return None
    has_commands = text.find("\\", 0, start) >= 0
    if has_commands and (has_comments(text) or not _is_only(text, start, content)):
        return None
    is_named = "nswer" in before or "答案" in before or "####" in before
    return None if is_named and set(answer_after(before)) - {content} else content


def _in_last_line(text: str, line: int, start: int) -> str:
    """What the box that begins at ``start`` holds, where its line ends the text and says nothing else; else empty."""
    if text.endswith(_USUAL_END) and text.startswith(_USUAL, line):  # a search is dearer
        content = text[start + len(_BEGIN) : -len(_USUAL_END)]
        if "{" not in content and "}" not in content:
            return content.strip()
    found = _LAST_LINE.fullmatch(text, line)
    return found[1].strip() if found is not None else ""


def _is_only(text: str, start: int, content: str) -> bool:
    """Whether no box before this one holds anything else."""
    if text.find("box", 0, start) < 0 or _BOX.search(text, 0, start) is None:
        return True
    found, is_finished = _boxes(text)
    return is_finished and all(box.content == content for box in found)


def _is_sole(content: str) -> bool:
    """Whether what a box holds is its answer as it stands: no box and nothing hidden in it, and not blank."""
    if "box" in content or hides(content) or has_comments(content) or is_blank(content):
        return False
    return content.casefold() not in _PLACEHOLDERS


_USUAL, _USUAL_END = "The final answer is $\\boxed{", "}$."
_LAST_LINE = re.compile(
    r"\s{0,80}(?:(?:(?:So|Thus|Therefore|Hence),? )?[Tt]he (?:final )?(?:answer|result) is:?"
    r"|\*\*(?:Final )?Answer:?\*\*:?)?"
    r"\s{0,9}(?:\$\$?|\\[(\[])?\s{0,9}\\boxed\{"
    r"((?:[^{}\\]++|\\.|\{(?:[^{}\\]++|\\.|\{(?:[^{}\\]++|\\.)*+\})*+\})*+)\}[ .。$\n)\]}*\\]*",
    re.DOTALL,
)
"""A line that ends a text with a box, and what may stand before the box without being looked at."""
_OPEN_ENDS = frozenset(":：,，(=+-−*/^≠❌✗✘")
"""With one of these a text goes on into what follows it."""


def boxes(text: str) -> tuple[tuple[str, ...], bool]:
    r"""Contents of the outermost boxes in order, and whether the last box that was begun is finished.

    Braces are matched, ``\{`` is no brace, and a box that holds just a box counts as that one.
    """
    found, is_finished = _boxes(text)
    return tuple(box.content for box in found), is_finished


def _boxes(text: str) -> tuple[list[Box], bool]:
    found: list[tuple[int, int, int]] = []
    stack: list[tuple[int, int]] = []  # where an open box and its content begin; -1 for a plain brace
    last_begun = -1
    finished_last = True
    first = _BOX.search(text)
    for token in _TOKEN.finditer(text, first.start() if first else len(text)):
        word = token.group()
        if word == "{":
            stack.append((-1, -1))
        elif word == "}":
            begin, start = stack.pop() if stack else (-1, -1)
            if start >= 0:
                while found and found[-1][1] > start:  # boxes within this one
                    found.pop()
                found.append((begin, start, token.start()))
                finished_last = finished_last or start == last_begun
        elif word.endswith("{") and len(word) > len("\\{"):
            stack.append((token.start(), token.end()))
            last_begun, finished_last = token.end(), False
    braced = [Box(_unwrapped(text[start:end]), begin, end + 1) for begin, start, end in found]
    starts = [box.start for box in braced]
    single: list[Box] = []
    for match in _UNBRACED.finditer(text):
        at = bisect(starts, match.start()) - 1  # the outermost boxes lie one after the other
        if at < 0 or match.start() >= braced[at].end:
            single.append(Box(match[1] or match[2], match.start(), match.end()))
    return sorted((*braced, *single), key=lambda box: box.start) if single else braced, finished_last


def is_blank(text: str) -> bool:
    """Whether a box says nothing: empty, dots, underscores, a question mark."""
    if any(character.isalnum() for character in text) and "\\" not in text:
        return False
    return all(character in _BLANK_CHARS for character in _BLANK.sub("", text)) and not _EMPTY_SET.search(text)


def _unwrapped(content: str) -> str:
    content = content.strip()
    for _ in range(_MAX_WRAPS):
        match = _BOX.match(content)
        if match is None or not content.endswith("}"):
            return content
        inner = content[match.end() :].lstrip()
        if not inner.startswith("{") or not _spans(inner):
            return content
        content = inner[1:-1].strip()
    return content


def _spans(text: str) -> bool:
    """Whether the brace that opens the text closes at its very end."""
    depth = 0
    for token in _TOKEN.finditer(text):
        word = token.group()
        if word == "}":
            depth -= 1
            if depth == 0:
                return token.end() == len(text)
        elif word.endswith("{") and word != "\\{":
            depth += 1
    return False


_ANSWER_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)


def _answer_blocks(text: str) -> tuple[list[str], str]:
    """Contents of ``<answer>`` blocks, and the text outside them; a tag that opens no block is only spoken of."""
    blocks: list[str] = []
    outside: list[str] = []
    position, opened = 0, None
    for tag in _ANSWER_TAG.finditer(text):
        if not tag[1]:
            opened = tag
        elif opened is not None:
            outside.append(text[position : opened.start()])
            blocks.append(text[opened.end() : tag.start()])
            position, opened = tag.end(), None
    if opened is not None and not blocks and text[opened.end() :].strip(" \n`."):
        return [], text
    return blocks, "\n".join((*outside, text[position:]))


def _from_blocks(blocks: list[str], outside: str) -> FoundAnswer:
    texts: list[str] = []
    if _BOX.search(outside):
        elsewhere = _from_boxes(outside)
        if elsewhere is not None:
            texts.extend(elsewhere.texts)
    for block in blocks:
        texts.extend(_of_block(block))
    if is_blank(texts[-1]):
        return FoundAnswer(kind=AnswerKind.NONE, reason="empty_answer")
    texts.extend(answer_after(spoken(outside)))
    return FoundAnswer(kind=AnswerKind.TAG, texts=_distinct(texts))


def _of_block(block: str) -> tuple[str, ...]:
    """What an ``<answer>`` block gives: its box, what a phrase in it names, its conclusion, or all of it."""
    if _BOX.search(block):
        inner = _from_boxes(block)
        rest = plain(_BOX.split(block, maxsplit=1)[0].strip(" $\\"))
        if inner is not None and inner.texts:
            return (rest, *inner.texts) if is_number(rest) else inner.texts
        return (block,)
    said = spoken(block)
    named = named_answers(said)
    if named is not None:
        return named or (plain(said),)
    lines = [line for line in said.splitlines() if line.strip()]
    value = concluded(said) if len(lines) == 1 else None
    return (value if value is not None else plain(said),)


def _from_boxes(text: str) -> FoundAnswer | None:
    """The answer that boxes give; None where no box was even begun."""
    found, is_finished = _boxes(text)
    if not is_finished:
        return FoundAnswer(kind=AnswerKind.NONE, reason="no_answer")
    if not found:
        return None
    said = [box for box in found if not _is_mention(box, text)] or found
    if is_blank(said[-1].content):
        return FoundAnswer(kind=AnswerKind.NONE, reason="empty_answer")
    last = said[-1]
    before, after = text[max(last.start - _CONTEXT_CHARS, 0) : last.start], text[last.end : last.end + _CONTEXT_CHARS]
    if is_part(before, after):
        return FoundAnswer(kind=AnswerKind.NONE, reason="part_of_expression")
    if denies(before) or goes_on(after):
        return FoundAnswer(kind=AnswerKind.NONE, reason="denied_answer")
    texts = [box.content for box in said if not is_blank(box.content)]
    line = text[max(last.start - _NEAR_CHARS, 0) : last.start]
    beside = alternatives(before, after)
    is_alone = not text[last.end :].strip(_ENDS) and not beside
    if is_alone and not _NAMING.search(line):
        return FoundAnswer(kind=AnswerKind.BOX, texts=_distinct(texts), after=after[:_BESIDE_CHARS])
    line = line if _BOX.search(line) is None else ""
    others = answer_after(spoken(f"{line.rstrip(' $*([')}{OF_BOX}{text[last.end :].lstrip('$ ')}"))
    others = (*others, *beside)
    others = tuple(one for one in others if _is_of_kind(one, last.content))
    if _SAID.findall(" ".join(others)) == _SAID.findall(last.content):
        others = ()  # a list, said again
    return FoundAnswer(kind=AnswerKind.BOX, texts=_distinct([*texts, *others]), after=after[:_BESIDE_CHARS])


def _is_mention(box: Box, text: str) -> bool:
    """Whether a box is only spoken of, as in "put it in a box"."""
    if box.content.casefold() in _PLACEHOLDERS:
        return True
    return not box.content and _SPOKEN_OF.search(text[max(box.start - _BESIDE_CHARS, 0) : box.start]) is not None


def _is_of_kind(one: str, content: str) -> bool:
    """Whether both are choices, both words, or both neither."""
    if is_choice(one) != is_choice(content):
        return False
    return is_choice(one) or _WORD_ALONE.fullmatch(one) is None or _WORD_ALONE.fullmatch(content) is not None


def is_choice(text: str) -> bool:
    """Whether a text is the letter of an option, with or without its text."""
    return _CHOICE.match(text) is not None


_WORD_ALONE = re.compile(r"(?:\\text\s?\{)?\s?[A-Za-z]{2,20}\s?\}?")
_CHOICE = re.compile(r"(?:\\text(?:bf)?\s?\{)?\s?\(?[A-H](?:\)|[.:、]|\}|$)")


def is_part(before: str, after: str) -> bool:
    """Whether a box is a part of something larger, by what stands right before and after it."""
    before = before.rpartition("\n")[2][-_BESIDE_CHARS:]
    after = after.partition("\n")[0]
    opener = next((opener for opener in _OPENERS if before.rstrip().endswith(opener)), "")
    if opener:
        near = before.rstrip()[: -len(opener)]
        is_joined = bool(near) and (near[-1] in "-−+/^√" or near[-1].isdigit()) and _BULLET.match(near) is None
    elif (before.rstrip().endswith(("(", "\\{")) and _LISTED_AFTER.match(after)) or _LISTED_BEFORE.search(before):
        is_joined = True
    elif _BULLET.match(before) or _DISPLAY_BRACES.search(before) or before.endswith("**"):
        is_joined = False
    else:
        is_joined = _JOINED_BEFORE.search(before) is not None
    return is_joined or _JOINED_AFTER.match(after) is not None


def _from_phrase(text: str) -> FoundAnswer:
    if marked := hashed(text):
        return FoundAnswer(kind=AnswerKind.BARE, texts=_distinct(list(marked)))
    named = named_answers(text)
    if named is None:
        bare = last_line(text)
        if bare is None and (value := concluded(text)) is not None:
            return FoundAnswer(kind=AnswerKind.BARE, texts=(value,))
        if bare is None or is_blank(bare):
            return FoundAnswer(kind=AnswerKind.NONE, reason="no_answer")
        return FoundAnswer(kind=AnswerKind.BARE, texts=(bare,))
    if not named:
        return FoundAnswer(kind=AnswerKind.NONE, reason="denied_answer")
    texts = [one for one in named if not is_blank(one)]
    if not texts:
        return FoundAnswer(kind=AnswerKind.NONE, reason="empty_answer")
    return FoundAnswer(kind=AnswerKind.PHRASE, texts=_distinct(texts))


def _distinct(texts: Iterator[str] | list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))[-MAX_TEXTS - 1 :]
