"""The programs that a task brings to judge with, as the sandbox runs them: checkers and interactors."""

from __future__ import annotations

from verifier.judging.ends import compile_error, error_of, is_compiled, report_of
from verifier.judging.languages import Language
from verifier.judging.shape import language_of
from verifier.sandbox.base import JobResult, Program, RunResult
from verifier.types import JudgeProgram, Protocol

_SHARED_TOOLCHAINS = ("python", "cpp")
"""What every image has, so that judge programs run beside any solution."""


def judge_program(judge: JudgeProgram, field: str) -> tuple[Program, Language]:
    """The program of a checker or interactor, and its language."""
    language = language_of(judge.language, f"{field}.language")
    source = judge.source
    if judge.protocol == Protocol.TESTLIB and language.toolchain == "cpp":
        # Else testlib ends with the bare percentage for a partial score, and 0 percent would read as "right".
        source = f'#define TESTSYS\n#line 1 "{language.source_name}"\n{source}'
    return language.program(source, tuple((file.name, file.text) for file in judge.files)), language


def toolchain_for(judge_language: Language, beside: Language) -> str:
    """The image that runs a judge program of one language beside solutions of another."""
    return beside.toolchain if judge_language.toolchain in _SHARED_TOOLCHAINS else judge_language.toolchain


def file_bytes(text: str) -> bytes:
    """A text of the reference as a program reads it."""
    return text.encode("utf-8", "replace")


def why_no_program(compiled: RunResult | None, result: JobResult, language: Language) -> str:
    """Why a judge program does not compile, or empty."""
    if compiled is not None and not is_compiled(compiled):
        return compile_error(compiled, language) or "the compiler says no more"
    if result.runs and report_of(result.runs[0]).get("is_compile_error") is True:
        return error_of(result.runs[0])
    return ""
