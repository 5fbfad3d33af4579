"""The main module of a worker process: loads its tasks, then answers one request after the other.

Started as ``python -m verifier.workers.child SPECIFICATION`` with frames on standard input and output. It ends when its
input ends, and the kernel ends it when the pool's thread goes away, so a worker never outlives its pool.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Never

from verifier.lifetime import end_with
from verifier.workers.frames import Json, pack, read_frame

Task = Callable[[Json], Json]

_CPU_GRACE_S = 5
"""The pool kills at the budget; the kernel only if the pool is too busy to look."""
_EXIT_MEMORY = 70


def main() -> None:
    """Runs the worker as its one argument says: a JSON object of parent, memory_bytes and tasks."""
    specification = json.loads(sys.argv[1])
    end_with(specification["parent"])
    reader, writer = _take_pipes()
    memory_bytes: int = specification["memory_bytes"]
    _limit(memory_bytes)
    try:
        tasks = {name: _load(path) for name, path in specification["tasks"].items()}
    except (ImportError, AttributeError, ValueError, MemoryError) as error:
        _answer(writer, {"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # after the imports, which write their caches
    gc.collect()
    gc.freeze()
    _answer(writer, {"ready": True})
    while (body := read_frame(reader)) is not None:
        _answer(writer, _serve(tasks, json.loads(body), memory_bytes))


def _take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Moves the protocol off descriptors 0 and 1, so that a library that prints cannot speak on it."""
    reader = os.fdopen(os.dup(0), "rb")
    writer = os.fdopen(os.dup(1), "wb")
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silent, descriptor)
    os.close(silent)
    return reader, writer


def _limit(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if os.access("/proc/self/oom_score_adj", os.W_OK):  # a machine out of memory should take a worker, not the server
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _load(path: str) -> Task:
    module, _, function = path.partition(":")
    task: Task = getattr(importlib.import_module(module), function)
    return task


def _serve(tasks: Mapping[str, Task], request: Mapping[str, Json], memory_bytes: int) -> Json:
    task, budget_s = tasks[str(request["task"])], float(str(request["cpu_budget_s"]))
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + budget_s) + _CPU_GRACE_S, hard))
    random.seed(0)
    try:
        value = task(request["payload"])
    except MemoryError:
        _end(_EXIT_MEMORY)
    except Exception as error:  # noqa: BLE001 - a bug of the task's; it crosses as text and is raised by the pool
        return {"error": "".join(traceback.format_exception(error, limit=-8))}
    return {"value": value, "retire": _address_space_bytes() > memory_bytes // 2}


def _end(status: int) -> Never:
    os._exit(status)  # no clean-up: there may be no memory for it


def _address_space_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    return int(pages) * resource.getpagesize()


def _answer(writer: BinaryIO, message: Json) -> None:
    writer.write(pack(message))
    writer.flush()


if __name__ == "__main__":
    main()
