"""Judges the final answer of a completion against gold answers of a mathematical problem.

A reference is read once a group; an answer that several completions share is compared once. Plain numbers, equal texts
and words are decided in this process; anything that needs algebra runs in the worker pool under a budget of CPU time,
and what passes the budget or takes the worker down is the completion's own doing.
"""

from __future__ import annotations

import asyncio
import functools
from dataclasses import dataclass

from verifier.equivalence import (
    EQUAL_TASK,
    MAX_ANSWER_CHARS,
    PARSE_TASK,
    Gold,
    GoldKind,
    curve_of,
    decide,
    is_derivation,
    is_list,
    is_prose,
    is_read,
    is_too_complex,
    is_unreadable,
    is_within,
    normalise,
    peel,
    read_gold,
    read_number,
)
from verifier.errors import (
    InvalidRequestError,
    UnknownNameError,
    UnscorableError,
    WorkerCrashedError,
    WorkerTimeoutError,
)
from verifier.text.answers import MAX_TEXTS, AnswerKind, FoundAnswer, find_answer
from verifier.text.asked import asked_formulas
from verifier.text.phrases import conclusion
from verifier.text.think import opens_reasoning, split_reasoning
from verifier.types import Group, MathReference, Verdict
from verifier.verifiers.base import Options, Tools
from verifier.verifiers.once import Once
from verifier.workers import WorkerPool

NAME = "math"

_PARSE_FACTOR = 2.0
"""A gold answer gets more time than answers do: it is read once, and failing to read it costs a whole group."""
_MAX_BUDGET_S = 600.0
_DIGITS = 100
"""A whole number of fewer digits, as most answers are, is in the one spelling already."""
_SHOWN_CHARS = 90
_PROMPT_CHARS = 20_000
_LONG_CHARS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MathOptions:
    """Options of the verifier ``math``.

    Args:
        cpu_budget_s: CPU seconds for one comparison.
        look_in_reasoning: also look into the reasoning, where no answer follows it.
        accept_phrase: take an answer that is not boxed or tagged, such as "The answer is 42."
        tolerance: how far a number may be from the gold one, as a part of it; 0 asks for the same number.
        take_conclusion: of an answer that is a sentence or a derivation, take the one value with which it ends.
    """

    cpu_budget_s: float = 2.0
    look_in_reasoning: bool = False
    accept_phrase: bool = True
    take_conclusion: bool = False
    tolerance: float = 0.0


class MathVerifier:
    """The verifier ``math``; a ``VerifierFactory`` makes it from options and tools."""

    def __init__(self, options: Options, tools: Tools) -> None:
        self._options = _read_options(options)
        self._workers = tools.workers

    async def open_group(self, group: Group) -> MathJudge:
        """Reads the gold answers.

        Raises:
            UnscorableError: there is no reference, it is of another kind, or no gold answer of it can be read.
            InfrastructureError: we could not read it.
        """
        reference = group.reference
        if reference is None:
            raise UnscorableError("no_reference", "give reference.math.answers to judge a mathematical answer")
        if not isinstance(reference, MathReference):
            raise UnscorableError("wrong_reference_kind", "the verifier math needs reference.math, not reference.code")
        golds: list[Gold] = []
        troubles: list[str] = []
        for index, answer in enumerate(reference.answers):
            gold = await self._read_gold(answer)
            if isinstance(gold, Gold):
                golds.append(gold)
            else:
                troubles.append(f"reference.math.answers[{index}] {gold}")
        if not golds:
            detail = "; ".join(troubles[:3]) or "reference.math.answers is empty; give at least one answer"
            raise UnscorableError("unparseable_reference", detail)
        return MathJudge(
            golds=tuple(golds),
            prompt=group.prompt,
            options=self._options,
            workers=self._workers,
        )

    async def _read_gold(self, text: str) -> Gold | str:
        """The gold answer, or what is wrong with it."""
        if len(text) > MAX_ANSWER_CHARS:
            return f"has {len(text)} characters; give the final answer alone, at most {MAX_ANSWER_CHARS}"
        gold = read_gold(text)
        if gold is None:
            return "is blank; give the final answer as LaTeX or plain text"
        if gold.kind is not GoldKind.EXPRESSION or is_read(gold.normal):
            return gold
        if is_too_complex(gold.normal):
            return gold.as_text()
        budget_s = self._options.cpu_budget_s * _PARSE_FACTOR
        try:
            can_parse = await self._workers.call_with_retry(PARSE_TASK, gold.normal, cpu_budget_s=budget_s)
        except WorkerTimeoutError:
            return "takes too long to read; give a simpler form of it"
        except WorkerCrashedError as crash:
            if not crash.is_own_doing:
                raise
            return "brings the judge down; give a simpler form of it"
        if can_parse:
            return gold
        if gold.can_be_text:
            return gold.as_text()
        return "cannot be read as mathematics; give the final answer alone, as LaTeX or plain text"


