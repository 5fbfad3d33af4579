"""One runner as the host sees it: a job goes in, frames come back, and it can be killed.

``local.py`` and ``docker.py`` differ only in how a runner is started and its bytes are moved (``Link``).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

from verifier.errors import SandboxError
from verifier.sandbox.base import (
    CallRun,
    InteractiveRun,
    Job,
    JobResult,
    Limits,
    PairRun,
    Program,
    Run,
    RunResult,
    RunStatus,
    ScriptRun,
    StdioRun,
    Wall,
)
from verifier.sandbox.runner import frames
from verifier.sandbox.runner.jail import UIDS_PER_RUNNER
from verifier.sandbox.runner.programs import PEER_WALL_S, WALL_STRETCH

_START_S = 60.0
_GRACE_S = 30.0


_FIRST_UID, _UID_BLOCKS = 0x40000000, 0x400000


def new_uid_base() -> int:
    """The first uid of a runner's executions, which no other runner of this machine is likely to have.

    The kernel counts a uid's processes over all containers, so runners that share uids would share that limit.
    """
    return _FIRST_UID + secrets.randbelow(_UID_BLOCKS) * UIDS_PER_RUNNER


class Link(Protocol):
    """The bytes to and from one runner."""

    async def send(self, data: bytes) -> None:
        """Writes all of it; EOFError if the runner has gone."""
        ...

    async def read_exactly(self, count: int) -> bytes:
        """Reads exactly so many bytes; EOFError if the runner has gone."""
        ...

    def is_open(self) -> bool:
        """Whether the runner is there, as far as can be told without asking it."""
        ...

    async def close(self) -> bool:
        """Kills the runner and frees what it held; whether the job itself had brought it down."""
        ...


@dataclass(slots=True)
class Slot:
    """A runner that is ready; one job at a time."""

    link: Link
    ready: frames.Header
    executions: int = 0
    is_spent: bool = False
    tools: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    async def open(cls, link: Link) -> Slot:
        """Waits until the runner has built its jail and tried its walls.

        Raises:
            SandboxError: it refused, with the remedy, or did not start.
        """
        try:
            async with asyncio.timeout(_START_S):
                header, _ = await _read_frame(link)
        except (EOFError, TimeoutError, frames.FrameError) as error:
            await link.close()
            raise SandboxError("sandbox_lost", "the sandbox runner did not start", is_lost=True) from error
        except BaseException:
            await link.close()
            raise
        if header.get("op") != "ready":
            await link.close()
            raise SandboxError("no_isolation", str(header.get("reason")))
        tools = header["tools"]
        return cls(link, header, tools=frozenset(tools) if isinstance(tools, dict) else frozenset())

    def refusal(self) -> str:
        """Which required wall is missing, or empty."""
        missing = [wall.name for wall in walls_of(self.ready) if wall.required and not wall.stands]
        return f"these walls do not stand here: {', '.join(missing)}; see `verifier doctor`" if missing else ""

    async def run(self, job: Job) -> JobResult:
        """Runs a job.

        Raises:
            SandboxError: the runner was lost (``is_lost``), or a tool is missing.
        """
        self._require_tools(job)
        self.executions += len(job.runs)
        header, blobs = _request(job)
        try:
            async with asyncio.timeout(_GRACE_S):
                await self.link.send(frames.pack(header, blobs))
            return await self._collect(job)
        except (EOFError, TimeoutError, frames.FrameError, KeyError, TypeError, ValueError) as error:
            is_late = isinstance(error, TimeoutError)
            detail = f"the sandbox runner {'did not answer in time' if is_late else 'was lost'}"
            raise SandboxError("sandbox_lost", detail, is_lost=True, is_own_doing=is_late) from error

    def _require_tools(self, job: Job) -> None:
        programs = [job.program, *([job.peer] if job.peer else [])]
        for command in [command for program in programs for command in (program.compile_command, program.run_command)]:
            for tool in _tools_of(command):
                if tool not in self.tools:
                    raise SandboxError(
                        "no_toolchain",
                        f"{tool} is not installed in the sandbox, so {job.toolchain} cannot be judged; install it or"
                        " use the docker backend with its images",
                    )
        executes_work = any(word.startswith("{") for program in programs for word in program.run_command[:1])
        if executes_work and self.ready.get("can_execute_work") is False:
            raise SandboxError(
                "noexec_directory",
                "the sandbox works in a directory that is mounted noexec, so compiled programs cannot run; mount it"
                " with exec (docker run --tmpfs /tmp:exec) or set TMPDIR",
            )

    async def _collect(self, job: Job) -> JobResult:
        compiled: dict[str, RunResult] = {}
        runs: list[RunResult] = []
        # A run killed from outside is repeated, hence twice; a peer may be at work as long again.
        longest_s = WALL_STRETCH * max(wall_time_s(job.limits), wall_time_s(job.compile_limits))
        patience_s = 2 * (longest_s if job.peer is None else longest_s + PEER_WALL_S) + _GRACE_S
        while True:
            async with asyncio.timeout(patience_s):
                header, blobs = await _read_frame(self.link)
            match header["op"]:
                case "compiled":
                    compiled[str(header["of"])] = _result(header, blobs)
                case "run":
                    runs.append(_result(header, blobs))
                case "broken":
                    detail = f"a program could not be put behind the walls: {header['reason']}"
                    raise SandboxError("sandbox_broken", detail, is_lost=True)
                case "done":
                    self.is_spent = header.get("is_spent") is True
                    return JobResult(
                        compile=compiled.get("program"), peer_compile=compiled.get("peer"), runs=tuple(runs)
                    )
                case other:
                    raise frames.FrameError(f"an unknown answer {other!r}")


def _tools_of(command: tuple[str, ...]) -> tuple[str, ...]:
    """The tools that a command needs; one of ``sh -c`` names the shell's tool as its ``$0``."""
    shell = command[3:4] if command[:2] == ("sh", "-c") else ()
    return tuple(word for word in (*command[:1], *shell) if not word.startswith("{"))


