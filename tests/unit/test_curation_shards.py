from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation import shards as shards_module
from curation.errors import InputError, ShardError
from curation.rows import SAMPLES
from curation.shards import GatheredReader, Shard, ShardReader, cut_into_shards
from curation.sources import Source, find_sources, read_content
from tests.fakes_curation import write_table

EMPTY_LISTS = pa.schema([("prompt", pa.string()), ("completions", pa.list_(pa.string()))])


def rows_of(shard: Shard, first: int = 0, stop: int | None = None) -> list[tuple[object, ...]]:
    content = read_content(shard.source, shards_module.CUT_BYTES)
    reader = ShardReader(shard, {}, content=content, rewrite=lambda frame: frame)
    frames = list(reader.frames(first, stop))
    columns = ("input_row", "prompt", "completion", "trouble")
    rows = pl.concat(frames).select(columns).rows() if frames else []
    if (first, stop) == (0, None):
        # Compressed lines are not counted before they are read.
        assert reader.rows in (len({row[0] for row in rows}), None if shard.source.compression else -1)
    return rows


def line(number: int, text: str = "") -> str:
    return json.dumps({"prompt": f"p{number}", "completion": f"c{number}{text}"}, ensure_ascii=False)


LINES = st.lists(st.one_of(st.just(""), st.just("  \t"), st.text("aé字😀 ", max_size=40)), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(texts=LINES, cut=st.integers(1, 120), end=st.sampled_from(["\n", "\r\n"]), is_ended=st.booleans())
def test_json_lines_are_cut_between_lines_and_none_is_lost(tmp_path, monkeypatch, *, texts, cut, end, is_ended):
    lines = [text if not text.strip() else line(number, text) for number, text in enumerate(texts)]
    path = tmp_path / "a.jsonl"
    path.write_bytes((end.join(["", line(99)][1:] + lines) + (end if is_ended else "")).encode())
    monkeypatch.setattr(shards_module, "CUT_BYTES", cut)
    shards = cut_into_shards([Source(path=str(path))])
    assert len({shard.name for shard in shards}) == len(shards)
    parts = [row for shard in shards for row in rows_of(shard)]
    wanted = [99, *(number for number, text in enumerate(texts) if text.strip())]
    assert [row[:2] for row in parts] == [(at, f"p{number}") for at, number in enumerate(wanted)]
    assert {row[3] for row in parts} == {None}
    monkeypatch.setattr(shards_module, "CUT_BYTES", 1 << 30)
    [whole] = cut_into_shards([Source(path=str(path))])
    assert rows_of(whole) == parts
    assert rows_of(whole, 1, 3) == parts[1:3]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_bad_line_is_a_row_with_a_trouble_and_the_others_stay(tmp_path, ending):
    good = line(0).encode()
    bad = [b"{", b"[1]", b'{"prompt": "\xff", "completion": "c"}', b'{"prompt": 7, "completion": {"a": NaN}}', b"null"]
    lone = b'{"prompt": "\\ud800", "completion": "c"}'
    deep = b"[" * 100_000
    data = b"\n".join([good, *bad, lone, deep, good]) + b"\n"
    path = tmp_path / f"a.jsonl{ending}"
    path.write_bytes(gzip.compress(data) if ending else data)
    [shard] = cut_into_shards([Source(path=str(path))])
    rows = rows_of(shard)
    assert [row[0] for row in rows] == list(range(9))
    assert [row[3] for row in rows] == [
        None,
        "invalid_json",
        "not_an_object",
        "invalid_utf8",
        None,  # another type of value is its text
        "not_an_object",
        "bad_field",
        "invalid_json",
        None,
    ]
    assert rows[4][1:3] == ("7", '{"a": NaN}')


def test_contents_of_parts_among_texts_are_joined_and_what_is_no_text_is_told(tmp_path):
    answer = {"role": "assistant", "content": "a"}
    contents = [
        "p",
        [{"type": "text", "text": "p"}, {"type": "text", "text": "q"}],
        [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "q"}],
        7,
        [],
    ]
    path = tmp_path / "a.jsonl"
    rows = [{"messages": [{"role": "user", "content": content}, answer]} for content in contents]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    [shard] = cut_into_shards([Source(path=str(path))])
    assert [row[1:] for row in rows_of(shard)] == [
        ("p", "a", None),
        ("pq", "a", None),
        (None, None, "bad_field"),
        ("7", "a", None),
        ("", "a", None),
    ]


