"""``curate`` beside datatrove, HF datasets, data-juicer and plain Python, on the same shards with the same filters.

    python benchmarks/curate_peers.py [--peer-python PYTHON] [--rows N] [--bytes LOW HIGH] [--math-rows N]
        [--engines NAME ...] [--dropped] [--repeats N] [--style usual|careful] [--folder DIR] [--json FILE]

The peers run in an interpreter of their own, which is made by

    python -m venv peers && peers/bin/pip install 'datatrove[io]==0.10.1' datasets pyarrow py-data-juicer==1.6.1 \
        aiohttp ray torch 'math-verify[antlr4_13_2]==0.9.0'

and named by ``--peer-python peers/bin/python``; data-juicer needs ray and torch, and would install them in the midst of
a run. What is not there is skipped with a line that says so.

Two tables. The first: the text filters of R1's recipe (format, length, language, paragraphs, code, duplicates of a
prompt) and the kept rows as zstd Parquet. The second: ``curate``'s preset ``r1`` as it is, verdicts on mathematics
included, beside engines that call math-verify in their own processes. Every row is one completion (``reasoning_corpus``
says what is planted); peers write what they keep, ``curate`` also what it drops, with reasons, and its state. With
``--dropped`` those peers that can write what is dropped, do.

All peers call the same Python functions for each row, in two styles. ``usual`` is how such filters and rewards mostly
stand in public code, in engines that are used as their own documentation shows: each rule as it reads, by regular
expressions, and math-verify on the whole completion, as the rewards of open-r1 and TRL call it. ``careful`` is the best
that we could make of Python and of each engine: literal searches, cheap bounds first, letters counted on bytes, gold
answers parsed once, math-verify on what follows the reasoning, and engines set up for speed
(``curate_peer_engines`` says how).

The unit is rows a CPU second: user and system time of all processes of an engine, imports and start-up included. Peak
memory is that of all its processes together, what they share counted once; HF's mapped cache counts as far as it is in
memory. All engines must keep the same rows, those that were planted as sound and, in the second table, right; there one
in a thousand may differ, which is told. Else the script names some rows and ends with status 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from curate_command import curate_command, curate_environment, preset
from curate_shards import RECIPE
from process_cost import Cost, run_measured
from reasoning_corpus import read_labels, write_corpus

HERE = Path(__file__).resolve().parent
NEEDS = {
    "datatrove": ("datatrove",),
    "datasets": ("datasets",),
    "data-juicer": ("data_juicer", "datasets", "aiohttp", "ray", "torch"),
}
"""Peers, and the modules that must be there."""
ENGINES = ("curate", "python", *NEEDS)
JUDGES = {"curate": (), "python": (), "datatrove": ("math_verify",)}
"""Engines of the second table; that of plain Python has math-verify from ``curate``'s own interpreter."""
WRITES_DROPPED = ("python", "datatrove")
MOST_UNLIKE = 1_000
QUOTA = 395_285
"""Rows of mathematics that the preset lets through; no peer has quotas, so there must be fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one engine did.

    Args:
        engine: its name.
        cost: of the cheapest of its runs.
        kept: ids that it wrote.
        written: bytes of all that it left.
    """

    engine: str
    cost: Cost
    kept: frozenset[str]
    written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all runs share.

    Args:
        folder: for everything that is written.
        corpus: as ``write_corpus`` made it.
        rows: in it.
        peer_python: interpreter of the peers.
        keeps_dropped: whether peers that can, write what they drop.
        repeats: runs of each engine; the cheapest counts.
        style: of the peers' filters.
    """

    folder: Path
    corpus: Path
    rows: int
    peer_python: str | None
    keeps_dropped: bool
    repeats: int
    style: str

    def run(self, engine: str, recipe: str, *, verifies: bool) -> Run:
        """Runs one engine, each time into a new folder, and takes that away again."""
        runs = []
        for _ in range(self.repeats):
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                target = Path(name) / "out"
                if engine == "curate":
                    cost = run_measured(
                        curate_command(recipe, self.corpus / "shards", Path(name)), env=curate_environment()
                    )
                else:
                    target.mkdir()
                    cost = run_measured(self._peer_command(engine, target, verifies=verifies))
                kept = pl.read_parquet(target / "data" / "*.parquet", columns=["id"])["id"]
                if kept.n_unique() != len(kept):
                    raise SystemExit(f"{engine} wrote rows twice")
                left = [path for folder in ("data", "rejected", "wrong") for path in (target / folder).glob("*")]
                size = sum(path.stat().st_size for path in left)
            runs.append(Run(engine=engine, cost=cost, kept=frozenset(kept), written=size))
        return min(runs, key=lambda run: run.cost.cpu_s)

    def _peer_command(self, engine: str, target: Path, *, verifies: bool) -> list[str]:
        python = self.peer_python if engine in NEEDS and self.peer_python else sys.executable
        command = [python, str(HERE / "curate_peer_engines.py"), engine, str(self.corpus / "shards"), str(target)]
        command += ["--style", self.style, *(["--verifies"] if verifies else [])]
        return command + (["--keeps-dropped"] if self.keeps_dropped and engine in WRITES_DROPPED else [])


def present(engines: list[str], needs: Mapping[str, tuple[str, ...]], peer_python: str | None) -> list[str]:
    """Those engines that have what they need; says of the others why they are skipped."""
    found = []
    for engine in engines:
        if not needs.get(engine):
            found.append(engine)
        elif peer_python is None:
            print(f"{engine}: skipped, as no --peer-python is given")
        elif missing := absent(needs[engine], peer_python):
            print(f"{engine}: skipped, as {', '.join(missing)} cannot be found in {peer_python}")
        else:
            found.append(engine)
    return found


def absent(modules: tuple[str, ...], python: str) -> list[str]:
    """Modules that an interpreter does not have."""
    probe = "import importlib.util, sys; print(*(n for n in sys.argv[1:] if not importlib.util.find_spec(n)))"
    done = subprocess.run([python, "-P", "-c", probe, *modules], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.split()


def versions(python: str) -> str:
    """Of the peers that are installed."""
    names = ("datatrove", "datasets", "py-data-juicer", "math-verify", "pyarrow")
    probe = (
        "import importlib.metadata as m, sys\n"
        "there = {d.metadata['Name'] for d in m.distributions()}\n"
        "print(', '.join(f'{n} {m.version(n)}' for n in sys.argv[1:] if n in there))"
    )
    done = subprocess.run([python, "-P", "-c", probe, *names], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def show(runs: list[Run], rows: int) -> None:
    """A line for each engine, with how much cheaper the first one is."""
    print(f"{'':14}{'rows/CPU s':>12}{'CPU s':>10}{'wall s':>9}{'busy':>7}{'peak MB':>9}{'written MB':>12}{'ratio':>8}")
    for run in runs:
        cost = run.cost
        print(
            f"{run.engine:14}{rows / cost.cpu_s:>12,.0f}{cost.cpu_s:>10.2f}{cost.wall_s:>9.2f}{cost.busy:>7.0%}"
            f"{cost.peak_bytes / 1e6:>9,.0f}{run.written / 1e6:>12,.1f}{cost.cpu_s / runs[0].cost.cpu_s:>7.2f}x"
        )


def compare(bench: Bench, engines: list[str], recipe: str, *, verifies: bool) -> list[Run]:
    """One table.

    Raises:
        SystemExit: an engine kept other rows than the first, or all kept others than those that are sound and right;
            where they verify, more than one in a thousand.
    """
    labels = read_labels(bench.corpus).filter(pl.col("defect").is_null())
    wanted = frozenset((labels.filter("is_right") if verifies else labels)["id"])
    if verifies and len(wanted) >= QUOTA:
        raise SystemExit(f"--math-rows: {len(wanted)} right rows fill the preset's quota of {QUOTA}; ask for fewer")
    runs = [bench.run(engine, recipe, verifies=verifies) for engine in engines]
    show(runs, bench.rows)
    for run in runs[1:]:
        # math-verify now and then runs into its own time limit.
        if not verifies or MOST_UNLIKE * len(run.kept ^ runs[0].kept) > len(wanted):
            require_equal(run.engine, run.kept, runs[0].engine, runs[0].kept)
        elif run.kept != runs[0].kept:
            print(f"{run.engine}: {len(run.kept ^ runs[0].kept)} rows otherwise than {runs[0].engine}")
    kept = runs[0].kept
    print(f"kept by all: {len(frozenset.intersection(*(run.kept for run in runs))):,} rows", end="")
    # All may read an answer in another way than it was meant, but no text.
    if verifies and MOST_UNLIKE * len(kept ^ wanted) <= len(wanted):
        print(f", {len(kept ^ wanted)} of them not as planted" if kept != wanted else "")
    else:
        require_equal("all", kept, "the corpus", wanted)
        print()
    return runs


def require_equal(name: str, kept: frozenset[str], other: str, wanted: frozenset[str]) -> None:
    """Stops where two kept other rows.

    Raises:
        SystemExit: they did; names a few of the rows.
    """
    if kept != wanted:
        extra, lost = sorted(kept - wanted), sorted(wanted - kept)
        raise SystemExit(
            f"{name}: kept {len(kept):,} rows where {other} has {len(wanted):,}: "
            f"{len(extra)} more ({', '.join(extra[:3])}), {len(lost)} not ({', '.join(lost[:3])})"
        )


def as_json(runs: list[Run], rows: int) -> list[dict[str, object]]:
    """For ``--json``."""
    return [
        {
            "engine": run.engine,
            "rows": rows,
            "kept": len(run.kept),
            "cpu_s": round(run.cost.cpu_s, 3),
            "rows_per_cpu_s": round(rows / run.cost.cpu_s, 1),
            "wall_s": round(run.cost.wall_s, 3),
            "peak_mb": round(run.cost.peak_bytes / 1e6, 1),
            "written_mb": round(run.written / 1e6, 1),
        }
        for run in runs
    ]


def main() -> None:
    """Makes the shards, runs the engines, and prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python", help="interpreter that has the peers")
    parser.add_argument("--rows", type=int, default=20_000, help="of the first table (default: %(default)s)")
    parser.add_argument("--math-rows", type=int, help="of the second table; default: as --rows, 0 leaves it out")
    parser.add_argument("--bytes", type=int, nargs=2, default=(4_000, 12_000), metavar=("LOW", "HIGH"))
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--style", choices=("usual", "careful"), default="usual", help="of the peers' filters")
    parser.add_argument("--dropped", action="store_true", help="peers that can, write what they drop, as curate does")
    parser.add_argument("--repeats", type=int, default=1, help="of each engine; the cheapest run counts")
    parser.add_argument("--folder", type=Path, help="where shards and results go while it runs (default: temporary)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    engines = present(options.engines, NEEDS, options.peer_python)
    judges = present([engine for engine in engines if engine in JUDGES], JUDGES, options.peer_python)
    if options.peer_python:
        print(f"peers: {versions(options.peer_python)}")
    tables: dict[str, list[dict[str, object]]] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        for title, rows, recipe, verifies in (
            ("text filters", options.rows, RECIPE, False),
            (
                "r1 with math verified",
                options.rows if options.math_rows is None else options.math_rows,
                preset("r1"),
                True,
            ),
        ):
            if not rows:
                continue
            bench = _bench(Path(name), rows, options)
            size = sum(path.stat().st_size for path in (bench.corpus / "shards").iterdir())
            print(f"\n{title}: {bench.rows:,} completions, {size / 1e6:,.0f} MB of zstd Parquet; peers {options.style}")
            chosen = [engine for engine in engines if engine in judges or not verifies]
            tables[title] = as_json(compare(bench, chosen, recipe, verifies=verifies), bench.rows)
    if options.json:
        options.json.write_text(json.dumps(tables, indent=2) + "\n", encoding="utf-8")


def _bench(folder: Path, rows: int, options: argparse.Namespace) -> Bench:
    """With a corpus of so many rows; that of the table before is used again or taken away."""
    corpus = folder / f"corpus-{rows}"
    for other in folder.glob("corpus-*"):
        if other != corpus:
            shutil.rmtree(other)
    if corpus.exists():
        made = read_labels(corpus).height
    else:
        corpus.mkdir()
        made = write_corpus(corpus, rows, sizes=tuple(options.bytes), seed=options.seed)
    return Bench(
        folder=folder,
        corpus=corpus,
        rows=made,
        peer_python=options.peer_python,
        keeps_dropped=options.dropped,
        repeats=options.repeats,
        style=options.style,
    )


if __name__ == "__main__":
    main()
