from __future__ import annotations

import gzip
import json
import re

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from curation import shards
from curation.asking import moves
from curation.cli import main
from curation.errors import RunLockedError
from curation.finished import read_manifest
from curation.lookup import Lookup, Place
from curation.manifest import open_directory
from curation.presets import preset, preset_names
from curation.progress_file import PROGRESS, Observers, progress_file, read_progress
from curation.recipe import parse_recipe
from curation.shards import ShardReader
from curation.steps import build_steps
from tests.fakes_curation import RECIPE, FakeEngine, Silence, run_fake, think, write_rows

LENGTHS = '[[steps]]\nname = "normalise"\n[[steps]]\nname = "verify"\n[[steps]]\nname = "select"\ncount = {}\n'


@pytest.fixture
def output(tmp_path):
    rows = [
        {"id": "q1", "prompt": "What is 1?", "answer": "1", "completions": [think(1), think(2), think(1, "broken")]},
        {"id": "q10", "prompt": "What is 2?", "answer": "2", "completions": [think(2), think(2, "longer")]},
    ]
    write_rows(tmp_path / "a.parquet", rows)
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    return tmp_path / "out"


def asked(*arguments: object, status: int = 0) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == status, result.output
    return result.output


def test_explain_tells_of_a_prompt_and_each_of_its_completions(output, tmp_path):
    told = asked("explain", "q1", output).splitlines()
    assert told == [
        "prompt q1, domain math",
        "    What is 1?",
        "    3 completions: 1 kept, 1 rejected, 1 failed; 1 right of 2 judged",
        "q1-0  kept in data/train-00000-of-00001.parquet",
        f"    {tmp_path}/a.parquet row 0 completion 0, 32 characters",
        "    math CORRECT equal, reward 1.0",
        "    <think>because</think> answer: 1",
        "q1-1  rejected by verify: math:not_equal",
        f"    {tmp_path}/a.parquet row 0 completion 1, 32 characters",
        "    math INCORRECT not_equal, reward 0.0",
        "    <think>because</think> answer: 2",
        "q1-2  failed by verify: worker_lost",
        f"    {tmp_path}/a.parquet row 0 completion 2, 31 characters",
        "    math FAILED worker_lost, reward None",
        "    <think>broken</think> answer: 1",
    ]


def test_explain_tells_of_one_completion_alone(output):
    told = asked("explain", "q10-1", output)
    assert "q10-1  kept" in told
    assert "prompt q10, " in told
    assert "q10-0" not in told
    assert "has nothing of the id 'q2'" in asked("explain", "q2", output, status=2)
    assert "has no manifest.json" in asked("explain", "q1", output / "data", status=2)


def test_explain_tells_all_rows_of_one_prompt_under_any_of_their_ids(tmp_path):
    texts = [think(1, "x" * 300), "no tags\x1b[2J at all"]
    for name, text in zip(("b", "a"), texts, strict=True):
        write_rows(
            tmp_path / f"{name}.parquet", [{"id": f"of-{name}", "prompt": "P", "completions": [text], "answer": "1"}]
        )
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "out")
    told = asked("explain", "of-b", tmp_path / "out")
    assert told == asked("explain", "of-a", tmp_path / "out")
    assert "prompt of-a, of-b, domain math\n" in told
    assert "2 completions: 1 kept, 1 rejected; 1 right of 1 judged" in told
    assert told.index("of-a-0  rejected by format: no_think") < told.index("of-b-0  kept")
    # Only the end of a long text is shown, and nothing that moves the cursor.
    assert re.search(r"… x+</think> answer: 1\n", told)
    assert "⟨U+001B⟩[2J at all" in told


def test_explain_tells_what_was_measured(tmp_path):
    completions = [think(1, "x" * size) for size in (1, 1200, 5)]
    write_rows(tmp_path / "a.parquet", [{"id": "q", "prompt": "P", "completions": completions, "answer": "1"}])
    run_fake(
        [str(tmp_path / "a.parquet")],
        tmp_path / "out",
        recipe=LENGTHS.format(1).replace("count", 'policy = "shortest"\ncount'),
    )
    assert "q-1  rejected by select: not_selected, measured 3" in asked("explain", "q-1", tmp_path / "out")


