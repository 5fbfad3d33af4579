"""What a judged program costs: warm sandboxes beside a bare fork, ``docker exec`` and ``docker run``.

Two tables. The first is CPU milliseconds an execution, from one client, beside the least that a warm interpreter can
do: a bare fork with no walls, of the same interpreter, in the same place, over the same link (``bare_fork.py``). It
counts the processes of the runner or server with all that they started; the engine's and this client's own work is
left out on both sides. The second is executions a second from several clients, beside one ``docker run`` (with
comparable limits) and one ``docker exec`` a completion, by the command and by the SDK. Every way runs the same
program on the same input and its output is checked. Ways take turns in rounds, and the median round counts.

    python benchmarks/code_programs.py [--executions N] [--rounds N] [--clients N] [--image-tag TAG]
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import os
import statistics
import struct
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
from cpu_time import cpu_time_s

from verifier.errors import SandboxError
from verifier.sandbox import StartableSandbox
from verifier.sandbox import pool as pools
from verifier.sandbox.base import CallRun, Job, Limits, Program, Run, ScriptRun, StdioRun
from verifier.sandbox.docker import DockerSandbox, _ContainerLink
from verifier.sandbox.images import connect, image_name
from verifier.sandbox.local import ENVIRONMENT, RUNNER_DIRECTORY, LocalSandbox, _ProcessLink
from verifier.sandbox.pool import SlotPool
from verifier.sandbox.slot import Link

PROGRAM = "a, b = map(int, input().split())\nprint(a + b)\n"
FUNCTION = "def add(a, b):\n    return a + b\n"
SCRIPT = "assert add(1, 2) == 3\nassert add(-1, 1) == 0\nassert add(10**20, 1) == 10**20 + 1\n"
MORE_THAN_DATA = "for _ in ():\n    pass\n"
"""What makes a script more than data at its end, so that it has a tester."""
INPUT, OUTPUT = b"1 2\n", b"3\n"
PREFIX = "assay-sandbox-"
CASES = 50
LENGTH = struct.Struct(">I")
BARE = "bare fork, no walls"
RUN = "docker run a completion (command)"
_NO_ENGINE = (docker.errors.DockerException, requests.RequestException, OSError)

Once = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to run a program."""

    name: str
    once: Once
    pid: int = 0
    """The tree of processes whose CPU time counts; 0 where it cannot be told apart."""
    executions: int = 1
    """Programs that ``once`` runs."""
    weight: float = 1.0
    """Its share of the executions of a round: slow ways run fewer."""


def job(*runs: Run, source: str = PROGRAM) -> Job:
    """A Python job."""
    program = Program(source_name="solution.py", source=source)
    return Job(toolchain="python", program=program, runs=runs, limits=Limits(cpu_time_s=4))


# --- ways -------------------------------------------------------------------------------------------------------


def ours(sandbox: StartableSandbox, pid: int = 0) -> list[Way]:
    """Our own ways on a backend that has started."""

    async def stdio() -> None:
        result = await sandbox.run(job(StdioRun(stdin=INPUT)))
        assert result.runs[0].stdout == OUTPUT

    async def call() -> None:
        result = await sandbox.run(job(CallRun(entry_point="add", args="[1, 2]", kwargs=""), source=FUNCTION))
        assert json.loads(result.runs[0].value)["value"] == 3

    async def script(text: str) -> None:
        run = ScriptRun(entry_point="add", script=text, framework="plain")
        result = await sandbox.run(job(run, source=FUNCTION))
        assert b'"script", true' in result.runs[0].value

    async def many() -> None:
        result = await sandbox.run(job(*(StdioRun(stdin=INPUT) for _ in range(CASES))))
        assert all(run.stdout == OUTPUT for run in result.runs)

    return [
        Way(name="stdio", once=stdio, pid=pid),
        Way(name="call", once=call, pid=pid),
        Way(name="script in a second process", once=lambda: script(SCRIPT + MORE_THAN_DATA), pid=pid),
        Way(name="script of assertions alone", once=lambda: script(SCRIPT), pid=pid),
        Way(name=f"stdio, {CASES} cases a completion", once=many, pid=pid, executions=CASES, weight=1 / CASES),
    ]


def bare(link: Link, pid: int) -> Way:
    """The peer that answers on a link."""
    request = b"".join(LENGTH.pack(len(blob)) + blob for blob in (PROGRAM.encode(), INPUT))

    async def once() -> None:
        await link.send(request)
        (size,) = LENGTH.unpack(await link.read_exactly(LENGTH.size))
        output = await link.read_exactly(size)
        (size,) = LENGTH.unpack(await link.read_exactly(LENGTH.size))
        assert (output, await link.read_exactly(size)) == (OUTPUT, b"")

    return Way(name=BARE, once=once, pid=pid)


