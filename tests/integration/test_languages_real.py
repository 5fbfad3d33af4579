"""Every language in real sandboxes: programs end as their compilers and run times say, and as their limits say."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sandboxes import BUSY_BACKENDS, opened
from verifier.errors import SandboxError
from verifier.judging.judge import ProgramJudge
from verifier.judging.languages import LANGUAGES
from verifier.judging.limits import Bounds
from verifier.types import CodeReference, StdioTest

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

CASES = Path(__file__).parents[1] / "cases"
PROGRAMS = [json.loads(line) for line in (CASES / "programs.jsonl").read_text(encoding="utf-8").splitlines()]
NUMBERS = 200_000
IN_IMAGES = ("crates", "testify", "js-md5", "calculator", "memory-bomb", "threads", "compile-error/")
"""What may differ between a host and an image; the rest is the same runner's doing."""
PREBUILT = ("crates", "testify", "js-md5", "calculator")
"""Cases that need what an image has, and a host may not."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BUSY_BACKENDS)
async def sandbox(request):
    async with opened(request.param) as opened_sandbox:
        yield opened_sandbox


async def results(sandbox, case) -> str:
    """How a program fared: its status and detail; empty if the machine cannot say."""
    big = (f"{NUMBERS}\n" + "7 " * NUMBERS, f"{7 * NUMBERS}\n")
    given, wanted = big if case["input"] == "SUM" else (case["input"], case["output"])
    reference = CodeReference(
        language=case["language"],
        stdio=(StdioTest(input=given, output=wanted),),
        time_limit_s=0.5 if case["status"] == "TLE" else 5.0,
        memory_limit_bytes=256 << 20,
    )
    judge = ProgramJudge(reference, sandbox, Bounds())
    try:
        (test,) = (await judge.judge(case["source"])).tests
    except SandboxError as error:
        if error.reason != "no_toolchain":
            raise
        return ""
    return f"{test.status.value} {test.detail}".strip() if "detail" in case else test.status.value


@pytest.mark.parametrize("language", sorted({one.name for one in LANGUAGES.values()} - {"python"}))
async def test_a_program_ends_as_it_earned(sandbox, language, request):
    is_local = "local" in request.node.callspec.id
    cases = [case for case in PROGRAMS if case["language"] == language]
    cases = [case for case in cases if is_local or case["id"].startswith(IN_IMAGES)]
    assert len({case["id"] for case in cases}) == len(cases) > 0
    found = await asyncio.gather(*(results(sandbox, case) for case in cases))
    if not all(found):
        pytest.skip(f"the tools of {language} are not installed")
    wrong = {}
    for case, got in zip(cases, found, strict=True):
        expected = f"{case['status']} {case['detail']}" if "detail" in case else case["status"]
        is_absent = is_local and case["id"].startswith(PREBUILT) and got.startswith(("CE", "RE"))
        if got != expected and not is_absent:
            wrong[case["id"]] = (expected, got)
    assert not wrong
