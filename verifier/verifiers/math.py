"""Judges the final answer of a completion against gold answers of a mathematical problem.

A reference is read once a group; an answer that several completions share is compared once. Plain numbers, equal texts
and words are decided in this process; anything that needs algebra runs in the worker pool under a budget of CPU time,
and what passes the budget or takes the worker down is the completion's own doing.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from verifier.equivalence import (
    MAX_ANSWER_CHARS,
    Gold,
    GoldKind,
    Need,
    Order,
    Percent,
    Policy,
    can_ask_algebra,
    decide,
    has_form,
    is_derivation,
    is_list,
    is_plain,
    is_prose,
    is_read,
    is_same_formula,
    is_simplest,
    is_too_complex,
    is_unreadable,
    is_within,
    normalise,
    peel,
    read_gold,
    read_number,
    sides_of,
    unit_after,
)
from verifier.errors import InvalidRequestError, UnknownNameError, UnscorableError
from verifier.text.answers import MAX_TEXTS, AnswerKind, FoundAnswer, find_answer, only_box, search_answer
from verifier.text.asked import asked_formulas, asks_for_box
from verifier.text.phrases import conclusion
from verifier.text.think import Reasoned, opens_reasoning, split_reasoning
from verifier.types import Group, MathReference, Verdict
from verifier.verifiers.algebra import EQUAL, UNREAD, Algebra
from verifier.verifiers.base import Options, Tools

NAME = "math"

_MAX_BUDGET_S = 600.0
_SHOWN_CHARS = 90
_OPERATORS = frozenset("+*/^=(!\\")
"""Signs of what is to be worked out."""
_PROMPT_CHARS = 20_000
_LONG_CHARS = 100_000
_KEPT = 16_384
"""Decisions kept for later groups; a policy gives few answers in many completions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MathOptions:
    """Options of the verifier ``math``.

    Args:
        cpu_budget_s: CPU seconds for one comparison.
        look_in_reasoning: also look into the reasoning, where no answer follows it.
        accept_phrase: take an answer that is not boxed or tagged, such as "The answer is 42."; None takes it where the
            prompt asked for no box.
        tolerance: how far a number may be from the gold one, as a part of it; 0 asks for the same number.
        take_conclusion: of an answer that is a sentence or a derivation, take the one value with which it ends.
        policy: what counts as equal.
    """

    cpu_budget_s: float = 2.0
    look_in_reasoning: bool = False
    accept_phrase: bool | None = None
    take_conclusion: bool = False
    tolerance: float = 0.0
    policy: Policy = field(default_factory=Policy)


Decide = Callable[[tuple[Gold, ...], str, str], Verdict | tuple[Gold, ...]]
"""The verdict on an answer against gold answers, or those gold answers that only an algebra system can compare."""


class MathVerifier:
    """The verifier ``math``; a ``VerifierFactory`` makes it from options and tools."""

    def __init__(self, options: Options, tools: Tools) -> None:
        self._options = _read_options(options)
        self._algebra = Algebra(tools.workers, self._options.cpu_budget_s)
        self._decide: Decide = functools.lru_cache(_KEPT)(functools.partial(_decide, self._options))

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
        return self.open_at_once(group) or self._judge(group, await self._read_golds(reference.answers))

    def open_at_once(self, group: Group) -> MathJudge | None:
        """The judge, where its gold answers can be read without an algebra system."""
        reference = group.reference
        golds = _read_at_once(reference.answers) if isinstance(reference, MathReference) else ()
        return self._judge(group, golds) if golds else None

    def _judge(self, group: Group, golds: tuple[Gold, ...]) -> MathJudge:
        return MathJudge(
            golds=golds,
            prompt=group.prompt,
            options=self._options,
            algebra=self._algebra,
            decide=self._decide,
        )

    async def _read_golds(self, answers: tuple[str, ...]) -> tuple[Gold, ...]:
        golds: list[Gold] = []
        troubles: list[str] = []
        for index, answer in enumerate(answers):
            gold = await self._read_gold(answer)
            if isinstance(gold, Gold):
                golds.append(gold)
            else:
                troubles.append(f"reference.math.answers[{index}] {gold}")
        if not golds:
            detail = "; ".join(troubles[:3]) or "reference.math.answers is empty; give at least one answer"
            raise UnscorableError("unparseable_reference", detail)
        return tuple(golds)

    async def _read_gold(self, text: str) -> Gold | str:
        """The gold answer, or what is wrong with it."""
        if len(text) > MAX_ANSWER_CHARS:
            return f"has {len(text)} characters; give the final answer alone, at most {MAX_ANSWER_CHARS}"
        gold = read_gold(text)
        if gold is None:
            return "is blank; give the final answer as LaTeX or plain text"
        if _is_understood(gold):
            return gold
        if is_too_complex(gold.normal):
            return gold.as_text()
        trouble = await self._algebra.trouble_with(gold.normal)
        if not trouble:
            return gold
        return gold.as_text() if trouble == UNREAD and gold.can_be_text else trouble


