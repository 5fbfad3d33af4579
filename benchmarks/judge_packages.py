"""How far our verdicts agree with the labels of the judge packages of contests.

Each package has test cases, perhaps an output validator (a checker or an interactor), and solutions that its authors
labelled AC, WA, TLE, RTE, CE. A label says which verdicts it allows; a solution may also name them itself, in a
comment ``@EXPECTED_RESULTS@``. All that disagrees is printed by name, with the reason where it is known.

    python benchmarks/judge_packages.py DIRECTORY [--sandbox local] [--only PART]

The directory holds ``icpc_packages.tasks.jsonl.gz`` and ``icpc_packages.solutions.jsonl.gz``: tasks with
``task_id, tests {cases, validation, validator_flags, validators}, problem_yaml`` and solutions with
``sol_id, task_id, language, code, label``.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from posixpath import normpath
from types import MappingProxyType
from typing import Any

from verifier.errors import InfrastructureError, UnscorableError
from verifier.judging.judge import ProgramJudge
from verifier.judging.languages import LANGUAGES
from verifier.judging.limits import Bounds
from verifier.sandbox import SANDBOXES, SandboxConfig, StartableSandbox
from verifier.types import CodeReference, Comparison, JudgeProgram, SourceFile, StdioTest, Tolerance

AC = frozenset({"AC"})
WRONG = frozenset({"WA"})
SLOW = frozenset({"TLE", "OLE"})
"""A program that prints for ever passes whichever limit comes first."""
CRASH = frozenset({"RE", "MLE"})
LABELS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "correct": AC,
        "incorrect": WRONG,
        "rte": CRASH,
        "tle": SLOW,
        "ole": frozenset({"OLE"}),
        "ce": frozenset({"CE"}),
        "partial": WRONG | SLOW | CRASH,
        "other:wa": WRONG,
        "other:tle": SLOW,
        "other:ac_or_wa": AC | WRONG,
        "other:rejected": WRONG | SLOW | CRASH,
    }
)
TAGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "CORRECT": AC,
        "ACCEPTED": AC,
        "WRONG-ANSWER": WRONG,
        "NO-OUTPUT": WRONG,
        "RUN-ERROR": CRASH,
        "RUN-TIME-ERROR": CRASH,
        "TIMELIMIT": SLOW,
        "TIME-LIMIT-EXCEEDED": SLOW,
        "OUTPUT-LIMIT": frozenset({"OLE"}),
        "COMPILER-ERROR": frozenset({"CE"}),
    }
)
EXTENSIONS: Mapping[str, str] = MappingProxyType({".c++": "cpp", ".bash": "bash"})
SOURCES: Mapping[str, str] = MappingProxyType(
    {".c": "c", ".cc": "cpp", ".cpp": "cpp", ".py": "python", ".java": "java"}
)
TIME_LIMIT_S = 2.0
_LINK = re.compile(r"(?:\.\./)+[\w./-]+")
_TAG = re.compile(r"@EXPECTED_RESULTS@:([^\n*]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A task as a reference without a language, or why there is none."""

    fields: Mapping[str, Any]
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One solution judged: what its label allows, and what we said."""

    name: str
    language: str
    allowed: frozenset[str]
    said: str
    detail: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the label allows what we said."""
        return self.said in self.allowed


def package_of(task: Mapping[str, Any]) -> Package:
    """A package as fields of ``CodeReference``."""
    tests, yaml = task["tests"], task["problem_yaml"]
    if "multi-pass" in tests["validation"] or re.search(r"^(?:type:|\s*-)[^\n#]*multi-pass", yaml, re.MULTILINE):
        return Package(fields={}, why_not="multi-pass: the program runs several times, with what it said before")
    cases = tuple(_cases(tests["cases"]))
    if not cases:
        return Package(fields={}, why_not="no test cases")
    fields: dict[str, Any] = {
        "stdio": cases,
        "time_limit_s": _number(r"^\s*time_limit:\s*([\d.]+)", yaml) or TIME_LIMIT_S,
        "memory_limit_bytes": int(_number(r"^\s*memory:\s*(\d+)", yaml) or 2048) << 20,
    }
    flags = tests["validator_flags"].strip("'\" ").split()
    validator = _validator(tests["validators"], flags)
    if validator is not None:
        is_interactive = "interactive" in tests["validation"] or re.search(
            r"^type:[^\n#]*interactive", yaml, re.MULTILINE
        )
        fields["interactor" if is_interactive else "checker"] = validator
        return Package(fields=fields)
    if "case_sensitive" not in flags:
        fields["comparison"] = Comparison.TOKENS_IGNORE_CASE
    fields["tolerance"] = _tolerance(flags)
    return Package(fields=fields)


