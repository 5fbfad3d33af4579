"""Rows of public datasets judged as a user does it: by the command, by a curation run, and case by case.

Sets of ``../shared`` are used where they are.
"""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from click.testing import CliRunner

from tests.fakes_curation import completions_in, read_all
from tests.sandboxes import opened
from verifier.cli import main
from verifier.cli.rows import RowReader
from verifier.errors import UnscorableError
from verifier.formats import FORMATS
from verifier.types import Group
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.workers import WorkerPool

CASES = Path(__file__).parents[1] / "cases" / "formats"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "code"
JUDGED = [
    (name, case)
    for name in FORMATS
    for case in map(json.loads, (CASES / f"{name}.jsonl").read_text().splitlines())
    if "right" in case
]


def group_of(name, case) -> Group:
    row = {**case["row"], "completions": [*case["right"], *case["wrong"]]}
    group = RowReader(dataset=FORMATS[name]).read(json.dumps(row | {"completion": None}).encode(), 1)
    assert isinstance(group, Group), group
    return group


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sandbox():
    async with opened("local") as one:
        yield one


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("name", "case"), JUDGED, ids=[f"{name}: {case['why']}" for name, case in JUDGED])
async def test_right_completions_are_correct_and_wrong_ones_are_not(sandbox, name, case):
    group = group_of(name, case)
    try:
        judge = await CodeVerifier({}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox)).open_group(group)
        verdicts = [await judge.verify(completion) for completion in group.completions]
    except UnscorableError as error:
        if error.reason == "missing_module":
            pytest.skip(error.detail)
        raise
    expected = ["CORRECT"] * len(case["right"]) + ["INCORRECT"] * len(case["wrong"])
    assert [verdict.outcome.name for verdict in verdicts] == expected, verdicts


# --- the command ----------------------------------------------------------------------------------------------------


def score(*arguments, stdin=b"", status=0):
    environ = {**os.environ, "ASSAY_WORKERS": "1", "ASSAY_SANDBOX_SLOTS": "2"}
    command = [sys.executable, "-m", "verifier", "score", *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, check=False, timeout=100, env=environ)
    assert done.returncode == status, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr.decode()


def lines(path, values):
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def outcomes(results):
    return {result["id"]: [scored["verdicts"][0]["outcome"] for scored in result["scores"]] for result in results}


PROMPT = 'def double(x):\n    """ Twice x. """\n'
ROWS = [
    {
        "task_id": f"HumanEval/{number}",
        "prompt": PROMPT,
        "entry_point": "double",
        "canonical_solution": "    return 2 * x\n",
        "test": f"def check(candidate):\n    assert candidate({number}) == {2 * number}\n",
    }
    for number in range(4)
]
SAMPLES = [
    {"task_id": "HumanEval/2", "completion": "    return x + x\n"},
    {"task_id": "HumanEval/1", "completion": "    return x\n"},
    {"task_id": "HumanEval/2", "completion": "    return 1\n"},
    {"task_id": "HumanEval/9", "completions": ["a", "b"]},
    {"task_id": "HumanEval/0", "solution": "def double(x):\n    return 2 * x\n"},
]


def test_completions_are_joined_to_their_rows_and_none_is_lost(tmp_path):
    rows, samples = lines(tmp_path / "rows.jsonl", [*ROWS, "no row"]), lines(tmp_path / "samples.jsonl", SAMPLES)
    results, told = score("--format", "humaneval", "--completions", samples, rows)
    assert [result["id"] for result in results] == [*(row["task_id"] for row in ROWS), "", "HumanEval/9"]
    assert outcomes(results) == {
        "HumanEval/0": ["CORRECT"],
        "HumanEval/1": ["INCORRECT"],
        "HumanEval/2": ["CORRECT", "INCORRECT"],
        "HumanEval/3": ["UNSCORABLE"],
        "": ["UNSCORABLE"],
        "HumanEval/9": ["UNSCORABLE", "UNSCORABLE"],
    }
    assert results[-1]["scores"][0]["verdicts"][0]["reason"] == "unknown_task"
    assert "line 5: json: expected an object" in told


def test_a_row_that_cannot_be_judged_is_answered_for_each_of_its_completions(tmp_path):
    rows = lines(tmp_path / "rows.jsonl", [{**ROWS[0], "test": "", "completions": ["a", "b"]}, ROWS[1]])
    results, _ = score("--format", "humaneval", rows)
    first, second = results
    assert [scored["verdicts"][0]["reason"] for scored in first["scores"]] == ["bad_row", "bad_row"]
    assert first["scores"][0]["verdicts"][0]["detail"] == "humaneval: test: missing or empty; this format needs it"
    assert "completions: missing" in second["scores"][0]["verdicts"][0]["detail"]


