from __future__ import annotations

import json

import polars as pl
import pytest

from curation.errors import RecipeError
from curation.executors.annotate import facts_of
from curation.recipe import parse_recipe
from curation.rows import SAMPLES
from curation.steps import build_steps, recipe_hash

QUESTION = "A train leaves the old station at noon and reaches the harbour town after 90 minutes without a stop"


@pytest.fixture
def sets(tmp_path):
    items = [{"id": "t1", "problem": QUESTION}, {"id": "t2", "problem": "Find the area of triangle ABC."}]
    path = tmp_path / "eval.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return path


def reasons(path, *texts: tuple[str | None, str | None], options: str = "") -> list[str | None]:
    recipe = parse_recipe(f'[[steps]]\nname = "decontaminate"\nsets = "{path}"\n{options}\n')
    rows = [
        dict.fromkeys(SAMPLES) | {"input_row": at, "group_key": "a" * 32, "prompt": prompt, "completion": completion}
        for at, (prompt, completion) in enumerate(texts)
    ]
    return facts_of(pl.DataFrame(rows, schema=SAMPLES), build_steps(recipe))["text_reason"].to_list()


def test_items_are_found_in_prompts_and_completions(sets):
    assert reasons(
        sets,
        ("Now: " + QUESTION.upper().replace(" ", "  ") + "?", "4"),
        ("What?", f"This is like: {QUESTION}. So 4."),
        ("Please find the area of triangle  $ABC$ in the figure.", "4"),
        (QUESTION.replace("90", "75"), "4"),
        ("A train is late. What now?", "The old station is at noon."),
        (None, None),
    ) == ["prompt_ngram", "completion_ngram", "prompt_item", "prompt_ngram", None, None]


def test_completions_can_be_left_out(sets):
    assert reasons(sets, ("What?", QUESTION), options="completions = false") == [None]


def test_what_the_sets_hold_is_part_of_what_the_output_depends_on(sets):
    recipe = parse_recipe(f'[[steps]]\nname = "decontaminate"\nsets = "{sets}"\n')
    before = recipe_hash(recipe, build_steps(recipe))
    sets.write_text(sets.read_text() + '{"id": "t3", "problem": "Another problem of the set that is long enough"}\n')
    assert recipe_hash(recipe, build_steps(recipe)) != before


@pytest.mark.parametrize(
    ("options", "message"),
    [("", "no evaluation set"), ('sets = "nowhere/*.jsonl"', "no file matches"), ('sets = "x"\nn = 3', "at least 8")],
)
def test_sets_that_are_not_there_are_told(options, message):
    with pytest.raises(RecipeError, match=message):
        build_steps(parse_recipe(f'[[steps]]\nname = "decontaminate"\n{options}\n'))
