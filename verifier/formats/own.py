"""References in the product's own JSON: the protobuf JSON mapping with the proto's field names."""

from __future__ import annotations

from verifier.formats.fields import FieldError, Fields
from verifier.types import (
    CallTest,
    CodeReference,
    Comparison,
    Framework,
    JudgeProgram,
    MathReference,
    Protocol,
    Reference,
    Scoring,
    SourceFile,
    StdioTest,
    TestGroup,
    Tolerance,
)


def reference_from_fields(reference: Fields) -> Reference | None:
    """The reference of an object ``{"code": {...}}`` or ``{"math": {...}}``; None where it has neither.

    Raises:
        FieldError: it has both, or a field is wrong.
    """
    math_object, code_object = reference.child("math"), reference.child("code")
    if math_object is not None and code_object is not None:
        raise FieldError(reference.path, "expected one of math and code, got both")
    if math_object is not None:
        return MathReference(answers=math_object.texts("answers"))
    return None if code_object is None else _code(code_object)


def _code(code: Fields) -> CodeReference:
    tolerance, checker, interactor = code.child("tolerance"), code.child("checker"), code.child("interactor")
    return CodeReference(
        language=code.text("language"),
        stdio=tuple(_stdio_test(test) for test in code.children("stdio")),
        calls=tuple(_call_test(test) for test in code.children("calls")),
        script=code.text("script"),
        framework=code.text("framework") or Framework.PLAIN.value,
        entry_point=code.text("entry_point"),
        time_limit_s=code.number("time_limit_s"),
        memory_limit_bytes=code.whole_number("memory_limit_bytes"),
        prelude=code.text("prelude"),
        signature=code.text("signature"),
        in_place=code.flag("in_place"),
        comparison=code.text("comparison") or Comparison.TOKENS.value,
        tolerance=None if tolerance is None else _tolerance(tolerance),
        checker=None if checker is None else _judge_program(checker),
        interactor=None if interactor is None else _judge_program(interactor),
        scoring=code.text("scoring") or Scoring.ALL.value,
        groups=tuple(_test_group(group) for group in code.children("groups")),
    )


def _stdio_test(test: Fields) -> StdioTest:
    return StdioTest(
        input=test.text("input"), output=test.text("output"), accepted=test.texts("accepted"), group=test.text("group")
    )


def _call_test(test: Fields) -> CallTest:
    return CallTest(
        args=test.text("args"), kwargs=test.text("kwargs"), expected=test.text("expected"), group=test.text("group")
    )


def _tolerance(tolerance: Fields) -> Tolerance:
    return Tolerance(absolute=tolerance.number("absolute") or 0.0, relative=tolerance.number("relative") or 0.0)


def _judge_program(program: Fields) -> JudgeProgram:
    return JudgeProgram(
        language=program.text("language"),
        source=program.text("source"),
        files=tuple(SourceFile(name=file.text("name"), text=file.text("text")) for file in program.children("files")),
        protocol=program.text("protocol") or Protocol.TESTLIB.value,
        args=program.texts("args"),
    )


def _test_group(group: Fields) -> TestGroup:
    return TestGroup(name=group.text("name"), points=group.number("points") or 0.0)
