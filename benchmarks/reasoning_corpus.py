"""Shards of sampled reasoning to curate, as many as are asked for: for the benchmarks that compare or grow.

A row is one completion; four follow each other to a prompt. The reasoning is put together from paragraphs of real
completions, the answers are those of real problems in the forms that models give them, and so many of a thousand rows
have a planted defect (``DEFECTS``). Each shard follows from the seed and its own number alone and is written before
the next is made, so a million rows need no more memory than five thousand. What was planted is written beside the
shards, as ``labels``.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from documents import CORPORA

EXAMPLES = Path(__file__).parents[1] / "examples" / "shards"
SAMPLES = 4
SHARD_ROWS = 5_000
LEAST_SHARDS = 4
GROUP_ROWS = 1_000
WANTED_PARAGRAPHS = 40_000
PARAGRAPH = range(40, 1_500)
LONGEST = 140_000
RIGHT = 0.7

DEFECTS = {
    "unclosed_think": 80,
    "repeated_think": 20,
    "code_in_reasoning": 120,
    "mixed_languages": 60,
    "long_paragraph": 50,
    "too_long": 5,
    "too_short": 10,
}
"""In a thousand rows; each is dropped by the step of its name."""
COPIED, NEARLY_COPIED = 20, 30
"""In a thousand rows: equal to the first completion of the prompt, and equal to it but for a paragraph (kept)."""
FOREIGN, FENCED = 30, 30
"""In a thousand rows, and kept: a few CJK characters in the reasoning, a code block in the answer."""

CHINESE = (
    "我们先把这个数加起来,然后再除以二,最后得到答案。",
    "等一下,这里需要重新检查一遍,因为上面的方程少了一项。",
    "设未知数为x,根据题意可以列出方程,再把两边同时平方。",
    "所以总时间等于路程除以速度,单位换算以后再相加。",
    "注意到两个三角形相似,因此对应边的比例相等。",
    "首先考虑边界情况,其次用归纳法证明一般的结论。",
    "代入原式验证,左右两边相等,说明结果是正确的。",
    "如果按照排列组合来算,需要减去重复计算的部分。",
)
FENCE = "```python\ntotal = sum(n * n for n in range(1, {0}))\nprint(total % {0})\n```"
CLOSINGS = (
    "The answer is $\\boxed{{{0}}}$.",
    "Therefore, the final answer is \\(\\boxed{{{0}}}\\).",
    "**Final Answer**\n\n\\[\n\\boxed{{{0}}}\n\\]",
    "So the result is $$\\boxed{{{0}}}$$",
    "Hence we get $\\boxed{{{0}}}$, as was to be found.",
    "\\boxed{{{0}}}",
)
"""A quarter of the answers has no words before these."""

GOLDS = (
    *("18", "-15", "204", "1024", "7", "2", "540", "70000", "58,500", "12345", "99", "-3", "64", "360", "144"),
    *("0.15", "4.5", "326.5", "1.25", "3.21", "-0.75", "18.90", ".35625"),
    *("\\frac{3}{4}", "\\frac{14}{3}", "-\\frac{24}{25}", "\\dfrac{17}{50}", "\\frac43", "\\frac{448}{15625}"),
    *("2\\sqrt{3}", "\\frac{3\\sqrt{3}}{4}", "11\\sqrt2", "1+2\\sqrt{3}", "12\\pi", "\\frac{\\pi}{6}", "18+2\\pi"),
    *("(2,5)", "\\left( 3, \\frac{\\pi}{2} \\right)", "(6,31,-1)", "3, 5, 7", "1,-2", "(3,4]", "(2,\\infty)"),
    *("x^2-1", "6r^2-4r-24", "y = 2x + 3", "(a+5)(b+2)", "1+274i", "6 - 5i", "(-\\infty, 2) \\cup (3, \\infty)"),
    *(
        "\\text{Evelyn}",
        "\\text{(C)}",
        "\\text{even}",
        "90^\\circ",
        "2516_8",
        "\\begin{pmatrix} -2 \\\\ -14 \\end{pmatrix}",
    ),
)
"""Where no MATH-500 is at hand."""

_FRACTION = re.compile(r"(-?)\\d?frac\{(\d+)\}\{(\d+)\}")
_INTEGER = re.compile(r"-?\d{1,9}")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_SUBTLE = re.compile(r"_|\\mbox|\\text")
_TENFOLD = (2, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What rows are made of.

    Args:
        paragraphs: of reasoning, without code, tags and boxes.
        summaries: whole sentences that name no answer, to stand before one.
        lengths: of each paragraph, in characters, with the break that follows it.
        problems: that are asked.
        golds: their answers, but not in order: no answer follows from its problem here.
        origin: where all this is from.
    """

    paragraphs: list[str]
    summaries: list[str]
    lengths: np.ndarray
    problems: list[str]
    golds: list[str]
    origin: str


