"""What one execution may cost: from the reference where it says so, else from the verifier's options."""

from __future__ import annotations

from dataclasses import dataclass

from verifier.errors import UnscorableError
from verifier.sandbox.base import Limits
from verifier.types import CodeReference

MAX_TIME_LIMIT_S = 300.0
MIN_MEMORY_BYTES, MAX_MEMORY_BYTES = 16 << 20, 64 << 30
MIN_OUTPUT_BYTES, MAX_OUTPUT_BYTES = 64 << 10, 1 << 30
MAX_WALL_FACTOR, MAX_PROCESSES, MAX_TOTAL_TIME_S = 100.0, 4096, 86_400.0
_KEPT_BYTES = 64 << 20
_MIN_CHECKED_BYTES = 256 << 10
_JUDGE_CPU_S, _JUDGE_MEMORY_BYTES, _JUDGE_OUTPUT_BYTES = 10.0, 1 << 30, 1 << 20
_FILE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """The verifier's options about limits.

    Args:
        time_limit_s: CPU seconds of a test case, where the reference gives none.
        memory_limit_bytes: where the reference gives none.
        wall_factor: wall time over CPU time.
        output_limit_bytes: of a test case; twice what is expected is always allowed.
        processes: of a test case, threads included.
        total_time_limit_s: CPU seconds of all test cases of a program; 0 for no limit but theirs.
    """

    time_limit_s: float = 4.0
    memory_limit_bytes: int = 512 << 20
    wall_factor: float = 4.0
    output_limit_bytes: int = 16 << 20
    processes: int = 64
    total_time_limit_s: float = 0.0


def limits_of(reference: CodeReference, bounds: Bounds) -> Limits:
    """The limits of each test case.

    Raises:
        UnscorableError: the reference's own are out of range; the detail names the field.
    """
    time_s = reference.time_limit_s if reference.time_limit_s is not None else bounds.time_limit_s
    memory = reference.memory_limit_bytes if reference.memory_limit_bytes is not None else bounds.memory_limit_bytes
    if not 0 < time_s <= MAX_TIME_LIMIT_S:
        raise UnscorableError(
            "bad_reference", f"reference.code.time_limit_s {time_s} is not in (0, {MAX_TIME_LIMIT_S:g}]"
        )
    if not MIN_MEMORY_BYTES <= memory <= MAX_MEMORY_BYTES:
        raise UnscorableError(
            "bad_reference",
            f"reference.code.memory_limit_bytes {memory} is not in [{MIN_MEMORY_BYTES}, {MAX_MEMORY_BYTES}]",
        )
    # An encoded value is longer than its JSON, by its tags.
    returned = [32 * len(test.expected) for test in reference.calls]
    return Limits(
        cpu_time_s=time_s,
        memory_bytes=memory,
        output_bytes=_output_bytes(reference, bounds.output_limit_bytes),
        report_bytes=max(MIN_OUTPUT_BYTES, *returned) if returned else bounds.output_limit_bytes,
        processes=bounds.processes,
        wall_factor=bounds.wall_factor,
    )


def _output_bytes(reference: CodeReference, most: int) -> int:
    """What is kept of all tests together stays bounded, whatever a program writes."""
    sizes = [_size(output) for test in reference.stdio for output in (test.output, *test.accepted)]
    least = MIN_OUTPUT_BYTES
    if reference.checker:
        # What a checker takes may be longer than the answer that the task brings, though hardly than the input.
        least = _MIN_CHECKED_BYTES
        sizes += [_size(test.input) for test in reference.stdio]
    shared = max(_KEPT_BYTES // max(len(reference.stdio), 1), least)
    return max([min(shared, most), *(2 * size for size in sizes)])


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def judge_limits(limits: Limits, file_sizes: int) -> Limits:
    """The limits of a task's own judge program: no less than the solution's, and room for the files it reads."""
    return Limits(
        cpu_time_s=max(limits.cpu_time_s, _JUDGE_CPU_S),
        memory_bytes=max(limits.memory_bytes, _JUDGE_MEMORY_BYTES),
        output_bytes=_JUDGE_OUTPUT_BYTES,
        file_bytes=max(_FILE_BYTES, 2 * file_sizes),
        wall_factor=limits.wall_factor,
    )
