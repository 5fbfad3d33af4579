from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from curation.errors import RecipeError
from curation.executors.annotate import facts_of
from curation.recipe import parse_recipe
from curation.rows import SAMPLES
from curation.steps import build_steps, recipe_hash
from curation.steps.length import Length
from curation.steps.tokens import count_tokens


@pytest.fixture
def path(tmp_path) -> str:
    return saved(tmp_path / "tokenizer.json", extra=())


def saved(file: Path, *, extra: tuple[str, ...]) -> str:
    """A tokenizer of single bytes, without merges."""
    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *extra]
    tokenizer = Tokenizer(models.BPE(vocab={byte: number for number, byte in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(file))
    return str(file)


def reasons(step: Length, *completions: str) -> list[str | None]:
    rows = [
        dict.fromkeys(SAMPLES) | {"input_row": row, "prompt": "?", "completion": text}
        for row, text in enumerate(completions)
    ]
    return facts_of(pl.DataFrame(rows, schema=SAMPLES), [step])["text_reason"].to_list()


def test_the_tokens_that_were_counted_are_told(path):
    rows = [
        dict.fromkeys(SAMPLES) | {"input_row": 0, "prompt": "?", "completion": text} for text in ("a", "ab", "abcdefgh")
    ]
    facts = facts_of(pl.DataFrame(rows, schema=SAMPLES), [Length(min_tokens=2, max_tokens=6, tokenizer=path)])
    assert facts["text_value"].to_list() == [1, None, 8]


def recipe(options: str) -> str:
    return f'[[steps]]\nname = "length"\n{options}'


def test_tokens_are_bounded_on_both_sides(path):
    step = Length(min_tokens=3, max_tokens=6, tokenizer=path)
    assert reasons(step, "ab", "abc", "abcdef", "abcdefg", "四", "四四", "四四四") == [
        "too_few_tokens",
        None,
        None,
        "too_many_tokens",
        None,
        None,
        "too_many_tokens",
    ]


def test_one_bound_is_enough(path):
    assert reasons(Length(max_tokens=2, tokenizer=path), "", "a", "abc") == ["too_short", None, "too_many_tokens"]
    assert reasons(Length(min_tokens=2, tokenizer=path), "a", "abc") == ["too_few_tokens", None]


def test_texts_without_doubt_are_not_counted(path):
    counts = count_tokens(pl.Series(["ab", None, "四"] * 50), path)
    assert counts.to_list() == [2, None, 3] * 50
    assert count_tokens(pl.Series([None], dtype=pl.String), path).to_list() == [None]


@pytest.mark.parametrize(
    ("options", "field", "remedy"),
    [
        ("max_tokens = 3", "steps[0] (length).tokenizer", "give the path"),
        ('tokenizer = "x.json"', "steps[0] (length).tokenizer", "give min_tokens or max_tokens"),
        ('max_tokens = 3\ntokenizer = "nowhere/tokenizer.json"', "steps[0] (length).tokenizer", "no file"),
    ],
)
def test_what_cannot_be_counted_names_the_field_and_the_remedy(options, field, remedy):
    with pytest.raises(RecipeError, match=remedy) as caught:
        build_steps(parse_recipe(recipe(options)))
    assert caught.value.field == field


def test_a_file_that_is_no_tokenizer_is_refused(tmp_path):
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(RecipeError, match="is no tokenizer"):
        build_steps(parse_recipe(recipe(f'max_tokens = 3\ntokenizer = "{tmp_path / "t.json"}"')))


def test_the_hash_of_a_recipe_changes_with_the_tokenizers_file(tmp_path):
    def hashed(*, extra: tuple[str, ...]) -> str:
        text = recipe(f'max_tokens = 3\ntokenizer = "{saved(tmp_path / "t.json", extra=extra)}"')
        parsed = parse_recipe(text)
        return recipe_hash(parsed, build_steps(parsed))

    assert hashed(extra=()) == hashed(extra=())
    assert hashed(extra=()) != hashed(extra=("<more>",))
