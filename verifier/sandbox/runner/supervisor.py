"""Reads jobs from its standard input, has them run, and answers: the trusted process inside the jail."""

from __future__ import annotations

import _socket
import json
import os
import platform
import re
import shutil
import signal
import socket
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from . import codes, dialogue, execution, frames, jail, programs, walls
from .cache import NOTHING, CompileCache, Entry, Kept, key_of
from .programs import Program
from .watch import Broken, Limits, Outcome, Process

_CHUNK, _SMALL = 1 << 20, 1 << 16
_SILENCE_S = 0.5
"""For which results may be kept back, so that a short job is answered by one message."""
_COMPILE_OUTPUT_BYTES = 64 << 10
_LINGER_S = 1e6
_PAIR_LINGER_S = 0.5
"""A program whose tester has ended sees the end of its requests; how it ends itself is then told, not raced for."""
"""When its interactor has ended a program may print what is left, and has to end by itself: its limits still hold."""
_SPENT = 76
_MAX_PLANS, _MAX_PLAN_BYTES = 512, 16 << 20
_IS_MORE_THAN_DATA = re.compile(r"^[ \t]*(?:for|while|try|with|class|async|global|nonlocal|@)\b", re.MULTILINE)
"""What shows at a glance that a script is no data; most others are."""
_SELF_TEST_LIMITS = {
    "cpu_time_s": 5, "memory_bytes": 256 << 20, "file_bytes": 1 << 20, "processes": 8, "wall_s": 20,
    "output_bytes": 1 << 16, "report_bytes": 1 << 16,
}  # fmt: skip
_TOOLS = (
    "sh", "bash", "python3", "g++", "gcc", "node", "esbuild", "tsc", "java", "javac", "go", "rustc",
)  # fmt: skip


class _Gone(Exception):  # noqa: N818 (not an error: the host has closed the connection)
    """The host has gone; so do we."""


@dataclass(frozen=True)
class _KnownPlan:
    """What reading a script came to."""

    plan: dialogue.Plan | None

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        return self.plan.size if self.plan else 0


@dataclass
class _Job:
    """A job while it runs."""

    header: frames.Header
    blobs: list[bytes]
    program: Program
    peer: Program | None
    limits: Limits
    kept: Kept = NOTHING
    peer_kept: Kept = NOTHING

    @property
    def peer_limits(self) -> Limits:
        """A peer is the reference's own, so its limits are wide."""
        return {
            **self.limits,
            "cpu_time_s": self.limits["cpu_time_s"] + programs.PEER_EXTRA_S,
            "memory_bytes": max(programs.PEER_MEMORY_BYTES, self.limits["memory_bytes"]),
        }


