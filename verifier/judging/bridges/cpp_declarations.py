"""The declaration of a C++ entry point, taken apart as far as a stub needs it.

Only references are read here. What this reading gets wrong shows as a tester that does not compile.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.errors import UnscorableError
from verifier.judging.bridges.tokens import tokens

_HIDDEN = re.compile(r'//[^\n]*|/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_DIRECTIVE = re.compile(r"[ \t]*#(?:\\\n|[^\n])*")
_NAME = re.compile(r"[A-Za-z_]\w*")
_NEEDS_SEMICOLON = re.compile(r"(?:typedef|struct|class|union|enum)\b")
_DEFINED_TYPE = re.compile(r"(?:struct|class|union|enum(?:\s+(?:class|struct))?)\s+([A-Za-z_]\w*)")
_WORDS_OF_TYPES = re.compile(
    r"auto|bool|char|char8_t|char16_t|char32_t|double|float|int|long|short|signed|unsigned|void|wchar_t"
    r"|const|volatile|struct|class|enum|union|typename"
)
_PAIRS = {"(": ")", "<": ">", "[": "]", "{": "}"}
_KINDS = frozenset(("struct", "class", "union", "enum"))


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a file: a directive, a definition or a declaration.

    Args:
        text: all of it.
        name: of the function, type or variable it brings in; empty for others.
        header: of a function, all before the body; empty for others.
        is_directive: of the preprocessor.
    """

    text: str
    name: str = ""
    header: str = ""
    is_directive: bool = False

    @property
    def is_structure(self) -> bool:
        """Whether it defines a type that is the same only where the definition is (an alias is not)."""
        return bool(self.name) and not self.header and _DEFINED_TYPE.match(self.text) is not None

    @property
    def is_alias(self) -> bool:
        """Whether it gives a type another name."""
        return bool(self.name) and self.text.startswith(("typedef", "using"))

    @property
    def is_using(self) -> bool:
        """``using namespace std;``, ``using std::vector;``."""
        return not self.name and self.text.startswith("using")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a signature says.

    Args:
        items: all others, in order.
        name: of the entry point, as declared.
        header: its declaration, without a body.
        stub_header: the same with the parameters named ``assay_0``, ``assay_1``, ...
        parameters: how many.
    """

    items: tuple[Item, ...]
    name: str
    header: str
    stub_header: str
    parameters: int


def read_declaration(signature: str, entry_point: str) -> Declaration:
    """The function called ``entry_point``, or the last one where none is.

    Raises:
        UnscorableError: there is none, or it is a template or has a deduced type.
    """
    items = split_items(signature)
    functions = [at for at, item in enumerate(items) if item.header]
    named = [at for at in functions if items[at].name == entry_point]
    if not functions:
        raise UnscorableError("bad_signature", "reference.code.signature declares no function")
    at = (named or functions)[-1]
    item = items[at]
    if re.match(r"(?:static\s+|inline\s+)*(?:template\b|auto\s+[^-]*\Z)", item.header):
        raise UnscorableError(
            "unsupported_signature", "reference.code.signature is a template or has a deduced type; name the types"
        )
    stub, parameters = _with_names(item.header)
    return Declaration(items[:at] + items[at + 1 :], item.name, item.header, stub, parameters)


def defined_names(program: str) -> frozenset[str]:
    """What a program defines at its outermost level, and perhaps some more; in linear time, for any text."""
    found: set[str] = set()
    called: list[str] = []
    words = tokens(program, "cpp")
    depth = 0
    for at, word in enumerate(words):
        if word in ("{", "}"):
            if word == "{" and not depth:
                found.update(called)
            depth = max(depth + (1 if word == "{" else -1), 0)
            called.clear()
        elif not depth and word == ";":
            called.clear()
        elif not depth and _NAME.fullmatch(word):
            following = words[at + 1] if at + 1 < len(words) else ""
            if following == "(":
                called.append(word)
            elif following in ("=", ";", "[") or (at and words[at - 1] in _KINDS):
                found.add(word)
    return frozenset(found)


def without_hidden(source: str) -> str:
    """The text with comments and literals blanked; of references alone."""
    return _HIDDEN.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source)


def split_items(source: str) -> tuple[Item, ...]:
    """The items of a file at its outermost level; a body left open ends with the file."""
    masked = without_hidden(source)
    items: list[Item] = []
    at = 0
    while at < len(masked):
        if masked[at].isspace() or masked[at] == ";":
            at += 1
            continue
        directive = _DIRECTIVE.match(masked, at)
        if directive:
            items.append(Item(source[at : directive.end()].strip(), is_directive=True))
            at = directive.end()
            continue
        end, body = _end_of_item(masked, at)
        items.append(_item(source, masked, at, end, body))
        at = end
    return tuple(items)


def _end_of_item(masked: str, start: int) -> tuple[int, int]:
    """Where the item ends, and where its body opens (or its end)."""
    braces = parentheses = 0
    body = -1
    for at in range(start, len(masked)):
        char = masked[at]
        if char in "()":
            parentheses += 1 if char == "(" else -1
        elif char == "{":
            if not braces and not parentheses and body < 0:
                body = at
            braces += 1
        elif char == "}":
            braces -= 1
            if not braces and not parentheses and not _goes_on(masked[start:body]):
                return at + 1, body
        elif char == ";" and not braces and not parentheses:
            return at + 1, at if body < 0 else body
    return len(masked), len(masked) if body < 0 else body


def _goes_on(head: str) -> bool:
    """Whether a semicolon follows the closing brace: types and initialisers, but not functions that return one."""
    return "=" in head or (_NEEDS_SEMICOLON.match(head) is not None and "(" not in head)


def _item(source: str, masked: str, start: int, end: int, body: int) -> Item:
    text, head = source[start:end], masked[start:body]
    if re.match(r"using\s+namespace\b", head):
        return Item(text)
    alias = re.match(r"using\s+([A-Za-z_]\w*)\s*=", head)
    if alias:
        return Item(text, alias[1])
    if head.startswith("typedef"):
        names = _NAME.findall(masked[start:end])
        return Item(text, names[-1])
    defined = _DEFINED_TYPE.match(re.sub(r"^template\s*<[^>]*>\s*", "", head))
    if defined and "(" not in head:
        return Item(text, defined[1])
    opened = _first_parenthesis(head)
    name = _NAME.findall(head[:opened])[-1:] if opened >= 0 else []
    if name and "=" not in head[:opened] and not head.startswith(("using", "namespace", "extern", "static_assert")):
        return Item(text, name[0], source[start : start + len(head)].strip())
    variable = re.search(r"([A-Za-z_]\w*)\s*(?:\[[^=]*)?(?:=|\Z)", head)
    if variable and not head.startswith(("using", "namespace", "extern")):
        return Item(text, variable[1])
    return Item(text)


def _first_parenthesis(head: str) -> int:
    """Where the parameters open: not inside of template arguments."""
    depth = 0
    for at, char in enumerate(head):
        if char == "(" and not depth:
            return at
        depth += (char in "<(") - (char in ">)")
    return -1


def _with_names(header: str) -> tuple[str, int]:
    masked = without_hidden(header)
    opened = _first_parenthesis(masked)
    closed = _matching(masked, opened)
    inside = masked[opened + 1 : closed]
    if inside.strip() in ("", "void"):
        return header, 0
    parts = [_named(part, f"assay_{at}") for at, part in enumerate(_split(inside))]
    return f"{header[:opened]}({', '.join(parts)}){header[closed + 1 :]}", len(parts)


def _matching(text: str, opened: int) -> int:
    depth = 0
    for at in range(opened, len(text)):
        depth += (text[at] == "(") - (text[at] == ")")
        if not depth:
            return at
    raise UnscorableError("bad_signature", "reference.code.signature: the parameters do not end")


def _split(inside: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for at, char in enumerate(inside):
        depth += (char in _PAIRS) - (char in _PAIRS.values())
        if char == "," and not depth:
            parts.append(inside[start:at])
            start = at + 1
    return [*parts, inside[start:]]


def _named(parameter: str, name: str) -> str:
    """The parameter under another name, without its default."""
    parameter = parameter.partition("=")[0].rstrip()
    pointer = re.search(r"\(\s*[*&]+\s*(\w*)\s*\)", parameter)
    if pointer:
        return f"{parameter[: pointer.start(1)]}{name}{parameter[pointer.end(1) :]}"
    array = parameter.find("[")
    kept, suffix = (parameter, "") if array < 0 else (parameter[:array].rstrip(), parameter[array:])
    last = re.search(r"[A-Za-z_]\w*\Z", kept)
    before = kept[: last.start()].rstrip() if last else ""
    is_name = (
        last is not None
        and not _WORDS_OF_TYPES.fullmatch(last[0])
        and not before.endswith("::")
        and bool(set(re.split(r"\s+", before)) - {"", "const", "volatile", "struct", "class", "enum", "typename"})
    )
    return f"{before if is_name else kept} {name}{suffix}"
