"""The part of a completion that a reason is about, marked in a short excerpt.

A completion is hostile text: what comes out of here is still plain text, with signs that are invisible or turn the
direction of a line made visible; the template escapes it. To mark for another step: a function, and its line in
``_FINDERS``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from curation.steps.language_mix import CJK, CJK_PROMPT_PERCENT, OTHER, characters
from curation.steps.long_paragraph import BLANK_LINES, prose_chars
from curation.visible import cut, visible
from verifier.text.answers import find_answer
from verifier.text.think import CLOSE_TAG, OPEN_TAG

Span = tuple[int, int]

EXCERPT_CHARS = 600

_BLANK_LINES = re.compile(BLANK_LINES)
_LATIN_WORD = re.compile(r"(?<!\\)\b[A-Za-z]{2,}\b(?: [A-Za-z]{2,}\b)*")
_LETTER = re.compile("[A-Za-z]")
_TAG = re.compile(f"{OPEN_TAG}|{CLOSE_TAG}")
_FENCE = "```"
_PIECES = {
    "repeated_lines": re.compile(r"[^\s\n][^\n]{19,}"),
    "repeated_sentences": re.compile(r"[^\s.!?。！？][^\n.!?。！？]{5,}[.!?。！？\n]"),
}
_PASSAGE_BYTES, _PARTS = 80, 4
_OPENINGS: Mapping[str, Mapping[str, str]] = {
    "unclosed_fence": {_FENCE: _FENCE},
    "unclosed_box": {"\\boxed{": ""},
    "unclosed_formula": {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "\\begin{": "\\end{"},
}
"""Reason -> what opens, and what closes it; empty where that is not told by one sign."""
_SENTENCE_END = re.compile(r"[.!?。！？]\s+(?=\S)")
_WORD = re.compile(r"[^\W_]+")
_BETWEEN = r"(?:[\W_]|\\[A-Za-z]+)*?"
_LEAST_WORDS, _LEAST_LITERAL = 2, 4
_HEAD_CHARS = 120
_MOST_SPANS = 200
_ENDS_CHARS = 40


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of an excerpt: ``text``, ``mark``, or ``gap`` with what it says of the characters left out."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A sample and why it was dropped; for a kept one step and reason are empty.

    Args:
        detail: what the step found; empty where it told nothing.
    """

    completion: str
    prompt: str = ""
    step: str = ""
    reason: str = ""
    detail: str = ""


def excerpt(sample: Dropped) -> tuple[Piece, ...]:
    """A completion cut to about ``EXCERPT_CHARS`` around what the reason is about."""
    spans = _FINDERS.get(sample.step, _literal)(sample)
    return _pieces(sample.completion, sorted(spans)[:_MOST_SPANS])


def prompt_excerpt(sample: Dropped, most: int) -> tuple[Piece, ...]:
    """The start of a prompt; or, where the reason is about the prompt, what it is about and some of what is around."""
    spans = _words(sample.prompt, sample.detail) if _is_of_prompt(sample) else []
    if spans:
        return _pieces(sample.prompt, sorted(spans)[:_MOST_SPANS])
    start = cut(sample.prompt, most)
    return (Piece("text", start),) if start.strip() else ()


def _is_of_prompt(sample: Dropped) -> bool:
    return sample.step == "decontaminate" and sample.reason.startswith("prompt_")


def _literal(sample: Dropped) -> list[Span]:
    """What the step found, where it stands in the completion as told."""
    detail = sample.detail.removesuffix("…").strip()
    if len(detail) < _LEAST_LITERAL:
        return []
    return [match.span() for match in re.finditer(re.escape(detail), sample.completion)]


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


def _fence(sample: Dropped) -> list[Span]:
    completion = sample.completion
    start, stop = _reasoning(sample.completion)
    opening = completion.find(_FENCE, start, stop)
    if opening < 0:
        return []
    closing = completion.find(_FENCE, opening + len(_FENCE), stop)
    return [(opening, stop if closing < 0 else closing + len(_FENCE))]


def _paragraph(sample: Dropped) -> list[Span]:
    start, stop = _reasoning(sample.completion)
    breaks = [found.span() for found in _BLANK_LINES.finditer(sample.completion, start, stop)]
    bounds = zip([start, *(end for _, end in breaks)], [*(first for first, _ in breaks), stop], strict=True)
    return [max(bounds, key=lambda part: prose_chars(sample.completion[slice(*part)]))]


def _other_script(sample: Dropped) -> list[Span]:
    cjk, letters = len(re.findall(characters(CJK), sample.prompt)), len(_LETTER.findall(sample.prompt))
    is_asked_in_cjk = cjk > 0 and 100 * cjk >= CJK_PROMPT_PERCENT * (cjk + letters)
    foreign = characters(CJK) if re.search(characters(OTHER), sample.prompt) else characters(CJK, OTHER)
    pattern = _LATIN_WORD if is_asked_in_cjk else re.compile(f"{foreign}(?:[ ,.、，。：:]{{0,2}}{foreign})*")
    return [found.span() for found in pattern.finditer(sample.completion, *_reasoning(sample.completion))]


