"""Rows that are put aside in parts, to be looked at one part at a time: what does not have to be in memory.

They lie in a file without a name, which the system takes away with the process, however that ends.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

_IN_MEMORY = 1 << 22
"""Bytes before there is a file at all."""

_Piece: TypeAlias = tuple[int, int]


def mapped(rows: int, columns: int, folder: Path | None) -> npt.NDArray[np.uint32]:
    """A table whose pages the system may write to a file without a name, where memory runs short.

    Args:
        rows: of it; none has been set.
        columns: likewise.
        folder: where the file lies; None takes the one for temporary files.
    """
    if 4 * rows * columns <= _IN_MEMORY:
        return np.empty((rows, columns), np.uint32)
    with TemporaryFile(dir=folder) as file:
        # As a plain array: each look at a row of the other kind makes an object.
        return np.memmap(file, np.uint32, "w+", shape=(rows, columns)).view(np.ndarray)


def on_disk(size: int) -> int:
    """Bytes of a file of so many that stand on the disk, and not in memory alone."""
    return size if size > _IN_MEMORY else 0


class Spool:
    """Rows in parts.

    Args:
        schema: of the rows.
        parts: how many there are.
        folder: where the file lies; None takes the one for temporary files.
    """

    def __init__(self, schema: pl.Schema, parts: int, folder: Path | None) -> None:
        self.parts = parts
        self._schema = schema
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY, dir=None if folder is None else str(folder))  # noqa: SIM115 - closed with the spool
        weakref.finalize(self, self._file.close)
        # Columns lie apart, as a signature takes more room than all numbers of a sample and is seldom read.
        self._pieces: list[dict[str, list[_Piece]]] = [{name: [] for name in schema} for _ in range(parts)]
        self._end = 0

    @property
    def bytes(self) -> int:
        """Of all that was put aside."""
        return self._end

    def add(self, rows: pl.DataFrame, owners: npt.NDArray[np.integer[Any]]) -> None:
        """Puts rows aside; those of a part come back in the order in which they were put there.

        Args:
            rows: with the columns of the schema.
            owners: the part of each.
        """
        if not rows.height:
            return
        counts = np.bincount(owners, minlength=self.parts)
        if np.count_nonzero(counts) > 1:
            rows = rows[np.argsort(owners, kind="stable")]
        self._file.seek(self._end)
        first = 0
        for part in np.flatnonzero(counts).tolist():
            count = int(counts[part])
            for name, dtype in self._schema.items():
                rows.slice(first, count).select(pl.col(name).cast(dtype)).write_ipc_stream(self._file)
                start, self._end = self._end, self._file.tell()
                self._pieces[part][name].append((start, self._end - start))
            first += count

    def read(self, part: int, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows of a part.

        Args:
            part: its number.
            columns: that are wanted; None for all.
        """
        wanted = self._schema.names() if columns is None else columns
        return pl.DataFrame([self._column(part, name) for name in wanted])

    def _column(self, part: int, name: str) -> pl.Series:
        found = [pl.Series(name, [], dtype=self._schema[name])]
        for start, size in self._pieces[part][name]:
            self._file.seek(start, os.SEEK_SET)
            found.append(pl.read_ipc_stream(self._file.read(size)).to_series())
        return pl.concat(found, rechunk=True)
