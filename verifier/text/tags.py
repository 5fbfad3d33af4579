"""Tag templates, such as ``<think>..</think> answer``, and whether a text keeps to one.

One pass over the tags that the template names; everything else, unknown tags among it, is plain text. Tags are exact:
``<THINK>`` and ``<think >`` are text. A tag counts wherever it stands, also quoted or in a code fence of the answer:
no reader of the raw completion (the split of reasoning from answer, a trainer's parser) can tell a quoted tag from a
real one, so a completion that quotes one is not well formed. The first fault from the left names the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

MAX_TAGS = 1000
"""Tags in one completion; more than any honest reflection needs."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}")
_INVISIBLE_LETTERS = "\u115f\u1160\u3164\uffa0"  # Hangul fillers: letters by category, blank on the page
_LETTER_OR_DIGIT = re.compile(rf"[^\W_{_INVISIBLE_LETTERS}]")
_SYMBOL = re.compile(r"[\u2190-\u23ff\u25a0-\u27bf\u2900-\u2bff]")


class Tail(Enum):
    """What may follow the last section of a template."""

    ANSWER = "answer"
    """The answer stands there, outside any tag."""
    NOTHING = "nothing"
    """Only whitespace; the answer is the last section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Sections that a completion is made of.

    Args:
        sections: tag names in order, each exactly once; the first holds the reasoning.
        tail: what may follow the last section.
        children: section -> tags that may stand inside it, any number of times, not inside each other.
    """

    sections: tuple[str, ...]
    tail: Tail
    children: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        names = (*self.sections, *(child for group in self.children.values() for child in group))
        for name in names:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no tag name: a letter, then at most 31 letters, digits, _ or -")
        if not self.sections or len(set(names)) != len(names):
            raise ValueError("a template needs at least one tag, and each tag only once")


TEMPLATES: Mapping[str, Template] = MappingProxyType(
    {
        "think": Template(sections=("think",), tail=Tail.ANSWER),
        "think-answer": Template(sections=("think", "answer"), tail=Tail.NOTHING),
        "reflection": Template(
            sections=("thinking", "output"),
            tail=Tail.NOTHING,
            children=MappingProxyType({"thinking": frozenset({"reflection"})}),
        ),
    }
)
"""The built-in templates: DeepSeek-R1's, R1-Zero's (arXiv 2501.12948, table 1) and Reflection's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Whether a text keeps to its template: ``well_formed`` or the first fault, and where it stands."""

    reason: str
    detail: str = ""

    @property
    def is_well_formed(self) -> bool:
        """Whether there is no fault."""
        return self.reason == WELL_FORMED


WELL_FORMED = "well_formed"


def template_of_tags(names: tuple[str, ...]) -> Template:
    """A template of these tags in order: one tag is followed by the answer, of several the last holds it.

    Raises:
        ValueError: a name that cannot be a tag, or one given twice.
    """
    return Template(sections=names, tail=Tail.ANSWER if len(names) == 1 else Tail.NOTHING)


def prompt_opens(template: Template, prompt: str) -> bool:
    """Whether the prompt (a chat template's last line) already wrote the first opening tag."""
    return prompt.rstrip().endswith(f"<{template.sections[0]}>")


def check(text: str, template: Template, *, is_opened: bool = False) -> Finding:
    """What is found of a text; linear in its length.

    Args:
        text: the completion.
        template: what it should keep to.
        is_opened: the prompt already wrote the first opening tag, so the text must not.
    """
    return _Reader(text, template, is_opened=is_opened).read()


def is_blank(text: str, *, start: int = 0, end: int | None = None) -> bool:
    """Whether the text says nothing: whitespace, punctuation and what cannot be seen."""
    return _LETTER_OR_DIGIT.search(text, start, len(text) if end is None else end) is None


