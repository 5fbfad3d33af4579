"""The worker pool: real processes, small tasks written to a temporary module."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import pytest

from verifier.errors import InfrastructureError, OverloadedError, WorkerCrashedError, WorkerTimeoutError
from verifier.workers import Json, WorkerPool
from verifier.workers.frames import MAX_FRAME_BYTES, body_length, pack

TASKS = """
import ctypes, os, pathlib, random, sys, time

def echo(payload):
    return payload

def spin(payload):
    while True:
        pass

def big_power(payload):
    return str(9 ** 9 ** 9)[:3]

def sleep(seconds):
    time.sleep(seconds)
    return "slept"

def segfault(payload):
    ctypes.string_at(0)

def segfault_once(path):
    if not pathlib.Path(path).exists():
        os.mkdir(path)
        ctypes.string_at(0)
    return "fine now"

def killed(times):
    directory, limit = times
    if len(os.listdir(directory)) < limit:
        os.mkdir(f"{directory}/{os.getpid()}")
        os.kill(os.getpid(), 9)
    return "survived"

def leave(status):
    os._exit(status)

def bomb(payload):
    return len(bytearray(1 << 40))

def survived_bomb(payload):
    keep = []
    try:
        while True:
            keep.append(bytearray(1 << 24))
    except MemoryError:
        sys.modules["kept"] = keep
        return os.getpid()

def shout(payload):
    print("noise on standard output", flush=True)
    os.write(1, b"more noise")
    os.write(2, b"and on standard error")
    return "heard"

def fail(payload):
    raise KeyError("a bug")

def dice(payload):
    return [random.random(), hash("text")]

def pid(payload):
    return os.getpid()

def environment(payload):
    return sorted(os.environ)