def test_types_of_json_lines_are_found_in_the_first_rows_whatever_they_hold(tmp_path):
    rows = [
        {"prompt": "p", "completions": []},
        {"prompt": "p", "completions": None},
        {"prompt": "p", "completions": ["a", "b"]},
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    [shard] = cut_into_shards([Source(path=str(path))])
    assert [(row[0], row[2], row[3]) for row in rows_of(shard)] == [
        (0, None, "no_completions"),
        (1, None, "no_completions"),
        (2, "a", None),
        (2, "b", None),
    ]


def test_parquet_is_cut_at_row_groups_of_bounded_size(tmp_path, monkeypatch):
    path = tmp_path / "a.parquet"
    table = pa.table({"prompt": [f"p{n}" for n in range(90)], "completion": ["x" * 100] * 90})
    pq.write_table(table, path, row_group_size=10, compression="none", use_dictionary=False)
    monkeypatch.setattr(shards_module, "_SHARD_BYTES", 3_500)
    shards = cut_into_shards([Source(path=str(path))])
    assert [shard.name for shard in shards] == [f"a-{number:05}" for number in range(5)]
    parts = [row for shard in shards for row in rows_of(shard)]
    assert [row[:2] for row in parts] == [(n, f"p{n}") for n in range(90)]
    assert [row[0] for row in rows_of(shards[1], 25, 32)] == list(range(25, 32))
    assert rows_of(shards[1], 0, 20) == []


def unchecked(texts: list[bytes | None]) -> pa.Array:
    values = pa.array(texts, pa.binary())
    return pa.Array.from_buffers(pa.string(), len(values), values.buffers(), values.null_count)


@pytest.mark.parametrize("compression", ["zstd", "snappy", "none"])
@pytest.mark.parametrize("encoding", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}])
def test_both_readers_of_parquet_give_the_same_also_where_text_is_damaged(tmp_path, monkeypatch, compression, encoding):
    monkeypatch.setattr(shards_module, "_BATCH_ROWS", 60)
    scans = (shards_module._ParquetPart._scan, lambda *_: None)
    texts: list[bytes | None] = [
        f"{'字é😀 '[number % 5 :]}{number}".encode() * (1 + number % 40) for number in range(500)
    ]
    texts[3], texts[7] = b"", None
    # Two halves of one character: sound together, and each for itself not.
    damaged = {211: "字".encode()[:2], 212: "字".encode()[2:], 402: b"\xff"}
    for row, text in damaged.items():
        texts[row] = text
    prompts = [f"p{number // 4}" for number in range(500)]
    lists = [[text or "", None] for text in prompts]
    for name, of_rows in (("sound", texts[:200]), ("damaged", texts)):
        table = pa.table(
            {
                "prompt": prompts[: len(of_rows)],
                "completion": unchecked(of_rows),
                "answer": pa.array(lists[: len(of_rows)]),
                "score": pa.array([float(row) for row in range(len(of_rows))], pa.float32()),
            }
        )
        path = tmp_path / f"{name}.parquet"
        pq.write_table(table, path, row_group_size=50, compression=compression, **encoding)
        [shard] = cut_into_shards([Source(path=str(path))])
        both = []
        for scan in scans:
            monkeypatch.setattr(shards_module._ParquetPart, "_scan", scan)
            reader = ShardReader(shard, {}, content=read_content(shard.source, 1), rewrite=lambda frame: frame)
            kinds = {type(batch) for batch, _, _ in reader._file.batches(reader.layout.names, 0, None)}
            both.append((kinds, [pl.concat(reader.frames(*part)) for part in ((0, None), (60, 170), (199, 200))]))
        (native, ours), (other, theirs) = both
        assert other == {pa.RecordBatch}
        # From the first text that is none, pyarrow reads on.
        assert native == ({pl.DataFrame} if name == "sound" else {pl.DataFrame, pa.RecordBatch})
        assert all(one.equals(another) for one, another in zip(ours, theirs, strict=True))
        bad = ours[0].filter(pl.col("trouble") == "invalid_utf8")["input_row"].to_list()
        assert bad == ([] if name == "sound" else sorted(damaged))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 3), min_size=1, max_size=40),
    chosen=st.sets(st.integers(0, 39), min_size=1),
    batch=st.integers(1, 9),
    ending=st.sampled_from([".parquet", ".jsonl", ".jsonl.gz"]),
    is_list=st.booleans(),
)
def test_samples_of_some_rows_are_those_among_the_samples_of_all(
    tmp_path, monkeypatch, *, sizes, chosen, batch, ending, is_list
):
    monkeypatch.setattr(shards_module, "_BATCH_ROWS", batch)
    rows = [
        {"prompt": f"p{number}", "completions": [f"c{number}-{index}" for index in range(size)]}
        if is_list
        else {"prompt": f"p{number}", "completion": f"c{number}{'字' * size}"}
        for number, size in enumerate(sizes)
    ]
    path = tmp_path / f"a{ending}"
    table = pa.Table.from_pylist(rows, schema=None if any(sizes) or not is_list else EMPTY_LISTS)
    if ending == ".parquet":
        pq.write_table(table, path, row_group_size=7)
    else:
        write_table(path, table)
    [shard] = cut_into_shards([Source(path=str(path))])
    content = read_content(shard.source, shards_module.CUT_BYTES)
    reader = ShardReader(shard, {}, content=content, rewrite=lambda frame: frame)
    wanted = np.array(sorted(chosen & set(range(len(rows)))) or [0])
    every = pl.concat(reader.frames()).filter(pl.col("input_row").is_in(wanted.tolist()))
    assert pl.concat(reader.frames_of(wanted)).equals(every)


