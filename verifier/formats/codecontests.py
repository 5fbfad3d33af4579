"""DeepMind's CodeContests: three sets of tests, each a list of inputs and a list of outputs.

Source:
    https://github.com/google-deepmind/code_contests (``contest_problem.proto``); deepmind/code_contests.
"""

from __future__ import annotations

from verifier.errors import UnscorableError
from verifier.formats import cases
from verifier.formats.base import Task
from verifier.formats.fields import Fields

_SETS = ("public_tests", "private_tests", "generated_tests")
_PYTHON3 = 3


def read_codecontests(row: Fields) -> Task:
    """A row of CodeContests; all three sets count."""
    for name in ("input_file", "output_file"):
        if row.text(name):
            raise UnscorableError(
                "file_input",
                f"codecontests: {row.at(name)} is {row.text(name)!r}: the programs read or write a file, not standard"
                " input and output; leave the row out",
            )
    sets = [tests for name in _SETS if (tests := row.child(name)) is not None]
    return Task(
        reference=cases.reference(
            [item for tests in sets for item in tests.items("input")],
            [item for tests in sets for item in tests.items("output")],
            field=", ".join(_SETS),
            time_limit_s=cases.time_limit(row.get("time_limit"), row.at("time_limit")),
            memory_limit_bytes=cases.memory_limit(row.get("memory_limit_bytes"), row.at("memory_limit_bytes")),
        ),
        solution=_python(row),
    )


def _python(row: Fields) -> str:
    solutions = row.child("solutions")
    if solutions is None:
        return ""
    languages = [language for language, _ in solutions.items("language")]
    pairs = zip(languages, solutions.texts("solution"), strict=False)
    return next((text for language, text in pairs if language in (_PYTHON3, "PYTHON3")), "")
