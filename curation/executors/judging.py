"""Verdicts for the live samples of a shard: many groups in flight, bounded by count and bytes, results in row order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.errors import AccountingError, EngineStoppedError
from curation.rows import VERDICT, BadReference, reference_from_columns
from curation.steps.views import Views
from verifier.engines.base import Engine
from verifier.engines.store import Verdicts, group_keys
from verifier.errors import InvalidRequestError, OverloadedError, ServerUnavailableError
from verifier.formats import Task, as_answer
from verifier.types import Group, MathReference, Outcome, Scored, Verdict

VERDICTS = pl.Schema([("reward", pl.Float64()), ("verdicts", pl.List(VERDICT))])
"""One row a sample; both null where it was not judged."""

Mask = npt.NDArray[np.bool_]

_OF_GROUPS = ("group_id", "domain", "language", "prompt", "answers", "tests")
_GROUP_COMPLETIONS = 64
_GROUP_BYTES = 2 << 20
_LOOKED_UP = 2_048
"""Completions that the store is asked about at once."""
_KEPT_VERDICTS = 4_096
_NO_TEXT = memoryview(b"")
_GONE = ("server_unavailable", "engine_closed")
_PATIENCE_S = 600.0
_RECONNECT_S = (0.5, 2.0)


def nobody(_: object) -> None:
    """Is told what nobody asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What may be in flight at once."""

    completions: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A group, or some completions of one, with the places of its completions in the shard.

    Args:
        size: bytes of its completions.
        encoded: its completions in UTF-8, where all its texts came as that; empty where some were made here.
        keys: of its completions in the store; empty without one.
    """

    group: Group
    places: tuple[int, ...]
    size: int
    encoded: tuple[memoryview, ...] = ()
    keys: tuple[bytes, ...] = ()

    def without(self, known: Container[bytes]) -> Request | None:
        """What is left to be asked where some is known; None where all of it is."""
        left = [number for number, key in enumerate(self.keys) if key not in known]
        if len(left) == len(self.keys):
            return self
        if not left:
            return None
        completions = tuple(self.group.completions[number] for number in left)
        return Request(
            group=replace(self.group, completions=completions),
            places=tuple(self.places[number] for number in left),
            size=sum(len(text.encode()) for text in completions),
            encoded=tuple(self.encoded[number] for number in left) if self.encoded else (),
            keys=tuple(self.keys[number] for number in left),
        )


class Gate:
    """Lets requests in while they fit the bounds; one that never fits goes alone."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._completions = 0
        self._bytes = 0
        self._changed = asyncio.Condition()

    async def enter(self, request: Request) -> None:
        """Waits until the request fits."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._fits(request))
            self._completions += len(request.places)
            self._bytes += request.size

    async def leave(self, request: Request) -> None:
        """Makes room again."""
        async with self._changed:
            self._completions -= len(request.places)
            self._bytes -= request.size
            self._changed.notify_all()

    def _fits(self, request: Request) -> bool:
        return self._completions == 0 or (
            self._completions + len(request.places) <= self._bounds.completions
            and self._bytes + request.size <= self._bounds.bytes
        )


def requests_of(samples: pl.DataFrame, *, first_place: int, recipe: str) -> Iterator[Request | tuple[int, Scored]]:
    """What to ask of the engine for these samples; a sample whose reference is bad comes with its verdict.

    Neighbouring samples of one group go together, up to a bound that any server takes.

    Args:
        samples: live samples, columns of ``rows.SAMPLES`` and ``place`` (their number in the frame).
        first_place: number of the frame's first sample in the shard.
        recipe: name of the verifier's recipe.
    """
    groups, texts, places = samples["group_key"].to_list(), samples["completion"].to_list(), samples["place"].to_list()
    views = Views(samples["completion"])
    encoded, sizes = list(views), views.sizes.tolist()
    starts = list(_starts(groups, sizes))
    heads = samples.select(pl.col(_OF_GROUPS).gather(starts)).rows()
    for (start, stop), head in zip(pairwise([*starts, len(groups)]), heads, strict=True):
        yield from _request(
            head,
            tuple(first_place + place for place in places[start:stop]),
            tuple(text or "" for text in texts[start:stop]),
            tuple(text or _NO_TEXT for text in encoded[start:stop]),
            size=sum(sizes[start:stop]),
            recipe=recipe,
        )


