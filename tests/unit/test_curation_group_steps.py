from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import RecipeError
from curation.executors.annotate import facts_of
from curation.facts import FACTS, JUDGED
from curation.minhash import Signatures, as_bytes, small
from curation.recipe import parse_recipe
from curation.rows import SAMPLES
from curation.steps import build_steps
from curation.steps.base import SPLITS, ArrangeStep
from curation.steps.dedup import Dedup
from curation.steps.dedup_prompts import DedupPrompts
from curation.steps.order import shuffled
from curation.steps.pack import Pack
from curation.steps.pass_rate import PassRate
from curation.steps.quota import PRESETS, Quota
from curation.steps.select import Select
from curation.steps.shuffle import Shuffle
from curation.steps.split import Split


def facts(*rows: Mapping[str, object]) -> pl.DataFrame:
    schema = pl.Schema({"place": pl.Int64(), **FACTS, **JUDGED})
    return pl.DataFrame(
        [dict.fromkeys(schema) | {"place": at, "input_row": at} | dict(row) for at, row in enumerate(rows)],
        schema=schema,
    )


def group(number: int) -> int:
    return int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:8])


@pytest.mark.parametrize(
    ("judged", "right", "reason"),
    [(4, 4, "too_easy"), (4, 0, "too_hard"), (4, 2, None), (5, 1, None), (5, 4, None), (0, 0, "too_few_judged")],
)
def test_pass_rate_keeps_a_band_whose_ends_are_inside(judged, right, reason):
    step = PassRate(min_percent=20, max_percent=80)
    found = step.fates(facts({"group": group(1), "judged": judged, "right": right}))
    assert found.reasons.to_list() == [reason]


def test_pass_rate_wants_verdicts():
    with pytest.raises(RecipeError, match="after the step verify"):
        build_steps(parse_recipe('[[steps]]\nname = "pass_rate"\n[[steps]]\nname = "verify"\n'))


def kept(step: Select, *chars: int) -> list[int]:
    found = step.fates(facts(*({"group": group(7), "chars": size} for size in chars))).reasons
    return [size for size, reason in zip(chars, found, strict=True) if reason is None]


def test_select_by_length():
    assert kept(Select(policy="shortest", count=2), 5, 1, 3, 1) == [1, 1]
    assert kept(Select(policy="longest"), 5, 9, 3) == [9]
    assert kept(Select(policy="median"), 50, 9, 3) == [9]
    assert kept(Select(policy="median", count=2), 1, 2, 3, 4) == [2, 3]


