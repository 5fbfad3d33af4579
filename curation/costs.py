"""``costs.json``: what the last run on a directory cost. The only file of a run that differs between equal ones."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from curation.files import whole_file
from curation.manifest import ShardEntry

COSTS = "costs.json"

_DIGITS = 3
_PPID, _TIMES = 1, slice(11, 15)
"""Places in ``/proc/PID/stat`` after the name: the parent; CPU ticks of the process and of its ended children."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one pass cost; ``costs.json`` is an object of these by the name of the pass.

    Args:
        cpu_s: CPU seconds of the run and of the processes that worked for it on this machine.
        wall_s: seconds by the clock.
        samples: that it went over.
    """

    cpu_s: float
    wall_s: float
    samples: int


def read_costs(directory: Path) -> dict[str, Cost]:
    """Pass -> what it cost, in their order; empty where the run wrote nothing of it, or nothing that can be read."""
    try:
        found = json.loads((directory / COSTS).read_text(encoding="utf-8"))
        return {
            str(stage): Cost(cpu_s=float(cost["cpu_s"]), wall_s=float(cost["wall_s"]), samples=int(cost["samples"]))
            for stage, cost in found.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


class CostMeter:
    """An observer that measures each pass of a run."""

    def __init__(self) -> None:
        self._costs: dict[str, Cost] = {}
        self._stage = ""
        self._left = 0
        self._began = (0.0, 0.0)
        self._samples = 0
        self._kept = 0

    def stage_started(self, stage: str, total: int) -> None:
        """Ends the pass before. One that is done anew, as a shard went away, adds to what it cost before."""
        self._end()
        self._stage, self._left, self._began = stage, total, (cpu_s(), time.monotonic())
        before = self._costs.get(stage, Cost(cpu_s=0.0, wall_s=0.0, samples=0))
        samples = total if stage in ("judging", "scoring") else 0
        self._costs[stage] = Cost(cpu_s=before.cpu_s, wall_s=before.wall_s, samples=before.samples + samples)

    def advanced(self, count: int) -> None:
        """Costs are those of whole passes."""

    def waits(self, told: str) -> None:
        """To wait costs nothing."""

    def shard_ended(self, entry: ShardEntry, *, is_fresh: bool) -> None:  # noqa: ARG002 - the protocol's
        """Counts what the passes went over; the last shard ends the last pass, before the processes that judge go."""
        self._samples += entry.samples
        self._kept += entry.kept
        self._left -= 1
        if not self._left:
            self._end()

    def write(self, directory: Path) -> None:
        """Writes what the passes cost, when the run has ended."""
        self._end()
        samples = {"reading": self._samples, "writing": self._kept, "accounting": self._samples}
        costs = {
            stage: {**asdict(cost), "samples": samples.get(stage, cost.samples)} for stage, cost in self._costs.items()
        }
        with whole_file(directory / COSTS) as stream:
            stream.write((json.dumps(costs, indent=2) + "\n").encode())

    def _end(self) -> None:
        if self._stage:
            cost, (cpu_began, began) = self._costs[self._stage], self._began
            self._costs[self._stage] = Cost(
                # What a process that was killed had used may be lost with it.
                cpu_s=round(cost.cpu_s + max(0.0, cpu_s() - cpu_began), _DIGITS),
                wall_s=round(cost.wall_s + time.monotonic() - began, _DIGITS),
                samples=cost.samples,
            )
            self._stage = ""


def cpu_s() -> float:
    """CPU seconds so far of this process and of those below it; of those that still run only where Linux tells."""
    times = os.times()
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        except OSError:
            # It has ended since, and counts with its parent.
            continue
        number = int(folder.name)
        ticks[number] = sum(map(int, fields[_TIMES]))
        children.setdefault(int(fields[_PPID]), []).append(number)
    below = list(children.get(os.getpid(), ()))
    for number in below:
        below.extend(children.get(number, ()))
    running = sum(ticks[number] for number in below) / os.sysconf("SC_CLK_TCK")
    return times.user + times.system + times.children_user + times.children_system + running
