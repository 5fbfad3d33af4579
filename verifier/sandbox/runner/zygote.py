"""The warm interpreter that forks every child, and never sees a job.

A child is told by a letter what it is to do (``letters.py``), which it reads itself. So nothing that one child leaves,
and nothing that the supervisor knows, is in another child's memory. After a fork, what either of the two processes
touches is copied page by page; so the zygote does next to nothing of its own: it forks, waits, and passes on what the
kernel says of those that have ended.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import marshal
import os
import random
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

from . import children, jail, letters, memory, plan, script, selftest, server, walls, warm_up
from .records import (
    BOUND_AT_ONCE,
    CHORE,
    DONE,
    DRAINS,
    ENDED,
    FORKED,
    KILLED,
    LINGERS,
    MESSAGE_BYTES,
    NOT_IN,
    RECORD,
    STOP,
)
from .usage import descendants, processes_of

_STOP = int(STOP)
_SIGNALS = (int(signal.SIGCHLD), _STOP)
_WORDS = RECORD.size // 4
_RECORDS = 128
_FULL = (_RECORDS - 4) * _WORDS
_HOME = "/proc/self/cwd"
_SILENCE_NS = 15_000_000
"""For which a child may run before the supervisor is told its pid."""
_WAIT4, _SIGTIMEDWAIT, _WRITE = (walls.CALLS.get(name, -1) for name in ("wait4", "rt_sigtimedwait", "write"))
_KILL_ROUNDS = 2000

Child = Callable[[dict[str, object], str, object], None]
Told = list[Any]
"""Kind, directory, home, head, files, text and code of a child; see ``watch.Process``."""

_PRELOADED = (
    "array", "bisect", "cmath", "collections.abc", "copy", "datetime", "decimal", "enum", "fractions", "functools",
    "heapq", "io", "itertools", "math", "operator", "queue", "random", "re", "statistics", "string", "textwrap",
    "threading", "time", "traceback", "typing", "unittest",
)  # fmt: skip


class Zygote:
    """Serves one supervisor: one execution at a time.

    Args:
        control: the connection to the supervisor: orders in, records out.
        tell: a pipe for what goes wrong in a child before it is behind the walls.
        boxes: where the children find their letters.
        built: the jail.
    """

    def __init__(self, control: int, tell: int, boxes: letters.Receiver, built: jail.Jail) -> None:
        self._control = control
        self._tell = tell
        self._boxes = boxes
        self._jail = built
        self._warm: Mapping[str, Child] = {
            "stdio": children.run_stdio,
            "call": children.run_call,
            "server": server.Server().run,
            "tester": script.Tester().run,
            "planner": plan.run,
            "selftest": selftest.run,
            "practice": lambda *_: None,
        }
        """See ``records.WARM``."""
        self._fork: Callable[[], int] = walls.FORK
        self._exit: Callable[[int], object] = os._exit
        self._serial = 0
        self._order = (ctypes.c_int * (MESSAGE_BYTES // 4))()
        self._records = (ctypes.c_int * (_RECORDS * _WORDS))()
        self._signals = ctypes.create_string_buffer(struct.pack("=Q", sum(1 << number - 1 for number in _SIGNALS)))
        self._patience = ctypes.create_string_buffer(struct.pack("=2q", 0, _SILENCE_NS))

    def serve(self) -> None:
        """Forks on request until the supervisor goes away; what still runs then ends with us."""
        try:
            self._warm_up()
            self._work()
        finally:
            self._kill_survivors(0)

    def _warm_up(self) -> None:
        for name in _PRELOADED:
            __import__(name)
        walls.prctl(walls.PR_SET_PDEATHSIG, STOP)
        jail.common()
        # What each child would set for itself: its directory, by whatever name.
        os.environ.update(HOME=_HOME, TMPDIR=_HOME)
        os.environ.pop(BOUND_AT_ONCE, None)
        sys.argv = [children.SOURCE_NAME]
        sys.path.insert(0, "/")
        random.seed(0)
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        children.let_sources_be_shown()
        warm_up.practise()
        self._practise()
        # A solution may import modules called like ours; the names are free again, the objects live on.
        for name in [name for name in sys.modules if name.partition(".")[0] == "assay_runner"]:
            del sys.modules[name]
        self._plugs = memory.plug()
        gc.freeze()
        memory.join()
        for _ in range(2):  # the first itself takes memory
            memory.gather()
        os.write(self._control, marshal.dumps(self._boxes.address))

    def _practise(self) -> None:
        """Executes, for practice, what does nothing: as a parent, and as its child without a fork."""
        null, errors, control = os.open(os.devnull, os.O_RDWR), os.dup(2), self._control
        null, errors = letters.lifted(null), letters.lifted(errors)
        calls, to = ((walls.CALLS["getpid"],),) * 20, letters.Address(0, 0, b"/", b"/")
        told: tuple[Any, ...] = (letters.HIGH_DESCRIPTORS, b"", "practice", "/", "/", {}, (), "", None)
        path = list(sys.path)
        self._control = null
        with self._boxes.practice() as sender:
            for _ in range(warm_up.ROUNDS):
                for self._fork, self._exit in ((walls.FORK, os._exit), (walls.YIELD, abs)):
                    sender.send(0, self._serial, entry=lambda _: calls, to=to, descriptors=[], payload=told)
                    self._execute(1, 0)
        self._control, self._fork, self._exit = control, walls.FORK, os._exit
        sys.path[:] = path
        gc.disable()
        for number, descriptor in enumerate((null, null, errors)):
            os.dup2(descriptor, number)
        os.close(null)
        os.close(errors)

    def _work(self) -> None:
        """Takes orders until there are no more.

        Here and in ``_execute`` every object that is touched costs the copy of a page, so there are few of them.
        """
        call, number = walls.CALL, walls.CALLS["read"]
        control, order, address = self._control, self._order, ctypes.addressof(self._order)
        while (size := call(number, control, address, MESSAGE_BYTES, 0, 0)) > 0:
            if order[0]:
                self._serial += 1
                self._execute(order[0], order[1])
            else:
                chore = ctypes.string_at(address + len(CHORE), size - len(CHORE))
                name, *args = marshal.loads(chore)  # noqa: S302 (of the supervisor)
                done: Any = self._chores()[name](*args)
                os.write(control, marshal.dumps(done))

    def _execute(self, count: int, marks: int) -> None:
        """Forks the children, waits, and ends what is left."""
        if marks:
            self._drain(marks)
        fork, records, at = self._fork, self._records, 0
        while at < count * _WORDS:
            pid = fork()
            if pid <= 0:
                self._become(at // _WORDS, pid)
            records[at], records[at + 1] = FORKED, pid
            at += _WORDS
        at, is_clean = self._wait(at, count if marks & LINGERS else 1)
        if not is_clean:
            at, is_clean = self._kill_survivors(at)
        records[at], records[at + 1], records[at + 2] = DONE, 0, is_clean
        self._flush(at + _WORDS)

    def _wait(self, at: int, left: int) -> tuple[int, int]:
        """Until the first ``left`` children have ended; where the records end, and whether none is left at all."""
        call, records, address = walls.CALL, self._records, ctypes.addressof(self._records)
        leader, last = records[1], records[_WORDS * left - _WORDS + 1]
        wait, sleep, patience = _WAIT4, _SIGTIMEDWAIT, ctypes.addressof(self._patience)
        while True:
            pid = call(wait, -1, address + 4 * at + 8, os.WNOHANG, address + 4 * at + 16, 0)
            if pid > 0:
                records[at], records[at + 1] = ENDED, pid
                at += _WORDS
                left -= pid in (leader, last)
                if at == _FULL:
                    at = self._flush(at)
            elif pid < 0 or not left:
                return at, int(pid < 0 and self._jail.adopts)
            else:
                # Most children end before anybody wants to know that they have begun.
                if at and not patience:
                    at = self._flush(at)
                found = call(sleep, ctypes.addressof(self._signals), 0, patience, 8, 0)
                if found == _STOP:
                    return at, 0
                if found < 0:
                    patience = 0

    def _drain(self, marks: int) -> None:
        """Forgets a signal that came too late."""
        if marks & DRAINS:
            while signal.sigtimedwait(_SIGNALS, 0) is not None:
                pass

    def _flush(self, at: int) -> int:
        """Tells the supervisor what there is to tell; if it has gone, that is seen where orders are read."""
        walls.CALL(_WRITE, self._control, ctypes.addressof(self._records), 4 * at, 0, 0)
        return 0

    def _kill_survivors(self, at: int) -> tuple[int, int]:
        """Ends all that is left; where the records end, and whether none is left.

        We are the subreaper: every orphan is our child, and no child means none is left.
        """
        records, address = self._records, ctypes.addressof(self._records)
        uids = self._order[2 : 2 + self._order[0]]
        for turn in range(_KILL_ROUNDS):
            while (pid := walls.CALL(_WAIT4, -1, address + 4 * at + 8, os.WNOHANG, address + 4 * at + 16, 0)) > 0:
                records[at], records[at + 1] = ENDED, pid
                at += _WORDS
                at = self._flush(at) if at >= _FULL else at
            if pid < 0 and (self._jail.adopts or not processes_of(uids)):
                return at, 1
            if not turn:
                records[at] = KILLED
                at += _WORDS
            if self._jail.owns_pid_namespace:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            elif self._jail.uid_base:
                for uid in uids:
                    self._as_uid(uid, _kill_all)
            else:
                _kill_each(descendants(os.getpid()))
            # A death is told at once; what cannot be told of, an orphan of another parent, is looked for.
            signal.sigtimedwait((signal.SIGCHLD,), 0.0005)
        return at, 0

    def _chores(self) -> Mapping[str, Callable[..., object]]:
        """What takes another uid, and so a fork, but no letter."""
        return {"remove": self._remove, "empty": self._empty, "measure": self._measure}

    def _empty(self, directory: str, uids: list[int]) -> bool:
        """Empties a directory of what these uids have there; False if anything is left."""
        for uid in uids:
            self._as_uid(uid, lambda: _remove_inside(directory))
        return not os.listdir(directory)

    def _measure(self, directory: str, uid: int) -> list[int]:
        """Bytes and files of a directory that stays, after what only the compiler needed has been removed."""
        read, write = os.pipe()

        def tell() -> None:
            scratch = os.path.join(directory, jail.SCRATCH)
            _remove_tree(scratch)
            os.rmdir(scratch)
            os.write(write, json.dumps(_size_of(directory)).encode("ascii"))

        has_told = self._as_uid(uid, tell)
        os.close(write)
        try:
            return json.loads(os.read(read, MESSAGE_BYTES)) if has_told else [1 << 62, 1 << 62]
        finally:
            os.close(read)

    def _remove(self, dirty: list[tuple[str, int]]) -> bool:
        """Removes directories, each as its uid; False if anything is left."""
        is_clean = True
        for directory, uid in dirty:
            is_clean = self._as_uid(uid, lambda path=directory: _remove_tree(path)) and is_clean  # type: ignore[misc]
            if not self._jail.has_homes:
                is_clean = jail.remove_empty(directory) and is_clean
        return is_clean

    def _as_uid(self, uid: int, action: Callable[[], None]) -> bool:
        """Does something as another uid, in a child."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                signal.alarm(20)
                if uid:
                    os.setgroups([])
                    os.setresgid(uid, uid, uid)
                    os.setresuid(uid, uid, uid)
                action()
                code = 0
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    def _become(self, at: int, pid: int) -> None:
        """The child's whole life; never returns."""
        if pid < 0:
            raise OSError("no child can be forked")
        status = NOT_IN
        try:
            kind, directory, home, head, files, text, code = self._enter(at)
            for name, data in files:
                with open(name, "wb") as file:
                    file.write(data)
            warm = self._warm.get(kind)
            if warm is not None:
                sys.path[0] = directory
                gc.enable()
                warm(head, text, code)
            else:
                children.run_program(kind, home, head)
            status = 0
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        finally:
            self._exit(status)

    def _enter(self, at: int) -> Told:
        """Goes behind the walls, and gives what the letter tells; until it is there, trouble is ours to tell."""
        try:
            letter: Any = self._boxes.enter(at, self._serial)
            own, last_filter, *told = letter
            if last_filter:
                walls.seccomp(last_filter.replace(jail.SOME_PID, struct.pack("=I", os.getpid())))
            self._boxes.close(own, letters.HIGH_DESCRIPTORS)
        except (OSError, MemoryError, ValueError) as error:
            # The pipe is closed at the end, so nothing behind the walls can claim this.
            os.write(self._tell, f"{type(error).__name__}: {error}".encode()[:1000])
            raise
        found: Told = told
        return found


