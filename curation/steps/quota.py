"""Step ``quota``: how many samples of each domain the corpus takes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.errors import AccountingError, RecipeError
from curation.steps.base import CorpusStep, Fates, Parts, domain_head, domain_name, option
from curation.steps.order import MOST_SEED, shuffled
from curation.words import Hashes, runs_of

PRESETS: Mapping[str, Mapping[str, int]] = {
    "r1": {"math": 395_285, "code": 211_129, "stem": 10_124, "logic": 10_395, "general": 177_812}
}
"""Name -> domain -> samples. ``r1``: DeepSeek-R1 (arXiv 2501.12948 v2), Table 5, 804,745 in all."""

_PART = re.compile(r"\s*([^=,]+?)\s*=\s*([0-9][0-9_]*)\s*")


@dataclass(frozen=True)
class Quota(CorpusStep):
    """Keeps so many samples of each domain; ``over_quota``, and ``no_quota`` for domains that have none.

    Formula: prompts of a domain in a random order that follows from ``seed`` and their content, the samples of a prompt
    together and in their order; the first so many of the domain stay. Where a domain runs short, ``take_all`` takes
    what there is of it and leaves the others as they are, and ``scale`` takes of every domain the same share of its
    quota, which is that of the shortest: ``floor(quota * had / wanted)`` in whole numbers.

    Args:
        preset: ``r1``, or empty where ``domains`` says all.
        domains: ``math = 3000, code = 2000``; overrules the preset. A domain is matched in lower case, by all of its
            name or what stands before its first ``-``, ``_`` or ``/``.
        when_short: ``take_all`` or ``scale``.
        seed: of the order.

    Example:
        With ``domains = "math = 1"``, of two prompts in ``math`` one is kept, and a sample in ``poetry`` is dropped as
        ``no_quota``.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), Table 5; what happens where a domain runs short is this project's.
    """

    name: ClassVar[str] = "quota"
    preset: str = option("", choices=("", *PRESETS))
    domains: str = option("")
    when_short: str = option("take_all", choices=("take_all", "scale"))
    seed: int = option(0, least=0, most=MOST_SEED)

    def check(self, where: str) -> None:
        """Whether there is any quota, and one a domain."""
        names = [name for name, _ in self._read() or ()]
        twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
        if twice is not None:
            raise RecipeError(f"{where}.domains", f"{twice!r} has two quotas; leave one of them")
        if not self.quotas():
            raise RecipeError(
                f"{where}.domains",
                f'{self.domains!r} gives no quota; write "math = 3000, code = 200", or preset = "r1"',
            )

    def quotas(self) -> dict[str, int]:
        """Domain -> samples; empty where ``domains`` cannot be read."""
        read = self._read()
        return {} if read is None else {**(PRESETS[self.preset] if self.preset else {}), **dict(read)}

    def _read(self) -> list[tuple[str, int]] | None:
        """The parts of ``domains``; None where one cannot be read."""
        parts = [_PART.fullmatch(part) for part in self.domains.split(",") if part.strip()]
        read = [(part[1].casefold(), int(part[2])) for part in parts if part is not None]
        return read if len(read) == len(parts) else None

    def over(self, parts: Parts) -> Iterator[tuple[pl.DataFrame, Fates]]:
        """By the rank of each sample in its domain, from 1, which is the value."""
        quotas = self.quotas()
        if self.when_short == "scale":
            had: Counter[str] = Counter()
            for part in parts.read():
                had.update(_counts(_names(part["domain"], quotas)))
            quotas = _scaled(quotas, had)
        before: Counter[str] = Counter()
        last = -1
        for part in parts.read():
            names = _names(part["domain"], quotas)
            order = shuffled(part["group"], self.seed).to_numpy()
            if len(order):
                if int(order.min()) <= last:
                    raise AccountingError("groups came to the step quota out of its order; please report this bug")
                last = int(order.max())
            yield part, self._ranked(names, order, quotas, before)
            before.update(_counts(names))

    def _ranked(self, names: pl.Series, order: Hashes, quotas: Mapping[str, int], before: Mapping[str, int]) -> Fates:
        """What becomes of the samples of a part, where ``before`` it there were so many of each domain."""
        ranks = _ranks(names, order) + names.replace_strict(before, default=0, return_dtype=pl.Int64).to_numpy()
        limits = names.replace_strict(quotas, default=None, return_dtype=pl.Int64)
        limit, rank = pl.col("limit"), pl.col("rank")
        reason = pl.when(limit.is_null()).then(pl.lit("no_quota")).when(rank > limit).then(pl.lit("over_quota"))
        value = pl.when(limit.is_not_null()).then(rank)
        found = pl.DataFrame({"limit": limits, "rank": ranks}).select(reason.alias("reason"), value.alias("value"))
        return Fates(reasons=found["reason"], values=found["value"])


def _names(domains: pl.Series, quotas: Mapping[str, int]) -> pl.Series:
    """The domain of each sample as quotas name it."""
    # There are few domains, and each is looked at once.
    there = domains.cast(pl.String)
    distinct = there.unique()
    whole = domain_name(pl.col("domain"))
    name = pl.when(whole.is_in(list(quotas))).then(whole).otherwise(domain_head(whole)).fill_null("")
    names = pl.DataFrame({"domain": distinct}).select(name.alias("domain"))["domain"]
    return there.replace_strict(distinct, names)


def _counts(names: pl.Series) -> dict[str, int]:
    return dict(names.value_counts().iter_rows())


def _ranks(names: pl.Series, groups: Hashes) -> npt.NDArray[np.int64]:
    """The rank of each sample in its domain, from 1: by the numbers of the groups, then by place."""
    domains = names.cast(pl.Categorical).to_physical().to_numpy()
    order = np.lexsort((groups, domains))
    starts, sizes = runs_of(domains[order])
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(1, len(order) + 1) - np.repeat(starts, sizes)
    return ranks


def _scaled(quotas: Mapping[str, int], had: Mapping[str, int]) -> dict[str, int]:
    """All quotas by the share that the domain has which is shortest of its own."""
    short, wanted = 1, 1
    for domain, quota in quotas.items():
        have = min(had.get(domain, 0), quota)
        if quota and have * wanted < short * quota:
            short, wanted = have, quota
    return {domain: quota * short // wanted for domain, quota in quotas.items()}
