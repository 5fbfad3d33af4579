"""Whether what a program gave is what was expected. Pure, on types that we made."""

from __future__ import annotations

import json

from verifier.errors import UnscorableError

MAX_DEPTH = 200


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
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnscorableError("bad_reference", f"{field} is not JSON: {error}") from error


def values_match(actual: object, expected: object, depth: int = 0) -> bool:
    """Whether a returned value equals an expected one that came as JSON.

    As Python compares, but for what JSON cannot say: a tuple equals a list, and a dictionary's keys are compared by
    the text that JSON makes of them. NaN equals NaN. Booleans and numbers are never equal to each other.

    Args:
        actual: plain data, decoded by us.
        expected: from ``json.loads``.
        depth: of the nesting so far.
    """
    if depth > MAX_DEPTH:
        return False
    if isinstance(expected, bool) or isinstance(actual, bool) or expected is None or actual is None:
        return actual is expected
    match expected:
        case int() | float():
            if not isinstance(actual, int | float):
                return False
            return actual == expected or (actual != actual and expected != expected)  # noqa: PLR0124 (NaN)
        case str():
            return isinstance(actual, str) and actual == expected
        case list():
            if not isinstance(actual, list | tuple) or len(actual) != len(expected):
                return False
            return all(values_match(a, b, depth + 1) for a, b in zip(actual, expected, strict=True))
        case dict():
            if not isinstance(actual, dict) or len(actual) != len(expected):
                return False
            keyed = {_json_key(key): value for key, value in actual.items()}
            return keyed.keys() == expected.keys() and all(
                values_match(keyed[key], value, depth + 1) for key, value in expected.items()
            )
        case _:
            return False


def _json_key(key: object) -> object:
    """What JSON writes for a key of a dictionary; other kinds of key match nothing."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, bool | int | float):
        return json.dumps(key)
    return (key,)
