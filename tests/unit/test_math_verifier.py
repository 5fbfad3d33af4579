"""The verifier ``math``, with real workers: golden cases, golds that cannot be used, sharing, trouble."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from verifier.equivalence import EQUAL_TASK, MATH_TASKS, PARSE_TASK
from verifier.errors import InvalidRequestError, UnknownNameError, UnscorableError, WorkerCrashedError
from verifier.sandbox.base import Job, JobResult, SandboxReport
from verifier.types import CodeReference, Group, MathReference, Outcome, Verdict
from verifier.verifiers.base import Tools
from verifier.verifiers.math import MathVerifier
from verifier.workers import WorkerPool

pytestmark = pytest.mark.asyncio(loop_scope="module")

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases" / "math.jsonl").read_text(encoding="utf-8").splitlines()
]


ENDINGS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases" / "endings.jsonl").read_text(encoding="utf-8").splitlines()
]
PAIRS = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases" / "math_pairs.jsonl").read_text(encoding="utf-8").splitlines()
]


class NoSandbox:
    """Mathematics runs no programs."""

    async def run(self, job: Job) -> JobResult:
        raise NotImplementedError

    async def report(self) -> SandboxReport:
        raise NotImplementedError

    async def aclose(self) -> None:
        """Nothing to end."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def pool() -> AsyncIterator[WorkerPool]:
    async with WorkerPool(tasks=MATH_TASKS, size=1) as pool:
        yield pool


def make(pool: WorkerPool, **options: object) -> MathVerifier:
    return MathVerifier(options, Tools(workers=pool, sandbox=NoSandbox()))


def group(*answers: str, completions: tuple[str, ...] = (), prompt: str = "") -> Group:
    return Group(id="g", completions=completions, prompt=prompt, reference=MathReference(answers=answers))


async def judge(pool: WorkerPool, completion: str, *answers: str, **options: object) -> Verdict:
    opened = await make(pool, **options).open_group(group(*answers))
    return await opened.verify(completion)


@pytest.mark.parametrize("ending", ENDINGS, ids=[str(n) for n in range(len(ENDINGS))])
async def test_endings_are_read_as_they_are_meant(pool: WorkerPool, ending: dict[str, Any]) -> None:
    verdict = await judge(pool, ending["completion"], ending["gold"])
    assert (verdict.outcome is Outcome.CORRECT) is ending["correct"], (ending["completion"], verdict.detail)


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{pair['gold']} | {pair['answer']}" for pair in PAIRS])
async def test_pairs_have_one_verdict_whichever_side_is_the_reference(pool: WorkerPool, pair: dict[str, Any]) -> None:
    sides = [(pair["gold"], pair["answer"])]
    if not pair.get("one_way"):
        sides.append((pair["answer"], pair["gold"]))
    for gold, answer in sides:
        try:
            verdict = await judge(pool, f"The final answer is $\\boxed{{{answer}}}$.", gold)
        except UnscorableError:  # what no reference can be is no right answer either
            assert not pair["equal"]
        else:
            assert (verdict.outcome is Outcome.CORRECT) is pair["equal"], verdict.detail


@pytest.mark.parametrize("case", CASES, ids=[f"{n}: {case['why']} ({case['source']})" for n, case in enumerate(CASES)])
async def test_golden_case(pool: WorkerPool, case: dict[str, str]) -> None:
    opened = await make(pool).open_group(group(*case["answers"], prompt=case["prompt"]))
    verdict = await opened.verify(case["completion"])
    assert (verdict.outcome.value, verdict.reason) == (case["outcome"], case["reason"]), verdict.detail
    assert verdict.verifier == "math"
    assert len(verdict.detail) <= 200


async def test_a_group_without_a_reference_is_unscorable(pool: WorkerPool) -> None:
    with pytest.raises(UnscorableError, match="no_reference"):
        await make(pool).open_group(Group(id="g", completions=()))


async def test_a_code_reference_is_of_the_wrong_kind(pool: WorkerPool) -> None:
    with pytest.raises(UnscorableError, match="wrong_reference_kind"):
        await make(pool).open_group(Group(id="g", completions=(), reference=CodeReference(language="python")))


