"""The warm interpreter that forks every child, and never sees a job.

It is handed descriptors, not data: a child reads its program and input itself, behind the walls. So nothing that
one child leaves, and nothing that the supervisor knows, is in another child's memory.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import contextlib
import fcntl
import gc
import json
import marshal
import os
import random
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from . import children, jail, script, selftest, server, walls

MESSAGE_BYTES = 1 << 16
_MAX_DESCRIPTORS = 32
_KILL_ROUNDS = 2000
_NOT_IN = 70
"""Exit code of a child that could not be put behind the walls, or was ended by a bug of ours."""
_SIGCHLD, _SIG_DFL = int(signal.SIGCHLD), int(signal.SIG_DFL)

WARM: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "stdio": children.run_stdio,
        "call": children.run_call,
        "server": server.run_server,
        "tester": script.run_tester,
        "selftest": selftest.run,
    }
)
"""What a child does that goes on in this interpreter; ``exec`` and ``place`` are the other two kinds."""

_PRELOADED = (
    "array", "bisect", "cmath", "collections.abc", "copy", "datetime", "decimal", "enum", "fractions", "functools",
    "heapq", "io", "itertools", "math", "operator", "queue", "random", "re", "statistics", "string", "textwrap",
    "threading", "time", "traceback", "typing", "unittest",
)  # fmt: skip


class Zygote:
    """Serves one supervisor: one execution at a time."""

    def __init__(self, control: socket.socket, built: jail.Jail) -> None:
        self._control = control
        self._jail = built
        self._uids: list[int] = []
        self._wake_read, self._wake_write = map(_lifted, os.pipe())
        os.set_blocking(self._wake_write, False)
        # What goes wrong in a child before it is behind the walls; the jail closes its end.
        self._trouble, self._tell = map(_lifted, os.pipe())
        os.set_blocking(self._trouble, False)
        self._ready = select.poll()
        for descriptor in (control.fileno(), self._wake_read):
            self._ready.register(descriptor, select.POLLIN)
        self._shm_size = _size_when_empty(built.shm) if built.shm else -1

    def serve(self) -> None:
        """Forks on request until the supervisor goes away; what still runs then ends with us."""
        try:
            self._serve()
        finally:
            self._kill_survivors({})

    def _serve(self) -> None:
        for name in _PRELOADED:
            __import__(name)
        jail.common()
        # What each child would set for itself.
        os.environ.update(HOME="/", TMPDIR="/")
        sys.argv = [children.SOURCE_NAME]
        sys.path.insert(0, "/")
        random.seed(0)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        # A solution may import modules called like ours; the names are free again, the objects live on.
        for name in [name for name in sys.modules if name.partition(".")[0] == "assay_runner"]:
            del sys.modules[name]
        gc.collect()
        gc.freeze()
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._control, MESSAGE_BYTES, _MAX_DESCRIPTORS)
            except ConnectionError:
                return
            if not data:
                return
            request = marshal.loads(data)  # noqa: S302 (of the supervisor, whom we trust; json is slow in a zygote)
            if "processes" in request:
                self._execute(request, descriptors)

    def _execute(self, request: dict[str, object], descriptors: list[int]) -> None:
        processes = request["processes"]
        assert isinstance(processes, list)
        # What the last job compiled goes before the next program runs.
        is_clean = self._remove(request.get("forget") or [])
        self._uids = [int(process["uid"]) for process in processes]
        pids: list[int] = []
        at = 0
        linger_s = float(str(request["linger_s"]))
        for process in processes:
            own = descriptors[at : at + process["descriptors"]]
            at += len(own)
            door = self._door(process, own)
            sys.path[0] = str(process["directory"])
            pid = walls.fork()
            if pid == 0:
                self._become(str(process["kind"]), door)
            door.close()
            pids.append(pid)
        os.closerange(min(descriptors), max(descriptors) + 1)
        self._send({"pids": pids})
        ended = self._wait(pids, linger_s)
        cut = [pid not in ended for pid in pids]
        is_clean = self._kill_survivors(ended) and is_clean
        is_clean = self._clean(processes) and is_clean
        kept = self._measure(processes[0]) if processes[0]["keep"] else [0, 0]
        others_s = sum(one[1] for pid, one in ended.items() if pid not in pids)
        broken = ""
        if any(one[0] == _NOT_IN << 8 for one in ended.values()):
            with contextlib.suppress(BlockingIOError):  # a program may end with that code too
                broken = os.read(self._trouble, MESSAGE_BYTES).decode(errors="replace")
        self._send(
            {
                "ended": [ended.get(pid) for pid in pids],
                "cut": cut,
                "others_cpu_time_s": others_s,
                "is_clean": is_clean,
                "kept": kept,
                "broken": broken,
            }
        )

    def _send(self, message: dict[str, object]) -> None:
        self._control.send(marshal.dumps(message))

    def _wait(self, pids: list[int], linger_s: float) -> dict[int, list[float]]:
        """Waits until the leader has ended and the others had their time, or the supervisor wants all of them dead."""
        ended: dict[int, list[float]] = {}
        until: float | None = None
        while True:
            timeout = None if until is None else max(until - time.monotonic(), 0) * 1000
            ready = [descriptor for descriptor, _ in self._ready.poll(timeout)]
            if self._control.fileno() in ready:
                if not self._control.recv(MESSAGE_BYTES):
                    raise ConnectionAbortedError  # caught by nobody: ``serve`` kills what runs, and we end
                return ended
            if self._wake_read in ready:
                os.read(self._wake_read, MESSAGE_BYTES)
            self._reap(ended)
            if pids[0] in ended:
                now = time.monotonic()
                if until is None:
                    until = now + linger_s
                    if linger_s and not all(pid in ended for pid in pids):
                        self._send({"leader_ended": True})
                if now >= until or all(pid in ended for pid in pids):
                    return ended

    @staticmethod
    def _reap(ended: dict[int, list[float]]) -> bool:
        """Reaps what has died; False when no child is left at all."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            ended[pid] = [status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024]

    def _kill_survivors(self, ended: dict[int, list[float]]) -> bool:
        """Ends all that is left. We are the subreaper, so every orphan is our child and ECHILD means none is left."""
        for _ in range(_KILL_ROUNDS):
            if not self._reap(ended) and (self._jail.adopts or not jail.processes_of(self._uids)):
                return True
            if self._jail.owns_pid_namespace:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(-1, signal.SIGKILL)
            elif self._jail.uid_base:
                for uid in self._uids:
                    self._as_uid(uid, _kill_all)
            else:
                _kill_each(descendants(os.getpid()))
            time.sleep(0.0005)
        return False

    def _clean(self, processes: list[dict[str, object]]) -> bool:
        """Removes the directories of an execution, and what it left in shared memory; False if anything is left."""
        is_clean = self._remove(
            [[process["directory"], process["uid"]] for process in processes if not process["keep"]]
        )
        if self._jail.shm and os.stat(self._jail.shm).st_size != self._shm_size and os.listdir(self._jail.shm):
            for uid in self._uids:
                self._as_uid(uid, lambda: _remove_inside(self._jail.shm))
            is_clean = not os.listdir(self._jail.shm) and is_clean
        return is_clean

    def _measure(self, process: dict[str, object]) -> list[int]:
        """Bytes and files of a directory that stays, after what only the compiler needed has been removed."""
        directory = str(process["directory"])
        read, write = os.pipe()

        def tell() -> None:
            scratch = os.path.join(directory, jail.SCRATCH)
            _remove_tree(scratch)
            os.rmdir(scratch)
            os.write(write, json.dumps(_size_of(directory)).encode("ascii"))

        has_told = self._as_uid(int(str(process["uid"])), tell)
        os.close(write)
        try:
            return json.loads(os.read(read, MESSAGE_BYTES)) if has_told else [1 << 62, 1 << 62]
        finally:
            os.close(read)

    def _remove(self, dirty: object) -> bool:
        assert isinstance(dirty, list)
        is_clean = True
        for directory, uid in dirty:
            if self._jail.has_homes:
                is_clean = self._as_uid(uid, lambda path=directory: _remove_tree(path)) and is_clean  # type: ignore[misc]
            elif not _remove_empty(directory):
                is_clean = self._as_uid(uid, lambda path=directory: _remove_tree(path)) and is_clean  # type: ignore[misc]
                is_clean = _remove_empty(directory) and is_clean
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

    def _door(self, process: dict[str, object], descriptors: list[int]) -> jail.Door:
        return jail.Door(
            self._jail,
            uid=int(str(process["uid"])),
            directory=str(process["directory"]),
            limits=jail.Limits(**process["limits"]),  # type: ignore[arg-type]
            readable=str(process["readable"]),
            group=int(str(process["group"])),
            descriptors=descriptors,
            is_warm=process["kind"] in WARM,
        )

    def _become(self, kind: str, door: jail.Door) -> None:
        """The child's whole life; never returns. While it is not yet behind the walls, trouble is ours to tell."""
        code = _NOT_IN
        try:
            # The module above these two turns numbers into enums, and a fresh child pays for all it touches.
            _signal.set_wakeup_fd(-1)
            _signal.signal(_SIGCHLD, _SIG_DFL)
            try:
                door.enter()
            except (OSError, MemoryError, ValueError) as error:
                # The pipe is closed by the jail itself, so nothing behind the walls can claim this.
                os.write(self._tell, f"{type(error).__name__}: {error}".encode()[:1000])
                raise
            if kind in WARM:
                gc.enable()
                WARM[kind]()
            else:
                children.run_program(kind)
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        finally:
            os._exit(code)


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


def _lifted(descriptor: int) -> int:
    """The same out of the children's way."""
    high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, jail.LOW_DESCRIPTORS)
    os.close(descriptor)
    return high


def _size_when_empty(directory: str) -> int:
    """The size that an empty directory shows, where the size tells how many entries there are; else -1."""
    empty = os.stat(directory).st_size
    probe = os.path.join(directory, "assay-probe")
    os.close(os.open(probe, os.O_CREAT | os.O_WRONLY))
    is_counted = os.stat(directory).st_size != empty
    os.unlink(probe)
    return empty if is_counted and os.stat(directory).st_size == empty else -1


def _kill_all() -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """The processes that this one started, or was given as orphans; none if it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as listed:
                found += [int(child) for child in listed.read().split()]
    return found


def descendants(root: int) -> list[int]:
    """Every process below this one."""
    found: list[int] = []
    todo = [root]
    while todo:
        below = children_of(todo.pop())
        found += below
        todo += below
    return found


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


def _remove_empty(directory: str) -> bool:
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


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
    shutil.rmtree(directory)
