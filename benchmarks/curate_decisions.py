"""Memory and CPU of the decisions of ``curate`` as the corpus grows, on facts that are made up.

    python benchmarks/curate_decisions.py [--samples N ...] [--recipes NAME ...] [--folder DIR]

What grows with a corpus in the command's process is what it decides on: facts, verdicts and fates of all samples, and
the files that kept ones go to. Here facts are made as they are read, four samples a prompt, of which one has a fault
of its text, one in twenty repeats another and a third is found wrong; so no text is needed, and 30 million samples
take minutes. Each run has a process of its own; what that holds at its start is not counted. Two kinds of memory are
told apart: ``anon`` is what only the process can give back, ``file`` are pages of mapped files, which the system takes
when memory runs short. A run whose ``anon`` passes 1.2 GB fails. Bytes a sample are of both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

import numpy as np
import polars as pl

from curation.executors.arrange import plan_files
from curation.executors.corpus import Corpus, columns_needed
from curation.facts import FACTS
from curation.presets import preset
from curation.recipe import parse_recipe
from curation.steps import build_steps
from curation.steps.base import Step
from curation.steps.verify import DECISIONS, Verify

SHARD = 20_000
PER_PROMPT = 4
MOST_MB = 1_200
FILE_BYTES = 128 << 20
LOOK_S = 0.02

_TAIL = """
[[steps]]
name = "verify"
[[steps]]
name = "pass_rate"
max_percent = 90
[[steps]]
name = "select"
policy = "shortest"
count = 2
"""
_ARRANGES = """
[[steps]]
name = "shuffle"
[[steps]]
name = "split"
"""
_QUOTA = """
[[steps]]
name = "quota"
preset = "r1"
"""
_NEAR = """
[[steps]]
name = "format"
[[steps]]
name = "dedup"
similarity_percent = 85
"""
_PROMPTS = """
[[steps]]
name = "format"
[[steps]]
name = "dedup_prompts"
[[steps]]
name = "dedup"
"""
RECIPES = {
    "r1": preset("r1"),
    "near": _NEAR + _TAIL + _QUOTA + _ARRANGES,
    "prompts": _PROMPTS + _TAIL + _QUOTA + _ARRANGES,
    "kept": _NEAR.replace("similarity_percent = 85", "") + _TAIL.replace("count = 2", "count = 4") + _ARRANGES,
}
"""``r1`` is the preset; ``near`` compares completions, ``prompts`` prompts; ``kept`` keeps what is right, without
quota, and puts it in another order."""


class Made:
    """Facts and verdicts of shards."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._draw = np.random.default_rng(0)
        self.cpu_s = 0.0
        """That it took to make them."""

    def facts(self, shards: int) -> Iterator[pl.DataFrame]:
        """Of one shard after the other."""
        for _ in range(shards):
            start = time.process_time()
            frame = self._frame()
            self.cpu_s += time.process_time() - start
            yield frame

    def answers(self, wanted: np.ndarray) -> pl.DataFrame:
        """What ``verify`` makes of the samples of a shard."""
        start = time.process_time()
        is_wrong = self._draw.random(len(wanted)) < 1 / 3
        asked, wrong = pl.Series(wanted), pl.Series(is_wrong)
        frame = pl.select(
            verify_reason=pl.when(asked & wrong).then(pl.lit("math:not_equal")),
            is_failed=pl.repeat(value=False, n=len(wanted)),
            is_right=pl.when(asked).then(~wrong),
        ).match_to_schema(DECISIONS)
        self.cpu_s += time.process_time() - start
        return frame

    def _frame(self) -> pl.DataFrame:
        prompts = self._draw.integers(0, 1 << 64, SHARD // PER_PROMPT, dtype=np.uint64)
        groups = np.repeat(prompts, PER_PROMPT)
        made: dict[str, Any] = {
            "group": groups,
            "prompt": groups,
            "domain": ["math", "code", "general", "stem"] * (SHARD // PER_PROMPT),
            "prompt_chars": np.full(SHARD, 200),
            "chars": self._draw.integers(1_000, 9_000, SHARD),
            "text_step": [None, None, None, 0] * (SHARD // PER_PROMPT),
            "text_reason": [None, None, None, "no_think"] * (SHARD // PER_PROMPT),
            "digest": self._draw.integers(0, 1 << 64, SHARD, dtype=np.uint64),
        }
        made["digest"][1::20] = made["digest"][::20]
        if "near" in self._columns:
            signatures = self._draw.integers(0, 256, (SHARD, 128), dtype=np.uint8)
            signatures[1::40] = signatures[::40]
            made["near"] = [row.tobytes() for row in signatures]
        if "prompt_near" in self._columns:
            of_prompts = self._draw.integers(0, 1 << 32, (len(prompts), 128), dtype=np.uint32)
            of_prompts[1::40] = of_prompts[::40]
            made["prompt_near"] = [
                of_prompts[at // PER_PROMPT].tobytes() if at % PER_PROMPT == 0 else None for at in range(SHARD)
            ]
        return pl.DataFrame({name: pl.Series(made[name]).cast(FACTS[name]) for name in self._columns})


class Watch:
    """The greatest sizes of this process while it runs, over those at its start, in bytes."""

    def __init__(self) -> None:
        self._base = _sizes()
        self.anon = self.file = self.both = 0
        self._ended = Event()
        self._thread = Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_S):
            anon, file = (now - then for now, then in zip(_sizes(), self._base, strict=True))
            self.anon, self.file, self.both = (
                max(pair) for pair in ((self.anon, anon), (self.file, file), (self.both, anon + file))
            )


def _sizes() -> tuple[int, int]:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    found = {line.partition(":")[0]: line.partition(":")[2] for line in lines}
    anon, file = (1024 * int(found[name].split()[0]) for name in ("RssAnon", "RssFile"))
    return anon, file


def decide(steps: Sequence[Step], shards: int, made: Made, folder: Path) -> int:
    """Does what a run does between its passes; how many samples are kept."""
    samples = shards * SHARD
    corpus = Corpus(made.facts(shards), steps, samples=samples, folder=folder)
    verify = next(step for step in steps if isinstance(step, Verify))
    for shard, wanted in enumerate(corpus.decide_before(verify)):
        corpus.decide_by(verify, shard, made.answers(wanted))
    corpus.decide_rest()
    names = pl.Series([f"sample-{number}" for number in range(SHARD)])
    corpus.name_twins(lambda _shard, _column: names)
    files = plan_files(corpus.kept(), steps, file_bytes=FILE_BYTES)
    for first in range(0, samples, SHARD):
        corpus.ledger.digest(first, SHARD)
        corpus.ledger.fates(first, SHARD)
    return sum(len(file.places) for file in files)


def measure(name: str, samples: int, folder: Path) -> None:
    """Runs the decisions of a recipe, and prints a line.

    Raises:
        SystemExit: too much memory was held.
    """
    steps = build_steps(parse_recipe(RECIPES[name]))
    made = Made(columns_needed(steps))
    shards = max(1, samples // SHARD)
    start = time.process_time()
    with Watch() as watch:
        kept = decide(steps, shards, made, folder)
    cpu_s = time.process_time() - start - made.cpu_s
    count = shards * SHARD
    print(
        f"{name:<10}{count:>12,}{kept:>12,}{watch.anon / 1e6:>10,.0f}{watch.file / 1e6:>10,.0f}"
        f"{watch.both / count:>12.1f}{1e6 * cpu_s / count:>12.2f}",
        flush=True,
    )
    if watch.anon > MOST_MB * 1e6:
        raise SystemExit(f"{name}: {watch.anon / 1e6:,.0f} MB were held, over {MOST_MB:,}")


def main() -> None:
    """Runs each recipe with each number of samples, in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, nargs="+", default=[1_000_000, 4_000_000])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=RECIPES)
    parser.add_argument("--folder", type=Path, help="for what is put aside; no tmpfs, as that is memory")
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.only:
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            measure(given.recipes[0], given.samples[0], Path(folder))
        return
    print(f"{'recipe':<10}{'samples':>12}{'kept':>12}{'anon MB':>10}{'file MB':>10}{'B a sample':>12}{'CPU us':>12}")
    sys.stdout.flush()
    where = [] if given.folder is None else ["--folder", str(given.folder)]
    for name in given.recipes:
        for samples in given.samples:
            command = [sys.executable, __file__, "--only", "--recipes", name, "--samples", str(samples), *where]
            if code := subprocess.run(command, check=False).returncode:
                raise SystemExit(code)


if __name__ == "__main__":
    main()
