"""Letters from a supervisor to fresh children, with real sockets and a real fork; run by ``test_letters``."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from verifier.sandbox.runner import letters, walls
from verifier.sandbox.runner.letters import Address, Receiver, Sender

pytestmark = pytest.mark.skipif(not walls.has_seccomp(), reason="no system calls are known for this processor")


class Pair:
    """Both sides in one process; what a child does is done in a fork."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._box = ours
        self.receiver = Receiver([letters.lifted(theirs.detach())])
        self.sender = Sender([ours], self.receiver.address)

    def send(self, serial, payload, *, calls=(), directory=b"/", descriptors=()):
        to = Address(os.getuid(), 0, directory, directory)
        self.sender.send(0, serial, entry=lambda _: calls, to=to, descriptors=descriptors, payload=payload)

    def child(self, serial, action):
        """What an action gives in a fork that has entered, or the number of the error."""
        read, write = os.pipe()
        write = letters.lifted(write)
        pid = os.fork()
        if pid == 0:
            try:
                told = action(self.receiver.enter(0, serial))
            except OSError as error:
                told = {"errno": error.errno}
            except BaseException as error:  # noqa: BLE001 - the parent tells it
                told = {"raised": repr(error)}
            try:
                os.write(write, json.dumps(told).encode())
            finally:
                os._exit(0)
        os.close(write)
        _, status = os.waitpid(pid, 0)
        assert status == 0, f"the child ended with {status}"
        with os.fdopen(read, "rb") as file:
            return json.load(file)

    def close(self):
        self._box.close()
        for box in self.receiver._boxes:
            os.close(box)


@pytest.fixture
def pair():
    found = Pair()
    yield found
    found.close()


@pytest.mark.parametrize("size", [0, 100, 47_000, 300_000])
def test_a_payload_arrives_whole_at_any_length(pair, size):
    pair.send(1, ("x" * size, 5))
    assert pair.child(1, lambda told: [len(told[0]), told[1]]) == [size, 5]


def test_calls_are_made_in_order_with_what_they_point_to(pair, tmp_path):
    path = os.fsencode(tmp_path / "made")
    to = walls.CALLS
    calls = (
        (to["mkdirat"], -100, letters.DIRECTORY, 0o700),
        (to["chdir"], letters.DIRECTORY),
        (to["mkdirat"], -100, b"inner\0", 0o700),
    )
    pair.send(1, None, calls=calls, directory=path)
    assert pair.child(1, lambda _: str(Path.cwd())) == os.fsdecode(path)
    assert (tmp_path / "made" / "inner").is_dir()


def test_a_call_that_fails_is_an_error_and_what_follows_is_not_made(pair, tmp_path):
    calls = ((walls.CALLS["chdir"], b"/no/such/directory\0"), (walls.CALLS["mkdirat"], -100, letters.DIRECTORY, 0o700))
    pair.send(1, None, calls=calls, directory=os.fsencode(tmp_path / "never"))
    assert pair.child(1, lambda _: "entered")["errno"] == 2
    assert not (tmp_path / "never").exists()


def test_descriptors_are_numbered_from_nothing(pair, tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    opened = [os.open(tmp_path / name, os.O_RDONLY) for name in "ab"]
    pair.send(1, None, descriptors=opened)
    for descriptor in opened:
        os.close(descriptor)
    assert pair.child(1, lambda _: [os.read(number, 9).decode() for number in (0, 1)]) == ["a", "b"]


def test_a_letter_that_a_killed_child_never_took_is_passed_over(pair):
    pair.send(1, "of the last execution")
    pair.send(2, "of this one")
    assert pair.child(2, lambda told: told) == "of this one"


def test_a_child_without_a_letter_ends(pair):
    pair._box.close()
    assert "errno" in pair.child(1, lambda told: told)


def test_practice_leaves_the_boxes_as_they_were(pair):
    with pair.receiver.practice() as sender:
        sender.send(0, 7, entry=lambda _: (), to=Address(0, 0, b"/", b"/"), descriptors=[], payload="practice")
        assert pair.child(7, lambda told: told) == "practice"
    pair.send(8, "real")
    assert pair.child(8, lambda told: told) == "real"
