"""open-r1/codeforces: official tests that may be incomplete, checkers, and problems that are interactive or use files.

Source:
    https://huggingface.co/datasets/open-r1/codeforces (the card tells how a checker is called).
"""

from __future__ import annotations

from verifier.errors import UnscorableError
from verifier.formats import cases
from verifier.formats.base import Task
from verifier.formats.fields import Fields
from verifier.types import CodeReference, JudgeProgram, Protocol, StdioTest


def read_codeforces(row: Fields) -> Task:
    """A row whose official tests are complete."""
    if not row.flag("official_tests_complete"):
        raise UnscorableError(
            "incomplete_tests",
            "codeforces: official_tests_complete is false: long tests were cut from the row, so a wrong program may"
            " pass; leave the row out, or take the format codeforces-incomplete",
        )
    return _task(row, row.children("official_tests"))


def read_codeforces_incomplete(row: Fields) -> Task:
    """Any row, judged by the official tests and examples that it has."""
    return _task(row, [*row.children("examples"), *row.children("official_tests")])


def _task(row: Fields, tests: list[Fields]) -> Task:
    if row.text("interaction_format"):
        raise UnscorableError(
            "interactive",
            "codeforces: interaction_format is given: the problem is interactive, and the row has no interactor; leave"
            " the row out",
        )
    mode = row.text("input_mode")
    if mode not in ("", "stdio"):
        raise UnscorableError(
            "file_input",
            f"codeforces: input_mode is {mode!r}: the programs do not read standard input; leave the row out",
        )
    checker = row.text("generated_checker")
    reference = cases.reference(
        [(test.get("input"), test.at("input")) for test in tests],
        [(test.get("output"), test.at("output")) for test in tests],
        field=row.at("official_tests"),
        time_limit_s=cases.time_limit(row.get("time_limit"), row.at("time_limit")),
        memory_limit_bytes=cases.memory_limit(row.get("memory_limit"), row.at("memory_limit"), unit="m"),
    )
    return Task(
        reference=CodeReference(
            language=row.text("language") or reference.language,
            stdio=_distinct(reference.stdio),
            time_limit_s=reference.time_limit_s,
            memory_limit_bytes=reference.memory_limit_bytes,
            checker=JudgeProgram(language="python", source=checker, protocol=Protocol.PRINTED.value)
            if checker
            else None,
        )
    )


def _distinct(tests: tuple[StdioTest, ...]) -> tuple[StdioTest, ...]:
    return tuple(dict.fromkeys(tests))
