"""Executions: what their processes are handed, and the zygote that starts them."""

from __future__ import annotations

import contextlib
import json
import marshal
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NoReturn

from . import jail, letters, records
from .dialogue import Dialogue
from .usage import descendants, tree_use
from .watch import DRAINED, UNREAD_BYTES, Broken, Outcome, Pipe, Process, Watch

_KILL_ROUNDS = 2000
_CHILDREN = 2
"""Of one execution, at most."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Executor:
    """Has processes run by the zygote, one execution at a time.

    Args:
        built: the jail.
        foreign: descriptors that are none of the zygote's.
        listen: keeps what the host sends meanwhile; asked when descriptor 0 can be read.
    """

    def __init__(self, built: jail.Jail, foreign: Sequence[int], listen: Callable[[], None]) -> None:
        self._jail = built
        self._listen = listen
        self._null = os.open(os.devnull, os.O_RDONLY)
        self._serial = 0
        self._marks = 0
        self._shm_size = _size_when_empty(built.shm) if built.shm else -1
        self.is_spent = False
        """Something was left that could not be removed, so the next run would not start fresh."""
        self.forget: list[tuple[str, int]] = []
        """Directories to be removed before the next execution, each with its uid."""
        self._control, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        boxes = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(_CHILDREN)]
        self._trouble, tell = os.pipe()
        os.set_blocking(self._trouble, False)
        theirs = [control.detach(), tell, *(box.detach() for _, box in boxes)]
        self._zygote_pid = _start_zygote(built, theirs, foreign)
        self._sender = letters.Sender([box for box, _ in boxes], int(str(marshal.loads(self._hear()))))  # noqa: S302
        with open(f"/proc/{self._zygote_pid}/statm", encoding="ascii") as statm:
            self._doors = jail.Doors(built, int(statm.read().split()[0]) * _PAGE)
        self._base_bytes = tree_use([self._zygote_pid]).memory_bytes

    def execute(
        self, processes: list[Process], linger_s: float = 0.0, drain: int = -1, talk: Dialogue | None = None
    ) -> list[Outcome]:
        """Runs one or two children; the first leads, and the last is the program that is judged.

        Args:
            processes: when the first has ended, the others are ended.
            linger_s: how long they may still take then.
            drain: where the program's output is read from when its reader, the leader, has ended; or -1. Until then
                it keeps the program from being killed by a pipe that nobody reads, which would be a matter of luck.
            talk: what we have to say to the program ourselves, or None.
        """
        if self.forget:
            # What the last job compiled goes before the next program runs.
            dirty, self.forget = self.forget, []
            self._remove(dirty)
        pipes: list[Pipe] = []
        if drain >= 0:
            pipes.append(Pipe(len(processes) - 1, DRAINED, drain, 0, is_strict=False, kept=0))
        self._serial += 1
        marks = self._marks | (records.LINGERS if linger_s else 0)
        uids = [process.uid for process in processes]
        try:
            for at, process in enumerate(processes):
                self._write_to(at, process, self._descriptors(at, process, pipes))
            self._control.send(records.ORDER.pack(len(processes), marks, *uids, *[0] * (2 - len(uids))))
        except OSError:
            self._end_without_zygote()
        watch = Watch(
            processes,
            pipes,
            control=self._control.fileno(),
            zygote_pid=self._zygote_pid if self._jail.adopts else 0,
            base_bytes=self._base_bytes,
            linger_s=linger_s,
            hear=self._hear,
            kill=self._kill,
            listen=self._listen,
            talk=talk,
        )
        try:
            outcomes, is_clean = watch.run()
        finally:
            for pipe in pipes:
                os.close(pipe.descriptor)
        # A signal that came too late must not be taken for one that is meant for the next execution.
        self._marks = records.DRAINS if watch.is_killed else 0
        self._look_for_trouble(outcomes)
        for process in processes:
            if process.keep:
                kept = self._chore("measure", process.directory, process.uid)
                assert isinstance(kept, list)
                outcomes[0].kept_bytes, outcomes[0].kept_files = map(int, kept)
        self.is_spent = not (self._is_tidied(processes) and is_clean) or self.is_spent
        return outcomes

    def _look_for_trouble(self, outcomes: Sequence[Outcome]) -> None:
        if any(outcome.code == records.NOT_IN for outcome in outcomes):
            with contextlib.suppress(BlockingIOError):  # a program may end with that code too
                raise Broken(os.read(self._trouble, records.MESSAGE_BYTES).decode(errors="replace"))

    def _write_to(self, at: int, process: Process, own: list[int]) -> None:
        """Puts a child's letter into its box."""
        doors, directory = self._doors, process.directory
        home = os.path.join(directory, jail.SCRATCH) if process.keep else directory
        ruleset = doors.ruleset(process.readable)
        handed = [*own, ruleset] if ruleset >= 0 else own

        def entry(free: int) -> tuple[letters.Call, ...]:
            return doors.calls(
                process.kernel,
                ruleset=len(own) if ruleset >= 0 else -1,
                free=free,
                other_tasks=doors.other_tasks(process.uid),
                is_warm=process.kind in records.WARM,
                is_compiling=process.keep,
                has_group=bool(process.group),
            )

        told = (
            len(own), doors.last_filter(is_compiling=process.keep), process.kind, directory, home, process.head,
            process.files, process.text, process.code,
        )  # fmt: skip
        to = letters.Address(process.uid, process.group, os.fsencode(directory), os.fsencode(home))
        try:
            self._sender.send(at, self._serial, entry=entry, to=to, descriptors=handed, payload=told)
        finally:
            for descriptor in handed:
                os.close(descriptor)

    def _descriptors(self, at: int, process: Process, pipes: list[Pipe]) -> list[int]:
        """What one child is given, in order; those of its ends that are ours are added to ``pipes``."""
        limits, stdin, uid = process.limits, process.stdin, process.uid
        output = int(limits["output_bytes"])
        if not isinstance(stdin, int):
            stdin = letters.memory_file(stdin) if stdin else os.dup(self._null)
        given = [stdin]
        if process.stdout < 0:
            kept = process.output_kept
            given.append(_pipe(pipes, at, "stdout", output, uid=uid, is_strict=process.is_strict, kept=kept))
        else:
            given.append(process.stdout)
        given.append(_pipe(pipes, at, "stderr", UNREAD_BYTES, uid=uid, is_strict=False, kept=UNREAD_BYTES))
        if process.wire >= 0:
            given.append(process.wire)
        if process.reports:
            report = int(limits["report_bytes"])
            given.append(_pipe(pipes, at, "report", report, uid=0, is_strict=True, kept=report))
        return given

    # --- what is left ---

    def _is_tidied(self, processes: list[Process]) -> bool:
        """Removes the directories of an execution, and what it left in shared memory; False if anything is left."""
        dirty = [(process.directory, process.uid) for process in processes if not process.keep]
        if not self._jail.has_homes:
            dirty = [(directory, uid) for directory, uid in dirty if not jail.remove_empty(directory)]
        is_clean = not dirty or self._remove(dirty)
        shm = self._jail.shm
        if shm and os.stat(shm).st_size != self._shm_size and os.listdir(shm):
            is_clean = self._chore("empty", shm, [process.uid for process in processes]) is True and is_clean
        return is_clean

    def _remove(self, dirty: list[tuple[str, int]]) -> bool:
        return self._chore("remove", dirty) is True

    # --- the zygote ---

    def _chore(self, name: str, *args: Any) -> object:  # noqa: ANN401 (what ``marshal`` takes)
        """What only it can do, because it takes a fork."""
        try:
            self._control.send(records.CHORE + marshal.dumps((name, *args)))
        except OSError:
            self._end_without_zygote()
        return marshal.loads(self._hear())  # noqa: S302 (of the zygote, which has met no program)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._zygote_pid, records.STOP)

    def _hear(self) -> bytes:
        try:
            data = self._control.recv(records.MESSAGE_BYTES)
        except OSError:
            data = b""
        if not data:
            self._end_without_zygote()
        return data

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
            left = descendants(os.getpid())
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


