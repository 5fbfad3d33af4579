from __future__ import annotations

import json
from decimal import Decimal

import pyarrow as pa
import pytest

from curation.columns import find_layout
from curation.errors import InputError
from curation.rows import BadReference, reference_from_columns, samples_from_rows
from verifier.types import CallTest, CodeReference, MathReference, StdioTest


def samples(table: pa.Table, mapping: dict[str, str] | None = None) -> list[dict[str, object]]:
    layout = find_layout(table.schema, mapping or {}, path="a.parquet")
    [batch] = table.combine_chunks().to_batches()
    return samples_from_rows(batch, layout, first_row=10, tag="tag").to_dicts()


def test_columns_are_found_by_their_common_names_in_order():
    schema = pa.schema([(name, pa.string()) for name in ("messages", "problem", "response", "solution", "answer")])
    layout = find_layout(schema, {}, path="a.parquet")
    assert layout.columns == {"prompt": "problem", "completions": "response", "answer": "answer"}
    assert not layout.is_list


def test_a_mapped_column_overrules_and_a_wrong_one_is_named():
    schema = pa.schema([("prompt", pa.string()), ("q", pa.string()), ("responses", pa.list_(pa.string()))])
    layout = find_layout(schema, {"prompt": "q"}, path="a.parquet")
    assert layout.columns["prompt"] == "q"
    assert layout.is_list
    with pytest.raises(
        InputError, match="maps prompt to 'promt', which the shard does not have; did you mean 'prompt'"
    ):
        find_layout(schema, {"prompt": "promt"}, path="a.parquet")


def test_one_row_a_prompt_becomes_one_sample_a_completion():
    rows = samples(pa.table({"prompt": ["p"], "answer": ["1"], "completions": [["a", "b"]], "id": ["x"]}))
    assert [(row["id"], row["group_id"], row["completion_index"], row["completion"]) for row in rows] == [
        ("x-0", "x", 0, "a"),
        ("x-1", "x", 1, "b"),
    ]
    assert {row["input_row"] for row in rows} == {10}
    assert rows[0]["domain"] == "math"


def test_without_ids_the_place_and_the_content_name_samples_and_groups():
    rows = samples(pa.table({"prompt": ["p", "p", "q"], "response": ["a", "b", "c"]}))
    assert [row["id"] for row in rows] == ["tag-10", "tag-11", "tag-12"]
    assert rows[0]["group_id"] == rows[1]["group_id"] != rows[2]["group_id"]


def test_equal_prompts_with_other_references_are_other_groups():
    rows = samples(pa.table({"prompt": ["p", "p"], "answer": ["1", "2"], "response": ["a", "b"]}))
    assert rows[0]["group_key"] != rows[1]["group_key"]


def test_chats_are_prompts_and_their_last_answer_makes_room():
    chat = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
        {"role": "assistant", "content": "old"},
    ]
    [row] = samples(pa.table({"messages": [chat], "response": ["new"]}))
    assert row["prompt"] == "s\n\nu"
    assert [message["content"] for message in row["messages"]] == ["s", "u"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (pa.array([7]), ["7"]),
        (pa.array([0.5]), ["0.5"]),
        (pa.array(["x"]).dictionary_encode(), ["x"]),
        (pa.array([["1", None, "2"]]), ["1", "2"]),
        (pa.array([None], pa.string()), None),
        (pa.array([1e10]), ["10000000000.0"]),
        (pa.array([float("nan")]), None),
        (pa.array([True]), ["true"]),
        (pa.array([Decimal("2.50")]), ["2.50"]),
        (pa.array([[1, None, 2]]), ["1", "2"]),
        (pa.array([[0.5, float("nan")]]), ["0.5"]),
        (pa.array([[True]]), ["true"]),
        (pa.array([["1", "2"]], pa.list_(pa.string(), 2)), ["1", "2"]),
    ],
)
def test_answers_may_be_texts_numbers_flags_or_lists(answers, expected):
    [row] = samples(pa.table({"prompt": ["p"], "answer": answers, "response": ["a"]}))
    assert row["answers"] == expected


@pytest.mark.parametrize("values", [pa.array([3.5]), pa.array([b"x"]), pa.array([["math"]]), pa.array([{"a": "x"}])])
@pytest.mark.parametrize("name", ["id", "group_id", "domain", "natural_language", "reasoning_content"])
def test_what_cannot_be_read_under_an_optional_name_is_passed_over_unless_it_is_mapped(name, values):
    role = {"natural_language": "language", "reasoning_content": "reasoning"}.get(name, name)
    table = pa.table({"prompt": ["p"], "response": ["a"], "answer": ["1"], name: values})
    [row] = samples(table)
    assert (row["id"], row["domain"], row["completion"]) == ("tag-10", "math", "a")
    with pytest.raises(InputError, match=role):
        samples(table, {role: name})


