"""The code verifier around its judge: which program, run how often, and whose trouble it is."""

from __future__ import annotations

import asyncio

import pytest

from verifier.errors import InvalidRequestError, SandboxError, UnknownNameError, UnscorableError
from verifier.sandbox.base import Job, JobResult, RunResult, RunStatus, SandboxReport
from verifier.types import CodeReference, Group, MathReference, Outcome, StdioTest
from verifier.verifiers.base import Tools
from verifier.verifiers.code import CodeVerifier
from verifier.workers import WorkerPool

REFERENCE = CodeReference(language="python", stdio=(StdioTest(input="", output="1"), StdioTest(input="", output="1")))


class Programs:
    """A sandbox in which the first line of a program is what it prints; or what becomes of its sandbox."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.stopped: list[str] = []
        self.lost = 0

    async def run(self, job: Job) -> JobResult:
        self.ran.append(job.program.source)
        words = job.program.source.split()
        match words:
            case ["lost", *_]:
                self.lost += 1
                raise SandboxError("sandbox_lost", "gone", is_lost=True)
            case ["lost-once", *_] if not self.lost:
                self.lost += 1
                raise SandboxError("sandbox_lost", "gone", is_lost=True)
            case ["breaker", *_]:
                raise SandboxError("sandbox_lost", "gone", is_lost=True, is_own_doing=True)
            case ["slow", *_]:
                try:
                    await asyncio.sleep(0.2)
                except asyncio.CancelledError:
                    self.stopped.append(job.program.source)
                    raise
            case _:
                pass
        done = RunResult(status=RunStatus.EXITED, stdout=words[-1].encode() if words else b"")
        return JobResult(compile=None, runs=(done,) * len(job.runs))

    async def report(self) -> SandboxReport:
        return SandboxReport(backend="programs", is_ready=True, walls=(), toolchains=("python",))

    async def aclose(self) -> None:
        return


def verifier(sandbox=None, options=None):
    return CodeVerifier(options or {}, Tools(workers=WorkerPool(tasks={}, size=1), sandbox=sandbox or Programs()))


async def opened(sandbox=None, options=None, *, reference=REFERENCE, prompt=""):
    group = Group(id="g", completions=("x",), reference=reference, prompt=prompt)
    return await verifier(sandbox, options).open_group(group)


async def verdict_on(completion, sandbox=None, options=None, **fields):
    return await (await opened(sandbox, options, **fields)).verify(completion)


def fenced(program):
    return f"```python\n{program}\n```"


async def test_a_right_program_is_correct_with_its_tests():
    verdict = await verdict_on(fenced("1"))
    assert (verdict.verifier, verdict.outcome, verdict.score) == ("code", Outcome.CORRECT, 1.0)
    assert (verdict.reason, verdict.detail) == ("AC", "2 of 2 passed")
    assert [test.name for test in verdict.tests] == ["stdio[0]", "stdio[1]"]


async def test_a_wrong_program_is_incorrect_and_says_where():
    verdict = await verdict_on(fenced("2"))
    assert (verdict.outcome, verdict.score, verdict.reason) == (Outcome.INCORRECT, 0.0, "WA")
    assert verdict.detail == "0 of 2 passed; stdio[0]: WA"


@pytest.mark.parametrize("completion", ["", "1", "```cpp\n1\n```", "<think>\n```python\n1\n```\n</think>\nDone."])
async def test_an_answer_without_a_program_is_incorrect_and_runs_nothing(completion):
    sandbox = Programs()
    verdict = await verdict_on(completion, sandbox)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCORRECT, "NO_CODE")
    assert sandbox.ran == []


async def test_the_program_is_looked_for_after_the_reasoning():
    completion = f"<think>{fenced('2')}</think>{fenced('1')}"
    assert (await verdict_on(completion)).reason == "AC"
    assert (await verdict_on(f"<think>{fenced('1')}</think>{fenced('2')}")).reason == "WA"


async def test_a_prompt_that_opened_the_reasoning_counts():
    completion = f"{fenced('1')} hm</think>{fenced('2')}"
    assert (await verdict_on(completion, prompt="go\n<think>\n")).reason == "WA"
    assert (await verdict_on(fenced("1"), prompt="go\n<think>\n")).reason == "NO_CODE"


async def test_an_option_takes_the_program_from_the_reasoning_when_the_answer_holds_none():
    options = {"look_in_reasoning": True}
    assert (await verdict_on(f"<think>{fenced('1')}</think>Done.", options=options)).reason == "AC"
    assert (await verdict_on(f"<think>{fenced('1')}</think>{fenced('2')}", options=options)).reason == "WA"


async def test_equal_programs_run_once():
    sandbox = Programs()
    judge = await opened(sandbox)
    verdicts = await asyncio.gather(*(judge.verify(f"{i} " + "\n" + fenced("slow 1")) for i in range(8)))
    assert {verdict.reason for verdict in verdicts} == {"AC"}
    assert len(sandbox.ran) == 1


async def test_work_goes_on_while_anyone_waits_and_stops_when_nobody_does():
    sandbox = Programs()
    judge = await opened(sandbox)
    first, second = (asyncio.create_task(judge.verify(fenced("slow 1"))) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    assert (await second).reason == "AC"
    assert sandbox.stopped == []
    third = asyncio.create_task(judge.verify(fenced("slow 2")))
    await asyncio.sleep(0.05)
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third
    await asyncio.sleep(0.01)
    assert sandbox.stopped == ["slow 2\n"]
    assert (await judge.verify(fenced("slow 2"))).reason == "WA"


async def test_a_lost_sandbox_is_our_trouble_and_is_asked_anew_the_next_time():
    sandbox = Programs()
    judge = await opened(sandbox)
    with pytest.raises(SandboxError):
        await judge.verify(fenced("lost-once 1"))
    assert (await judge.verify(fenced("lost-once 1"))).reason == "AC"


async def test_a_program_that_takes_its_sandbox_down_is_incorrect():
    verdict = await verdict_on(fenced("breaker"))
    assert (verdict.outcome, verdict.score, verdict.reason) == (Outcome.INCORRECT, 0.0, "breaks_sandbox")


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        (None, "no_reference"),
        (MathReference(answers=("1",)), "wrong_reference_kind"),
        (CodeReference(language="python"), "bad_reference"),
        (CodeReference(language="brainfuck", stdio=REFERENCE.stdio), "unsupported_language"),
    ],
)
async def test_a_task_at_fault_is_told_when_the_group_is_opened(reference, reason):
    with pytest.raises(UnscorableError) as error:
        await opened(reference=reference)
    assert error.value.reason == reason


def test_an_unknown_option_is_named():
    with pytest.raises(UnknownNameError, match="time_limit'"):
        verifier(options={"time_limit": 1.0})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("time_limit_s", 0.0),
        ("time_limit_s", -1.0),
        ("time_limit_s", 1e9),
        ("time_limit_s", "4"),
        ("time_limit_s", True),
        ("time_limit_s", float("nan")),
        ("memory_limit_bytes", 1),
        ("memory_limit_bytes", 1.5),
        ("look_in_reasoning", 1),
    ],
)
def test_an_option_with_a_value_it_cannot_take_is_named(name, value):
    with pytest.raises(InvalidRequestError, match=name):
        verifier(options={name: value})


async def test_options_become_limits():
    seen: list[Job] = []

    class Keeper(Programs):
        async def run(self, job):
            seen.append(job)
            return await super().run(job)

    await verdict_on(fenced("1"), Keeper(), {"time_limit_s": 2, "memory_limit_bytes": 32 << 20})
    assert (seen[0].limits.cpu_time_s, seen[0].limits.memory_bytes) == (2.0, 32 << 20)
