"""What a judge model says of the samples of a shard that the rules leave to it, and of those in the audit.

A second pass over the shard: the rules have judged, and only what the judge could still turn is asked about. Equal
final answers to equal questions are asked about once, and the store knows them for later runs, under a key of the
judge and not of the rules: a changed judge asks anew, and the verdicts of the rules stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version

import polars as pl

from curation.errors import EngineStoppedError
from curation.judge_spec import JudgeSpec
from curation.steps.verify import AUDIT, FORM, Verify, overruled
from verifier.engines.store import Verdicts, content_key
from verifier.errors import JudgeModelError, UnscorableError
from verifier.generative.chat import Connections
from verifier.generative.judge import JUDGE, JudgeModel
from verifier.generative.options import identity_of
from verifier.generative.references import is_prose_reference, reference_text
from verifier.types import Outcome, Scored, Verdict

_ASKED_AHEAD = 2
"""Questions in memory, in those that are in flight."""
_RIGHT = Verdict.correct(JUDGE, "judged_correct")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """A sample to be asked about.

    Args:
        place: in the shard.
        key: of what is asked.
        is_audit: the rules have decided; the verdict is only compared with theirs.
    """

    place: int
    key: bytes
    is_audit: bool
    question: str
    reference: str
    answer: str


async def second_opinions(
    frames: Callable[[], Iterable[pl.DataFrame]],
    found: Mapping[int, Scored],
    *,
    spec: JudgeSpec,
    verify: Verify,
    store: Verdicts | None,
) -> dict[int, Verdict]:
    """Place in the shard -> verdict of the judge, or of the audit.

    Args:
        frames: gives the samples of the whole shard.
        found: what the rules found.
        spec: whom to ask, and about what.
        verify: the step that decides.
        store: of verdicts that are known; None asks for all.

    Raises:
        EngineStoppedError: nobody can be asked until someone mends it.
    """
    async with aclosing(Connections()) as connections:
        asking = _Asking(found, spec, verify, JudgeModel(spec.options, connections), store)
        try:
            await asking.ask_all(frames)
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        return asking.opinions


class _Asking:
    def __init__(
        self,
        found: Mapping[int, Scored],
        spec: JudgeSpec,
        verify: Verify,
        judge: JudgeModel,
        store: Verdicts | None,
    ) -> None:
        self.opinions: dict[int, Verdict] = {}
        self._found = found
        self._spec = spec
        self._verify = verify
        self._judge = judge
        self._store = store
        self._context = f"{JUDGE} {version('assay')} {identity_of(spec.options)}"
        self._is_prose = lru_cache(1)(is_prose_reference)
        self._waiting: dict[bytes, list[_Waiting]] = {}
        self._known: dict[bytes, Verdict] = {}
        self._room = asyncio.Semaphore(_ASKED_AHEAD * judge.in_flight)

    async def ask_all(self, frames: Callable[[], Iterable[pl.DataFrame]]) -> None:
        """Reads the shard, and asks as it goes."""
        iterator = iter(frames())
        first = 0
        async with asyncio.TaskGroup() as tasks:
            while (frame := await asyncio.to_thread(next, iterator, None)) is not None:
                asked = self._questions(frame, first)
                if self._store is not None:
                    known = self._store.find(list({one.key for one in asked} - self._known.keys()))
                    self._known.update((key, scored.verdicts[0]) for key, scored in known.items())
                for one in asked:
                    await self._put(one, tasks)
                first += frame.height

    async def _put(self, one: _Question, tasks: asyncio.TaskGroup) -> None:
        if (known := self._known.get(one.key)) is not None:
            self._tell(_Waiting(one.place, one.is_audit), known)
            return
        waiting = self._waiting.setdefault(one.key, [])
        waiting.append(_Waiting(one.place, one.is_audit))
        if len(waiting) == 1:
            await self._room.acquire()
            tasks.create_task(self._answer(one))

    async def _answer(self, one: _Question) -> None:
        try:
            verdict = await self._asked(one)
        finally:
            self._room.release()
        for waiting in self._waiting.pop(one.key):
            self._tell(waiting, verdict)
        self._known[one.key] = verdict
        if self._store is not None:
            self._store.add([(one.key, Scored(reward=None, verdicts=(verdict,)))])

    async def _asked(self, one: _Question) -> Verdict:
        try:
            verdict = await self._judge.judge(question=one.question, reference=one.reference, answer=one.answer)
        except UnscorableError as error:
            return Verdict.unscorable(JUDGE, error.reason)
        except JudgeModelError as error:
            if error.is_lasting:
                raise EngineStoppedError(f"the judge model cannot be asked: {error}") from error
            return Verdict.failed(JUDGE, error.reason)
        return replace(verdict, detail="")  # not written, and a shard has many

    def _tell(self, waiting: _Waiting, verdict: Verdict) -> None:
        self.opinions[waiting.place] = replace(verdict, verifier=AUDIT) if waiting.is_audit else verdict

    def _questions(self, frame: pl.DataFrame, first: int) -> list[_Question]:
        """What to ask about the samples of a frame; what needs no asking is told at once."""
        places = [place for place in range(first, first + frame.height) if self._may_matter(place)]
        rows = frame[[place - first for place in places]].select("prompt", "answers", "completion")
        asked = (self._question(place, *row) for place, row in zip(places, rows.iter_rows(), strict=True))
        return [one for one in asked if one is not None]

    def _may_matter(self, place: int) -> bool:
        scored = self._found.get(place)
        return scored is not None and (self._spec.audit_percent > 0 or not _is_right(scored))

    def _question(self, place: int, prompt: str, answers: list[str] | None, completion: str) -> _Question | None:
        reference = reference_text(answers or ())
        if not reference:
            return None
        scored = self._found[place]
        is_left = self._spec.wants(scored, is_prose=self._is_prose(tuple(answers or ())))
        if is_left and self._verify.decide(overruled(scored, _RIGHT)).reason is not None:
            return None  # its form is wrong, and no verdict on its content could keep it
        if not is_left and (self._spec.audit_percent == 0 or not _is_decided(scored)):
            return None
        answer = self._judge.final_answer(prompt, completion)
        if isinstance(answer, Verdict):
            if is_left:
                self.opinions[place] = replace(answer, detail="")
            return None
        parts = (prompt, reference, answer)
        if not is_left and not self._spec.audits(content_key(AUDIT, parts)):
            return None
        key = content_key(self._context, parts)
        return _Question(
            place=place, key=key, is_audit=not is_left, question=prompt, reference=reference, answer=answer
        )


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A sample that waits for an answer."""

    place: int
    is_audit: bool


def _is_right(scored: Scored) -> bool:
    return all(verdict.outcome is Outcome.CORRECT for verdict in scored.verdicts)


def _is_decided(scored: Scored) -> bool:
    has_content = any(verdict.verifier not in FORM for verdict in scored.verdicts)
    return has_content and all(verdict.score is not None for verdict in scored.verdicts)
