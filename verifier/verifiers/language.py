"""The share of target-language words in the reasoning: the language consistency reward of DeepSeek-R1.

The target is the group's ``language``; where it names none, the language of the prompt; where that has too few words
to tell, the language that the reasoning itself is mostly written in, and the detail says ``inferred``. Words are
counted in the worker pool, so that a long completion never holds the event loop.

Options:
    part: ``reasoning`` (default: all that stands before the answer, and the whole completion where it has no
        reasoning tags), ``answer`` or ``all``.
    threshold: below this share the score is 0 and the verdict INCORRECT; at or above it CORRECT with the share. Without
        it the score is the share, and a half or more is CORRECT.
    candidates: languages that words of one script are told apart into, such as ``["en", "fr"]``.
    detector: ``py3langid`` (default) or ``langdetect``, for words of a script that several candidates share. In
        ``benchmarks/language.py`` py3langid makes less than half the error in less than a thirtieth of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import TypeVar

from verifier.errors import (
    InvalidRequestError,
    UnknownNameError,
    UnscorableError,
    WorkerCrashedError,
    WorkerTimeoutError,
)
from verifier.text.detect import DETECTORS
from verifier.text.language_share import DEFAULT_DETECTOR
from verifier.text.languages import SCRIPTS_OF, language_code
from verifier.text.scripts import UNITS_PER_WORD
from verifier.text.think import opens_reasoning, split_reasoning
from verifier.types import Group, Verdict
from verifier.verifiers.base import GroupJudge, Options, Tools
from verifier.verifiers.once import Once
from verifier.workers import Json, WorkerPool

NAME = "language"
TASK = "language"

LANGUAGE_TASKS: Mapping[str, str] = MappingProxyType({TASK: "verifier.text.language_share:measure"})
"""What the worker pool runs for this verifier."""

OPTIONS = ("part", "threshold", "candidates", "detector")
PARTS = ("reasoning", "answer", "all")

_MAX_BYTES = 2 << 20
_PROMPT_CHARS = 10_000
_CPU_BUDGET_S = 60.0
_DIGITS = 6
_HALF = Fraction(1, 2)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageOptions:
    """The options, checked.

    Args:
        part: what is counted.
        threshold: the least share that is CORRECT; None for a half, with the share as score on both sides.
        candidates: codes; empty takes the default ones.
        detector: name of a detector.
    """

    part: str = "reasoning"
    threshold: Fraction | None = None
    candidates: tuple[str, ...] = ()
    detector: str = DEFAULT_DETECTOR


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageVerifier:
    """Judges by the share of words."""

    options: LanguageOptions
    workers: WorkerPool

    async def open_group(self, group: Group) -> GroupJudge:
        """Finds the target language.

        Raises:
            UnscorableError: the group names a language that we do not know.
            InfrastructureError: the prompt could not be read.
        """
        language = await self._target(group)
        return _LanguageJudge(
            options=self.options,
            workers=self.workers,
            language=language,
            is_opened=opens_reasoning(group.prompt),
            shares=Once(),
        )

    async def _target(self, group: Group) -> str:
        """Code of the target; empty where each reasoning must tell it."""
        if group.language.strip():
            code = language_code(group.language)
            if code is None:
                known = ", ".join(sorted(SCRIPTS_OF))
                detail = (
                    f"language: {group.language[:40]!r} is no language we can tell; give an ISO 639-1 code: {known}"
                )
                raise UnscorableError("unknown_language", detail)
            return code
        if not group.prompt.strip():
            return ""
        request: dict[str, Json] = {"text": group.prompt[-_PROMPT_CHARS:], "name_only": True}
        try:
            said = await self.workers.call_with_retry(TASK, request, cpu_budget_s=_CPU_BUDGET_S)
        except WorkerTimeoutError as error:
            raise UnscorableError("unreadable_prompt", "prompt: takes too long to read; give language") from error
        except WorkerCrashedError as crash:
            if not crash.is_own_doing:
                raise
            raise UnscorableError("unreadable_prompt", "prompt: brings the judge down; give language") from crash
        return _field(said, "language", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class _LanguageJudge:
    options: LanguageOptions
    workers: WorkerPool
    language: str
    is_opened: bool
    shares: Once[str, Verdict]

    async def verify(self, completion: str) -> Verdict:
        text = _part(completion, self.options.part, is_opened=self.is_opened)
        if len(text.encode("utf-8", "surrogatepass")) > _MAX_BYTES:
            return Verdict.incorrect(NAME, "too_long", f"over {_MAX_BYTES} bytes to count")
        return await self.shares.get(text, lambda: self._judge(text))

    async def _judge(self, text: str) -> Verdict:
        request = {
            "text": text,
            "language": self.language,
            "candidates": list(self.options.candidates),
            "detector": self.options.detector,
        }
        try:
            said = await self.workers.call_with_retry(TASK, request, cpu_budget_s=_CPU_BUDGET_S)
        except WorkerTimeoutError:
            return Verdict.incorrect(NAME, "too_complex", "counting its words takes too long")
        except WorkerCrashedError as crash:
            if not crash.is_own_doing:
                raise
            return Verdict.incorrect(NAME, "crashes_judge", "counting its words brings the judge down")
        language = _field(said, "language", str)
        if language and not _field(said, "is_known", bool):
            detail = f"language: the detector {self.options.detector} does not know {language!r}; take another detector"
            raise UnscorableError("unknown_language", detail)
        total = _field(said, "total", int)
        if not total:
            return Verdict.incorrect(NAME, "no_words", "nothing but code, formulas or signs")
        shown = language if self.language else f"{language} (inferred)"
        return self._verdict(Fraction(_field(said, "target", int), total), total, shown)

    def _verdict(self, share: Fraction, total: int, language: str) -> Verdict:
        detail = f"{language} {_thousandths(share)} of {round(Fraction(total, UNITS_PER_WORD))} words"
        score = round(float(share), _DIGITS)
        threshold = self.options.threshold
        if threshold is None:
            if share >= _HALF:
                return Verdict.correct(NAME, "consistent", detail, score=score)
            return Verdict.incorrect(NAME, "mixed", detail, score=score)
        if share >= threshold:
            return Verdict.correct(NAME, "consistent", detail, score=score)
        return Verdict.incorrect(NAME, "below_threshold", detail)


def language_verifier(options: Options, tools: Tools) -> LanguageVerifier:
    """Makes the verifier.

    Raises:
        UnknownNameError: an option, part, detector or candidate that does not exist.
        InvalidRequestError: an option with a value it cannot take.
    """
    for option in options:
        if option not in OPTIONS:
            raise UnknownNameError("option", option, OPTIONS)
    return LanguageVerifier(
        options=LanguageOptions(
            part=_choice("part", options.get("part", "reasoning"), PARTS),
            threshold=_threshold(options.get("threshold")),
            candidates=_candidates(options.get("candidates", ())),
            detector=_choice("detector", options.get("detector", DEFAULT_DETECTOR), tuple(DETECTORS)),
        ),
        workers=tools.workers,
    )


def _part(completion: str, part: str, *, is_opened: bool) -> str:
    """The text to count. What stands before the opening tag is reasoning too: nothing is left out of both parts."""
    if part == "all":
        return completion
    parts = split_reasoning(completion, is_opened=is_opened)
    if part == "answer":
        return parts.answer or ""
    if parts.reasoning is None or parts.answer is None:
        return completion
    return completion[: len(completion) - len(parts.answer)]


def _thousandths(share: Fraction) -> str:
    """Three digits, cut and never rounded up, so that only a whole share reads 1.000."""
    digits = share.numerator * 1000 // share.denominator
    return f"{digits // 1000}.{digits % 1000:03d}"


def _field(said: object, name: str, kind: type[_T]) -> _T:
    value = said.get(name) if isinstance(said, dict) else None
    if not isinstance(value, kind):
        raise TypeError(f"the task {TASK} answered {said!r}, without {name}")
    return value


def _choice(option: str, value: object, known: tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise InvalidRequestError(f"language: option {option} is {value!r}; give one of {', '.join(known)}")
    if value not in known:
        raise UnknownNameError(option, value, known)
    return value


def _threshold(value: object) -> Fraction | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InvalidRequestError(f"language: option threshold is {value!r}; give a share above 0 and up to 1")
    return Fraction(str(value))  # 0.9 as it is written, not its nearest binary fraction


def _candidates(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise InvalidRequestError(f'language: option candidates is {value!r}; give a list such as ["en", "fr"]')
    codes = []
    for name in value:
        code = language_code(name) if isinstance(name, str) else None
        if code is None:
            raise UnknownNameError("language in the option candidates", str(name), tuple(SCRIPTS_OF))
        codes.append(code)
    return tuple(dict.fromkeys(codes))
