"""Judges in this process.

A group's references are read once, equal completions are judged once, and each completion is a task of its own, so
a slow one never holds its siblings. Here is the one place where trouble becomes a verdict: ``UnscorableError`` makes
UNSCORABLE and ``InfrastructureError`` makes FAILED. Any other exception is a bug and passes, never a reward.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from verifier.engines.admission import Admission
from verifier.engines.answers import ENGINE, failed_group, unscorable_group
from verifier.errors import InfrastructureError, InvalidRequestError, UnknownNameError, UnscorableError
from verifier.recipes import ACCURACY, Recipe
from verifier.types import CodeReference, EngineInfo, Group, GroupResult, MathReference, Scored, Verdict
from verifier.verifiers.base import (
    GroupJudge,
    InstantJudge,
    InstantVerifier,
    Options,
    Tools,
    Verifier,
    VerifierFactory,
)
from verifier.wire.unicode import is_longer, size_bytes, well_formed_group

MATH = "math"
CODE = "code"
_TAIL_CHARS = 64
"""Of a completion, by which an equal one is looked for."""


def terms_of(verifiers: Mapping[str, VerifierFactory]) -> tuple[str, ...]:
    """Names that a recipe's term may have."""
    return (ACCURACY, *verifiers)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """One verifier with a group's reference read: a judge, or the verdict that holds for every completion.

    Args:
        instant: the judge again, where it often needs no waiting.
    """

    verifier: str
    judge: GroupJudge | Verdict
    instant: InstantJudge | None = None