@pytest.mark.parametrize("answers", [(), ("",), ("  ",), ("$$",), ("???",), ("", "...")])
async def test_a_reference_that_says_nothing_is_unscorable(pool: WorkerPool, answers: tuple[str, ...]) -> None:
    with pytest.raises(UnscorableError, match=r"reference\.math\.answers") as caught:
        await make(pool).open_group(group(*answers))
    assert caught.value.reason == "unparseable_reference"


async def test_one_readable_gold_answer_is_enough(pool: WorkerPool) -> None:
    assert (await judge(pool, "\\boxed{5}", "", "5")).outcome is Outcome.CORRECT


async def test_a_gold_answer_that_is_plain_text_is_matched_as_text(pool: WorkerPool) -> None:
    assert (await judge(pool, "\\boxed{Mount Everest!}", "Mount Everest!")).outcome is Outcome.CORRECT
    assert (await judge(pool, "\\boxed{K2}", "Mount Everest")).reason == "not_equal"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("Sally has 9 books.", "equal"),
        ("So she earns 3 \\cdot 3 = 9", "equal"),
        ("There are 4 red and 5 blue ones, 4 + 5 = 9 in total", "equal"),
        ("She has 9 books and 4 pens in her bag", "verbose_answer"),
        ("The answer is 9 or maybe it is 8", "verbose_answer"),
        ("It costs 9 dollars, but this cannot be known", "verbose_answer"),
        ("She has 8 books in her bag", "verbose_answer"),
    ],
)
async def test_the_value_with_which_a_sentence_ends_counts_where_that_is_asked_for(
    pool: WorkerPool, answer: str, reason: str
) -> None:
    strict, lenient = make(pool), make(pool, take_conclusion=True)
    completion = f"\\boxed{{{answer}}}"
    assert (await (await strict.open_group(group("9"))).verify(completion)).reason == "verbose_answer"
    assert (await (await lenient.open_group(group("9"))).verify(completion)).reason == reason


@pytest.mark.parametrize(
    ("gold", "answer", "reason"),
    [
        ("785.12", "784", "equal"),
        ("\\frac13", "0.333", "equal"),
        ("5040", "\\frac{15840}{\\pi}", "equal"),
        ("2.653\\text{ m}", "2.65", "equal"),
        ("2.653\\text{ m}", "2.65\\text{ s}", "not_equal"),
        ("785.12", "770", "not_equal"),
        ("785.12", "-785.12", "not_equal"),
        ("2", "2i", "not_equal"),
        ("(1,2)", "(1.001,2)", "not_equal"),
    ],
)
async def test_numbers_may_be_as_far_apart_as_the_tolerance(
    pool: WorkerPool, gold: str, answer: str, reason: str
) -> None:
    opened = await make(pool, tolerance=0.01).open_group(group(gold))
    assert (await opened.verify(f"\\boxed{{{answer}}}")).reason == reason


@pytest.mark.parametrize("tolerance", [-1, 1, "0.1", True])
async def test_a_tolerance_that_is_no_part_is_refused(pool: WorkerPool, tolerance: object) -> None:
    with pytest.raises(InvalidRequestError, match="tolerance"):
        make(pool, tolerance=tolerance)


INTEGRAL = "\\int_0^2 \\sqrt{2}\\,dx"
"""What only an algebra system can compare."""


async def test_a_gold_answer_that_exhausts_the_judge_is_unscorable(pool: WorkerPool) -> None:
    slow = "\\int_0^1 x" + "".join(f"+\\frac{{x^{n}}}{{{n}}}" for n in range(2, 60)) + " dx"
    with pytest.raises(UnscorableError, match=r"answers\[0\] takes too long"):
        await make(pool, cpu_budget_s=0.01).open_group(group(slow))


async def test_an_answer_that_passes_the_budget_is_too_complex(pool: WorkerPool) -> None:
    integral = "\\int_0^{1} \\frac{\\sin(x^3)\\,e^{x^x}}{\\sqrt{1+x^7}} dx"
    opened = await make(pool, cpu_budget_s=1).open_group(group("\\pi+1"))
    assert (await opened.verify(f"\\boxed{{{integral}}}")).reason == "too_complex"
    assert (await opened.verify("\\boxed{1+\\pi}")).reason == "equal"


