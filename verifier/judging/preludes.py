"""A task's own code put in front of a program. To add a language: its rule in ``_RULES``; without one it goes first.

Only the first lines of a program are read, as text; what is not found there leaves the program as it is, and the
compiler says the rest.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Mapping
from types import MappingProxyType

_HEAD_CHARS = 1 << 16
_JAVA_HEAD = re.compile(r"^[ \t]*(?:(package)|import)[ \t][^;\n{]*;", re.MULTILINE)
_GO_PACKAGE = re.compile(r"^[ \t]*package[ \t]+\w+[ \t]*;?", re.MULTILINE)
_GO_IMPORT = re.compile(
    r'^import[ \t]*(?:\(([^)]{0,2048})\)|((?:[\w.]+[ \t]+)?(?:"[^"\n]*"|`[^`\n]*`))[ \t]*;?)', re.MULTILINE
)
_GO_SPEC = re.compile(r'([\w.]+[ \t]+)?(?:"([^"\n]*)"|`([^`\n]*)`)')
_GO_BODY = re.compile(r"^(?:func|type|var|const)\b", re.MULTILINE)
_IMPORT_LINE = re.compile(r"^(?:import|use|const|extern)\b")


def with_prelude(language: str, prelude: str, program: str, *, source_name: str) -> str:
    """The program with the prelude in front of it.

    Args:
        language: by its name in ``LANGUAGES``.
        prelude: code of the task in that language; may be empty.
        program: of a completion.
        source_name: of the program, for the compilers that are told where it begins.
    """
    if not prelude.strip():
        return program
    rule = _RULES.get(language, _before)
    return rule(prelude.rstrip() + "\n", program, source_name)


def _before(prelude: str, program: str, source_name: str) -> str:  # noqa: ARG001 (one shape for all rules)
    return prelude + program


def _before_line_one(prelude: str, program: str, source_name: str) -> str:
    return f'{prelude}#line 1 "{source_name}"\n{program}'


def _after_future(prelude: str, program: str, source_name: str) -> str:  # noqa: ARG001
    """Python: after the last ``from __future__ import`` of the program's head."""
    if "__future__" not in program:
        return prelude + program
    lines = io.StringIO(program, newline=None).readlines()
    end = _end_of_future(io.StringIO(program[:_HEAD_CHARS], newline=None).readlines())
    return "".join(lines[:end]) + prelude + "".join(lines[end:])


def _end_of_future(lines: list[str]) -> int:
    """How many lines there are up to the end of the last future import."""
    end = 0
    words: list[str] = []
    try:
        for token in tokenize.generate_tokens(iter(lines).__next__):
            if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT):
                continue
            if token.type == tokenize.NEWLINE or token.string == ";":
                end = token.end[0] if words[:2] == ["from", "__future__"] else end
                words = []
                continue
            words.append("" if token.type == tokenize.STRING else token.string)
            is_docstring, is_future = words[0] == "", words[:2] in (["from"], ["from", "__future__"])
            if not (is_docstring or is_future):
                break
    except (tokenize.TokenError, SyntaxError):
        # The program does not parse, and its interpreter will say so.
        return end
    return end


def _java(prelude: str, program: str, source_name: str) -> str:  # noqa: ARG001
    """Java: packages and imports of both come first."""
    heads, bodies = [], []
    packages = []
    for text in (program, prelude):
        limit = text.find("{")
        region = text if limit < 0 else text[:limit]
        found = list(_JAVA_HEAD.finditer(region))
        packages += [one[0].strip() for one in found if one[1]]
        heads.append([one[0].strip() for one in found if not one[1]])
        bodies.append(_JAVA_HEAD.sub("", region) + text[len(region) :])
    imports = "\n".join(dict.fromkeys([*heads[1], *heads[0]]))
    return f"{packages[0] if packages else ''}\n{imports}\n{bodies[1]}\n{bodies[0]}"


def _go(prelude: str, program: str, source_name: str) -> str:  # noqa: ARG001
    """Go: one package clause, the program's imports, and those of the prelude that something uses; then both bodies."""
    own, body = _go_parts(program)
    lent, helpers = _go_parts(prelude)
    paths = {path for _, path in own}
    names = {_go_name(alias, path) for alias, path in own}
    used = body + helpers
    for alias, path in lent:
        name = _go_name(alias, path)
        is_used = name in ("_", ".") or re.search(rf"\b{re.escape(name)}\.", used) is not None
        if is_used and path not in paths and name not in names:
            own.append((alias, path))
    imports = "".join(f'import {alias + " " if alias else ""}"{path}"\n' for alias, path in own)
    return f"package main\n{imports}\n{helpers}\n{body}"


def _go_parts(text: str) -> tuple[list[tuple[str, str]], str]:
    """The imports as alias and path, and what is neither they nor the package clause."""
    start = _GO_BODY.search(text)
    region = text[: min(start.start() if start else len(text), _HEAD_CHARS)]
    imports = [
        ((spec[1] or "").strip(), spec[2] or spec[3] or "")
        for found in _GO_IMPORT.finditer(region)
        for spec in _GO_SPEC.finditer(found[1] if found[1] is not None else found[2])
    ]
    head = _GO_PACKAGE.sub("", _GO_IMPORT.sub("", region), count=1)
    return imports, head + text[len(region) :]


def _go_name(alias: str, path: str) -> str:
    return alias or path.rpartition("/")[2]


def _rust(prelude: str, program: str, source_name: str) -> str:  # noqa: ARG001
    """Rust: the program's inner attributes first, then what of the prelude it does not say itself."""
    lines = program.splitlines(keepends=True)
    end = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith(("#![", "//"))), len(lines))
    return "".join(lines[:end]) + _without_repeated_imports(prelude, program) + "".join(lines[end:])


def _script(prelude: str, program: str, source_name: str) -> str:  # noqa: ARG001
    """JavaScript and TypeScript: what of the prelude the program does not import itself, then the program."""
    if program.startswith("#!"):
        program = program.partition("\n")[2]
    return _without_repeated_imports(prelude, program) + program


def _without_repeated_imports(prelude: str, program: str) -> str:
    """The prelude without the lines of imports that stand in the program, word for word."""
    said = {line.strip() for line in program.splitlines() if _IMPORT_LINE.match(line)}
    kept = [line for line in prelude.splitlines() if not (_IMPORT_LINE.match(line) and line.strip() in said)]
    return "\n".join(kept) + "\n"


_RULES: Mapping[str, Callable[[str, str, str], str]] = MappingProxyType(
    {
        "python": _after_future,
        "c": _before_line_one,
        "cpp": _before_line_one,
        "java": _java,
        "go": _go,
        "rust": _rust,
        "javascript": _script,
        "typescript": _script,
    }
)
