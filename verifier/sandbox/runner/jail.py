"""Builds the jail once for a runner, and puts each child inside it.

Three ways, the strongest that the machine gives:

* ``namespaces``: the runner has its own mount, pid, network, ipc and uts namespaces (as root, or by a user
  namespace) and a root directory with nothing but toolchains in it;
* ``uid``: in a container without SYS_ADMIN, each execution gets a uid of its own (SETUID, SETGID and KILL);
* ``landlock``: an unprivileged process on a machine without user namespaces.

Landlock, seccomp and rlimits stand in each of them.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import glob
import os
import resource
import signal
import stat
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from . import letters, walls
from .usage import processes_of

UIDS_PER_RUNNER = 256
RUN_UIDS = 192
"""How many of them are given to executions in turn; the rest own what was compiled, and nothing runs under them."""
WORK = "/assay-work"
"""Where children work in a root directory of our own; no toolchain lies below such a name."""
RUNNER = "/assay-runner"
"""Where the runner's own files are then."""
_FIRST_UID = 1024
SCRATCH = ".scratch"
"""Where a compiler has its home and temporary files, in the directory that stays; it goes when it has ended."""
_SYSTEM_PATHS = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/etc/alternatives", "/etc/ld.so.cache",
    "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/localtime", "/etc/mime.types", "/etc/ssl/openssl.cnf",
)  # fmt: skip
_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2"))
_TMPFS = "tmpfs"
_WORK_BYTES, _SHM_BYTES = 512 << 20, 64 << 20
_INODES = 65536
_WARM_STACK_BYTES, _STACK_BYTES, _PROGRAM_BYTES, _THREADS = 112 << 20, 256 << 20, 64 << 20, 8


@dataclass(frozen=True)
class Jail:
    """What every child is put into.

    Args:
        mode: ``namespaces``, ``uid`` or ``landlock``.
        is_container: the runner is the first process of a container of its own.
        work: directory in which each child makes its own.
        uid_base: first uid of this runner's executions; 0 where all share the runner's uid.
        landlock_abi: 0 where there is no Landlock.
        rules: static Landlock rules, as ``walls.landlock`` takes them.
        shm: directory of shared memory files that children may use, or empty.
        adopts: whether the zygote is given the orphans of its children (gVisor gives them to the first process).
        runner: where the runner's own files are.
    """

    mode: str
    is_container: bool
    work: str
    uid_base: int
    landlock_abi: int
    rules: tuple[tuple[int, int, bool], ...]
    shm: str
    adopts: bool = True
    runner: str = str(Path(__file__).parent)

    @property
    def has_homes(self) -> bool:
        """Whether each uid has a directory that stays, rather than each execution one of its own."""
        return self.is_container and not self.landlock_abi

    @property
    def secret(self) -> str:
        """A file that no child may read. Without Landlock a container shows the image, which holds nothing of ours."""
        return "/etc/shadow" if self.is_container and not self.landlock_abi else "/etc/hostname"

    @property
    def can_keep(self) -> bool:
        """Whether no program can change what was compiled of another; truncation is Landlock's from version 3 on."""
        return bool(self.uid_base) or self.landlock_abi >= walls.TRUNCATE_ABI

    @property
    def owns_pid_namespace(self) -> bool:
        """Whether every process that can be seen is this runner's, so that ``kill(-1)`` is safe."""
        return self.mode == "namespaces" or self.is_container


@dataclass(frozen=True)
class Limits:
    """Limits of one child, as the kernel takes them."""

    cpu_time_s: float
    memory_bytes: int
    file_bytes: int
    processes: int
    memory_rule: str = "address_space"
    overhead_bytes: int = 0

    def pairs(self, *, base_bytes: int, stack_bytes: int, other_tasks: int) -> list[tuple[int, tuple[int, int]]]:
        """The rlimits of one child, where they are not this process's own already.

        Args:
            base_bytes: memory that is none of the program's own.
            stack_bytes: size of the main thread's stack.
            other_tasks: tasks of the same uid that are not the child's.
        """
        seconds = int(self.cpu_time_s) + 1
        memory = resource.RLIMIT_DATA if self.memory_rule == "data" else resource.RLIMIT_AS
        wanted = [
            (resource.RLIMIT_CPU, walls.within(resource.RLIMIT_CPU, seconds + 1, seconds + 2)),
            (memory, walls.within(memory, base_bytes + self.memory_bytes + self.overhead_bytes)),
            (resource.RLIMIT_FSIZE, walls.within(resource.RLIMIT_FSIZE, self.file_bytes)),
            # Each thread is one of them too.
            (resource.RLIMIT_NPROC, walls.within(resource.RLIMIT_NPROC, other_tasks + self.processes)),
            (resource.RLIMIT_STACK, walls.within(resource.RLIMIT_STACK, stack_bytes)),
        ]
        return [(which, pair) for which, pair in wanted if resource.getrlimit(which) != pair]


