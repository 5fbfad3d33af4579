"""The worked example of docs/zeroeval.md: real responses of many models, curated, and counted again without ``curate``.

    python benchmarks/zeroeval.py ZEROEVAL.parquet [ZEROEVAL.parquet ...] [--output DIR]

Rows are responses of public models to problems with reference answers (WildEval/ZeroEval, Apache-2.0, ``result_dirs``:
GSM8K and MATH level 5), as columns ``prompt_id``, ``generator``, ``problem``, ``response``, ``answer``. A response that
is the JSON body asked for is rebuilt as ``<think>reasoning</think>`` and a boxed answer; any other stays as it came.

``curate run`` judges them all. Beside it each boxed answer is held against the reference by equality of the two texts,
and what is not equal so by the math verifier, called directly, group by group. Yield, and the pass rate of every prompt
and of every model, must be the same; else the script names the rows and ends with status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from curate_command import curate_command, curate_environment

from verifier.bootstrap import open_engine
from verifier.settings import load_settings
from verifier.types import Group, MathReference, Outcome

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "examples"))
from make_shards import INSTRUCTION, rebuilt  # the one place that knows how they are rebuilt

RECIPE = """
[[steps]]
name = "normalise"
[[steps]]
name = "validate"
needs_reference = true
[[steps]]
name = "format"
[[steps]]
name = "verify"
"""
SHARD_ROWS = 8_000


def read_rows(paths: Sequence[Path]) -> pl.DataFrame:
    """The responses as ``curate`` gets them, in a fixed order."""
    rows = pl.concat([pl.read_parquet(path) for path in paths]).sort("prompt_id", "generator")
    texts = [rebuilt(text) or text for text in rows["response"]]
    answer = pl.col("answer").str.strip_prefix("#").str.strip_chars().str.replace_all(",", "", literal=True)
    return rows.select(
        pl.format("{}/{}", "prompt_id", "generator").alias("id"),
        pl.col("prompt_id").alias("group_id"),
        pl.format("{}{}", "problem", pl.lit(INSTRUCTION)).alias("prompt"),
        pl.when(pl.col("task") == "gsm").then(answer).otherwise("answer").alias("answer"),
        pl.Series("completion", texts),
        pl.col("generator").alias("source"),
    )


async def judged_directly(rows: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Whether each response in form is right, without ``curate``; and how many were so by equal texts alone."""
    found: dict[str, bool] = {}
    equal = 0
    async with open_engine(load_settings()) as engine:
        for group in rows.partition_by("group_id", maintain_order=True):
            asked: list[tuple[str, str]] = []
            gold = group["answer"][0]
            for key, text in group.select("id", "completion").iter_rows():
                tail = text.rpartition("</think>")[2].strip()
                if tail == f"The answer is \\boxed{{{gold}}}.":
                    found[key] = True
                    equal += 1
                else:
                    asked.append((key, text))
            for start in range(0, len(asked), 64):
                some = asked[start : start + 64]
                result = await engine.verify(
                    Group(
                        id=group["group_id"][0],
                        prompt=group["prompt"][0],
                        completions=tuple(text for _, text in some),
                        reference=MathReference(answers=(gold,)),
                        recipe="accuracy",
                    )
                )
                for (key, _), scored in zip(some, result.scores, strict=True):
                    found[key] = all(verdict.outcome is Outcome.CORRECT for verdict in scored.verdicts)
    return pl.DataFrame({"id": list(found), "is_right": list(found.values())}), equal


def rates(rows: pl.DataFrame, by: str) -> pl.DataFrame:
    """Right and all responses in form, by prompt or model."""
    return rows.group_by(by).agg(pl.col("is_right").sum().alias("right"), pl.len().alias("judged")).sort(by)


def main() -> None:
    """Curates, counts again, compares, and prints both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--output", type=Path, help="where the run stays, for `curate report`; default: temporary")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = options.output or Path(name)
        shards = folder / "shards"
        shards.mkdir(parents=True, exist_ok=True)
        rows = read_rows(options.paths)
        for number, part in enumerate(rows.iter_slices(SHARD_ROWS)):
            part.write_parquet(shards / f"{number:03}.parquet", compression="zstd", row_group_size=1_000)
        subprocess.run(curate_command(RECIPE, shards, folder), check=True, env=curate_environment())
        compare(rows, folder / "out")


def compare(rows: pl.DataFrame, output: Path) -> None:
    """Stops where the two ways differ.

    Raises:
        SystemExit: naming some rows.
    """
    kept = pl.read_parquet(output / "data" / "*.parquet", columns=["id"])["id"]
    rejected = pl.read_parquet(output / "rejected" / "*.parquet", columns=["id", "drop_step"])
    in_form = rows.filter(~pl.col("id").is_in(rejected.filter(pl.col("drop_step") != "verify")["id"].implode()))
    direct, equal = asyncio.run(judged_directly(in_form))
    curated = in_form.select("id", "group_id", "source", pl.col("id").is_in(kept.implode()).alias("is_right"))
    both = curated.join(direct, on="id", suffix="_direct", maintain_order="left")
    unlike = both.filter(pl.col("is_right") != pl.col("is_right_direct"))
    if unlike.height or both.height != in_form.height:
        raise SystemExit(f"{unlike.height} responses are judged in two ways: {', '.join(unlike['id'].head(5))}")
    right = int(both["is_right"].sum())
    print(
        f"\n{rows.height:,} responses to {rows['group_id'].n_unique():,} prompts by {rows['source'].n_unique()} models"
    )
    print(f"in form and judged: {both.height:,}; right: {right:,} ({100 * right / both.height:.2f} %)")
    print(f"of these {equal:,} by equal texts, {right - equal:,} by the math verifier: the same in both ways")
    for by, title in (("group_id", "prompts"), ("source", "models")):
        own, other = rates(both, by), rates(both.with_columns(is_right=pl.col("is_right_direct")), by)
        if not own.equals(other):
            raise SystemExit(f"pass rates of {title} differ")
        share = own.select(pl.col("right") / pl.col("judged")).to_series()
        print(f"pass rates of {own.height:,} {title} agree; mean {share.mean():.4f}, least {share.min():.3f}")
    never, always = (
        (rates(both, "group_id")["right"] == 0).sum(),
        rates(both, "group_id").filter(pl.col("right") == pl.col("judged")).height,
    )
    print(f"prompts that no model solves: {never}; that all solve: {always}")


if __name__ == "__main__":
    main()
