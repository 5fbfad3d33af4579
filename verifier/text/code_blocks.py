"""Programs in the text of an answer: fenced blocks of Markdown.

Rules, in order (the answer is what follows the reasoning):

1. the last complete block whose tag names the wanted language;
2. else the last complete block without a tag;
3. else the last block that is opened, rightly tagged or untagged, and never closed: the answer was cut, or its
   closing fence forgotten, and the program says by itself which;
4. else there is no program.

A block tagged with another language is never taken, nor is a program without a fence. Blocks are not put together,
and no block is preferred for what it holds: an answer says what it submits by putting it last. The tag is the first
word of the info string, up to a colon or comma (``python:main.py``, ``rust,ignore``), in braces or not, in any case;
``python3.11`` is tagged ``python3``.

A fence is three or more of ````` ` ````` or ``~`` after at most three spaces, or three more than the text of the list
item that it stands in; its lines lose these spaces too. It is closed by a line of at least as many of the same
(CommonMark 0.31, sections 4.5 and 5.2).
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from dataclasses import dataclass

_MARKS = ("`", "~")
_MIN_FENCE = 3
_MAX_INDENT = 3
_ITEM = re.compile(r"( {0,40})(?:[-*+]|[0-9]{1,9}[.)])( {1,4}|$)")
_TAG = re.compile(r"[^\s:,;]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeBlock:
    """One fenced block: its tag in lower case, its text, and whether it was closed."""

    tag: str
    text: str
    is_closed: bool


def code_blocks(text: str) -> tuple[CodeBlock, ...]:
    """All fenced blocks, in order; linear in the length of the text."""
    blocks: list[CodeBlock] = []
    fence, tag, indent, body = "", "", 0, list[str]()
    item = 0
    # Lines end at \n, \r and \r\n alone: str.splitlines would also end them at what a string literal may hold.
    for line in io.StringIO(text, newline=""):
        if not fence:
            item = _item(line, item)
        mark, info = _fence(line, max(item, indent if fence else 0))
        if not fence:
            if mark and not (mark[0] == "`" and "`" in info):
                fence, tag, indent, body = mark, _tag(info), line.index(mark[0]), []
        elif mark and mark[0] == fence[0] and len(mark) >= len(fence) and not info:
            blocks.append(CodeBlock(tag=tag, text="".join(body), is_closed=True))
            fence = ""
        else:
            body.append(line[min(indent, len(line) - len(line.lstrip(" "))) :])
    if fence:
        blocks.append(CodeBlock(tag=tag, text="".join(body), is_closed=False))
    return tuple(blocks)


def _item(line: str, item: int) -> int:
    """Where the text of the innermost list item begins after this line; 0 outside of lists."""
    found = _ITEM.match(line)
    if found:
        return min(found.end(), len(line.rstrip()) + 1) if len(found[1]) <= item + _MAX_INDENT else item
    begin = len(line) - len(line.lstrip(" "))
    return min(item, begin) if line.strip() else item


def _fence(line: str, item: int) -> tuple[str, str]:
    """The run of fence marks at the start of a line, and what follows it; empty if there is none."""
    stripped = line.lstrip(" ")
    if len(line) - len(stripped) > item + _MAX_INDENT or not stripped.startswith(_MARKS):
        return "", ""
    rest = stripped.lstrip(stripped[0])
    count = len(stripped) - len(rest)
    return (stripped[:count], rest.strip()) if count >= _MIN_FENCE else ("", "")


def _tag(info: str) -> str:
    """The language of an info string: ``python``, ``{.python}``, ``python title=x`` all name Python."""
    words = info.replace("{", " ").replace("}", " ").split()
    found = _TAG.match(words[0].lstrip(".")) if words else None
    return found[0].lower() if found else ""


def _names(tag: str, tags: Collection[str]) -> bool:
    return tag in tags or (bool(tag) and tag.partition(".")[0] in tags)


def find_program(answer: str, tags: Collection[str]) -> str | None:
    """The program of an answer by the rules above; None if there is none.

    Args:
        answer: what follows the reasoning.
        tags: names of the wanted language, in lower case.
    """
    blocks = code_blocks(answer)
    for is_closed, wanted in ((True, tags), (True, ("",)), (False, (*tags, ""))):
        for block in reversed(blocks):
            if block.is_closed is is_closed and _names(block.tag, wanted) and block.text.strip():
                return block.text
    return None
