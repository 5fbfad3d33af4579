"""HumanEval: a prompt that ends inside a function, and a script that defines ``check(candidate)``.

HumanEval+ comes as the same rows with a longer script (``evalplus/humanevalplus``), or, in EvalPlus's own release, as
inputs without expected outputs: there the tester runs the row's canonical solution beside the completion and compares
as EvalPlus does.

Source:
    https://github.com/openai/human-eval, https://github.com/evalplus/evalplus (``evalplus/eval``).
"""

from __future__ import annotations

from verifier.formats.base import Task
from verifier.formats.cases import nested
from verifier.formats.fields import FieldError, Fields, json_text, list_of
from verifier.formats.programs import Stub, before_definition
from verifier.types import CodeReference

_ORACLE = """\
{source}

import copy as _copy
import json as _json

from solution import {entry_point} as _actual

_canonical = {entry_point}


def _is_floats(value):
    if isinstance(value, (list, tuple)):
        return all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def _is_close(actual, expected, atol):
    if isinstance(expected, (list, tuple)) and isinstance(actual, (list, tuple)):
        pairs = zip(actual, expected)
        return len(actual) == len(expected) and all(_is_close(a, b, atol) for a, b in pairs)
    if actual == expected:
        return True
    # Only numbers are asked to count: an object of the solution could answer anything.
    is_number = type(actual) in (int, float) and type(expected) in (int, float)
    return is_number and abs(actual - expected) <= atol + 1e-7 * abs(expected)


def _is_right(args, actual, expected, atol):
    if {entry_point!r} == "find_zero":
        if type(actual) not in (int, float):
            return False
        return abs(sum(factor * actual**power for power, factor in enumerate(args[0]))) <= atol
    if actual == expected:
        return True
    atol = atol or (1e-6 if _is_floats(expected) else 0)
    return bool(atol) and type(actual) is type(expected) and _is_close(actual, expected, atol)


for _args in _json.loads({inputs!r}):
    _expected = _canonical(*_copy.deepcopy(_args))
    assert _is_right(_args, _actual(*_copy.deepcopy(_args)), _expected, {atol!r})
"""


def read_humaneval(row: Fields) -> Task:
    """A row of HumanEval, or of HumanEval+ with a script."""
    return _task(row, f"{row.needed('test')}\n\ncheck({_entry_point(row)})\n")


def read_humanevalplus(row: Fields) -> Task:
    """A row of HumanEval+, with a script or with inputs alone."""
    if row.text("test") and row.get("plus_input") is None:
        return read_humaneval(row)
    inputs = [item for name in ("base_input", "plus_input") for item, path in _inputs(row, name)]
    if not inputs:
        raise FieldError(row.at("plus_input"), "missing or empty, as is test; this format needs one of them")
    script = _ORACLE.format(
        source=f"{row.needed('prompt')}{row.needed('canonical_solution')}",
        entry_point=_entry_point(row),
        inputs=json_text(inputs),
        atol=row.number("atol") or 0.0,
    )
    return _task(row, script)


def _inputs(row: Fields, name: str) -> list[tuple[object, str]]:
    inputs = list_of(nested(row.get(name), row.at(name)), row.at(name))
    for item, path in inputs:
        if not isinstance(item, list):
            raise FieldError(path, "expected a list of arguments")
    return inputs


def _entry_point(row: Fields) -> str:
    name = row.needed("entry_point")
    if not name.isidentifier():
        raise FieldError(row.at("entry_point"), "expected the name of a function")
    return name


def _task(row: Fields, script: str) -> Task:
    prompt, entry_point = row.needed("prompt"), _entry_point(row)
    prelude = before_definition(prompt, entry_point)
    canonical = row.text("canonical_solution")
    return Task(
        reference=CodeReference(language="python", script=script, entry_point=entry_point, prelude=prelude),
        stub=Stub(language="python", entry_point=entry_point, head=prompt[len(prelude) :]),
        solution=canonical and prompt[len(prelude) :] + canonical,
    )
