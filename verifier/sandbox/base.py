"""What a sandbox promises: programs in, results out, nothing left behind.

A ``Job`` is one program with everything that is to be run against it. The program's process never holds an
expected output or a test's source: comparing is done by the caller, on what comes back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

_NAME_BYTES = 200


class MemoryRule(Enum):
    """What the kernel holds a program to, besides its resident memory, which is watched always."""

    ADDRESS_SPACE = "address_space"
    DATA = "data"
    """For run times that reserve far more address space than they use (JVM, V8, Go): the bytes that it may write."""


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
    BUDGET = "budget"
    """Not run: the job had spent its CPU time in all."""


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


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name in ("", ".", "..") or "/" in name or "\0" in name or len(name.encode("utf-8", "replace")) > _NAME_BYTES:
            raise ValueError(f"{name!r} is not the name of a file without a directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program: its files, how it is built and how it is run.

    In commands and in the environment ``{dir}`` is replaced by the directory that holds the files, ``{source}`` and
    ``{binary}`` by the paths of the source and of what is made of it there, and ``{memory_mib}`` by the memory limit.

    Args:
        source_name: file name of the program, such as ``main.cpp``.
        source: the program.
        files: names and texts of further files beside it; Python finds them in its working directory.
        compile_command: argument vector, or empty.
        run_command: argument vector for programs that are executed, or empty for Python, which is run in a fork of
            the warm interpreter.
        environment: what the compiler and the program see besides ``PATH``, ``LANG``, ``HOME`` and ``TMPDIR``; the
            latter two lie in a directory that ends with the execution.
        memory_rule: see ``MemoryRule``.
        overhead_bytes: the run time's own memory, on top of the limit.

    Raises:
        ValueError: a file name with a directory in it.
    """

    source_name: str
    source: str
    files: tuple[tuple[str, str], ...] = ()
    compile_command: tuple[str, ...] = ()
    run_command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    memory_rule: MemoryRule = MemoryRule.ADDRESS_SPACE
    overhead_bytes: int = 0

    def __post_init__(self) -> None:
        _check_names([self.source_name, *(name for name, _ in self.files)])


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioRun:
    """Run the program once with this standard input.

    Args:
        stdin: its standard input.
        args: its arguments, after its own name.
        files: names and contents of files that are put into its working directory first.
    """

    stdin: bytes = b""
    args: tuple[str, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()

    def __post_init__(self) -> None:
        _check_names(name for name, _ in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRun:
    """Load the (Python) program and call its entry point once; JSON text in, plain data out.

    With ``in_place`` the first argument is reported, as it is after the call, instead of the returned value.
    """

    entry_point: str
    args: str
    kwargs: str
    in_place: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRun:
    """Run a (Python) test script in a second process, where the program is a proxy.

    With ``in_place`` the script sees what a call changes in its arguments. The names of ``prelude``, which stands in
    front of the program too, are the script's own: the tester runs it as well.
    """

    entry_point: str
    script: str
    framework: str
    in_place: bool = False
    prelude: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRun:
    """Execute the program and the job's peer (a tester, which leads), joined by a socket pair at descriptor 3.

    The standard input of both is empty. When the peer ends the program is ended.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractiveRun:
    """Run the program and the job's peer (an interactor), each one's output being the other's input.

    When the peer has ended the program sees the end of its input, and has to end by itself within its limits.

    Args:
        args: of the peer.
        files: put into the peer's working directory first.
    """

    args: tuple[str, ...] = ()
    files: tuple[tuple[str, bytes], ...] = ()

    def __post_init__(self) -> None:
        _check_names(name for name, _ in self.files)


Run = StdioRun | CallRun | ScriptRun | PairRun | InteractiveRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A program and its runs.

    Args:
        toolchain: name of the image or set of tools, such as ``python`` or ``cpp``.
        program: what is judged.
        peer: the tester of a ``PairRun`` or the interactor of an ``InteractiveRun``. Neither can read the other's
            files.
        runs: what to do with the program, in order, each from the same fresh state.
        limits: of the program in each run; a peer has its own, which are generous.
        compile_limits: of compiling.
        total_cpu_time_s: CPU seconds of the program in all runs; when they are spent the rest is not run.
    """

    toolchain: str
    program: Program
    peer: Program | None = None
    runs: tuple[Run, ...]
    limits: Limits
    compile_limits: Limits = Limits(cpu_time_s=30.0, memory_bytes=2 << 30, wall_floor_s=60.0, processes=256)
    total_cpu_time_s: float | None = None
    stop_on_limit: bool = True
    """After a run that passed a limit the rest is SKIPPED, so that one completion cannot cost its limit n times."""

    def __post_init__(self) -> None:
        for run in self.runs:
            if isinstance(run, PairRun | InteractiveRun) and self.peer is None:
                raise ValueError("a run of two programs needs a peer")
            executed = (self.program, self.peer) if isinstance(run, PairRun) else ()
            if any(program is not None and not program.run_command for program in executed):
                raise ValueError("both programs of a PairRun are executed, so each needs a run_command")
            if isinstance(run, CallRun | ScriptRun) and self.program.run_command:
                raise ValueError("calls and scripts need a program in Python, without a run_command")


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
    peer: RunResult | None = None
    """What the peer did, in a ``PairRun`` or ``InteractiveRun``; all else is the program's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """A job done.

    ``compile`` and ``peer_compile`` are None where nothing was placed or compiled; ``runs`` is empty if either failed.
    """

    compile: RunResult | None
    peer_compile: RunResult | None = None
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
