from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from curation.executors.annotate import facts_of, rewritten
from curation.executors.ledger import Ledger
from curation.recipe import parse_recipe
from curation.rows import SAMPLES
from curation.steps import STEPS, build_steps, language_mix
from curation.steps.base import Fates, GroupStep, TextStep, step_from_options
from curation.steps.dedup import Dedup
from curation.steps.language_mix import LanguageMix
from curation.steps.long_paragraph import LongParagraph, prose_chars
from curation.steps.normalise import Normalise
from curation.steps.parts import with_parts
from curation.steps.private_data import PrivateData
from curation.steps.select import Select
from curation.steps.verify import Verify
from verifier.text.think import opens_reasoning, split_reasoning
from verifier.types import Scored, Verdict

CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases/curation_steps.jsonl").read_text(encoding="utf-8").splitlines()
]


def samples(*completions: str | None, prompt: str = "What?", **columns: object) -> pl.DataFrame:
    rows = [
        dict.fromkeys(SAMPLES)
        | {"input_row": index, "completion_index": 0, "group_key": "a" * 32, "prompt": prompt, "completion": text}
        | columns
        for index, text in enumerate(completions)
    ]
    return pl.DataFrame(rows, schema=SAMPLES)


@pytest.mark.parametrize("case", CASES, ids=[f"{case['step']}: {case['why']}" for case in CASES])
def test_a_text_step_drops_and_keeps_what_its_cases_say(case):
    step = step_from_options(STEPS[case["step"]], case.get("options", {}), where="here")
    columns = {name: case[name] for name in ("language", "answers", "tests", "score") if name in case}
    facts = facts_of(samples(case["completion"], prompt=case.get("prompt", "What?"), **columns), [step])
    [fate] = facts.select("text_reason", "text_value", "text_detail").rows()
    assert fate[0] == case["expect"]
    if "value" in case:
        assert fate[1:] == (case["value"] and pytest.approx(case["value"]), case["detail"])
    if case["expect"] is None:
        assert fate == (None, None, None)


def test_the_first_case_of_each_reason_says_what_is_told_of_it():
    told = {(case["step"], case["expect"]) for case in CASES if "value" in case}
    assert told == {(case["step"], case["expect"]) for case in CASES if case["expect"]}


@pytest.mark.parametrize("case", [case for case in CASES if case["step"] == "private_data" and case["expect"]])
def test_nothing_private_is_told(case):
    facts = facts_of(samples(case["completion"]), [PrivateData(ip_addresses=True)])
    assert facts["text_value"].null_count() == 0
    assert facts["text_detail"].to_list() == [None]


@pytest.mark.parametrize("name", [name for name, kind in STEPS.items() if issubclass(kind, TextStep)])
def test_each_text_step_has_a_case_dropped_and_a_case_kept(name):
    expected = {case["expect"] is None for case in CASES if case["step"] == name}
    assert expected == {True, False}


@pytest.mark.parametrize("name", STEPS)
def test_each_step_has_its_name_and_says_its_example_and_source(name):
    assert STEPS[name].name == name
    assert "Example:" in str(STEPS[name].__doc__)
    assert "Source:" in str(STEPS[name].__doc__)


@given(
    st.lists(
        st.sampled_from(["<think>", "</think>", "a", "`", "```", "é字", " ", "\n\n", "<", "think>"]), max_size=12
    ).map("".join)
)
def test_the_parts_are_those_of_the_verifier(text):
    for prompt in ("What?", "What? <think>\n"):
        parts = with_parts(samples(text, prompt=prompt)).row(0, named=True)
        expected = split_reasoning(text, is_opened=opens_reasoning(prompt))
        assert (parts["reasoning"], parts["tail"]) == (expected.reasoning, expected.answer)
        assert (parts["opens"], parts["closes"]) == (text.count("<think>"), text.count("</think>"))
        assert (parts["fences"] > 0) == ("```" in (expected.reasoning or ""))
        assert parts["tail_fences"] == (expected.answer or "").count("```")


