"""Further processes do the same work as this one, and what happens to them costs no sample."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from curation.errors import AccountingError, InputError, RunStoppedError
from curation.executors.helpers import Equipment, Helper, HelperLostError
from curation.executors.jobs import RETRIES, Answered, AskShard, Lost, Site
from curation.executors.local import LocalCrew, LocalPlacement
from curation.executors.placement import asked_of
from tests.fakes_curation import RECIPE, FakeEngine, FakeOpener, Silence, run_fake, think, tree, write_rows
from tests.integration.test_curation_jobs import ARRANGED, bare_site, write_shards


def several(latency_s: float = 0.0) -> LocalPlacement:
    return LocalPlacement(FakeOpener(latency_s=latency_s), processes=3, least_bytes=0)


def children(pid: int | str = "self") -> list[int]:
    """The helpers that a process started, and that are still there."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread, or a child, that has ended meanwhile
            found += [
                child
                for child in map(int, (task / "children").read_text().split())
                if b"executors.helpers" in Path(f"/proc/{child}/cmdline").read_bytes()
            ]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A job of a few kinds; leaves a line in a file each time that it is tried."""

    does: str
    notes: Path
    shard: str = ""

    @property
    def name(self) -> str:
        return self.does

    def run(self, site: Site) -> object:
        with self.notes.open("a") as file:
            file.write(f"{os.getpid()}\n")
        if self.does == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.does == "dies once" and len(self.notes.read_text().splitlines()) == 1:
            os._exit(3)
        if self.does == "raises":
            raise InputError("input: no such thing")
        if self.does == "raises oddly":
            raise OddError(1, 2)
        if self.does == "waits":
            time.sleep(600)
        return os.getpid(), site.path


class OddError(Exception):
    """Cannot be sent."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__("odd")


@pytest.fixture
def helper():
    made = Helper(Equipment(open_engine=FakeOpener(), store=None))
    yield made
    made.close()
    assert not children()


@pytest.mark.parametrize("recipe", [RECIPE, ARRANGED])
def test_several_processes_leave_the_tree_of_one(tmp_path, recipe):
    glob = write_shards(tmp_path / "in")
    run_fake([glob], tmp_path / "one", recipe=recipe)
    told = Silence()
    report = run_fake([glob], tmp_path / "several", recipe=recipe, placement=several(), observer=told)
    assert not report.stopped
    assert tree(tmp_path / "one") == tree(tmp_path / "several")
    assert told.judged == 6 * 40 * 3
    assert not children()


def test_a_process_that_is_killed_again_and_again_changes_no_byte(tmp_path):
    glob = write_shards(tmp_path / "in")
    run_fake([glob], tmp_path / "one")
    is_over = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        # A job is given up when it has lost four.
        while not is_over.wait(1.0) and len(killed) <= RETRIES - 1:
            for pid in children()[:1]:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        run_fake([glob], tmp_path / "several", placement=several(latency_s=0.05))
    finally:
        is_over.set()
        killer.join()
    assert killed
    assert tree(tmp_path / "one") == tree(tmp_path / "several")


def test_the_verdict_store_is_shared_by_all_processes(tmp_path):
    glob, store = write_shards(tmp_path / "in"), tmp_path / "verdicts.sqlite"
    run_fake([glob], tmp_path / "one", placement=several(), store=store)
    told = Silence()
    # An engine that is asked ends the run.
    dying = LocalPlacement(DyingOpener(), processes=3, least_bytes=0)
    report = run_fake([glob], tmp_path / "two", placement=dying, store=store, observer=told)
    assert not report.stopped
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


@dataclass(frozen=True)
class DyingOpener(FakeOpener):
    """Opens an engine that has gone away."""

    @asynccontextmanager
    async def __call__(self, processors: int | None) -> AsyncIterator[FakeEngine]:
        yield FakeEngine(dies_after=0)


def test_an_engine_that_goes_away_in_a_helper_stops_the_run(tmp_path):
    glob = write_shards(tmp_path / "in")
    placement = LocalPlacement(DyingOpener(), processes=3, least_bytes=0)
    report = run_fake([glob], tmp_path / "out", placement=placement)
    assert "went away" in report.stopped
    assert not children()
    run_fake([glob], tmp_path / "out")
    run_fake([glob], tmp_path / "one")
    assert tree(tmp_path / "one") == tree(tmp_path / "out")


