"""Loads this directory as the package ``assay_runner`` and starts the part that the first argument names.

The name is not on ``sys.path``, so a solution cannot meet or shadow it by an import.
"""

import contextlib
import importlib
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


def _load_libraries() -> None:
    """Maps what is written in C before anything else: libraries would cut memory into pieces (``memory.gather``)."""
    for name in _LIBRARIES:
        with contextlib.suppress(ImportError):  # built in, or not there
            importlib.import_module(name)


_LIBRARIES = (
    "_bisect", "_ctypes", "_datetime", "_decimal", "_heapq", "_json", "_opcode", "_pickle", "_queue", "_random",
    "_sha2", "_sha512", "_socket", "_statistics", "_struct", "_typing", "array", "binascii", "cmath", "fcntl", "math",
    "resource", "select",
)  # fmt: skip
if sys.argv[1] == "zygote":
    _load_libraries()
_load()
importlib.import_module(f"assay_runner.{sys.argv[1]}").main()
