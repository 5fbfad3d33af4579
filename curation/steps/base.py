"""What a step is: one of four kinds, each a frozen dataclass whose fields are its options.

A step never removes a sample. Text steps and group steps say which samples they drop and why; the executor marks
each sample with the first step that drops it, and later steps do not see it.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.errors import RecipeError, near
from curation.recipe import Option
from curation.words import starts_of

LOOKED_AT = ("group_key", "domain", "language", "score", "prompt", "answers", "tests", "completion")
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
    """A step with its options fixed. ``name`` is its name in recipes and in ``drop_step``.

    Every step has two options beside its own: samples of other domains pass it unseen. A domain is matched in lower
    case, by all of its name or by what stands before its first ``-``, ``_`` or ``/``.

    Args:
        only: the domains that it looks at, with commas between; empty for all.
        skip: the domains that it does not look at.
    """

    name: ClassVar[str]
    only: str = dataclasses.field(default="", metadata={"least": None, "most": None, "choices": ()})
    skip: str = dataclasses.field(default="", metadata={"least": None, "most": None, "choices": ()})

    def covers(self, domain: pl.Expr) -> pl.Expr | None:
        """Whether samples of a domain are looked at; None where those of all are."""
        result: pl.Expr | None = None
        for names, wanted in ((self.only, True), (self.skip, False)):
            if named := [part.strip().lower() for part in names.split(",") if part.strip()]:
                whole = domain_name(domain)
                found = whole.is_in(named) | domain_head(whole).is_in(named).fill_null(value=False)
                found = found if wanted else ~found
                result = found if result is None else result & found
        return result

    def check(self, where: str) -> None:
        """Whether the options go together.

        Raises:
            RecipeError: they do not, or a file that they name cannot be used; ``where`` is the step's place.
        """

    def inputs(self) -> Mapping[str, str]:
        """The sha256 of each file that the step reads, by option: what changes with it changes the output."""
        return {}

    @classmethod
    def kind_for(cls, options: Mapping[str, Option]) -> type[Step]:  # noqa: ARG003 - few steps have several kinds
        """The class of the step that a recipe with these options asks for."""
        return cls


@dataclass(frozen=True)
class RewriteStep(Step, ABC):
    """Changes texts, for all later steps and for the output; drops nothing."""

    @abstractmethod
    def rewritten(self, samples: pl.DataFrame) -> pl.DataFrame:
        """The samples, columns of ``rows.SAMPLES``, with other texts; as many, in their order."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """What a step makes of the samples that it is given, one each in their order.

    Args:
        reasons: null for those that stay.
        values: what was measured; None where nothing was.
        details: what was found; None where nothing was.
        twins: instead of a detail the ``place`` of the sample that each one is like; its name is looked up when all
            is decided, as the names of all samples would take more room than all else.
        named_by: the column of ``facts.FACTS`` that names a twin.
        is_failed: which of those with a reason failed rather than were rejected; None for none.
    """

    reasons: pl.Series
    values: pl.Series | None = None
    details: pl.Series | None = None
    twins: pl.Series | None = None
    named_by: str = "id"
    is_failed: pl.Series | None = None


class Parts(Protocol):
    """The facts of the samples of a corpus that come to a step, in parts as ``GroupStep.fates`` takes them.

    A group stands in one part. Where a step takes groups in a random order (``Quota``), the parts come in it.
    """

    def read(self, *columns: str) -> Iterator[pl.DataFrame]:
        """The parts, one after the other, from the first.

        Args:
            columns: of those that the step asks for (``GroupStep.reads``), the ones that are looked at now.
        """
        ...

    def table(self, rows: int, columns: int) -> npt.NDArray[np.uint32]:
        """Room for what does not have to be in memory."""
        ...


@dataclass(frozen=True, slots=True)
class _OnePart:
    """Samples that are all there are."""

    alive: pl.DataFrame

    def read(self, *columns: str) -> Iterator[pl.DataFrame]:  # noqa: ARG002 - they are all there
        yield self.alive

    def table(self, rows: int, columns: int) -> npt.NDArray[np.uint32]:
        return np.empty((rows, columns), np.uint32)


@dataclass(frozen=True)
class GroupStep(Step, ABC):
    """Drops samples by comparing those of all shards, or of one group, from their facts alone.

    ``needs_verdicts`` asks for the columns of ``facts.JUDGED`` too; ``drops_few`` says that nearly all stay, so that
    what comes after may begin with all.
    """

    needs_verdicts: ClassVar[bool] = False
    drops_few: ClassVar[bool] = False

    def reads(self) -> Collection[str]:
        """The columns of ``facts.FACTS`` that it looks at beside those that are always there."""
        return ()

    @abstractmethod
    def fates(self, alive: pl.DataFrame) -> Fates:
        """What becomes of the samples of whole groups.

        Args:
            alive: the facts of the samples that no earlier step dropped, with their ``place`` among all, in the order
                of shards and rows: the place is the last tie-break.
        """

    def over(self, parts: Parts) -> Iterator[tuple[pl.DataFrame, Fates]]:
        """Each part with what becomes of its samples."""
        return ((part, self.fates(part)) for part in parts.read(*self.reads()))


@dataclass(frozen=True)
class CorpusStep(GroupStep, ABC):
    """A group step that decides on the groups of all parts at once."""

    @abstractmethod
    def over(self, parts: Parts) -> Iterator[tuple[pl.DataFrame, Fates]]:
        """Each part with what becomes of its samples."""

    def fates(self, alive: pl.DataFrame) -> Fates:
        """What becomes of the samples where these are all."""
        [(_, fates)] = self.over(_OnePart(alive))
        return fates


@dataclass(frozen=True)
class AskStep(Step, ABC):
    """Drops samples by what an engine or a model says of them, asked when the steps before have decided on all.

    ``answers`` are the columns of what is decided on, one row a sample: null where it was not asked about, and
    ``is_failed`` where it was and there is no answer through no fault of its own.
    """

    answers: ClassVar[pl.Schema]

    @abstractmethod
    def fates_by(self, answers: pl.DataFrame) -> Fates:
        """What becomes of the samples; nothing of those that were not asked about."""


@dataclass(frozen=True)
class ArrangeStep(Step, ABC):
    """Says where kept samples stand in the output; drops nothing."""

    def reads(self) -> Collection[str]:
        """The columns of ``facts.FACTS`` that it looks at beside those that are always there."""
        return ()

    @abstractmethod
    def marks(self, kept: pl.DataFrame) -> Mapping[str, npt.NDArray[Any]]:
        """What it arranges by: one number a sample, by name.

        Args:
            kept: the facts of the kept samples of whole groups, with their ``place`` among all, in the order of the
                input.
        """

    @abstractmethod
    def arranged(self, kept: pl.DataFrame) -> pl.DataFrame:
        """The samples in the order of the output, with columns changed.

        Args:
            kept: of all kept samples ``place`` (their order in the input), ``domain``, ``chars`` (of prompt and
                completion), ``split`` (of ``SPLITS``), ``pack`` where they are packed (the number of the sequence that
                a sample shares), and the marks; in the order of the step before.
        """


SPLITS = pl.Enum(["train", "test", "validation"])
"""The parts that kept samples can be in; all of them in the first where no step splits."""


def domain_name(domain: pl.Expr) -> pl.Expr:
    """A domain as it is compared."""
    return domain.cast(pl.String).fill_null("").str.to_lowercase().str.strip_chars()


def domain_head(name: pl.Expr) -> pl.Expr:
    """What stands before the first hyphen, underscore or slash of a domain's name."""
    return name.str.extract(r"^([^-_/]+)")


