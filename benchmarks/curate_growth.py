"""What ``curate run`` with the preset ``r1`` costs as the corpus grows: time, CPU, memory, and how busy two cores are.

    python benchmarks/curate_growth.py [--sizes ROWS ...] [--bytes LOW HIGH] [--plot FILE.svg] [--json FILE]
        [--folder DIR]

The preset runs as ``curate presets show r1`` prints it, with verdicts on mathematics and its quota, in a process of its
own and with an empty store of verdicts, on the first shards of one corpus (``reasoning_corpus``): each size holds all
rows of the one before. What is kept must be what was planted as sound and right, up to the quota and but for one in a
thousand: an answer can be read in another way than it was meant.

Memory is that of all processes together, what they share counted once, seen four times a second. A straight line is
fitted to time, CPU and memory over rows: its slope is what more rows cost, its R2 how straight it is.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import polars as pl
from curate_command import curate_command, curate_environment, preset
from matplotlib.figure import Figure
from process_cost import Cost, run_measured
from reasoning_corpus import LEAST_SHARDS, SAMPLES, SHARD_ROWS, read_labels, write_corpus

QUOTA = 395_285
"""Rows of mathematics that the preset lets through."""
MOST_UNLIKE = 1_000
MILLION = 1_000_000
BOTH_BUSY = 1.5
_WINDOW = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One run.

    Args:
        rows: completions read.
        kept: and written to ``data/``.
        cost: of the run.
    """

    rows: int
    kept: int
    cost: Cost

    @property
    def cores(self) -> list[tuple[float, float]]:
        """Seconds since the start, and the cores that were busy in the second before."""
        samples = self.cost.samples[::_WINDOW]
        return [
            (after.wall_s, (after.cpu_s - before.cpu_s) / (after.wall_s - before.wall_s))
            for before, after in pairwise(samples)
        ]

    @property
    def both_busy(self) -> float:
        """Share of the seconds in which both cores had work, for three quarters of the time."""
        cores = [used for _, used in self.cores]
        return sum(used >= BOTH_BUSY for used in cores) / max(1, len(cores))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A straight line by least squares.

    Args:
        slope: a row.
        start: at no rows.
        r2: share of the variance that it explains.
    """

    slope: float
    start: float
    r2: float

    @classmethod
    def through(cls, rows: Sequence[int], values: Sequence[float]) -> Line:
        """The line, of at least two points."""
        slope, start = np.polyfit(rows, values, 1)
        left = np.asarray(values) - (slope * np.asarray(rows) + start)
        spread = np.asarray(values) - np.mean(values)
        return cls(slope=float(slope), start=float(start), r2=1 - float(left @ left) / float(spread @ spread))


def measure(corpus: Path, shards: int, rows: int, recipe: str) -> Point:
    """Runs the recipe on the first shards.

    Raises:
        SystemExit: too many other rows were kept than the sound and right ones.
    """
    with tempfile.TemporaryDirectory(dir=corpus) as name:
        folder = Path(name)
        (folder / "in").mkdir()
        for path in sorted((corpus / "shards").iterdir())[:shards]:
            os.link(path, folder / "in" / path.name)
        cost = run_measured(curate_command(recipe, folder / "in", folder), env=curate_environment())
        kept = frozenset(pl.read_parquet(folder / "out" / "data" / "*.parquet", columns=["id"])["id"])
    labels = read_labels(corpus, shards)
    wanted = frozenset(labels.filter(pl.col("defect").is_null() & pl.col("is_right"))["id"])
    unlike = len(kept - wanted) + max(0, min(len(wanted), QUOTA) - len(kept))
    if MOST_UNLIKE * unlike > len(wanted):
        raise SystemExit(
            f"{rows} rows: kept {len(kept)}, of which {len(kept - wanted)} are not sound and right; "
            f"{len(wanted)} are, and the quota is {QUOTA}"
        )
    return Point(rows=rows, kept=len(kept), cost=cost)


def show(point: Point) -> None:
    """A line of the table."""
    cost = point.cost
    print(
        f"{point.rows:>10,}{point.kept:>10,}{cost.wall_s:>9.1f}{cost.cpu_s:>9.1f}{point.rows / cost.cpu_s:>12,.0f}"
        f"{MILLION * cost.cpu_s / point.rows:>15,.0f}{cost.peak_bytes / 1e6:>9,.0f}{cost.busy:>7.0%}"
        f"{point.both_busy:>11.0%}",
        flush=True,
    )


def lines(points: list[Point]) -> dict[str, Line]:
    """Fitted to wall seconds, CPU seconds and megabytes."""
    rows = [point.rows for point in points]
    return {
        "wall s": Line.through(rows, [point.cost.wall_s for point in points]),
        "CPU s": Line.through(rows, [point.cost.cpu_s for point in points]),
        "peak MB": Line.through(rows, [point.cost.peak_bytes / 1e6 for point in points]),
    }


def draw(points: list[Point], fitted: dict[str, Line], path: Path) -> None:
    """Time and memory over rows, and the cores of the largest run over time, as SVG."""
    # The same figures give the same bytes.
    mpl.rcParams["svg.hashsalt"] = "curate"
    figure = Figure(figsize=(13, 4), layout="constrained")
    times, memory, cores = figure.subplots(1, 3)
    rows = np.array([point.rows for point in points])
    values = {
        "wall s": [point.cost.wall_s for point in points],
        "CPU s": [point.cost.cpu_s for point in points],
        "peak MB": [point.cost.peak_bytes / 1e6 for point in points],
    }
    for name, axes, colour in (("wall s", times, "C0"), ("CPU s", times, "C1"), ("peak MB", memory, "C2")):
        line = fitted[name]
        axes.plot(rows, values[name], "o", color=colour, label=name)
        label = f"{MILLION * line.slope:,.0f} a million rows, R2 {line.r2:.4f}"
        axes.plot(rows, line.slope * rows + line.start, "-", color=colour, label=label)
    for axes, title, names in (
        (times, "Time (s)", ("wall s", "CPU s")),
        (memory, "Peak memory of all processes (MB)", ("peak MB",)),
    ):
        top = max(max(values[name]) for name in names)
        axes.set(title=title, xlabel="completions", ylim=(0, 1.3 * top), xlim=(0, 1.05 * rows.max()))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value / 1_000:,.0f}K")
        axes.legend(fontsize="small", loc="upper left")
    largest = max(points, key=lambda point: point.rows)
    cores.plot(*zip(*largest.cores, strict=True), "-", color="C3")
    cores.axhline(2, color="grey", linewidth=0.8)
    cores.set(title=f"Busy cores, {largest.rows:,} completions", xlabel="s", ylim=(0, 2.2))
    figure.savefig(path, format="svg", metadata={"Date": None})


def as_json(points: list[Point], fitted: dict[str, Line]) -> str:
    """For ``--json``."""
    runs = [
        {
            "rows": point.rows,
            "kept": point.kept,
            "wall_s": round(point.cost.wall_s, 2),
            "cpu_s": round(point.cost.cpu_s, 2),
            "peak_mb": round(point.cost.peak_bytes / 1e6, 1),
            "busy": round(point.cost.busy, 3),
            "both_busy": round(point.both_busy, 3),
        }
        for point in points
    ]
    fits = {
        name: {"per_million_rows": MILLION * line.slope, "start": line.start, "r2": line.r2}
        for name, line in fitted.items()
    }
    return json.dumps({"runs": runs, "lines": fits}, indent=2) + "\n"


def main() -> None:
    """Makes the corpus, runs the sizes in order, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50_000, 100_000, 200_000], help="rows, ascending")
    parser.add_argument("--bytes", type=int, nargs=2, default=(4_000, 12_000), metavar=("LOW", "HIGH"))
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--plot", type=Path, help="SVG file")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--folder", type=Path, help="where shards and results go while it runs (default: temporary)")
    options = parser.parse_args()
    sizes = sorted(set(options.sizes))
    if len(sizes) < 2:
        parser.error("--sizes: a line needs at least two")
    shard_rows = min(SHARD_ROWS, sizes[0] // LEAST_SHARDS // SAMPLES * SAMPLES)
    if not shard_rows:
        parser.error(f"--sizes: {sizes[0]} is less than {LEAST_SHARDS * SAMPLES}")
    recipe = preset("r1")
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        corpus = Path(name)
        made = write_corpus(corpus, sizes[-1], sizes=tuple(options.bytes), seed=options.seed, shard_rows=shard_rows)
        files = len(list((corpus / "shards").iterdir()))
        each = made // files
        print(
            f"{'rows':>10}{'kept':>10}{'wall s':>9}{'CPU s':>9}{'rows/CPU s':>12}{'CPU s/million':>15}{'peak MB':>9}"
            f"{'busy':>7}{'both busy':>11}"
        )
        points = []
        for size in sizes:
            shards = min(files, max(1, round(size / each)))
            points.append(measure(corpus, shards, shards * each, recipe))
            show(points[-1])
    fitted = lines(points)
    for unit, line in fitted.items():
        print(f"{unit}: {line.start:,.1f} and {MILLION * line.slope:,.1f} a million rows, R2 {line.r2:.4f}")
    if options.plot:
        draw(points, fitted, options.plot)
    if options.json:
        options.json.write_text(as_json(points, fitted), encoding="utf-8")


if __name__ == "__main__":
    main()
