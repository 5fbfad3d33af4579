"""What a bridge is: scripts of tests in one language, run in another process than the program they test."""

from __future__ import annotations

from enum import IntEnum
from typing import Protocol

from verifier.sandbox.base import Program
from verifier.types import CodeReference

CALLS = 3
"""The descriptor on which a tester asks and a solution answers: one end of a socket pair in each."""


class TesterExit(IntEnum):
    """How a tester ends, and so what it found; what it printed says nothing."""

    __test__ = False  # pytest collects classes by this prefix

    PASSED = 0
    """Every test passed, and the solution was called."""
    FAILED = 1
    """A test did not pass."""
    RAISED = 2
    """The solution raised, panicked or threw in a call, and the test did not expect it."""
    GONE = 3
    """The solution's process ended, or sent what is no answer."""
    VACUOUS = 4
    """The script ended without a call of the solution."""
    BROKEN = 5
    """The script uses what does not exist here (a name, a module, a value that cannot be sent): the task's fault."""


class Bridge(Protocol):
    """Makes the two programs of a ``PairRun`` in one language. They share no source and no symbol."""

    def tester(self, reference: CodeReference) -> Program:
        """The script, with a stub of the entry point that asks descriptor ``CALLS``. Asked first.

        Raises:
            UnscorableError: the reference lacks what a stub needs, or holds what cannot cross.
        """
        ...

    def solution(self, reference: CodeReference, program: str) -> Program:
        """The program, with a server that answers calls on descriptor ``CALLS``.

        What is wrong with the program shows when it is compiled or run, never here.
        """
        ...
