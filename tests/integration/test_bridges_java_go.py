"""Scripts of tests in Java and Go, in a real sandbox: what the tester finds of right, wrong and hostile programs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sandboxes import opened
from verifier.errors import SandboxError, UnscorableError
from verifier.judging import LANGUAGES
from verifier.judging.bridges import BRIDGES
from verifier.sandbox.base import Job, Limits, PairRun, RunStatus
from verifier.types import CodeReference

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases" / "bridges_java_go.jsonl").read_text("utf-8").splitlines()
]
_OWN = ("name", "program", "exit", "source")
LIMITS = Limits(cpu_time_s=10, memory_bytes=512 << 20, wall_floor_s=60)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(600)]


async def found(sandbox, case):
    """The exit code of the tester, ``CE``, ``UNSCORABLE`` or what went wrong otherwise."""
    reference = CodeReference(**{key: value for key, value in case.items() if key not in _OWN})
    bridge = BRIDGES[reference.language]
    try:
        tester = bridge.tester(reference)
    except UnscorableError:
        return "UNSCORABLE"
    program = bridge.solution(reference, case["program"])
    toolchain = LANGUAGES[reference.language].toolchain
    try:
        result = await sandbox.run(
            Job(toolchain=toolchain, program=program, peer=tester, runs=(PairRun(),), limits=LIMITS)
        )
    except SandboxError as error:
        return error
    if result.peer_compile is not None and result.peer_compile.exit_code:
        return f"the tester does not compile: {result.peer_compile.stderr.decode()}"
    if not result.runs:
        return "CE"
    own, run = result.runs[0], result.runs[0].peer
    assert run is not None
    if run.status is RunStatus.EXITED and not run.signal:
        return run.exit_code
    return f"{own.status} {own.exit_code} {own.signal}, the tester {run.status} {run.signal}: {run.stderr.decode()}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def all_found():
    """Every case, run side by side."""
    async with opened("local") as sandbox:
        yield dict(
            zip(
                (case["name"] for case in CASES),
                await asyncio.gather(*(found(sandbox, case) for case in CASES)),
                strict=True,
            )
        )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
async def test_a_tester_ends_as_its_script_and_the_program_deserve(all_found, case):
    result = all_found[case["name"]]
    if isinstance(result, SandboxError) and result.reason == "no_toolchain":
        pytest.skip(str(result))
    assert result == case["exit"]
