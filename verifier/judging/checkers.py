"""Whether what a program gave is what was expected. Pure, linear time, on data that we read ourselves."""

from __future__ import annotations

import json
from decimal import Decimal

from verifier.errors import UnscorableError

MAX_DEPTH = 200
_MAX_INT_DIGITS = 4000
_MAX_INT_KEY = 10**_MAX_INT_DIGITS


def outputs_match(actual: bytes, expected: str) -> bool:
    """Whether two outputs have the same tokens; the whole output counts.

    Tokens are what stands between ASCII white space, so trailing spaces and blank lines never matter, and the case
    and every digit do. (The default of the ICPC problem package format, without its tolerances.)
    """
    return actual.split() == expected.encode("utf-8", "replace").split()


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


def value_matches(node: object, expected: object, depth: int = 0) -> bool:
    """Whether a returned value equals an expected one that came as JSON.

    As Python compares, but for what JSON cannot say: a tuple equals a list, and a dictionary's keys are compared by
    the text that JSON makes of them. NaN equals NaN. Booleans and numbers are never equal to each other.

    The value stays what it was on the wire: a solution can forge it, and building some values (a fraction, a set, an
    array) can take any time and memory.

    Args:
        node: the value in the encoding of ``verifier.sandbox.runner.plain``, as JSON gave it.
        expected: from ``parse_expected``.
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
            return number is not None and (number == expected or (number != number and expected != expected))  # noqa: PLR0124 (NaN)
        case str():
            return not tag and body == expected
        case list():
            if tag not in ("", "tuple", "namedtuple") or not isinstance(body, list) or len(body) != len(expected):
                return False
            return all(value_matches(a, b, depth + 1) for a, b in zip(body, expected, strict=True))
        case dict():
            keyed = _keyed(body) if tag in ("dict", "Counter", "OrderedDict") else None
            if keyed is None or keyed.keys() != expected.keys():
                return False
            return all(value_matches(keyed[key], value, depth + 1) for key, value in expected.items())
        case _:
            return False


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
