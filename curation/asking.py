"""What a run says when it is asked: what happened to a prompt or a completion, how two runs differ, how far it is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.errors import OutputError, RunLockedError, UsageError
from curation.finished import Manifest, held_still, outputs_of, read_manifest
from curation.lookup import Lookup, Place, Text, facts_file, rows_at, verdicts_file
from curation.manifest import DATA, DROPPED_KINDS, MANIFEST, STATE, Directory
from curation.progress_file import PASSES, Progress, read_progress
from curation.steps.verify import Verify
from curation.visible import in_a_line, measured, visible

_SHOWN_CHARS = 160
_DETAIL_CHARS = 60
_EXAMPLES = 3
_MINUTE_S, _HOUR_MIN = 60, 60
_KEYS = ("input_row", "completion_index")
_DROPPED = (*_KEYS, "drop_step", "drop_reason", "drop_value", "drop_detail", "reward", "verdicts")
_NOT_THERE = "not there"


def explained(directory: Path, wanted: str) -> Iterator[str]:
    """Lines on a prompt and all of its completions, or on one completion.

    Args:
        directory: of a run.
        wanted: an ``id``, a ``group_id``, or the id that a row of several completions has. Of a prompt whose rows have
            several ids any will do.

    Raises:
        UsageError: no such directory, or nothing of that name in it.
    """
    manifest = read_manifest(directory)
    try:
        hits = _hits(directory, manifest, wanted)
        if not hits.height:
            raise UsageError(
                f"{directory} has nothing of the id {wanted!r}; see the columns id and group_id of its files"
            )
        exact = hits.filter((pl.col("id") == wanted) & (pl.col("group_id") != wanted))
        if exact.height:
            yield from _told(_Asked(directory, manifest, exact), with_prompt=False)
            return
        every = _samples(directory, manifest, pl.col("group").is_in(hits["group"].unique().to_list()))
        for number, group in enumerate(hits["group"].unique(maintain_order=True)):
            if number:
                yield ""
            samples = every.filter(pl.col("group") == group)
            yield from _told(_Asked(directory, manifest, samples), with_prompt=True)
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        raise OutputError(f"{directory} cannot be read; run `curate run` again: {error}") from error


def _hits(directory: Path, manifest: Manifest, wanted: str) -> pl.DataFrame:
    identity = pl.col("id")
    of_row = identity.str.starts_with(f"{wanted}-") & identity.str.slice(len(wanted) + 1).str.contains(r"^\d+$")
    return _samples(directory, manifest, (identity == wanted) | (pl.col("group_id") == wanted) | of_row)


def _samples(directory: Path, manifest: Manifest, condition: pl.Expr) -> pl.DataFrame:
    """The facts of some samples with their ``shard`` and ``place`` in it, in the order of the input."""
    shards = [shard for shard in manifest.done if shard.samples]
    starts = pl.DataFrame(
        {
            "shard": [shard.name for shard in shards],
            "start": list(accumulate((shard.samples for shard in shards), initial=0))[:-1],
        },
        schema={"shard": pl.String, "start": pl.Int64},
    )
    columns = ("id", "group_id", "group", "file", *_KEYS, "domain", "chars")
    if not shards:
        return pl.DataFrame(schema=[*columns, "shard", "place", "input_file"])
    files = [facts_file(directory, shard.name) for shard in shards]
    found = (
        pl.scan_parquet(files, glob=False, row_index_name="place").filter(condition).select("place", *columns).collect()
    )
    found = found.with_columns(pl.col("place").cast(pl.Int64)).sort("place")
    placed = found.join_asof(starts, left_on="place", right_on="start")
    paths = {shard.name: shard.paths for shard in shards}
    named = pl.Series(
        "input_file", [paths[name][number] for name, number in placed.select("shard", "file").iter_rows()]
    )
    return placed.with_columns(named.cast(pl.String), place=pl.col("place") - pl.col("start")).drop("start")


@dataclass(frozen=True, slots=True)
class _Asked:
    """Some samples of a run, in the order of the input."""

    directory: Path
    manifest: Manifest
    samples: pl.DataFrame

    def fates(self) -> dict[Place, Mapping[str, object]]:
        """What became of those that were not kept: a row of ``rejected/`` or ``failed/`` with its ``kind``."""
        run = Directory(self.directory)
        outputs = {shard.name: shard.outputs for shard in self.manifest.done}
        found: dict[Place, Mapping[str, object]] = {}
        for (shard,), samples in self.samples.group_by("shard", maintain_order=True):
            for kind in DROPPED_KINDS:
                if kind not in outputs[str(shard)]:
                    continue
                of_them = [pl.col(name).is_in(samples[name].unique().to_list()) for name in ("input_row", "input_file")]
                scan = pl.scan_parquet(run.output(kind, str(shard)), glob=False).filter(*of_them)
                for row in scan.select("input_file", *_DROPPED).collect().iter_rows(named=True):
                    place = Place(
                        shard=str(shard), path=row["input_file"], row=row["input_row"], index=row["completion_index"]
                    )
                    found[place] = {**row, "kind": kind}
        return found

    def kept(self) -> dict[Place, Mapping[str, object]]:
        """The rows of ``data/`` with their ``file``; files without such rows are told by their statistics."""
        wanted = {(place.path, place.row, place.index): place for place in self.places()}
        rows, paths = (self.samples[name].unique().to_list() for name in ("input_row", "input_file"))
        of_them = pl.col("input_row").is_in(rows) & pl.col("input_file").is_in(paths)
        found: dict[Place, Mapping[str, object]] = {}
        run = Directory(self.directory)
        for entry in self.manifest.files:
            file = run.output(DATA, entry.name)
            scan = (
                pl.scan_parquet(file, glob=False, row_index_name="at")
                .select("at", "input_file", *_KEYS)
                .filter(of_them)
            )
            here = {
                at: wanted[path, row, index]
                for at, path, row, index in scan.collect().iter_rows()
                if (path, row, index) in wanted
            }
            for at, fields in rows_at(file, here, ("messages", "score", "reward", "verdicts")):
                found[here[at]] = {**fields, "file": entry.name}
        return found

    def places(self) -> list[Place]:
        """Where they stand."""
        return [
            Place(shard=shard, path=path, row=row, index=index)
            for shard, path, row, index in self.samples.select("shard", "input_file", *_KEYS).iter_rows()
        ]

    def judged(self) -> tuple[int, int]:
        """How many were found right, and how many right or wrong."""
        right = judged = 0
        if Verify.name in self.manifest.steps:
            for (shard,), samples in self.samples.group_by("shard", maintain_order=True):
                file = verdicts_file(self.directory, str(shard))
                of_them = pl.read_parquet(file, columns=["is_right"], glob=False)["is_right"].gather(samples["place"])
                right += int(of_them.sum())
                judged += of_them.len() - of_them.null_count()
        return right, judged


def _told(asked: _Asked, *, with_prompt: bool) -> Iterator[str]:
    fates, kept = asked.fates(), asked.kept()
    # Of each text a line is kept, as a prompt may have thousands.
    prompt, ends, reasons = "", dict[Place, str | None](), dict[Place, str]()
    for place, fields in kept.items():
        text = _kept_text(fields)
        prompt = prompt or in_a_line(text.prompt, _SHOWN_CHARS)
        ends[place] = None if text.completion is None else in_a_line(text.completion, _SHOWN_CHARS, is_end=True)
    for place, text in Lookup(asked.directory, asked.manifest).texts(
        place for place in asked.places() if place not in kept
    ):
        prompt = prompt or in_a_line(text.prompt, _SHOWN_CHARS)
        if text.missing:
            reasons[place] = text.missing
        else:
            ends[place] = None if text.completion is None else in_a_line(text.completion, _SHOWN_CHARS, is_end=True)
    if with_prompt:
        yield from _of_prompt(asked, fates, kept, prompt)
    for place, row in zip(asked.places(), asked.samples.iter_rows(named=True), strict=True):
        fields = kept.get(place) or fates.get(place, {})
        yield f"{visible(row['id'])}  {_fate(fields)}"
        index = "" if place.index is None else f" completion {place.index}"
        size = "" if row["chars"] is None else f", {row['chars']:,} characters"
        of = "" if with_prompt else f"prompt {visible(row['group_id'])}, "
        yield f"    {of}{place.path} row {place.row}{index}{size}"
        detail = fields.get("drop_detail")
        if detail is not None:
            yield f"    found: {in_a_line(str(detail), _SHOWN_CHARS)}"
        verdicts = fields.get("verdicts")
        for verdict in verdicts if isinstance(verdicts, list) else ():
            yield f"    {verdict['verifier']} {verdict['outcome']} {verdict['reason']}, reward {fields['reward']}"
        if place in reasons:
            yield f"    (the text is not to be had: {reasons[place]})"
        else:
            yield f"    {ends[place] or '(no text)'}"


def _of_prompt(
    asked: _Asked,
    fates: Mapping[Place, Mapping[str, object]],
    kept: Mapping[Place, Mapping[str, object]],
    prompt: str,
) -> Iterator[str]:
    names = asked.samples["group_id"].unique(maintain_order=True).to_list()
    domain = asked.samples["domain"][0]
    yield f"prompt {visible(', '.join(names))}" + (f", domain {visible(domain)}" if domain else "")
    yield f"    {prompt or '(its text is not to be had)'}"
    ends = [("kept", len(kept))]
    ends += [(kind, sum(fields["kind"] == kind for fields in fates.values())) for kind in DROPPED_KINDS]
    counts = ", ".join(f"{count:,} {end}" for end, count in ends if count)
    right, judged = asked.judged()
    verdict = f"; {right:,} right of {judged:,} judged" if judged else ""
    samples = asked.samples.height
    yield f"    {samples:,} completion{'s' if samples > 1 else ''}: {counts}{verdict}"


def _fate(fields: Mapping[str, object]) -> str:
    if "file" in fields:
        score = fields["score"]
        told = f", score {measured(score)}" if isinstance(score, float) else ""
        return f"kept in {DATA}/{fields['file']}.parquet{told}"
    value = fields.get("drop_value")
    size = f", measured {measured(value)}" if isinstance(value, float) else ""
    return f"{fields['kind']} by {fields['drop_step']}: {fields['drop_reason']}{size}"


def _kept_text(fields: Mapping[str, object]) -> Text:
    messages = fields["messages"]
    turns = messages if isinstance(messages, list) else []
    return Text(prompt="\n\n".join(turn["content"] or "" for turn in turns[:-1]), completion=turns[-1]["content"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Samples that one run sent to one end and another run to another.

    Args:
        before: ``kept``, ``STEP: REASON``, or ``not there``.
        examples: a few ids, each with what was measured and found where it came to another end.
    """

    before: str
    after: str
    samples: int
    examples: tuple[str, ...]


