"""One Parquet file of the output: written under a temporary name, in small row groups, synced before it counts."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq

from curation.manifest import Output
from curation.sources import file_sha256

_GROUP_ROWS = 1_000
_SMALL = ["domain", "input_file", "drop_step", "drop_reason", "reward"]


class SampleFile:
    """A file whose row groups hold 1,000 samples whatever tables come; left unfinished, it stays temporary.

    The same samples give the same bytes: the cuts, the encodings and the compression are all fixed here.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in _SMALL if name in schema.names],
            write_statistics=["input_row"],
            store_schema=True,
        )
        self._schema = schema
        self._held: list[pa.Table] = []
        self._rows = 0
        self.samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._writer.close()

    def append(self, table: pa.Table) -> None:
        """Adds samples."""
        self.samples += table.num_rows
        while self._rows + table.num_rows >= _GROUP_ROWS:
            cut = _GROUP_ROWS - self._rows
            self._held.append(table.slice(0, cut))
            self._flush()
            table = table.slice(cut)
        if table.num_rows:
            self._held.append(table)
            self._rows += table.num_rows

    def close(self) -> Output:
        """Ends the file and syncs it."""
        if self._held:
            self._flush()
        self._writer.close()
        with self._path.open("rb") as stream:
            os.fsync(stream.fileno())
        return Output(samples=self.samples, bytes=self._path.stat().st_size, sha256=file_sha256(self._path))

    def _flush(self) -> None:
        group = pa.concat_tables(self._held).combine_chunks()
        self._writer.write_table(group, row_group_size=_GROUP_ROWS)
        self._held, self._rows = [], 0
