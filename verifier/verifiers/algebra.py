"""What the algebra system in the worker processes says of pairs that are not decided in this process."""

from __future__ import annotations

from verifier.equivalence import EQUAL_TASK, PARSE_TASK
from verifier.errors import WorkerCrashedError, WorkerTimeoutError
from verifier.verifiers.once import Once
from verifier.workers import WorkerPool

_PARSE_FACTOR = 2.0
"""A gold answer gets more time than answers do: it is read once, and failing to read it costs a whole group."""
_KEPT = 16_384
EQUAL = "equal"


class Algebra:
    """Asks it under a budget of CPU time; what it said is kept for later groups, so many texts at most."""

    def __init__(self, workers: WorkerPool, cpu_budget_s: float) -> None:
        self._workers = workers
        self._budget_s = cpu_budget_s
        self._compared: Once[tuple[str, str], str] = Once(limit=_KEPT)
        self._read: Once[str, str] = Once(limit=_KEPT)

    async def compare(self, gold: str, answer: str) -> str:
        """Reason code of a verdict: ``equal``, or why not.

        Raises:
            InfrastructureError: a worker died of what was not the answer's doing, also on a retry.
        """
        return await self._compared.get((gold, answer), lambda: self._compare(gold, answer))

    async def trouble_with(self, gold: str) -> str:
        """What is wrong with a gold answer, for a reader; empty where it can be read."""
        return await self._read.get(gold, lambda: self._trouble_with(gold))

    async def _compare(self, gold: str, answer: str) -> str:
        payload = {"gold": gold, "answer": answer}
        try:
            said = await self._workers.call_with_retry(EQUAL_TASK, payload, cpu_budget_s=self._budget_s)
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
        return EQUAL if said["equal"] else "not_equal"

    async def _trouble_with(self, gold: str) -> str:
        try:
            can_parse = await self._workers.call_with_retry(
                PARSE_TASK, gold, cpu_budget_s=self._budget_s * _PARSE_FACTOR
            )
        except WorkerTimeoutError:
            return "takes too long to read; give a simpler form of it"
        except WorkerCrashedError as crash:
            if not crash.is_own_doing:
                raise
            return "brings the judge down; give a simpler form of it"
        return "" if can_parse else UNREAD


UNREAD = "cannot be read as mathematics; give the final answer alone, as LaTeX or plain text"
