"""Signatures estimate what texts share, and clusters are those of the near-duplicates alone."""

from __future__ import annotations

import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from curation import minhash
from curation.minhash import NO_TEXT, Signatures, clusters
from curation.words import words_of

KEPT = [
    [2848726531, 1596357913, 4292508537, 168975171],
    [3213692154, 104854997, 578476125, 1151803732],
    [196571398, 1829100361, 1618348899, 5218857],
]
LETTERS = str.maketrans("0123456789", "abcdefghij")
WORDS = [f"word{number}x".translate(LETTERS) for number in range(2000)]


def drawing(seed):
    return random.Random(seed)  # noqa: S311 - texts, not secrets


def document(draw, words=400):
    return " ".join(draw.choice(WORDS) for _ in range(words))


def with_changes(draw, text, count):
    words = text.split(" ")
    for place in draw.sample(range(len(words)), count):
        words[place] = f"other{draw.randrange(10**6)}".translate(LETTERS)
    return " ".join(words)


def runs(text, shingle=5):
    own = words_of(pl.Series([text])).of_row(0)
    return {tuple(own[start : start + shingle]) for start in range(len(own) - shingle + 1)}


def jaccard(one, other):
    return len(runs(one) & runs(other)) / len(runs(one) | runs(other))


def labels(texts, **options):
    return clusters(Signatures.of(pl.Series(texts, dtype=pl.String)), **options).tolist()


# --- signatures ---


@given(st.integers(0, 2**32), st.integers(20, 600), st.floats(0, 0.3))
def test_agreement_estimates_the_jaccard_similarity(seed, length, share):
    draw = drawing(seed)
    text = document(draw, length)
    other = with_changes(draw, text, int(length * share))
    one, two = Signatures.of(pl.Series([text, other]), permutations=1024)
    # Bins filled from others are no new draws, so a short text has only as many as it has runs.
    draws = min(1024, len(runs(text) | runs(other)))
    assert abs(float((one == two).mean()) - jaccard(text, other)) <= 5 * 0.5 / draws**0.5


def test_the_estimate_has_no_bias():
    draw = drawing(3)
    errors = []
    for _ in range(60):
        text = document(draw)
        other = with_changes(draw, text, draw.randrange(30))
        one, two = Signatures.of(pl.Series([text, other]))
        errors.append(float((one == two).mean()) - jaccard(text, other))
    assert abs(np.mean(errors)) < 0.02
    assert np.std(errors) < 0.05


@given(st.lists(st.text("ab é。的", max_size=60) | st.none(), max_size=12), st.integers(1, 40))
def test_a_signature_depends_on_its_text_alone(texts, batch_bytes):
    series = pl.Series(texts, dtype=pl.String)
    whole = Signatures.of(series)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(minhash, "_BATCH_BYTES", batch_bytes)
        assert np.array_equal(Signatures.of(series), whole)
    for row in range(len(texts)):
        assert np.array_equal(Signatures.of(series.slice(row, 1))[0], whole[row])


def test_signatures_are_the_same_with_every_version():
    texts = [
        "one two three four five six seven eight nine ten eleven twelve",
        "short",
        "已知函数在区间上单调递增求实数的取值范围",
    ]
    found = Signatures.of(pl.Series(texts), permutations=4)
    assert found.tolist() == KEPT


def test_a_seed_is_a_family_of_its_own():
    text = pl.Series([document(drawing(1)), "short"])
    assert not (Signatures.of(text, seed=1) == Signatures.of(text, seed=2)).any()


def test_null_has_no_values_and_all_other_texts_have_all():
    found = Signatures.of(pl.Series([None, "", "a", document(drawing(1), 13)], dtype=pl.String))
    assert (found[0] == NO_TEXT).all()
    assert not (found[1:] == NO_TEXT).any()


def test_no_texts_have_no_signatures():
    assert Signatures.of(pl.Series([], dtype=pl.String)).shape == (0, 128)
    assert labels([]) == []


@pytest.mark.parametrize("options", [{"permutations": 100}, {"permutations": 1}, {"shingle": 0}])
def test_options_that_make_no_signature_are_refused(options):
    with pytest.raises(ValueError, match="give"):
        Signatures.of(pl.Series(["a"]), **options)


# --- clusters ---


