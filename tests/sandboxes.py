"""Real sandboxes for tests: each backend in each mode that a machine can give, and what is left of what they ran."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from verifier.errors import SandboxError
from verifier.sandbox import SANDBOXES, SandboxConfig, StartableSandbox
from verifier.sandbox.base import Job, JobResult, SandboxReport
from verifier.sandbox.docker import DockerSandbox, _ContainerLink
from verifier.sandbox.local import ENVIRONMENT, RUNNER_DIRECTORY, LocalSandbox, _ProcessLink
from verifier.sandbox.pool import SlotPool
from verifier.sandbox.slot import Slot, walls_of

NOBODY = 65534


class UnprivilegedSandbox:
    """The local backend as a user without privileges runs it, with the system's Python; needs root to become one."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._home = tempfile.mkdtemp(prefix="assay-test-")
        Path(self._home).chmod(0o755)
        self._pool = SlotPool(size=1, open_slot=self._open_slot, is_shared=True)

    async def start(self) -> None:
        shutil.copytree(RUNNER_DIRECTORY, f"{self._home}/runner", ignore=shutil.ignore_patterns("__pycache__"))
        await self._pool.warm("", 1)

    async def run(self, job: Job) -> JobResult:
        return await self._pool.run(job)

    async def report(self) -> SandboxReport:
        slot = await self._pool.probe("")
        self._pool.done("", slot)
        walls = walls_of(slot.ready)
        return SandboxReport(backend="local", is_ready=not slot.refusal(), walls=walls, toolchains=tuple(slot.tools))

    async def aclose(self) -> None:
        await self._pool.aclose()
        shutil.rmtree(self._home, ignore_errors=True)

    async def _open_slot(self, toolchain: str) -> Slot:
        scratch = tempfile.mkdtemp(dir=self._home)
        os.chown(scratch, NOBODY, NOBODY)
        config = {"is_container": False, "scratch": scratch, "uid_base": 0, "mode": self._mode}
        become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        process = await asyncio.create_subprocess_exec(
            *become, "/usr/bin/python3", "-s", f"{self._home}/runner", json.dumps(config),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT, cwd="/",
            start_new_session=True, limit=1 << 22,
        )  # fmt: skip
        return await Slot.open(_ProcessLink(process, scratch))


def _unprivileged(mode: str) -> StartableSandbox:
    if os.geteuid() != 0 or not shutil.which("setpriv") or not Path("/usr/bin/python3").exists():
        pytest.skip("needs root, setpriv and /usr/bin/python3")
    return UnprivilegedSandbox(mode)


MAKERS: dict[str, Callable[[], StartableSandbox]] = {
    "local": lambda: LocalSandbox(slots=2),
    "local-namespaces": lambda: LocalSandbox(slots=1, mode="namespaces"),
    "local-uid": lambda: LocalSandbox(slots=1, mode="uid"),
    "local-landlock": lambda: LocalSandbox(slots=1, mode="landlock"),
    "unprivileged-namespaces": lambda: _unprivileged("namespaces"),
    "unprivileged-landlock": lambda: _unprivileged("landlock"),
    "docker": lambda: SANDBOXES["docker"](
        SandboxConfig(slots=1, image_tag=os.environ.get("ASSAY_IMAGE_TAG", "latest"))
    ),
}
BACKENDS = [
    pytest.param(name, marks=[pytest.mark.docker] if name == "docker" else []) for name in MAKERS if name != "local"
]
_ABSENT = ("no_isolation", "no_docker", "no_toolchain", "stale_image")


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[StartableSandbox]:
    """A started sandbox; the test is skipped where the machine cannot give it."""
    sandbox = MAKERS[name]()
    try:
        try:
            await sandbox.start()
        except SandboxError as error:
            if error.reason not in _ABSENT:
                raise
            pytest.skip(f"{name}: {error}")
        yield sandbox
    finally:
        await sandbox.aclose()


@dataclass(frozen=True)
class Runner:
    """A runner that is idle, as root sees it."""

    pid: int
    """Of what was started: all its processes are below it, or were."""
    mark: bytes
    """What the command lines of all its processes hold, and of no others."""
    work: str
    """The path of its work directory, inside."""

    @property
    def pids(self) -> set[int]:
        """Every process of it, also one that was cut loose."""
        found: set[int] = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if self.mark in (entry / "cmdline").read_bytes():
                        found.add(int(entry.name))
        return found | _below(self.pid)

    @property
    def kept(self) -> list[Path]:
        """Directories of compiled programs."""
        inside = max(_below(self.pid) or {self.pid})
        return sorted(Path(f"/proc/{inside}/root{self.work}").glob("*-kept"))

    @property
    def left_behind(self) -> list[str]:
        """Files in its work directory and shared memory, but for what is kept of compiled programs."""
        found: list[str] = []
        inside = max(_below(self.pid) or {self.pid})
        own_shared_memory = ["/dev/shm"] if self.work in ("/work", "/assay-work") else []  # noqa: S108 (the jail's own)
        for directory in (self.work, *own_shared_memory):
            found += [
                entry.name for entry in Path(f"/proc/{inside}/root{directory}").iterdir() if entry not in self.kept
            ]
        return found


def runner_of(sandbox: StartableSandbox) -> Runner:
    """The idle runner of a sandbox with one slot."""
    pool: SlotPool = sandbox._pool  # type: ignore[attr-defined]
    (slot,) = [slot for slots in pool._idle.values() for slot in slots]
    link = slot.link
    if isinstance(sandbox, DockerSandbox):
        assert isinstance(link, _ContainerLink)
        link._container.reload()
        return Runner(pid=int(link._container.attrs["State"]["Pid"]), mark=b"\0never\0", work="/work")
    assert isinstance(link, _ProcessLink)
    mode = slot.ready["mode"]
    work = {"namespaces": "/assay-work", "uid": f"{link._scratch}/work", "landlock": link._scratch}[str(mode)]
    return Runner(pid=link._process.pid, mark=link._scratch.encode(), work=work)


def zygote_of(runner: Runner) -> int:
    """The process that forks the children: the last and lowest of an idle runner."""
    return max(_below(runner.pid))


def _below(pid: int) -> set[int]:
    found: set[int] = set()
    todo = [pid]
    while todo:
        one = todo.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                below = {int(child) for child in (task / "children").read_text().split()} - found
                found |= below
                todo += below
    return found
