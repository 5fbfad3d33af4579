"""Code that is kept by its text: what is told first is taken, once, and bounded."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from verifier.sandbox.runner import codes
from verifier.sandbox.runner.codes import Codes, key_of

KEY = key_of("program", "print(1)")


def first(code: bytes) -> bytes:
    return b"\0" + struct.pack("=I", len(code)) + code


def test_code_is_asked_for_until_it_was_told():
    kept = Codes()
    assert kept.get(KEY) is True
    assert kept.take(KEY, first(b"code") + b'{"value": 1}\n') == b'{"value": 1}\n'
    assert kept.get(KEY) == b"code"


def test_what_was_told_first_stays():
    kept = Codes()
    kept.take(KEY, first(b"code") + first(b"forged"))
    kept.take(KEY, first(b"forged"))
    assert kept.get(KEY) == b"code"


def test_kinds_and_texts_have_keys_of_their_own():
    assert len({KEY, key_of("script plain", "print(1)"), key_of("program", "print(2)"), key_of("program", "")}) == 4


def test_lone_surrogates_have_a_key():
    assert key_of("program", "\ud800")


def test_half_of_a_code_is_none():
    kept = Codes()
    assert kept.take(KEY, first(b"code")[:-1]) == b""
    assert kept.get(KEY) is True


@given(report=st.binary())
def test_any_report_can_be_taken(report):
    kept = Codes()
    rest = kept.take(KEY, report)
    assert report.endswith(rest)
    assert rest == report or report.startswith(b"\0")


def test_memory_is_bounded_and_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr(codes, "MAX_BYTES", 10)
    monkeypatch.setattr(codes, "MAX_ENTRY_BYTES", 6)
    kept = Codes()
    keys = [key_of("program", str(n)) for n in range(4)]
    for key in keys[:2]:
        kept.take(key, first(b"12345"))
    assert kept.get(keys[0]) == b"12345"
    kept.take(keys[2], first(b"12345"))
    assert kept.get(keys[1]) is True
    assert kept.get(keys[0]) == b"12345"
    kept.take(keys[3], first(b"1234567"))
    assert kept.get(keys[3]) is True
