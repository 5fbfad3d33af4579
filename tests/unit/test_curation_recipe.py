from __future__ import annotations

import pytest

from curation.errors import RecipeError
from curation.recipe import load_recipe, parse_recipe
from curation.steps import build_steps, recipe_hash

GOOD = """
[input]
globs = ["a/*.parquet"]
columns = { prompt = "q" }
[output]
dir = "out"
[[steps]]
name = "length"
max_chars = 10
[[steps]]
name = "verify"
[verify]
recipe = "r1"
keep = "reward"
min_reward = 2
in_flight = 7
"""


def test_a_recipe_is_read_with_its_steps_in_order():
    recipe = parse_recipe(GOOD)
    steps = build_steps(recipe)
    assert recipe.globs == ("a/*.parquet",)
    assert dict(recipe.columns) == {"prompt": "q"}
    assert [step.name for step in steps] == ["length", "verify"]
    assert recipe.verify.in_flight == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[inptu]\n", r"inptu: unknown key; did you mean 'input'\?"),
        ('[input]\nglob = ["a"]\n', r"input.glob: unknown key; did you mean 'globs'\?"),
        ('[input.columns]\npromt = "q"\n', "did you mean 'prompt'"),
        ('[[steps]]\nname = "dedup"\n[input]\nglobs = 3\n', "input.globs: must be a list of texts"),
        ('[[steps]]\nname = "dedup"\n[output]\ndir = 3\n', "output.dir: must be a text"),
        ("steps = 3\n", r"write each step as a table \[\[steps\]\]"),
        ("", "the recipe has no steps"),
        ("[[steps]]\nmax_chars = 1\n", r"steps\[0\]: has no name"),
        ('[[steps]]\nname = "lenght"\n', r"steps\[0\].name: unknown step 'lenght'; did you mean 'length'"),
        ('[[steps]]\nname = "length"\nmax_char = 1\n', r"steps\[0\] \(length\).max_char: .* did you mean 'max_chars'"),
        ('[[steps]]\nname = "length"\nmax_chars = "1"\n', "expected a whole number, got '1'"),
        ('[[steps]]\nname = "length"\nmax_chars = true\n', "expected a whole number, got True"),
        ('[[steps]]\nname = "length"\nmax_chars = 0\n', "0 is too small; give at least 1"),
        ('[[steps]]\nname = "length"\nmax_chars = [1]\n', "must be a text, a number, true or false"),
        ('[[steps]]\nname = "select"\npolicy = "shortst"\n', "not a choice; did you mean 'shortest'"),
        ('[[steps]]\nname = "dedup"\n[[steps]]\nname = "dedup"\n', "given twice"),
        ('[[steps]]\nname = "dedup"\n[[steps]]\nname = "normalise"\n', "must be the first step"),
        ('[[steps]]\nname = "dedup"\n[verify]\nrecipe = "r1"\n', "no step uses this table"),
        ('[[steps]]\nname = "verify"\nrecipe = "r1"\n', r"stand in the table \[verify\]"),
        ('[[steps]]\nname = "verify"\n[verify]\nin_flight = 0\n', "verify.in_flight: must be a whole number"),
        ('[[steps]]\nname = "verify"\n[verify]\nkep = "x"\n', "verify.kep: unknown option; did you mean 'keep'"),
        ("steps = [", "is not TOML"),
    ],
)
def test_a_bad_recipe_names_the_field_and_the_remedy(text, message):
    with pytest.raises(RecipeError, match=message):
        build_steps(parse_recipe(text))


def test_the_hash_counts_what_decides_and_nothing_else():
    def hashed(text: str) -> str:
        recipe = parse_recipe(text)
        return recipe_hash(recipe, build_steps(recipe))

    same = hashed(GOOD)
    assert hashed(GOOD.replace('"out"', '"elsewhere"').replace("in_flight = 7", "").replace("a/*", "b/*")) == same
    assert hashed(GOOD.replace("max_chars = 10", "max_chars = 10\nmin_chars = 1")) == same
    assert hashed(GOOD.replace("max_chars = 10", "max_chars = 11")) != same
    assert hashed(GOOD.replace("min_reward = 2", "min_reward = 1")) != same
    assert hashed(GOOD.replace('"q"', '"r"')) != same


def test_a_recipe_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"none.toml: cannot be read: No such file"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(tmp_path / "latin.toml")
