"""The parts of a Go source: imports, declarations and where they stand. Linear, and never sure: the compiler judges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from verifier.judging.bridges.tokens import Token, placed_tokens

_KEYWORDS = frozenset(("func", "type", "var", "const"))
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")

STANDARD: Mapping[str, str] = MappingProxyType(
    {
        path.rpartition("/")[2]: path
        for path in (
            "bufio", "bytes", "container/heap", "container/list", "container/ring", "context", "crypto/md5",
            "crypto/sha1", "crypto/sha256", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json",
            "errors", "fmt", "io", "math", "math/big", "math/bits", "math/cmplx", "math/rand", "os", "reflect",
            "regexp", "runtime", "sort", "strconv", "strings", "sync", "sync/atomic", "testing", "time", "unicode",
            "unicode/utf8", "github.com/stretchr/testify/assert", "github.com/stretchr/testify/require",
        )
    }
)  # fmt: skip
"""Packages by the name that a program uses, where it may have left out their import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """An import: ``alias`` is empty where it is the last part of the path."""

    alias: str
    path: str

    @property
    def name(self) -> str:
        """By which the package is used."""
        return self.alias or self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """A declaration at the top of a source."""

    keyword: str
    names: tuple[str, ...]
    """What it declares; of a method, its receiver's type and its name, so that it clashes with no function."""
    start: int
    end: int
    function: Function | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function, or a method where ``is_method``."""

    name: str
    name_start: int
    name_end: int
    is_method: bool
    is_generic: bool
    type_text: str
    """Parameters and results, as a type of a function has them behind ``func``."""
    has_results: bool
    is_empty: bool
    """It has no body, or nothing in it."""
    parameters: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GoSource:
    """A source, in parts."""

    text: str
    imports: tuple[Import, ...]
    declarations: tuple[Declaration, ...]
    head_end: int
    """Behind the package clause and the imports."""
    used: frozenset[str]
    """Words that stand before a dot."""
    plain: frozenset[str]
    """Words that stand elsewhere, and so may be variables."""

    @property
    def names(self) -> frozenset[str]:
        """What is declared at the top."""
        return frozenset(name for declared in self.declarations for name in declared.names)

    def of(self, declared: Declaration) -> str:
        """The text of a declaration."""
        return self.text[declared.start : declared.end]


def read_go(text: str) -> GoSource:
    """The parts of a source, which may be left open at its end."""
    found = list(placed_tokens(text, "go"))
    imports: list[Import] = []
    declarations: list[Declaration] = []
    at = head_end = 0
    while at < len(found):
        word = found[at].text
        if word == "package" and at + 1 < len(found) and not declarations:
            head_end = found[at + 1].end
            at += 2
        elif word == "import" and not declarations:
            end = _import_end(found, at)
            imports += _imports(text, found[at + 1 : end])
            head_end = found[end - 1].end
            at = end
        elif word in _KEYWORDS:
            end = _declaration_end(text, found, at)
            declarations.append(_declaration(text, found[at:end], found[end].start if end < len(found) else len(text)))
            at = end
        else:
            at += 1
    used, plain = _words(found)
    return GoSource(
        text=text,
        imports=tuple(imports),
        declarations=tuple(declarations),
        head_end=head_end,
        used=used,
        plain=plain,
    )


def import_lines(imports: Iterable[Import], source: GoSource, declared: frozenset[str]) -> list[Import]:
    """Of some imports those that a source uses, and those of the standard library that it lacks.

    Data sets put a program below imports that are meant for another one, which Go takes for an error.
    """
    kept = {
        known.path if known.alias in ("_", ".") else known.name: known
        for known in reversed(list(imports))
        if known.alias in ("_", ".") or known.name in source.used
    }
    for name in sorted(source.used - kept.keys() - declared - source.plain):
        if name in STANDARD:
            kept[name] = Import(alias="", path=STANDARD[name])
    return list(kept.values())


def _words(found: Sequence[Token]) -> tuple[frozenset[str], frozenset[str]]:
    used: set[str] = set()
    plain: set[str] = set()
    before = ""
    for at, token in enumerate(found):
        if token.text.isidentifier() and before != ".":
            follows = found[at + 1].text if at + 1 < len(found) else ""
            (used if follows == "." else plain).add(token.text)
        before = token.text
    return frozenset(used), frozenset(plain)


def _closing(found: Sequence[Token], at: int) -> int:
    """The place of the bracket that closes the one at a token; the number of tokens if there is none."""
    depth = 0
    while at < len(found):
        if found[at].text in _OPENING:
            depth += 1
        elif found[at].text in _CLOSING:
            depth -= 1
            if depth <= 0:
                return at
        at += 1
    return at


def _import_end(found: Sequence[Token], at: int) -> int:
    """The place behind an import."""
    if at + 1 < len(found) and found[at + 1].text == "(":
        return min(_closing(found, at + 1) + 1, len(found))
    end = at + 1
    while end < len(found) and found[end].text not in ('"', "`") and end < at + 3:
        end += 1
    return min(end + 1, len(found))


def _imports(text: str, found: Sequence[Token]) -> list[Import]:
    imports: list[Import] = []
    alias = ""
    for token in found:
        if token.text in ('"', "`"):
            imports.append(Import(alias=alias, path=text[token.start + 1 : token.end - 1]))
            alias = ""
        elif token.text not in ("(", ")", ";"):
            alias = token.text
    return imports


def _declaration_end(text: str, found: Sequence[Token], at: int) -> int:
    """The place of the next declaration: a keyword that begins a line, in no bracket."""
    place = at + 1
    while place < len(found):
        word = found[place].text
        if word in _OPENING:
            place = _closing(found, place)
        elif word in _KEYWORDS or word == "import":
            between = text[found[place - 1].end : found[place].start]
            if "\n" in between or found[place - 1].text == ";":
                return place
        place += 1
    return len(found)


def _declaration(text: str, found: Sequence[Token], end: int) -> Declaration:
    function = _function(text, found) if found[0].text == "func" else None
    names: list[str] = []
    if function is not None and function.is_method:
        receiver = [token.text for token in found[2 : _closing(found, 1)] if token.text.isidentifier()]
        names = [f"{receiver[1] if len(receiver) > 1 else ''.join(receiver)}.{function.name}"]
    elif function is not None:
        # There may be several init in a package, and none is ever named.
        names = [] if function.name in ("init", "_") else [function.name]
    elif len(found) > 1 and found[1].text == "(":
        names = _grouped(text, found[1 : _closing(found, 1) + 1])
    elif len(found) > 1:
        names = [found[1].text]
        at = 2  # var a, b = ...
        while at + 1 < len(found) and found[at].text == "," and found[0].text != "type":
            names.append(found[at + 1].text)
            at += 2
    return Declaration(keyword=found[0].text, names=tuple(names), start=found[0].start, end=end, function=function)


def _grouped(text: str, found: Sequence[Token]) -> list[str]:
    """The words that begin a line of a declaration in brackets."""
    names: list[str] = []
    at = 1
    while at < len(found):
        if "\n" in text[found[at - 1].end : found[at].start] or found[at - 1].text in ("(", ";"):
            names.append(found[at].text)
        at = _closing(found, at) + 1 if found[at].text in _OPENING else at + 1
    return [name for name in names if name.isidentifier()]


def _function(text: str, found: Sequence[Token]) -> Function | None:
    at = 1
    is_method = len(found) > 1 and found[1].text == "("
    if is_method:
        at = _closing(found, 1) + 1
    if at + 1 >= len(found):
        return None
    name, opened = found[at], at + 1
    is_generic = found[opened].text == "["
    if is_generic:
        opened = _closing(found, opened) + 1
    if opened >= len(found) or found[opened].text != "(":
        return None
    closed = _closing(found, opened)
    results = closed + 1
    body = _type_end(found, results)
    stop = found[min(body, len(found)) - 1].end
    has_body = body < len(found) and found[body].text == "{"
    return Function(
        name=name.text,
        name_start=name.start,
        name_end=name.end,
        is_method=is_method,
        is_generic=is_generic,
        type_text=text[found[opened].start : stop],
        has_results=body > results,
        is_empty=not has_body or _closing(found, body) <= body + 1,
        parameters=text[found[opened].start : found[closed].end] if closed < len(found) else "",
    )


def _type_end(found: Sequence[Token], at: int) -> int:
    """The place behind the type that begins at a token, or that very place if none does."""
    while at < len(found):
        word = found[at].text
        if word == "(":
            return _closing(found, at) + 1
        if word in ("interface", "struct"):
            return _closing(found, at + 1) + 1
        if word == "func":
            at = _closing(found, at + 1) + 1
        elif word in ("[", "map"):
            at = _closing(found, at if word == "[" else at + 1) + 1
        elif word in ("*", "chan", "<", "-", "->"):
            at += 1
        elif word.isidentifier():
            at += 1
            while at + 1 < len(found) and found[at].text == ".":
                at += 2
            return _closing(found, at) + 1 if at < len(found) and found[at].text == "[" else at
        else:
            return at
    return at
