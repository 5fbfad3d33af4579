"""What a run knows of each shard between its passes: facts, verdicts and scores, in small Parquet files of ``state/``.

Verdicts that came early lie there only until those are whole.

A file carries the key of what it was made from. One with another key, or one that cannot be read, is as none: it is
made again. Files are put in place whole, and the same content gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.files import whole_file

KINDS = ("facts", "early", "verdicts", "scores")
"""What is known of a shard."""

_KEY = b"assay.key"
_GROUP_ROWS = 100_000


class State:
    """The files of one run directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(
        self, kind: str, name: str, key: str, schema: pl.Schema, columns: Sequence[str] | None = None
    ) -> pl.DataFrame | None:
        """What was written of a shard under this key and has these columns; None where there is no such.

        Args:
            kind: of what is known.
            name: of the shard.
            key: what it follows from.
            schema: of all of it.
            columns: that are wanted; None for all.
        """
        path = self._path(kind, name)
        wanted = {column: schema[column] for column in schema if columns is None or column in columns}
        try:
            if (pq.read_schema(path).metadata or {}).get(_KEY) != key.encode():
                return None
            if pl.scan_parquet(path, glob=False).collect_schema() != schema:
                return None
            found = pl.read_parquet(path, columns=list(wanted), glob=False)
        except (OSError, pa.ArrowException, pl.exceptions.PolarsError):
            return None
        return found if found.schema == pl.Schema(wanted) else None

    def write(self, kind: str, name: str, key: str, frame: pl.DataFrame) -> None:
        """Puts a frame in place of what was there of the shard."""
        path = self._path(kind, name)
        table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
        table = table.replace_schema_metadata({_KEY: key.encode()})
        with whole_file(path) as stream:
            pq.write_table(table, stream, compression="zstd", compression_level=1, row_group_size=_GROUP_ROWS)

    def forget(self, name: str, *kinds: str) -> None:
        """Takes away what is known of a shard, or some kinds of that."""
        for kind in kinds or KINDS:
            self._path(kind, name).unlink(missing_ok=True)

    def _path(self, kind: str, name: str) -> Path:
        return self._folder / f"{name}.{kind}.parquet"