class MathJudge:
    """Judges completions against the gold answers of one group."""

    def __init__(
        self, *, golds: tuple[Gold, ...], prompt: str, options: MathOptions, algebra: Algebra, decide: Decide
    ) -> None:
        self._golds = golds
        self._is_opened = opens_reasoning(prompt)
        self._prompt = prompt
        self._options = options
        self._algebra = algebra
        self._decide = decide

    def at_once(self, completion: str) -> Verdict | None:
        """The verdict, where one answer is marked and no algebra system is needed."""
        if len(completion) > _LONG_CHARS:
            return None
        parts, found = self._read(completion)
        if isinstance(found, Verdict):
            return found
        if len(found) > 1:
            return None
        verdict = self._decided(found[0])
        return self._final(verdict, found, parts) if isinstance(verdict, Verdict) else None

    async def verify(self, completion: str) -> Verdict:
        """The verdict on one completion.

        Raises:
            InfrastructureError: we could not judge, also not on a retry.
        """
        if len(completion) > _LONG_CHARS:  # the loop has other completions to serve
            parts, found = await asyncio.to_thread(self._read, completion)
        else:
            parts, found = self._read(completion)
        if isinstance(found, Verdict):
            return found
        verdict = await (self._judge_several(found) if len(found) > 1 else self._judge(found[0]))
        return self._final(verdict, found, parts)

    def _final(self, verdict: Verdict, found: tuple[str, ...], parts: Reasoned) -> Verdict:
        """The verdict, unless a right answer is the question."""
        if verdict.reason == EQUAL and self._repeats(found, parts):
            detail = f"what the question asks to work out, unchanged: {_shorten(found[-1], _SHOWN_CHARS)}"
            return Verdict.incorrect(NAME, "repeats_question", detail)
        return verdict

    def _read(self, completion: str) -> tuple[Reasoned, tuple[str, ...] | Verdict]:
        """The parts of a completion, and the answers that are marked, or the verdict where no more is needed."""
        parts = split_reasoning(completion, is_opened=self._is_opened)
        return parts, self._answers(parts)

    def _answers(self, parts: Reasoned) -> tuple[str, ...] | Verdict:
        """The answers that are marked, in one spelling; a verdict where there is none to judge."""
        content = only_box(parts.answer) if parts.answer is not None else None
        if content is None:
            found = self._search(parts)
            if found.kind is AnswerKind.NONE:
                return Verdict.incorrect(NAME, found.reason, _NO_ANSWER[found.reason])
            marked = self._with_unit(found)
        else:
            marked = (content,)
        if len(marked) == 1 and is_plain(marked[0]):
            return marked
        # What is kept must not be made large.
        is_short = sum(map(len, marked)) <= MAX_ANSWER_CHARS
        answers = _in_one_spelling(marked) if is_short else _in_one_spelling.__wrapped__(marked)
        if answers is None:
            return Verdict.incorrect(NAME, "too_long_answer", f"an answer has at most {MAX_ANSWER_CHARS} characters")
        return answers or Verdict.incorrect(NAME, "empty_answer", _NO_ANSWER["empty_answer"])

    def _with_unit(self, found: FoundAnswer) -> tuple[str, ...]:
        """The answers, a number with the unit that stands behind its box, where the gold answer has one."""
        if not found.after or len(found.texts) != 1 or read_number(found.texts[0]) is None:
            return found.texts
        unit = unit_after(found.after)
        is_asked = unit == "\\%" or any(gold.quantity is not None and gold.quantity.unit for gold in self._golds)
        return (f"{found.texts[0]} {unit}",) if unit and (is_asked or self._is_letter(unit)) else found.texts

    def _is_letter(self, unit: str) -> bool:
        """Whether a gold answer ends in the letters of this unit."""
        letters = unit.removeprefix("\\text{").rstrip("}")
        return any(gold.normal.endswith(letters) for gold in self._golds)

    def _repeats(self, answers: tuple[str, ...], parts: Reasoned) -> bool:
        """Whether a right answer is nothing but the question, asked in the prompt or quoted before the answer."""
        gold = self._golds[0]
        if answers[0] == gold.normal or (gold.whole is not None and _OPERATORS.isdisjoint(answers[0])):
            return False  # such as 28.00 or 28 cm for 28
        formulas = self._asked
        if not self._prompt:
            formulas = _worked_out(parts.answer or "", is_question=False)
        if not formulas:
            return False
        candidates = {answer.rstrip("= ") for answer in answers}
        if _is_among(dict.fromkeys(gold.normal for gold in self._golds), candidates):
            return False
        return _is_among(formulas, candidates)

    @functools.cached_property
    def _asked(self) -> dict[str, None]:
        return _worked_out(self._prompt[:_PROMPT_CHARS])

    @functools.cached_property
    def _accepts_phrase(self) -> bool:
        accepts = self._options.accept_phrase
        return not asks_for_box(self._prompt) if accepts is None else accepts

    def _search(self, parts: Reasoned) -> FoundAnswer:
        found = _NOTHING if parts.answer is None else search_answer(parts.answer, accept_phrase=self._accepts_phrase)
        if self._options.look_in_reasoning and found.reason == "no_answer" and parts.reasoning is not None:
            return find_answer(parts.reasoning, accept_phrase=self._accepts_phrase)
        return found

    async def _judge_several(self, answers: tuple[str, ...]) -> Verdict:
        """Several marked answers are right together, as the parts of a list, or each by itself."""
        shown = _shorten(", ".join(answers), _SHOWN_CHARS)
        if len(answers) <= MAX_TEXTS:
            if any(is_list(gold.normal) or _may_be_parted(gold.normal, answers) for gold in self._golds) and not any(
                is_list(answer) for answer in answers
            ):
                whole = await self._judge(", ".join(answers))
                if whole.reason == EQUAL:
                    return whole
            each = await self._judge(answers[-1])
            for answer in answers[:-1]:
                if each.reason != EQUAL:
                    break
                each = await self._judge(answer)
            if each.reason == EQUAL:
                return each
        return Verdict.incorrect(NAME, "several_answers", f"marked answers that differ: {shown}")

    async def _judge(self, answer: str) -> Verdict:
        decided = self._decided(answer)
        return decided if isinstance(decided, Verdict) else await self._compare(answer, decided)

    def _decided(self, answer: str) -> Verdict | tuple[Gold, ...]:
        return self._decide(self._golds, answer, self._stated(answer) if "=" in answer else "")

    async def _compare(self, answer: str, undecided: tuple[Gold, ...]) -> Verdict:
        """What an algebra system says of the answer: the best that it does against any of these gold answers."""
        worst = "not_equal"
        for gold in undecided:
            outcome = await self._algebra.compare(gold.normal, answer)
            if outcome == EQUAL:
                return _correct(self._options, answer, gold)
            if outcome != "not_equal":
                worst = outcome
                break  # the next gold answer would cost as much again
        return Verdict.incorrect(NAME, worst, _shown(answer, "!=", undecided[0]))

    def _stated(self, answer: str) -> str:
        """What an equation says of an expression that the prompt has, and gives no value itself; or empty."""
        left, right = sides_of(answer)
        left = left.replace(" ", "")
        if not self._prompt or not any(character.isalpha() for character in left):
            return ""
        asked = self._asked_text
        at = asked.find(left)
        while at >= 0:
            if not asked.startswith("=", at + len(left)):
                return right
            at = asked.find(left, at + 1)
        return ""

    @functools.cached_property
    def _asked_text(self) -> str:
        return normalise(self._prompt[:_PROMPT_CHARS]).replace(" ", "")


