"""What was compiled, kept by content: the same program is compiled once in a runner.

A kept directory belongs to a uid under which nothing runs; an execution of its program may read it by its group, and
by a rule of Landlock where there is one. So no program can read or change what is kept of another.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .programs import Program
from .watch import Outcome

MAX_ENTRIES = 48
MAX_BYTES = 96 << 20
"""Of all directories, which share their file system with the programs that run."""
MAX_FILES = 4096


@dataclass(frozen=True)
class Kept:
    """Where a program lies that was placed or compiled; nothing that it runs can write there."""

    directory: str = ""
    uid: int = 0


NOTHING = Kept()


@dataclass(frozen=True)
class Entry:
    """A program that was compiled; ``kept`` holds no directory if it did not compile."""

    kept: Kept
    outcome: Outcome


def key_of(program: Program, limits: Mapping[str, float]) -> str:
    """The hash of all that decides what compiling gives."""
    digest = hashlib.sha256()
    for data in (program.source, *(data for _, data in program.files)):
        digest.update(hashlib.sha256(data).digest())
    rest = [
        program.source_name, [name for name, _ in program.files], program.compile_command, program.run_command,
        sorted(program.environment.items()), program.memory_rule, program.overhead_bytes, sorted(limits.items()),
    ]  # fmt: skip
    digest.update(json.dumps(rest).encode("ascii"))
    return digest.hexdigest()


class CompileCache:
    """The programs that were used last.

    Args:
        leave: has a directory removed.
        max_entries: programs kept at most.
        max_bytes: of their directories.
    """

    def __init__(
        self, leave: Callable[[Kept], None], *, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES
    ) -> None:
        self._leave = leave
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def get(self, key: str) -> Entry | None:
        """What is kept under a key."""
        if key in self._entries:
            self._entries.move_to_end(key)
        return self._entries.get(key)

    def put(self, key: str, entry: Entry) -> None:
        """Keeps it as the one that was used last; ``trim`` makes room. One that is too large goes first."""
        self._entries[key] = entry
        if self._size_of(entry) > self._max_bytes:
            self._entries.move_to_end(key, last=False)

    def trim(self) -> None:
        """Lets the programs go that were used longest ago, until what is left is within bounds."""
        while self._entries and (len(self._entries) > self._max_entries or self._size > self._max_bytes):
            _, entry = self._entries.popitem(last=False)
            if entry.kept.directory:
                self._leave(entry.kept)

    @property
    def _size(self) -> int:
        return sum(map(self._size_of, self._entries.values()))

    def _size_of(self, entry: Entry) -> int:
        return entry.outcome.kept_bytes if entry.outcome.kept_files <= MAX_FILES else self._max_bytes + 1
