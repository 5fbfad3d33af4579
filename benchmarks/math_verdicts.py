"""Math verdicts per second and their truth, against math-verify called directly in a loop, on the same rows in one run.

    python benchmarks/math_verdicts.py [--input FILE.jsonl[.gz] ...] [--limit N] [--repeat N] [--mutants N]

The input is the product's own JSON lines; a line may carry ``expect`` (CORRECT or NOT_CORRECT), and then each side is
also held against it. Without an input the script makes groups as a policy samples them: many completions of one prompt,
most of them alike. ``--set-apart-prose`` leaves out, for both sides, rows whose reference or last box is a sentence.
``--mutants`` asks instead how often a gold answer of the input is taken for itself with one digit, sign or letter
changed. math-verify runs with its default settings (alarms of five seconds), which is how trainers call it;
its own time is CPU time of this process, ours is that of this process and of all workers.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import logging
import random
import re
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from math_verify import parse, verify

from verifier.equivalence import EQUAL_TASK, MATH_TASKS, is_prose, normalise
from verifier.errors import UnscorableError
from verifier.sandbox.base import Job, JobResult, SandboxReport
from verifier.text.answers import find_answer
from verifier.types import Group, MathReference, Outcome
from verifier.verifiers.base import Tools
from verifier.verifiers.math import MathVerifier
from verifier.workers import WorkerPool

CHANGED = re.compile(r"\d|[+-](?!0)|(?<![\\a-zA-Z])[xyzabknm](?![a-zA-Z])")
GROUP_SIZE = 16
ANSWERS = (
    ("\\frac{3}{4}", ("0.75", "\\frac{6}{8}", "\\dfrac34"), ("\\frac{4}{3}", "0.34")),
    ("1,024", ("1024", "2^{10}"), ("1042", "512")),
    ("2\\sqrt{3}", ("\\sqrt{12}", "2\\sqrt3"), ("3\\sqrt{2}", "\\sqrt{6}")),
    ("x^2-1", ("(x-1)(x+1)", "-1+x^2"), ("x^2+1", "(x-1)^2")),
    ("(2,5)", ("\\left(2,5\\right)",), ("(5,2)", "[2,5]")),
    ("\\{1,2,3\\}", ("\\{3,2,1\\}", "1, 2, 3"), ("\\{1,2\\}", "1, 2, 4")),
    ("\\frac{\\pi}{6}", ("\\pi/6", "\\frac{1}{6}\\pi"), ("\\frac{\\pi}{3}", "30")),
    ("y=2x+1", ("2x+1", "y = 1+2x"), ("y=2x-1", "x=2y+1")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One group, and what its completions should come to; None where nobody says."""

    group: Group
    expected: tuple[bool | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one side said and what it cost."""

    verdicts: list[bool]
    cpu_s: float
    wall_s: float
    asked: int = 0
    """Comparisons that went to an algebra system."""


class NoSandbox:
    """Mathematics runs no programs."""

    async def run(self, job: Job) -> JobResult:
        """Never called."""
        raise NotImplementedError

    async def report(self) -> SandboxReport:
        """Never called."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing to end."""


class Asking(WorkerPool):
    """Counts what an algebra system is asked to compare."""

    asked = 0

    async def call_with_retry(self, task: str, payload: object, *, cpu_budget_s: float) -> object:  # type: ignore[override]
        """As the pool does."""
        self.asked += task == EQUAL_TASK
        return await super().call_with_retry(task, payload, cpu_budget_s=cpu_budget_s)  # type: ignore[arg-type]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--input", type=Path, nargs="*", default=[], help="groups as JSON lines, plain or gzipped")
    options.add_argument("--limit", type=int, default=20_000, help="groups to read at most (default: %(default)s)")
    options.add_argument("--workers", type=int, default=2, help="worker processes of ours (default: %(default)s)")
    options.add_argument("--repeat", type=int, default=1, help="copies of each completion, as a policy repeats itself")
    options.add_argument("--set-apart-prose", action="store_true")
    options.add_argument("--mutants", type=int, default=0, help="changed forms of each gold answer")
    chosen = options.parse_args()
    logging.disable(logging.ERROR)
    for path in chosen.input or [None]:
        rows = list(read_rows(path, chosen.limit) if path else made_rows(200))
        if chosen.set_apart_prose:
            rows = [row for row in rows if not has_prose(row)]
        if chosen.mutants:
            rows = list(mutated(rows, chosen.mutants))
        rows = [repeated(row, chosen.repeat) for row in rows]
        print(f"\n{path.name if path else 'made-up groups'}")
        ours = asyncio.run(run_ours(rows, chosen.workers))
        report(rows, ours, run_theirs(rows))


def has_prose(row: Row) -> bool:
    """Whether the reference or the answer is a sentence, by one rule for both sides."""
    reference = row.group.reference
    assert isinstance(reference, MathReference)
    found = [text for completion in row.group.completions for text in find_answer(completion).texts[-1:]]
    return any(is_prose(normalise(text)) for text in (*reference.answers, *found))


def mutated(rows: list[Row], count: int) -> Iterator[Row]:
    """Gold answers with answers that differ from them in one digit, sign or letter; ``-0`` for 0 is no other value."""
    chance = random.Random(0)  # noqa: S311 - a fixed sample, not a secret
    golds = {
        answer
        for row in rows
        if isinstance(row.group.reference, MathReference)
        for answer in row.group.reference.answers
    }
    for at, gold in enumerate(sorted(golds)):
        places = [found.start() for found in CHANGED.finditer(gold)]
        for place in chance.sample(places, min(count, len(places))):
            sign = gold[place]
            kin = next(kin for kin in ("0123456789", "+-", "xyzabknm") if sign in kin)
            other = chance.choice([one for one in kin if one != sign])
            changed = gold[:place] + other + gold[place + 1 :]
            group = Group(
                id=f"mutant-{at}-{place}",
                completions=(f"The final answer is $\\boxed{{{changed}}}$.",),
                reference=MathReference(answers=(gold,)),
            )
            yield Row(group=group, expected=(False,))


def read_rows(path: Path, limit: int) -> Iterator[Row]:
    """Groups with mathematical references, at most so many."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        found = 0
        for line in lines:
            record = json.loads(line)
            answers = record.get("reference", {}).get("math", {}).get("answers")
            if not answers:
                continue
            completions = tuple(record["completions"])
            group = Group(
                id=record["id"],
                prompt=record.get("prompt", ""),
                completions=completions,
                reference=MathReference(answers=tuple(answers)),
            )
            expect = record.get("expect")
            label = None if expect not in ("CORRECT", "NOT_CORRECT") else expect == "CORRECT"
            yield Row(group=group, expected=(label,) * len(completions))
            found += 1
            if found == limit:
                return


def made_rows(count: int) -> Iterator[Row]:
    """Groups as a policy samples them: most completions give the same answer, some another form, some another value."""
    chance = random.Random(0)  # noqa: S311 - a fixed sample, not a secret
    for n in range(count):
        gold, right, wrong = ANSWERS[n % len(ANSWERS)]
        labels = [chance.random() < 0.6 for _ in range(GROUP_SIZE)]
        answers = [
            gold if label and chance.random() < 0.7 else chance.choice(right if label else wrong) for label in labels
        ]
        reasoning = "Let us see what follows from that. " * 40
        completions = tuple(f"<think>\n{reasoning}\n</think>\nThe final answer is $\\boxed{{{a}}}$." for a in answers)
        group = Group(id=f"made-{n}", completions=completions, reference=MathReference(answers=(gold,)))
        yield Row(group=group, expected=tuple(labels))


def repeated(row: Row, times: int) -> Row:
    if times == 1:
        return row
    group = Group(
        id=row.group.id,
        prompt=row.group.prompt,
        completions=row.group.completions * times,
        reference=row.group.reference,
    )
    return Row(group=group, expected=row.expected * times)


async def run_ours(rows: list[Row], workers: int) -> Run:
    """The verifier with its pool, groups side by side; starting and ending the workers is not counted."""
    gate = asyncio.Semaphore(64)
    pool = Asking(tasks=MATH_TASKS, size=workers)
    verifier = MathVerifier({}, Tools(workers=pool, sandbox=NoSandbox()))

    async def judge(row: Row) -> list[bool]:
        async with gate:
            try:
                opened = await verifier.open_group(row.group)
            except UnscorableError:
                return [False] * len(row.group.completions)
            verdicts = await asyncio.gather(*(opened.verify(completion) for completion in row.group.completions))
            return [verdict.outcome is Outcome.CORRECT for verdict in verdicts]

    before = children_cpu_s()
    async with pool:
        # Both sides have their grammars loaded before the clock starts.
        pair = {"gold": "x+1", "answer": "1+x"}
        await asyncio.gather(*(pool.call_with_retry(EQUAL_TASK, pair, cpu_budget_s=60) for _ in range(workers)))
        pool.asked = 0
        start_up_s = sum(cpu_of(pid) for pid in pool.pids)
        wall_s, own_s = time.perf_counter(), time.process_time()
        answers = await asyncio.gather(*(judge(row) for row in rows))
        wall_s, own_s = time.perf_counter() - wall_s, time.process_time() - own_s
    workers_s = children_cpu_s() - before - start_up_s
    found = [verdict for group in answers for verdict in group]
    return Run(verdicts=found, cpu_s=own_s + workers_s, wall_s=wall_s, asked=pool.asked)


def run_theirs(rows: list[Row]) -> Run:
    """math-verify in a loop: one parse of the gold a group, then each completion."""
    verify(parse("$1$"), parse("$\\boxed{x+1}$"))  # loads its grammar
    verdicts = []
    wall_s, own_s = time.perf_counter(), time.process_time()
    for row in rows:
        reference = row.group.reference
        assert isinstance(reference, MathReference)
        golds = [parse(f"\\boxed{{{answer}}}") for answer in reference.answers]
        for completion in row.group.completions:
            answer = parse(completion)
            verdicts.append(any(verify(gold, answer) for gold in golds))
    return Run(verdicts=verdicts, cpu_s=time.process_time() - own_s, wall_s=time.perf_counter() - wall_s)


def report(rows: list[Row], ours: Run, theirs: Run) -> None:
    expected = [label for row in rows for label in row.expected]
    total = len(expected)
    print(f"{total} completions in {len(rows)} groups")
    print(f"{'':26}{'verifier':>12}{'math-verify':>14}{'ratio':>10}")
    for name, one, other in (("CPU seconds", ours.cpu_s, theirs.cpu_s), ("wall seconds", ours.wall_s, theirs.wall_s)):
        print(f"{name:26}{one:>12.2f}{other:>14.2f}{other / one:>9.1f}x")
    per_s = total / ours.cpu_s, total / theirs.cpu_s
    print(f"{'completions/CPU second':26}{per_s[0]:>12.0f}{per_s[1]:>14.0f}{per_s[0] / per_s[1]:>9.1f}x")
    agreed = sum(a == b for a, b in zip(ours.verdicts, theirs.verdicts, strict=True))
    print(f"{'the same verdict':26}{agreed / total:>12.4f}")
    print(f"{'asked of algebra':26}{ours.asked / total:>12.4f}")
    labelled = [n for n in range(total) if expected[n] is not None]
    if labelled:
        scores = [scored(run, expected, labelled) for run in (ours, theirs)]
        for position, name in enumerate(("precision", "recall", "F1", "paid wrongly", "missed")):
            one, other = scores[0][position], scores[1][position]
            shown = (f"{one:>12.4f}", f"{other:>14.4f}") if isinstance(one, float) else (f"{one:>12}", f"{other:>14}")
            print(f"{name:26}{''.join(shown)}")


def scored(run: Run, expected: list[bool | None], labelled: list[int]) -> tuple[float, float, float, int, int]:
    hits = sum(run.verdicts[n] and bool(expected[n]) for n in labelled)
    paid_wrongly = sum(run.verdicts[n] and not expected[n] for n in labelled)
    missed = sum(not run.verdicts[n] and bool(expected[n]) for n in labelled)
    precision = hits / (hits + paid_wrongly) if hits + paid_wrongly else 0.0
    recall = hits / (hits + missed) if hits + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision, recall, f1, paid_wrongly, missed


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_of(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | 2)


if __name__ == "__main__":
    main()