class _Reader:
    """One walk over the tags of a text."""

    def __init__(self, text: str, template: Template, *, is_opened: bool) -> None:
        self._text = text
        self._template = template
        self._is_opened = is_opened
        self._next = 1 if is_opened else 0
        self._open: list[str] = [template.sections[0]] if is_opened else []
        self._has_content: list[bool] = [False] * len(self._open)
        self._position = 0

    def read(self) -> Finding:
        for count, (start, end, name, is_closing) in enumerate(_tags(self._text, self._template)):
            if count == MAX_TAGS:
                return Finding(reason="too_many_tags", detail=f"over {MAX_TAGS} tags")
            reason = self._gap(start) or (self._closing(name) if is_closing else self._opening(name))
            if reason:
                return Finding(reason=reason, detail=f"{self._text[start:end]} at character {start}")
            self._position = end
        return self._finish()

    def _gap(self, end: int) -> str:
        """Takes the text up to the next tag."""
        if self._open:
            if not all(self._has_content) and not self._is_empty(end):
                self._has_content = [True] * len(self._open)
            return ""
        if self._text[self._position : end].isspace() or self._position == end:
            return ""
        if self._next == 0:
            if not self._follows(self._template.sections[0]):
                return "" if self._text.startswith("</", end) else "no_reasoning_tag"  # _closing names the former
            return "text_before_tag"
        is_tail = self._next == len(self._template.sections)
        if not is_tail:
            return "text_between"
        return "text_after" if self._template.tail is Tail.NOTHING else ""

    def _opening(self, name: str) -> str:
        sections = self._template.sections
        if self._open:
            if self._is_opened and self._open == [sections[0]] == [name]:
                return "reopened"
            if len(self._open) == 1 and name in self._template.children.get(self._open[0], frozenset()):
                self._push(name)
                return ""
            return "nested_tag"
        if name in sections[: self._next]:
            return "repeated_tag"
        if self._next < len(sections) and name == sections[self._next]:
            self._next += 1
            self._push(name)
            return ""
        if self._next < len(sections) and not self._follows(sections[self._next]):
            return self._missing()
        return "wrong_order"

    def _closing(self, name: str) -> str:
        if not self._open:
            return "stray_closing" if name in self._template.sections[: self._next] else "unopened_tag"
        if self._open[-1] == name:
            self._open.pop()
            return "" if self._has_content.pop() else self._empty(name)
        return "unclosed_tag" if name in self._open else "unopened_tag"

    def _finish(self) -> Finding:
        sections = self._template.sections
        length = len(self._text)
        if self._open:
            return Finding(reason="unclosed_tag", detail=f"<{self._open[-1]}> is never closed")
        if self._next < len(sections):
            return Finding(reason=self._missing(), detail=f"there is no <{sections[self._next]}>")
        if self._template.tail is Tail.ANSWER:
            if _says_nothing(self._text, self._position, length):
                return Finding(reason="empty_answer", detail=f"nothing follows </{sections[-1]}>")
        elif self._text[self._position :].strip():
            return Finding(reason="text_after", detail=f"text follows </{sections[-1]}>")
        return Finding(reason=WELL_FORMED)

    def _push(self, name: str) -> None:
        self._open.append(name)
        self._has_content.append(False)

    def _follows(self, name: str) -> bool:
        return self._text.find(f"<{name}>", self._position) >= 0

    def _missing(self) -> str:
        return "no_reasoning_tag" if self._next == 0 else "missing_tag"

    def _holds_answer(self, name: str) -> bool:
        sections = self._template.sections
        return self._template.tail is Tail.NOTHING and name == sections[-1] and len(sections) > 1

    def _is_empty(self, end: int) -> bool:
        if self._holds_answer(self._open[-1]):
            return _says_nothing(self._text, self._position, end)
        return is_blank(self._text, start=self._position, end=end)

    def _empty(self, name: str) -> str:
        return "empty_answer" if self._holds_answer(name) else "empty_reasoning"


def _says_nothing(text: str, start: int, end: int) -> bool:
    """Whether an answer is empty; a lone symbol such as ∞ or ∅ is an answer."""
    return is_blank(text, start=start, end=end) and _SYMBOL.search(text, start, end) is None


def _tags(text: str, template: Template) -> Iterator[tuple[int, int, str, bool]]:
    """Start, end, name and whether it closes, of each tag of the template. Literals only, so linear."""
    names = {*template.sections, *(child for group in template.children.values() for child in group)}
    pattern = re.compile(rf"<(/?)({'|'.join(re.escape(name) for name in sorted(names))})>")
    for found in pattern.finditer(text):
        yield found.start(), found.end(), found[2], bool(found[1])