def test_a_dataset_s_own_solutions_can_be_judged(tmp_path):
    rows = lines(tmp_path / "rows.jsonl", [*ROWS[:2], {**ROWS[2], "canonical_solution": ""}])
    results, _ = score("--format", "humaneval", "--solutions", rows)
    assert outcomes(results) == {
        "HumanEval/0": ["CORRECT"],
        "HumanEval/1": ["CORRECT"],
        "HumanEval/2": ["UNSCORABLE"],
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "humanevel"), "unknown format 'humanevel'"),
        (("--completions", "x"), "need --format"),
        (("--format", "apps", "--completions", "/nowhere"), "completions /nowhere cannot be read"),
        (("--format", "apps", "--completions", "{bad}"), "bad.jsonl: line 2: completion: missing; give one of"),
        (("--format", "apps", "--completions", "{nameless}"), "nameless.jsonl: line 1: task_id: missing"),
        (("--format", "apps", "--completions", "x", "--solutions"), "--completions has no place"),
    ],
)
def test_a_wrong_call_is_one_line_with_the_remedy(tmp_path, arguments, message):
    bad = lines(tmp_path / "bad.jsonl", [SAMPLES[0], {"task_id": "x", "text": "y"}])
    nameless = lines(tmp_path / "nameless.jsonl", [{"completion": "y"}])
    filled = [argument.format(bad=bad, nameless=nameless) for argument in arguments]
    result = CliRunner().invoke(main, ["score", *filled])
    assert result.exit_code == 2
    assert not result.stdout
    assert result.stderr.startswith("verifier: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_formats_are_listed_with_what_they_read():
    text = CliRunner().invoke(main, ["formats"]).stdout
    assert all(f"\n{name}\n" in f"\n{text}" for name in FORMATS)
    assert "input_output, [starter_code]" in text


# --- a curation run -------------------------------------------------------------------------------------------------

RECIPE = """
[input]
format = "apps"
[input.columns]
completions = "generations"
[[steps]]
name = "verify"
"""


def test_a_curation_run_reads_the_same_rows(tmp_path):
    cases = [json.loads(line) for line in (CASES / "apps.jsonl").read_text().splitlines()]
    rows = [
        {
            "problem_id": case["row"]["problem_id"],
            "question": "Write it.",
            "solutions": "[]",
            "input_output": case["row"]["input_output"],
            "starter_code": case["row"].get("starter_code"),
            "generations": [*case.get("right", ["none"]), *case.get("wrong", [])],
        }
        for case in cases
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    (tmp_path / "recipe.toml").write_text(RECIPE)
    places = {"--input": tmp_path / "a.parquet", "--output": tmp_path / "out"}
    arguments = [str(tmp_path / "recipe.toml"), *(str(word) for pair in places.items() for word in pair)]
    command = [sys.executable, "-c", "from curation.cli import main; main()", "run"]
    environ = {**os.environ, "ASSAY_WORKERS": "1", "ASSAY_SANDBOX_SLOTS": "2"}
    done = subprocess.run([*command, *arguments], capture_output=True, check=False, timeout=100, env=environ)
    assert done.returncode == 0, done.stderr
    kept = read_all(tmp_path / "out", "data")
    rejected = pq.read_table(tmp_path / "out" / "rejected" / "a.parquet").to_pylist()
    assert set(completions_in(kept)) == {text for case in cases for text in case.get("right", [])}
    reasons = {(row["input_row"], row["drop_reason"]) for row in rejected}
    for number, case in enumerate(cases):
        if "unscorable" in case:
            assert (number, f"unscorable:{case['unscorable']}") in reasons
        if "wrong" in case:
            assert (number, "code:WA") in reasons
    assert {row["domain"] for row in kept} == {"code"}


# --- whole sets -----------------------------------------------------------------------------------------------------

needs_shared = pytest.mark.skipif(not SHARED.exists(), reason="../shared is not here")


def shared(name):
    def rows(kind):
        with gzip.open(SHARED / f"{name}.{kind}.jsonl.gz", "rt", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    solutions = {solution["task_id"]: solution["code"] for solution in rows("solutions")}
    return [(task, solutions[task["task_id"]]) for task in rows("tasks")]


@pytest.mark.slow
@needs_shared
def test_every_canonical_body_of_humaneval_is_correct(tmp_path):
    tasks = shared("humaneval")
    rows = [
        {**{key: task[key] for key in ("task_id", "prompt", "entry_point")}, "test": task["tests"]["check"]}
        for task, _ in tasks
    ]
    samples = [{"task_id": task["task_id"], "completion": code[len(task["prompt"]) :]} for task, code in tasks]
    results, _ = score(
        "--format",
        "humaneval",
        "--time-limit",
        20,
        "--completions",
        lines(tmp_path / "samples.jsonl", samples),
        lines(tmp_path / "rows.jsonl", rows),
    )
    assert [name for name, found in outcomes(results).items() if found != ["CORRECT"]] == []
    assert len(results) == 164


@pytest.mark.slow
@needs_shared
def test_every_solution_of_mbpp_is_correct(tmp_path):
    rows = [
        {
            "task_id": int(task["task_id"].partition("/")[2]),
            "prompt": task["prompt"],
            "code": code,
            "test_imports": [],
            # The set wraps each row's statements in a function, from which they are taken again.
            "test_list": [line[4:] for line in task["tests"]["check"].splitlines() if line.startswith("    assert")],
        }
        for task, code in shared("mbpp_sanitized")
    ]
    results, _ = score("--format", "mbpp", "--solutions", "--time-limit", 20, lines(tmp_path / "rows.jsonl", rows))
    assert [name for name, found in outcomes(results).items() if found != ["CORRECT"]] == []
    assert len(results) == 427


@pytest.mark.slow
@needs_shared
def test_solutions_of_leetcode_are_correct(tmp_path):
    rows = [
        {
            "task_id": task["task_id"],
            "prompt": task["preamble"],
            "entry_point": task["entry_point"],
            "test": task["tests"]["check"],
            "completion": code.removeprefix(task["preamble"]),
        }
        for task, code in shared("leetcode")[::40]
    ]
    results, _ = score("--format", "leetcode", "--solutions", "--time-limit", 20, lines(tmp_path / "rows.jsonl", rows))
    assert [name for name, found in outcomes(results).items() if found != ["CORRECT"]] == []
