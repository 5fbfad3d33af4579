"""Programs judged a second: warm sandboxes against a container for each completion.

Every way runs the same program on the same input, so that only the way differs. Ratios are against
``docker run`` a completion with the same limits and walls, measured in the same run; without an engine, against a
new interpreter a completion.

    python benchmarks/code_programs.py [--completions N] [--clients N]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from verifier.errors import SandboxError
from verifier.sandbox import SANDBOXES, SandboxConfig
from verifier.sandbox.base import Job, Limits, Program, Run, ScriptRun, StdioRun

PROGRAM = "a, b = map(int, input().split())\nprint(a + b)\n"
FUNCTION = "def add(a, b):\n    return a + b\n"
SCRIPT = "assert add(1, 2) == 3\nassert add(-1, 1) == 0\nassert add(10**20, 1) == 10**20 + 1\n"
INPUT, OUTPUT = b"1 2\n", b"3\n"
IMAGE = "assay-sandbox-python:latest"
CASES = 50

Once = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way: executions a second, and CPU milliseconds of this process tree an execution."""

    name: str
    rate: float
    executions: int


def job(*runs: Run, source: str = PROGRAM) -> Job:
    """A Python job."""
    program = Program(source_name="solution.py", source=source)
    return Job(toolchain="python", program=program, runs=runs, limits=Limits(cpu_time_s=4))


async def measure(name: str, once: Once, *, count: int, clients: int, executions: int = 1) -> Row:
    """Runs ``once`` count times from so many clients."""
    await once()
    left = count

    async def client() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await once()

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    elapsed = time.perf_counter() - started
    row = Row(name=name, rate=count * executions / elapsed, executions=count * executions)
    print(f"  {row.name:<46} {row.rate:9.1f}/s", file=sys.stderr)
    return row


async def spawned(argv: list[str]) -> None:
    """Runs a command on the input and checks its output."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    output, _ = await process.communicate(INPUT)
    assert output == OUTPUT, output


async def of_sandbox(name: str, *, count: int, clients: int) -> list[Row]:
    """Our own ways on one backend."""
    sandbox = SANDBOXES[name](SandboxConfig(slots=len(os.sched_getaffinity(0))))
    try:
        await sandbox.start()

        async def stdio() -> None:
            result = await sandbox.run(job(StdioRun(stdin=INPUT)))
            assert result.runs[0].stdout == OUTPUT

        async def many() -> None:
            result = await sandbox.run(job(*(StdioRun(stdin=INPUT) for _ in range(CASES))))
            assert all(run.stdout == OUTPUT for run in result.runs)

        async def script() -> None:
            run = ScriptRun(entry_point="add", script=SCRIPT, framework="plain")
            result = await sandbox.run(job(run, source=FUNCTION))
            assert b'"script", true' in result.runs[0].value

        return [
            await measure(f"ours, {name}: stdio", stdio, count=count, clients=clients),
            await measure(
                f"ours, {name}: {CASES} stdio cases a completion",
                many,
                count=max(count // CASES, 4),
                clients=clients,
                executions=CASES,
            ),
            await measure(f"ours, {name}: script in a second process", script, count=count, clients=clients),
        ]
    finally:
        await sandbox.aclose()


async def has_engine() -> bool:
    """Whether the Docker command, an engine and the image are here."""
    try:
        process = await asyncio.create_subprocess_exec(
            "docker", "image", "inspect", IMAGE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
    except FileNotFoundError:
        return False
    return await process.wait() == 0


async def of_docker(*, count: int, clients: int) -> list[Row]:
    """The peers: one container, or one ``docker exec``, a completion."""
    flags = [
        "--rm",
        "-i",
        "--network",
        "none",
        "--read-only",
        "--cap-drop",
        "ALL",
        "--user",
        "65534",
        "--memory",
        "512m",
    ]
    flags += ["--security-opt", "no-new-privileges", "--pids-limit", "64", "--entrypoint", "python3"]
    run = ["docker", "run", *flags, IMAGE, "-I", "-c", PROGRAM]
    rows = [await measure("docker run a completion", lambda: spawned(run), count=max(count // 20, 8), clients=clients)]
    warm = await asyncio.create_subprocess_exec(
        *["docker", "run", "-d", "--rm", "--network", "none", "--entrypoint", "sleep", IMAGE, "3600"],
        stdout=asyncio.subprocess.PIPE,
    )
    name = (await warm.communicate())[0].decode().strip()
    try:
        argv = ["docker", "exec", "-i", "--user", "65534", name, "python3", "-I", "-c", PROGRAM]
        rows.append(
            await measure("docker exec a completion", lambda: spawned(argv), count=max(count // 10, 8), clients=clients)
        )
    finally:
        await (
            await asyncio.create_subprocess_exec("docker", "rm", "-f", name, stdout=asyncio.subprocess.DEVNULL)
        ).wait()
    return rows


async def run(count: int, clients: int) -> None:
    """Measures every way and prints the table."""
    rows: list[Row] = []
    docker = await has_engine()
    if docker:
        rows += await of_docker(count=count, clients=clients)
    argv = [sys.executable, "-I", "-c", PROGRAM]
    rows.append(
        await measure("new interpreter, no walls", lambda: spawned(argv), count=max(count // 4, 8), clients=clients)
    )
    for name in ("local", "docker") if docker else ("local",):
        try:
            rows += await of_sandbox(name, count=count, clients=clients)
        except SandboxError as error:
            print(f"{name}: skipped: {error}", file=sys.stderr)
    base = rows[0]
    print(f"{clients} clients, {len(os.sched_getaffinity(0))} processors; ratio to: {base.name}")
    print(f"{'way':<48}{'executions/s':>14}{'ratio':>9}")
    for row in rows:
        print(f"{row.name:<48}{row.rate:>14.1f}{row.rate / base.rate:>8.1f}x")


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--completions", type=int, default=600, help="completions a way (fewer for the slow ones)")
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    asyncio.run(run(options.completions, options.clients))


if __name__ == "__main__":
    main()
