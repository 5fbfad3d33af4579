"""Test cases as datasets write them: lists of inputs and outputs, limits as numbers or words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from verifier.errors import UnscorableError
from verifier.formats.fields import FieldError, Fields, json_text, list_of, object_of, parse_row, shown, text_of
from verifier.judging.limits import MAX_MEMORY_BYTES, MAX_TIME_LIMIT_S, MIN_MEMORY_BYTES
from verifier.types import CallTest, CodeReference, StdioTest

Text = Literal["lines", "list"]
"""How a text holds arguments: JSON of one argument a line, or a JSON list of all."""

_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s{0,4}(ms|milliseconds?|s|sec|secs|seconds?)?\.?", re.IGNORECASE)
_SPAN = re.compile(r"\{'seconds': (\d{1,9}), 'nanos': (\d{1,9})\}")
_MEMORY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s{0,4}(bytes|[kmg]i?b|(?:kilo|mega|giga)bytes)?", re.IGNORECASE)
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_RETURNS = re.compile(r"->([^\n#:]{1,200}):")
_NODES = re.compile(r"^[ \t]*def[^\n]*\b(ListNode|TreeNode|Node)\b", re.MULTILINE)


def reference(
    inputs: Sequence[tuple[object, str]],
    outputs: Sequence[tuple[object, str]],
    *,
    field: str,
    function: str = "",
    text: Text = "lines",
    returns: str = "",
    may_wrap: bool = False,
    time_limit_s: float | None = None,
    memory_limit_bytes: int | None = None,
) -> CodeReference:
    """The reference of inputs and outputs: calls where there is a function, standard input else.

    Args:
        inputs: each with its path.
        outputs: as many.
        field: that they come from, for messages.
        function: to call.
        text: how an input that is a text holds arguments.
        returns: starter code, whose annotation says whether the function returns a list, or nothing and works in place.
        may_wrap: outputs may stand in one more list (see ``_unwrapped``).
        time_limit_s: of each case.
        memory_limit_bytes: of each case.

    Raises:
        FieldError: a case is not of the form, or there is none.
        UnscorableError: JSON has lost what the arguments were.
    """
    if not inputs:
        raise FieldError(field, "holds no test; drop the row, or fill in the field")
    if len(inputs) != len(outputs):
        raise FieldError(field, f"has {len(inputs)} inputs and {len(outputs)} outputs; they must be as many")
    if not function:
        stdio = tuple(
            StdioTest(input=lines(given, at), output=lines(expected, there))
            for (given, at), (expected, there) in zip(inputs, outputs, strict=True)
        )
        return CodeReference(
            language="python", stdio=stdio, time_limit_s=time_limit_s, memory_limit_bytes=memory_limit_bytes
        )
    if nodes := _NODES.search(returns):
        raise UnscorableError(
            "lost_nodes",
            f"{field}: the function takes or returns a {nodes[1]}, which the tests write as a list; write"
            " the tests as a script",
        )
    args = [arguments(given, at, text) for given, at in inputs]
    # Where the arguments are JSON in a text, so is the value; a list of arguments has a plain value beside it.
    expected = [
        parse_row(value, at) if isinstance(value, str) and isinstance(given, str) else value
        for (given, _), (value, at) in zip(inputs, outputs, strict=True)
    ]
    if may_wrap and _is_wrapped(expected, returns):
        expected = [value[0] for value in expected if isinstance(value, list)]
    calls = tuple(
        CallTest(args=json_text(given), expected=json_text(value)) for given, value in zip(args, expected, strict=True)
    )
    return CodeReference(
        language="python",
        calls=calls,
        entry_point=function,
        in_place=_annotation(returns) == "None",
        time_limit_s=time_limit_s,
        memory_limit_bytes=memory_limit_bytes,
    )


def lines(value: object, path: str) -> str:
    """A text, or a list of lines as one."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(text_of(line, at) for line, at in list_of(value, path))
    raise FieldError(path, f"expected a string or a list of lines, got {shown(value)}")


