"""A store for tests that counts what is read of its files: ``counted://``."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

_END_BYTES = 8
"""Of a Parquet file: the length of the footer, and the mark."""


class CountedStore(MemoryFileSystem):
    """Files in memory. ``ends`` counts, by path, reads of the end of a file that do not begin at its start."""

    protocol = "counted"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    ends: ClassVar[Counter[str]] = Counter()

    def _open(self, path: str, mode: str = "rb", **options: object) -> Any:
        file = super()._open(path, mode, **options)
        return _Counted(self, path, file.getvalue()) if mode == "rb" else file


class _Counted(MemoryFile):
    def __init__(self, system: CountedStore, path: str, content: bytes) -> None:
        super().__init__(system, path, content)
        self._size = len(content)

    def read(self, size: int | None = -1, /) -> bytes:
        start = self.tell()
        found = super().read(size)
        if start > 0 and start <= self._size - _END_BYTES and self.tell() == self._size:
            CountedStore.ends[str(self.path)] += 1
        return found


fsspec.register_implementation("counted", CountedStore, clobber=True)
