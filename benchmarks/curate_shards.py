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
import logging
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

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


CJK = re.compile(
    "[\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3038-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]"
)
LATIN = re.compile("[A-Za-z]")


def reason_of(prompt: str, text: str, seen: set[str]) -> str | None:
    """The same filters, a row at a time, as one would write them in Python with care for speed."""
    if not prompt.strip() or not text.strip():
        return "empty"
    if not 20 <= len(text) <= 131_072:
        return "length"
    opens, closes = text.count("<think>"), text.count("</think>")
    if opens != 1 or closes != 1:
        return "format"
    before, _, rest = text.partition("<think>")
    reasoning, closed, tail = rest.partition("</think>")
    if not closed or before.strip() or not reasoning.strip() or not tail.strip():
        return "format"
    if not reasoning.isascii():
        cjk = len(CJK.findall(reasoning))
        if cjk and 100 * cjk > 5 * (cjk + len(LATIN.findall(reasoning))):
            return "mixed_languages"
    if max(map(len, reasoning.split("\n\n"))) > 2_000:
        return "long_paragraph"
    if "```" in reasoning:
        return "code_in_reasoning"
    if text in seen:
        return "duplicate"
    seen.add(text)
    return None


def python_samples(path: Path) -> Iterator[dict[str, Any]]:
    """Samples of a shard with their reason, row by row."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=256):
            for row in batch.to_pylist():
                seen: set[str] = set()
                for index, text in enumerate(row["completions"]):
                    yield {
                        "id": f"{row['id']}-{index}",
                        "group_id": row["id"],
                        "prompt": row["prompt"],
                        "completion": text,
                        "answer": row["answer"],
                        "drop_reason": reason_of(row["prompt"], text, seen),
                    }


def run_python(source: Path, target: Path, *, verifies: bool) -> None:
    """Plain Python a row; with math-verify called in the same process where asked."""
    judge = _math_verify() if verifies else None
    for path in sorted(source.glob("*.parquet")):
        writers: dict[str, pq.ParquetWriter] = {}
        held: dict[str, list[dict[str, Any]]] = {"data": [], "rejected": []}
        for sample in python_samples(path):
            if judge and sample["drop_reason"] is None and not judge(sample["answer"], sample["completion"]):
                sample["drop_reason"] = "wrong"
            kind = "data" if sample["drop_reason"] is None else "rejected"
            if kind == "data":
                sample["messages"] = _messages(sample["prompt"], sample["completion"])
            held[kind].append(sample)
            if len(held[kind]) == 1_000:
                _flush(target, path, kind, held, writers)
        for kind in held:
            _flush(target, path, kind, held, writers)
        for writer in writers.values():
            writer.close()


def _messages(prompt: str, text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]


_NAMES = [(name, pa.string()) for name in ("id", "group_id", "completion", "answer")]
SCHEMAS = {
    "data": pa.schema([*_NAMES, ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))]),
    "rejected": pa.schema([*_NAMES, ("prompt", pa.string()), ("drop_reason", pa.string())]),
}
"""As ``curate`` writes them: a dropped sample without its conversation, which would hold the completion once more."""


def _flush(
    target: Path, path: Path, kind: str, held: dict[str, list[dict[str, Any]]], writers: dict[str, pq.ParquetWriter]
) -> None:
    if not held[kind]:
        return
    if kind not in writers:
        (target / kind).mkdir(parents=True, exist_ok=True)
        dictionary = [] if kind == "data" else ["drop_reason"]
        options = {"compression": "zstd", "compression_level": 1, "use_dictionary": dictionary or False}
        writers[kind] = pq.ParquetWriter(target / kind / path.name, SCHEMAS[kind], **options, write_statistics=False)
    writers[kind].write_table(pa.Table.from_pylist(held[kind], schema=SCHEMAS[kind]))
    held[kind] = []


def _math_verify() -> Any:  # noqa: ANN401 - a function of an untyped package
    from math_verify import parse, verify  # noqa: PLC0415 - only this engine pays for it

    # It warns at every call that it has no timeout; the answers of the corpus need none.
    logging.getLogger("math_verify").setLevel(logging.ERROR)

    def is_right(answer: str, text: str) -> bool:
        return bool(
            verify(parse(f"${answer}$", parsing_timeout=None), parse(text, parsing_timeout=None), timeout_seconds=None)
        )

    return is_right


def run_datasets(source: Path, target: Path) -> None:
    """HF datasets ``map`` and ``filter``, batched by prompt."""
    import datasets  # noqa: PLC0415 - may not be installed

    datasets.disable_progress_bars()
    files = [str(path) for path in sorted(source.glob("*.parquet"))]
    rows = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(target / "cache"))

    def judged(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        names = ("id", "group_id", "messages", "prompt", "completion", "answer", "drop_reason")
        out: dict[str, list[Any]] = {name: [] for name in names}
        for key, prompt, answer, completions in zip(
            batch["id"], batch["prompt"], batch["answer"], batch["completions"], strict=True
        ):
            seen: set[str] = set()
            for index, text in enumerate(completions):
                messages = _messages(prompt, text)
                values = (f"{key}-{index}", key, messages, prompt, text, answer, reason_of(prompt, text, seen))
                for name, value in zip(names, values, strict=True):
                    out[name].append(value)
        return out

    samples = rows.map(judged, batched=True, batch_size=64, remove_columns=rows.column_names)
    for kind, keeps in (("data", True), ("rejected", False)):
        (target / kind).mkdir(parents=True, exist_ok=True)
        chosen = samples.filter(lambda reason, keeps=keeps: (reason is None) == keeps, input_columns="drop_reason")
        chosen = chosen.remove_columns(["prompt", "drop_reason"] if keeps else ["messages"])
        chosen.to_parquet(str(target / kind / "all.parquet"), compression="zstd")


def run_curate(source: Path, target: Path, *, verifies: bool) -> None:
    """The product, by its command."""
    recipe = target.with_suffix(".toml")
    recipe.write_text(RECIPE + (VERIFY if verifies else ""))
    from curation.cli import main as curate  # noqa: PLC0415 - only this engine pays for it

    command = ["run", str(recipe), "--input", str(source / "*.parquet"), "--output", str(target)]
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
    from curation.steps import build_steps  # noqa: PLC0415

    steps = build_steps(parse_recipe(RECIPE))
    ids = []
    for path in sorted(source.glob("*.parquet")):
        shard = Shard(name=path.stem, path=str(path))
        reader = ShardReader(shard, {}, sha256="", rewrite=lambda frame: frame, cache_bytes=0)
        frames = reader.frames()
        ids.extend(frame.filter(facts_of(frame, steps)["text_step"].is_null()).select("id") for frame in frames)
    (target / "data").mkdir(parents=True)
    pl.concat(ids).write_parquet(target / "data" / "ids.parquet")


def filter_python(source: Path, target: Path) -> None:
    """The same in plain Python a row."""
    ids = []
    for path in sorted(source.glob("*.parquet")):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=256):
                for row in batch.to_pylist():
                    for index, text in enumerate(row["completions"]):
                        if reason_of(row["prompt"], text, set()) is None:
                            ids.append(f"{row['id']}-{index}")
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
    # -P: this file must not stand for the package of its name.
    command = [sys.executable, "-P", str(Path(__file__).resolve()), "--engine", engine, str(source), str(target)]
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
