"""What a tree of processes uses, read from the kernel while it runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection
from dataclasses import dataclass, field

_PAGE, _TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")


@dataclass
class Use:
    """What was found of one tree.

    Args:
        cpu_time_s: of the processes that live, with those of their children that they have waited for.
        memory_bytes: resident.
        processes: how many live.
        is_working: whether one of them runs, or would if it had a processor.
        own_s: CPU seconds of each process alone, by its pid and the time when it began.
    """

    cpu_time_s: float = 0.0
    memory_bytes: int = 0
    processes: int = 0
    is_working: bool = False
    own_s: dict[tuple[int, int], float] = field(default_factory=dict)


def tree_use(pids: list[int], base_bytes: int = 0) -> Use:
    """What processes and all below them use; of each one's resident bytes those beyond ``base_bytes``."""
    found: list[int] = []
    todo = list(pids)
    while todo:
        found.append(todo.pop())
        todo += children_of(found[-1])
    return use_of(found, base_bytes)


def use_of(pids: list[int], base_bytes: int) -> Use:
    """What these processes use."""
    use = Use()
    for pid in pids:
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
            own = int(fields[11]) + int(fields[12])
            use.cpu_time_s += (own + int(fields[13]) + int(fields[14])) / _TICK
            use.own_s[pid, int(fields[19])] = own / _TICK
            use.processes += 1
            use.is_working = use.is_working or fields[0] in "RD"
            use.memory_bytes += max(int(fields[21]) * _PAGE - base_bytes, 0)
    return use


class Ledger:
    """CPU time of everything that a program ever started, as far as it was seen.

    The kernel adds a child's time to its parent when the parent waits for it, and forgets it where the parent ignores
    its children. So what was seen of each is kept.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], float] = {}

    def enter(self, use: Use) -> float:
        """Takes what was found, and gives all that was spent so far."""
        self._seen |= use.own_s
        return max(use.cpu_time_s, self.seen_s)

    @property
    def seen_s(self) -> float:
        """The sum of what was last seen of each process."""
        return sum(self._seen.values())


def children_of(pid: int) -> list[int]:
    """The processes that this one started, or was given as orphans; none if it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as listed:
                found += [int(child) for child in listed.read().split()]
    return found


def descendants(root: int) -> list[int]:
    """Every process below this one."""
    found: list[int] = []
    todo = [root]
    while todo:
        below = children_of(todo.pop())
        found += below
        todo += below
    return found


def processes_of(uids: Collection[int]) -> list[int]:
    """The processes that run under these uids, as far as /proc shows."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{entry}").st_uid in uids:
                    found.append(int(entry))
    return found
