"""Evaluation items are found in texts, exactly where a plain implementation finds them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.contamination import _AROUND, KINDS, ContaminationIndex, EvaluationItem, read_sets
from curation.errors import InputError
from curation.instructions import INSTRUCTIONS, PLAIN
from curation.words import words_of

CORPORA = Path(__file__).parents[3] / "shared" / "data" / "corpora"
SETS = (CORPORA / "eval_math500.jsonl", CORPORA / "eval_gsm8k_test.jsonl")
CASES = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "cases/contamination.jsonl").read_text(encoding="utf-8").splitlines()
]

DUCKS = "Janet's ducks lay 16 eggs per day. She eats three for breakfast every morning and sells the remainder daily."
MOON = "What is the least common multiple of 6 and 8?"
TINY = "Compute $2 + 2$."
CHINESE = "已知函数在区间上单调递增，求实数的取值范围。"


def index(*texts, n=10):
    return ContaminationIndex.build(
        [EvaluationItem(set_name="set", item_id=str(number), text=text) for number, text in enumerate(texts)], n=n
    )


def hit(made, text):
    return made.hits(pl.Series([text], dtype=pl.String)).select("item", "kind", "span").row(0)


def kind(made, text):
    return hit(made, text)[1]


# --- a plain implementation ---


def words(text):
    return [word.decode() for word in words_of(pl.Series([text]), has_signs=False).of_row(0)]


def is_character(word):
    return bool(re.fullmatch("[\u3000-\u9fff]", word))


def is_number(word):
    return bool(re.fullmatch("[0-9]+", word))


def weight(word):
    return 1 if is_character(word) else 2 * (len(word) > 1 and not is_number(word))


def tells(run, flags, least):
    told = {word: 0 if is_plain else weight(word) for word, is_plain in zip(run, flags, strict=True)}
    return sum(told.values()) >= 2 * least


def says_enough(own, flags):
    told = {
        word: min(3, len(word)) if is_number(word) else 0 if is_plain else weight(word)
        for word, is_plain in zip(own, flags, strict=True)
    }
    return sum(told.values()) >= 8 and sum(told[word] for word in told if word not in PLAIN) >= 6


def masked(run):
    return ["0" if is_number(word) else word for word in run]


def runs(own, size):
    return [tuple(masked(own[start : start + size])) for start in range(len(own) - size + 1)]


def covered(own, known):
    flags = [False] * len(own)
    for size in set(map(len, known)):
        for start, run in enumerate(runs(own, size)):
            if run in known:
                flags[start : start + size] = [True] * size
    return flags


PHRASES = {tuple(words(phrase)) for phrase in INSTRUCTIONS}


def plain_of(own, items):
    """Flags of the words that instructions cover, with what the items repeat and without."""
    different = set(map(tuple, items))
    repeated = [run for other in different for run in set(runs(list(other), 6))]
    common = {run for run in repeated if repeated.count(run) >= max(3, len(different) / 50)}
    phrases = covered(own, PHRASES)
    return [one or other for one, other in zip(phrases, covered(own, common), strict=True)], phrases


def runs_of(own, items, n):
    """Of an item its kind, the words that are looked for, and the runs of own words and of masked ones."""
    for flags in plain_of(own, items):
        left = [at for at, is_plain in enumerate(flags) if not is_plain]
        if left:
            bounds = slice(left[0], left[-1] + 1)
            found = looked_for(own[bounds], flags[bounds], n)
            if found[0] != "equal":
                return found
    return looked_for(own, plain_of(own, items)[1], n)


def looked_for(own, flags, n):
    found = []
    for start in range(len(own)):
        size = -(-8 * n // 5) if any(map(is_character, own[start : start + n])) else n
        end = start + size
        if end <= len(own) and tells(own[start:end], flags[start:end], 4):
            found.append((start, end))
    name = "ngram"
    if not found:
        is_told = tells(own, flags, 1) if len(own) >= n else says_enough(own, flags)
        name = "item" if is_told else "equal"
        found = [(0, len(own))] if is_told or len(own) >= 4 else []
    span = min(32, len(own))
    starts = range(len(own) - span + 1) if span >= n else []
    fuzzy = [(at, at + span) for at in starts if tells(masked(own[at : at + span]), flags[at : at + span], 8)]
    return name, own, found, fuzzy


def is_all(around):
    text = f" {' '.join(around)} "
    for phrase in sorted((f" {' '.join(phrase)} " for phrase in PHRASES), key=len, reverse=True):
        text = text.replace(phrase, " ")
    return len(around) <= 60 and _AROUND.issuperset(text.split())


def shared_runs(text, own):
    """Longest runs of two lists that are equal: start in the text, start in the other, length."""
    for at in range(len(text)):
        for offset in range(len(own)):
            size = 0
            while at + size < len(text) and offset + size < len(own) and text[at + size] == own[offset + size]:
                size += 1
            if size and not (at and offset and text[at - 1] == own[offset - 1]):
                yield at, offset, size


def naive_hit(items, text, n):
    found = []
    known: set[tuple] = set()
    read = words(text)
    everything = list(map(words, items))
    for number, whole in enumerate(everything):
        name, own, exact, fuzzy = runs_of(whole, everything, n)
        if name == "equal" and read == own:
            found.append((KINDS.index("equal"), -len(own), number, 0))
        for rank, wanted, left, right in (
            (KINDS.index(name), exact, read, own),
            (KINDS.index("masked"), fuzzy, masked(read), masked(own)),
        ):
            keys = {(start, end): (rank, *right[start:end]) for start, end in wanted}
            firsts = [
                run for place, run in enumerate(wanted) if keys[run] not in known | set(map(keys.get, wanted[:place]))
            ]
            known |= set(keys.values())
            for at, offset, size in shared_runs(left, right):
                if any(offset <= start and end <= offset + size for start, end in firsts) and (
                    rank != KINDS.index("equal") or is_all(read[:at] + read[at + size :])
                ):
                    found.append((rank, -size, number, at))
    if not found:
        return (None, None, None)
    rank, negative, number, at = min(found)
    return f"set/{number}", KINDS[rank], " ".join(read[at : at - negative])


VOCABULARY = [
    "the",
    "sum",
    "of",
    "all",
    "integers",
    "x",
    "2",
    "17",
    "\\sqrt",
    "find",
    "value",
    "are positive integers",
    "mean",
    "ratio",
    "两",
    "数",
]
SENTENCES = st.integers(1, 45).flatmap(
    lambda size: st.lists(st.sampled_from(VOCABULARY), min_size=size, max_size=size).map(" ".join)
)


@st.composite
def contaminated(draw):
    """Items, and a text made of pieces of them with numbers changed and words between."""
    items = draw(st.lists(SENTENCES, min_size=1, max_size=3))
    pieces = []
    for _ in range(draw(st.integers(1, 2))):
        own = draw(st.sampled_from(items)).split()
        start, end = draw(st.just((0, len(own))) | st.tuples(st.integers(0, 4), st.integers(8, 45)))
        changes = draw(st.booleans())
        pieces += draw(st.lists(st.sampled_from(VOCABULARY), max_size=2))
        pieces += [str(draw(st.integers(0, 9))) if word.isdigit() and changes else word for word in own[start:end]]
    return items, draw(st.sampled_from([" ", " , ", "\n"])).join(pieces)


@given(contaminated(), st.sampled_from([8, 10, 13]))
def test_hits_are_those_of_a_plain_implementation(case, n):
    items, text = case
    assert hit(index(*items, n=n), text) == naive_hit(items, text, n)


@given(st.lists(contaminated(), min_size=1, max_size=4))
def test_a_text_is_judged_by_itself(cases):
    made = index(*cases[0][0])
    texts = [text for _, text in cases]
    assert made.hits(pl.Series(texts)).select("item", "kind", "span").rows() == [hit(made, text) for text in texts]


@given(contaminated())
def test_ngrams_are_found_as_by_lookup_in_a_set(case):
    items, text = case
    everything = list(map(words, items))
    looked = [runs_of(own, everything, 10) for own in everything]
    known = {tuple(own[start:end]) for name, own, exact, _ in looked if name == "ngram" for start, end in exact}
    read = words(text)
    is_found = any(tuple(read[at : at + size]) in known for size in (10, 16) for at in range(len(read) - size + 1))
    assert (kind(index(*items), text) == "ngram") == is_found


# --- each kind ---


@pytest.mark.parametrize("case", CASES, ids=[case["why"] for case in CASES])
def test_an_item_is_found_where_its_case_says(case):
    assert kind(index(*case["items"]), case["text"]) == case["expect"]


def test_ten_words_of_an_item_in_a_long_text_are_found_and_named():
    text = "Let us see. SHE EATS three for\nbreakfast, every morning and sells (the) remainder of them."
    assert hit(index(MOON, DUCKS), text) == (
        "set/1",
        "ngram",
        "she eats three for breakfast every morning and sells the remainder",
    )


def test_nine_words_are_not_ten():
    assert kind(index(DUCKS), "She eats three for breakfast every morning and sells") is None
    assert kind(index(DUCKS, n=8), "She eats three for breakfast every morning and sells") == "ngram"


def test_part_of_a_word_is_no_word():
    made = index("Find the greatest common divisor of these two", "seven apples cost nine euros, how many")
    assert kind(made, "Find the greatest common divisor of these twofold") is None
    assert kind(made, "unFind the greatest common divisor of these two") is None
    assert kind(made, "so find the greatest common divisor of these two!") == "item"


def test_words_of_two_texts_do_not_join():
    parts = ["She eats three for breakfast", "every morning and sells the"]
    assert index(DUCKS).hits(pl.Series(parts))["item"].to_list() == [None, None]
    assert kind(index(DUCKS), " ".join(parts)) == "ngram"


def test_an_item_of_few_words_is_found_as_a_whole():
    made = index(MOON)
    assert hit(made, f"Please answer: {MOON} Think first.") == (
        "set/0",
        "ngram",
        "what is the least common multiple of 6 and 8",
    )
    short = index("How many positive divisors does 196 have?")
    assert kind(short, "We ask how many positive divisors does 196 have, and say 9.") == "item"
    assert kind(short, "We ask how many positive divisors does 197 have.") is None
    assert kind(short, "how many positive divisors") is None


def test_a_longer_item_of_signs_is_found_as_a_whole():
    item = r"Simplify $\frac{\sqrt{2.5^2-0.7^2}}{2.7-2.5}$."
    assert kind(index(item), r"Now, simplify $\frac{\sqrt{2.5^2-0.7^2}}{2.7 - 2.5}$, please") == "item"
    assert kind(index(item), item.removeprefix("Simplify")) is None


def test_an_item_that_tells_little_is_found_only_as_the_whole_text():
    made = index(TINY)
    assert hit(made, "compute 2+2") == ("set/0", "equal", "compute 2 2")
    assert kind(made, "First compute 2 + 2, then go on.") is None


@pytest.mark.parametrize(
    "text",
    [
        r"Let $A = \begin{pmatrix} 1 & 0 & 0 \\ 0 & 1 & 0 \\ 0 & 0 & 1 \end{pmatrix}$ and find the trace of $A^{100}$.",
        "What comes next in 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12?",
        "Simplify $x_1+x_2+x_3+x_4+x_5+x_6$ as far as it will go.",
    ],
)
def test_runs_of_signs_tell_nothing(text):
    made = index(text)
    signs = r"1 2 3 4 5 6 7 8 9 10 11 12 \begin{pmatrix} 1&0&0\\0&1&0\\0&0&1 \end{pmatrix} x_1+x_2+x_3+x_4+x_5+x_6"
    assert kind(made, signs) is None
    assert kind(made, text) is not None


def test_an_item_is_found_in_other_latex():
    made = index(r"Evaluate $\left(\dfrac{1}{2}\right)^{3}$ and give the answer as a common fraction in lowest terms.")
    assert kind(made, r"evaluate \( ( \frac 1 2 )^3 \) and give the answer as a common fraction") == "ngram"


def test_another_problem_with_other_numbers_is_masked():
    made = index(DUCKS)
    text = f"Q: {DUCKS.replace('16', '25')}"
    assert hit(made, text)[1] == "ngram"
    item = "If 3 pens and 4 inks cost 15 euros while 5 pens and 2 inks cost 11 euros, what do 7 pens cost then?"
    changed = re.sub("[0-9]+", "9", item)
    found = hit(index(item), f"Solve this. {changed} Show your work.")
    assert found[:2] == ("set/0", "masked")
    assert found[2].startswith("if 9 pens and 9 inks")


def test_a_masked_item_must_be_there_as_a_whole():
    item = "If 3 pens and 4 inks cost 15 euros while 5 pens and 2 inks cost 11 euros, what do 7 pens cost then?"
    changed = re.sub("[0-9]+", "9", item)
    assert kind(index(item), changed.removesuffix(" cost then?")) is None


def test_a_short_item_is_not_looked_for_with_other_numbers():
    assert kind(index("What is 3 plus 4?"), "What is 5 plus 6?") is None


def test_chinese_is_found_by_its_characters():
    made = index(CHINESE)
    assert kind(made, f"题目：{CHINESE[:17]}。") == "ngram"
    assert kind(made, f"题目：{CHINESE[:16]}。") is None
    assert kind(index("一个数的三倍加五等于二十"), "问：一个数的三倍加五等于二十，这个数是几？") == "item"


def test_full_width_letters_are_letters():
    assert kind(index(MOON), MOON.replace("least", "ｌｅａｓｔ")) == "ngram"


def test_the_longest_of_several_matches_is_told():
    made = index("Find the number of ordered pairs of integers such that both are odd", f"{DUCKS} How many are left?")
    assert hit(made, f"Find the number of ordered pairs of integers such that. {DUCKS}")[0] == "set/1"


def test_equal_items_are_named_by_the_first():
    assert hit(index(DUCKS, DUCKS), DUCKS)[0] == "set/0"


def test_a_common_preamble_counts_for_the_first_item_and_the_rest_for_its_own():
    preamble = "The following are multiple choice questions about the history of science and its methods."
    made = index(
        *(f"{preamble} Who was number {number} of the great astronomers of old Samarkand?" for number in "ABC")
    )
    assert hit(made, f"{preamble} Who was the first?")[0] == "set/0"
    assert hit(made, f"{preamble} Who was number C of the great astronomers of old Samarkand?")[0] == "set/2"


def test_null_and_empty_texts_hold_nothing():
    frame = index(DUCKS).hits(pl.Series([None, "", "...", DUCKS], dtype=pl.String))
    assert frame["kind"].to_list() == [None, None, None, "ngram"]
    assert index(DUCKS).hits(pl.Series([], dtype=pl.String)).schema == frame.schema


def test_an_index_of_nothing_finds_nothing():
    assert kind(index(), DUCKS) is None


def test_runs_that_are_too_short_are_refused():
    with pytest.raises(ValueError, match="at least 8"):
        index(DUCKS, n=7)


def test_an_item_without_words_is_refused_by_name():
    with pytest.raises(InputError, match=r"set/1.*leave it out"):
        index(DUCKS, "?!")


# --- files ---


def test_sets_are_read_from_json_lines_and_parquet(tmp_path):
    lines = tmp_path / "aime.jsonl"
    lines.write_text('{"idx": 7, "question": "One?\u2028"}\n\n{"idx": 8, "question": "Two?"}\n', encoding="utf-8")
    table = tmp_path / "gpqa.parquet"
    pl.DataFrame({"prompt": ["Three?"], "other": [1]}).write_parquet(table)
    assert read_sets([lines, table]) == (
        EvaluationItem(set_name="aime", item_id="7", text="One?\u2028", source="aime.jsonl:0"),
        EvaluationItem(set_name="aime", item_id="8", text="Two?", source="aime.jsonl:1"),
        EvaluationItem(set_name="gpqa", item_id="0", text="Three?", source="gpqa.parquet:0"),
    )


def test_columns_are_found_in_any_case(tmp_path):
    lines = tmp_path / "aime.jsonl"
    lines.write_text('\ufeff{"ID": "2024-I-1", "Problem": "One?", "Answer": 3}\n', encoding="utf-8")
    table = tmp_path / "lcb.parquet"
    pl.DataFrame({"Question_Content": ["Two?"], "question_id": ["q"], "platform": ["p"]}).write_parquet(table)
    assert [(item.name, item.text) for item in read_sets([lines, table])] == [
        ("aime/2024-I-1", "One?"),
        ("lcb/q", "Two?"),
    ]


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    paths = [tmp_path / folder / "test.jsonl" for folder in ("math", "gsm")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(json.dumps({"problem": "Why?"}))
    assert [item.name for item in read_sets(paths)] == ["math/test/0", "gsm/test/0"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", '{"task": "x"}', "no column for the text.*has task.*Rename"),
        ("a.jsonl", '{"problem": "x"}\n{"problem": ', "line 2 is not JSON.*one object a line"),
        ("a.jsonl", "[1]", "line 1 is no object"),
        ("a.jsonl", "", "no rows"),
        ("a.jsonl", '{"problem": "x"}\n{"problem": " "}', "row 1 has no text.*leave the row out"),
        ("a.jsonl", '{"problem": 3}', "row 0 has no text"),
        ("a.parquet", "PAR", "cannot be read as Parquet.*check"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_a_remedy(tmp_path, name, content, says):
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=f"{name}.*{says}"):
        read_sets([path])


def test_a_parquet_file_without_a_text_column_names_what_it_has(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"task": ["x"]}).write_parquet(path)
    with pytest.raises(InputError, match=r"a\.parquet: no column for the text.*has task"):
        read_sets([path])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.jsonl.*check the path"):
        read_sets([tmp_path / "none.jsonl"])


# --- real sets ---


@pytest.fixture(scope="module")
def real():
    if not all(path.exists() for path in SETS):
        pytest.skip("the evaluation sets are not here")
    items = read_sets(SETS)
    return items, ContaminationIndex.build(items)


def test_every_item_of_the_real_sets_finds_itself(real):
    items, made = real
    frame = made.hits(pl.Series([item.text for item in items]))
    assert frame["kind"].null_count() == 0
    assert (frame["item"] == pl.Series([item.name for item in items])).mean() > 0.995


def test_short_items_are_found_in_a_longer_prompt_unless_they_tell_nothing(real):
    items, made = real
    short = [item for item in items if item.set_name == "eval_math500" and len(item.text.split()) < 13]
    assert len(short) == 82
    prompts = pl.Series([f"Solve: {item.text}\nPut the answer in a box." for item in short])
    kinds = made.hits(prompts)["kind"].to_list()
    missed = [item for item, found in zip(short, kinds, strict=True) if found is None]
    assert len(missed) <= 13
    assert made.hits(pl.Series([item.text for item in missed]))["kind"].to_list() == ["equal"] * len(missed)


def test_grade_school_problems_with_other_numbers_are_found(real):
    items, made = real
    changed = [re.sub("[0-9]+", "77", item.text) for item in items if item.set_name == "eval_gsm8k_test"][:300]
    kinds = made.hits(pl.Series(changed))["kind"].to_list()
    assert None not in kinds
    assert "masked" in kinds
