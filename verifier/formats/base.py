"""What a converter is: the name of a dataset's format, and the function that reads one of its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from verifier.errors import UnscorableError
from verifier.formats.fields import FieldError, Fields, shown
from verifier.formats.programs import Stub
from verifier.types import CodeReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One row of a dataset.

    Args:
        reference: its tests.
        stub: what the row gives of a program; None where completions are answers with a whole program.
        solution: the dataset's own solution, as a program; empty where the row has none.
    """

    reference: CodeReference
    stub: Stub | None = None
    solution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One way in which datasets write code tasks.

    Args:
        name: as ``--format`` and recipes name it.
        source: datasets that are written so.
        fields: names of the fields that are read; those in brackets may be missing.
        read: makes the task of a row. Raises ``FieldError`` or ``UnscorableError``.
        ids: fields that may hold the id of a row, in the order they are tried.
        prompts: fields that may hold what the model was asked.
        id_prefixes: in front of ids in files of completions, where the dataset itself has none.
    """

    name: str
    source: str
    fields: tuple[str, ...]
    read: Callable[[Fields], Task]
    ids: tuple[str, ...] = ("task_id", "id")
    prompts: tuple[str, ...] = ("prompt",)
    id_prefixes: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Every field that is read, without brackets."""
        return tuple(field.strip("[]") for field in self.fields)

    @property
    def needed(self) -> tuple[str, ...]:
        """Every field that a row must have."""
        return tuple(field for field in self.fields if not field.startswith("["))

    def task(self, row: Fields, *, language: str = "", time_limit_s: float | None = None) -> Task:
        """The task of a row.

        Args:
            row: of the dataset.
            language: of the program, for tests that read standard input and fit any language; empty keeps the row's.
            time_limit_s: where the row gives none; None leaves the choice to the verifier.

        Raises:
            UnscorableError: the row cannot be judged; the detail names the field and the remedy.
        """
        try:
            task = self.read(row)
        except FieldError as error:
            raise UnscorableError("bad_row", f"{self.name}: {error}") from error
        reference = task.reference
        if language and reference.stdio:
            reference = replace(reference, language=language)
        if reference.time_limit_s is None:
            reference = replace(reference, time_limit_s=time_limit_s)
        return replace(task, reference=reference)

    def id(self, row: Fields, number: int) -> str:
        """The id of a row, or its number in the file where it has none.

        Raises:
            FieldError: the id is neither a text nor a whole number.
        """
        name = next((name for name in self.ids if row.values.get(name) not in (None, "")), None)
        value = number if name is None else row.values[name]
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise FieldError(str(name), f"expected a string or a whole number, got {shown(value)}")
        return self.bare_id(str(value))

    def bare_id(self, text: str) -> str:
        """An id without a prefix that only files of completions have."""
        for prefix in self.id_prefixes:
            text = text.removeprefix(prefix)
        return text

    def prompt(self, row: Fields) -> str:
        """What the model was asked; empty where the row does not say, or says it in messages."""
        texts = (row.values.get(name) for name in self.prompts)
        return next((text for text in texts if isinstance(text, str) and text), "")
