"""What a line of input is: a group in the product's own JSON, or a row of a dataset with its completions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from verifier.cli.samples import FIELDS, Sample, SampleFile, samples_of_row
from verifier.errors import UnscorableError
from verifier.formats import Format, Task, as_answer
from verifier.formats.fields import FieldError, Fields, object_of, parse_row
from verifier.types import CodeReference, Group, GroupResult, Scored, Verdict
from verifier.wire.jsonl import MAX_LINE_BYTES, MalformedLineError, group_from_line
from verifier.wire.unicode import well_formed, well_formed_group


class LineReader(Protocol):
    """Reads lines of input."""

    def read(self, line: bytes, number: int) -> Group | GroupResult:
        """The group of a line, or its answer where there is nothing to judge.

        Raises:
            MalformedLineError: the line is neither.
        """

    def rest(self) -> Iterable[GroupResult]:
        """Answers to what no line asked for, once all lines are read."""


class GroupReader:
    """Lines in the product's own JSON; a ``LineReader``."""

    def read(self, line: bytes, number: int) -> Group:
        """See ``LineReader.read``."""
        return group_from_line(line, number)

    def rest(self) -> Iterable[GroupResult]:
        """See ``LineReader.rest``."""
        return ()


@dataclass(slots=True, kw_only=True)
class RowReader:
    """Lines that are rows of a dataset; a ``LineReader``.

    Args:
        dataset: how its rows are read.
        samples: completions joined by the id of the task; None takes those in the row itself.
        is_own: judge the dataset's own solutions.
        language: of the programs, where the tests fit any; empty keeps the row's.
        time_limit_s: where a row gives none; None leaves the choice to the verifier.
    """

    dataset: Format
    samples: SampleFile | None = None
    is_own: bool = False
    language: str = ""
    time_limit_s: float | None = None
    _rows: int = 0

    def read(self, line: bytes, number: int) -> Group | GroupResult:
        """See ``LineReader.read``."""
        if len(line) > MAX_LINE_BYTES:
            raise MalformedLineError(number, "json", f"the line has more than {MAX_LINE_BYTES} bytes")
        task_id = ""
        position, self._rows = self._rows, self._rows + 1
        try:
            row = object_of(parse_row(line), "")
            task_id = well_formed(self.dataset.id(row, position))
            return self._group(row, task_id)
        except FieldError as error:
            raise MalformedLineError(number, error.field, error.problem, task_id) from error

    def rest(self) -> Iterable[GroupResult]:
        """See ``LineReader.rest``: an answer for the completions of each task that never came."""
        if self.samples is None:
            return
        for task_id in self.samples.left():
            count = len(self.samples.take(task_id))
            detail = f"no row has the id {task_id!r}; check the file of completions, or the dataset's"
            yield _unscorable(well_formed(task_id), count, "unknown_task", detail)

    def _group(self, row: Fields, task_id: str) -> Group | GroupResult:
        samples = self._samples(row, task_id)
        try:
            task = self.dataset.task(row, language=self.language, time_limit_s=self.time_limit_s)
            completions = [Sample(text=self._own(task), is_program=True)] if samples is None else samples
        except UnscorableError as error:
            return _unscorable(task_id, len(samples or [""]), error.reason, error.detail)
        language = task.reference.language
        stub = None if self.is_own else task.stub
        group = Group(
            id=task_id,
            prompt=self.dataset.prompt(row),
            completions=tuple(
                as_answer(one.text, language=language, stub=stub, is_program=one.is_program) for one in completions
            ),
            reference=task.reference,
        )
        return well_formed_group(group)

    def _samples(self, row: Fields, task_id: str) -> list[Sample] | None:
        """The completions of a row; None where the dataset's own solution stands in their place."""
        if self.is_own:
            return None
        if self.samples is not None:
            return self.samples.take(task_id)
        samples = samples_of_row(row)
        if samples is None:
            raise FieldError("completions", f"missing; give them in the row, or in --completions FILE as {FIELDS[0]}")
        return samples

    def _own(self, task: Task) -> str:
        if not task.solution:
            raise UnscorableError("no_solution", f"{self.dataset.name}: the row has no solution of the dataset's own")
        return task.solution


def characters(group: Group) -> int:
    """About how long a group is: its completions and its tests."""
    count = sum(map(len, group.completions))
    if isinstance(group.reference, CodeReference):
        count += len(group.reference.script)
        count += sum(len(test.input) + len(test.output) for test in group.reference.stdio)
        count += sum(len(test.args) + len(test.expected) for test in group.reference.calls)
    return count


def with_recipe(item: Group | GroupResult, recipe: str) -> Group | GroupResult:
    """The group with this recipe, where one is given."""
    return replace(item, recipe=recipe) if recipe and isinstance(item, Group) else item


def _unscorable(task_id: str, count: int, reason: str, detail: str) -> GroupResult:
    verdict = Verdict.unscorable("reference", reason, well_formed(detail))
    return GroupResult(id=task_id, scores=(Scored(reward=None, verdicts=(verdict,)),) * max(count, 1))