async def _read_frame(link: Link) -> tuple[frames.Header, list[bytes]]:
    (length,) = frames.LENGTH.unpack(await link.read_exactly(frames.LENGTH.size))
    if length > frames.MAX_HEADER_BYTES:
        raise frames.FrameError(f"a frame header of {length} bytes")
    header = frames.parse_header(await link.read_exactly(length))
    return header, [await link.read_exactly(n) for n in frames.blob_lengths(header)]


def wall_time_s(limits: Limits) -> float:
    """Wall time that goes with a CPU time limit."""
    return max(limits.wall_factor * limits.cpu_time_s, limits.wall_floor_s)


def _limits(limits: Limits) -> Mapping[str, object]:
    plain = {name: getattr(limits, name) for name in _TOLD_LIMITS}
    return plain | {"wall_s": wall_time_s(limits)}


_TOLD_LIMITS = tuple(one.name for one in fields(Limits) if not one.name.startswith("wall_"))


def _request(job: Job) -> tuple[frames.Header, list[bytes]]:
    blobs: list[bytes] = []
    header: frames.Header = {
        "op": "job",
        "program": _program_header(job.program, blobs),
        "peer": _program_header(job.peer, blobs) if job.peer else None,
        "runs": [_run_header(run, blobs) for run in job.runs],
        "limits": _limits(job.limits),
        "compile_limits": _limits(job.compile_limits),
        "total_cpu_time_s": job.total_cpu_time_s,
        "stop_on_limit": job.stop_on_limit,
    }
    return header, blobs


def _blob(data: str | bytes, blobs: list[bytes]) -> int:
    # Lone surrogates cannot be written to a file; the program gets the replacement character.
    blobs.append(data.encode("utf-8", "replace") if isinstance(data, str) else data)
    return len(blobs) - 1


def _files(files: Iterable[tuple[str, str | bytes]], blobs: list[bytes]) -> list[list[object]]:
    return [[name, _blob(data, blobs)] for name, data in files]


def _program_header(program: Program, blobs: list[bytes]) -> frames.Header:
    return {
        "source_name": program.source_name,
        "source": _blob(program.source, blobs),
        "files": _files(program.files, blobs),
        "compile_command": list(program.compile_command),
        "run_command": list(program.run_command),
        "environment": dict(program.environment),
        "memory_rule": program.memory_rule.value,
        "overhead_bytes": program.overhead_bytes,
    }


