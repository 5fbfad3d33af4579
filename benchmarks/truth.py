"""How often the verdicts of the code verifier agree with the labels of sets of real solutions.

Reads ``<set>.tasks.jsonl.gz`` (task_id, language, entry_point, tests) and ``<set>.solutions.jsonl.gz`` (sol_id,
task_id, language, code, label) from a directory, judges every solution by the tests of its task, and prints the
agreement of each set, language and label, and every disagreement by its name.

    python benchmarks/truth.py DIRECTORY [--sets NAME ...] [--languages NAME ...] [--sandbox NAME] [--sample N]
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import gzip
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from verifier.errors import InfrastructureError, UnscorableError
from verifier.formats import find_format
from verifier.formats.fields import Fields
from verifier.sandbox import SANDBOXES, SandboxConfig
from verifier.types import CallTest, CodeReference, Group, Outcome, Tolerance
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.workers import WorkerPool

Task = Mapping[str, object]
SLOW: Mapping[str, int] = {"quixbugs/knapsack": 9, "quixbugs/levenshtein": 3}
"""Cases that the set's own tests leave out unless slow ones are asked for: minutes, or gigabytes, when solved right."""
TIME_LIMIT_S = 10.0
MEMORY_BYTES = 1 << 30
LABELS: Mapping[str, bool] = {"correct": True, "incorrect": False}
"""The labels that are judged, and whether they mean CORRECT."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One solution: what its label says and what the verifier found."""

    set_name: str
    language: str
    label: str
    name: str
    outcome: str
    detail: str

    @property
    def agrees(self) -> bool:
        """Whether the verdict is the label's; no verdict agrees with none."""
        wanted = Outcome.CORRECT if LABELS[self.label] else Outcome.INCORRECT
        return self.outcome == wanted.value


def text_of(task: Task, *names: str) -> str:
    """A text inside a task, by its path; empty where it is missing."""
    value: object = task
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def of_check(task: Task) -> CodeReference:
    """A function ``check`` of the task, called with the entry point."""
    entry_point, script = text_of(task, "entry_point"), text_of(task, "tests", "check")
    (*_, check) = ast.parse(script).body
    if isinstance(check, ast.FunctionDef) and _calls_itself(check):
        # MBPP 56 is the task of writing a function called check: its asserts, which a wrapper of that name hides.
        entry_point, script = check.name, "\n".join(map(ast.unparse, check.body))
    else:
        script = f"{script}\ncheck({entry_point})\n"
    return CodeReference(
        language="python",
        script=script,
        entry_point=entry_point,
        prelude=text_of(task, "preamble"),
        time_limit_s=TIME_LIMIT_S,
        memory_limit_bytes=MEMORY_BYTES,
    )


def _calls_itself(function: ast.FunctionDef) -> bool:
    called = (node.func for node in ast.walk(function) if isinstance(node, ast.Call))
    return any(isinstance(name, ast.Name) and name.id == function.name for name in called)


def of_calls(task: Task) -> CodeReference:
    """Pairs of arguments and the value expected."""
    tests = task["tests"]
    cases = tests["cases"] if isinstance(tests, Mapping) else []
    slow = SLOW.get(text_of(task, "task_id"))
    cases = [case for at, case in enumerate(cases) if at != slow]
    return CodeReference(
        language="python",
        calls=tuple(CallTest(args=json.dumps(args), expected=json.dumps(expected)) for args, expected in cases),
        entry_point=text_of(task, "entry_point"),
        time_limit_s=TIME_LIMIT_S,
        memory_limit_bytes=MEMORY_BYTES,
        # The set's own test of this task allows the error that its arguments ask for; 0.01 is the least of them.
        tolerance=Tolerance(absolute=0.01) if text_of(task, "entry_point") == "sqrt" else None,
    )


def of_program(task: Task) -> CodeReference:
    """A test program of the task's language, read as the published rows are."""
    row = {
        "task_id": text_of(task, "task_id").partition("/")[2],
        "prompt": text_of(task, "prompt"),
        "declaration": text_of(task, "declaration"),
        "entry_point": text_of(task, "entry_point"),
        "test": text_of(task, "tests", "test"),
        "test_setup": text_of(task, "tests", "test_setup"),
        "import": text_of(task, "tests", "import_"),
    }
    reference = find_format("humanevalpack").task(Fields(row), time_limit_s=TIME_LIMIT_S).reference
    return replace(reference, memory_limit_bytes=MEMORY_BYTES)


