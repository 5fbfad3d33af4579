"""The declaration of an entry point as the program itself gives it, for references that bring none.

MultiPL-E's scripts, for one, call a function that only the prompt names. The tester then declares the function as the
program does, but only in plain standard types: every word of a declaration is on a list, so nothing else of a program
reaches the tester.
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from verifier.judging.bridges.tokens import MAX_CHARACTERS, closing, tokens
from verifier.types import CodeReference

_MAX_WORDS, _MAX_FOUND, _MAX_ALIASES, _MAX_DIGITS = 400, 64, 64, 7


@dataclass(frozen=True, slots=True)
class Declaration:
    """An entry point, and its declaration as ``CodeReference.signature`` takes it.

    ``prelude`` is what the program would have of a script that stands in the same file.
    """

    entry_point: str
    signature: str
    prelude: str = ""


def is_declared(language: str, reference: CodeReference) -> bool:
    """Whether a reference says of its entry point what a tester needs, so that no program is asked."""
    if language in _UNTYPED:
        return bool(reference.entry_point)
    return bool(reference.signature) or language not in _FINDERS


def find_declaration(language: str, program: str, script: str, entry_point: str) -> Declaration | None:
    """The declaration of the function that a script tests.

    The entry point is the last function of the program that the script names and does not declare itself. It is one
    alone, so a program that declares what the script means by other names makes its tests fail.

    Args:
        language: name of the language, such as ``cpp``.
        program: what declares it; may hold anything.
        script: of tests.
        entry_point: its name where it is known; a class or brackets around it are passed over.

    Returns:
        None if there is no such function, or its types are not plain.
    """
    if language in _UNTYPED:
        return _untyped(program, script, entry_point)
    find = _FINDERS.get(language)
    if find is None:
        return None
    words = tokens(script, language)
    used = frozenset(words)
    own = {found.entry_point for found in find(words, used, frozenset())}
    wanted = entry_point.replace("()", "").rpartition(".")[2]
    named = frozenset({wanted}) if wanted else used - own - {"main"}
    matches = (found for found in find(tokens(program, language), named, used) if found.entry_point in named)
    last = next(iter(deque(itertools.islice(matches, _MAX_FOUND), maxlen=1)), None)
    if last is not None and language == "cpp":
        return Declaration(last.entry_point, f"{_cpp_head(program)}{last.signature}", _cpp_head(script))
    return last


_UNTYPED = ("javascript", "typescript")
_NAMED = re.compile(
    r"^(?:export[ \t]+)?(?:default[ \t]+)?(?:async[ \t]+)?"
    r"(?:function\b[ \t]*\*?|(?:const|let|var|class)\b)[ \t]*([\w$]{1,200})",
    re.MULTILINE | re.ASCII,
)
_WORD = re.compile(r"[\w$]+", re.ASCII)


def _untyped(program: str, script: str, entry_point: str) -> Declaration | None:
    """The last name that stands at the left edge of the program, and in the script but not at its edge."""
    used = set(_WORD.findall(script)) - set(_NAMED.findall(script))
    names = [name for name in _NAMED.findall(program[:MAX_CHARACTERS]) if name in used]
    name = entry_point or (names[-1] if names else "")
    return Declaration(name, "") if name else None


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


Finder = Callable[[Sequence[str], frozenset[str], frozenset[str]], Iterator[Declaration]]
"""Takes tokens, the names of functions that are looked for, and every word of the script."""

_CPP_TYPES = _words(
    "std const unsigned signed long int short char bool float double void auto size_t string vector pair tuple map"
    " unordered_map set unordered_set multiset multimap deque list array optional queue stack int8_t int16_t int32_t"
    " int64_t uint8_t uint16_t uint32_t uint64_t"
)
_CPP_SIGNS = frozenset(("::", "<", ">", ",", "&", "*"))
_CPP_MODIFIERS = frozenset(("static", "inline", "extern", "constexpr"))
_CPP_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*<([a-z0-9_/+.]{1,24})>", re.MULTILINE)
_CPP_HEADERS = _words(
    "bits/stdc++.h algorithm array bitset cassert cctype cfloat chrono climits cmath complex cstdint cstdio cstdlib"
    " cstring ctime deque forward_list functional iomanip iostream iterator limits list map memory numeric optional"
    " ostream queue random regex set sstream stack stdexcept string tuple unordered_map unordered_set utility variant"
    " vector assert.h ctype.h limits.h math.h stdint.h stdio.h stdlib.h string.h time.h"
)
_CPP_OWN_HEADER = _words(
    "string vector tuple map set deque list array optional queue stack unordered_map unordered_set"
)
_CPP_OTHER_HEADER = MappingProxyType({"multimap": "map", "multiset": "set", "pair": "utility", "size_t": "cstddef"})


def _cpp_head(program: str) -> str:
    """What a script that stood below the program would have of it: standard headers, and the namespace."""
    headers = [name for name in _CPP_INCLUDE.findall(program[:MAX_CHARACTERS]) if name in _CPP_HEADERS]
    head = "".join(f"#include <{name}>\n" for name in dict.fromkeys(headers))
    uses = re.search(r"\busing\s+namespace\s+std\s*;", program[:MAX_CHARACTERS])
    return f"{head}using namespace std;\n" if uses else head


def _cpp(found: Sequence[str], named: frozenset[str], used: frozenset[str]) -> Iterator[Declaration]:
    aliases: dict[str, list[str]] = {}
    start = at = 0
    while at < len(found):
        word = found[at]
        if word == "{":
            at = start = closing(found, at) + 1
            continue
        if word == ";":
            _cpp_alias(found[start:at], aliases, used)
            start = at + 1
        elif word == "(":
            end = closing(found, at)
            if found[end + 1 : end + 2] == ["{"] and at > start and found[at - 1] in named:
                name, returned = found[at - 1], [w for w in found[start : at - 1] if w not in _CPP_MODIFIERS]
                declared = _cpp_declaration(name, returned, found[at + 1 : end], aliases)
                if declared is not None:
                    yield declared
            at = end
        at += 1


def _cpp_alias(words: Sequence[str], aliases: dict[str, list[str]], used: frozenset[str]) -> None:
    """Reads ``using ll = long long``; a name that the script uses must not change its meaning there."""
    match list(words):
        case ["typedef", *kind, name] | ["using", name, "=", *kind] if (
            kind and name.isidentifier() and name not in used
        ):
            if len(aliases) < _MAX_ALIASES and _are_known(kind, _CPP_TYPES | aliases.keys(), _CPP_SIGNS):
                aliases[name] = kind


def _cpp_declaration(
    name: str, returned: Sequence[str], inside: Sequence[str], aliases: Mapping[str, list[str]]
) -> Declaration | None:
    parts = _split(inside, opening=("<", "(", "{"), closing_signs=(">", ")", "}"))
    params: list[str] = []
    known = _CPP_TYPES | aliases.keys()
    for number, words in enumerate(parts):
        kind = words[: words.index("=")] if "=" in words else words
        if len(kind) > 1 and kind[-1] not in known and kind[-1].isidentifier():
            kind = kind[:-1]
        if not _are_known(kind, known, _CPP_SIGNS):
            return None
        params.append(f"{' '.join(kind)} argument{number}")
    if not returned or returned[0] == "template" or not _are_known(returned, known - {"auto"}, _CPP_SIGNS):
        return None
    used = {word for kind in (returned, inside, *aliases.values()) for word in kind}
    headers = (
        {"cstdint"} | (used & _CPP_OWN_HEADER) | {_CPP_OTHER_HEADER[word] for word in used & _CPP_OTHER_HEADER.keys()}
    )
    lines = [f"#include <{header}>" for header in sorted(headers)]
    if used & _CPP_OWN_HEADER and "std" not in used:
        lines.append("using namespace std;")
    lines += [f"using {alias} = {' '.join(kind)};" for alias, kind in aliases.items()]
    lines.append(f"{' '.join(returned)} {name}({', '.join(params)}) {{")
    return Declaration(name, "\n".join(lines))


_GO_TYPES = _words(
    "bool string int int8 int16 int32 int64 uint uint8 uint16 uint32 uint64 byte rune float32 float64 error any"
    " interface map"
)
_GO_SIGNS = frozenset(("[", "]", "{", "}", "(", ")", ",", "*", "."))


def _go(found: Sequence[str], named: frozenset[str], _used: frozenset[str]) -> Iterator[Declaration]:
    at = 0
    while at < len(found):
        if found[at] == "{":
            at = closing(found, at)
        elif found[at] == "func" and found[at + 1 : at + 2] != ["("] and found[at + 2 : at + 3] == ["("]:
            end = closing(found, at + 2)
            body = _go_body(found, end + 1)
            name, inside, returned = found[at + 1], found[at + 3 : end], found[end + 1 : body]
            if name in named and _are_go_params(inside) and _are_known(returned, _GO_TYPES, _GO_SIGNS):
                yield Declaration(name, f"func {name}({_spaced(inside)}) {_spaced(returned)} {{")
            at = closing(found, body)
        at += 1


def _go_body(found: Sequence[str], at: int) -> int:
    """The place of the brace that opens a body, after a result that may hold ``interface{}``."""
    while at < len(found) and not (found[at] == "{" and found[at - 1] != "interface"):
        at = closing(found, at) + 1 if found[at] in ("(", "[", "{") else at + 1
    return at


def _are_go_params(inside: Sequence[str]) -> bool:
    for words in _split(inside, opening=("(", "[", "{"), closing_signs=(")", "]", "}")):
        if not words[0].isidentifier():
            return False
        if len(words) > 1 and not _are_known(words[1:], _GO_TYPES, _GO_SIGNS):
            return False
    return True


_RUST_TYPES = _words(
    "bool char str String Vec Option Result HashMap HashSet BTreeMap BTreeSet VecDeque Box mut i8 i16 i32 i64 i128"
    " isize u8 u16 u32 u64 u128 usize f32 f64"
)
_RUST_SIGNS = frozenset(("<", ">", ",", "&", "(", ")", "[", "]", ";", "'"))


def _rust(found: Sequence[str], named: frozenset[str], _used: frozenset[str]) -> Iterator[Declaration]:
    at = 0
    while at < len(found):
        if found[at] == "{":
            at = closing(found, at)
        elif found[at] == "fn" and found[at + 2 : at + 3] == ["("]:
            end = closing(found, at + 2)
            body = end + 1
            while body < len(found) and found[body] not in ("{", ";", "where"):
                body = closing(found, body) + 1 if found[body] in ("(", "[") else body + 1
            name, inside, returned = found[at + 1], found[at + 3 : end], found[end + 1 : body]
            params = _rust_params(inside)
            kinds = returned[1:] if returned[:1] == ["->"] else returned
            if name in named and params is not None and _are_known(kinds, _RUST_TYPES, _RUST_SIGNS):
                arrow = f" -> {' '.join(kinds)}" if kinds else ""
                yield Declaration(name, f"use std::collections::*;\nfn {name}({', '.join(params)}){arrow} {{")
            at = body - 1
        at += 1


def _rust_params(inside: Sequence[str]) -> list[str] | None:
    params: list[str] = []
    for number, words in enumerate(_split(inside, opening=("<", "(", "["), closing_signs=(">", ")", "]"))):
        kind = list(words[words.index(":") + 1 :]) if ":" in words else []
        if not kind or not _are_known(kind, _RUST_TYPES, _RUST_SIGNS):
            return None
        params.append(f"argument{number}: {' '.join(kind)}")
    return params


_JAVA_TYPES = _words(
    "int long short byte char boolean float double void Integer Long Short Byte Character Boolean Float Double String"
    " Object List ArrayList LinkedList Set HashSet TreeSet LinkedHashSet Map HashMap TreeMap LinkedHashMap Optional"
    " BigInteger BigDecimal Number Deque ArrayDeque Queue Collection Iterable java util lang math"
)
_JAVA_SIGNS = frozenset(("<", ">", ",", "[", "]", ".", "?"))
_JAVA_MODIFIERS = frozenset(("public", "protected", "private", "static", "final", "synchronized", "strictfp"))


def _java(found: Sequence[str], named: frozenset[str], used: frozenset[str]) -> Iterator[Declaration]:
    """Methods of the classes that the script names."""
    at = 0
    while at < len(found):
        if found[at] == "class" and found[at + 1 : at + 2] and found[at + 1] in used:
            opened = at
            while opened < len(found) and found[opened] != "{":
                opened += 1
            end = closing(found, opened)
            yield from _java_methods(found[at + 1], found[opened + 1 : end], named)
            at = end
        elif found[at] == "{":
            at = closing(found, at)
        at += 1


def _java_methods(owner: str, found: Sequence[str], named: frozenset[str]) -> Iterator[Declaration]:
    start = at = 0
    while at < len(found):
        if found[at] in (";", "{"):
            at = closing(found, at) if found[at] == "{" else at
            start = at + 1
        elif found[at] == "(":
            end = closing(found, at)
            name, before = found[at - 1], found[start : max(at - 1, start)]
            returned = [word for word in before if word not in _JAVA_MODIFIERS]
            params = _java_params(found[at + 1 : end])
            is_body = found[end + 1 : end + 2] in (["{"], ["throws"])
            is_plain = bool(returned) and params is not None and _are_known(returned, _JAVA_TYPES, _JAVA_SIGNS)
            if is_body and name in named and is_plain and params is not None and "private" not in before:
                static = "static " if "static" in before else ""
                method = f"public {static}{' '.join(returned)} {name}({', '.join(params)}) {{"
                yield Declaration(name, f"import java.util.*;\nimport java.math.*;\nclass {owner} {{\n    {method}")
            at = end
        at += 1


def _java_params(inside: Sequence[str]) -> list[str] | None:
    params: list[str] = []
    for number, words in enumerate(_split(inside, opening=("<", "("), closing_signs=(">", ")"))):
        kind = [word for word in words[:-1] if word != "final"]
        if not kind or not _are_known(kind, _JAVA_TYPES, _JAVA_SIGNS):
            return None
        params.append(f"{' '.join(kind)} argument{number}")
    return params


def _split(words: Sequence[str], *, opening: tuple[str, ...], closing_signs: tuple[str, ...]) -> list[list[str]]:
    """The words between commas that stand in no bracket."""
    parts: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word in opening) - (word in closing_signs)
        if word == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _are_known(words: Sequence[str], types: frozenset[str] | set[str], signs: frozenset[str]) -> bool:
    return len(words) <= _MAX_WORDS and all(word in types or word in signs or _is_size(word) for word in words)


def _is_size(word: str) -> bool:
    """The length of an array."""
    return word.isascii() and word.isdigit() and len(word) <= _MAX_DIGITS


def _spaced(words: Sequence[str]) -> str:
    return " ".join(words).replace(". . .", "...")


_FINDERS: Mapping[str, Finder] = MappingProxyType({"cpp": _cpp, "go": _go, "rust": _rust, "java": _java})