class LocalEngine:
    """An ``Engine`` over verifiers in this process; for one event loop.

    Args:
        recipes: by name, ``default_recipe`` among them.
        default_recipe: of the groups that name none.
        verifiers: factories by name.
        tools: what the factories are given; the caller opens and closes them.
        info: what ``info`` answers.
        max_pending_completions: that are judged or wait at once.
        max_completion_bytes: the longest that is read.

    Raises:
        InvalidRequestError: a verifier refuses its options; names recipe and term.
        UnknownNameError: the default recipe does not exist.
    """

    def __init__(
        self,
        *,
        recipes: Mapping[str, Recipe],
        default_recipe: str,
        verifiers: Mapping[str, VerifierFactory],
        tools: Tools,
        info: EngineInfo,
        max_pending_completions: int = 4096,
        max_completion_bytes: int = 2 << 20,
    ) -> None:
        if default_recipe not in recipes:
            raise UnknownNameError("recipe", default_recipe, tuple(recipes))
        self._recipes = recipes
        self._default_recipe = default_recipe
        self._terms = {name: _build(recipe, verifiers, tools) for name, recipe in recipes.items()}
        self._instant = {
            name: {term: _instant(found) for term, found in terms.items()} for name, terms in self._terms.items()
        }
        self._info = info
        self._admission = Admission(max_pending_completions)
        self._max_completion_bytes = max_completion_bytes
        self._running: set[asyncio.Task[GroupResult]] = set()
        self._is_closed = False

    async def verify(self, group: Group) -> GroupResult:
        """Judges one group; see ``Engine``."""
        if self._is_closed:
            raise InvalidRequestError("the engine is closed; open a new one")
        group = well_formed_group(group)
        if len(group.completions) > self._admission.limit:
            return unscorable_group(
                group,
                "too_many_completions",
                f"a group may have {self._admission.limit} completions, not {len(group.completions)}; split it",
            )
        with self._admission.enter(len(group.completions)):
            opened = self._opened_at_once(group)
            known = [None] * len(group.completions) if opened is None else self._known_at_once(opened, group)
            if opened is not None and (result := self._complete(group, known)) is not None:
                return result
            # A task of its own, so that aclose can stop the work without cancelling the caller.
            work = asyncio.create_task(self._judge(group, opened, known))
            self._running.add(work)
            try:
                return await work
            except asyncio.CancelledError:
                if self._is_closed and not _is_cancelling():
                    return failed_group(group, ENGINE, "engine_closed", "the engine was closed; judge the group again")
                raise
            finally:
                self._running.discard(work)

    def at_once(self, group: Group, *, is_well_formed: bool = False) -> GroupResult | None:
        """The result, where no verdict needs waiting; see ``Engine``. From any thread, one at a time."""
        if self._is_closed or len(group.completions) > self._admission.limit:
            return None
        group = group if is_well_formed else well_formed_group(group)
        opened = self._opened_at_once(group)
        if opened is None:
            return None
        known = self._known_at_once(opened, group)
        return self._complete(group, known)

    async def info(self) -> EngineInfo:
        """What this engine is made of."""
        return self._info

    async def aclose(self) -> None:
        """Stops all work; groups in flight are answered FAILED."""
        self._is_closed = True
        running = tuple(self._running)
        for work in running:
            work.cancel()
        if running:
            await asyncio.wait(running)

    def _opened_at_once(self, group: Group) -> tuple[_Opened, ...] | None:
        """The terms of a group's recipe, where all of them are opened without waiting."""
        name = group.recipe or self._default_recipe
        if not group.completions or name not in self._recipes:
            return None
        opened: list[_Opened] = []
        for term in self._recipes[name].terms:
            one = _open_at_once(term.name, self._instant[name][term.name], group)
            if one is None:
                return None
            opened.append(one)
        return tuple(opened)

    def _known_at_once(self, opened: Sequence[_Opened], group: Group) -> list[tuple[Verdict, ...] | None]:
        """The verdicts on each completion, None where one of them needs waiting."""
        found: list[tuple[Verdict, ...] | None] = []
        seen: dict[tuple[int, str], tuple[str, tuple[Verdict, ...] | None]] = {}
        for completion in group.completions:
            # To hash the whole of a long text takes a tenth of what judging it takes.
            key = len(completion), completion[-_TAIL_CHARS:]
            if key not in seen or seen[key][0] != completion:
                verdicts = [self._verdict_at_once(one, completion) for one in opened]
                judged = tuple(verdict for verdict in verdicts if verdict is not None)
                seen[key] = completion, judged if len(judged) == len(opened) else None
            found.append(seen[key][1])
        return found

    def _verdict_at_once(self, opened: _Opened, completion: str) -> Verdict | None:
        if opened.instant is None:
            return None
        return self._too_long(opened.verifier, completion) or opened.instant.at_once(completion)

    async def _judge(
        self, group: Group, opened: Sequence[_Opened] | None, known: Sequence[tuple[Verdict, ...] | None]
    ) -> GroupResult:
        if not group.completions:
            return unscorable_group(group, "no_completions", "completions: give at least one text")
        name = group.recipe or self._default_recipe
        recipe = self._recipes.get(name)
        if recipe is None:
            names = ", ".join(sorted(self._recipes))
            return unscorable_group(group, "unknown_recipe", f"recipe: {name!r} is not known; known: {names}")
        if opened is None:
            terms = self._terms[name]
            async with asyncio.TaskGroup() as tasks:
                opening = [tasks.create_task(_open(term.name, terms[term.name], group)) for term in recipe.terms]
            opened = [task.result() for task in opening]
        missing = (text for text, verdicts in zip(group.completions, known, strict=True) if verdicts is None)
        async with asyncio.TaskGroup() as tasks:
            judging = {
                completion: [tasks.create_task(self._verdict(term, completion)) for term in opened]
                for completion in dict.fromkeys(missing)
            }
        judged = {completion: tuple(task.result() for task in verdicts) for completion, verdicts in judging.items()}
        found = (
            judged[completion] if verdicts is None else verdicts
            for completion, verdicts in zip(group.completions, known, strict=True)
        )
        return self._result(group, found)

    def _complete(self, group: Group, known: Sequence[tuple[Verdict, ...] | None]) -> GroupResult | None:
        """The result, where no verdict is missing."""
        judged = [verdicts for verdicts in known if verdicts is not None]
        return self._result(group, judged) if len(judged) == len(known) else None

    def _result(self, group: Group, judged: Iterable[tuple[Verdict, ...]]) -> GroupResult:
        recipe = self._recipes[group.recipe or self._default_recipe]
        return GroupResult(id=group.id, scores=tuple(_scored(recipe, verdicts) for verdicts in judged))

    def _too_long(self, verifier: str, completion: str) -> Verdict | None:
        if not is_longer(completion, self._max_completion_bytes):
            return None
        detail = f"the completion has {size_bytes(completion)} bytes; at most {self._max_completion_bytes} are read"
        return Verdict.incorrect(verifier, "too_long", detail)

    async def _verdict(self, opened: _Opened, completion: str) -> Verdict:
        # What the task alone decides comes first, so a completion cannot turn UNSCORABLE into a number.
        if isinstance(opened.judge, Verdict):
            return opened.judge
        if (too_long := self._too_long(opened.verifier, completion)) is not None:
            return too_long
        try:
            return await opened.judge.verify(completion)
        except UnscorableError as error:
            return Verdict.unscorable(opened.verifier, error.reason, error.detail)
        except InfrastructureError as error:
            return Verdict.failed(opened.verifier, error.reason, error.detail)


