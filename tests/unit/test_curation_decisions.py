"""Decisions are the same in however many parts they are made, and hold few bytes a sample."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import AccountingError
from curation.executors import corpus as corpus_module
from curation.executors import ledger as ledger_module
from curation.executors import spool as spool_module
from curation.executors.arrange import plan_files
from curation.executors.corpus import Corpus, columns_needed
from curation.executors.ledger import Ledger
from curation.executors.spool import Spool, mapped
from curation.facts import FACTS
from curation.minhash import Signatures, as_bytes, from_bytes, small
from curation.recipe import parse_recipe
from curation.steps import build_steps
from curation.steps.base import AskStep, Fates, Step
from curation.steps.order import shuffled
from curation.steps.quota import Quota
from curation.steps.verify import DECISIONS

WHOLE = 1 << 40
RECIPES = [
    """
[[steps]]
name = "length"
[[steps]]
name = "dedup"
similarity_percent = 55
[[steps]]
name = "dedup_prompts"
similarity_percent = 55
[[steps]]
name = "verify"
[[steps]]
name = "format"
[[steps]]
name = "pass_rate"
min_percent = 10
max_percent = 90
[[steps]]
name = "select"
policy = "diverse"
count = 2
[[steps]]
name = "quota"
domains = "math = 25, code = 12"
skip = "general"
seed = 5
[[steps]]
name = "shuffle"
[[steps]]
name = "split"
test_percent = 20
[verify]
skip = "stem"
""",
    """
