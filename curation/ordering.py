"""Orders of steps that waste work, or do not do what they seem to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from curation.steps.base import AskStep, GroupStep, Step, TextStep
from curation.steps.dedup import Dedup
from curation.steps.dedup_prompts import DedupPrompts
from curation.steps.length import Length
from curation.steps.quality import JudgedQuality
from curation.steps.quota import Quota
from curation.steps.select import Select
from curation.steps.verify import Verify
from curation.trial import Trial

DEAR = ("decontaminate", "private_data", "repetition")
"""Text steps that cost several times what the others do."""

_WASTED_PERCENT = 5
_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFinding:
    """One place where another order would be better.

    Args:
        field: place in the recipe.
        message: what is wasted, and the remedy.
        matters: whether it changes what is kept, or wastes much.
    """

    field: str
    message: str
    matters: bool


def order_findings(steps: Sequence[Step], trial: Trial) -> list[OrderFinding]:
    """What to say of the order, in the order of the recipe."""
    verify = next((number for number, step in enumerate(steps) if isinstance(step, Verify)), None)
    found: list[OrderFinding] = []
    for number, step in enumerate(steps):
        where = f"steps[{number}] ({step.name})"
        for asking in steps[:number]:
            if isinstance(asking, AskStep) and isinstance(step, TextStep | Dedup | DedupPrompts):
                found.append(_after_asking(where, step, asking, steps, trial))
            elif isinstance(asking, JudgedQuality) and isinstance(step, Verify):
                after = _after_asking(where, step, asking, steps, trial)
                found += [after] if after.matters else []
        if verify is not None and number < verify and isinstance(step, Select | Quota):
            what = "chooses among" if isinstance(step, Select) else "counts"
            told = f"{what} completions before it is known which are right, so fewer right ones are left than could be"
            found.append(OrderFinding(field=where, message=f"{told}; put it after verify", matters=True))
        if isinstance(step, Quota) and any(isinstance(later, GroupStep) for later in steps[number + 1 :]):
            told = "fills the quotas before later steps drop from them; put it after the other steps that drop"
            found.append(OrderFinding(field=where, message=told, matters=True))
        if _is_dear(step):
            cheap = [later.name for later in steps[number + 1 :] if isinstance(later, TextStep) and not _is_dear(later)]
            if cheap:
                told = f"is dear and looks at what {', '.join(cheap)} would have dropped cheaply; put it after them"
                found.append(OrderFinding(field=where, message=told, matters=False))
    return found


def _is_dear(step: Step) -> bool:
    return step.name in DEAR or (isinstance(step, Length) and bool(step.tokenizer))


def _after_asking(where: str, step: Step, asking: AskStep, steps: Sequence[Step], trial: Trial) -> OrderFinding:
    asked, verb, noun = (
        (trial.to_judge, "judged", "verdicts") if isinstance(asking, Verify) else (trial.to_score, "scored", "scores")
    )
    many = int(asked.sum())
    if isinstance(step, TextStep):
        texts = [one.name for one in steps if isinstance(one, TextStep)]
        falls = trial.facts["text_step"] == texts.index(step.name)
    else:
        falls = trial.fates["drop_step"] == step.name
    wasted = int((falls.fill_null(value=False) & asked).sum())
    told = f"drops {wasted} of {many} completions of the sample that were {verb} before"
    return OrderFinding(
        field=where,
        message=f"{told}; put it before {asking.name}, and those {noun} are saved",
        matters=_PERCENT * wasted >= _WASTED_PERCENT * max(1, many),
    )
