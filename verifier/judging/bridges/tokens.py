"""Tokens of the languages that look like C: enough to find a declaration, in linear time.

Comments and preprocessor lines are left out, and a string or character literal is one token that begins with a quote.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from typing import NamedTuple

MAX_CHARACTERS = 200_000
"""What is read of a text; no honest program is longer."""
_COMMENT_MARK = re.compile(r"/\*|\*/")
_WORD = frozenset(string.ascii_letters + string.digits + "_")
_PAIRS = ("::", "->", "&&")


class Token(NamedTuple):
    """A token and where it stands; of a literal the text is its first quote alone."""

    text: str
    start: int
    end: int


def tokens(text: str, language: str) -> list[str]:
    """The tokens of the first ``MAX_CHARACTERS`` of a program.

    Args:
        text: the program, of whatever quality.
        language: ``cpp``, ``java``, ``go`` or ``rust``.
    """
    return [token.text for token in placed_tokens(text[:MAX_CHARACTERS], language)]


def placed_tokens(text: str, language: str) -> Iterator[Token]:
    """The tokens of a whole text, with their places."""
    at, size = 0, len(text)
    is_line_start = True
    while at < size:
        char = text[at]
        if char == "\n":
            is_line_start = True
            at += 1
        elif char.isspace():
            at += 1
        elif char == "#" and language == "cpp" and is_line_start:
            at = _line_end(text, at)
        elif text.startswith("//", at):
            at = _until(text, "\n", at)
        elif text.startswith("/*", at):
            at = _comment_end(text, at, is_nested=language == "rust")
        else:
            is_line_start = False
            end = min(_token_end(text, at, language), size)
            yield Token(text[at:end] if char not in "\"'`" else char, at, end)
            at = end


def _token_end(text: str, at: int, language: str) -> int:
    char = text[at]
    if char in _WORD:
        end = at
        while end < len(text) and text[end] in _WORD:
            end += 1
        word = text[at:end]
        if language == "cpp" and word.endswith("R") and text.startswith('"', end):
            return _raw_cpp_end(text, end)
        if language == "rust" and word in ("r", "br") and text.startswith(('"', "#"), end):
            return _raw_rust_end(text, end)
        return end
    if char == "`" and language == "go":
        return _until(text, "`", at + 1) + 1
    if text.startswith('"""', at) and language == "java":
        return _until(text, '"""', at + 3) + 3
    if char == '"':
        return _string_end(text, at, '"')
    if char == "'":
        return _character_end(text, at, language)
    return at + 2 if text[at : at + 2] in _PAIRS else at + 1


def _until(text: str, mark: str, at: int) -> int:
    found = text.find(mark, at)
    return len(text) if found < 0 else found


def _line_end(text: str, at: int) -> int:
    """The end of a preprocessor line, with the lines that a backslash adds to it."""
    end = _until(text, "\n", at)
    while text[at:end].rstrip("\r").endswith("\\") and end < len(text):
        at, end = end + 1, _until(text, "\n", end + 1)
    return end


def _comment_end(text: str, at: int, *, is_nested: bool) -> int:
    if not is_nested:
        return _until(text, "*/", at + 2) + 2
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, at):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return len(text)


def _string_end(text: str, at: int, quote: str) -> int:
    at += 1
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" else 1
    return at + 1


def _character_end(text: str, at: int, language: str) -> int:
    # In Rust a quote may begin a lifetime; a character is one sign, or an escape.
    if language == "rust" and text[at + 1 : at + 2] != "\\" and text[at + 2 : at + 3] != "'":
        return at + 1
    return _string_end(text, at, "'")


def _raw_cpp_end(text: str, at: int) -> int:
    opened = text.find("(", at, at + 18)
    if opened < 0:
        return _string_end(text, at, '"')
    mark = f'){text[at + 1 : opened]}"'
    return _until(text, mark, opened) + len(mark)


def _raw_rust_end(text: str, at: int) -> int:
    marks = 0
    while text.startswith("#", at + marks):
        marks += 1
    if not text.startswith('"', at + marks):
        return at  # a raw identifier, such as r#type
    return _until(text, '"' + "#" * marks, at + marks + 1) + 1 + marks


def closing(found: Sequence[str], at: int) -> int:
    """The place of the bracket that closes the one at ``at``; the number of tokens if there is none."""
    depth = 0
    for place in range(at, len(found)):
        if found[place] in ("(", "[", "{"):
            depth += 1
        elif found[place] in (")", "]", "}"):
            depth -= 1
            if depth == 0:
                return place
    return len(found)
