"""Judges what is not known yet, and answers the rest from a verdict store."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from verifier.engines.base import Engine
from verifier.engines.store import VerdictStore, group_keys
from verifier.types import EngineInfo, Group, GroupResult, Scored
from verifier.wire.unicode import well_formed_group

_LOGGER = logging.getLogger(__name__)


class StoredEngine:
    """An ``Engine`` that asks another for what a store does not know; for one event loop.

    A store that breaks costs no answer: it is told once, and all is judged from there on.

    Args:
        engine: judges; closed with this one.
        store: of verdicts; closed by the caller.
        info: of the engine.
        max_completions: a larger group goes to the engine as it is, which may refuse it.
    """

    def __init__(self, engine: Engine, store: VerdictStore, info: EngineInfo, *, max_completions: int) -> None:
        self._engine = engine
        self._store: VerdictStore | None = store
        self._info = info
        self._max_completions = max_completions
        self._found = 0

    @property
    def found(self) -> int:
        """Completions that were answered from the store."""
        return self._found

    async def verify(self, group: Group) -> GroupResult:
        """Judges one group; see ``Engine``."""
        group = well_formed_group(group)
        keys = self._keys(group)
        known = self._known(keys)
        if keys and len(known) == len(set(keys)):
            return self._answer(group, keys, known)
        if not known:
            result = await self._engine.verify(group)
            self._keep(keys, result)
            return result
        missing = [place for place, key in enumerate(keys) if key not in known]
        part = replace(group, completions=tuple(group.completions[place] for place in missing))
        result = await self._engine.verify(part)
        asked = [keys[place] for place in missing]
        self._keep(asked, result)
        self._found += len(keys) - len(asked)
        given = iter(result.scores)
        return GroupResult(id=group.id, scores=tuple(known[key] if key in known else next(given) for key in keys))

    def at_once(self, group: Group, *, is_well_formed: bool = False) -> GroupResult | None:
        """The result, where all of it is known or needs no waiting; see ``Engine``."""
        group = group if is_well_formed else well_formed_group(group)
        keys = self._keys(group)
        known = self._known(keys)
        if keys and len(known) == len(set(keys)):
            return self._answer(group, keys, known)
        result = self._engine.at_once(group, is_well_formed=True)
        if result is not None:
            self._keep(keys, result)
        return result

    async def info(self) -> EngineInfo:
        """What the engine is made of."""
        return self._info

    async def aclose(self) -> None:
        """Closes the engine, and writes what is pending."""
        await self._engine.aclose()
        if self._store is not None:
            try:
                self._store.flush()
            except OSError as error:
                self._give_up(error)
        self._store = None

    def _keys(self, group: Group) -> tuple[bytes, ...]:
        if self._store is None or len(group.completions) > self._max_completions:
            return ()
        return group_keys(self._info.config_hash, group, default_recipe=self._info.default_recipe)

    def _known(self, keys: Sequence[bytes]) -> Mapping[bytes, Scored]:
        if self._store is None or not keys:
            return {}
        try:
            return self._store.find_whole(keys)
        except OSError as error:
            self._give_up(error)
            return {}

    def _answer(self, group: Group, keys: Sequence[bytes], known: Mapping[bytes, Scored]) -> GroupResult:
        self._found += len(keys)
        return GroupResult(id=group.id, scores=tuple(known[key] for key in keys))

    def _keep(self, keys: Sequence[bytes], result: GroupResult) -> None:
        if self._store is None or not keys:
            return
        try:
            self._store.add(zip(keys, result.scores, strict=True))
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._store = None
        _LOGGER.warning("%s; all is judged from here on, and nothing is kept", error)
