"""The parts of a Java source: imports, types, methods and where they stand. Linear, and never sure: javac judges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from verifier.judging.bridges.tokens import Token, placed_tokens

_KINDS = frozenset(("class", "interface", "enum", "record"))
_OPENING, _CLOSING = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of a text."""

    start: int
    end: int

    def of(self, text: str) -> str:
        """What stands there."""
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter: its type without generic arguments or package, as ``Class.getSimpleName`` gives it, and its name."""

    type_name: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method, or a constructor where ``returns`` is empty."""

    name: str
    modifiers: frozenset[str]
    returns: str
    """As it is written, to cast to."""
    result: str
    """Its name alone."""
    parameters: tuple[Parameter, ...]
    body: Span
    """From its brace or semicolon to behind its end; to the end of the text if it is left open."""
    is_empty: bool
    """Nothing stands in the body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JavaType:
    """A type at the top of a source, or in such a type."""

    kind: str
    name: str
    public: Span | None
    """Its word ``public``."""
    span: Span
    header: Span
    """Up to its brace, which is in it."""
    body_end: int
    """Where the brace stands that closes it, or the end of the text."""
    methods: tuple[Method, ...]
    inner: tuple[str, ...]
    """Names of static types in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JavaSource:
    """A source, in parts."""

    text: str
    package: Span | None
    imports: tuple[Span, ...]
    types: tuple[JavaType, ...]
    head_end: int
    """Behind the package and the imports."""

    def import_lines(self) -> list[str]:
        """The imports, one line each."""
        return [" ".join(span.of(self.text).split()) for span in self.imports]


def read_java(text: str, *, has_members: bool) -> JavaSource:
    """The parts of a source, which may be left open at its end.

    Args:
        text: the source.
        has_members: read the members of its types too; for the task's own text alone.
    """
    found = list(placed_tokens(text, "java"))
    package: Span | None = None
    imports: list[Span] = []
    types: list[JavaType] = []
    at = head_end = 0
    while at < len(found):
        if found[at].text in ("import", "package") and not types:
            end = _find(found, at, ";")
            span = Span(start=found[at].start, end=found[end].end if end < len(found) else len(text))
            if found[at].text == "import":
                imports.append(span)
            else:
                package = span
            at, head_end = end + 1, span.end
        else:
            declared, at = _type(text, found, at, has_members=has_members)
            if declared is not None:
                types.append(declared)
    return JavaSource(text=text, package=package, imports=tuple(imports), types=tuple(types), head_end=head_end)


def _find(found: Sequence[Token], at: int, *marks: str) -> int:
    """The place of the first of some marks that stands in no bracket; the number of tokens if there is none."""
    depth = 0
    while at < len(found):
        text = found[at].text
        if depth == 0 and text in marks:
            return at
        if text in _OPENING:
            depth += 1
        elif text in _CLOSING:
            depth -= 1
            if depth < 0:
                return at
        at += 1
    return at


def _closing(found: Sequence[Token], at: int) -> int:
    """The place of the bracket that closes the one at a token; the number of tokens if there is none."""
    return _find(found, at + 1)


def _start(found: Sequence[Token], at: int, text: str) -> int:
    return found[at].start if at < len(found) else len(text)


def _end(found: Sequence[Token], at: int, text: str) -> int:
    return found[at].end if at < len(found) else len(text)


def _type(text: str, found: Sequence[Token], at: int, *, has_members: bool) -> tuple[JavaType | None, int]:
    """The type that is declared from a token on, if one is, and the place behind it."""
    opened = _find(found, at, "{", ";")
    if opened >= len(found) or found[opened].text != "{":
        return None, opened + 1
    words = [token.text for token in found[at:opened]]
    kind = next((place for place, word in enumerate(words[:-1]) if word in _KINDS), -1)
    end = _closing(found, opened)
    if kind < 0:
        return None, end + 1
    public = next((token for token in found[at : at + kind] if token.text == "public"), None)
    name = words[kind + 1]
    is_read = has_members and words[kind] in ("class", "record")
    methods, inner = _members(text, found[opened + 1 : end], name) if is_read else ((), ())
    declared = JavaType(
        kind=words[kind],
        name=name,
        public=Span(start=public.start, end=public.end) if public else None,
        span=Span(start=found[at].start, end=_end(found, end, text)),
        header=Span(start=found[at].start, end=found[opened].end),
        body_end=_start(found, end, text),
        methods=methods,
        inner=inner,
    )
    return declared, end + 1


