"""The command ``curate`` of this checkout, for benchmarks that use it as its users do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# -P: the folder of a benchmark must not stand before the packages.
_CURATE = (sys.executable, "-P", "-c", "from curation.cli import main; main()")


def curate_command(recipe: str, shards: Path, folder: Path) -> list[str]:
    """``curate run`` of a recipe on all shards of a folder.

    Args:
        recipe: its text.
        shards: folder of the input.
        folder: gets the recipe, the results in ``out``, and a store of verdicts, as the user's own may hold some.
    """
    path = folder / "recipe.toml"
    path.write_text(recipe, encoding="utf-8")
    places = ["--output", str(folder / "out"), "--store", str(folder / "verdicts.sqlite")]
    return [*_CURATE, "run", str(path), "--input", str(shards / "*.parquet"), *places]


def curate_environment() -> dict[str, str]:
    """What the command needs to be the one of this checkout."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}


def preset(name: str) -> str:
    """The text of a preset."""
    command = [*_CURATE, "presets", "show", name]
    return subprocess.run(command, check=True, env=curate_environment(), stdout=subprocess.PIPE, text=True).stdout
