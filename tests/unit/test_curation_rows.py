from __future__ import annotations

import json

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
    ],
)
def test_answers_may_be_texts_numbers_or_lists(answers, expected):
    [row] = samples(pa.table({"prompt": ["p"], "answer": answers, "response": ["a"]}))
    assert row["answers"] == expected


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
