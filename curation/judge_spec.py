"""The table ``[judge]`` of a recipe: a language model, and which samples of those that are verified it is asked about.

The rules always go first. What they found right is never asked about, but for an audit, which changes nothing. The step
``quality`` may ask the same model for scores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from curation.errors import RecipeError
from curation.steps.verify import FORM
from verifier.errors import InvalidRequestError
from verifier.generative.options import JudgeOptions, api_key, identity_of, judge_options
from verifier.types import Outcome, Scored, Verdict

UNSCORABLE = "unscorable"
"""What no rule could score."""
PROSE = "prose"
"""What the rules of mathematics found wrong where every gold answer is a sentence, which they cannot read."""

_DEFAULT = (UNSCORABLE, PROSE)
_REASON = re.compile(r"[A-Za-z_]+:[A-Za-z_]+")
_OWN = ("judges", "audit_percent", "max_failed_percent")
_MAX_FAILED_PERCENT = 10.0
_ALL_PERCENT = 100
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeSpec:
    """Whom to ask, and about what.

    Args:
        options: of the model.
        judges: ``unscorable``, ``prose``, or a reason as it stands in ``drop_reason``: ``unscorable:REASON`` or
            ``VERIFIER:REASON``; empty where it only scores, or is compared.
        audit_percent: of the samples that the rules decide, so many are judged too, to see how often both agree.
        max_failed_percent: share of FAILED scores over which a run stops.
    """

    options: JudgeOptions
    judges: tuple[str, ...] = _DEFAULT
    audit_percent: float = 0.0
    max_failed_percent: float = _MAX_FAILED_PERCENT

    @property
    def is_second(self) -> bool:
        """Whether it is asked about anything that the rules have judged."""
        return bool(self.judges) or self.audit_percent > 0

    @property
    def identity(self) -> str:
        """All that its verdicts, and which samples have one, follow from.

        Raises:
            RecipeError: the template cannot be used.
        """
        try:
            return json.dumps([identity_of(self.options), self.judges, self.audit_percent])
        except InvalidRequestError as error:
            raise RecipeError("judge", str(error)) from error

    def check(self) -> None:
        """Refuses what would only come to light when the first sample is judged.

        Raises:
            RecipeError: the template cannot be used, or the key is not in its variable.
        """
        try:
            identity_of(self.options)
            api_key(self.options)
        except InvalidRequestError as error:
            raise RecipeError("judge", str(error)) from error

    def wants(self, scored: Scored, *, is_prose: bool) -> bool:
        """Whether the rules leave a sample to the judge.

        Args:
            scored: what they found.
            is_prose: every gold answer is a sentence.
        """
        content = [verdict for verdict in scored.verdicts if verdict.verifier not in FORM]
        # A form that we failed to judge is asked for again, and then this is decided anew.
        if any(verdict.outcome is Outcome.FAILED for verdict in scored.verdicts):
            return False
        return bool(content) and all(self._is_left(verdict, is_prose=is_prose) for verdict in content)

    def _is_left(self, verdict: Verdict, *, is_prose: bool) -> bool:
        if verdict.outcome is Outcome.UNSCORABLE:
            return UNSCORABLE in self.judges or f"{UNSCORABLE}:{verdict.reason}" in self.judges
        if verdict.outcome is not Outcome.INCORRECT:
            return False
        return f"{verdict.verifier}:{verdict.reason}" in self.judges or (
            is_prose and PROSE in self.judges and verdict.verifier == "math"
        )

    def audits(self, key: bytes) -> bool:
        """Whether a sample with this content is in the audit: the same ones in every run, whatever the model."""
        return int.from_bytes(key[:8], "big") % _MILLION < round(self.audit_percent * (_MILLION // _ALL_PERCENT))


def judge_spec(table: Mapping[str, object]) -> JudgeSpec:
    """The table, read.

    Raises:
        RecipeError: naming the field and the remedy.
    """
    judges = table.get("judges", list(_DEFAULT))
    names = (judges,) if isinstance(judges, str) else tuple(judges) if isinstance(judges, list) else ()
    for name in names:
        if not isinstance(name, str) or not (name in _DEFAULT or _REASON.fullmatch(name)):
            raise RecipeError(
                "judge.judges",
                f'{name!r} is no reason; give "unscorable", "prose", or reasons such as "math:no_answer"',
            )
        if name.partition(":")[0] in FORM:
            raise RecipeError("judge.judges", f"{name!r} is about the form, which the judge does not see; leave it out")
    if not isinstance(judges, str | list):
        raise RecipeError("judge.judges", f"must be a list of reasons, got {judges!r}; leave it out for the default")
    audit_percent = _percent(table, "audit_percent", 0.0)
    max_failed_percent = _percent(table, "max_failed_percent", _MAX_FAILED_PERCENT)
    try:
        options = judge_options({name: value for name, value in table.items() if name not in _OWN})
    except InvalidRequestError as error:
        raise RecipeError("judge", str(error)) from error
    return JudgeSpec(options=options, judges=names, audit_percent=audit_percent, max_failed_percent=max_failed_percent)


def _percent(table: Mapping[str, object], name: str, default: float) -> float:
    percent = table.get(name, default)
    if isinstance(percent, bool) or not isinstance(percent, int | float) or not 0 <= percent <= _ALL_PERCENT:
        raise RecipeError(f"judge.{name}", f"must be a number from 0 to 100, got {percent!r}")
    return float(percent)
