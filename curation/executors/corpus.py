"""Decisions over all shards at once, on facts and answers alone, in the order of the recipe.

Facts of all shards stand one after the other, so a sample's place in them is a total order, and every tie falls the
same way. The steps before one that asks (``verify``, a judged ``quality``) say what it is to ask about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.errors import AccountingError
from curation.executors.annotate import NOT_READ
from curation.executors.ledger import Ledger
from curation.facts import FACTS, JUDGED
from curation.steps import facts_read
from curation.steps.base import AskStep, GroupStep, Step, TextStep
from curation.steps.verify import Verify
from curation.words import runs_of

_SIGNATURE = "prompt_near"
_SHOWN = ("group", "domain", "prompt_chars", "chars")
"""What steps see whatever they read."""
_ALWAYS = (*_SHOWN, "text_step", "text_reason")


def columns_needed(steps: Sequence[Step]) -> list[str]:
    """The facts that the decisions of a recipe read."""
    return [name for name in FACTS if name in {*_ALWAYS, *facts_read(steps)}]


def held(answers: pl.DataFrame) -> pl.DataFrame:
    """The answers about a shard in less room: few words in many rows."""
    return answers.with_columns(pl.col(pl.String).cast(pl.Categorical))


class Corpus:
    """The facts of all shards, and what has become of their samples so far.

    Args:
        facts: of each shard, with the columns of ``columns_needed``; best read one after the other as they are asked
            for, as they take up more room than what is held of them.
        steps: of the recipe.
    """

    def __init__(self, facts: Iterable[pl.DataFrame], steps: Sequence[Step]) -> None:
        schema = {name: FACTS[name] for name in columns_needed(steps)}
        # In the facts text steps are counted alone, so that they stay true when other steps come and go.
        numbers = [number for number, step in enumerate(steps) if isinstance(step, TextStep)]
        placed = {NOT_READ: NOT_READ} | dict(enumerate(numbers))
        number = pl.col("text_step").replace_strict(placed, return_dtype=pl.Int32)
        # Few words in many rows: as categories they take a quarter of the room.
        words = pl.col("domain", "text_reason").cast(pl.Categorical)
        parts = [frame.with_columns(words, number) for frame in chain([pl.DataFrame(schema=schema)], facts)]
        self.bounds = list(accumulate((frame.height for frame in parts[1:]), initial=0))
        """Where each shard begins, and where the last ends."""
        self._facts = pl.concat(parts)
        self._signatures = pl.DataFrame(schema={"group": FACTS["group"], _SIGNATURE: FACTS[_SIGNATURE]})
        if _SIGNATURE in schema:
            # One sample of a prompt carries its signature, and may be dropped before it is asked for.
            signed = self._facts.select("group", _SIGNATURE).filter(pl.col(_SIGNATURE).is_not_null())
            self._signatures = signed.unique("group", keep="first", maintain_order=True)
            self._facts = self._facts.drop(_SIGNATURE)
        self._steps = steps
        self.ledger = Ledger(self._facts.height, steps)
        self._done = 0

    def decide_before(self, step: AskStep) -> list[npt.NDArray[np.bool_]]:
        """Does the steps before one that asks, from where the last call ended.

        Returns:
            Of each shard, which samples it is to ask about.
        """
        number = self._steps.index(step)
        self._decide(number)
        wanted = self.ledger.alive() & self._covered(step)
        return [wanted[first:stop] for first, stop in zip(self.bounds, self.bounds[1:], strict=False)]

    def decide_by(self, step: AskStep, answers: Sequence[pl.DataFrame]) -> None:
        """Does a step that asks.

        Args:
            step: which.
            answers: of each shard, ``held``.
        """
        made = pl.concat([held(pl.DataFrame(schema=step.answers)), *answers])
        if made.height != self._facts.height:
            raise AccountingError(f"{made.height} answers for {self._facts.height} samples")
        number = self._steps.index(step)
        fates = step.fates_by(made)
        self.ledger.drop(number, fates.reasons, values=fates.values, details=fates.details, is_failed=fates.is_failed)
        if isinstance(step, Verify):
            judged, right = _by_group(self._facts["group"], made["is_right"])
            self._facts = self._facts.with_columns(made["is_right"], judged=judged, right=right)
        self._done = number + 1

    def decide_rest(self) -> None:
        """Does the steps that are left."""
        self._decide(len(self._steps))

    def name_twins(self, names: Callable[[int, str], pl.Series]) -> None:
        """Tells what each sample is like that was dropped for that.

        Args:
            names: gives a column of the facts of a shard, by the shard's number.
        """
        for column, places in self.ledger.twins().items():
            owners = np.searchsorted(self.bounds, places, side="right") - 1
            found: list[str] = []
            for number in np.unique(owners).tolist():
                own = pl.Series(places[owners == number] - self.bounds[number])
                found += names(number, column).gather(own).to_list()
            self.ledger.name_twins(column, places, found)

    def kept(self) -> pl.DataFrame:
        """The facts of the samples that are alive, with their ``place`` among all."""
        alive = self.ledger.alive()
        places = pl.Series("place", np.flatnonzero(alive), dtype=pl.Int64)
        return self._facts.filter(pl.Series(alive)).with_columns(places)

    def _decide(self, stop: int) -> None:
        for number in range(self._done, stop):
            step = self._steps[number]
            if isinstance(step, GroupStep):
                self._drop_texts(before=number)
                among = self.ledger.alive() & self._covered(step)
                alive = self._facts.select(self._seen_by(step)).filter(pl.Series(among))
                fates = step.fates(self._signed(alive) if _SIGNATURE in step.reads() else alive)
                twins = fates.twins
                self.ledger.drop(
                    number,
                    fates.reasons,
                    among=among,
                    values=fates.values,
                    details=fates.details,
                    twins=None if twins is None else pl.Series(np.flatnonzero(among)).gather(twins),
                    named_by=fates.named_by,
                )
        self._drop_texts(before=stop)
        self._done = stop

    def _seen_by(self, step: GroupStep) -> list[str]:
        """The columns that a step looks at; the others are not copied for it."""
        seen = {*_SHOWN, *step.reads(), *(JUDGED if step.needs_verdicts else ())}
        return [name for name in self._facts.columns if name in seen]

    def _signed(self, alive: pl.DataFrame) -> pl.DataFrame:
        """The samples with the signature of each prompt at its first one."""
        signed = alive.join(self._signatures, on="group", how="left", maintain_order="left")
        return signed.with_columns(pl.when(pl.col("group").is_first_distinct()).then(_SIGNATURE))

    def _covered(self, step: Step) -> npt.NDArray[np.bool_]:
        """Which samples are of the domains that a step looks at."""
        covers = step.covers(pl.col("domain"))
        return (
            np.ones(self._facts.height, np.bool_)
            if covers is None
            else self._facts.select(covers).to_series().to_numpy()
        )

    def _drop_texts(self, *, before: int) -> None:
        """Drops by all text steps before a step at once; those that stand before an earlier one were told then."""
        found = self._facts.select(
            pl.when(pl.col("text_step") < before).then("text_reason").alias("reason"), "text_step"
        )
        self.ledger.drop(found["text_step"], found["reason"])


def _by_group(group: pl.Series, is_right: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Of the group of each sample, how many were found right or wrong, and how many right."""
    # Sorted rather than hashed, which takes a fraction of the room.
    values = group.to_numpy()
    order = np.argsort(values, kind="stable")
    starts, sizes = runs_of(values[order])
    counts: list[pl.Series] = []
    for (name, dtype), flags in zip(
        JUDGED.items(), (is_right.is_not_null(), is_right.fill_null(value=False)), strict=True
    ):
        marks = flags.to_numpy()[order]
        sums = np.add.reduceat(marks, starts, dtype=np.uint32) if len(starts) else np.zeros(0, np.uint32)
        spread = np.empty(len(order), np.uint32)
        spread[order] = np.repeat(sums, sizes)
        counts.append(pl.Series(name, spread, dtype=dtype))
    return counts[0], counts[1]