"""
NAMES = tuple(line[4 : line.index("(")] for line in TASKS.splitlines() if line.startswith("def "))


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    (tmp_path / "pool_tasks.py").write_text(TASKS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    return {name: f"pool_tasks:{name}" for name in NAMES}


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_task_gets_its_payload_and_its_value_comes_back(tasks: dict[str, str]) -> None:
    payload: Json = {"text": "½ \ud800 \x00", "numbers": [1, 2.5, 10**30, None, True]}
    async with WorkerPool(tasks=tasks, size=1) as pool:
        assert await pool.call("echo", payload, cpu_budget_s=5) == payload


async def test_a_hung_call_is_killed_and_the_next_one_runs(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        with pytest.raises(WorkerTimeoutError, match=r"0\.2 s of CPU"):
            await pool.call_with_retry("spin", None, cpu_budget_s=0.2)
        assert await pool.call("echo", "next", cpu_budget_s=5) == "next"


async def test_a_call_that_holds_the_interpreter_lock_is_killed_too(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        with pytest.raises(WorkerTimeoutError):
            await pool.call("big_power", None, cpu_budget_s=0.2)


async def test_time_asleep_is_not_charged_to_the_budget(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        assert await pool.call("sleep", 0.5, cpu_budget_s=0.1) == "slept"


async def test_a_task_that_takes_down_two_workers_is_to_blame(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        with pytest.raises(WorkerCrashedError, match="SIGSEGV") as caught:
            await pool.call_with_retry("segfault", None, cpu_budget_s=5)
        assert caught.value.is_own_doing
        assert await pool.call("echo", 1, cpu_budget_s=5) == 1


async def test_a_single_crash_is_tried_again_and_forgiven(tasks: dict[str, str], tmp_path: Path) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        answer = await pool.call_with_retry("segfault_once", str(tmp_path / "crashed"), cpu_budget_s=5)
    assert answer == "fine now"


@pytest.mark.parametrize("kills", [1, 2])
async def test_a_worker_killed_from_outside_is_replaced_and_its_call_answered(
    tasks: dict[str, str], tmp_path: Path, kills: int
) -> None:
    (tmp_path / "marks").mkdir()
    async with WorkerPool(tasks=tasks, size=1) as pool:
        answer = await pool.call_with_retry("killed", [str(tmp_path / "marks"), kills], cpu_budget_s=5)
    assert answer == "survived"


async def test_three_kills_from_outside_are_our_failure_not_the_tasks(tasks: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    async with WorkerPool(tasks=tasks, size=1) as pool:
        with pytest.raises(WorkerCrashedError) as caught:
            await pool.call_with_retry("killed", [str(tmp_path / "marks"), 99], cpu_budget_s=5)
    assert not caught.value.is_own_doing
    assert len(list((tmp_path / "marks").iterdir())) == 3


async def test_a_worker_killed_while_idle_costs_no_call(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        for pid in pool.pids:
            os.kill(pid, signal.SIGKILL)
        assert await pool.call_with_retry("echo", "alive", cpu_budget_s=5) == "alive"


async def test_a_worker_killed_while_it_starts_is_replaced_too(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        (first,) = pool.pids
        with pytest.raises(WorkerCrashedError):
            await pool.call("segfault", None, cpu_budget_s=5)
        while pool.pids in ((), (first,)):  # noqa: ASYNC110 - a process that starts sets no event
            await asyncio.sleep(0)
        os.kill(pool.pids[0], signal.SIGKILL)
        assert await pool.call_with_retry("echo", "alive", cpu_budget_s=5) == "alive"


async def test_a_task_that_leaves_its_process_is_to_blame(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        with pytest.raises(WorkerCrashedError, match="exit status 3") as caught:
            await pool.call("leave", 3, cpu_budget_s=5)
    assert caught.value.is_own_doing


async def test_a_memory_bomb_ends_its_worker_and_nothing_else(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1, memory_bytes=1 << 28) as pool:
        with pytest.raises(WorkerCrashedError) as caught:
            await pool.call_with_retry("bomb", None, cpu_budget_s=5)
        assert caught.value.is_own_doing
        assert await pool.call("echo", 1, cpu_budget_s=5) == 1


async def test_a_worker_whose_memory_stays_high_is_not_used_again(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1, memory_bytes=1 << 28) as pool:
        swollen = await pool.call("survived_bomb", None, cpu_budget_s=5)
        assert await pool.call("pid", None, cpu_budget_s=5) != swollen


async def test_a_cancelled_call_kills_its_worker(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        (pid,) = pool.pids
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await pool.call("spin", None, cpu_budget_s=60)
        assert await pool.call("pid", None, cpu_budget_s=5) != pid
        assert not is_running(pid)


async def test_a_call_cancelled_while_it_waits_is_never_run(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        first = asyncio.create_task(pool.call("sleep", 0.3, cpu_budget_s=5))
        second = asyncio.create_task(pool.call("leave", 1, cpu_budget_s=5))
        await asyncio.sleep(0.05)
        second.cancel()
        (pid,) = pool.pids
        assert await first == "slept"
        assert await pool.call("pid", None, cpu_budget_s=5) == pid


async def test_an_opened_pool_starts_a_worker_with_the_first_call_that_needs_it(tasks: dict[str, str]) -> None:
    pool = WorkerPool(tasks=tasks, size=2)
    pool.open()
    try:
        await asyncio.sleep(0)
        assert pool.pids == ()
        assert await pool.call("echo", {"n": 1}, cpu_budget_s=5) == {"n": 1}
        assert len(pool.pids) == 1
    finally:
        await pool.aclose()
    assert pool.pids == ()


async def test_many_calls_at_once_are_all_answered(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=2) as pool:
        answers = await asyncio.gather(*(pool.call("echo", n, cpu_budget_s=5) for n in range(1000)))
    assert answers == list(range(1000))


async def test_calls_that_crash_do_not_disturb_those_beside_them(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=2) as pool:
        calls = [pool.call("segfault" if n % 10 == 3 else "echo", n, cpu_budget_s=5) for n in range(30)]
        answers = await asyncio.gather(*calls, return_exceptions=True)
    for n, answer in enumerate(answers):
        assert isinstance(answer, WorkerCrashedError) if n % 10 == 3 else answer == n


async def test_calls_run_in_the_order_in_which_they_were_made(tasks: dict[str, str]) -> None:
    order: list[int] = []

    async def call(pool: WorkerPool, n: int) -> None:
        await pool.call("echo", n, cpu_budget_s=5)
        order.append(n)

    async with WorkerPool(tasks=tasks, size=1) as pool:
        await asyncio.gather(*(call(pool, n) for n in range(50)))
    assert order == list(range(50))


async def test_too_many_waiting_calls_are_refused_at_once(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1, max_waiting=2) as pool:
        calls = [asyncio.create_task(pool.call("sleep", 0.2, cpu_budget_s=5)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await pool.call("echo", 1, cpu_budget_s=5)
        await asyncio.gather(*calls)
        assert await pool.call("echo", 1, cpu_budget_s=5) == 1


async def test_what_a_library_prints_does_not_reach_the_protocol(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        assert await pool.call("shout", None, cpu_budget_s=5) == "heard"
        assert await pool.call("echo", 1, cpu_budget_s=5) == 1


async def test_a_bug_in_a_task_is_raised_with_its_trace_and_is_no_crash(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        with pytest.raises(RuntimeError, match="KeyError: 'a bug'"):
            await pool.call_with_retry("fail", None, cpu_budget_s=5)
        assert await pool.call("echo", 1, cpu_budget_s=5) == 1


async def test_randomness_and_hashes_are_the_same_in_every_call(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=2) as pool:
        throws = await asyncio.gather(*(pool.call("dice", None, cpu_budget_s=5) for _ in range(8)))
    assert all(throw == throws[0] for throw in throws)


async def test_secrets_of_the_environment_do_not_reach_a_worker(
    tasks: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    async with WorkerPool(tasks=tasks, size=1) as pool:
        names = await pool.call("environment", None, cpu_budget_s=5)
    assert isinstance(names, list)
    assert "SECRET_TOKEN" not in names


async def test_closing_leaves_no_process_behind_and_fails_what_is_under_way(tasks: dict[str, str]) -> None:
    pool = WorkerPool(tasks=tasks, size=2)
    await pool.start()
    await pool.start()
    pids = pool.pids
    assert len(pids) == 2
    calls = [asyncio.create_task(pool.call("spin", None, cpu_budget_s=60)) for _ in range(5)]
    await asyncio.sleep(0.1)
    await pool.aclose()
    await pool.aclose()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(answer, InfrastructureError) and answer.reason == "pool_closed" for answer in answers)
    assert not any(is_running(pid) for pid in pids)
    assert pool.pids == ()
    with pytest.raises(InfrastructureError, match="pool_closed"):
        await pool.call("echo", 1, cpu_budget_s=5)


async def test_a_task_that_cannot_be_loaded_is_told_at_the_start() -> None:
    pool = WorkerPool(tasks={"none": "verifier.no_such_module:run"}, size=2)
    with pytest.raises(InfrastructureError, match="no_such_module") as caught:
        await pool.start()
    assert caught.value.reason == "worker_start"
    assert pool.pids == ()


async def test_a_memory_limit_too_low_to_start_is_told_at_the_start(tasks: dict[str, str]) -> None:
    with pytest.raises(InfrastructureError, match="worker_start"):
        await WorkerPool(tasks=tasks, size=1, memory_bytes=1 << 22).start()


async def test_an_unknown_task_and_an_empty_pool_are_errors_of_the_caller(tasks: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        WorkerPool(tasks=tasks, size=0)
    with pytest.raises(ValueError, match="no task 'other'"):
        await WorkerPool(tasks=tasks, size=1).call("other", 1, cpu_budget_s=1)


async def test_a_payload_over_the_limit_is_refused_and_the_pool_lives_on(tasks: dict[str, str]) -> None:
    async with WorkerPool(tasks=tasks, size=1) as pool:
        with pytest.raises(ValueError, match="over the limit"):
            await pool.call("echo", "x" * MAX_FRAME_BYTES, cpu_budget_s=5)
        large = "x" * (1 << 20)
        assert await pool.call("echo", large, cpu_budget_s=5) == large


def test_a_pool_works_in_the_loop_of_a_background_thread(tasks: dict[str, str]) -> None:
    answers: list[Json] = []

    async def use() -> None:
        async with WorkerPool(tasks=tasks, size=1) as pool:
            with pytest.raises(WorkerTimeoutError):
                await pool.call("spin", None, cpu_budget_s=0.1)
            answers.append(await pool.call("echo", "there", cpu_budget_s=5))

    thread = threading.Thread(target=lambda: asyncio.run(use()))
    thread.start()
    thread.join(60)
    assert answers == ["there"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
async def test_workers_die_with_the_process_that_holds_the_pool(tmp_path: Path, tasks: dict[str, str]) -> None:
    holder = tmp_path / "holder.py"
    holder.write_text(
        "import asyncio, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "from verifier.workers import WorkerPool\n"
        "async def main():\n"
        f"    pool = WorkerPool(tasks={tasks!r}, size=2)\n"
        "    await pool.start()\n"
        "    print(*pool.pids, flush=True)\n"
        "    await pool.call('spin', None, cpu_budget_s=60)\n"
        "asyncio.run(main())\n",
        encoding="utf-8",
    )
    process = await asyncio.create_subprocess_exec(sys.executable, str(holder), stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    pids = [int(word) for word in (await process.stdout.readline()).split()]
    assert len(pids) == 2
    process.kill()
    await process.communicate()
    for _ in range(100):
        if not any(is_running(pid) for pid in pids):
            break
        await asyncio.sleep(0.05)
    assert not any(is_running(pid) for pid in pids)


def test_a_header_that_announces_too_much_is_refused() -> None:
    assert body_length(pack({})[:4]) == 2
    with pytest.raises(ValueError, match="announces"):
        body_length(b"\xff\xff\xff\xff")
