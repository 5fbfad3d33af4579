"""The self-hosted container judges the examples behind Docker's default walls, with and without its capabilities."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import docker.errors
import pytest
import requests
from docker.models.containers import Container

from verifier import Client, Outcome
from verifier.sandbox.images import connect
from verifier.wire.jsonl import group_from_line

IMAGE = os.environ.get("ASSAY_TEST_SERVICE_IMAGE", "assay-verifier:ci")
LINES = (Path(__file__).parents[2] / "examples" / "completions.jsonl").read_bytes().splitlines()
PORT = "50051/tcp"
START_TIMEOUT_S = 60.0
pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    try:
        client = connect()
    except (docker.errors.DockerException, requests.RequestException, OSError):
        pytest.skip("no Docker engine answers")
    with closing(client):
        try:
            client.images.get(IMAGE)
        except docker.errors.ImageNotFound:
            pytest.skip(f"the image {IMAGE} is not built (docs/deploy.md)")
        except (docker.errors.DockerException, requests.RequestException, OSError):
            pytest.skip("no Docker engine answers")
        yield client


@contextmanager
def service(
    engine: docker.DockerClient, *, capabilities: list[str], user: str | None = None
) -> Iterator[tuple[Container, str]]:
    """The service in a container, healthy, with the address that it is published at."""
    container = engine.containers.run(
        IMAGE,
        detach=True,
        ports={PORT: ("127.0.0.1", 0)},
        user=user,
        read_only=True,
        tmpfs={"/tmp": "exec"},  # noqa: S108 - a path of the container
        security_opt=["no-new-privileges"],
        cap_drop=["ALL"],
        cap_add=capabilities,
    )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while container.attrs["State"].get("Health", {}).get("Status") != "healthy":
            assert time.monotonic() < deadline, container.logs().decode()
            time.sleep(0.5)
            container.reload()
        yield container, "127.0.0.1:" + container.attrs["NetworkSettings"]["Ports"][PORT][0]["HostPort"]
    finally:
        container.remove(force=True)


def disagreements(address: str) -> list[str]:
    groups = [group_from_line(line, number) for number, line in enumerate(LINES, start=1)]
    with Client(address) as client:
        results = client.verify(groups)
    found = []
    for line, result in zip(LINES, results, strict=True):
        for number, (scored, expected) in enumerate(zip(result.scores, json.loads(line)["expect"], strict=True)):
            verdict = scored.verdicts[0]
            if verdict.outcome is not Outcome(expected):
                found.append(f"{result.id}[{number}]: {verdict}")
    return found


def has_own_uids(container: Container) -> bool:
    """Whether each execution gets a uid of its own, as the doctor in the container says."""
    output = container.exec_run(["verifier", "doctor", "--json"], stderr=False).output
    assert isinstance(output, bytes)
    report = json.loads(output)
    [wall] = [wall for wall in report["sandboxes"]["local"]["walls"] if wall["name"] == "uid per execution"]
    return bool(wall["stands"])


def test_the_container_judges_the_examples_with_three_capabilities(engine):
    with service(engine, capabilities=["SETUID", "SETGID", "KILL"]) as (container, address):
        assert has_own_uids(container)
        assert disagreements(address) == []
        container.stop(timeout=30)
        assert container.wait()["StatusCode"] == 0


def test_the_container_judges_the_examples_with_no_capability(engine):
    with service(engine, capabilities=[], user="65534") as (container, address):
        assert not has_own_uids(container)
        assert disagreements(address) == []
