"""The steps of curation. To add one: a file beside this, and its line in ``STEPS``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence

from curation.errors import RecipeError, near
from curation.facts import OPTIONAL
from curation.recipe import Option, Recipe
from curation.sources import file_sha256
from curation.steps.base import ArrangeStep, GroupStep, RewriteStep, Step, TextStep, step_from_options
from curation.steps.code_in_reasoning import CodeInReasoning
from curation.steps.decontaminate import Decontaminate
from curation.steps.dedup import Dedup
from curation.steps.dedup_prompts import DedupPrompts
from curation.steps.format import Format
from curation.steps.language_mix import LanguageMix
from curation.steps.length import Length
from curation.steps.long_paragraph import LongParagraph
from curation.steps.normalise import Normalise
from curation.steps.pack import Pack
from curation.steps.pass_rate import PassRate
from curation.steps.private_data import PrivateData
from curation.steps.quality import JudgedQuality, Quality
from curation.steps.quota import Quota
from curation.steps.refusal import Refusal
from curation.steps.repetition import Repetition
from curation.steps.select import Select
from curation.steps.shuffle import Shuffle
from curation.steps.split import Split
from curation.steps.truncated import Truncated
from curation.steps.validate import Validate
from curation.steps.verify import Verify

STEPS: Mapping[str, type[Step]] = {
    "normalise": Normalise,
    "validate": Validate,
    "length": Length,
    "format": Format,
    "language_mix": LanguageMix,
    "long_paragraph": LongParagraph,
    "code_in_reasoning": CodeInReasoning,
    "repetition": Repetition,
    "truncated": Truncated,
    "refusal": Refusal,
    "private_data": PrivateData,
    "quality": Quality,
    "decontaminate": Decontaminate,
    "dedup_prompts": DedupPrompts,
    "dedup": Dedup,
    "verify": Verify,
    "pass_rate": PassRate,
    "select": Select,
    "quota": Quota,
    "shuffle": Shuffle,
    "split": Split,
    "pack": Pack,
}
"""Name in recipes -> step."""

READ = "read"
"""Name in ``drop_step`` of rows that could not be read; not a step of recipes."""


def build_steps(recipe: Recipe) -> tuple[Step, ...]:
    """The steps of a recipe, in order.

    Raises:
        RecipeError: an unknown step or option, a step given twice, or one in the wrong place.
    """
    steps, wrong = find_steps(recipe)
    if wrong:
        raise wrong[0]
    return steps


def find_steps(recipe: Recipe) -> tuple[tuple[Step, ...], list[RecipeError]]:
    """The steps of a recipe that can be built, in order, and what is wrong with the others."""
    steps: list[Step] = []
    wrong: list[RecipeError] = []
    for index in range(len(recipe.steps)):
        try:
            steps.append(_step(index, recipe))
        except RecipeError as error:
            wrong.append(error)
    return tuple(steps), wrong


def _step(index: int, recipe: Recipe) -> Step:
    spec = recipe.steps[index]
    before = [STEPS[earlier.name] for earlier in recipe.steps[:index] if earlier.name in STEPS]
    if spec.name not in STEPS:
        raise RecipeError(f"steps[{index}].name", f"unknown step {spec.name!r}; {near(spec.name, STEPS)}")
    kind = STEPS[spec.name]
    if kind in before:
        raise RecipeError(spec.where, "is given twice; drop_step could not tell the two apart")
    if issubclass(kind, RewriteStep) and index > 0:
        raise RecipeError(spec.where, "must be the first step, so that all others see the same text")
    options, where = spec.options, spec.where
    kind = kind.kind_for(options)
    if kind is JudgedQuality and recipe.judge is None:
        raise RecipeError(
            f"{where}.by", "asks a judge, and the recipe has none; add the table [judge], or leave by out"
        )
    if kind is Verify:
        options, where = _verify_options(spec.options, recipe.verify.options, where), "verify"
    if not issubclass(kind, ArrangeStep) and any(issubclass(earlier, ArrangeStep) for earlier in before):
        raise RecipeError(spec.where, "drops samples and stands after one that arranges what is kept; put it before")
    if issubclass(kind, GroupStep) and kind.needs_verdicts and Verify not in before:
        raise RecipeError(spec.where, "needs verdicts; put it after the step verify")
    return step_from_options(kind, options, where=where)


def _verify_options(given: Mapping[str, Option], table: Mapping[str, Option], where: str) -> Mapping[str, Option]:
    if given:
        raise RecipeError(
            f"{where}.{next(iter(given))}", "options of this step stand in the table [verify]; move it there"
        )
    return table


def facts_read(steps: Sequence[Step]) -> set[str]:
    """The columns of ``facts.FACTS`` that some step asks for."""
    return {name for step in steps if isinstance(step, GroupStep | ArrangeStep) for name in step.reads()}


def counting_tokenizer(steps: Sequence[Step]) -> str:
    """Path of the tokenizer by which the tokens of kept samples are counted; empty where no step needs them."""
    return next((step.tokenizer for step in steps if isinstance(step, Pack)), "")


def facts_hash(recipe: Recipe, steps: tuple[Step, ...]) -> str:
    """What of a recipe the facts about samples depend on: not the steps that compare samples, judge or arrange."""
    optional = sorted(facts_read(steps).intersection(OPTIONAL))
    tokenizer = counting_tokenizer(steps)
    counted = file_sha256(tokenizer) if tokenizer else ""
    of_texts = tuple(step for step in steps if isinstance(step, RewriteStep | TextStep))
    return hashlib.sha256(json.dumps([recipe_hash(recipe, of_texts), optional, counted]).encode()).hexdigest()


def recipe_hash(recipe: Recipe, steps: tuple[Step, ...]) -> str:
    """What of a recipe the output depends on: columns, steps with all defaults written out, and the files they read."""
    parts: dict[str, object] = {
        "columns": dict(recipe.columns),
        "rows": None if recipe.rows is None else dataclasses.asdict(recipe.rows),
        "schema": recipe.schema,
        "steps": [{"name": step.name, **dataclasses.asdict(step), "inputs": dict(step.inputs())} for step in steps],
    }
    if recipe.judge is not None:
        if any(isinstance(step, Verify) for step in steps):
            parts["judge"] = recipe.judge.identity
        for step in steps:
            if isinstance(step, JudgedQuality):
                parts["scores"] = step.identity(recipe.judge.options)
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
