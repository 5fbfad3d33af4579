"""Jobs may be tried more than once, at the same time, and by processes that outlive their run."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from curation.errors import RunLockedError
from curation.executors.jobs import Answered, AskShard, Job, Lost, Site
from curation.executors.local import LocalCrew, LocalPlacement
from curation.executors.placement import Jobs, in_turn
from curation.manifest import Directory, RunIdentity
from curation.recipe import Recipe
from tests.fakes_curation import RECIPE, FakeOpener, run_fake, think, tree, write_rows

T = TypeVar("T")
ARRANGED = RECIPE + '[[steps]]\nname = "shuffle"\n[output]\nfile_mb = 1\n[verify]\nin_flight = 16\n'


def write_shards(folder: Path, shards: int = 6, prompts: int = 40) -> str:
    """Shards whose kept texts fill several files."""
    long = " so we go on" * 150
    for shard in range(shards):
        rows = []
        for i in range(shard * 1000, shard * 1000 + prompts):
            texts = [think(i + 1, f"{i}{long}"), think(i), think(i + 1, "short"), think(i + 1, "short"), "no tags"]
            rows.append({"prompt": f"What is {i} + 1?", "answer": str(i + 1), "completions": texts})
        write_rows(folder / f"s{shard}.parquet", rows, group=17)
    return str(folder / "*.parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries(LocalCrew):
    """Does each job twice at once, and keeps all of them."""

    jobs: list[tuple[Site, Job[object]]] = field(default_factory=list)

    async def each(self, site: Site, jobs: Jobs[T]) -> AsyncGenerator[T | Lost, None]:
        async for job in in_turn(jobs):
            self.jobs.append((site, job))
            one, other = await asyncio.gather(*(asyncio.to_thread(job.run, site) for _ in range(2)))
            assert str(one) == str(other)
            yield one

    async def ask(
        self, site: Site, jobs: Sequence[AskShard], advance: Callable[[int], None], waits: Callable[[str], None]
    ) -> AsyncGenerator[Answered | Lost, None]:
        async for first in super(Tries, self).ask(site, jobs, advance, waits):
            yield first
        async for _ in super(Tries, self).ask(site, jobs, lambda _: None, waits):
            pass


class TryingPlacement(LocalPlacement):
    def __init__(self) -> None:
        super().__init__(FakeOpener())
        self.crew: Tries | None = None

    @asynccontextmanager
    async def opened(self, *, judges, store, input_bytes):
        async with super().opened(judges=judges, store=store, input_bytes=input_bytes) as crew:
            self.crew = Tries(pool=crew.pool, hands=crew.hands, engine=crew.engine, store=crew.store)
            yield self.crew


@pytest.mark.parametrize("recipe", [RECIPE, ARRANGED])
def test_jobs_that_are_done_twice_at_once_leave_the_tree_of_those_done_once(tmp_path, recipe):
    glob = write_shards(tmp_path / "in")
    run_fake([glob], tmp_path / "once", recipe=recipe)
    placement = TryingPlacement()
    run_fake([glob], tmp_path / "twice", recipe=recipe, placement=placement)
    assert tree(tmp_path / "once") == tree(tmp_path / "twice")
    assert placement.crew is not None
    kinds = {type(job).__name__ for _, job in placement.crew.jobs}
    assert {"ReadFiles", "Annotate", "CheckFile", "WriteFile", "Account"} <= kinds
    assert ("Scatter" in kinds) == (recipe == ARRANGED)


def test_a_job_that_outlives_its_run_changes_nothing(tmp_path):
    glob = write_shards(tmp_path / "in", shards=2)
    placement = TryingPlacement()
    run_fake([glob], tmp_path / "out", recipe=ARRANGED, placement=placement)
    other = ARRANGED.replace("count = 2", "count = 1")
    run_fake([glob], tmp_path / "out", recipe=other)
    before = tree(tmp_path / "out")
    assert placement.crew is not None
    late = [(site, job) for site, job in placement.crew.jobs if type(job).__name__ != "ReadFiles"]
    for site, job in late:
        with pytest.raises(RunLockedError, match="no longer holds"):
            job.run(site)
    assert tree(tmp_path / "out") == before
    assert len(late) > 5


def test_a_job_whose_run_ends_meanwhile_leaves_only_what_is_swept(tmp_path, monkeypatch):
    glob = write_shards(tmp_path / "in", shards=2)
    placement = TryingPlacement()
    run_fake([glob], tmp_path / "out", placement=placement)
    before = tree(tmp_path / "out")
    assert placement.crew is not None
    for site, job in placement.crew.jobs:
        if type(job).__name__ in ("WriteFile", "Account"):
            # As if the lock were still the run's when the job begins, and no longer when it ends.
            monkeypatch.setattr(Site, "directory", _unchecked)
            with pytest.raises(RunLockedError):
                job.run(site)
            monkeypatch.undo()
    left = {name for name in tree(tmp_path / "out") if name not in before}
    assert left
    assert all(name.endswith(".tmp") for name in left)
    run_fake([glob], tmp_path / "out")
    assert tree(tmp_path / "out") == before


class NoEngine(LocalPlacement):
    """Nothing of it can judge."""

    def __init__(self) -> None:
        super().__init__(FakeOpener())

    @asynccontextmanager
    async def opened(self, *, judges, store, input_bytes):
        async with super().opened(judges=judges, store=store, input_bytes=input_bytes) as crew:
            yield dataclasses.replace(crew, engine=None)


def test_a_run_whose_engines_cannot_be_opened_says_so_and_goes_on_later(tmp_path):
    glob = write_shards(tmp_path / "in", shards=2)
    report = run_fake([glob], tmp_path / "out", placement=NoEngine())
    assert report.stopped == "no engine was opened"
    assert report.unfinished == ["s0", "s1"]
    assert not run_fake([glob], tmp_path / "out").stopped
    run_fake([glob], tmp_path / "other")
    assert tree(tmp_path / "out") == tree(tmp_path / "other")


def _unchecked(site: Site) -> Directory:
    return Directory(site.path, site.hold)


def test_results_come_in_the_order_of_jobs_and_nothing_runs_on_when_the_iterator_is_left(tmp_path):
    running: set[int] = set()
    begun: list[int] = []
    draw = random.Random(3)  # noqa: S311 - pauses, not secrets
    pauses = [draw.random() / 50 for _ in range(40)]
    lock = threading.Lock()

    @dataclass(frozen=True)
    class Pause:
        number: int
        name: str = ""
        shard: str = ""

        def run(self, site: Site) -> int:
            with lock:
                running.add(self.number)
                begun.append(self.number)
            time.sleep(pauses[self.number])
            with lock:
                running.discard(self.number)
            return self.number

    async def all_of_them() -> None:
        site = bare_site(tmp_path)
        async with LocalPlacement(FakeOpener(), threads=4).opened(judges=False, store=None, input_bytes=0) as crew:
            assert [result async for result in crew.each(site, map(Pause, range(20)))] == list(range(20))
            left = crew.each(site, map(Pause, range(20, 40)))
            assert await anext(left) == 20
            await left.aclose()
            assert running == set()
            assert max(begun) < 30

    asyncio.run(all_of_them())


def bare_site(path: Path) -> Site:
    identity = RunIdentity(recipe_hash="", steps=(), engine_hash="", versions={"assay": "0"})
    return Site(path=path, hold="", recipe=Recipe(), steps=(), identity=identity)