def _start_zygote(built: jail.Jail, theirs: Sequence[int], foreign: Sequence[int]) -> int:
    """Starts a new interpreter, not a fork of this one: what is shared with a parent is slower to fork."""
    pid = os.fork()
    if pid == 0:
        try:
            null = os.open(os.devnull, os.O_RDWR)
            for descriptor in foreign:
                os.dup2(null, descriptor)
            for descriptor in theirs:
                os.set_inheritable(descriptor, True)  # noqa: FBT003 (its only form)
            # What the host was started with, by a shell in the background say, is nothing to the programs.
            for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
                signal.signal(number, signal.SIG_DFL)
            config = {"descriptors": theirs, "jail": {**asdict(built), "rules": ()}}
            argv = [sys.executable, "-s", built.runner, "zygote", json.dumps(config)]
            os.execve(argv[0], argv, {**os.environ, records.BOUND_AT_ONCE: "1"})  # noqa: S606
        finally:
            os._exit(71)
    for descriptor in theirs:
        os.close(descriptor)
    return pid


def open_to_others(pipe: int, mode: int) -> bool:
    """Lets a program of another uid open a pipe by the paths of its standard streams; False if it cannot be done."""
    try:
        os.fchmod(pipe, mode)
    except PermissionError:
        return False  # gVisor knows no modes of pipes
    return True


def _pipe(pipes: list[Pipe], of: int, name: str, limit: int, *, uid: int, is_strict: bool, kept: int) -> int:
    """A pipe whose other end is ours, and added to ``pipes``.

    A program may open its standard streams by their paths, but nothing else: what it has reported stays reported.
    """
    read, write = os.pipe()
    if name != "report" and not open_to_others(write, 0o622) and uid:
        os.close(read)
        os.close(write)
        os.seteuid(uid)
        try:
            read, write = os.pipe()
        finally:
            os.seteuid(0)
    pipes.append(Pipe(of, name, read, limit, is_strict=is_strict, kept=min(kept, limit)))
    return write


def _size_when_empty(directory: str) -> int:
    """The size that an empty directory shows, where the size tells how many entries there are; else -1."""
    empty = os.stat(directory).st_size
    probe = os.path.join(directory, "assay-probe")
    os.close(os.open(probe, os.O_CREAT | os.O_WRONLY))
    is_counted = os.stat(directory).st_size != empty
    os.unlink(probe)
    return empty if is_counted and os.stat(directory).st_size == empty else -1
