"""The kernel's walls, through ctypes: Landlock, seccomp, namespaces, limits, capabilities.

Nothing here decides policy for a run; ``jail.py`` does. Numbers are those of the kernel's headers.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import platform
import resource
import struct
from collections.abc import Iterable

_LIBC = ctypes.CDLL(None, use_errno=True)
_SYSCALL = _LIBC.syscall
_SYSCALL.restype = ctypes.c_long
CALL = ctypes.PyDLL(None).syscall
"""The same where every page that is touched is copied: nothing is wrapped, no errno kept aside; -1 is an error."""
CALL.restype = ctypes.c_long
CALL.argtypes = [ctypes.c_long] * 6
_LAST_ERROR = ctypes.PyDLL(None)["__errno_location"]
_LAST_ERROR.restype = ctypes.POINTER(ctypes.c_int)

PR_SET_PDEATHSIG = 1
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SIGKILL = 9

CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN = 5, 6, 7, 21
_CAP_LAST = 63

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CLONE_NEW_ANY = 0x7E020000 | 0x80  # cgroup and time namespaces included

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1, 2, 4, 8, 32, 4096, 16384, 1 << 18,
)  # fmt: skip
MNT_DETACH = 2


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def prctl(option: int, *args: int) -> None:
    """Sets a property of this process."""
    padded = (*args, 0, 0, 0, 0)[:4]
    _check(_LIBC.prctl(option, *(ctypes.c_ulong(arg) for arg in padded)), f"prctl({option})")


def syscall(number: int, *args: object) -> int:
    """Any system call by its number; raises OSError."""
    wide = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]
    return _check(int(_SYSCALL(ctypes.c_long(number), *wide)), f"syscall {number}")


FORK = ctypes.PyDLL(None).fork
"""Forks a process of one thread without the interpreter's own care for threads, locks and random numbers.

``os.fork`` runs the hooks of every module that was ever imported, in the child as well; what they touch is copied,
which takes longer than the fork. Gives -1 where there can be no child.
"""
YIELD = ctypes.PyDLL(None).sched_yield
"""Gives 0 as ``FORK`` does in a child."""


def call(number: int, *args: int) -> int:
    """A system call of five arguments, with none of the interpreter's care for threads and signals; raises OSError."""
    result = int(CALL(number, *args))
    if result < 0:
        raise _last_error(f"system call {number}")
    return result


def _last_error(what: str) -> OSError:
    code = int(_LAST_ERROR()[0])
    return OSError(code, f"{what}: {os.strerror(code)}")


# --- capabilities -----------------------------------------------------------------------------------------------


def effective_capabilities() -> int:
    """The effective capability set of this process as a bit mask."""
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("CapEff:"):
                return int(line.split()[1], 16)
    return 0


def keep_capabilities(kept: Iterable[int]) -> None:
    """Drops every capability but these, from the bounding set as well where that is allowed."""
    mask = sum(1 << cap for cap in kept)
    for cap in range(_CAP_LAST + 1):
        if not mask >> cap & 1:
            with contextlib.suppress(OSError):  # no SETPCAP, or past the kernel's last capability
                prctl(PR_CAPBSET_DROP, cap)
    header = struct.pack("II", 0x20080522, 0)
    low, high = mask & 0xFFFFFFFF, mask >> 32
    data = struct.pack("IIIIII", low, low, 0, high, high, 0)
    _check(_LIBC.capset(header, data), "capset")


# --- namespaces and mounts --------------------------------------------------------------------------------------


def unshare(flags: int) -> None:
    """Moves into new namespaces."""
    _check(_LIBC.unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    """Mounts a file system, or changes a mount."""
    result = _LIBC.mount(
        source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), options.encode() or None
    )
    _check(result, f"mount {target}")


