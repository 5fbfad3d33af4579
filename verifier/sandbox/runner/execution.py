"""Executions: what their processes are handed, and the zygote that starts them."""

from __future__ import annotations

import contextlib
import marshal
import os
import signal
import socket
import time
from collections.abc import Callable
from typing import NoReturn

from . import zygote
from .usage import tree_use
from .watch import DRAINED, UNREAD_BYTES, Outcome, Pipe, Process, Watch

_KILL_ROUNDS = 2000


class Executor:
    """Has processes run by the zygote, one execution at a time.

    Args:
        control: the connection to the zygote.
        zygote_pid: its pid.
        adopts: see ``jail.Jail``.
        listen: keeps what the host sends meanwhile; asked when descriptor 0 can be read.
    """

    def __init__(self, control: socket.socket, zygote_pid: int, adopts: bool, listen: Callable[[], None]) -> None:  # noqa: FBT001
        self._adopts = adopts
        self._control = control
        self._zygote_pid = zygote_pid
        self._listen = listen
        self._base_bytes = 0
        self.is_spent = False
        """Something was left that could not be removed, so the next run would not start fresh."""
        self.forget: list[list[object]] = []
        """Directories to be removed before the next execution, each with its uid."""

    def measure(self) -> None:
        """Learns what the zygote takes itself, which no child is charged for."""
        self._base_bytes = tree_use([self._zygote_pid]).memory_bytes

    def execute(self, processes: list[Process], linger_s: float = 0.0, drain: int = -1) -> list[Outcome]:
        """Runs one or two children; the first leads, and the last is the program that is judged.

        Args:
            processes: when the first has ended, the others are ended.
            linger_s: how long they may still take then.
            drain: where the program's output is read from when its reader, the leader, has ended; or -1. Until then
                it keeps the program from being killed by a pipe that nobody reads, which would be a matter of luck.
        """
        pipes: list[Pipe] = []
        if drain >= 0:
            pipes.append(Pipe(len(processes) - 1, DRAINED, drain, 0, is_strict=False, kept=0))
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
            socket.send_fds(self._control, [marshal.dumps(request)], descriptors)
        except OSError:
            self._end_without_zygote()
        for descriptor in descriptors:
            os.close(descriptor)
        try:
            watch = Watch(
                processes,
                pipes,
                control=self._control.fileno(),
                zygote_pid=self._zygote_pid if self._adopts else 0,
                base_bytes=self._base_bytes,
                hear=self._hear,
                kill=self._kill,
                listen=self._listen,
            )
            outcomes, is_clean = watch.run()
        finally:
            for pipe in pipes:
                os.close(pipe.descriptor)
        self.is_spent = self.is_spent or not is_clean
        return outcomes

    def _descriptors(self, at: int, process: Process, pipes: list[Pipe]) -> list[int]:
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

    def _kill(self) -> None:
        try:
            self._control.send(b'{"kill": true}')
        except OSError:
            self._end_without_zygote()

    def _hear(self) -> dict[str, object]:
        try:
            data = self._control.recv(zygote.MESSAGE_BYTES)
        except OSError:
            data = b""
        if not data:
            self._end_without_zygote()
        message = marshal.loads(data)  # noqa: S302 (of the zygote, which has met no program)
        assert isinstance(message, dict)
        return message

    def _end_without_zygote(self) -> NoReturn:
        """Without it nothing can run: the host sees us end, and starts another.

        It learns by our exit code whether somebody killed the zygote, or the job brought it down.
        """
        try:
            _, status = os.waitpid(self._zygote_pid, 0)
        except ChildProcessError:
            status = int(signal.SIGKILL)  # nobody can say, so it is not held against the job
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


def open_to_others(pipe: int, mode: int) -> None:
    """Lets a program of another uid open a pipe by the paths of its standard streams."""
    with contextlib.suppress(PermissionError):  # gVisor knows no modes of pipes
        os.fchmod(pipe, mode)


def _pipe(pipes: list[Pipe], of: int, name: str, limit: int, *, is_strict: bool, kept: int) -> int:
    read, write = os.pipe()
    open_to_others(write, 0o622)
    os.set_blocking(read, False)
    pipes.append(Pipe(of, name, read, limit, is_strict=is_strict, kept=min(kept, limit)))
    return write


def _memory_file(data: bytes) -> int:
    """A file in memory, at its beginning: the child can read it without anybody pumping."""
    descriptor = os.memfd_create("input")
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
