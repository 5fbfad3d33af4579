"""What a finished run says when it is asked: what happened to a prompt or a completion, and how two runs differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from curation.errors import RunLockedError, UsageError
from curation.finished import held_still, read_manifest
from curation.manifest import KINDS, MANIFEST, STATE

_SHOWN_CHARS = 160
_EXAMPLES = 3
_FATE = ("id", "drop_step", "drop_reason")


def explained(directory: Path, wanted: str) -> Iterator[str]:
    """Lines on all completions of a prompt, or on one completion, by ``group_id`` or ``id``.

    Raises:
        UsageError: no such directory, or nothing of that name in it.
    """
    found = False
    is_wanted = (
        (pl.col("id") == wanted)
        | (pl.col("group_id") == wanted)
        | (pl.col("id").str.starts_with(f"{wanted}-") & pl.col("id").str.slice(len(wanted) + 1).str.contains(r"^\d+$"))
    )
    for kind in KINDS:
        for file in _files(directory, kind):
            rows = pl.scan_parquet(file).filter(is_wanted).collect()
            for row in rows.iter_rows(named=True):
                found = True
                yield from _about(kind, row)
    if not found:
        raise UsageError(f"{directory} has nothing of the id {wanted!r}; see the columns id and group_id of its files")


def _about(kind: str, row: dict[str, object]) -> Iterator[str]:
    end = "kept" if kind == "data" else f"{kind} by {row['drop_step']}: {row['drop_reason']}"
    index = "" if row["completion_index"] is None else f" completion {row['completion_index']}"
    yield f"{row['id']}  {end}"
    yield f"    prompt {row['group_id']}, {row['input_file']} row {row['input_row']}{index}"
    verdicts = row["verdicts"]
    for verdict in verdicts if isinstance(verdicts, list) else ():
        yield f"    {verdict['verifier']} {verdict['outcome']} {verdict['reason']}, reward {row['reward']}"
    text = str(row["completion"] or "")
    shown = " ".join(text.split())
    yield f"    {shown if len(shown) <= _SHOWN_CHARS else '... ' + shown[-_SHOWN_CHARS:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Samples that one run sent to one end and another run to another.

    Args:
        before: ``kept``, ``STEP: REASON``, or ``not there``.
        examples: a few ids.
    """

    before: str
    after: str
    samples: int
    examples: tuple[str, ...]


def differences(one: Path, other: Path) -> list[Move]:
    """How the ends of samples differ between two runs, the most frequent first.

    Raises:
        UsageError: a directory is no run's.
    """
    ends = [_ends(directory) for directory in (one, other)]
    both = ends[0].join(ends[1], on="id", how="full", coalesce=True, suffix="_after").fill_null("not there")
    moved = both.filter(pl.col("end") != pl.col("end_after")).sort("id")
    grouped = moved.group_by("end", "end_after", maintain_order=True).agg(pl.len(), pl.col("id").head(_EXAMPLES))
    ordered = grouped.sort(-pl.col("len").cast(pl.Int64), "end", "end_after")
    return [
        Move(before=before, after=after, samples=count, examples=tuple(ids))
        for before, after, count, ids in ordered.iter_rows()
    ]


def _ends(directory: Path) -> pl.DataFrame:
    frames = [pl.DataFrame(schema={"id": pl.String, "end": pl.String})]
    for kind in KINDS:
        for file in _files(directory, kind):
            if kind == "data":
                frames.append(pl.read_parquet(file, columns=["id"]).with_columns(end=pl.lit("kept")))
            else:
                dropped = pl.read_parquet(file, columns=list(_FATE))
                prefix = "FAILED " if kind == "failed" else ""
                end = pl.format("{}{}: {}", pl.lit(prefix), "drop_step", "drop_reason")
                frames.append(dropped.select("id", end=end))
    return pl.concat(frames)


def _files(directory: Path, kind: str) -> list[Path]:
    if not (directory / STATE).is_dir():
        raise UsageError(f"{directory} is no output of `curate run`; give the directory of [output] dir or --output")
    return sorted((directory / kind).glob("*.parquet"))


def status_of(directory: Path) -> str:
    """How far a run is, in one line, also while another process is at it.

    Raises:
        UsageError: the directory is no run's.
    """
    _files(directory, "data")
    if (directory / MANIFEST).is_file():
        manifest = read_manifest(directory)
        done = f"{len(manifest.done)} of {len(manifest.shards) + len(manifest.unfinished_shards)} shards"
        counts = ", ".join(f"{manifest.total(end):,} {end}" for end in ("kept", "rejected", "failed"))
        word = "done" if manifest.is_complete else "not complete"
        return f"{word}: {done}; {manifest.total('samples'):,} samples: {counts}"
    state = directory / STATE
    facts, verdicts = (len(list(state.glob(f"*.{kind}.parquet"))) for kind in ("facts", "verdicts"))
    entries = len(list((directory / "shards").glob("*.json")))
    word = "running" if _is_held(directory) else "stopped before the end; run the same command again to go on"
    return f"{word}: {facts} shards read, {verdicts} judged, {entries} written"


def _is_held(directory: Path) -> bool:
    """Whether a run is at work on the directory."""
    try:
        with held_still(directory):
            return False
    except RunLockedError:
        return True
