"""Pumps and watches one execution: the clocks and limits while it runs, and the final word on each of its processes.

CPU time and memory are read from the kernel while a child runs and from wait4(2) when it has ended, and what a child
says of itself changes nothing.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field

from . import frames, jail, records
from .dialogue import Dialogue
from .programs import PEER_WALL_FACTOR, PEER_WALL_S, WALL_STRETCH, Files
from .usage import Ledger, Use, children_of, processes_of, tree_use, use_of

_CHUNK = 1 << 16
_READS = 16
"""Of one pipe in turn, so that one that never ends does not keep us."""
_FIRST_TICK_S, _TICK_S = 0.02, 0.05
_SHORT_S = 0.003
_DRAIN_S = 5.0
UNREAD_BYTES = 64 << 10
"""What is kept of an output that nobody compares, and of errors."""
DRAINED = "drained"
_XCPU, _XFSZ = int(signal.SIGXCPU), int(signal.SIGXFSZ)

Limits = dict[str, float]


class Broken(Exception):  # noqa: N818 (told to the host)
    """A child could not be put behind the walls; nothing of the job ran in it."""


@dataclass(slots=True)
class Process:
    """One child of an execution.

    Args:
        kind: of ``records.WARM``, or ``exec`` or ``place``.
        limits: what it may use.
        kernel: the same, as ``jail.Limits`` takes them.
        head: what it is told.
        files: that it writes first.
        text: a program.
        code: of the text as ``Codes`` knows it, True if it is to be told, or None.
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
    kernel: jail.Limits
    head: frames.Header
    uid: int
    directory: str
    files: Files = ()
    text: str = ""
    code: bytes | bool | None = None
    readable: str = ""
    group: int = 0
    keep: bool = False
    stdin: bytes | int = b""
    stdout: int = -1
    wire: int = -1
    reports: bool = False
    is_strict: bool = True
    output_kept: int = UNREAD_BYTES

    @property
    def memory_bytes(self) -> float:
        """Resident bytes that it may have."""
        return self.limits["memory_bytes"] + self.kernel.overhead_bytes


@dataclass(slots=True)
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


