"""Verdicts that need no waiting come while facts are found, and change nothing but the time that it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from curation.executors import early
from curation.executors.local import LocalPlacement
from curation.recipe import parse_recipe
from curation.steps import build_steps
from tests.fakes_curation import RECIPE, FakeEngine, FakeOpener, Silence, run_fake, think, tree, write_rows
from tests.integration.test_curation_jobs import ARRANGED
from verifier.types import Group, GroupResult

VERIFY = '[[steps]]\nname = "verify"\n'
SHARED = "Say more"
RECIPES = {
    "usual": RECIPE,
    "arranged": ARRANGED,
    "near": RECIPE.replace('name = "dedup"', 'name = "dedup"\nsimilarity_percent = 70'),
    "text after": VERIFY + '[[steps]]\nname = "length"\nmin_chars = 45\n',
    "domains": VERIFY + '[verify]\nonly = "math"\n',
    "alone": VERIFY,
    "prompts first": RECIPE.replace('name = "dedup"', 'name = "dedup_prompts"\nsimilarity_percent = 80'),
}


def rows(shard: int, prompts: int = 24) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for number in range(1000 * shard, 1000 * shard + prompts):
        texts = [think(number), think(number + 1), think(number, "wörks – ok"), think(number), "no tags", None]
        # As many failures as a run bears.
        texts += [think(number, "broken")] * (number % 8 == 1)
        answer = None if number % 7 == 3 else str(number)
        domain = "chat" if number % 5 == 2 else "math"
        found.append({"prompt": f"Say {number}", "answer": answer, "completions": texts, "domain": domain})
    # Groups that two shards share.
    found.append({"prompt": SHARED, "answer": "7", "completions": [think(7), think(8)], "domain": "math"})
    return found


@pytest.fixture
def glob(tmp_path):
    for shard in range(3):
        write_rows(tmp_path / f"in/s{shard}.parquet", rows(shard), group=7)
    return str(tmp_path / "in/*.parquet")


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize("has_store", [False, True])
def test_the_tree_is_that_of_a_run_that_judges_when_all_is_read(tmp_path, glob, recipe, has_store):
    told = [Silence(), Silence()]
    for swift, observer in zip((False, True), told, strict=True):
        store = tmp_path / f"{swift}.sqlite" if has_store else None
        engine = FakeEngine(is_swift=swift)
        run_fake([glob], tmp_path / str(swift), recipe=recipe, engine=engine, store=store, observer=observer)
        assert bool(engine.swift) == swift
    assert tree(tmp_path / "False") == tree(tmp_path / "True")
    assert told[0].judged == told[1].judged
    assert not list(tmp_path.rglob("*.early.parquet"))


def test_further_processes_judge_early_too(tmp_path, glob):
    run_fake([glob], tmp_path / "one")
    for judges_apart in (True, False):
        placement = LocalPlacement(FakeOpener(is_swift=True), processes=3, least_bytes=0, judges_apart=judges_apart)
        run_fake([glob], tmp_path / str(judges_apart), placement=placement, store=tmp_path / f"{judges_apart}.sqlite")
        assert tree(tmp_path / "one") == tree(tmp_path / str(judges_apart))


def test_what_was_judged_early_is_not_asked_again_and_what_failed_is(tmp_path, glob):
    engine = FakeEngine(is_swift=True)
    run_fake([glob], tmp_path / "out", engine=engine)
    tries = Counter(group.prompt for group in engine.swift)
    # Where there is no reference nothing fails.
    judged = [group for group in engine.swift if group.reference is not None]
    fails = {group.prompt for group in judged if any("broken" in text for text in group.completions)}
    assert fails
    assert {prompt for prompt, count in tries.items() if count > 1 and prompt != SHARED} == fails
    assert not {group.prompt for group in engine.asked} & set(tries)


class Watched(FakeEngine):
    """Notes in which pass it is asked."""

    def __init__(self, observer: Silence) -> None:
        super().__init__(is_swift=True)
        self.observer = observer
        self.stages: set[str] = set()

    def at_once(self, group: Group, *, is_well_formed: bool = False) -> GroupResult | None:
        self.stages.add(self.observer.current)
        return super().at_once(group, is_well_formed=is_well_formed)


@pytest.mark.parametrize(("judges_here", "stages"), [(True, {"reading", "judging"}), (False, {"judging"})])
def test_a_server_is_not_asked_early(tmp_path, glob, judges_here, stages):
    observer = Silence()
    engine = Watched(observer)

    @asynccontextmanager
    async def opened(processors: int | None) -> AsyncIterator[FakeEngine]:
        yield engine

    placement = LocalPlacement(opened, judges_here=judges_here)
    run_fake([glob], tmp_path / "out", placement=placement, observer=observer)
    assert engine.stages == stages


def test_the_store_is_asked_early_and_what_it_knew_is_counted_once(tmp_path, glob):
    store = tmp_path / "verdicts.sqlite"
    first = run_fake([glob], tmp_path / "one", engine=FakeEngine(is_swift=True), store=store)
    assert first.tallies["judging"].recalled == 0
    engine = FakeEngine(is_swift=True)
    again = run_fake([glob], tmp_path / "other", engine=engine, store=store)
    assert again.tallies["judging"].asked == first.tallies["judging"].asked
    left = [text for group in (*engine.swift, *engine.asked) for text in group.completions]
    # What failed is not kept.
    assert all("broken" in text for text in left)
    assert again.tallies["judging"].recalled == first.tallies["judging"].asked - len(set(left))


def test_what_an_earlier_run_left_is_taken_for_nothing_else(tmp_path, glob):
    run_fake([glob], tmp_path / "calm")
    state = tmp_path / "out" / "state"
    run_fake([glob], tmp_path / "out")
    left = state / "s0.early.parquet"
    left.write_bytes((state / "s0.facts.parquet").read_bytes())
    run_fake([glob], tmp_path / "out", recipe=RECIPE.replace("count = 2", "count = 1"))
    assert not left.exists()
    run_fake([glob], tmp_path / "out")
    assert tree(tmp_path / "calm") == tree(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "is_early"),
    [("usual", True), ("near", True), ("text after", True), ("alone", True), ("prompts first", False)],
)
def test_it_is_early_where_nothing_but_dedup_decides_before(name, is_early):
    assert early.is_early(build_steps(replace(parse_recipe(RECIPES[name]), globs=("x",)))) == is_early
