from __future__ import annotations

import pytest
from click.testing import CliRunner

from curation.cli import main
from curation.manifest import open_directory
from curation.presets import preset, preset_names
from curation.recipe import parse_recipe
from curation.steps import build_steps
from tests.fakes_curation import RECIPE, run_fake, think, write_rows


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


def test_explain_tells_of_a_prompt_and_each_of_its_completions(output):
    told = asked("explain", "q1", output)
    assert "q1-0  kept" in told
    assert "q1-1  rejected by verify: math:not_equal" in told
    assert "q1-2  failed by verify: worker_lost" in told
    assert "math INCORRECT not_equal, reward 0.0" in told
    assert "q10" not in told
    assert "q10-1  kept" in asked("explain", "q10-1", output)
    assert "has nothing of the id 'q2'" in asked("explain", "q2", output, status=2)
    assert "is no output of `curate run`" in asked("explain", "q1", output / "data", status=2)


def test_diff_tells_what_changed_and_why(output, tmp_path):
    assert asked("diff", output, output) == "no sample came to another end\n"
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "other", recipe=RECIPE.replace("count = 2", "count = 1"))
    told = asked("diff", output, tmp_path / "other")
    assert told.split() == ["1", "kept", "->", "select:", "not_selected", "(such", "as", "q10-0)"]


def test_status_tells_how_far_a_run_is(output):
    assert asked("status", output) == "done: 1 of 1 shards; 5 samples: 3 kept, 1 rejected, 1 failed\n"
    (output / "manifest.json").unlink()
    assert asked("status", output).startswith("stopped before the end")
    with open_directory(output):
        assert asked("status", output) == "running: 1 shards read, 1 judged, 1 written\n"


@pytest.mark.parametrize("name", preset_names())
def test_each_preset_is_a_recipe_and_is_printed_as_it_stands(name):
    assert asked("presets", "show", name) == preset(name)
    assert build_steps(parse_recipe(preset(name)))
    assert name in asked("presets", "list").split()


def test_a_preset_that_is_not_there_is_told():
    assert "did you mean 'r1'" in asked("presets", "show", "r11", status=2)
