"""The one interface of judging, in this process or over the wire."""

from __future__ import annotations

from typing import Protocol

from verifier.types import EngineInfo, Group, GroupResult


class Engine(Protocol):
    """Judges groups of completions; ``LocalEngine`` and ``RemoteEngine`` pass the same tests."""

    async def verify(self, group: Group) -> GroupResult:
        """Judges one group; many may be in flight at once.

        What cannot be judged is a verdict UNSCORABLE or FAILED in the result, never an exception and never a
        reward.

        Raises:
            OverloadedError: the queue is full; nothing of the group was judged.
            InvalidRequestError: the group as a whole breaks a rule of the interface (too many completions).
            ServerUnavailableError: the server cannot be reached.
        """
        ...

    def at_once(self, group: Group, *, is_well_formed: bool = False) -> GroupResult | None:
        """What ``verify`` would give, where all of it takes microseconds and no waiting; None asks for ``verify``.

        For callers that judge very many groups: it spares each of them its tasks.

        Args:
            group: to judge.
            is_well_formed: whether its texts are known to be, as those are that came as UTF-8.
        """
        ...

    async def info(self) -> EngineInfo:
        """What this engine is made of."""
        ...

    async def aclose(self) -> None:
        """Stops all work and frees every process; may be called twice."""
        ...
