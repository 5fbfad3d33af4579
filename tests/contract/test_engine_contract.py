"""What every engine promises: the local one, the remote one over a real server, those over a store, and the fake."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.fakes import FakeEngine, fake_local_engine
from verifier.engines.base import Engine
from verifier.engines.remote import RemoteEngine
from verifier.engines.store import VerdictStore
from verifier.engines.stored import StoredEngine
from verifier.server.app import start_server
from verifier.settings import Settings
from verifier.types import Group, MathReference

MATH = MathReference(answers=("1",))

OpenEngine = Callable[[], AbstractAsyncContextManager[Engine]]


@asynccontextmanager
async def fake() -> AsyncIterator[Engine]:
    yield FakeEngine()


@asynccontextmanager
async def local() -> AsyncIterator[Engine]:
    engine = fake_local_engine(max_pending_completions=64, max_completion_bytes=1000)
    yield engine
    await engine.aclose()


@asynccontextmanager
async def remote() -> AsyncIterator[Engine]:
    async with local() as behind:
        settings = Settings(bind="127.0.0.1:0", max_pending_completions=64)
        async with start_server(behind, settings) as running:
            engine = RemoteEngine(running.address, deadline_s=20)
            await engine.connect()
            yield engine
            await engine.aclose()


@asynccontextmanager
async def stored(path: Path | None = None) -> AsyncIterator[StoredEngine]:
    with TemporaryDirectory() as folder, VerdictStore(path or Path(folder) / "verdicts.sqlite") as store:
        async with local() as behind:
            engine = StoredEngine(behind, store, await behind.info(), max_completions=64)
            yield engine
            await engine.aclose()


every_engine = pytest.mark.parametrize("open_engine", [fake, local, remote, stored])
every_real_engine = pytest.mark.parametrize("open_engine", [local, remote, stored])


def group(*completions, **fields):
    return Group(**{"id": "g", "completions": completions, "reference": MATH, **fields})


@every_engine
async def test_there_is_one_score_a_completion_in_order(open_engine):
    async with open_engine() as engine:
        result = await engine.verify(group("right", "wrong", "right"))
    assert result.id == "g"
    assert [scored.reward for scored in result.scores] == [1.0, 0.0, 1.0]


@every_engine
async def test_many_groups_may_be_in_flight(open_engine):
    async with open_engine() as engine:
        results = await asyncio.gather(*(engine.verify(group("right", id=str(i))) for i in range(40)))
    assert [result.id for result in results] == [str(i) for i in range(40)]


@every_engine
async def test_it_says_what_it_is_made_of(open_engine):
    async with open_engine() as engine:
        info = await engine.info()
    assert info.sandboxes == ("fake",)


@every_engine
async def test_it_can_be_closed_twice(open_engine):
    async with open_engine() as engine:
        await engine.aclose()
        await engine.aclose()


CASES = [
    group("right", "wrong", "half", "tests", "unscorable", "failed", "right"),
    group("right", recipe="r1"),
    group("right", "wrong", recipe="nope"),
    group("right", reference=None),
    group("right", prompt="unscorable"),
    group("right", prompt="failed"),
    group(),
    group("x" * 1001),
    group("right \ud800", id="\udc00"),
    group("right \0 é 😀 \u2028", id="\n"),
    group(*(f"right {i}" for i in range(64))),
    group(*(f"right {i}" for i in range(65))),
]


@pytest.mark.parametrize("case", CASES)
async def test_a_result_is_the_same_here_and_over_the_wire(case):
    async with local() as here, remote() as there:
        assert await there.verify(case) == await here.verify(case)


@pytest.mark.parametrize("case", CASES)
async def test_a_result_is_the_same_when_a_store_knows_all_or_half_of_it(case, tmp_path):
    async with local() as plain, stored(tmp_path / "all.sqlite") as first:
        expected = await plain.verify(case)
        assert await first.verify(case) == expected
    async with stored(tmp_path / "all.sqlite") as again:
        assert await again.verify(case) == expected
    half = replace(case, id="half", completions=case.completions[::2])
    async with stored(tmp_path / "half.sqlite") as engine:
        await engine.verify(half)
        assert await engine.verify(case) == expected


@every_real_engine
async def test_cancelling_a_call_frees_its_place(open_engine):
    async with open_engine() as engine:
        task = asyncio.create_task(engine.verify(group(*(f"hang {i}" for i in range(64)))))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            result = await engine.verify(group(*(f"right {i}" for i in range(64))))
    assert {scored.reward for scored in result.scores} == {1.0}


@every_real_engine
async def test_closing_answers_what_is_in_flight_as_failed(open_engine):
    async with open_engine() as engine:
        task = asyncio.create_task(engine.verify(group("hang", "hang 2")))
        await asyncio.sleep(0.2)
        await engine.aclose()
        result = await task
    assert [scored.verdicts[0].reason for scored in result.scores] == ["engine_closed"] * 2
