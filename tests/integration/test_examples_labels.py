"""The examples that the README and the demonstration show: fresh, broad, and judged as their labels say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifier import Group, GroupResult, open_engine
from verifier.wire.jsonl import group_from_line

EXAMPLES = Path(__file__).parents[2] / "examples"
LINES = (EXAMPLES / "completions.jsonl").read_bytes().splitlines()
RECORDS = [json.loads(line) for line in LINES]
ACCURACY = ("math", "code")


@pytest.fixture(scope="module")
def results() -> Iterator[dict[str, GroupResult]]:
    groups: list[Group] = [group_from_line(line, number) for number, line in enumerate(LINES, start=1)]
    with open_engine(sandbox="local") as engine:
        yield {result.id: result for result in engine.verify(groups)}


def scores(results: dict[str, GroupResult], group: str, verifier: str) -> list[float | None]:
    return [
        next(verdict.score for verdict in scored.verdicts if verdict.verifier == verifier)
        for scored in results[group].scores
    ]


def test_the_file_is_built_from_its_sources():
    command = [sys.executable, str(EXAMPLES / "build_completions.py"), "--check"]
    built = subprocess.run(command, check=False, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr


def test_the_examples_cover_kinds_languages_and_attacks():
    kinds = Counter(next(iter(record["reference"])) for record in RECORDS)
    languages = Counter(record.get("language", "") for record in RECORDS)
    toolchains = Counter(record["reference"]["code"]["language"] for record in RECORDS if "code" in record["reference"])
    assert len(RECORDS) >= 48
    assert kinds["math"] >= 20
    assert kinds["code"] >= 20
    assert languages["zh"] >= 10
    assert languages[""] >= 1
    assert toolchains["cpp"] >= 3
    assert sum(record["id"].startswith("attack-") for record in RECORDS) >= 10
    assert all(len(record["completions"]) == len(record["expect"]) for record in RECORDS)


@pytest.mark.slow
@pytest.mark.parametrize("record", RECORDS, ids=[record["id"] for record in RECORDS])
def test_every_completion_is_judged_as_its_label_says(record, results):
    found = [
        next(verdict for verdict in scored.verdicts if verdict.verifier in ACCURACY)
        for scored in results[record["id"]].scores
    ]
    if any(verdict.reason == "no_toolchain" for verdict in found):
        pytest.skip("this machine has no toolchain for the program's language")
    assert [verdict.outcome.value for verdict in found] == record["expect"], found


@pytest.mark.slow
def test_reasoning_in_another_language_loses_the_language_score(results):
    pure, mixed, foreign = scores(results, "中英混写的推理", "language")
    assert pure is not None
    assert mixed is not None
    assert foreign is not None
    assert pure > 0.9
    assert 0.2 < mixed < 0.8
    assert foreign < 0.1


@pytest.mark.slow
def test_text_hidden_in_fences_and_comments_is_counted(results):
    honest, fenced, commented = scores(results, "attack-language-hidden-in-fences", "language")
    assert honest is not None
    assert fenced is not None
    assert commented is not None
    assert honest > 0.9
    assert fenced < 0.5
    assert commented < 0.5


@pytest.mark.slow
def test_nested_tags_and_text_before_the_reasoning_lose_the_format_score(results):
    assert scores(results, "attack-nested-think-tags", "format") == [0.0, 0.0, 0.0]


@pytest.mark.slow
def test_a_prompt_that_opened_the_reasoning_costs_no_format_score(results):
    assert scores(results, "prompt-opens-the-reasoning", "format") == [1.0, 1.0, 1.0]


@pytest.mark.slow
def test_every_reason_that_the_examples_meet_is_documented(results):
    page = (EXAMPLES.parent / "docs" / "verdicts.md").read_text(encoding="utf-8")
    met = {verdict.reason for result in results.values() for scored in result.scores for verdict in scored.verdicts}
    assert {reason for reason in met if f"`{reason}`" not in page} == set()
