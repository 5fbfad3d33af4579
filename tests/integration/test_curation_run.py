from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import AccountingError, InputError, OutputError, RecipeError, RunLockedError
from curation.executors.tasks import Readable, annotate
from curation.manifest import open_directory
from curation.steps.base import Step
from tests.fakes_curation import RECIPE, FakeEngine, Silence, read_all, run_fake, think, tree, write_rows, write_table


def prompts(count: int, *, first: int = 0) -> list[dict[str, object]]:
    return [
        {
            "prompt": f"What is {i} + 1?",
            "answer": str(i + 1),
            "completions": [think(i + 1), think(i), think(i + 1, "a longer thought"), think(i + 1)],
        }
        for i in range(first, first + count)
    ]


def invalid_texts(values: list[bytes | None]) -> pa.Array:
    return pa.Array.from_buffers(pa.utf8(), len(values), pa.array(values, pa.binary()).buffers())


def counts(output: Path) -> dict[str, Any]:
    totals = json.loads((output / "manifest.json").read_text())["totals"]
    assert totals["samples"] == totals["kept"] + totals["rejected"] + totals["failed"]
    return totals


def test_every_sample_ends_in_one_place_with_its_lineage(tmp_path):
    write_rows(tmp_path / "in/a.parquet", prompts(5))
    run_fake([str(tmp_path / "in/*.parquet")], tmp_path / "out")
    kept, rejected = read_all(tmp_path / "out", "data"), read_all(tmp_path / "out", "rejected")
    assert counts(tmp_path / "out")["samples"] == len(kept) + len(rejected) == 20
    places = {(row["input_row"], row["completion_index"]) for row in kept + rejected}
    assert places == {(row, index) for row in range(5) for index in range(4)}
    assert {row["drop_reason"] for row in rejected} == {"math:not_equal", "duplicate"}
    assert [row["completion_index"] for row in kept[:2]] == [0, 2]
    first = kept[0]
    assert first["messages"] == [
        {"role": "user", "content": "What is 0 + 1?"},
        {"role": "assistant", "content": think(1)},
    ]
    assert first["reward"] == 1.0
    assert first["verdicts"] == [{"verifier": "math", "outcome": "CORRECT", "score": 1.0, "reason": "equal"}]
    assert str(first["input_file"]).endswith("in/a.parquet")
    assert {"prompt", "completion", "messages"}.isdisjoint(rejected[0])
    twins = [row for row in rejected if row["drop_reason"] == "duplicate"]
    assert [(row["input_row"], row["drop_detail"]) for row in twins] == [
        (row, next(one["id"] for one in kept if one["input_row"] == row)) for row in range(5)
    ]


