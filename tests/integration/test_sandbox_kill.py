"""Runners killed in the middle of a job: it runs again, and nobody is blamed for what an outsider did."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import docker.errors
import pytest

from tests.sandboxes import Runner, opened, runner_of, zygote_of
from verifier.errors import SandboxError
from verifier.sandbox import StartableSandbox
from verifier.sandbox.base import Job, Limits, Program, StdioRun
from verifier.sandbox.docker import DockerSandbox, _ContainerLink
from verifier.sandbox.pool import ATTEMPTS
from verifier.sandbox.slot import Slot
from verifier.types import CodeReference, Group, Outcome, StdioTest
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.workers import WorkerPool

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PROGRAM = "import time\nprint('up', flush=True)\ntime.sleep(0.4)\nprint(input())"
JOB = Job(
    toolchain="python",
    program=Program(source_name="solution.py", source=PROGRAM),
    runs=(StdioRun(stdin=b"42\n"),),
    limits=Limits(cpu_time_s=2),
)

Kill = Callable[[StartableSandbox, Runner], Awaitable[None]]


BACKENDS = ["local-namespaces", "local-uid", "unprivileged-landlock", pytest.param("docker", marks=pytest.mark.docker)]


@pytest.fixture(params=BACKENDS)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[StartableSandbox]:
    async with opened(request.param) as opened_sandbox:
        yield opened_sandbox


async def kill_supervisor(sandbox: StartableSandbox, runner: Runner) -> None:
    assert runner.pid > 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(runner.pid, signal.SIGKILL)


async def kill_zygote(sandbox: StartableSandbox, runner: Runner) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(zygote_of(runner), signal.SIGKILL)


async def kill_container(sandbox: StartableSandbox, runner: Runner) -> None:
    if not isinstance(sandbox, DockerSandbox):
        pytest.skip("only the docker backend has containers")
    engine = sandbox._engine()
    for container in engine.containers.list(filters={"label": "assay.sandbox"}, ignore_removed=True):
        with contextlib.suppress(docker.errors.NotFound):  # another test's, which has just ended
            container.reload()
            if container.attrs["State"]["Pid"] == runner.pid:
                await asyncio.to_thread(container.remove, force=True)


every_kill = pytest.mark.parametrize("kill", [kill_supervisor, kill_zygote, kill_container])


@every_kill
async def test_a_job_whose_runner_is_killed_is_run_again(sandbox, kill):
    runner = runner_of(sandbox)
    zygote = zygote_of(runner)
    task = asyncio.create_task(sandbox.run(JOB))
    await asyncio.sleep(0.2)
    if kill is kill_zygote:
        os.kill(zygote, signal.SIGKILL)
    else:
        await kill(sandbox, runner)
    result = await task
    assert result.runs[0].stdout == b"up\n42\n"
    assert runner_of(sandbox).pid != runner.pid
    await gone(runner)


async def gone(runner: Runner) -> None:
    """Nothing of a runner that was killed lives on."""
    for _ in range(150):
        if not runner.pids:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(runner.pids)


async def test_a_job_whose_idle_runner_was_killed_is_run_in_another(sandbox):
    await sandbox.run(JOB)
    for kill in (kill_supervisor, kill_zygote):
        runner = runner_of(sandbox)
        await kill(sandbox, runner)
        await asyncio.sleep(0.05)
        assert (await sandbox.run(JOB)).runs[0].stdout == b"up\n42\n"


@pytest.mark.parametrize("part", ["supervisor", "zygote"])
async def test_a_runner_that_is_killed_each_time_is_our_failure(sandbox, part, monkeypatch):
    """Whoever kills it three times over: the program did not."""
    killed = await killing_each(sandbox, part, monkeypatch)
    with pytest.raises(SandboxError) as error:
        await sandbox.run(JOB)
    assert error.value.is_lost
    assert not error.value.is_own_doing
    assert len(killed) == ATTEMPTS
    for runner in killed:
        await gone(runner)


async def killing_each(sandbox, part, monkeypatch):
    """Kills every runner a moment after it was given its job."""
    killed: list[Runner] = []
    run = Slot.run

    async def run_and_kill(slot: Slot, job: Job):
        runner = runner_of_slot(sandbox, slot)
        zygote = zygote_of(runner)
        killed.append(runner)

        async def kill():
            await asyncio.sleep(0.15)
            os.kill(runner.pid if part == "supervisor" else zygote, signal.SIGKILL)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(kill())
            try:
                return await run(slot, job)
            except SandboxError as error:
                return error

    async def unwrapped(slot: Slot, job: Job):
        result = await run_and_kill(slot, job)
        if isinstance(result, SandboxError):
            raise result
        return result

    monkeypatch.setattr(Slot, "run", unwrapped)
    return killed


def runner_of_slot(sandbox: StartableSandbox, slot: Slot) -> Runner:
    pool = sandbox._pool  # type: ignore[attr-defined]
    idle, pool._idle = pool._idle, {"": [slot]}
    try:
        return runner_of(sandbox)
    finally:
        pool._idle = idle


async def test_the_verdict_on_a_killed_sandbox_is_no_verdict_and_the_next_is_right(sandbox, monkeypatch):
    verifier = CodeVerifier({}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox))
    reference = CodeReference(language="python", stdio=(StdioTest(input="42\n", output="up 42"),))
    judge = await verifier.open_group(Group(id="g", completions=("x",), reference=reference))
    with monkeypatch.context() as patched:
        await killing_each(sandbox, "supervisor", patched)
        with pytest.raises(SandboxError) as error:
            await judge.verify(f"```python\n{PROGRAM}\n```")
        assert error.value.reason == "sandbox_lost"
    verdict = await judge.verify(f"```python\n{PROGRAM}\n```")
    assert verdict.outcome is Outcome.CORRECT


async def test_a_batch_survives_kills_all_along(sandbox):
    """Every program is judged in the end, or the sandbox says that it was lost; none is wrong."""
    killed = 0

    async def killer():
        nonlocal killed
        while killed < 3:
            await asyncio.sleep(0.1)
            slots = [slot for slots in sandbox._pool._idle.values() for slot in slots]
            # A container that has ended may be gone, or has the pid 0, which as a target would be our own group.
            with contextlib.suppress(docker.errors.NotFound):
                if slots and (runner := runner_of(sandbox)).pid > 0:
                    await kill_supervisor(sandbox, runner)
                    killed += 1

    async def one(number: int):
        job = Job(
            toolchain="python",
            program=Program(source_name="s.py", source=f"print({number})"),
            runs=(StdioRun(stdin=b""),) * 3,
            limits=Limits(),
        )
        try:
            return [run.stdout for run in (await sandbox.run(job)).runs]
        except SandboxError as error:
            return None if error.is_lost and not error.is_own_doing else error

    async def batch():
        start = -10
        while killed < 3:
            start += 10
            found = await asyncio.gather(*(one(number) for number in range(start, start + 10)))
            assert all(it in (None, [b"%d\n" % number] * 3) for number, it in enumerate(found, start))
            await asyncio.sleep(0.25)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(killer())
        tasks.create_task(batch())
    assert killed == 3


async def test_the_container_link_is_what_the_docker_backend_uses(sandbox):
    """Guards the look inside that these tests take."""
    pool = sandbox._pool
    (slot,) = [slot for slots in pool._idle.values() for slot in slots]
    assert isinstance(slot.link, _ContainerLink) == isinstance(sandbox, DockerSandbox)
