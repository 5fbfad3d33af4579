"""Which kind of jail is chosen: what every uid can read decides whether a uid for each execution can be had."""

from __future__ import annotations

import pytest

from verifier.sandbox.runner import jail


@pytest.fixture
def folder(tmp_path):
    # The folder of a test is ours alone, and so are those that lead to it.
    for path in (tmp_path, *(parent for parent in tmp_path.parents if parent.stat().st_mode & 0o077 == 0)):
        path.chmod(0o755)
    return tmp_path


def test_a_file_need_not_be_executable_for_every_uid_to_read_it(folder):
    cache = folder / "ld.so.cache"
    cache.touch(0o644)
    cache.chmod(0o644)
    assert jail._is_public(str(cache))
    cache.chmod(0o640)
    assert not jail._is_public(str(cache))


@pytest.mark.parametrize(("mode", "is_public"), [(0o755, True), (0o754, False), (0o751, False), (0o700, False)])
def test_a_folder_must_be_open_to_every_uid(folder, mode, is_public):
    inner = folder / "inner"
    inner.mkdir()
    inner.chmod(mode)
    assert jail._is_public(str(inner)) is is_public


def test_what_stands_in_a_closed_folder_is_not_public(folder):
    closed = folder / "closed"
    (closed / "open").mkdir(parents=True)
    closed.chmod(0o700)
    assert not jail._is_public(str(closed / "open"))


def test_a_link_to_nothing_keeps_nobody_out(folder):
    (folder / "localtime").symlink_to(folder / "none")
    assert jail._is_public(str(folder / "localtime"))
