"""A batch goes on while its workers are killed again and again: each completion is judged as ever."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal

from verifier.equivalence import MATH_TASKS
from verifier.errors import WorkerCrashedError
from verifier.sandbox.base import Job, JobResult, SandboxReport
from verifier.types import Group, MathReference
from verifier.verifiers.base import GroupJudge, Tools
from verifier.verifiers.math import MathVerifier
from verifier.workers import WorkerPool

FAILED = "FAILED"


class NoSandbox:
    """Mathematics runs no programs."""

    async def run(self, job: Job) -> JobResult:
        raise NotImplementedError

    async def report(self) -> SandboxReport:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing to end."""


async def reason_of(judge: GroupJudge, completion: str) -> str:
    try:
        return (await judge.verify(completion)).reason
    except WorkerCrashedError as crash:
        return "blamed" if crash.is_own_doing else FAILED


async def kill_now_and_then(pool: WorkerPool) -> int:
    kills = 0
    chance = random.Random(1)  # noqa: S311 - any worker will do
    while kills < 6:
        await asyncio.sleep(0.1)
        if pool.pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(pool.pids), signal.SIGKILL)
                kills += 1
    return kills


async def test_a_batch_survives_the_killing_of_its_workers() -> None:
    async with WorkerPool(tasks=MATH_TASKS, size=2) as pool:
        verifier = MathVerifier({}, Tools(workers=pool, sandbox=NoSandbox()))
        right, wrong = [], []
        for n in range(2, 42):
            group = Group(id=str(n), completions=(), reference=MathReference(answers=(f"\\int_0^{{{n}}} x\\,dx",)))
            judge = await verifier.open_group(group)
            right.append((judge, f"\\boxed{{\\frac{{{n * n}}}{{2}}}}"))
            wrong.append((judge, f"\\boxed{{\\frac{{{n * n + 1}}}{{2}}}}"))
        killer = asyncio.create_task(kill_now_and_then(pool))
        reasons = await asyncio.gather(*(reason_of(judge, completion) for judge, completion in (*right, *wrong)))
        assert await killer == 6
    assert set(reasons[: len(right)]) <= {"equal", FAILED}
    assert set(reasons[len(right) :]) <= {"not_equal", FAILED}
    assert reasons.count(FAILED) <= 4
