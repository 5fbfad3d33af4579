"""Samples of a corpus: whole prompts, spread over all of it, the same each time."""

from __future__ import annotations

import gzip
import json

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation import sampling
from curation.recipe import Recipe
from curation.sampling import FileSurvey, Sample, draw_sample, scattered_places, survey_file
from curation.sources import find_sources
from tests.fakes_curation import write_rows


def rows_of(prompts: int, each: int, *, start: int = 0) -> list[dict[str, object]]:
    return [
        {"prompt": f"q{prompt}", "completion": f"a{prompt}-{index}", "answer": "1", "group_id": f"g{prompt}"}
        for prompt in range(start, start + prompts)
        for index in range(each)
    ]


def surveys(*globs: str) -> list[FileSurvey]:
    return [survey_file(source, Recipe(globs=globs)) for source in find_sources(globs)]


def drawn(*globs: str, completions: int = 50, by_prompt: bool = True) -> Sample:
    return draw_sample(surveys(*globs), Recipe(globs=globs), (), completions=completions, by_prompt=by_prompt)


def sizes(sample: Sample) -> list[int]:
    return sample.samples.group_by("group_key", maintain_order=True).len()["len"].to_list()


@pytest.fixture
def in_runs(monkeypatch):
    """As if the corpus were too large to be read whole."""
    monkeypatch.setattr(sampling, "_WHOLE_BYTES", 0)


def test_a_small_corpus_is_taken_whole(tmp_path):
    write_rows(tmp_path / "a.parquet", rows_of(3, 2))
    sample = drawn(f"{tmp_path}/a.parquet")
    assert sample.is_whole
    assert sample.samples.height == sample.samples_in_all == 6


def test_prompts_are_whole_wherever_their_rows_lie_and_spread_over_the_files(tmp_path):
    rows = rows_of(100, 5)
    for number in range(5):
        # File i holds the i-th completion of every prompt.
        write_rows(tmp_path / f"{number}.parquet", rows[number::5])
    sample = drawn(f"{tmp_path}/*.parquet")
    assert sizes(sample) == [5] * 10
    assert not sample.is_scattered
    assert {int(prompt[1:]) // 10 for prompt in sample.samples["prompt"]} == set(range(10))
    assert sample.samples_in_all == 500
    assert len(set(sample.clusters.tolist())) == 10


def test_rows_can_be_taken_without_their_prompts(tmp_path):
    write_rows(tmp_path / "a.parquet", rows_of(10, 50))
    sample = drawn(f"{tmp_path}/a.parquet", completions=20, by_prompt=False)
    assert sizes(sample) == [2] * 10


def test_runs_are_whole_prompts_too_and_reach_over_all_files(in_runs, tmp_path):
    for number in range(4):
        write_rows(tmp_path / f"{number}.parquet", rows_of(100, 3, start=100 * number), group=40)
    sample = drawn(f"{tmp_path}/*.parquet", completions=60)
    assert set(sizes(sample)) == {3}
    assert 50 <= sample.samples.height <= 120
    assert {place.path for place in sample.places} == {f"{tmp_path}/{number}.parquet" for number in range(4)}
    assert len({place.row // 20 for place in sample.places}) > 4
    assert sample.samples["completion"].n_unique() == sample.samples.height


def test_runs_say_where_rows_of_a_prompt_lie_apart(in_runs, tmp_path):
    rows = rows_of(100, 5)
    write_rows(tmp_path / "a.parquet", [row for number in range(5) for row in rows[number::5]])
    assert drawn(f"{tmp_path}/a.parquet").is_scattered


def test_a_huge_row_group_is_not_read_to_its_end(in_runs, monkeypatch, tmp_path):
    monkeypatch.setattr(sampling, "_SKIPPED_BYTES", 4_000)
    write_rows(tmp_path / "a.parquet", rows_of(5_000, 1), group=5_000)
    sample = drawn(f"{tmp_path}/a.parquet", completions=20)
    assert sample.samples.height >= 20
    assert max(place.row for place in sample.places) < 2_500


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("ending", ["parquet", "jsonl", "jsonl.gz"])
def test_places_lead_to_the_rows(is_large, ending, monkeypatch, tmp_path):
    if is_large:
        monkeypatch.setattr(sampling, "_WHOLE_BYTES", 0)
    rows = rows_of(120, 2)
    path = tmp_path / f"a.{ending}"
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    if ending == "parquet":
        write_rows(path, rows, group=30)
    else:
        path.write_bytes(gzip.compress(lines) if ending == "jsonl.gz" else lines)
    sample = drawn(str(path), completions=40)
    assert sample.rows_in_all == 240
    for row, completion in sample.samples.select("input_row", "completion").iter_rows():
        assert rows[sample.places[row].row]["completion"] == completion
        assert str(sample.places[row]) == f"{path} row {sample.places[row].row}"


def test_rows_of_lines_too_many_to_count_are_reckoned_and_told_by_their_byte(monkeypatch, tmp_path):
    for name, value in {"_COUNTED_BYTES": 0, "_HEAD_BYTES": 1, "_CHUNK_BYTES": 1_000}.items():
        monkeypatch.setattr(sampling, name, value)
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_of(500, 1)))
    [survey] = surveys(str(path))
    assert not survey.is_counted
    assert abs(survey.rows - 500) < 60
    assert drawn(str(path), completions=30).samples.height >= 30


def test_the_same_files_give_the_same_sample(in_runs, tmp_path):
    write_rows(tmp_path / "a.parquet", rows_of(300, 2), group=50)
    first, second = drawn(f"{tmp_path}/a.parquet"), drawn(f"{tmp_path}/a.parquet")
    assert first.samples.equals(second.samples)
    assert first.places == second.places


def test_frames_are_those_of_the_rows_that_are_asked_for(tmp_path):
    write_rows(tmp_path / "a.parquet", rows_of(4, 2))
    sample = drawn(f"{tmp_path}/a.parquet")
    assert pl.concat(sample.frames_of(np.array([1, 3])))["input_row"].unique().to_list() == [1, 3]


def test_files_that_cannot_be_read_say_why(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "b.jsonl.gz").write_bytes(b"no gzip")
    pq.write_table(pa.table({"x": ["1"]}), tmp_path / "c.parquet")
    broken, packed, strange = surveys(f"{tmp_path}/*")
    assert "a.parquet: cannot be read" in broken.error
    assert "mend or remove" in packed.error
    assert "no column for the prompt" in strange.error
    assert strange.schema is not None


@pytest.mark.parametrize(("count", "in_all"), [(0, 0), (1, 1), (7, 7), (10, 1000), (500, 2000)])
def test_places_are_one_in_each_part(count, in_all):
    places = scattered_places(count, in_all)
    assert [int(place) * count // in_all for place in places] == list(range(count)) if count else not len(places)


def test_what_comes_in_a_rhythm_is_met_as_often_as_it_comes():
    hits = sum(int(place) % 4 == 0 for place in scattered_places(500, 2000))
    assert 90 < hits < 160