class Supervisor:
    """Serves one host through descriptors 0 and 1."""

    def __init__(self, built: jail.Jail, answers: int) -> None:
        self._jail = built
        self._answers = answers
        self._counter = 0
        self._buffer = bytearray()
        self._told = bytearray()
        self._told_at = 0.0
        self._kept_uids = [built.uid_base + jail.RUN_UIDS + at for at in range(jail.UIDS_PER_RUNNER - jail.RUN_UIDS)]
        self._executor = execution.Executor(built, [0, answers], self._listen)
        self._codes = codes.Codes()
        self._plans: OrderedDict[bytes, _KnownPlan] = OrderedDict()
        self._cache = CompileCache(self._leave, **({} if built.can_keep else {"max_entries": 0}))

    # --- the host ---

    def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            chunk = os.read(0, min(max(_SMALL, count - len(self._buffer)), _CHUNK))
            if not chunk:
                raise _Gone
            self._buffer += chunk
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def _listen(self) -> None:
        """Keeps what the host sends meanwhile; if it has gone, so do we, and the namespace with us."""
        chunk = os.read(0, _CHUNK)
        if not chunk:
            os._exit(0)
        self._buffer += chunk

    def _tell(self, header: frames.Header, blobs: Sequence[bytes] = (), *, is_last: bool = True) -> None:
        """Answers the host; what is not the last word of a job may wait for it."""
        self._told += frames.pack(header, blobs)
        now = time.monotonic()
        if is_last or len(self._told) > _CHUNK or now > self._told_at + _SILENCE_S:
            data, self._told, self._told_at = memoryview(self._told), bytearray(), now
            while data:
                data = data[os.write(self._answers, data) :]

    def serve(self) -> None:
        """Says what this jail is, then runs jobs until the host goes away."""
        found = self._self_test()
        self._tell(
            {
                "op": "ready",
                "mode": self._jail.mode,
                "landlock_abi": self._jail.landlock_abi,
                "uid_per_execution": bool(self._jail.uid_base),
                "owns_pid_namespace": self._jail.owns_pid_namespace,
                "let_through": found,
                "python": platform.python_version(),
                "can_execute_work": not os.statvfs(self._jail.work).f_flag & os.ST_NOEXEC,
                "tools": {name: path for name in _TOOLS if (path := shutil.which(name))},
            }
        )
        while True:
            try:
                self._serve_job(*frames.read(self._exactly))
            except Broken as broken:
                self._tell({"op": "broken", "reason": str(broken)})
                return
            except (_Gone, BrokenPipeError):
                return

    def _self_test(self) -> list[str]:
        limits: Limits = dict(_SELF_TEST_LIMITS)
        uid, directory = self._next()
        process = Process(
            "selftest",
            limits,
            programs.kernel_limits(limits),
            {"secret": self._jail.secret},
            uid,
            directory,
            reports=True,
        )
        (outcome,) = self._executor.execute([process])
        try:
            found = json.loads(outcome.report)["value"]
        except (ValueError, KeyError):
            found = None
        return [str(name) for name in found] if isinstance(found, list) else [f"selftest: {outcome.status}"]

    # --- jobs ---

    def _serve_job(self, header: frames.Header, blobs: list[bytes]) -> None:
        limits = header["limits"]
        assert isinstance(limits, dict)
        peer = programs.parse_program(header["peer"], blobs) if header["peer"] else None
        job = _Job(header, blobs, programs.parse_program(header["program"], blobs), peer, limits)
        if self._prepare(job):
            self._run_all(job)
        self._cache.trim()
        self._tell({"op": "done", "is_spent": self._executor.is_spent})

    def _prepare(self, job: _Job) -> bool:
        """Places and compiles what is executed; whether there is something to run."""
        is_ready = True
        if not job.program.is_warm:
            job.kept, is_ready = self._compiled("program", job.program, job)
        if is_ready and job.peer is not None and not job.peer.is_warm:
            job.peer_kept, is_ready = self._compiled("peer", job.peer, job)
        return is_ready

    def _run_all(self, job: _Job) -> None:
        runs, budget_s = job.header["runs"], job.header["total_cpu_time_s"]
        assert isinstance(runs, list)
        spent_s, is_stopped = 0.0, False
        for run in runs:
            if is_stopped or (isinstance(budget_s, int | float) and spent_s >= budget_s):
                self._tell({"op": "run", "status": "skipped" if is_stopped else "budget"}, is_last=False)
                continue
            if self._executor.is_spent:
                os._exit(_SPENT)  # the next run would not start fresh; in a new runner it will
            outcomes = self._run(job, run)
            if any(outcome.was_killed_by_others for outcome in outcomes):
                # Killed, but not by us: an operator or the kernel. Once more, and then it stands.
                outcomes = self._run(job, run)
            judged, *others = outcomes
            spent_s += judged.cpu_time_s
            told = judged.header() | {"peer": others[0].header() if others else None}
            self._tell({"op": "run", **told}, [blob for outcome in outcomes for blob in outcome.blobs], is_last=False)
            is_stopped = bool(job.header["stop_on_limit"]) and judged.status != "exited"

    def _run(self, job: _Job, run: Mapping[str, object]) -> list[Outcome]:
        """The program's outcome, and the peer's where it is told apart."""
        match run["kind"]:
            case "stdio":
                head: frames.Header = {"args": run["args"]} if run["args"] else {}
                process = self._process(job, head, files=programs.parse_files(run["files"], job.blobs))
                process.stdin = job.blobs[int(str(run["stdin"]))]
                process.output_kept = int(job.limits["output_bytes"])
                return self._executed_with_code(job, process)
            case "call":
                head = run["head"]  # type: ignore[assignment]
                return self._executed_with_code(job, self._process(job, head, kind="call"))
            case "script":
                return [self._script(job, run)]
            case "pair":
                return self._pair(job)
            case "interactive":
                return self._interactive(job, run)
            case kind:
                raise frames.FrameError(f"an unknown run {kind!r}")

    def _process(self, job: _Job, head: frames.Header, *, kind: str = "stdio", files: programs.Files = ()) -> Process:
        """The program, as a warm child of this kind or executed from where it was placed."""
        return self._start(job.program, job.kept, job.limits, head, kind=kind, files=files)

    def _start(
        self,
        program: Program,
        kept: Kept,
        limits: Limits,
        head: frames.Header,
        *,
        kind: str,
        files: programs.Files = (),
    ) -> Process:
        uid, directory = self._next()
        kernel = program.limited(limits)
        if program.is_warm:
            return Process(
                kind, limits, kernel, head, uid, directory, files=(*program.files, *files), text=program.text,
                reports=kind != "server",
            )  # fmt: skip
        memory_bytes = limits["memory_bytes"]
        args = head.get("args", [])
        assert isinstance(args, list)
        told: frames.Header = {
            **head,
            "argv": program.command(program.run_command, kept.directory, memory_bytes) + args,
            "environment": program.surroundings(kept.directory, memory_bytes),
        }
        return Process(
            "exec", limits, kernel, told, uid, directory, files=files, readable=kept.directory, group=kept.uid
        )

    def _executed_with_code(self, job: _Job, process: Process) -> list[Outcome]:
        """Executes it alone; a program that runs more than once is compiled once."""
        runs = job.header["runs"]
        if not job.program.is_warm or (isinstance(runs, list) and len(runs) == 1):
            return self._executor.execute([process])
        key = job.program.key
        process.code = self._codes.get(key)
        (outcome,) = self._executor.execute([process])
        outcome.report = self._codes.take(key, outcome.report) if process.code is True else outcome.report
        return [outcome]

    def _script(self, job: _Job, run: Mapping[str, object]) -> Outcome:
        """A script that is data is gone through here; any other has a tester."""
        head = run["head"]
        assert isinstance(head, dict)
        text = job.blobs[int(str(run["script"]))].decode("utf-8", "replace")
        plan = self._plan(job, str(head["entry_point"]), text) if head["framework"] == "plain" else None
        if plan is not None:
            ours, theirs = _socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            server = self._process(job, {}, kind="server")
            server.wire = theirs.detach()
            talk = dialogue.Dialogue(ours.detach(), plan)
            (outcome,) = self._executor.execute([server], talk=talk)
            if talk.report is not None:
                outcome.report = json.dumps(talk.report).encode("ascii")
            if talk.report is not None or outcome.status != "exited":
                return outcome
            if self._executor.is_spent:
                os._exit(_SPENT)
        return self._tested(job, head, text)

    def _plan(self, job: _Job, entry_point: str, text: str) -> dialogue.Plan | None:
        """The plan of a script, made by a child that reads it and runs nothing of it."""
        key = codes.key_of(f"plan {entry_point}", text)
        known = self._plans.get(key)
        if known is not None:
            self._plans.move_to_end(key)
            return known.plan
        plan = None
        if not _IS_MORE_THAN_DATA.search(text):
            limits = self._tester_limits(job)
            uid, directory = self._next()
            reader = Process(
                "planner", limits, programs.kernel_limits(limits), {"entry_point": entry_point}, uid, directory,
                text=text, reports=True,
            )  # fmt: skip
            (outcome,) = self._executor.execute([reader])
            plan = dialogue.read_plan(outcome.report) if _is_well(outcome) else None
        self._plans[key] = _KnownPlan(plan)
        while len(self._plans) > _MAX_PLANS or sum(known.size for known in self._plans.values()) > _MAX_PLAN_BYTES:
            self._plans.popitem(last=False)
        return plan

    @staticmethod
    def _tester_limits(job: _Job) -> Limits:
        """Tests are the reference's own, so their limits are wide."""
        return {
            **job.limits,
            "memory_bytes": programs.PEER_MEMORY_BYTES,
            "cpu_time_s": job.limits["cpu_time_s"] + programs.PEER_EXTRA_S,
        }

    def _tested(self, job: _Job, head: dict[str, object], text: str) -> Outcome:
        """The tester leads; the solution's server hangs on the other end of a socket pair."""
        ours, theirs = _socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        own = self._tester_limits(job)
        kernel = programs.kernel_limits(own)
        uid, directory = self._next()
        key = codes.key_of(f"script {head['framework']}", text)
        if "getsource" in text:
            # Tests that read the solution's source read what we were given, not what it says of itself.
            head = {**head, "solution": job.program.text}
        tester = Process(
            "tester", own, kernel, head, uid, directory, text=text, code=self._codes.get(key), reports=True,
            wire=ours.detach(),
        )  # fmt: skip
        # A prelude's classes have to be known before anything is told of the solution's.
        server = self._process(job, {} if head["prelude"] else {"announce": head["entry_point"]}, kind="server")
        server.wire = theirs.detach()
        leader, judged = self._executor.execute([tester, server])
        if tester.code is True:
            leader.report = self._codes.take(key, leader.report)
        if judged.status == "exited":
            judged.status = leader.status
        leader.status, leader.cpu_time_s, leader.memory_bytes = judged.status, judged.cpu_time_s, judged.memory_bytes
        return leader

    def _pair(self, job: _Job) -> list[Outcome]:
        """The peer asks the program through a socket pair; when it has ended the program is ended."""
        assert job.peer is not None
        ours, theirs = _socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        tester = self._start(job.peer, job.peer_kept, job.peer_limits, {}, kind="stdio")
        tester.is_strict = False
        tester.wire = ours.detach()
        program = self._process(job, {})
        program.wire = theirs.detach()
        return self._executor.execute([tester, program], linger_s=_PAIR_LINGER_S)[::-1]

    def _interactive(self, job: _Job, run: Mapping[str, object]) -> list[Outcome]:
        """The program and the interactor write to each other.

        The pipes are theirs, so a message costs no turn of ours. What flows there is bounded by the pipes and by the
        CPU time that writing takes; nothing of it is kept.
        """
        assert job.peer is not None
        head: frames.Header = {"args": run["args"], "survives_pipes": True}
        files = programs.parse_files(run["files"], job.blobs)
        peer = self._start(job.peer, job.peer_kept, job.peer_limits, head, kind="stdio", files=files)
        program = self._process(job, {})
        peer.stdin, program.stdout = os.pipe()
        program.stdin, peer.stdout = os.pipe()
        for descriptor in (peer.stdin, program.stdin):
            execution.open_to_others(descriptor, 0o666)
        return self._executor.execute([peer, program], linger_s=_LINGER_S, drain=os.dup(peer.stdin))[::-1]

    def _compiled(self, name: str, program: Program, job: _Job) -> tuple[Kept, bool]:
        """Where a program lies, compiled now or before, and whether there is something to run."""
        limits = job.header["compile_limits"]
        assert isinstance(limits, dict)
        key = key_of(program, limits)
        entry = self._cache.get(key)
        if entry is None:
            kept, outcome = self._compile(program, limits)
            if not _is_well(outcome):
                self._leave(kept)
                kept = NOTHING
            entry = Entry(kept, outcome)
            # What a limit or a stranger ended is not known to end so again.
            if outcome.status == "exited" and not outcome.signal:
                self._cache.put(key, entry)
        self._tell({"op": "compiled", "of": name, **entry.outcome.header()}, entry.outcome.blobs, is_last=False)
        return entry.kept, bool(entry.kept.directory)

    def _compile(self, program: Program, limits: Limits) -> tuple[Kept, Outcome]:
        """Writes the files of a program into a directory that stays, and compiles them there."""
        self._counter += 1
        uid = self._kept_uids.pop() if self._jail.uid_base else 0
        kept = Kept(self._directory(uid, "-kept"), uid)
        head: frames.Header = {
            "argv": program.command(program.compile_command, kept.directory, limits["memory_bytes"]),
            "environment": program.surroundings(kept.directory, limits["memory_bytes"]),
        }
        process = Process(
            "exec" if program.compile_command else "place",
            {**limits, "output_bytes": _COMPILE_OUTPUT_BYTES},
            program.limited(limits),
            head,
            kept.uid,
            kept.directory,
            files=((program.source_name, program.source), *program.files),
            keep=True,
            is_strict=False,
        )
        (outcome,) = self._executor.execute([process])
        return kept, outcome

    def _leave(self, kept: Kept) -> None:
        """Has a directory removed before the next execution."""
        self._executor.forget.append((kept.directory, kept.uid))
        if kept.uid:
            self._kept_uids.insert(0, kept.uid)

    def _next(self) -> tuple[int, str]:
        self._counter += 1
        base = self._jail.uid_base
        uid = base + self._counter % jail.RUN_UIDS if base else 0
        return uid, self._directory(uid)

    def _directory(self, uid: int, suffix: str = "") -> str:
        if self._jail.has_homes:
            return jail.home_of(self._jail.work, uid - self._jail.uid_base)
        return f"{self._jail.work}/{self._counter}{suffix}"


def _is_well(outcome: Outcome) -> bool:
    return outcome.status == "exited" and not outcome.code and not outcome.signal


def main() -> None:
    """Starts from ``sys.argv[2]``: is_container, scratch, uid_base and mode as JSON."""
    config = json.loads(sys.argv[2])
    os.set_inheritable(0, False)  # noqa: FBT003 (its only form)
    walls.prctl(walls.PR_SET_PDEATHSIG, signal.SIGKILL)
    walls.prctl(walls.PR_SET_CHILD_SUBREAPER, 1)
    answers = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)
    try:
        built = jail.build(**config)
    except (jail.JailError, OSError) as error:
        frame = frames.pack({"op": "refused", "reason": str(error)})
        os.write(answers, frame)
        return
    if not built.adopts:
        # The orphans are ours then, and need no parent to be asked for.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    Supervisor(built, answers).serve()
    os._exit(0)
