"""Workers and sandbox runners are killed in the middle of a batch: nothing is lost, and nothing gets a false reward."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from pathlib import Path

import pytest

from verifier import CodeReference, Group, MathReference, Outcome, StdioTest, open_engine


def children():
    """Ids of the processes that this one started."""
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


async def kill_some(own, rounds=4):
    """Kills every child that is not in ``own``, over and over."""
    killed = 0
    for _ in range(rounds):
        await asyncio.sleep(0.4)
        for pid in children() - own:
            try:
                os.kill(pid, signal.SIGKILL)
                killed += 1
            except ProcessLookupError:
                continue
    return killed


def math_group(number):
    # Forms that only algebra can compare, so that a worker is at work.
    right = f"\\boxed{{\\frac{{{number}x^2-{number}}}{{x-1}}}}"
    return Group(
        id=str(number),
        completions=(right, *(f"\\boxed{{{number}(x+1)+{i}-{i}}}" for i in range(1, 6))),
        reference=MathReference(answers=(f"{number}x+{number}",)),
    )


def code_group(number):
    code = f"```python\nimport time\ntime.sleep(0.1)\nprint(int(input()) + {number})\n```"
    reference = CodeReference(language="python", stdio=(StdioTest(input="1\n", output=f"{number + 1}\n"),))
    return Group(id=str(number), completions=(code, f"{code}\nDone."), reference=reference)


@pytest.mark.slow
@pytest.mark.parametrize("make", [math_group, code_group])
async def test_a_kill_makes_a_retry_or_failed_and_never_a_wrong_verdict(make):
    own = children()
    async with open_engine(workers=2, sandbox_slots=2) as engine:
        groups = [make(number) for number in range(2, 26)]
        work = asyncio.create_task(engine.averify(groups))
        killed = await kill_some(own)
        results = await work
        assert killed
        found = [scored.verdicts[0] for result in results for scored in result.scores]
        told = {f"{verdict.outcome.name} {verdict.reason} {verdict.detail}" for verdict in found}
        assert {verdict.outcome for verdict in found} <= {Outcome.CORRECT, Outcome.FAILED}, told
        after = await engine.averify(groups[:2])
    assert {scored.reward for result in after for scored in result.scores} == {1.0}
    # A pipe that was left open is told here and not in some later test.
    gc.collect()