def write_corpus(
    folder: Path,
    rows: int,
    *,
    sizes: tuple[int, int] = (4_000, 12_000),
    seed: int = 11,
    shard_rows: int = SHARD_ROWS,
) -> int:
    """Writes ``folder/shards/*.parquet`` and ``folder/labels/*.parquet``, and gives the rows that there are.

    Args:
        folder: that is there.
        rows: completions in all, rounded down to whole prompts and shards of equal size.
        sizes: characters of reasoning, from and to.
        seed: of all that is drawn.
        shard_rows: most rows of a shard.
    """
    shards = max(LEAST_SHARDS, -(-rows // shard_rows))
    # An even number of shards with whole prompts: two workers share the rows without cutting a prompt in two.
    shards += shards % 2
    prompts = rows // (shards * SAMPLES)
    if not prompts:
        raise SystemExit(f"--rows {rows}: at least {shards * SAMPLES} are needed")
    for name in ("shards", "labels"):
        (folder / name).mkdir()
    material = read_material(seed)
    for shard in range(shards):
        table, labels = _shard(material, shard, prompts, sizes, seed)
        name = f"{shard:05}.parquet"
        pq.write_table(table, folder / "shards" / name, compression="zstd", row_group_size=GROUP_ROWS)
        pq.write_table(labels, folder / "labels" / name, compression="zstd")
    return shards * prompts * SAMPLES


def read_labels(folder: Path, shards: int | None = None) -> pl.DataFrame:
    """``id``, ``defect`` (null where there is none) and ``is_right`` of each row, of all shards or the first."""
    return pl.read_parquet(sorted((folder / "labels").glob("*.parquet"))[:shards])


def read_material(seed: int) -> Material:
    """From ``CORPORA`` where that is there, else from the examples and ``GOLDS``."""
    draw = random.Random(seed)  # noqa: S311 - a corpus, not a secret
    problems = CORPORA / "eval_math500.jsonl"
    if problems.exists():
        frame = pl.read_parquet(CORPORA / "zeroeval_math-l5.parquet")
        texts = [_reasoning(text) for text in frame["response"]]
        rows = [json.loads(line) for line in problems.read_text(encoding="utf-8").splitlines()]
        asked, golds = [row["problem"] for row in rows], [row["answer"] for row in rows]
        origin = "ZeroEval math-l5 and MATH-500"
    else:
        frame = pl.read_parquet(EXAMPLES / "math_lists.parquet")
        texts = [text.partition("<think>")[2].partition("</think>")[0] for text in frame["completions"].explode()]
        asked, golds, origin = frame["problem"].to_list(), list(GOLDS), "examples/shards"
    found = {part.strip(): None for text in texts for part in re.split(r"\n\s*\n", text)}
    paragraphs = [part for part in found if len(part) in PARAGRAPH and not _has_mark(part)]
    draw.shuffle(paragraphs)
    paragraphs = paragraphs[:WANTED_PARAGRAPHS]
    paragraphs += _varied(paragraphs, WANTED_PARAGRAPHS - len(paragraphs), draw)
    return Material(
        paragraphs=paragraphs,
        summaries=[part for part in paragraphs if part.endswith(".") and "answer" not in part.lower()],
        lengths=np.array([len(part) + 2 for part in paragraphs]),
        problems=asked,
        golds=golds,
        origin=origin,
    )


def _reasoning(response: str) -> str:
    """Of a response in JSON; all of one that is none."""
    start, end = response.find("{"), response.rfind("}")
    try:
        told = json.loads(response[start : end + 1], strict=False)
    except ValueError:
        return response
    return str(told.get("reasoning", "")) if isinstance(told, dict) else response


def _has_mark(part: str) -> bool:
    return any(mark in part for mark in ("```", "boxed", "think>", "\r", "\0", "\ufeff"))


def _varied(paragraphs: list[str], count: int, draw: random.Random) -> list[str]:
    """Paragraphs with a third of their words from elsewhere, or a small corpus would compress as no real one does."""
    words = [word for part in paragraphs for word in part.split(" ")]
    made = []
    for _ in range(count):
        own = draw.choice(paragraphs).split(" ")
        for place in draw.sample(range(len(own)), len(own) // 3):
            own[place] = draw.choice(words)
        text = " ".join(own)
        if len(text) in PARAGRAPH:
            made.append(text)
    return made


def _shard(
    material: Material, shard: int, prompts: int, sizes: tuple[int, int], seed: int
) -> tuple[pa.Table, pa.Table]:
    draw = random.Random(f"{seed}-{shard}")  # noqa: S311 - a corpus, not a secret
    parts = _paragraphs(material, np.random.default_rng([seed, shard]), sizes)
    rows: list[tuple[str, str, str, str, str, str]] = []
    labels: list[tuple[str, str | None, bool]] = []
    for number in range(shard * prompts, (shard + 1) * prompts):
        gold = draw.choice(material.golds)
        prompt = f"{draw.choice(material.problems)}\n\n(Problem {number}.)"
        first: _Made | None = None
        for index in range(SAMPLES):
            made = _made(material, draw, next(parts), gold, first)
            first = first or made
            key = f"p{number}-{index}"
            rows.append((key, f"p{number}", "math", prompt, gold, made.text))
            labels.append((key, made.defect, made.is_right))
    names = ["id", "group_id", "domain", "prompt", "answer", "completion"]
    table = pa.table([pa.array(column) for column in zip(*rows, strict=True)], names)
    return table, pa.table([pa.array(column) for column in zip(*labels, strict=True)], ["id", "defect", "is_right"])


def _paragraphs(material: Material, rng: np.random.Generator, sizes: tuple[int, int]) -> Iterator[list[str]]:
    """Paragraphs of one completion after the other."""
    low, high = sizes
    while True:
        drawn = rng.integers(len(material.paragraphs), size=1 << 16)
        ends = np.cumsum(material.lengths[drawn])
        start, at = 0, 0
        while True:
            # One paragraph at least, also where it alone is longer than what is asked for.
            stop = max(start + 1, int(np.searchsorted(ends, at + rng.integers(low, high + 1))))
            if stop >= len(drawn):
                break
            yield [material.paragraphs[place] for place in drawn[start:stop].tolist()]
            start, at = stop, int(ends[stop - 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    parts: list[str]
    answer: str
    text: str
    defect: str | None
    is_right: bool


def _made(material: Material, draw: random.Random, parts: list[str], gold: str, first: _Made | None) -> _Made:
    """One completion: its defect, if any, and its answer."""
    lot = 1_000 * draw.random()
    if first and lot < COPIED:
        # What is dropped itself has no duplicate.
        return _Made(
            parts=first.parts,
            answer=first.answer,
            text=first.text,
            defect=first.defect or "duplicate",
            is_right=first.is_right,
        )
    lot -= COPIED
    if first and lot < NEARLY_COPIED and first.defect is None:
        changed = [*first.parts[:-1], parts[-1]]
        text = _whole(changed, first.answer)
        return _Made(parts=changed, answer=first.answer, text=text, defect=None, is_right=first.is_right)
    lot = 1_000 * draw.random()
    is_right = draw.random() < RIGHT
    shown = _equal_form(gold, draw) if is_right else _wrong_form(gold, material.golds, draw)
    answer = _answer(material, draw, shown)
    defect = next((name for name, share in _CUMULATED if lot < share), None)
    if defect is None:
        if 1_000 * draw.random() < FOREIGN:
            parts[-1] += " " + draw.choice(CHINESE)[: draw.randint(1, 12)]
        if 1_000 * draw.random() < FENCED:
            answer = FENCE.format(draw.randrange(100)) + "\n\n" + answer
    text = _with_defect(defect, parts, answer, material, draw)
    return _Made(parts=parts, answer=answer, text=text, defect=defect, is_right=is_right)


_CUMULATED = [(name, sum(list(DEFECTS.values())[: place + 1])) for place, name in enumerate(DEFECTS)]


def _with_defect(defect: str | None, parts: list[str], answer: str, material: Material, draw: random.Random) -> str:
    if defect == "too_short":
        return draw.choice(("42", "I give up.", "Sorry.", "\\boxed{7}"))
    if defect == "unclosed_think":
        return "<think>\n" + "\n\n".join(parts)
    place = draw.randrange(len(parts))
    if defect == "repeated_think":
        parts[place] += draw.choice((" <think>", "</think>", "\n<think>\n"))
    elif defect == "code_in_reasoning":
        parts.insert(place, FENCE.format(draw.randrange(10, 100)))
    elif defect == "mixed_languages":
        size = sum(map(len, parts)) // 10
        parts.insert(place, "".join(draw.choices(CHINESE, k=1 + size // min(map(len, CHINESE)))))
    elif defect == "long_paragraph":
        wall: list[str] = []
        while sum(map(len, wall)) <= 2_000:
            wall.append(draw.choice(material.paragraphs))
        parts.insert(place, " ".join(wall))
    elif defect == "too_long":
        size = sum(map(len, parts))
        while size < LONGEST:
            parts.append(draw.choice(material.paragraphs))
            size += len(parts[-1])
    return _whole(parts, answer)


def _whole(parts: list[str], answer: str) -> str:
    return "<think>\n" + "\n\n".join(parts) + "\n</think>\n\n" + answer


def _answer(material: Material, draw: random.Random, shown: str) -> str:
    """What follows the reasoning: mostly a few words and the box."""
    closing = draw.choice(CLOSINGS).format(shown)
    if draw.random() < 0.25:
        return closing
    summary = [draw.choice(material.summaries) for _ in range(draw.randint(1, 2))]
    return "\n\n".join([*summary, closing])


def _equal_form(gold: str, draw: random.Random) -> str:
    """The answer as it is, or as another might write it."""
    if draw.random() < 0.5:
        return gold
    if _INTEGER.fullmatch(gold):
        number = int(gold)
        return draw.choice((f"{number}.0", f"{number:,}", f"\\frac{{{2 * number}}}{{2}}", f"{number - 1} + 1"))
    if _DECIMAL.fullmatch(gold):
        value = Fraction(gold)
        return draw.choice((f"{gold}0", f"\\frac{{{value.numerator}}}{{{value.denominator}}}"))
    if found := _FRACTION.fullmatch(gold):
        sign, above, below = found[1], int(found[2]), int(found[3])
        forms = [
            f"{sign}{above}/{below}",
            f"{sign}\\frac{{{3 * above}}}{{{3 * below}}}",
            f"{sign}\\dfrac{{{above}}}{{{below}}}",
        ]
        rest = below
        for prime in _TENFOLD:
            while rest % prime == 0:
                rest //= prime
        if rest == 1 and below <= 1_000:
            forms.append(sign + str(above / below))
        return draw.choice(forms)
    loose = gold.replace("\\left", "").replace("\\right", "")
    return draw.choice((gold.replace("\\frac{", "\\dfrac{"), loose, loose.replace(", ", ","), f" {gold} "))


def _wrong_form(gold: str, golds: list[str], draw: random.Random) -> str:
    """The answer with one digit changed, or that of another problem."""
    # The base of a numeral and the power of a unit are read by some and not by others.
    digits = [place for place, sign in enumerate(gold) if sign.isdigit() and not _SUBTLE.search(gold)]
    if digits and draw.random() < 0.6:
        place = draw.choice(digits)
        digit = str((int(gold[place]) + draw.randint(1, 8)) % 9 + 1)
        if digit != gold[place]:
            return gold[:place] + digit + gold[place + 1 :]
    while True:
        other = draw.choice(golds)
        if _bare(other) != _bare(gold):
            return other


def _bare(answer: str) -> str:
    """Letters and digits alone: what has the same may be the same answer, as 5, x=5 and 5 degrees are."""
    return re.sub(r"\\[a-z]+|\W", "", answer.rpartition("=")[2])
