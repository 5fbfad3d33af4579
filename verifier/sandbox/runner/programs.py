"""A program as a job brings it."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import codes, jail

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

    @functools.cached_property
    def text(self) -> str:
        """The source as text."""
        return self.source.decode("utf-8", "replace")

    @functools.cached_property
    def key(self) -> bytes:
        """Of its code."""
        return codes.key_of("program", self.text)

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

    def limited(self, limits: Mapping[str, float]) -> jail.Limits:
        """Limits of the kernel for this program."""
        return kernel_limits(limits, memory_rule=self.memory_rule, overhead_bytes=self.overhead_bytes)

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


def kernel_limits(limits: Mapping[str, float], **more: object) -> jail.Limits:
    """Those of the limits that are the kernel's to hold."""
    return _kernel_limits(*(limits[name] for name in _KERNEL), **more)


_KERNEL = ("cpu_time_s", "memory_bytes", "file_bytes", "processes")


@functools.lru_cache(maxsize=64)
def _kernel_limits(
    cpu_time_s: float,
    memory_bytes: float,
    file_bytes: float,
    processes: float,
    **more: Any,  # noqa: ANN401 (as they are)
) -> jail.Limits:
    return jail.Limits(cpu_time_s, int(memory_bytes), int(file_bytes), int(processes), **more)


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
