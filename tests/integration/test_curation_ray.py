"""Runs on a cluster of two nodes on this machine, of which one may be killed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from curation.cli import main
from curation.errors import ClusterError, ClusterStoppedError, RecipeError
from curation.executors.jobs import Lost, Site
from tests.fakes_curation import RECIPE, Deadly, FakeEngine, FakeOpener, Silence, run_fake, think, tree, write_rows
from tests.fakes_judge import judge_server
from tests.integration.test_curation_jobs import ARRANGED, bare_site, write_shards
from tests.integration.test_curation_scores import by_content, general, table
from verifier.errors import InvalidRequestError

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'assay[ray]'")

from curation.executors import ray_cluster  # noqa: E402 - it needs Ray
from curation.executors.ray_cluster import RayPlacement  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
_TRIES = 2
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


class TwoNodes:
    """A head and a node that can be killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args=NODE)
        self._node: Any = self._added()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def kill_node(self) -> None:
        """As a power cut does."""
        self._cluster.remove_node(self._node, allow_graceful=False)
        self._node = None

    def mend(self) -> None:
        """Adds a node where one was killed."""
        if self._node is None:
            self._node = self._added()

    def _added(self) -> Any:
        # Ray gives a node 30 s to begin, which a machine at work on other tests may need.
        for _ in range(_TRIES):
            with suppress(Exception):  # Ray raises no narrower one
                return self._cluster.add_node(**NODE)
        return self._cluster.add_node(**NODE)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    cluster = TwoNodes()
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(nodes: TwoNodes) -> TwoNodes:
    nodes.mend()
    return nodes


def on(cluster: TwoNodes, latency_s: float = 0.0) -> RayPlacement:
    return RayPlacement(FakeOpener(latency_s=latency_s, is_swift=True), address=cluster.address)


class Kills(Silence):
    """Kills a node when the first piece of a pass is done."""

    def __init__(self, cluster: TwoNodes, stage: str) -> None:
        super().__init__()
        self.cluster = cluster
        self.stage = stage
        self.counts: dict[str, int] = {}
        self.totals: dict[str, int] = {}

    def stage_started(self, stage: str, total: int) -> None:
        super().stage_started(stage, total)
        self.totals[stage] = total

    def advanced(self, count: int) -> None:
        super().advanced(count)
        if self.current == self.stage and self.current not in self.counts:
            self.cluster.kill_node()
        self.counts[self.current] = self.counts.get(self.current, 0) + count


def test_a_judge_is_asked_for_scores_from_the_nodes_and_no_engine_is_opened(tmp_path, cluster):
    for shard in range(4):
        rows = [general(f"worth {row % 10 + 1} {shard} {row}", prompt=f"p{row}") for row in range(15)]
        write_rows(tmp_path / f"in/s{shard}.parquet", rows)
    glob, store = str(tmp_path / "in/*.parquet"), tmp_path / "store.sqlite"
    with judge_server(by_content) as server:
        recipe = table(server)
        run_fake([glob], tmp_path / "local", recipe=recipe)
        placement = RayPlacement(no_engine, address=cluster.address)
        for output in ("ray", "again"):
            report = run_fake([glob], tmp_path / output, recipe=recipe, placement=placement, store=store)
            assert not report.stopped
            assert sum(entry.kept for entry in report.entries) == 4 * 4
        # What the first run over the cluster was told the second finds in the store.
        assert len(server.requests) == 2 * 4 * 15
    assert tree(tmp_path / "local") == tree(tmp_path / "ray") == tree(tmp_path / "again")


def test_what_needs_no_waiting_is_judged_by_the_tasks_that_read_it(tmp_path, cluster):
    glob, store = write_shards(tmp_path / "in", shards=2), tmp_path / "store.sqlite"
    for number, judges_here in enumerate((True, False)):
        opener = NotedOpener(notes=tmp_path / f"opened-{judges_here}")
        placement = RayPlacement(opener, address=cluster.address, judges_here=judges_here)
        report = run_fake([glob], tmp_path / str(judges_here), placement=placement, store=store)
        assert not report.stopped
        # The second run finds all in the store that the tasks of the first sent there.
        assert report.tallies["judging"].recalled == number * report.tallies["judging"].asked
        assert set(opener.notes.read_text().split()) == ({"task", "actor"} if judges_here else {"actor"})
    run_fake([glob], tmp_path / "local")
    assert tree(tmp_path / "local") == tree(tmp_path / "True") == tree(tmp_path / "False")


