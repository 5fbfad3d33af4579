"""Decisions over all shards at once, on facts and answers alone, in the order of the recipe.

Facts of all shards stand one after the other, so a sample's place in them is a total order, and every tie falls the
same way. The steps before one that asks (``verify``, a judged ``quality``) say what it is to ask about.

What stands in memory for every sample is its fate, and whether it was found right. Facts are put aside in parts of
whole groups, and a step looks at one part after the other, so that memory does not grow with what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.errors import AccountingError
from curation.executors.annotate import NOT_READ
from curation.executors.ledger import Ledger
from curation.executors.spool import Spool, mapped
from curation.facts import FACTS, JUDGED
from curation.steps import facts_read
from curation.steps.base import ArrangeStep, AskStep, GroupStep, Step, TextStep
from curation.steps.order import shuffled
from curation.steps.quota import Quota
from curation.steps.verify import Verify
from curation.words import runs_of

_SIGNATURE = "prompt_near"
_SHOWN = ("group", "domain", "prompt_chars", "chars")
"""What steps see whatever they read."""
_FATES = ("text_step", "text_reason")
_UNKNOWN = -1
_MOST_OF_32_BITS = 1 << 32

_PART_BYTES = 1 << 26
"""Of facts that a part holds, about; a step that looks at it may take up some times as much."""
_CHUNK_SAMPLES = 1 << 19
"""Samples that are put aside at once."""
_ROOM = {"near": 160, _SIGNATURE: 160}
"""Bytes that a value of a column takes up, where it is not a number; of signatures of prompts one in four is there."""


def columns_needed(steps: Sequence[Step]) -> list[str]:
    """The facts that the decisions of a recipe read."""
    return [name for name in FACTS if name in {*_SHOWN, *_FATES, *facts_read(steps)}]


@dataclass(frozen=True, slots=True)
class _Parts:
    """What comes to a step; see ``steps.base.Parts``."""

    seen: Callable[[Collection[str]], Iterator[pl.DataFrame]]
    folder: Path | None

    def read(self, *columns: str) -> Iterator[pl.DataFrame]:
        return self.seen(columns)

    def table(self, rows: int, columns: int) -> npt.NDArray[np.uint32]:
        return mapped(rows, columns, self.folder)


class Corpus:
    """What has become of the samples of all shards so far, and what decides on them.

    Args:
        facts: of each shard, with the columns of ``columns_needed``; best read one after the other as they are asked
            for.
        steps: of the recipe.
        samples: how many there are in all shards.
        folder: for what is put aside; None takes the one for temporary files.
        part_bytes: of facts that are looked at together; sets memory and no result.

    Raises:
        AccountingError: there are more or fewer samples.
    """

    def __init__(
        self,
        facts: Iterable[pl.DataFrame],
        steps: Sequence[Step],
        *,
        samples: int,
        folder: Path | None = None,
        part_bytes: int = _PART_BYTES,
    ) -> None:
        self._steps = steps
        self.ledger = Ledger(samples, steps, folder=folder)
        self.bounds = [0]
        """Where each shard begins, and where the last ends."""
        columns = {name: FACTS[name] for name in columns_needed(steps) if name not in _FATES}
        schema = pl.Schema({"place": pl.Int64(), **columns, "domain": pl.UInt32()})
        room = samples * sum(_ROOM.get(name, 8) for name in schema)
        self._part_bits = max(0, (room // part_bytes).bit_length())
        self._folder = folder
        self._spool = Spool(schema, 1 << self._part_bits, folder)
        self._domains: dict[str, int] = {}
        # Parts are taken in the order in which a quota takes groups, so that it can count from one to the next.
        self._seed = next((step.seed for step in steps if isinstance(step, Quota)), 0)
        judged = samples if any(isinstance(step, Verify) for step in steps) else 0
        self._right: npt.NDArray[np.int8] = np.full(judged, _UNKNOWN, np.int8)
        self._done = 0
        self._answered: dict[int, int] = {}
        self._put_aside(facts)

    @property
    def bytes_aside(self) -> int:
        """Of the facts that are put aside until all is decided."""
        return self._spool.bytes

    def decide_before(self, step: AskStep) -> list[npt.NDArray[np.bool_]]:
        """Does the steps before one that asks, from where the last call ended.

        Returns:
            Of each shard, which samples it is to ask about.
        """
        number = self._steps.index(step)
        self._decide(number)
        wanted = self.ledger.alive(number)
        if (covered := self._covered(step)) is not None:
            is_covered = np.zeros(len(wanted), np.bool_)
            for part in self._parts(["place", "domain"]):
                is_covered[part["place"].to_numpy()] = covered[part["domain"].to_numpy()]
            wanted &= is_covered
        return [wanted[first:stop] for first, stop in pairwise(self.bounds)]

    def decide_by(self, step: AskStep, shard: int, answers: pl.DataFrame) -> None:
        """Does a step that asks on the samples of one shard; each has its turn before the next steps.

        Args:
            step: which.
            shard: its number.
            answers: columns of the step's ``answers``.
        """
        first, stop = self.bounds[shard : shard + 2]
        if answers.height != stop - first:
            raise AccountingError(f"{answers.height} answers for {stop - first} samples")
        number = self._steps.index(step)
        self.ledger.drop(number, np.arange(first, stop), step.fates_by(answers))
        if isinstance(step, Verify):
            self._right[first:stop] = answers["is_right"].cast(pl.Int8).fill_null(_UNKNOWN).to_numpy()
        self._answered[number] = self._answered.get(number, 0) + 1

    def decide_rest(self) -> None:
        """Does the steps that are left."""
        self._decide(len(self._steps))

    def name_twins(self, names: Callable[[int, str], pl.Series]) -> None:
        """Tells what each sample is like that was dropped for that.

        Args:
            names: gives a column of the facts of a shard, by the shard's number.
        """
        for twins in self.ledger.twins():
            for (column,), like in twins.group_by("named_by", maintain_order=True):
                of_shards = like.with_columns(shard=np.searchsorted(self.bounds, like["twin"], side="right") - 1)
                for (shard,), here in of_shards.sort("shard").group_by("shard", maintain_order=True):
                    found = names(shard, column).gather(here["twin"] - self.bounds[shard])
                    self.ledger.name_twins(here["place"].to_numpy(), found)

    def kept(self) -> pl.DataFrame:
        """The samples that are alive, in the order of the input.

        Returns:
            ``place`` among all, ``domain``, ``chars`` of prompt and completion, and the marks of steps that arrange.
        """
        places = np.flatnonzero(self.ledger.alive(len(self._steps)))
        arranges = [step for step in self._steps if isinstance(step, ArrangeStep)]
        reads = {name for step in arranges for name in step.reads()}
        columns: dict[str, npt.NDArray[np.generic]] = {}
        for part in self._seen(len(self._steps), reads):
            made = {
                "domain": part["domain"].to_physical().to_numpy(),
                "chars": part.select(pl.col("chars") + pl.col("prompt_chars")).to_series().to_numpy(),
            }
            for step in arranges:
                made |= step.marks(part)
            at = np.searchsorted(places, part["place"].to_numpy())
            for name, values in made.items():
                if name not in columns:
                    columns[name] = np.empty(len(places), values.dtype)
                columns[name][at] = values
        # Half the room, but for more samples than 32 bits can number.
        small = places.astype(np.uint32) if len(self.ledger) <= _MOST_OF_32_BITS else places
        return pl.DataFrame({"place": small, **columns}).with_columns(pl.col("domain").cat.to(self._domain_type()))

    def _put_aside(self, facts: Iterable[pl.DataFrame]) -> None:
        # In the facts text steps are counted alone, so that they stay true when other steps come and go.
        numbers = [number for number, step in enumerate(self._steps) if isinstance(step, TextStep)]
        placed = {NOT_READ: NOT_READ} | dict(enumerate(numbers))
        deciding = (number for number, step in enumerate(self._steps) if isinstance(step, GroupStep | AskStep))
        # What is dropped before any step compares samples is compared with nothing.
        first_look = next(deciding, len(self._steps))
        chunk: list[pl.DataFrame] = []
        for frame in facts:
            first = self.bounds[-1]
            self.bounds.append(first + frame.height)
            if self.bounds[-1] > len(self.ledger):
                break
            number = frame["text_step"].replace_strict(placed, return_dtype=pl.Int8)
            self.ledger.foresee(first, number, frame["text_reason"])
            places = np.arange(first, first + frame.height)
            looked_at = pl.Series(self.ledger.alive(first_look, places))
            chunk.append(frame.with_columns(place=places).filter(looked_at))
            if sum(part.height for part in chunk) >= _CHUNK_SAMPLES:
                self._put_chunk_aside(pl.concat(chunk))
                chunk = []
        if chunk:
            self._put_chunk_aside(pl.concat(chunk))
        if self.bounds[-1] != len(self.ledger):
            raise AccountingError(f"facts of {self.bounds[-1]} samples, where there are {len(self.ledger)}")

    def _put_chunk_aside(self, chunk: pl.DataFrame) -> None:
        domains = chunk["domain"].fill_null("")
        for name in domains.unique(maintain_order=True):
            self._domains.setdefault(name, len(self._domains))
        keys = shuffled(chunk["group"], self._seed).to_numpy()
        # In two steps, as a shift by all 64 bits is none.
        owners = (keys >> np.uint64(63 - self._part_bits)) >> np.uint64(1)
        codes = domains.replace_strict(self._domains, return_dtype=pl.UInt32)
        self._spool.add(chunk.with_columns(domain=codes), owners.astype(np.uint32))

    def _decide(self, stop: int) -> None:
        for number in range(self._done, stop):
            step = self._steps[number]
            if isinstance(step, GroupStep):
                for part, fates in step.over(_Parts(partial(self._seen, number), self._folder)):
                    self.ledger.drop(number, part["place"].to_numpy(), fates)
            elif isinstance(step, AskStep) and self._answered.get(number, 0) != len(self.bounds) - 1:
                raise AccountingError(f"step {step.name} has answers of {self._answered.get(number, 0)} shards")
        self._done = stop

    def _seen(self, number: int, reads: Collection[str]) -> Iterator[pl.DataFrame]:
        """What comes to a step, or is left by all: the facts of samples of whole groups, part by part.

        Args:
            number: of the step; that of all steps for what is left by all.
            reads: columns beside those that are always there.
        """
        step = self._steps[number] if number < len(self._steps) else None
        covered = None if step is None else self._covered(step)
        domain_type = self._domain_type()
        columns = [name for name in ("place", *FACTS) if name in {"place", *_SHOWN, *reads}]
        for part in self._parts(columns):
            places = part["place"].to_numpy()
            among = self.ledger.alive(number, places)
            if covered is not None:
                among &= covered[part["domain"].to_numpy()]
            seen = part.with_columns(pl.col("domain").cat.to(domain_type))
            if isinstance(step, GroupStep) and step.needs_verdicts:
                seen = seen.with_columns(_by_group(part["group"].to_numpy(), self._right[places]))
            seen = seen.filter(pl.Series(among))
            yield _signed(part, seen) if _SIGNATURE in reads else seen

    def _parts(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        return (self._spool.read(part, columns) for part in range(self._spool.parts))

    def _domain_type(self) -> pl.Enum:
        return pl.Enum(list(self._domains))

    def _covered(self, step: Step) -> npt.NDArray[np.bool_] | None:
        """Whether samples of each domain are looked at; None where those of all are."""
        covers = step.covers(pl.col("domain"))
        if covers is None:
            return None
        domains = pl.DataFrame({"domain": list(self._domains)}, schema={"domain": pl.String})
        return domains.select(covers).to_series().to_numpy()


def _signed(part: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """The samples with the signature of each prompt at its first one.

    One sample of a prompt carries it, and may be dropped before it is asked for.
    """
    signed = part.select("group", _SIGNATURE).filter(pl.col(_SIGNATURE).is_not_null())
    signed = signed.unique("group", keep="first", maintain_order=True)
    found = seen.drop(_SIGNATURE).join(signed, on="group", how="left", maintain_order="left")
    return found.with_columns(pl.when(pl.col("group").is_first_distinct()).then(_SIGNATURE))


def _by_group(group: npt.NDArray[np.uint64], right: npt.NDArray[np.int8]) -> list[pl.Series]:
    """Of the group of each sample, how many were found right or wrong, and how many right."""
    order = np.argsort(group, kind="stable")
    starts, sizes = runs_of(group[order])
    counts: list[pl.Series] = []
    for (name, dtype), flags in zip(JUDGED.items(), (right != _UNKNOWN, right > 0), strict=True):
        sums = np.add.reduceat(flags[order], starts, dtype=np.uint32) if len(starts) else np.zeros(0, np.uint32)
        spread = np.empty(len(order), np.uint32)
        spread[order] = np.repeat(sums, sizes)
        counts.append(pl.Series(name, spread, dtype=dtype))
    return counts
