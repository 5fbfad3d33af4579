import json
from pathlib import Path

import pytest

from tests.fakes import fake_tools
from verifier.errors import InvalidRequestError, UnknownNameError
from verifier.types import Group
from verifier.verifiers.format import format_verifier

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases" / "format.jsonl").read_text(encoding="utf-8").splitlines()
]


async def verdict_on(completion, options=None, prompt=""):
    verifier = format_verifier(options or {}, fake_tools())
    judge = await verifier.open_group(Group(id="g", completions=(completion,), prompt=prompt))
    return await judge.verify(completion)


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
async def test_golden_cases(case):
    verdict = await verdict_on(case["completion"], case.get("options"), case.get("prompt", ""))
    assert (verdict.verifier, verdict.reason, verdict.outcome.value) == ("format", case["reason"], case["outcome"])
    assert verdict.score == (1.0 if case["outcome"] == "CORRECT" else 0.0)


def test_there_is_a_golden_case_for_every_reason():
    assert len({case["reason"] for case in CASES}) == 15


def test_an_unknown_option_is_named():
    with pytest.raises(UnknownNameError, match=r"unknown option 'tag'; known: opened, tags, template"):
        format_verifier({"tag": "think"}, fake_tools())


def test_an_unknown_template_is_named():
    with pytest.raises(UnknownNameError, match=r"unknown template 'r2'; known: reflection, think, think-answer"):
        format_verifier({"template": "r2"}, fake_tools())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"template": 3}, "template"),
        ({"template": "think", "tags": ["think"]}, "exclude each other"),
        ({"tags": "think"}, "tags must be a list"),
        ({"tags": []}, "tags must be a list"),
        ({"tags": [1]}, "tags must be a list"),
        ({"tags": ["a b"]}, "no tag name"),
        ({"tags": ["a", "a"]}, "only once"),
        ({"opened": "yes"}, "opened must be"),
        ({"opened": 1}, "opened must be"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_remedy(options, message):
    with pytest.raises(InvalidRequestError, match=message):
        format_verifier(options, fake_tools())
