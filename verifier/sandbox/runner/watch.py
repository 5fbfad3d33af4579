"""Pumps and watches one execution: the clocks and limits while it runs, and the final word on each of its processes.

CPU time and memory are read from the kernel while a child runs and from wait4(2) when it has ended, and what a child
says of itself changes nothing.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field

from . import frames, jail, zygote
from .programs import PEER_WALL_FACTOR, PEER_WALL_S, WALL_STRETCH
from .usage import Ledger, Use, tree_use, use_of

_CHUNK = 1 << 20
_FIRST_TICK_S, _TICK_S = 0.02, 0.05
_DRAIN_S = 5.0
UNREAD_BYTES = 64 << 10
"""What is kept of an output that nobody compares, and of errors."""
DRAINED = "drained"
_XCPU, _XFSZ = int(signal.SIGXCPU), int(signal.SIGXFSZ)

Limits = dict[str, float]
Message = dict[str, object]


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
    kept_bytes: int = 0
    kept_files: int = 0
    """Of the directory that stays, where one does."""
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
class Pipe:
    """What a child writes, by its name in ``Outcome``; past the limit the child is stopped if ``is_strict``.

    What is ``DRAINED`` goes from one child to another, and is read here when the other has ended.
    """

    of: int
    name: str
    descriptor: int
    limit: int
    _: KW_ONLY
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


class Watch:
    """One execution while it runs.

    Args:
        processes: the first leads, and the last is the program that is judged.
        pipes: what is read from them.
        control: descriptor of the connection to the zygote.
        zygote_pid: its pid, or 0 where orphans are not its own.
        base_bytes: what it takes itself, which no child is charged for.
        hear: the zygote's next message.
        kill: has it end the execution.
        listen: keeps what the host sends meanwhile.
    """

    def __init__(
        self,
        processes: list[Process],
        pipes: list[Pipe],
        *,
        control: int,
        zygote_pid: int,
        base_bytes: int,
        hear: Callable[[], Message],
        kill: Callable[[], None],
        listen: Callable[[], None],
    ) -> None:
        self._processes = processes
        self._judged = processes[-1]
        self._pipes = pipes
        self._control = control
        self._zygote_pid = zygote_pid
        self._base_bytes = base_bytes
        self._hear = hear
        self._kill_all = kill
        self._listen = listen
        self._outcomes = [Outcome() for _ in processes]
        self._ledgers = [Ledger() for _ in processes]
        self._is_killed = False
        self._end: Message | None = None
        self._idle_s = 0.0

    def run(self) -> tuple[list[Outcome], bool]:
        """Until all have ended and the pipes are empty; how each ended, and whether nothing was left behind."""
        pids = self._hear()["pids"]
        assert isinstance(pids, list)
        for process, pid in zip(self._processes, pids, strict=True):
            process.pid = pid
        with selectors.PollSelector() as selector:
            for pipe in self._pipes:
                if pipe.name != DRAINED:
                    selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)
            selector.register(self._control, selectors.EVENT_READ, self._control)
            selector.register(0, selectors.EVENT_READ)
            self._pump(selector)
        end = self._end or {}
        self._judge_all(end)
        for pipe in self._pipes:
            if pipe.name != DRAINED:
                setattr(self._outcomes[pipe.of], pipe.name, bytes(pipe.data))
        return self._outcomes, end.get("is_clean") is True

    def _pump(self, selector: selectors.BaseSelector) -> None:
        started = checked = time.monotonic()
        tick, drained_by = _FIRST_TICK_S, float("inf")
        while len(selector.get_map()) > 1:  # the host alone
            for key, _ in selector.select(tick):
                if key.data is None:
                    self._listen()
                elif not self._take(key.data, selector):
                    selector.unregister(key.fileobj)
            now = time.monotonic()
            if self._end is not None:
                drained_by = min(drained_by, now + _DRAIN_S)
                if now > drained_by:
                    return
            elif now >= checked + tick and not self._is_killed:
                self._check(passed_s=now - started, since_s=now - checked)
                checked, tick = now, _TICK_S

    def _take(self, source: object, selector: selectors.BaseSelector) -> bool:
        """Takes what a child or the zygote has to say; False if that was the last."""
        if isinstance(source, Pipe):
            is_open = source.pull()
            if source.is_over and source.is_strict:
                self._kill(source.of, "output")
            return is_open
        message = self._hear()
        if "leader_ended" not in message:
            if message["broken"]:
                raise Broken(str(message["broken"]))
            self._end = message
            return False
        # We read on in the leader's place, and the limits of the program go on.
        for pipe in self._pipes:
            if pipe.name == DRAINED:
                os.set_blocking(pipe.descriptor, False)
                selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)
        return True

    def _kill(self, at: int, status: str) -> None:
        if not self._is_killed:
            self._is_killed = True
            self._outcomes[at].status = status
            self._kill_all()

    def _check(self, *, passed_s: float, since_s: float) -> None:
        """Compares what the children use with their limits."""
        uses = [self._use(process) for process in self._processes]
        spent = [ledger.enter(use) for ledger, use in zip(self._ledgers, uses, strict=True)]
        is_late = self._is_late(uses, sum(spent[:-1]), passed_s, since_s)
        # Where both have passed a limit at once, the program has.
        for at in reversed(range(len(uses))):
            process, use = self._processes[at], uses[at]
            if spent[at] > process.limits["cpu_time_s"] or (process is self._judged and is_late):
                self._kill(at, "time")
            elif use.memory_bytes > self._memory_limit(process):
                self._kill(at, "memory")
            elif use.processes > process.limits["processes"]:
                self._kill(at, "processes")

    def _is_late(self, uses: list[Use], peer_s: float, passed_s: float, since_s: float) -> bool:
        """Whether the wall time has passed.

        It is there for those who wait, so while one works or would (on a busy machine, or a peer) it stands still, up
        to a bound.
        """
        if not any(use.is_working for use in uses):
            self._idle_s += since_s
        wall_s = self._judged.limits["wall_s"]
        longest_s = WALL_STRETCH * wall_s + min(PEER_WALL_FACTOR * peer_s, PEER_WALL_S)
        return self._idle_s > wall_s or passed_s > longest_s

    def _use(self, process: Process) -> Use:
        """What a child uses; what the program that is judged cut loose is the zygote's now, and counts."""
        base_bytes = self._base_bytes if process.kind in zygote.WARM else 0
        if not self._zygote_pid:
            return use_of(jail.processes_of((process.uid,)), base_bytes)
        roots = {process.pid}
        if process is self._judged:
            others = {other.pid for other in self._processes[:-1]}
            roots |= set(zygote.children_of(self._zygote_pid)) - others
        return tree_use(list(roots), base_bytes)

    def _judge_all(self, end: Message) -> None:
        """The final word, from what the kernel counted."""
        ends, cut, others_s = end["ended"], end["cut"], float(str(end["others_cpu_time_s"]))
        assert isinstance(ends, list)
        assert isinstance(cut, list)
        self._outcomes[0].kept_bytes, self._outcomes[0].kept_files = map(int, end["kept"])  # type: ignore[call-overload]
        for at, process in enumerate(self._processes):
            self._judge(at, process, ends[at], is_cut=cut[at], others_s=others_s if process is self._judged else 0.0)

    def _judge(self, at: int, process: Process, ended: list[float] | None, *, is_cut: bool, others_s: float) -> None:
        outcome = self._outcomes[at]
        status, cpu_time_s, memory_bytes = ended or [0, 0.0, 0]
        code = os.waitstatus_to_exitcode(int(status))
        outcome.cpu_time_s = max(cpu_time_s + others_s, self._ledgers[at].seen_s)
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
        least = 0.0 if process.kind in zygote.WARM else 1.5 * self._base_bytes
        return max(process.memory_bytes, least)
