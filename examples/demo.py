"""Shows the whole product on the examples of this folder: ``make demo``.

Starts the real gRPC server on a free port, scores ``completions.jsonl`` through it, compares every verdict with
the label in the file, stops the server, and curates ``shards/*.parquet``. Ends with status 1 if anything disagrees.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

HERE = Path(__file__).parent
OUT = HERE.parent / "out" / "demo"
BIN = Path(sys.executable).parent
COMPLETIONS = HERE / "completions.jsonl"
RECIPE = HERE / "curate.toml"
SHARDS = HERE / "shards"

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
WIDTH = 100
ACCURACY = ("math", "code")
STYLES = {"CORRECT": "green", "INCORRECT": "red", "UNSCORABLE": "yellow", "FAILED": "bold yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One completion as the table shows it."""

    group: str
    number: int
    verdicts: dict[str, dict[str, Any]]
    reward: float | None
    expected: str

    @property
    def accuracy(self) -> dict[str, Any]:
        """The verdict of the verifier that the reference asks for, or the one that says why there is none."""
        asked_for = (verdict for name, verdict in self.verdicts.items() if name in ACCURACY)
        return next(asked_for, next(iter(self.verdicts.values())))

    @property
    def lacks_toolchain(self) -> bool:
        """Whether this machine has no compiler for the program, which is no fault of the verifier's."""
        return bool(self.accuracy["outcome"] == "FAILED" and self.accuracy["reason"] == "no_toolchain")

    @property
    def agrees(self) -> bool:
        """Whether the verdict is the one the file names."""
        return bool(self.accuracy["outcome"] == self.expected)


def main() -> int:
    """Runs the demonstration; 0 if everything is as it should be."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)

    console.print(Rule("1. Score completions over gRPC"))
    with server() as address:
        console.print(f"verifier serve is listening on {address}")
        started = time.monotonic()
        results = score(address)
        seconds = time.monotonic() - started
    rows = list(rows_of(results))
    console.print(score_table(rows))
    all_agree = print_summary(console, rows, seconds)

    console.print(Rule("2. Curate Parquet shards with the same verifiers"))
    manifest = curate()
    is_whole = print_account(console, manifest)

    console.print(Rule())
    console.print(f"scored lines: {shown(OUT / 'scored.jsonl')}    curated data: {shown(OUT / 'curated')}")
    return 0 if all_agree and is_whole else 1


@contextmanager
def server() -> Iterator[str]:
    """The real server in a process of its own, as ``HOST:PORT``; stopped by SIGTERM, as an orchestrator would."""
    command = [BIN / "verifier", "serve", "--bind", "127.0.0.1:0", "--sandbox", "local"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        addresses: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=read_log, args=(process, addresses), daemon=True)
        reader.start()
        try:
            yield wait_for_address(addresses)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise SystemExit(f"the server did not stop within {STOP_TIMEOUT_S:.0f} s of SIGTERM") from None
            reader.join()
    if process.returncode != 0:
        raise SystemExit(f"the server ended with status {process.returncode}; see {shown(OUT / 'server.log')}")


def read_log(process: subprocess.Popen[str], addresses: queue.Queue[str | None]) -> None:
    """Copies the server's output to a file, and passes the address on once it is known."""
    with (OUT / "server.log").open("w", encoding="utf-8") as log:
        for line in process.stdout or ():
            log.write(line)
            log.flush()
            _, found, address = line.partition("listening on ")
            if found:
                addresses.put(address.split()[0])
    addresses.put(None)


def wait_for_address(addresses: queue.Queue[str | None]) -> str:
    """The address that the server says it listens on."""
    try:
        address = addresses.get(timeout=START_TIMEOUT_S)
    except queue.Empty:
        address = None
    if address is None:
        log = (OUT / "server.log").read_text(encoding="utf-8")
        raise SystemExit(f"the server did not start; it said:\n{log}")
    return address


def score(address: str) -> list[dict[str, Any]]:
    """The results of all groups, by the command that a user would call."""
    target = OUT / "scored.jsonl"
    # All is judged here, whatever was judged before.
    run(BIN / "verifier", "score", "--server", address, "--no-store", COMPLETIONS, "-o", target)
    return [json.loads(line) for line in target.read_text(encoding="utf-8").splitlines()]


def curate() -> dict[str, Any]:
    """Curates the shards and gives the manifest."""
    target = OUT / "curated"
    run(BIN / "curate", "run", RECIPE, "--input", SHARDS / "*.parquet", "--output", target, "--no-store")
    manifest: dict[str, Any] = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    return manifest