class MathJudge:
    """Judges completions against the gold answers of one group."""

    def __init__(self, *, golds: tuple[Gold, ...], prompt: str, options: MathOptions, workers: WorkerPool) -> None:
        self._golds = golds
        self._is_opened = opens_reasoning(prompt)
        self._prompt = prompt[:_PROMPT_CHARS]
        self._options = options
        self._workers = workers
        self._known: dict[str, Verdict | tuple[Gold, ...]] = {}
        self._verdicts: Once[str, Verdict] = Once()

    async def verify(self, completion: str) -> Verdict:
        """The verdict on one completion.

        Raises:
            InfrastructureError: we could not judge, also not on a retry.
        """
        if len(completion) > _LONG_CHARS:  # the loop has other completions to serve
            found = await asyncio.to_thread(self._answers, completion)
        else:
            found = self._answers(completion)
        if isinstance(found, Verdict):
            return found
        verdict = await (self._judge(found[0]) if len(found) == 1 else self._judge_several(found))
        if verdict.reason == _EQUAL and self._repeats(found, completion):
            detail = f"what the question asks to work out, unchanged: {_shorten(found[-1], _SHOWN_CHARS)}"
            return Verdict.incorrect(NAME, "repeats_question", detail)
        return verdict

    def _answers(self, completion: str) -> tuple[str, ...] | Verdict:
        """The answers that are marked, in one spelling; a verdict where there is none to judge."""
        found = self._find(completion)
        if found.kind is AnswerKind.NONE:
            return Verdict.incorrect(NAME, found.reason, _NO_ANSWER[found.reason])
        if len(found.texts) == 1 and len(text := found.texts[0]) < _DIGITS and text.isdecimal() and text.isascii():
            return found.texts
        texts = [peel(text.strip()) for text in found.texts]
        if sum(map(len, texts)) > MAX_ANSWER_CHARS:
            return Verdict.incorrect(NAME, "too_long_answer", f"an answer has at most {MAX_ANSWER_CHARS} characters")
        answers = tuple(filter(None, dict.fromkeys(normalise(text) for text in texts)))
        return answers or Verdict.incorrect(NAME, "empty_answer", _NO_ANSWER["empty_answer"])

    def _repeats(self, answers: tuple[str, ...], completion: str) -> bool:
        """Whether a right answer is nothing but the question, asked in the prompt or quoted before the answer."""
        if answers[0] == self._golds[0].normal:
            return False
        candidates = {answer.rstrip("= ") for answer in answers}
        if any(gold.normal in candidates for gold in self._golds):
            return False
        if not self._asked.keys().isdisjoint(candidates):
            return True
        if self._prompt:
            return False
        parts = split_reasoning(completion, is_opened=self._is_opened)
        return not _worked_out(parts.answer or "").keys().isdisjoint(candidates)

    @functools.cached_property
    def _asked(self) -> dict[str, None]:
        return _worked_out(self._prompt)

    def _find(self, completion: str) -> FoundAnswer:
        parts = split_reasoning(completion, is_opened=self._is_opened)
        found = FoundAnswer(kind=AnswerKind.NONE, reason="no_answer")
        if parts.answer is not None:
            found = find_answer(parts.answer, accept_phrase=self._options.accept_phrase)
        if self._options.look_in_reasoning and found.kind is AnswerKind.NONE and parts.reasoning is not None:
            return find_answer(parts.reasoning, accept_phrase=self._options.accept_phrase)
        return found

    async def _judge_several(self, answers: tuple[str, ...]) -> Verdict:
        """Several marked answers are right together, as the parts of a list, or each by itself."""
        shown = _shorten(", ".join(answers), _SHOWN_CHARS)
        if len(answers) <= MAX_TEXTS:
            if any(is_list(gold.normal) for gold in self._golds):
                whole = await self._judge(", ".join(answers))
                if whole.reason == _EQUAL:
                    return whole
            each = await self._judge(answers[-1])
            for answer in answers[:-1]:
                if each.reason != _EQUAL:
                    break
                each = await self._judge(answer)
            if each.reason == _EQUAL:
                return each
        return Verdict.incorrect(NAME, "several_answers", f"marked answers that differ: {shown}")

    async def _judge(self, answer: str) -> Verdict:
        known = self._known.get(answer)
        if known is None:
            known = self._known[answer] = self._decide(answer)
        if isinstance(known, Verdict):
            return known
        undecided = known
        return await self._verdicts.get(answer, lambda: self._compare(answer, undecided))

    def _decide(self, answer: str) -> Verdict | tuple[Gold, ...]:
        """The verdict, or the gold answers that only an algebra system can compare with the answer."""
        undecided: list[Gold] = []
        is_unasked = "=" in answer and self._is_unasked_curve(answer)
        for gold in self._golds:
            decision = False if is_unasked and "=" not in gold.normal else decide(gold, answer)
            if decision or (self._options.tolerance and is_within(gold.normal, answer, self._options.tolerance)):
                return _correct(answer, gold)
            if decision is None:
                undecided.append(gold)
        reason = is_too_complex(answer) if undecided else ""
        if reason:
            return Verdict.incorrect(NAME, "too_complex", f"{reason}: {_shorten(answer, _SHOWN_CHARS)}")
        if (concluded := self._concluded(answer)) is not None:
            return _correct(answer, concluded)
        if is_prose(answer) or (undecided and is_derivation(answer)):
            return Verdict.incorrect(NAME, "verbose_answer", f"give the answer alone: {_shorten(answer, _SHOWN_CHARS)}")
        if undecided and is_unreadable(answer) and all(gold.kind is GoldKind.NUMBER for gold in undecided):
            # An algebra system would take a part of it for the number.
            return Verdict.incorrect(NAME, "unparseable_answer", _shown(answer, "!=", undecided[0]))
        if not undecided:
            return Verdict.incorrect(NAME, "not_equal", _shown(answer, "!=", self._golds[0]))
        return tuple(undecided)

    def _concluded(self, answer: str) -> Gold | None:
        """The gold answer with which a sentence or derivation ends, where such are taken."""
        if not self._options.take_conclusion or not (is_prose(answer) or not is_read(answer)):
            return None
        value = normalise(conclusion(answer))
        return next((gold for gold in self._golds if decide(gold, value)), None) if value else None

    async def _compare(self, answer: str, undecided: tuple[Gold, ...]) -> Verdict:
        """What an algebra system says of the answer: the best that it does against any of these gold answers."""
        worst = "not_equal"
        for gold in undecided:
            outcome = await self._ask(gold, answer)
            if outcome == _EQUAL:
                return _correct(answer, gold)
            if outcome != "not_equal":
                worst = outcome
                break  # the next gold answer would cost as much again
        return Verdict.incorrect(NAME, worst, _shown(answer, "!=", undecided[0]))

    def _is_unasked_curve(self, answer: str) -> bool:
        """Whether it is an equation such as ``x^2+y^2=5`` whose left side the prompt does not name."""
        left = curve_of(answer)
        return bool(left) and left.replace(" ", "") not in normalise(self._prompt).replace(" ", "")

    async def _ask(self, gold: Gold, answer: str) -> str:
        """Reason code of one comparison in a worker."""
        payload = {"gold": gold.normal, "answer": answer}
        try:
            said = await self._workers.call_with_retry(EQUAL_TASK, payload, cpu_budget_s=self._options.cpu_budget_s)
        except WorkerTimeoutError:
            return "too_complex"
        except WorkerCrashedError as crash:
            if not crash.is_own_doing:
                raise
            return "crashes_judge"
        if not isinstance(said, dict):
            raise TypeError(f"the task {EQUAL_TASK} answered {said!r}")
        if said.get("error"):
            return "too_complex" if said["error"] == "too_complex" else "unparseable_answer"
        return _EQUAL if said["equal"] else "not_equal"