async def spawned(argv: list[str]) -> None:
    """Runs a command on the input and checks its output."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate(INPUT)
    assert output == OUTPUT, output


def of_engine(image: str, warm: Any) -> list[Way]:  # noqa: ANN401 (the SDK does not type it)
    """The engine's own ways; the SDK's have no standard input, so the program gets it as text."""
    flags = "--rm -i --network none --read-only --cap-drop ALL --user 65534 --memory 512m --pids-limit 64"
    flags += " --security-opt no-new-privileges --entrypoint python3"
    command = ["python3", "-I", "-c", PROGRAM]
    inline = ["python3", "-I", "-c", PROGRAM.replace("input()", repr(INPUT.decode()))]

    def execute() -> None:
        assert warm.exec_run(inline, user="65534").output == OUTPUT

    def run() -> None:
        output = warm.client.containers.run(
            image, inline[1:], entrypoint="python3", remove=True, network_mode="none", read_only=True, user="65534",
            cap_drop=["ALL"], mem_limit="512m", pids_limit=64, security_opt=["no-new-privileges"],
        )  # fmt: skip
        assert output == OUTPUT

    return [
        Way(name=RUN, once=lambda: spawned(["docker", "run", *flags.split(), image, *command[1:]]), weight=0.03),
        Way(name="docker run a completion (SDK)", once=lambda: asyncio.to_thread(run), weight=0.03),
        Way(
            name="docker exec a completion (command)",
            once=lambda: spawned(["docker", "exec", "-i", "--user", "65534", warm.id, *command]),
            weight=0.08,
        ),
        Way(name="docker exec a completion (SDK)", once=lambda: asyncio.to_thread(execute), weight=0.08),
    ]


# --- opening them -----------------------------------------------------------------------------------------------


def pids_of(sandbox: StartableSandbox) -> list[int]:
    """The first process of each idle runner of a sandbox."""
    pool: SlotPool = sandbox._pool  # type: ignore[attr-defined]  # noqa: SLF001 (no caller has business there)
    found = []
    for slot in (slot for slots in pool._idle.values() for slot in slots):  # noqa: SLF001
        link = slot.link
        if isinstance(link, _ContainerLink):
            found.append(container_pid(link._container))  # noqa: SLF001
        elif isinstance(link, _ProcessLink):
            found.append(link._process.pid)  # noqa: SLF001
    return found


def container_pid(container: Any) -> int:  # noqa: ANN401
    """The first process of a container, or 0 where the engine is on another machine."""
    container.reload()
    pid = int(container.attrs["State"]["Pid"])
    return pid if Path(f"/proc/{pid}").exists() else 0


async def open_bare_local(stack: AsyncExitStack) -> Way:
    """The peer as a child process."""
    script = str(Path(__file__).with_name("bare_fork.py"))
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-s", script, str(RUNNER_DIRECTORY)],
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=ENVIRONMENT, cwd="/",
    )  # fmt: skip
    link = _ProcessLink(process, "/nonexistent")
    stack.push_async_callback(link.close)
    return bare(link, process.pid)


async def open_bare_docker(stack: AsyncExitStack, client: docker.DockerClient, image: str) -> Way:
    """The peer as the first process of a container of the same image."""
    program = Path(__file__).with_name("bare_fork.py").read_text(encoding="utf-8")
    container = await asyncio.to_thread(
        functools.partial(
            client.containers.create, image, entrypoint=["/usr/bin/python3", "-s", "-c"],
            command=[program, "/opt/assay/runner"], environment=ENVIRONMENT, network_mode="none", stdin_open=True,
        )
    )  # fmt: skip
    attached = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    link = _ContainerLink(container, attached)
    stack.push_async_callback(link.close)
    await asyncio.to_thread(container.start)
    return bare(link, await asyncio.to_thread(container_pid, container))


async def open_warm(stack: AsyncExitStack, client: docker.DockerClient, image: str) -> Any:  # noqa: ANN401
    """A container for ``docker exec``."""
    container = await asyncio.to_thread(
        functools.partial(client.containers.run, image, ["3600"], entrypoint="sleep", detach=True, network_mode="none")
    )
    stack.callback(functools.partial(container.remove, force=True))
    return container


def engine(image: str) -> docker.DockerClient | None:
    """The Docker engine, if it is here and has the image."""
    try:
        client = connect()
    except _NO_ENGINE:
        return None
    try:
        client.images.get(image)
    except _NO_ENGINE:
        print(f"no image {image}: the ways of docker are left out", file=sys.stderr)
        client.close()
        return None
    return client


async def started(stack: AsyncExitStack, sandbox: StartableSandbox) -> bool:
    """Starts a sandbox; False, and a line, where the machine cannot give it."""
    stack.push_async_callback(sandbox.aclose)
    try:
        await sandbox.start()
    except SandboxError as error:
        print(f"{type(sandbox).__name__} is left out: {error}", file=sys.stderr)
        return False
    return True


# --- measuring --------------------------------------------------------------------------------------------------


async def measured(way: Way, count: int, clients: int) -> tuple[float, float]:
    """CPU milliseconds an execution, and executions a second, of one round."""
    left = count

    async def client() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await way.once()

    cpu, wall = cpu_time_s(way.pid) if way.pid else 0.0, time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    wall, cpu = time.perf_counter() - wall, (cpu_time_s(way.pid) if way.pid else 0.0) - cpu
    return 1e3 * cpu / count / way.executions, count * way.executions / wall


async def in_rounds(ways: Mapping[str, Way], count: int, rounds: int, clients: int) -> dict[str, tuple[float, float]]:
    """The medians of all rounds; ways take turns, so that a busy moment meets all of them."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for way in ways.values():
        await way.once()
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(await measured(way, max(round(count * way.weight), clients), clients))
            print(f"  {name:<44} {found[name][-1][0]:8.2f} ms {found[name][-1][1]:9.1f}/s", file=sys.stderr)
    return {
        name: (statistics.median(cpu for cpu, _ in pairs), statistics.median(rate for _, rate in pairs))
        for name, pairs in found.items()
    }


