"""What a run tells its user: the funnel, and what failed with what to do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from curation.manifest import ShardEntry, total_dropped, total_failures

_SHOWN = 20


def funnel(entries: Sequence[ShardEntry], step_names: Sequence[str], *, is_sample: bool = False) -> Table:
    """Samples in, dropped by step and reason, kept and failed, as a table.

    Args:
        entries: of all shards.
        step_names: in the order of the recipe.
        is_sample: whether the entries are of a sample, which comes from shards that are not told.
    """
    done = [entry for entry in entries if not entry.error]
    samples = sum(entry.samples for entry in done)
    table = Table(title="Funnel of the sample" if is_sample else "Funnel", title_justify="left")
    table.add_column("step")
    table.add_column("reason", overflow="fold")
    table.add_column("samples", justify="right")
    table.add_column("left", justify="right")
    table.add_column("share", justify="right")
    rows = sum(entry.rows for entry in done)
    table.add_row(
        "in",
        f"{rows:,} rows" + ("" if is_sample else f" of {_shards(done)}"),
        f"{samples:,}",
        f"{samples:,}",
        _share(samples, samples),
    )
    dropped = total_dropped(done)
    failures = total_failures(done)
    left = samples
    for step in step_names:
        for reasons, word in ((dropped, ""), (failures, "FAILED ")):
            for reason, count in sorted(reasons.get(step, {}).items(), key=lambda item: (-item[1], item[0])):
                left -= count
                table.add_row(step, word + reason, f"-{count:,}", f"{left:,}", _share(count, samples))
    table.add_section()
    for word in ("kept", "rejected", "failed"):
        count = sum(getattr(entry, word) for entry in done)
        table.add_row(word, "", f"{count:,}", "", _share(count, samples))
    return table


def _shards(entries: Sequence[ShardEntry]) -> str:
    return f"{len(entries)} shard" if len(entries) == 1 else f"{len(entries)} shards"


def _share(count: int, whole: int) -> str:
    return f"{100 * count / whole:.1f}%" if whole else "-"


def troubles(entries: Sequence[ShardEntry], unfinished: Sequence[str], stopped: str) -> list[str]:
    """What went wrong and what to do, a line each; empty where all is well."""
    lines = [f"shard {entry.where} failed: {entry.error}" for entry in entries if entry.error]
    if lines:
        lines = _cut(lines)
        lines.append("the other shards are done; mend or remove these and run again")
    failed = [entry for entry in entries if entry.failed]
    if failed:
        count = sum(entry.failed for entry in failed)
        names = ", ".join(entry.name for entry in failed[:_SHOWN])
        lines.append(
            f"{count} sample(s) could not be judged and stand in failed/ ({names}); "
            f"when the cause is mended, run again with --retry-failed"
        )
    if stopped:
        lines.append(f"stopped: {stopped}")
        lines.append(f"{len(unfinished)} shard(s) are left; when that is mended, run the same command again")
    return lines


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], f"... and {more} more, all in manifest.json"] if more > 0 else lines
