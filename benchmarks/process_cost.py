"""What a command costs with every process that it starts, also those that outlive it: CPU, memory, wall time."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cpu_time import cpu_time_s, memory_bytes, own_cpu_time_s, tree

_SUBREAPER = 36
_SAMPLE_S = 0.25
_LINGER_S = 30
_TAIL = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the processes.

    Args:
        wall_s: since the start.
        cpu_s: used since the start.
        held_bytes: at this moment.
    """

    wall_s: float
    cpu_s: float
    held_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was used.

    Args:
        cpu_s: user and system seconds of all processes that were waited for.
        seen_cpu_s: of all processes, as each was seen last. Those that nobody waits for count here alone (those that
            Ray starts are such); what a process used in its last quarter of a second does not.
        wall_s: from start to end.
        peak_bytes: greatest sum of what the processes hold, sampled; what they share is counted once, and pages of
            mapped files count while they are in memory.
        samples: what was used until then, every quarter of a second.
        stdout: of the command.
    """

    cpu_s: float
    seen_cpu_s: float
    wall_s: float
    peak_bytes: int
    samples: tuple[Sample, ...]
    stdout: str

    @property
    def busy(self) -> float:
        """Share of the time that two processors had work."""
        return self.cpu_s / self.wall_s / 2


def run_measured(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Cost:
    """Runs a command to its end and that of all that it left behind.

    Nothing else may be started by this process meanwhile.

    Raises:
        SystemExit: the command failed; with the end of what it wrote to standard error.
    """
    # A fork server ends after its parent, which then cannot wait for it: what is not waited for is not counted.
    if ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        is_over = threading.Event()
        with (
            ThreadPoolExecutor(1) as sampler,
            subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err) as process,
        ):
            samples = sampler.submit(_sampled, is_over)
            try:
                process.wait()
                wall_s = time.perf_counter() - started
                _reap()
            finally:
                is_over.set()
        out.seek(0)
        err.seek(0)
        told, complaints = out.read(), err.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: status {process.returncode}\n{complaints[-_TAIL:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    taken, seen_cpu_s = samples.result()
    peak = max((sample.held_bytes for sample in taken), default=0)
    return Cost(cpu_s=cpu_s, seen_cpu_s=seen_cpu_s, wall_s=wall_s, peak_bytes=peak, samples=taken, stdout=told)


def _reap() -> None:
    ends = time.monotonic() + _LINGER_S
    while time.monotonic() < ends:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            time.sleep(_SAMPLE_S)
    left = [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:200] for pid in tree(os.getpid())[1:]]
    raise SystemExit(f"still running after {_LINGER_S} s, so not measured: {left}")


def _sampled(is_over: threading.Event) -> tuple[tuple[Sample, ...], float]:
    """Looks at all processes below this one until they are over; and the CPU seconds of each as last seen, summed."""
    own, started, found = os.getpid(), time.perf_counter(), []
    earlier_s = cpu_time_s(own) - time.process_time()
    each_s: dict[tuple[int, int], float] = {}
    while not is_over.wait(_SAMPLE_S):
        below = tree(own)[1:]
        for pid in below:
            began, used_s = own_cpu_time_s(pid)
            each_s[pid, began] = max(used_s, each_s.get((pid, began), 0.0))
        found.append(
            Sample(
                wall_s=time.perf_counter() - started,
                cpu_s=cpu_time_s(own) - time.process_time() - earlier_s,
                held_bytes=sum(memory_bytes(pid, below=False) for pid in below),
            )
        )
    return tuple(found), sum(each_s.values())