def _tags(sample: Dropped) -> list[Span]:
    places = [found.span() for found in _TAG.finditer(sample.completion)]
    if not places:
        return []
    if sample.reason == "text_before_think":
        return [(0, places[0][0])]
    if sample.reason == "empty_think":
        return [(places[0][0], places[-1][1])]
    return places[-1:] if sample.reason == "empty_answer" else places


def _answer(sample: Dropped) -> list[Span]:
    """The last code block for a program, else the answer that was found."""
    completion = sample.completion
    start = _answer_start(completion)
    closing = completion.rfind(_FENCE, start)
    opening = completion.rfind(_FENCE, start, closing) if closing >= 0 else -1
    block = [(opening, closing + len(_FENCE))] if opening >= 0 else []
    if sample.reason.startswith("code:"):
        return block
    texts = find_answer(completion[start:]).texts
    place = completion.rfind(texts[-1], start) if texts and texts[-1] else -1
    return [(place, place + len(texts[-1]))] if place >= 0 else block


def _answer_start(completion: str) -> int:
    end = completion.rfind(CLOSE_TAG)
    return 0 if end < 0 else end + len(CLOSE_TAG)


def _repeated(sample: Dropped) -> list[Span]:
    """All that is equal to the most frequent line, sentence or passage."""
    # A tag is no part of the line that it stands in.
    completion = sample.completion.replace(OPEN_TAG, "\n" * len(OPEN_TAG))
    if sample.reason == "counted_loop":
        return _literal(sample)
    if sample.reason in _PIECES:
        found = [match.span() for match in _PIECES[sample.reason].finditer(completion)]
        texts = Counter(completion[start:stop] for start, stop in found)
        most = max(texts, key=lambda text: (texts[text], len(text)), default="")
        return [(start, stop) for start, stop in found if completion[start:stop] == most]
    # As many characters as take 80 bytes, as the step counts them.
    width = max(1, _PASSAGE_BYTES * len(completion) // max(1, len(completion.encode("utf-8", "surrogatepass"))))
    if sample.reason == "looped_tail":
        cut_at = _answer_start(completion)
        parts = (completion[slice(*_reasoning(completion))], completion[cut_at:])
        passages = [part.rstrip()[-width:] for part in parts]
    else:
        passages = [completion[len(completion) * part // _PARTS :][:width] for part in range(_PARTS)]
    passage = max(passages, key=completion.count) if completion else ""
    return [match.span() for match in re.finditer(re.escape(passage), completion)] if passage else []


def _open_end(sample: Dropped) -> list[Span]:
    """From what was opened last to the end; or the last words."""
    completion = sample.completion.rstrip()
    start = _answer_start(completion)
    marks = _OPENINGS.get(sample.reason, {})
    opened = [completion.rfind(mark, start) for mark, closing in marks.items() if _is_open(completion, mark, closing)]
    begins = [place for place in opened if place >= 0]
    if begins:
        return [(min(begins), len(completion))]
    # Of the last line the last sentence, where others stand before it.
    line = max(start, completion.rfind("\n") + 1)
    line = max([line, *(stop.end() for stop in _SENTENCE_END.finditer(completion, line))])
    line += len(completion[line:]) - len(completion[line:].lstrip())
    return [(line, len(completion))] if line < len(completion) else []


def _is_open(text: str, mark: str, closing: str) -> bool:
    """Whether the last of a mark has no end after it; marks that close themselves are open when they are odd."""
    start = _answer_start(text)
    if mark == closing:
        return text.count(mark, start) % 2 == 1
    return not closing or closing not in text[max(start, text.rfind(mark, start)) + len(mark) :]


def _phrase(sample: Dropped) -> list[Span]:
    """What the step found in the answer."""
    start = _answer_start(sample.completion)
    return [span for span in _literal(sample) if span[0] >= start]


def _item(sample: Dropped) -> list[Span]:
    return [] if _is_of_prompt(sample) else _words(sample.completion, sample.detail)


def _words(text: str, detail: str) -> list[Span]:
    """Where the words of a detail stand, whatever their case and what is between them; before a colon stands a name."""
    words = _WORD.findall(detail.partition(": ")[2] or detail)
    if len(words) < _LEAST_WORDS:
        return []
    pattern = re.compile(_BETWEEN.join(map(re.escape, words)), re.IGNORECASE)
    return [match.span() for match in pattern.finditer(text)]


def _nothing(sample: Dropped) -> list[Span]:  # noqa: ARG001 - all finders are called alike
    return []


_FINDERS: Mapping[str, Callable[[Dropped], list[Span]]] = {
    "code_in_reasoning": _fence,
    "repetition": _repeated,
    "long_paragraph": _paragraph,
    "language_mix": _other_script,
    "format": _tags,
    "truncated": _open_end,
    "refusal": _phrase,
    "decontaminate": _item,
    "dedup": _nothing,  # the detail is the id of another sample, or of another prompt
    "dedup_prompts": _nothing,
    "verify": _answer,
    "select": _answer,
    "": _answer,
}
"""Step -> where in a completion its reasons stand; of other steps the detail is sought. The empty name is for kept
samples."""