def test_rows_of_one_completion_form_groups_wherever_they_stand_in_the_shard(tmp_path):
    rows = [{"problem": f"p{i % 3}", "solution": "1", "response": think(1, "x" * (1 + i // 3))} for i in range(9)]
    write_rows(tmp_path / "a.parquet", rows, group=2)
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    kept = read_all(tmp_path / "out", "data")
    assert [row["input_row"] for row in kept] == [0, 1, 2, 3, 4, 5]
    assert len({row["group_id"] for row in kept}) == 3
    assert {row["drop_reason"] for row in read_all(tmp_path / "out", "rejected")} == {"not_selected"}


def test_a_truncated_shard_is_named_and_the_others_are_done(tmp_path):
    write_rows(tmp_path / "a.parquet", prompts(3))
    whole = write_rows(tmp_path / "b.parquet", prompts(3)).read_bytes()
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])
    report = run_fake([str(tmp_path / "*.parquet")], tmp_path / "out")
    bad = [entry for entry in report.entries if entry.error]
    assert [entry.name for entry in bad] == ["b"]
    assert "cannot be read as Parquet" in bad[0].error
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["totals"]["shards_failed"] == 1
    assert manifest["totals"]["kept"] == 6
    assert not manifest["is_complete"]


def test_a_shard_with_damage_in_the_middle_is_a_failed_shard(tmp_path):
    path = write_rows(tmp_path / "a.parquet", prompts(300))
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 200] = b"\xff" * 200
    path.write_bytes(bytes(data))
    report = run_fake([str(path)], tmp_path / "out")
    assert report.entries[0].error
    assert read_all(tmp_path / "out", "data") == []


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_a_row_that_gets_lost_stops_the_run(tmp_path, monkeypatch, ending):
    path = tmp_path / f"a.{ending}"
    write_table(path, pa.Table.from_pylist(prompts(5)))

    def loses_a_row(reader: Readable, steps: Sequence[Step], look: None) -> pl.DataFrame:
        return annotate(reader, steps, look).filter(pl.col("input_row") != 2)

    monkeypatch.setattr("curation.executors.jobs.annotate", loses_a_row)
    with pytest.raises(AccountingError, match="samples of 4 rows out of 5 rows"):
        run_fake([str(path)], tmp_path / "out")
    assert not list((tmp_path / "out/data").iterdir())


def test_invalid_utf8_rejects_that_sample_alone(tmp_path):
    completions = invalid_texts([think(1).encode(), b"<think>\xff\xfe</think> answer: 1", think(1, "b").encode()])
    lists = pa.ListArray.from_arrays(pa.array([0, 2, 3]), completions)
    pq.write_table(pa.table({"prompt": ["p", "q"], "answer": ["1", "1"], "completions": lists}), tmp_path / "a.parquet")
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    [bad] = read_all(tmp_path / "out", "rejected")
    assert (bad["drop_step"], bad["drop_reason"]) == ("read", "invalid_utf8")
    assert (bad["input_row"], bad["completion_index"]) == (0, 1)
    assert len(read_all(tmp_path / "out", "data")) == 2


def test_invalid_utf8_in_a_prompt_or_a_message_rejects_its_row(tmp_path):
    prompt = invalid_texts([b"good", b"\xc3\x28", b"good too"])
    pq.write_table(
        pa.table({"prompt": prompt, "answer": ["1"] * 3, "response": [think(1)] * 3}), tmp_path / "a.parquet"
    )
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    [bad] = read_all(tmp_path / "out", "rejected")
    assert (bad["drop_reason"], bad["input_row"]) == ("invalid_utf8", 1)
    message = pa.StructArray.from_arrays([pa.array(["user"] * 3), prompt], ["role", "content"])
    chats = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3]), message)
    pq.write_table(
        pa.table({"messages": chats, "answer": [1, 1, 1], "response": [think(1)] * 3}), tmp_path / "b.parquet"
    )
    run_fake([str(tmp_path / "b.parquet")], tmp_path / "out2")
    assert [row["input_row"] for row in read_all(tmp_path / "out2", "rejected")] == [1]
    assert len(read_all(tmp_path / "out2", "data")) == 2


def test_rows_without_completions_or_prompt_are_accounted_for(tmp_path):
    schema = pa.schema([("prompt", pa.string()), ("answer", pa.string()), ("completions", pa.list_(pa.string()))])
    rows: list[dict[str, object]] = [
        {"prompt": "p", "answer": "1", "completions": []},
        {"prompt": "p", "answer": "1", "completions": None},
        {"prompt": None, "answer": "1", "completions": [think(1)]},
        {"prompt": "p", "answer": "1", "completions": [None, "", think(1)]},
        {"prompt": "p2", "answer": None, "completions": [think(1)]},
    ]
    write_rows(tmp_path / "a.parquet", rows, schema)
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    rejected = read_all(tmp_path / "out", "rejected")
    assert [(row["input_row"], row["drop_step"], row["drop_reason"]) for row in rejected] == [
        (0, "read", "no_completions"),
        (1, "read", "no_completions"),
        (2, "read", "null_prompt"),
        (3, "read", "null_completion"),
        (3, "validate", "empty_completion"),
        (4, "verify", "unscorable:no_reference"),
    ]
    assert len(read_all(tmp_path / "out", "data")) == 1


def test_an_empty_shard_and_a_shard_of_empty_lists_are_fine(tmp_path):
    schema = pa.schema([("prompt", pa.string()), ("answer", pa.string()), ("completions", pa.list_(pa.string()))])
    write_rows(tmp_path / "a.parquet", [], schema)
    write_rows(tmp_path / "b.parquet", [{"prompt": "p", "answer": "1", "completions": []}] * 3, schema)
    report = run_fake([str(tmp_path / "*.parquet")], tmp_path / "out")
    assert [entry.error for entry in report.entries] == ["", ""]
    assert counts(tmp_path / "out")["rejected"] == 3


