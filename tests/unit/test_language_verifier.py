import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes import fake_tools
from verifier.errors import (
    InfrastructureError,
    InvalidRequestError,
    UnknownNameError,
    UnscorableError,
    WorkerCrashedError,
    WorkerTimeoutError,
)
from verifier.text.language_share import measure
from verifier.types import Group, Outcome, Verdict
from verifier.verifiers.base import Options, Tools
from verifier.verifiers.language import LANGUAGE_TASKS, TASK, language_verifier
from verifier.workers import Json, WorkerPool

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases" / "language.jsonl").read_text(encoding="utf-8").splitlines()
]


class InlineWorkers(WorkerPool):
    """Runs the task in this process, through JSON as a worker would; or fails as it is told."""

    def __init__(self, trouble: Exception | None = None) -> None:
        super().__init__(tasks=LANGUAGE_TASKS, size=1)
        self.trouble = trouble
        self.calls: list[object] = []

    async def call(self, task: str, payload: Json, *, cpu_budget_s: float) -> Json:
        assert task == TASK
        assert cpu_budget_s > 0
        if self.trouble is not None:
            raise self.trouble
        self.calls.append(payload)
        answer: Json = json.loads(json.dumps(measure(json.loads(json.dumps(payload)))))
        return answer


def tools(workers: WorkerPool | None = None) -> Tools:
    return Tools(workers=workers or InlineWorkers(), sandbox=fake_tools().sandbox)


async def verdict_on(
    completion: str,
    *,
    language: str = "en",
    prompt: str = "",
    options: Options | None = None,
    workers: WorkerPool | None = None,
) -> Verdict:
    verifier = language_verifier(options or {}, tools(workers))
    group = Group(id="g", completions=(completion,), prompt=prompt, language=language)
    try:
        judge = await verifier.open_group(group)
        return await judge.verify(completion)
    except UnscorableError as error:
        return Verdict.unscorable("language", error.reason, error.detail)


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
async def test_golden_cases(case: dict[str, str], recwarn: pytest.WarningsRecorder) -> None:
    verdict = await verdict_on(
        case["completion"],
        language=case["language"],
        prompt=case.get("prompt", ""),
        options=case.get("options"),  # type: ignore[arg-type]
    )
    low, high = map(float, case.get("score", (0.0, 1.0)))
    assert (verdict.verifier, verdict.reason, verdict.outcome.value) == ("language", case["reason"], case["outcome"])
    if verdict.score is not None:
        assert low <= verdict.score <= high
    assert case.get("detail", "") in verdict.detail


async def test_the_detail_names_language_share_and_words() -> None:
    verdict = await verdict_on("<think>we add both numbers 然后除以三个数</think>")
    assert verdict.detail == "en 0.477 of 8 words"
    assert verdict.score == 0.477612


async def test_equal_reasoning_is_counted_once() -> None:
    workers = InlineWorkers()
    verifier = language_verifier({}, tools(workers))
    judge = await verifier.open_group(Group(id="g", completions=(), language="en"))
    first = await judge.verify("<think>we add</think>4")
    second = await judge.verify("<think>we add</think>5")
    assert first == second
    assert len(workers.calls) == 1


async def test_a_real_worker_counts_the_same() -> None:
    async with WorkerPool(tasks=LANGUAGE_TASKS, size=1) as pool:
        for text in ("<think>Let us add both numbers. 然后除以三</think>4", "\ud800 we add", "<think>x</think>"):
            assert await verdict_on(text, workers=pool) == await verdict_on(text)


async def test_a_long_completion_is_judged_in_bounded_work() -> None:
    verdict = await verdict_on("Let us add both numbers and check. " * 50_000)
    assert verdict.score == 1.0


async def test_a_completion_over_the_limit_is_incorrect() -> None:
    verdict = await verdict_on("add " * 600_000)
    assert (verdict.outcome, verdict.reason) == (Outcome.INCORRECT, "too_long")


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (WorkerTimeoutError("cpu_budget", "too long"), "too_complex"),
        (WorkerCrashedError("crashed", "fault", is_own_doing=True), "crashes_judge"),
    ],
)
async def test_what_a_completion_does_to_its_worker_is_its_own_fault(trouble: Exception, reason: str) -> None:
    verdict = await verdict_on("we add", workers=InlineWorkers(trouble))
    assert (verdict.outcome, verdict.reason) == (Outcome.INCORRECT, reason)


async def test_a_worker_killed_from_outside_is_no_verdict() -> None:
    lost = WorkerCrashedError("killed", "from outside", is_own_doing=False)
    with pytest.raises(InfrastructureError):
        await verdict_on("we add", workers=InlineWorkers(lost))


@pytest.mark.parametrize(
    "trouble",
    [
        WorkerTimeoutError("cpu_budget", "too long"),
        WorkerCrashedError("crashed", "fault", is_own_doing=True),
    ],
)
async def test_a_prompt_that_cannot_be_read_is_the_fault_of_the_task(trouble: Exception) -> None:
    verdict = await verdict_on("we add", language="", prompt="Add.", workers=InlineWorkers(trouble))
    assert (verdict.outcome, verdict.reason) == (Outcome.UNSCORABLE, "unreadable_prompt")
    assert "language" in verdict.detail


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parts": "all"}, "unknown option 'parts'; known: candidates, detector, part, threshold"),
        ({"part": "middle"}, "unknown part 'middle'; known: all, answer, reasoning"),
        ({"detector": "magic"}, "unknown detector 'magic'; known: langdetect, py3langid"),
        ({"candidates": ["xx"]}, "unknown language in the option candidates 'xx'"),
    ],
)
def test_an_unknown_name_is_named(options: Options, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        language_verifier(options, tools())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"part": 1}, "option part"),
        ({"threshold": "0.5"}, "option threshold"),
        ({"threshold": 0}, "option threshold"),
        ({"threshold": 1.5}, "option threshold"),
        ({"threshold": float("nan")}, "option threshold"),
        ({"threshold": True}, "option threshold"),
        ({"candidates": "en"}, "option candidates"),
        ({"detector": None}, "option detector"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_remedy(options: Options, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        language_verifier(options, tools())


@settings(deadline=None, max_examples=50)
@given(
    completion=st.text() | st.lists(st.sampled_from(["<think>", "</think>", "word ", "中文", "$", "`"])).map("".join),
    language=st.sampled_from(["en", "zh", "ja", "ru", ""]),
    part=st.sampled_from(["reasoning", "answer", "all"]),
)
async def test_any_completion_has_a_score(completion: str, language: str, part: str) -> None:
    verdict = await verdict_on(completion, language=language, options={"part": part})
    assert verdict.score is not None
    assert verdict == await verdict_on(completion, language=language, options={"part": part})
