"""The sandbox on a Docker engine: one warm container a slot, from the images of ``sandbox_images/``.

A container has no network, a read-only root, limits on memory, processes and CPU, Docker's own seccomp profile,
and no capability but the three that the runner needs to give each execution a uid of its own and to end it. Inside
runs the same runner as in the ``local`` backend.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import socket
import struct
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker
import docker.errors
import requests

from verifier.errors import SandboxError
from verifier.sandbox.base import Job, JobResult, SandboxReport
from verifier.sandbox.images import RUNNER_LABEL, TOOLCHAINS, connect, image_name, runner_hash
from verifier.sandbox.local import ENVIRONMENT
from verifier.sandbox.pool import SlotPool
from verifier.sandbox.slot import Slot, new_uid_base, walls_of

if TYPE_CHECKING:
    from docker.models.containers import Container

LABEL, OWNER = "assay.sandbox", "assay.owner"
MEMORY_BYTES = 4 << 30
PROCESSES = 512
_OUTPUT_HEADER = struct.Struct(">BxxxI")
_STDOUT = 1
_FOREIGN = (docker.errors.DockerException, requests.RequestException, OSError)


class _ContainerLink:
    """A runner as the first process of a container, reached through the engine's attach stream."""

    def __init__(self, container: Container, attached: Any) -> None:  # noqa: ANN401 (the SDK does not type it)
        self._container = container
        self._attached = attached
        self._socket: socket.socket = getattr(attached, "_sock", attached)
        self._socket.settimeout(None)
        self._reader = asyncio.StreamReader(limit=1 << 22)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._pump, name="assay-docker", daemon=True)
        self._thread.start()

    def _pump(self) -> None:
        """Moves the engine's stream into the loop; a thread, because the SDK's socket may be TLS."""
        with contextlib.suppress(OSError, EOFError, RuntimeError):  # RuntimeError: the loop has closed
            while True:
                kind, size = _OUTPUT_HEADER.unpack(self._exactly(_OUTPUT_HEADER.size))
                data = self._exactly(size)
                if kind == _STDOUT:
                    self._loop.call_soon_threadsafe(self._reader.feed_data, data)
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._reader.feed_eof)

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count:
            part = self._socket.recv(min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    async def send(self, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._socket.sendall, data)
        except OSError as error:
            raise EOFError from error

    async def read_exactly(self, count: int) -> bytes:
        return await self._reader.readexactly(count)

    def is_open(self) -> bool:
        return self._thread.is_alive() and not self._reader.at_eof()

    async def close(self) -> bool:
        return await asyncio.to_thread(self._close)

    def _close(self) -> bool:
        own_doing = False
        try:
            self._container.reload()
            state = self._container.attrs["State"]
            if not state["Running"]:
                own_doing = bool(state["OOMKilled"]) or state["ExitCode"] not in (0, 137)
        except _FOREIGN:
            own_doing = False  # removed by somebody else, or the engine is away
        with contextlib.suppress(*_FOREIGN):
            self._container.remove(force=True)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5.0)
        # The SDK hangs the response onto the socket that it gives; each holds a reference to be closed.
        response = getattr(self._attached, "_response", None)
        if response is not None:
            response.close()
        self._attached.close()
        self._socket.close()
        return own_doing


