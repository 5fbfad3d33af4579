"""Documents for the benchmarks of contamination and near-duplicates: real text, or made-up text where there is none."""

from __future__ import annotations

import json
import random
from pathlib import Path

import polars as pl

CORPORA = Path(__file__).parents[2] / "shared" / "data" / "corpora"
COLUMNS = ("response", "completion", "text", "problem", "question", "prompt")
SYLLABLES = [
    *("ba", "co", "di", "fu", "ge", "ha", "jo", "ki", "lu", "ma", "ne", "po", "qui", "ra"),
    *("so", "tion", "ing", "er"),
]


def read_texts(path: Path) -> list[str]:
    """Texts of a Parquet or JSON Lines file, from the first of ``COLUMNS`` that it has."""
    if path.suffix == ".parquet":
        frame = pl.read_parquet(path)
        column = next(name for name in COLUMNS if name in frame.columns)
        return frame[column].drop_nulls().to_list()
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    column = next(name for name in COLUMNS if name in rows[0])
    return [row[column] for row in rows]


def pieces(given: Path | None, draw: random.Random) -> tuple[list[str], str]:
    """Texts to make documents of, and where they are from."""
    found = given or CORPORA / "zeroeval_math-l5.parquet"
    if given or found.exists():
        return [text for text in read_texts(found) if len(text) > 100], found.name
    vocabulary = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(20_000)]
    weights = [1 / rank for rank in range(1, len(vocabulary) + 1)]
    return [" ".join(draw.choices(vocabulary, weights, k=200)) + "." for _ in range(5_000)], "made-up words"


def make_documents(texts: list[str], count: int, size_bytes: int, draw: random.Random) -> list[str]:
    """Documents of about so many bytes, each of a few texts with a third of their words drawn anew."""
    made = []
    for _ in range(count):
        parts: list[str] = []
        length = 0
        while length < size_bytes:
            words = draw.choice(texts).split(" ")
            others = draw.choice(texts).split(" ")
            # Else two documents with one text in common would be near-duplicates that nobody planted.
            for place in draw.sample(range(len(words)), len(words) // 3):
                words[place] = draw.choice(others)
            parts.append(" ".join(words))
            length += len(parts[-1]) + 2
        made.append("\n\n".join(parts).encode()[:size_bytes].decode(errors="ignore"))
    return made