_NOTHING = FoundAnswer(kind=AnswerKind.NONE, reason="no_answer")
_NO_ANSWER = {
    "no_answer": "no final answer is marked after the reasoning",
    "empty_answer": "the place of the final answer is blank",
    "part_of_expression": "the box is a part of something larger; put the whole answer in it",
    "denied_answer": "the words beside the answer deny it, or offer another",
}


def _decide(options: MathOptions, golds: tuple[Gold, ...], answer: str, stated: str = "") -> Verdict | tuple[Gold, ...]:
    """The verdict, or the gold answers that only an algebra system can compare with the answer.

    Args:
        options: of the verifier.
        golds: gold answers, of which one is enough.
        answer: in the one spelling.
        stated: what the answer states, where it is an equation for what the prompt asks.
    """
    undecided: list[Gold] = []
    for gold in golds:
        decision = decide(gold, answer, options.policy)
        if not decision and stated:
            decision = decide(gold, stated, options.policy) or decision
        if decision or (options.tolerance and is_within(gold.normal, answer, options.tolerance)):
            return _correct(options, answer, gold)
        if decision is None:
            undecided.append(gold)
    if not undecided and is_plain(answer):
        return Verdict.incorrect(NAME, "not_equal", _shown(answer, "!=", golds[0]))
    return _undecided(options, golds, answer, undecided)


