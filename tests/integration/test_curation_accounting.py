from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes_curation import read_all, run_fake, think, write_rows

TEXT = st.one_of(
    st.none(),
    st.text(max_size=12),
    st.sampled_from(
        ["", "<think>", "</think>", think(1), think(2), think(1, "flaky"), think(1, "broken"), "```", "字"]
    ),
)
LIST_ROW = st.fixed_dictionaries(
    {"prompt": TEXT, "answer": st.sampled_from([None, "", "1"]), "completions": st.none() | st.lists(TEXT, max_size=4)}
)
ONE_ROW = st.fixed_dictionaries({"prompt": TEXT, "answer": st.sampled_from([None, "1"]), "completions": TEXT})
SCHEMAS = {
    True: pa.schema([("prompt", pa.string()), ("answer", pa.string()), ("completions", pa.list_(pa.string()))]),
    False: pa.schema([("prompt", pa.string()), ("answer", pa.string()), ("completions", pa.string())]),
}
SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def account(rows: list[dict[str, object]], *, is_list: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_rows(Path(folder) / "a.parquet", rows, SCHEMAS[is_list])
        [entry] = run_fake([str(path)], Path(folder) / "out").entries
        ends = {kind: read_all(Path(folder) / "out", kind) for kind in ("data", "rejected", "failed")}
    samples = [row for of_kind in ends.values() for row in of_kind]
    expected = [
        (row, index)
        for row, content in enumerate(rows)
        for index in (range(len(content["completions"] or [])) or [None] if is_list else [0])  # type: ignore[arg-type]
    ]
    places = [(row["input_row"], row["completion_index"]) for row in samples]
    assert sorted(places, key=str) == sorted(expected, key=str)
    assert entry.samples == len(samples) == entry.kept + entry.rejected + entry.failed
    assert all(row["drop_step"] and row["drop_reason"] for row in ends["rejected"] + ends["failed"])
    assert len({row["id"] for row in samples}) == len(samples)


@SETTINGS
@given(st.lists(LIST_ROW, max_size=6))
def test_any_shard_of_prompts_adds_up(rows):
    account(rows, is_list=True)


@SETTINGS
@given(st.lists(ONE_ROW, max_size=8))
def test_any_shard_of_completions_adds_up(rows):
    account(rows, is_list=False)


TURN = st.none() | st.fixed_dictionaries(
    {"role": st.sampled_from([None, "system", "user", "assistant"]), "content": TEXT}
)
TALKS = pa.schema([("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))])


@SETTINGS
@given(st.lists(st.fixed_dictionaries({"messages": st.none() | st.lists(TURN, max_size=4)}), max_size=8))
def test_any_shard_of_conversations_adds_up(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = write_rows(Path(folder) / "a.parquet", rows, TALKS)
        [entry] = run_fake([str(path)], Path(folder) / "out").entries
        samples = [row for kind in ("data", "rejected", "failed") for row in read_all(Path(folder) / "out", kind)]
    turns = [[turn for turn in row["messages"] or [] if turn is not None] for row in rows]
    expected = [(row, 0 if talk and talk[-1]["role"] == "assistant" else None) for row, talk in enumerate(turns)]
    assert sorted(((row["input_row"], row["completion_index"]) for row in samples), key=str) == sorted(
        expected, key=str
    )
    assert entry.samples == len(samples) == entry.kept + entry.rejected + entry.failed
    assert {row["input_row"] for row in samples if row.get("drop_reason") == "no_completions"} == {
        row for row, index in expected if index is None
    }