@dataclass(slots=True)
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

    def pull(self, *, is_closed: bool) -> bool:
        """Reads what there is; False at the end.

        Args:
            is_closed: nobody can write any more, so the end can be reached.
        """
        for _ in range(_READS):
            try:
                chunk = os.read(self.descriptor, _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            self.data += chunk[: max(self.kept - len(self.data), 0)]
            self.count += len(chunk)
            self.is_over = self.count > self.limit
            if not is_closed:
                return True  # there may be no more yet, and reading would wait for it
        return True


@dataclass(slots=True)
class _End:
    """What the zygote has told of the children."""

    pids: list[int] = field(default_factory=list)
    ended: dict[int, tuple[int, float, int]] = field(default_factory=dict)
    """Status, CPU seconds and resident bytes at most, by pid."""
    cut: set[int] = field(default_factory=set)
    """Who had not ended when the zygote began to end all by force."""
    is_done: bool = False
    is_clean: bool = False

    def enter(self, told: bytes) -> None:
        """Takes records of the zygote."""
        for kind, pid, status, _, *usage in records.RECORD.iter_unpack(told):
            if kind == records.ENDED:
                self.ended[pid] = status, usage[0] + usage[2] + 1e-6 * (usage[1] + usage[3]), usage[4] * 1024
            elif kind == records.FORKED:
                self.pids.append(pid)
            elif kind == records.KILLED:
                self.cut = {pid for pid in self.pids if pid not in self.ended}
            else:
                self.is_done, self.is_clean = True, bool(status)


class Watch:
    """One execution while it runs.

    Args:
        processes: the first leads, and the last is the program that is judged.
        pipes: what is read from them.
        control: descriptor of the connection to the zygote.
        zygote_pid: its pid, or 0 where orphans are not its own.
        base_bytes: what it takes itself, which no child is charged for.
        linger_s: how long the others may go on when the leader has ended.
        hear: what the zygote tells next.
        kill: has it end the execution.
        listen: keeps what the host sends meanwhile.
        talk: what we have to say to a child ourselves, or None.
    """

    def __init__(
        self,
        processes: list[Process],
        pipes: list[Pipe],
        *,
        control: int,
        zygote_pid: int,
        base_bytes: int,
        linger_s: float,
        hear: Callable[[], bytes],
        kill: Callable[[], None],
        listen: Callable[[], None],
        talk: Dialogue | None = None,
    ) -> None:
        self._talk = talk
        self._processes = processes
        self._judged = processes[-1]
        self._pipes = pipes
        self._control = control
        self._zygote_pid = zygote_pid
        self._base_bytes = base_bytes
        self._linger_s = linger_s
        self._hear = hear
        self._kill_all = kill
        self._listen = listen
        self._outcomes = [Outcome() for _ in processes]
        self._ledgers = [Ledger() for _ in processes]
        self.is_killed = False
        self._end = _End()
        self._idle_s = 0.0
        self._leader_ended_at = 0.0

    def run(self) -> tuple[list[Outcome], bool]:
        """Until all have ended and the pipes are empty; how each ended, and whether nothing was left behind."""
        self._pump()
        self._judge_all()
        for pipe in self._pipes:
            if pipe.name != DRAINED:
                setattr(self._outcomes[pipe.of], pipe.name, bytes(pipe.data))
        return self._outcomes, self._end.is_clean

    def _pump(self) -> None:
        poll, open_pipes = select.poll(), {pipe.descriptor: pipe for pipe in self._pipes if pipe.name != DRAINED}
        for descriptor in (self._control, 0, *([self._talk.descriptor] if self._talk else [])):
            poll.register(descriptor, select.POLLIN)
        started = checked = time.monotonic()
        # Most programs end soon and print little: then there is one thing to wait for.
        self._take(poll.poll(_SHORT_S * 1000), open_pipes, poll)
        for descriptor in open_pipes:
            poll.register(descriptor, select.POLLIN)
        tick_s, drained_by = _FIRST_TICK_S, float("inf")
        while open_pipes or not self._end.is_done:
            self._take(poll.poll(tick_s * 1000), open_pipes, poll)
            now = time.monotonic()
            if self._end.is_done:
                drained_by = min(drained_by, now + _DRAIN_S)
                if now > drained_by:
                    return
            elif now >= checked + tick_s and not self.is_killed:
                self._check(passed_s=now - started, since_s=now - checked)
                checked, tick_s = now, _TICK_S
            if self._linger_s and self._is_alone(now):
                self._read_for_leader(poll, open_pipes)

    def _take(self, events: list[tuple[int, int]], open_pipes: dict[int, Pipe], poll: select.poll) -> None:
        """Takes what the children, the zygote or the host have to say."""
        for descriptor, event in events:
            if descriptor == self._control:
                self._end.enter(self._hear())
            elif self._talk is not None and descriptor == self._talk.descriptor:
                if not self._talk.take():
                    poll.unregister(descriptor)
                    self._talk.close()
                    self._talk = None
            elif descriptor not in open_pipes:
                self._listen()
            elif not self._pull(open_pipes[descriptor], is_closed=bool(event & select.POLLHUP)):
                poll.unregister(descriptor)
                del open_pipes[descriptor]

    def _is_alone(self, now: float) -> bool:
        """Whether the leader has just ended; the others are ended when their time is over."""
        if not self._end.pids or self._end.pids[0] not in self._end.ended or self._end.is_done:
            return False
        if self._leader_ended_at:
            if now > self._leader_ended_at + self._linger_s and not self.is_killed:
                self.is_killed = True
                self._kill_all()
            return False
        self._leader_ended_at = now
        return True

    def _read_for_leader(self, poll: select.poll, open_pipes: dict[int, Pipe]) -> None:
        """Reads on in the leader's place, while the limits of the program go on."""
        for pipe in self._pipes:
            if pipe.name == DRAINED:
                os.set_blocking(pipe.descriptor, False)
                open_pipes[pipe.descriptor] = pipe
                poll.register(pipe.descriptor, select.POLLIN)

    def _pull(self, pipe: Pipe, *, is_closed: bool) -> bool:
        is_open = pipe.pull(is_closed=is_closed)
        if pipe.is_over and pipe.is_strict:
            self._kill(pipe.of, "output")
        return is_open

    def _kill(self, at: int, status: str) -> None:
        if not self.is_killed:
            self.is_killed = True
            self._outcomes[at].status = status
            self._kill_all()

    def _check(self, *, passed_s: float, since_s: float) -> None:
        """Compares what the children use with their limits."""
        uses = [self._use(at, process) for at, process in enumerate(self._processes)]
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

    def _use(self, at: int, process: Process) -> Use:
        """What a child uses; what the program that is judged cut loose is the zygote's now, and counts."""
        base_bytes = self._base_bytes if process.kind in records.WARM else 0
        if not self._zygote_pid:
            return use_of(processes_of((process.uid,)), base_bytes)
        roots = set(self._end.pids[at : at + 1])
        if process is self._judged:
            roots |= set(children_of(self._zygote_pid)) - set(self._end.pids[:at])
        return tree_use(list(roots), base_bytes)

    def _judge_all(self) -> None:
        """The final word, from what the kernel counted."""
        pids, ended = self._end.pids, self._end.ended
        others_s = sum(cpu_time_s for pid, (_, cpu_time_s, _) in ended.items() if pid not in pids)
        for at, (process, pid) in enumerate(zip(self._processes, pids, strict=True)):
            others = others_s if process is self._judged else 0.0
            self._judge(at, process, ended.get(pid), is_cut=pid in self._end.cut, others_s=others)

    def _judge(
        self, at: int, process: Process, ended: tuple[int, float, int] | None, *, is_cut: bool, others_s: float
    ) -> None:
        outcome = self._outcomes[at]
        status, cpu_time_s, memory_bytes = ended or (0, 0.0, 0)
        code = os.waitstatus_to_exitcode(status)
        outcome.cpu_time_s = max(cpu_time_s + others_s, self._ledgers[at].seen_s)
        outcome.memory_bytes = memory_bytes
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
        elif process.kind not in records.WARM and memory_bytes > self._memory_limit(process):
            outcome.status = "memory"

    def _memory_limit(self, process: Process) -> float:
        # What becomes another program begins as a fork of the zygote, and the kernel's maximum never forgets it.
        least = 0.0 if process.kind in records.WARM else 1.5 * self._base_bytes
        return max(process.memory_bytes, least)
