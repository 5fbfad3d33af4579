"""Trouble that is ours is never a program's verdict: a runner that cannot make a jail, neighbours that fork."""

import asyncio
import shutil
import signal
from pathlib import Path

import pytest

from tests.sandboxes import runner_of
from verifier.errors import SandboxError
from verifier.sandbox import SANDBOXES, SandboxConfig
from verifier.sandbox.base import Job, Limits, Program, RunStatus, StdioRun
from verifier.sandbox.local import LocalSandbox

FORK_BOMB = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
HONEST_CHILD = (
    "import subprocess, sys\n"
    "for _ in range(10):\n"
    "    subprocess.run([sys.executable, '-S', '-c', 'pass'], check=True)\n"
    "print('done')\n"
)


def _job(source: str) -> Job:
    return Job(
        toolchain="python",
        program=Program(source_name="solution.py", source=source),
        runs=(StdioRun(stdin=b""),),
        limits=Limits(cpu_time_s=2, processes=32),
    )


async def test_a_runner_that_cannot_make_a_directory_is_replaced():
    sandbox = LocalSandbox(slots=1, mode="landlock")
    try:
        await sandbox.start()
        shutil.rmtree(Path(runner_of(sandbox).work))

        result = await sandbox.run(_job("print('done')"))

        assert result.runs[0].stdout == b"done\n"
    finally:
        await sandbox.aclose()


async def test_programs_do_not_inherit_the_signals_that_their_host_ignores():
    # As a shell does for what it starts in the background.
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    sandbox = LocalSandbox(slots=1)
    try:
        await sandbox.start()
        source = "import signal\nprint(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"

        result = await sandbox.run(_job(source))

        assert result.runs[0].stdout == b"True\n"
    except SandboxError as error:
        pytest.skip(f"local: {error}")
    finally:
        signal.signal(signal.SIGINT, old)
        await sandbox.aclose()


@pytest.mark.parametrize("backend", ["local", pytest.param("docker", marks=pytest.mark.docker)])
async def test_a_neighbour_that_forks_without_end_costs_an_honest_program_nothing(backend):
    sandbox = SANDBOXES[backend](SandboxConfig(slots=2))
    try:
        try:
            await sandbox.start()
        except SandboxError as error:
            pytest.skip(f"{backend}: {error}")
        jobs = [_job(FORK_BOMB), _job(HONEST_CHILD)] * 2

        results = await asyncio.gather(*(sandbox.run(job) for job in jobs))

        for honest in results[1::2]:
            assert (honest.runs[0].status, honest.runs[0].stdout) == (RunStatus.EXITED, b"done\n"), honest.runs[
                0
            ].stderr
    finally:
        await sandbox.aclose()
