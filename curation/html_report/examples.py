"""A few samples for each end and reason, chosen by place, so that the same run always shows the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import OutputError
from curation.finished import Manifest, outputs_of
from curation.html_report.excerpts import Piece, cut, excerpt

_EACH = 2
_KEPT_EACH = 2
_MOST_REASONS = 60
_MOST_DOMAINS = 4
_PROMPT_CHARS = 300
_ANSWER_CHARS = 120
_COLUMNS = ("id", "domain", "completion", "answer", "reward", "verdicts", "input_file", "input_row", "completion_index")
_UNSHOWN = ("private_data",)
"""Steps whose samples are not shown: a page is sent about, and these were dropped so that they are not."""

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One sample as it is shown; all texts are cut and have no hidden characters.

    Args:
        chars: length of the whole completion; None where there is none.
        place: input file, row and completion.
    """

    id: str
    domain: str
    prompt: str
    answer: str
    reward: float | None
    verdicts: tuple[str, ...]
    place: str
    chars: int | None
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """The examples of one reason; for kept samples the step is empty, and the reason is the domain."""

    kind: str
    step: str
    reason: str
    samples: tuple[Example, ...]


def find_examples(directory: Path, manifest: Manifest) -> list[Examples]:
    """Examples of kept samples by domain, then of the others by step and reason, unsorted.

    Raises:
        OutputError: an output cannot be read.
    """
    found: dict[_Key, list[Example]] = {}
    for shard in manifest.done:
        for kind, file in outputs_of(directory, shard).items():
            try:
                _take(found, kind, file)
            except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
                raise OutputError(f"{file} cannot be read; run `curate run` again: {error}") from error
    return [
        Examples(kind=kind, step=step, reason=reason, samples=tuple(samples))
        for (kind, step, reason), samples in found.items()
    ]


def _take(found: dict[_Key, list[Example]], kind: str, file: Path) -> None:
    most, limit = (_KEPT_EACH, _MOST_DOMAINS) if kind == "data" else (_EACH, _MOST_REASONS)
    wanted: dict[int, _Key] = {}
    for step, reason, rows in _candidates(kind, file, most):
        key = (kind, step, reason)
        if key not in found and sum(other == kind for other, _, _ in found) >= limit:
            continue
        samples = found.setdefault(key, [])
        wanted.update((row, key) for row in rows[: most - len(samples)])
    for row, fields in _rows(file, sorted(wanted)):
        found[wanted[row]].append(_example(fields, wanted[row]))


def _candidates(kind: str, file: Path, most: int) -> list[tuple[str, str, list[int]]]:
    """Step, reason and the first rows of each, one a prompt."""
    names = (
        [pl.lit("").alias("step"), pl.col("domain").fill_null("").alias("reason")]
        if kind == "data"
        else [pl.col("drop_step").alias("step"), pl.col("drop_reason").alias("reason")]
    )
    return (
        pl.scan_parquet(file, row_index_name="row")
        .select(*names, "group_id", pl.col("row").cast(pl.Int64))
        .filter(~pl.col("step").is_in(_UNSHOWN))
        .group_by("step", "reason", "group_id")
        .agg(pl.col("row").min())
        .group_by("step", "reason")
        .agg(pl.col("row").bottom_k(most).sort())
        .sort(pl.col("row").list.first())
        .collect(engine="streaming")
        .rows()
    )


def _rows(file: Path, rows: list[int]) -> list[tuple[int, Mapping[str, object]]]:
    """Some rows of a file; of a row group at a time, which holds few samples."""
    taken: list[tuple[int, Mapping[str, object]]] = []
    if not rows:
        return taken
    with pq.ParquetFile(file) as parquet:
        columns = [*_COLUMNS, "prompt" if "prompt" in parquet.schema_arrow.names else "messages"]
        first = 0
        for index in range(parquet.num_row_groups):
            stop = first + int(parquet.metadata.row_group(index).num_rows)
            here = [row for row in rows if first <= row < stop]
            if here:
                group = parquet.read_row_group(index, columns=columns)
                fields = group.take(pa.array([row - first for row in here])).to_pylist()
                taken += list(zip(here, fields, strict=True))
            first = stop
    return taken


def _example(fields: Mapping[str, object], key: _Key) -> Example:
    kind, step, reason = key
    completion, prompt = fields["completion"], _prompt(fields)
    text = completion if isinstance(completion, str) else ""
    index = fields["completion_index"]
    place = f"{fields['input_file']}, row {fields['input_row']}" + ("" if index is None else f", completion {index}")
    reward = fields["reward"]
    return Example(
        id=cut(str(fields["id"]), _ANSWER_CHARS),
        domain=cut(str(fields["domain"] or ""), _ANSWER_CHARS),
        prompt=cut(prompt, _PROMPT_CHARS),
        answer=cut(str(fields["answer"] or ""), _ANSWER_CHARS),
        reward=reward if isinstance(reward, float) else None,
        verdicts=_verdicts(fields["verdicts"]),
        place=cut(place, _PROMPT_CHARS),
        chars=len(text) if isinstance(completion, str) else None,
        pieces=excerpt(text, prompt, step, "" if kind == "data" else reason),
    )


def _prompt(fields: Mapping[str, object]) -> str:
    if "prompt" in fields:
        return str(fields["prompt"] or "")
    messages = fields["messages"]
    # The last message is the completion.
    turns = messages[:-1] if isinstance(messages, list) else []
    return "\n\n".join(str(turn["content"] or "") for turn in turns)


def _verdicts(verdicts: object) -> tuple[str, ...]:
    if not isinstance(verdicts, list):
        return ()
    return tuple(
        cut(f"{verdict['verifier']}: {verdict['outcome']} ({verdict['reason']})", _ANSWER_CHARS) for verdict in verdicts
    )
