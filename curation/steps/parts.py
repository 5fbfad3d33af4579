"""The parts of a completion: reasoning, what follows it, and counts of tags and fences.

The same cut as ``verifier.text.think``: at the last ``</think>``, with the first ``<think>`` before it opening the
reasoning. One search finds the tags and fences of a text, and the parts are views on it, so that nothing is copied; to
split is ten times slower, and a regex that spans the reasoning a hundred times.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from curation.steps.views import Flags, Numbers, Views, find
from verifier.text.think import CLOSE_TAG, OPEN_TAG

FENCE, TILDES = "```", "~~~"

PARTS = ("is_opened", "opens", "closes", "fences", "tail_fences", "tildes", "before", "reasoning", "tail")
"""Whether the prompt ends with the opening tag; counts of both tags, of the fences in the reasoning and in what follows
it, and of three tildes anywhere; text before the first opening tag; the reasoning, null where there is none; what
follows the reasoning, null where it never ends."""

_OPENS = pl.col("prompt").str.strip_chars_end().str.ends_with(OPEN_TAG).fill_null(value=False)
_MARKS = (CLOSE_TAG, OPEN_TAG, FENCE, TILDES)
_NEVER = 1 << 62
_KIND_AT = 1
"""The byte that tells the marks apart: ``/``, ``t``, a backtick or a tilde."""


def with_parts(samples: pl.DataFrame) -> pl.DataFrame:
    """The samples with the columns ``PARTS``."""
    texts = samples["completion"]
    views = Views(texts)
    # No mark is the start or a part of another, so one search for all finds what three would.
    counts, places = find(texts, _MARKS)
    rows: Numbers = np.repeat(np.arange(len(counts)), counts)
    kinds = views.bytes_at(rows, places + _KIND_AT, 1)[:, 0]
    is_close, is_open, is_fence, is_tilde = (kinds == ord(mark[_KIND_AT]) for mark in _MARKS)
    closes, opens = (np.bincount(rows[which], minlength=len(counts)) for which in (is_close, is_open))
    # Of several marks of a row the one that is written last stays.
    first, last, end = np.full(len(counts), _NEVER), np.full(len(counts), -1), np.full(len(counts), _NEVER)
    first[rows[is_open][::-1]] = places[is_open][::-1]
    last[rows[is_open]] = places[is_open]
    end[rows[is_close]] = places[is_close]
    is_closed, has_tag = closes > 0, first < end
    is_opened: Flags = samples.select(_OPENS)["prompt"].to_numpy()
    start = np.where(has_tag, first + len(OPEN_TAG), 0)
    has_reasoning = views.is_there & (has_tag | is_closed | is_opened)
    stop = np.where(is_closed, end, views.sizes)
    has_tail = views.is_there & np.where(is_closed, last < end, ~is_opened & ~has_tag)
    tail_start = np.where(is_closed, end + len(CLOSE_TAG), 0)
    fenced, fences = rows[is_fence], places[is_fence]
    is_inner = (fences >= start[fenced]) & (fences < stop[fenced]) & has_reasoning[fenced]
    is_outer = (fences >= tail_start[fenced]) & has_tail[fenced]
    return samples.with_columns(
        pl.Series("is_opened", is_opened),
        pl.Series("opens", opens.astype(np.uint32)),
        pl.Series("closes", closes.astype(np.uint32)),
        pl.Series("fences", np.bincount(fenced[is_inner], minlength=len(counts)).astype(np.uint32)),
        pl.Series("tail_fences", np.bincount(fenced[is_outer], minlength=len(counts)).astype(np.uint32)),
        pl.Series("tildes", np.bincount(rows[is_tilde], minlength=len(counts)).astype(np.uint32)),
        views.cut(np.zeros_like(start), np.where(has_tag, first, 0), views.is_there).alias("before"),
        views.cut(start, stop, has_reasoning).alias("reasoning"),
        views.cut(tail_start, views.sizes, has_tail).alias("tail"),
    )