def test_names_of_shards_are_unique_also_where_files_are_named_like_parts(tmp_path):
    for name in ("x/a.parquet", "y/a.parquet"):
        (tmp_path / name).parent.mkdir()
        pq.write_table(pa.table({"prompt": ["p"], "completion": ["c"]}), tmp_path / name)
    names = [shard.name for shard in cut_into_shards(find_sources([str(tmp_path / "*/a.parquet")]))]
    assert len(set(names)) == 2
    assert all(name.startswith("a-") for name in names)


def test_a_store_is_read_as_a_folder_is(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(line(1) + "\n")
    pq.write_table(pa.table({"prompt": ["p2"], "completion": ["c2"]}), tmp_path / "b.parquet")
    sources = find_sources([f"file://{tmp_path}/*"])
    assert [source.is_remote for source in sources] == [True, True]
    rows = [row for shard in cut_into_shards(sources) for row in rows_of(shard)]
    assert [row[1] for row in rows] == ["p1", "p2"]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nosuch://bucket/*.parquet", "Protocol not known"),
        ("file:///nowhere/at/all/*.parquet", "no file matches"),
        ("nowhere/*.parquet", "no file matches"),
    ],
)
def test_what_cannot_be_found_is_told(pattern, message):
    with pytest.raises(InputError, match=message):
        find_sources([pattern])


