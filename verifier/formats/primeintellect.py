"""Rows with ``verification_info``: open-r1/verifiable-coding-problems-python, and the SYNTHETIC-1 that it comes from.

Test cases are a list of objects ``{type, input, output, fn_name}``, or an object of inputs and outputs, either of them
as JSON text or not. The input of a call is a list of arguments.

Source:
    https://huggingface.co/datasets/open-r1/verifiable-coding-problems-python; PrimeIntellect/SYNTHETIC-1.
"""

from __future__ import annotations

from dataclasses import replace

from verifier.formats import cases
from verifier.formats.apps import from_cases
from verifier.formats.base import Task
from verifier.formats.fields import FieldError, Fields, list_of, object_of


def read_primeintellect(row: Fields) -> Task:
    """A row with ``verification_info``."""
    at = row.at("verification_info")
    info = object_of(cases.nested(row.get("verification_info"), at), at)
    metadata = cases.nested(row.get("metadata") or None, row.at("metadata"))
    limits = Fields({}) if metadata is None else object_of(metadata, row.at("metadata"))
    time_limit_s = cases.time_limit(limits.get("time_limit"), limits.at("time_limit"))
    name = "memory_limit_bytes" if limits.get("memory_limit_bytes") is not None else "memory_limit"
    memory_limit_bytes = cases.memory_limit(limits.get(name), limits.at(name))
    field = info.at("test_cases")
    tests = cases.nested(info.get("test_cases"), field)
    if isinstance(tests, dict):
        pairs = object_of(tests, field)
        reference = cases.reference(
            pairs.items("inputs"),
            pairs.items("outputs"),
            field=field,
            function=pairs.text("fn_name") or info.text("fn_name"),
            may_wrap=True,
            time_limit_s=time_limit_s,
            memory_limit_bytes=memory_limit_bytes,
        )
    elif tests is None:
        raise FieldError(field, "missing; this format needs it")
    else:
        reference = from_cases(
            list_of(tests, field),
            field,
            text="list",
            time_limit_s=time_limit_s,
            memory_limit_bytes=memory_limit_bytes,
        )
    language = info.text("language") or reference.language
    return Task(reference=replace(reference, language=language), solution=_solution(row))


def _solution(row: Fields) -> str:
    return row.text("gold_standard_solution")
