"""Whose container is whose: a server's that has ended is removed, one that may live is left alone."""

from __future__ import annotations

import os
import subprocess

import pytest

from verifier.sandbox.docker import is_orphan, owner_of


def test_a_process_that_lives_has_no_orphans():
    assert not is_orphan(owner_of(os.getpid()))


def test_a_process_that_has_ended_leaves_orphans_also_if_its_pid_is_used_again():
    with subprocess.Popen(["sleep", "60"]) as process:
        owner = owner_of(process.pid)
        assert not is_orphan(owner)
        process.kill()
    assert is_orphan(owner)
    space, _, began = owner_of(os.getpid()).rpartition(" ")
    assert is_orphan(f"{space} {int(began) + 1}")


@pytest.mark.parametrize(
    "owner",
    ["", "x", "other-boot pid:[1] 4194000 5", "a b c d e", owner_of(os.getpid()).replace("pid:[", "pid:[9")],
    ids=["nothing", "a word", "another boot", "more words", "another namespace"],
)
def test_of_an_owner_elsewhere_nothing_is_known(owner):
    assert not is_orphan(owner)


def test_no_process_has_no_name():
    assert owner_of(1 << 30) == ""