SETS: Mapping[str, Callable[[Task], CodeReference]] = {
    "humaneval": of_check,
    "mbpp_sanitized": of_check,
    "humanevalpack": of_program,
    "quixbugs": of_calls,
    "leetcode": of_check,
}
"""The sets, and how each of their tasks becomes a reference."""


def rows(path: Path) -> Iterator[Task]:
    """The records of a compressed JSON Lines file."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


async def judge(tools: Tools, set_name: str, task: Task, solution: Task) -> Judged:
    """Judges one solution."""
    reference, name = SETS[set_name](task), text_of(solution, "sol_id")
    completion = f"~~~~~~~~{reference.language}\n{text_of(solution, 'code')}\n~~~~~~~~\n"
    try:
        judge_ = await CodeVerifier({}, tools).open_group(
            Group(id=name, completions=(completion,), reference=reference)
        )
        verdict = await judge_.verify(completion)
        outcome, detail = verdict.outcome.value, f"{verdict.reason}: {verdict.detail}"
    except (UnscorableError, InfrastructureError) as error:
        outcome = "UNSCORABLE" if isinstance(error, UnscorableError) else "FAILED"
        detail = f"{error.reason}: {error.detail}"
    language, label = text_of(solution, "language"), text_of(solution, "label")
    return Judged(set_name=set_name, language=language, label=label, name=name, outcome=outcome, detail=detail)


async def judge_set(tools: Tools, directory: Path, set_name: str, options: argparse.Namespace) -> list[Judged]:
    """Judges all solutions of a set, or a sample."""
    tasks = {text_of(task, "task_id"): task for task in rows(directory / f"{set_name}.tasks.jsonl.gz")}
    chosen = [
        solution
        for solution in rows(directory / f"{set_name}.solutions.jsonl.gz")
        if text_of(solution, "label") in LABELS
        and (not options.languages or text_of(solution, "language") in options.languages)
    ]
    if options.sample:
        chosen = random.Random(options.seed).sample(chosen, min(options.sample, len(chosen)))  # noqa: S311 (a sample)
    found: list[Judged] = []
    todo = iter(chosen)

    async def work() -> None:
        for solution in todo:
            found.append(await judge(tools, set_name, tasks[text_of(solution, "task_id")], solution))
            if len(found) % 200 == 0:
                print(f"  {set_name}: {len(found)} of {len(chosen)}", file=sys.stderr)

    async with asyncio.TaskGroup() as group:
        for _ in range(2 * options.slots):
            group.create_task(work())
    return sorted(found, key=lambda one: one.name)


def print_table(found: list[Judged]) -> None:
    """Prints the agreement of every set, language and label, then each disagreement."""
    totals = Counter((one.set_name, one.language, one.label) for one in found)
    agreed = Counter((one.set_name, one.language, one.label) for one in found if one.agrees)
    print(f"{'set':<16}{'language':<12}{'label':<11}{'solutions':>10}{'agreed':>8}")
    for key, total in sorted(totals.items()):
        print(f"{key[0]:<16}{key[1]:<12}{key[2]:<11}{total:>10}{agreed[key]:>8}")
    for one in found:
        if not one.agrees:
            print(f"  {one.name} ({one.label}): {one.outcome} {one.detail}")


async def run(options: argparse.Namespace) -> None:
    """Judges the chosen sets."""
    sandbox = SANDBOXES[options.sandbox](SandboxConfig(slots=options.slots, image_tag=options.image_tag))
    tools = Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox)
    found: list[Judged] = []
    try:
        await sandbox.start()
        for set_name in options.sets:
            found += await judge_set(tools, options.directory, set_name, options)
    finally:
        await sandbox.aclose()
    print_table(found)


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--languages", nargs="+", default=[], help="as the sets name them; all by default")
    parser.add_argument("--sandbox", choices=list(SANDBOXES), default="local")
    parser.add_argument("--image-tag", default="latest")
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sample", type=int, default=0, help="solutions of each set; all by default")
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
