"""Texts as Arrow holds them: bytes in shared buffers, and a view of 16 bytes on each text.

A part of a text is a view on the same bytes, so it is cut without copying or reading it. What polars offers copies the
part (``bin.slice``) or walks to its end character by character (``str.slice``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]

_VIEW_BYTES = 16
_SIZE_BYTES = 4
_PREFIX_BYTES = 4
_INLINE_BYTES = 12
"""A text of no more bytes stands in its view; of a longer one the view has the start, the buffer and the place."""


def find(texts: pl.Series, marks: Sequence[str]) -> tuple[Numbers, Numbers]:
    """Places of some marks, none of which is a part of another or overlaps it.

    Returns:
        How many stand in each text, 0 where there is none, and the offsets of all in bytes, one text after the other.
    """
    found = texts.str.find_many(list(marks)).to_arrow()
    ends = np.frombuffer(found.buffers()[1], np.int64)[found.offset :][: len(texts) + 1]
    return np.diff(ends), found.values.to_numpy()[ends[0] : ends[-1]].astype(np.int64)


class Views:
    """The texts of a series. Source: Apache Arrow, columnar format 1.4, "Variable-size Binary View Layout"."""

    def __init__(self, texts: pl.Series) -> None:
        array = texts.to_arrow(compat_level=pl.CompatLevel.newest())
        _, views, *data = array.buffers()
        own = np.frombuffer(views, np.uint8)
        columns = np.frombuffer(views, np.int32).reshape(-1, _VIEW_BYTES // 4)[array.offset :][: len(array)]
        self.is_there: Flags = texts.is_not_null().to_numpy()
        self.sizes: Numbers = np.where(self.is_there, columns[:, 0], 0).astype(np.int64)
        """Bytes of each text, 0 where there is none."""
        is_inline = self.sizes <= _INLINE_BYTES
        # The views are one more buffer, for the texts that stand in them.
        self._buffers = [np.frombuffer(each, np.uint8) for each in data] + [own]
        self._data = data
        self._owners = np.where(is_inline, len(data), columns[:, 2])
        inline = _VIEW_BYTES * (array.offset + np.arange(len(array))) + _SIZE_BYTES
        self._places: Numbers = np.where(is_inline, inline, columns[:, 3]).astype(np.int64)

    def __iter__(self) -> Iterator[memoryview | None]:
        """The bytes of each text, None where there is none."""
        buffers = [buffer.data for buffer in self._buffers]
        columns = (self.is_there, self._owners, self._places, self._places + self.sizes)
        for is_there, owner, start, end in zip(*(column.tolist() for column in columns), strict=True):
            yield buffers[owner][start:end] if is_there else None

    def bytes_at(self, rows: Numbers, places: Numbers, width: int) -> Bytes:
        """``width`` bytes from each of some places; what lies behind the end of a text is any byte.

        Args:
            rows: number of a text for each place.
            places: offset within it, in bytes.
            width: of the result, which has a row for each place.
        """
        found = np.zeros((len(rows), width), np.uint8)
        owners, starts = self._owners[rows], self._places[rows] + places
        for owner in np.unique(owners):
            own, buffer = np.flatnonzero(owners == owner), self._buffers[owner]
            # Windows are views, so that whole runs of bytes are copied and no place is worked out for each.
            padded = buffer if len(buffer) >= width else np.concatenate((buffer, np.zeros(width, np.uint8)))
            windows = np.lib.stride_tricks.sliding_window_view(padded, width)
            is_inner = starts[own] < len(windows)
            found[own[is_inner]] = windows[starts[own[is_inner]]]
            for row in own[~is_inner]:
                rest = buffer[starts[row] :]
                found[row, : len(rest)] = rest
        return found

    def cut(self, starts: Numbers, stops: Numbers, where: Flags) -> pl.Series:
        """A part of each text, null where it is not asked for.

        Args:
            starts: first byte, which begins a character.
            stops: byte after the last.
            where: which parts are asked for.
        """
        count = len(starts)
        sizes = np.where(where, np.maximum(stops - starts, 0), 0)
        heads = self.bytes_at(np.arange(count), np.where(where, starts, 0), _INLINE_BYTES)
        is_long = sizes > _INLINE_BYTES
        # Bytes of a view behind its text are zero, and a long text has its first four.
        heads[np.arange(_INLINE_BYTES) >= np.where(is_long, _PREFIX_BYTES, sizes)[:, np.newaxis]] = 0
        views = np.empty((count, _VIEW_BYTES // 4), np.int32)
        views[:, 0] = sizes
        views[:, 1:] = heads.view(np.int32)
        views[is_long, 2] = self._owners[is_long]
        views[is_long, 3] = (self._places + starts)[is_long]
        mask = pa.py_buffer(np.packbits(where, bitorder="little"))
        cut = pa.Array.from_buffers(pa.string_view(), count, [mask, pa.py_buffer(views), *self._data])
        return pl.Series(pl.from_arrow(cut), dtype=pl.String)
