"""A fake engine for curation, and a command that runs a recipe with it: ``python -m tests.fakes_curation``."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.executors.local import LocalPlacement
from curation.executors.passes import Observer, RunPlan, RunReport, run
from curation.executors.placement import Placement
from curation.manifest import ShardEntry
from curation.recipe import load_recipe, parse_recipe
from curation.shards import check_columns, cut_into_shards
from curation.sources import find_sources
from curation.steps import build_steps
from verifier.errors import OverloadedError, ServerUnavailableError
from verifier.types import EngineInfo, Group, GroupResult, MathReference, Scored, Verdict


class FakeEngine:
    """Judges by the text after ``answer:``; words in the completion bring about trouble.

    ``flaky`` fails on the first asking, ``broken`` always; ``latency_s`` varies by content. One that ``is_swift`` needs
    no waiting for the groups of every other prompt.
    """

    def __init__(
        self, *, latency_s: float = 0.0, dies_after: int | None = None, overloads: int = 0, is_swift: bool = False
    ) -> None:
        self.latency_s = latency_s
        self.is_swift = is_swift
        self.dies_after = dies_after
        self.overloads = overloads
        self.dies_quietly = False
        self.asked: list[Group] = []
        self.swift: list[Group] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._seen: set[str] = set()

    async def verify(self, group: Group) -> GroupResult:
        if self.overloads:
            self.overloads -= 1
            raise OverloadedError("full", retry_after_s=0.01)
        if self.dies_after is not None and len(self.asked) >= self.dies_after:
            if self.dies_quietly:
                verdict = Verdict.failed("server", "server_unavailable", "the server went away")
                return GroupResult(
                    id=group.id, scores=(Scored(reward=None, verdicts=(verdict,)),) * len(group.completions)
                )
            raise ServerUnavailableError("unreachable", "connection refused")
        self.asked.append(group)
        self.in_flight += len(group.completions)
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        digest = hashlib.sha256("".join(group.completions).encode()).digest()
        await asyncio.sleep(self.latency_s * (1 + digest[0] / 64))
        self.in_flight -= len(group.completions)
        return GroupResult(id=group.id, scores=tuple(self._score(group, text) for text in group.completions))

    def _score(self, group: Group, text: str) -> Scored:
        verdict = self._verdict(group, text)
        return Scored(reward=verdict.score, verdicts=(verdict,))

    def _verdict(self, group: Group, text: str) -> Verdict:
        if not isinstance(group.reference, MathReference):
            return Verdict.unscorable("math", "no_reference")
        if "broken" in text:
            return Verdict.failed("math", "worker_lost")
        if "flaky" in text and text not in self._seen:
            self._seen.add(text)
            return Verdict.failed("math", "worker_lost")
        answer = text.rpartition("answer:")[2].strip()
        if answer in group.reference.answers:
            return Verdict.correct("math", "equal")
        return Verdict.incorrect("math", "not_equal")

    def at_once(self, group: Group, *, is_well_formed: bool = False) -> GroupResult | None:
        if not self.is_swift or hashlib.sha256(group.prompt.encode()).digest()[0] % 2:
            return None
        self.swift.append(group)
        return GroupResult(id=group.id, scores=tuple(self._score(group, text) for text in group.completions))

    async def info(self) -> EngineInfo:
        return EngineInfo(
            version="0", verifiers=("math", "format"), recipes=("accuracy", "r1"), sandboxes=("local",), config_hash="f"
        )

    async def aclose(self) -> None:
        pass


class Deadly(FakeEngine):
    """Ends its process at the word ``kills``."""

    async def verify(self, group: Group) -> GroupResult:
        if any("kills" in text for text in group.completions):
            os._exit(1)
        return await super().verify(group)


@dataclass(frozen=True)
class FakeOpener:
    """Opens a fake engine, also in another process."""

    latency_s: float = 0.0
    is_swift: bool = False

    @asynccontextmanager
    async def __call__(self, processors: int | None) -> AsyncIterator[FakeEngine]:
        yield Deadly(latency_s=self.latency_s, is_swift=self.is_swift)


class Silence:
    """An observer that only counts."""

    def __init__(self) -> None:
        self.fresh: list[str] = []
        self.judged = 0
        self.current = ""

    def stage_started(self, stage: str, total: int) -> None:
        self.current = stage

    def advanced(self, count: int) -> None:
        self.judged += count if self.current == "judging" else 0

    def waits(self, told: str) -> None:
        pass

    def shard_ended(self, entry: ShardEntry, *, is_fresh: bool) -> None:
        if is_fresh:
            self.fresh.append(entry.name)


RECIPE = """
[[steps]]
name = "normalise"
[[steps]]
name = "validate"
[[steps]]
name = "format"
[[steps]]
name = "language_mix"
[[steps]]
name = "dedup"
[[steps]]
name = "verify"
[[steps]]
name = "select"
policy = "shortest"
count = 2
"""


def think(answer: object, reasoning: str = "because") -> str:
    return f"<think>{reasoning}</think> answer: {answer}"


def write_rows(
    path: Path, rows: Sequence[Mapping[str, object]], schema: pa.Schema | None = None, group: int = 100
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path, row_group_size=group)
    return path


def write_table(path: Path, table: pa.Table) -> None:
    """A table as the file's ending says: Parquet, or JSON lines, also compressed."""
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()).encode()
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)


def run_fake(
    globs: list[str],
    output: Path,
    *,
    recipe: str = RECIPE,
    engine: FakeEngine | None = None,
    observer: Observer | None = None,
    retries_failed: bool = False,
    store: Path | None = None,
    placement: Placement | None = None,
    threads: int | None = None,
) -> RunReport:
    parsed = replace(parse_recipe(recipe), globs=tuple(globs))
    sources = find_sources(parsed.globs, parsed.storage)
    check_columns(sources, parsed.columns, parsed.rows, parsed.schema)
    shards = cut_into_shards(sources)
    plan = RunPlan(
        recipe=parsed,
        steps=build_steps(parsed),
        shards=shards,
        output=output,
        retries_failed=retries_failed,
        store=store,
    )

    @asynccontextmanager
    async def open_fake(processors: int | None) -> AsyncIterator[FakeEngine]:
        yield engine or FakeEngine()

    return asyncio.run(run(plan, placement or LocalPlacement(open_fake, threads=threads), observer or Silence()))


def read_all(output: Path, kind: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for file in sorted((output / kind).glob("*.parquet")):
        rows.extend(pq.read_table(file).to_pylist())
    return rows


def completions_in(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The completions of kept samples."""
    return [row["messages"][-1]["content"] for row in rows]


def tree(output: Path) -> dict[str, str]:
    """Every file below a directory with the hash of its bytes."""
    return {
        str(file.relative_to(output)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(output.rglob("*"))
        if file.is_file()
    }


def main() -> None:
    recipe, glob, output, latency_s, store, *place = sys.argv[1:]
    text = Path(recipe).read_text(encoding="utf-8")
    load_recipe(Path(recipe))
    opener = FakeOpener(latency_s=float(latency_s), is_swift=True)
    placement: Placement = LocalPlacement(opener)
    if place == ["processes"]:
        placement = LocalPlacement(opener, processes=3, least_bytes=0)
    elif place:
        from curation.executors.ray_cluster import RayPlacement

        placement = RayPlacement(opener, address=place[0])
    report = run_fake([glob], Path(output), recipe=text, store=Path(store), placement=placement)
    sys.exit(1 if report.stopped else 0)


if __name__ == "__main__":
    main()
