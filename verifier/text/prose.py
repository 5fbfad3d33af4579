r"""What of a text is language: code, mathematics, URLs and tags are set aside, but no sentence hides in them.

One scan from left to right. What is set aside is read once more for what a reader would still read there: comments,
strings and prose of code, the argument of ``\text{}``, three and more plain words in a row anywhere, and every letter
of a script that neither code nor mathematics is written in. Closers that are looked for in vain are remembered or
looked for within a bound, so that the time is linear whatever the text.

A known limit: code that is neither fenced nor between backticks is read as prose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from verifier.text.notation import (
    CODE_KEYWORDS,
    LATEX_CODE_ENVIRONMENTS,
    LATEX_COMMANDS,
    LATEX_MATH_ENVIRONMENTS,
    LATEX_SPACES,
    LATEX_TEXT_COMMANDS,
    TAGS,
)
from verifier.text.scripts import foreign_words, letter_runs

_INLINE_CODE_CHARS = 500
_INLINE_MATH_CHARS = 1500
_INDENT_CHARS = 40
_PLAIN_WORDS = 3
_LINE_WORDS = 3
_SLUG_WORDS = 8
_NO_SLASH_COMMENTS = frozenset({"python", "py", "python3", "r", "ruby", "bash", "sh"})

_SPECIAL = re.compile(r"[`~$\\<]|https?://|www\.")
_COMMAND = re.compile(r"\\([A-Za-z]+)\*?")
_ENVIRONMENT = re.compile(r"\\begin\{([A-Za-z]{1,20}\*?)\}")
_BEGIN_OR_END = re.compile(r"\\(?:begin|end)\{[A-Za-z]{1,20}\*?\}")
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9_-]{0,31})([ \t\n][^<>]{0,200})?/?>")
_CHAT_TOKEN = re.compile(r"<\|[A-Za-z0-9_]{1,40}\|>")
_URL = re.compile(r"[!#%-;=?-\[\]^_a-z{|}]{0,200}", re.IGNORECASE)
_SLUG_SIGNS = re.compile(r"%[0-9A-Fa-f]{2}|[^\w']|_")
_WORD_FORMULAS = re.compile(r"(?:\$[A-Za-z]{1,20}[.,;:!?]?\$[ \t\n,.]{0,3}){3,}")
_MATH_TOKEN = re.compile(r"\\[A-Za-z]+|\\(?=[^\W\d_])|\\.|[{}$~]", re.DOTALL)
_SEPARATOR = re.compile(r"['’-]|[ \t\r\n]{0,4}[,.;:!?]?[ \t\r\n]{1,4}|[ \t\r\n]{0,4}[,.;:!?][ \t\r\n]{0,4}")
_CODE_SIGNS = re.compile(
    r"[=(){}\[\]<>;]|->|::"
    r"|^[ \t]{0,80}(?:def|class|import|from|return|for|while|if|else|elif|try|except|print|#include)\b"
)
_CODE_MARK = re.compile(r"[\"']|#|//|/\*|--|%")
_NO_COMMENT = re.compile(r"#(?:include|define|if|ifdef|ifndef|endif|else|pragma|undef|!)")


def prose(text: str) -> str:
    """The text without what is no language; what was set aside leaves a space or a line break."""
    return "".join(_Scan(text).pieces())


class _Scan:
    """One walk over a text."""

    def __init__(self, text: str, *, is_nested: bool = False) -> None:
        self._text = text
        self._is_nested = is_nested
        self._missing: set[str] = set()

    def pieces(self) -> Iterator[str]:
        position = 0
        while found := _SPECIAL.search(self._text, position):
            start = found.start()
            yield self._text[position:start]
            position, pieces = self._special(start)
            yield from pieces
        yield self._text[position:]

    def _special(self, start: int) -> tuple[int, Iterator[str]]:
        """Where the construct that begins here ends, and what is read of it."""
        match self._text[start]:
            case "`" | "~":
                return self._code(start)
            case "$":
                return self._dollar(start)
            case "\\":
                return self._backslash(start)
            case "<":
                return self._tag(start)
            case _:
                url = _URL.match(self._text, start)
                return (url.end() if url else start + 1), _slug(url.group() if url else "")

    def _code(self, start: int) -> tuple[int, Iterator[str]]:
        text = self._text
        sign = text[start]
        end = start
        while end < len(text) and text[end] == sign:
            end += 1
        if end - start > 2 and self._begins_line(start):  # noqa: PLR2004 - three make a fence
            line = text.find("\n", end)
            body = len(text) if line < 0 else line + 1
            info = text[end:body]
            if sign not in info:
                stop, after = self._fence_end(body, sign * (end - start))
                return after, self._block(text[body:stop], info)
        return (end, iter(" ")) if sign == "~" else self._inline_code(start, end)

    def _begins_line(self, start: int) -> bool:
        before = self._text[max(0, start - _INDENT_CHARS) : start]
        indent = before.rpartition("\n")[2]
        return not indent.strip(" \t>") and (len(indent) < len(before) or start == len(indent))

    def _fence_end(self, position: int, fence: str) -> tuple[int, int]:
        """Where the content of a fence stops, and where the text goes on; the end of the text closes it too."""
        text = self._text
        while True:
            candidate = text.find(fence, position)
            if candidate < 0:
                return len(text), len(text)
            line = text.find("\n", candidate)
            line = len(text) if line < 0 else line
            if self._begins_line(candidate) and not text[candidate:line].strip(fence[0]).strip():
                return candidate, line
            position = line

    def _inline_code(self, start: int, end: int) -> tuple[int, Iterator[str]]:
        """Spans of inline code; those with only spaces between are read as one."""
        contents: list[str] = []
        while True:
            fence = self._text[start:end]
            closer = self._text.find(fence, end, end + _INLINE_CODE_CHARS + len(fence))
            if closer < 0 or "\n\n" in self._text[end:closer]:
                break
            contents.append(self._text[end:closer])
            position = closer + len(fence)
            start = position
            while start < len(self._text) and self._text[start] in " \t\n":
                start += 1
            end = start
            while end < len(self._text) and self._text[end] == "`":
                end += 1
            if start == end:
                return position, hidden(" ".join(contents))
        if contents:
            return start, hidden(" ".join(contents))
        return end, iter(" ")

    def _dollar(self, start: int) -> tuple[int, Iterator[str]]:
        text = self._text
        if text.startswith("$$", start):
            return self._until("$$", start, start + 2)
        if words := _WORD_FORMULAS.match(text, start):
            return words.end(), hidden(words.group().replace("$", ""))
        stop = start + 1 + _INLINE_MATH_CHARS
        closer = text.find("$", start + 1, stop)
        while closer > 0 and text[closer - 1] == "\\":
            closer = text.find("$", closer + 1, stop)
        content = text[start + 1 : closer] if closer > 0 else ""
        is_price = content[-1:].isspace() and not content[:1].isspace()
        if not content or is_price or "\n\n" in content or text[closer + 1 : closer + 2].isdigit():
            return start + 1, iter(" ")
        return closer + 1, _math(content)

    def _backslash(self, start: int) -> tuple[int, Iterator[str]]:
        text = self._text
        if text.startswith("\\(", start):
            return self._until("\\)", start, start + 2)
        if text.startswith("\\[", start):
            return self._until("\\]", start, start + 2)
        environment = _ENVIRONMENT.match(text, start)
        if environment and environment[1] in LATEX_MATH_ENVIRONMENTS:
            return self._until(f"\\end{{{environment[1]}}}", start, environment.end())
        if environment and environment[1] in LATEX_CODE_ENVIRONMENTS:
            return self._until(f"\\end{{{environment[1]}}}", start, environment.end(), is_code=True)
        if frame := _BEGIN_OR_END.match(text, start):
            return frame.end(), iter("\n")
        if command := _COMMAND.match(text, start):
            is_known = command[1] in LATEX_COMMANDS
            return command.end(), iter(" ") if is_known else iter((f" {command[1]} ",))
        escaped = text[start + 1 : start + 2]
        return start + (1 if escaped.isalnum() else 2), iter(" ")

    def _tag(self, start: int) -> tuple[int, Iterator[str]]:
        if tag := _TAG.match(self._text, start):
            name = "" if tag[1].lower() in TAGS else tag[1]
            return tag.end(), iter(("\n", name, *hidden(tag[2] or ""), "\n"))
        if token := _CHAT_TOKEN.match(self._text, start):
            return token.end(), iter("\n")
        return start + 1, iter(" ")

    def _until(self, closer: str, start: int, begin: int, *, is_code: bool = False) -> tuple[int, Iterator[str]]:
        """What stands before a closer; where it never comes, the opener is passed over."""
        end = -1 if closer in self._missing else self._text.find(closer, begin)
        if end < 0:
            self._missing.add(closer)
            return max(begin, start + 1), iter(" ")
        content = self._text[begin:end]
        return end + len(closer), self._block(content, "") if is_code else _math(content)

    def _block(self, content: str, info: str) -> Iterator[str]:
        """A code block; one inside a string of another is not opened again, so that nesting ends."""
        return hidden(f"{info}\n{content}") if self._is_nested else _fenced(content, info)


def _slug(url: str) -> Iterator[str]:
    """What is read of a URL: nothing of a path of some words, but a sentence dressed up as one."""
    words = _SLUG_SIGNS.sub(" ", url)
    if sum(len(word.group()) > 1 for word in letter_runs(words)) > _SLUG_WORDS:
        yield from hidden(words)
    yield " "


def hidden(text: str) -> Iterator[str]:
    """What of a text set aside is language all the same: plain words in a row, and other scripts.

    A run of words with nothing but light punctuation between counts when some stretch of it, unbroken by
    punctuation, holds three plain words and more of them than keywords.
    """
    start = end = plain = keywords = 0
    is_prose = False
    for word in letter_runs(text):
        gap = text[end : word.start()]
        if not end or not _SEPARATOR.fullmatch(gap):
            yield from _run_of_words(text[start:end], is_prose=is_prose or _is_sentence(plain, keywords))
            start, plain, keywords, is_prose = word.start(), 0, 0, False
        elif not gap.isspace():
            is_prose = is_prose or _is_sentence(plain, keywords)
            plain = keywords = 0
        end = word.end()
        if end - word.start() > 1:
            is_keyword = word.group().lower() in CODE_KEYWORDS
            plain, keywords = plain + (not is_keyword), keywords + is_keyword
    yield from _run_of_words(text[start:end], is_prose=is_prose or _is_sentence(plain, keywords))
    yield " "


def _is_sentence(plain: int, keywords: int) -> bool:
    return plain >= _PLAIN_WORDS and plain > keywords


def _run_of_words(run: str, *, is_prose: bool) -> Iterator[str]:
    if is_prose:
        yield f" {run} "
    elif foreign := foreign_words(run):
        yield f" {foreign} "


def _math(content: str) -> Iterator[str]:
    """What is read of mathematics: the arguments of text commands, and what ``hidden`` finds in the rest."""
    groups: list[tuple[str, bool]] = []  # openers, and whether text stood before them
    is_text = is_argument = False
    position = 0
    rest: list[str] = []
    for token in _MATH_TOKEN.finditer(content):
        chunk, position, sign = content[position : token.start()], token.end(), token.group()
        is_argument = is_argument and not chunk.strip()
        if is_text:
            yield chunk
        else:
            rest.append(chunk)
        if sign in "{$" and (sign == "{" or not (groups and groups[-1][0] == "$")):
            groups.append((sign, is_text))
            was_text, is_text = is_text, (is_text or is_argument) if sign == "{" else not is_text
            if is_text and not was_text:
                yield from hidden("".join(rest))
                rest.clear()
        elif sign in "}$":
            is_text = groups.pop()[1] if groups else False
            rest.append("|" if sign == "$" else sign)
            yield " "
        elif is_text:
            yield _in_text(sign)
        else:
            rest.append(_in_math(sign))
        is_argument = sign[1:] in LATEX_TEXT_COMMANDS
    if is_text:
        yield content[position:]
    else:
        rest.append(content[position:])
    yield from hidden("".join(rest))


def _in_text(sign: str) -> str:
    name = sign[1:]
    return f" {name} " if name.isalpha() and name not in LATEX_COMMANDS else " "


def _in_math(sign: str) -> str:
    """A command as ``hidden`` should see it: a space, a sign that ends a run of words, or a word."""
    name = sign[1:]
    if sign == "~" or not name.isalpha():
        return " " if sign == "~" or name in " ,;:!" else "|"
    if name in LATEX_SPACES:
        return " "
    return "|" if name in LATEX_COMMANDS else f" {name} "


def _fenced(content: str, info: str) -> Iterator[str]:
    """What is read of a code block; a block in which nothing looks like code is prose."""
    yield "\n"
    yield from hidden(info)
    lines = content.split("\n")
    if not any(_CODE_SIGNS.search(line) for line in lines):
        yield from _nested(content)
    else:
        has_slashes = info.strip().lower() not in _NO_SLASH_COMMENTS
        code: list[str] = []
        for line in lines:
            yield from _code_line(line, code, has_slashes=has_slashes)
            yield "\n"
        yield from hidden("\n".join(code))  # over the lines, so that one word a line does not hide
    yield "\n"


def _code_line(line: str, code: list[str], *, has_slashes: bool) -> Iterator[str]:
    """Comments and strings of several words of one line; what is neither goes to ``code``."""
    bare: list[str] = []
    strings: list[str] = []
    position = 0
    unpaired: set[str] = set()
    while mark := _CODE_MARK.search(line, position):
        sign, start = mark.group(), mark.start()
        if sign in "\"'":
            sign = sign * 3 if line.startswith(sign * 3, start) else sign
            begin = start + len(sign)
            end = -1 if sign in unpaired else line.find(sign, begin)
            bare.append(f"{line[position:start]}|")
            if end < 0:
                unpaired.add(sign)
                position = begin
            else:
                strings.append(line[begin:end])
                position = end + len(sign)
        elif _is_comment(line, start, sign, has_slashes=has_slashes):
            bare.append(line[position:start])
            yield from _nested(line[mark.end() :])
            position = len(line)
        else:
            bare.append(line[position : mark.end()])
            position = mark.end()
    bare.append(line[position:])
    code.append("".join(bare))
    yield from _strings(strings)


def _strings(strings: list[str]) -> Iterator[str]:
    """Strings of several words, or all strings of a line that holds several."""
    counts = [sum(len(word.group()) > 1 for word in letter_runs(string)) for string in strings]
    is_all = sum(counts) >= _LINE_WORDS
    for string, count in zip(strings, counts, strict=True):
        yield from _nested(string) if is_all or count > 1 else iter((foreign_words(string),))
        yield "\n"


def _nested(text: str) -> Iterator[str]:
    """Prose found in code, which may hold formulas of its own."""
    yield " "
    yield from _Scan(text, is_nested=True).pieces()
    yield " "


def _is_comment(line: str, start: int, sign: str, *, has_slashes: bool) -> bool:
    is_apart = start == 0 or line[start - 1].isspace()
    match sign:
        case "#":
            return (is_apart or line[start - 1] == ";") and not _NO_COMMENT.match(line, start)
        case "//":
            return has_slashes and line[max(0, start - 1) : start] != ":"
        case "/*":
            return True
        case _:
            return is_apart and line[start + len(sign) : start + len(sign) + 1].isspace()