def _cases(cases: Sequence[Mapping[str, str]]) -> Iterator[StdioTest]:
    """The test cases; what is a link to another file is that file, and what was too long to keep is left out."""
    by_name = {case["name"]: case for case in cases}
    for case in cases:
        link = _LINK.fullmatch(case["input"])
        found = by_name.get(normpath(f"{case['name']}/../{link[0]}")) if link else case
        if found is not None and (found["input"] or found["output"]):
            yield StdioTest(input=found["input"], output=found["output"])


def _number(pattern: str, text: str) -> float | None:
    found = re.search(pattern, text, re.MULTILINE)
    return float(found[1]) if found else None


def _validator(files: Mapping[str, str], flags: Sequence[str]) -> JudgeProgram | None:
    own = {path.rpartition("/")[2]: text for path, text in files.items() if path.startswith("output_validator")}
    main = next((name for name in own if Path(name).suffix in SOURCES), None)
    if main is None:
        return None
    beside = tuple(SourceFile(name=name, text=text) for name, text in own.items() if name != main)
    language = SOURCES[Path(main).suffix]
    return JudgeProgram(language=language, source=own[main], files=beside, protocol="icpc", args=tuple(flags))


def _tolerance(flags: Sequence[str]) -> Tolerance | None:
    values = {flag: float(value) for flag, value in pairwise(flags) if flag.startswith("float_")}
    both = values.get("float_tolerance", 0.0)
    absolute = values.get("float_absolute_tolerance", both)
    relative = values.get("float_relative_tolerance", both)
    return Tolerance(absolute=absolute, relative=relative) if absolute or relative else None


def allowed_by(solution: Mapping[str, Any]) -> frozenset[str]:
    """The verdicts that a solution's own tag, else its label, allows; empty if neither says."""
    found = _TAG.search(solution["code"])
    if found:
        words = [word.strip().upper().replace("_", "-") for word in found[1].split(",")]
        if all(word in TAGS for word in words):
            return frozenset[str]().union(*(TAGS[word] for word in words))
    return LABELS.get(solution["label"], frozenset())


def language_of(solution: Mapping[str, Any]) -> str:
    """The name of the language, or empty if it is none of ours."""
    name = EXTENSIONS.get(solution["language"], solution["language"])
    return LANGUAGES[name].name if name in LANGUAGES else ""


def why_aside(solution: Mapping[str, Any], package: Package) -> str:
    """Why a solution is not judged, or empty."""
    if not solution["code"].strip() and not solution["language"]:
        return "no solution: an empty file that keeps a folder"
    if _LINK.fullmatch(solution["code"].strip()):
        return "no solution: a link to another file, kept as its path"
    if package.why_not:
        return f"no task: {package.why_not.partition(':')[0]}"
    if not language_of(solution):
        return f"no language: {solution['language']}"
    return "" if allowed_by(solution) else f"no verdict in the label: {solution['label']}"


async def judge_all(
    sandbox: StartableSandbox, tasks: Mapping[str, Mapping[str, Any]], solutions: Sequence[Mapping[str, Any]]
) -> tuple[list[Row], Counter[str], dict[str, str]]:
    """Rows for what was judged, a count of what was set aside and why, and tasks that could not be judged."""
    aside: Counter[str] = Counter()
    unscorable: dict[str, str] = {}
    rows: list[Row] = []
    by_judge: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for solution in solutions:
        why = why_aside(solution, package_of(tasks[solution["task_id"]]))
        if why:
            aside[why] += 1
        else:
            by_judge[solution["task_id"], language_of(solution)].append(solution)
    slots = asyncio.Semaphore(len(os.sched_getaffinity(0)))

    async def judge(task_id: str, language: str) -> None:
        reference = CodeReference(language=language, **package_of(tasks[task_id]).fields)
        try:
            judging = ProgramJudge(reference, sandbox, Bounds())
            async with slots:
                await judging.check()
        except UnscorableError as error:
            unscorable[task_id] = f"{error.reason}: {error.detail}"
            return
        for solution in by_judge[task_id, language]:
            async with slots:
                rows.append(await row_of(judging, solution))

    async with asyncio.TaskGroup() as group:
        for task_id, language in by_judge:
            group.create_task(judge(task_id, language))
    return sorted(rows, key=lambda row: row.name), aside, unscorable