class JailError(Exception):
    """This machine cannot give the walls; the message says which and what to do."""


def toolchain_paths() -> list[str]:
    """Directories that programs read and execute: the system's and this interpreter's."""
    own = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, str(Path(os.__file__).parent)}
    own |= {str(Path(sys.executable).parent), str(Path(sys.executable).resolve().parent)}
    own |= {entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))}
    # Debian's JDK has its settings there.
    paths = [path for path in (*_SYSTEM_PATHS, *glob.glob("/etc/java-*")) if os.path.lexists(path)]
    for path in sorted(own, key=len):
        if path not in ("", "/") and os.path.isdir(path) and not any(Path(path).is_relative_to(p) for p in paths):
            paths.append(path)
    return paths


def build(*, is_container: bool, scratch: str, uid_base: int, mode: str = "") -> Jail:
    """Builds the strongest jail that this machine gives. May return in a new process (see ``_own_namespaces``).

    Args:
        is_container: the runner is the first process of a container made for it.
        scratch: an empty directory for this runner alone.
        uid_base: first of ``UIDS_PER_RUNNER`` uids that nobody else uses.
        mode: insist on this one; empty chooses.

    Raises:
        JailError: no mode gives the walls that are required.
    """
    _require_the_least(scratch)
    abi = walls.landlock_abi()
    uid_base = _mapped(uid_base)
    paths = toolchain_paths()
    capabilities = walls.effective_capabilities()
    can_switch = all(capabilities >> cap & 1 for cap in (walls.CAP_SETUID, walls.CAP_SETGID, walls.CAP_KILL))
    if is_container:
        if not can_switch:
            raise JailError("the container needs the capabilities SETUID, SETGID and KILL")
        if not abi:
            _make_homes(scratch, uid_base)
        return _finish("uid", is_container=True, work=scratch, uid_base=uid_base, abi=abi, paths=paths)
    if mode in ("", "namespaces") and _can_use_namespaces(scratch, paths):
        is_root = os.geteuid() == 0 and can_switch
        if not is_root and not abi:
            raise JailError(
                "without root, one uid runs everything, so Landlock is needed: use a kernel of 5.13 or later"
            )
        _own_namespaces(scratch, paths)
        base = uid_base if is_root else 0
        return _finish("namespaces", is_container=False, work=WORK, uid_base=base, abi=abi, paths=paths)
    if mode == "namespaces" or (mode == "uid" and not can_switch):
        raise JailError(f"the jail {mode} was asked for and cannot be had here")
    if not abi:
        raise JailError(
            "neither namespaces nor Landlock can be used here, so files cannot be shut off; use a kernel of 5.13 or"
            " later, allow unprivileged user namespaces, or use the docker backend"
        )
    # Another uid must be able to read what programs need, or honest imports would fail: then we keep our own.
    hidden = next((path for path in paths if not _is_public(path)), "")
    if mode == "uid" and hidden:
        raise JailError(f"the jail uid was asked for, and other users cannot read {hidden}; install it where they can")
    if mode == "uid" or (not mode and can_switch and not hidden):
        os.chmod(scratch, 0o711)
        work = os.path.join(scratch, "work")
        os.mkdir(work)
        os.chmod(work, 0o1777)
        return _finish("uid", is_container=False, work=work, uid_base=uid_base, abi=abi, paths=paths)
    return _under_landlock(scratch, abi, paths, is_wanted=bool(mode))