def run(*command: str | Path) -> None:
    """Runs a command of the product; what it says on standard error is shown if it fails, and ends all."""
    sys.stdout.flush()
    width = {} if sys.stdout.isatty() else {"COLUMNS": str(WIDTH)}
    # A terminal keeps standard error, for the progress bar.
    said = None if sys.stderr.isatty() else subprocess.PIPE
    done = subprocess.run(command, check=False, stderr=said, text=True, env={**os.environ, **width})
    if done.returncode != 0:
        raise SystemExit(f"{done.stderr or ''}{Path(command[0]).name} {command[1]} ended with status {done.returncode}")


def rows_of(results: list[dict[str, Any]]) -> Iterator[Row]:
    """Results and labels side by side."""
    groups = [json.loads(line) for line in COMPLETIONS.read_text(encoding="utf-8").splitlines()]
    for group, result in zip(groups, results, strict=True):
        if group["id"] != result["id"]:
            raise SystemExit(f"group {group['id']} was answered as {result['id']}")
        for number, (scored, expected) in enumerate(zip(result["scores"], group["expect"], strict=True), start=1):
            yield Row(
                group=group["id"],
                number=number,
                verdicts={verdict["verifier"]: verdict for verdict in scored["verdicts"]},
                reward=scored.get("reward"),
                expected=expected,
            )


def score_table(rows: list[Row]) -> Table:
    """One line a completion."""
    table = Table(box=None, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column("group", max_width=30, no_wrap=True)
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("accuracy", no_wrap=True)
    table.add_column("reason", max_width=16, no_wrap=True)
    table.add_column("format", max_width=18, no_wrap=True)
    table.add_column("language", justify="right", no_wrap=True)
    table.add_column("reward", justify="right", min_width=6, no_wrap=True)
    table.add_column("label", no_wrap=True)
    last = ""
    for row in rows:
        outcome = row.accuracy["outcome"]
        table.add_row(
            row.group if row.group != last else "",
            str(row.number),
            Text(outcome.lower(), style=STYLES[outcome]),
            row.accuracy["reason"],
            format_cell(row.verdicts.get("format")),
            language_cell(row.verdicts.get("language")),
            "none" if row.reward is None else f"{row.reward:.2f}",
            label_cell(row),
        )
        last = row.group
    return table


def label_cell(row: Row) -> Text:
    """How the verdict compares with the label."""
    if row.agrees:
        return Text("ok", style="green")
    if row.lacks_toolchain:
        return Text("not judged", style="yellow")
    return Text(f"not {row.expected.lower()}", style="bold red")


def format_cell(verdict: dict[str, Any] | None) -> Text:
    """The reason of the format verdict, or nothing where the recipe does not ask for one."""
    if verdict is None:
        return Text("-", style="dim")
    return Text(verdict["reason"], style=STYLES[verdict["outcome"]])


def language_cell(verdict: dict[str, Any] | None) -> Text:
    """The share of words in the language asked for."""
    if verdict is None:
        return Text("-", style="dim")
    share = verdict.get("score")
    return Text(verdict["reason"] if share is None else f"{share:.2f}", style=STYLES[verdict["outcome"]])


def print_summary(console: Console, rows: list[Row], seconds: float) -> bool:
    """Counts by outcome and agreement with the labels; whether all that could be judged agree."""
    outcomes = Counter(row.accuracy["outcome"] for row in rows)
    counted = ", ".join(f"{outcomes[name]} {name}" for name in STYLES)
    groups = len({row.group for row in rows})
    judged = [row for row in rows if not row.lacks_toolchain]
    agreeing = sum(row.agrees for row in judged)
    console.print(f"\n{groups} groups, {len(rows)} completions in {seconds:.1f} s: {counted}")
    if len(judged) < len(rows):
        lacking = len(rows) - len(judged)
        console.print(f"{lacking} C++ completions were not judged, for there is no compiler here: apt-get install g++")
    style = "bold green" if agreeing == len(judged) else "bold red"
    console.print(Text(f"{agreeing} of {len(judged)} verdicts agree with the labels\n", style=style))
    return agreeing == len(judged)


def print_account(console: Console, manifest: dict[str, Any]) -> bool:
    """Says that every sample is accounted for; whether it is so, and nothing failed."""
    totals = manifest["totals"]
    is_whole = totals["samples"] == totals["kept"] + totals["rejected"] + totals["failed"]
    sentence = (
        f"{totals['rows']} rows of {totals['shards']} shards hold {totals['samples']} samples = "
        f"{totals['kept']} kept + {totals['rejected']} rejected + {totals['failed']} failed"
    )
    console.print(Text(f"\n{sentence}\n", style="bold green" if is_whole else "bold red"))
    return is_whole and bool(manifest["is_complete"]) and totals["failed"] == 0


def shown(path: Path) -> str:
    """A path as the user would type it from the top of the repository."""
    return str(path.relative_to(HERE.parent))


if __name__ == "__main__":
    sys.exit(main())
