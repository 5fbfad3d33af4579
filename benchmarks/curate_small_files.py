"""Time of ``curate run`` over many files of one row, as they share shards and as each of them is a shard.

    python benchmarks/curate_small_files.py [--files N]

Both must keep the same bytes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from curate_command import curate_environment

RECIPE = """
[[steps]]
name = "length"
[[steps]]
name = "format"
[[steps]]
name = "dedup"
[[steps]]
name = "verify"
"""
GATHERED = "from curation.entry import main; main()"
ALONE = "from curation import shards; shards.FEW_FILES = 1 << 30; " + GATHERED


def write_files(folder: Path, count: int) -> None:
    """Sums, of which one in three is wrong."""
    for number in range(count):
        given = number + (number % 3 == 0)
        row = {
            "prompt": f"What is {number} + 0?",
            "completion": f"<think>Nothing is added to {number}.</think>\n\nThe sum is \\boxed{{{given}}}.",
            "answer": str(number),
        }
        pq.write_table(pa.Table.from_pylist([row]), folder / f"f{number:06}.parquet")


def run(folder: Path, name: str, main: str) -> tuple[float, list[bytes]]:
    """Seconds, and what was kept."""
    command = [
        sys.executable,
        "-P",
        "-c",
        main,
        "run",
        "recipe.toml",
        "--no-store",
        "--input",
        "in/*",
        "--output",
        name,
    ]
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=curate_environment(), check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    return seconds, [file.read_bytes() for file in sorted((folder / name / "data").iterdir())]


def main() -> None:
    """Prints both times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        write_files(folder / "in", options.files)
        (folder / "recipe.toml").write_text(RECIPE, encoding="utf-8")
        gathered_s, gathered = run(folder, "gathered", GATHERED)
        alone_s, alone = run(folder, "alone", ALONE)
    if gathered != alone:
        raise SystemExit("they kept other bytes")
    print(f"{options.files:,} files of one row: {gathered_s:.1f} s; {alone_s:.1f} s where each is a shard")


if __name__ == "__main__":
    main()
