"""Many executions with hostile ones among them: whether every verdict is right and anything is left behind.

Nineteen in twenty are honest (standard input, calls, scripts in a second process; right, wrong and crashing ones);
each twentieth is a program of ``tests/cases/hostile_programs.jsonl``: fork bombs, memory bombs, floods, daemons,
signals, links, probes of the host. Each result is held against what the program must come to. Before and after,
with the sandbox idle, the script counts processes, containers, descriptors, memory, and what lies in the work
directories, in shared memory and in the machine's temporary directory.

    python benchmarks/sandbox_load.py [--executions N] [--backend NAME ...] [--image-tag TAG]

Exits with 1 if a result was wrong or if there are more processes, containers, descriptors or files than before.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import gc
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from code_programs import PREFIX, engine, pids_of, started
from cpu_time import memory_bytes, tree

from verifier.errors import SandboxError
from verifier.sandbox import StartableSandbox
from verifier.sandbox.base import CallRun, Job, Limits, Program, Run, RunResult, ScriptRun, StdioRun
from verifier.sandbox.docker import LABEL, DockerSandbox
from verifier.sandbox.images import image_name
from verifier.sandbox.local import LocalSandbox

HOSTILE = Path(__file__).parents[1] / "tests" / "cases" / "hostile_programs.jsonl"
HONEST_LIMITS = Limits(cpu_time_s=10.0, wall_floor_s=60.0)
HOSTILE_LIMITS = Limits(
    cpu_time_s=0.5,
    memory_bytes=200 << 20,
    output_bytes=1 << 20,
    report_bytes=1 << 20,
    file_bytes=1 << 20,
    processes=16,
    wall_floor_s=1.5,
    wall_factor=3.0,
)
SHARE = 20
PLACES: Mapping[str, tuple[str, ...]] = {
    "local-namespaces": ("assay-work", "dev/shm", "tmp"),
    "docker": ("work", "dev/shm", "tmp"),
}
WARM_UP = 200
CONNECTIONS = 10
ADD = "def add(a, b):\n    return a + b\n"
CHECK = "assert add(2, 3) == 5\nassert add('a', 'b') == 'ab'\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A program, and whether its result is what it must be."""

    name: str
    source: str
    run: Run
    is_right: Callable[[RunResult], bool]
    limits: Limits = HONEST_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What an idle sandbox holds."""

    processes: int
    containers: int
    descriptors: int
    runner_descriptors: int
    files: int
    memory_mib: int
    runner_memory_mib: int


def honest() -> list[Case]:
    """Programs whose every result is known."""
    total = "import sys\nprint(sum(map(int, sys.stdin.read().split())))\n"
    return [
        Case(name="stdio", source=total, run=StdioRun(stdin=b"1 2 39"), is_right=lambda one: one.stdout == b"42\n"),
        Case(
            name="call",
            source=ADD,
            run=CallRun(entry_point="add", args="[40, 2]", kwargs=""),
            is_right=lambda one: json.loads(one.value)["value"] == 42,
        ),
        Case(
            name="script that passes",
            source=ADD,
            run=ScriptRun(entry_point="add", script=CHECK, framework="plain"),
            is_right=lambda one: json.loads(one.value)["tests"] == [["script", True, ""]],
        ),
        Case(
            name="script that fails",
            source=ADD.replace("+", "-"),
            run=ScriptRun(entry_point="add", script=CHECK, framework="plain"),
            is_right=lambda one: json.loads(one.value)["tests"][0][1] is False,
        ),
        Case(
            name="crash",
            source="print(1)\nprint(1 / 0)\n",
            run=StdioRun(stdin=b""),
            is_right=lambda one: one.exit_code == 1 and b"ZeroDivisionError" in one.stderr,
        ),
        Case(
            name="files of its own",
            source="import os\nprint(os.listdir('.'))\nopen('f', 'w').write('x' * 9999)\n",
            run=StdioRun(stdin=b""),
            is_right=lambda one: one.stdout == b"[]\n",
        ),
    ]


def is_gvisor(sandbox: StartableSandbox) -> bool:
    """Whether programs run on gVisor's kernel."""
    return isinstance(sandbox, DockerSandbox) and sandbox._runtime == "runsc"  # noqa: SLF001


