"""Attacks that are paid, of all in the corpora given, and control programs that are judged right.

A corpus is a file of groups in the product's own JSON with ``expect`` in each line: NOT_CORRECT for an attack,
CORRECT for an honest program, anything else for what no sandbox can see, which is counted apart. An attack is paid
when the outcome is CORRECT; whether it is called INCORRECT or the task UNSCORABLE makes no difference to a policy.

    python benchmarks/attacks.py [FILE ...] [--sandbox NAME ...] [--image-tag TAG] [--show]

Without a file it takes those of ``tests/cases/``. Exits with 1 if an attack was paid or a control refused.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from code_programs import started

from verifier.errors import InfrastructureError, UnscorableError
from verifier.sandbox import SANDBOXES, SandboxConfig, StartableSandbox
from verifier.types import CodeReference, Group
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.wire.jsonl import group_from_line
from verifier.workers import WorkerPool

CASES = Path(__file__).parents[1] / "tests" / "cases"
ATTACK, CONTROL = "NOT_CORRECT", "CORRECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One program and what it must not, or must, be."""

    group: Group
    expect: str

    @property
    def language(self) -> str:
        """The program's language."""
        reference = self.group.reference
        return reference.language if isinstance(reference, CodeReference) else "?"


def read(paths: Sequence[Path]) -> list[Row]:
    """All lines of all files that say what to expect."""
    rows = []
    for path in paths:
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            expect = json.loads(line).get("expect")
            if isinstance(expect, str):
                rows.append(Row(group=group_from_line(line, number), expect=expect))
    return rows


def forms_of(group: Group) -> list[Group]:
    """The group, and where its script might be data the same with a script that is more, and so has a tester."""
    code = group.reference
    if not isinstance(code, CodeReference) or code.language != "python" or not code.script or code.framework != "plain":
        return [group]
    return [group, replace(group, reference=replace(code, script=f"{code.script}\nfor _ in (): pass\n"))]


async def outcome_of(sandbox: StartableSandbox, group: Group) -> str:
    """The outcomes of the group's first completion, in every form of the group; one where they are the same."""
    return " | ".join(dict.fromkeys([await one_outcome_of(sandbox, form) for form in forms_of(group)]))


async def one_outcome_of(sandbox: StartableSandbox, group: Group) -> str:
    """The outcome of the group's first completion."""
    verifier = CodeVerifier({}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox))
    try:
        judge = await verifier.open_group(group)
        return (await judge.verify(group.completions[0])).outcome.name
    except UnscorableError:
        return "UNSCORABLE"
    except InfrastructureError as error:
        return f"FAILED {error.reason}"


async def judged(name: str, rows: Sequence[Row], options: argparse.Namespace) -> bool:
    """Prints a backend's table; whether nothing was paid that must not be."""
    async with AsyncExitStack() as stack:
        sandbox = SANDBOXES[name](SandboxConfig(slots=options.slots, image_tag=options.image_tag))
        if not await started(stack, sandbox):
            return True
        # As many at once as there are slots: the clocks of a program run while it waits for a processor.
        gate = asyncio.Semaphore(options.slots)

        async def one(row: Row) -> str:
            async with gate:
                return await outcome_of(sandbox, row.group)

        outcomes = await asyncio.gather(*map(one, rows))
    table: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for row, outcome in zip(rows, outcomes, strict=True):
        # An attack must be paid in no form, a control in every one.
        is_paid = "CORRECT" in outcome.split(" | ") if row.expect == ATTACK else outcome == "CORRECT"
        kind = {ATTACK: "attacks", CONTROL: "controls"}.get(row.expect, "aside")
        table[row.language][kind] += 1
        table[row.language][f"{kind} paid"] += is_paid
        table[row.language]["failed"] += "FAILED" in outcome
        if options.show and is_paid != (row.expect == CONTROL) and kind != "aside":
            print(f"  {row.group.id}: {outcome}")
    print(f"{name}: {'language':<12}{'attacks':>9}{'paid':>6}{'controls':>10}{'right':>7}{'aside':>7}{'failed':>8}")
    total = sum(table.values(), collections.Counter())
    for language, counts in [*sorted(table.items()), ("all", total)]:
        cells = (counts["attacks"], counts["attacks paid"], counts["controls"], counts["controls paid"])
        print(f"{'':<{len(name) + 2}}{language:<12}{cells[0]:>9}{cells[1]:>6}{cells[2]:>10}{cells[3]:>7}", end="")
        print(f"{counts['aside']:>7}{counts['failed']:>8}")
    return not total["attacks paid"] and total["controls"] == total["controls paid"]


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("files", type=Path, nargs="*", default=sorted(CASES.glob("attacks*.jsonl")))
    parser.add_argument("--sandbox", nargs="*", default=["local", "docker"], choices=list(SANDBOXES))
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--image-tag", default=os.environ.get("ASSAY_IMAGE_TAG", "latest"))
    parser.add_argument("--show", action="store_true", help="name what was judged otherwise than expected")
    options = parser.parse_args()
    rows = read(options.files)
    well = [asyncio.run(judged(name, rows, options)) for name in options.sandbox]
    raise SystemExit(0 if all(well) else 1)


if __name__ == "__main__":
    main()
