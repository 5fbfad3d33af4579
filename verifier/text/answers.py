r"""The one final answer of a completion, found where a reader would look for it and nowhere else.

The last ``\boxed{}`` rules; where there is none, the last ``<answer>`` block, then what
``verifier.text.phrases`` finds: the last phrase such as "the answer is" or 答案是, then a last line that is nothing but
an answer. Boxes that differ are all returned, because which of them is meant is not ours to choose. A blank or
unfinished box is no answer, and nothing earlier takes its place: falling back would pay for a number that happens to
stand in the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from verifier.text.phrases import concluded, last_line, named_answers, plain

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
        reason: for NONE, why: ``no_answer`` (nothing was marked, or a box never ends) or ``empty_answer``.
    """

    kind: AnswerKind
    texts: tuple[str, ...] = ()
    reason: str = ""


_TOKEN = re.compile(r"\\(?:boxed|fbox)[ \t\n]{0,8}\{|\\.|[{}]", re.DOTALL)
_BEGIN = "\\boxed{"
_SHORT_CHARS = 200
_PLAIN = re.compile(r"[-+]?(?:\\?\$)?[A-Za-z0-9][A-Za-z0-9.,/% ]*")
_BOX = re.compile(r"\\(?:boxed|fbox)(?![a-zA-Z])")
_BLANK = re.compile(
    r"\\(?:text|textbf|mathrm|mathbf|quad|qquad|hspace|phantom|ldots|dots|underline|[ ,;:!])(?![a-zA-Z])"
)
_BLANK_CHARS = frozenset(" \t\r\n_.-?*$~{}()[]:,;…—–\u200b\u00a0\u3000。，、？！!\\")


def find_answer(text: str, *, accept_phrase: bool = True) -> FoundAnswer:
    r"""The final answer in a text, which should be the part after the reasoning; linear in its length.

    Args:
        text: where to look.
        accept_phrase: also take an answer that is not boxed or tagged: after a phrase, or alone on its line.
    """
    if (plain_box := _only_box(text)) is not None:
        return FoundAnswer(kind=AnswerKind.BOX, texts=(plain_box,))
    blocks, outside = _answer_blocks(text)
    if blocks:
        return _from_blocks(blocks, outside)
    if _BOX.search(text):
        boxed = _from_boxes(text)
        if boxed is not None:
            return boxed
    if accept_phrase:
        return _from_phrase(text)
    return FoundAnswer(kind=AnswerKind.NONE, reason="no_answer")


def _only_box(text: str) -> str | None:
    """What the only box of a text holds, where that is no LaTeX: most answers of a policy are found so, in no time."""
    start = text.find(_BEGIN)
    if (
        start < 0
        or text.find("box", start + len(_BEGIN)) >= 0
        or text.find("fbox", 0, start) >= 0
        or "<answer>" in text
    ):
        return None
    end = text.find("}", start)
    inner = text[start + len(_BEGIN) : end].strip() if end > 0 else ""
    return inner if len(inner) <= _SHORT_CHARS and _PLAIN.fullmatch(inner) else None


def boxes(text: str) -> tuple[tuple[str, ...], bool]:
    r"""Contents of the outermost boxes in order, and whether the last box that was begun is finished.

    Braces are matched, ``\{`` is no brace, and a box that holds just a box counts as that one.
    """
    found: list[tuple[int, str]] = []
    stack: list[int] = []  # where the content of an open box begins; -1 for a plain brace
    last_begun = -1
    finished_last = True
    first = _BOX.search(text)
    for token in _TOKEN.finditer(text, first.start() if first else len(text)):
        word = token.group()
        if word == "{":
            stack.append(-1)
        elif word == "}":
            start = stack.pop() if stack else -1
            if start >= 0:
                while found and found[-1][0] > start:  # boxes within this one
                    found.pop()
                found.append((start, text[start : token.start()]))
                finished_last = finished_last or start == last_begun
        elif word.endswith("{") and len(word) > len("\\{"):
            stack.append(token.end())
            last_begun, finished_last = token.end(), False
    return tuple(_unwrapped(content) for _, content in found), finished_last


def is_blank(text: str) -> bool:
    """Whether a box says nothing: empty, dots, underscores, a question mark."""
    if any(character.isalnum() for character in text) and "\\" not in text:
        return False
    return all(character in _BLANK_CHARS for character in _BLANK.sub("", text))


def _unwrapped(content: str) -> str:
    content = content.strip()
    while (match := _BOX.match(content)) and content.endswith("}"):
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


def _answer_blocks(text: str) -> tuple[list[str], str]:
    """Contents of ``<answer>`` blocks, and the text outside them; no blocks where the last is unfinished."""
    blocks: list[str] = []
    outside: list[str] = []
    position = 0
    while (start := text.find("<answer>", position)) >= 0:
        end = text.find("</answer>", start)
        if end < 0:
            return [], text
        outside.append(text[position:start])
        blocks.append(text[start + len("<answer>") : end])
        position = end + len("</answer>")
    return blocks, "\n".join((*outside, text[position:]))


def _from_blocks(blocks: list[str], outside: str) -> FoundAnswer:
    texts: list[str] = []
    if _BOX.search(outside):
        elsewhere = _from_boxes(outside)
        if elsewhere is not None:
            texts.extend(elsewhere.texts)
    for block in blocks:
        inner = _from_boxes(block) if _BOX.search(block) else None
        if inner is None:
            inner = _from_phrase(block)
        texts.extend(inner.texts if inner.kind is not AnswerKind.NONE else [plain(block)])
    if is_blank(texts[-1]):
        return FoundAnswer(kind=AnswerKind.NONE, reason="empty_answer")
    return FoundAnswer(kind=AnswerKind.TAG, texts=_distinct(texts))


def _from_boxes(text: str) -> FoundAnswer | None:
    """The answer that boxes give; None where no box was even begun."""
    contents, is_finished = boxes(text)
    if not is_finished:
        return FoundAnswer(kind=AnswerKind.NONE, reason="no_answer")
    if not contents:
        return None
    if is_blank(contents[-1]):
        return FoundAnswer(kind=AnswerKind.NONE, reason="empty_answer")
    return FoundAnswer(kind=AnswerKind.BOX, texts=_distinct(c for c in contents if not is_blank(c)))


def _from_phrase(text: str) -> FoundAnswer:
    named = named_answers(text)
    if named is None:
        bare = last_line(text)
        if bare is None and (value := concluded(text)) is not None:
            return FoundAnswer(kind=AnswerKind.BARE, texts=(value,))
        if bare is None or is_blank(bare):
            return FoundAnswer(kind=AnswerKind.NONE, reason="no_answer")
        return FoundAnswer(kind=AnswerKind.BARE, texts=(bare,))
    texts = [one for one in named if not is_blank(one)]
    if not texts:
        return FoundAnswer(kind=AnswerKind.NONE, reason="empty_answer")
    return FoundAnswer(kind=AnswerKind.PHRASE, texts=_distinct(texts))


def _distinct(texts: Iterator[str] | list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))[-MAX_TEXTS - 1 :]