def _build(recipe: Recipe, verifiers: Mapping[str, VerifierFactory], tools: Tools) -> dict[str, dict[str, Verifier]]:
    """For each term the verifiers it can come to, by name."""
    return {
        term.name: {
            name: _make(name, options, verifiers, tools, where=f"recipe {recipe.name}, term {term.name}")
            for name, options in _options_of(term.name, term.options, verifiers, recipe.name).items()
        }
        for term in recipe.terms
    }


def _options_of(
    term: str, options: Options, verifiers: Mapping[str, VerifierFactory], recipe: str
) -> dict[str, Options]:
    if term != ACCURACY:
        return {term: options}
    kinds = tuple(name for name in (MATH, CODE) if name in verifiers)
    for kind, table in options.items():
        if kind not in kinds:
            raise UnknownNameError(f"table of options (recipe {recipe}, term {term})", kind, kinds)
        if not isinstance(table, Mapping):
            raise InvalidRequestError(f"recipe {recipe}, term {term}: options.{kind}: expected a table, got {table!r}")
    return {kind: _as_options(options.get(kind, {})) for kind in kinds}


def _as_options(table: object) -> Options:
    return table if isinstance(table, Mapping) else {}


def _make(
    name: str, options: Options, verifiers: Mapping[str, VerifierFactory], tools: Tools, *, where: str
) -> Verifier:
    if name not in verifiers:
        raise UnknownNameError(f"verifier ({where})", name, tuple(verifiers))
    try:
        return verifiers[name](options, tools)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{where}: {error}") from error


async def _open(term: str, verifiers: Mapping[str, Verifier], group: Group) -> _Opened:
    name = _verifier_for(group) if term == ACCURACY else term
    if name is None:
        detail = "reference: give math or code, or choose a recipe that needs none"
        return _Opened(verifier=term, judge=Verdict.unscorable(term, "no_reference", detail))
    try:
        return _Opened(verifier=name, judge=await verifiers[name].open_group(group))
    except UnscorableError as error:
        return _Opened(verifier=name, judge=Verdict.unscorable(name, error.reason, error.detail))
    except InfrastructureError as error:
        return _Opened(verifier=name, judge=Verdict.failed(name, error.reason, error.detail))


def _instant(verifiers: Mapping[str, Verifier]) -> dict[str, InstantVerifier]:
    return {name: verifier for name, verifier in verifiers.items() if isinstance(verifier, InstantVerifier)}


def _open_at_once(term: str, verifiers: Mapping[str, InstantVerifier], group: Group) -> _Opened | None:
    name = _verifier_for(group) if term == ACCURACY else term
    if name is None or name not in verifiers:
        return None
    judge = verifiers[name].open_at_once(group)
    return None if judge is None else _Opened(verifier=name, judge=judge, instant=judge)


def _verifier_for(group: Group) -> str | None:
    match group.reference:
        case None:
            return None
        case MathReference():
            return MATH
        case CodeReference():
            return CODE


def _scored(recipe: Recipe, verdicts: tuple[Verdict, ...]) -> Scored:
    return Scored(reward=recipe.reward(verdicts), verdicts=verdicts)


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