async def row_of(judging: ProgramJudge, solution: Mapping[str, Any]) -> Row:
    """Judges one solution."""
    name, language, allowed = solution["sol_id"], judging.language.name, allowed_by(solution)
    try:
        judged = await judging.judge(solution["code"])
    except InfrastructureError as error:
        return Row(name=name, language=language, allowed=allowed, said="FAILED", detail=str(error))
    first = next((test for test in judged.tests if test.status.value != "AC"), None)
    said = first.status.value if first else "AC"
    detail = f"{first.name} {first.detail}".strip() if first else ""
    return Row(name=name, language=language, allowed=allowed, said=said, detail=detail)


def read(directory: Path, kind: str) -> list[dict[str, Any]]:
    with gzip.open(directory / f"icpc_packages.{kind}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def report(rows: Sequence[Row], aside: Mapping[str, int], unscorable: Mapping[str, str]) -> None:
    """Prints the agreement, and every disagreement."""
    counts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        counts[row.language].append(row)
    print(f"{'language':<12}{'judged':>8}{'agree':>8}{'AC or not':>12}")
    for language, some in (*sorted(counts.items()), ("all", list(rows))):
        same = sum((row.said == "AC") == ("AC" in row.allowed) or row.agrees for row in some)
        print(f"{language:<12}{len(some):>8}{sum(row.agrees for row in some):>8}{same:>12}")
    print("\nset aside")
    for why, count in sorted(aside.items()):
        print(f"  {count:>4}  {why}")
    print("\ntasks that cannot be judged")
    for task, why in sorted(unscorable.items()):
        print(f"  {task}: {why}")
    print("\ndisagreements")
    for row in rows:
        if not row.agrees:
            why = next((why for part, why in KNOWN.items() if part in row.name), "NOT EXPLAINED")
            print(f"  {row.name}: allowed {'/'.join(sorted(row.allowed))}, said {row.said} ({row.detail}): {why}")


_TOLD_WRONG = "the interactor says wrong, and then it crashes: an error of a solution counts first"
KNOWN: Mapping[str, str] = MappingProxyType(
    {
        "DOMjudge/boolfind/wrong_answer/boolfind-test-double.py": _TOLD_WRONG,
        "guess/wrong_answer/GuessCrash.java": _TOLD_WRONG,
        "guess/time_limit_exceeded/guess_close_stdout_1.cpp": "it sleeps, and its interactor says wrong meanwhile",
        "test-memstatic.cc": "its array makes a binary longer than a file may be",
        "test-multithread.c": "it is linked with threads here, and aborts because their stacks are not of 2 MiB",
        "test-correct-output-exceeded.cc": "10 MiB of white space after the answer: our limit is 16 MiB",
        "test-chroot-escape.sh": "it prints the answer where it does not find itself in a chroot",
        "test-memsize": "it passes the time limit before the memory limit of 2 GiB",
        "test-permissions.c": "it asks for a file that only machines of its authors have",
        "test-write-file.c": "it ends with an error where a file can be written, as here",
        "different_py2.py": "Python 2",
        "different_slow.py": "slow on purpose; its authors' limit is five times that of their fastest program",
        "RagnarGrootKoerkamp/boolfind": "its interactor is of no known protocol: it takes two arguments",
        "RagnarGrootKoerkamp/fltcmp": "its tolerance stands in a file that the set does not hold",
    }
)
"""Why a label does not hold here, by a part of the name."""


async def run(directory: Path, backend: str, only: str) -> None:
    tasks = {task["task_id"]: task for task in read(directory, "tasks")}
    solutions = [solution for solution in read(directory, "solutions") if only in solution["sol_id"]]
    sandbox = SANDBOXES[backend](SandboxConfig(slots=len(os.sched_getaffinity(0))))
    started = time.perf_counter()
    try:
        await sandbox.start()
        report(*await judge_all(sandbox, tasks, solutions))
    finally:
        await sandbox.aclose()
    print(f"\n{len(solutions)} solutions of {len(tasks)} tasks, {time.perf_counter() - started:.0f} s")


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sandbox", choices=sorted(SANDBOXES), default="local")
    parser.add_argument("--only", default="", help="part of the names of the solutions to judge")
    options = parser.parse_args()
    asyncio.run(run(options.directory, options.sandbox, options.only))


if __name__ == "__main__":
    main()
