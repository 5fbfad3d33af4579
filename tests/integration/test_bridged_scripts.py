"""Scripts of tests in Bash, and scripts that take the declaration of the program they test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sandboxes import BUSY_BACKENDS, opened
from verifier.errors import SandboxError, UnscorableError
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.wire.jsonl import group_from_line
from verifier.workers import WorkerPool

CASES = Path(__file__).parents[1] / "cases"


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["bash_scripts", "own_declarations"])
@pytest.mark.parametrize("backend", BUSY_BACKENDS)
async def test_every_script_finds_what_the_program_earned(backend, name):
    lines = (CASES / f"{name}.jsonl").read_bytes().splitlines()
    wrong = {}
    async with opened(backend) as sandbox:
        verifier = CodeVerifier({}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox))
        for number, line in enumerate(lines):
            case, group = json.loads(line), group_from_line(line, number)
            try:
                judge = await verifier.open_group(group)
                verdict = await judge.verify(group.completions[0])
                found = (verdict.outcome.name, verdict.reason, verdict.detail)
            except UnscorableError as error:
                found = ("UNSCORABLE", error.reason, error.detail)
            except SandboxError as error:
                if error.reason != "no_toolchain":
                    raise
                continue
            if found[0] != case["outcome"] or (case.get("reason") and found[1] != case["reason"]):
                wrong[group.id] = found
    assert not wrong
