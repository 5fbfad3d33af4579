"""The files of one shard: written under temporary names, in small row groups, synced before they count."""

from __future__ import annotations

import os
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow.parquet as pq

from curation.executors.ledger import Ledger
from curation.manifest import KINDS, Directory, Output
from curation.rows import OUTPUT, OUTPUT_DROPPED, output_frame
from curation.shards import Shard, file_sha256

_GROUP_ROWS = 1_000
_HELD_FRAMES = 4
_SMALL = ["domain", "input_file", "drop_step", "drop_reason", "reward"]


class SampleFile:
    """One Parquet file that is made when its first sample comes; row groups hold 1,000 samples whatever the frames.

    The same samples give the same bytes: the cuts, the encodings and the compression are all fixed here.
    """

    def __init__(self, directory: Directory, kind: str, shard: Shard) -> None:
        self._shard = shard
        self._path = directory.temporary(kind, shard.name)
        self._schema = OUTPUT if kind == "data" else OUTPUT_DROPPED
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pl.DataFrame] = []
        self.samples = 0

    def append(self, samples: pl.DataFrame) -> None:
        """Adds samples with their fate; as ``output_frame`` takes them."""
        if not samples.height:
            return
        self.samples += samples.height
        held = sum(frame.height for frame in self._held)
        while held + samples.height >= _GROUP_ROWS:
            cut = _GROUP_ROWS - held
            self._flush([*self._held, samples.head(cut)])
            self._held, held = [], 0
            samples = samples.tail(-cut)
        if samples.height:
            self._held.append(samples)
        if len(self._held) > _HELD_FRAMES:
            # A few samples of a frame keep all its texts in memory; a copy does not.
            copied = pl.concat(self._held).to_arrow(compat_level=pl.CompatLevel.oldest())
            self._held = [pl.DataFrame(copied)]

    def close(self) -> Output | None:
        """Ends the file and syncs it; None where it got no sample."""
        if self._held:
            self._flush(self._held)
            self._held = []
        if self._writer is None:
            return None
        self.abandon()
        with self._path.open("rb") as stream:
            os.fsync(stream.fileno())
        return Output(samples=self.samples, bytes=self._path.stat().st_size, sha256=file_sha256(self._path))

    def abandon(self) -> None:
        """Closes the file as it is."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _flush(self, frames: list[pl.DataFrame]) -> None:
        rows = output_frame(pl.concat(frames), self._schema, input_file=self._shard.path)
        # The oldest layout is that of the file but for the size of offsets, so that texts are copied once.
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(self._schema).combine_chunks()
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._path,
                self._schema,
                compression="zstd",
                compression_level=1,
                use_dictionary=[name for name in _SMALL if name in self._schema.names],
                write_statistics=["input_row"],
                store_schema=True,
            )
        self._writer.write_table(table, row_group_size=_GROUP_ROWS)


class ShardFiles:
    """The three files of a shard; left unfinished, they stay temporary and the next run sweeps them away."""

    def __init__(self, directory: Directory, shard: Shard) -> None:
        self._files = {kind: SampleFile(directory, kind, shard) for kind in KINDS}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in self._files.values():
            file.abandon()

    def write(self, frames: Iterable[pl.DataFrame], verdicts: pl.DataFrame, ledger: Ledger) -> None:
        """Sends each sample of the shard to the file of its fate, in row order."""
        first = 0
        for frame in frames:
            fates = ledger.fates(first, frame.height)
            judged = verdicts.slice(first, frame.height)
            samples = frame.with_columns(*fates.get_columns(), *judged.get_columns())
            is_kept = fates["drop_step"].is_null()
            self._files["data"].append(samples.filter(is_kept))
            dropped = samples.drop("messages").filter(~is_kept)
            self._files["rejected"].append(dropped.filter(~pl.col("is_failed")))
            self._files["failed"].append(dropped.filter("is_failed"))
            first += frame.height

    def samples(self, kind: str) -> int:
        """How many samples a file got."""
        return self._files[kind].samples

    def close(self) -> dict[str, Output]:
        """Ends the files; those that got a sample."""
        closed = {kind: file.close() for kind, file in self._files.items()}
        return {kind: output for kind, output in closed.items() if output is not None}
