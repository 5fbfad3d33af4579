"""Step ``verify``: judged by the engine; only what is found right stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.errors import RecipeError, near
from curation.steps.base import AskStep, Fates, option
from verifier.types import EngineInfo, Outcome, Scored, Verdict

FORM = ("format", "language")
"""Verifiers that look at the form of a completion and not at what it says."""
AUDIT = "audit"
"""Name under which the verdict of a judge model stands that was only asked to compare it with that of the rules."""


DECISIONS = pl.Schema({"verify_reason": pl.String, "is_failed": pl.Boolean, "is_right": pl.Boolean})
"""What ``verify`` makes of a sample: why it is dropped, and whether it is right, wrong, or was not found to be either
(null)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What verdicts come to: kept (no reason), rejected, or failed."""

    reason: str | None = None
    is_failed: bool = False


@dataclass(frozen=True)
class Verify(AskStep):
    r"""Keeps the completions that a recipe's verdicts find right. Its options stand in the table ``[verify]``.

    A completion is rejected for the first verdict INCORRECT that counts (``math:not_equal``), else for the first
    UNSCORABLE one (``unscorable:no_reference``: the task is at fault), else it goes to ``failed/`` for the first
    FAILED one (ours, worth a retry). Which verdicts count is said by ``keep``: ``correct`` takes all; the name of a
    verifier takes its verdict alone; ``reward`` takes all, and keeps rewards of at least ``min_reward`` whatever the
    outcomes, with reason ``low_reward`` where no verdict is INCORRECT.

    Args:
        recipe: name of the verifier's recipe.
        keep: ``correct``, ``reward``, or the name of a verifier.
        min_reward: least reward that ``keep = "reward"`` keeps.

    Example:
        Reference 4: ``"... \boxed{5}"`` is dropped, ``"... \boxed{4}"`` is kept.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), B.3.3: "retain only the correct ones".
    """

    name: ClassVar[str] = "verify"
    answers: ClassVar[pl.Schema] = DECISIONS
    recipe: str = option("accuracy")
    keep: str = option("correct")
    min_reward: float = option(1.0)

    def refused_by(self, info: EngineInfo) -> list[RecipeError]:
        """What the step asks for that an engine does not have."""
        wrong = []
        if self.recipe not in info.recipes:
            told = f"the engine has no recipe {self.recipe!r}; {near(self.recipe, info.recipes)}"
            wrong.append(RecipeError("verify.recipe", told))
        choices = ("correct", "reward", *info.verifiers)
        if self.keep not in choices:
            wrong.append(RecipeError("verify.keep", f"{self.keep!r} is not a choice; {near(self.keep, choices)}"))
        return wrong

    def fates_by(self, answers: pl.DataFrame) -> Fates:
        """What ``decide`` said."""
        return Fates(reasons=answers["verify_reason"], is_failed=answers["is_failed"])

    def decide(self, scored: Scored) -> Decision:
        """What becomes of a completion with these verdicts."""
        verdicts = self._counted(scored.verdicts)
        if self.keep == "reward" and scored.reward is not None:
            if scored.reward >= self.min_reward:
                return Decision()
            wrong = _first(verdicts, Outcome.INCORRECT)
            return Decision(reason=f"{wrong.verifier}:{wrong.reason}" if wrong else "low_reward")
        if wrong := _first(verdicts, Outcome.INCORRECT):
            return Decision(reason=f"{wrong.verifier}:{wrong.reason}")
        if unscorable := _first(verdicts, Outcome.UNSCORABLE):
            return Decision(reason=f"unscorable:{unscorable.reason}")
        if failed := _first(verdicts, Outcome.FAILED):
            return Decision(reason=failed.reason, is_failed=True)
        if not verdicts:
            return Decision(reason="unscorable:no_verdict")
        return Decision()

    def _counted(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        if self.keep in ("correct", "reward"):
            return list(verdicts)
        return [verdict for verdict in verdicts if verdict.verifier == self.keep]


def overruled(scored: Scored, opinion: Verdict | None) -> Scored:
    """What decides where a judge model was asked: its verdict in the place of those of the rules on content.

    There is no reward then: that is a sum of verdicts of the rules, by weights that only the engine knows.
    """
    if opinion is None or opinion.verifier == AUDIT:
        return scored
    return Scored(reward=None, verdicts=(opinion, *(one for one in scored.verdicts if one.verifier in FORM)))


def _first(verdicts: Sequence[Verdict], outcome: Outcome) -> Verdict | None:
    return next((verdict for verdict in verdicts if verdict.outcome is outcome), None)
