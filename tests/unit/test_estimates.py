"""From a sample to the corpus."""

from __future__ import annotations

import numpy as np
import pytest

from curation.estimates import estimate_count, share_interval
from curation.sampling import Place, Sample
from tests.fakes_curation import write_rows
from tests.unit.test_sampling import drawn, rows_of


def flags(text: str) -> np.ndarray:
    return np.array([letter == "1" for letter in text])


def test_independent_completions_have_wilsons_interval():
    # 5 of 10: 0.2366 to 0.7634, as in Brown, Cai and DasGupta: Interval estimation for a binomial proportion (2001).
    low, high = share_interval(flags("1010101010"), np.arange(10))
    assert (round(low, 4), round(high, 4)) == (0.2366, 0.7634)


def test_completions_that_are_all_alike_in_a_cluster_count_once():
    hits = np.repeat(flags("1010101010" * 4), 6)
    low, high = share_interval(hits, np.repeat(np.arange(40), 6))
    alone_low, alone_high = share_interval(flags("1010101010" * 4), np.arange(40))
    assert low == pytest.approx(alone_low, abs=0.01)
    assert high == pytest.approx(alone_high, abs=0.01)


def test_clusters_that_are_as_mixed_as_the_whole_take_nothing_away():
    hits = np.tile(flags("10"), 50)
    assert share_interval(hits, np.repeat(np.arange(50), 2)) == share_interval(hits, np.arange(100))


@pytest.mark.parametrize("hit", ["0", "1"])
def test_where_nothing_scatters_a_cluster_counts_once(hit):
    hits = flags(hit * 100)
    assert share_interval(hits, np.repeat(np.arange(10), 10)) == share_interval(flags(hit * 10), np.arange(10))


def test_no_completion_tells_nothing():
    assert share_interval(flags(""), np.array([], np.int64)) == (0.0, 1.0)


def sample_of(clusters: np.ndarray, rows_in_all: int, tmp_path, *, is_whole: bool = False) -> Sample:
    write_rows(tmp_path / "a.parquet", rows_of(len(clusters), 1))
    made = drawn(f"{tmp_path}/a.parquet", completions=len(clusters))
    return Sample(
        samples=made.samples,
        places=tuple(Place(path="a", row=row) for row in range(len(clusters))),
        clusters=clusters,
        rows_in_all=rows_in_all,
        is_whole=is_whole,
        is_scattered=False,
        read_s=0.0,
        rows_read=1,
        hash_s=0.0,
    )


def test_counts_are_scaled_to_the_corpus_and_exact_where_it_was_looked_at_whole(tmp_path):
    hits = flags("1010101010")
    scaled = estimate_count(hits, sample_of(np.arange(10), 1000, tmp_path))
    assert (scaled.count, scaled.low, scaled.high) == (500, 236, 764)
    exact = estimate_count(hits, sample_of(np.arange(10), 10, tmp_path, is_whole=True))
    assert (exact.count, exact.low, exact.high) == (5, 5, 5)


def test_what_was_seen_is_there(tmp_path):
    nearly_all = estimate_count(flags("1111111110"), sample_of(np.arange(10), 11, tmp_path))
    assert nearly_all.low == 9
