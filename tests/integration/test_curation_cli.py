from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from curation.cli import main
from tests.fakes_curation import think, write_rows

ROOT = Path(__file__).parents[2]
FILTERS = '[[steps]]\nname = "length"\nmin_chars = 3\n'


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "recipe.toml").write_text(FILTERS)
    write_rows(tmp_path / "a.parquet", [{"prompt": "p", "completions": ["ab", think(1)]}])
    return tmp_path


def curate(folder: Path, *options: str, globs: str = "a.parquet") -> Result:
    command = ["run", str(folder / "recipe.toml"), "--input", str(folder / globs), "--output", str(folder / "out")]
    return CliRunner().invoke(main, [*command, *options])


def test_a_run_ends_with_the_funnel_and_status_0(folder):
    result = curate(folder)
    assert result.exit_code == 0
    assert "too_short" in result.stdout
    assert result.stderr == ""
    assert json.loads((folder / "out/manifest.json").read_text())["is_complete"]


def test_the_output_is_no_input_where_it_lies_in_the_midst_of_it(folder):
    for _ in range(2):
        result = curate(folder, globs="**/*.[pj]*")
        assert result.exit_code == 0, result.stderr
    manifest = json.loads((folder / "out/manifest.json").read_text())
    assert manifest["totals"]["samples"] == 2
    planned = ["plan", str(folder / "recipe.toml"), "--input", str(folder / "**/*.parquet"), "--output"]
    assert CliRunner().invoke(main, [*planned, str(folder / "out")]).exit_code == 0
    own = curate(folder, globs="out/data/*.parquet")
    assert own.exit_code == 2
    assert "lies in the output directory" in own.stderr
    # Another run may begin with what this one kept.
    other = curate(folder, "--output", str(folder / "other"), globs="out/data/*.parquet")
    assert other.exit_code == 0, other.stderr


def test_a_broken_shard_is_named_with_status_1(folder):
    (folder / "b.parquet").write_bytes(b"PAR1 this is no Parquet")
    result = curate(folder, globs="*.parquet")
    assert result.exit_code == 1
    assert "b.parquet failed: cannot be read as Parquet" in result.stderr
    assert "the other shards are done" in result.stderr


def test_a_broken_shard_can_be_taken_away_and_the_run_goes_on(folder):
    (folder / "b.parquet").write_bytes(b"PAR1 this is no Parquet")
    assert curate(folder, globs="*.parquet").exit_code == 1
    (folder / "b.parquet").unlink()
    result = curate(folder, globs="*.parquet")
    assert result.exit_code == 0, result.stderr
    assert "rows of 1 shard " in result.stdout
    assert [path.name for path in (folder / "out/shards").iterdir()] == ["a.json"]
    assert json.loads((folder / "out/manifest.json").read_text())["totals"]["shards_failed"] == 0


def test_a_disk_that_cannot_be_written_is_told_and_a_rerun_goes_on(folder):
    limited = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (500, -1)); from curation.cli import main; main()"
    command = [sys.executable, "-c", limited, "run", "recipe.toml", "--input", "a.parquet", "--output", "out"]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("curate: cannot write out: [Errno 27]")
    assert "Traceback" not in result.stderr
    assert curate(folder).exit_code == 0


def test_a_folder_as_input_says_how_to_write_it(folder):
    result = curate(folder, globs="")
    assert result.exit_code == 2
    assert f"write {folder}/*.parquet" in result.stderr


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("[[stesp]]\nname = 'x'\n", "stesp: unknown key; did you mean 'steps'?"),
        ('[[steps]]\nname = "length"\nmax_char = 3\n', "did you mean 'max_chars'?"),
    ],
)
def test_a_bad_recipe_ends_with_status_2_and_names_the_field(folder, recipe, message):
    (folder / "recipe.toml").write_text(recipe)
    result = curate(folder)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (folder / "out").exists()


def test_an_empty_glob_ends_with_status_2(folder):
    result = curate(folder, globs="*.none")
    assert result.exit_code == 2
    assert "no file matches" in result.stderr


def test_a_recipe_without_output_directory_says_where_to_name_one(folder):
    result = CliRunner().invoke(main, ["run", str(folder / "recipe.toml"), "--input", str(folder / "a.parquet")])
    assert result.exit_code == 2
    assert "--output DIR" in result.stderr


def test_an_unknown_sandbox_or_a_dead_server_ends_before_any_work(folder):
    (folder / "recipe.toml").write_text(FILTERS + '[[steps]]\nname = "verify"\n')
    result = curate(folder, "--sandbox", "lokal")
    assert result.exit_code == 2
    assert "lokal" in result.stderr
    result = curate(folder, "--server", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stderr
    assert "run the same command again" in result.stderr


def test_a_number_of_processes_is_refused_on_a_cluster(folder):
    result = curate(folder, "--engine", "ray", "--processes", "2")
    assert result.exit_code == 2
    assert "--processes counts processes of this machine" in result.stderr
    assert "leave one of them out" in result.stderr
    assert not (folder / "out").exists()


def test_the_engine_ray_says_how_to_get_it_where_it_is_not_there(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "curation.executors.ray_cluster", raising=False)
    result = curate(folder, "--engine", "ray")
    assert result.exit_code == 2
    assert "pip install 'assay[ray]'" in result.stderr
    assert not (folder / "out").exists()


def test_help_and_version():
    assert "Curates Parquet shards" in CliRunner().invoke(main, ["--help"]).stdout
    assert "--retry-failed" in CliRunner().invoke(main, ["run", "--help"]).stdout
    assert CliRunner().invoke(main, ["--version"]).stdout.startswith("curate, version")


def test_the_example_shards_show_every_reason_with_the_real_verifiers(tmp_path):
    recipe, shards = ROOT / "examples/curate.toml", ROOT / "examples/shards/*.parquet"
    command = ["run", str(recipe), "--input", str(shards), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command)
    totals = json.loads((tmp_path / "out/manifest.json").read_text())["totals"]
    assert totals["samples"] == totals["kept"] + totals["rejected"] + totals["failed"]
    if totals["failed"]:
        assert result.exit_code == 1
        pytest.skip(f"programs cannot be run here: {totals['failures']}")
    assert result.exit_code == 0
    assert set(totals["dropped"]) == {
        "read", "validate", "length", "format", "language_mix", "long_paragraph", "code_in_reasoning", "dedup",
        "verify", "select",
    }  # fmt: skip
    assert {"math:not_equal", "code:WA", "code:CE", "code:RE", "code:NO_CODE"} <= set(totals["dropped"]["verify"])
    assert {"unscorable:no_reference", "unscorable:bad_reference"} <= set(totals["dropped"]["verify"])
    assert totals["kept"] > 300