async def cpu_table(options: argparse.Namespace) -> None:
    """The first table: one client, one runner, beside a bare fork in the same place."""
    pools.RECYCLE_AFTER = 1 << 30  # a new runner would have another pid
    image = image_name(PREFIX, "python", options.image_tag)
    client = engine(image)
    print("CPU ms an execution, one client; ratio to a bare fork in the same place")
    print(f"{'place':<8}{'way':<40}{'CPU ms':>8}{'ratio':>8}{'wall ms':>9}")
    for place in ("local", "docker"):
        async with AsyncExitStack() as stack:
            if place == "docker" and client is None:
                continue
            sandbox = (
                LocalSandbox(slots=1, mode=options.mode)
                if place == "local"
                else DockerSandbox(slots=1, image_prefix=PREFIX, image_tag=options.image_tag)
            )
            if not await started(stack, sandbox):
                continue
            peer = await (
                open_bare_docker(stack, client, image) if client and place == "docker" else open_bare_local(stack)
            )
            ways = {way.name: way for way in (peer, *ours(sandbox, *pids_of(sandbox)))}
            found = await in_rounds(ways, options.executions, options.rounds, 1)
            for name, (cpu, rate) in found.items():
                print(f"{place:<8}{name:<40}{cpu:>8.2f}{cpu / found[BARE][0]:>7.2f}x{1e3 / rate:>9.2f}")
    if client is not None:
        client.close()


async def rate_table(options: argparse.Namespace) -> None:
    """The second table: several clients."""
    image = image_name(PREFIX, "python", options.image_tag)
    client = engine(image)
    slots = len(os.sched_getaffinity(0))
    async with AsyncExitStack() as stack:
        ways = {}
        if client is not None:
            warm = await open_warm(stack, client, image)
            ways = {way.name: way for way in of_engine(image, warm)}
        new = [sys.executable, "-I", "-c", PROGRAM]
        ways["new interpreter, no walls"] = Way(name="new", once=lambda: spawned(new), weight=0.25)
        local = LocalSandbox(slots=slots, mode=options.mode)
        if await started(stack, local):
            ways |= {f"ours, local: {way.name}": way for way in ours(local)}
        if client is not None:
            contained = DockerSandbox(slots=slots, image_prefix=PREFIX, image_tag=options.image_tag)
            if await started(stack, contained):
                ways |= {f"ours, docker: {way.name}": way for way in ours(contained)}
        found = await in_rounds(ways, options.executions, options.rounds, options.clients)
        run = max((rate for name, (_, rate) in found.items() if "docker run" in name), default=0.0)
        execute = max((rate for name, (_, rate) in found.items() if "docker exec" in name), default=0.0)
        print(
            f"\nexecutions a second, {options.clients} clients, {slots} processors; ratios to the faster form of each"
        )
        print(f"{'way':<44}{'/s':>9}{'docker run':>12}{'docker exec':>13}")
        for name, (_, rate) in found.items():
            ratios = f"{rate / run:>11.1f}x{rate / execute:>12.1f}x" if run and execute else ""
            print(f"{name:<44}{rate:>9.1f}{ratios}")
    if client is not None:
        client.close()


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--executions", type=int, default=200, help="executions a way and round (fewer for slow ones)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=8, help="clients of the second table")
    parser.add_argument("--mode", default="", help="insist on a jail of the local backend")
    parser.add_argument("--image-tag", default=os.environ.get("ASSAY_IMAGE_TAG", "latest"))
    parser.add_argument("--table", choices=("cpu", "rate", "both"), default="both")
    options = parser.parse_args()
    if options.table in ("cpu", "both"):
        asyncio.run(cpu_table(options))
    if options.table in ("rate", "both"):
        asyncio.run(rate_table(options))


if __name__ == "__main__":
    main()