def hostile(left_out: str) -> list[Case]:
    """Python programs that do harm; those that need a victim of the contract tests are left out."""
    rows = [json.loads(line) for line in HOSTILE.read_text(encoding="utf-8").splitlines()]
    return [
        Case(
            name=f"hostile: {row['name']}",
            source=row["source"],
            run=StdioRun(stdin=b""),
            is_right=lambda one, row=row: is_as_it_may_end(one, row),  # type: ignore[misc]
            limits=HOSTILE_LIMITS,
        )
        for row in rows
        if "stdin" not in row and "language" not in row and row["name"] != left_out
    ]


def is_as_it_may_end(one: RunResult, row: Mapping[str, object]) -> bool:
    """Whether a hostile program was stopped as it may be, and reached nothing."""
    ends = row["ends"]
    assert isinstance(ends, list)
    is_said = "stdout" not in row or one.status.value == "time" or one.stdout.decode() == row["stdout"]
    return b"HIT" not in one.stdout and (one.status.value in ends or one.status.value == "time") and is_said


async def ran(sandbox: StartableSandbox, case: Case) -> str:
    """Empty if the result of a case is right."""
    program = Program(source_name="solution.py", source=case.source)
    job = Job(toolchain="python", program=program, runs=(case.run,), limits=case.limits)
    try:
        (one,) = (await sandbox.run(job)).runs
    except SandboxError as error:
        # A program that takes its runner down each time has earned that verdict.
        return "" if error.is_own_doing and case.limits is HOSTILE_LIMITS else f"{case.name}: {error}"
    try:
        return "" if case.is_right(one) else f"{case.name}: {one}"
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return f"{case.name}: {error!r}: {one}"


async def run_all(sandbox: StartableSandbox, executions: int, clients: int) -> list[str]:
    """Runs so many cases and gives what was wrong."""
    # Links lead to the files of the image, which a container without Landlock shows.
    good, bad = honest(), hostile("symbolic links" if is_gvisor(sandbox) else "")
    order = random.Random(0)  # noqa: S311 (the same mix each time)
    cases = [order.choice(bad) if at % SHARE == SHARE - 1 else order.choice(good) for at in range(executions)]
    todo = iter(cases)
    wrong: list[str] = []
    counts: collections.Counter[str] = collections.Counter()
    begun = time.monotonic()

    async def client() -> None:
        for case in todo:
            problem = await ran(sandbox, case)
            if problem:
                wrong.append(problem)
                print(f"  {problem[:300]}", file=sys.stderr)
            counts[case.name] += 1
            done = counts.total()
            if done % 1000 == 0:
                print(f"  {done} in {time.monotonic() - begun:.0f} s", file=sys.stderr)

    await asyncio.gather(*(client() for _ in range(clients)))
    return wrong


async def counted(sandbox: StartableSandbox, backend: str, containers: Callable[[], int]) -> Count:
    """What there is when nothing runs; a killed process takes a moment to go."""
    await asyncio.sleep(1.0)
    gc.collect()
    roots = pids_of(sandbox)
    runners = {pid for root in roots for pid in tree(root)}
    own = set(tree(os.getpid()))
    return Count(
        processes=len(own | runners),
        containers=await asyncio.to_thread(containers),
        descriptors=descriptors(os.getpid()),
        runner_descriptors=sum(map(descriptors, runners)),
        files=sum(files_of(root, backend) for root in roots) + scratch_files(),
        memory_mib=memory_bytes(os.getpid(), below=False) >> 20,
        runner_memory_mib=sum(map(memory_bytes, roots)) >> 20,
    )


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (their number alone)
    return 0