def test_select_at_random_follows_from_seed_and_group_alone():
    rows = [{"group": group(at // 8), "chars": 1} for at in range(800)]
    one = Select(policy="random", count=2, seed=1).fates(facts(*rows)).reasons
    assert one.is_null().sum() == 200
    assert one.equals(Select(policy="random", count=2, seed=1).fates(facts(*rows)).reasons, null_equal=True)
    assert not one.equals(Select(policy="random", count=2, seed=2).fates(facts(*rows)).reasons, null_equal=True)
    places = [at % 8 for at, reason in enumerate(one) if reason is None]
    assert {places.count(at) > 5 for at in range(8)} == {True}  # no place of a group is favoured


def test_quota_takes_whole_prompts_in_an_order_that_does_not_depend_on_the_input():
    rows: list[dict[str, object]] = [
        {"group": group(at // 2), "domain": "math" if at < 20 else "code_python"} for at in range(40)
    ]
    step = Quota(domains="math = 4, code = 6", seed=3)
    found = step.fates(facts(*rows)).reasons
    ends = {(row["group"], row["domain"]) for row, reason in zip(rows, found, strict=True) if reason is None}
    assert found.is_null().sum() == 10
    assert len(ends) == 5  # of two samples each
    turned = step.fates(facts(*rows[::-1])).reasons
    assert turned.is_null().to_list()[::-1] == found.is_null().to_list()


def test_quota_tells_of_domains_that_have_none_and_of_domains_that_run_short():
    rows: list[dict[str, object]] = [
        {"group": group(at), "domain": domain} for at, domain in enumerate(["math"] * 8 + ["code", "poetry"])
    ]
    step = Quota(domains="math = 4, code = 2")
    assert step.fates(facts(*rows)).reasons.to_list().count(None) == 5
    assert step.fates(facts(*rows)).reasons[-1] == "no_quota"
    scaled = Quota(domains="math = 4, code = 2", when_short="scale")
    assert [reason is None for reason in scaled.fates(facts(*rows)).reasons].count(True) == 3  # two and one


def test_quota_has_the_table_of_r1():
    assert sum(PRESETS["r1"].values()) == 804_745
    assert Quota(preset="r1", domains="math = 7").quotas()["math"] == 7
    for options in ('domains = "math: 3"', ""):
        with pytest.raises(RecipeError, match="gives no quota"):
            build_steps(parse_recipe(f'[[steps]]\nname = "quota"\n{options}\n'))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ('name = "quota"\ndomains = "math = 3, Math = 4"', "'math' has two quotas"),
        ('name = "split"\ntest_percent = 0.004', "test_percent: 0.004 comes to no prompt"),
    ],
)
def test_options_that_say_what_they_do_not_do_are_refused(step, message):
    with pytest.raises(RecipeError, match=message):
        build_steps(parse_recipe(f"[[steps]]\n{step}\n"))


def test_the_order_is_fixed_by_content_and_not_by_the_version_of_a_library():
    assert shuffled(pl.Series([0, 1], dtype=pl.UInt64), 0).to_list() == [12035550249420947055, 627405149472732430]


SENTENCE = "we add the first number to the second and so find that the whole sum is even for all odd pairs"


def signed(*texts: str, **columns: object) -> pl.DataFrame:
    """Facts of completions of one prompt, with what steps that compare texts read."""
    frame = facts(*({"id": f"s{at}", "group": group(1), "chars": len(text)} | columns for at, text in enumerate(texts)))
    series = pl.Series(texts)
    return frame.with_columns(
        near=as_bytes(small(Signatures.of(series))),
        digest=pl.Series([int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]).cast(
            pl.UInt64
        ),
    )


def told(number: int, *changed: int) -> str:
    return " ".join(
        f"{word}{number}" if at not in changed else f"other{number}" for at, word in enumerate(SENTENCE.split() * 5)
    )


def test_dedup_drops_near_duplicates_and_names_the_one_that_stays():
    frame = signed(told(1), told(2), told(1, 40), told(1), told(2, 3, 30, 60, 80))
    exact = Dedup().fates(frame)
    assert exact.reasons.to_list() == [None, None, None, "duplicate", None]
    near = Dedup(similarity_percent=80).fates(frame)
    assert near.reasons.to_list() == [None, None, "near_duplicate", "duplicate", None]
    assert near.twins is not None
    assert near.twins.to_list() == [None, None, 0, 0, None]
    assert near.values is not None
    assert 80 <= near.values[2] < 100
    assert Dedup(similarity_percent=60).fates(frame).reasons[4] == "near_duplicate"


def test_dedup_compares_no_sample_that_a_later_text_step_drops():
    frame = signed(told(1), told(1, 40)).with_columns(near=pl.Series([None, b"\1" * 128], dtype=pl.Binary))
    assert Dedup(similarity_percent=80).fates(frame).reasons.to_list() == [None, None]


def test_the_diverse_selection_takes_the_shortest_and_then_what_is_least_like_it():
    frame = signed(
        told(1) + " more", told(1), told(1, 40) + " and", told(2) + " in the end", told(2, 8) + " in the end"
    )
    found = Select(policy="diverse", count=2).fates(frame)
    assert [at for at, reason in enumerate(found.reasons) if reason is None] == [1, 3]
    assert Select(policy="diverse", count=5).fates(frame).reasons.null_count() == 5


def test_dedup_prompts_drops_whole_prompts_and_names_the_first():
    prompts = [told(1), told(1), told(1, 40), told(2)]
    rows: list[dict[str, object]] = [
        {"group": group(at), "group_id": f"g{at}", "prompt": hash_of(text)}
        for at, text in enumerate(prompts)
        for _ in "ab"
    ]
    near = as_bytes(Signatures.of(pl.Series(prompts)))
    frame = facts(*rows).with_columns(
        prompt_near=pl.Series([near[at // 2] if at % 2 == 0 else None for at in range(8)])
    )
    exact = DedupPrompts(similarity_percent=100).fates(frame)
    assert exact.reasons.to_list() == [None, None, "equal_prompt", "equal_prompt", *[None] * 4]
    found = DedupPrompts(similarity_percent=80).fates(frame)
    assert found.reasons.to_list() == [None, None, *["equal_prompt"] * 2, *["near_prompt"] * 2, None, None]
    assert found.twins is not None
    assert found.twins.to_list()[2:6] == [0] * 4
    assert found.named_by == "group_id"


@pytest.mark.parametrize(
    ("change", "is_other"),
    [
        (("7 apples", "9 apples"), True),
        (("x + y", "x - y"), True),
        (("$3$ pears and 7 apples", "$7$ pears and 3 apples"), True),
        (("How many", "Tell how many"), False),
        (("she, too,", "She too"), False),
        ((" ", "  "), False),
    ],
)
def test_a_prompt_with_other_numbers_is_another_problem(change, is_other):
    prompt = (
        "Anna has $3$ pears and 7 apples, and she, too, sells them at the market of her town where the sum x + y of all"
        " that she takes in a day is written on a board for everybody to read. How many coins does she take home in the"
        " evening of the first day if all of the fruit has been sold by then and nobody has paid with a note?"
    )
    prompts = [prompt, prompt.replace(*change)]
    near = as_bytes(Signatures.of(pl.Series(prompts)))
    rows = [{"group": group(at), "group_id": f"g{at}", "prompt": hash_of(text)} for at, text in enumerate(prompts)]
    found = DedupPrompts(similarity_percent=80).fates(facts(*rows).with_columns(prompt_near=near))
    assert found.reasons.to_list() == [None, None if is_other else "near_prompt"]


QUESTION = (
    r"Let $x$ and $y$ be real numbers such that $x \ge 2y + 3$ and $x - y < 7$ hold at the same time. Determine the"
    r" largest possible value of the product $xy$ over all such pairs, prove that no other pair of them gives a better"
    r" one, and say for which pairs it is reached, if there are any, and how they lie in the plane of both numbers."
)
INSTRUCTION = (
    "You are a helpful assistant. Please reason step by step, and put your final answer within \\boxed{}. The last line"
    " of your response should be of the following format: Therefore, the final answer is. I hope it is correct."
)


@pytest.mark.parametrize(
    ("one", "other", "is_near"),
    [
        (QUESTION, QUESTION.replace("largest", "smallest"), False),
        (QUESTION, QUESTION.replace("largest", "greatest"), True),
        (QUESTION, QUESTION.replace("\\ge", "\\le"), False),
        (QUESTION, QUESTION.replace("\\ge", "\\geq"), True),
        (QUESTION, QUESTION.replace("<", ">"), False),
        (QUESTION, QUESTION.replace("x - y", "x / y"), False),
        (QUESTION.replace("<", "≤"), QUESTION.replace("<", "≥"), False),
        (QUESTION, QUESTION.replace("value of", "value<br/>of"), True),
        (QUESTION, QUESTION.replace("Determine", "Find"), True),
        (QUESTION, QUESTION.replace("$", ""), True),
        (QUESTION, f"{INSTRUCTION} {QUESTION}", True),
        (f"{INSTRUCTION} Who wrote Hamlet?", f"{INSTRUCTION} Who wrote Faust?", False),
        (f"{INSTRUCTION} Who wrote Hamlet?", f"{INSTRUCTION} who wrote Hamlet", True),
        (f"Compute 2 * 2. {INSTRUCTION}", f"Compute 2 / 2. {INSTRUCTION}", False),
        (
            "求下面这个函数在整个定义域上的最大值以及取得它的那一点",
            "求下面这个函数在整个定义域上的最小值以及取得它的那一点",
            False,
        ),
        ("", " ", False),
    ],
)
def test_what_is_asked_makes_prompts_alike(one, other, is_near):
    near = as_bytes(Signatures.of(pl.Series([one, other]), are_prompts=True))
    rows = [{"group": group(at), "group_id": f"g{at}", "prompt": hash_of(text)} for at, text in enumerate((one, other))]
    found = DedupPrompts(similarity_percent=80).fates(facts(*rows).with_columns(prompt_near=near))
    assert found.reasons.to_list() == [None, "near_prompt" if is_near else None]


@pytest.mark.parametrize(
    ("other", "is_other"),
    [
        ("compute $2+2$.", False),
        ("Compute \\( 2 + 2 \\)", False),
        ("Compute 2 + 2 !", False),
        ("Compute 2 - 2", True),
        ("Compute 2 + 3", True),
        ("Compute 2! + 2", True),
        ("Compute 2 + 2.5", True),
    ],
)
def test_short_prompts_are_compared_by_their_signs(other, is_other):
    prompts = ["Compute 2 + 2.", other]
    near = as_bytes(Signatures.of(pl.Series(prompts)))
    rows = [{"group": group(at), "group_id": f"g{at}", "prompt": hash_of(text)} for at, text in enumerate(prompts)]
    found = DedupPrompts(similarity_percent=80).fates(facts(*rows).with_columns(prompt_near=near))
    assert found.reasons.to_list() == [None, None if is_other else "near_prompt"]


def hash_of(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def kept_facts(count: int) -> pl.DataFrame:
    rows: list[dict[str, object]] = [
        {"group": group(at // 4), "prompt": hash_of(str(at // 4)), "chars": 10 + at % 7, "prompt_chars": 2}
        for at in range(count)
    ]
    return facts(*rows)


def arranged(step: ArrangeStep, kept: pl.DataFrame) -> pl.DataFrame:
    marked = kept.with_columns(pl.Series(name, values) for name, values in step.marks(kept).items())
    return step.arranged(marked.with_columns(split=pl.lit("train", SPLITS)))


def test_shuffle_follows_from_seed_and_content():
    kept = kept_facts(400)
    one = arranged(Shuffle(seed=1), kept)
    assert one["place"].to_list() != kept["place"].to_list()
    assert sorted(one["place"]) == kept["place"].to_list()
    assert arranged(Shuffle(seed=2), kept)["place"].to_list() != one["place"].to_list()
    turned = arranged(Shuffle(seed=1), kept.reverse().with_columns(place=kept["place"]))
    assert turned["group"].to_list() == one["group"].to_list()


def test_split_sends_whole_prompts_and_about_the_share():
    found = arranged(Split(test_percent=10, validation_percent=5.5, seed=3), kept_facts(8_000))
    assert found.group_by("prompt").agg(pl.col("split").n_unique())["split"].max() == 1
    counts = dict(found.group_by("split").len().iter_rows())
    assert 600 < counts["test"] < 900
    assert 350 < counts["validation"] < 530
    alone = arranged(Split(test_percent=10, validation_percent=5.5, seed=3), kept_facts(400))
    assert alone["split"].to_list() == found["split"].to_list()[:400]


@pytest.mark.parametrize(
    "options", ["test_percent = 100", "test_percent = -1", "test_percent = 60\nvalidation_percent = 40"]
)
def test_split_leaves_something_to_train_on(options):
    with pytest.raises(RecipeError, match="split"):
        build_steps(parse_recipe(f'[[steps]]\nname = "split"\n{options}\n'))


@given(st.lists(st.integers(0, 60), max_size=60), st.integers(1, 40))
def test_pack_fills_sequences_without_overflow_and_better_than_a_pack_each(sizes, most):
    frame = kept_facts(len(sizes)).with_columns(
        chars=pl.Series([4 * size for size in sizes], dtype=pl.UInt32), prompt_chars=pl.lit(0, pl.UInt32)
    )
    found = arranged(Pack(max_tokens=most), frame)
    assert sorted(found["place"]) == list(range(len(sizes)))
    assert found["pack"].to_list() == sorted(found["pack"])
    for part in found.partition_by("pack", maintain_order=True):
        assert part.height == 1 or part["chars"].sum() <= 4 * most
    packs = found["pack"].n_unique()
    fitting = [size for size in sizes if size <= most]
    # No two packs could be joined, so all but one are more than half full.
    assert packs <= len(sizes) - len(fitting) + 2 * sum(fitting) // most + 1


def test_pack_fits_best():
    frame = kept_facts(4).with_columns(chars=pl.Series([28, 24, 16, 12], dtype=pl.UInt32), prompt_chars=pl.lit(0))
    assert arranged(Pack(max_tokens=10), frame).select("place", "pack").rows() == [(0, 0), (3, 0), (1, 1), (2, 1)]


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ('only = "math"', [0, 1]),
        ('skip = "math"', [2, 3, 4]),
        ('only = "MATH, code"', [0, 1, 2]),
        ("", [0, 1, 2, 3, 4]),
    ],
)
def test_a_step_looks_at_the_domains_it_is_told(options, left):
    [step] = build_steps(parse_recipe(f'[[steps]]\nname = "select"\n{options}\n'))
    covers = step.covers(pl.col("domain"))
    frame = pl.DataFrame({"domain": ["math", "Math-olympiad", "code", None, "poetry"]})
    found = frame.with_row_index("at").filter(pl.lit(value=True) if covers is None else covers)
    assert found["at"].to_list() == left


def test_a_step_that_drops_may_not_follow_one_that_arranges():
    with pytest.raises(RecipeError, match="put it before"):
        build_steps(parse_recipe('[[steps]]\nname = "shuffle"\n[[steps]]\nname = "length"\n'))


@pytest.mark.parametrize("name", ["dedup", "dedup_prompts"])
@pytest.mark.parametrize(("percent", "message"), [(0, "give at least 1"), (101, "give at most 100")])
def test_a_similarity_is_a_percentage(name, percent, message):
    with pytest.raises(RecipeError, match=rf"similarity_percent: .*{message}"):
        build_steps(parse_recipe(f'[[steps]]\nname = "{name}"\nsimilarity_percent = {percent}\n'))


SYSTEM = (
    "You look after the archive of the observatory. Whoever asks is told the truth, in calm and plain words, without"
    " any praise, and with all of the steps that lead to it; what is not known is called unknown, and what is only"
    " likely is called likely. First think about the matter for as long as it takes, then look at each thought again,"
    " and last of all write down what remains of them, in the order in which it was found, and nothing besides."
)
"""What many prompts begin with."""


@pytest.mark.parametrize(
    ("one", "other", "is_near"),
    [
        (
            (SYSTEM, "How do bees tell one another where the flowers are?"),
            (SYSTEM, "Who wrote the opera Fidelio?"),
            False,
        ),
        ((SYSTEM, told(1)), (SYSTEM, told(1, 41)), True),
        ((SYSTEM, told(1)), ("Translate this into French.", told(1)), False),
        ((None, told(1)), (None, told(1, 41)), True),
    ],
)
def test_what_the_system_says_makes_no_prompts_alike(one, other, is_near):
    rows = [
        dict.fromkeys(SAMPLES)
        | {
            "input_row": at,
            "group_key": f"{at:016x}" * 2,
            "prompt": "\n\n".join(filter(None, turns)),
            "messages": [
                {"role": role, "content": text} for role, text in zip(("system", "user"), turns, strict=True) if text
            ],
            "completion": "4",
        }
        for at, turns in enumerate((one, other))
    ]
    found = facts_of(pl.DataFrame(rows, schema=SAMPLES), [DedupPrompts()]).with_row_index("place")
    assert DedupPrompts().fates(found).reasons.to_list() == [None, "near_prompt" if is_near else None]


@pytest.mark.parametrize(
    ("step", "field"),
    [
        ('name = "pass_rate"\nmin_percent = 80\nmax_percent = 20', "min_percent"),
        ('name = "pass_rate"\nmax_percent = 101', "max_percent"),
        ('name = "length"\nmin_chars = 10\nmax_chars = 5', "min_chars"),
        ('name = "length"\nmin_tokens = 10\nmax_tokens = 5\ntokenizer = "x"', "min_tokens"),
        ('name = "quality"\nmin_score = nan', "min_score"),
        ('name = "select"\ncount = 3', "policy"),
        ('name = "shuffle"\nseed = 18446744073709551616', "seed"),
    ],
)
def test_options_that_leave_nothing_or_do_nothing_are_refused(step, field):
    with pytest.raises(RecipeError) as caught:
        build_steps(parse_recipe(f'[[steps]]\nname = "verify"\n[[steps]]\n{step}\n'))
    assert caught.value.field.endswith(f".{field}")


GROUPED = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=40)


@given(
    GROUPED,
    st.sampled_from(["shortest", "longest", "median", "random", "diverse"]),
    st.integers(1, 8),
    st.integers(0, 3),
)
def test_select_keeps_what_a_plain_count_keeps(rows, policy, count, seed):
    frame = facts(*({"group": group(number), "chars": chars} for number, chars in rows))
    frame = frame.with_columns(near=pl.Series([bytes([chars]) * 128 for _, chars in rows], dtype=pl.Binary))
    reasons = Select(policy=policy, count=count, seed=seed).fates(frame).reasons
    for number in {number for number, _ in rows}:
        places = [at for at, (other, _) in enumerate(rows) if other == number]
        ordered = sorted(places, key=lambda at: (rows[at][1], at))
        left = [at for at in places if reasons[at] is None]
        assert len(left) == min(count, len(places))
        if policy == "shortest":
            assert left == sorted(ordered[:count])
        elif policy == "longest":
            assert left == sorted(sorted(places, key=lambda at: (-rows[at][1], at))[:count])
        elif policy == "median":
            distance = {at: abs(2 * rank - len(places) + 1) for rank, at in enumerate(ordered)}
            assert left == sorted(sorted(places, key=lambda at: (distance[at], at))[:count])
        elif policy == "diverse":
            assert ordered[0] in left
            assert len({rows[at][1] for at in left}) == min(count, len({rows[at][1] for at in places}))


class OneGroupAPart:
    """The parts of a corpus, as small as they can be, in the order in which the step takes groups."""

    def __init__(self, frame: pl.DataFrame, seed: int) -> None:
        ordered = frame.with_columns(shuffled(frame["group"], seed)).sort("order", maintain_order=True)
        self.parts = [part.drop("order") for part in ordered.partition_by("order", maintain_order=True)]

    def read(self, *columns):
        return iter(self.parts)

    def table(self, rows, columns):
        raise NotImplementedError


DOMAINS = ["math", "Math", "MATH-olympiad", "code_python", " code", "code/rust", "poetry", None, "", "math camp"]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from(DOMAINS)), max_size=40),
    st.dictionaries(st.sampled_from(["math", "code", "general", "math-olympiad"]), st.integers(0, 12), min_size=1),
    st.sampled_from(["take_all", "scale"]),
    st.integers(0, 2),
)
def test_quota_keeps_what_a_plain_count_keeps_whatever_the_parts(rows, quotas, when_short, seed):
    frame = facts(*({"group": group(number), "domain": domain} for number, domain in rows))
    options = ", ".join(f"{name} = {count}" for name, count in quotas.items())
    step = Quota(domains=options, when_short=when_short, seed=seed)
    reasons = step.fates(frame).reasons.to_list()
    order = shuffled(frame["group"], seed).to_list()
    members: dict[str | None, list[int]] = {}
    for at, (_, domain) in enumerate(rows):
        name = (domain or "").strip().lower()
        head = re.split("[-_/]", name)[0]
        members.setdefault(name if name in quotas else head if head in quotas else None, []).append(at)
    shares = [Fraction(min(len(members.get(name, [])), count), count) for name, count in quotas.items() if count]
    share = min(shares, default=Fraction(1)) if when_short == "scale" else 1
    expected: list[str | None] = ["no_quota"] * len(rows)
    for name in quotas:
        for rank, at in enumerate(sorted(members.get(name, []), key=lambda at: (order[at], at))):
            expected[at] = None if rank < int(quotas[name] * share) else "over_quota"
    assert reasons == expected
    parts = list(step.over(OneGroupAPart(frame, seed))) if rows else []
    found = {place: reason for part, fates in parts for place, reason in zip(part["place"], fates.reasons, strict=True)}
    assert [found[at] for at in range(len(rows))] == expected
