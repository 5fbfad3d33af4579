"""Scripts in JavaScript and TypeScript against programs in processes of their own: findings, values, attacks."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sandboxes import BUSY_BACKENDS, opened
from verifier.errors import SandboxError, UnscorableError
from verifier.judging import bridges
from verifier.judging.bridges import BRIDGES
from verifier.judging.languages import LANGUAGES
from verifier.sandbox.base import Job, Limits, PairRun, RunStatus
from verifier.types import CodeReference

asynchronous = pytest.mark.asyncio(loop_scope="module")
pytestmark = pytest.mark.timeout(900)

CASES = Path(__file__).parents[1] / "cases"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "code"
SCRIPTS = [json.loads(line) for line in (CASES / "javascript_bridge.jsonl").read_text(encoding="utf-8").splitlines()]
LIMITS = Limits(cpu_time_s=4, memory_bytes=256 << 20, wall_floor_s=20)
ONE_IN = 12


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BUSY_BACKENDS)
async def sandbox(request):
    async with opened(request.param) as opened_sandbox:
        yield opened_sandbox


async def found(sandbox, reference, program) -> str:
    """How the tester ended, by its name; ``CE`` if the program does not compile."""
    language = LANGUAGES[reference.language]
    bridge = BRIDGES[language.name]
    peer = bridge.tester(reference)
    job = Job(
        toolchain=language.toolchain,
        program=bridge.solution(reference, program),
        peer=peer,
        runs=(PairRun(),),
        limits=LIMITS,
    )
    try:
        result = await sandbox.run(job)
    except SandboxError as error:
        if error.reason == "no_toolchain":
            pytest.skip(str(error))
        raise
    if not result.runs:
        return "CE"
    tester = result.runs[0].peer
    assert (tester.status, tester.signal) == (RunStatus.EXITED, 0), tester
    return bridges.TesterExit(tester.exit_code).name


@asynchronous
@pytest.mark.parametrize("language", ["javascript", "typescript"])
async def test_a_tester_finds_what_a_program_earned(sandbox, language, request):
    # The image may have another Node, but the same walls.
    step = 1 if "local" in request.node.callspec.id else 4
    cases = [case for case in SCRIPTS if case["language"] == language][::step]
    fields = ("language", "script", "entry_point", "prelude", "signature", "in_place")
    references = [CodeReference(**{name: case[name] for name in fields if name in case}) for case in cases]
    got = await asyncio.gather(
        *(found(sandbox, reference, case["program"]) for reference, case in zip(references, cases, strict=True))
    )
    wrong = {case["id"]: (case["expect"], one) for case, one in zip(cases, got, strict=True) if one != case["expect"]}
    assert not wrong


@asynchronous
async def test_correct_solutions_pass_and_bugged_ones_do_not(sandbox, request):
    if "docker" in request.node.callspec.id:
        pytest.skip("once is enough")
    if not SHARED.is_dir():
        pytest.skip("the shared data is not here")
    tasks = {
        task["task_id"]: CodeReference(
            language="javascript",
            script=task["tests"]["test"],
            entry_point=task["entry_point"],
            signature=task["declaration"],
        )
        for task in rows("humanevalpack.tasks")
    }
    chosen = rows("humanevalpack.solutions")[::ONE_IN]
    got = await asyncio.gather(*(found(sandbox, tasks[one["task_id"]], one["code"]) for one in chosen))
    wrong = {
        one["sol_id"]: finding
        for one, finding in zip(chosen, got, strict=True)
        if (finding == "PASSED") is not (one["label"] == "correct")
    }
    assert chosen
    assert not wrong


def rows(name):
    with gzip.open(SHARED / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [row for row in map(json.loads, lines) if row["language"] == "js"]


@pytest.mark.parametrize("name", ["", "a b", "f(1)", "1f", "x; y"])
def test_an_entry_point_that_is_no_name_is_the_tasks_fault(name):
    reference = CodeReference(language="javascript", script="f(1)", entry_point=name)
    with pytest.raises(UnscorableError):
        BRIDGES["javascript"].tester(reference)
