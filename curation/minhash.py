"""Near-duplicates of texts: signatures whose agreement estimates how much two texts share, and clusters of them.

What is compared are runs of five words (``curation.words``; a Chinese character is a word). Each run falls into one
of the bins of the text and the least hash of a bin is kept, so a text is hashed once and not once for each of 128
permutations; bins without a run take the value of another, in an order fixed by the seed. Two texts agree in a bin
with the probability of their Jaccard similarity: shared runs over all runs. With 128 bins the standard error is at
most 4.5 percent, and 3.5 at a similarity of 80.

A text of too few words is compared by its own signs, but for the case of words, white space, the dollars around
formulas and the last full stop: its few runs could not tell 80 percent from all, and in "2 + 2 = 4" and "2 - 2 = 4"
the words are the same.

Texts with other numbers, or the same in another order, or more plus signs are other problems, however much else they
share: they agree in no bin. Only ``small`` signatures leave that out, as two answers may well differ in a number. Of
prompts other signs that calculate or compare count too, and words that turn a question round, such as "least" for
"greatest"; and standard instructions (``curation.instructions``) are no words, or a long one would make prompts alike.

Source:
    Li, Owen, Zhang: One permutation hashing (NeurIPS 2012). Shrivastava: Optimal densification for fast and accurate
    minwise hashing (ICML 2017); a random order of the bins stands in place of its hash of (bin, attempt), so that the
    search ends. Bands: Leskovec, Rajaraman, Ullman: Mining of massive datasets, 3.4.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

from curation.instructions import instructed
from curation.words import Hashes, Words, batches, bytes_of, first_of_runs, grams, runs_of, spread, words_of

Values: TypeAlias = npt.NDArray[np.uint32]
Labels: TypeAlias = npt.NDArray[np.int64]
Marks: TypeAlias = npt.NDArray[np.uint8]

BINS = 128
"""Of a signature, where nothing else is said."""
NO_TEXT = np.uint32(0xFFFFFFFF)
"""Every value of the signature of null, which is like nothing, itself included."""

_PERMUTATIONS = tuple(1 << power for power in range(1, 11))
_LEAST_RUNS = 8
_BATCH_BYTES = 1 << 19
_PAIRS = 1 << 16


_ALL_BUT_LAST = np.uint32(0xFFFFFF00)
_WORD = re.compile(r"[^\W\d_]{3,}")
_TYPESETTING = re.compile(r"\s+|\$|\\[()\[\]]|[.?!。？！]+(?=[\s$)\]\\]*$)")
"""White space, the bounds of formulas, and the last full stop: in a short text all other signs tell."""

_SIGNS = ("/", "<", ">", "≤", "≥", "÷")
_TURNS = (
    "largest greatest biggest highest maximum maximal max 大",
    "smallest least lowest minimum minimal min 小",
    "ascending increasing 增",
    "descending decreasing 减",
    "odd 奇",
    "even 偶",
    "le",
    "ge",
    "union cup",
    "intersection cap",
    "not isn never without 不 没",
    "python",
    "java",
    "javascript",
    "typescript",
    "rust",
    "sql",
)
"""Words that mean one thing, a line each; another of them asks for something else."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Signatures:
    """How signatures are made; kept ones fit new ones as long as the three options are the same."""

    @staticmethod
    def of(
        texts: pl.Series,
        *,
        permutations: int = BINS,
        shingle: int = 5,
        seed: int = 1,
        are_prompts: bool = False,
        under: pl.Series | None = None,
    ) -> Values:
        """The signature of each text, from that text alone.

        Args:
            texts: of type String.
            permutations: bins of a signature; a power of two.
            shingle: words in a run.
            seed: of the hashes. Signatures of two seeds never match.
            are_prompts: whether instructions and words that turn a question round are looked for.
            under: of each text what stands before it, such as the system's words, or null; texts under different ones
                agree in no bin.

        Returns:
            texts x permutations; ``NO_TEXT`` throughout for null.

        Raises:
            ValueError: permutations is no power of two from 2 to 1024, or shingle is under 1.
        """
        if permutations not in _PERMUTATIONS:
            raise ValueError(f"permutations is {permutations}; give a power of two from 2 to 1024")
        if shingle < 1:
            raise ValueError(f"shingle is {shingle}; give at least 1")
        signatures = np.full((len(texts), permutations), NO_TEXT, np.uint32)
        orders = _orders(permutations, seed)
        for first, batch in batches(texts, _BATCH_BYTES):
            words = words_of(batch)
            part = signatures[first : first + len(batch)]
            hashes = words.hashes()
            told, told_hashes = words, hashes
            if are_prompts:
                is_told = ~instructed(words, words.hashes(masks_numbers=True))
                told, told_hashes = words.where(is_told), hashes[is_told]
            _fill_bins(part, told, grams(told_hashes, shingle), shingle=shingle, seed=seed)
            _densify(part, orders)
            is_short = np.diff(told.rows) < shingle + _LEAST_RUNS - 1
            _fill_short(part, batch, np.flatnonzero(is_short).tolist(), seed)
            marks = _number_marks(words, hashes) + _plus_marks(batch)
            if are_prompts:
                marks += _turn_marks(words, hashes) + _sign_marks(batch)
            if under is not None:
                marks += _text_marks(under.slice(first, len(batch)))
            _tell_marks(part, batch, marks)
        return signatures


