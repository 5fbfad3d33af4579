"""Shards of public reasoning datasets: recognised by their columns, and read whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.columns import find_layout
from curation.errors import InputError, RecipeError
from curation.recipe import parse_recipe
from curation.rows import SAMPLES, reference_from_columns, samples_from_rows
from curation.schemas import COLUMNS, SCHEMAS, with_think_tags
from curation.shards import CUT_BYTES, Shard, ShardReader, check_columns
from curation.sources import Source, read_content
from curation.steps import build_steps, recipe_hash
from tests.fakes_curation import completions_in, read_all, run_fake, write_table
from verifier.formats import Task
from verifier.types import CodeReference, MathReference

CASES = [json.loads(line) for line in (Path(__file__).parents[1] / "cases" / "schemas.jsonl").read_text().splitlines()]
CHAT = [{"role": "text", "content": "text"}]
NAMES = {"text": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_(), "null": pa.null()}


def ids(cases):
    return [f"{case['schema']} {case['why']}".strip() for case in cases]


def arrow_type(told):
    """The type that a case tells: a name, a list of one type, or an object of fields."""
    if isinstance(told, str):
        return NAMES[told]
    if isinstance(told, list):
        return pa.list_(arrow_type(told[0]))
    return pa.struct([(name, arrow_type(item)) for name, item in told.items()])


def table_of(columns, rows):
    schema = pa.schema([(name, arrow_type(told)) for name, told in columns.items()])
    return pa.Table.from_pylist(rows, schema=schema)


def layout_of(columns, mapping=None, named=""):
    return find_layout(table_of(columns, []).schema, mapping or {}, path="a.parquet", named=named)


def samples_of(table, mapping=None, named=""):
    layout = find_layout(table.schema, mapping or {}, path="a.parquet", named=named)
    [batch] = table.combine_chunks().to_batches()
    return samples_from_rows(batch, layout, first_row=0, tag="tag")


def told(sample):
    """A sample as the cases tell it."""
    reference = reference_from_columns(sample["answers"], sample["tests"], sample["domain"])
    return {
        **sample,
        "tests": None if sample["tests"] is None else json.loads(sample["tests"]),
        "roles": None if sample["messages"] is None else [message["role"] for message in sample["messages"]],
        "reference": {Task: "code", CodeReference: "code", MathReference: "math"}.get(type(reference), reference),
    }


@pytest.mark.parametrize("ending", ["parquet", "jsonl", "jsonl.gz"])
@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_a_shard_of_a_dataset_is_recognised_and_read(case, ending, tmp_path):
    path = tmp_path / f"shard.{ending}"
    write_table(path, table_of(case["columns"], case["rows"]))
    source = Source(path=str(path))
    shard = Shard(name="shard", source=source)
    content = dataclasses.replace(read_content(source, CUT_BYTES), sha256="tag")
    reader = ShardReader(shard, {}, content=content, rewrite=lambda rows: rows)
    assert reader.layout.schema == case["schema"]
    frame = pl.concat(list(reader.frames()))
    assert frame.schema == SAMPLES
    assert set(frame["input_row"]) == set(range(len(case["rows"])))
    rows = [told(sample) for sample in frame.to_dicts()]
    assert [{name: row[name] for name in wanted} for row, wanted in zip(rows, case["samples"], strict=True)] == case[
        "samples"
    ]


def test_every_schema_has_a_case():
    assert {case["schema"] for case in CASES} == set(SCHEMAS)


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_large_and_dictionary_columns_and_single_rows_read_alike(case):
    table = table_of(case["columns"], case["rows"])
    fields = [
        pa.field(item.name, pa.dictionary(pa.int32(), pa.string()) if item.type == pa.string() else item.type)
        for item in table.schema
    ]
    whole = samples_of(table)
    encoded = samples_of(table.cast(pa.schema(fields)))
    assert whole.equals(encoded)
    parts = []
    layout = find_layout(table.schema, {}, path="a.parquet")
    for row in range(table.num_rows):
        [batch] = table.slice(row, 1).combine_chunks().to_batches()
        parts.append(samples_from_rows(batch, layout, first_row=row, tag="tag"))
    assert whole.equals(pl.concat(parts))


TABLES = [
    {"prompt": "text", "completions": ["text"], "answer": "text"},
    {"problem": "text", "generations": ["text"], "answer": "text", "uuid": "text", "source": "text"},
    {"question": "text", "response": "text", "solution": "text", "domain": "text", "difficulty": "int"},
    {"messages": [{"role": "text", "content": "text"}], "response": "text"},
    {"messages": [{"role": "text", "content": "text"}], "num_tokens": "int", "source": "text", "responses": ["text"]},
    {"conversations": [{"from": "text", "value": "text"}], "system": "text", "prompt": "text", "completion": "text"},
    {"prompt": "text", "response": "text", "test": "text", "entry_point": "text", "task_id": "text"},
    {"prompt": "text", "input": "text", "output": "text", "response": "text", "category": "text"},
    {"prompt": "text", "generation": "text", "response": "text", "finish_reason": "text"},
]


@pytest.mark.parametrize("columns", TABLES)
def test_a_table_of_ones_own_is_taken_for_no_dataset(columns):
    layout = layout_of(columns)
    assert (layout.schema, layout.made, layout.has_markup) == (COLUMNS, {}, False)


WITH_PROMPT = [case for case in CASES if {"prompt", "problem", "question", "messages"} & set(case["columns"])]


@pytest.mark.parametrize("case", WITH_PROMPT, ids=ids(WITH_PROMPT))
def test_completions_of_ones_own_beside_the_columns_of_a_dataset_are_what_is_read(case):
    layout = layout_of(case["columns"] | {"completions": ["text"]})
    assert layout.columns["completions"] == "completions"
    assert "completions" not in layout.made
    # References are read as the dataset writes them, and contents of parts in whatever column.
    assert layout.made == {} or case["schema"] in ("verl", "synthetic", "messages-of-parts")


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_a_schema_can_be_named(case):
    assert layout_of(case["columns"], named=case["schema"]).schema == case["schema"]


def test_the_recognition_can_be_switched_off():
    [case] = [case for case in CASES if case["schema"] == "openr1-math"]
    layout = layout_of(case["columns"], named=COLUMNS)
    assert (layout.schema, layout.made, layout.columns["completions"]) == (COLUMNS, {}, "generations")
    with pytest.raises(InputError, match="no column for the completions"):
        layout_of({"messages": CHAT}, named=COLUMNS)


def test_fields_that_a_shard_never_fills_may_have_no_type():
    info = {"source": "text", "reference_answer": "text", "test_case": "null"}
    columns = {"messages": [{"role": "text", "content": "text", "info": info}]}
    turn = {"role": "user", "content": "?", "info": {"source": "elsewhere", "reference_answer": "7"}}
    rows = [{"messages": [turn, {"role": "assistant", "content": "7"}]}]
    [row] = samples_of(table_of(columns, rows)).to_dicts()
    assert (row["answers"], row["tests"], row["source"]) == (["7"], None, "elsewhere")
    assert layout_of(columns).schema == "am-deepseek-r1-distilled"


def test_texts_without_markup_are_not_rewritten():
    plain = pl.DataFrame({"text": ["<think>\n</think>", "of <|begin_of_thought|>", None]})
    assert with_think_tags(plain, "text") is plain
    mixed = pl.concat([plain, pl.DataFrame({"text": [" <|begin_of_thought|>a<|end_of_thought|>b"]})])
    assert with_think_tags(mixed, "text")["text"].to_list() == [*plain["text"].to_list(), " <think>a</think>b"]


def test_a_column_of_another_type_is_no_sign_of_a_dataset():
    columns = CASES[0]["columns"]["messages"][0] | {"info": "int"}
    assert layout_of({"messages": [columns]}).schema == "messages"


def test_a_named_schema_tells_what_the_shard_lacks():
    columns = {"messages": [{"role": "text", "content": "text"}], "conversation": "text"}
    with pytest.raises(
        InputError,
        match=r"needs 'conversations' to be a list of \{from, value\}; the column is not there; did you mean 'conv",
    ):
        layout_of(columns, named="openthoughts")
    with pytest.raises(InputError, match=r"the schema sharegpt needs .* the column is large_string"):
        layout_of({"conversations": "text"}, named="sharegpt")


TALK = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]


def test_a_mapped_part_overrules_the_schema():
    table = table_of({"messages": CHAT, "q": "text", "topic": "text"}, [{"messages": TALK, "q": "?", "topic": "t"}])
    [row] = samples_of(table, {"prompt": "q", "domain": "topic"}).to_dicts()
    assert (row["prompt"], row["completion"], row["domain"]) == ("?", "a", "t")
    reply = table_of({"messages": CHAT, "reply": "text"}, [{"messages": TALK, "reply": "mine"}])
    assert layout_of({"messages": CHAT, "reply": "text"}, {"completions": "reply"}).schema == COLUMNS
    for named in ("", "messages"):
        [row] = samples_of(reply, {"completions": "reply"}, named).to_dicts()
        assert (row["prompt"], row["completion"], row["trouble"]) == ("u", "mine", None)


def test_a_system_column_is_read_where_it_is_mapped():
    table = table_of({"prompt": "text", "response": "text", "system": "text"}, [{"prompt": "p", "system": "s"}])
    assert samples_of(table)["prompt"].to_list() == ["p"]
    [row] = samples_of(table, {"system": "system"}).to_dicts()
    assert (row["prompt"], [message["content"] for message in row["messages"]]) == ("s\n\np", ["s", "p"])


def test_scores_and_sources_of_other_types_are_passed_over_unless_mapped():
    columns = {"prompt": "text", "response": "text", "source": ["text"], "quality_score": "text", "data_source": "text"}
    table = table_of(columns, [{"prompt": "p", "response": "r", "source": ["x"], "data_source": "y"}])
    [row] = samples_of(table).to_dicts()
    assert (row["source"], row["score"]) == ("y", None)
    with pytest.raises(InputError, match=r"column 'quality_score' cannot be the score: .* expected a number"):
        layout_of(columns, {"score": "quality_score"})


def test_a_mapped_score_is_a_number_for_each_completion():
    table = table_of(
        {"prompt": "text", "responses": ["text"], "votes": "float"},
        [
            {"prompt": "p", "responses": ["a", "b"], "votes": 0.5},
            {"prompt": "q", "responses": [], "votes": None},
        ],
    )
    assert samples_of(table, {"score": "votes"})["score"].to_list() == [0.5, 0.5, None]


def test_invalid_text_in_any_column_of_a_schema_is_told():
    bad = pa.Array.from_buffers(pa.utf8(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    fine = pa.array(["x"])
    for name in ("deepseek_thinking_trajectory", "deepseek_attempt", "question"):
        columns = dict.fromkeys(("question", "deepseek_thinking_trajectory", "deepseek_attempt", "solution"), fine)
        [row] = samples_of(pa.table(columns | {name: bad})).to_dicts()
        assert row["trouble"] == "invalid_utf8"
    content = pa.StructArray.from_arrays([pa.array(["assistant"]), bad], ["role", "content"])
    [row] = samples_of(pa.table({"messages": pa.ListArray.from_arrays([0, 1], content)})).to_dicts()
    assert row["trouble"] == "invalid_utf8"


RECIPE = '[input]\nschema = "openthoughts"\n[[steps]]\nname = "validate"\n'


def test_a_recipe_names_the_schema_of_its_shards():
    recipe, off = parse_recipe(RECIPE), parse_recipe(RECIPE.replace("openthoughts", "columns"))
    assert (recipe.schema, off.schema, parse_recipe(RECIPE.replace('schema = "openthoughts"', "")).schema) == (
        "openthoughts",
        "columns",
        "",
    )
    assert recipe_hash(recipe, build_steps(recipe)) != recipe_hash(off, build_steps(off))
    parse_recipe(RECIPE.replace('"openthoughts"', '"columns"\nformat = "apps"'))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RECIPE.replace("openthoughts", "openthought"), "unknown schema 'openthought'; did you mean 'openthoughts'"),
        (RECIPE.replace('"openthoughts"', "3"), "input.schema: must be a text, got 3"),
        (RECIPE.replace("[[", 'format = "apps"\n[['), "input.schema: the format says how rows are read; leave schema"),
    ],
)
def test_a_bad_schema_names_the_field_and_the_remedy(text, message):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(text)


def test_a_shard_that_does_not_fit_the_named_schema_is_refused_before_any_work(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(table_of({"prompt": "text", "response": "text"}, [{"prompt": "p", "response": "r"}]), path)
    sources = (Source(path=str(path)),)
    check_columns(sources, {})
    with pytest.raises(InputError, match="the schema s1k needs 'question'"):
        check_columns(sources, {}, None, "s1k")


def test_a_run_over_shards_of_all_datasets_loses_no_row(tmp_path):
    shards = []
    for number, case in enumerate(CASES):
        shards.append(str(tmp_path / f"{number:02}.parquet"))
        pq.write_table(table_of(case["columns"], case["rows"]), shards[-1])
    recipe = '[[steps]]\nname = "normalise"\n[[steps]]\nname = "format"\n'
    entries = run_fake(shards, tmp_path / "out", recipe=recipe).entries
    assert [(entry.rows, entry.samples) for entry in entries] == [
        (len(case["rows"]), len(case["samples"])) for case in CASES
    ]
    kept = read_all(tmp_path / "out", "data")
    thoughts = [row for row in kept if row["input_file"] == shards[[c["schema"] for c in CASES].index("openthoughts")]]
    assert completions_in(thoughts)[:1] == ["<think>\nadd them\n</think>\n\nIt is 5."]