def test_explain_tells_that_a_text_is_gone_or_another(output, tmp_path):
    rows = [{"id": "q1", "prompt": "What is 1?", "answer": "1", "completions": [think(9), think(8), think(7)]}]
    write_rows(tmp_path / "a.parquet", rows)
    told = asked("explain", "q1", output)
    assert "<think>because</think> answer: 1" in told
    assert told.count("a.parquet is not what it was when the run read it)") == 2
    (tmp_path / "a.parquet").unlink()
    assert asked("explain", "q1", output).count("a.parquet is not there any more)") == 2


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "jsonl.gz"])
def test_the_text_of_each_place_is_found_wherever_the_command_runs(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(shards, "CUT_BYTES", 3_000)
    monkeypatch.setattr("curation.executors.jobs.CUT_BYTES", 3_000)
    monkeypatch.setattr(shards, "_SHARD_BYTES", 300)
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "instruction": f" p{n} ",
            "completions": [f"  <think>{n}</think> a\r\nb{i}" for i in range(n % 4)],
            "answer": "1",
        }
        for n in range(200)
    ]
    if ending == "parquet":
        write_rows(tmp_path / "in/a.parquet", rows, group=7)
    elif ending == "jsonl":
        (tmp_path / "in").mkdir()
        (tmp_path / "in/a.jsonl").write_text("\n" + lines(rows))
    else:
        (tmp_path / "in").mkdir()
        (tmp_path / "in/a.jsonl.gz").write_bytes(gzip.compress(lines(rows).encode()))
    recipe = '[input.columns]\nprompt = "instruction"\n' + RECIPE
    run_fake(["in/*"], tmp_path / "sub/out", recipe=recipe)
    manifest = read_manifest(tmp_path / "sub/out")
    if ending != "jsonl.gz":
        assert len(manifest.done) > 2
    dropped = {
        Place(shard=file.stem, path=row["input_file"], row=row["input_row"], index=row["completion_index"])
        for file in sorted((tmp_path / "sub/out/rejected").glob("*.parquet"))
        for row in pq.read_table(file).to_pylist()
    }
    monkeypatch.chdir("/")
    found = dict(Lookup(tmp_path / "sub/out", manifest).texts(dropped))
    assert found.keys() == dropped
    assert len(dropped) == 350
    for place, text in found.items():
        expected = None if place.index is None else f"<think>{place.row}</think> a\nb{place.index}"
        assert (text.prompt, text.completion, text.answer, text.missing) == (f" p{place.row} ", expected, "1", "")


def test_texts_of_a_store_are_read_there(tmp_path):
    row = {"id": "q", "prompt": "P", "completions": [think(1), "no tags"], "answer": "1"}
    with fsspec.open("memory://bucket/a.parquet", "wb") as stream:
        pq.write_table(pa.Table.from_pylist([row]), stream)
    run_fake(["memory://bucket/*.parquet"], tmp_path / "out")
    told = asked("explain", "q", tmp_path / "out")
    assert "memory:///bucket/a.parquet row 0 completion 1, 7 characters\n    no tags\n" in told
    fsspec.filesystem("memory").rm("/bucket/a.parquet")
    assert "(the text is not to be had: memory:///bucket/a.parquet: cannot be read" in asked(
        "explain", "q", tmp_path / "out"
    )


def test_a_lookup_reads_the_row_groups_that_are_needed_alone(tmp_path, monkeypatch):
    rows = [{"prompt": f"p{n}", "completions": ["no tags"], "answer": "1"} for n in range(90)]
    write_rows(tmp_path / "a.parquet", rows, group=10)
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    asked_for: list[tuple[int, int | None]] = []
    frames = ShardReader.frames

    def watched(self, first=0, stop=None):
        asked_for.append((first, stop))
        return frames(self, first, stop)

    monkeypatch.setattr(ShardReader, "frames", watched)
    places = [Place(shard="a", path=str(tmp_path / "a.parquet"), row=row, index=0) for row in (71, 23, 29, 0)]
    found = dict(Lookup(tmp_path / "out", read_manifest(tmp_path / "out")).texts(places))
    assert {place.row: text.prompt for place, text in found.items()} == {0: "p0", 23: "p23", 29: "p29", 71: "p71"}
    assert asked_for == [(0, 1), (23, 30), (71, 72)]


def test_diff_tells_what_changed_and_why(output, tmp_path):
    assert asked("diff", output, output) == "no sample came to another end\n"
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "other", recipe=RECIPE.replace("count = 2", "count = 1"))
    told = asked("diff", output, tmp_path / "other")
    assert told.split() == ["1", "kept", "->", "select:", "not_selected", "(such", "as", "q10-0", "[2])"]


def test_diff_tells_samples_of_one_id_apart(tmp_path):
    for name in ("a", "b"):
        write_rows(tmp_path / f"{name}.parquet", [{"id": "1", "prompt": name, "completion": think(1), "answer": "1"}])
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "one")
    assert moves(tmp_path / "one", tmp_path / "one") == []
    write_rows(tmp_path / "b.parquet", [{"id": "1", "prompt": "b", "completion": think(2), "answer": "1"}])
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "other")
    found = moves(tmp_path / "one", tmp_path / "other")
    assert [(move.before, move.after, move.samples) for move in found] == [("kept", "verify: math:not_equal", 1)]


