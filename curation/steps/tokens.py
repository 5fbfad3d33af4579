"""Counts of tokens, for the few texts where bytes do not tell enough."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import polars as pl
from tokenizers import Tokenizer

from curation.errors import RecipeError
from curation.steps.base import of_the_few

_BATCH = 64


def count_tokens(texts: pl.Series, path: str) -> pl.Series:
    """Tokens of each text, without those that a tokenizer puts around it; null where there is no text.

    Args:
        texts: with null for all that need no count; a tokenizer reads a few megabytes a second.
        path: of the tokenizer's file.
    """

    def counts(wanted: pl.Series) -> list[int]:
        found: list[int] = []
        # An encoding takes many times the memory of its text.
        for start in range(0, wanted.len(), _BATCH):
            batch = wanted.slice(start, _BATCH).to_list()
            found.extend(len(code) for code in _tokenizer(path).encode_batch_fast(batch, add_special_tokens=False))
        return found

    return of_the_few(texts, counts, pl.Int64())


def check_tokenizer(path: str, *, where: str) -> None:
    """Reads a tokenizer's file.

    Raises:
        RecipeError: there is none, or it cannot be read; names the field and the remedy.
    """
    remedy = "give the path of a tokenizer.json of Hugging Face, from where the command runs"
    if not Path(path).is_file():
        raise RecipeError(where, f"no file {path!r}; {remedy}")
    try:
        _tokenizer(path)
    except Exception as error:  # the library raises nothing narrower
        raise RecipeError(where, f"{path!r} is no tokenizer ({error}); {remedy}") from error


@lru_cache(maxsize=4)
def _tokenizer(path: str) -> Tokenizer:
    # It is kept, as a file of ten megabytes takes half a second for each frame.
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
