"""Whether a call returned what was expected: linear time, on data that we read ourselves.

A value stays what it was on the wire: a solution can forge it, and building some values (a fraction, a set, an array)
can take any time and memory.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction

from verifier.errors import UnscorableError
from verifier.types import Tolerance

MAX_DEPTH = 200
_MAX_INT_DIGITS = 4000
_MAX_INT_KEY = 10**_MAX_INT_DIGITS
_MAX_FLOAT_BITS = 1024
_MAX_BOUND = 1 << 53


def parse_expected(text: str, field: str) -> object:
    """The expected value of a call.

    Raises:
        UnscorableError: it is not JSON; the detail names the field.
    """
    try:
        return json.loads(text, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise UnscorableError("bad_reference", f"{field} is not JSON: {error}") from error


def _integer(digits: str) -> int:
    # int() refuses more digits than this, for the sake of those who read what strangers wrote.
    return int(digits) if len(digits) <= _MAX_INT_DIGITS else int(Decimal(digits))


def value_matches(node: object, expected: object, tolerance: Tolerance | None = None, depth: int = 0) -> bool:
    """Whether a returned value equals an expected one that came as JSON.

    As Python compares, but for what JSON cannot say: a tuple or a range equals a list, and a dictionary's keys are
    compared by the text that JSON makes of them. NaN equals NaN. Booleans and numbers are never equal to each other.

    Args:
        node: the value in the encoding of ``verifier.sandbox.runner.plain``, as JSON gave it.
        expected: from ``parse_expected``.
        tolerance: of two numbers of which at least one is a float, wherever they stand but as keys. Two integers are
            compared exactly.
        depth: of the nesting so far.
    """
    if depth > MAX_DEPTH:
        return False
    tag, body = (node.get("t"), node.get("v")) if isinstance(node, dict) else ("", node)
    if isinstance(expected, bool) or isinstance(body, bool) or expected is None or body is None:
        return body is expected and not tag
    match expected:
        case int() | float():
            number = _number(tag, body)
            return number is not None and _numbers_match(number, expected, tolerance)
        case str():
            return not tag and body == expected
        case list():
            items = _items(tag, body)
            if items is None or len(items) != len(expected):
                return False
            return all(value_matches(a, b, tolerance, depth + 1) for a, b in zip(items, expected, strict=True))
        case dict():
            keyed = _keyed(body) if tag in ("dict", "Counter", "OrderedDict") else None
            if keyed is None or keyed.keys() != expected.keys():
                return False
            return all(value_matches(keyed[key], value, tolerance, depth + 1) for key, value in expected.items())
        case _:
            return False


def _numbers_match(actual: float, expected: float, tolerance: Tolerance | None) -> bool:
    if actual == expected or (actual != actual and expected != expected):  # noqa: PLR0124 (NaN)
        return True
    if tolerance is None or not (isinstance(actual, float) or isinstance(expected, float)):
        return False
    if not (_is_float_sized(actual) and _is_float_sized(expected)):
        return False
    # Exact where an integer takes part: one past 2**53 would be rounded to its neighbour.
    is_mixed = isinstance(actual, int) or isinstance(expected, int)
    difference = abs(Fraction(actual) - Fraction(expected)) if is_mixed else abs(actual - expected)
    return difference <= tolerance.absolute or difference <= tolerance.relative * abs(expected)


def _is_float_sized(number: float) -> bool:
    """Whether it is finite, and can be subtracted from a float."""
    return number.bit_length() < _MAX_FLOAT_BITS if isinstance(number, int) else math.isfinite(number)


def _items(tag: object, body: object) -> list[object] | range | None:
    """The items of what equals a list."""
    if not isinstance(body, list):
        return None
    if tag in ("", "tuple", "namedtuple"):
        return body
    match tag, body:
        case "range", [int(start), int(stop), int(step)] if step:
            return range(start, stop, step) if max(map(abs, (start, stop, step))) <= _MAX_BOUND else None
        case _:
            return None


def _number(tag: object, body: object) -> int | float | None:
    if tag == "int" and isinstance(body, str):
        try:
            return int(body, 16)
        except ValueError:
            return None
    return body if not tag and isinstance(body, int | float) else None


def _keyed(pairs: object) -> dict[object, object] | None:
    """The values of a dictionary by the text that JSON makes of its keys; None if two keys have the same."""
    keyed: dict[object, object] = {}
    for pair in pairs if isinstance(pairs, list) else ():
        match pair:
            case [str() as key, value]:
                keyed[key] = value
            case [None | bool() | int() | float() as key, value]:
                keyed[json.dumps(key)] = value
            case [{"t": "int", "v": str(digits)}, value]:
                number = _number("int", digits[:_MAX_INT_DIGITS])
                keyed[str(number) if number is not None and abs(number) < _MAX_INT_KEY else digits] = value
            case _:
                return None
    return keyed if isinstance(pairs, list) and len(keyed) == len(pairs) else None