def _run_header(run: Run, blobs: list[bytes]) -> frames.Header:
    match run:
        case StdioRun(stdin=stdin, args=args, files=files):
            return {"kind": "stdio", "stdin": _blob(stdin, blobs), "args": list(args), "files": _files(files, blobs)}
        case CallRun(entry_point=entry_point, args=arguments, kwargs=kwargs, in_place=in_place):
            head = {"entry_point": entry_point, "args": arguments, "kwargs": kwargs, "in_place": in_place}
            return {"kind": "call", "head": head}
        case ScriptRun(entry_point=entry_point, script=script, framework=framework, in_place=in_place, prelude=prelude):
            head = {"entry_point": entry_point, "framework": framework, "in_place": in_place, "prelude": prelude}
            return {"kind": "script", "head": head, "script": _blob(script, blobs)}
        case PairRun():
            return {"kind": "pair"}
        case InteractiveRun(args=args, files=files):
            return {"kind": "interactive", "args": list(args), "files": _files(files, blobs)}


def _result(header: frames.Header, blobs: list[bytes]) -> RunResult:
    peer = header.get("peer")
    if not isinstance(peer, dict):
        return _one_result(header, blobs)
    return replace(_one_result(header, blobs[:3]), peer=_one_result(peer, blobs[3:]))


def _one_result(header: frames.Header, blobs: list[bytes]) -> RunResult:
    status = RunStatus(header["status"])
    if status in (RunStatus.SKIPPED, RunStatus.BUDGET):
        return RunResult(status=status)
    stdout, stderr, value = blobs
    return RunResult(
        status=status,
        exit_code=int(str(header["exit_code"])),
        signal=int(str(header["signal"])),
        stdout=stdout,
        stderr=stderr,
        value=value,
        cpu_time_s=float(str(header["cpu_time_s"])),
        memory_bytes=int(str(header["memory_bytes"])),
    )


_ATTEMPTS_BY_WALL: Mapping[str, tuple[str, ...]] = {
    "files": ("write_outside", "read_host"),
    "network": ("open_socket",),
    "processes": ("signal_parent", "read_parent_memory"),
    "environments": ("read_parent_environment",),
    "kernel": ("new_namespace",),
}


def walls_of(ready: frames.Header) -> tuple[Wall, ...]:
    """The walls as the runner's self-test found them, by trying to get past each."""
    passed = ready.get("let_through")
    let_through = [str(name) for name in passed] if isinstance(passed, list) else ["no self-test"]
    known = {name for names in _ATTEMPTS_BY_WALL.values() for name in names}
    # There every process shows its command line and environment, which hold nothing of a job's but file names.
    is_lenient = ready.get("mode") == "uid" and bool(ready.get("owns_pid_namespace")) and not ready.get("landlock_abi")
    walls = [
        Wall(
            name=wall,
            stands=not (set(names) & set(let_through)),
            required=wall != "environments" or not is_lenient,
            detail="let through: " + ", ".join(sorted(set(names) & set(let_through)))
            if set(names) & set(let_through)
            else "tried: " + ", ".join(names),
        )
        for wall, names in _ATTEMPTS_BY_WALL.items()
    ]
    strange = [name for name in let_through if name not in known]
    walls.append(
        Wall(name="self-test", stands=not strange, required=True, detail=", ".join(strange) or "every wall was tried")
    )
    mode, abi = str(ready.get("mode")), ready.get("landlock_abi")
    for name, stands, detail, remedy in (
        (
            "own namespaces",
            mode == "namespaces" or bool(ready.get("owns_pid_namespace")),
            f"jail {mode}",
            f"jail {mode}; needs root or unprivileged user namespaces",
        ),
        (
            "uid per execution",
            bool(ready.get("uid_per_execution")),
            "256 uids of its own",
            "needs root, or SETUID, SETGID and KILL",
        ),
        (
            "Landlock",
            bool(abi),
            f"version {abi}",
            "needs Linux 5.13 or later; programs see the files of the image and the command lines of others",
        ),
        (
            "executable work",
            ready.get("can_execute_work") is True,
            "compiled programs can run",
            "the work directory is mounted noexec, so compiled programs cannot run",
        ),
    ):
        walls.append(Wall(name=name, stands=stands, required=False, detail=detail if stands else remedy))
    return tuple(walls)


async def close_quietly(slot: Slot) -> bool:
    """Closes a slot even if we are being cancelled; whether its job had brought it down."""
    task = asyncio.ensure_future(slot.link.close())
    with contextlib.suppress(asyncio.CancelledError):
        return await asyncio.shield(task)
    return await task