def differences(one: Path, other: Path) -> Iterator[str]:
    """Lines on how the ends of samples differ between two runs, the most frequent first.

    Raises:
        UsageError: a directory is no run's.
    """
    found = moves(one, other)
    for move in found:
        yield f"{move.samples:>9,}  {move.before}  ->  {move.after}  (such as {', '.join(move.examples)})"
    if not found:
        yield "no sample came to another end"


def moves(one: Path, other: Path) -> list[Move]:
    """How the ends of samples differ between two runs, the most frequent first.

    Samples are told by their id; of several that share one, by their order in the input.

    Raises:
        UsageError: a directory is no run's.
    """
    manifests = [read_manifest(directory) for directory in (one, other)]
    ends = [_ends(directory, manifest) for directory, manifest in zip((one, other), manifests, strict=True)]
    both = ends[0].join(ends[1], on=["id", "turn"], how="full", coalesce=True, suffix="_after")
    both = both.with_columns(pl.col("end", "end_after").cast(pl.String).fill_null(_NOT_THERE))
    moved = both.filter(pl.col("end") != pl.col("end_after")).sort("id", "turn")
    grouped = (
        moved.group_by("end", "end_after", maintain_order=True)
        .agg(pl.len(), pl.col("id").head(_EXAMPLES))
        .sort(-pl.col("len").cast(pl.Int64), "end", "end_after")
    )
    shown = grouped["id"].explode().unique().to_list()
    sizes = [_sizes(directory, manifest, shown) for directory, manifest in zip((one, other), manifests, strict=True)]
    return [
        Move(
            before=before,
            after=after,
            samples=count,
            examples=tuple(_example(name, sizes[0].get((name, before)), sizes[1].get((name, after))) for name in ids),
        )
        for before, after, count, ids in grouped.iter_rows()
    ]