def small(signatures: Values) -> Marks:
    """A byte of each value: enough to compare the few texts of one group, in a quarter of the room.

    Two that differ agree by chance in one of 256 bins. Numbers do not count in it.

    Source:
        Li, Koenig: b-bit minwise hashing (WWW 2010).
    """
    return signatures.astype(np.uint8)


def as_bytes(signatures: Values | Marks) -> pl.Series:
    """Each signature as its bytes."""
    return pl.Series([row.tobytes() for row in signatures], dtype=pl.Binary)


def from_bytes(column: pl.Series, kind: type[np.uint8 | np.uint32]) -> npt.NDArray[Any]:
    """The signatures that were written as bytes; zeros for null."""
    there = column.is_not_null()
    # As one buffer: an object for each would take more room than all of them.
    held = column.filter(there).to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = held.buffers()
    first, last = np.frombuffer(offsets, np.int64, len(held) + 1, held.offset * 8)[[0, -1]]
    size = int(last - first) // max(1, len(held))
    found = np.zeros((column.len(), size // np.dtype(kind).itemsize), kind)
    found[there.to_numpy()] = (
        np.frombuffer(data, kind, (last - first) // found.itemsize, first).reshape(len(held), -1) if size else 0
    )
    return found


def clusters(
    signatures: Values, *, threshold_percent: int = 80, bands: int | None = None, pairs_at_once: int = _PAIRS
) -> Labels:
    """For each text the first row of its cluster, so a text that is like no earlier one is its own.

    Two texts that share all values of a band are compared, and are joined where at least ``threshold_percent`` of
    their values agree; a cluster is what such pairs connect. The pairs do not depend on any order, so neither do the
    clusters. Memory is some 60 bytes a text beside the signatures.

    Args:
        signatures: texts x permutations.
        threshold_percent: from 1 to 100.
        bands: more find more of the pairs just over the threshold and compare more pairs; None takes the least
            number that finds 99 % of the pairs at the threshold.
        pairs_at_once: pairs compared in one go; sets memory and no result.

    Raises:
        ValueError: threshold_percent or bands out of range.
    """
    permutations = signatures.shape[1]
    if not 1 <= threshold_percent <= 100:  # noqa: PLR2004 - percent
        raise ValueError(f"threshold_percent is {threshold_percent}; give 1 to 100")
    bands = _bands_for(threshold_percent, permutations) if bands is None else bands
    if not 1 <= bands <= permutations:
        raise ValueError(f"bands is {bands}; give 1 to {permutations}")
    least = -(-threshold_percent * permutations // 100)
    parents = _first_equal(signatures)
    # Of equal signatures one goes on, so that many copies cost no more than one.
    different = np.flatnonzero(parents == np.arange(len(parents)))
    different = different[signatures[different, 0] != NO_TEXT]
    size = permutations // bands
    for band in range(bands):
        columns = signatures[:, band * size : (band + 1) * size]
        for left, right in _candidates(columns, different, parents):
            for start in range(0, len(left), pairs_at_once):
                a, b = left[start : start + pairs_at_once], right[start : start + pairs_at_once]
                agree = np.count_nonzero(signatures[a] == signatures[b], axis=1) >= least
                _join(parents, a[agree].tolist(), b[agree].tolist())
    return _flatten(parents)


@lru_cache(maxsize=4)
def _orders(permutations: int, seed: int) -> Labels:
    """For each bin all others, in an order of its own."""
    keys = spread(np.arange(permutations * permutations, dtype=np.uint64) * _GOLDEN + _mixed(seed))
    keys = keys.reshape(permutations, permutations)
    # Each bin's own key becomes the greatest, so that it stands last and is cut off.
    np.fill_diagonal(keys, np.iinfo(np.uint64).max)
    return np.argsort(keys, axis=1, kind="stable")[:, :-1]


def _mixed(seed: int) -> np.uint64:
    return np.uint64(xxhash.xxh3_64_intdigest(str(seed).encode()))


def _fill_bins(part: Values, words: Words, runs: Hashes, *, shingle: int, seed: int) -> None:
    """Puts the least value of each bin in place; a bin without runs keeps ``NO_TEXT``."""
    if not len(runs):
        return
    permutations = part.shape[1]
    rows = np.repeat(np.arange(len(part), dtype=np.int64), np.diff(words.rows))
    mixed = spread(runs ^ _mixed(seed))
    values = _values(mixed)
    is_across = rows[: len(runs)] != rows[shingle - 1 :]
    values[is_across] = NO_TEXT
    bins = (mixed >> np.uint64(64 - permutations.bit_length() + 1)).view(np.int64)
    bins += rows[: len(runs)] * permutations
    np.minimum.at(part.reshape(-1), bins, values)


def _values(hashes: Hashes | Values) -> Values:
    return np.minimum(hashes.astype(np.uint32), NO_TEXT - 1)


def _densify(part: Values, orders: Labels) -> None:
    """Gives each bin without a value that of the first other bin, in the bin's order, that has one."""
    is_empty = part == NO_TEXT
    is_empty[is_empty.all(axis=1)] = False
    rows, bins = np.nonzero(is_empty)
    before = part.copy()
    for others in orders.T:
        if not len(rows):
            return
        values = before[rows, others[bins]]
        is_found = values != NO_TEXT
        part[rows[is_found], bins[is_found]] = values[is_found]
        rows, bins = rows[~is_found], bins[~is_found]


def _fill_short(part: Values, texts: pl.Series, rows: list[int], seed: int) -> None:
    """Signatures of short texts: equal where the texts are, as ``_plain`` reads them, else in no bin but by chance."""
    numbers = np.arange(1, part.shape[1] + 1, dtype=np.uint64) * _GOLDEN
    key = int(_mixed(seed))
    for row, text in zip(rows, texts.gather(rows).to_list(), strict=True):
        if text is None:
            part[row] = NO_TEXT
        else:
            part[row] = _values(spread(numbers + np.uint64(xxhash.xxh3_64_intdigest(_plain(text).encode(), key))))


def _plain(text: str) -> str:
    """A short text without typesetting, and its words in lower case: letters alone are variables."""
    return _TYPESETTING.sub("", _WORD.sub(lambda word: word.group().lower(), text)) or text


def _tell_marks(part: Values, texts: pl.Series, marks: Hashes) -> None:
    """Changes all bytes of the values but the last by what makes a text another problem."""
    keys = spread(marks).astype(np.uint32) & _ALL_BUT_LAST
    is_there = texts.is_not_null().to_numpy()
    part[is_there] = _values(part[is_there] ^ keys[is_there, np.newaxis])


def _number_marks(words: Words, hashes: Hashes) -> Hashes:
    """A mark of each text by its numbers, in their order."""
    places = np.flatnonzero(words.is_digits)
    bounds = np.searchsorted(places, words.rows)
    ranks = np.arange(len(places)) - np.repeat(bounds[:-1], np.diff(bounds))
    return _sums(spread(hashes[places] + ranks.astype(np.uint64) * _GOLDEN), bounds)


def _plus_marks(texts: pl.Series) -> Hashes:
    """A mark of each text by how many plus signs it has."""
    return texts.str.count_matches("+", literal=True).fill_null(0).to_numpy().astype(np.uint64) * _GOLDEN


def _sign_marks(texts: pl.Series) -> Hashes:
    """A mark of each text by how many it has of each of ``_SIGNS``."""
    data, offsets = bytes_of(texts)
    marks = np.zeros(len(texts), np.uint64)
    for sign, factor in zip(_SIGNS, spread(np.arange(1, len(_SIGNS) + 1, dtype=np.uint64)), strict=True):
        places = np.array([found.start() for found in re.finditer(sign.encode(), data)], np.int64)
        marks += np.diff(np.searchsorted(places, offsets)).astype(np.uint64) * factor
    return marks


def _turn_marks(words: Words, hashes: Hashes) -> Hashes:
    """A mark of each text by how many it has of the words that turn a question round."""
    known, meanings = _turns()
    places = np.flatnonzero(np.isin(hashes, known))
    return _sums(meanings[np.searchsorted(known, hashes[places])], np.searchsorted(places, words.rows))


def _text_marks(texts: pl.Series) -> Hashes:
    """A mark of each of some texts that often come again, by all of it; 0 for null."""
    marks = {text: xxhash.xxh3_64_intdigest(text.encode()) for text in texts.unique().drop_nulls()}
    return np.array([marks.get(text, 0) for text in texts], np.uint64)


@lru_cache(1)
def _turns() -> tuple[Hashes, Hashes]:
    """The hashes of ``_TURNS``, ascending, and the mark of each."""
    words = words_of(pl.Series(_TURNS))
    hashes = words.hashes()
    order = np.argsort(hashes)
    return hashes[order], np.repeat(spread(np.arange(len(_TURNS), dtype=np.uint64)), np.diff(words.rows))[order]


def _sums(marks: Hashes, bounds: Labels) -> Hashes:
    """The sum of the marks between the bounds of each text."""
    return np.diff(np.concatenate((np.zeros(1, np.uint64), np.cumsum(marks, dtype=np.uint64)))[bounds])


def _bands_for(threshold_percent: int, permutations: int) -> int:
    """The least bands of which two texts at the threshold share one in 99 of 100 cases."""
    for bands in range(1, permutations):
        size = permutations // bands
        missed = (100**size - threshold_percent**size) ** bands
        if missed * 100 <= 100 ** (size * bands):
            return bands
    return permutations


def _first_equal(signatures: Values) -> Labels:
    """For each text the first with the same signature; itself where it is null."""
    keys = np.empty((len(signatures), 2), np.uint64)
    for first in range(0, len(signatures), _PAIRS):
        part = signatures[first : first + _PAIRS]
        keys[first : first + len(part)] = np.frombuffer(b"".join(map(xxhash.xxh3_128_digest, part)), "<u8").reshape(
            -1, 2
        )
    order = np.lexsort(keys.T)
    is_new = np.arange(len(keys)) == 0
    for half in keys.T:
        ordered = half[order]
        is_new[1:] |= ordered[1:] != ordered[:-1]
    firsts = first_of_runs(order, np.flatnonzero(is_new))
    return np.where((signatures[:, 0] == NO_TEXT), np.arange(len(signatures)), firsts)


def _candidates(columns: Values, rows: Labels, parents: Labels) -> Iterator[tuple[Labels, Labels]]:
    """Pairs of these texts with one key in a band, not in one cluster yet; ``parents`` changes between the yields."""
    keys = np.zeros(len(rows), np.uint64)
    for column in columns.T:
        keys += _GOLDEN
        keys += column[rows]
        keys = spread(keys)
    order = np.argsort(keys, kind="stable")
    rows, keys = rows[order], keys[order]
    distance = 1
    while True:
        rows, keys = _unsettled(rows, keys, distance, parents)
        if not len(rows):
            return
        left, right = rows[:-distance], rows[distance:]
        is_pair = keys[:-distance] == keys[distance:]
        is_pair &= _roots(parents, left) != _roots(parents, right)
        yield left[is_pair], right[is_pair]
        distance += 1


def _unsettled(rows: Labels, keys: Hashes, distance: int, parents: Labels) -> tuple[Labels, Hashes]:
    """The texts of those keys that have pairs so far apart, and texts of two clusters."""
    # Most keys are those of one text alone, and nothing else is asked of it.
    _, sizes = runs_of(keys)
    kept = np.repeat(sizes > distance, sizes)
    rows, keys = rows[kept], keys[kept]
    if not len(rows):
        return rows, keys
    starts, sizes = runs_of(keys)
    roots = _roots(parents, rows)
    is_open = np.minimum.reduceat(roots, starts) != np.maximum.reduceat(roots, starts)
    kept = np.repeat(is_open, sizes)
    return rows[kept], keys[kept]


def _roots(parents: Labels, rows: Labels) -> Labels:
    roots = parents[rows]
    while True:
        above = parents[roots]
        if np.array_equal(above, roots):
            return roots
        roots = above


def _join(parents: Labels, left: list[int], right: list[int]) -> None:
    for a, b in zip(left, right, strict=True):
        one, other = _root(parents, a), _root(parents, b)
        # The smaller row is the root, so that the label needs no second pass.
        parents[max(one, other)] = min(one, other)


def _root(parents: Labels, row: int) -> int:
    while (above := int(parents[row])) != row:
        parents[row] = parents[above]
        row = above
    return row


def _flatten(parents: Labels) -> Labels:
    return _roots(parents, np.arange(len(parents), dtype=np.int64))
