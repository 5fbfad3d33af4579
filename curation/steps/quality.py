"""Step ``quality``: a score that came with the rows, or that a judge model gives."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.errors import RecipeError
from curation.recipe import Option
from curation.sources import file_sha256
from curation.steps.base import AskStep, Fates, Rule, Step, TextStep, option
from verifier.errors import InvalidRequestError
from verifier.generative.options import JudgeOptions, Scale, scale_of, score_identity
from verifier.generative.prompts import SCORING, load_template

_BY = ("column", "judge")


@dataclass(frozen=True)
class Quality(TextStep):
    """Drops samples whose score is too low; made for what no rule can verify.

    The score is the column ``quality_score``, or the one that ``[input.columns] score`` names: of a reward model, a
    judge, or people. Reasons: ``low_score``, the value is the score; ``no_score``: null or NaN. With ``only`` a recipe
    asks it of the general track alone: ``only = "general"``, as ``verify`` there has ``skip = "general"``. With
    ``by = "judge"`` the step is ``JudgedQuality``.

    Args:
        by: ``column``, or ``judge``.
        min_score: least score that stays, to seven digits.
        needs_score: whether a sample without a score is dropped.

    Example:
        With ``min_score = 0.7``, a score of 0.65 is dropped and 0.7 is kept.

    Source:
        Filters by reward models and judges, as of AM-DeepSeek-R1-Distilled and Llama-Nemotron; R1 has its 200,000
        non-reasoning samples from a pipeline with people's checks (arXiv 2501.12948 v2, B.3.3). Which column and which
        bound, this project's.
    """

    name: ClassVar[str] = "quality"
    by: str = option("column", choices=_BY)
    min_score: float = option(0.0)
    needs_score: bool = option(True)  # noqa: FBT003 - the default of an option

    def check(self, where: str) -> None:
        """Whether the bound is a number."""
        if not math.isfinite(self.min_score):
            raise RecipeError(f"{where}.min_score", f"{self.min_score:g} is no bound; give the least score that stays")

    @classmethod
    def kind_for(cls, options: Mapping[str, Option]) -> type[Step]:
        """``JudgedQuality`` where a judge scores."""
        return JudgedQuality if options.get("by") == "judge" else cls

    def rules(self) -> Sequence[Rule]:
        """Two bounds."""
        score = pl.col("score").fill_nan(None)
        # Many columns have 32 bits, in which 0.7 is a little less than in 64.
        is_low = score.cast(pl.Float32) < pl.lit(self.min_score, pl.Float32)
        rules = [Rule(reason="low_score", drops=is_low, value=score)]
        if self.needs_score:
            rules.insert(0, Rule(reason="no_score", drops=score.is_null()))
        return rules


@dataclass(frozen=True)
class JudgedQuality(AskStep):
    """The step ``quality`` with ``by = "judge"``: the model of ``[judge]`` gives each sample a score.

    It is asked about the samples that no earlier step dropped, on the final answer alone. Reasons: ``low_score``, the
    value is the score; ``no_answer``, ``empty_answer``, ``too_long_answer``: there is no final answer that could be
    scored; ``unscorable:task_too_long``: no model reads the prompt. Samples that the judge gave no score, or none that
    can be read, fail with its reason (``judge_timeout``, ``judge_unreadable``, ...) and are never dropped as poor.

    Args:
        by: ``judge``.
        min_score: least score that stays; on the scale.
        scale: least and greatest score, whole numbers with a hyphen between.
        prompt: name of a template (``service``), or path of one with ``{question}`` and ``{answer}`` once each, and
            ``{least}`` and ``{most}`` of the scale where it wants them.

    Example:
        With ``min_score = 7``, a score of 6 is dropped and 7 is kept.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), supplement, Listing 4: one JSON object, the analysis before the verdict. The
        scale, and what is looked at, are this project's.
    """

    name: ClassVar[str] = "quality"
    answers: ClassVar[pl.Schema] = pl.Schema({"score": pl.Int32, "score_reason": pl.String, "is_failed": pl.Boolean})
    by: str = option("judge", choices=_BY)
    min_score: float = option(0.0)
    scale: str = option("1-10")
    prompt: str = option("service")

    @property
    def range(self) -> Scale:
        """The scale."""
        return scale_of(self.scale)

    def check(self, where: str) -> None:
        """Whether the bound is on the scale, and the template can be used."""
        try:
            scale = self.range
            load_template(self.prompt, SCORING)
        except InvalidRequestError as error:
            raise RecipeError(where, str(error)) from error
        if not scale.least <= self.min_score <= scale.most:
            told = f"{self.min_score:g} is not on the scale {self.scale}; give the least score that stays"
            raise RecipeError(f"{where}.min_score", f"{told}, {scale.least} to keep all with their scores")

    def inputs(self) -> Mapping[str, str]:
        """The template, where it is a file."""
        return {} if self.prompt in SCORING.templates else {"prompt": file_sha256(self.prompt)}

    def asks(self, options: JudgeOptions) -> JudgeOptions:
        """The options of a judge with the prompt of this step."""
        return dataclasses.replace(options, prompt=self.prompt)

    def identity(self, options: JudgeOptions) -> str:
        """All that the scores follow from besides what is scored: not the bound.

        Args:
            options: of the judge.
        """
        return score_identity(self.asks(options), self.range)

    def fates_by(self, answers: pl.DataFrame) -> Fates:
        """Too low a score, or the reason why there is none."""
        reason = (
            pl.when(pl.col("score") < self.min_score)
            .then(pl.lit("low_score"))
            .otherwise(pl.col("score_reason").cast(pl.String))
        )
        return Fates(
            reasons=answers.select(reason.alias("reason"))["reason"],
            values=answers["score"],
            is_failed=answers["is_failed"],
        )
