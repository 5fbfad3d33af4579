"""Whether a reference can be judged at all: its fields, checked before anything runs."""

from __future__ import annotations

import math
from collections.abc import Collection

from verifier.errors import UnscorableError
from verifier.judging.languages import LANGUAGES, Language
from verifier.judging.scoring import check_scoring
from verifier.judging.values import parse_expected
from verifier.types import CodeReference, Comparison, Framework, JudgeProgram, Protocol

MAX_TEST_BYTES = 512 << 20
_MAX_ARGS, _MAX_ARG_CHARS = 64, 4096
_MAX_NAME_BYTES = 200


def language_of(name: str, field: str) -> Language:
    """A language by any of its names.

    Raises:
        UnscorableError: there is none of this name; the detail names the field and those there are.
    """
    language = LANGUAGES.get(name.strip().lower())
    if language is None:
        known = ", ".join(sorted({language.name for language in LANGUAGES.values()}))
        raise UnscorableError("unsupported_language", f"{field} {name!r} is not known; known: {known}")
    return language


def check_shape(reference: CodeReference, language: Language) -> None:
    """Checks what the fields of a reference say and whether they go together.

    Raises:
        UnscorableError: they do not; the detail names the field and the remedy.
    """
    given = [name for name in ("stdio", "calls", "script") if getattr(reference, name)]
    if len(given) != 1:
        raise _bad(f"reference.code needs exactly one of stdio, calls and script; given: {given or 'none'}")
    _check_word("framework", reference.framework, ("", *Framework))
    _check_word("comparison", reference.comparison, tuple(Comparison))
    if reference.calls:
        if language.run_command:
            raise _bad("reference.code.calls need Python; use stdio for other languages")
        if not reference.entry_point:
            raise _bad("reference.code.entry_point is needed by calls")
        _check_arguments(reference)
    if reference.in_place and reference.stdio:
        raise _bad("reference.code.in_place needs calls or a script")
    _check_comparing(reference)
    for field, judge in (("checker", reference.checker), ("interactor", reference.interactor)):
        if judge is not None:
            _check_judge(reference, f"reference.code.{field}", judge)
    check_scoring(reference)
    size = sum(
        len(test.input) + len(test.output) + sum(len(output) for output in test.accepted) for test in reference.stdio
    )
    if size > MAX_TEST_BYTES:
        raise UnscorableError(
            "tests_too_large", f"reference.code.stdio has {size} characters; at most {MAX_TEST_BYTES}"
        )


def _check_arguments(reference: CodeReference) -> None:
    for at, test in enumerate(reference.calls):
        field = f"reference.code.calls[{at}]"
        args = parse_expected(test.args, f"{field}.args")
        if not isinstance(args, list):
            raise _bad(f"{field}.args is not a JSON list")
        if reference.in_place and not args:
            raise _bad(f"{field}.args is empty; with in_place the first argument is what is compared")
        if test.kwargs and not isinstance(parse_expected(test.kwargs, f"{field}.kwargs"), dict):
            raise _bad(f"{field}.kwargs is not a JSON object")


def _check_comparing(reference: CodeReference) -> None:
    tolerance = reference.tolerance
    is_by_tokens = reference.comparison in (Comparison.TOKENS, Comparison.TOKENS_IGNORE_CASE)
    if tolerance is not None:
        if reference.script or not is_by_tokens:
            raise _bad("reference.code.tolerance is for calls and for comparisons of tokens")
        if not (tolerance.absolute >= 0 and math.isfinite(tolerance.absolute)):
            raise _bad(f"reference.code.tolerance.absolute {tolerance.absolute} is not a number from 0 on")
        if not 0 <= tolerance.relative < 1:
            raise _bad(f"reference.code.tolerance.relative {tolerance.relative} is not in [0, 1)")
    if reference.comparison != Comparison.TOKENS and not reference.stdio:
        raise _bad("reference.code.comparison is for stdio")
    if reference.checker or reference.interactor:
        if reference.checker and reference.interactor:
            raise _bad(
                "reference.code has a checker and an interactor; the interactor decides, so leave the checker out"
            )
        if tolerance is not None or reference.comparison != Comparison.TOKENS:
            raise _bad("reference.code.comparison and tolerance have no use beside a checker or an interactor")
        if any(test.accepted for test in reference.stdio):
            raise _bad("reference.code.stdio.accepted has no use beside a checker or an interactor")


def _check_judge(reference: CodeReference, field: str, judge: JudgeProgram) -> None:
    if not reference.stdio:
        raise _bad(f"{field} needs reference.code.stdio")
    language_of(judge.language, f"{field}.language")
    if not judge.source.strip():
        raise _bad(f"{field}.source is empty")
    protocols = tuple(Protocol) if field.endswith("checker") else (Protocol.TESTLIB, Protocol.ICPC)
    _check_word(f"{field.removeprefix('reference.code.')}.protocol", judge.protocol, protocols)
    for at, file in enumerate(judge.files):
        name = file.name
        is_plain = name not in ("", ".", "..") and "/" not in name and "\0" not in name
        if not is_plain or len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
            raise _bad(f"{field}.files[{at}].name {name!r} is not the name of a file without a directory")
    if len({file.name for file in judge.files}) < len(judge.files):
        raise _bad(f"{field}.files: a name stands twice")
    if len(judge.args) > _MAX_ARGS or any(len(arg) > _MAX_ARG_CHARS or "\0" in arg for arg in judge.args):
        raise _bad(f"{field}.args: at most {_MAX_ARGS}, each of at most {_MAX_ARG_CHARS} characters and no NUL")


def _check_word(field: str, word: str, known: Collection[str]) -> None:
    if word not in known:
        words = ", ".join(str(one) for one in known if one)
        raise _bad(f"reference.code.{field} {word!r} is none of {words}")


def _bad(detail: str) -> UnscorableError:
    return UnscorableError("bad_reference", detail)
