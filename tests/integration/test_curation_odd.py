"""Files that are cut off, empty or odd fail by name or lose only what cannot be read, and the others are done."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation import entry
from curation.asking import differences, explained
from curation.errors import InputError
from curation.executors.passes import RunReport
from curation.html_report import write_report
from curation.sources import find_sources
from tests.fakes_curation import completions_in, read_all, run_fake, think

ROWS = [{"prompt": f"What is {i} + 1?", "answer": str(i + 1), "completions": [think(i + 1)]} for i in range(400)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda text: pa.compress(text, codec="zstd", asbytes=True),
}


def run_beside_a_good_one(folder: Path, name: str, content: bytes) -> RunReport:
    """A run over a file and a sound one."""
    (folder / "in").mkdir()
    pq.write_table(pa.Table.from_pylist([{**ROWS[0], "prompt": "Another?"}]), folder / "in" / "a.parquet")
    (folder / "in" / name).write_bytes(content)
    return run_fake([str(folder / "in" / "*")], folder / "out")


@pytest.mark.parametrize("ending", COMPRESS)
def test_compressed_lines_are_read_whole(tmp_path, ending):
    once = COMPRESS[ending](LINES)
    report = run_beside_a_good_one(tmp_path, f"b.jsonl.{ending}", once)
    assert [entry.rows for entry in report.entries] == [1, 400]
    assert len(completions_in(read_all(tmp_path / "out", "data"))) == 401


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("cut", [-3, -40, 60])
def test_compressed_lines_that_are_cut_off_fail_alone_and_lose_no_row_silently(tmp_path, ending, cut):
    report = run_beside_a_good_one(tmp_path, f"b.jsonl.{ending}", COMPRESS[ending](LINES)[:cut])
    [good, bad] = report.entries
    assert (good.kept, good.error) == (1, "")
    assert bad.error.startswith("cannot be read")
    assert bad.samples == 0


@pytest.mark.parametrize("ending", COMPRESS)
def test_what_is_not_compressed_at_all_fails_alone(tmp_path, ending):
    [good, bad] = run_beside_a_good_one(tmp_path, f"b.jsonl.{ending}", b"no such thing " * 99).entries
    assert (good.kept, good.error) == (1, "")
    assert "cannot be read" in bad.error


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        (b"", {}),
        (b"\n \n", {}),
        (b'{"prompt": "\xff"}\n[1]\n', {"invalid_utf8": 1, "not_an_object": 1}),
        (b'[\n{"prompt": "a"\n]\n', {"invalid_json": 3}),
    ],
    ids=["nothing", "blank", "no objects", "spread"],
)
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_lines_of_which_none_can_be_read_are_rows_all_the_same(tmp_path, content, reasons, ending):
    written = gzip.compress(content) if ending else content
    [good, odd] = run_beside_a_good_one(tmp_path, f"b.jsonl{ending}", written).entries
    assert good.kept == 1
    assert (odd.error, odd.rows, odd.rejected) == ("", sum(reasons.values()), sum(reasons.values()))
    assert odd.dropped.get("read", {}) == reasons


@pytest.mark.parametrize("name", ["domain", "id", "group_id", "language", "source", "tests", "system"])
def test_a_column_of_nulls_alone_is_as_if_it_were_not_there(tmp_path, name):
    for folder, columns in (("with", {name: pa.nulls(3)}), ("without", {})):
        table = pa.table({key: [row[key] for row in ROWS[:3]] for key in ROWS[0]} | columns)
        (tmp_path / folder).mkdir()
        pq.write_table(table, tmp_path / folder / "a.parquet")
        report = run_fake([str(tmp_path / folder / "*")], tmp_path / folder / "out")
        assert [entry.kept for entry in report.entries] == [3]
    found = [completions_in(read_all(tmp_path / folder / "out", "data")) for folder in ("with", "without")]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("prompt", "null_prompt"), ("completions", "null_completion"), ("answer", "unscorable:no_reference")],
)
def test_needed_columns_of_nulls_alone_have_their_reason(tmp_path, name, reason):
    table = pa.table({key: [row[key] for row in ROWS[:2]] for key in ROWS[0] if key != name} | {name: pa.nulls(2)})
    pq.write_table(table, tmp_path / "a.parquet")
    [told] = run_fake([str(tmp_path / "a.parquet")], tmp_path / "out").entries
    assert (told.samples, told.kept, told.failed) == (2, 0, 0)
    assert reason in {key for reasons in told.dropped.values() for key in reasons}


def test_columns_of_one_name_are_refused_where_they_are_read(tmp_path):
    columns = [pa.array([row[key] for row in ROWS[:2]]) for key in ("prompt", "completions", "answer", "answer")]
    names = ["prompt", "completions", "answer", "answer"]
    pq.write_table(pa.Table.from_arrays(columns, names=names), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet: several columns are named 'answer'; rename"):
        run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    pq.write_table(
        pa.Table.from_arrays([*columns, columns[0], columns[0]], names=[*names[:3], "x", "x", "x"]),
        tmp_path / "a.parquet",
    )
    [told] = run_fake([str(tmp_path / "a.parquet")], tmp_path / "out").entries
    assert told.kept == 2


@pytest.mark.parametrize("name", ["a[1].parquet", "a*.parquet", "a?.parquet", "a b.parquet", "a%20{x}#1 é 数.parquet"])
def test_a_file_is_found_by_its_name_whatever_signs_it_holds(name, tmp_path, monkeypatch):
    pq.write_table(pa.Table.from_pylist(ROWS[:2]), tmp_path / name)
    pq.write_table(pa.Table.from_pylist(ROWS[2:5]), tmp_path / "ab.parquet")
    out = tmp_path / f"out of {name}"
    [told] = run_fake([str(tmp_path / name)], out).entries
    assert told.kept == 2
    kept = read_all(out, "data")
    assert {row["input_file"] for row in kept} == {str(tmp_path / name)}
    assert any("kept" in line for line in explained(out, str(kept[0]["id"])))
    assert differences(out, out)
    assert write_report(out).is_file()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert [source.path for source in find_sources([f"~/{name}"])] == [str(tmp_path / name)]


def test_an_interrupt_among_the_imports_ends_as_any_other(monkeypatch):
    class Interrupts:
        @staticmethod
        def find_spec(name, path=None, target=None):
            if name == "curation.cli":
                raise KeyboardInterrupt

    for name in [name for name in sys.modules if name == "curation.cli"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Interrupts, *sys.meta_path])
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 130


def test_the_command_begins_at_its_entry(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["curate", "presets", "list"])
    with pytest.raises(SystemExit) as end:
        entry.main()
    assert end.value.code == 0
