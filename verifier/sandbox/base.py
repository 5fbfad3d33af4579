"""What a sandbox promises: programs in, results out, nothing left behind.

A ``Job`` is one program with everything that is to be run against it. The program's process never holds an
expected output or a test's source: comparing is done by the caller, on what comes back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class RunStatus(Enum):
    """How one execution ended."""

    EXITED = "exited"
    """By itself; see ``exit_code`` and ``signal``."""
    TIME = "time"
    """It passed its CPU time, or the wall time that goes with it."""
    MEMORY = "memory"
    """It passed its memory limit."""
    OUTPUT = "output"
    """It wrote more than it may, to a pipe or to files."""
    PROCESSES = "processes"
    """It had more processes than it may (where the kernel did not refuse them)."""
    SKIPPED = "skipped"
    """Not run: an earlier execution of the job passed a limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one execution. Wall time is ``wall_factor`` times the CPU time, and at least ``wall_floor_s``."""

    cpu_time_s: float = 4.0
    memory_bytes: int = 512 * 1024 * 1024
    output_bytes: int = 16 * 1024 * 1024
    report_bytes: int = 16 * 1024 * 1024
    file_bytes: int = 64 * 1024 * 1024
    processes: int = 64
    wall_factor: float = 4.0
    wall_floor_s: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioRun:
    """Run the program once with this standard input."""

    stdin: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRun:
    """Load the (Python) program and call its entry point once; JSON text in, plain data out."""

    entry_point: str
    args: str
    kwargs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRun:
    """Run a (Python) test script in a second process, where the program is a proxy."""

    entry_point: str
    script: str
    framework: str


Run = StdioRun | CallRun | ScriptRun


class MemoryRule(Enum):
    """What of a program's memory is held against its limit."""

    ADDRESS_SPACE = "address_space"
    """All that it has reserved."""
    DATA = "data"
    """Its data and its resident bytes: for run times that reserve far more than they use (JVM, V8, Go)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program: its files, how it is built and how it is run.

    Args:
        source_name: such as ``main.cpp``.
        source: the program.
        files: further files beside it (headers, other classes), by names without directories.
        compile_command: argument vector; ``{source}``, ``{binary}`` and ``{dir}`` are replaced; empty: nothing to
            compile.
        run_command: argument vector, or empty for Python, which is run in a fork of the warm interpreter.
        environment: of compiling and running; ``{dir}`` is replaced.
        memory_rule: how its memory is limited.
        overhead_bytes: the run time's own memory, on top of the limit.
    """

    source_name: str
    source: str
    files: tuple[tuple[str, str], ...] = ()
    compile_command: tuple[str, ...] = ()
    run_command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    memory_rule: MemoryRule = MemoryRule.ADDRESS_SPACE
    overhead_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A program and its runs.

    Args:
        toolchain: name of the image or set of tools, such as ``python`` or ``cpp``.
        source_name: file name of the program, such as ``main.cpp``.
        source: the program.
        compile_command: argument vector, or empty; ``{source}`` and ``{binary}`` are replaced.
        run_command: argument vector for programs that are executed, or empty for Python, which is run in a fork of
            the warm interpreter.
        runs: what to do with the program, in order, each from the same fresh state.
        limits: of each run.
    """

    toolchain: str
    source_name: str
    source: str
    compile_command: tuple[str, ...] = ()
    run_command: tuple[str, ...] = ()
    runs: tuple[Run, ...]
    limits: Limits
    compile_limits: Limits = Limits(cpu_time_s=30.0, memory_bytes=2 << 30, wall_floor_s=60.0)
    stop_on_limit: bool = True
    """After a run that passed a limit the rest is SKIPPED, so that one completion cannot cost its limit n times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What one execution did.

    All of ``stdout`` is kept for a ``StdioRun`` alone, where it is compared; else the first 64 KiB, as of ``stderr``.

    ``value`` is the report of a Python run, as JSON lines of which the first counts: the returned value of a
    ``CallRun`` in the encoding of ``verifier.sandbox.runner.plain``, what the tester of a ``ScriptRun`` found, or
    the name of the exception that ended it. A solution can forge its own report, never that of a tester.
    """

    status: RunStatus
    exit_code: int = 0
    signal: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    value: bytes = b""
    cpu_time_s: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """A job done: ``compile`` is None where nothing was compiled; ``runs`` is empty if compiling failed."""

    compile: RunResult | None
    runs: tuple[RunResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wall:
    """One wall of isolation, and whether it stands here."""

    name: str
    stands: bool
    required: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxReport:
    """What ``verifier doctor`` says of a backend. Code is run only where ``is_ready``."""

    backend: str
    is_ready: bool
    walls: tuple[Wall, ...]
    toolchains: tuple[str, ...]
    remedy: str = ""


class Sandbox(Protocol):
    """Runs programs that a model wrote."""

    async def run(self, job: Job) -> JobResult:
        """Runs a job.

        A program that crashes, passes a limit or does not compile is an ordinary result. A cancelled call stops the
        program and everything it started.

        Raises:
            SandboxError: the job could not be run at all: no isolation, no toolchain, or the sandbox was lost.
                ``is_own_doing`` tells whether the job took it down.
        """
        ...

    async def report(self) -> SandboxReport:
        """Which walls stand and which toolchains there are."""
        ...

    async def aclose(self) -> None:
        """Ends every process and container; may be called twice."""
        ...
