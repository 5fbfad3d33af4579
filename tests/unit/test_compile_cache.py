"""What a runner keeps of what it compiled: what decides a key, and who goes first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from verifier.sandbox.runner.cache import MAX_FILES, CompileCache, Entry, Kept, key_of
from verifier.sandbox.runner.programs import Program
from verifier.sandbox.runner.watch import Outcome

PROGRAM = Program("a.c", b"text", (("b.h", b"more"),), ("gcc",), ("{binary}",), {"A": "1"}, "data", 5)
LIMITS = {"cpu_time_s": 1.0, "memory_bytes": 5}


def entry(name, size=1, files=1):
    return Entry(Kept(name, 7) if name else Kept(), Outcome(kept_bytes=size, kept_files=files))


def cache(**bounds):
    left: list[str] = []
    return CompileCache(lambda kept: left.append(kept.directory), **bounds), left


def test_the_same_program_has_the_same_key():
    assert key_of(PROGRAM, LIMITS) == key_of(replace(PROGRAM), dict(reversed(LIMITS.items())))


@pytest.mark.parametrize(
    "change",
    [
        {"source_name": "b.c"},
        {"source": b"text2"},
        {"source": b"textmore", "files": (("b.h", b""),)},
        {"files": (("c.h", b"more"),)},
        {"files": ()},
        {"compile_command": ("gcc", "-O2")},
        {"run_command": ("{binary}", "x")},
        {"environment": {"A": "2"}},
        {"memory_rule": "address_space"},
        {"overhead_bytes": 6},
    ],
)
def test_all_that_decides_the_result_is_in_the_key(change):
    assert key_of(replace(PROGRAM, **change), LIMITS) != key_of(PROGRAM, LIMITS)
    assert key_of(PROGRAM, LIMITS | {"cpu_time_s": 2.0}) != key_of(PROGRAM, LIMITS)


def test_the_program_that_was_used_longest_ago_goes_first():
    kept, left = cache(max_entries=2)
    for name in "ab":
        kept.put(name, entry(name))
    assert kept.get("a") is not None
    kept.put("c", entry("c"))
    assert left == []
    kept.trim()
    assert left == ["b"]
    assert kept.get("b") is None
    assert kept.get("a") is not None


def test_directories_are_bounded_by_their_bytes():
    kept, left = cache(max_bytes=10)
    for name in "abcd":
        kept.put(name, entry(name, size=4))
    kept.trim()
    assert left == ["a", "b"]


@pytest.mark.parametrize("large", [entry("large", size=11), entry("large", files=MAX_FILES + 1)])
def test_what_is_too_large_pushes_out_nothing(large):
    kept, left = cache(max_bytes=10)
    kept.put("a", entry("a", size=9))
    kept.put("large", large)
    assert kept.get("a") is not None
    kept.trim()
    assert left == ["large"]


def test_what_did_not_compile_leaves_no_directory():
    kept, left = cache(max_entries=0)
    kept.put("a", entry(""))
    kept.trim()
    assert left == []
    assert kept.get("a") is None