def test_reasoning_of_its_own_stands_in_think_tags_before_the_answer():
    texts = {"prompt": ["p"] * 5, "response": ["a", "a", "<think>own</think>a", None, ""]}
    table = pa.table({**texts, "reasoning_content": ["r", " ", "r", "r", "r"]})
    wanted = ["<think>\nr\n</think>\n\na", "a", "<think>own</think>a", None, "<think>\nr\n</think>\n\n"]
    assert [row["completion"] for row in samples(table)] == wanted
    renamed = table.rename_columns(["prompt", "response", "thoughts"])
    assert [row["completion"] for row in samples(renamed)] == texts["response"]
    assert [row["completion"] for row in samples(renamed, {"reasoning": "thoughts"})] == wanted


def test_reasoning_of_lists_belongs_to_the_completion_at_its_place():
    table = pa.table(
        {
            "prompt": ["p", "q", "r", "s"],
            "responses": [["a", "b"], ["a"], ["a", "b"], []],
            "reasoning_content": [["x", None], None, ["x"], []],
        }
    )
    assert [(row["completion"], row["trouble"]) for row in samples(table)] == [
        ("<think>\nx\n</think>\n\na", None),
        ("b", None),
        ("a", None),
        ("a", "bad_field"),
        ("b", "bad_field"),
        (None, "no_completions"),
    ]
    texts = table.set_column(2, "reasoning_content", pa.array(["x"] * 4))
    assert samples(texts)[0]["completion"] == "a"
    with pytest.raises(
        InputError, match="the reasoning must be a list, as the completions are; 'reasoning_content' is"
    ):
        samples(texts, {"reasoning": "reasoning_content"})


BATCH = {
    "task": {"prompt": "p", "gold": {"value": 5}},
    "response.id": "dotted",
    "body": {
        "choices": [{"message": {"content": "a", "thought": "r"}}, {"message": {"content": "b", "thought": None}}]
    },
}


def test_parts_may_be_fields_inside_of_columns():
    mapping = {"prompt": "task.prompt", "answer": "task.gold.value", "id": "response.id"}
    inside = {"completions": "body.choices.message.content", "reasoning": "body.choices.message.thought"}
    table = pa.Table.from_pylist([BATCH, {"task": None, "response.id": None, "body": {"choices": None}}])
    rows = samples(table, mapping | inside)
    assert [(row["id"], row["prompt"], row["answers"], row["completion"]) for row in rows] == [
        ("dotted-0", "p", ["5"], "<think>\nr\n</think>\n\na"),
        ("dotted-1", "p", ["5"], "b"),
        ("tag-11", None, None, None),
    ]
    with pytest.raises(InputError, match=r"maps prompt to 'task.promt', .* did you mean 'task.prompt'"):
        samples(table, {"prompt": "task.promt"} | inside)
    with pytest.raises(InputError, match=r"the field 'task.gold' cannot be the answer: .* expected a text"):
        samples(table, mapping | inside | {"answer": "task.gold"})
    with pytest.raises(InputError, match=r"column 'answer' cannot be the answer.* inside of it: answer.a, answer.b"):
        samples(pa.table({"prompt": ["p"], "response": ["r"], "answer": [{"a": "1", "b": 2, "c": b"3"}]}))


def test_a_struct_of_tests_is_read_like_its_json():
    tests = [{"code": {"language": "python", "stdio": [{"input": "1", "output": "2"}]}}]
    [row] = samples(pa.table({"prompt": ["p"], "tests": tests, "response": ["a"]}))
    reference = reference_from_columns(None, str(row["tests"]), str(row["domain"]))
    assert reference == CodeReference(language="python", stdio=(StdioTest(input="1", output="2"),))


CODE = json.dumps(
    {
        "code": {
            "language": "python",
            "entry_point": "add",
            "calls": [{"args": "[1]", "expected": "1"}],
            "memory_limit_bytes": "1024",
            "time_limit_s": 4,
        }
    }
)


def test_a_reference_is_read_from_the_products_own_json():
    assert reference_from_columns(None, CODE, "") == CodeReference(
        language="python",
        entry_point="add",
        calls=(CallTest(args="[1]", expected="1"),),
        memory_limit_bytes=1024,
        time_limit_s=4,
    )
    assert reference_from_columns(None, '{"math": {"answers": ["1"]}}', "") == MathReference(answers=("1",))


def test_tests_win_for_code_and_answers_else():
    assert isinstance(reference_from_columns(["1"], CODE, "code"), CodeReference)
    assert isinstance(reference_from_columns(["1"], CODE, "Coding"), CodeReference)
    assert reference_from_columns(["1"], CODE, "math") == MathReference(answers=("1",))
    assert reference_from_columns([], None, "math") is None


@pytest.mark.parametrize(
    "text",
    [
        "{oops",
        "[]",
        "{}",
        '{"code": {}, "math": {}}',
        '{"code": 3}',
        '{"math": {"answers": "1"}}',
        '{"code": {"language": 3}}',
        '{"code": {"language": "python", "stdio": [3]}}',
        '{"code": {"language": "python", "time_limit_s": true}}',
        '{"code": {"language": "python", "memory_limit_bytes": "much"}}',
        '{"code": {"language": "python", "memory_limit_bytes": 1e999}}',
        "[" * 100_000,
    ],
)
def test_a_bad_reference_is_the_tasks_fault(text):
    assert isinstance(reference_from_columns(None, text, "code"), BadReference)
