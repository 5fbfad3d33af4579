"""The seccomp filter as the kernel would run it: a small interpreter of its program, and what it answers."""

from __future__ import annotations

import errno
import platform
import struct

import pytest

from verifier.sandbox.runner import walls

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS
KEPT = 4096
"""Most instructions that the kernel takes."""

pytestmark = pytest.mark.skipif(not walls.has_seccomp(), reason="no filter is known for this processor")


def run(program, name_or_number, *args, arch=None):
    """What the filter answers to a system call."""
    number = walls._SYSCALLS[name_or_number] if isinstance(name_or_number, str) else name_or_number
    padded = [arg & 0xFFFFFFFFFFFFFFFF for arg in (*args, *[0] * 6)][:6]
    data = struct.pack("=iIQ6Q", number, walls._ARCH if arch is None else arch, 0, *padded)
    at, accumulator = 0, 0
    while True:
        code, jt, jf, k = struct.unpack_from("HBBI", program, 8 * at)
        at += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, k)
        elif code == 0x06:
            return k
        else:
            is_true = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}[code]
            at += jt if is_true else jf


PROGRAMS = {
    "guarded": walls.seccomp_program(None) if walls.has_seccomp() else b"",
    "same uid": walls.seccomp_program((77, 0), keeps_metadata=True) if walls.has_seccomp() else b"",
}
every_program = pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)


@every_program
def test_the_program_is_whole_and_its_jumps_stay_inside(program):
    count, rest = divmod(len(program), 8)
    assert rest == 0
    assert 0 < count <= KEPT
    for at in range(count):
        code, jt, jf, _ = struct.unpack_from("HBBI", program, 8 * at)
        assert code in (0x20, 0x15, 0x35, 0x45, 0x06)
        assert code in (0x20, 0x06) or at + 1 + max(jt, jf) < count


@every_program
@pytest.mark.parametrize(
    "name",
    [
        "ptrace",
        "process_vm_readv",
        "socket",
        "connect",
        "mount",
        "unshare",
        "setns",
        "bpf",
        "io_uring_setup",
        "keyctl",
        "userfaultfd",
        "perf_event_open",
        "pidfd_open",
        "pidfd_getfd",
        "memfd_create",
        "setxattr",
        "shmget",
        "mq_open",
        "personality",
    ],
)
def test_what_reaches_outside_is_refused(program, name):
    assert run(program, name) == EPERM


@every_program
@pytest.mark.parametrize("number", [0, 1, 3, 9, 39 if platform.machine() == "x86_64" else 172, 500, 2000])
def test_the_rest_passes(program, number):
    assert run(program, number) == ALLOW


@every_program
def test_another_architecture_is_the_end(program):
    assert run(program, 0, arch=0x40000003) == KILL


@every_program
@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 is a kind of x86_64")
def test_the_other_numbering_of_the_same_processor_is_the_end(program):
    assert run(program, 0x40000000) == KILL


@every_program
def test_forks_and_threads_pass_and_namespaces_do_not(program):
    assert run(program, "clone", 17) == ALLOW
    assert run(program, "clone", 0x3D0F00) == ALLOW
    for flag in (walls.CLONE_NEWUSER, walls.CLONE_NEWNS, walls.CLONE_NEWPID, walls.CLONE_NEWNET, 0x02000000):
        assert run(program, "clone", flag | 17) == EPERM
    assert run(program, "clone3") == ENOSYS


@every_program
def test_the_death_signal_cannot_be_switched_off(program):
    assert run(program, "prctl", walls.PR_SET_PDEATHSIG, 0) == EPERM
    assert run(program, "prctl", 15, 0) == ALLOW


@every_program
def test_a_terminal_cannot_be_typed_into_and_a_descriptor_gets_no_owner_by_ioctl(program):
    for request in (0x5412, 0x541C, 0x8901, 0x8902):
        assert run(program, "ioctl", 0, request) == EPERM
    assert run(program, "ioctl", 0, 0x5401) == ALLOW


@every_program
@pytest.mark.parametrize("name", walls._OWN_ONLY)
def test_limits_and_priorities_of_others_stay_as_they_are(program, name):
    at = walls._OWN_ONLY[name]
    assert run(program, name, *[0] * at, 0) == ALLOW
    assert run(program, name, *[0] * at, 1) == EPERM
    assert run(program, name, *[0] * at, -1) == EPERM


def test_where_the_uid_is_shared_only_oneself_can_be_signalled():
    program = PROGRAMS["same uid"]
    for name in ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        assert run(program, name, 77) == ALLOW
        assert run(program, name, 0) == ALLOW
        assert run(program, name, 78) == EPERM
        assert run(program, name, -1) == EPERM
        assert run(program, name, -77) == EPERM
    for command in (8, 15):
        assert run(program, "fcntl", 0, command) == EPERM
    assert run(program, "fcntl", 0, 3) == ALLOW


def test_where_the_uid_owns_files_outside_their_modes_stay_as_they_are():
    names = [name for name in walls._METADATA if name in walls._SYSCALLS]
    assert len(names) > 5
    for name in names:
        assert run(PROGRAMS["same uid"], name) == EPERM
        assert run(PROGRAMS["guarded"], name) == ALLOW


def test_where_the_uid_is_its_own_signals_are_left_to_the_kernel():
    assert run(PROGRAMS["guarded"], "kill", 78) == ALLOW


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_two_names_of_a_processor_share_a_number(machine):
    numbers = list(walls._MACHINES[machine][1].values())
    assert len(set(numbers)) == len(numbers)
