"""Math verdicts, their truth, and what they cost: ours, math-verify and other graders on the same rows in one run.

    python benchmarks/math_verdicts.py [--input FILE.jsonl[.gz] ...] [--limit N] [--peers PYTHON] [--set-apart-prose]
        [--mutants N] [--disagreements]

The input is the product's own JSON lines, or problems with their ``answer``; a line may carry ``expect`` (CORRECT or
NOT_CORRECT), and then each side is also held against it. Without an input the script makes groups as a policy samples
them: many completions of one prompt, most of them alike. ``--set-apart-prose`` leaves out, for all sides alike, rows
whose reference or last box is a sentence or works something out in words. ``--mutants`` asks instead how often a gold
answer of the input is taken for itself with one digit, sign or letter changed. ``--peers`` names the interpreter in
which ``math_peers.py`` can run.

math-verify runs with its default settings (alarms of five seconds), which is how trainers call it: one parse of the
gold a group, then each completion. Rates are by CPU time of one process that judges one completion after the other,
ours with that of its worker; the times of single verdicts are wall time in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import gzip
import json
import logging
import random
import re
import resource
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from math_verify import parse, verify

from verifier.equivalence import EQUAL_TASK, MATH_TASKS, is_derivation, is_prose, normalise
from verifier.errors import UnscorableError
from verifier.sandbox.base import Job, JobResult, SandboxReport
from verifier.text.answers import find_answer
from verifier.types import Group, MathReference, Outcome
from verifier.verifiers.base import Tools
from verifier.verifiers.math import MathJudge, MathVerifier
from verifier.workers import WorkerPool

WARM_UP = 100
PEERS = ("verl prime_math", "verl math_dapo", "verl math_reward", "lm-eval minerva", "MathRuler")

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

    @property
    def golds(self) -> tuple[str, ...]:
        """The gold answers of the group."""
        assert isinstance(self.group.reference, MathReference)
        return self.group.reference.answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one side said, the seconds until each verdict, and the CPU seconds of all."""

    name: str
    verdicts: list[bool]
    seconds: list[float]
    cpu_s: float
    asked: int | None = None
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
    options.add_argument("--peers", type=Path, help="an interpreter with the packages that math_peers.py names")
    options.add_argument("--set-apart-prose", action="store_true")
    options.add_argument("--mutants", type=int, default=0, help="changed forms of each gold answer")
    options.add_argument("--disagreements", action="store_true", help="show where our verdict is not the label")
    chosen = options.parse_args()
    for path in chosen.input:
        if not path.is_file():
            options.error(f"--input {path}: no such file")
    logging.disable(logging.ERROR)
    for path in chosen.input or [None]:
        rows = list(read_rows(path, chosen.limit) if path else made_rows(200))
        if chosen.set_apart_prose:
            rows = [row for row in rows if not has_prose(row)]
        if chosen.mutants:
            rows = list(mutated(rows, chosen.mutants))
        runs = [asyncio.run(run_ours(rows)), run_math_verify(rows)]
        if chosen.peers:
            runs += [run_peer(chosen.peers, name, rows) for name in PEERS]
        print(f"\n{path.name if path else 'made-up groups'}: {sum(len(row.expected) for row in rows)} completions")
        report(rows, runs)
        if chosen.disagreements:
            show_disagreements(rows, runs[0])


def has_prose(row: Row) -> bool:
    """Whether the reference or the answer is a sentence or works something out in words, by one rule for all sides."""
    found = [text for completion in row.group.completions for text in find_answer(completion).texts[-1:]]
    return any(is_in_words(normalise(text)) for text in (*row.golds, *found))


def is_in_words(text: str) -> bool:
    """A sentence (four words in a row, or two before a number), a record of fields, or words beside an equation."""
    if is_prose(text) or is_derivation(text) or STATED.match(text) or RECORD.search(text):
        return True
    bare = COMMANDS.sub(" ", text)
    return "=" in bare and len(WORDS.findall(bare)) > 1


STATED = re.compile(r"[A-Z][\w'’.]*,? [A-Za-z]+[^\d]*\d")
RECORD = re.compile(r"\w[\"'`] ?:")
COMMANDS = re.compile(r"\\(?:text|mathrm)\s?\{[^{}]*\}|\\[a-zA-Z]+")
WORDS = re.compile(r"(?<![A-Za-z])[A-Za-z]{3,}(?![A-Za-z])")