async def test_equal_answers_of_a_group_are_compared_once(pool: WorkerPool) -> None:
    counting = CountingPool(pool)
    opened = await make(counting).open_group(group(INTEGRAL))
    completions = ["\\boxed{2\\sqrt{2}}", "so \\boxed{2 \\sqrt{2}}", "\\boxed{2\\,\\sqrt{2}}"] * 5
    verdicts = await asyncio.gather(*(opened.verify(completion) for completion in completions))
    assert {verdict.reason for verdict in verdicts} == {"equal"}
    assert counting.calls == [PARSE_TASK, EQUAL_TASK]


async def test_numbers_and_equal_texts_need_no_worker(pool: WorkerPool) -> None:
    counting = CountingPool(pool)
    opened = await make(counting).open_group(group("\\frac{1}{2}", "half of it"))
    for completion in ("\\boxed{0.5}", "\\boxed{3}", "\\boxed{half of it}"):
        await opened.verify(completion)
    assert counting.calls == []


async def test_a_lost_worker_is_our_failure_and_is_not_remembered(pool: WorkerPool) -> None:
    lossy = CountingPool(pool, fails=1)
    opened = await make(lossy).open_group(group(INTEGRAL))
    with pytest.raises(WorkerCrashedError):
        await opened.verify("\\boxed{2\\sqrt{2}}")
    assert (await opened.verify("\\boxed{2\\sqrt{2}}")).reason == "equal"


async def test_an_answer_that_brings_the_judge_down_is_incorrect(pool: WorkerPool) -> None:
    lossy = CountingPool(pool, fails=1, is_own_doing=True)
    opened = await make(lossy).open_group(group(INTEGRAL))
    assert (await opened.verify("\\boxed{2\\sqrt{2}}")).reason == "crashes_judge"


async def test_a_cancelled_completion_does_not_cancel_its_equal_sibling(pool: WorkerPool) -> None:
    opened = await make(pool).open_group(group(INTEGRAL))
    first = asyncio.create_task(opened.verify("\\boxed{2\\sqrt{2}}"))
    second = asyncio.create_task(opened.verify("\\boxed{2\\sqrt{2}}"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).reason == "equal"
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_worker_killed_during_a_comparison_is_replaced_and_the_verdict_is_the_same(pool: WorkerPool) -> None:
    opened = await make(pool, cpu_budget_s=5).open_group(group("x^{60}-1"))
    factors = "(x-1)(" + "+".join(f"x^{{{n}}}" for n in range(59, 1, -1)) + "+x+1)"
    verdict = asyncio.create_task(opened.verify(f"\\boxed{{{factors}}}"))
    await asyncio.sleep(0.02)
    for pid in pool.pids:
        os.kill(pid, signal.SIGKILL)
    assert (await verdict).reason == "equal"


async def test_the_reasoning_is_searched_only_when_an_option_says_so(pool: WorkerPool) -> None:
    completion = "<think>so \\boxed{42}</think>\nDone as asked, see above for the result of it"
    assert (await judge(pool, completion, "42")).reason != "equal"
    assert (await judge(pool, completion, "42", look_in_reasoning=True, accept_phrase=False)).reason == "equal"


async def test_phrases_can_be_refused_by_an_option(pool: WorkerPool) -> None:
    assert (await judge(pool, "The answer is 42.", "42")).reason == "equal"
    assert (await judge(pool, "The answer is 42.", "42", accept_phrase=False)).reason == "no_answer"


async def test_a_long_completion_is_searched_to_its_end(pool: WorkerPool) -> None:
    assert (await judge(pool, "<think>" + "{blah} " * 700_000 + "</think>\\boxed{42}", "42")).reason == "equal"


async def test_an_unknown_option_is_named(pool: WorkerPool) -> None:
    with pytest.raises(UnknownNameError, match="'tolerans'"):
        make(pool, tolerans=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cpu_budget_s", 0),
        ("cpu_budget_s", "2"),
        ("cpu_budget_s", True),
        ("accept_phrase", 1),
        ("look_in_reasoning", "no"),
    ],
)
async def test_an_option_with_a_bad_value_is_named(pool: WorkerPool, name: str, value: object) -> None:
    with pytest.raises(InvalidRequestError, match=name):
        make(pool, **{name: value})