def test_failed_verdicts_are_retried_once_and_then_kept_apart(tmp_path):
    rows = [{"prompt": "p", "answer": "1", "completions": [think(1, "flaky"), think(1, "broken"), think(1)]}]
    write_rows(tmp_path / "a.parquet", rows)
    engine = FakeEngine()
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", engine=engine)
    assert [len(group.completions) for group in engine.asked] == [3, 2]
    [failed] = read_all(tmp_path / "out", "failed")
    assert (failed["drop_step"], failed["drop_reason"], failed["reward"]) == ("verify", "worker_lost", None)
    assert counts(tmp_path / "out")["kept"] == 2
    observer = Silence()
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", observer=observer)
    assert observer.fresh == []
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", observer=observer, retries_failed=True)
    assert observer.fresh == ["a"]


def test_a_rerun_does_only_what_is_left_or_touched(tmp_path):
    for name in "abc":
        write_rows(tmp_path / f"{name}.parquet", prompts(3, first=10 * ord(name)))
    glob = [str(tmp_path / "*.parquet")]
    first = Silence()
    run_fake(glob, tmp_path / "out", observer=first)
    assert first.fresh == ["a", "b", "c"]
    write_rows(tmp_path / "b.parquet", prompts(4))
    second = Silence()
    run_fake(glob, tmp_path / "out", observer=second)
    assert second.fresh == ["b"]
    (tmp_path / "out/rejected/a.parquet").unlink()
    third = Silence()
    run_fake(glob, tmp_path / "out", observer=third)
    assert third.fresh == ["a"]
    [file] = (tmp_path / "out/data").glob("*.parquet")
    whole = file.read_bytes()
    file.unlink()
    run_fake(glob, tmp_path / "out", observer=Silence())
    assert file.read_bytes() == whole
    fourth = Silence()
    run_fake(glob, tmp_path / "out", observer=fourth, recipe=RECIPE.replace("count = 2", "count = 1"))
    assert fourth.fresh == ["a", "b", "c"]
    assert counts(tmp_path / "out")["kept"] == 10
    clean = tmp_path / "clean"
    run_fake(glob, clean, recipe=RECIPE.replace("count = 2", "count = 1"))
    assert tree(clean) == tree(tmp_path / "out")


@pytest.mark.parametrize("dies_quietly", [False, True])
def test_a_dead_engine_stops_the_run_and_a_rerun_goes_on(tmp_path, dies_quietly):
    for name in "abc":
        write_rows(tmp_path / f"{name}.parquet", prompts(3, first=10 * ord(name)))
    glob = [str(tmp_path / "*.parquet")]
    engine = FakeEngine(dies_after=4)
    engine.dies_quietly = dies_quietly
    report = run_fake(glob, tmp_path / "out", engine=engine)
    assert "went away" in report.stopped
    assert report.unfinished == ["a", "b", "c"]
    again = FakeEngine()
    run_fake(glob, tmp_path / "out", engine=again)
    assert len(again.asked) == 6  # what was judged of the first shard stands
    run_fake(glob, tmp_path / "clean")
    assert tree(tmp_path / "clean") == tree(tmp_path / "out")


def test_a_full_engine_is_asked_again(tmp_path):
    write_rows(tmp_path / "a.parquet", prompts(3))
    report = run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", engine=FakeEngine(overloads=5))
    assert report.entries[0].kept == 6


def test_what_is_in_flight_is_bounded(tmp_path):
    write_rows(tmp_path / "a.parquet", prompts(50))
    engine = FakeEngine(latency_s=0.002)
    recipe = RECIPE + "[verify]\nin_flight = 8\n"
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", engine=engine, recipe=recipe)
    assert 4 < engine.most_in_flight <= 8


def test_two_runs_on_one_directory_exclude_each_other(tmp_path):
    write_rows(tmp_path / "a.parquet", prompts(3))
    with open_directory(tmp_path / "out"), pytest.raises(RunLockedError, match="another run is at work"):
        run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")


def test_shards_of_another_input_are_not_mixed_in(tmp_path):
    write_rows(tmp_path / "a.parquet", prompts(3))
    write_rows(tmp_path / "b.parquet", prompts(3))
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    with pytest.raises(OutputError, match="choose another --output"):
        run_fake([str(tmp_path / "b.parquet")], tmp_path / "out")


def test_files_of_one_name_in_two_folders_keep_apart(tmp_path):
    write_rows(tmp_path / "x/a.parquet", prompts(3))
    write_rows(tmp_path / "y/a.parquet", prompts(4))
    run_fake([str(tmp_path / "*/a.parquet")], tmp_path / "out")
    assert counts(tmp_path / "out")["rows"] == 7


