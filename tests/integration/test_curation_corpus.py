from __future__ import annotations

from tests.fakes_curation import (
    RECIPE,
    FakeEngine,
    Silence,
    completions_in,
    read_all,
    run_fake,
    think,
    tree,
    write_rows,
)


def rows(*answers: int) -> list[dict[str, object]]:
    return [{"prompt": f"What is {n}?", "answer": str(n), "completions": [think(n), think(n + 1)]} for n in answers]


def test_a_prompt_that_stands_in_two_shards_is_one_group(tmp_path):
    write_rows(tmp_path / "a.parquet", rows(1, 2))
    write_rows(tmp_path / "b.parquet", rows(2, 3))
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "out")
    assert completions_in(read_all(tmp_path / "out", "data")) == [think(1), think(2), think(3)]
    dropped = [(row["input_file"], row["drop_reason"]) for row in read_all(tmp_path / "out", "rejected")]
    assert [reason for file, reason in dropped if str(file).endswith("b.parquet")].count("duplicate") == 2


def test_a_changed_threshold_judges_nothing_again_and_rewrites_only_what_it_touches(tmp_path):
    write_rows(tmp_path / "a.parquet", rows(1))
    write_rows(
        tmp_path / "b.parquet", [{"prompt": "p", "answer": "9", "completions": [think(9), think(9, "long " * 9)]}]
    )
    glob = [str(tmp_path / "*.parquet")]
    run_fake(glob, tmp_path / "out")
    engine, observer = FakeEngine(), Silence()
    run_fake(glob, tmp_path / "out", recipe=RECIPE.replace("count = 2", "count = 1"), engine=engine, observer=observer)
    assert engine.asked == []
    assert observer.fresh == ["b"]
    run_fake(glob, tmp_path / "clean", recipe=RECIPE.replace("count = 2", "count = 1"))
    assert tree(tmp_path / "out") == tree(tmp_path / "clean")


def test_verdicts_are_shared_by_runs_through_the_store_but_not_failed_ones(tmp_path):
    completions = [think(1), think(2), think(1, "broken")]
    write_rows(tmp_path / "a.parquet", [{"prompt": "p", "answer": "1", "completions": completions}])
    store = tmp_path / "cache/verdicts.sqlite"
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "one", store=store)
    engine = FakeEngine()
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "two", store=store, engine=engine)
    assert [group.completions for group in engine.asked] == [(completions[2],), (completions[2],)]
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    write_rows(tmp_path / "a.parquet", [{"prompt": "p", "answer": "2", "completions": completions}])
    engine = FakeEngine()
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "three", store=store, engine=engine)
    assert len(engine.asked[0].completions) == 3  # another reference is another question


def test_an_engine_that_dies_keeps_what_it_judged_of_a_shard_in_the_store(tmp_path):
    write_rows(tmp_path / "a.parquet", rows(*range(10)))
    store = tmp_path / "verdicts.sqlite"
    report = run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", store=store, engine=FakeEngine(dies_after=4))
    assert "went away" in report.stopped
    assert not read_all(tmp_path / "out", "data")
    engine = FakeEngine()
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", store=store, engine=engine)
    assert len(engine.asked) == 6


def test_pass_rates_count_all_samples_of_a_prompt_in_all_shards(tmp_path):
    recipe = '[[steps]]\nname = "verify"\n[[steps]]\nname = "pass_rate"\nmax_percent = 50\n'
    write_rows(tmp_path / "a.parquet", rows(1, 2))
    write_rows(tmp_path / "b.parquet", [{"prompt": "What is 2?", "answer": "2", "completions": [think(2)]}])
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "out", recipe=recipe)
    assert completions_in(read_all(tmp_path / "out", "data")) == [think(1)]
    reasons = [row["drop_reason"] for row in read_all(tmp_path / "out", "rejected")]
    assert reasons.count("too_easy") == 2  # two of three


class Spoils(Silence):
    """Cuts a shard short when judging begins."""

    def __init__(self, path):
        super().__init__()
        self._path = path

    def stage_started(self, stage, total):
        super().stage_started(stage, total)
        if stage == "judging":
            self._path.write_bytes(self._path.read_bytes()[:100])


def test_a_shard_that_goes_bad_between_two_passes_is_a_failed_shard_and_its_samples_decide_nothing(
    tmp_path, monkeypatch
):
    bad = write_rows(tmp_path / "a.parquet", rows(1))
    write_rows(tmp_path / "b.parquet", rows(1, 2))
    report = run_fake([str(tmp_path / "*.parquet")], tmp_path / "out", observer=Spoils(bad))
    assert [bool(entry.error) for entry in report.entries] == [True, False]
    assert completions_in(read_all(tmp_path / "out", "data")) == [think(1), think(2)]
