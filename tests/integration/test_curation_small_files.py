"""Many small files share a shard, and all that is told of a file stays as it is where each has its own."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from curation import shards
from curation.cli import main
from curation.errors import OutputError
from curation.finished import read_manifest
from curation.html_report import write_report
from curation.manifest import Directory
from tests.fakes_curation import RECIPE, FakeEngine, Silence, read_all, run_fake, think, tree, write_rows

FILES, SHARED = 60, 24
"""Few, as the same is tried with each in a shard of its own; ``shards`` shares more."""
KEY = ("input_file", "input_row", "completion_index")


def rows_of(number: int) -> list[dict[str, object]]:
    """None in some files; prompts that stand in two far files; right, wrong, equal and badly formed completions."""
    texts = [think(number % 30), think("none"), think(number % 30), "no tags", think(number % 30, f"other {number}")]
    row = {"prompt": f"What is {number % 30}?", "answer": str(number % 30)}
    return [{**row, "completion": text} for text in texts[: number % 6]]


def small_files(folder: Path, numbers: Sequence[int] = range(FILES)) -> None:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        rows = rows_of(number)
        if number % 3 and rows:
            write_rows(folder / f"f{number:03}.parquet", rows)
        else:
            (folder / f"f{number:03}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(autouse=True)
def _few_share_a_shard(monkeypatch):
    monkeypatch.setattr(shards, "FEW_FILES", SHARED)
    monkeypatch.setattr(shards, "GATHERED_FILES", SHARED)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    small_files(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def dropped(output: Path, kind: str = "rejected") -> list[dict[str, object]]:
    return sorted(read_all(output, kind), key=lambda row: tuple(str(row[name]) for name in KEY))


def by_file(output: Path) -> dict[str, tuple[object, ...]]:
    return {
        item.path: (item.sha256, item.rows, item.samples, item.kept, item.rejected, item.failed, shard.error)
        for shard in read_manifest(output).shards
        for item in shard.inputs
    }


def test_the_same_becomes_of_every_sample_as_where_each_file_is_a_shard(folder, monkeypatch):
    gathered = run_fake(["in/*"], folder / "gathered")
    monkeypatch.setattr(shards, "FEW_FILES", FILES + 1)
    alone = run_fake(["in/*"], folder / "alone")
    assert (len(gathered.entries), len(alone.entries)) == (3, FILES)
    kept = {name: hashed for name, hashed in tree(folder / "alone").items() if name.startswith("data/")}
    assert kept.items() <= tree(folder / "gathered").items()
    assert len(kept) > 0
    assert dropped(folder / "gathered") == dropped(folder / "alone") != []
    assert by_file(folder / "gathered") == by_file(folder / "alone")
    cards = [(folder / name / "README.md").read_text() for name in ("gathered", "alone")]
    assert cards[0] == cards[1]


def test_what_is_asked_about_a_sample_finds_it_among_many_files(folder, monkeypatch):
    run_fake(["in/*"], folder / "gathered")
    monkeypatch.setattr(shards, "FEW_FILES", FILES + 1)
    run_fake(["in/*"], folder / "alone")
    names = [str(row["id"]) for row in dropped(folder / "alone")[::19]]
    names += [str(row["id"]) for row in read_all(folder / "alone", "data")[::19]]
    names += [str(row["group_id"]) for row in dropped(folder / "alone")[::43]]
    for name in names:
        told = [CliRunner().invoke(main, ["explain", name, output]).stdout for output in ("gathered", "alone")]
        assert told[0] == told[1]
        assert "in/f" in told[0]
        assert "not to be had" not in told[0]
    assert CliRunner().invoke(main, ["diff", "gathered", "alone"]).stdout == "no sample came to another end\n"
    pages = [write_report(folder / name).read_text() for name in ("gathered", "alone")]
    for part in ("in/f004.parquet, row 2", "in/f059.parquet"):
        assert part in pages[0]
        assert part in pages[1]
    # A text is known again by its file: another one of the same shard and row is none.
    (folder / "in/f004.parquet").write_bytes((folder / "in/f005.parquet").read_bytes())
    gone = next(str(row["id"]) for row in dropped(folder / "gathered") if row["input_file"] == "in/f004.parquet")
    assert "in/f004.parquet is not what it was" in CliRunner().invoke(main, ["explain", gone, "gathered"]).stdout


def test_a_file_that_cannot_be_read_fails_alone_until_it_is_mended(folder):
    run_fake(["in/*"], folder / "whole")
    whole = {name: (folder / "in" / name).read_bytes() for name in ("f001.parquet", "f028.parquet", "f050.parquet")}
    (folder / "in/f001.parquet").write_bytes(whole["f001.parquet"][:-6])
    (folder / "in/f050.parquet").write_bytes(b"")
    # Its footer can be read, and its pages cannot.
    (folder / "in/f028.parquet").write_bytes(b"PAR1" + b"\xff" * 60 + whole["f028.parquet"][64:])
    report = run_fake(["in/*"], folder / "out")
    assert sorted(entry.where for entry in report.entries if entry.error) == [f"in/{name}" for name in whole]
    found, wanted = by_file(folder / "out"), by_file(folder / "whole")
    # The fates of others may differ, where a bad file holds completions of their prompts.
    assert {path for path in wanted if found[path][:3] != wanted[path][:3]} == {f"in/{name}" for name in whole}
    totals = json.loads((folder / "out/manifest.json").read_text())["totals"]
    assert (totals["shards_failed"], totals["shards_done"]) == (3, 3)
    before = tree(folder / "out")
    again = Silence()
    run_fake(["in/*"], folder / "out", observer=again)
    assert tree(folder / "out") == before
    assert len(again.fresh) == 3
    for name, content in whole.items():
        (folder / "in" / name).write_bytes(content)
    run_fake(["in/*"], folder / "out")
    assert tree(folder / "out") == tree(folder / "whole")


def test_where_no_file_of_a_shard_can_be_read_each_of_them_is_named(tmp_path):
    small_files(tmp_path / "in")
    for number in range(SHARED):
        for file in (tmp_path / "in").glob(f"f{number:03}.*"):
            file.unlink()
        (tmp_path / f"in/f{number:03}.parquet").write_bytes(b"PAR1 and no more")
    report = run_fake([str(tmp_path / "in/*")], tmp_path / "out")
    bad = [entry.where for entry in report.entries if entry.error]
    assert [Path(path).name for path in bad] == [f"f{number:03}.parquet" for number in range(SHARED)]
    small_files(tmp_path / "other", range(SHARED, FILES))
    run_fake([str(tmp_path / "other/*")], tmp_path / "others")
    assert dropped(tmp_path / "out")[-1]["id"] == dropped(tmp_path / "others")[-1]["id"]


@pytest.mark.parametrize("stage", ["judging", "writing"])
def test_a_file_that_changes_while_the_run_is_at_work_decides_nothing_and_the_others_stay(folder, stage):
    class Meddler(Silence):
        def stage_started(self, stage_: str, total: int) -> None:
            super().stage_started(stage_, total)
            if stage_ == stage:
                write_rows(Path("in/f028.parquet"), [{"prompt": "p", "completion": "c", "answer": "a"}] * 400)

    report = run_fake(["in/*"], folder / "out", observer=Meddler())
    assert [(entry.where, "changed" in entry.error) for entry in report.entries if entry.error] == [
        ("in/f028.parquet", True)
    ]
    (folder / "in/f028.parquet").unlink()
    run_fake(["in/*"], folder / "others")
    kept = {name: hashed for name, hashed in tree(folder / "others").items() if name.startswith("data/")}
    assert kept.items() <= tree(folder / "out").items()
    assert dropped(folder / "out") == dropped(folder / "others")


def test_failed_verdicts_of_one_file_are_kept_apart(folder):
    write_rows(folder / "in/f028.parquet", [{"prompt": "p", "answer": "1", "completion": think("1", "broken")}])
    run_fake(["in/*"], folder / "out")
    assert [row["input_file"] for row in read_all(folder / "out", "failed")] == ["in/f028.parquet"]
    assert by_file(folder / "out")["in/f028.parquet"][1:] == (1, 1, 0, 0, 1, "")
    (folder / "in/f028.parquet").write_bytes((folder / "in/f029.parquet").read_bytes())
    run_fake(["in/*"], folder / "out", retries_failed=True)
    assert read_all(folder / "out", "failed") == []


def test_one_more_file_leaves_the_shards_before_it_and_one_less_is_refused(folder):
    run_fake(["in/*"], folder / "out")
    (folder / "in/f060.jsonl").write_text((folder / "in/f003.jsonl").read_text())
    grown = Silence()
    run_fake(["in/*"], folder / "out", observer=grown)
    assert grown.fresh == ["f048-and-12-more"]
    assert {file.name.partition(".")[0] for file in (folder / "out/state").iterdir()} == {
        *("f000-and-23-more", "f024-and-23-more", "f048-and-12-more")
    }
    run_fake(["in/*"], folder / "fresh")
    assert tree(folder / "out") == tree(folder / "fresh")
    (folder / "in/f060.jsonl").unlink()
    with pytest.raises(OutputError, match=r"results of 1 file\(s\) that are not in this input: in/f060\.jsonl"):
        run_fake(["in/*"], folder / "out")


class _KilledError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("instant", range(6))
def test_killed_while_a_shard_makes_room_for_another_the_rest_is_taken_away_the_next_time(folder, monkeypatch, instant):
    run_fake(["in/*"], folder / "out")
    (folder / "in/f060.jsonl").write_text((folder / "in/f003.jsonl").read_text())
    unlink, left = Path.unlink, [instant]

    def until_killed(self: Path, *, missing_ok: bool = False) -> None:
        if self.name.startswith("f048-and-11-more"):
            if not left[0]:
                raise _KilledError
            left[0] -= 1
        unlink(self, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", until_killed)
        with pytest.raises(_KilledError):
            run_fake(["in/*"], folder / "out")
    run_fake(["in/*"], folder / "out")
    run_fake(["in/*"], folder / "fresh")
    assert tree(folder / "out") == tree(folder / "fresh")


@pytest.mark.parametrize("kind", ["facts", "verdicts"])
@pytest.mark.parametrize("torn", ["empty", "cut", "zeros"])
def test_state_that_is_torn_is_never_taken_for_whole(folder, kind, torn):
    run_fake(["in/*"], folder / "out")
    before = tree(folder / "out")
    file = folder / f"out/state/f024-and-23-more.{kind}.parquet"
    content = file.read_bytes()
    file.write_bytes({"empty": b"", "cut": content[: len(content) // 2], "zeros": bytes(len(content))}[torn])
    engine = FakeEngine()
    run_fake(["in/*"], folder / "out", engine=engine)
    assert tree(folder / "out") == before
    assert bool(engine.asked) == (kind == "verdicts")


def test_the_bytes_do_not_depend_on_how_many_files_share_a_shard_or_a_frame(folder, monkeypatch):
    run_fake(["in/*"], folder / "out")
    monkeypatch.setattr(shards, "_BATCH_ROWS", 7)
    monkeypatch.setattr(shards, "GATHERED_FILES", 11)
    report = run_fake(["in/*"], folder / "cut")
    assert len(report.entries) == -(-FILES // 11)
    kept = {name: hashed for name, hashed in tree(folder / "out").items() if name.startswith("data/")}
    assert kept.items() <= tree(folder / "cut").items()
    assert dropped(folder / "cut") == dropped(folder / "out")


def test_plan_and_status_count_shards_as_a_run_does(folder):
    (folder / "recipe.toml").write_text(
        '[input]\nglobs = ["in/*"]\n[output]\ndir = "out"\n[[steps]]\nname = "format"\n'
    )
    planned = CliRunner().invoke(main, ["plan", "recipe.toml"])
    assert planned.exit_code == 0, planned.output
    run_fake(["in/*"], folder / "out")
    assert "3 shard(s)" in planned.stdout
    assert "done: 3 of 3 shards" in CliRunner().invoke(main, ["status", "out"]).stdout
    assert Directory(folder / "out").entry("f000-and-23-more") is not None


@pytest.mark.slow
@pytest.mark.parametrize("place", [[], ["processes"]], ids=["threads", "processes"])
def test_killed_at_random_instants_and_rerun_the_tree_is_that_of_an_undisturbed_run(folder, place):
    # The command that is killed knows nothing of this process.
    small_files(folder / "in", range(FILES, 300))
    # A file that fails stands among those that are killed upon.
    (folder / "in/f130.parquet").write_bytes(b"PAR1 and no more")
    (folder / "recipe.toml").write_text(RECIPE + "[verify]\nin_flight = 16\n")
    draw = random.Random(7)  # noqa: S311 - instants, not secrets
    for _ in range(25):
        with _start(folder, "killed", 0.02, place) as child:
            time.sleep(0.4 + draw.random() * 1.2)
            child.kill()
            child.wait()
    for output in ("killed", "calm"):
        with _start(folder, output, 0.0, place) as child:
            assert child.wait() == 0
    assert tree(folder / "calm") == tree(folder / "killed")
    assert len(read_manifest(folder / "calm").shards) == 4


def _start(folder: Path, output: str, latency_s: float, place: Sequence[str]) -> subprocess.Popen[bytes]:
    root = Path(__file__).resolve().parents[2]
    # Helpers are sent its opener, which must have the name of its module.
    main = "from tests.fakes_curation import main; main()"
    command = [sys.executable, "-c", main, str(folder / "recipe.toml"), str(folder / "in/*")]
    command += [str(folder / output), str(latency_s), str(folder / f"{output}.sqlite"), *place]
    return subprocess.Popen(command, cwd=root, env={"POLARS_MAX_THREADS": "1", "PATH": "/usr/bin:/bin"})
