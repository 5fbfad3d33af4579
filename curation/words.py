r"""The words of many texts at once, as arrays: what contamination and near-duplicates are found by.

A word is a run of letters, a run of digits, or one character of a script without spaces (Han, kana). Text is
compared in NFKC and lower case; all that is neither letter nor digit parts words, so ``\frac{1}{2}``, ``\frac 1 2``
and ``\frac{ 1 }{ 2 }`` are the same three words, and ``x^2``, ``x²`` and ``x ^ {2}`` the same two. The commands in
``LAYOUT`` only place what stands beside them and are no words; ``\dfrac`` and ``\tfrac`` are ``\frac``, ``\dbinom`` is
``\binom``, ``\leq`` is ``\le``. Letters of mathematics are their commands: ``π`` is ``\pi``, ``√`` is ``\sqrt``. Signs
that nobody sees, such as a soft hyphen, HTML's entities of signs, and its tags within a paragraph are not there.

No Python runs per word, and none per text of ASCII: a batch is one buffer of bytes, translated by table, cut at the
changes of class, and hashed eight bytes at a time by fixed arithmetic, so hashes are the same on every machine and
with every version of the libraries.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
import xxhash

Bytes: TypeAlias = npt.NDArray[np.uint8]
Flags: TypeAlias = npt.NDArray[np.bool_]
Places: TypeAlias = npt.NDArray[np.int64]
Hashes: TypeAlias = npt.NDArray[np.uint64]

LAYOUT = frozenset(
    [
        "left",
        "right",
        "middle",
        "big",
        "bigl",
        "bigr",
        "bigg",
        "biggl",
        "biggr",
        "quad",
        "qquad",
        "thinspace",
        "displaystyle",
        "textstyle",
        "limits",
        "text",
        "textbf",
        "textit",
        "textrm",
        "mathrm",
        "mathbf",
        "mathit",
        "mathsf",
        "mbox",
        "operatorname",
    ]
)
r"""LaTeX commands, without ``\``, that say where and in what type things stand and not what they are."""

SIGNS = frozenset(
    [
        "frac",
        "dfrac",
        "tfrac",
        "cfrac",
        "over",
        "times",
        "cdot",
        "div",
        "pm",
        "mp",
        "le",
        "leq",
        "leqslant",
        "ge",
        "geq",
        "geqslant",
        "lt",
        "gt",
        "ne",
        "neq",
        "approx",
        "equiv",
        "sim",
        "in",
        "notin",
        "subset",
        "subseteq",
        "cup",
        "cap",
        "to",
        "rightarrow",
        "implies",
        "mid",
        "perp",
        "parallel",
        "circ",
        "degree",
        "infty",
        "dots",
        "ldots",
        "cdots",
    ]
)
r"""LaTeX commands for signs that can be written without letters, as ``a/b``, ``≤`` and ``...``."""

UNSEEN = "\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"
"""Signs that nobody sees, as what stands in the brackets of a pattern."""
_HEADED = (b"dfrac", b"tfrac", b"dbinom", b"tbinom")
_ENDED = (b"leq", b"geq", b"neq")
"""Other names of commands: those with a letter before the name, and those with one after it."""
_BACKSLASH, _BREAK = 0x5C, "\n"
_ASCII_END = 0x80
_LEADS, _WIDE = (0xE3, 0xE9), (0xF0, 0xA0)
_NOTHING, _LETTER, _DIGIT, _CHARACTER = range(4)
_KEPT = b"abcdefghijklmnopqrstuvwxyz0123456789\\" + bytes(range(0x80, 0x100))
_FOLDED = bytes(byte if byte in _KEPT else 0x20 for byte in bytes(range(256)).lower())
_CLASSES = bytes(
    _DIGIT if byte in b"0123456789" else _LETTER if byte in _KEPT and byte != _BACKSLASH else _NOTHING
    for byte in range(256)
)
_FOREIGN = re.compile(r"[^\x00-\x7f\w]+")
_ENTITY = re.compile(
    rb"&(?:#[0-9]{1,5}|#[xX][0-9a-fA-F]{1,4}|nbsp|ensp|emsp|thinsp|amp|lt|gt|quot|apos|[lr][sd]quo|[nm]dash);"
)
_TAG = re.compile(rb"</?(?:b|i|u|p|br|em|strong|span|div|sub|sup|li|ul|ol)[ \t]*/?>")
_MATH_LETTERS = {
    "√": "sqrt", "∠": "angle", "△": "triangle", "∑": "sum", "∏": "prod", "∫": "int", "∂": "partial",
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau",
    "φ": "phi", "χ": "chi", "ψ": "psi", "ω": "omega",
}  # fmt: skip
_MATH_LETTER = re.compile(rf"[√∠△∑∏∫∂]|(?<![^\W\d_a-z])[{''.join(_MATH_LETTERS)}](?![^\W\d_])")
"""A letter of mathematics: a Greek one only where no other letter but a Latin one stands beside it."""
_UNSEEN = re.compile(f"[{UNSEEN}]")

_STEP = 8
_MARGIN = 2 * _STEP
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(_STEP + 1)], np.uint64)
_HASHED_HERE = 64
"""Bytes of the longest word that is hashed in steps; the few beyond it go to xxh3 one at a time."""

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_FOLD = np.uint64(0xD6E8FEB86659FD93)
_CHAIN = 0xA0761D6478BD642F
_HALF = np.uint64(32)
_NUMBER_HASH = np.uint64(0x2545F4914F6CDD1D)


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of a series of texts, one after the other.

    Args:
        data: the texts as they are compared, in UTF-8, one after the other.
        starts: first byte of each word in ``data``.
        ends: byte after each word.
        rows: the words of text i are ``rows[i]`` to ``rows[i + 1]``; one longer than the texts.
        is_digits: whether a word is a number.
        is_character: whether a word is a character of a script without spaces.
    """

    data: bytes
    starts: Places
    ends: Places
    rows: Places
    is_digits: Flags
    is_character: Flags

    def word(self, place: int) -> bytes:
        """One word, in UTF-8."""
        return self.data[self.starts[place] : self.ends[place]]

    def of_row(self, row: int) -> list[bytes]:
        """The words of one text."""
        first, last = int(self.rows[row]), int(self.rows[row + 1])
        bounds = zip(self.starts[first:last].tolist(), self.ends[first:last].tolist(), strict=True)
        return [self.data[start:end] for start, end in bounds]

    def where(self, is_left: Flags) -> Words:
        """Some of the words."""
        before: Places = np.concatenate((np.zeros(1, np.int64), np.cumsum(is_left, dtype=np.int64)))
        return Words(
            data=self.data,
            starts=self.starts[is_left],
            ends=self.ends[is_left],
            rows=before[self.rows],
            is_digits=self.is_digits[is_left],
            is_character=self.is_character[is_left],
        )

    def hashes(self, *, masks_numbers: bool = False) -> Hashes:
        """A hash of each word, by its bytes alone.

        Args:
            masks_numbers: gives all numbers the same.
        """
        hashes = _hashes(self.data, self.starts, self.ends)
        if masks_numbers:
            hashes[self.is_digits] = _NUMBER_HASH
        return hashes


