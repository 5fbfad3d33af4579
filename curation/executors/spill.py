"""Kept samples on their way into an order of their own: scattered by file while shards are read, then gathered.

Each shard leaves one Arrow file, in which a batch holds samples that go to one file of the output, and an index beside
it, which is the mark that it is whole. Both go when the output stands.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.executors.tasks import Piece
from curation.files import temporary_name, whole_file
from curation.output import KEPT, PACK, kept_table
from curation.words import runs_of

_POSITION = pa.field("position", pa.int64())
_SLICE_ROWS = 1_000

Numbers = npt.NDArray[np.int64]


class Spill:
    """The folder of one run."""

    def __init__(self, folder: Path, *, packs: bool) -> None:
        self._folder = folder
        self._kept = KEPT.append(PACK) if packs else KEPT
        self._schema = self._kept.append(_POSITION)

    def clear(self) -> None:
        """Takes all of it away."""
        for file in sorted(self._folder.glob("*")) if self._folder.is_dir() else ():
            file.unlink()
        if self._folder.is_dir():
            self._folder.rmdir()

    def scatter(
        self,
        name: str,
        key: str,
        piece: Piece,
        *,
        paths: Sequence[str],
        owners: Numbers,
        positions: Numbers,
        check_held: Callable[[], None],
    ) -> list[int]:
        """Brings in the samples of a shard, which are written unless they lie there under this key.

        Args:
            name: of the shard.
            key: what they follow from.
            piece: the samples, in the order of the shard.
            paths: of its input files.
            owners: number of the file that each goes to.
            positions: of each in that file.
            check_held: called before anything is put in place.

        Returns:
            The number of the file that each batch goes to.

        Raises:
            ShardError: the shard cannot be read.
        """
        found = self._index(name, key)
        if found is not None:
            return found
        self._folder.mkdir(exist_ok=True)
        temporary = self._folder / temporary_name()
        index: list[int] = []
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with temporary.open("wb") as stream, pa.ipc.new_file(stream, self._schema, options=options) as writer:
            for frame, here in piece.frames():
                table = kept_table(frame, paths=paths).append_column(_POSITION, pa.array(positions[here]))
                order = np.argsort(owners[here], kind="stable")
                table, sorted_owners = table.take(pa.array(order)), owners[here][order]
                for start, size in zip(*runs_of(sorted_owners), strict=True):
                    [batch] = table.slice(start, size).combine_chunks().to_batches()
                    writer.write_batch(batch)
                    index.append(int(sorted_owners[start]))
        check_held()
        temporary.replace(self._folder / f"{name}.arrow")
        with whole_file(self._folder / f"{name}.json") as mark:
            mark.write(json.dumps({"key": key, "owners": index}).encode())
        return index

    def gather(self, batches: Mapping[str, Sequence[int]]) -> Iterator[pa.Table]:
        """The samples of one file of the output, in its order, some at a time.

        Args:
            batches: shard -> numbers of its batches that go to the file.
        """
        found: list[pa.RecordBatch] = []
        with ExitStack() as stack:
            for name, numbers in batches.items():
                mapped = stack.enter_context(pa.memory_map(str(self._folder / f"{name}.arrow")))
                reader = stack.enter_context(pa.ipc.open_file(mapped))
                found += [reader.get_batch(number) for number in numbers]
            table = pa.Table.from_batches(found, schema=self._schema)
            order = np.argsort(table["position"].to_numpy(), kind="stable")
            table = table.select(self._kept.names)
            for start in range(0, len(order), _SLICE_ROWS):
                yield table.take(pa.array(order[start : start + _SLICE_ROWS]))

    def _index(self, name: str, key: str) -> list[int] | None:
        """The file of each batch of a shard; None where the shard lies here not whole, or under another key."""
        try:
            fields = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
            return [int(owner) for owner in fields["owners"]] if fields["key"] == key else None
        except (OSError, ValueError, KeyError):
            return None
