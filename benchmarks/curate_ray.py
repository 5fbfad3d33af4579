"""What ``curate run --engine ray`` costs on two nodes of this machine, beside the same command without it.

    python benchmarks/curate_ray.py [--rows N] [--bytes LOW HIGH] [--runs N] [--folder DIR]

The preset ``r1`` runs, with verdicts on mathematics and an empty store, over one corpus (``reasoning_corpus``):
locally in as many processes as there are processors, on a cluster of two nodes with a processor each, and there with
one node killed (SIGKILL to its raylet, and so to all on it) when half of the shards have been read, and again when half
have been judged. All must leave the same bytes.

CPU seconds are those of all processes, of the command, of Ray and of the nodes, as each was seen last (Ray waits for
none of its own, so that the system forgets what they used). The cluster is started and stopped within
what is measured. What it costs before the first row is told apart by a second run over a corpus that is nearly empty:
``more rows`` is the difference of both, on either side. The machine should have two processors that nobody else uses,
or only the CPU seconds say something.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from curate_command import curate_command, curate_environment, preset
from process_cost import Cost, run_measured
from reasoning_corpus import LEAST_SHARDS, SAMPLES, SHARD_ROWS, write_corpus

NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
NEARLY_NONE = LEAST_SHARDS * SAMPLES
WORST = 0.20
"""Most that Ray may add to the CPU seconds of more rows."""
_ON_NODES = "--on-nodes"
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """An engine on one corpus.

    Args:
        cpu_s: median over the runs.
        wall_s: likewise.
        peak_bytes: likewise.
        digest: of the tree that all runs left.
    """

    cpu_s: float
    wall_s: float
    peak_bytes: int
    digest: str


def on_nodes(kills_at: str, command: list[str]) -> None:
    """Runs a command on a cluster of two nodes, the second of which may be killed; ``{address}`` is that of the head.

    Args:
        kills_at: glob of files and their number, ``GLOB*COUNT``: as so many are there, it is; empty for never.
        command: to run.
    """
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - only this process needs Ray

    cluster = Cluster(initialize_head=True, head_node_args=NODE)
    node = cluster.add_node(**NODE)
    try:
        with subprocess.Popen([part.format(address=cluster.address) for part in command]) as process:
            if kills_at:
                threading.Thread(target=_kill, args=(cluster, node, kills_at, process), daemon=True).start()
            status = process.wait()
    finally:
        cluster.shutdown()
    sys.exit(status)


def _kill(cluster: object, node: object, kills_at: str, process: subprocess.Popen[bytes]) -> None:
    pattern, _, count = kills_at.rpartition("*")
    folder, _, name = pattern.rpartition("/")
    while process.poll() is None:
        if len(list(Path(folder).glob(name))) >= int(count):
            cluster.remove_node(node, allow_graceful=False)  # type: ignore[attr-defined]
            print("killed", flush=True)
            return
        time.sleep(_LOOK_S)


def cluster_command(shards: Path, folder: Path, kills_at: str = "") -> list[str]:
    """``curate run --engine ray`` on a cluster of its own."""
    inner = [*curate_command(preset("r1"), shards, folder), "--engine", "ray", "--address", "{address}"]
    return [sys.executable, __file__, _ON_NODES, kills_at, *inner]


def digest_of(output: Path) -> str:
    """Of all names and bytes of a tree."""
    digest = hashlib.sha256()
    for file in sorted(path for path in output.rglob("*") if path.is_file()):
        digest.update(str(file.relative_to(output)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def measured(shards: Path, runs: int, scratch: Path) -> dict[str, Side]:
    """Both engines, in turn.

    Raises:
        SystemExit: a run failed, or two left different bytes.
    """
    costs: dict[str, list[Cost]] = {"local": [], "ray": []}
    digests: dict[str, None] = {}
    for _ in range(runs):
        for engine, found in costs.items():
            with tempfile.TemporaryDirectory(dir=scratch) as name:
                folder = Path(name)
                is_local = engine == "local"
                local = curate_command(preset("r1"), shards, folder)
                command = local if is_local else cluster_command(shards, folder)
                # Each node, and each process of the local engine, judges with one process.
                found.append(run_measured(command, env={**curate_environment(), "ASSAY_WORKERS": "1"}))
                digests[digest_of(folder / "out")] = None
    if len(digests) > 1:
        raise SystemExit(f"{shards}: the engines left different bytes")
    return {
        engine: Side(
            cpu_s=statistics.median(cost.seen_cpu_s for cost in found),
            wall_s=statistics.median(cost.wall_s for cost in found),
            peak_bytes=int(statistics.median(cost.peak_bytes for cost in found)),
            digest=next(iter(digests)),
        )
        for engine, found in costs.items()
    }


def killed(shards: Path, kind: str, scratch: Path) -> tuple[float, str]:
    """Wall seconds, and the digest, of a run that loses a node when half of the shards have a file of the kind."""
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        count = len(list(shards.iterdir())) // 2
        command = cluster_command(shards, folder, kills_at=f"{folder}/out/state/*.{kind}.parquet*{count}")
        started = time.perf_counter()
        env = {**curate_environment(), "ASSAY_WORKERS": "1"}
        told = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout
        if "killed" not in told:
            raise SystemExit(f"no node was killed while half of the {kind} were there; give more --rows")
        return time.perf_counter() - started, digest_of(folder / "out")


def main() -> None:
    """Makes the corpora, runs all, and prints."""
    if sys.argv[1:2] == [_ON_NODES]:
        on_nodes(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=160_000)
    parser.add_argument("--bytes", type=int, nargs=2, default=(4_000, 12_000), metavar=("LOW", "HIGH"))
    parser.add_argument("--runs", type=int, default=3, help="of each engine; the median counts")
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="where shards and results go while it runs (default: temporary)")
    options = parser.parse_args()
    # Ray tells its makers of each cluster otherwise.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    sizes = tuple(options.bytes)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        few, many = Path(name) / "few", Path(name) / "many"
        for folder, rows in ((few, NEARLY_NONE), (many, options.rows)):
            folder.mkdir()
            write_corpus(folder, rows, sizes=sizes, seed=options.seed, shard_rows=SHARD_ROWS // 2)
        start = measured(few / "shards", options.runs, Path(name))
        whole = measured(many / "shards", options.runs, Path(name))
        print(f"{'':>12}{'CPU s':>9}{'wall s':>9}{'peak MB':>9}")
        for title, sides in (("start-up", start), (f"{options.rows:,}", whole)):
            for engine, side in sides.items():
                print(
                    f"{title:>9} {engine:<5}{side.cpu_s:>6.1f}{side.wall_s:>9.1f}{side.peak_bytes / 1e6:>9,.0f}",
                    flush=True,
                )
        local, ray = whole["local"], whole["ray"]
        more = [whole[engine].cpu_s - start[engine].cpu_s for engine in ("local", "ray")]
        added = more[1] / more[0] - 1
        print(f"all:       CPU {ray.cpu_s / local.cpu_s - 1:+.0%}, wall {ray.wall_s / local.wall_s - 1:+.0%}")
        print(f"more rows: CPU {added:+.0%} ({more[0]:.1f} s and {more[1]:.1f} s)")
        for kind in ("facts", "verdicts"):
            wall_s, digest = killed(many / "shards", kind, Path(name))
            if digest != local.digest:
                raise SystemExit(f"a node was killed at half of the {kind}, and other bytes came out")
            print(f"a node killed at half of the {kind}: {wall_s:.1f} s, the same bytes", flush=True)
    if added > WORST:
        raise SystemExit(f"Ray adds {added:.0%} to the CPU seconds of more rows, over {WORST:.0%}")


if __name__ == "__main__":
    main()
