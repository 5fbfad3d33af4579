"""CPU time and memory of process trees, read from ``/proc``: it does not depend on what else the machine does."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(pid: int) -> list[int]:
    """A process and all below it, as far as they are alive."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_time_s(pid: int) -> float:
    """CPU seconds of a tree, with those of every process in it that has ended and was waited for."""
    return sum(sum(_stat(one)[11:15]) for one in tree(pid)) / _TICKS


def own_cpu_time_s(pid: int) -> tuple[int, float]:
    """When a process began, which tells it from an earlier one of its number, and its CPU seconds without children."""
    stat = _stat(pid)
    return stat[19] if len(stat) > 19 else 0, sum(stat[11:13]) / _TICKS


def memory_bytes(pid: int, *, below: bool = True) -> int:
    """Bytes that a process holds, by default with all below it; what processes share is counted once."""
    return sum(_proportional_bytes(one) for one in (tree(pid) if below else [pid]))


def _stat(pid: int) -> list[int]:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return [0] * 20
    return [0, *(int(word) for word in text.rpartition(")")[2].split()[1:])]


def _proportional_bytes(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        # It may be gone by now, and so say nothing.
        words = _stat(pid)
        return words[21] * _PAGE if len(words) > 21 else 0
    return 1024 * sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
