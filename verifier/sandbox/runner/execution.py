"""One execution: what its processes are handed, the clocks and limits while they run, and how each of them ended.

CPU time and memory are read from the kernel while a child runs and from wait4(2) when it has ended, and what a child
says of itself changes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from . import frames, zygote

_CHUNK = 1 << 20
_FIRST_TICK_S, _TICK_S = 0.02, 0.05
_DRAIN_S = 5.0
UNREAD_BYTES = 64 << 10
"""What is kept of an output that nobody compares, and of errors."""
_KILL_ROUNDS = 2000
_XCPU, _XFSZ = int(signal.SIGXCPU), int(signal.SIGXFSZ)

Limits = dict[str, float]


class Gone(Exception):  # noqa: N818 (not an error: the host has closed the connection)
    """The host has gone; so do we."""


class Broken(Exception):  # noqa: N818 (told to the host)
    """A child could not be put behind the walls; nothing of the job ran in it."""


@dataclass
class Process:
    """One child of an execution.

    Args:
        kind: of ``zygote.WARM``, or ``exec`` or ``place``.
        limits: what it may use.
        kernel: the same, as ``jail.Limits`` takes them.
        payload: see ``programs.payload``.
        uid: of its own.
        directory: its own.
        readable: one more directory that it may read, or empty.
        group: who may read that directory, or 0.
        keep: its directory stays.
        stdin: the bytes, or the descriptor of a pipe.
        stdout: the descriptor of a pipe, or -1 if its output is ours.
        wire: one more descriptor that it is given, or -1.
        reports: whether it is given a pipe for a report.
        is_strict: whether it is stopped when its output passes the limit.
        output_kept: bytes of its output that are kept.
    """

    kind: str
    limits: Limits
    kernel: dict[str, object]
    payload: bytes
    uid: int
    directory: str
    readable: str = ""
    group: int = 0
    keep: bool = False
    stdin: bytes | int = b""
    stdout: int = -1
    wire: int = -1
    reports: bool = False
    is_strict: bool = True
    output_kept: int = UNREAD_BYTES
    pid: int = 0

    def request(self, descriptors: int) -> dict[str, object]:
        """What the zygote is told of it."""
        return {
            "kind": self.kind, "limits": self.kernel, "descriptors": descriptors, "readable": self.readable,
            "group": self.group, "uid": self.uid, "directory": self.directory, "keep": self.keep,
        }  # fmt: skip

    @property
    def memory_bytes(self) -> float:
        """Resident bytes that it may have."""
        return self.limits["memory_bytes"] + float(str(self.kernel.get("overhead_bytes", 0)))


@dataclass
class Outcome:
    """How a child ended, before it is put into words for the host."""

    status: str = "exited"
    code: int = 0
    signal: int = 0
    cpu_time_s: float = 0.0
    memory_bytes: int = 0
    is_cut: bool = False
    """Ended by us though it had not passed a limit: another one had, or the leader had ended."""
    stdout: bytes = b""
    stderr: bytes = b""
    report: bytes = b""

    def header(self) -> frames.Header:
        """What the host is told."""
        return {
            "status": self.status, "exit_code": self.code, "signal": self.signal, "cpu_time_s": self.cpu_time_s,
            "memory_bytes": self.memory_bytes,
        }  # fmt: skip

    @property
    def blobs(self) -> tuple[bytes, bytes, bytes]:
        """What comes with the header."""
        return self.stdout, self.stderr, self.report

    @property
    def was_killed_by_others(self) -> bool:
        """Killed, but not by us: an operator or the kernel, or itself."""
        return self.status == "exited" and self.signal == signal.SIGKILL and not self.is_cut


@dataclass
class _Pipe:
    """What a child writes, by its name in ``Outcome``; past the limit the child is stopped if ``is_strict``."""

    of: int
    name: str
    descriptor: int
    limit: int
    is_strict: bool
    kept: int
    count: int = 0
    data: bytearray = field(default_factory=bytearray)
    is_over: bool = False

    def pull(self) -> bool:
        """Reads what there is; False at the end."""
        try:
            chunk = os.read(self.descriptor, _CHUNK)
        except BlockingIOError:
            return True
        if not chunk:
            return False
        self.data += chunk[: max(self.kept - len(self.data), 0)]
        self.count += len(chunk)
        self.is_over = self.count > self.limit
        return True


class Executor:
    """Has processes run by the zygote, one execution at a time.

    Args:
        control: the connection to the zygote.
        zygote_pid: its pid.
        listen: keeps what the host sends meanwhile; asked when descriptor 0 can be read.
    """

    def __init__(self, control: socket.socket, zygote_pid: int, listen: Callable[[], None]) -> None:
        self._control = control
        self._zygote_pid = zygote_pid
        self._listen = listen
        self._others_cpu_time_s = 0.0
        self._cut: list[bool] = []
        self._base_rss = 0
        self.is_spent = False
        """Something was left that could not be removed, so the next run would not start fresh."""
        self.forget: list[list[object]] = []
        """Directories to be removed before the next execution, each with its uid."""

    def measure(self) -> None:
        """Learns what the zygote takes itself, which no child is charged for."""
        self._base_rss = tree_use([self._zygote_pid])[1]

    def execute(self, processes: list[Process], linger_s: float = 0.0) -> list[Outcome]:
        """Runs one or two children; the first leads, and the last is the program that is judged.

        Args:
            processes: when the first has ended, the others are ended.
            linger_s: how long they may still take then.
        """
        pipes: list[_Pipe] = []
        descriptors: list[int] = []
        counts: list[int] = []
        for at, process in enumerate(processes):
            own = self._descriptors(at, process, pipes)
            descriptors += own
            counts.append(len(own))
        request = {
            "processes": [process.request(count) for process, count in zip(processes, counts, strict=True)],
            "linger_s": linger_s,
            "forget": self.forget,
        }
        self.forget = []
        try:
            socket.send_fds(self._control, [json.dumps(request).encode()], descriptors)
        except OSError:
            self._end_without_zygote()
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            return self._watch(processes, pipes)
        finally:
            for pipe in pipes:
                os.close(pipe.descriptor)

    def _descriptors(self, at: int, process: Process, pipes: list[_Pipe]) -> list[int]:
        """What one child is given, in order; those of its ends that are ours are added to ``pipes``."""
        limits, stdin = process.limits, process.stdin
        output = int(limits["output_bytes"])
        given = [stdin if isinstance(stdin, int) else _memory_file(stdin)]
        if process.stdout < 0:
            kept = process.output_kept
            given.append(_pipe(pipes, at, "stdout", output, is_strict=process.is_strict, kept=kept))
        else:
            given.append(process.stdout)
        given.append(_pipe(pipes, at, "stderr", UNREAD_BYTES, is_strict=False, kept=UNREAD_BYTES))
        given.append(_memory_file(process.payload))
        if process.wire >= 0:
            given.append(process.wire)
        if process.reports:
            report = int(limits["report_bytes"])
            given.append(_pipe(pipes, at, "report", report, is_strict=True, kept=report))
        return given

    # --- the zygote ---

    def _zygote_says(self) -> dict[str, object]:
        try:
            data = self._control.recv(zygote.MESSAGE_BYTES)
        except OSError:
            data = b""
        if not data:
            self._end_without_zygote()
        message = json.loads(data)
        assert isinstance(message, dict)
        return message

    def _end_without_zygote(self) -> NoReturn:
        """Without it nothing can run: the host sees us end, and starts another.

        It learns by our exit code whether somebody killed the zygote, or the job brought it down.
        """
        _, status = os.waitpid(self._zygote_pid, 0)
        for _ in range(_KILL_ROUNDS):
            # Its children are ours now, because we are a subreaper.
            left = zygote.descendants(os.getpid())
            if not left:
                break
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.0005)
        os._exit(128 + signal.SIGKILL if os.waitstatus_to_exitcode(status) == -signal.SIGKILL else 75)

    # --- watching ---

    def _watch(self, processes: list[Process], pipes: list[_Pipe]) -> list[Outcome]:
        """Pumps and watches until the zygote says that all have ended, and the pipes are empty."""
        started = time.monotonic()
        self._learn_pids(processes)
        outcomes = [Outcome() for _ in processes]
        ended: list[list[float] | None] = []
        wall_s = processes[-1].limits["wall_s"]
        deadline = started + wall_s
        tick = _FIRST_TICK_S
        with selectors.DefaultSelector() as selector:
            for pipe in pipes:
                selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)
            selector.register(self._control, selectors.EVENT_READ, self._control)
            selector.register(0, selectors.EVENT_READ)
            waiting = len(pipes) + 1
            while waiting:
                events = selector.select(tick)
                for key, _ in events:
                    if key.data is None:
                        self._listen()
                        continue
                    if key.data is self._control:
                        ended = self._ended()
                        deadline = time.monotonic() + _DRAIN_S
                    elif self._pull(key.data, outcomes):
                        continue
                    selector.unregister(key.fileobj)
                    waiting -= 1
                now = time.monotonic()
                if ended and now > deadline:
                    break
                if not ended and not _is_killed(outcomes) and (not events or now > started + tick):
                    self._check(outcomes, processes, is_late=now > deadline)
                    tick = _TICK_S
        self._judge_all(outcomes, processes, ended)
        for pipe in pipes:
            setattr(outcomes[pipe.of], pipe.name, bytes(pipe.data))
        return outcomes

    def _learn_pids(self, processes: list[Process]) -> None:
        pids = self._zygote_says()["pids"]
        assert isinstance(pids, list)
        for process, pid in zip(processes, pids, strict=True):
            process.pid = pid

    def _judge_all(self, outcomes: list[Outcome], processes: list[Process], ended: list[list[float] | None]) -> None:
        for at, (outcome, process) in enumerate(zip(outcomes, processes, strict=True)):
            self._judge(outcome, process, ended[at], is_cut=self._cut[at], is_judged=process is processes[-1])

    def _pull(self, pipe: _Pipe, outcomes: list[Outcome]) -> bool:
        """Reads from a child; False at the end of its output."""
        is_open = pipe.pull()
        if pipe.is_over and pipe.is_strict:
            self._kill(outcomes, pipe.of, "output")
        return is_open

    def _ended(self) -> list[list[float] | None]:
        message = self._zygote_says()
        ended, cut = message["ended"], message["cut"]
        assert isinstance(ended, list)
        assert isinstance(cut, list)
        if message["broken"]:
            raise Broken(str(message["broken"]))
        self._others_cpu_time_s = float(str(message["others_cpu_time_s"]))
        self._cut = cut
        self.is_spent = self.is_spent or not message["is_clean"]
        return ended

    def _kill(self, outcomes: list[Outcome], at: int, status: str) -> None:
        if not _is_killed(outcomes):
            outcomes[at].status = status
            try:
                self._control.send(b'{"kill": true}')
            except OSError:
                self._end_without_zygote()

    def _check(self, outcomes: list[Outcome], processes: list[Process], *, is_late: bool) -> None:
        """Compares what a child uses with its limits, while it runs; what it cut loose is the zygote's, and counts."""
        others = {process.pid for process in processes[:-1]}
        for at, process in enumerate(processes):
            is_judged = process is processes[-1]
            roots = [process.pid]
            if is_judged:
                roots = [pid for pid in {process.pid, *zygote.children_of(self._zygote_pid)} if pid not in others]
            cpu, rss, count = tree_use(roots, self._base_rss if process.kind in zygote.WARM else 0)
            if cpu > process.limits["cpu_time_s"] or (is_judged and is_late):
                self._kill(outcomes, at, "time")
            elif rss > self._memory_limit(process):
                self._kill(outcomes, at, "memory")
            elif count > process.limits["processes"]:
                self._kill(outcomes, at, "processes")

    def _judge(
        self, outcome: Outcome, process: Process, ended: list[float] | None, *, is_cut: bool, is_judged: bool
    ) -> None:
        """The final word, from what the kernel counted."""
        status, cpu_time_s, memory_bytes = ended or [0, 0.0, 0]
        code = os.waitstatus_to_exitcode(int(status))
        outcome.cpu_time_s = cpu_time_s + (self._others_cpu_time_s if is_judged else 0)
        outcome.memory_bytes = int(memory_bytes)
        outcome.is_cut = is_cut and outcome.status == "exited"
        if outcome.is_cut:
            code = 0
        outcome.code, outcome.signal = (code, 0) if code >= 0 else (0, -code)
        if outcome.status != "exited":
            return
        if outcome.cpu_time_s > process.limits["cpu_time_s"] or outcome.signal == _XCPU:
            outcome.status = "time"
        elif outcome.signal == _XFSZ:
            outcome.status = "output"
        elif process.kind not in zygote.WARM and memory_bytes > self._memory_limit(process):
            outcome.status = "memory"

    def _memory_limit(self, process: Process) -> float:
        # What becomes another program begins as a fork of the zygote, and the kernel's maximum never forgets it.
        least = 0.0 if process.kind in zygote.WARM else 1.5 * self._base_rss
        return max(process.memory_bytes, least)


def _is_killed(outcomes: list[Outcome]) -> bool:
    return any(outcome.status != "exited" for outcome in outcomes)


def _pipe(pipes: list[_Pipe], of: int, name: str, limit: int, *, is_strict: bool, kept: int) -> int:
    read, write = os.pipe()
    os.set_blocking(read, False)
    pipes.append(_Pipe(of, name, read, limit, is_strict, min(kept, limit)))
    return write


def _memory_file(data: bytes) -> int:
    """A file in memory, at its beginning: the child can read it without anybody pumping."""
    descriptor = os.memfd_create("input")
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def tree_use(pids: list[int], base_rss: int = 0) -> tuple[float, int, int]:
    """CPU seconds of processes and all below them, their resident bytes beyond ``base_rss`` each, and their number."""
    cpu, rss, count = 0.0, 0, 0
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    todo = list(pids)
    while todo:
        one = todo.pop()
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{one}/stat", encoding="ascii", errors="replace") as stat:
                fields = stat.read().rpartition(")")[2].split()
            cpu += (int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])) / tick
            count += 1
            rss += max(int(fields[21]) * page - base_rss, 0)
        todo += zygote.children_of(one)
    return cpu, rss, count
