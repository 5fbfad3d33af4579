"""``costs.json``: what the last run on a directory cost. The only file of a run that differs between equal ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

COSTS = "costs.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one pass cost; ``costs.json`` is an object of these by the name of the pass, in their order.

    Args:
        cpu_s: CPU seconds of the run and of the processes that worked for it.
        wall_s: seconds by the clock.
        samples: that it went over.
    """

    cpu_s: float
    wall_s: float
    samples: int


def read_costs(directory: Path) -> dict[str, Cost]:
    """Pass -> what it cost; empty where the run wrote nothing of it, or nothing that can be read."""
    try:
        found = json.loads((directory / COSTS).read_text(encoding="utf-8"))
        return {
            str(stage): Cost(cpu_s=float(cost["cpu_s"]), wall_s=float(cost["wall_s"]), samples=int(cost["samples"]))
            for stage, cost in found.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