def words_of(texts: pl.Series, *, has_signs: bool = True) -> Words:
    """The words of texts; null has none.

    Args:
        texts: of type String.
        has_signs: whether the commands in ``SIGNS`` are words.
    """
    data, offsets = _composed(*bytes_of(texts))
    # Eight bytes are read at any word, so some stand after the last.
    data = data.translate(_FOLDED) + b" " * _MARGIN
    classes = np.frombuffer(data.translate(_CLASSES), np.uint8)
    is_cut = classes[1:] != classes[:-1]
    if not data.isascii():
        classes = classes.copy()
        _cut_characters(np.frombuffer(data, np.uint8), classes, is_cut)
    is_inside = classes != _NOTHING
    starts = np.flatnonzero(is_cut & is_inside[1:]) + 1
    ends = np.flatnonzero(is_cut & is_inside[:-1]) + 1
    if is_inside[0]:
        starts = np.concatenate((np.zeros(1, np.int64), starts))
    kinds = classes[starts]
    commands = np.flatnonzero(np.frombuffer(data, np.uint8)[starts - 1] == _BACKSLASH)
    if len(commands):
        starts, ends, kinds, commands = _with_short_fractions(data, starts, ends, kinds, commands)
        starts, ends, is_word = _without_layout(data, starts, ends, commands, has_signs=has_signs)
        starts, ends, kinds = starts[is_word], ends[is_word], kinds[is_word]
    return Words(
        data=data,
        starts=starts,
        ends=ends,
        rows=np.searchsorted(starts, offsets).astype(np.int64),
        is_digits=kinds == _DIGIT,
        is_character=kinds == _CHARACTER,
    )


def bytes_of(texts: pl.Series) -> tuple[bytes, Places]:
    """The texts one after the other, with spaces in the place of entities and tags, and the first byte of each."""
    data, offsets = _joined(texts)
    if b"&" in data:
        data = _ENTITY.sub(_blank, data)
    return _TAG.sub(_blank, data) if b"<" in data else data, offsets