def arguments(value: object, path: str, text: Text = "lines") -> list[object]:
    """The arguments of a call.

    Raises:
        FieldError: they cannot be read.
        UnscorableError: JSON has lost what they were.
    """
    if isinstance(value, str):
        if text == "list":
            value = parse_row(value, path)
        else:
            value = [parse_row(line, path) for line in value.split("\n") if line.strip()]
    if not isinstance(value, list):
        raise FieldError(path, f"expected a list of arguments, got {shown(value)}")
    for argument in value:
        if isinstance(argument, dict) and argument and all(_is_whole(key) for key in argument):
            raise UnscorableError(
                "lost_keys",
                f"{path}: an argument is an object with whole numbers as keys, which JSON writes as texts; what they"
                " were is not known; write the test as a script",
            )
    return value


def _is_whole(key: str) -> bool:
    return key.removeprefix("-").isdecimal()


def _is_wrapped(expected: Sequence[object], returns: str) -> bool:
    """Whether every expected value stands in one more list, as APPS and TACO write many of theirs.

    So it is where each is a list of one item, unless the starter code says that the function returns a list and the
    values are no deeper than what it returns.
    """
    if not all(isinstance(value, list) and len(value) == 1 for value in expected):
        return False
    annotation = _annotation(returns)
    return not annotation or max(map(_depth, expected)) > annotation.lower().count("list")


def _annotation(starter_code: str) -> str:
    """What the function returns; empty where the code does not say."""
    found = _RETURNS.search(starter_code)
    return found[1].strip() if found else ""


def _depth(value: object) -> int:
    depth = 0
    while isinstance(value, list):
        depth += 1
        value = value[0] if value else None
    return depth


def time_limit(value: object, path: str) -> float | None:
    """Seconds: a number, a text such as ``2.0 seconds``, or ``{"seconds": 2, "nanos": 0}``; within our bounds.

    Zero is written where nobody knows, and so is None.

    Raises:
        FieldError: it cannot be read.
    """
    if isinstance(value, dict):
        span = object_of(value, path)
        seconds = (span.number("seconds") or 0.0) + (span.number("nanos") or 0.0) / 1e9
    elif isinstance(value, str) and (known := _SPAN.fullmatch(value.strip())):
        seconds = float(known[1]) + float(known[2]) / 1e9
    elif isinstance(value, str):
        found = _TIME.fullmatch(value.strip())
        if value.strip() and found is None:
            raise FieldError(path, f'expected a time such as "2 seconds", got {shown(value)}')
        seconds = float(found[1]) if found else 0.0
        seconds /= 1000 if found and (found[2] or "").lower().startswith("m") else 1
    else:
        seconds = Fields({"": value}, path).number("") or 0.0
    if seconds < 0:
        raise FieldError(path, "a time limit cannot be negative")
    return min(seconds, MAX_TIME_LIMIT_S) or None


def memory_limit(value: object, path: str, *, unit: str = "b") -> int | None:
    """Bytes: a number of a unit, or a text such as ``256 MB``; within our bounds.

    Zero is written where nobody knows, and so is None.

    Raises:
        FieldError: it cannot be read.
    """
    if isinstance(value, str):
        found = _MEMORY.fullmatch(value.strip())
        if value.strip() and found is None:
            raise FieldError(path, f'expected a size such as "256 MB", got {shown(value)}')
        number, unit = (float(found[1]), (found[2] or unit)[0].lower()) if found else (0.0, unit)
    else:
        number = Fields({"": value}, path).number("") or 0.0
    if number < 0:
        raise FieldError(path, "a memory limit cannot be negative")
    size = int(number * _UNITS[unit])
    return max(MIN_MEMORY_BYTES, min(size, MAX_MEMORY_BYTES)) if size else None


def nested(value: object, path: str) -> object:
    """A value, or the JSON text of one."""
    return parse_row(value, path) if isinstance(value, str) else value
