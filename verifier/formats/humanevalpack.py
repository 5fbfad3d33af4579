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

_INCLUDES = re.compile(r"^[ \t]*(?:#[ \t]*include\b|using[ \t]+namespace\b)[^\n]*$", re.MULTILINE)
_IMPORTS = re.compile(r"^[ \t]*import[ \t][^\n]*;[ \t]*$", re.MULTILINE)
_USES = re.compile(r"^[ \t]*use[ \t][^\n]*;[ \t]*$", re.MULTILINE)
_OWN_IMPORTS: Mapping[str, str] = MappingProxyType(
    # What may stand twice is always put in front: an include, an import of Java.
    {"go": r"^[ \t]*package[ \t]+\w+", "rust": r"^[ \t]*(?:pub[ \t]+)?use[ \t]+", "cpp": "(?!)", "java": "(?!)"}
    | {"javascript": ""}
)
"""Language -> what a program looks like that needs no imports of the task's."""

_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "python": r"\bdef[ \t]+(\w+)[ \t]*\([^\n]*:\s*$",
        "javascript": r"\b(?:const|let|var|function)[ \t]+(\w+)",
        "java": r"\b(\w+)[ \t]*\([^()\n]*\)[^()\n{]*\{\s*$",
        "go": r"^func[ \t]+(\w+)",
        "rust": r"\bfn[ \t]+(\w+)",
        "cpp": r"\b(\w+)[ \t]*\([^()\n]*\)\s*\{\s*$",
    }
)
"""Language -> the name of a function where one is opened."""


def read_humanevalpack(row: Fields) -> Task:
    """A row of HumanEvalPack or HumanEval-X."""
    language = _language(row)
    declaration = row.text("declaration") or row.needed("prompt")
    entry_point = row.text("entry_point")
    if not re.search(rf"\b{re.escape(entry_point)}\b", declaration) or not entry_point:
        # Some rows spell it otherwise than the code does.
        entry_point = _declared(language, declaration, row.at("declaration"))
    if language == "python":
        return _python(row, declaration, entry_point)
    imports = _imports(language, row, declaration)
    signature = head = declaration
    if language == "go":
        # The declaration is of the last function alone; those before it, which tests use too, are in the prompt.
        prompt = row.text("prompt")
        has_more = len(re.findall(_NAMES["go"], prompt, re.MULTILINE)) > 1
        signature = f"{imports}\n{prompt if has_more else declaration}"
        head = f"package main\n\n{prompt}" if has_more else signature
    setup, solution = row.text("test_setup"), row.text("canonical_solution")
    return Task(
        reference=CodeReference(
            language=language,
            script=f"{setup}\n{row.needed('test')}" if setup else row.needed("test"),
            entry_point=entry_point,
            signature=signature,
        ),
        stub=Stub(
            language=language,
            entry_point=entry_point,
            head=head,
            imports=imports,
            owns_imports=_OWN_IMPORTS[language],
        ),
        solution=solution and head + solution,
    )


def _python(row: Fields, declaration: str, entry_point: str) -> Task:
    prompt, test = row.text("prompt") or declaration, row.needed("test")
    prelude = before_definition(prompt, entry_point)
    if not re.search(rf"^check\([ \t]*{re.escape(entry_point)}[ \t]*\)", test, re.MULTILINE):
        test = f"{test}\n\ncheck({entry_point})"
    head, solution = prompt[len(prelude) :], row.text("canonical_solution")
    return Task(
        reference=CodeReference(language="python", script=f"{test}\n", entry_point=entry_point, prelude=prelude),
        stub=Stub(language="python", entry_point=entry_point, head=head),
        solution=solution and head + solution,
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
