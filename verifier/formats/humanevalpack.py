"""HumanEval in six languages: HumanEvalPack, and HumanEval-X from which it comes.

The language stands in the task's id (``Java/12``). In other languages than Python the declaration becomes the
reference's signature, so that the script can run in a process of its own.

Source:
    https://github.com/bigcode-project/octopack; https://github.com/THUDM/CodeGeeX (``codegeex/benchmark``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from verifier.formats.base import Task
from verifier.formats.fields import FieldError, Fields
from verifier.formats.programs import Stub, before_definition
from verifier.types import CodeReference

_LANGUAGES: Mapping[str, str] = MappingProxyType(
    {"python": "python", "javascript": "javascript", "js": "javascript", "java": "java", "go": "go", "cpp": "cpp"}
    | {"c++": "cpp", "rust": "rust"}
)
"""Language of an id, in lower case -> ours."""

_PACKAGE = r"^[ \t]*package[ \t]+\w+"
_USE = r"^[ \t]*(?:pub[ \t]+)?use[ \t]+"
_INCLUDES = re.compile(r"^[ \t]*(?:#[ \t]*include\b|using[ \t]+namespace\b)[^\n]*$", re.MULTILINE)
_IMPORTS = re.compile(r"^[ \t]*import[ \t][^\n]*;[ \t]*$", re.MULTILINE)
_USES = re.compile(r"^[ \t]*use[ \t][^\n]*;[ \t]*$", re.MULTILINE)
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "python": r"\bdef[ \t]+(\w+)[ \t]*\([^\n]*:\s*$",
        "javascript": r"\b(?:const|let|var|function)[ \t]+(\w+)",
        "java": r"(\w+)[ \t]*\([^()\n]*\)[^()\n{]*\{\s*$",
        "go": r"^func[ \t]+(\w+)",
        "rust": r"\bfn[ \t]+(\w+)",
        "cpp": r"(\w+)[ \t]*\([^()\n]*\)\s*\{\s*$",
    }
)


def read_humanevalpack(row: Fields) -> Task:
    """A row of HumanEvalPack or HumanEval-X."""
    language = _language(row)
    declaration = row.text("declaration") or row.needed("prompt")
    entry_point = row.text("entry_point") or _declared(language, declaration, row.at("declaration"))
    test = row.needed("test")
    solution = row.text("canonical_solution")
    if language == "python":
        prompt = row.text("prompt") or declaration
        prelude = before_definition(prompt, entry_point)
        call = "" if re.search(rf"^check\([ \t]*{re.escape(entry_point)}[ \t]*\)", test, re.MULTILINE) else "\n"
        script = prelude + (f"{test}\n\ncheck({entry_point})\n" if call else f"{test}\n")
        return Task(
            reference=CodeReference(language=language, script=script, entry_point=entry_point, prelude=prelude),
            stub=Stub(language=language, entry_point=entry_point, head=prompt[len(prelude) :]),
            solution=solution and declaration[len(before_definition(declaration, entry_point)) :] + solution,
        )
    imports = _imports(language, row, declaration)
    stub = Stub(
        language=language,
        entry_point=entry_point,
        head=f"{imports}\n{declaration}" if language == "go" else declaration,
        imports=imports,
        owns_imports=_OWN[language],
    )
    setup = row.text("test_setup")
    # In Go the declaration is of the last function alone; those before it, which tests use too, are in the prompt.
    prompt = row.text("prompt") if language == "go" else ""
    declared = prompt if len(re.findall(_NAMES["go"], prompt, re.MULTILINE)) > 1 else declaration
    return Task(
        reference=CodeReference(
            language=language,
            script=f"{setup}\n{test}" if setup else test,
            entry_point=entry_point,
            signature=f"{imports}\n{declared}" if language == "go" else declaration,
        ),
        stub=stub,
        solution=solution and stub.head + solution,
    )


_OWN: Mapping[str, str] = MappingProxyType(
    # What may stand twice is always put in front: an include, an import of Java.
    {"go": _PACKAGE, "rust": _USE, "cpp": r"(?!)", "java": r"(?!)", "javascript": r""}
)


def _imports(language: str, row: Fields, declaration: str) -> str:
    """What the task imports for the program."""
    match language:
        case "go":
            return f"package main\n\n{row.text('import')}"
        case "cpp":
            return "\n".join(_INCLUDES.findall(declaration))
        case "java":
            return "\n".join(_IMPORTS.findall(declaration))
        case "rust":
            return "\n".join(_USES.findall(declaration))
        case _:
            return ""


def _language(row: Fields) -> str:
    head, _, number = row.needed("task_id").rpartition("/")
    name = head.rpartition("/")[2].lower()
    if not number.isdecimal() or name not in _LANGUAGES:
        raise FieldError(row.at("task_id"), "expected a language and a number, such as Java/12")
    return _LANGUAGES[name]


def _declared(language: str, declaration: str, path: str) -> str:
    """The last function that the declaration opens."""
    found = re.findall(_NAMES[language], declaration, re.MULTILINE)
    if not found:
        raise FieldError(path, f"declares no function of {language}; give entry_point")
    return str(found[-1])
