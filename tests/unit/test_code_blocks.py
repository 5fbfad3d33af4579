"""Programs in answers: which block is taken, and that any text is read in linear time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.judging.languages import LANGUAGES
from verifier.text.code_blocks import code_blocks, find_program

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases" / "code_blocks.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_the_program_of_an_answer(case):
    assert find_program(case["answer"], LANGUAGES[case["language"]].tags) == case["program"]


pieces = st.lists(
    st.sampled_from(["```", "````", "~~~", "`", "python", "\n", "\r\n", " ", "x = 1", "\u2028", "```python\n"])
)


@given(pieces.map("".join) | st.text())
def test_any_text_is_read(text):
    blocks = code_blocks(text)
    assert sum(len(block.text) for block in blocks) <= len(text)
    assert all(block.is_closed for block in blocks[:-1])
    program = find_program(text, ("python",))
    assert program is None or program in {block.text for block in blocks}


@given(
    st.lists(st.sampled_from(["x = 1", "  y", "", "```", "``", "'''", "~~~~"]), min_size=1).filter(
        lambda it: any(map(str.strip, it))
    )
)
def test_a_program_in_a_fence_longer_than_its_own_comes_back_whole(lines):
    program = "".join(f"{line}\n" for line in lines)
    assert find_program(f"See:\n`````python\n{program}`````\nend", ("python",)) == program


@pytest.mark.parametrize(
    "text",
    [
        "```\n" * 400_000,
        "`" * 2_000_000,
        "```python\n" * 200_000,
        " " * 2_000_000,
        "~~~\n```\n" * 250_000,
        "\r" * 2_000_000,
    ],
    ids=["fences", "marks", "openings", "spaces", "mixed", "returns"],
)
@pytest.mark.timeout(30)
def test_long_hostile_text_costs_linear_time(text):
    find_program(text, ("python",))
