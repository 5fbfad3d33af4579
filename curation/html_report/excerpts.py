"""The part of a completion that a reason is about, marked in a short excerpt.

A completion is hostile text: what comes out of here is still plain text, with signs that are invisible or turn the
direction of a line made visible; the template escapes it. To mark for another step: a function, and its line in
``_FINDERS``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from curation.steps.language_mix import CJK_PROMPT_PERCENT
from verifier.text.answers import find_answer
from verifier.text.think import CLOSE_TAG, OPEN_TAG

Span = tuple[int, int]

EXCERPT_CHARS = 600

_CJK = (
    "\u1100-\u11ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
_CJK_CHAR = re.compile(f"[{_CJK}]")
_CJK_RUN = re.compile(f"[{_CJK}](?:[ ,.、，。：:]{{0,2}}[{_CJK}])*")
_LATIN_WORD = re.compile(r"(?<!\\)\b[A-Za-z]{2,}\b(?: [A-Za-z]{2,}\b)*")
_LETTER = re.compile("[A-Za-z]")
_TAG = re.compile(f"{OPEN_TAG}|{CLOSE_TAG}")
_FENCE = "```"
_PIECES = {
    "repeated_lines": re.compile(r"[^\s\n][^\n]{19,}"),
    "repeated_sentences": re.compile(r"[^\s.!?。！？][^\n.!?。！？]{5,}[.!?。！？\n]"),
}
_PASSAGE_CHARS = 80
_HEAD_CHARS = 120
_MOST_SPANS = 200
_ENDS_CHARS = 40
_HIDDEN = frozenset("\u061c\u200b\u200e\u200f\u2028\u2029\u2060\ufeff\ufff9\ufffa\ufffb")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an excerpt: ``text``, ``mark``, or ``gap`` with what it says of the characters left out."""

    kind: str
    text: str


def excerpt(completion: str, prompt: str, step: str, reason: str) -> tuple[Piece, ...]:
    """A completion cut to about ``EXCERPT_CHARS`` around what the reason is about."""
    spans = _FINDERS[step](completion, prompt, reason) if step in _FINDERS else []
    return _pieces(completion, sorted(spans)[:_MOST_SPANS])


def visible(text: str) -> str:
    """A text with control characters, and those that hide or turn text, written out as their code."""
    return "".join(f"⟨U+{ord(char):04X}⟩" if _is_hidden(char) else char for char in text)


def cut(text: str, most: int) -> str:
    """The start of a text, made visible, with an ellipsis where there was more."""
    return visible(text[:most].rstrip()) + ("…" if len(text) > most else "")


def _is_hidden(char: str) -> bool:
    if char in "\n\t" or " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    # The other format characters, such as joiners, are parts of words in some scripts.
    is_turning = unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    is_tag = "\U000e0000" <= char <= "\U000e0fff"
    return category in {"Cc", "Cs", "Cn"} or is_turning or is_tag or char in _HIDDEN


def _pieces(text: str, spans: list[Span]) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    at = 0
    for start, stop in _windows(len(text), spans):
        if start > at:
            pieces.append(_gap(start - at))
        at = start
        for first, last in spans:
            left, right = max(first, at), min(last, stop)
            if left < right:
                pieces += [Piece("text", visible(text[at:left])), Piece("mark", visible(text[left:right]))]
                at = right
        pieces.append(Piece("text", visible(text[at:stop])))
        at = stop
    if at < len(text):
        pieces.append(_gap(len(text) - at))
    return tuple(piece for piece in pieces if piece.text)


def _gap(count: int) -> Piece:
    return Piece("gap", f"{count:,} characters")


def _windows(size: int, spans: list[Span]) -> list[Span]:
    """Which parts of a text are shown, in order and apart."""
    if not spans:
        third = EXCERPT_CHARS // 3
        return _merged([(0, 2 * third), (size - third, size)], size)
    start, stop = spans[0]
    room = EXCERPT_CHARS - _HEAD_CHARS
    if stop - start <= room // 2:
        around = (room - (stop - start)) // 2
        return _merged([(0, _HEAD_CHARS), (start - around, stop + around)], size)
    # Of a long part its two ends are shown, each with a little of what stands beside it.
    half = EXCERPT_CHARS // 2 - _ENDS_CHARS
    return _merged([(start - _ENDS_CHARS, start + half), (stop - half, stop + _ENDS_CHARS)], size)