def _ends(directory: Path, manifest: Manifest) -> pl.DataFrame:
    """The end of each sample, some bytes and its id; ``turn`` tells those of one id apart."""
    schema = {"id": pl.String, "input_file": pl.Categorical, "input_row": pl.Int64, "completion_index": pl.Int32}
    frames = [pl.DataFrame(schema={**schema, "end": pl.Categorical})]
    try:
        for kind, file, _ in outputs_of(directory, manifest):
            found = pl.scan_parquet(file, glob=False).select(
                "id", pl.col("input_file").cast(pl.Categorical), *_KEYS, end=_end(kind).cast(pl.Categorical)
            )
            frames.append(found.collect())
    except (pl.exceptions.PolarsError, OSError) as error:
        raise OutputError(f"{directory} cannot be read; run `curate run` again: {error}") from error
    every = pl.concat(frames).sort(pl.col("input_file").cast(pl.String), *_KEYS)
    return every.select("id", "end", turn=pl.int_range(pl.len(), dtype=pl.Int32).over("id"))


def _end(kind: str) -> pl.Expr:
    if kind == DATA:
        return pl.lit("kept")
    return pl.format("{}{}: {}", pl.lit("FAILED " if kind == "failed" else ""), "drop_step", "drop_reason")


def _sizes(directory: Path, manifest: Manifest, ids: Sequence[str]) -> dict[tuple[str, str], str]:
    """What was measured and found, by id and end, of the few samples that are shown."""
    found: dict[tuple[str, str], str] = {}
    for kind, file, _ in outputs_of(directory, manifest):
        if kind == DATA or not ids:
            continue
        few = pl.scan_parquet(file, glob=False).filter(pl.col("id").is_in(ids))
        for name, end, value, detail in (
            few.select("id", _end(kind).alias("end"), "drop_value", "drop_detail").collect().iter_rows()
        ):
            parts = [measured(value)] if value is not None else []
            parts += [in_a_line(detail, _DETAIL_CHARS)] if detail is not None else []
            if parts:
                found.setdefault((name, end), " ".join(parts))
    return found


