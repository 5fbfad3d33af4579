"""The declaration of a Rust entry point, taken apart as far as a stub needs it.

Only references are read here, but for ``defined_names``. What this reading gets wrong shows as a tester that does not
compile.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from verifier.errors import UnscorableError
from verifier.judging.bridges.tokens import closing, tokens

_HIDDEN = re.compile(
    r"""//[^\n]*|/\*.*?(?:\*/|\Z)|\bb?r(#*)".*?"\1|"(?:\\.|[^"\\])*"|'(?:\\[^\n']*'|\\''|[^'\\\n]')""", re.DOTALL
)
_ITEM = re.compile(
    r"(?:pub(?:\s*\([^)]*\))?\s+)?(?:(?:const|async|unsafe|extern\s*(?:\"[^\"]*\")?)\s+)*"
    r"(fn|struct|enum|union|trait|type|const|static|mod|macro_rules!|impl|use|extern\s+crate)\b\s*(?:mut\s+)?([A-Za-z_]\w*)?"
)
_ENDS_WITH_SEMICOLON = frozenset(("use", "type", "const", "static", "extern crate"))
_NAMED = frozenset(("fn", "struct", "enum", "union", "trait", "type", "const", "static", "mod"))
_OPEN, _CLOSE = "([{<", ")]}>"


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a file. ``kind`` is its keyword, ``header`` a function's text before the body."""

    text: str
    kind: str
    name: str = ""
    header: str = ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter: its type, and whether a call may change what it refers to."""

    kind: str
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a signature says.

    Args:
        items: all others, in order.
        name: of the entry point, as declared.
        generics: with their angle brackets, or empty.
        parameters: in order.
        result: the returned type.
        where: the clause, or empty.
    """

    items: tuple[Item, ...]
    name: str
    generics: str
    parameters: tuple[Parameter, ...]
    result: str
    where: str


def read_declaration(signature: str, entry_point: str) -> Declaration:
    """The function called ``entry_point``, or the last one where none is.

    Raises:
        UnscorableError: there is none, or it is a method.
    """
    items = split_items(signature)
    functions = [at for at, item in enumerate(items) if item.header and item.name != "main"]
    named = [at for at, item in enumerate(items) if item.header and item.name == entry_point]
    if not functions:
        raise UnscorableError("bad_signature", "reference.code.signature declares no function")
    at = (named or functions)[-1]
    others = tuple(item for place, item in enumerate(items) if place != at and item.name != "main")
    return _declaration(items[at], others)


def split_items(source: str) -> tuple[Item, ...]:
    """The items of a file at its outermost level, without inner attributes; a body left open ends with the file."""
    masked = without_hidden(source)
    items: list[Item] = []
    at = start = 0
    while at < len(masked):
        if masked[at].isspace() or masked[at] in ";}":
            at += 1
            start = at if start == at - 1 else start
            continue
        if masked.startswith(("#[", "#!["), at):
            end = _closing(masked, masked.index("[", at)) + 1
            start = end if masked[at + 1] == "!" else start
            at = end
            continue
        found = _ITEM.match(masked, at)
        kind = re.sub(r"\s+", " ", found[1]) if found else ""
        end, body = _end_of_item(masked, found.end() if found else at, only_semicolon=kind in _ENDS_WITH_SEMICOLON)
        name = (found[2] or "") if found and kind in _NAMED else ""
        header = source[at:body].strip() if kind == "fn" else ""
        items.append(Item(source[start:end].strip(), kind, name, header))
        at = start = end
    return tuple(items)


def without_hidden(source: str) -> str:
    """The text with comments and literals blanked; of references alone."""
    return _HIDDEN.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)


def defined_names(program: str) -> frozenset[str]:
    """What a program names at its outermost level; in linear time, for any text."""
    found: set[str] = set()
    depth = 0
    words = tokens(program, "rust")
    for at, word in enumerate(words):
        if word in ("{", "}"):
            depth = max(depth + (1 if word == "{" else -1), 0)
        elif not depth and word in _NAMED and at + 1 < len(words):
            found.add(words[at + 1])
        elif not depth and word == "use":
            found.add("use")
    return frozenset(found)


def _end_of_item(masked: str, at: int, *, only_semicolon: bool) -> tuple[int, int]:
    """Where the item ends, and where its body opens (or its end)."""
    depth = 0
    body = -1
    while at < len(masked):
        char = masked[at]
        if char == ";" and not depth:
            return at + 1, at if body < 0 else body
        if char == "{" and not depth and body < 0:
            body = at
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if char == "}" and not depth and not only_semicolon:
                return at + 1, body
        at += 1
    return len(masked), len(masked) if body < 0 else body


def _closing(masked: str, opened: int) -> int:
    """The place of the bracket that closes the one at ``opened``; an arrow closes nothing."""
    depth = 0
    for at in range(opened, len(masked)):
        if masked[at] == ">" and masked[at - 1] in "-=":
            continue
        depth += (masked[at] in _OPEN) - (masked[at] in _CLOSE)
        if not depth:
            return at
    return len(masked)


