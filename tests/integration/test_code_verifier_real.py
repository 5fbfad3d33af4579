"""The code verifier with real sandboxes: attacks are never paid, honest programs always are.

Skips what the machine cannot give; sets of ``../shared`` are used where they are.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sandboxes import BUSY_BACKENDS, BY_A_TESTER, opened
from verifier.errors import InfrastructureError, UnscorableError
from verifier.judging.bridges import BRIDGES
from verifier.sandbox import StartableSandbox
from verifier.types import CodeReference, Group, TestStatus
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.wire.jsonl import group_from_line
from verifier.workers import WorkerPool

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

CASES = Path(__file__).parents[1] / "cases"
SHARED = Path(__file__).parents[3] / "shared" / "data"
SHARED_ATTACKS = SHARED / "hacks" / "attacks.jsonl"


@dataclass(frozen=True)
class Found:
    """What was found of one completion; the outcome's name and the reason."""

    outcome: str
    reason: str
    detail: str
    statuses: tuple[TestStatus, ...] = ()


async def judged(sandbox: StartableSandbox, group: Group) -> Found:
    verifier = CodeVerifier({}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox))
    try:
        judge = await verifier.open_group(group)
        verdict = await judge.verify(group.completions[0])
    except UnscorableError as error:
        return Found("UNSCORABLE", error.reason, error.detail)
    except InfrastructureError as error:
        return Found("FAILED", error.reason, error.detail)
    statuses = tuple(test.status for test in verdict.tests)
    return Found(verdict.outcome.name, verdict.reason, verdict.detail, statuses)


async def all_judged(sandbox: StartableSandbox, groups: Mapping[str, Group]) -> dict[str, Found]:
    found = await asyncio.gather(*(judged(sandbox, group) for group in groups.values()))
    return dict(zip(groups, found, strict=True))


def read(path: Path) -> tuple[dict[str, Group], dict[str, dict[str, str]]]:
    lines = path.read_bytes().splitlines() if path.exists() else []
    records = {record["id"]: record for record in map(json.loads, lines)}
    groups = {group.id: in_short_time(group) for group in map(group_from_line, lines, range(1, len(lines) + 1))}
    tested = {f"{name} by a tester": one for name, group in groups.items() if (one := by_a_tester(group)) is not None}
    records |= {name: {**records[name.removesuffix(" by a tester")], "id": name} for name in tested}
    return groups | tested, records


def in_short_time(group: Group) -> Group:
    """The same with a second for what would have more: many attacks take all they are given."""
    code = group.reference
    if not isinstance(code, CodeReference) or code.time_limit_s is not None or code.language != "python":
        return group
    return replace(group, reference=replace(code, time_limit_s=1.0))


def by_a_tester(group: Group) -> Group | None:
    """The same where a script that might be data has a tester; None if it has one in any case."""
    code = group.reference
    if not isinstance(code, CodeReference) or code.language != "python" or not code.script or code.framework != "plain":
        return None
    return replace(group, reference=replace(code, script=code.script + BY_A_TESTER))


GROUPS, RECORDS = read(CASES / "attacks.jsonl")
OTHER_GROUPS, OTHER_RECORDS = read(CASES / "attacks_other_languages.jsonl")
SHARED_GROUPS, SHARED_RECORDS = read(SHARED_ATTACKS)
CODE = [json.loads(line) for line in (CASES / "code.jsonl").read_bytes().splitlines()]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BUSY_BACKENDS)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[StartableSandbox]:
    async with opened(request.param) as opened_sandbox:
        yield opened_sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(sandbox: StartableSandbox) -> dict[str, Found]:
    return await all_judged(sandbox, GROUPS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def other_found() -> dict[str, Found]:
    """On one backend: the same runner works in the others."""
    async with opened("local") as opened_sandbox:
        return await all_judged(opened_sandbox, OTHER_GROUPS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_found(sandbox: StartableSandbox) -> dict[str, Found]:
    return await all_judged(sandbox, SHARED_GROUPS)


async def test_the_corpus_has_attacks_of_every_kind_and_enough_honest_programs():
    names = {name.partition("/")[0]: record for name, record in RECORDS.items()}
    assert sum(record["expect"] == "NOT_CORRECT" for record in names.values()) >= 200
    assert sum(record["expect"] == "CORRECT" for record in names.values()) >= 15
    assert len({record["category"] for record in names.values()}) >= 15


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, record in RECORDS.items() if record["expect"] == "NOT_CORRECT"])
async def test_no_attack_is_paid_and_none_is_taken_for_somebody_else_s_fault(found, name):
    assert found[name].outcome == "INCORRECT", found[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, record in RECORDS.items() if record["expect"] == "CORRECT"])