def groups_of(keys: pl.Series) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    """The places of each key, ascending; the keys in the order of their first place."""
    values = keys.to_numpy()
    order = np.argsort(values, kind="stable")
    parts = np.split(order, starts_of(values[order]))[1:]
    for places in sorted(parts, key=lambda part: int(part[0])):
        yield int(values[places[0]]), places


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
    """Whether a text is empty, white space or what nobody sees; looks no further than its first other character."""
    return ~text.str.contains(r"[^\s\p{Cc}\p{Cf}\u2800\u3164]")


StepT = TypeVar("StepT", bound=Step)


OptionT = TypeVar("OptionT", bound=Option)


def option(
    default: OptionT, *, least: int | None = None, most: int | None = None, choices: tuple[str, ...] = ()
) -> OptionT:
    """A field of a step: its default, and what it may be."""
    return dataclasses.field(default=default, metadata={"least": least, "most": most, "choices": choices})


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
    step = kind(**dict[str, Any](options))
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
    most = field.metadata["most"]
    if most is not None and isinstance(value, int) and value > most:
        raise RecipeError(where, f"{value} is too great; give at most {most}")
    choices = field.metadata["choices"]
    if choices and value not in choices:
        raise RecipeError(where, f"{value!r} is not a choice; {near(str(value), choices)}")


_EXPECTED: Mapping[type, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
