"""JSON Lines: one group a line in, one result a line out.

The JSON is the protobuf JSON mapping with the proto's own field names (lowerCamelCase is read too, null is the same
as absent, a 64-bit number may be a string). Keys that are not known are passed over at every level, so labelled files
can be fed as they are; all else is strict, and an error names line and field. What is written always has the same
keys in the same order, with ``reward`` and ``score`` null where there is none.
"""

from __future__ import annotations

import json

from verifier.formats.fields import FieldError, Fields, object_of, parse_message
from verifier.formats.own import reference_from_fields
from verifier.types import Group, GroupResult, Scored, Verdict
from verifier.wire.unicode import well_formed, well_formed_group

MAX_LINE_BYTES = 64 << 20
"""Longest line that is read, the same as the largest message of the service."""


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


def group_from_line(line: bytes, number: int) -> Group:
    """The group of a line.

    Args:
        line: bytes of UTF-8, with or without the line's end.
        number: of the line, for messages.

    Raises:
        MalformedLineError: the line is no group.
    """
    if len(line) > MAX_LINE_BYTES:
        raise MalformedLineError(number, "json", f"the line has more than {MAX_LINE_BYTES} bytes; split the group")
    root = Fields({})
    try:
        root = object_of(parse_message(line), "")
        return well_formed_group(_group(root))
    except FieldError as error:
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


def _group(root: Fields) -> Group:
    # Ids first, so that the answer to a broken line can carry it.
    group_id = root.text("id")
    if root.get("completions") is None:
        raise FieldError("completions", "missing; give a list of texts")
    return Group(
        id=group_id,
        prompt=root.text("prompt"),
        completions=root.texts("completions"),
        reference=None if (reference := root.child("reference")) is None else reference_from_fields(reference),
        language=root.text("language"),
        recipe=root.text("recipe"),
    )
