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

import docker
import docker.errors
import docker.models.containers
import pytest
import requests

from verifier.errors import SandboxError
from verifier.sandbox import SANDBOXES, SandboxConfig, StartableSandbox
from verifier.sandbox.base import Job, JobResult, SandboxReport
from verifier.sandbox.docker import DockerSandbox, _ContainerLink
from verifier.sandbox.images import connect
from verifier.sandbox.local import ENVIRONMENT, RUNNER_DIRECTORY, LocalSandbox, _ProcessLink
from verifier.sandbox.pool import SlotPool
from verifier.sandbox.runner import jail
from verifier.sandbox.slot import Slot, new_uid_base, walls_of

NOBODY = 65534
BY_A_TESTER = "\nfor _ in (): pass\n"
"""Makes more of a script than data, so that a tester runs it."""


class SystemSandbox:
    """The local backend with the system's Python, which every uid can read; needs root to become another user."""

    def __init__(self, mode: str, *, is_root: bool) -> None:
        self._mode = mode
        self._is_root = is_root
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
        become: tuple[str, ...] = ()
        if not self._is_root:
            os.chown(scratch, NOBODY, NOBODY)
            become = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        uid_base = new_uid_base() if self._is_root else 0
        config = {"is_container": False, "scratch": scratch, "uid_base": uid_base, "mode": self._mode}
        process = await asyncio.create_subprocess_exec(
            *become, "/usr/bin/python3", "-s", f"{self._home}/runner", "supervisor", json.dumps(config),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT, cwd="/",
            start_new_session=True, limit=1 << 22,
        )  # fmt: skip
        return await Slot.open(_ProcessLink(process, scratch))


def _system(mode: str, *, is_root: bool = False) -> StartableSandbox:
    if os.geteuid() != 0 or not shutil.which("setpriv") or not Path("/usr/bin/python3").exists():
        pytest.skip("needs root, setpriv and /usr/bin/python3")
    return SystemSandbox(mode, is_root=is_root)


def _docker(runtime: str = "", slots: int = 1) -> StartableSandbox:
    if runtime and not os.environ.get("ASSAY_TEST_GVISOR"):
        pytest.skip("gVisor takes minutes: set ASSAY_TEST_GVISOR to run it")
    if runtime and not _has_runtime(runtime):
        pytest.skip(f"the engine has no runtime {runtime}")
    tag = os.environ.get("ASSAY_IMAGE_TAG", "latest")
    return SANDBOXES["docker"](SandboxConfig(slots=slots, image_tag=tag, runtime=runtime))


def _has_runtime(runtime: str) -> bool:
    try:
        client = connect()
    except (docker.errors.DockerException, requests.RequestException, OSError):
        return True  # the sandbox says so itself
    try:
        return runtime in client.info().get("Runtimes", {})
    finally:
        client.close()


MAKERS: dict[str, Callable[[], StartableSandbox]] = {
    "local": lambda: LocalSandbox(slots=2),
    "local-namespaces": lambda: LocalSandbox(slots=1, mode="namespaces"),
    "local-uid": lambda: _system("uid", is_root=True),
    "local-landlock": lambda: LocalSandbox(slots=1, mode="landlock"),
    "unprivileged-namespaces": lambda: _system("namespaces"),
    "unprivileged-landlock": lambda: _system("landlock"),
    "docker": _docker,
    "docker-gvisor": lambda: _docker("runsc"),
    "docker-2": lambda: _docker(slots=2),
}
BACKENDS = [
    pytest.param(name, marks=[pytest.mark.docker] if name.startswith("docker") else [])
    for name in MAKERS
    if name not in ("local", "docker-2")
]
"""Every backend, with one runner each."""
BUSY_BACKENDS = ["local", pytest.param("docker-2", id="docker", marks=pytest.mark.docker)]
"""For many programs side by side."""
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


_LOOK = """
import json, os
inside = ['/work/' + name for name in os.listdir('/work')]
inside += ['/dev/shm/' + name for name in os.listdir('/dev/shm')]
print(json.dumps([[int(name) for name in os.listdir('/proc') if name.isdigit() and int(name) != os.getpid()], inside]))
"""


@dataclass(frozen=True)
class HiddenRunner:
    """The same of a container whose kernel is its own, so that one must look from inside."""

    container: docker.models.containers.Container
    work: str = "/work"

    def _look(self) -> tuple[list[int], list[Path]]:
        told = self.container.exec_run(["python3", "-c", _LOOK]).output
        assert isinstance(told, bytes)
        pids, paths = json.loads(told)
        return pids, [Path(path) for path in paths]

    @property
    def pids(self) -> set[int]:
        try:
            return set(self._look()[0])
        except docker.errors.APIError:
            return set()  # it has ended

    @property
    def kept(self) -> list[Path]:
        return []  # the directories are always there, and only their owners can look inside

    @property
    def left_behind(self) -> list[str]:
        homes = {jail.home_of(self.work, at) for at in range(jail.UIDS_PER_RUNNER)}
        return [path.name for path in self._look()[1] if str(path) not in homes]


def is_gvisor(sandbox: StartableSandbox) -> bool:
    """Whether programs run on gVisor's kernel, which shows the command lines and environments of all."""
    return isinstance(sandbox, DockerSandbox) and sandbox._runtime == "runsc"


def runner_seen_of(sandbox: StartableSandbox) -> Runner | HiddenRunner:
    """As ``runner_of``, also where the container's processes are not to be seen from here."""
    if isinstance(sandbox, DockerSandbox) and sandbox._runtime:
        (slot,) = [slot for slots in sandbox._pool._idle.values() for slot in slots]
        assert isinstance(slot.link, _ContainerLink)
        return HiddenRunner(slot.link._container)
    return runner_of(sandbox)


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
