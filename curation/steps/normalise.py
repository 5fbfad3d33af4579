"""Step ``normalise``: one kind of line break, no byte order mark, no NUL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import RewriteStep, option


@dataclass(frozen=True)
class Normalise(RewriteStep):
    r"""Writes ``\r\n`` and ``\r`` as ``\n``, and takes away U+FEFF and U+0000, in completions.

    Must be the first step, so that all others and the output see the same text. Unicode is not composed (NFC): it
    changes what the model wrote, and verifiers do it where they compare.

    Args:
        trims: whether white space around the completion goes too.

    Example:
        ``"a\r\nb"`` becomes ``"a\nb"``; nothing is dropped.

    Source:
        This project; paragraphs and fences are told by ``\n``.
    """

    name: ClassVar[str] = "normalise"
    trims: bool = option(default=True)

    def columns(self) -> Sequence[pl.Expr]:
        """The completion."""
        text = pl.col("completion")
        for old, new in (("\r\n", "\n"), ("\r", "\n"), ("\ufeff", ""), ("\0", "")):
            text = text.str.replace_all(old, new, literal=True)
        return [text.str.strip_chars() if self.trims else text]
