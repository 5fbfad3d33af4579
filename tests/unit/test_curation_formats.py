"""Shards whose columns are those of a public dataset: the same converters as the command's."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from curation.columns import RowFormat, find_layout
from curation.errors import InputError, RecipeError
from curation.executors.judging import Request, requests_of
from curation.recipe import parse_recipe
from curation.rows import BadReference, reference_from_columns, samples_from_rows
from curation.steps import build_steps, recipe_hash
from verifier.formats import FORMATS, Task
from verifier.formats.fields import object_of, parse_row
from verifier.types import CodeReference, StdioTest

CASES = Path(__file__).parents[1] / "cases" / "formats"
APPS = RowFormat(name="apps", fields={})


def samples(rows, dataset, **columns):
    table = pa.Table.from_pylist(rows)
    layout = find_layout(table.schema, columns, path="a.parquet", rows=dataset)
    [batch] = table.combine_chunks().to_batches()
    return samples_from_rows(batch, layout, first_row=0, tag="tag")


def reference_of(sample):
    return reference_from_columns(sample["answers"], sample["tests"], sample["domain"])


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_shard_of_a_dataset_gives_the_tasks_that_its_lines_give(name):
    dataset = FORMATS[name]
    for case in map(json.loads, (CASES / f"{name}.jsonl").read_text().splitlines()):
        if "reference" not in case:
            continue
        row = {key: value for key, value in case["row"].items() if key in dataset.columns} | {"question": "q"}
        try:
            table = pa.Table.from_pylist([row | {"answers": ["a"]}])
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            continue  # lists of several types have no column
        [sample] = samples(
            table.to_pylist(), RowFormat(name=name, fields={}), prompt="question", completions="answers"
        ).to_dicts()
        task = reference_of(sample)
        assert isinstance(task, Task), (case["why"], task)
        assert task.reference == dataset.task(object_of(parse_row(json.dumps(case["row"])), "")).reference


IO = '{"inputs": ["1"], "outputs": ["2"]}'


def test_a_dataset_s_own_names_are_found_and_its_solutions_are_no_answers():
    rows = [{"problem_id": 7, "question": "q", "solution": "s", "input_output": IO, "responses": ["a"]}]
    [sample] = samples(rows, APPS).to_dicts()
    assert (sample["prompt"], sample["group_id"], sample["answers"], sample["domain"]) == ("q", "7", None, "code")
    assert reference_of(sample).reference.stdio == (StdioTest(input="1", output="2"),)


def test_a_row_that_cannot_be_judged_is_told_by_its_field():
    [sample] = samples([{"question": "q", "input_output": "[]", "response": "a"}], APPS).to_dicts()
    found = reference_of(sample)
    assert isinstance(found, BadReference)
    assert (found.reason, found.detail) == ("bad_row", "apps: input_output: expected an object, got a list")


def test_a_column_of_another_name_is_mapped_and_a_missing_one_is_named():
    rows = [{"question": "q", "tests": IO, "response": "a"}]
    mapped = RowFormat(name="apps", fields={"input_output": "tests"}, program_language="cpp")
    [sample] = samples(rows, mapped).to_dicts()
    assert reference_of(sample).reference == CodeReference(language="cpp", stdio=(StdioTest(input="1", output="2"),))
    with pytest.raises(InputError, match="the format apps needs the field input_output; the shard has question"):
        samples(rows, APPS)
    with pytest.raises(InputError, match="maps input_output to 'test', which the shard does not have; did you mean"):
        samples(rows, RowFormat(name="apps", fields={"input_output": "test"}))


def test_invalid_text_in_a_column_of_the_tests_is_told():
    texts = pa.Array.from_buffers(pa.utf8(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    table = pa.table({"question": ["q"], "response": ["a"], "input_output": texts})
    layout = find_layout(table.schema, {}, path="a.parquet", rows=APPS)
    [batch] = table.to_batches()
    [sample] = samples_from_rows(batch, layout, first_row=0, tag="t").to_dicts()
    assert sample["trouble"] == "invalid_utf8"


def test_completions_that_continue_the_prompt_go_to_the_engine_as_programs():
    case = json.loads((CASES / "humaneval.jsonl").read_text().splitlines()[0])
    rows = [case["row"] | {"completions": ["    return 1\n", "```python\ndef total(xs): ...\n```"]}]
    frame = samples(rows, RowFormat(name="humaneval", fields={})).with_row_index("place").with_columns(key=pl.lit(b""))
    [request] = requests_of(frame, first_place=0, recipe="")
    assert isinstance(request, Request)
    first, second = request.group.completions
    assert first.startswith("```python\ndef total(xs: List[int]) -> int:\n")
    assert second == rows[0]["completions"][1]


RECIPE = """
[input]
format = "humaneval"
fields = { test = "tests" }
program_language = "python"
[[steps]]
name = "verify"
"""


def test_a_recipe_names_the_format_of_its_shards():
    recipe = parse_recipe(RECIPE)
    assert recipe.rows == RowFormat(name="humaneval", fields={"test": "tests"}, program_language="python")
    steps = build_steps(recipe)
    other = parse_recipe(RECIPE.replace('"tests"', '"test"'))
    assert recipe_hash(recipe, steps) != recipe_hash(other, steps)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            RECIPE.replace("humaneval", "humanevel"),
            r"input.format: unknown format 'humanevel'; did you mean 'humaneval'",
        ),
        (RECIPE.replace("test =", "tets ="), r"input.fields.tets: unknown key; did you mean 'test'\?"),
        (RECIPE.replace('format = "humaneval"', ""), r'input.fields: .*add format = "..." in \[input\]'),
        (RECIPE.replace('"humaneval"', "3"), "input.format: must be a text, got 3"),
    ],
)
def test_a_bad_format_names_the_field_and_the_remedy(text, message):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(text)
