"""Coverage-guided fuzzing (atheris) of the comparer of mathematics and of the search for the final answer.

    pip install atheris; python benchmarks/math_atheris.py [-runs=N] [-seed=N] [CORPUS]

Each input is two texts, parted by a line break of its own. Laws: nothing is raised, a text is equal to itself, and the
verdict is the same for both orders unless a rounded decimal is one of the two. Options are those of libFuzzer; a broken
law ends the run with the input that broke it.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["verifier.equivalence", "verifier.text"]):
    from math_fuzz import of_both_orders, said

    from verifier.text.answers import find_answer

MAX_CHARS = 400


def one_input(data: bytes) -> None:
    """Holds one input against the laws."""
    text = data.decode("utf-8", errors="replace")[:MAX_CHARS]
    find_answer(text)
    find_answer(f"So \\boxed{{{text}}}.")
    one, _, other = text.partition("\n")
    if "box" not in one and said(one, one) is False:
        raise AssertionError(f"not itself: {one!r}")
    if found := of_both_orders(one, other):
        raise AssertionError(f"{found}: {one!r}, {other!r}")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
