r"""The part of an answer that a reader sees and takes for what it says.

Comments, struck out and invisible text, and reasoning under another tag than ``<think>`` say nothing; marks of bold
type, HTML and code fences stand around what is said. Every step is linear in the length of the text.
"""

from __future__ import annotations

import re
from itertools import islice

_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|\\iffalse(?![a-z]).*?(?:\\fi(?![a-z])|\Z)|~~[^~\n]{1,400}~~|\\begin\{comment\}.*?"
    r"(?:\\end\{comment\}|\Z)|^[ \t]*%[^\n]*(?:boxed|fbox)[^\n]*$|^\[//\]: # [^\n]*$"
    r"|<(?P<unshown>script|style|template)(?:\s[^<>]{0,80})?>.*?(?:</(?P=unshown)>|\Z)"
    r"|<(?P<kept>[a-z]{1,10})\s[^<>]{0,40}(?:hidden|display:\s?none)[^<>]{0,40}>.{0,2000}?(?:</(?P=kept)>|\Z)"
    r"|<(?P<struck>del|s|strike)>.{0,2000}?</(?P=struck)>",
    re.DOTALL | re.IGNORECASE | re.MULTILINE,
)
_REASONING = re.compile(
    r"<\s?(?P<tag>[a-z_]{0,20}(?:think|thought|reason|scratch|reflect|monologue|rationale"
    r"|deliberat)[a-z_]{0,12}|analysis|cot)(?:\s[^<>]{0,80})?\s?>.*?(?:<\s?/\s?(?P=tag)\s?>|\Z)"
    r"|\[(?:think|thinking|reasoning)\].*?(?:\[/(?:think|thinking|reasoning)\]|\Z)|◁think▷.*?(?:◁/think▷|\Z)"
    r"|<seed:think>.*?(?:</seed:think>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_MAX_COMMANDS = 50
"""Looked at in one text: each may hold all that follows it."""
_COMMAND = re.compile(r"\\(?:[hv]?phantom|cancel|bcancel|xcancel|sout|st)\s?\{")
_COMMENT = re.compile(r"^(?:[ \t]*%[^\n]*box|\[//\]:)", re.MULTILINE)
_TAG = re.compile(r"</?(?:b|strong|i|em|u|p|br|div|span|center|sup|sub|code|pre|li|ul|ol|hr)\s?/?>", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]*```[a-zA-Z]{0,12}[ \t]*$", re.MULTILINE)
_BRACKET = re.compile(r"\[(?:think|reasoning)", re.IGNORECASE)
_TAG_START = re.compile(r"<(?:[!/]?[a-zA-Z-]|[ /]{1,2}[tT]h)")
_RULE = re.compile(r"^[ \t]*(?:-{3,}|={3,}|\*{3,}|_{3,})[ \t]*$", re.MULTILINE)
_MARKS = re.compile(r"\*\*|[✅✔☑🎉✨]\ufe0f?|(?<![\w*])\*(?=[A-Za-z][A-Za-z ]{0,40}\*(?![\w*]))")
_CLOSING = re.compile(r"(?<=[A-Za-z])\*(?![\w*])")


def shown(text: str) -> str:
    """The text without comments, what is struck out or invisible, and reasoning under another tag."""
    if has_comments(text) or has_marks(text):
        text = _REASONING.sub(" ", _HIDDEN.sub(" ", text))
    return _without_commands(text) if hides(text) else text


def hides(text: str) -> bool:
    """Whether a command in a text makes something invisible, or strikes it out."""
    return "\\" in text and _COMMAND.search(text) is not None


def has_comments(text: str) -> bool:
    """Whether a part of a text may be struck out, or is a comment of LaTeX."""
    return "~~" in text or "\\iffalse" in text or "{comment}" in text or _has_line_comments(text)


def _has_line_comments(text: str) -> bool:
    return ("%" in text or "[//]" in text) and _COMMENT.search(text) is not None


def has_marks(text: str) -> bool:
    """Whether there may be tags, comments or brackets around what is not shown, and not only signs of "less"."""
    return (
        ("<" in text and _TAG_START.search(text) is not None)
        or ("[" in text and _BRACKET.search(text) is not None)
        or "◁" in text
    )


def spoken(text: str) -> str:
    """What is shown, without marks of type, tags and fences, as it would be read aloud."""
    text = _RULE.sub("", _FENCE.sub("", _TAG.sub(" ", text)))
    return _CLOSING.sub("", _MARKS.sub("", text)) if "*" in text or not text.isascii() else text


def _without_commands(text: str) -> str:
    """Leaves out commands that hide or strike out, with all that their braces hold."""
    kept: list[str] = []
    position = 0
    for found in islice(_COMMAND.finditer(text), _MAX_COMMANDS):
        end = _end_of_braces(text, found.end()) if found.start() >= position else position
        if end == position or "box" not in text[found.end() : end]:
            continue  # within a box it is for the reader of mathematics to refuse
        kept.append(text[position : found.start()])
        position = end
    return "".join((*kept, " ", text[position:]))


def _end_of_braces(text: str, start: int) -> int:
    depth = 1
    for found in re.finditer(r"\\.|[{}]", text[start:], re.DOTALL):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return start + found.end()
    return len(text)
