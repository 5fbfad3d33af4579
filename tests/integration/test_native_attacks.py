"""What programs in C++ and Rust try on their tests, judged as a client's groups are: none is paid, honest ones are.

The compile bombs of the corpus pass limits of the compiler's own or of its memory, which is quick.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sandboxes import BUSY_BACKENDS, opened
from verifier.errors import InfrastructureError
from verifier.sandbox import StartableSandbox
from verifier.types import Outcome
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.wire.jsonl import group_from_line
from verifier.workers import WorkerPool

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900), pytest.mark.slow]

LINES = (Path(__file__).parents[1] / "cases" / "attacks_cpp_rust.jsonl").read_bytes().splitlines()
RECORDS = [json.loads(line) for line in LINES]
COMPILERS = {"cpp": "g++", "rust": "rustc"}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BUSY_BACKENDS)
async def found(request: pytest.FixtureRequest) -> AsyncIterator[dict[str, str]]:
    """What was found of each group, by its id; those whose compiler is not here are left out."""
    async with opened(request.param) as sandbox:
        judged = await asyncio.gather(*(_judged(sandbox, at, request.param) for at in range(len(LINES))))
        yield {record["id"]: outcome for record, outcome in zip(RECORDS, judged, strict=True) if outcome}


async def _judged(sandbox: StartableSandbox, at: int, backend: str) -> str:
    group = group_from_line(LINES[at], at + 1)
    if backend == "local" and not shutil.which(COMPILERS[RECORDS[at]["id"].partition("/")[0]]):
        return ""
    verifier = CodeVerifier({}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox))
    try:
        judge = await verifier.open_group(group)
        verdict = await judge.verify(group.completions[0])
    except InfrastructureError as error:
        return "" if error.reason in ("no_toolchain", "stale_image") else f"FAILED {error}"
    return verdict.outcome.name


async def test_no_attack_is_paid_and_each_is_blamed_on_its_program(found):
    attacks = {record["id"] for record in RECORDS if record["expect"] == "NOT_CORRECT"} & found.keys()
    assert {name: found[name] for name in attacks if found[name] != Outcome.INCORRECT.name} == {}


async def test_honest_programs_are_paid(found):
    controls = {record["id"] for record in RECORDS if record["expect"] == "CORRECT"} & found.keys()
    if not controls:
        pytest.skip("no compiler")
    assert {name: found[name] for name in controls if found[name] != Outcome.CORRECT.name} == {}