async def test_every_honest_program_is_paid(found, name):
    if found[name].reason == "no_toolchain":
        pytest.skip(found[name].detail)
    assert found[name].outcome == "CORRECT", found[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHER_RECORDS)
async def test_no_attack_in_another_language_is_paid_and_honest_programs_are(other_found, name):
    if other_found[name].reason == "no_toolchain":
        pytest.skip(other_found[name].detail)
    expected = {"NOT_CORRECT": "INCORRECT"}.get(OTHER_RECORDS[name]["expect"], "CORRECT")
    assert other_found[name].outcome == expected, other_found[name]


def shared_expectation(record):
    """Scripts in a language without a bridge cannot be judged safely, and are not."""
    code = SHARED_GROUPS[record["id"]].reference
    assert isinstance(code, CodeReference)
    if code.script and code.language not in ("python", *BRIDGES):
        return "UNSCORABLE"
    return {"NOT_CORRECT": "INCORRECT"}.get(record["expect"], record["expect"])


@pytest.mark.slow
@pytest.mark.skipif(not SHARED_ATTACKS.exists(), reason="../shared is not here")
@pytest.mark.parametrize("name", [name for name, record in SHARED_RECORDS.items() if record["expect"] != "aside"])
async def test_documented_attacks_are_not_paid_and_their_controls_are(shared_found, name):
    if shared_found[name].reason == "no_toolchain":
        pytest.skip(shared_found[name].detail)
    assert shared_found[name].outcome == shared_expectation(SHARED_RECORDS[name]), shared_found[name]


# --- statuses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CODE, ids=[case["why"] for case in CODE])
async def test_golden_cases(sandbox, case):
    line = json.dumps(
        {"id": "g", "completions": [case["completion"]], "reference": {"code": case["reference"]}}
    ).encode()
    found = await judged(sandbox, group_from_line(line, 1))
    if found.reason == "no_toolchain" and case["reason"] != "no_toolchain":
        pytest.skip(found.detail)
    assert (found.outcome, found.reason) == (case["outcome"], case["reason"]), found
    if "statuses" in case:
        assert [status.value for status in found.statuses] == case["statuses"]
    if "detail" in case:
        assert found.detail == case["detail"]


# --- honest corpora -------------------------------------------------------------------------------------------------


def corpus(name: str, count: int) -> dict[str, Group]:
    """A sample of canonical solutions with the checks that came with them."""
    if not (SHARED / "code").exists():
        return {}

    def rows(kind: str) -> list[dict]:
        with gzip.open(SHARED / "code" / f"{name}.{kind}.jsonl.gz", "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    tasks = {task["task_id"]: task for task in rows("tasks")}
    groups = {}
    for solution in random.Random(1).sample(rows("solutions"), count):  # noqa: S311 (a sample)
        task = tasks[solution["task_id"]]
        script = f"{task['tests']['check']}\ncheck({task['entry_point']})\n"
        reference = CodeReference(language="python", script=script, entry_point=task["entry_point"], time_limit_s=8.0)
        completion = f"```python\n{solution['code']}\n```"
        groups[solution["sol_id"]] = Group(id=solution["sol_id"], completions=(completion,), reference=reference)
    return groups


BROKEN = ("MbppEval/56/canonical",)
"""Its check is called as its entry point, and so calls itself."""


@pytest.mark.slow
@pytest.mark.skipif(not (SHARED / "code").exists(), reason="../shared is not here")
@pytest.mark.parametrize(("name", "count"), [("humaneval", 40), ("mbpp_sanitized", 60), ("leetcode", 20)])
async def test_canonical_solutions_pass_their_own_checks(sandbox, name, count):
    groups = {key: group for key, group in corpus(name, count).items() if key not in BROKEN}
    found = await all_judged(sandbox, groups)
    assert {key: one for key, one in found.items() if one.outcome != "CORRECT"} == {}
