"""JSON Lines: one group a line in, one result a line out.

The JSON is the protobuf JSON mapping with the proto's own field names (lowerCamelCase is read too, null is the same
as absent, a 64-bit number may be a string). Keys that are not known are passed over at every level, so labelled files
can be fed as they are; all else is strict, and an error names line and field. What is written always has the same
keys in the same order, with ``reward`` and ``score`` null where there is none.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from verifier.types import (
    CallTest,
    CodeReference,
    Comparison,
    Framework,
    Group,
    GroupResult,
    JudgeProgram,
    MathReference,
    Protocol,
    Reference,
    Scored,
    Scoring,
    SourceFile,
    StdioTest,
    TestGroup,
    Tolerance,
    Verdict,
)
from verifier.wire.unicode import well_formed, well_formed_group

MAX_LINE_BYTES = 64 << 20
"""Longest line that is read, the same as the largest message of the service."""

_SHOWN = 40
_DIGITS = 400


class MalformedLineError(ValueError):
    """A line that is no group.

    Args:
        line: its number, from 1.
        field: path of the field at fault, such as ``reference.code.stdio[0].input``, or ``json``.
        problem: what was expected, and what came.
        group_id: the line's id, where it could be read.
    """

    def __init__(self, line: int, field: str, problem: str, group_id: str = "") -> None:
        self.line = line
        self.field = field
        self.problem = problem
        self.group_id = group_id
        super().__init__(f"line {line}: {field}: {problem}")


class _FieldError(ValueError):
    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


@dataclass(frozen=True, slots=True)
class _Object:
    """A JSON object and where it stands."""

    values: dict[str, object]
    path: str

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def get(self, name: str) -> object:
        head, *rest = name.split("_")
        camel = head + "".join(part.capitalize() for part in rest)
        if camel != name and camel in self.values:
            if name in self.values:
                raise _FieldError(self.at(name), f"given twice, also as {camel}")
            return self.values[camel]
        return self.values.get(name)

    def text(self, name: str) -> str:
        value = self.get(name)
        return "" if value is None else _text(value, self.at(name))

    def items(self, name: str) -> list[tuple[object, str]]:
        value = self.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise _FieldError(self.at(name), f"expected a list, got {_shown(value)}")
        return [(item, f"{self.at(name)}[{index}]") for index, item in enumerate(value)]

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(_text(item, path) for item, path in self.items(name))

    def flag(self, name: str) -> bool:
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise _FieldError(self.at(name), f"expected true or false, got {_shown(value)}")
        return value is True

    def number(self, name: str) -> float:
        value = _number(self.get(name), self.at(name))
        return 0.0 if value is None else value

    def children(self, name: str) -> list[_Object]:
        return [_object(item, path) for item, path in self.items(name)]

    def child(self, name: str) -> _Object | None:
        value = self.get(name)
        return None if value is None else _object(value, self.at(name))


def group_from_line(line: bytes, number: int) -> Group:
    """The group of a line.

    Args:
        line: bytes of UTF-8, with or without the line's end.
        number: of the line, for messages.

    Raises:
        MalformedLineError: the line is no group.
    """
    root = _Object({}, "")
    try:
        root = _object(_parsed(line), "")
        return well_formed_group(_group(root))
    except _FieldError as error:
        group_id = root.values.get("id")
        group_id = well_formed(group_id) if isinstance(group_id, str) else ""
        raise MalformedLineError(number, error.field, error.problem, group_id) from error


def malformed_result(error: MalformedLineError) -> GroupResult:
    """The answer that stands in the place of a malformed line."""
    reason = well_formed(f"malformed_line {error.line}: {error.field}")
    verdict = Verdict.unscorable("request", reason, well_formed(str(error)))
    return GroupResult(id=error.group_id, scores=(Scored(reward=None, verdicts=(verdict,)),))


def line_from_result(result: GroupResult) -> bytes:
    """The line of a result, with its end; the same bytes for the same result."""
    value = {"id": result.id, "scores": [_scored_value(scored) for scored in result.scores]}
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return well_formed(text).encode() + b"\n"


def _scored_value(scored: Scored) -> dict[str, object]:
    return {"reward": scored.reward, "verdicts": [_verdict_value(verdict) for verdict in scored.verdicts]}


def _verdict_value(verdict: Verdict) -> dict[str, object]:
    value: dict[str, object] = {
        "verifier": verdict.verifier,
        "outcome": verdict.outcome.name,
        "score": verdict.score,
        "reason": verdict.reason,
        "detail": verdict.detail,
    }
    if verdict.tests:
        value["tests"] = [
            {"name": test.name, "status": test.status.name, "detail": test.detail} for test in verdict.tests
        ]
    return value


def _parsed(line: bytes) -> object:
    if len(line) > MAX_LINE_BYTES:
        raise _FieldError("json", f"the line has more than {MAX_LINE_BYTES} bytes; split the group")
    try:
        return json.loads(
            line.decode("utf-8-sig"),
            object_pairs_hook=_without_twins,
            parse_constant=_no_constant,
            parse_int=_whole_number_of_digits,
        )
    except UnicodeDecodeError as error:
        raise _FieldError("json", f"byte {error.start + 1} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise _FieldError("json", f"{error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise _FieldError("json", "nested too deeply") from error


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _FieldError(_cut(key), "the key is given twice in one object")
            seen.add(key)
    return values


def _no_constant(name: str) -> object:
    raise _FieldError("json", f"{name} is not JSON")


def _group(root: _Object) -> Group:
    # Ids first, so that the answer to a broken line can carry it.
    group_id = root.text("id")
    if root.get("completions") is None:
        raise _FieldError("completions", "missing; give a list of texts")
    return Group(
        id=group_id,
        prompt=root.text("prompt"),
        completions=root.texts("completions"),
        reference=_reference(root.child("reference")),
        language=root.text("language"),
        recipe=root.text("recipe"),
    )


def _reference(reference: _Object | None) -> Reference | None:
    if reference is None:
        return None
    math_object, code_object = reference.child("math"), reference.child("code")
    if math_object is not None and code_object is not None:
        raise _FieldError(reference.path, "expected one of math and code, got both")
    if math_object is not None:
        return MathReference(answers=math_object.texts("answers"))
    return None if code_object is None else _code(code_object)


def _code(code: _Object) -> CodeReference:
    tolerance, checker, interactor = code.child("tolerance"), code.child("checker"), code.child("interactor")
    return CodeReference(
        language=code.text("language"),
        stdio=tuple(_stdio_test(test) for test in code.children("stdio")),
        calls=tuple(_call_test(test) for test in code.children("calls")),
        script=code.text("script"),
        framework=code.text("framework") or Framework.PLAIN.value,
        entry_point=code.text("entry_point"),
        time_limit_s=_number(code.get("time_limit_s"), code.at("time_limit_s")),
        memory_limit_bytes=_whole_number(code.get("memory_limit_bytes"), code.at("memory_limit_bytes")),
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


def _stdio_test(test: _Object) -> StdioTest:
    return StdioTest(
        input=test.text("input"), output=test.text("output"), accepted=test.texts("accepted"), group=test.text("group")
    )


def _call_test(test: _Object) -> CallTest:
    return CallTest(
        args=test.text("args"), kwargs=test.text("kwargs"), expected=test.text("expected"), group=test.text("group")
    )


def _tolerance(tolerance: _Object) -> Tolerance:
    return Tolerance(absolute=tolerance.number("absolute"), relative=tolerance.number("relative"))


def _judge_program(program: _Object) -> JudgeProgram:
    return JudgeProgram(
        language=program.text("language"),
        source=program.text("source"),
        files=tuple(SourceFile(name=file.text("name"), text=file.text("text")) for file in program.children("files")),
        protocol=program.text("protocol") or Protocol.TESTLIB.value,
        args=program.texts("args"),
    )


def _test_group(group: _Object) -> TestGroup:
    return TestGroup(name=group.text("name"), points=group.number("points"))


def _object(value: object, path: str) -> _Object:
    if not isinstance(value, dict):
        raise _FieldError(path or "json", f"expected an object, got {_shown(value)}")
    return _Object(value, path)


def _text(value: object, path: str) -> str:
    if not isinstance(value, str):
        raise _FieldError(path, f"expected a string, got {_shown(value)}")
    return value


def _number(value: object, path: str) -> float | None:
    if value is None:
        return None
    number = math.nan
    if isinstance(value, str):
        number = _number_of_text(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = _float_of(value)
    if not math.isfinite(number):
        raise _FieldError(path, f"expected a finite number, got {_shown(value)}")
    return number


def _whole_number(value: object, path: str) -> int | None:
    if value is None:
        return None
    number: int | None = None
    if isinstance(value, str):
        is_whole = value.isascii() and value.removeprefix("-").isdigit() and len(value) <= _SHOWN
        number = int(value) if is_whole else None
    elif isinstance(value, int | float) and not isinstance(value, bool) and _float_of(value).is_integer():
        number = int(value)
    if number is None or not -(1 << 63) <= number < 1 << 63:
        raise _FieldError(path, f"expected a whole number of 64 bits, got {_shown(value)}")
    return number


def _number_of_text(text: str) -> float:
    # Python also reads underscores and spaces, JSON does not.
    try:
        return float(text) if len(text) <= _SHOWN and "_" not in text and text == text.strip() else math.nan
    except ValueError:
        return math.nan


def _float_of(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _whole_number_of_digits(digits: str) -> int | float:
    # Reading digits is quadratic, and no field takes that many.
    return int(digits) if len(digits) <= _DIGITS else math.inf


def _shown(value: object) -> str:
    """A value for a message: short, whatever it is."""
    if isinstance(value, str):
        return f"the string {_cut(json.dumps(value[:_SHOWN], ensure_ascii=False))}"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "an object"
    return _cut(json.dumps(value))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
