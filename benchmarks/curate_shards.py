"""Speed of ``curate`` beside the same filters as plain Python a row, and as HF datasets ``map`` where it is installed.

    python benchmarks/curate_shards.py [--small] [--rows N]

Rows are completions of about 10 KB, four to a prompt, built from the real reasoning of ``examples/shards`` with planted
defects. Every engine reads the same Parquet, applies the same filters and writes kept and dropped samples with zstd;
the kept ids must be the same. The unit is rows per CPU second (user and system, all processes of the engine), as wall
time depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from row_filters import BATCH, RowFilter, messages, run_python, write_tables

HERE = Path(__file__).parent
EXAMPLES = HERE.parent / "examples" / "shards"
BYTES = 10_000
SAMPLES = 4
SHARDS = 4
SEED = 11

RECIPE = """
[[steps]]
name = "validate"
[[steps]]
name = "length"
min_chars = 20
[[steps]]
name = "format"
[[steps]]
name = "language_mix"
[[steps]]
name = "long_paragraph"
[[steps]]
name = "code_in_reasoning"
[[steps]]
name = "dedup"
"""
VERIFY = """
[[steps]]
name = "verify"
"""


def corpus(folder: Path, rows: int) -> None:
    """Writes the shards."""
    draw = random.Random(SEED)  # noqa: S311 - a corpus, not a secret
    frame = pl.read_parquet(EXAMPLES / "math_lists.parquet").explode("completions")
    texts = [text.partition("<think>")[2].partition("</think>")[0].strip() for text in frame["completions"]]
    paragraphs = [part for text in texts for part in text.split("\n\n") if 40 < len(part) < 1_500]
    prompts = rows // SAMPLES
    for shard in range(SHARDS):
        groups = []
        for number in range(shard, prompts, SHARDS):
            answer = draw.randrange(1, 10_000)
            completions = [completion(draw, paragraphs, answer) for _ in range(SAMPLES)]
            if draw.random() < 0.1:
                completions[-1] = completions[0]
            groups.append(
                {
                    "id": f"p{number}",
                    "prompt": f"Problem {number}. " + draw.choice(paragraphs),
                    "answer": str(answer),
                    "completions": completions,
                }
            )
        pq.write_table(
            pa.Table.from_pylist(groups), folder / f"s{shard}.parquet", compression="zstd", row_group_size=256
        )


def completion(draw: random.Random, paragraphs: list[str], answer: int) -> str:
    """About 10 KB of reasoning with an answer; one in three has a defect."""
    parts: list[str] = []
    size = 0
    while size < BYTES:
        words = draw.choice(paragraphs).split(" ")
        # Some words are replaced, or the corpus would compress as no real one does.
        others = draw.choice(paragraphs).split(" ")
        for _ in range(len(words) // 2):
            words[draw.randrange(len(words))] = draw.choice(others)
        parts.append(" ".join(words))
        size += len(parts[-1]) + 2
    defect = draw.random()
    if defect < 0.08:
        return "<think>\n" + "\n\n".join(parts)
    if defect < 0.18:
        parts.insert(3, "```python\nprint(1)\n```")
    elif defect < 0.24:
        parts.insert(2, "我们先把这个数加起来,然后再除以二,最后得到答案。" * 40)
    elif defect < 0.29:
        parts.insert(2, " ".join(parts[:8]) * 2)
    elif defect < 0.31:
        parts[0] = "<think>" + parts[0]
    shown = answer if draw.random() < 0.7 else answer + 1
    return "<think>\n" + "\n\n".join(parts) + f"\n</think>\n\nThe answer is \\boxed{{{shown}}}."


def run_datasets(source: Path, target: Path) -> None:
    """HF datasets ``map`` and ``filter``, batched by prompt."""
    import datasets  # noqa: PLC0415 - may not be installed

    datasets.disable_progress_bars()
    files = [str(path) for path in sorted(source.glob("*.parquet"))]
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(target / "cache"))

    def judged(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        names = ("id", "group_id", "messages", "prompt", "completion", "answer", "drop_reason")
        out: dict[str, list[Any]] = {name: [] for name in names}
        filters = RowFilter()
        for key, prompt, answer, completions in zip(
            batch["id"], batch["prompt"], batch["answer"], batch["completions"], strict=True
        ):
            for index, text in enumerate(completions):
                reason, turns = filters.reason(key, prompt, text), messages(prompt, text)
                values = (f"{key}-{index}", key, turns, prompt, text, answer, reason)
                for name, value in zip(names, values, strict=True):
                    out[name].append(value)
        return out

    samples = rows.map(judged, batched=True, batch_size=64, remove_columns=rows.column_names)
    for kind, keeps in (("data", True), ("rejected", False)):
        (target / kind).mkdir(parents=True, exist_ok=True)
        chosen = samples.filter(lambda reason, keeps=keeps: (reason is None) == keeps, input_columns="drop_reason")
        chosen = chosen.remove_columns(["prompt", "completion", "drop_reason"] if keeps else ["messages"])
        # ``to_parquet`` of datasets 5 knows snappy alone.
        write_tables(chosen.with_format("arrow").iter(1_000), target / kind / "all.parquet")


def run_curate(source: Path, target: Path, *, verifies: bool) -> None:
    """The product, by its command."""
    recipe = target.with_suffix(".toml")
    recipe.write_text(RECIPE + (VERIFY if verifies else ""))
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        # A store of its own: the user's may hold the verdicts of an earlier run.
        store = ["--store", str(Path(folder) / "verdicts.sqlite")]
        _run_here(["run", str(recipe), "--input", str(source / "*.parquet"), "--output", str(target), *store])


def _run_here(command: list[str]) -> None:
    from curation.cli import main as curate  # noqa: PLC0415 - only this engine pays for it

    # In this process, as the peers: all of them have loaded polars and pyarrow.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            curate(command)
        except SystemExit as end:
            if end.code:
                raise


def filter_curate(source: Path, target: Path) -> None:
    """Reading and the text steps of the product, without dedup and output: ids alone are written."""
    from curation.executors.annotate import facts_of  # noqa: PLC0415 - only this engine pays for it
    from curation.recipe import parse_recipe  # noqa: PLC0415
    from curation.shards import Shard, ShardReader  # noqa: PLC0415
    from curation.sources import Content, Source  # noqa: PLC0415
    from curation.steps import build_steps  # noqa: PLC0415

    steps = build_steps(parse_recipe(RECIPE))
    ids = []
    for path in sorted(source.glob("*.parquet")):
        shard = Shard(name=path.stem, source=Source(path=str(path)))
        reader = ShardReader(shard, {}, content=Content(sha256=""), rewrite=lambda frame: frame)
        frames = reader.frames()
        ids.extend(frame.filter(facts_of(frame, steps)["text_step"].is_null()).select("id") for frame in frames)
    (target / "data").mkdir(parents=True)
    pl.concat(ids).write_parquet(target / "data" / "ids.parquet")


def filter_python(source: Path, target: Path) -> None:
    """The same in plain Python a row."""
    ids = []
    for path in sorted(source.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                for row in batch.to_pylist():
                    for index, text in enumerate(row["completions"]):
                        key = f"{row['id']}-{index}"
                        # Without a step for duplicates, each is a prompt of its own.
                        if RowFilter().reason(key, row["prompt"], text) is None:
                            ids.append(key)
    (target / "data").mkdir(parents=True)
    pl.DataFrame({"id": ids}).write_parquet(target / "data" / "ids.parquet")


ENGINES = {
    "curate-only": filter_curate,
    "python-only": filter_python,
    "curate": lambda source, target: run_curate(source, target, verifies=False),
    "python": lambda source, target: run_python(source, target, verifies=False),
    "datasets": run_datasets,
    "curate+math": lambda source, target: run_curate(source, target, verifies=True),
    "python+math": lambda source, target: run_python(source, target, verifies=True),
}


def measured(engine: str, source: Path, folder: Path) -> dict[str, Any]:
    """CPU seconds and peak memory of an engine in its own process, and the ids it kept."""
    target = folder / engine.replace("+", "-")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(Path(__file__).resolve()), "--engine", engine, str(source), str(target)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
    finished = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    kept = pl.scan_parquet(target / "data" / "*.parquet").select("id").collect()["id"].sort().to_list()
    shutil.rmtree(target)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_s": cpu_s, "kept": kept, "peak_mb": json.loads(finished.stdout)["peak_mb"]}


def peak_mb() -> float:
    """Peak memory of this process or of its largest child."""
    # Not ``ru_maxrss`` of this process: it begins with the peak of the one that started it.
    [own] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return max(int(own.split()[1]), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) / 1024


def compare(title: str, engines: list[str], source: Path, folder: Path, *, rows: int, repeats: int) -> None:
    """Runs engines in turn on the same shards and prints the best of each and their ratio to the first."""
    print(f"\n{title}")
    results: dict[str, dict[str, Any]] = {}
    for _ in range(repeats):
        for engine in engines:
            result = measured(engine, source, folder)
            if engine not in results or result["cpu_s"] < results[engine]["cpu_s"]:
                results[engine] = result
    first = results[engines[0]]
    for engine in engines:
        result = results[engine]
        if result["kept"] != first["kept"]:
            raise SystemExit(f"{engine} kept {len(result['kept'])} rows, {engines[0]} {len(first['kept'])}")
        ratio = result["cpu_s"] / first["cpu_s"]
        note = "" if engine == engines[0] else f"  {engines[0]} is {ratio:.2f} times as fast"
        print(
            f"  {engine:12} {rows / result['cpu_s']:8,.0f} rows/CPU-s  {result['cpu_s']:7.2f} CPU s  "
            f"peak {result['peak_mb']:5.0f} MB{note}"
        )
    print(f"  all kept the same {len(first['kept']):,} of {rows:,} rows")


def main() -> None:
    """Prints the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="few rows; start-up weighs more")
    parser.add_argument("--rows", type=int, help="completions in all")
    parser.add_argument("--repeats", type=int, default=3, help="of what needs no math; the best counts")
    parser.add_argument("--engine", choices=sorted(ENGINES), help=argparse.SUPPRESS)
    parser.add_argument("folders", nargs="*", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        ENGINES[options.engine](*options.folders)
        print(json.dumps({"peak_mb": peak_mb()}))
        return
    rows = (options.rows or (4_000 if options.small else 40_000)) // (SAMPLES * SHARDS) * SAMPLES * SHARDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "source"
        source.mkdir()
        corpus(source, rows)
        size = sum(path.stat().st_size for path in source.iterdir())
        print(f"{rows:,} completions of about {BYTES:,} bytes, {size / 1e6:,.0f} MB of zstd Parquet in {SHARDS} shards")
        engines = ["curate", "python"]
        if importlib.util.find_spec("datasets"):
            engines.append("datasets")
        else:
            print("HF datasets is not installed: skipped")
        compare(
            "Text filters alone: read and decide",
            ["curate-only", "python-only"],
            source,
            folder,
            rows=rows,
            repeats=options.repeats,
        )
        compare("Text filters and output", engines, source, folder, rows=rows, repeats=options.repeats)
        compare("The same, and math verified", ["curate+math", "python+math"], source, folder, rows=rows, repeats=1)


if __name__ == "__main__":
    main()
