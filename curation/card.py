"""``README.md`` of a run: the dataset card that the Hugging Face hub and ``load_dataset`` read, and people too.

Source:
    The form of the header: https://huggingface.co/docs/hub/datasets-cards and .../datasets-data-files-configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from curation.manifest import CARD, DataEntry, ShardEntry, total_dropped, total_failures
from curation.recipe import Recipe
from curation.steps import READ
from curation.visible import visible

UNKNOWN = "unknown"
"""Licence of an input of which none is told."""

_HEADER = re.compile(r"\A---\s*\n(.*?)\n---\s*$", re.DOTALL | re.MULTILINE)
_LICENCE = re.compile(r"^license:[ \t]*(?:\n[ \t]*-[ \t]*)?[\"']?([^\s\"'#]+)", re.MULTILINE)
_FENCE = re.compile(r"^`{3,}", re.MULTILINE)
_MARKUP = re.compile(r"[\\|`*<>\[\]]|(?<!\w)_|_(?!\w)")
_HEADER_BYTES = 1 << 16
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)
_SHOWN = 50


def card_of(
    recipe: Recipe, files: Sequence[DataEntry], shards: Sequence[ShardEntry], versions: Mapping[str, str]
) -> str:
    """The card of a run that has come to its end; the same run gives the same text.

    Args:
        recipe: of the run.
        files: of kept samples.
        shards: all of them.
        versions: of the packages that decide or write.
    """
    done = [shard for shard in shards if not shard.error]
    samples, kept = sum(shard.samples for shard in done), sum(shard.kept for shard in done)
    paths = dict.fromkeys(path for shard in shards for path in shard.paths)
    licences = {path: licence_of(path, recipe.licences) for path in paths}
    parts = [
        _header(files, kept, sorted(set(licences.values()))),
        "# Curated reasoning samples",
        _about(kept, samples, len(licences), versions),
        "## Splits\n\n" + _table(("split", "files", "samples", "characters"), _splits(files)),
        "## Domains\n\n" + _table(("domain", "samples", "share"), _domains(files, kept)),
        "## Yield\n\n"
        + _table(
            ("step", "reason", "samples", "left"), _funnel(done, samples, [READ, *(step.name for step in recipe.steps)])
        ),
        "## Inputs\n\n" + _table(("file", "licence", "completions", "kept", "yield"), _inputs(shards, licences)),
        "## Recipe\n\n" + _fenced(recipe.text),
        "Made with " + ", ".join(f"{name} {number}" for name, number in sorted(versions.items())) + ".",
    ]
    return "\n\n".join(parts) + "\n"


def licence_of(path: str, told: Mapping[str, str]) -> str:
    """The licence of an input: what the recipe tells of it, else that of the dataset card beside it or above.

    Args:
        path: of the file.
        told: glob -> licence; the first that fits counts.
    """
    for pattern, licence in told.items():
        if fnmatchcase(path, pattern):
            return licence
    if "://" in path:
        return UNKNOWN
    folder = Path(path).resolve().parent
    for place in (folder, folder.parent):
        try:
            with (place / CARD).open(encoding="utf-8", errors="replace") as stream:
                header = _HEADER.search(stream.read(_HEADER_BYTES))
        except OSError:
            continue
        found = _LICENCE.search(header[1]) if header else None
        if found:
            return found[1]
    return UNKNOWN


def _about(kept: int, samples: int, inputs: int, versions: Mapping[str, str]) -> str:
    return (
        f"{kept:,} samples, kept of {samples:,} completions ({_share(kept, samples)}) in {inputs:,} input file(s) by "
        f"`curate` {versions.get('assay', '')}. Each row is a conversation in `messages`, whose last message is the "
        f"completion that was kept; `reward` and `verdicts` say how it was judged, and `input_file`, `input_row`, "
        f"`completion_index` where it comes from."
    )


def _header(files: Sequence[DataEntry], kept: int, licences: Sequence[str]) -> str:
    lines = ["---"]
    # The hub knows one licence, or "other" with a name for it.
    lines += [f"license: {licences[0]}"] if len(licences) == 1 and licences[0] != UNKNOWN else ["license: other"]
    lines += ["task_categories:", "- text-generation", "tags:", "- reasoning", "- sft", "- curated-with-assay"]
    lines += ["size_categories:", f"- {_size(kept)}", "configs:", "- config_name: default", "  data_files:"]
    for split in dict.fromkeys(file.split for file in files):
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    return "\n".join([*lines, "---"]) if files else "\n".join([*lines[:-3], "---"])


def _size(kept: int) -> str:
    return next((name for most, name in _SIZES if kept < most), "100M<n<1B")


def _splits(files: Sequence[DataEntry]) -> Iterable[tuple[str, ...]]:
    for split in dict.fromkeys(file.split for file in files):
        own = [file for file in files if file.split == split]
        samples, chars = sum(file.output.samples for file in own), sum(file.chars for file in own)
        yield split, f"{len(own):,}", f"{samples:,}", f"{chars:,}"


def _domains(files: Sequence[DataEntry], kept: int) -> Iterable[tuple[str, ...]]:
    counts: dict[str, int] = {}
    for file in files:
        for domain, samples in file.domains.items():
            counts[domain] = counts.get(domain, 0) + samples
    for domain, samples in sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]:
        yield domain or "(none)", f"{samples:,}", _share(samples, kept)


def _funnel(done: Sequence[ShardEntry], samples: int, order: Sequence[str]) -> Iterable[tuple[str, ...]]:
    left = samples
    yield "in", "", f"{samples:,}", f"{left:,}"
    for ends, told in ((total_dropped(done), ""), (total_failures(done), "could not be judged: ")):
        for step in sorted(ends, key=order.index):
            for reason, count in sorted(ends[step].items(), key=lambda item: (-item[1], item[0])):
                left -= count
                yield step, told + reason, f"-{count:,}", f"{left:,}"


def _inputs(shards: Sequence[ShardEntry], licences: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    for path in list(licences)[:_SHOWN]:
        own = [(item, shard.error) for shard in shards for item in shard.inputs if item.path == path]
        samples, kept = sum(item.samples for item, _ in own), sum(item.kept for item, _ in own)
        note = " (in part not readable)" if any(error for _, error in own) else ""
        yield PurePath(path).name + note, licences[path], f"{samples:,}", f"{kept:,}", _share(kept, samples)
    if len(licences) > _SHOWN:
        yield f"and {len(licences) - _SHOWN:,} more, all in manifest.json", "", "", "", ""


def _table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    """A text that ends no cell and is no markup; names of files and domains are the users' own."""
    return _MARKUP.sub(r"\\\g<0>", visible(" ".join(text.split())))


def _fenced(text: str) -> str:
    """The text as code, whatever fences stand in it."""
    longest = max((len(fence) for fence in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}toml\n{text.rstrip()}\n{fence}"


def _share(count: int, whole: int) -> str:
    return f"{100 * count / whole:.1f} %" if whole else "-"
