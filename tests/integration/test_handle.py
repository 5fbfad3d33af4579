"""The Python face: plain and async, here and on a server, in any thread."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.fakes import fake_local_engine
from verifier import (
    Client,
    Group,
    InvalidRequestError,
    MathReference,
    Outcome,
    ServerUnavailableError,
    open_engine,
)
from verifier.engines.remote import RemoteEngine
from verifier.server.app import start_server
from verifier.settings import Settings

MATH = MathReference(answers=("\\frac12",))
RIGHT = Group(id="a", completions=("\\boxed{0.5}", "\\boxed{3}"), reference=MATH)


def small(**fields):
    return open_engine(**{"workers": 1, "sandbox_slots": 1, **fields})


FORKED = r"""
import os
from verifier import Group, InvalidRequestError, open_engine

groups = [Group(id="a", completions=("x",), recipe="format")]
if __name__ == "__main__":
    with open_engine(workers=1, sandbox_slots=1) as engine:
        child = os.fork()
        if child == 0:
            try:
                engine.verify(groups)
            except InvalidRequestError as error:
                print(error, flush=True)
            engine.__exit__(None, None, None)
            os._exit(7)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(engine.verify(groups)))
"""


def rewards(results):
    return [[scored.reward for scored in result.scores] for result in results]


def test_a_plain_call_judges():
    with small() as engine:
        assert rewards(engine.verify([RIGHT])) == [[1.0, 0.0]]
        assert "r1" in engine.info().recipes
    assert not [thread for thread in threading.enumerate() if thread.name == "verifier-engine"]


async def test_an_awaited_call_judges():
    async with small() as engine:
        assert rewards(await engine.averify([RIGHT])) == [[1.0, 0.0]]
        assert (await engine.ainfo()).version


def test_a_plain_call_works_in_other_threads_and_inside_a_running_loop():
    def judge():
        with small() as engine:
            return rewards(engine.verify([RIGHT]))

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(judge).result(60) == [[1.0, 0.0]]

    async def inside():
        return judge()

    assert asyncio.run(inside()) == [[1.0, 0.0]]


def test_an_engine_is_shared_by_threads():
    with small() as engine, ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: rewards(engine.verify([RIGHT])), range(8)))
    assert results == [[[1.0, 0.0]]] * 8


def test_an_exception_in_the_block_passes_and_leaves_no_thread():
    with pytest.raises(ZeroDivisionError), small():
        raise ZeroDivisionError
    assert not [thread for thread in threading.enumerate() if thread.name == "verifier-engine"]


def test_an_engine_that_cannot_open_is_a_clear_error_and_leaves_no_thread():
    with pytest.raises(InvalidRequestError, match="unknown recipe"), small(recipe="r9"):
        pass
    with pytest.raises(InvalidRequestError, match="unknown setting"):
        open_engine(wokers=3)
    with pytest.raises(InvalidRequestError, match="not both"):
        open_engine(Settings(), workers=3)
    assert not [thread for thread in threading.enumerate() if thread.name == "verifier-engine"]


def test_an_engine_outside_its_block_says_so():
    engine = small()
    with pytest.raises(InvalidRequestError, match="with block"):
        engine.verify([RIGHT])


def test_a_forked_child_is_told_to_open_its_own_and_leaves_that_of_its_parent_alone():
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.splitlines() == [
        "the engine was opened in another process, before a fork; open one in this one",
        "7 1",
    ]


def test_what_is_no_group_is_refused_by_its_place():
    with small() as engine, pytest.raises(TypeError, match=r"groups\[1\]: expected Group, got dict"):
        engine.verify([RIGHT, {"id": "b"}])


async def test_the_plain_call_of_an_awaited_engine_says_so():
    async with small() as engine:
        with pytest.raises(InvalidRequestError, match="averify"):
            engine.verify([RIGHT])


async def test_many_groups_pass_an_engine_that_takes_few(monkeypatch):
    async with small(max_pending_completions=3) as engine:
        groups = [
            Group(id=str(i), completions=("\\boxed{0.5}", "x", f"\\boxed{{{i}}}"), reference=MATH) for i in range(9)
        ]
        results = await engine.averify([*groups, Group(id="big", completions=("x",) * 4, reference=MATH)])
    assert [result.id for result in results] == [*(str(i) for i in range(9)), "big"]
    assert rewards(results[:9]) == [[1.0, 0.0, 0.0]] * 9
    assert results[9].scores[0].verdicts[0].reason == "too_many_completions"


async def test_a_client_has_the_same_two_faces():
    async with start_server(fake_local_engine(), Settings(bind="127.0.0.1:0")) as running:
        group = Group(id="a", completions=("right", "failed"), reference=MATH)
        async with Client(running.address) as client:
            results = await client.averify([group])
        assert rewards(results) == [[1.0, None]]
        assert results[0].scores[1].verdicts[0].outcome is Outcome.FAILED

        def plain():
            with Client(running.address) as client:
                return rewards(client.verify([group]))

        assert await asyncio.to_thread(plain) == [[1.0, None]]


def test_a_client_without_a_server_is_a_clear_error(monkeypatch):
    async def impatient(self, timeout_s=0.3):
        await connect(self, timeout_s)

    connect = RemoteEngine.connect
    monkeypatch.setattr(RemoteEngine, "connect", impatient)
    with pytest.raises(ServerUnavailableError, match="no server answers at 127"), Client("127.0.0.1:1"):
        pass


NEVER_CLOSED = """
from verifier import CodeReference, Group, StdioTest, open_engine

engine = open_engine(workers=1, sandbox_slots=1).__enter__()
reference = CodeReference(language="python", stdio=(StdioTest(input="", output="1"),))
(result,) = engine.verify([Group(id="g", completions=("```python\\nprint(1)\\n```",), reference=reference)])
print(result.scores[0].reward)
"""


def test_an_engine_that_nobody_closes_ends_with_the_program_and_leaves_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", NEVER_CLOSED],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.0\n", "")
    assert list(tmp_path.iterdir()) == []
