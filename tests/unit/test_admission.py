"""Places are counted in and out, whatever happens to those who wait."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.engines.admission import Admission
from verifier.errors import OverloadedError


async def test_who_waits_is_let_in_in_turn():
    admission = Admission(3)
    await admission.acquire(2)
    order: list[int] = []

    async def enter(number, places):
        await admission.acquire(places)
        order.append(number)

    async with asyncio.TaskGroup() as tasks:
        for number, places in enumerate((3, 1, 1)):
            tasks.create_task(enter(number, places))
        await asyncio.sleep(0)
        assert order == []
        admission.release(2)
        await asyncio.sleep(0.01)
        assert order == [0]
        admission.release(3)
    assert sorted(order) == [0, 1, 2]
    assert admission.inside == 2


async def test_nobody_overtakes_those_who_wait():
    admission = Admission(3)
    await admission.acquire(2)
    waiting = asyncio.create_task(admission.acquire(3))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError), admission.enter(1):
        pass
    admission.release(2)
    await waiting


async def test_more_than_the_limit_enter_alone():
    admission = Admission(2)
    await admission.acquire(5)
    with pytest.raises(OverloadedError), admission.enter(1):
        pass
    admission.release(5)
    with admission.enter(2):
        assert admission.inside == 2
    assert admission.inside == 0


async def test_who_is_cancelled_while_waiting_takes_no_place():
    admission = Admission(2)
    await admission.acquire(2)
    first, second = (asyncio.create_task(admission.acquire(2)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    admission.release(2)
    await second
    with pytest.raises(asyncio.CancelledError):
        await first
    assert admission.inside == 2


async def test_who_is_cancelled_just_as_the_turn_comes_gives_it_on():
    admission = Admission(2)
    await admission.acquire(2)
    first, second = (asyncio.create_task(admission.acquire(2)) for _ in range(2))
    await asyncio.sleep(0)
    admission.release(2)
    first.cancel()
    await second
    assert first.cancelled()
    assert admission.inside == 2


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3), st.booleans()), max_size=25), st.integers(1, 8))
def test_every_place_comes_back_whatever_is_cancelled(moves, limit):
    async def run():
        admission = Admission(limit)

        async def visit(places, turns):
            await admission.acquire(places)
            try:
                assert admission.inside <= max(limit, places)
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                admission.release(places)

        tasks = []
        for places, turns, is_cancelled in moves:
            tasks.append(asyncio.create_task(visit(places, turns)))
            await asyncio.sleep(0)
            if is_cancelled:
                tasks[len(tasks) // 2].cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
        assert admission.inside == 0
        with admission.enter(limit):
            pass

    asyncio.run(run())