def _require_the_least(scratch: str) -> None:
    if not walls.has_seccomp():
        raise JailError("no seccomp filter is known for this processor; use the docker backend on x86_64 or aarch64")
    if len(os.fsencode(scratch)) > letters.MAX_PATH_BYTES - _MAX_NAME_BYTES:
        raise JailError("the path of the sandbox's directory is too long; set TMPDIR to a shorter one")


def _under_landlock(scratch: str, abi: int, paths: list[str], *, is_wanted: bool) -> Jail:
    if os.geteuid() == 0 and not is_wanted:
        raise JailError(
            "programs would run as root, whose processes the kernel does not limit; install where other users can"
            " read it (not below /root), run as another user, or use the docker backend"
        )
    return _finish("landlock", is_container=False, work=scratch, uid_base=0, abi=abi, paths=paths)


def _make_homes(work: str, uid_base: int) -> None:
    """A directory for each uid. Then nobody can make another in ``work``, which Landlock sees to where there is one."""
    for at in range(UIDS_PER_RUNNER):
        os.setegid(uid_base + at)
        os.seteuid(uid_base + at)
        os.mkdir(home_of(work, at), 0o700)
        os.seteuid(0)
        os.setegid(0)
    os.chmod(work, 0o711)


def home_of(work: str, at: int) -> str:
    """The directory of a runner's uid, by its number among them."""
    return f"{work}/{at}" if at < RUN_UIDS else f"{work}/{at}-kept"


