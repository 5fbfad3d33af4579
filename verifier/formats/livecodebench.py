"""LiveCodeBench: public tests as JSON text, and private ones as base64 of a zlib stream of a pickled JSON text.

A test of the type ``functional`` calls ``metadata.func_name``: the JSON of one argument a line, and that of the value.

Source:
    https://github.com/LiveCodeBench/LiveCodeBench (``lcb_runner/benchmarks/code_generation.py``).
"""

from __future__ import annotations

import base64
import binascii

from verifier.errors import UnscorableError
from verifier.formats import cases
from verifier.formats.apps import from_cases
from verifier.formats.base import Task
from verifier.formats.fields import FieldError, Fields, list_of, object_of, parse_row
from verifier.formats.plain_pickle import PickleError, inflated, pickled_text

MAX_INFLATED_BYTES = 256 << 20
"""Longest list of private tests that is read."""


def read_livecodebench(row: Fields) -> Task:
    """A row of LiveCodeBench; public and private tests count."""
    public = cases.nested(row.get("public_test_cases") or None, row.at("public_test_cases"))
    private = _private(row.get("private_test_cases") or None, row.at("private_test_cases"))
    metadata = cases.nested(row.get("metadata") or None, row.at("metadata"))
    function = object_of(metadata, row.at("metadata")).text("func_name") if metadata is not None else ""
    tests = [
        *list_of(public, row.at("public_test_cases")),
        *list_of(private, row.at("private_test_cases")),
    ]
    return Task(
        reference=from_cases(
            tests,
            "public_test_cases, private_test_cases",
            function=function,
            returns=row.text("starter_code"),
            may_wrap=False,
        ),
    )


def _private(value: object, path: str) -> object:
    """The private tests: plain, as JSON text, or packed."""
    if not isinstance(value, str):
        return value
    if value.lstrip()[:1] in ("[", "{"):
        return parse_row(value, path)
    try:
        text = pickled_text(inflated(base64.b64decode(value, validate=True), MAX_INFLATED_BYTES))
    except binascii.Error as error:
        raise FieldError(path, "is neither JSON nor base64") from error
    except PickleError as error:
        raise UnscorableError(
            "unsafe_tests",
            f"livecodebench: {path} {error}; it is not read, because a pickle can run code: decode it where you trust"
            " it, and give the JSON text",
        ) from error
    return parse_row(text, path)
