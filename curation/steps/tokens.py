"""Counts of tokens, for the few texts where bytes do not tell enough."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

import polars as pl
from tokenizers import Tokenizer

from curation.errors import RecipeError

_BATCH = 64


def count_tokens(texts: pl.Series, path: str) -> pl.Series:
    """Tokens of each text, without those that a tokenizer puts around it; null where there is no text.

    Args:
        texts: with null for all that need no count; a tokenizer reads a few megabytes a second.
        path: of the tokenizer's file.
    """
    wanted = texts.drop_nulls()
    counts: list[int] = []
    # An encoding takes many times the memory of its text.
    for start in range(0, wanted.len(), _BATCH):
        batch = wanted.slice(start, _BATCH).to_list()
        counts.extend(len(code) for code in _tokenizer(path).encode_batch_fast(batch, add_special_tokens=False))
    result = pl.repeat(None, texts.len(), dtype=pl.Int64, eager=True)
    return result.scatter(texts.is_not_null().arg_true(), pl.Series(counts, dtype=pl.Int64))


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


def sha256_of(path: str) -> str:
    """Digest of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=4)
def _tokenizer(path: str) -> Tokenizer:
    # It is kept, as a file of ten megabytes takes half a second for each frame.
    tokenizer = Tokenizer.from_file(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