def mutated(rows: list[Row], count: int) -> Iterator[Row]:
    """Gold answers with answers that differ from them in one digit, sign or letter; ``-0`` for 0 is no other value."""
    chance = random.Random(0)  # noqa: S311 - a fixed sample, not a secret
    golds = {answer for row in rows for answer in row.golds}
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
            if not answers and "answer" in record:  # a set of problems, such as MATH-500
                answers = [record["answer"]]
            if not answers:
                continue
            completions = tuple(record.get("completions") or (f"The final answer is $\\boxed{{{answers[0]}}}$.",))
            group = Group(
                id=str(record.get("id") or record.get("unique_id") or found),
                prompt=record.get("prompt", ""),
                completions=completions,
                reference=MathReference(answers=tuple(map(str, answers))),
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


async def run_ours(rows: list[Row]) -> Run:
    """The verifier with one worker, one completion after the other; starting and ending the worker is not counted."""
    pool = Asking(tasks=MATH_TASKS, size=1)
    verifier = MathVerifier({}, Tools(workers=pool, sandbox=NoSandbox()))
    verdicts: list[bool] = []
    seconds: list[float] = []
    async with pool:
        # Both sides have their grammars loaded and their code warm before the clock starts.
        await pool.call_with_retry(EQUAL_TASK, {"gold": "x+1", "answer": "1+x"}, cpu_budget_s=60)
        for row in made_rows(WARM_UP):
            opened = await verifier.open_group(row.group)
            for completion in row.group.completions:
                await opened.verify(completion)
        pool.asked = 0
        gc.collect()
        gc.freeze()
        cpu_s = process_cpu_s(pool)
        for row in rows:
            started = time.perf_counter()
            try:
                judge: MathJudge | None = await verifier.open_group(row.group)
            except UnscorableError:
                judge = None
            for completion in row.group.completions:
                verdict = await judge.verify(completion) if judge else None
                verdicts.append(verdict is not None and verdict.outcome is Outcome.CORRECT)
                ended = time.perf_counter()
                seconds.append(ended - started)
                started = ended
        cpu_s = process_cpu_s(pool) - cpu_s
    return Run(name="verifier", verdicts=verdicts, seconds=seconds, cpu_s=cpu_s, asked=pool.asked)


def process_cpu_s(pool: WorkerPool) -> float:
    """CPU time of this process and of the worker."""
    return time.process_time() + sum(cpu_of(pid) for pid in pool.pids)


def run_math_verify(rows: list[Row]) -> Run:
    """math-verify in a loop: one parse of the gold a group, then each completion."""
    for row in made_rows(WARM_UP):
        for completion in row.group.completions:
            verify(parse(f"\\boxed{{{row.golds[0]}}}"), parse(completion))
    gc.collect()
    gc.freeze()
    cpu_s = time.process_time()
    verdicts: list[bool] = []
    seconds: list[float] = []
    for row in rows:
        started = time.perf_counter()
        golds = [parse(f"\\boxed{{{answer}}}") for answer in row.golds]
        for completion in row.group.completions:
            answer = parse(completion)
            verdicts.append(any(verify(gold, answer) for gold in golds))
            ended = time.perf_counter()
            seconds.append(ended - started)
            started = ended
    return Run(name="math-verify", verdicts=verdicts, seconds=seconds, cpu_s=time.process_time() - cpu_s)


def run_peer(python: Path, name: str, rows: list[Row]) -> Run:
    """One of the graders of ``math_peers.py``, in its own interpreter."""
    pairs = []
    for row in rows:
        # They know one gold answer, without dollars.
        gold = row.golds[0].strip().strip("$")
        pairs += [{"gold": gold, "completion": completion} for completion in row.group.completions]
    script = Path(__file__).with_name("math_peers.py")
    done = subprocess.run(
        [str(python), str(script), name],
        input="\n".join(json.dumps(pair) for pair in pairs),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} could not run: {done.stderr.strip().splitlines()[-1]}")
    said = json.loads(done.stdout)
    return Run(name=name, verdicts=said["verdicts"], seconds=said["seconds"], cpu_s=said["cpu_s"])


def report(rows: list[Row], runs: list[Run]) -> None:
    expected = [label for row in rows for label in row.expected]
    labelled = [n for n in range(len(expected)) if expected[n] is not None]
    base = runs[1].cpu_s
    print(
        f"{'':18}{'paid wrongly':>13}{'missed':>8}{'precision':>11}{'recall':>8}{'F1':>8}"
        f"{'a CPU s':>10}{'ratio':>9}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}"
    )
    for run in runs:
        precision, recall, f1, paid, missed = scored(run, expected, labelled)
        total, times = run.cpu_s, sorted(1000 * second for second in run.seconds)
        print(
            f"{run.name:18}{paid:>13}{missed:>8}{precision:>11.4f}{recall:>8.4f}{f1:>8.4f}"
            f"{len(times) / total:>10.0f}{base / total:>8.1f}x{times[len(times) // 2]:>9.3f}"
            f"{times[int(len(times) * 0.99)]:>9.2f}{times[-1]:>9.1f}"
        )
    print(f"asked of algebra by ours: {(runs[0].asked or 0) / len(expected):.4f}")
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"peak memory of this process {used[0] // 1024} MB, of the largest child {used[1] // 1024} MB")


def show_disagreements(rows: list[Row], run: Run) -> None:
    """The rows where our verdict is not the label."""
    at = 0
    for row in rows:
        for completion, label in zip(row.group.completions, row.expected, strict=True):
            if label is not None and run.verdicts[at] != label:
                answer = " | ".join(find_answer(completion).texts) or completion[-80:]
                print(f"{row.group.id}\t{'missed' if label else 'paid'}\t{row.golds[0]!r}\t{answer!r}")
            at += 1


def scored(run: Run, expected: list[bool | None], labelled: list[int]) -> tuple[float, float, float, int, int]:
    hits = sum(run.verdicts[n] and bool(expected[n]) for n in labelled)
    paid_wrongly = sum(run.verdicts[n] and not expected[n] for n in labelled)
    missed = sum(not run.verdicts[n] and bool(expected[n]) for n in labelled)
    precision = hits / (hits + paid_wrongly) if hits + paid_wrongly else 0.0
    recall = hits / (hits + missed) if hits + missed else 0.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return precision, recall, f1, paid_wrongly, missed


def cpu_of(pid: int) -> float:
    return time.clock_gettime((~pid << 3) | 2)


if __name__ == "__main__":
    main()
