"""Step ``length``: bounds on the characters and the tokens of a completion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.errors import RecipeError
from curation.sources import file_sha256
from curation.steps.base import Rule, TextStep, option
from curation.steps.tokens import check_tokenizer, count_tokens

_MOST_TOKEN_BYTES = 64
_MOST_GROWTH = 3


@dataclass(frozen=True)
class Length(TextStep):
    """Drops completions that are too short or too long.

    Reasons: ``too_short``, ``too_long``: ``min_chars <= len_chars(completion) <= max_chars``, in Unicode code points.
    ``too_few_tokens``, ``too_many_tokens``: ``min_tokens <= tokens(completion) <= max_tokens``, without the tokens
    that a tokenizer puts around a text. Tokens are counted only where they may matter: a text of 64 bytes for each of
    ``min_tokens`` has enough, and one of no more bytes than ``max_tokens`` (a third of it where the text is not
    ASCII) has not too many. Value: the code points or the tokens.

    Args:
        min_chars: least length.
        max_chars: greatest length; the default is 32,768 tokens of four characters.
        min_tokens: least number of tokens; 0 for no bound.
        max_tokens: greatest number of tokens; 0 for no bound.
        tokenizer: path of a ``tokenizer.json`` of Hugging Face; tokens are not counted while it is empty.

    Example:
        With ``max_chars = 10``, twelve letters are dropped and ten are kept.

    Source:
        DeepSeek-R1 (arXiv 2501.12948 v2), B.4.2: 32,768 tokens of context in fine-tuning.
    """

    name: ClassVar[str] = "length"
    min_chars: int = option(1, least=0)
    max_chars: int = option(131_072, least=1)
    min_tokens: int = option(0, least=0)
    max_tokens: int = option(0, least=0)
    tokenizer: str = option("")

    def check(self, where: str) -> None:
        """Whether the bounds leave anything, and a tokenizer is there and is needed."""
        if self.min_chars > self.max_chars:
            raise RecipeError(f"{where}.min_chars", f"{self.min_chars} is over max_chars, {self.max_chars}")
        if self.max_tokens and self.min_tokens > self.max_tokens:
            raise RecipeError(f"{where}.min_tokens", f"{self.min_tokens} is over max_tokens, {self.max_tokens}")
        has_bound = self.min_tokens > 0 or self.max_tokens > 0
        if has_bound and not self.tokenizer:
            raise RecipeError(
                f"{where}.tokenizer", "tokens are bounded but not told; give the path of a tokenizer.json"
            )
        if self.tokenizer and not has_bound:
            raise RecipeError(f"{where}.tokenizer", "counts nothing; give min_tokens or max_tokens too")
        if self.tokenizer:
            check_tokenizer(self.tokenizer, where=f"{where}.tokenizer")

    def inputs(self) -> Mapping[str, str]:
        """The tokenizer's file."""
        return {"tokenizer": file_sha256(self.tokenizer)} if self.tokenizer else {}

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """Tokens of the texts whose bytes leave a doubt."""
        if not self.tokenizer:
            return ()
        text, path = pl.col("completion"), self.tokenizer
        size, chars = text.str.len_bytes().cast(pl.Int64), pl.col("chars").cast(pl.Int64)
        # To compose characters may make a text longer; a text of ASCII is left as it is.
        most = pl.when(size == chars).then(size).otherwise(_MOST_GROWTH * size)
        has_doubt = size < _MOST_TOKEN_BYTES * self.min_tokens
        if self.max_tokens:
            has_doubt |= most > self.max_tokens
        counted = pl.when(has_doubt).then(text)
        return ({"tokens_": counted.map_batches(lambda texts: count_tokens(texts, path), return_dtype=pl.Int64)},)

    def rules(self) -> Sequence[Rule]:
        """Characters first, short before long."""
        length, tokens = pl.col("chars"), pl.col("tokens_")
        rules = [
            Rule(reason="too_short", drops=length < self.min_chars, value=length),
            Rule(reason="too_long", drops=length > self.max_chars, value=length),
        ]
        if self.min_tokens:
            rules.append(Rule(reason="too_few_tokens", drops=tokens < self.min_tokens, value=tokens))
        if self.max_tokens:
            rules.append(Rule(reason="too_many_tokens", drops=tokens > self.max_tokens, value=tokens))
        return rules
