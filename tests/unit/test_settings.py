"""Defaults, file, environment, flags: the later wins, and an error names the field and where it was set."""

from __future__ import annotations

import pytest

from verifier.errors import InvalidRequestError, UnknownNameError
from verifier.settings import Settings, load_settings


def test_the_later_source_wins(tmp_path):
    path = tmp_path / "verifier.toml"
    path.write_text('workers = 3\nsandbox = "docker"\nrecipe = "r1"\n', encoding="utf-8")
    settings = load_settings(path, {"ASSAY_WORKERS": "4", "ASSAY_RECIPE": "r1-zero"}, recipe="format", bind=None)
    assert (settings.workers, settings.sandbox, settings.recipe) == (4, "docker", "format")
    assert settings.bind == Settings().bind


def test_the_environment_is_read_by_type():
    settings = load_settings(None, {"ASSAY_DRAIN_S": "2", "ASSAY_REFLECTION": "Off", "ASSAY_OTHER": "x"})
    assert settings.drain_s == 2.0
    assert settings.reflection is False


def test_a_whole_number_may_stand_for_a_float(tmp_path):
    path = tmp_path / "verifier.toml"
    path.write_text("drain_s = 5", encoding="utf-8")
    settings = load_settings(path, {})
    assert settings.drain_s == 5.0
    assert isinstance(settings.drain_s, float)


@pytest.mark.parametrize(
    ("environ", "flags", "says"),
    [
        ({"ASSAY_WORKERS": "two"}, {}, "ASSAY_WORKERS: expected a whole number, got 'two'"),
        ({"ASSAY_REFLECTION": "maybe"}, {}, "ASSAY_REFLECTION: expected true or false"),
        ({"ASSAY_DRAIN_S": "nan"}, {}, "drain_s: nan is too small"),
        ({}, {"workers": 0}, "workers: 0 is too small; give at least 1"),
        ({}, {"workers": 1.5}, r"workers \(flags\): expected a whole number, got 1.5"),
        ({}, {"workers": True}, r"workers \(flags\): expected a whole number, got True"),
        ({}, {"reflection": 1}, r"reflection \(flags\): expected true or false"),
        ({}, {"bind": "50051"}, "bind: '50051' is not an address; write HOST:PORT"),
        ({}, {"bind": "host:"}, "write HOST:PORT"),
        ({}, {"bind": "host:99999"}, "write HOST:PORT"),
        ({}, {"server": "host"}, "server: 'host' is not an address"),
        ({}, {"log_level": "LOUD"}, "log_level: 'LOUD' is none of DEBUG"),
    ],
)
def test_a_bad_value_names_the_field_and_the_remedy(environ, flags, says):
    with pytest.raises(InvalidRequestError, match=says):
        load_settings(None, environ, **flags)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"x", "is not TOML"),
        (b"\xff", "is not TOML"),
        (b"worker = 3", r"unknown setting \(.*verifier\.toml\) 'worker'"),
        (b'workers = "3"', "expected a whole number, got '3'"),
    ],
)
def test_a_bad_file_is_named(tmp_path, content, says):
    path = tmp_path / "verifier.toml"
    path.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=says):
        load_settings(path, {})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidRequestError, match="cannot be read: No such file"):
        load_settings(tmp_path / "none.toml", {})


def test_a_flag_that_does_not_exist_is_an_unknown_name():
    with pytest.raises(UnknownNameError, match="unknown setting"):
        load_settings(None, {}, wokers=1)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:50051", "localhost:1", "unix:/tmp/x.sock"])
def test_addresses_that_are_taken(address):
    assert load_settings(None, {}, bind=address).bind == address