def test_other_kinds_of_files_are_refused_by_name(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n")
    with pytest.raises(InputError, match=r"a\.csv: is read neither as Parquet nor as JSON lines"):
        find_sources([str(tmp_path / "*")])


def test_a_file_that_changes_while_it_is_read_fails(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(line(1) + "\n")
    source = Source(path=str(path))
    [shard] = cut_into_shards([source])
    reader = ShardReader(shard, {}, content=read_content(source, 100), rewrite=lambda frame: frame)
    path.write_text(line(1) + "\n" + line(2) + "\n")
    with pytest.raises(ShardError, match="changed while it was read"):
        list(reader.frames())


def test_a_source_tells_its_format_by_its_name():
    names = {"a.parquet": "parquet", "b.jsonl": "jsonl", "c.ndjson.zst": "jsonl", "d.json.gz": "jsonl", "e": "parquet"}
    assert {name: Source(path=name).format for name in names} == names
    assert [Source(path=str(Path("x") / name)).stem for name in names] == ["a", "b", "c", "d", "e"]


def lines_file(path: Path, rows: int, size: int = 0) -> Source:
    path.write_text("".join(line(number, "x" * size) + "\n" for number in range(rows)))
    return Source(path=str(path))


def test_from_sixty_four_small_files_on_neighbours_share_a_shard(tmp_path):
    small = [lines_file(tmp_path / f"s{number:03}.jsonl", 1) for number in range(300)]
    large = lines_file(tmp_path / "large.jsonl", 2, size=shards_module.SMALL_BYTES)
    assert [shard.sources for shard in cut_into_shards(small[:63])] == [(source,) for source in small[:63]]
    [together] = cut_into_shards(small[:64])
    assert (together.name, together.sources) == ("s000-and-63-more", tuple(small[:64]))
    files = [*small[:10], large, *small[10:]]
    found = cut_into_shards(files)
    assert [shard.name for shard in found] == [
        *("s000-and-9-more", "large", "s010-and-127-more", "s138-and-127-more", "s266-and-33-more")
    ]
    assert [source for shard in found for source in shard.sources] == files


def test_the_files_of_a_shard_have_a_bounded_size_in_all_and_its_name_is_its_own(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for number in range(40):
            lines_file(tmp_path / f"{folder}/f{number:02}.jsonl", 1, size=shards_module.SMALL_BYTES - 100)
    found = cut_into_shards(find_sources([str(tmp_path / "*/*.jsonl")]))
    assert [len(shard.sources) for shard in found] == [16] * 5
    assert len({shard.name for shard in found}) == 5
    (tmp_path / "c").mkdir()
    for number in range(16):
        lines_file(tmp_path / f"c/f{number:02}.jsonl", 1, size=shards_module.SMALL_BYTES - 100)
    names = [shard.name for shard in cut_into_shards(find_sources([str(tmp_path / "*/*.jsonl")]))]
    assert len(set(names)) == 6
    assert sum(name.startswith("f00-and-15-more-") for name in names) == 2


FILES = st.lists(
    st.tuples(st.sampled_from(["jsonl", "jsonl.gz", "parquet"]), st.integers(0, 5), st.sampled_from(["text", "list"])),
    min_size=2,
    max_size=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(files=FILES, batch_rows=st.integers(1, 12), bad=st.booleans())
def test_files_that_share_a_shard_have_the_samples_that_they_have_alone(tmp_path, monkeypatch, files, batch_rows, bad):
    sources = []
    for number, (ending, rows, kind) in enumerate(files):
        texts: list[dict[str, object]] = [{"prompt": f"p{number}", "completion": f"c{row}"} for row in range(rows)]
        if kind == "list":
            texts = [{"prompt": f"p{number}", "completions": [f"c{row}", "d"]} for row in range(rows)]
        path = tmp_path / f"{number}.{ending}"
        if ending == "parquet":
            column = "completion" if kind == "text" else "completions"
            typed = pa.string() if kind == "text" else pa.list_(pa.string())
            pq.write_table(
                pa.Table.from_pylist(texts, schema=pa.schema([("prompt", pa.string()), (column, typed)])), path
            )
        else:
            raw = "".join(json.dumps(row) + "\n" for row in texts) + ("{\n" if bad else "")
            path.write_bytes(gzip.compress(raw.encode()) if ending.endswith("gz") else raw.encode())
        sources.append(Source(path=str(path)))
    contents = [read_content(source, shards_module.CUT_BYTES) for source in sources]
    shard = Shard(name="s", source=sources[0], further=tuple(sources[1:]))

    def alone(one, content, like=None):
        return ShardReader(one, {}, content=content, rewrite=lambda frame: frame, like=like)

    readers = [alone(shard.of([source]), content) for source, content in zip(sources, contents, strict=True)]
    wanted = [
        frame.with_columns(pl.lit(number, pl.UInt32).alias("file"))
        for number, reader in enumerate(readers)
        for frame in reader.frames()
    ]
    monkeypatch.setattr(shards_module, "_BATCH_ROWS", batch_rows)
    reader = GatheredReader(shard, contents, open_one=alone, rewrite=lambda frame: frame)
    found = list(reader.frames())
    nothing = pl.DataFrame(schema=SAMPLES)
    assert pl.concat([nothing, *found]).equals(pl.concat([nothing, *wanted]))
    assert all(frame.select("file", "input_row").n_unique() <= batch_rows for frame in found)
    rows = [reader.rows for reader in readers]
    assert reader.rows == (None if None in rows else sum(count or 0 for count in rows))


def test_files_of_a_shard_that_cannot_be_read_are_named_all_at_once(tmp_path):
    sources = [lines_file(tmp_path / f"{number}.jsonl", 1) for number in range(4)]
    contents = [read_content(source, 100) for source in sources]
    shard = Shard(name="s", source=sources[0], further=tuple(sources[1:]))
    for number in (1, 3):
        Path(sources[number].path).unlink()
    with pytest.raises(ShardError) as caught:
        GatheredReader(
            shard,
            contents,
            open_one=lambda one, content, like: ShardReader(
                one, {}, content=content, rewrite=lambda frame: frame, like=like
            ),
            rewrite=lambda frame: frame,
        )
    assert list(caught.value.files) == [sources[1].path, sources[3].path]
    assert "cannot be read: No such file" in caught.value.files[sources[1].path]
