"""Samples: what the rows of any shard become before a step sees them, and what is written of them.

A sample is one completion of one prompt. A row with no completion at all still becomes one sample, which is rejected,
so that every input row can be found again in the output. The column ``trouble`` says why a row could not be read;
nothing is dropped here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import polars as pl
import pyarrow as pa

from curation.arrow import plain_type
from curation.columns import Layout
from curation.schemas import CONVERSATION, raw_name, shared_name, thought, with_think_tags
from verifier.errors import UnscorableError
from verifier.formats import FORMATS, Task
from verifier.formats.fields import FieldError, object_of, parse_row
from verifier.formats.own import reference_from_fields
from verifier.types import MathReference, Reference

MESSAGE = pl.Struct({"role": pl.String, "content": pl.String})
VERDICT = pl.Struct({"verifier": pl.String, "outcome": pl.String, "score": pl.Float64, "reason": pl.String})

SAMPLES = pl.Schema(
    [
        ("file", pl.UInt32()),
        ("input_row", pl.Int64()),
        ("completion_index", pl.Int32()),
        ("id", pl.String()),
        ("group_id", pl.String()),
        ("group_key", pl.String()),
        ("domain", pl.String()),
        ("language", pl.String()),
        ("source", pl.String()),
        ("score", pl.Float64()),
        ("prompt", pl.String()),
        ("messages", pl.List(MESSAGE)),
        ("answers", pl.List(pl.String)),
        ("tests", pl.String()),
        ("completion", pl.String()),
        ("trouble", pl.String()),
    ]
)
"""Columns of a frame of samples. ``messages`` is the prompt alone; ``group_key`` is equal for samples of one group;
``file`` is the number of the input file among those of the shard."""

_JSON = json.JSONEncoder(ensure_ascii=False)
_FIELD = "field:"
_END_THINK = "</think>"
_LANGUAGE = "program_language"
_OPTIONAL = ("answer", "tests", "domain", "language", "source", "score", "id", "group_id")
_CODE_DOMAINS = ("code", "coding", "program")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Rows that follow one another in a file.

    Args:
        rows: how many.
        first_row: number of the first in its file.
        tag: of the file, for ids where the rows have none.
        file: number of the file in its shard.
    """

    rows: int
    first_row: int
    tag: str
    file: int = 0


def samples_from_rows(
    batch: pa.RecordBatch | pl.DataFrame,
    layout: Layout,
    *,
    first_row: int,
    tag: str,
    troubles: Mapping[str, Sequence[int]] | None = None,
) -> pl.DataFrame:
    """The samples of some rows of one file, in row order; columns of ``SAMPLES``.

    Args:
        batch: rows as pyarrow read them, unchecked, or as polars did, of the same types and checked.
        layout: of the file.
        first_row: number of the first row in its file.
        tag: of the input file, for ids where the rows have none.
        troubles: reason -> rows of the batch that could not be read.
    """
    stretch = Stretch(rows=len(batch), first_row=first_row, tag=tag)
    return samples_from_stretches(batch, layout, [stretch], troubles or {})


def samples_from_stretches(
    batch: pa.RecordBatch | pl.DataFrame,
    layout: Layout,
    stretches: Sequence[Stretch],
    troubles: Mapping[str, Sequence[int]],
) -> pl.DataFrame:
    """The same of rows of several files.

    Args:
        batch: their rows, one file after the other.
        layout: of all of them.
        stretches: where the rows stand.
        troubles: reason -> rows of the batch that could not be read.
    """
    rows = _parts(_checked(batch, layout), layout)
    rows = rows.with_columns(_row_troubles(len(batch), troubles), *_places(stretches))
    if layout.has_markup:
        rows = with_think_tags(rows, "completions")
    rows = rows.with_columns(_prompt_messages(layout), _answers(rows), _tests(rows, layout), *_texts(rows))
    rows = rows.with_columns(_domain(layout), _prompt(layout))
    rows = rows.with_columns(_group_keys(rows))
    if "reasoning" in rows.columns and layout.is_list:
        rows = rows.with_columns(_paired_reasoning())
    rows = _exploded(rows) if layout.is_list else rows.with_columns(_only_index(layout))
    rows = rows.rename({"completions": "completion", "bad_completions": "bad_completion"})
    if "reasoning" in rows.columns:
        rows = rows.with_columns(_with_reasoning())
    rows = rows.with_columns(_trouble(layout), *_ids(layout))
    rows = rows.with_columns(
        group_id=pl.coalesce("group_id", pl.col("given_id") if layout.is_list else pl.lit(None), "group_key")
    )
    return rows.select([pl.col(name).cast(dtype) for name, dtype in SAMPLES.items()])