def _space() -> str:
    """Where a pid means one process: this start of this machine, and the namespace."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def owner_of(pid: int) -> str:
    """A process by a name that no other ever has; empty if there is none."""
    try:
        began = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
    return f"{_space()} {pid} {began}"


def is_orphan(owner: str) -> bool:
    """Whether the owner has ended. Of one that is elsewhere nothing is known, so it lives."""
    *space, pid, _ = owner.split() if owner.count(" ") > 1 else ("", "", "")
    return " ".join(space) == _space() and pid.isdigit() and owner_of(int(pid)) != owner


class DockerSandbox:
    """Warm containers on a Docker engine.

    Args:
        slots: programs that run at once.
        image_prefix: images are named prefix, toolchain, ``:``, tag.
        image_tag: see ``image_prefix``.
        runtime: the engine's runtime, such as ``runsc``; empty takes its default.
    """

    def __init__(self, *, slots: int, image_prefix: str, image_tag: str, runtime: str = "") -> None:
        self._slots = slots
        self._prefix = image_prefix
        self._tag = image_tag
        self._runtime = runtime
        self._client: docker.DockerClient | None = None
        self._pool = SlotPool(size=slots, open_slot=self._open_slot, is_shared=False)

    async def start(self) -> None:
        """Reaches the engine, removes what a crashed server left, and starts containers for Python.

        Raises:
            SandboxError: no engine or no image; each job will be answered with the same error.
        """
        await asyncio.to_thread(self._sweep)
        await self._pool.warm("python", self._slots)

    async def run(self, job: Job) -> JobResult:
        """See ``Sandbox.run``."""
        return await self._pool.run(job)

    async def report(self) -> SandboxReport:
        """See ``Sandbox.report``."""
        try:
            present = await asyncio.to_thread(self._present)
            slot = await self._pool.probe("python")
        except SandboxError as error:
            return SandboxReport(backend="docker", is_ready=False, walls=(), toolchains=(), remedy=error.detail)
        self._pool.done("python", slot)
        refusal = slot.refusal()
        return SandboxReport(
            backend="docker", is_ready=not refusal, walls=walls_of(slot.ready), toolchains=present, remedy=refusal
        )

    async def aclose(self) -> None:
        """See ``Sandbox.aclose``."""
        await self._pool.aclose()
        if self._client is not None:
            self._client.close()
            self._client = None

    def _engine(self) -> docker.DockerClient:
        if self._client is None:
            try:
                self._client = connect()
            except _FOREIGN as error:
                raise SandboxError(
                    "no_docker",
                    "no Docker engine answers; start it, set DOCKER_HOST, or use --sandbox local",
                ) from error
        return self._client

    def _sweep(self) -> None:
        """Removes what a crashed server left, whose containers end by themselves when their standard input closes."""
        engine = self._engine()
        with contextlib.suppress(*_FOREIGN):
            for container in engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
                with contextlib.suppress(*_FOREIGN):
                    if container.status == "exited" or is_orphan(container.labels.get(OWNER, "")):
                        container.remove(force=True)

    def _present(self) -> tuple[str, ...]:
        found = []
        for toolchain in TOOLCHAINS:
            with contextlib.suppress(SandboxError):
                self._image(toolchain)
                found.append(toolchain)
        return tuple(found)

    def _image(self, toolchain: str) -> str:
        name = image_name(self._prefix, toolchain, self._tag)
        try:
            image = self._engine().images.get(name)
        except docker.errors.ImageNotFound as error:
            raise SandboxError(
                "no_toolchain",
                f"there is no image {name}; build it with `verifier images build {toolchain}`",
            ) from error
        except _FOREIGN as error:
            raise SandboxError("no_docker", "the Docker engine does not answer", is_lost=True) from error
        if image.labels.get(RUNNER_LABEL) != runner_hash():
            raise SandboxError(
                "stale_image",
                f"the image {name} holds another version of the runner; run `verifier images build {toolchain}`",
            )
        return name

    async def _open_slot(self, toolchain: str) -> Slot:
        container, attached = await asyncio.to_thread(self._create, toolchain)
        link = _ContainerLink(container, attached)
        try:
            await asyncio.to_thread(container.start)
        except _FOREIGN as error:
            await link.close()
            raise SandboxError("sandbox_lost", f"a container cannot be started: {error}", is_lost=True) from error
        except BaseException:
            await link.close()
            raise
        return await Slot.open(link)

    def _create(self, toolchain: str) -> tuple[Container, Any]:
        image = self._image(toolchain)
        config = {"is_container": True, "scratch": "/work", "uid_base": new_uid_base(), "mode": ""}
        options: dict[str, Any] = {"runtime": self._runtime} if self._runtime else {}
        create = functools.partial(
            self._engine().containers.create,
            image,
            command=["supervisor", json.dumps(config)],
            cap_add=["SETUID", "SETGID", "KILL"],
            cap_drop=["ALL"],
            environment=ENVIRONMENT,
            labels={LABEL: "runner", OWNER: owner_of(os.getpid())},
            mem_limit=MEMORY_BYTES,
            memswap_limit=MEMORY_BYTES,
            nano_cpus=2_000_000_000,
            network_mode="none",
            pids_limit=PROCESSES,
            read_only=True,
            security_opt=["no-new-privileges"],
            stdin_open=True,
            tmpfs={
                "/work": "rw,exec,nosuid,nodev,size=512m,nr_inodes=65536,mode=1777",
                "/tmp": "rw,noexec,nosuid,nodev,size=1m,mode=0700",  # noqa: S108 (inside the container)
            },
            user="0:0",
            **options,
        )
        try:
            container = create()
        except _FOREIGN as error:
            raise SandboxError("sandbox_lost", f"a container cannot be made: {error}", is_lost=True) from error
        try:
            attached = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        except _FOREIGN as error:
            with contextlib.suppress(*_FOREIGN):
                container.remove(force=True)
            raise SandboxError("sandbox_lost", f"a container cannot be reached: {error}", is_lost=True) from error
        return container, attached