def _members(text: str, found: Sequence[Token], owner: str) -> tuple[tuple[Method, ...], tuple[str, ...]]:
    methods: list[Method] = []
    inner: list[str] = []
    start = at = 0
    while at < len(found):
        stop = _find(found, at, "(", "=", ";", "{")
        if stop >= len(found):
            break
        words = [token.text for token in found[start:stop]]
        if found[stop].text == "(" and words[-1:] and words[-2:-1] == ["@"]:
            at = _closing(found, stop) + 1  # the arguments of an annotation
            continue
        if found[stop].text == "(" and not _KINDS & set(words):
            end = _closing(found, stop)
            body = _find(found, end + 1, "{", ";", "=")
            methods.append(_method(text, found[start:], stop - start, body - start, owner))
            at = _closing(found, body) + 1 if body < len(found) and found[body].text == "{" else body + 1
        elif found[stop].text == "(":
            inner.append(words[-1])
            stop = _find(found, _closing(found, stop) + 1, "{", ";")  # the header of a record
            at = _closing(found, stop) + 1 if stop < len(found) and found[stop].text == "{" else stop + 1
        elif found[stop].text == "{":
            kind = next((place for place, word in enumerate(words[:-1]) if word in _KINDS), -1)
            if kind >= 0 and ("static" in words or words[kind] != "class"):
                inner.append(words[kind + 1])
            at = _closing(found, stop) + 1
        else:
            at = (_find(found, stop, ";") if found[stop].text == "=" else stop) + 1
        start = at
    return tuple(methods), tuple(inner)


def _method(text: str, found: Sequence[Token], opened: int, body: int, owner: str) -> Method:
    """The method whose parameters open at a token; what comes before it is its own alone."""
    closed = _closing(found, opened)
    before = list(found[: opened - 1])
    modifiers = set[str]()
    while before and (before[0].text in _MODIFIERS or before[0].text == "@"):
        if before[0].text == "@":
            has_arguments = [token.text for token in before[2:3]] == ["("]
            before = before[_closing(before, 2) + 1 if has_arguments else 2 :]
        else:
            modifiers.add(before.pop(0).text)
    if before and before[0].text == "<":
        before = before[_angle(before, 0) :]
    name = found[opened - 1].text if opened else ""
    is_open = body >= len(found) or found[body].text != "{"
    end = body if is_open else _closing(found, body)
    return Method(
        name=name,
        modifiers=frozenset(modifiers),
        returns=text[before[0].start : before[-1].end] if before and name != owner else "",
        result=_simple(before),
        parameters=_parameters(found[opened + 1 : closed]),
        body=Span(start=_start(found, body, text), end=_end(found, end, text)),
        is_empty=end <= body + 1,
    )


_MODIFIERS = frozenset(
    ("public", "protected", "private", "static", "final", "abstract", "synchronized", "strictfp", "native", "default")
)


def _angle(found: Sequence[Token], at: int) -> int:
    """The place behind the generic arguments that begin at a token."""
    depth = 0
    for place in range(at, len(found)):
        depth += {"<": 1, ">": -1}.get(found[place].text, 0)
        if depth == 0:
            return place + 1
    return len(found)


def _simple(found: Sequence[Token]) -> str:
    """The name of a type without its package and generic arguments: ``List``, ``int[][]``."""
    name, at, levels = "", 0, 0
    while at < len(found):
        word = found[at].text
        if word == "<":
            at = _angle(found, at)
            continue
        if word == "[" or [token.text for token in found[at : at + 3]] == [".", ".", "."]:
            levels += 1
            at += 1 if word == "[" else 2
        elif word not in (".", "]"):
            name = word
        at += 1
    return name + "[]" * levels


def _parameters(found: Sequence[Token]) -> tuple[Parameter, ...]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in found:
        depth += 1 if token.text in ("<", "(", "[") else -1 if token.text in (">", ")", "]") else 0
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    parameters: list[Parameter] = []
    for part in parts:
        words = list(itertools.dropwhile(lambda token: token.text == "final", part))
        if words and words[0].text == "@":
            words = [token for token in words[2:] if token.text != "final"]
        name = next((at for at in range(len(words) - 1, -1, -1) if words[at].text not in ("[", "]")), -1)
        if name > 0:
            kind = _simple([*words[:name], *words[name + 1 :]])
            parameters.append(Parameter(type_name=kind, name=words[name].text))
    return tuple(parameters)
