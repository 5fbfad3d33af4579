"""The same lines come back wherever they are judged: in process, over gRPC, in local jails and in containers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "completions.jsonl"


def _verifier(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "verifier", *arguments]
    return subprocess.run(command, capture_output=True, timeout=110, check=False)


@contextmanager
def _server(*arguments: str) -> Iterator[str]:
    command = [sys.executable, "-m", "verifier", "serve", "--bind", "127.0.0.1:0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip().removeprefix("listening on ")
        finally:
            server.terminate()
            server.wait(60)


@pytest.fixture(scope="module")
def groups(tmp_path_factory) -> Path:
    """Every third group of the examples, so that each kind of reference and some attacks are among them."""
    lines = EXAMPLES.read_bytes().splitlines(keepends=True)[::3]
    path = tmp_path_factory.mktemp("groups") / "groups.jsonl"
    path.write_bytes(b"".join(lines))
    return path


@pytest.fixture(scope="module")
def in_process(groups) -> bytes:
    done = _verifier("score", str(groups))
    assert done.returncode == 0, done.stderr
    assert b"FAILED" not in done.stdout
    return done.stdout


def test_a_server_gives_the_same_lines(groups, in_process):
    with _server() as address:
        done = _verifier("score", "--server", address, str(groups))

    assert done.returncode == 0, done.stderr
    assert done.stdout == in_process


@pytest.mark.docker
def test_containers_give_the_same_lines(groups, in_process):
    report = json.loads(_verifier("doctor", "--json").stdout)["sandboxes"]["docker"]
    if not report["is_ready"]:
        pytest.skip(f"docker: {report['remedy']}")

    done = _verifier("score", "--sandbox", "docker", str(groups))

    assert done.returncode == 0, done.stderr
    assert done.stdout == in_process
