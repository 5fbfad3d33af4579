"""Scripts of tests in Bash: honest functions pass, and no program reaches the process that tests it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sandboxes import opened
from verifier.errors import UnscorableError
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.wire.jsonl import group_from_line
from verifier.workers import WorkerPool

LINES = (Path(__file__).parents[1] / "cases" / "bash_scripts.jsonl").read_bytes().splitlines()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("backend", ["local", pytest.param("docker", marks=pytest.mark.docker)])
async def test_every_script_finds_what_the_program_earned(backend):
    wrong = {}
    async with opened(backend) as sandbox:
        verifier = CodeVerifier({}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox))
        for number, line in enumerate(LINES):
            case, group = json.loads(line), group_from_line(line, number)
            try:
                judge = await verifier.open_group(group)
                verdict = await judge.verify(group.completions[0])
                found = (verdict.outcome.name, verdict.reason, verdict.detail)
            except UnscorableError as error:
                found = ("UNSCORABLE", error.reason, error.detail)
            if found[0] != case["outcome"] or (case["reason"] and found[1] != case["reason"]):
                wrong[group.id] = found
    assert not wrong
