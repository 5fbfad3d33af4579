"""Scripts of tests in Java and Go, in a real sandbox: what the tester finds of right, wrong and hostile programs.

``attacks_java_go.jsonl`` is judged by the verifier as a client's lines are; its controls are right or plainly wrong.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sandboxes import opened
from verifier.errors import InfrastructureError, SandboxError, UnscorableError
from verifier.judging.bridges import BRIDGES
from verifier.judging.languages import LANGUAGES
from verifier.sandbox.base import Job, Limits, PairRun, RunStatus
from verifier.types import CodeReference
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.wire.jsonl import group_from_line
from verifier.workers import WorkerPool

DIRECTORY = Path(__file__).parents[1] / "cases"
CASES = [json.loads(line) for line in (DIRECTORY / "bridges_java_go.jsonl").read_bytes().splitlines()]
ATTACKS = (DIRECTORY / "attacks_java_go.jsonl").read_bytes().splitlines()
_OWN = ("name", "program", "exit", "source")
LIMITS = Limits(cpu_time_s=10, memory_bytes=512 << 20, wall_floor_s=60)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.slow, pytest.mark.timeout(900)]


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


async def outcome(sandbox, line):
    """The outcome of the only completion of a group, and why."""
    group = group_from_line(line, 1)
    verifier = CodeVerifier({}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox))
    try:
        verdict = await (await verifier.open_group(group)).verify(group.completions[0])
    except (InfrastructureError, UnscorableError) as error:
        return error.reason, str(error)
    return verdict.outcome.name, verdict.detail


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def outcomes():
    """Of every attack and control, run side by side."""
    async with opened("local") as sandbox:
        yield await asyncio.gather(*(outcome(sandbox, line) for line in ATTACKS))


@pytest.mark.parametrize("at", range(len(ATTACKS)), ids=lambda at: json.loads(ATTACKS[at])["id"])
async def test_an_attack_is_not_paid_and_its_control_is(outcomes, at):
    found_outcome, detail = outcomes[at]
    if found_outcome == "no_toolchain":
        pytest.skip(detail)
    is_honest = json.loads(ATTACKS[at])["expect"] == "CORRECT"
    assert found_outcome == ("CORRECT" if is_honest else "INCORRECT"), detail
