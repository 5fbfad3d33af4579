"""Containers of a server that was killed: they end, and the next server removes them, and no other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys

import docker
import docker.errors
import pytest

from tests.sandboxes import opened
from verifier.sandbox.docker import LABEL, OWNER, owner_of
from verifier.sandbox.images import connect

pytestmark = pytest.mark.docker

SERVER = """
import asyncio, sys
from tests.sandboxes import MAKERS
async def main():
    sandbox = MAKERS["docker"]()
    await sandbox.start()
    (slot,) = sandbox._pool._idle["python"]
    print(slot.link._container.id, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def is_there(client, number):
    try:
        return client.containers.get(number).status != "removing"
    except docker.errors.NotFound:
        return False


def killed_server():
    """The container that it left, and its name as an owner."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        number = server.stdout.readline().strip()
        owner = owner_of(server.pid)
        server.send_signal(signal.SIGKILL)
    return number, owner


async def test_what_a_killed_server_left_is_ended_and_removed_by_the_next():
    async with opened("docker"):
        pass  # skips where there is no engine
    client = connect()
    try:
        number, owner = killed_server()
        container = client.containers.get(number)
        image = container.attrs["Image"]
        while container.status == "running":
            await asyncio.sleep(0.1)
            container.reload()
        stuck, other = (
            client.containers.run(
                image, ["60"], entrypoint="sleep", detach=True, network_mode="none", labels={LABEL: "x", OWNER: name}
            )
            for name in (owner, owner_of(os.getpid()))
        )
        try:
            async with opened("docker"):
                assert not is_there(client, number)
                assert not is_there(client, stuck.id)
                assert is_there(client, other.id)
        finally:
            other.remove(force=True)
    finally:
        client.close()
