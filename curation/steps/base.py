"""What a step is: one of four kinds, each a frozen dataclass whose fields are its options.

A step never removes a sample. Text steps and group steps say which samples they drop and why; the executor marks
each sample with the first step that drops it, and later steps do not see it.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import polars as pl

from curation.errors import RecipeError, near
from curation.recipe import Option

LOOKED_AT = ("prompt", "completion", "language", "answers", "tests")
"""Columns of ``rows.SAMPLES`` that text steps see."""

DETAIL_CHARS = 200
"""Code points of a detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One way to be dropped.

    Args:
        reason: short stable code.
        drops: true for the samples it drops; null counts as false.
        value: the number that was measured, in the unit of the threshold; None where nothing is counted.
        detail: what was found, as a short text, cut at ``DETAIL_CHARS``; never anything private.

    Both are asked for the few samples that the rule drops, so they may be dear. They tell and do not decide.
    """

    reason: str
    drops: pl.Expr
    value: pl.Expr | None = None
    detail: pl.Expr | None = None


@dataclass(frozen=True)
class Step:
    """A step with its options fixed. ``name`` is its name in recipes and in ``drop_step``."""

    name: ClassVar[str]

    def check(self, where: str) -> None:
        """Whether the options go together.

        Raises:
            RecipeError: they do not, or a file that they name cannot be used; ``where`` is the step's place.
        """

    def inputs(self) -> Mapping[str, str]:
        """The sha256 of each file that the step reads, by option: what changes with it changes the output."""
        return {}


@dataclass(frozen=True)
class RewriteStep(Step, ABC):
    """Changes texts, for all later steps and for the output; drops nothing."""

    @abstractmethod
    def columns(self) -> Sequence[pl.Expr]:
        """Expressions over ``rows.SAMPLES``, each under the name of the column it replaces."""


@dataclass(frozen=True)
class TextStep(Step, ABC):
    """Drops samples by expressions over one sample at a time.

    They see the columns ``LOOKED_AT`` and ``chars``, the code points of the completion; ``needs_parts`` asks for the
    columns of ``parts.PARTS`` too.
    """

    needs_parts: ClassVar[bool] = False

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """Columns that the rules read, made in rounds, each of which may read the ones before.

        What rules share stands here, as an expression that is named twice is computed twice.
        """
        return ()

    @abstractmethod
    def rules(self) -> Sequence[Rule]:
        """Rules in the order in which they are tried; the first that drops names the reason."""


@dataclass(frozen=True)
class GroupStep(Step, ABC):
    """Drops samples by comparing those of all shards, or of one group, from their facts alone.

    ``needs_digest`` asks for a digest of the completions, ``needs_verdicts`` for the columns of ``facts.JUDGED``.
    """

    needs_digest: ClassVar[bool] = False
    needs_verdicts: ClassVar[bool] = False

    @abstractmethod
    def reasons(self, alive: pl.DataFrame) -> pl.Series:
        """A reason for each sample, null for those that stay; in the order of the frame.

        Args:
            alive: columns of ``facts.FACTS`` of the samples that no earlier step dropped, in the order of shards and
                rows: a sample's place in it is the last tie-break.
        """


def of_the_few(texts: pl.Series, find: Callable[[pl.Series], Iterable[object]], dtype: pl.DataType) -> pl.Series:
    """What is found in the texts that are there, one each; null where there is no text.

    For what Python must look at: an expression leaves null for all the texts that need no look.
    """
    result = pl.Series([None], dtype=dtype).new_from_index(0, texts.len())
    if texts.null_count() == texts.len():
        return result
    places = texts.is_not_null().arg_true()
    return result.scatter(places, pl.Series(find(texts.gather(places)), dtype=dtype))


def is_blank(text: pl.Expr) -> pl.Expr:
    """Whether a text is empty or all white space; looks no further than its first other character."""
    return ~text.str.contains(r"\S")


StepT = TypeVar("StepT", bound=Step)


OptionT = TypeVar("OptionT", bound=Option)


def option(default: OptionT, *, least: int | None = None, choices: tuple[str, ...] = ()) -> OptionT:
    """A field of a step: its default, and what it may be."""
    return dataclasses.field(default=default, metadata={"least": least, "choices": choices})


def step_from_options(kind: type[StepT], options: Mapping[str, Option], *, where: str) -> StepT:
    """The step with these options.

    Raises:
        RecipeError: an option that it does not have, of the wrong type or size, or one that ``Step.check`` refuses;
            names the field and the remedy.
    """
    fields = {item.name: item for item in dataclasses.fields(kind)}
    for key, value in options.items():
        if key not in fields:
            raise RecipeError(f"{where}.{key}", f"unknown option; {near(key, fields)}")
        _check(fields[key], value, where=f"{where}.{key}")
    step = kind(**options)
    step.check(where)
    return step


def _check(field: dataclasses.Field[object], value: Option, *, where: str) -> None:
    wanted = type(field.default)
    is_number = wanted is float and isinstance(value, int) and not isinstance(value, bool)
    if type(value) is not wanted and not is_number:
        raise RecipeError(where, f"expected {_EXPECTED[wanted]}, got {value!r}")
    least = field.metadata["least"]
    if least is not None and isinstance(value, int) and value < least:
        raise RecipeError(where, f"{value} is too small; give at least {least}")
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise RecipeError(where, f"{value!r} is not a choice; {near(str(value), choices)}")


_EXPECTED: Mapping[type, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
