"""How the local engine turns verifiers' work into results."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes import FakeVerifier, fake_local_engine, fake_tools, until
from verifier.engines.local import LocalEngine
from verifier.errors import InvalidRequestError, OverloadedError, UnknownNameError
from verifier.recipes import BUILT_IN, Recipe, Term
from verifier.types import CodeReference, Group, MathReference, Outcome

MATH = MathReference(answers=("1",))


def group(*completions, **fields):
    return Group(**{"id": "g", "completions": completions, "reference": MATH, **fields})


async def test_each_completion_gets_its_own_answer_in_order():
    result = await fake_local_engine().verify(group("right", "wrong", "half"))
    assert [scored.reward for scored in result.scores] == [1.0, 0.0, 0.5]
    assert [scored.verdicts[0].verifier for scored in result.scores] == ["math"] * 3


async def test_the_reference_chooses_the_verifier_of_accuracy():
    engine = fake_local_engine()
    result = await engine.verify(group("right", reference=CodeReference(language="python", script="x")))
    assert result.scores[0].verdicts[0].verifier == "code"


async def test_no_reference_is_unscorable_and_has_no_reward():
    result = await fake_local_engine().verify(group("right", reference=None, recipe="r1"))
    verdicts = result.scores[0].verdicts
    assert result.scores[0].reward is None
    assert [(v.verifier, v.outcome.value) for v in verdicts] == [
        ("accuracy", "UNSCORABLE"),
        ("format", "CORRECT"),
        ("language", "CORRECT"),
    ]
    assert verdicts[0].reason == "no_reference"


async def test_trouble_is_a_verdict_for_each_completion_and_never_a_reward():
    result = await fake_local_engine().verify(group("right", "failed", "unscorable"))
    assert [scored.reward for scored in result.scores] == [1.0, None, None]
    assert [scored.verdicts[0].outcome for scored in result.scores] == [
        Outcome.CORRECT,
        Outcome.FAILED,
        Outcome.UNSCORABLE,
    ]


@pytest.mark.parametrize(("prompt", "outcome"), [("unscorable", Outcome.UNSCORABLE), ("failed", Outcome.FAILED)])
async def test_a_reference_that_cannot_be_opened_holds_for_every_completion(prompt, outcome):
    result = await fake_local_engine().verify(group("right", "wrong", prompt=prompt))
    assert {scored.verdicts[0].outcome for scored in result.scores} == {outcome}


async def test_any_other_exception_passes_because_a_bug_is_never_a_reward():
    with pytest.raises(ExceptionGroup) as caught:
        await fake_local_engine().verify(group("right", "bug"))
    assert caught.group_contains(ZeroDivisionError)


async def test_equal_completions_are_judged_once():
    fake = FakeVerifier("math")
    engine = fake_local_engine({"accuracy": BUILT_IN["accuracy"]}, verifiers={"math": fake, "code": FakeVerifier()})
    result = await engine.verify(group("right", "wrong", "right", "right"))
    assert sorted(fake.judged) == ["right", "wrong"]
    assert fake.opened == ["g"]
    assert [scored.reward for scored in result.scores] == [1.0, 0.0, 1.0, 1.0]


async def test_slow_completions_run_beside_each_other():
    judge = FakeVerifier()
    judging = asyncio.create_task(
        fake_local_engine({"accuracy": BUILT_IN["accuracy"]}, verifiers={"math": judge, "code": FakeVerifier()}).verify(
            group(*(f"hang {i}" for i in range(50)))
        )
    )
    await until(lambda: len(judge.judged) == 50)
    judging.cancel()


async def test_an_unknown_recipe_is_answered_for_every_completion_with_the_known_names():
    result = await fake_local_engine().verify(group("right", "wrong", recipe="r2"))
    assert [scored.reward for scored in result.scores] == [None, None]
    verdict = result.scores[0].verdicts[0]
    assert (verdict.verifier, verdict.outcome, verdict.reason) == ("request", Outcome.UNSCORABLE, "unknown_recipe")
    assert "r1-zero" in verdict.detail


async def test_an_empty_group_is_answered_once_so_that_it_is_seen():
    result = await fake_local_engine().verify(group())
    assert [scored.verdicts[0].reason for scored in result.scores] == ["no_completions"]


async def test_a_completion_over_the_limit_is_wrong_and_says_both_sizes():
    engine = fake_local_engine(max_completion_bytes=10)
    result = await engine.verify(group("right", "right " + "é" * 3, "x" * 10))
    verdict = result.scores[1].verdicts[0]
    assert (verdict.outcome, verdict.reason) == (Outcome.INCORRECT, "too_long")
    assert "12" in verdict.detail
    assert "10" in verdict.detail
    assert [scored.reward for scored in result.scores] == [1.0, 0.0, 0.0]
    assert result.scores[2].verdicts[0].reason == "not_equal"


async def test_a_long_completion_cannot_turn_the_tasks_fault_into_a_number():
    engine = fake_local_engine(max_completion_bytes=10)
    result = await engine.verify(group("x" * 100, prompt="unscorable"))
    assert result.scores[0].verdicts[0].outcome is Outcome.UNSCORABLE


async def test_lone_surrogates_are_replaced_before_anything_is_judged():
    fake = FakeVerifier("math")
    engine = fake_local_engine({"accuracy": BUILT_IN["accuracy"]}, verifiers={"math": fake, "code": FakeVerifier()})
    result = await engine.verify(group("right \ud800", id="\udfff"))
    assert fake.judged == ["right \ufffd"]
    assert result.id == "\ufffd"


async def test_a_full_engine_refuses_at_once_and_takes_more_when_there_is_room():
    engine = fake_local_engine(max_pending_completions=3)
    first = asyncio.create_task(engine.verify(group("slow 1", "slow 2")))
    await asyncio.sleep(0.05)
    with pytest.raises(OverloadedError, match="limit of 3"):
        await engine.verify(group("right", "wrong"))
    assert (await engine.verify(group("right"))).scores[0].reward == 1.0
    await first
    assert len((await engine.verify(group("right", "wrong", "half"))).scores) == 3


async def test_a_group_that_can_never_enter_is_answered_in_place():
    result = await fake_local_engine(max_pending_completions=2).verify(group("right", "wrong", "half"))
    assert [scored.verdicts[0].reason for scored in result.scores] == ["too_many_completions"] * 3


async def test_cancelling_stops_the_work():
    fake = FakeVerifier("math")
    engine = fake_local_engine({"accuracy": BUILT_IN["accuracy"]}, verifiers={"math": fake, "code": FakeVerifier()})
    task = asyncio.create_task(engine.verify(group("hang", "right")))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert fake.stopped == ["hang"]


async def test_closing_answers_what_is_in_flight_as_failed_and_refuses_what_comes_after():
    engine = fake_local_engine()
    task = asyncio.create_task(engine.verify(group("hang", "hang 2")))
    await asyncio.sleep(0.05)
    await engine.aclose()
    await engine.aclose()
    result = await task
    assert [scored.verdicts[0].reason for scored in result.scores] == ["engine_closed"] * 2
    assert result.scores[0].verdicts[0].outcome is Outcome.FAILED
    with pytest.raises(InvalidRequestError, match="closed"):
        await engine.verify(group("right"))


def test_an_option_that_a_verifier_does_not_have_is_named_with_its_recipe():
    recipe = Recipe(name="mine", terms=(Term(name="format", options={"lenient": True}),))
    with pytest.raises(InvalidRequestError, match=r"recipe mine, term format: unknown option 'lenient'"):
        fake_local_engine({**BUILT_IN, "mine": recipe})


def test_options_of_accuracy_go_to_the_kind_they_are_for():
    math, code = FakeVerifier("math"), FakeVerifier("code")
    recipe = Recipe(name="accuracy", terms=(Term(name="accuracy", options={"math": {"strict": True}}),))
    fake_local_engine({"accuracy": recipe}, verifiers={"math": math, "code": code})
    assert (math.options, code.options) == ({"strict": True}, {})


@pytest.mark.parametrize("options", [{"maths": {}}, {"math": 3}])
def test_options_of_accuracy_that_fit_no_kind_are_refused(options):
    recipe = Recipe(name="accuracy", terms=(Term(name="accuracy", options=options),))
    with pytest.raises(InvalidRequestError, match="math"):
        fake_local_engine({"accuracy": recipe})


def test_a_default_recipe_that_does_not_exist_is_refused():
    with pytest.raises(UnknownNameError, match="unknown recipe 'r9'"):
        LocalEngine(
            recipes=BUILT_IN,
            default_recipe="r9",
            verifiers={},
            tools=fake_tools(),
            info=None,  # type: ignore[arg-type]  # not reached
        )
