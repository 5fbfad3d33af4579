"""What a Java source says of itself: the name that its file must have, and the class that holds its ``main``.

Read from tokens alone, in linear time; a source that is not Java gives names too, and its compiler speaks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""
      //[^\n]*+
    | /\*(?:.*?\*/|.*)                          # a comment; one that is never closed goes on to the end
    | \"{3}(?:\\.|[^\\])*?(?:\"{3}|\Z)          # a text block
    | \"(?:\\.|[^\"\\\n])*+\"?
    | '(?:\\.|[^'\\\n])*+'?
    | (?P<word>[^\W\d][\w$]*+|[$][\w$]*+)
    | (?P<mark>[{}();.])
    """,
    re.VERBOSE | re.DOTALL,
)
_TYPES = frozenset({"class", "interface", "enum", "record"})
_NAME_BYTES = 180
_DEFAULT = "Main"


@dataclass(frozen=True, slots=True, kw_only=True)
class JavaNames:
    """The file's name, and the full name of the class to run."""

    file_name: str
    main_class: str


@dataclass(slots=True)
class _Type:
    name: str
    is_public: bool
    has_main: bool = False


@dataclass(slots=True)
class _Reader:
    """What is known at a token of the source."""

    package: list[str] = field(default_factory=list)
    types: list[_Type] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """Of the declaration that is being read, at the top or in a top-level type."""
    braces: int = 0
    parentheses: int = 0

    def mark(self, mark: str) -> None:
        if mark == "(":
            self._see_main()
            self.parentheses += 1
        elif mark == ")":
            self.parentheses = max(self.parentheses - 1, 0)
        elif mark == "{":
            self.braces, self.parentheses, self.words = self.braces + 1, 0, []
        elif mark == "}":
            self.braces, self.parentheses, self.words = max(self.braces - 1, 0), 0, []
        elif mark == ";" and not self.parentheses:
            if not self.braces and self.words[:1] == ["package"] and not self.types:
                self.package = self.words[1:]
            self.words = []

    def word(self, word: str, before: str) -> None:
        if self.parentheses or self.braces > 1:
            return
        # A name such as X.class names no type that is declared here.
        if not self.braces and before != "." and self.words and self.words[-1] in _TYPES:
            self.types.append(_Type(word, "public" in self.words))
        self.words.append(word)

    def _see_main(self) -> None:
        is_main = self.words[-2:] == ["void", "main"] and "static" in self.words
        if self.braces == 1 and not self.parentheses and is_main and self.types:
            self.types[-1].has_main = True


def java_names(source: str) -> JavaNames:
    """The names of a source.

    The file is named after the public class, or ``Main`` where there is none. The class to run is the public one if
    it has a ``main``, else the first that has one, else the public one, else the first, else ``Main``.
    """
    reader = _Reader()
    before = ""
    for token in _TOKEN.finditer(source):
        if word := token["word"]:
            reader.word(word, before)
            before = word
        elif mark := token["mark"]:
            reader.mark(mark)
            before = mark
    types = [known for known in reader.types if len(known.name.encode("utf-8", "replace")) <= _NAME_BYTES]
    public = next((known.name for known in types if known.is_public), "")
    ranked = sorted(types, key=lambda known: (not known.has_main, not known.is_public))
    main = ranked[0].name if ranked else _DEFAULT
    return JavaNames(file_name=f"{public or _DEFAULT}.java", main_class=".".join([*reader.package, main]))
