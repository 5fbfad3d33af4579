"""The embedded sandbox: runners as jailed child processes of this one, without Docker.

Each runner builds the strongest jail that the machine gives (``runner/jail.py``); where the required walls do not
stand, nothing is run.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from verifier.errors import SandboxError
from verifier.sandbox import runner
from verifier.sandbox.base import Job, JobResult, SandboxReport
from verifier.sandbox.pool import SlotPool
from verifier.sandbox.slot import Slot, new_uid_base, walls_of

RUNNER_DIRECTORY = Path(runner.__file__).parent
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    "LANG": "C.UTF-8",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
"""All that a runner and its children see of the environment: nothing of ours."""

_REMEDY = (
    "run as root, allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu),"
    " use Linux 5.13 or later for Landlock, or use --sandbox docker"
)


class _ProcessLink:
    """A runner as a child process."""

    def __init__(self, process: asyncio.subprocess.Process, scratch: str) -> None:
        self._process = process
        self._scratch = scratch

    async def send(self, data: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None:
            raise EOFError
        try:
            stdin.write(data)
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise EOFError from error

    async def read_exactly(self, count: int) -> bytes:
        stdout = self._process.stdout
        if stdout is None:
            raise EOFError
        return await stdout.readexactly(count)

    def is_open(self) -> bool:
        stdout = self._process.stdout
        return self._process.returncode is None and stdout is not None and not stdout.at_eof()

    async def close(self) -> bool:
        # One that has ended by itself, other than by SIGKILL, was brought down by its job.
        try:
            async with asyncio.timeout(0.2):
                code = await self._process.wait()
            own_doing = code not in (-signal.SIGKILL, 128 + signal.SIGKILL)
        except TimeoutError:
            own_doing = False
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                await self._process.stdin.wait_closed()
        await self._process.wait()
        if self._process.stdout is not None:
            # To the end, so that the transport closes before the loop does.
            while await self._process.stdout.read(1 << 16):
                pass
        await asyncio.to_thread(shutil.rmtree, self._scratch, ignore_errors=True)
        return own_doing


class LocalSandbox:
    """Runners on this machine.

    Args:
        slots: programs that run at once.
        mode: insist on this kind of jail (``namespaces``, ``uid`` or ``landlock``); empty takes the strongest.
    """

    def __init__(self, *, slots: int, mode: str = "") -> None:
        self._mode = mode
        self._pool = SlotPool(size=slots, open_slot=self._open_slot, is_shared=True)
        self._slots = slots

    async def start(self) -> None:
        """Starts the runners, so that a machine without walls is known before the first job.

        Raises:
            SandboxError: no runner can be started; each job will be answered with the same error.
        """
        await self._pool.warm("", self._slots)

    async def run(self, job: Job) -> JobResult:
        """See ``Sandbox.run``."""
        return await self._pool.run(job)

    async def report(self) -> SandboxReport:
        """See ``Sandbox.report``."""
        try:
            slot = await self._pool.probe("")
        except SandboxError as error:
            return SandboxReport(
                backend="local", is_ready=False, walls=(), toolchains=(), remedy=f"{error.detail}; {_REMEDY}"
            )
        self._pool.done("", slot)
        refusal = slot.refusal()
        return SandboxReport(
            backend="local",
            is_ready=not refusal,
            walls=walls_of(slot.ready),
            toolchains=tuple(sorted(slot.tools)),
            remedy=f"{refusal}; {_REMEDY}" if refusal else "",
        )

    async def aclose(self) -> None:
        """See ``Sandbox.aclose``."""
        await self._pool.aclose()

    async def _open_slot(self, toolchain: str) -> Slot:  # noqa: ARG002 (every runner has every toolchain)
        try:
            scratch = await asyncio.to_thread(tempfile.mkdtemp, prefix="assay-")
        except OSError as error:
            problem = f"no directory can be made for a runner: {os.strerror(error.errno or 0)}"
            raise SandboxError("sandbox_lost", f"{problem}; mount a writable /tmp, or set TMPDIR") from error
        config = {
            "is_container": False,
            "scratch": scratch,
            "uid_base": new_uid_base(),
            "mode": self._mode,
        }
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-s",  # and not -I, which would pass over PYTHONHASHSEED and its like in ENVIRONMENT
                str(RUNNER_DIRECTORY),
                "supervisor",
                json.dumps(config),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                limit=1 << 22,
            )
        except OSError as error:
            raise SandboxError("sandbox_lost", f"the sandbox runner cannot be started: {error}") from error
        return await Slot.open(_ProcessLink(process, scratch))
