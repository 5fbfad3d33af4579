"""JSON lines as record batches of one schema, in which a bad line is a row of its own.

Types are found in the first rows of a file, so that all its parts are read alike. A value of another type is null, and
its row is marked; nothing is dropped here.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import orjson
import pyarrow as pa

from curation.sources import Source

_HEAD_ROWS = 2_000
_HEAD_BYTES = 32 << 20
_INT64 = 1 << 63
_MAGIC_BYTES = 64
_POINTER = b"version https://git-lfs"
_FETCH = "is a pointer of Git LFS and not the file: git lfs pull"
_OTHER_TEXTS: Mapping[bytes, str] = {
    b"[": "is one JSON array; make lines of it: jq -c '.[]' {path} > lines.jsonl",
    b"{": "has objects of several lines; make one line of each: jq -c . {path} > lines.jsonl",
    b"\xff\xfe": "is UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8 {path} > lines.jsonl",
    b"\xfe\xff": "is UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8 {path} > lines.jsonl",
    b"\x1f\x8b": "is compressed by gzip; let its name end with .jsonl.gz",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd; let its name end with .jsonl.zst",
    b"PAR1": "is Parquet; let its name end with .parquet",
    _POINTER: _FETCH,
}
"""How a file begins -> what it is, and what to do."""
_NO_PARQUET: Mapping[bytes, str] = {b"{": "holds JSON; let its name end with .jsonl", _POINTER: _FETCH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """Some rows.

    Args:
        batch: of the file's schema; null where a value does not fit.
        troubles: reason -> rows of the batch that cannot be read as they are.
    """

    batch: pa.RecordBatch
    troubles: Mapping[str, tuple[int, ...]]


def json_schema(source: Source) -> pa.Schema:
    """The columns of a file and their types, as its first rows have them.

    Raises:
        OSError: it cannot be read.
    """
    rows: list[dict[str, object]] = []
    size = 0
    with source.open_text() as stream:
        for line in stream:
            size += len(line)
            value = _parsed(line) if line.strip() else None
            if isinstance(value, dict):
                rows.append(value)
            if len(rows) >= _HEAD_ROWS or size >= _HEAD_BYTES:
                break
    found = _struct(rows)
    return pa.schema(list(found)) if isinstance(found, pa.StructType) else pa.schema([])


def why_no_lines(source: Source) -> str:
    """What a file is, as its first bytes tell, of which no line is a JSON object; with the remedy.

    Raises:
        OSError: it cannot be read.
    """
    told = _begins(source.open_text(), _OTHER_TEXTS) or "is of another kind; convert it, or narrow the glob"
    return f"{source.path}: no line of it is a JSON object; it {told.format(path=shlex.quote(source.path))}"


def why_no_parquet(source: Source) -> str:
    """What a file is, as its first bytes tell, that is no Parquet; with the remedy, and empty where it is not known.

    Raises:
        OSError: it cannot be read.
    """
    return _begins(source.open(), _NO_PARQUET)


def _begins(stream: BinaryIO, kinds: Mapping[bytes, str]) -> str:
    with stream:
        head = stream.read(_MAGIC_BYTES).lstrip()
    return next((told for start, told in kinds.items() if head.startswith(start)), "")


def read_lines(source: Source, *, first: int, stop: int | None) -> Iterator[bytes]:
    """The rows that begin in a range of bytes of the text, without the blank lines.

    Args:
        source: the file.
        first: where the range begins.
        stop: where it ends; None for the end of the file.

    Raises:
        OSError: it cannot be read.
    """
    with source.open_text() as stream:
        position = first
        if first:
            # A line that begins before the range is that of the range before; one that begins with it is ours.
            stream.seek(first - 1)
            position = first - 1 + len(stream.readline())
        while stop is None or position < stop:
            line = stream.readline()
            if not line:
                return
            position += len(line)
            if line.strip():
                yield line


def batch_of(lines: Sequence[bytes], schema: pa.Schema) -> Lines:
    """Rows of a schema from lines."""
    troubles: dict[str, tuple[int, ...]] = {}
    rows: list[dict[str, object]] = []
    for number, line in enumerate(lines):
        value = _parsed(line)
        if not isinstance(value, dict):
            reason = value if isinstance(value, str) else "not_an_object"
            troubles[reason] = (*troubles.get(reason, ()), number)
            value = {}
        rows.append(value)
    columns = []
    for column in schema:
        array, bad = _column([row.get(column.name) for row in rows], column.type)
        if bad:
            troubles["bad_field"] = tuple(sorted({*troubles.get("bad_field", ()), *bad}))
        columns.append(array)
    return Lines(batch=pa.RecordBatch.from_arrays(columns, schema=schema), troubles=troubles)


def _parsed(line: bytes) -> object:
    """The value of a line; the name of its trouble where it has none."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        pass
    # Slower, and takes what orjson does not: NaN, lone surrogates, numbers of any size.
    try:
        return json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return "invalid_utf8"
    except (ValueError, RecursionError):
        return "invalid_json"


