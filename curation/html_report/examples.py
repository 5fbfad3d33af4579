"""A few samples for each end and reason, chosen by place, so that the same run always shows the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from curation.errors import OutputError
from curation.finished import Manifest, outputs_of
from curation.html_report.excerpts import Dropped, Piece, excerpt, prompt_excerpt
from curation.html_report.survey import UNSHOWN
from curation.lookup import Lookup, Place, Text, rows_at
from curation.manifest import DATA, ShardEntry
from curation.visible import cut, measured

_EACH = 2
_MOST_REASONS = 60
_MOST_DOMAINS = 4
_PROMPT_CHARS = 300
_ANSWER_CHARS = 120
_SHARED = ("id", "domain", "reward", "verdicts", "input_file", "input_row", "completion_index")
_KEPT = (*_SHARED, "messages", "answer")
_DROPPED = (*_SHARED, "chars", "drop_value", "drop_detail")

_Key = tuple[str, str, str]
"""Folder, step and reason; of kept samples the step is empty, and the reason is the domain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One sample as it is shown; all texts are cut and have no hidden characters.

    Args:
        place: input file, row and completion.
        chars: length of the whole completion; None where there is none.
        measured: by the step that dropped it; empty where it told no number.
        found: likewise.
        missing: why the texts are not to be had; empty where they are.
    """

    id: str
    domain: str
    answer: str
    reward: float | None
    verdicts: tuple[str, ...]
    place: str
    chars: int | None
    measured: str
    found: str
    prompt: tuple[Piece, ...]
    pieces: tuple[Piece, ...]
    missing: str


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
    chosen = _Chosen()
    shards = {shard.name: shard for shard in manifest.done}
    found: dict[_Key, list[Example]] = {}
    dropped: dict[_Key, list[tuple[Place, Mapping[str, object]]]] = {}
    for kind, file, _ in outputs_of(directory, manifest):
        try:
            if kind == DATA:
                for key, fields in chosen.take(kind, file):
                    found.setdefault(key, []).append(_kept(fields))
            elif chosen.wants(kind, shards[file.stem]):
                for key, fields in chosen.take(kind, file):
                    dropped.setdefault(key, []).append((_place(file.stem, fields), fields))
        except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
            raise OutputError(f"{file} cannot be read; run `curate run` again: {error}") from error
    found |= _with_texts(Lookup(directory, manifest), dropped)
    return [
        Examples(kind=kind, step=step, reason=reason, samples=tuple(samples))
        for (kind, step, reason), samples in found.items()
    ]


class _Chosen:
    """Which samples are shown: the first of each end, and one alone of each prompt."""

    def __init__(self) -> None:
        self._prompts: dict[_Key, list[str]] = {}

    def wants(self, kind: str, shard: ShardEntry) -> bool:
        """Whether a shard has samples of a reason of which there are too few yet."""
        reasons = shard.failures if kind == "failed" else shard.dropped
        keys = [(kind, step, reason) for step, of_step in reasons.items() for reason in of_step if step not in UNSHOWN]
        return any(len(self._prompts.get(key, ())) < _EACH for key in keys)

    def take(self, kind: str, file: Path) -> Iterator[tuple[_Key, Mapping[str, object]]]:
        """Those that a file adds."""
        limit = _MOST_DOMAINS if kind == DATA else _MOST_REASONS
        wanted: dict[int, _Key] = {}
        for step, reason, prompt, row in _candidates(kind, file):
            key = (kind, step, reason)
            if key not in self._prompts and sum(other == kind for other, _, _ in self._prompts) >= limit:
                continue
            prompts = self._prompts.setdefault(key, [])
            if len(prompts) < _EACH and prompt not in prompts:
                prompts.append(prompt)
                wanted[row] = key
        for row, fields in rows_at(file, wanted, _KEPT if kind == DATA else _DROPPED):
            yield wanted[row], fields


def _candidates(kind: str, file: Path) -> list[tuple[str, str, str, int]]:
    """Step, reason, prompt and row of the first samples of each end, one a prompt; some more than are wanted."""
    names = (
        [pl.lit("").alias("step"), pl.col("domain").fill_null("").alias("reason")]
        if kind == DATA
        else [pl.col("drop_step").alias("step"), pl.col("drop_reason").alias("reason")]
    )
    row = pl.col("row")
    return (
        pl.scan_parquet(file, glob=False, row_index_name="row")
        .select(*names, "group_id", row.cast(pl.Int64))
        .filter(~pl.col("step").is_in(UNSHOWN))
        .group_by("step", "reason", "group_id")
        .agg(row.min())
        .collect(engine="streaming")
        .sort("row")
        .group_by("step", "reason", maintain_order=True)
        .head(2 * _EACH)
        .sort("row")
        .rows()
    )


def _place(shard: str, fields: Mapping[str, object]) -> Place:
    index = fields["completion_index"]
    return Place(
        shard=shard,
        path=str(fields["input_file"]),
        row=int(str(fields["input_row"])),
        index=index if isinstance(index, int) else None,
    )


def _with_texts(
    lookup: Lookup, dropped: Mapping[_Key, list[tuple[Place, Mapping[str, object]]]]
) -> dict[_Key, list[Example]]:
    """The samples with what of their texts is shown, and no more of them in memory than one."""
    samples = {place: (key, fields) for key, chosen in dropped.items() for place, fields in chosen}
    made = {place: _example(samples[place][1], text, samples[place][0]) for place, text in lookup.texts(samples)}
    return {key: [made[place] for place, _ in chosen] for key, chosen in dropped.items()}


def _kept(fields: Mapping[str, object]) -> Example:
    messages = fields["messages"]
    turns = messages if isinstance(messages, list) else []
    text = Text(
        prompt="\n\n".join(turn["content"] or "" for turn in turns[:-1]),
        completion=str(turns[-1]["content"] or ""),
        answer=str(fields["answer"] or ""),
    )
    return _example(fields, text, (DATA, "", ""))


def _example(fields: Mapping[str, object], text: Text, key: _Key) -> Example:
    _, step, reason = key
    index, reward, value, chars = (fields.get(name) for name in ("completion_index", "reward", "drop_value", "chars"))
    place = f"{fields['input_file']}, row {fields['input_row']}" + ("" if index is None else f", completion {index}")
    detail = str(fields.get("drop_detail") or "")
    sample = Dropped(completion=text.completion or "", prompt=text.prompt, step=step, reason=reason, detail=detail)
    if text.completion is not None:
        chars = len(text.completion)
    return Example(
        id=cut(str(fields["id"]), _ANSWER_CHARS),
        domain=cut(str(fields["domain"] or ""), _ANSWER_CHARS),
        answer=cut(text.answer, _ANSWER_CHARS),
        reward=reward if isinstance(reward, float) else None,
        verdicts=_verdicts(fields["verdicts"]),
        place=cut(place, _PROMPT_CHARS),
        chars=chars if isinstance(chars, int) else None,
        measured=measured(value) if isinstance(value, float) else "",
        found=cut(detail, _ANSWER_CHARS),
        prompt=prompt_excerpt(sample, _PROMPT_CHARS),
        pieces=excerpt(sample),
        missing=cut(text.missing, _PROMPT_CHARS),
    )


def _verdicts(verdicts: object) -> tuple[str, ...]:
    if not isinstance(verdicts, list):
        return ()
    return tuple(
        cut(f"{verdict['verifier']}: {verdict['outcome']} ({verdict['reason']})", _ANSWER_CHARS) for verdict in verdicts
    )
