"""How verdicts become one reward: weights and gates, by name, open to the user's own.

A recipe is a list of terms, each a verifier with a weight. The built-in ones are DeepSeek-R1's sums (arXiv
2501.12948, sections 2.2.2 and 2.3.2: equal weights). A user's file:

    [recipes.strict]
    gate_reward = 0.0                     # the reward where a gate is not passed

    [recipes.strict.terms.accuracy]
    weight = 1.0
    [recipes.strict.terms.accuracy.options.math]
    # options of the math verifier

    [recipes.strict.terms.format]
    weight = 0.0
    gate = true
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from verifier.errors import InvalidRequestError, UnknownNameError
from verifier.types import Outcome, Verdict

ACCURACY = "accuracy"
"""The term that stands for the verifier that the reference asks for."""

_DIGITS = 9
_LARGEST = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One verifier's part in a reward.

    Args:
        name: of the verifier, or ``accuracy``.
        weight: of its score in the sum.
        is_gate: unless its verdict is CORRECT the reward is the recipe's ``gate_reward``.
        options: of the verifier; for ``accuracy`` one table for each kind of reference.
    """

    name: str
    weight: float = 1.0
    is_gate: bool = False
    options: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Terms, and what a closed gate gives."""

    name: str
    terms: tuple[Term, ...]
    gate_reward: float = 0.0

    def reward(self, verdicts: Sequence[Verdict]) -> float | None:
        """The reward of one completion, from one verdict a term in the terms' order.

        None as soon as one verdict has no score, be it of a gate or not: no reward rather than a false one. The sum
        is exact and then rounded to nine decimals, so equal verdicts give equal bytes.
        """
        if any(verdict.score is None for verdict in verdicts):
            return None
        if len(verdicts) == 1 and len(self.terms) == 1 and self.terms[0].weight == 1.0 and not self.terms[0].is_gate:
            return round(verdicts[0].score or 0.0, _DIGITS) + 0.0
        pairs = tuple(zip(self.terms, verdicts, strict=True))
        if any(term.is_gate and verdict.outcome is not Outcome.CORRECT for term, verdict in pairs):
            return self.gate_reward
        # Adding 0.0 turns a sum of -0.0 into 0.0.
        return round(math.fsum(term.weight * (verdict.score or 0.0) for term, verdict in pairs), _DIGITS) + 0.0


def _sum_of(name: str, *terms: str) -> Recipe:
    return Recipe(name=name, terms=tuple(Term(name=term) for term in terms))


BUILT_IN: Mapping[str, Recipe] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            _sum_of("accuracy", ACCURACY),
            _sum_of("format", "format"),
            _sum_of("language", "language"),
            _sum_of("r1-zero", ACCURACY, "format"),
            _sum_of("r1", ACCURACY, "format", "language"),
        )
    }
)
"""The recipes that need no file."""


def load_recipes(path: str | Path, terms: Sequence[str]) -> Mapping[str, Recipe]:
    """The built-in recipes and those of a file, which may replace a built-in one.

    Args:
        path: TOML file.
        terms: names that a term may have.

    Raises:
        InvalidRequestError: a file that cannot be read, or a value that cannot be used; names file and field.
        UnknownNameError: a key or term that does not exist.
    """
    try:
        with Path(path).open("rb") as stream:
            content = tomllib.load(stream)
    except OSError as error:
        raise InvalidRequestError(f"recipes file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"recipes file {path} is not TOML: {error}") from error
    return MappingProxyType({**BUILT_IN, **recipes_from_table(content, terms, source=str(path))})


def recipes_from_table(content: Mapping[str, object], terms: Sequence[str], *, source: str) -> dict[str, Recipe]:
    """The recipes of a table with the one key ``recipes``.

    Raises:
        InvalidRequestError: a value that cannot be used; names the source and the field.
        UnknownNameError: a key or term that does not exist.
    """
    _known_keys(content, ("recipes",), source)
    tables = _table(content, "recipes", source)
    return {name: _recipe(name, _table(tables, name, f"{source}: recipes"), terms, source) for name in tables}


def _recipe(name: str, table: Mapping[str, object], known: Sequence[str], source: str) -> Recipe:
    where = f"{source}: recipes.{name}"
    _known_keys(table, ("terms", "gate_reward"), where)
    terms = _table(table, "terms", where)
    if not terms:
        raise InvalidRequestError(f"{where}.terms: a recipe needs a term; known: {', '.join(sorted(known))}")
    for term in terms:
        if term not in known:
            raise UnknownNameError(f"term ({where}.terms)", term, tuple(known))
    return Recipe(
        name=name,
        terms=tuple(_term(term, _table(terms, term, f"{where}.terms"), f"{where}.terms.{term}") for term in terms),
        gate_reward=_number(table, "gate_reward", 0.0, where),
    )


def _term(name: str, table: Mapping[str, object], where: str) -> Term:
    _known_keys(table, ("weight", "gate", "options"), where)
    is_gate = table.get("gate", False)
    if not isinstance(is_gate, bool):
        raise InvalidRequestError(f"{where}.gate: expected true or false, got {is_gate!r}")
    return Term(
        name=name,
        weight=_number(table, "weight", 1.0, where),
        is_gate=is_gate,
        options=MappingProxyType(dict(_table(table, "options", where))),
    )


def _known_keys(table: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise UnknownNameError(f"key ({where})", key, known)


def _table(table: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{where}.{key}: expected a table, got {value!r}")
    return value


def _number(table: Mapping[str, object], key: str, default: float, where: str) -> float:
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LARGEST:
        raise InvalidRequestError(f"{where}.{key}: expected a number of at most {_LARGEST:g} in size, got {value!r}")
    return float(value)
