"""Speed, recall and precision of ``curation.minhash`` beside its peers on the same documents, in one run.

    pip install rensa datasketch
    python benchmarks/minhash.py [--rows N] [--input FILE]

A peer that is not installed is named and skipped. Each makes signatures of 128 values from word 5-grams; the peers get
the words from one regular expression, as they bring none, which is a part of their time as it is of any use of them.
Digits are written as letters, as ours takes a text with other numbers for another problem, and the peers do not. Of
one document in ten a near-duplicate is planted, with one word in 25, 50, 100, 200 or 400 changed. A pair is true if the
Jaccard similarity of its 5-grams, counted exactly, is at least 80 %; ``far`` pairs are those planted under 70 %. Recall
is over true pairs, and precision is the share of true pairs among those that an engine puts together, where the pairs
from 75 to 80 % count as neither. ``clusters`` searches the signatures of all. The unit is documents per CPU second, the
best of three.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import re
import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from documents import make_documents, pieces

from curation.minhash import Signatures, clusters

SEED = 23
LEAST_RECALL = 80
ROUNDS = 3
VALUES, SHINGLE = 128, 5
THRESHOLD = 80
BORDER = 75
EVERY = 10
MANY = 200_000
SHARES = (25, 50, 100, 200, 400)
WORD = re.compile(r"[^\W_]+")

Signer = Callable[[list[str]], Any]


def shingles(text: str) -> list[str]:
    words = WORD.findall(text.lower())
    return [" ".join(words[at : at + SHINGLE]) for at in range(max(1, len(words) - SHINGLE + 1))]


def own(texts: list[str]) -> Any:  # noqa: ANN401 - an array or a list of a peer's values
    return Signatures.of(pl.Series(texts), permutations=VALUES, shingle=SHINGLE)


def rensa(texts: list[str]) -> Any:  # noqa: ANN401 - an array or a list of a peer's values
    from rensa import RMinHash  # noqa: PLC0415 - may not be installed

    signatures = []
    for text in texts:
        made = RMinHash(num_perm=VALUES, seed=1)
        made.update(shingles(text))
        signatures.append(made.digest())
    return np.array(signatures, np.uint32)


def datasketch(texts: list[str]) -> Any:  # noqa: ANN401 - an array or a list of a peer's values
    from datasketch import MinHash  # noqa: PLC0415 - may not be installed

    signatures = []
    for text in texts:
        made = MinHash(num_perm=VALUES, seed=1)
        made.update_batch([shingle.encode() for shingle in shingles(text)])
        signatures.append(made.digest())
    return np.array(signatures, np.uint64)


_NO_NUMBERS = str.maketrans("0123456789+", "abcdefghijk")


def with_changes(text: str, share: int, draw: random.Random) -> str:
    words = text.split(" ")
    for place in draw.sample(range(len(words)), max(1, len(words) // share)):
        words[place] = "changed" + "".join(draw.choices(string.ascii_lowercase, k=6))
    return " ".join(words)


def jaccard_percent(one: str, other: str) -> int:
    a, b = set(shingles(one)), set(shingles(other))
    return 100 * len(a & b) // len(a | b)


def pairs_together(signatures: Any, count: int) -> set[tuple[int, int]]:  # noqa: ANN401 - as above
    """Pairs of documents that one search for clusters puts together."""
    groups: dict[int, list[int]] = {}
    for row, label in enumerate(clusters(np.asarray(signatures).astype(np.uint32), threshold_percent=THRESHOLD)):
        groups.setdefault(int(label), []).append(row)
    assert sum(map(len, groups.values())) == count
    return {(a, b) for rows in groups.values() for place, a in enumerate(rows) for b in rows[place + 1 :]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--input", type=Path, help="Parquet or JSON Lines to make documents of")
    options = parser.parse_args()
    draw = random.Random(SEED)  # noqa: S311 - documents, not secrets
    texts, source = pieces(options.input, draw)
    documents = [text.translate(_NO_NUMBERS) for text in make_documents(texts, options.rows, 10_000, draw)]
    planted = {}
    for count, row in enumerate(range(0, options.rows, EVERY)):
        planted[row, len(documents)] = count
        documents.append(with_changes(documents[row], SHARES[count % len(SHARES)], draw))
    similar = {(a, b): jaccard_percent(documents[a], documents[b]) for a, b in planted}
    true = {pair for pair, percent in similar.items() if percent >= THRESHOLD}
    far = {pair for pair, percent in similar.items() if percent < 70}
    size = sum(len(text.encode()) for text in documents)
    print(f"{len(documents)} documents of {source}, {size / len(documents):,.0f} bytes each")
    between = len(similar) - len(true) - len(far)
    print(f"planted pairs: {len(true)} of 80 % or more, {len(far)} under 70 %, {between} between")
    print(f"{'':14} {'docs/cpu-s':>11} {'MB/cpu-s':>9} {'ratio':>6} {'recall %':>9} {'precision %':>12} {'far':>4}")
    signers: dict[str, Signer] = {"datasketch": datasketch, "rensa": rensa, "this project": own}
    first = None
    for name, signer in signers.items():
        if name != "this project" and importlib.util.find_spec(name) is None:
            print(f"{name:14} not installed; skipped")
            continue
        best, signatures = float("inf"), None
        for _ in range(ROUNDS):
            start = time.process_time()
            signatures = signer(documents)
            best = min(best, time.process_time() - start)
        first = first or best
        found = pairs_together(signatures, len(documents))
        known = {pair: similar.get(pair) or jaccard_percent(*(documents[row] for row in pair)) for pair in found}
        wrong = sum(percent < BORDER for percent in known.values())
        right = sum(percent >= THRESHOLD for percent in known.values())
        precision = 100 * right / max(1, right + wrong)
        recall = 100 * len(true & found) / max(1, len(true))
        print(
            f"{name:14} {len(documents) / best:11,.0f} {size / best / 1e6:9.1f} {first / best:6.1f} {recall:9.1f} "
            f"{precision:12.1f} {len(far & found):4}"
        )
        if signer is own and recall < LEAST_RECALL:
            raise SystemExit(
                f"recall of {recall:.1f} % is under {LEAST_RECALL} %: it finds no near-duplicates any more"
            )
    start = time.process_time()
    clusters(own(documents))
    print(f"signatures and clusters of all documents: {time.process_time() - start:.2f} CPU s")
    many = np.random.default_rng(SEED).integers(0, 1 << 32, (MANY, VALUES), dtype=np.uint32)
    many[MANY // 2 :] = many[: MANY // 2]
    many[MANY // 2 :, ::VALUES] += 1
    start = time.process_time()
    found = len(np.unique(clusters(many)))
    seconds = time.process_time() - start
    print(f"clusters of {MANY:,} signatures, each near one other: {seconds:.2f} CPU s, {found:,} found")


if __name__ == "__main__":
    main()