def _example(name: str, before: str | None, after: str | None) -> str:
    told = " -> ".join(part for part in (before, after) if part is not None)
    return visible(name) + (f" [{told}]" if told else "")


def status_of(directory: Path) -> Iterator[str]:
    """Lines on how far a run is, also while another process is at it.

    Raises:
        UsageError: the directory is no run's.
    """
    if not (directory / STATE).is_dir():
        raise UsageError(f"{directory} is no output of `curate run`; give the directory of [output] dir or --output")
    progress = read_progress(directory)
    if (directory / MANIFEST).is_file():
        yield from _ended(read_manifest(directory), progress)
        return
    if _is_held(directory):
        yield f"running: {_stage(progress)}" if progress is not None else "running"
    else:
        at = f" while {progress.stage}" if progress is not None else ""
        yield f"stopped before the end{at}; run the same command again to go on"
    yield _known(directory, progress)
    if progress is not None and progress.waits and _is_held(directory):
        yield f"waiting: {progress.waits}"
    if progress is not None and progress.error:
        yield f"last error: {progress.error}"


def _ended(manifest: Manifest, progress: Progress | None) -> Iterator[str]:
    done = f"{len(manifest.done):,} of {len(manifest.shards) + len(manifest.unfinished_shards):,} shards"
    counts = ", ".join(f"{manifest.total(end):,} {end}" for end in ("kept", *DROPPED_KINDS))
    word = "done" if manifest.is_complete else "not complete"
    yield f"{word}: {done}; {manifest.total('samples'):,} samples: {counts}"
    bad = [shard for shard in manifest.shards if shard.error]
    if bad:
        last = bad[-1]
        told = f"{last.where}: {last.error} (shards/{last.name}.json)"
        yield f"{len(bad):,} shards could not be read, the last: {told}"
    failed = [shard for shard in manifest.done if shard.failed]
    if failed:
        yield f"{manifest.total('failed'):,} samples could not be judged, the last in failed/{failed[-1].name}.parquet"
    if progress is not None and progress.error:
        yield f"last error: {progress.error}"


def _stage(progress: Progress) -> str:
    number = f"pass {PASSES[progress.stage]} of {max(PASSES.values())}, " if progress.stage in PASSES else ""
    share = f" ({100 * progress.done // progress.total} %)" if progress.total else ""
    rate = f", {progress.rate:,.1f} a second" if progress.rate else ""
    left = "" if progress.seconds_left is None else f", about {_duration(progress.seconds_left)} left of this pass"
    unit = {"judging": "completions", "scoring": "completions", "writing": "files"}.get(progress.stage, "shards")
    ago = max(0.0, time.time() - progress.told)
    return (
        f"{number}{progress.stage}: {progress.done:,} of {progress.total:,} {unit}{share}{rate}{left}; "
        f"began {_duration(max(0.0, time.time() - progress.began))} ago, told {_duration(ago)} ago"
    )


def _known(directory: Path, progress: Progress | None) -> str:
    """What stands in files, whoever wrote them."""
    counts = {kind: _counted(directory, kind) for kind in ("facts", "verdicts")}
    entries = len(list((directory / "shards").glob("*.json")))
    of = f" of {progress.shards:,}" if progress is not None and progress.shards else ""
    (read, samples), (judged, completions) = counts["facts"], counts["verdicts"]
    return (
        f"{read:,}{of} shards read ({samples:,} samples), {judged:,} judged ({completions:,} samples), "
        f"{entries:,} accounted for"
    )


def _counted(directory: Path, kind: str) -> tuple[int, int]:
    """Shards of which something is known, and their samples."""
    shards = samples = 0
    for file in (directory / STATE).glob(f"*.{kind}.parquet"):
        try:
            samples += int(pq.read_metadata(file).num_rows)
        except (OSError, pa.ArrowException):
            # Replaced or taken away under our eyes.
            continue
        shards += 1
    return shards, samples


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), _MINUTE_S)
    hours, minutes = divmod(minutes, _HOUR_MIN)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _is_held(directory: Path) -> bool:
    """Whether a run is at work on the directory."""
    try:
        with held_still(directory):
            return False
    except RunLockedError:
        return True
