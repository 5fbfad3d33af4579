"""Runners that are lost: when a job runs again, and when it is the job's own doing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from verifier.errors import SandboxError
from verifier.sandbox.base import Job, Limits, Program, StdioRun
from verifier.sandbox.pool import ATTEMPTS, SlotPool
from verifier.sandbox.runner import frames
from verifier.sandbox.slot import Slot

READY: frames.Header = {
    "op": "ready",
    "mode": "uid",
    "landlock_abi": 7,
    "let_through": [],
    "tools": {"g++": "/usr/bin/g++"},
}
RUN: frames.Header = {
    "op": "run",
    "status": "exited",
    "exit_code": 0,
    "signal": 0,
    "cpu_time_s": 0.1,
    "memory_bytes": 1,
}
JOB = Job(
    toolchain="python", program=Program(source_name="s.py", source=""), runs=(StdioRun(stdin=b""),), limits=Limits()
)
NOT_OWN, OWN = False, True


class FakeLink:
    """A runner that answers each job with one run, until it is told to go away."""

    def __init__(self, *, goes: bool | None = None, ready: frames.Header = READY, is_spent: bool = False) -> None:
        self.goes = goes
        self.is_spent = is_spent
        self.is_closed = False
        self.is_gone = False
        self.jobs = 0
        self._answers = bytearray(frames.pack(ready))

    async def send(self, data: bytes) -> None:
        self.jobs += 1
        if self.goes is None:
            self._answers += frames.pack(RUN, [b"out", b"", b""])
            self._answers += frames.pack({"op": "done", "is_spent": self.is_spent})

    async def read_exactly(self, count: int) -> bytes:
        await asyncio.sleep(0)
        if len(self._answers) < count:
            raise EOFError
        data = bytes(self._answers[:count])
        del self._answers[:count]
        return data

    def is_open(self) -> bool:
        return not self.is_gone

    async def close(self) -> bool:
        self.is_closed = True
        return bool(self.goes)


def pool_of(links, *, size=1, is_shared=True):
    given: Iterator[FakeLink] = iter(links)

    async def open_slot(toolchain):
        return await Slot.open(next(given))

    return SlotPool(size=size, open_slot=open_slot, is_shared=is_shared)


async def test_a_runner_is_kept_for_the_next_job():
    link = FakeLink()
    pool = pool_of([link])
    for _ in range(3):
        result = await pool.run(JOB)
        assert result.runs[0].stdout == b"out"
    assert link.jobs == 3
    await pool.aclose()
    assert link.is_closed


async def test_a_job_whose_runner_is_killed_runs_again_in_a_new_one():
    links = [FakeLink(goes=NOT_OWN), FakeLink(goes=NOT_OWN), FakeLink()]
    pool = pool_of(links)
    assert (await pool.run(JOB)).runs[0].stdout == b"out"
    assert [link.jobs for link in links] == [1, 1, 1]
    assert [link.is_closed for link in links] == [True, True, False]
    await pool.aclose()


async def test_a_job_whose_runner_is_killed_each_time_is_our_failure():
    links = [FakeLink(goes=NOT_OWN) for _ in range(ATTEMPTS)]
    with pytest.raises(SandboxError) as error:
        await pool_of(links).run(JOB)
    assert error.value.is_lost
    assert not error.value.is_own_doing
    assert all(link.is_closed for link in links)


async def test_a_job_that_takes_two_runners_down_did_it_itself():
    links = [FakeLink(goes=OWN), FakeLink(goes=OWN), FakeLink()]
    with pytest.raises(SandboxError) as error:
        await pool_of(links).run(JOB)
    assert error.value.is_own_doing
    assert links[2].jobs == 0


async def test_one_that_goes_down_once_is_given_the_benefit_of_the_doubt():
    pool = pool_of([FakeLink(goes=OWN), FakeLink()])
    assert (await pool.run(JOB)).runs[0].stdout == b"out"
    await pool.aclose()


async def test_a_runner_that_went_while_it_was_idle_is_replaced_and_nobody_is_blamed():
    links = [FakeLink(), FakeLink()]
    pool = pool_of(links)
    await pool.run(JOB)
    links[0].is_gone = True
    links[0].goes = OWN
    assert (await pool.run(JOB)).runs[0].stdout == b"out"
    assert [link.jobs for link in links] == [1, 1]
    assert links[0].is_closed
    await pool.aclose()


async def test_a_spent_runner_is_replaced():
    links = [FakeLink(is_spent=True), FakeLink()]
    pool = pool_of(links)
    await pool.run(JOB)
    assert links[0].is_closed
    await pool.run(JOB)
    assert links[1].jobs == 1
    await pool.aclose()


async def test_a_cancelled_job_takes_its_runner_along():
    class Slow(FakeLink):
        async def send(self, data: bytes) -> None:
            await asyncio.sleep(60)

    links = [Slow(), FakeLink()]
    pool = pool_of(links)
    task = asyncio.create_task(pool.run(JOB))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert links[0].is_closed
    assert (await pool.run(JOB)).runs[0].stdout == b"out"
    await pool.aclose()


async def test_no_more_jobs_run_at_once_than_the_size():
    now, most = 0, 0

    class Counting(FakeLink):
        async def send(self, data: bytes) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.01)
            now -= 1
            await super().send(data)

    pool = pool_of([Counting() for _ in range(2)], size=2)
    await asyncio.gather(*(pool.run(JOB) for _ in range(8)))
    assert most == 2
    await pool.aclose()


@pytest.mark.parametrize(
    "let_through", [["read_host"], ["open_socket"], ["signal_parent"], ["new_namespace"], ["other"]]
)
async def test_nothing_runs_where_a_wall_does_not_stand(let_through):
    link = FakeLink(ready={**READY, "let_through": let_through})
    with pytest.raises(SandboxError) as error:
        await pool_of([link]).run(JOB)
    assert error.value.reason == "no_isolation"
    assert not error.value.is_own_doing
    assert link.jobs == 0
    assert link.is_closed


async def test_a_runner_that_refuses_says_why():
    link = FakeLink(ready={"op": "refused", "reason": "no Landlock here"})
    with pytest.raises(SandboxError, match="no Landlock here") as error:
        await pool_of([link]).run(JOB)
    assert error.value.reason == "no_isolation"
    assert link.is_closed


async def test_a_missing_tool_costs_no_runner():
    link = FakeLink()
    pool = pool_of([link])
    job = Job(
        toolchain="rust",
        program=Program(source_name="s.rs", source="", compile_command=("rustc",), run_command=("{binary}",)),
        runs=JOB.runs,
        limits=Limits(),
    )
    with pytest.raises(SandboxError) as error:
        await pool.run(job)
    assert error.value.reason == "no_toolchain"
    assert not link.is_closed
    await pool.aclose()


async def test_toolchains_with_runners_of_their_own_make_room_for_each_other():
    links = [FakeLink(), FakeLink()]
    pool = pool_of(links, is_shared=False)
    await pool.run(JOB)
    cpp = Job(toolchain="cpp", program=Program(source_name="m.cpp", source=""), runs=JOB.runs, limits=Limits())
    await pool.run(cpp)
    assert links[0].is_closed
    await pool.aclose()


async def test_a_closed_pool_runs_nothing():
    pool = pool_of([FakeLink()])
    await pool.aclose()
    await pool.aclose()
    with pytest.raises(SandboxError) as error:
        await pool.run(JOB)
    assert error.value.reason == "sandbox_closed"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0\0\2{",
        b"\xff\xff\xff\xff",
        b"\0\0\0\2[]",
        b"\0\0\0\4nope",
        frames.pack({"op": "x"})[:-1] + b"!",
        frames.LENGTH.pack(13) + json.dumps({"blobs": -1}).encode(),
    ],
)
async def test_a_runner_that_speaks_nonsense_is_a_lost_one(data):
    class Broken(FakeLink):
        async def send(self, sent: bytes) -> None:
            self._answers += data

    links = [Broken() for _ in range(ATTEMPTS)]
    with pytest.raises(SandboxError) as error:
        await pool_of(links).run(JOB)
    assert error.value.is_lost
    assert not error.value.is_own_doing
