"""MBPP and what is written like it: a list of ``assert`` statements, with the imports that they need.

The rows of MBPP name no entry point. It is the first function that the statements call and that the dataset's own
solution defines; without a solution it is the first that they call and that Python does not have.

Source:
    https://github.com/google-research/google-research/tree/master/mbpp; evalplus/mbppplus; TIGER-Lab/AceCode-87K.
"""

from __future__ import annotations

import builtins
import re

from verifier.formats.base import Task
from verifier.formats.fields import FieldError, Fields
from verifier.types import CodeReference

_CALL = re.compile(r"(?<![\w.])([A-Za-z_]\w*)[ \t]*\(")
_DEFINED = re.compile(r"^(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)
_KEYWORDS = frozenset({"assert", "not", "and", "or", "in", "is", "if", "else", "for", "lambda", "return", "print"})


def read_mbpp(row: Fields) -> Task:
    """A row of MBPP, whole or sanitized; the challenge tests count too."""
    tests = row.texts("test_list")
    if not tests:
        raise FieldError(row.at("test_list"), "missing or empty; this format needs it")
    setup = "\n".join((*row.texts("test_imports"), row.text("test_setup_code")))
    return from_statements((*tests, *row.texts("challenge_test_list")), setup, row.text("code"))


def read_mbppplus(row: Fields) -> Task:
    """A row of MBPP+ with a script."""
    solution = row.text("code") or row.text("canonical_solution")
    if row.get("plus_input") is not None and not row.text("test"):
        raise FieldError(
            row.at("test"),
            "missing; plus_input alone has lost the tuples and sets that the tests call with: take evalplus/mbppplus,"
            " whose rows have the script",
        )
    script = row.needed("test")
    entry_point = row.text("entry_point") or entry_point_of(row.texts("test_list") or (script,), solution)
    return Task(
        reference=CodeReference(
            language="python", script="\n".join((*row.texts("test_imports"), script)), entry_point=entry_point
        ),
        solution=solution,
    )


def read_acecode(row: Fields) -> Task:
    """A row of AceCode: statements alone."""
    tests = row.texts("test_cases")
    if not tests:
        raise FieldError(row.at("test_cases"), "missing or empty; this format needs it")
    return from_statements(tests, "", "")


def from_statements(tests: tuple[str, ...], setup: str, solution: str) -> Task:
    """The task of some statements.

    Args:
        tests: ``assert`` statements.
        setup: code in front of them.
        solution: the dataset's own; empty where it has none.
    """
    script = "\n".join((*filter(None, (setup.strip("\n"), *tests)), ""))
    entry_point = entry_point_of(tests, solution)
    return Task(
        reference=CodeReference(language="python", script=script, entry_point=entry_point),
        solution=solution,
    )


def entry_point_of(tests: tuple[str, ...], solution: str) -> str:
    """The function under test; empty where the statements call none."""
    called = [name for test in tests for name in _CALL.findall(test) if name not in _KEYWORDS]
    defined = set(_DEFINED.findall(solution))
    if defined:
        return next((name for name in called if name in defined), "")
    return next((name for name in called if not hasattr(builtins, name)), "")
