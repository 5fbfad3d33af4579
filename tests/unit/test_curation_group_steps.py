from __future__ import annotations

import hashlib

import polars as pl
import pytest

from curation.errors import RecipeError
from curation.facts import FACTS, JUDGED
from curation.recipe import parse_recipe
from curation.steps import build_steps
from curation.steps.order import shuffled
from curation.steps.pass_rate import PassRate
from curation.steps.quota import PRESETS, Quota
from curation.steps.select import Select


def facts(*rows: dict[str, object]) -> pl.DataFrame:
    schema = pl.Schema({**FACTS, **JUDGED})
    return pl.DataFrame([dict.fromkeys(schema) | {"input_row": at} | row for at, row in enumerate(rows)], schema=schema)


def group(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:32]


@pytest.mark.parametrize(
    ("judged", "right", "reason"),
    [(4, 4, "too_easy"), (4, 0, "too_hard"), (4, 2, None), (5, 1, None), (5, 4, None), (0, 0, "too_few_judged")],
)
def test_pass_rate_keeps_a_band_whose_ends_are_inside(judged, right, reason):
    step = PassRate(min_percent=20, max_percent=80)
    found = step.reasons(facts({"group_key": group(1), "judged": judged, "right": right}))
    assert found.to_list() == [reason]


def test_pass_rate_wants_verdicts():
    with pytest.raises(RecipeError, match="after the step verify"):
        build_steps(parse_recipe('[[steps]]\nname = "pass_rate"\n[[steps]]\nname = "verify"\n'))


def kept(step: Select, *chars: int) -> list[int]:
    found = step.reasons(facts(*({"group_key": group(7), "chars": size} for size in chars)))
    return [size for size, reason in zip(chars, found, strict=True) if reason is None]


def test_select_by_length():
    assert kept(Select(policy="shortest", count=2), 5, 1, 3, 1) == [1, 1]
    assert kept(Select(policy="longest"), 5, 9, 3) == [9]
    assert kept(Select(policy="median"), 50, 9, 3) == [9]
    assert kept(Select(policy="median", count=2), 1, 2, 3, 4) == [2, 3]


def test_select_at_random_follows_from_seed_and_group_alone():
    rows = [{"group_key": group(at // 8), "chars": 1} for at in range(800)]
    one = Select(policy="random", count=2, seed=1).reasons(facts(*rows))
    assert one.is_null().sum() == 200
    assert one.equals(Select(policy="random", count=2, seed=1).reasons(facts(*rows)), null_equal=True)
    assert not one.equals(Select(policy="random", count=2, seed=2).reasons(facts(*rows)), null_equal=True)
    places = [at % 8 for at, reason in enumerate(one) if reason is None]
    assert {places.count(at) > 5 for at in range(8)} == {True}  # no place of a group is favoured


def test_quota_takes_whole_prompts_in_an_order_that_does_not_depend_on_the_input():
    rows: list[dict[str, object]] = [
        {"group_key": group(at // 2), "domain": "math" if at < 20 else "code_python"} for at in range(40)
    ]
    step = Quota(domains="math = 4, code = 6", seed=3)
    found = step.reasons(facts(*rows))
    ends = {(row["group_key"], row["domain"]) for row, reason in zip(rows, found, strict=True) if reason is None}
    assert found.is_null().sum() == 10
    assert len(ends) == 5  # of two samples each
    turned = step.reasons(facts(*rows[::-1]))
    assert turned.is_null().to_list()[::-1] == found.is_null().to_list()


def test_quota_tells_of_domains_that_have_none_and_of_domains_that_run_short():
    rows: list[dict[str, object]] = [
        {"group_key": group(at), "domain": domain} for at, domain in enumerate(["math"] * 8 + ["code", "poetry"])
    ]
    step = Quota(domains="math = 4, code = 2")
    assert step.reasons(facts(*rows)).to_list().count(None) == 5
    assert step.reasons(facts(*rows))[-1] == "no_quota"
    scaled = Quota(domains="math = 4, code = 2", when_short="scale")
    assert [reason is None for reason in scaled.reasons(facts(*rows))].count(True) == 3  # two and one


def test_quota_has_the_table_of_r1():
    assert sum(PRESETS["r1"].values()) == 804_745
    assert Quota(preset="r1", domains="math = 7").quotas()["math"] == 7
    for options in ('domains = "math: 3"', ""):
        with pytest.raises(RecipeError, match="gives no quota"):
            build_steps(parse_recipe(f'[[steps]]\nname = "quota"\n{options}\n'))


def test_the_order_is_fixed_by_content_and_not_by_the_version_of_a_library():
    assert shuffled(pl.Series(["0" * 32, f"{1 << 68:032x}"]), 0).to_list() == [12035550249420947055, 627405149472732430]