def test_status_tells_how_a_run_ended(output):
    assert asked("status", output).splitlines() == [
        "done: 1 of 1 shards; 5 samples: 3 kept, 1 rejected, 1 failed",
        "1 samples could not be judged, the last in failed/a.parquet",
    ]
    (output / "manifest.json").unlink()
    assert asked("status", output).startswith("stopped before the end; ")
    assert "1 shards read (5 samples), 1 judged (5 samples), 1 accounted for" in asked("status", output)
    assert "is no output of `curate run`" in asked("status", output / "data", status=2)


class Asking(Silence):
    """Asks for the status of the run that it observes, at each step of its way."""

    def __init__(self, directory) -> None:
        super().__init__()
        self.directory = directory
        self.told: list[str] = []

    def advanced(self, count: int) -> None:
        super().advanced(count)
        self.told.append(asked("status", self.directory))


def test_status_tells_the_pass_the_rate_and_the_time_left_while_a_run_is_at_work(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.progress_file._EVERY_S", 0.0)
    for name in "ab":
        row = {"id": name, "prompt": name, "completions": [think(n) for n in range(4)], "answer": "1"}
        write_rows(tmp_path / f"{name}.parquet", [row])
    asking = Asking(tmp_path / "out")
    with progress_file(tmp_path / "out") as told:
        run_fake([str(tmp_path / "*.parquet")], tmp_path / "out", observer=Observers(told, asking), threads=1)
        told.ended()
    of = {
        stage: [text for text in asking.told if f", {stage}: " in text] for stage in ("reading", "judging", "writing")
    }
    assert of["reading"][0].startswith("running: pass 1 of 4, reading: 1 of 2 shards (50 %), ")
    assert "a second, about 0 s left of this pass; began 0 s ago, told 0 s ago" in of["reading"][0]
    assert "1 of 2 shards read (4 samples), 0 judged (0 samples), 0 accounted for" in of["reading"][0]
    assert "running: pass 2 of 4, judging: 8 of 8 completions (100 %)" in of["judging"][-1]
    assert "pass 3 of 4, writing: 1 of 1 files" in of["writing"][-1]
    assert not (tmp_path / "out" / PROGRESS).exists()


def test_the_progress_of_a_run_that_stopped_stays_and_tells_why(tmp_path):
    write_rows(tmp_path / "a.parquet", [{"prompt": "p", "completions": [think(1)], "answer": "1"}])
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE.replace('name = "select"', 'name = "select"\n') + '[verify]\nrecipe = "accuracy"\n')
    with progress_file(tmp_path / "out") as told:
        report = run_fake(
            [str(tmp_path / "a.parquet")], tmp_path / "out", engine=FakeEngine(dies_after=0), observer=told
        )
        told.stopped(report.stopped)
    status = asked("status", tmp_path / "out")
    assert status.startswith("not complete: 0 of 1 shards")
    assert f"last error: {report.stopped}" in status
    # The command goes on, and takes the file away.
    asked("run", recipe, "--input", tmp_path / "a.parquet", "--output", tmp_path / "out", "--no-store")
    assert read_progress(tmp_path / "out") is None
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "out")
    (tmp_path / "out/manifest.json").unlink()
    status = asked("status", tmp_path / "out")
    assert status.startswith("stopped before the end while reading; run the same command again")
    assert status.endswith("last error: KeyboardInterrupt\n")


def interrupted(directory):
    with progress_file(directory) as told:
        told.stage_started("reading", 3)
        raise KeyboardInterrupt


def test_a_run_that_finds_another_at_work_leaves_its_progress_alone(tmp_path):
    write_rows(tmp_path / "a.parquet", [{"prompt": "p", "completions": [think(1)], "answer": "1"}])
    with open_directory(tmp_path / "out"), progress_file(tmp_path / "out") as first:
        first.stage_started("reading", 3)
        with pytest.raises(RunLockedError), progress_file(tmp_path / "out") as second:
            run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", observer=second)
        progress = read_progress(tmp_path / "out")
        assert progress is not None
        assert progress.total == 3


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_is_a_recipe_and_is_printed_as_it_stands(name):
    assert asked("presets", "show", name) == preset(name)
    assert build_steps(parse_recipe(preset(name)))
    assert name in asked("presets", "list").split()


@pytest.mark.parametrize("command", ["run", "plan"])
def test_the_name_of_a_preset_in_the_place_of_a_recipe_tells_how_to_get_it(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("r1", "r1.toml"):
        result = CliRunner().invoke(main, [command, name])
        assert result.exit_code == 2
        assert (
            f"{name}: cannot be read: No such file or directory; it is a preset: curate presets show r1 > r1.toml"
            in (result.stderr)
        )
    assert "preset" not in CliRunner().invoke(main, [command, "r2"]).stderr


def test_a_preset_that_is_not_there_is_told():
    assert "did you mean 'r1'" in asked("presets", "show", "r11", status=2)