def files_of(root: int, backend: str) -> int:
    """Files in the work directory and the shared memory of a runner that has a root directory of its own."""
    found = 0
    for place in PLACES.get(backend, ()):
        with contextlib.suppress(OSError):
            found += sum(1 for _ in Path(f"/proc/{max(tree(root))}/root/{place}").iterdir())
    return found


def scratch_files() -> int:
    """Files below the temporary directory."""
    return len(list(Path(tempfile.gettempdir()).rglob("*")))


@contextlib.contextmanager
def own_scratch() -> Iterator[None]:
    """A temporary directory for this process alone."""
    with tempfile.TemporaryDirectory(prefix="assay-load-") as directory:
        Path(directory).chmod(0o755)
        tempfile.tempdir = directory
        try:
            yield
        finally:
            tempfile.tempdir = None


def backends(image_tag: str) -> dict[str, Callable[[int], StartableSandbox]]:
    """Every backend in every mode."""
    return {
        "local-namespaces": lambda slots: LocalSandbox(slots=slots, mode="namespaces"),
        "local-uid": lambda slots: LocalSandbox(slots=slots, mode="uid"),
        "local-landlock": lambda slots: LocalSandbox(slots=slots, mode="landlock"),
        "docker": lambda slots: DockerSandbox(slots=slots, image_prefix=PREFIX, image_tag=image_tag),
        "docker-gvisor": lambda slots: DockerSandbox(
            slots=slots, image_prefix=PREFIX, image_tag=image_tag, runtime="runsc"
        ),
    }


def fill_connections(sandbox: StartableSandbox) -> None:
    """Has the engine's client open all the connections that it keeps, ten at most, before they are counted."""
    client = sandbox._client  # type: ignore[attr-defined]  # noqa: SLF001 (no caller has business there)
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        list(threads.map(lambda _: client.containers.list(all=True, ignore_removed=True), range(8 * CONNECTIONS)))


async def loaded(name: str, options: argparse.Namespace) -> bool:
    """One backend; whether all was right and nothing is left."""
    client = engine(image_name(PREFIX, "python", options.image_tag)) if name.startswith("docker") else None
    if name.startswith("docker") and client is None:
        return True

    def labelled() -> set[str]:
        found = client.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True) if client else []
        return {one.id for one in found}

    before_all = labelled()

    def containers() -> int:
        return len(labelled() - before_all)

    async with AsyncExitStack() as stack:
        # A directory of our own, so that what is counted is ours.
        stack.enter_context(own_scratch())
        sandbox = backends(options.image_tag)[name](options.slots)
        if not await started(stack, sandbox):
            return True
        if client:
            await asyncio.to_thread(fill_connections, sandbox)
        await run_all(sandbox, WARM_UP, options.slots)
        before, begun = await counted(sandbox, name, containers), time.monotonic()
        wrong = await run_all(sandbox, options.executions, 2 * options.slots)
        took_s, after = time.monotonic() - begun, await counted(sandbox, name, containers)
    print(f"{name}: {options.executions} executions in {took_s:.0f} s, {len(wrong)} wrong results")
    for what, first in asdict(before).items():
        print(f"  {what.replace('_', ' '):<24}{first:>8} before{asdict(after)[what]:>8} after")
    if client:
        client.close()
    held = ["containers", "descriptors", "files"]
    if not is_gvisor(sandbox):  # whose own processes stand for those inside, and are kept
        held += ["processes", "runner_descriptors"]
    return not wrong and all(asdict(after)[what] <= asdict(before)[what] for what in held)


def main() -> None:
    """Reads the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--executions", type=int, default=20_000)
    parser.add_argument("--slots", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--image-tag", default=os.environ.get("ASSAY_IMAGE_TAG", "latest"))
    parser.add_argument("--backend", nargs="*", default=list(backends("")), choices=list(backends("")))
    options = parser.parse_args()
    well = [asyncio.run(loaded(name, options)) for name in options.backend]
    raise SystemExit(0 if all(well) else 1)


if __name__ == "__main__":
    main()
