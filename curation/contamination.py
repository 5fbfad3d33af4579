r"""Evaluation items that stand in training texts, found exactly.

What is compared are words (``curation.words``): letter case, punctuation, spacing and LaTeX layout play no part. An
item is found in a text in one of four ways, tried in this order; the first that holds is the text's ``kind``:

* ``ngram``: a *telling* run of n words of the item stands in the text. Where a character of Han or kana is among
  them, the run has 8/5 of n words, as a Chinese word has about 1.6 characters: 16 for n = 10, 13 for n = 8.
* ``item``: the whole item stands in the text, between word boundaries; for items without such a run that are telling
  as a whole, or have n words, one of them a real one. 16.4 % of MATH-500 have fewer than 13 words, and n-grams alone
  can never find them.
* ``equal``: the text is the item, and nothing else but standard instructions; for items that are too plain for more
  ("Compute 2 + 2"). Of those of three words or less the whole text must be the item.
* ``masked``: with every number replaced by one sign, the whole item of at least n words, or 32 words of a longer one,
  stand in the text: the same problem with other numbers. This is fuzzier, so it asks for twice as many telling words.

A run is telling if it holds at least four different words of two letters or more, where a Chinese character counts
as half a word. Without that "1, 2, 3, ..., 10" and the identity matrix in LaTeX would be contamination; with it, a text
that repeats nothing of an item but a formula is not. In a whole item shorter than a run numbers count too: half where
they have one digit, half more where they have three; but three of its words and numbers must say what it is about, and
not only that something is asked ("Find the value of x").

Standard instructions tell nothing: the phrases in ``INSTRUCTIONS``, and each run of six words that stands in three or
more different items of a set, and in a fiftieth of them, such as the format that it asks of each answer. Where that
leaves nothing of an item, as of problems made from one template, only the phrases are left out.

Source:
    DeepSeek-R1 (arXiv 2501.12948 v2), supplement D.1: "matching 10-gram sequences from evaluation questions". Masked
    numbers and their length of 32: Light-R1 (arXiv 2503.10460). Whole items, the telling rule, instructions and the
    length for Chinese are this project's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import InputError
from curation.instructions import INSTRUCTIONS, PLAIN, instructed
from curation.words import Flags, Hashes, Places, Words, batches, grams, mark, words_of

TEXT_COLUMNS = (
    "problem",
    "question",
    "prompt",
    "text",
    "problem_statement",
    "question_content",
    "instruction",
    "query",
)
"""Names under which the text of an evaluation item is found, in the order they are tried; in any case."""

ID_COLUMNS = ("id", "unique_id", "uuid", "problem_id", "question_id", "task_id", "idx", "index")
"""Names under which its id is found, in any case; without any, the row number from 0 takes its place."""

KINDS = ("ngram", "item", "equal", "masked")
"""How an item can be found, in the order they are tried."""

HITS = {"item": pl.String, "kind": pl.String, "span": pl.String, "source": pl.String}
"""Columns of ``ContaminationIndex.hits``."""

LEAST_N = 8
MASKED_N = 32
"""Words in a run with its numbers masked, where the item is longer."""

_AROUND = PLAIN | {"q", "boxed"}
"""What may stand around an item that is too plain to be found in other texts, besides ``INSTRUCTIONS``."""

_EQUAL = KINDS.index("equal")
_TELLING, _MASKED_TELLING = 4, 8
_NAMED = 3
_WORDS_AROUND = 60
_COMMON_WORDS, _COMMON_ITEMS, _COMMON_SHARE = 6, 3, 50
_NUMBER = b"0"
_ANCHOR, _SHORT_ANCHOR = 8, 4
_BATCH_BYTES = 1 << 19
_LEAST_TABLE_BITS, _MOST_TABLE_BITS = 16, 26


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationItem:
    """One problem of an evaluation set.

    Args:
        set_name: of the set, such as ``math500``.
        item_id: within the set.
        text: of the problem.
        source: file and row from 0, such as ``math500.jsonl:17``; its name where it comes from no file.
    """

    set_name: str
    item_id: str
    text: str
    source: str = ""

    @property
    def name(self) -> str:
        """How a hit names it: set/id."""
        return f"{self.set_name}/{self.item_id}"


def read_sets(paths: Iterable[str | Path]) -> tuple[EvaluationItem, ...]:
    """The items of evaluation files, in the order of the files and their rows.

    A set is named by its file without ending, and by its folder too where two files have one name.

    Args:
        paths: JSON Lines (``.jsonl``, ``.json``, ``.ndjson``) or Parquet (``.parquet``), with a column of
            ``TEXT_COLUMNS`` and perhaps one of ``ID_COLUMNS``.

    Raises:
        InputError: a file cannot be read or has no text in some row; names the file and the remedy.
    """
    files = [Path(path) for path in paths]
    stems = Counter(path.stem for path in files)
    names = [path.stem if stems[path.stem] == 1 else f"{path.resolve().parent.name}/{path.stem}" for path in files]
    return tuple(item for path, name in zip(files, names, strict=True) for item in _items(path, set_name=name))


def _items(path: Path, *, set_name: str) -> Iterator[EvaluationItem]:
    rows = _parquet_rows(path) if path.suffix == ".parquet" else _json_rows(path)
    if not rows:
        raise InputError(f"{path}: no rows; give a file of evaluation items, or leave it out")
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text_column = _named(TEXT_COLUMNS, columns)
    if text_column is None:
        raise InputError(
            f"{path}: no column for the text; looked for {', '.join(TEXT_COLUMNS)}; the file has "
            f"{', '.join(columns)}. Rename the column of the problem to {TEXT_COLUMNS[0]}"
        )
    id_column = _named(ID_COLUMNS, columns)
    for number, row in enumerate(rows):
        text = row.get(text_column)
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{path}: row {number} has no text in {text_column!r}; give it one, or leave the row out")
        told = row.get(id_column) if id_column else None
        item_id = str(number if told is None else told)
        yield EvaluationItem(set_name=set_name, item_id=item_id, text=text, source=f"{path.name}:{number}")


def _named(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """The first of the names that a column has, as it is written there."""
    # Of columns that differ in case alone the first counts.
    found = {column.lower(): column for column in reversed(columns)}
    return next((found[name] for name in names if name in found), None)


def _parquet_rows(path: Path) -> Sequence[Mapping[str, object]]:
    try:
        with pq.ParquetFile(path) as file:
            names = [name for name in file.schema_arrow.names if name.lower() in (*TEXT_COLUMNS, *ID_COLUMNS)]
            rows: list[dict[str, object]] = file.read(columns=names or None).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as Parquet: {error}; check the path and the file") from error
    return rows


def _json_rows(path: Path) -> Sequence[Mapping[str, object]]:
    rows = []
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as JSON Lines: {error}; check the path and the file") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}: line {number} is not JSON: {error}; write one object a line") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}: line {number} is no object; write one object a line, or give Parquet")
        rows.append(row)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """Words of an item, and the runs that tell of it.

    Args:
        name: set/id.
        source: file and row.
        words: of the item.
        masked: the same with every number as one sign.
        hashes: of ``masked``.
        kind: how it is found by its own words.
        exact_ends: for each word the end of the run to be found that starts there, or 0.
        masked_ends: the same with numbers masked.
    """

    name: str
    source: str
    words: list[bytes]
    masked: list[bytes]
    hashes: Hashes
    kind: str
    exact_ends: list[int]
    masked_ends: list[int]


class _Hit(NamedTuple):
    """What was found in a text; the least is told. ``start`` and ``end`` are places in ``Words``."""

    rank: int
    negative_length: int
    item: int
    start: int
    end: int


class ContaminationIndex:
    """Finds the items of evaluation sets in texts. Made by ``build``; never changes, so threads can share it."""

    def __init__(self, items: Sequence[_Item]) -> None:
        self._items = items
        self._equal: dict[bytes, int] = {}
        for number, item in enumerate(items):
            if item.kind == "equal":
                self._equal.setdefault(b" ".join(item.words), number)
        self._longest_equal = max((len(items[number].words) for number in self._equal.values()), default=0)
        phrases = words_of(pl.Series(INSTRUCTIONS), has_signs=False)
        told = (b" ".join((b"", *phrases.of_row(row), b"")) for row in range(len(INSTRUCTIONS)))
        self._phrases = sorted(told, key=len, reverse=True)
        long, short = _anchored(items, _ANCHOR), _anchored(items, _SHORT_ANCHOR)
        self._anchors = [_Anchors(size, found) for size, found in ((_ANCHOR, long), (_SHORT_ANCHOR, short)) if found]

    @classmethod
    def build(cls, items: Iterable[EvaluationItem], n: int = 10) -> ContaminationIndex:
        """An index of these items.

        Args:
            items: in the order of preference: a run that several have counts for the first.
            n: words in an n-gram; R1 has 10, GPT-3 13, some 8.

        Raises:
            ValueError: n is under 8, where runs are too common to tell anything.
            InputError: an item has no words.
        """
        if n < LEAST_N:
            raise ValueError(f"n is {n}; give at least {LEAST_N}")
        given = tuple(items)
        words = words_of(pl.Series([item.text for item in given], dtype=pl.String), has_signs=False)
        hashes = words.hashes(masks_numbers=True)
        phrases = instructed(words, hashes)
        plain = (phrases | _repeated([item.set_name for item in given], words, hashes), phrases)
        made = [_item(item, words, hashes, row=row, n=n, plain=plain) for row, item in enumerate(given)]
        known: set[tuple[str, bytes]] = set()
        for item in made:
            _keep_first(item.kind, item.words, item.exact_ends, known)
            _keep_first("masked", item.masked, item.masked_ends, known)
        return cls(made)

    def hits(self, texts: pl.Series) -> pl.DataFrame:
        """The item that each text holds, if any.

        Args:
            texts: prompts or responses, of type String; null holds nothing.

        Returns:
            A row for each text, in order: ``item`` (set/id), ``kind`` (of ``KINDS``), ``span`` (the words of the
            match, as far as it goes, with a space between) and ``source`` (of the item), all null where nothing is
            found. Of several, the one of the first kind is told, then the longest, then that of the first item of the
            index.
        """
        found: dict[int, tuple[str, str, str, str]] = {}
        for first, batch in batches(texts, _BATCH_BYTES):
            words = words_of(batch, has_signs=False)
            for row, hit in self._found(words).items():
                span = b" ".join(words.word(place) for place in range(hit.start, hit.end)).decode()
                item = self._items[hit.item]
                found[first + row] = (item.name, KINDS[hit.rank], span, item.source)
        columns = zip(*(found.get(row, (None,) * len(HITS)) for row in range(len(texts))), strict=True)
        return pl.DataFrame(dict(zip(HITS, columns, strict=True)) if len(texts) else None, schema=HITS)

    def _found(self, words: Words) -> dict[int, _Hit]:
        best: dict[int, _Hit] = {}
        for hits in (self._equals(words), self._matches(words)):
            for row, hit in hits:
                best[row] = min(hit, best.get(row, hit))
        return best

    def _equals(self, words: Words) -> Iterator[tuple[int, _Hit]]:
        sizes = np.diff(words.rows)
        for row in np.flatnonzero((sizes > 0) & (sizes <= self._longest_equal)).tolist():
            item = self._equal.get(b" ".join(words.of_row(row)))
            if item is not None:
                start, end = int(words.rows[row]), int(words.rows[row + 1])
                yield row, _Hit(_EQUAL, start - end, item, start, end)

    def _matches(self, words: Words) -> Iterator[tuple[int, _Hit]]:
        hashes = words.hashes(masks_numbers=True)
        walked: dict[tuple[int, int], int] = {}
        for table in self._anchors:
            places, entries = table.lookup(grams(hashes, table.size))
            rows = np.searchsorted(words.rows, places, side="right") - 1
            columns = (places, entries, rows, words.rows[rows], words.rows[rows + 1])
            for place, entry, row, first, last in np.stack(columns, axis=1).tolist():
                for number, offset in table.entries[entry]:
                    # The anchors of a restated problem lie on one diagonal, whose run is walked once.
                    diagonal = (number, place - offset)
                    if walked.get(diagonal, -1) > place or place + table.size > last:
                        continue
                    run = _run(words, place, self._items[number], offset=offset, bounds=(first, last))
                    walked[diagonal] = max(place + 1, run[1])
                    for hit in _hits_in(words, run, place - offset, number, self._items[number]):
                        if hit.rank != _EQUAL or self._is_all(words, hit, first, last):
                            yield row, hit

    def _is_all(self, words: Words, hit: _Hit, first: int, last: int) -> bool:
        """Whether the other words of a text are those of instructions."""
        if last - first + hit.negative_length > _WORDS_AROUND:
            return False
        around = [words.word(place) for place in (*range(first, hit.start), *range(hit.end, last))]
        left = b" ".join((b"", *around, b""))
        for phrase in self._phrases:
            left = left.replace(phrase, b" ")
        return _AROUND.issuperset(left.decode().split())


class _Anchors:
    """Runs of words, with numbers masked, one of which stands in each run to be found.

    Args:
        size: words in each.
        found: hash -> items and the word of each at which the run starts.
    """

    def __init__(self, size: int, found: Mapping[int, list[tuple[int, int]]]) -> None:
        self.size = size
        self._hashes: Hashes = np.array(sorted(found), np.uint64)
        self.entries = [found[key] for key in sorted(found)]
        bits = min(_MOST_TABLE_BITS, max(_LEAST_TABLE_BITS, len(found).bit_length() + 5))
        self._shift = np.uint64(64 - bits)
        self._table: Flags = np.zeros(1 << bits, np.bool_)
        self._table[(self._hashes >> self._shift).view(np.int64)] = True

    def lookup(self, hashes: Hashes) -> tuple[Places, Places]:
        """Where hashes are those of an anchor, and the number of its entry."""
        places = np.flatnonzero(self._table[(hashes >> self._shift).view(np.int64)])
        wanted = hashes[places]
        entries = np.minimum(np.searchsorted(self._hashes, wanted), len(self._hashes) - 1)
        is_known = self._hashes[entries] == wanted
        return places[is_known], entries[is_known]


def _run(words: Words, place: int, item: _Item, *, offset: int, bounds: tuple[int, int]) -> tuple[int, int]:
    """The longest run around a place that is the item's, numbers masked; empty where hashes only seemed equal."""
    start = end = place
    lowest, highest = max(bounds[0], place - offset), min(bounds[1], place - offset + len(item.words))
    while end < highest and _masked(words, end) == item.masked[offset + end - place]:
        end += 1
    while start > lowest and _masked(words, start - 1) == item.masked[offset + start - 1 - place]:
        start -= 1
    return start, end