def _starts(groups: Sequence[str], sizes: Sequence[int]) -> Iterator[int]:
    """Where each request begins."""
    count = held = 0
    for number, (group, size) in enumerate(zip(groups, sizes, strict=True)):
        is_full = count >= _GROUP_COMPLETIONS or held + size > _GROUP_BYTES
        if not count or group != groups[number - 1] or is_full:
            yield number
            count = held = 0
        count, held = count + 1, held + size


def _request(
    head: tuple[Any, ...],
    places: tuple[int, ...],
    completions: tuple[str, ...],
    encoded: tuple[memoryview, ...],
    *,
    size: int,
    recipe: str,
) -> Iterator[Request | tuple[int, Scored]]:
    group_id, domain, language, prompt, answers, tests = head
    reference = reference_from_columns(answers, tests, domain or "")
    if isinstance(reference, BadReference):
        verdict = Verdict.unscorable("reference", reference.reason, reference.detail)
        yield from ((place, Scored(reward=None, verdicts=(verdict,))) for place in places)
        return
    if isinstance(reference, Task):
        stub, reference = reference.stub, reference.reference
        completions = tuple(as_answer(text, language=reference.language, stub=stub) for text in completions)
    group = Group(
        id=group_id or "",
        prompt=prompt or "",
        completions=completions,
        reference=reference,
        language=language or "",
        recipe=recipe,
    )
    # What was read from JSON may hold halves of UTF-16 pairs.
    is_as_it_came = reference is None or (isinstance(reference, MathReference) and tests is None)
    yield Request(group=group, places=places, size=size, encoded=encoded if is_as_it_came else ())