def _merged(windows: Iterable[Span], size: int) -> list[Span]:
    """Windows within the text; a gap of less than ``_ENDS_CHARS`` is not worth its sign."""
    merged: list[Span] = []
    for start, stop in windows:
        left = 0 if start < _ENDS_CHARS else start
        right = size if size - stop < _ENDS_CHARS else stop
        if merged and left - merged[-1][1] < _ENDS_CHARS:
            merged[-1] = (merged[-1][0], max(right, merged[-1][1]))
        else:
            merged.append((left, right))
    return merged


def _reasoning(completion: str) -> Span:
    """Where the reasoning stands; all of the completion where it has none."""
    stop = completion.rfind(CLOSE_TAG)
    stop = len(completion) if stop < 0 else stop
    start = completion.find(OPEN_TAG, 0, stop)
    return (0 if start < 0 else start + len(OPEN_TAG)), stop


def _fence(completion: str, prompt: str, reason: str) -> list[Span]:  # noqa: ARG001 - all finders are called alike
    start, stop = _reasoning(completion)
    opening = completion.find(_FENCE, start, stop)
    if opening < 0:
        return []
    closing = completion.find(_FENCE, opening + len(_FENCE), stop)
    return [(opening, stop if closing < 0 else closing + len(_FENCE))]


def _paragraph(completion: str, prompt: str, reason: str) -> list[Span]:  # noqa: ARG001
    start, stop = _reasoning(completion)
    longest = (start, start)
    for part in completion[start:stop].split("\n\n"):
        if len(part) > longest[1] - longest[0]:
            longest = (start, start + len(part))
        start += len(part) + len("\n\n")
    return [longest]


def _other_script(completion: str, prompt: str, reason: str) -> list[Span]:  # noqa: ARG001
    cjk, letters = len(_CJK_CHAR.findall(prompt)), len(_LETTER.findall(prompt))
    is_asked_in_cjk = cjk > 0 and 100 * cjk >= CJK_PROMPT_PERCENT * (cjk + letters)
    pattern = _LATIN_WORD if is_asked_in_cjk else _CJK_RUN
    return [found.span() for found in pattern.finditer(completion, *_reasoning(completion))]


def _tags(completion: str, prompt: str, reason: str) -> list[Span]:  # noqa: ARG001
    places = [found.span() for found in _TAG.finditer(completion)]
    if not places:
        return []
    if reason == "text_before_think":
        return [(0, places[0][0])]
    if reason == "empty_think":
        return [(places[0][0], places[-1][1])]
    return places[-1:] if reason == "empty_answer" else places


def _answer(completion: str, prompt: str, reason: str) -> list[Span]:  # noqa: ARG001
    """The last code block for a program, else the answer that was found."""
    end = completion.rfind(CLOSE_TAG)
    start = 0 if end < 0 else end + len(CLOSE_TAG)
    closing = completion.rfind(_FENCE, start)
    opening = completion.rfind(_FENCE, start, closing) if closing >= 0 else -1
    block = [(opening, closing + len(_FENCE))] if opening >= 0 else []
    if reason.startswith("code:"):
        return block
    texts = find_answer(completion[start:]).texts
    place = completion.rfind(texts[-1], start) if texts and texts[-1] else -1
    return [(place, place + len(texts[-1]))] if place >= 0 else block


def _repeated(completion: str, prompt: str, reason: str) -> list[Span]:  # noqa: ARG001
    """All that is equal to the most frequent line, or sentence, or to the last passage."""
    if reason in _PIECES:
        found = [match.span() for match in _PIECES[reason].finditer(completion)]
        texts = Counter(completion[start:stop] for start, stop in found)
        most = max(texts, key=lambda text: (texts[text], len(text)), default="")
        return [(start, stop) for start, stop in found if completion[start:stop] == most]
    passage = completion.rstrip()[-_PASSAGE_CHARS:]
    return [match.span() for match in re.finditer(re.escape(passage), completion)] if passage else []


_FINDERS: Mapping[str, Callable[[str, str, str], list[Span]]] = {
    "code_in_reasoning": _fence,
    "repetition": _repeated,
    "long_paragraph": _paragraph,
    "language_mix": _other_script,
    "format": _tags,
    "verify": _answer,
    "select": _answer,
    "": _answer,
}
"""Step -> where in a completion its reasons stand. The empty name is for kept samples."""
