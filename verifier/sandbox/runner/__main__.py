"""Loads this directory as the package ``assay_runner`` and starts it.

The name is not on ``sys.path``, so a solution cannot meet or shadow it by an import.
"""

import importlib.util
import sys
from pathlib import Path


def _load() -> None:
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "assay_runner", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    if spec is None or spec.loader is None:
        raise SystemExit("the runner's own directory cannot be read")
    package = importlib.util.module_from_spec(spec)
    sys.modules["assay_runner"] = package
    spec.loader.exec_module(package)
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != here]


_load()
importlib.import_module("assay_runner.supervisor").main()