def _undecided(
    options: MathOptions, golds: tuple[Gold, ...], answer: str, undecided: list[Gold]
) -> Verdict | tuple[Gold, ...]:
    """What becomes of an answer that is equal to no gold answer, as far as can be told here."""
    reason = is_too_complex(answer) if undecided else ""
    if reason:
        return Verdict.incorrect(NAME, "too_complex", f"{reason}: {_shorten(answer, _SHOWN_CHARS)}")
    if (concluded := _concluded(options, golds, answer)) is not None:
        return _correct(options, answer, concluded)
    if is_prose(answer) or (undecided and is_derivation(answer)):
        return Verdict.incorrect(NAME, "verbose_answer", _verbose(answer))
    if undecided and is_unreadable(answer) and all(gold.kind is GoldKind.NUMBER for gold in undecided):
        # An algebra system would take a part of it for the number.
        return Verdict.incorrect(NAME, "unparseable_answer", _shown(answer, "!=", undecided[0]))
    undecided = [gold for gold in undecided if can_ask_algebra(gold, answer)]
    if not undecided:
        return Verdict.incorrect(NAME, "not_equal", _shown(answer, "!=", golds[0]))
    return tuple(undecided)


def _concluded(options: MathOptions, golds: tuple[Gold, ...], answer: str) -> Gold | None:
    """The gold answer with which a sentence or derivation ends, where such are taken."""
    if not options.take_conclusion or not (is_prose(answer) or not is_read(answer)):
        return None
    value = normalise(conclusion(answer))
    return next((gold for gold in golds if decide(gold, value, options.policy)), None) if value else None


def _correct(options: MathOptions, answer: str, gold: Gold) -> Verdict:
    if options.policy.simplest_form and answer != gold.normal and not is_simplest(answer):
        return Verdict.incorrect(NAME, "not_simplest", _shown(answer, "=", gold))
    return Verdict.correct(NAME, EQUAL, _shown(answer, "=", gold))


@functools.lru_cache(_KEPT)
def _in_one_spelling(marked: tuple[str, ...]) -> tuple[str, ...] | None:
    """Marked answers without those that say nothing; None where they are too long to be read."""
    texts = [peel(text.strip()) for text in marked]
    if sum(map(len, texts)) > MAX_ANSWER_CHARS:
        return None
    return tuple(filter(None, dict.fromkeys(normalise(text) for text in texts)))


