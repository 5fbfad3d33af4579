"""A program as a job brings it, and the payload that tells a child what to do with it.

A payload is a line of JSON, the contents of the files that the line names, and the text of a Python program. It goes
to the child alone, in a file in memory: the zygote never holds it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import frames

PEER_EXTRA_S = 10.0
"""CPU time that a tester or interactor has besides that of the program."""
PEER_MEMORY_BYTES = 1 << 30
WALL_STRETCH = 10.0
"""Times the wall time that an execution may take in all, while it works or would on a machine that is less busy."""
PEER_WALL_FACTOR, PEER_WALL_S = 4.0, 120.0
"""By which a peer's own CPU time lengthens a run, and at most."""

Files = Sequence[tuple[str, bytes]]


@dataclass(frozen=True)
class Program:
    """See ``verifier.sandbox.base.Program``."""

    source_name: str
    source: bytes
    files: tuple[tuple[str, bytes], ...]
    compile_command: tuple[str, ...]
    run_command: tuple[str, ...]
    environment: Mapping[str, str]
    memory_rule: str
    overhead_bytes: int

    @property
    def is_warm(self) -> bool:
        """Whether it runs in a fork of the warm interpreter."""
        return not self.run_command

    def command(self, template: Sequence[str], directory: str, memory_bytes: float) -> list[str]:
        """An argument vector with the marks replaced, its first word as a path."""
        argv = [self._filled(word, directory, memory_bytes) for word in template]
        if argv and "/" not in argv[0]:
            argv[0] = shutil.which(argv[0]) or f"/usr/bin/{argv[0]}"
        return argv

    def surroundings(self, directory: str, memory_bytes: float) -> dict[str, str]:
        """The environment with the marks replaced."""
        return {name: self._filled(value, directory, memory_bytes) for name, value in self.environment.items()}

    def limited(self, limits: Mapping[str, float]) -> dict[str, object]:
        """Limits of the kernel for this program."""
        kernel: dict[str, object] = {name: limits[name] for name in KERNEL}
        return kernel | {"memory_rule": self.memory_rule, "overhead_bytes": self.overhead_bytes}

    def _filled(self, word: str, directory: str, memory_bytes: float) -> str:
        marks = {
            "{source}": f"{directory}/{self.source_name}",
            "{binary}": f"{directory}/program",
            "{dir}": directory,
            "{memory_mib}": str(int(memory_bytes) >> 20),
        }
        for mark, value in marks.items():
            word = word.replace(mark, value)
        return word


KERNEL = ("cpu_time_s", "memory_bytes", "file_bytes", "processes")
"""Limits that are the kernel's to hold."""


def parse_program(header: object, blobs: Sequence[bytes]) -> Program:
    """The program of a job's header."""
    assert isinstance(header, dict)
    return Program(
        source_name=str(header["source_name"]),
        source=blobs[header["source"]],
        files=parse_files(header["files"], blobs),
        compile_command=tuple(header["compile_command"]),
        run_command=tuple(header["run_command"]),
        environment=header["environment"],
        memory_rule=str(header["memory_rule"]),
        overhead_bytes=int(header["overhead_bytes"]),
    )


def parse_files(listed: object, blobs: Sequence[bytes]) -> tuple[tuple[str, bytes], ...]:
    """Names and contents of files of a header."""
    assert isinstance(listed, list)
    return tuple((str(name), blobs[at]) for name, at in listed)


def payload(head: frames.Header, files: Files = (), text: bytes = b"") -> bytes:
    """What a child reads first."""
    if files:
        head = {**head, "files": [[name, len(data)] for name, data in files]}
    return b"".join((json.dumps(head).encode("ascii"), b"\n", *(data for _, data in files), text))