@dataclass(frozen=True, slots=True, kw_only=True)
class NotedOpener:
    """Notes where it opens an engine."""

    notes: Path

    @asynccontextmanager
    async def __call__(self, processors: int | None) -> AsyncIterator[FakeEngine]:
        with self.notes.open("a") as file:
            file.write("actor\n" if ray.get_runtime_context().get_actor_id() else "task\n")
        yield FakeEngine(is_swift=True)


def no_engine(processors: int | None) -> Any:
    raise AssertionError(processors)


@pytest.mark.parametrize("stage", ["reading", "judging", "writing", "accounting"])
def test_a_node_that_is_killed_in_a_pass_changes_no_byte(tmp_path, cluster, stage):
    glob = write_shards(tmp_path / "in", shards=12)
    run_fake([glob], tmp_path / "local", recipe=ARRANGED)
    kills = Kills(cluster, stage)
    report = run_fake([glob], tmp_path / "ray", recipe=ARRANGED, observer=kills, placement=on(cluster, latency_s=0.05))
    assert not report.stopped
    assert cluster._node is None  # it was killed
    assert tree(tmp_path / "local") == tree(tmp_path / "ray")
    assert kills.counts == kills.totals
    assert kills.fresh == [f"s{number}" for number in sorted(range(12), key=str)]


def test_a_run_that_was_killed_on_a_cluster_ends_locally_and_the_other_way_round(tmp_path, cluster):
    write_shards(tmp_path / "in", shards=12)
    (tmp_path / "recipe.toml").write_text(ARRANGED)
    with start(tmp_path, "calm") as child:
        assert child.wait() == 0
    for engines in ([cluster.address], []), ([], [cluster.address]), ([cluster.address], [cluster.address]):
        output = "-".join(str(len(engine)) for engine in engines)
        with start(tmp_path, output, *engines[0], latency_s=0.2) as child:
            wait_for_verdicts(tmp_path / output / "state", 3)
            child.kill()
            assert child.wait() == -9
        assert not (tmp_path / output / "manifest.json").exists()
        with start(tmp_path, output, *engines[1]) as child:
            assert child.wait() == 0
        assert tree(tmp_path / output) == tree(tmp_path / "calm")