def _batches(
    requests: Iterable[Request | tuple[int, Scored]], completions: int
) -> Iterator[list[Request | tuple[int, Scored]]]:
    """The requests in lists of about so many completions."""
    batch: list[Request | tuple[int, Scored]] = []
    size = 0
    for one in requests:
        batch.append(one)
        size += len(one.places) if isinstance(one, Request) else 1
        if size >= completions:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Instant:
    """Verdicts that the store knows or that need no waiting.

    Args:
        engine: that judges.
        recipe: name of the verifier's recipe.
        store: of verdicts that are known; None asks for all.
        config_hash: of the engine, for the store's keys.
        recalled: called with the places of the completions that the store knew.
        advance: called with the number of completions just judged.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        recipe: str,
        store: Verdicts | None = None,
        config_hash: str = "",
        recalled: Callable[[Sequence[int]], None] = nobody,
        advance: Callable[[int], None] = nobody,
    ) -> None:
        self._engine = engine
        self._recipe = recipe
        self._store = store
        self._config_hash = config_hash
        self._recalled = recalled
        self._advance = advance

    def at_once(self, samples: pl.DataFrame, wanted: Mask, *, first_place: int) -> dict[int, Scored]:
        """Place in the shard -> verdicts, for those of the samples that are wanted of which there are any.

        Args:
            samples: a frame of the shard.
            wanted: which of them to judge.
            first_place: number of the frame's first sample in the shard.
        """
        found: dict[int, Scored] = {}
        for request in self._requests(samples, wanted, first_place):
            if isinstance(request, tuple):
                found[request[0]] = request[1]
            # What failed is asked about once more, when all else is done.
            elif (scores := self._scores(request)) is not None and not any(map(_is_failed, scores)):
                self._keep(request, scores, found)
        return found

    def _requests(
        self, samples: pl.DataFrame, wanted: Mask, first_place: int
    ) -> Iterator[Request | tuple[int, Scored]]:
        live = samples.with_row_index("place").filter(pl.Series(wanted))
        requests = requests_of(live, first_place=first_place, recipe=self._recipe)
        return requests if self._store is None else self._unknown(requests, self._store)

    def _unknown(
        self, requests: Iterable[Request | tuple[int, Scored]], store: Verdicts
    ) -> Iterator[Request | tuple[int, Scored]]:
        """What the store knows in the place of the requests for it."""
        for batch in _batches(requests, _LOOKED_UP):
            keyed = [
                one
                if isinstance(one, tuple)
                else replace(one, keys=group_keys(self._config_hash, one.group, encoded=one.encoded))
                for one in batch
            ]
            known = store.find([key for one in keyed if isinstance(one, Request) for key in one.keys])
            for one in keyed:
                if isinstance(one, tuple):
                    yield one
                    continue
                left = one.without(known)
                if left is not one:
                    pairs = zip(one.places, one.keys, strict=True)
                    recalled = {place: known[key] for place, key in pairs if key in known}
                    self._recalled(tuple(recalled))
                    yield from recalled.items()
                if left is not None:
                    yield left

    def _scores(self, request: Request) -> Sequence[Scored] | None:
        """Those that need no waiting."""
        result = self._engine.at_once(request.group, is_well_formed=bool(request.encoded))
        return None if result is None else result.scores

    def _keep(self, request: Request, scores: Sequence[Scored], found: dict[int, Scored]) -> None:
        if len(scores) != len(request.places):
            raise AccountingError(
                f"group {request.group.id}: {len(request.places)} completions to the engine, {len(scores)} back"
            )
        if self._store is not None:
            self._store.add(zip(request.keys, scores, strict=True))
        found.update(zip(request.places, map(_slim, scores), strict=True))
        self._advance(len(scores))


class Judge(Instant):
    """Verdicts of one shard.

    Args:
        engine: that judges.
        bounds: of what is in flight.
        options: those of ``Instant``.
    """

    def __init__(self, engine: Engine, *, bounds: Bounds, **options: Any) -> None:  # noqa: ANN401 - see Instant
        super().__init__(engine, **options)
        self._gate = Gate(bounds)

    async def verdicts(self, frames: Callable[[], Iterable[pl.DataFrame]], wanted: Mask) -> dict[int, Scored]:
        """Place in the shard -> verdicts, for the samples that are wanted.

        Args:
            frames: gives the samples of the whole shard.
            wanted: which of them to judge.

        Raises:
            EngineStoppedError: the engine went away.
        """
        found: dict[int, Scored] = {}
        try:
            async with asyncio.TaskGroup() as tasks:
                async for request in self._all_requests(frames, wanted):
                    if isinstance(request, tuple):
                        found[request[0]] = request[1]
                        self._advance(1)
                        continue
                    scores = self._scores(request)
                    if scores is not None:
                        self._keep(request, scores, found)
                        continue
                    await self._gate.enter(request)
                    tasks.create_task(self._judge(request, found))
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        return found

    async def _all_requests(
        self, frames: Callable[[], Iterable[pl.DataFrame]], wanted: Mask
    ) -> AsyncIterator[Request | tuple[int, Scored]]:
        first_place = 0
        async for frame in frames_ahead(frames()):
            for request in self._requests(frame, wanted[first_place : first_place + frame.height], first_place):
                yield request
            first_place += frame.height

    async def _judge(self, request: Request, found: dict[int, Scored]) -> None:
        try:
            scores = await self._ask(request.group)
        finally:
            await self._gate.leave(request)
        self._keep(request, scores, found)

    async def _ask(self, group: Group) -> Sequence[Scored]:
        waited_s = 0.0
        reconnects = iter(_RECONNECT_S)
        while True:
            try:
                scores = (await self._engine.verify(group)).scores
            except OverloadedError as error:
                if waited_s > _PATIENCE_S:
                    raise EngineStoppedError(f"the verifier was full for {_PATIENCE_S:.0f} s: {error}") from error
                pause_s = max(0.05, error.retry_after_s)
            except ServerUnavailableError as error:
                pause_s = next(reconnects, 0.0)
                if not pause_s:
                    raise EngineStoppedError(f"the verifier went away: {error}") from error
            except InvalidRequestError as error:
                # Only this group is refused; ours to look into, and never the completion's fault.
                verdict = Verdict.failed("engine", "invalid_request", str(error))
                return [Scored(reward=None, verdicts=(verdict,))] * len(group.completions)
            else:
                _refuse_if_gone(scores)
                return scores
            waited_s += pause_s
            await asyncio.sleep(pause_s)


async def frames_ahead(frames: Iterable[pl.DataFrame]) -> AsyncIterator[pl.DataFrame]:
    """The frames, the next of which is read in a thread while one is judged, which may leave the loop no turn."""
    loop, iterator = asyncio.get_running_loop(), iter(frames)

    def read() -> asyncio.Future[pl.DataFrame | None]:
        reading = loop.run_in_executor(None, next, iterator, None)
        # Where judging has failed meanwhile, nobody asks for the frame any more.
        reading.add_done_callback(lambda done: done.cancelled() or done.exception())
        return reading

    reading = read()
    while (frame := await reading) is not None:
        reading = read()
        yield frame


def _refuse_if_gone(scores: Sequence[Scored]) -> None:
    """Stops the run where the client gave a group up because no server answered.

    Every later group would end the same way, after as long a wait.
    """
    for scored in scores:
        for verdict in scored.verdicts:
            if verdict.outcome is Outcome.FAILED and verdict.reason in _GONE:
                raise EngineStoppedError(f"the verifier went away ({verdict.reason}): {verdict.detail}")


def _is_failed(scored: Scored) -> bool:
    return any(verdict.outcome is Outcome.FAILED for verdict in scored.verdicts)


def _slim(scored: Scored) -> Scored:
    """Without what is not written: details are long, and a shard has many."""
    if not any(verdict.detail or verdict.tests for verdict in scored.verdicts):
        return scored
    return Scored(reward=scored.reward, verdicts=tuple(map(_without_detail, scored.verdicts)))


@lru_cache(_KEPT_VERDICTS)
def _bare(verifier: str, outcome: Outcome, score: float | None, reason: str) -> Verdict:
    """One object for equal verdicts, of which a shard has few."""
    return Verdict(verifier=verifier, outcome=outcome, score=score, reason=reason)


def _without_detail(verdict: Verdict) -> Verdict:
    return _bare(verdict.verifier, verdict.outcome, verdict.score, verdict.reason)


def verdict_frame(found: dict[int, Scored], samples: int) -> pl.DataFrame:
    """The verdicts as a table; columns of ``VERDICTS``, one row a sample."""
    if not found:
        return pl.select(pl.repeat(None, samples, dtype=dtype).alias(name) for name, dtype in VERDICTS.items())
    scores = [found.get(place) for place in range(samples)]
    given = [() if scored is None else scored.verdicts for scored in scores]
    flat = [verdict for verdicts in given for verdict in verdicts]
    # By columns: to build a struct for each verdict costs ten times as much.
    structs = pa.StructArray.from_arrays(
        [
            pa.array([verdict.verifier for verdict in flat], pa.large_string()),
            pa.array([verdict.outcome.value for verdict in flat], pa.large_string()),
            pa.array([verdict.score for verdict in flat], pa.float64()),
            pa.array([verdict.reason for verdict in flat], pa.large_string()),
        ],
        names=list(VERDICT.to_schema()),
    )
    offsets = np.cumsum([0, *map(len, given)], dtype=np.int64)
    is_absent = pa.array([scored is None for scored in scores], pa.bool_())
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), structs, mask=is_absent)
    rewards = pl.Series("reward", [None if scored is None else scored.reward for scored in scores], dtype=pl.Float64)
    return pl.DataFrame([rewards, pl.Series("verdicts", pl.from_arrow(lists))]).match_to_schema(VERDICTS)
