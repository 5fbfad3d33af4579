"""Rewards are exact sums of what was judged, or nothing at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import InvalidRequestError, UnknownNameError
from verifier.recipes import BUILT_IN, Recipe, Term, load_recipes
from verifier.types import Verdict

TERMS = ("accuracy", "math", "code", "format", "language")
RIGHT = Verdict.correct("math", "equal")
WRONG = Verdict.incorrect("math", "not_equal")
TASK = Verdict.unscorable("math", "bad")
OURS = Verdict.failed("math", "lost")


def share(score):
    return Verdict.correct("language", "share", score=score)


def read(tmp_path, text):
    path = tmp_path / "recipes.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipes(path, TERMS)


def test_the_built_in_recipes_are_the_papers_sums():
    assert {name: [term.name for term in recipe.terms] for name, recipe in BUILT_IN.items()} == {
        "accuracy": ["accuracy"],
        "format": ["format"],
        "language": ["language"],
        "r1-zero": ["accuracy", "format"],
        "r1": ["accuracy", "format", "language"],
    }
    assert BUILT_IN["r1"].reward((RIGHT, RIGHT, share(0.9))) == 2.9


@pytest.mark.parametrize("trouble", [TASK, OURS])
@pytest.mark.parametrize("gate", [True, False])
def test_one_verdict_without_a_score_leaves_no_reward(trouble, gate):
    recipe = Recipe(name="x", terms=(Term(name="math", is_gate=gate), Term(name="format")))
    assert recipe.reward((trouble, RIGHT)) is None
    assert recipe.reward((WRONG, trouble)) is None


def test_a_gate_that_is_not_passed_makes_the_gates_reward():
    recipe = Recipe(
        name="x", terms=(Term(name="math", weight=2.0), Term(name="format", weight=0.0, is_gate=True)), gate_reward=-1.0
    )
    assert recipe.reward((RIGHT, WRONG)) == -1.0
    assert recipe.reward((RIGHT, Verdict.incorrect("format", "part", score=0.9))) == -1.0
    assert recipe.reward((RIGHT, RIGHT)) == 2.0


def test_tenths_add_up_without_dust_and_there_is_no_negative_zero():
    recipe = Recipe(name="x", terms=(Term(name="math", weight=0.1), Term(name="code", weight=0.2)))
    assert recipe.reward((RIGHT, RIGHT)) == 0.3
    negative = Recipe(name="x", terms=(Term(name="math", weight=-1.0),))
    assert repr(negative.reward((WRONG,))) == "0.0"


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1)), min_size=1, max_size=6))
def test_a_sum_does_not_depend_on_the_order_of_the_terms(pairs):
    def reward(chosen):
        recipe = Recipe(name="x", terms=tuple(Term(name="math", weight=weight) for weight, _ in chosen))
        return recipe.reward([share(score) for _, score in chosen])

    assert reward(pairs) == reward(pairs[::-1])


def test_a_users_recipe_is_read_and_may_replace_a_built_in_one(tmp_path):
    recipes = read(
        tmp_path,
        """
        [recipes.strict]
        gate_reward = -1
        [recipes.strict.terms.accuracy]
        weight = 2
        options.math = { cpu_budget_s = 1 }
        [recipes.strict.terms.format]
        gate = true
        [recipes.r1.terms.language]
        """,
    )
    strict = recipes["strict"]
    assert strict.gate_reward == -1.0
    assert [(term.name, term.weight, term.is_gate) for term in strict.terms] == [
        ("accuracy", 2.0, False),
        ("format", 1.0, True),
    ]
    assert strict.terms[0].options == {"math": {"cpu_budget_s": 1}}
    assert [term.name for term in recipes["r1"].terms] == ["language"]
    assert recipes["accuracy"] is BUILT_IN["accuracy"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x", "is not TOML"),
        ("recipe = 1", "unknown key .* 'recipe'"),
        ("recipes = 1", "recipes: expected a table"),
        ("recipes.a = 1", r"recipes\.a: expected a table"),
        ("[recipes.a]", r"recipes\.a\.terms: a recipe needs a term"),
        ("[recipes.a.terms.maths]", "unknown term .* 'maths'; known: accuracy, code"),
        ("[recipes.a.terms.math]\nwieght = 1", "unknown key .* 'wieght'; known: gate, options, weight"),
        ("[recipes.a.terms.math]\nweight = 'x'", r"recipes\.a\.terms\.math\.weight: expected a number"),
        ("[recipes.a.terms.math]\nweight = inf", "weight: expected a number"),
        ("[recipes.a.terms.math]\nweight = nan", "weight: expected a number"),
        ("[recipes.a.terms.math]\nweight = true", "weight: expected a number"),
        ("[recipes.a.terms.math]\ngate = 1", "gate: expected true or false, got 1"),
        ("[recipes.a.terms.math]\noptions = 1", "options: expected a table"),
        ("[recipes.a]\ngate = 1\nterms.math = {}", "unknown key .* 'gate'"),
    ],
)
def test_a_file_that_cannot_be_used_names_the_field(tmp_path, text, says):
    with pytest.raises(InvalidRequestError, match=says):
        read(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InvalidRequestError, match=r"none\.toml cannot be read: No such file"):
        load_recipes(tmp_path / "none.toml", TERMS)


def test_a_term_that_does_not_exist_is_an_unknown_name(tmp_path):
    with pytest.raises(UnknownNameError):
        read(tmp_path, "[recipes.a.terms.x]")