[[steps]]
name = "length"
[[steps]]
name = "verify"
[[steps]]
name = "dedup"
only = "math, code"
[[steps]]
name = "format"
[[steps]]
name = "quota"
domains = "math = 60, code = 50, stem = 20, general = 30"
when_short = "scale"
[[steps]]
name = "dedup_prompts"
similarity_percent = 100
[[steps]]
name = "select"
policy = "random"
[[steps]]
name = "pack"
max_tokens = 60
""",
]


@dataclass(frozen=True)
class Made:
    """Facts of shards, and what an engine says of each sample."""

    steps: Sequence[Step]
    facts: pl.DataFrame
    bounds: Sequence[int]
    is_right: Sequence[bool | None]

    def shards(self) -> list[pl.DataFrame]:
        needed = self.facts.select(columns_needed(self.steps))
        return [needed.slice(first, stop - first) for first, stop in pairwise(self.bounds)]


def made(seed: int, samples: int, recipe: str) -> Made:
    draw = random.Random(seed)  # noqa: S311 - texts, not secrets
    words = [f"word{first}{second}" for first in "abcdefghij" for second in "vwxyz"]  # with other numbers none is near
    texts = [[draw.choice(words) for _ in range(25)] for _ in range(6)]

    def text() -> str:
        changed = list(draw.choice(texts))
        for _ in range(draw.randrange(3)):
            changed[draw.randrange(25)] = draw.choice(words)
        return " ".join(changed)

    groups = max(1, samples // 4)
    prompts = [text() for _ in range(groups)]
    keys = [draw.getrandbits(64) for _ in range(groups)]
    owners = [draw.randrange(groups) for _ in range(samples)]
    completions = [text() for _ in range(samples)]
    text_steps = [draw.choice([None, None, None, None, -1, 0, 1]) for _ in range(samples)]
    bounds = [0, *sorted(draw.randrange(samples + 1) for _ in range(3)), samples]
    firsts = {
        (shard, owners[at]): at
        for shard, (first, stop) in enumerate(pairwise(bounds))
        for at in reversed(range(first, stop))
        if text_steps[at] is None
    }
    signatures = as_bytes(Signatures.of(pl.Series(prompts, dtype=pl.String)))
    facts = pl.DataFrame(
        {
            "id": [f"s{at}" for at in range(samples)],
            "group_id": [f"g{owner}" for owner in owners],
            "group": pl.Series([keys[owner] for owner in owners], dtype=pl.UInt64),
            "prompt": pl.Series([hash_of(prompts[owner]) for owner in owners], dtype=pl.UInt64),
            "domain": [draw.choice(["math", "Code-py", "stem", "general", "poetry"]) for _ in range(samples)],
            "prompt_chars": [draw.randrange(60) for _ in range(samples)],
            "chars": [draw.randrange(120) for _ in range(samples)],
            "text_step": pl.Series(text_steps, dtype=pl.Int32),
            "text_reason": [None if step is None else f"reason{step}" for step in text_steps],
            "digest": pl.Series([hash_of(text) for text in completions], dtype=pl.UInt64),
            "near": as_bytes(small(Signatures.of(pl.Series(completions, dtype=pl.String)))),
            "prompt_near": pl.Series(
                [signatures[owners[at]] if at in firsts.values() else None for at in range(samples)], dtype=pl.Binary
            ),
        }
    )
    facts = facts.with_columns(near=pl.when(pl.col("text_step").is_null()).then("near"))
    return Made(
        steps=build_steps(parse_recipe(recipe)),
        facts=facts.select(pl.col(name).cast(FACTS[name]) for name in facts.columns),
        bounds=bounds,
        is_right=[draw.choice([True, True, False, None]) for _ in range(samples)],
    )


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def answers(corpus_made: Made, shard: int, wanted: np.ndarray) -> pl.DataFrame:
    first = corpus_made.bounds[shard]
    is_right = [corpus_made.is_right[first + at] if is_wanted else None for at, is_wanted in enumerate(wanted.tolist())]
    reasons = [
        None if right or not is_wanted else "lost" if right is None else "math:not_equal"
        for right, is_wanted in zip(is_right, wanted.tolist(), strict=True)
    ]
    return pl.DataFrame(
        {"verify_reason": reasons, "is_failed": [reason == "lost" for reason in reasons], "is_right": is_right},
        schema=DECISIONS,
    )


def decided(corpus_made: Made, *, part_bytes: int, folder: Path | None = None) -> tuple[Corpus, list[object]]:
    """Everything that comes of the decisions."""
    corpus = Corpus(
        corpus_made.shards(),
        corpus_made.steps,
        samples=corpus_made.facts.height,
        folder=folder,
        part_bytes=part_bytes,
    )
    told: list[object] = []
    for step in corpus_made.steps:
        if isinstance(step, AskStep):
            wanted = corpus.decide_before(step)
            told.append([mask.tolist() for mask in wanted])
            for shard, mask in enumerate(wanted):
                corpus.decide_by(step, shard, answers(corpus_made, shard, mask))
    corpus.decide_rest()
    spans = [(first, stop - first) for first, stop in pairwise(corpus_made.bounds)]
    corpus.name_twins(lambda shard, column: corpus_made.facts[column].slice(*spans[shard]))
    told += [corpus.ledger.fates(*span).rows() for span in spans]
    told += [corpus.ledger.digest(*span) for span in spans]
    for file in plan_files(corpus.kept(), corpus_made.steps, file_bytes=400):
        packs = None if file.packs is None else file.packs.tolist()
        told.append((file.name, file.split, dict(file.domains), file.chars, file.places.tolist(), packs))
    return corpus, told


@pytest.mark.parametrize("recipe", RECIPES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**9), samples=st.integers(0, 300), part_bytes=st.integers(500, 20_000))
def test_decisions_are_the_same_in_however_many_parts_they_are_made(recipe, seed, samples, part_bytes):
    corpus_made = made(seed, samples, recipe)
    assert decided(corpus_made, part_bytes=part_bytes)[1] == decided(corpus_made, part_bytes=WHOLE)[1]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_corpus_without_shards_is_decided_on(recipe):
    corpus, _ = decided(
        Made(build_steps(parse_recipe(recipe)), made(1, 1, recipe).facts[:0], [0], []), part_bytes=WHOLE
    )
    assert corpus.bounds == [0]
    assert not corpus.kept().height


def test_the_parts_of_a_corpus_decide_on_something():
    fates = pl.concat(decided(made(3, 400, recipe), part_bytes=2_000)[0].ledger.fates(0, 400) for recipe in RECIPES)
    reasons = set(fates["drop_reason"])
    told = {"near_prompt", "equal_prompt", "near_duplicate", "duplicate", "lost", "math:not_equal", "over_quota", None}
    assert told <= reasons
    assert fates.filter(pl.col("drop_reason") == "duplicate")["drop_detail"].null_count() == 0


def test_what_is_held_of_a_sample_is_a_few_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "_IN_MEMORY", 1)
    recipe = '[[steps]]\nname = "length"\n[[steps]]\nname = "dedup"\n[[steps]]\nname = "verify"\n'
    steps = build_steps(parse_recipe(recipe + '[[steps]]\nname = "select"\npolicy = "shortest"\n'))
    samples, shards = 400_000, 4
    each = samples // shards
    numbers = np.arange(each, dtype=np.uint64)

    def facts(shard: int) -> pl.DataFrame:
        group = numbers // np.uint64(4) + np.uint64(shard * each)
        columns: dict[str, Any] = {
            "group": group,
            "domain": ["math"] * each,
            "prompt_chars": numbers % np.uint64(9),
            "chars": numbers % np.uint64(7),
            "text_step": [None, 0] * (each // 2),
            "text_reason": [None, "too_long"] * (each // 2),
            "digest": numbers // np.uint64(2),
        }
        return pl.DataFrame({name: pl.Series(columns[name]).cast(FACTS[name]) for name in columns_needed(steps)})

    tracemalloc.start()
    try:
        corpus = Corpus(map(facts, range(shards)), steps, samples=samples, folder=tmp_path)
        verify = next(step for step in steps if isinstance(step, AskStep))
        for shard, wanted in enumerate(corpus.decide_before(verify)):
            is_right = pl.Series(wanted)
            frame = pl.select(verify_reason=pl.lit(None, pl.String), is_failed=pl.lit(value=False), is_right=is_right)
            corpus.decide_by(verify, shard, frame)
        corpus.decide_rest()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A step, a reason, failed and right: 1 + 2 + 1 + 1 bytes; the rest is what does not grow with the corpus.
    assert held < 5 * samples + 500_000
    assert not list(tmp_path.iterdir())  # what is put aside has no name


def test_a_spool_gives_rows_back_by_part_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(spool_module, "_IN_MEMORY", 100)
    spool = Spool(pl.Schema({"at": pl.Int64(), "name": pl.String(), "mark": pl.Binary()}), 4, tmp_path)
    rows = pl.DataFrame({"at": range(90)}).with_columns(
        name=pl.when(pl.col("at") % 3 > 0).then(pl.format("n{}", "at")),
        mark=pl.when(pl.col("at") % 5 > 0).then(pl.col("at").cast(pl.String).cast(pl.Binary)),
    )
    owners = np.array([(at * at) % 3 for at in range(90)])
    spool.add(rows.head(50), owners[:50])
    spool.add(rows.clear(), owners[:0])
    assert spool.read(0).height
    spool.add(rows.tail(40), owners[50:])
    for part in range(4):
        assert spool.read(part).equals(rows.filter(pl.Series(owners == part)), null_equal=True)
    assert spool.read(1, ["name"]).equals(rows.filter(pl.Series(owners == 1)).select("name"))
    assert not list(tmp_path.iterdir())


def test_a_table_that_may_be_paged_out_holds_what_is_put_there(tmp_path, monkeypatch):
    for most in (1, 1 << 20):
        monkeypatch.setattr(spool_module, "_IN_MEMORY", most)
        table = mapped(50, 3, tmp_path)
        table[:] = np.arange(150, dtype=np.uint32).reshape(50, 3)
        assert isinstance(table.base, np.memmap) == (most == 1)
        assert table[49].tolist() == [147, 148, 149]
    assert mapped(0, 3, tmp_path).shape == (0, 3)
    assert not list(tmp_path.iterdir())


def test_values_and_details_are_found_in_whatever_stretch_of_places(monkeypatch):
    monkeypatch.setattr(ledger_module, "_STRETCH", 3)
    steps = build_steps(parse_recipe('[[steps]]\nname="dedup"\n'))
    ledger = Ledger(10, steps)
    reasons = pl.Series([None if at % 4 == 0 else "duplicate" for at in range(10)])
    twins = pl.Series([0 if at % 2 else None for at in range(10)])
    ledger.drop(0, np.arange(10), Fates(reasons=reasons, values=pl.Series(range(10)), twins=twins))
    assert ledger.fates(1, 2)["drop_detail"].to_list() == [None, None]
    for like in ledger.twins():
        ledger.name_twins(
            like["place"].to_numpy(), pl.Series([f"twin of {at}" for at in like["place"]], dtype=pl.String)
        )
    rows = ledger.fates(0, 10).select("drop_value", "drop_detail").rows()
    assert rows == [(None if at % 4 == 0 else float(at), f"twin of {at}" if at % 2 else None) for at in range(10)]
    assert [ledger.fates(at, 1).row(0) for at in range(10)] == ledger.fates(0, 10).rows()
    assert len({ledger.digest(at, 1) for at in (1, 2, 3)}) == 3


def test_more_reasons_than_sixteen_bits_can_number():
    steps = build_steps(parse_recipe('[[steps]]\nname="dedup"\n'))
    ledger = Ledger(70_000, steps)
    reasons = [f"reason {at}" for at in range(70_000)]
    for first in (0, 35_000):
        part = pl.Series(reasons[first : first + 35_000])
        ledger.drop(0, np.arange(first, first + 35_000), Fates(reasons=part))
    assert ledger.fates(0, 70_000)["drop_reason"].to_list() == reasons


def test_samples_that_are_not_accounted_for_are_refused():
    corpus_made = made(1, 40, RECIPES[1])
    for samples in (39, 41):
        with pytest.raises(AccountingError, match="samples"):
            Corpus(corpus_made.shards(), corpus_made.steps, samples=samples)
    corpus = Corpus(corpus_made.shards(), corpus_made.steps, samples=40)
    [verify] = [step for step in corpus_made.steps if isinstance(step, AskStep)]
    wanted = corpus.decide_before(verify)
    with pytest.raises(AccountingError, match="answers for"):
        corpus.decide_by(verify, 0, answers(corpus_made, 0, wanted[0]).vstack(answers(corpus_made, 0, wanted[0])[:1]))
    corpus.decide_by(verify, 0, answers(corpus_made, 0, wanted[0]))
    with pytest.raises(AccountingError, match="verify"):
        corpus.decide_rest()


class Turned:
    """Parts in another order than that of a quota."""

    def __init__(self, *parts: pl.DataFrame) -> None:
        self._parts = parts

    def read(self, *_columns):
        return iter(self._parts)

    def table(self, rows, columns):
        raise NotImplementedError


def test_a_quota_refuses_groups_that_come_out_of_its_order():
    parts = [pl.DataFrame({"domain": ["math"], "group": pl.Series([key], dtype=pl.UInt64)}) for key in (1, 2)]
    parts.sort(key=lambda part: -shuffled(part["group"], 0)[0])
    with pytest.raises(AccountingError, match="order"):
        list(Quota(domains="math = 1").over(Turned(*parts)))
    assert [fates.reasons.to_list() for _, fates in Quota(domains="math = 1").over(Turned(*parts[::-1]))] == [
        [None],
        ["over_quota"],
    ]


@given(st.lists(st.one_of(st.none(), st.binary(min_size=8, max_size=8)), max_size=20), st.integers(0, 4))
def test_signatures_come_back_from_their_bytes_and_null_is_zeros(rows, cut):
    column = pl.Series(rows, dtype=pl.Binary).slice(cut)
    found = from_bytes(column, np.uint32)
    assert len(found) == column.len()
    wanted = [bytes(8) if row is None else row for row in rows[cut:]]
    if any(row is not None for row in rows[cut:]):
        assert [row.tobytes() for row in found] == wanted


def test_a_sample_without_any_text_at_the_end_has_a_file():
    kept = pl.DataFrame(
        {"place": [3, 5], "domain": ["math", "math"], "chars": [10, 0]}, schema_overrides={"place": pl.UInt32}
    )
    for file_bytes in (5, 100):
        files = plan_files(kept, (), file_bytes=file_bytes)
        assert [place for file in files for place in file.places.tolist()] == [3, 5]
        assert sum(file.chars for file in files) == 10


def test_the_signature_of_a_prompt_passes_to_its_first_sample_that_is_left():
    part = pl.DataFrame(
        {"group": [1, 1, 1, 2, 2, 3], "prompt_near": [b"one", None, None, b"two", None, None]},
        schema={"group": pl.UInt64, "prompt_near": pl.Binary},
    )
    left = part.with_row_index("place").filter(pl.col("place") != 0)
    signed = corpus_module._signed(part, left)
    assert signed.select("place", "prompt_near").rows() == [(1, b"one"), (2, None), (3, b"two"), (4, None), (5, None)]