PIECES = [
    "a",
    "Wort ",
    "é",
    "ж",
    "ש",
    "ا",
    "ह",
    "ก",
    "α",
    "٣",
    "—",
    "字",
    "カ",
    "한",
    "⺀",
    "𝒳",
    "𠀀",
    " ",
    "\n",
    "\n\n",
    "7",
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
WORDED = st.lists(st.sampled_from([*PIECES, "\\frac", "\\x", "ab", "Z", "{"]), max_size=40).map("".join)
CJK = re.compile("[⺀-⿟぀-ヿ㐀-䶿一-鿿가-힣𠀀-𪛟]")
FOREIGN = re.compile(CJK.pattern[:-1] + "жשاहก]")


@given(TEXTS, st.sampled_from([0, 1, 5, 50, 99, 100, 200]))
def test_language_mix_counts_as_its_formula_says(text, percent):
    cjk, letters = len(FOREIGN.findall(text)), len(re.findall("[A-Za-z]", text))
    facts = facts_of(samples(text), [LanguageMix(max_cjk_percent=percent, max_cjk_chars=0)])
    [(reason, share)] = facts.select("text_reason", "text_value").rows()
    assert (reason is not None) == (100 * cjk > percent * (cjk + letters))
    assert share == (100 * cjk / (cjk + letters) if reason else None)


@given(WORDED, st.sampled_from([0, 5, 50, 99, 200]))
def test_language_mix_counts_the_words_of_an_answer_in_chinese(text, percent):
    cjk, commands = len(CJK.findall(text)), len(re.findall(r"\\[A-Za-z]{2,}", text))
    words = len(re.findall("[A-Za-z]{2,}", text)) - commands
    facts = facts_of(samples(text, language="zh"), [LanguageMix(max_latin_percent=percent)])
    [(reason, share)] = facts.select("text_reason", "text_value").rows()
    assert (reason is not None) == (100 * words > percent * (cjk + words))
    assert share == (100 * words / (cjk + words) if reason else None)


@given(st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from([0, 1, 5, 50]))
def test_language_mix_counts_each_of_many_texts_by_itself(texts, percent):
    step = LanguageMix(max_cjk_percent=percent)
    together = facts_of(samples(*texts), [step])
    assert together["text_value"].to_list() == [facts_of(samples(text), [step])["text_value"][0] for text in texts]


@given(
    TEXTS | st.lists(st.sampled_from(["a", "\n", " \n\t\n", "\r\n\r\n", "字\n"]), max_size=40).map("".join),
    st.integers(1, 12),
)
@example("\n".join("a" * 12), 5)
@example("\n".join("a" * 9), 5)
@example("\n".join(["a" * 60] * 12), 5)
@example("\n".join(["a" * 60] * 11 + ["a" * 61]), 5)
def test_long_paragraph_measures_as_its_formula_says(text, most):
    facts = facts_of(samples(text, "", text), [LongParagraph(max_chars=most)])
    parts = re.split(r"\r?\n[ \t\r]*\n\s*", text)
    longest = max(parts, key=prose_chars)
    is_long = prose_chars(longest) > most
    told = (len(longest), longest.lstrip()[:200]) if is_long else (None, None)
    assert facts.select("text_value", "text_detail").rows() == [told, (None, None), told]


def test_normalise_leaves_one_kind_of_line_break_and_no_outer_space():
    frame = rewritten(samples("\ufeff a\r\nb\rc\0 \n", None), [Normalise()])
    assert frame["completion"].to_list() == ["a\nb\nc", None]
    assert rewritten(samples(" a "), [Normalise(trims=False)])["completion"].to_list() == [" a "]


def reasons(step: GroupStep, frame: pl.DataFrame) -> list[str | None]:
    facts = facts_of(frame, [step]).with_row_index("place")
    return step.fates(facts).reasons.to_list()


def test_dedup_keeps_the_first_of_equal_completions_in_a_group():
    assert reasons(Dedup(), samples("4", "4.", "4", "5")) == [None, None, "duplicate", None]


def test_dedup_does_not_look_into_other_groups():
    frame = pl.concat([samples("4"), samples("4", group_key="b" * 32)])
    assert reasons(Dedup(), frame) == [None, None]


def test_select_keeps_the_shortest_and_breaks_ties_by_place():
    assert reasons(Select(policy="shortest", count=2), samples("ccc", "b", "aa", "dd")) == [
        "not_selected",
        None,
        None,
        "not_selected",
    ]
    assert reasons(Select(), samples("ccc", "b")) == [None, None]


def scored(*verdicts: Verdict, reward: float | None = None) -> Scored:
    return Scored(reward=reward, verdicts=verdicts)


RIGHT = Verdict.correct("math", "equal")
WRONG = Verdict.incorrect("math", "not_equal")
BAD_FORM = Verdict.incorrect("format", "empty_think")
LOST = Verdict.failed("math", "worker_lost")
NO_GOLD = Verdict.unscorable("math", "no_reference")


@pytest.mark.parametrize(
    ("verify", "judged", "reason", "is_failed"),
    [
        (Verify(), scored(RIGHT, reward=1.0), None, False),
        (Verify(), scored(WRONG, reward=0.0), "math:not_equal", False),
        (Verify(), scored(LOST), "worker_lost", True),
        (Verify(), scored(NO_GOLD), "unscorable:no_reference", False),
        (Verify(), scored(LOST, BAD_FORM), "format:empty_think", False),
        (Verify(), scored(), "unscorable:no_verdict", False),
        (Verify(keep="math"), scored(RIGHT, BAD_FORM, reward=1.0), None, False),
        (Verify(keep="math"), scored(BAD_FORM, LOST), "worker_lost", True),
        (Verify(keep="reward", min_reward=0.5), scored(WRONG, reward=0.6), None, False),
        (Verify(keep="reward", min_reward=0.5), scored(WRONG, reward=0.4), "math:not_equal", False),
        (Verify(keep="reward", min_reward=2.0), scored(RIGHT, reward=1.0), "low_reward", False),
        (Verify(keep="reward"), scored(LOST), "worker_lost", True),
    ],
)
def test_verify_decides_by_what_its_options_count(verify, judged, reason, is_failed):
    decision = verify.decide(judged)
    assert (decision.reason, decision.is_failed) == (reason, is_failed)


def test_the_first_step_that_drops_a_sample_names_it():
    steps = build_steps(parse_recipe('[[steps]]\nname="length"\nmax_chars=3\n[[steps]]\nname="format"'))
    facts = facts_of(samples("long and without tags", "abc", None, trouble="t"), steps)
    assert facts["text_step"].to_list() == [-1, -1, -1]
    facts = facts_of(samples("long and without tags", "abc"), steps)
    assert facts.select("text_step", "text_reason").rows() == [(0, "too_long"), (1, "no_think")]


def test_a_fate_is_final():
    steps = build_steps(parse_recipe('[[steps]]\nname="length"\n[[steps]]\nname="verify"'))
    ledger = Ledger(3, steps)
    places = np.arange(3)
    ledger.drop(0, places, Fates(reasons=pl.Series(["x", None, None]), values=pl.Series([7, 8, 9])))
    ledger.drop(1, places, Fates(reasons=pl.Series(["y", "y", None]), is_failed=pl.Series([True, True, False])))
    assert ledger.fates(0, 3).rows() == [
        ("length", "x", 7.0, None, False),
        ("verify", "y", None, None, True),
        (None, None, None, None, False),
    ]
    assert ledger.alive(1).tolist() == [False, True, True]
    assert ledger.alive(2).tolist() == [False, False, True]


def test_what_a_text_step_makes_of_a_sample_holds_unless_a_step_before_drops_it():
    steps = build_steps(parse_recipe('[[steps]]\nname="dedup"\n[[steps]]\nname="length"\n[[steps]]\nname="verify"'))
    ledger = Ledger(4, steps)
    ledger.foresee(0, pl.Series([1, 1, -1, None], dtype=pl.Int8), pl.Series(["too_long", "too_long", "bad", None]))
    assert ledger.alive(0).tolist() == [True, True, False, True]
    ledger.drop(0, np.array([0, 2]), Fates(reasons=pl.Series(["duplicate", "duplicate"])))
    ledger.drop(2, np.arange(4), Fates(reasons=pl.Series(["wrong"] * 4)))
    assert ledger.fates(0, 4).select("drop_step", "drop_reason").rows() == [
        ("dedup", "duplicate"),
        ("length", "too_long"),
        ("read", "bad"),
        ("verify", "wrong"),
    ]


def test_values_of_some_return_to_their_places_and_the_digest_of_a_part_does_not_know_the_others():
    steps = build_steps(parse_recipe('[[steps]]\nname="length"'))
    ledgers = [Ledger(3, steps), Ledger(3, steps)]
    ledgers[1].drop(0, np.array([0]), Fates(reasons=pl.Series(["earlier"])))
    for ledger in ledgers:
        fates = Fates(reasons=pl.Series(["x", None]), details=pl.Series(["of x", None]))
        ledger.drop(0, np.array([1, 2]), fates)
    assert ledgers[0].fates(0, 3)["drop_reason"].to_list() == [None, "x", None]
    assert ledgers[0].fates(0, 3)["drop_detail"].to_list() == [None, "of x", None]
    assert ledgers[0].digest(1, 2) == ledgers[1].digest(1, 2)
    assert ledgers[0].digest(0, 2) != ledgers[1].digest(0, 2)


def test_no_script_that_is_looked_for_begins_with_a_byte_that_is_passed_over():
    table = language_mix._script_table()
    assert not table[:0x400].any()
    assert not table[0x2000:0x2D00].any()
    assert table[ord("我")] == table[ord("ㄱ")] == language_mix._CJK
    assert table[ord("я")] == table[0x2D00] == language_mix._OTHER


@pytest.mark.parametrize(
    "scripts", [(language_mix.CJK,), (language_mix.OTHER,), (language_mix.CJK, language_mix.OTHER)]
)
def test_the_class_of_characters_holds_those_that_are_counted(scripts):
    table = language_mix._script_table()
    counted = {code for script in scripts for code in np.flatnonzero(table == language_mix._MARKS[script]).tolist()}
    every = "".join(chr(code) for code in range(len(table)))
    assert {ord(char) for char in re.findall(language_mix.characters(*scripts), every)} == counted


def test_no_script_that_is_looked_for_lies_beyond_the_table_of_scripts():
    every = (chr(code) for code in range(language_mix._BEYOND, sys.maxunicode + 1))
    rest = pl.Series(["".join(every)])
    for pattern in (language_mix.CJK, language_mix.OTHER):
        assert rest.str.count_matches(pattern).to_list() == [0]
    assert list(language_mix._counted(pl.Series(["a\U0010ffff\U000e0100", "\U000323af"]), language_mix._cjk)) == [0, 1]
