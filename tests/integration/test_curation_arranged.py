"""Where kept samples stand in the output: files of even size, shuffled, split and packed."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.fakes_curation import FakeEngine, completions_in, read_all, run_fake, think, tree, write_rows

TEXT = "because of this and that, and as it was said before, " * 24
KEEPS = """
[output]
file_mb = 1
[[steps]]
name = "format"
"""
ARRANGES = """
[[steps]]
name = "shuffle"
seed = 3
[[steps]]
name = "split"
test_percent = 20
"""
PACKS = (
    ARRANGES
    + """
[[steps]]
name = "pack"
max_tokens = 2000
"""
)


def write_inputs(folder: Path, files: int = 3) -> list[str]:
    for index in range(files):
        rows = [
            {
                "prompt": f"What is {n}?",
                "answer": str(n),
                "completions": [think(n, f"{TEXT} {n} {k}") for k in range(3)],
            }
            for n in range(250 * index, 250 * (index + 1))
        ]
        write_rows(folder / f"in/{index}.parquet", rows)
    return [str(folder / "in/*.parquet")]


def files_of(output: Path) -> dict[str, list[dict[str, object]]]:
    return {file.stem: pq.read_table(file).to_pylist() for file in sorted((output / "data").glob("*.parquet"))}


def test_files_are_of_even_size_in_the_order_of_the_input(tmp_path):
    globs = write_inputs(tmp_path)
    run_fake(globs, tmp_path / "out", recipe=KEEPS)
    files = files_of(tmp_path / "out")
    assert list(files) == [f"train-{number:05}-of-{len(files):05}" for number in range(len(files))]
    assert len(files) >= 3
    sizes = [len(rows) for rows in files.values()]
    # Of even size in text; one sample more or less at each end.
    assert max(sizes) - min(sizes) <= 2
    places = [(row["input_file"], row["input_row"], row["completion_index"]) for rows in files.values() for row in rows]
    assert places == sorted(places)
    assert len(places) == 3 * 250 * 3


@pytest.mark.parametrize("steps", [ARRANGES, PACKS])
def test_arranged_files_hold_the_same_samples_whatever_files_they_came_in(tmp_path, steps):
    globs = write_inputs(tmp_path)
    run_fake(globs, tmp_path / "plain", recipe=KEEPS)
    run_fake(globs, tmp_path / "out", recipe=KEEPS + steps)
    plain, arranged = read_all(tmp_path / "plain", "data"), read_all(tmp_path / "out", "data")
    assert Counter(completions_in(plain)) == Counter(completions_in(arranged))
    assert completions_in(plain) != completions_in(arranged)
    files = files_of(tmp_path / "out")
    splits: dict[object, set[str]] = {}
    for name, rows in files.items():
        for row in rows:
            splits.setdefault(row["group_id"], set()).add(name.partition("-")[0])
    assert {len(found) for found in splits.values()} == {1}
    assert {name.partition("-")[0] for name in files} == {"train", "test"}
    assert not (tmp_path / "out/state/spill").exists()
    # One file in, in another cut: the same rows in the same order.
    rows = [
        {"prompt": f"What is {n}?", "answer": str(n), "completions": [think(n, f"{TEXT} {n} {k}") for k in range(3)]}
        for n in range(750)
    ]
    write_rows(tmp_path / "one/all.parquet", rows, group=31)
    run_fake([str(tmp_path / "one/*.parquet")], tmp_path / "again", recipe=KEEPS + steps)
    assert completions_in(read_all(tmp_path / "again", "data")) == completions_in(arranged)


def test_packs_stand_together_and_fit(tmp_path):
    run_fake(write_inputs(tmp_path), tmp_path / "out", recipe=KEEPS + PACKS)
    seen: list[object] = []
    for rows in files_of(tmp_path / "out").values():
        packs = [row["pack"] for row in rows]
        starts = [pack for at, pack in enumerate(packs) if at == 0 or packs[at - 1] != pack]
        assert len(starts) == len(set(starts))
        seen += starts
    assert len(seen) == len(set(seen)) > 2


def test_an_order_or_a_lost_file_is_mended_by_a_rerun_with_the_same_bytes(tmp_path):
    globs = write_inputs(tmp_path)
    run_fake(globs, tmp_path / "out", recipe=KEEPS + ARRANGES)
    whole = tree(tmp_path / "out")
    lost = sorted((tmp_path / "out/data").glob("*.parquet"))[1]
    lost.unlink()
    run_fake(globs, tmp_path / "out", recipe=KEEPS + ARRANGES)
    assert tree(tmp_path / "out") == whole
    run_fake(globs, tmp_path / "out", recipe=KEEPS + ARRANGES.replace("seed = 3", "seed = 4"))
    run_fake(globs, tmp_path / "out", recipe=KEEPS + ARRANGES)
    assert tree(tmp_path / "out") == whole


def test_the_card_and_the_manifest_name_the_files(tmp_path):
    run_fake(write_inputs(tmp_path), tmp_path / "out", recipe=KEEPS + ARRANGES)
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    names = {file["name"]: file["output"]["samples"] for file in manifest["files"]}
    assert names == {name: len(rows) for name, rows in files_of(tmp_path / "out").items()}
    assert sum(sum(file["domains"].values()) for file in manifest["files"]) == manifest["totals"]["kept"] == 2250
    assert "path: data/test-*.parquet" in (tmp_path / "out/README.md").read_text()


def test_too_many_failures_stop_the_run_and_say_why(tmp_path):
    rows = [
        {"prompt": "p", "answer": "1", "completions": [think(1, f"broken {n}"), think(1, str(n))]} for n in range(150)
    ]
    write_rows(tmp_path / "a.parquet", rows)
    recipe = '[[steps]]\nname = "verify"\n'
    report = run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", recipe=recipe)
    assert "150 of 300 completions could not be judged" in report.stopped
    assert "most of them (150) for worker_lost" in report.stopped
    assert not list((tmp_path / "out/data").glob("*"))
    engine = FakeEngine()
    report = run_fake(
        [str(tmp_path / "a.parquet")],
        tmp_path / "out",
        recipe=recipe + "[verify]\nmax_failed_percent = 50\n",
        engine=engine,
    )
    assert not report.stopped
    assert len(read_all(tmp_path / "out", "failed")) == 150
    # What was judged before the stop was not judged again but for what failed.
    assert sum(len(group.completions) for group in engine.asked) == 150
