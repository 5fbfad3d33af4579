"""Answers to groups that no verifier saw: each completion gets the same verdict, and no reward."""

from __future__ import annotations

from verifier.types import Group, GroupResult, Scored, Verdict

REQUEST = "request"
"""Stands as the verifier where the request itself is at fault."""
ENGINE = "engine"
"""Stands as the verifier where the engine is."""
SERVER = "server"
"""Stands as the verifier where the server is."""


def unscorable_group(group: Group, reason: str, detail: str) -> GroupResult:
    """Every completion UNSCORABLE; one such answer also where there is no completion, so that it is seen."""
    verdict = Verdict.unscorable(REQUEST, reason, detail)
    return GroupResult(id=group.id, scores=(Scored(reward=None, verdicts=(verdict,)),) * max(1, len(group.completions)))


def failed_group(group: Group, verifier: str, reason: str, detail: str) -> GroupResult:
    """Every completion FAILED: worth a retry."""
    verdict = Verdict.failed(verifier, reason, detail)
    return GroupResult(id=group.id, scores=(Scored(reward=None, verdicts=(verdict,)),) * len(group.completions))