def _column(values: list[object], column_type: pa.DataType) -> tuple[pa.Array, list[int]]:
    """The values as an array, and the rows of those that do not fit."""
    if pa.types.is_large_string(column_type):
        values = [value if value is None or isinstance(value, str) else _text(value) for value in values]
    try:
        return pa.array(values, column_type), []
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError, ValueError):
        good: list[object] = []
        bad: list[int] = []
        for number, value in enumerate(values):
            try:
                fitted = _fitted(value, column_type)
                pa.array([fitted], column_type)
            except (pa.ArrowException, UnicodeEncodeError, OverflowError, TypeError, ValueError):
                bad.append(number)
                good.append(None)
            else:
                good.append(fitted)
        return pa.array(good, column_type), bad


def _fitted(value: object, column_type: pa.DataType) -> object:
    """The value with texts where it has something else inside: contents of parts are joined, all else is its JSON.

    Raises:
        ValueError: parts that are not all texts, such as pictures.
    """
    if isinstance(value, list):
        if pa.types.is_large_list(column_type):
            return [_fitted(item, column_type.value_type) for item in value]
        if pa.types.is_large_string(column_type) and all(isinstance(item, dict) and "type" in item for item in value):
            texts = [item.get("text") for item in value]
            if not all(isinstance(text, str) for text in texts):
                raise ValueError("a part that is no text")
            return "".join(texts)
    if isinstance(value, dict) and pa.types.is_struct(column_type):
        return {item.name: _fitted(value.get(item.name), item.type) for item in column_type}
    if value is None or isinstance(value, str) or not pa.types.is_large_string(column_type):
        return value
    return _text(value)


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _type_of(values: Sequence[object]) -> pa.DataType | None:
    """The type that takes all values; text where they have nothing in common; None where all are null."""
    given = [value for value in values if value is not None]
    if not given:
        return None
    kinds = {type(value) for value in given}
    if kinds == {dict}:
        return _struct([value for value in given if isinstance(value, dict)])
    if kinds == {list}:
        inner = _type_of([item for value in given if isinstance(value, list) for item in value])
        return pa.large_list(inner or pa.large_string())
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int} and all(isinstance(value, int) and -_INT64 <= value < _INT64 for value in given):
        return pa.int64()
    if kinds <= {int, float} and float in kinds:
        return pa.float64()
    return pa.large_string()


def _struct(rows: Sequence[Mapping[str, object]]) -> pa.DataType:
    names = dict.fromkeys(name for row in rows for name in row)
    fields = [(name, _type_of([row.get(name) for row in rows]) or pa.large_string()) for name in names]
    # A struct without fields cannot be written or compared; what stands in it is no part of a sample.
    return pa.struct(fields) if fields else pa.large_string()