def unmount(target: str) -> None:
    """Unmounts, as soon as nothing uses it any more."""
    _check(_LIBC.umount2(target.encode(), MNT_DETACH), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """Changes the root directory of the mount namespace."""
    number = _SYSCALLS["pivot_root"]
    syscall(number, ctypes.c_char_p(new_root.encode()), ctypes.c_char_p(put_old.encode()))


# --- Landlock ---------------------------------------------------------------------------------------------------

_LL_CREATE, _LL_ADD, _LL_RESTRICT = 444, 445, 446
LL_EXECUTE, LL_WRITE_FILE, LL_READ_FILE, LL_READ_DIR = 1, 2, 4, 8
_LL_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_LL_FILE_ONLY = LL_EXECUTE | LL_WRITE_FILE | LL_READ_FILE | 1 << 14 | 1 << 15
READ = LL_READ_FILE | LL_READ_DIR
READ_EXECUTE = READ | LL_EXECUTE
TRUNCATE_ABI = 3
SCOPE_SIGNAL_ABI = 6


def landlock_abi() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    try:
        return syscall(_LL_CREATE, 0, 0, 1)
    except OSError:
        return 0


Rule = ctypes.Array[ctypes.c_char]
"""A rule where the kernel can read it."""


def landlock_ruleset(abi: int, rules: Iterable[int]) -> int:
    """A ruleset, as a descriptor: files by its rules; no connections, abstract sockets and signals, by version.

    Args:
        abi: from ``landlock_abi``.
        rules: addresses of what ``landlock_rule`` gives.
    """
    attr, size = _landlock_attr(abi)
    ruleset = call(_LL_CREATE, ctypes.addressof(attr), size, 0, 0, 0)
    for rule in rules:
        if CALL(_LL_ADD, ruleset, 1, rule, 0, 0) < 0:
            raise _last_error("landlock_add_rule")
    return ruleset


@functools.cache
def _landlock_attr(abi: int) -> tuple[ctypes.Array[ctypes.c_char], int]:
    """What a ruleset governs, where the kernel can read it, and its length."""
    net = 3 if abi >= 4 else 0  # noqa: PLR2004
    scoped = 3 if abi >= SCOPE_SIGNAL_ABI else 0
    buffer = ctypes.create_string_buffer(struct.pack("QQQ", _LL_BY_ABI[min(abi, 5)], net, scoped))
    return buffer, 24 if scoped else 16 if net else 8


def landlock_rule(abi: int, descriptor: int, access: int, *, is_directory: bool) -> Rule:
    """A rule where the kernel can read it.

    Args:
        abi: from ``landlock_abi``.
        descriptor: of the path (O_PATH).
        access: below it; -1 grants everything.
        is_directory: whether it is one.
    """
    handled = _LL_BY_ABI[min(abi, 5)]
    allowed = handled if access < 0 else access & handled
    if not is_directory:
        allowed &= _LL_FILE_ONLY
    return ctypes.create_string_buffer(struct.pack("=Qi", allowed, descriptor))


def landlock_allowing(ruleset: int, rule: Rule) -> tuple[int | bytes, ...]:
    """The same as a call for a child to make."""
    return _LL_ADD, ruleset, 1, rule.raw, 0


def landlock_restricting(ruleset: int) -> tuple[int, ...]:
    """The call that confines a child to a ruleset for good."""
    return _LL_RESTRICT, ruleset, 0


# --- seccomp ----------------------------------------------------------------------------------------------------

_X86 = {
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "pidfd_send_signal": 424,
    "pidfd_open": 434, "pidfd_getfd": 438, "process_madvise": 440, "socket": 41, "connect": 42, "accept": 43,
    "bind": 49, "listen": 50, "accept4": 288, "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161,
    "unshare": 272, "setns": 308, "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321,
    "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "init_module": 175, "delete_module": 176, "finit_module": 313, "kexec_load": 246,
    "kexec_file_load": 320, "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163, "quotactl": 179,
    "open_by_handle_at": 304, "name_to_handle_at": 303, "settimeofday": 164, "clock_settime": 227, "adjtimex": 159,
    "clock_adjtime": 305, "personality": 135, "shmget": 29, "shmat": 30, "shmctl": 31, "semget": 64, "semop": 65,
    "semctl": 66, "semtimedop": 220, "msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71, "mq_open": 240,
    "mq_unlink": 241, "fanotify_init": 300, "syslog": 103, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "move_mount": 429, "open_tree": 428, "mount_setattr": 442, "iopl": 172, "ioperm": 173, "modify_ldt": 154,
    "vhangup": 153, "memfd_create": 319, "memfd_secret": 447, "migrate_pages": 256, "move_pages": 279,
    "kill": 62, "tkill": 200, "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "fcntl": 72,
    "clone": 56, "clone3": 435, "prctl": 157, "ioctl": 16, "prlimit64": 302, "sched_setaffinity": 203,
    "sched_setscheduler": 144, "sched_setparam": 142, "sched_setattr": 314, "setpriority": 141, "ioprio_set": 251,
    "chmod": 90, "fchmod": 91, "fchmodat": 268, "fchmodat2": 452, "chown": 92, "fchown": 93, "lchown": 94,
    "fchownat": 260, "utime": 132, "utimes": 235, "futimesat": 261, "utimensat": 280, "setxattr": 188,
    "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
    "setxattrat": 463, "removexattrat": 466, "file_setattr": 469,
}  # fmt: skip
_ARM = {
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272, "pidfd_send_signal": 424,
    "pidfd_open": 434, "pidfd_getfd": 438, "process_madvise": 440, "socket": 198, "connect": 203, "accept": 202,
    "bind": 200, "listen": 201, "accept4": 242, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51,
    "unshare": 97, "setns": 268, "add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280,
    "perf_event_open": 241, "userfaultfd": 282, "io_uring_setup": 425, "io_uring_enter": 426,
    "io_uring_register": 427, "init_module": 105, "delete_module": 106, "finit_module": 273, "kexec_load": 104,
    "kexec_file_load": 294, "reboot": 142, "swapon": 224, "swapoff": 225, "acct": 89, "quotactl": 60,
    "open_by_handle_at": 265, "name_to_handle_at": 264, "settimeofday": 170, "clock_settime": 112, "adjtimex": 171,
    "clock_adjtime": 266, "personality": 92, "shmget": 194, "shmat": 196, "shmctl": 195, "semget": 190,
    "semop": 193, "semctl": 191, "semtimedop": 192, "msgget": 186, "msgsnd": 189, "msgrcv": 188, "msgctl": 187,
    "mq_open": 180, "mq_unlink": 181, "fanotify_init": 262, "syslog": 116, "fsopen": 430, "fsconfig": 431,
    "fsmount": 432, "move_mount": 429, "open_tree": 428, "mount_setattr": 442, "vhangup": 58,
    "memfd_create": 279, "memfd_secret": 447, "migrate_pages": 238, "move_pages": 239,
    "kill": 129, "tkill": 130, "tgkill": 131, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "fcntl": 25,
    "clone": 220, "clone3": 435, "prctl": 167, "ioctl": 29, "prlimit64": 261, "sched_setaffinity": 122,
    "sched_setscheduler": 119, "sched_setparam": 118, "sched_setattr": 274, "setpriority": 140, "ioprio_set": 30,
    "fchmod": 52, "fchmodat": 53, "fchmodat2": 452, "fchown": 55, "fchownat": 54, "utimensat": 88, "setxattr": 5,
    "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "setxattrat": 463, "removexattrat": 466, "file_setattr": 469,
}  # fmt: skip
_OWN_CALLS = {
    "x86_64": {
        "read": 0, "write": 1, "madvise": 28, "getpid": 39, "recvmsg": 47, "wait4": 61, "chdir": 80, "setsid": 112,
        "setgroups": 116, "setresuid": 117, "setresgid": 119, "rt_sigprocmask": 14, "rt_sigtimedwait": 128,
        "openat": 257, "mkdirat": 258, "close_range": 436,
    },
    "aarch64": {
        "read": 63, "write": 64, "madvise": 233, "getpid": 172, "recvmsg": 212, "wait4": 260, "chdir": 49,
        "setsid": 157, "setgroups": 159, "setresuid": 147, "setresgid": 149, "rt_sigprocmask": 135,
        "rt_sigtimedwait": 137, "openat": 56, "mkdirat": 34, "close_range": 436,
    },
}  # fmt: skip
"""What a zygote and its children call, besides calls that the filter knows."""
_MACHINES = {"x86_64": (0xC000003E, _X86), "aarch64": (0xC00000B7, _ARM)}
_ARCH, _SYSCALLS = _MACHINES.get(platform.machine(), (0, {}))
CALLS = {**_SYSCALLS, **_OWN_CALLS.get(platform.machine(), {})}
"""System calls by their names, where they are known."""
_SIGNALLING = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo")
_OWN_ONLY = {
    "prlimit64": 0, "sched_setaffinity": 0, "sched_setscheduler": 0, "sched_setparam": 0, "sched_setattr": 0,
    "setpriority": 1, "ioprio_set": 1,
}  # fmt: skip
"""Calls that may change another process of the same uid, and the argument that is 0 for one's own."""
_METADATA = (
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat", "utime", "utimes", "futimesat",
    "utimensat",
)  # fmt: skip
_SPECIAL = ("clone", "clone3", "prctl", "ioctl", "fcntl", *_SIGNALLING, *_OWN_ONLY, *_METADATA)

_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_LD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_FIOSETOWN, _SIOCSPGRP = 0x8901, 0x8902
_F_SETOWN, _F_SETOWN_EX = 8, 15
_X32_BIT = 0x40000000


def has_seccomp() -> bool:
    """Whether this machine's system calls are known here, so that a filter can be written."""
    return bool(_SYSCALLS)


def _op(code: int, k: int, jt: int = 0, jf: int = 0) -> bytes:
    return struct.pack("HBBI", code, jt, jf, k)


def _arg(index: int) -> bytes:
    return _op(_LD, 16 + 8 * index)


def seccomp_program(signal_pids: tuple[int, ...] | None, *, keeps_metadata: bool = False) -> bytes:
    """A filter that refuses what reaches outside the jail; the rest passes.

    A list of what is refused, because a list of what is allowed breaks honest programs with each new libc
    (dify-sandbox issues 274 and 276); the uid, Landlock and namespaces stand behind it.

    Args:
        signal_pids: the only targets of signals, where neither the uid nor Landlock guards other processes.
        keeps_metadata: refuse to change modes, owners and times of files: Landlock does not, and the uid owns files
            outside the jail.
    """
    eperm, enosys = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    blocks: list[bytes] = []

    def block(name: str, *body: bytes) -> None:
        # The body ends in a return, so the jump over it is its own length.
        blocks.append(_op(_JEQ, _SYSCALLS[name], 0, len(body)) + b"".join(body))

    for name in _SYSCALLS:
        if name not in _SPECIAL:
            block(name, _op(_RET, eperm))
    block("clone3", _op(_RET, enosys))  # its flags lie in memory, so libc is sent back to clone
    block("clone", _arg(0), _op(_JSET, CLONE_NEW_ANY & ~0xFF, 0, 1), _op(_RET, eperm), _op(_RET, _ALLOW))
    # A child asks for its death signal behind the filter, because changing the uid has undone it.
    dying = (_arg(0), _op(_JEQ, PR_SET_PDEATHSIG, 0, 3), _arg(1), _op(_JEQ, SIGKILL, 1, 0), _op(_RET, eperm))
    block("prctl", *dying, _op(_RET, _ALLOW))
    block("ioctl", _arg(1), *_refuse_any((_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP), eperm))
    for name, argument in _OWN_ONLY.items():
        block(name, _arg(argument), _op(_JEQ, 0, 1, 0), _op(_RET, eperm), _op(_RET, _ALLOW))
    if signal_pids is not None:
        for name in _SIGNALLING:
            tests = [_op(_JEQ, pid & 0xFFFFFFFF, len(signal_pids) - at, 0) for at, pid in enumerate(signal_pids)]
            block(name, _arg(0), *tests, _op(_RET, eperm), _op(_RET, _ALLOW))
        # The owner of a descriptor is sent whatever signal is chosen for it.
        block("fcntl", _arg(1), *_refuse_any((_F_SETOWN, _F_SETOWN_EX), eperm))
    for name in _METADATA if keeps_metadata else ():
        if name in _SYSCALLS:
            block(name, _op(_RET, eperm))
    head = _op(_LD, 4) + _op(_JEQ, _ARCH, 1, 0) + _op(_RET, _KILL_PROCESS) + _op(_LD, 0)
    if platform.machine() == "x86_64":
        head += _op(_JGE, _X32_BIT, 0, 1) + _op(_RET, _KILL_PROCESS)
    return head + b"".join(blocks) + _op(_RET, _ALLOW)


def _refuse_any(values: tuple[int, ...], refusal: int) -> list[bytes]:
    """Refuses if the accumulator is one of these, else allows."""
    tests = [_op(_JEQ, value, len(values) - at, 0) for at, value in enumerate(values)]
    return [*tests, _op(_RET, _ALLOW), _op(_RET, refusal)]


def seccomp(program: bytes) -> None:
    """Puts this process under a filter; needs no_new_privs or SYS_ADMIN."""
    buffer = ctypes.create_string_buffer(program)
    fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer)))
    call(_SYSCALLS["prctl"], PR_SET_SECCOMP, 2, ctypes.addressof(fprog), 0, 0)


# --- limits -----------------------------------------------------------------------------------------------------


def within(which: int, value: int, hard: int | None = None) -> tuple[int, int]:
    """A soft limit and its hard one, never above the hard limit that is in force."""
    ceiling = resource.getrlimit(which)[1]
    wanted = value if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        value, wanted = min(value, ceiling), min(wanted, ceiling)
    return value, wanted
