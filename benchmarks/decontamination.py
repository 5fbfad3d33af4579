"""Speed and findings of ``curation.contamination`` beside plain Python on the same texts, in one run.

    python benchmarks/decontamination.py [--rows N] [--input FILE] [--sets FILE]... [--n N]

Nothing is to be installed: the peers are written here. ``n-gram sets`` joins every n words and looks them up in a set,
as open-r1 and s1 do; ``vocabulary runs`` builds an n-gram only after n words that occur in the evaluation sets, the
fastest exact way in plain Python that we know. Both keep letters and digits and split at white space.

Evaluation items are planted in some of the texts, in five ways: ``long`` as it is, ``short`` the same for items of
fewer words than n, ``spaced`` with other LaTeX spacing, ``numbers`` with all numbers changed, ``part`` two thirds of
it. The unit is texts per CPU second, the best of three. Unplanted finds are texts that hold such a run by nature: the
default documents are answers to problems of the MATH test set, of which MATH-500 is a part. The peers have more of
them, as runs of a formula alone ("1 2 3 4 5 6 7 8 9 10") count for them.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
from documents import CORPORA, make_documents, pieces

from curation.contamination import ContaminationIndex, EvaluationItem, read_sets

SETS = (CORPORA / "eval_math500.jsonl", CORPORA / "eval_gsm8k_test.jsonl")
SEED = 17
ROUNDS = 3
PLANTED_IN = 20
WAYS = ("long", "short", "spaced", "numbers", "part")
SIGNS = re.compile(r"[^a-z0-9]+")

Finder = Callable[[Sequence[str]], list[bool]]


def plain_words(text: str) -> list[str]:
    return SIGNS.sub(" ", text.lower()).split()


def ngram_sets(items: Sequence[EvaluationItem], n: int) -> Finder:
    known = set()
    for item in items:
        words = plain_words(item.text)
        known.update(" ".join(words[at : at + n]) for at in range(len(words) - n + 1))

    def is_found(text: str) -> bool:
        words = plain_words(text)
        return not known.isdisjoint([" ".join(words[at : at + n]) for at in range(len(words) - n + 1)])

    return lambda texts: [is_found(text) for text in texts]


def vocabulary_runs(items: Sequence[EvaluationItem], n: int) -> Finder:
    known, vocabulary = set(), set()
    for item in items:
        words = plain_words(item.text)
        vocabulary.update(words)
        known.update(tuple(words[at : at + n]) for at in range(len(words) - n + 1))

    def is_found(text: str) -> bool:
        words = plain_words(text)
        run = 0
        for at, word in enumerate(words):
            run = run + 1 if word in vocabulary else 0
            if run >= n and tuple(words[at - n + 1 : at + 1]) in known:
                return True
        return False

    return lambda texts: [is_found(text) for text in texts]


def planted(item: EvaluationItem, way: str, draw: random.Random) -> str:
    """How an item stands in a text."""
    if way == "spaced":
        text = item.text.replace("{", "{ ").replace("\\frac", "\\dfrac").replace("(", "\\left( ")
        return re.sub(r"(?<=[0-9a-z])([=+])(?=[0-9a-z\\])", r" \1 ", text)
    if way == "numbers":
        return re.sub(r"\d+", lambda _: str(draw.randint(2, 99)), item.text)
    if way == "part":
        words = item.text.split(" ")
        return " ".join(words[: -(-2 * len(words) // 3)])
    return item.text


def plant(
    texts: list[str], items: Sequence[EvaluationItem], n: int, draw: random.Random
) -> tuple[list[str], dict[int, str]]:
    """The texts, with an item in every twentieth, and how it stands in each of them."""
    short = [item for item in items if len(plain_words(item.text)) < n]
    long = [item for item in items if len(plain_words(item.text)) >= n]
    latex = [item for item in long if "\\frac" in item.text]
    numbered = [item for item in long if len(plain_words(item.text)) >= 2 * n and re.search(r"\d", item.text)]
    choices = {"long": long, "short": short, "spaced": latex, "numbers": numbered, "part": numbered}
    ways = [way for way in WAYS if choices[way]]
    told = {}
    for count, row in enumerate(range(0, len(texts), PLANTED_IN)):
        way = told[row] = ways[count % len(ways)]
        parts = texts[row].split("\n\n")
        parts.insert(draw.randint(0, len(parts)), planted(draw.choice(choices[way]), way, draw))
        texts[row] = "\n\n".join(parts)
    return texts, told


def timed(work: Callable[[], list[bool]]) -> tuple[float, list[bool]]:
    """CPU seconds of the best round, and what was found."""
    best, found = float("inf"), []
    for _ in range(ROUNDS):
        start = time.process_time()
        found = work()
        best = min(best, time.process_time() - start)
    return best, found


def compare(name: str, texts: list[str], told: dict[int, str], finders: dict[str, Finder]) -> None:
    size = sum(len(text.encode()) for text in texts)
    print(f"\n{name}: {len(texts)} texts of {size / len(texts):,.0f} bytes, {len(told)} with a planted item")
    totals = Counter(told.values())
    columns = [way for way in WAYS if totals[way]]
    print(f"{'':18} {'texts/cpu-s':>12} {'MB/cpu-s':>9} {'ratio':>6}  " + "  ".join(columns) + "  unplanted")
    slowest = None
    for label, finder in finders.items():
        seconds, found = timed(lambda finder=finder: finder(texts))
        slowest = slowest or seconds
        ways = Counter(way for row, way in told.items() if found[row])
        shown = "  ".join(f"{ways[way]}/{totals[way]}".rjust(len(way)) for way in columns)
        others = sum(found) - sum(ways.values())
        rate = len(texts) / seconds
        print(f"{label:18} {rate:12,.0f} {size / seconds / 1e6:9.1f} {slowest / seconds:6.1f}  {shown}  {others:9}")


def made_up_items(texts: list[str], draw: random.Random) -> list[EvaluationItem]:
    """Items for where there are no sets."""
    items = []
    for number in range(500):
        words = draw.choice(texts).split(" ")[: draw.choice((7, 9, 30, 60))]
        place = draw.randrange(len(words))
        words[place] = f"\\frac{{{number}}}{{{number + 1}}}"
        items.append(EvaluationItem(set_name="made-up", item_id=str(number), text=" ".join(words)))
    return items


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000, help="documents; ten times as many prompts")
    parser.add_argument("--input", type=Path, help="Parquet or JSON Lines to make documents of")
    parser.add_argument("--sets", type=Path, action="append", help="evaluation files")
    parser.add_argument("--n", type=int, default=10)
    options = parser.parse_args()
    draw = random.Random(SEED)  # noqa: S311 - documents, not secrets
    texts, source = pieces(options.input, draw)
    sets = options.sets or [path for path in SETS if path.exists()]
    items = list(read_sets(sets)) if sets else made_up_items(texts, draw)
    start = time.process_time()
    index = ContaminationIndex.build(items, n=options.n)
    print(f"documents of {source}; {len(items)} items, n = {options.n}; index: {time.process_time() - start:.2f} CPU s")
    finders: dict[str, Finder] = {
        "n-gram sets": ngram_sets(items, options.n),
        "vocabulary runs": vocabulary_runs(items, options.n),
        "this project": lambda texts: index.hits(pl.Series(texts))["kind"].is_not_null().to_list(),
    }
    for name, count, size in (("responses", options.rows, 10_000), ("prompts", options.rows * 10, 300)):
        compare(name, *plant(make_documents(texts, count, size, draw), items, options.n, draw), finders)


if __name__ == "__main__":
    main()