def test_a_completion_that_ends_each_engine_fails_its_shard_alone(tmp_path):
    glob = write_shards(tmp_path / "in", shards=3)
    rows = [{"prompt": "x", "answer": "1", "completions": [think(1, "this kills"), think(1)]}]
    write_rows(tmp_path / "in" / "z.parquet", rows)
    report = run_fake([glob], tmp_path / "out", placement=Apart(FakeOpener()))
    assert [entry.name for entry in report.entries if entry.error] == ["z"]
    assert "each of 4 processes" in next(entry.error for entry in report.entries if entry.error)


class Apart(LocalPlacement):
    """Judges in a helper alone, so that what ends an engine does not end the tests."""

    @asynccontextmanager
    async def opened(self, *, judges: bool, store: Path | None, input_bytes: int) -> AsyncIterator[LocalCrew]:
        async with super().opened(judges=judges, store=store, input_bytes=input_bytes) as crew:
            made = {one.name: getattr(crew, one.name) for one in fields(crew)}
            with closing(Helper(Equipment(open_engine=FakeOpener(), store=store))) as helper:
                yield ApartCrew(**made, helper=helper)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApartCrew(LocalCrew):
    helper: Helper

    async def ask(
        self, site: Site, jobs: Sequence[AskShard], advance: Callable[[int], None], waits: Callable[[str], None]
    ) -> AsyncGenerator[Answered | Lost, None]:
        for one in asked_of(jobs, advance, waits):
            yield await asyncio.to_thread(self.helper.ask, site, one.job, one.tell)


def test_a_job_is_done_in_another_process_and_again_where_that_is_lost(tmp_path, helper):
    site = bare_site(tmp_path)
    pid, path = helper.do(site, Errand(does="", notes=tmp_path / "a"))
    assert pid == helper.pid != os.getpid()
    assert path == tmp_path
    other, _ = helper.do(site, Errand(does="dies once", notes=tmp_path / "b"))
    assert other == helper.pid != pid
    assert len((tmp_path / "b").read_text().splitlines()) == 2


def test_what_a_job_raises_is_raised_here(tmp_path, helper):
    site = bare_site(tmp_path)
    with pytest.raises(InputError, match="input: no such thing"):
        helper.do(site, Errand(does="raises", notes=tmp_path / "a"))
    with pytest.raises(AccountingError, match="OddError: odd"):
        helper.do(site, Errand(does="raises oddly", notes=tmp_path / "a"))
    assert helper.do(site, Errand(does="", notes=tmp_path / "a"))


def test_a_job_that_ends_all_processes_is_given_up(tmp_path, helper):
    site, notes = bare_site(tmp_path), tmp_path / "a"
    outcome = helper.do(site, Errand(does="dies", notes=notes, shard="s"))
    assert outcome == Lost(shard="s", error="each of 4 processes that worked on it was lost: signal 9 ended it")
    assert len(set(notes.read_text().split())) == 4

    with pytest.raises(RunStoppedError, match="dies: each of 4 processes"):
        asyncio.run(_by_helpers(site, Errand(does="dies", notes=notes)))


async def _by_helpers(site: Site, job: Errand) -> None:
    async with several().opened(judges=False, store=None, input_bytes=0) as crew:
        # What this process takes itself would end the tests.
        hands = [crew.hands._free.get() for _ in range(3)]
        assert hands.pop() is None
        for helper in hands:
            crew.hands._free.put(helper)
        async for _ in crew.each(site, [job]):
            pass


def test_a_helper_in_the_midst_of_a_job_is_abandoned_at_once(tmp_path, helper):
    notes = tmp_path / "a"

    def abandon() -> None:
        while not notes.exists():
            time.sleep(0.05)
        helper.abandon()

    abandoning = threading.Thread(target=abandon)
    abandoning.start()
    with pytest.raises(HelperLostError, match="signal 9"):
        helper.do(bare_site(tmp_path), Errand(does="waits", notes=notes))
    abandoning.join()
    assert len(notes.read_text().splitlines()) == 1


def test_helpers_end_with_a_command_that_is_killed(tmp_path):
    glob = write_shards(tmp_path / "in")
    run_fake([glob], tmp_path / "one")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    store = str(tmp_path / "verdicts.sqlite")
    main = "from tests.fakes_curation import main; main()"
    command = [sys.executable, "-c", main, str(tmp_path / "recipe.toml"), glob]
    started = [*command, str(tmp_path / "several"), "0.05", store, "processes"]
    with subprocess.Popen(started) as process:
        while not (found := children(process.pid)):
            assert process.poll() is None
            time.sleep(0.05)
        process.kill()
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}/cmdline").exists() for pid in found):
        assert time.monotonic() < until
        time.sleep(0.05)
    subprocess.run([*command, str(tmp_path / "several"), "0", store, "processes"], check=True)
    assert tree(tmp_path / "one") == tree(tmp_path / "several")