_EQUAL = "equal"
_NO_ANSWER = {
    "no_answer": "no final answer is marked after the reasoning",
    "empty_answer": "the place of the final answer is blank",
}


def _correct(answer: str, gold: Gold) -> Verdict:
    return Verdict.correct(NAME, _EQUAL, _shown(answer, "=", gold))


def _worked_out(text: str) -> dict[str, None]:
    """The formulas that a text tells to work out, in one spelling; a number only where it is to be rewritten."""
    found = ((normalise(asked.formula).rstrip("= "), asked.is_rewrite) for asked in asked_formulas(text))
    return {formula: None for formula, is_rewrite in found if is_rewrite or read_number(formula) is None}


def _shown(answer: str, sign: str, gold: Gold) -> str:
    return f"{_shorten(answer, _SHOWN_CHARS)} {sign} {_shorten(gold.normal, _SHOWN_CHARS)}"


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _read_options(options: Options) -> MathOptions:
    known = ("accept_phrase", "cpu_budget_s", "look_in_reasoning", "take_conclusion", "tolerance")
    for name in options:
        if name not in known:
            raise UnknownNameError("option of the verifier math", name, known)
    defaults = MathOptions()
    return MathOptions(
        cpu_budget_s=_seconds(options.get("cpu_budget_s", defaults.cpu_budget_s)),
        look_in_reasoning=_flag("look_in_reasoning", options.get("look_in_reasoning", defaults.look_in_reasoning)),
        accept_phrase=_flag("accept_phrase", options.get("accept_phrase", defaults.accept_phrase)),
        tolerance=_part(options.get("tolerance", defaults.tolerance)),
        take_conclusion=_flag("take_conclusion", options.get("take_conclusion", defaults.take_conclusion)),
    )


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MAX_BUDGET_S:
        raise InvalidRequestError(f"option cpu_budget_s of math is {value!r}; give seconds from 0 to {_MAX_BUDGET_S:g}")
    return float(value)


def _part(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InvalidRequestError(
            f"option tolerance of math is {value!r}; give a part of the gold number, such as 0.01"
        )
    return float(value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequestError(f"option {name} of math is {value!r}; give true or false")
    return value