def batches(texts: pl.Series, batch_bytes: int) -> Iterator[tuple[int, pl.Series]]:
    """The texts in slices of about so many bytes, each with the place of its first."""
    sizes = texts.str.len_bytes().fill_null(0).to_numpy().astype(np.int64)
    for first, last in spans(sizes, batch_bytes):
        yield first, texts.slice(first, last - first)


def spans(sizes: Places, batch_bytes: int) -> Iterator[tuple[int, int]]:
    """First and last + 1 of texts of about so many bytes, one after the other, by the sizes of all."""
    ends = np.cumsum(sizes)
    first = 0
    while first < len(sizes):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + batch_bytes, side="right")))
        yield first, last
        first = last


def grams(hashes: Hashes, size: int) -> Hashes:
    """A hash of each run of words, in order.

    Args:
        hashes: of n words.
        size: words in a run; at least 1.

    Returns:
        n - size + 1 hashes, or none.
    """
    if len(hashes) < size:
        return np.zeros(0, np.uint64)
    # Runs of 1, 2, 4, ... are made from two of half the size, and joined to the size that is asked for.
    power, width = hashes, 1
    joined: Hashes | None = None
    done = 0
    while True:
        if size & width:
            joined = power if joined is None else joined[: len(joined) - width] * _factor(width) + power[done:]
            done += width
        if done == size:
            return joined if joined is not None else power
        power = power[:-width] * _factor(width) + power[width:]
        width *= 2


def mark(flags: Flags, words: Words, places: Places, size: int) -> None:
    """Sets the flags of the words of the runs that start there, and lie in one text."""
    ends = words.rows[np.searchsorted(words.rows, places, side="right")]
    places = places[places + size <= ends]
    for offset in range(size):
        flags[places + offset] = True


def starts_of(values: npt.NDArray[Any]) -> Places:
    """Where each new value begins, in an array in which equal values stand together."""
    return np.flatnonzero(np.concatenate((np.ones(min(1, len(values)), np.bool_), values[1:] != values[:-1])))


def runs_of(values: npt.NDArray[Any]) -> tuple[Places, Places]:
    """Where each new value begins, as ``starts_of`` says, and how often it stands there."""
    starts = starts_of(values)
    return starts, np.diff(np.append(starts, len(values)))


def first_equal(values: npt.NDArray[Any]) -> Places:
    """For each value the number of the first that equals it."""
    order = np.argsort(values, kind="stable")
    return first_of_runs(order, starts_of(values[order]))


def first_of_runs(order: Places, starts: Places) -> Places:
    """For each of some values, put in ``order`` with equal ones in runs that begin at ``starts``, the first of its run.

    Args:
        order: numbers of the values.
        starts: places in it.
    """
    found = np.empty(len(order), np.int64)
    found[order] = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    return found


def spread(hashes: Hashes) -> Hashes:
    """The hashes with every bit depending on all bits.

    Source:
        The finalizer of splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
    """
    mixed = hashes ^ (hashes >> np.uint64(30))
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def _factor(width: int) -> np.uint64:
    return np.uint64(pow(_CHAIN, width, 1 << 64))


def _joined(texts: pl.Series) -> tuple[bytes, Places]:
    """The texts one after the other, a line break after each, and the first byte of each."""
    if not len(texts):
        return b"", np.zeros(1, np.int64)
    joined = ((texts.fill_null("") if texts.null_count() else texts) + _BREAK).to_arrow()
    _, offsets_buffer, data = joined.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int64, len(joined) + 1, joined.offset * 8)
    return bytes(memoryview(data)[offsets[0] : offsets[-1]]), offsets - offsets[0]


def _composed(data: bytes, offsets: Places) -> tuple[bytes, Places]:
    """The texts with what is not ASCII in NFKC, case folded, and other signs than letters and digits as spaces.

    Only runs of other bytes than ASCII are looked at, each with the letter before it, which a mark may change; no
    other sign of ASCII takes part in a composition that leaves a letter.

    Args:
        data: texts in UTF-8.
        offsets: first byte of each text, and the length of all.
    """
    if data.isascii():
        return data, offsets
    is_foreign = np.frombuffer(data, np.uint8) >= _ASCII_END
    edges = np.flatnonzero(np.diff(is_foreign, prepend=False, append=False))
    known: dict[bytes, bytes] = {}
    pieces: list[bytes] = []
    done = 0
    starts, growths = [], []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        first = start - 1 if start and data[start - 1 : start].isalnum() else start
        run = data[first:end]
        told = known.get(run)
        if told is None:
            told = known[run] = _plain(run.decode()).encode()
        pieces += (data[done:first], told)
        done = end
        starts.append(first)
        growths.append(len(told) - len(run))
    pieces.append(data[done:])
    growth = np.concatenate((np.zeros(1, np.int64), np.cumsum(growths)))
    return b"".join(pieces), offsets + growth[np.searchsorted(starts, offsets)]


