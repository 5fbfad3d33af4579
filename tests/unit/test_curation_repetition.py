from __future__ import annotations

import re
from collections import Counter
from itertools import groupby

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.executors.annotate import facts_of
from curation.rows import SAMPLES
from curation.steps.repetition import Repetition

NEVER = 1_000
LONG = "this line has letters enough"
HAN = "我们再检查一遍这个结果"
PIECES = [
    "<think>",
    LONG,
    HAN,
    "another one with letters",
    "12345 + 67890 = 80235 ===",
    "no",
    "。",
    ". ",
    "? ",
    "\n",
    "\n\n",
    " ",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def reasons(step: Repetition, *completions: str) -> list[str | None]:
    rows = [
        dict.fromkeys(SAMPLES) | {"input_row": row, "prompt": "?", "completion": text}
        for row, text in enumerate(completions)
    ]
    return facts_of(pl.DataFrame(rows, schema=SAMPLES), [step])["text_reason"].to_list()


def is_worded(piece: str) -> bool:
    return len("".join(char for char in piece if char.isalpha()).encode()) >= 20


def most_lines(text: str) -> int:
    lines = (line.removeprefix("<think>") for line in text.split("\n"))
    return max(Counter(filter(is_worded, lines)).values(), default=0)


def most_sentences(text: str) -> int:
    ends = r"[.!?。！？\n]" if "。" in text else r"[.?\n]"
    stripped = (piece.strip() for piece in re.split(ends, text))
    sentences = [piece.removeprefix("<think>") for piece in stripped if len(piece.encode()) >= 3]
    return max((len(list(run)) for piece, run in groupby(sentences) if is_worded(piece)), default=0)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.integers(2, 5))
def test_lines_are_counted_as_the_formula_says(texts, most):
    found = reasons(Repetition(lines=most, sentences=NEVER, tails=NEVER, ngrams=NEVER), *texts)
    assert found == ["repeated_lines" if most_lines(text) >= most else None for text in texts]


@given(st.lists(TEXTS, min_size=1, max_size=4), st.integers(2, 5))
def test_sentences_are_counted_as_the_formula_says(texts, most):
    found = reasons(Repetition(lines=NEVER, sentences=most, tails=NEVER, ngrams=NEVER), *texts)
    assert found == ["repeated_sentences" if most_sentences(text) >= most else None for text in texts]


@pytest.mark.parametrize("unit", [" 1", "x = 2 or x = 3, ", "所以答案是四，", "字a", "é"])
@pytest.mark.parametrize("end", ["", " \n"])
def test_a_loop_of_any_script_is_found_at_the_end(unit, end):
    width = 80 * len(unit) // len(unit.encode())
    loop = unit * (7 * width // len(unit) + 7)
    assert reasons(Repetition(), f"<think>{loop}{end}", f"<think>x</think>{loop}{end}", loop[:width]) == [
        "looped_tail",
        "looped_tail",
        None,
    ]


@given(st.integers(0, 40))
def test_a_loop_over_half_of_a_text_is_found_wherever_it_stands(before):
    words = [f"word{number} of these" for number in range(before)]
    text = " ".join(words) + " and so on and on" * 300 + " ".join(f"and {number} more" for number in range(40 - before))
    step = Repetition(lines=NEVER, sentences=NEVER, tails=NEVER)
    assert reasons(step, text) == ["repeated_ngram"]