def _hits_in(words: Words, run: tuple[int, int], shift: int, number: int, item: _Item) -> Iterator[_Hit]:
    """The hits in a run that equals the item's words with numbers masked.

    Args:
        words: of the texts.
        run: places in the texts.
        shift: from a word of the item to its place.
        number: of the item.
        item: the item.
    """
    start, end = run
    if _tells(item.masked_ends, start - shift, end - shift):
        yield _Hit(KINDS.index("masked"), start - end, number, start, end)
    while start < end:
        stop = start
        while stop < end and words.word(stop) == item.words[stop - shift]:
            stop += 1
        if _tells(item.exact_ends, start - shift, stop - shift):
            yield _Hit(KINDS.index(item.kind), start - stop, number, start, stop)
        start = stop + 1


def _tells(ends: Sequence[int], start: int, end: int) -> bool:
    return any(0 < ends[place] <= end for place in range(start, end))


def _masked(words: Words, place: int) -> bytes:
    return _NUMBER if words.is_digits[place] else words.word(place)


def _repeated(sets: Sequence[str], words: Words, hashes: Hashes) -> Flags:
    """Which words of the items stand in a run that much of their set repeats, whose names are given for each item."""
    flags = np.zeros(len(hashes), np.bool_)
    runs = grams(hashes, _COMMON_WORDS)
    for name in dict.fromkeys(sets):
        counts: Counter[int] = Counter()
        different: set[bytes] = set()
        members = [row for row, other in enumerate(sets) if other == name]
        for row in members:
            own = b" ".join(words.of_row(row))
            if own not in different:
                different.add(own)
                counts.update(set(grams(hashes[words.rows[row] : words.rows[row + 1]], _COMMON_WORDS).tolist()))
        least = max(_COMMON_ITEMS, -(-len(different) // _COMMON_SHARE))
        common = np.array([key for key, count in counts.items() if count >= least], np.uint64)
        is_here = np.zeros(len(runs), np.bool_)
        for row in members:
            is_here[words.rows[row] : words.rows[row + 1]] = True
        mark(flags, words, np.flatnonzero(is_here & np.isin(runs, common)), _COMMON_WORDS)
    return flags


def _item(given: EvaluationItem, words: Words, hashes: Hashes, *, row: int, n: int, plain: Sequence[Flags]) -> _Item:
    """What is looked for of an item: of what no instruction covers, as the first of ``plain`` that leaves any says."""
    first, last = int(words.rows[row]), int(words.rows[row + 1])
    if first == last:
        raise InputError(f"evaluation item {given.name}: no letter or digit in its text; leave it out")
    for is_plain in plain:
        own = np.flatnonzero(~is_plain[first:last]) + first
        if len(own):
            item = _looked_for(given, words, hashes, bounds=(int(own[0]), int(own[-1]) + 1), n=n, is_plain=is_plain)
            if item.kind != "equal":
                return item
    return _looked_for(given, words, hashes, bounds=(first, last), n=n, is_plain=plain[-1])


def _looked_for(
    given: EvaluationItem, words: Words, hashes: Hashes, *, bounds: tuple[int, int], n: int, is_plain: Flags
) -> _Item:
    """The runs to be found of the words within the bounds."""
    first, last = bounds
    own = [words.word(place) for place in range(first, last)]
    masked = [_masked(words, place) for place in range(first, last)]
    weights = [0 if is_plain[place] else _weight(words, place) for place in range(first, last)]
    dense = -(-n * 8 // 5)
    sizes = [dense if words.is_character[first + place : first + place + n].any() else n for place in range(len(own))]
    exact = _ends(own, weights, sizes, least=_TELLING)
    kind = "ngram"
    if not any(exact):
        if len(own) >= n:
            exact = _ends(own, weights, [len(own)], least=1)
        elif _says_enough(words, own, weights, first):
            exact = [len(own), *exact[1:]]
        kind = "item" if any(exact) else "equal"
        if kind == "equal" and len(own) >= _SHORT_ANCHOR:
            exact = [len(own), *exact[1:]]
    span = min(MASKED_N, len(own))
    masked_sizes = [span] * len(own) if span >= n else []
    return _Item(
        name=given.name,
        source=given.source or given.name,
        words=own,
        masked=masked,
        hashes=hashes[first:last],
        kind=kind,
        exact_ends=exact,
        masked_ends=_ends(masked, weights, masked_sizes, least=_MASKED_TELLING),
    )


def _says_enough(words: Words, own: Sequence[bytes], weights: Sequence[int], first: int) -> bool:
    """Whether an item shorter than a run, from a word of the texts on, can be told from others."""
    numbers = [min(3, len(word)) if words.is_digits[first + at] else 0 for at, word in enumerate(own)]
    told = {word: weight + number for word, weight, number in zip(own, weights, numbers, strict=True)}
    named = sum(weight for word, weight in told.items() if word.decode() not in PLAIN)
    return sum(told.values()) >= 2 * _TELLING and named >= 2 * _NAMED


def _weight(words: Words, place: int) -> int:
    """What a word tells, in half words."""
    if words.is_character[place]:
        return 1
    return 2 if not words.is_digits[place] and len(words.word(place).decode()) > 1 else 0


def _ends(own: Sequence[bytes], weights: Sequence[int], sizes: Sequence[int], *, least: int) -> list[int]:
    """For each word the end of the telling run of its size that starts there, or 0."""
    ends = [0] * len(own)
    for start, size in enumerate(sizes):
        end = start + size
        if end <= len(own) and sum(dict(zip(own[start:end], weights[start:end], strict=True)).values()) >= 2 * least:
            ends[start] = end
    return ends


def _keep_first(kind: str, own: Sequence[bytes], ends: list[int], known: set[tuple[str, bytes]]) -> None:
    """Leaves each run to the first item that has it, or a preamble of thousands of items would be tried for each."""
    for start, end in enumerate(ends):
        if end:
            key = (kind, b" ".join(own[start:end]))
            ends[start] = 0 if key in known else end
            known.add(key)


def _anchored(items: Sequence[_Item], size: int) -> dict[int, list[tuple[int, int]]]:
    """Anchors of the items whose runs to be found have room for one of this size, and for none longer."""
    hashes = [grams(item.hashes, size).tolist() for item in items]
    common = Counter(key for own in hashes for key in own)
    anchors: dict[int, list[tuple[int, int]]] = {}
    for number, (item, own) in enumerate(zip(items, hashes, strict=True)):
        for place in _chosen(_runs(item, size), [common[key] for key in own], size):
            anchors.setdefault(own[place], []).append((number, place))
    return anchors


def _runs(item: _Item, size: int) -> list[tuple[int, int]]:
    """The runs to be found, by their ends."""
    runs = [(end, start) for ends in (item.exact_ends, item.masked_ends) for start, end in enumerate(ends) if end]
    fits = [(end, start) for end, start in runs if (end - start >= _ANCHOR) == (size == _ANCHOR)]
    return sorted(fits)


def _chosen(runs: Sequence[tuple[int, int]], common: Sequence[int], size: int) -> Iterator[int]:
    """Few places so that an anchor at one of them lies in each run; of several the rarest in all items."""
    last = -1
    for end, start in runs:
        if last < start:
            last = min(range(start, end - size + 1), key=lambda place: (common[place], -place))
            yield last
