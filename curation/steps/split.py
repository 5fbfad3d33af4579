"""Step ``split``: parts of the kept samples that are held out, by prompt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.errors import RecipeError
from curation.steps.base import SPLITS, ArrangeStep, option
from curation.steps.order import MOST_SEED, shuffled

_WHOLE = 10_000
_DRAWN = "split_drawn"


@dataclass(frozen=True)
class Split(ArrangeStep):
    """Sends a share of the prompts to the splits ``test`` and ``validation``, and the rest to ``train``.

    Formula: a hash of ``seed`` and the prompt's text, modulo 10,000; below ``100 * test_percent`` it is ``test``, below
    that and ``100 * validation_percent`` more ``validation``. All samples of one prompt text go together, also where
    it has several ids or references, so that no prompt is in two splits. The shares hold for many prompts; where
    samples are added, those that were there stay in their split. Drops nothing.

    Args:
        test_percent: share of the prompts, to a hundredth.
        validation_percent: likewise.
        seed: of the hash.

    Example:
        With ``test_percent = 1``, about ten of 1,000 prompts go to ``data/test-*.parquet``, with all their completions.

    Source:
        This project.
    """

    name: ClassVar[str] = "split"
    test_percent: float = option(1.0)
    validation_percent: float = option(0.0)
    seed: int = option(0, least=0, most=MOST_SEED)

    def check(self, where: str) -> None:
        """Whether the shares leave something to train on."""
        for name in ("test_percent", "validation_percent"):
            value = getattr(self, name)
            if not 0 <= value < 100:  # noqa: PLR2004 - percent
                raise RecipeError(f"{where}.{name}", f"{value:g} is no share; give a number from 0 to below 100")
            if value and not round(100 * value):
                raise RecipeError(f"{where}.{name}", f"{value:g} comes to no prompt; give 0, or 0.01 and more")
        if self.test_percent + self.validation_percent >= 100:  # noqa: PLR2004 - percent
            raise RecipeError(f"{where}.test_percent", "the shares leave nothing to train on; make them smaller")

    def reads(self) -> Collection[str]:
        """The hash of the prompt."""
        return ("prompt",)

    def marks(self, kept: pl.DataFrame) -> Mapping[str, npt.NDArray[Any]]:
        """The hash of the prompt."""
        return {_DRAWN: (shuffled(kept["prompt"], self.seed).to_numpy() % np.uint64(_WHOLE)).astype(np.uint16)}

    def arranged(self, kept: pl.DataFrame) -> pl.DataFrame:
        """By the hash."""
        test, validation = (round(100 * share) for share in (self.test_percent, self.validation_percent))
        drawn = pl.col(_DRAWN)
        split = (
            pl.when(drawn < test)
            .then(pl.lit("test", SPLITS))
            .when(drawn < test + validation)
            .then(pl.lit("validation", SPLITS))
            .otherwise("split")
        )
        return kept.with_columns(split.alias("split")).drop(_DRAWN)