def start(folder: Path, output: str, *address: str, latency_s: float = 0.0) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.fakes_curation", str(folder / "recipe.toml"), str(folder / "in/*.parquet")]
    command += [str(folder / output), str(latency_s), str(folder / f"{output}.sqlite"), *address]
    return subprocess.Popen(command, cwd=ROOT)


def wait_for_verdicts(state: Path, shards: int) -> None:
    ends = time.monotonic() + 100
    while len([*state.glob("*.verdicts.parquet")]) < shards:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_shard_that_ends_every_process_fails_by_name_and_the_others_are_done(tmp_path, cluster):
    glob = write_shards(tmp_path / "in", shards=3, prompts=4)
    rows = [{"prompt": "x", "answer": "1", "completions": [think(1, "it kills"), think(1)]}]
    write_rows(tmp_path / "in/s1.parquet", rows)
    report = run_fake([glob], tmp_path / "out", placement=on(cluster))
    assert not report.stopped
    assert {entry.name: entry.error[:35] for entry in report.entries} == {
        "s0": "",
        "s1": "each of 4 processes that worked on ",
        "s2": "",
    }
    write_rows(tmp_path / "in/s1.parquet", [{"prompt": "p", "answer": "1", "completions": [think(1, "it heals")]}])
    run_fake([glob], tmp_path / "out", placement=on(cluster))
    run_fake([glob], tmp_path / "clean")
    assert tree(tmp_path / "out") == tree(tmp_path / "clean")


@dataclass(frozen=True)
class Dies:
    name: str
    shard: str

    def run(self, site: Site) -> int:
        if self.name == "dies":
            os._exit(1)
        return len(self.name)


def test_a_job_that_ends_every_process_gives_up_its_shard_or_stops_the_run(tmp_path, cluster):
    async def done(*jobs: Dies) -> list[int | Lost]:
        async with on(cluster).opened(judges=False, store=None, input_bytes=0) as crew:
            return [result async for result in crew.each(bare_site(tmp_path), jobs)]

    one, lost, other = asyncio.run(done(Dies("one", "a"), Dies("dies", "b"), Dies("other", "c")))
    assert (one, other) == (3, 5)
    assert isinstance(lost, Lost)
    assert lost.shard == "b"
    with pytest.raises(ClusterStoppedError, match="dies: each of 4 processes"):
        asyncio.run(done(Dies("dies", "")))


def test_verdicts_go_through_the_store_of_the_command(tmp_path, cluster):
    glob = write_shards(tmp_path / "in", shards=3, prompts=4)
    store = tmp_path / "cache/verdicts.sqlite"
    run_fake([glob], tmp_path / "one", placement=on(cluster), store=store)
    engine = Deadly()
    run_fake([glob], tmp_path / "two", store=store, engine=engine)
    assert engine.asked == []
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    store.unlink()
    store.mkdir()
    with pytest.raises(InvalidRequestError, match="verdict store"):
        run_fake([glob], tmp_path / "three", placement=on(cluster), store=store)


def test_trouble_in_a_process_of_a_node_comes_as_it_was_raised(tmp_path, cluster):
    glob = write_shards(tmp_path / "in", shards=2, prompts=100)
    with pytest.raises(RecipeError, match="did you mean 'accuracy'"):
        run_fake([glob], tmp_path / "a", recipe=RECIPE + '[verify]\nrecipe = "acuracy"\n', placement=on(cluster))
    rows = [{"prompt": "p", "answer": "1", "completions": [think(1, f"broken {i}") for i in range(300)]}]
    write_rows(tmp_path / "in/s0.parquet", rows)
    report = run_fake([glob], tmp_path / "b", placement=on(cluster))
    assert "max_failed_percent = 10" in report.stopped
    assert report.unfinished == ["s0", "s1"]


def test_a_node_that_differs_is_named(tmp_path, monkeypatch):
    origin = ray_cluster._Origin(folder=str(tmp_path), versions={**ray_cluster._versions(), "polars": "0.1"})
    monkeypatch.setattr(ray_cluster, "_node", lambda: "10.0.0.7")
    with pytest.raises(ClusterStoppedError, match=r"node 10\.0\.0\.7 has polars .*, and the command has 0\.1"):
        origin.settle(bare_site(tmp_path))
    origin = ray_cluster._Origin(folder=str(tmp_path), versions=ray_cluster._versions())
    with pytest.raises(ClusterStoppedError, match=r"node 10\.0\.0\.7 does not see .*/none"):
        origin.settle(bare_site(tmp_path / "none"))
    monkeypatch.chdir(tmp_path)
    origin.settle(bare_site(tmp_path))


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "no cluster answers there"),
        ("ray://127.0.0.1:10001", "expected HOST:PORT of the cluster's head"),
        ("head", "expected HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there_ends_before_any_work(address, message):
    with pytest.raises(ClusterError, match=message):
        ray_cluster._connect(address)


def test_the_command_ends_on_a_cluster_as_it_does_here(tmp_path, cluster):
    recipe, shards = ROOT / "examples/curate.toml", ROOT / "examples/shards/*.parquet"
    command = ["run", str(recipe), "--input", str(shards), "--no-store"]
    here = CliRunner().invoke(main, [*command, "--output", str(tmp_path / "here")])
    options = ["--engine", "ray", "--address", cluster.address, "--output", str(tmp_path / "there")]
    there = CliRunner().invoke(main, [*command, *options])
    assert (there.exit_code, there.stdout) == (here.exit_code, here.stdout)
    assert tree(tmp_path / "here") == tree(tmp_path / "there")
    result = CliRunner().invoke(main, [*command, *options, "--sandbox", "lokal"])
    assert result.exit_code == 2
    assert "lokal" in result.stderr