def _mapped(uid_base: int) -> int:
    """A base of which every uid exists here: an engine that remaps users gives a container few of them."""
    spans = [line.split() for line in Path("/proc/self/uid_map").read_text(encoding="ascii").splitlines()]
    last = max((int(first) + int(count) for first, _, count in spans), default=0)
    if uid_base + UIDS_PER_RUNNER <= last:
        return uid_base
    blocks = max((last - _FIRST_UID) // UIDS_PER_RUNNER, 1)
    return _FIRST_UID + uid_base // UIDS_PER_RUNNER % blocks * UIDS_PER_RUNNER


def _is_public(path: str) -> bool:
    """Whether every uid can read a path and pass through all that lead to it."""
    real = Path(path).resolve()
    if not real.exists():  # a link to nothing, as /etc/localtime is without time zones, keeps nobody out
        return True
    needed = stat.S_IROTH | stat.S_IXOTH if real.is_dir() else stat.S_IROTH
    is_reached = all(parent.stat().st_mode & stat.S_IXOTH for parent in real.parents)
    return is_reached and real.stat().st_mode & needed == needed


def _finish(mode: str, *, is_container: bool, work: str, uid_base: int, abi: int, paths: list[str]) -> Jail:
    kept = (walls.CAP_SETUID, walls.CAP_SETGID, walls.CAP_KILL) if uid_base else ()
    shm = "/dev/shm" if (mode == "namespaces" or is_container) and os.path.isdir("/dev/shm") else ""
    rules = _static_rules(paths, shm, is_own_root=mode == "namespaces") if abi else ()
    walls.keep_capabilities(kept)
    runner = {"runner": RUNNER} if mode == "namespaces" else {}
    return Jail(mode, is_container, work, uid_base, abi, tuple(rules), shm, adopts=_can_adopt(), **runner)


def _can_adopt() -> bool:
    """Whether a process that is not the first one can be given orphans; tried in a child."""
    pid = os.fork()
    if pid == 0:
        try:
            walls.prctl(walls.PR_SET_CHILD_SUBREAPER, 1)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _static_rules(paths: list[str], shm: str, *, is_own_root: bool) -> list[tuple[int, int, bool]]:
    """Rules for what all children see; there are few, because each is added anew for every child.

    Where the root directory is our own, ``/etc`` and ``/dev`` hold nothing but what we put there.
    """
    whole = ["/etc"] if is_own_root else []
    # A link to what another path shows needs no rule.
    real = sorted({os.path.realpath(path) for path in paths} | set(whole))
    wanted = [(path, walls.READ_EXECUTE) for path in real if not any(_is_below(path, other) for other in real)]
    devices = ["/dev"] if is_own_root else [f"/dev/{name}" for name in _DEVICES]
    wanted += [(path, walls.LL_READ_FILE | walls.LL_WRITE_FILE) for path in devices]
    wanted += [("/proc/cpuinfo", walls.READ), ("/proc/meminfo", walls.READ)]
    if shm:
        wanted.append((shm, -1))
    return [rule for path, access in wanted if (rule := open_rule(path, access)) is not None]


def _is_below(path: str, other: str) -> bool:
    return path.startswith(f"{other.rstrip('/')}/")


def open_rule(path: str, access: int) -> tuple[int, int, bool] | None:
    """A Landlock rule for a path; None if there is no such path."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
    return descriptor, access, stat.S_ISDIR(os.fstat(descriptor).st_mode)


# --- namespaces -------------------------------------------------------------------------------------------------


def _can_use_namespaces(scratch: str, paths: list[str]) -> bool:
    """Tries it all in a child, because a half-entered namespace cannot be left again."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            devnull = os.open(os.devnull, os.O_RDWR)
            os.dup2(devnull, 1)
            _unshare()
            inner = os.fork()
            if inner == 0:
                _build_root(scratch, paths)
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
        except OSError:
            code = 1
        finally:
            os._exit(code if 0 <= code < 128 else 1)  # noqa: PLR2004
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def _unshare() -> None:
    flags = walls.CLONE_NEWNS | walls.CLONE_NEWPID | walls.CLONE_NEWNET | walls.CLONE_NEWIPC | walls.CLONE_NEWUTS
    uid, gid = os.geteuid(), os.getegid()
    if walls.effective_capabilities() >> walls.CAP_SYS_ADMIN & 1:
        walls.unshare(flags)
        return
    walls.unshare(flags | walls.CLONE_NEWUSER)
    # An id that is not 0, so that no program gains capabilities in the namespace by being executed.
    for name, text in (("setgroups", "deny"), ("uid_map", f"1000 {uid} 1"), ("gid_map", f"1000 {gid} 1")):
        Path("/proc/self", name).write_text(text, encoding="ascii")


def _own_namespaces(scratch: str, paths: list[str]) -> None:
    """Moves into new namespaces; returns in a child that is their first process, while the parent only waits."""
    _unshare()
    # The new capabilities of a user namespace have reset it.
    walls.prctl(walls.PR_SET_PDEATHSIG, signal.SIGKILL)
    pid = os.fork()
    if pid:
        for descriptor in (0, 1):
            os.close(descriptor)
        _, status = os.waitpid(pid, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    walls.prctl(walls.PR_SET_PDEATHSIG, signal.SIGKILL)
    _build_root(scratch, paths)


def _build_root(scratch: str, paths: list[str]) -> None:
    """A root directory with toolchains (read only), a few devices, proc, and a work directory of bounded size."""
    walls.mount("none", "/", "", walls.MS_REC | walls.MS_PRIVATE)
    walls.mount(_TMPFS, scratch, _TMPFS, walls.MS_NOSUID, "size=1m,mode=0755")
    for path in paths:
        _show(path, scratch + path)
    _show(str(Path(__file__).parent), scratch + RUNNER)
    os.makedirs(scratch + "/dev", exist_ok=True)
    for name in _DEVICES:
        Path(scratch, "dev", name).touch()
        walls.mount(f"/dev/{name}", f"{scratch}/dev/{name}", "", walls.MS_BIND)
    for name, end in _DEVICE_LINKS:
        os.symlink(f"/proc/self/fd{end}", f"{scratch}/dev/{name}")
    for name, size in ((WORK[1:], _WORK_BYTES), ("dev/shm", _SHM_BYTES)):
        target = f"{scratch}/{name}"
        os.makedirs(target)
        flags = walls.MS_NOSUID | walls.MS_NODEV
        walls.mount(_TMPFS, target, _TMPFS, flags, f"size={size},nr_inodes={_INODES},mode=1777")
    for name in ("proc", "old", "tmp", "etc"):
        os.makedirs(f"{scratch}/{name}", exist_ok=True)
    walls.mount("proc", f"{scratch}/proc", "proc", walls.MS_NOSUID | walls.MS_NODEV | walls.MS_NOEXEC)
    Path(scratch, "etc", "passwd").write_text("root:x:0:0::/:/bin/false\n", encoding="ascii")
    Path(scratch, "etc", "group").write_text("root:x:0:\n", encoding="ascii")
    os.chdir(scratch)
    walls.pivot_root(".", "old")
    os.chdir("/")
    walls.unmount("/old")
    os.rmdir("/old")
    walls.mount("none", "/", "", walls.MS_REMOUNT | walls.MS_BIND | walls.MS_RDONLY | walls.MS_NOSUID)


def _show(source: str, target: str) -> None:
    """Makes a path of the host visible at the same place, read only."""
    if os.path.islink(source) and not os.path.isdir(os.path.realpath(source)):
        source = os.path.realpath(source)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(source):
        os.symlink(os.readlink(source), target)
        return
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        Path(target).touch()
    walls.mount(source, target, "", walls.MS_BIND | walls.MS_REC)
    # A user namespace may not lift flags that the mount already has, so they are named again.
    now = os.statvfs(target).f_flag
    held = sum(ours for theirs, ours in ((os.ST_NOEXEC, walls.MS_NOEXEC),) if now & theirs)
    held |= sum(ours for theirs, ours in ((1024, 1024), (2048, 2048), (4096, 1 << 21)) if now & theirs)
    flags = walls.MS_REMOUNT | walls.MS_BIND | walls.MS_RDONLY | walls.MS_NOSUID | walls.MS_NODEV | held
    walls.mount("none", target, "", flags)


# --- one child --------------------------------------------------------------------------------------------------


def remove_empty(directory: str) -> bool:
    """Removes a directory; False if it is not empty."""
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def tasks_of_uid(uid: int) -> int:
    """How many tasks run under a uid."""
    count = 0
    for pid in processes_of((uid,)):
        with contextlib.suppress(OSError):
            count += len(os.listdir(f"/proc/{pid}/task"))
    return count


def common() -> None:
    """What all children share, set once in the process that forks them."""
    for which, value in (
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 1 << 16),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        with contextlib.suppress(ValueError):  # gVisor has no limit on queues; the filter refuses them too
            resource.setrlimit(which, walls.within(which, value))
    os.umask(0o022)
    if walls.effective_capabilities() >> walls.CAP_SETGID & 1:
        os.setgroups([])
    walls.prctl(walls.PR_SET_NO_NEW_PRIVS, 1)
    walls.seccomp(walls.seccomp_program(None))


class Doors:
    """The ways of children behind the walls: system calls, worked out where nothing that is touched has to be copied.

    Args:
        jail: from ``build``.
        base_bytes: address space of the interpreter that goes on in the children that execute nothing.
    """

    def __init__(self, jail: Jail, base_bytes: int) -> None:
        self._jail = jail
        self._base_bytes = base_bytes
        self._rules = [self._rule(*rule) for rule in jail.rules]
        self._addresses = [ctypes.addressof(rule) for rule in self._rules]
        self.calls = functools.lru_cache(maxsize=64)(self._calls)

    def ruleset(self, readable: str) -> int:
        """What a child may do with files, as a descriptor that it is handed after its own; -1 without Landlock.

        Args:
            readable: one more directory to read and execute, or empty.
        """
        abi = self._jail.landlock_abi
        if not abi:
            return -1
        opened = open_rule(readable, walls.READ_EXECUTE) if readable else None
        if opened is None:
            return walls.landlock_ruleset(abi, self._addresses)
        rule = self._rule(*opened)
        try:
            return walls.landlock_ruleset(abi, [*self._addresses, ctypes.addressof(rule)])
        finally:
            os.close(opened[0])

    def _rule(self, descriptor: int, access: int, is_directory: bool = True) -> walls.Rule:  # noqa: FBT001, FBT002
        return walls.landlock_rule(self._jail.landlock_abi, descriptor, access, is_directory=is_directory)

    def other_tasks(self, uid: int) -> int:
        """Tasks of the uid of a new child; one of its own has none."""
        return 0 if uid else tasks_of_uid(os.geteuid())

    def last_filter(self, *, is_compiling: bool) -> bytes:
        """One more filter, with ``SOME_PID`` in the place of the child's pid; empty where the common one is enough."""
        has_uid = bool(self._jail.uid_base)
        is_guarded = has_uid or self._jail.landlock_abi >= walls.SCOPE_SIGNAL_ABI
        # A linker must make its program executable; it is no stranger's code.
        keeps_metadata = not has_uid and not is_compiling
        if is_guarded and not keeps_metadata:
            return b""
        return _last_filter(is_guarded=is_guarded, keeps_metadata=keeps_metadata)

    def _calls(
        self,
        limits: Limits,
        *,
        ruleset: int,
        free: int,
        other_tasks: int,
        is_warm: bool,
        is_compiling: bool,
        has_group: bool,
    ) -> tuple[letters.Call, ...]:
        """What a child calls, in order: each call may block an earlier one.

        Args:
            limits: of the child.
            ruleset: the number that the ruleset has for the child, or -1.
            free: the number of the next file that it opens.
            other_tasks: see above.
            is_warm: it goes on in this interpreter rather than executing a program.
            is_compiling: its directory stays.
            has_group: a group may read another directory that it needs.
        """
        to = walls.CALLS
        calls: list[letters.Call] = [(to["setsid"],)]
        has_uid = bool(self._jail.uid_base)
        if has_uid:
            if has_group:
                calls.append((to["setgroups"], 1, letters.GROUP))
            calls += [(to[name], letters.UID, letters.UID, letters.UID) for name in ("setresgid", "setresuid")]
        mode = 0o750 if is_compiling and has_uid else 0o700
        name = "fchmodat" if self._jail.has_homes else "mkdirat"
        calls += [(to[name], _AT_FDCWD, letters.DIRECTORY, mode), (to["chdir"], letters.DIRECTORY)]
        if is_compiling:
            calls.append((to["mkdirat"], _AT_FDCWD, letters.HOME, 0o700))
        # Whoever watches must come first: where no processor is ever free, as with a program that forks without end
        # in a container, which is one group for the scheduler; and where the kernel does not limit processes (root's).
        if self._jail.is_container:
            calls.append((to["setpriority"], 0, 0, _LAST))
        elif not has_uid and not os.geteuid():
            calls.append((to["setpriority"], 0, 0, _NICE))
        for which, pair in self._pairs(limits, other_tasks=other_tasks, is_warm=is_warm):
            calls.append((to["prlimit64"], 0, which, struct.pack("=2q", *pair), 0))
        # Changing the uid has undone it.
        calls.append((to["prctl"], walls.PR_SET_PDEATHSIG, walls.SIGKILL))
        if ruleset >= 0:
            calls += [
                (to["openat"], _AT_FDCWD, b".\0", os.O_PATH),
                (to["openat"], _AT_FDCWD, b"/proc/self\0", os.O_PATH),
                walls.landlock_allowing(ruleset, self._rule(free, -1)),
                walls.landlock_allowing(ruleset, self._rule(free + 1, walls.READ)),
                walls.landlock_restricting(ruleset),
            ]
        calls.append((to["rt_sigprocmask"], _SIG_SETMASK, bytes(8), 0, 8))
        return tuple(calls)

    def _pairs(self, limits: Limits, *, other_tasks: int, is_warm: bool) -> list[tuple[int, tuple[int, int]]]:
        stack_bytes = _WARM_STACK_BYTES if is_warm or limits.memory_rule == "data" else _STACK_BYTES
        stack_bytes = min(stack_bytes, limits.memory_bytes)
        # Each thread of a program gets a stack of that size, of which it touches little; what is touched is counted.
        base_bytes = self._base_bytes if is_warm else _PROGRAM_BYTES + _THREADS * stack_bytes
        return limits.pairs(base_bytes=base_bytes, stack_bytes=stack_bytes, other_tasks=other_tasks)


_AT_FDCWD, _SIG_SETMASK, _NICE, _LAST = -100, 2, 10, 19
_MAX_NAME_BYTES = 64
"""Of what a child's directory is called below the runner's, at most."""


@functools.cache
def _last_filter(*, is_guarded: bool, keeps_metadata: bool) -> bytes:
    # 0 is the child's own process group: it leads a session of its own.
    pids = None if is_guarded else (*struct.unpack("=I", SOME_PID), 0)
    return walls.seccomp_program(pids, keeps_metadata=keeps_metadata)


SOME_PID = struct.pack("=I", 0x7FF1C0DE)
"""Stands in a filter for the pid of the child that is to enter it; above every real one."""