@functools.lru_cache(_KEPT)
def _read_at_once(answers: tuple[str, ...]) -> tuple[Gold, ...]:
    """Gold answers, where that takes no algebra system and nothing is wrong with them; else none."""
    golds = [read_gold(answer) for answer in answers if len(answer) <= MAX_ANSWER_CHARS]
    found = tuple(gold for gold in golds if gold is not None and _is_understood(gold))
    return found if len(found) == len(answers) else ()


def _is_understood(gold: Gold) -> bool:
    """Whether answers can be compared with it without asking whether an algebra system reads it."""
    if gold.kind is not GoldKind.EXPRESSION or gold.quantity is not None:
        return True
    return has_form(gold.normal) or is_read(gold.normal)


def _may_be_parted(gold: str, answers: tuple[str, ...]) -> bool:
    """Whether several boxes may together be a reference that is no list: choices, or coordinates by their names."""
    if gold.isalpha() and gold.isupper() and len(gold) == len(answers):
        return True
    names = {sides_of(answer)[0] for answer in answers}
    return "" not in names and len(names) == len(answers)


def _is_among(formulas: dict[str, None], candidates: set[str]) -> bool:
    """Whether one of some answers is one of these formulas, but for the way in which it is written."""
    if not formulas.keys().isdisjoint(candidates):
        return True
    return any(_is_same(formula, answer) for formula in formulas for answer in candidates)


_is_same = functools.lru_cache(_KEPT)(is_same_formula)
"""A prompt asks for one formula, and its completions give few answers."""


def _worked_out(text: str, *, is_question: bool = True) -> dict[str, None]:
    """The formulas that a text tells to work out, in one spelling; a number only where it is to be rewritten."""
    found = (
        (normalise(asked.formula).rstrip("=? "), asked.is_rewrite)
        for asked in asked_formulas(text, is_question=is_question)
    )
    return {formula: None for formula, is_rewrite in found if is_rewrite or read_number(formula) is None}


def _shown(answer: str, sign: str, gold: Gold) -> str:
    return f"{_shorten(answer, _SHOWN_CHARS)} {sign} {_shorten(gold.normal, _SHOWN_CHARS)}"


def _verbose(answer: str) -> str:
    return f"give the answer alone: {_shorten(answer, _SHOWN_CHARS)}"


def _shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def _read_options(options: Options) -> MathOptions:
    for name in options:
        if name not in _KNOWN:
            raise UnknownNameError("option of the verifier math", name, _KNOWN)
    given = {name: read(name, options[name]) for name, read in _READERS.items() if name in options}
    policy = {name: given.pop(name) for name in _OF_POLICY if name in given}
    return MathOptions(**given, policy=Policy(**policy))  # type: ignore[arg-type]


def _seconds(_: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MAX_BUDGET_S:
        raise InvalidRequestError(f"option cpu_budget_s of math is {value!r}; give seconds from 0 to {_MAX_BUDGET_S:g}")
    return float(value)


def _part(_: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise InvalidRequestError(
            f"option tolerance of math is {value!r}; give a part of the gold number, such as 0.01"
        )
    return float(value)


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequestError(f"option {name} of math is {value!r}; give true or false")
    return value


Choice = TypeVar("Choice", bound=Enum)


def _choice(kind: type[Choice]) -> Callable[[str, object], Choice]:
    def read(name: str, value: object) -> Choice:
        known = [one.value for one in kind]
        if value not in known:
            raise InvalidRequestError(f"option {name} of math is {value!r}; give one of {', '.join(known)}")
        return kind(value)

    return read


_OF_POLICY: Mapping[str, Callable[[str, object], object]] = {
    "names": _choice(Need),
    "order": _choice(Order),
    "percent": _choice(Percent),
    "rounding": _flag,
    "simplest_form": _flag,
    "units": _choice(Need),
}
_READERS: Mapping[str, Callable[[str, object], object]] = {
    "accept_phrase": _flag,
    "cpu_budget_s": _seconds,
    "look_in_reasoning": _flag,
    "take_conclusion": _flag,
    "tolerance": _part,
    **_OF_POLICY,
}
_KNOWN = tuple(sorted(_READERS))