def _declaration(item: Item, others: tuple[Item, ...]) -> Declaration:
    header = without_hidden(item.header)
    at = re.search(r"\bfn\s+[A-Za-z_]\w*\s*", header)
    start = at.end() if at else len(header)
    generics_end = _closing(header, start) + 1 if header[start : start + 1] == "<" else start
    opened = header.find("(", generics_end)
    if opened < 0:
        raise UnscorableError("bad_signature", "reference.code.signature: the function has no parameters")
    closed = _closing(header, opened)
    result, _, where = header[closed + 1 :].partition(" where ")
    result = result.strip().removeprefix("->").strip()
    parameters = tuple(_parameter(text) for text in _split(header[opened + 1 : closed]))
    return Declaration(
        others, item.name, header[start:generics_end], parameters, result or "()", f" where {where}" if where else ""
    )


def _parameter(text: str) -> Parameter:
    _, colon, kind = text.partition(":")
    if not colon or re.match(r"&?\s*(?:'\w+\s+)?(?:mut\s+)?self\b", text.strip()):
        raise UnscorableError(
            "unsupported_signature", "reference.code.signature is a method; only functions can be called"
        )
    return Parameter(kind.strip(), re.match(r"&\s*(?:'\w+\s+)?mut\b", kind.strip()) is not None)


def _split(inside: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, char in enumerate(inside):
        if char == ">" and inside[at - 1] in "-=":
            continue
        depth += (char in _OPEN) - (char in _CLOSE)
        if char == "," and not depth:
            parts.append(inside[start:at])
            start = at + 1
    return [part for part in [*parts, inside[start:]] if part.strip()]


def derive(item: Item) -> str:
    """The code that lets a structure or an enumeration of the task cross."""
    words = tokens(item.text, "rust")
    at = words.index(item.kind) + 2
    generics: list[str] = []
    if words[at : at + 1] == ["<"]:
        end = _angle_end(words, at)
        generics = _parts(words[at + 1 : end])
        at = end + 1
    while at < len(words) and words[at] not in ("{", "(", ";"):
        at += 1
    variants = [("", words[at:])] if item.kind == "struct" else _variants(words[at + 1 : closing(words, at)])
    names = [re.split(r"[ :=]", part.removeprefix("const "))[0] if part[0] != "'" else part for part in generics]
    puts, gets = [], []
    for number, (variant, shape) in enumerate(variants):
        path = f"{item.name}::{variant}" if variant else item.name
        pattern, fields = _shape(path, shape)
        puts.append(
            f"{pattern} => {{ w.number({number}); {' '.join(f'AssayPut::put({field}, w);' for field in fields)} }}"
        )
        reads = "".join(f"let {field} = AssayGet::get(r)?;" for field in fields)
        gets.append(f"{number} => {{ {reads} ::std::result::Result::Ok({pattern}) }}")
    angle = f"<{', '.join(names)}>" if names else ""

    def bounded(bound: str) -> str:
        return ", ".join(
            part if part.startswith(("'", "const ")) else f"{part}{' +' if ':' in part else ':'} {bound}"
            for part in generics
        )

    return (
        f"impl<{bounded('AssayPut')}> AssayPut for {item.name}{angle} {{ fn put(&self, w: &mut AssayWriter) {{"
        f" w.byte(b'e'); match self {{ {' '.join(puts)} }} }} }}\n"
        f"impl<{bounded('AssayGet')}> AssayGet for {item.name}{angle} {{"
        f" fn get(r: &mut AssayReader) -> AssayResult<Self> {{"
        f" r.expect(b'e')?; match r.number()? {{ {' '.join(gets)} _ => AssayBroken::found() }} }} }}\n"
    )


def _angle_end(words: Sequence[str], at: int) -> int:
    depth = 0
    for place in range(at, len(words)):
        depth += (words[place] == "<") - (words[place] == ">")
        if not depth:
            return place
    return len(words)


def _parts(words: Sequence[str]) -> list[str]:
    """Texts between commas; a lifetime's quote is joined to its name."""
    return [part.strip() for part in _split(" ".join(words).replace("' ", "'")) if part.strip()]


def _variants(words: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    found: list[tuple[str, Sequence[str]]] = []
    at = 0
    while at < len(words):
        if words[at] == "#":
            at = closing(words, at + 1) + 1
            continue
        name = words[at]
        at += 1
        shape: Sequence[str] = ()
        if words[at : at + 1] in (["("], ["{"]):
            end = closing(words, at)
            shape, at = words[at : end + 1], end + 1
        while at < len(words) and words[at] != ",":
            at += 1
        found.append((name, shape))
        at += 1
    return found


def _shape(path: str, words: Sequence[str]) -> tuple[str, list[str]]:
    """A pattern that is also an expression, and the names of its fields."""
    if words[:1] == ["{"]:
        inside = re.sub(r"# \[[^\]]*\]", "", " ".join(words[1 : closing(words, 0)]))
        names = [part.partition(" :")[0].split()[-1] for part in _split(inside)]
        return f"{path} {{ {', '.join(f'{name}: assay_{name}' for name in names)} }}", [f"assay_{n}" for n in names]
    if words[:1] == ["("]:
        count = len(_split(" ".join(words[1 : closing(words, 0)])))
        names = [f"assay_{at}" for at in range(count)]
        return f"{path}({', '.join(names)})", names
    return path, []