def _places(stretches: Sequence[Stretch]) -> Iterable[pl.Series]:
    sizes = [stretch.rows for stretch in stretches]
    owners = np.repeat(np.arange(len(stretches)), sizes)
    in_stretch = np.arange(len(owners)) - np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    return [
        pl.Series("file", [stretch.file for stretch in stretches], dtype=pl.UInt32).gather(owners),
        pl.Series("input_row", np.array([stretch.first_row for stretch in stretches])[owners] + in_stretch),
        pl.Series("tag", [stretch.tag for stretch in stretches]).gather(owners),
    ]


def _checked(batch: pa.RecordBatch | pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The columns that are read, with invalid UTF-8 replaced by null and marked in ``bad_row`` and ``bad_completions``.

    pyarrow reads Parquet text unchecked and polars trusts what it is given, so each column is checked between the two.
    """
    if isinstance(batch, pl.DataFrame):
        return _marked(batch.select(pl.col(name).alias(raw_name(name)) for name in layout.names), layout)
    columns: dict[str, pl.Series] = {}
    bad_row: list[bool] | None = None
    bad_completions: list[object] | None = None
    for name in layout.names:
        array = batch.column(name)
        try:
            array.validate(full=True)
        except pa.ArrowInvalid:
            array, bad = _repaired(array)
            if name == layout.columns.get("completions"):
                bad_completions = bad if layout.is_list else [bool(item) for item in bad]
            else:
                flags = [_any(item) for item in bad]
                bad_row = [a or b for a, b in zip(bad_row, flags, strict=True)] if bad_row else flags
        target = plain_type(array.type)
        array = array.cast(pa.large_string() if pa.types.is_null(target) else target)
        columns[raw_name(name)] = cast("pl.Series", pl.from_arrow(array))
    return _marked(pl.DataFrame(columns), layout, bad_row, bad_completions)


def _marked(
    frame: pl.DataFrame,
    layout: Layout,
    bad_row: list[bool] | None = None,
    bad_completions: list[object] | None = None,
) -> pl.DataFrame:
    """The columns with marks of what holds invalid text."""
    flag = pl.List(pl.Boolean) if layout.is_list else pl.Boolean
    frame = frame.with_columns(bad_row=pl.Series(bad_row, dtype=pl.Boolean) if bad_row else pl.lit(value=False))
    if bad_completions is None:
        return frame
    return frame.with_columns(bad_completions=pl.Series(bad_completions, dtype=flag))


def _parts(columns: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    """The columns as parts, under the names of ``ROLES``, and as fields of the tests' format."""
    fields = {f"{_FIELD}{name}": column for name, column in layout.row_columns.items()}
    shared = [value.alias(shared_name(name)) for name, value in layout.shared.items()]
    rows = columns.with_columns(shared).select(
        *(pl.col(raw_name(column)).alias(part) for part, column in {**layout.columns, **fields}.items()),
        *(value.alias(part) for part, value in layout.made.items()),
        "bad_row",
        *(["bad_completions"] if "bad_completions" in columns.columns else []),
    )
    if layout.is_conversation:
        reply = pl.when(_is_answered(CONVERSATION)).then(pl.col(CONVERSATION).list.last().struct.field("content"))
        rows = rows.with_columns(reply.alias("completions"))
    if "prompt" not in rows.columns:
        rows = rows.with_columns(pl.col(CONVERSATION).alias("prompt"))
    if "bad_completions" not in rows.columns:
        unmarked = (
            pl.col("completions").list.eval(pl.element().is_null() & False) if layout.is_list else pl.lit(value=False)
        )
        rows = rows.with_columns(unmarked.alias("bad_completions"))
    missing = [part for part in (*_OPTIONAL, "system") if part not in rows.columns]
    return rows.with_columns([pl.lit(None, pl.String).alias(part) for part in missing])


def _is_answered(conversation: str) -> pl.Expr:
    """Whether the last turn is the assistant's."""
    last = pl.col(conversation).list.last().struct.field("role")
    return (last == "assistant").fill_null(value=False)


def _repaired(array: pa.Array) -> tuple[pa.Array, list[object]]:
    plain = plain_type(array.type)
    values = array.cast(_binary(plain)).to_pylist()
    pairs = [_decoded(value) for value in values]
    return pa.array([value for value, _ in pairs], plain), [bad for _, bad in pairs]


def _binary(column_type: pa.DataType) -> pa.DataType:
    if pa.types.is_large_string(column_type):
        return pa.large_binary()
    if pa.types.is_large_list(column_type):
        return pa.large_list(_binary(column_type.value_type))
    if pa.types.is_struct(column_type):
        return pa.struct([pa.field(item.name, _binary(item.type)) for item in column_type])
    return column_type


def _decoded(value: object) -> tuple[object, object]:
    """The value with invalid text as None, and the same shape of marks."""
    if isinstance(value, bytes):
        try:
            return value.decode(), False
        except UnicodeDecodeError:
            return None, True
    if isinstance(value, list):
        pairs = [_decoded(item) for item in value]
        return [item for item, _ in pairs], [_any(bad) for _, bad in pairs]
    if isinstance(value, dict):
        fields = {name: _decoded(item) for name, item in value.items()}
        return {name: item for name, (item, _) in fields.items()}, any(_any(bad) for _, bad in fields.values())
    return value, False


def _any(bad: object) -> bool:
    return any(_any(item) for item in bad) if isinstance(bad, list) else bool(bad)


def _prompt_messages(layout: Layout) -> pl.Expr:
    system = pl.col("system")
    has_system = (system.str.len_bytes() > 0).fill_null(value=False)
    if not layout.is_chat:
        asked: pl.Expr = pl.when(pl.col("prompt").is_not_null()).then(
            pl.concat_list(_message("user", pl.col("prompt")))
        )
    else:
        fields = pl.struct(pl.element().struct.field("role"), pl.element().struct.field("content"))
        turns = pl.col("prompt").list.drop_nulls().list.eval(fields)
        # A conversation that ends with an answer has it in the place where the completion goes.
        asked = pl.when(_is_answered("prompt")).then(turns.list.head(turns.list.len() - 1)).otherwise(turns)
        has_system &= (asked.list.first().struct.field("role") != "system").fill_null(value=False)
    if "system" not in layout.columns:
        return asked.alias("messages")
    headed = pl.concat_list(pl.concat_list(_message("system", system)), asked)
    return pl.when(has_system).then(headed).otherwise(asked).alias("messages")


def _message(role: str, content: pl.Expr) -> pl.Expr:
    return pl.struct(pl.lit(role).alias("role"), content.alias("content"))


def _prompt(layout: Layout) -> pl.Expr:
    if not layout.is_chat and "system" not in layout.columns:
        return pl.col("prompt")
    contents = pl.col("messages").list.eval(pl.element().struct.field("content").drop_nulls())
    return pl.when(contents.list.len() > 0).then(contents.list.join("\n\n")).alias("prompt")


def _answers(rows: pl.DataFrame) -> pl.Expr:
    answer, kind = pl.col("answer"), rows.schema["answer"]
    if isinstance(kind, pl.List):
        if kind.inner.is_float():
            answer = answer.list.eval(pl.element().fill_nan(None))
        return answer.list.drop_nulls().cast(pl.List(pl.String)).alias("answers")
    if kind.is_float():
        # Where numbers are missing among others, a table may have no null for them.
        answer = answer.fill_nan(None)
    return pl.when(answer.is_not_null()).then(pl.concat_list(answer.cast(pl.String))).alias("answers")


def _tests(rows: pl.DataFrame, layout: Layout) -> pl.Expr:
    if layout.rows is not None:
        # Only put together here: a row is converted when it is judged, so that what is dropped before costs nothing.
        fields = pl.struct(pl.col(f"{_FIELD}{name}").alias(name) for name in layout.row_columns)
        row = pl.struct(fields.alias(layout.rows.name), pl.lit(layout.rows.program_language).alias(_LANGUAGE))
        return row.struct.json_encode().alias("tests")
    if isinstance(rows.schema["tests"], pl.Struct):
        return pl.when(pl.col("tests").is_not_null()).then(pl.col("tests").struct.json_encode()).alias("tests")
    return pl.col("tests")


def _texts(rows: pl.DataFrame) -> Iterable[pl.Expr]:
    names = ("domain", "language", "source", "id", "group_id")
    return [pl.col(name).cast(pl.String) for name in names if rows.schema[name] != pl.String]


def _domain(layout: Layout) -> pl.Expr:
    if layout.rows is not None:
        return pl.col("domain").fill_null("code")
    derived = (
        pl.when(pl.col("answers").is_not_null())
        .then(pl.lit("math"))
        .when(pl.col("tests").is_not_null())
        .then(pl.lit("code"))
        .otherwise(pl.lit(""))
    )
    return pl.coalesce("domain", derived).alias("domain")


def _group_keys(rows: pl.DataFrame) -> pl.Series:
    """A content hash of what makes a group; sha256 because it is written, where ``Expr.hash`` may change."""
    keys: list[str] = []
    before: tuple[object, ...] | None = None
    for parts in rows.select("group_id", "prompt", "answers", "tests").iter_rows():
        # The samples of a group mostly stand together.
        keys.append(keys[-1] if parts == before else _group_key(parts))
        before = parts
    return pl.Series("group_key", keys, dtype=pl.String)


def _group_key(parts: Sequence[object]) -> str:
    return hashlib.sha256(_JSON.encode(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _only_index(layout: Layout) -> pl.Expr:
    """Of the one completion of a row; null where a conversation ends without one."""
    index = pl.lit(0, pl.Int32)
    return (pl.when(_is_answered(CONVERSATION)).then(index) if layout.is_conversation else index).alias(
        "completion_index"
    )


def _exploded(rows: pl.DataFrame) -> pl.DataFrame:
    index = pl.int_ranges(0, pl.col("completions").list.len(), dtype=pl.Int32)
    rows = rows.with_columns(index.alias("completion_index"))
    parallel = [
        name for name in ("completions", "bad_completions", "reasoning", "completion_index") if name in rows.columns
    ]
    # An empty list must stay a row; polars drops it where empty_as_null is false.
    return rows.explode(parallel, empty_as_null=True, keep_nulls=True)


def _paired_reasoning() -> Iterable[pl.Expr]:
    """The reasoning of each completion of a list; a row of which they do not belong together is marked."""
    completions, reasoning = pl.col("completions").list, pl.col("reasoning").list
    fits = reasoning.len().eq_missing(completions.len())
    nothing = completions.eval(pl.when(pl.lit(value=False)).then(pl.element()))
    return [
        pl.when(fits).then("reasoning").otherwise(nothing).alias("reasoning"),
        pl.when(fits | pl.col("reasoning").is_null())
        .then("row_trouble")
        .otherwise(pl.coalesce("row_trouble", pl.lit("bad_field")))
        .alias("row_trouble"),
    ]


def _with_reasoning() -> pl.Expr:
    """The completion with the reasoning that stands beside it, in think tags; where it has some, it is as it was."""
    has_own = pl.col("completion").str.contains(_END_THINK, literal=True)
    is_apart = (pl.col("reasoning").str.strip_chars() != "") & ~has_own
    return (
        pl.when(is_apart)
        .then(thought(pl.col("reasoning"), pl.col("completion")))
        .otherwise("completion")
        .alias("completion")
    )


def _row_troubles(rows: int, troubles: Mapping[str, Sequence[int]]) -> pl.Series:
    reasons: list[str | None] = [None] * rows
    for reason, numbers in troubles.items():
        for number in numbers:
            reasons[number] = reason
    return pl.Series("row_trouble", reasons, dtype=pl.String)


def _trouble(layout: Layout) -> pl.Expr:
    has_bare = pl.lit(value=False)
    if layout.is_chat:
        turn = pl.element().struct.field
        # Such as a call of a tool, which is no text and would be lost.
        has_bare = pl.col("messages").list.eval(turn("content").is_null() | turn("role").is_null()).list.any()
    return (
        pl.when(pl.col("row_trouble").is_not_null())
        .then(pl.col("row_trouble"))
        .when(pl.col("bad_row") | pl.col("bad_completion").fill_null(value=False))
        .then(pl.lit("invalid_utf8"))
        .when(pl.col("completion_index").is_null())
        .then(pl.lit("no_completions"))
        .when(pl.col("prompt").is_null())
        .then(pl.lit("null_prompt"))
        .when(pl.col("completion").is_null())
        .then(pl.lit("null_completion"))
        .when(has_bare)
        .then(pl.lit("null_turn"))
        .alias("trouble")
    )


def _ids(layout: Layout) -> Iterable[pl.Expr]:
    place = pl.format("{}-{}", "tag", "input_row")
    base = pl.coalesce(pl.col("id"), place)
    if not layout.is_list:
        return [base.alias("id"), pl.col("id").alias("given_id")]
    numbered = pl.coalesce(pl.format("{}-{}", base, "completion_index"), base)
    return [numbered.alias("id"), pl.col("id").alias("given_id")]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadReference:
    """A reference column that holds no reference; the task is at fault.

    Args:
        reason: short stable code.
        detail: the field and what it should be.
    """

    reason: str
    detail: str


def reference_from_columns(
    answers: Sequence[str] | None, tests: str | None, domain: str
) -> Reference | Task | BadReference | None:
    """The reference of a row, or its task where a dataset's format was read; None where it has none.

    Where a row has both an answer and tests, the tests win if its domain is code, and the answer else.

    Args:
        answers: gold answers of a mathematical problem.
        tests: JSON text in the product's own form, ``{"code": {...}}`` or ``{"math": {...}}``, or with the fields of a
            dataset's format, ``{"apps": {...}}``.
        domain: of the row.
    """
    has_answers = bool(answers)
    is_code = domain.strip().lower().startswith(_CODE_DOMAINS)
    if tests is not None and tests.strip() and (is_code or not has_answers):
        return _reference_from_json(tests)
    return MathReference(answers=tuple(answers)) if answers else None


def _reference_from_json(text: str) -> Reference | Task | BadReference:
    try:
        value = object_of(parse_row(text, "tests"), "tests")
        name = next((name for name in value.values if name in FORMATS), None)
        if name is not None:
            return FORMATS[name].task(object_of(value.values[name], ""), language=value.text(_LANGUAGE))
        reference = reference_from_fields(value)
    except FieldError as error:
        return BadReference(reason="bad_reference", detail=str(error))
    except UnscorableError as error:
        return BadReference(reason=error.reason, detail=error.detail)
    if reference is None:
        return BadReference(reason="bad_reference", detail='tests: expected {"code": {...}} or {"math": {...}}')
    return reference
