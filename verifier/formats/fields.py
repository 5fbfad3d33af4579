"""JSON as it comes in files: fields that are read by name, with errors that say where.

``null`` is the same as absent, and a name is found in lowerCamelCase too. What nobody asks for is passed over.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

_SHOWN = 40
_DIGITS = 400
_MAX_DIGITS = 4000


class FieldError(ValueError):
    """A field that is not what was asked for.

    Args:
        field: its path, such as ``reference.code.stdio[0].input``, or ``json``.
        problem: what was expected, and what came.
    """

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")


@dataclass(frozen=True, slots=True)
class Fields:
    """A JSON object and where it stands; every reader raises ``FieldError``."""

    values: dict[str, object]
    path: str = ""

    def at(self, name: str) -> str:
        """The path of a field."""
        return f"{self.path}.{name}" if self.path else name

    def get(self, name: str) -> object:
        """Any value; None where there is none."""
        head, *rest = name.split("_")
        camel = head + "".join(part.capitalize() for part in rest)
        if camel != name and camel in self.values:
            if name in self.values:
                raise FieldError(self.at(name), f"given twice, also as {camel}")
            return self.values[camel]
        return self.values.get(name)

    def text(self, name: str) -> str:
        """A text; empty where there is none."""
        value = self.get(name)
        return "" if value is None else text_of(value, self.at(name))

    def needed(self, name: str) -> str:
        """A text that must not be empty."""
        text = self.text(name)
        if not text:
            raise FieldError(self.at(name), "missing or empty; this format needs it")
        return text

    def items(self, name: str) -> list[tuple[object, str]]:
        """The values of a list, each with its path."""
        return list_of(self.get(name), self.at(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return tuple(text_of(item, path) for item, path in self.items(name))

    def flag(self, name: str) -> bool:
        """A boolean; false where there is none."""
        value = self.get(name)
        if value is not None and not isinstance(value, bool):
            raise FieldError(self.at(name), f"expected true or false, got {shown(value)}")
        return value is True

    def number(self, name: str) -> float | None:
        """A finite number."""
        return _number(self.get(name), self.at(name))

    def whole_number(self, name: str) -> int | None:
        """A whole number of 64 bits."""
        return _whole_number(self.get(name), self.at(name))

    def children(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [object_of(item, path) for item, path in self.items(name)]

    def child(self, name: str) -> Fields | None:
        """An object."""
        value = self.get(name)
        return None if value is None else object_of(value, self.at(name))


def object_of(value: object, path: str) -> Fields:
    """The value, which must be an object."""
    if not isinstance(value, dict):
        raise FieldError(path or "json", f"expected an object, got {shown(value)}")
    return Fields(value, path)


def list_of(value: object, path: str) -> list[tuple[object, str]]:
    """The value, which must be a list or nothing, with the path of each item."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise FieldError(path, f"expected a list, got {shown(value)}")
    return [(item, f"{path}[{index}]") for index, item in enumerate(value)]


def text_of(value: object, path: str) -> str:
    """The value, which must be a text."""
    if not isinstance(value, str):
        raise FieldError(path, f"expected a string, got {shown(value)}")
    return value


def parse_message(data: bytes | str, path: str = "json") -> object:
    """The JSON of a message of ours: strict, and numbers only as large as any field takes."""
    return _parsed(data, path, _small_integer, _no_constant)


def parse_row(data: bytes | str, path: str = "json") -> object:
    """The JSON of a dataset: numbers stay exact, and NaN and the infinities are read as Python writes them.

    Args:
        data: a line, or the text of a field.
        path: of the field, for messages.
    """

    def integer(digits: str) -> int:
        if len(digits) > _MAX_DIGITS:
            raise FieldError(path, f"holds a whole number of {len(digits)} digits; at most {_MAX_DIGITS}")
        return int(digits)

    return _parsed(data, path, integer, float)


def json_text(value: object) -> str:
    """A value of ``parse_row`` as JSON text again, exactly."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _parsed(
    data: bytes | str, path: str, integer: Callable[[str], object], constant: Callable[[str], object]
) -> object:
    try:
        return json.loads(
            data.decode("utf-8-sig") if isinstance(data, bytes) else data,
            object_pairs_hook=_without_twins,
            parse_constant=constant,
            parse_int=integer,
        )
    except UnicodeDecodeError as error:
        raise FieldError(path, f"byte {error.start + 1} is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise FieldError(path, f"{error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise FieldError(path, "nested too deeply") from error


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    values = dict(pairs)
    if len(values) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise FieldError(_cut(key), "the key is given twice in one object")
            seen.add(key)
    return values


def _no_constant(name: str) -> NoReturn:
    raise FieldError("json", f"{name} is not JSON")


def _small_integer(digits: str) -> int | float:
    # Reading digits is quadratic, and no field takes that many.
    return int(digits) if len(digits) <= _DIGITS else math.inf


def _number(value: object, path: str) -> float | None:
    if value is None:
        return None
    number = math.nan
    if isinstance(value, str):
        number = _number_of_text(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = _float_of(value)
    if not math.isfinite(number):
        raise FieldError(path, f"expected a finite number, got {shown(value)}")
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
        raise FieldError(path, f"expected a whole number of 64 bits, got {shown(value)}")
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


def shown(value: object) -> str:
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