class CountingPool(WorkerPool):
    """Passes calls on to a real pool, counts them, and loses the worker of the first comparisons."""

    def __init__(self, pool: WorkerPool, *, fails: int = 0, is_own_doing: bool = False) -> None:
        super().__init__(tasks=MATH_TASKS, size=1)
        self.calls: list[str] = []
        self._pool = pool
        self._fails = fails
        self._is_own_doing = is_own_doing

    async def call_with_retry(self, task, payload, *, cpu_budget_s):
        self.calls.append(task)
        if task == EQUAL_TASK and self._fails:
            self._fails -= 1
            raise WorkerCrashedError("worker_crashed", "lost", is_own_doing=self._is_own_doing)
        return await self._pool.call_with_retry(task, payload, cpu_budget_s=cpu_budget_s)


@pytest.mark.parametrize(
    ("options", "gold", "completion", "reason"),
    [
        ({"simplest_form": True}, "\\frac{1}{2}", "\\boxed{\\frac{2}{4}}", "not_simplest"),
        ({"simplest_form": True}, "\\frac{1}{2}", "\\boxed{0.5}", "equal"),
        ({}, "\\frac{1}{2}", "\\boxed{\\frac{2}{4}}", "equal"),
        ({"percent": "share"}, "50\\%", "\\boxed{50}", "not_equal"),
        ({"order": "strict"}, "1, 2", "\\boxed{2, 1}", "not_equal"),
        ({"names": "required"}, "x=5", "\\boxed{5}", "not_equal"),
        ({"units": "required"}, "5 cm", "\\boxed{5}", "not_equal"),
        ({"rounding": False}, "6.46", "\\boxed{\\frac{84}{13}}", "not_equal"),
    ],
)
async def test_options_decide_what_counts_as_equal(
    pool: WorkerPool, options: dict[str, object], gold: str, completion: str, reason: str
) -> None:
    assert (await judge(pool, completion, gold, **options)).reason == reason


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"percent": "no"}, "give one of either, share"),
        ({"units": True}, "give one of optional, required"),
        ({"order": 1}, "give one of free, strict"),
        ({"simplest_form": "yes"}, "give true or false"),
    ],
)
async def test_a_choice_that_an_option_does_not_have_is_told(
    pool: WorkerPool, options: dict[str, object], remedy: str
) -> None:
    with pytest.raises(InvalidRequestError, match=remedy):
        make(pool, **options)


@pytest.mark.parametrize(
    ("prompt", "options", "reason"),
    [
        ("What is 6 times 7?", {}, "equal"),
        ("What is 6 times 7? Put your final answer within \\boxed{}.", {}, "no_answer"),
        ("What is 6 times 7? Put your final answer within \\boxed{}.", {"accept_phrase": True}, "equal"),
        ("What is 6 times 7?", {"accept_phrase": False}, "no_answer"),
    ],
)
async def test_an_answer_without_a_box_counts_where_the_prompt_asks_for_none(
    pool: WorkerPool, prompt: str, options: dict[str, object], reason: str
) -> None:
    opened = await make(pool, **options).open_group(group("42", prompt=prompt))
    assert (await opened.verify("So the answer is 42.")).reason == reason


async def test_what_an_algebra_system_said_is_kept_for_later_groups() -> None:
    asked: list[object] = []

    class Counting(WorkerPool):
        async def call_with_retry(self, task: str, payload: Any, *, cpu_budget_s: float) -> Any:
            asked.append((task, payload))
            return await super().call_with_retry(task, payload, cpu_budget_s=cpu_budget_s)

    async with Counting(tasks=MATH_TASKS, size=1) as pool:
        verifier = make(pool)
        for _ in range(3):
            opened = await verifier.open_group(group("\\frac{1}{3}"))
            assert (await opened.verify("\\boxed{\\int_0^1 x^2 dx}")).reason == "equal"
    assert len(asked) == 1
