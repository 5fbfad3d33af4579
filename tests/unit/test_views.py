from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from curation.steps.views import Views, find

# Texts that stand in their view and texts that do not, with characters of one to four bytes, or none at all.
PIECES = st.sampled_from(["a", "é", "字", "𝒳", "\n\n", "thirteen chars", "|"])
TEXTS = st.lists(st.none() | st.lists(PIECES, max_size=9).map("".join), min_size=1, max_size=9)


def series(texts: list[str | None], first: int, chunks: int) -> pl.Series:
    """The texts as a slice of more, and in more than one buffer."""
    parts = [pl.Series(["before it there is another"] * first, dtype=pl.String)]
    parts += [pl.Series(texts[start::chunks], dtype=pl.String) for start in range(chunks)]
    return pl.concat(parts, rechunk=False).slice(first)


@given(TEXTS, st.integers(0, 3), st.integers(1, 3))
def test_the_bytes_of_texts_are_those_that_polars_has(texts, first, chunks):
    held = series(texts, first, chunks)
    assert [None if text is None else bytes(text) for text in Views(held)] == held.cast(pl.Binary).to_list()
    assert Views(held).sizes.tolist() == held.str.len_bytes().fill_null(0).to_list()


@given(TEXTS, st.integers(0, 3), st.integers(1, 3), st.data())
def test_a_cut_is_that_of_the_string(texts, first, chunks, data):
    held = series(texts, first, chunks)
    spans, expected = [], []
    for text in held:
        start = data.draw(st.integers(0, len(text or "")))
        stop = data.draw(st.integers(0, len(text or "")))
        is_asked = text is not None and data.draw(st.booleans())
        spans.append((len((text or "")[:start].encode()), len((text or "")[:stop].encode()), is_asked))
        expected.append(text[start:stop] if is_asked else None)
    starts, stops, where = map(np.array, zip(*spans, strict=True))
    cut = Views(held).cut(starts, stops, where)
    assert cut.to_list() == expected
    # What polars reads of a view must be right too, not only the bytes behind it.
    assert (cut == pl.Series(expected, dtype=pl.String)).drop_nulls().all()
    assert cut.str.len_bytes().to_list() == [None if text is None else len(text.encode()) for text in expected]
    assert cut.str.slice(0, 3).to_list() == [text and text[:3] for text in expected]


@given(TEXTS, st.integers(0, 3), st.integers(1, 3))
def test_marks_are_found_where_they_stand(texts, first, chunks):
    held = series(texts, first, chunks)
    counts, places = find(held, ("|", "\n\n"))
    bodies = [(text or "").replace("\n\n", "|.").encode() for text in held]
    assert counts.tolist() == [body.count(b"|") for body in bodies]
    assert places.tolist() == [place for body in bodies for place, byte in enumerate(body) if byte == ord("|")]
