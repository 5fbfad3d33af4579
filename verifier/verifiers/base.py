"""What a verifier is: two small protocols, and the tools it is given.

A verifier opens a group once (the reference is read and checked there) and then judges each completion of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from verifier.generative.chat import Connections
from verifier.sandbox.base import Sandbox
from verifier.types import Group, Verdict
from verifier.workers import WorkerPool

Options = Mapping[str, object]
"""A verifier's own options, as a recipe gives them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What verifiers work with; opened and closed by ``verifier.bootstrap``."""

    workers: WorkerPool
    sandbox: Sandbox
    connections: Connections = field(default_factory=Connections)


class GroupJudge(Protocol):
    """Judges completions of one group; calls may run at once, and equal work is done once."""

    async def verify(self, completion: str) -> Verdict:
        """The verdict on one completion.

        A wrong, malformed, hostile or too hard completion is INCORRECT, never an exception.

        Raises:
            InfrastructureError: we could not judge, also not on a retry.
        """
        ...


class Verifier(Protocol):
    """One way of judging, with its options fixed; shared by all groups."""

    async def open_group(self, group: Group) -> GroupJudge:
        """Reads and checks what the group asks for.

        Raises:
            UnscorableError: the task is at fault; decided from the task alone, never from a completion.
            InfrastructureError: we could not read the reference.
        """
        ...


class InstantJudge(GroupJudge, Protocol):
    """A judge that often needs no waiting."""

    def at_once(self, completion: str) -> Verdict | None:
        """What ``verify`` would say, where that takes some microseconds and no waiting; None asks for ``verify``."""
        ...


@runtime_checkable
class InstantVerifier(Verifier, Protocol):
    """A verifier that often needs no waiting, which spares most completions a task of the event loop."""

    def open_at_once(self, group: Group) -> InstantJudge | None:
        """What ``open_group`` would give, where that takes no waiting; None asks for ``open_group``."""
        ...


class VerifierFactory(Protocol):
    """Makes a verifier; an entry of the table in ``verifier.verifiers``."""

    def __call__(self, options: Options, tools: Tools) -> Verifier:
        """Checks the options and makes the verifier; does no I/O.

        Raises:
            UnknownNameError: an option that the verifier does not have.
            InvalidRequestError: an option with a value it cannot take.
        """
        ...