def _kill_each(pids: list[int]) -> None:
    """Groups first: a group is killed at once, however fast its members fork, and ours are in none of them."""
    groups = set()
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            group = os.getpgid(pid)
            if group != os.getpgrp() and group not in groups:
                groups.add(group)
                os.killpg(group, signal.SIGKILL)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _kill_all() -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def _size_of(directory: str) -> tuple[int, int]:
    """Bytes and files below a directory."""
    size, count, todo = 0, 0, [directory]
    while todo:
        for entry in os.scandir(todo.pop()):
            size += entry.stat(follow_symlinks=False).st_blocks * 512
            count += 1
            if entry.is_dir(follow_symlinks=False):
                todo.append(entry.path)
    return size, count


def _remove_inside(directory: str) -> None:
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        with contextlib.suppress(OSError):
            if os.path.isdir(path) and not os.path.islink(path):
                _remove_tree(path)
                os.rmdir(path)
            else:
                os.unlink(path)


def _remove_tree(directory: str) -> None:
    """Empties a hostile tree: any modes, any depth, no links followed."""
    sys.setrecursionlimit(20_000)
    while True:
        os.chmod(directory, 0o700)
        entries = list(os.scandir(directory))
        if not entries:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _flatten(directory, entry.path)
            else:
                os.unlink(entry.path)


def _flatten(top: str, directory: str) -> None:
    """Moves a directory's own directories up to the top and removes it: depth never becomes recursion."""
    os.chmod(directory, 0o700)
    for entry in list(os.scandir(directory)):
        if entry.is_dir(follow_symlinks=False):
            os.chmod(entry.path, 0o700)  # a directory that cannot be written cannot be moved
            os.rename(entry.path, os.path.join(top, f".{entry.inode()}-{time.monotonic_ns()}"))
        else:
            os.unlink(entry.path)
    os.rmdir(directory)


def main() -> None:
    """Starts from ``sys.argv[2]``: descriptors and the jail as JSON; see ``execution.start_zygote``."""
    code = 71
    try:
        config = json.loads(sys.argv[2])
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # a supervisor that is given orphans ignores their ends
        built = jail.Jail(**config["jail"])
        if built.adopts:
            walls.prctl(walls.PR_SET_CHILD_SUBREAPER, 1)
        with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
            score.write("1000")
        control, tell, *boxes = [letters.lifted(descriptor) for descriptor in config["descriptors"]]
        os.closerange(letters.HIGH_DESCRIPTORS, 1 << 16)
        Zygote(control, tell, letters.Receiver(boxes), built).serve()
        code = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(code)
