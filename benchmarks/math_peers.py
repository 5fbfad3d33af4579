"""Other projects' graders of mathematical answers, for ``math_verdicts.py``, in an interpreter that has them installed.

Reads rows as JSON lines from standard input (``gold``, ``completion``), asks one peer of each, and prints one JSON
object: the verdicts, the seconds of each and the CPU seconds of all. What raises, or takes longer than fifteen
seconds, is no.

    python math_peers.py PEER < rows
    python -m venv peers && peers/bin/pip install mathruler pylatexenc tqdm numpy sympy==1.12 \
        antlr4-python3-runtime==4.11.1 && peers/bin/pip install --no-deps verl lm-eval

The modules of verl and lm-eval are loaded without their packages, which would bring a framework each.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import signal
import sys
import time
import types
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

LIMIT_S = 15

Grader = Callable[[str, str], bool]


def site(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{name} is not installed here; see the head of this file")
    return Path(next(iter(spec.submodule_search_locations)))


def bare(name: str, path: Path) -> None:
    """A package whose ``__init__`` is not run."""
    package = types.ModuleType(name)
    package.__path__ = [str(path)]
    sys.modules[name] = package


def verl(module: str) -> types.ModuleType:
    root = site("verl")
    for name, path in (
        ("verl", root),
        ("verl.utils", root / "utils"),
        ("verl.utils.reward_score", root / "utils/reward_score"),
    ):
        bare(name, path)
    try:
        import_module("verl.utils.py_functional")
    except ImportError:
        stub = types.ModuleType("verl.utils.py_functional")
        stub.timeout_limit = lambda **_: lambda function: function  # type: ignore[attr-defined]
        sys.modules["verl.utils.py_functional"] = stub
    return import_module(f"verl.utils.reward_score.{module}")


def boxed(completion: str) -> str:
    """The last box, for graders that compare two answers."""
    start = completion.rfind("\\boxed{")
    if start < 0:
        return ""
    depth = 0
    for at in range(start + len("\\boxed"), len(completion)):
        depth += {"{": 1, "}": -1}.get(completion[at], 0)
        if depth == 0:
            return completion[start + len("\\boxed{") : at]
    return ""


def with_mathruler() -> Grader:
    grader = import_module("mathruler.grader")
    return lambda gold, completion: bool(grader.grade_answer(boxed(completion), gold))


def with_prime() -> Grader:
    grader = verl("prime_math")
    return lambda gold, completion: bool(grader.compute_score(completion, gold)[0])


def with_dapo() -> Grader:
    grader = verl("math_dapo")
    return lambda gold, completion: (
        grader.normalize_final_answer(boxed(completion)) == grader.normalize_final_answer(gold)
    )


def with_math_reward() -> Grader:
    grader = verl("math_reward")
    return lambda gold, completion: grader.compute_score(completion, gold) > 0


def with_minerva() -> Grader:
    spec = importlib.util.spec_from_file_location("minerva", site("lm_eval") / "tasks/minerva_math/utils.py")
    assert spec is not None
    assert spec.loader is not None
    grader = importlib.util.module_from_spec(spec)
    unused = types.ModuleType("math_verify")  # it only asks that it is there
    unused.parse = unused.verify = None  # type: ignore[attr-defined]
    sys.modules.setdefault("math_verify", unused)
    spec.loader.exec_module(grader)

    def grade(gold: str, completion: str) -> bool:
        sides = [grader.normalize_final_answer(text) for text in (gold, boxed(completion))]
        return bool(sides[0] == sides[1] or grader.is_equiv(*sides))

    return grade


PEERS: dict[str, Callable[[], Grader]] = {
    "verl prime_math": with_prime,
    "verl math_dapo": with_dapo,
    "verl math_reward": with_math_reward,
    "lm-eval minerva": with_minerva,
    "MathRuler": with_mathruler,
}


def main() -> None:
    rows = [json.loads(line) for line in sys.stdin]
    said = io.StringIO()
    verdicts: list[bool] = []
    seconds: list[float] = []

    def stop(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, stop)
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        grade = PEERS[sys.argv[1]]()
        with contextlib.suppress(Exception):
            grade("1", "\\boxed{x+1}")  # what it loads on the first call
        cpu_s = time.process_time()
        for row in rows:
            started = time.perf_counter()
            signal.alarm(LIMIT_S)
            try:
                verdicts.append(bool(grade(row["gold"], row["completion"])))
            except Exception:  # noqa: BLE001 - whatever a grader raises is its no
                verdicts.append(False)
            finally:
                signal.alarm(0)
            seconds.append(time.perf_counter() - started)
        cpu_s = time.process_time() - cpu_s
    print(json.dumps({"verdicts": verdicts, "seconds": seconds, "cpu_s": cpu_s}))


if __name__ == "__main__":
    main()