def test_the_bytes_do_not_depend_on_latency_bounds_or_batches(tmp_path, monkeypatch):
    write_rows(tmp_path / "a.parquet", prompts(400), group=37)
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "one")
    monkeypatch.setattr("curation.shards._BATCH_ROWS", 7)
    recipe = RECIPE + "[verify]\nin_flight = 5\nin_flight_bytes = 100\n"
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "two", recipe=recipe, engine=FakeEngine(latency_s=0.0002))
    one, two = tree(tmp_path / "one"), tree(tmp_path / "two")
    # The card shows the recipe too.
    assert all(one.pop(name) != two.pop(name) for name in ("recipe.toml", "README.md"))
    assert one == two
    file = pq.ParquetFile(tmp_path / "one/data/train-00000-of-00001.parquet")
    assert max(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)) <= 1000
    file.close()


FILTERS = '[[steps]]\nname = "format"\n[[steps]]\nname = "dedup"\n[[steps]]\nname = "length"\nmin_chars = 40\n'


@pytest.mark.parametrize("copies", [1, 2])
def test_filters_alone_give_the_same_bytes_frame_by_frame_and_where_groups_reach_over_frames(
    tmp_path, monkeypatch, copies
):
    path = write_rows(tmp_path / "a.parquet", prompts(600) * copies, group=100)
    run_fake([str(path)], tmp_path / "one", recipe=FILTERS)
    monkeypatch.setattr("curation.shards._BATCH_ROWS", 7)
    run_fake([str(path)], tmp_path / "two", recipe=FILTERS)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    totals = counts(tmp_path / "two")
    assert totals["dropped"]["dedup"] == {"duplicate": 600 * (4 * copies - 3)}
    assert totals["rows"] == 600 * copies


@pytest.mark.slow
def test_killed_at_fifty_random_instants_and_rerun_the_tree_is_that_of_an_undisturbed_run(tmp_path):
    for index in range(6):
        write_rows(tmp_path / f"in/s{index}.parquet", prompts(120, first=1000 * index), group=40)
    (tmp_path / "recipe.toml").write_text(RECIPE + "[verify]\nin_flight = 16\n")
    draw = random.Random(5)  # noqa: S311 - instants, not secrets
    for attempt in range(50):
        with _start(tmp_path, "killed", latency_s=0.03, threads=1 + attempt % 2) as child:
            # Start-up is most of a run here, so that kills meet each pass and the moments between them.
            time.sleep(0.4 + draw.random() * 0.9)
            child.kill()
            child.wait()
    with _start(tmp_path, "killed", latency_s=0.0, threads=2) as child:
        assert child.wait() == 0
    with _start(tmp_path, "calm", latency_s=0.0, threads=4) as child:
        assert child.wait() == 0
    assert tree(tmp_path / "calm") == tree(tmp_path / "killed")
    assert counts(tmp_path / "killed")["samples"] == 6 * 120 * 4


def _start(folder: Path, output: str, *, latency_s: float, threads: int) -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-m", "tests.fakes_curation", str(folder / "recipe.toml")]
    command += [str(folder / "in/*.parquet"), str(folder / output), str(latency_s), str(folder / f"{output}.sqlite")]
    return subprocess.Popen(command, cwd=root, env={"POLARS_MAX_THREADS": str(threads), "PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"question_text": ["p"], "completions": [["a"]]}, "looked for prompt, problem, question, messages"),
        ({"prompt": ["p"], "output": ["a"]}, "no column for the completions"),
        ({"prompt": [1], "completions": [["a"]]}, "expected a text, or a list of"),
    ],
)
def test_a_missing_or_unfit_column_is_named_before_any_work(tmp_path, columns, message):
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=message):
        run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_recipe_the_engine_does_not_have_is_named(tmp_path):
    write_rows(tmp_path / "a.parquet", prompts(1))
    with pytest.raises(RecipeError, match="did you mean 'accuracy'"):
        run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", recipe=RECIPE + '[verify]\nrecipe = "acuracy"\n')


def test_an_empty_glob_is_an_error(tmp_path):
    with pytest.raises(InputError, match="no file matches"):
        run_fake([str(tmp_path / "*.parquet")], tmp_path / "out")