def _blank(found: re.Match[bytes]) -> bytes:
    return b" " * (found.end() - found.start())


def _plain(run: str) -> str:
    plain = unicodedata.normalize("NFKC", _UNSEEN.sub("", run)).casefold()
    return _FOREIGN.sub(" ", _MATH_LETTER.sub(lambda letter: f" {_MATH_LETTERS[letter[0]]} ", plain))


def _cut_characters(data: Bytes, classes: Bytes, is_cut: Flags) -> None:
    """Makes each letter of U+3000 to U+9FFF and U+20000 to U+3FFFF a word: scripts without spaces."""
    leads = np.flatnonzero((data >= _LEADS[0]) & (data <= _LEADS[1]))
    wide = np.flatnonzero((data[:-1] == _WIDE[0]) & (data[1:] >= _WIDE[1]))
    for lead, size in ((leads, 3), (wide, 4)):
        for offset in range(size):
            classes[lead + offset] = _CHARACTER
    edges = np.concatenate((leads, wide, leads + 3, wide + 4)) - 1
    is_cut[edges[edges >= 0]] = True


def _with_short_fractions(
    data: bytes, starts: Places, ends: Places, kinds: Bytes, commands: Places
) -> tuple[Places, Places, Bytes, Places]:
    r"""The words with ``\frac12`` cut as ``\frac 1 2``."""
    places = commands[commands + 1 < len(starts)] + 1
    places = places[starts[places] == ends[places - 1]]
    places = places[(kinds[places] == _DIGIT) & (ends[places] > starts[places] + 1)]
    places = places[np.isin(_hashes(data, starts[places - 1], ends[places - 1]), _FRACTION_HASHES)]
    if len(places):
        cuts = starts[places] + 1
        starts, ends = np.insert(starts, places + 1, cuts), np.insert(ends, places, cuts)
        kinds = np.insert(kinds, places, _DIGIT)
        commands = commands + np.searchsorted(places, commands)
    return starts, ends, kinds, commands


def _without_layout(
    data: bytes, starts: Places, ends: Places, commands: Places, *, has_signs: bool
) -> tuple[Places, Places, Flags]:
    """Starts and ends of the words, without the letter by which a command's other names differ, and which count."""
    is_word = np.ones(len(starts), np.bool_)
    hashes = _hashes(data, starts[commands], ends[commands])
    is_word[commands[np.isin(hashes, _LAYOUT_HASHES if has_signs else _SIGNLESS_HASHES)]] = False
    headed, ended = (commands[np.isin(hashes, known)] for known in (_HEADED_HASHES, _ENDED_HASHES))
    starts, ends = starts.copy(), ends.copy()
    starts[headed] += 1
    ends[ended] -= 1
    return starts, ends, is_word


def _hashes(data: bytes, starts: Places, ends: Places) -> Hashes:
    loads: Hashes = np.ndarray((max(0, len(data) - _STEP + 1),), "<u8", data, 0, (1,))
    sizes = ends - starts
    hashes = _folded(loads[starts] & _MASKS[np.minimum(sizes, _STEP)])
    long = np.flatnonzero(sizes > _STEP)
    done = _STEP
    while len(long):
        left = sizes[long] - done
        if done == _HASHED_HERE:
            for place in long.tolist():
                hashes[place] = xxhash.xxh3_64_intdigest(data[starts[place] : ends[place]])
            break
        block = loads[starts[long] + done] & _MASKS[np.minimum(left, _STEP)]
        hashes[long] = _folded(hashes[long] ^ block)
        done += _STEP
        long = long[left > _STEP]
    return hashes


def _folded(blocks: Hashes) -> Hashes:
    """One step of the hash: a bijection, so words of up to eight bytes never share one."""
    mixed = blocks * _SPREAD
    mixed ^= mixed >> _HALF
    mixed *= _FOLD
    return mixed


def _table(names: tuple[bytes, ...]) -> Hashes:
    data = b"".join(names) + b" " * _MARGIN
    ends = np.cumsum([len(name) for name in names])
    return _hashes(data, ends - [len(name) for name in names], ends)


def _names(names: frozenset[str]) -> Hashes:
    return _table(tuple(sorted({name.lower().encode() for name in names})))


_LAYOUT_HASHES, _SIGNLESS_HASHES = _names(LAYOUT), _names(LAYOUT | SIGNS)
_HEADED_HASHES, _ENDED_HASHES = _table(_HEADED), _table(_ENDED)
_FRACTION_HASHES = _table((b"frac", b"cfrac", b"dfrac", b"tfrac"))