def test_near_duplicates_are_found_and_others_are_not():
    draw = drawing(5)
    texts = [document(draw) for _ in range(100)]
    near = [with_changes(draw, text, 3) for text in texts]
    assert labels(texts + near) == [*range(100), *range(100)]


def test_half_changed_texts_are_not_joined():
    draw = drawing(6)
    texts = [document(draw) for _ in range(100)]
    half = [with_changes(draw, text, 60) for text in texts]
    assert labels(texts + half) == list(range(200))


def test_chinese_texts_are_compared_by_characters():
    draw = drawing(7)
    text = "".join(chr(draw.randrange(0x4E00, 0x9000)) for _ in range(300))
    assert labels([text, text[:150] + "好" + text[151:], text[::-1]]) == [0, 0, 2]


def test_case_and_punctuation_of_long_texts_play_no_part():
    text = document(drawing(8))
    assert labels([text, text.upper().replace(" ", ", ")]) == [0, 0]


@given(
    st.lists(
        st.sampled_from(
            ["", " ", "a", "A", "a.", "2 + 2 = 4", "2+2 = 4.", "2 - 2 = 4", "一二三", "x y z w v u t s r q p"]
        )
        | st.none()
    )
)
def test_short_texts_are_joined_only_where_they_are_equal(texts):
    found = labels(texts, threshold_percent=1, bands=128)
    # White space and a full stop say nothing beside a sign, but they are not the same as nothing.
    plain = [text and (text.removesuffix(".").replace(" ", "") or text) for text in texts]
    assert found == [row if text is None else plain.index(text) for row, text in enumerate(plain)]


def test_a_short_text_is_not_joined_to_a_long_one_that_holds_it():
    text = document(drawing(9), 14)
    assert labels([text, " ".join(text.split(" ")[:11])]) == [0, 1]


def test_a_chain_of_near_duplicates_is_one_cluster_named_by_its_first_row():
    draw = drawing(10)
    chain = [document(draw)]
    for _ in range(12):
        chain.append(with_changes(draw, chain[-1], 4))
    assert jaccard(chain[0], chain[-1]) < 0.7
    other = document(draw)
    assert labels([other, *reversed(chain)]) == [0, *[1] * 13]


def plain_clusters(signatures, percent, bands):
    """Clusters by comparing all pairs."""
    count, permutations = signatures.shape
    size = permutations // bands
    found = list(range(count))
    for a in range(count):
        for b in range(a + 1, count):
            same = signatures[a] == signatures[b]
            meets = any(same[band * size : (band + 1) * size].all() for band in range(bands))
            is_text = (signatures[a] != NO_TEXT).all()
            if meets and is_text and int(same.sum()) * 100 >= percent * permutations:
                low, high = sorted((found[a], found[b]))
                found = [low if label == high else label for label in found]
    return found


@given(
    hnp.arrays(np.uint32, st.tuples(st.integers(0, 24), st.just(8)), elements=st.integers(0, 2)),
    st.sampled_from([25, 50, 75, 80, 100]),
    st.integers(1, 8),
    st.integers(1, 9),
)
def test_clusters_are_those_of_all_pairs_whatever_is_compared_at_once(signatures, percent, bands, pairs_at_once):
    found = clusters(signatures, threshold_percent=percent, bands=bands, pairs_at_once=pairs_at_once)
    assert found.tolist() == plain_clusters(signatures, percent, bands)


@given(st.permutations(range(12)))
def test_clusters_do_not_depend_on_the_order_of_texts(order):
    draw = drawing(11)
    texts = [document(draw, 60) for _ in range(4)]
    texts += [with_changes(draw, text, 1) for text in texts for _ in range(2)]
    plain = labels(texts)
    shuffled = labels([texts[row] for row in order])
    assert [[a == b for b in shuffled] for a in shuffled] == [[plain[a] == plain[b] for b in order] for a in order]


def test_many_copies_are_one_cluster():
    draw = drawing(12)
    signatures = np.repeat(Signatures.of(pl.Series([document(draw), document(draw)])), 5000, axis=0)
    assert np.unique(clusters(signatures)).tolist() == [0, 5000]


@pytest.mark.parametrize(
    "options", [{"threshold_percent": 0}, {"threshold_percent": 101}, {"bands": 0}, {"bands": 129}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="give 1 to"):
        labels(["a"], **options)
