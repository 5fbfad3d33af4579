"""One verdict store for ``curate run`` and ``verifier score``, as their users call them: what one judged, both know."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes_curation import tree, write_rows
from tests.integration.test_cli_verifier import INPUT, SMALL, server
from verifier import open_engine
from verifier.types import Group, MathReference

ROOT = Path(__file__).parents[2]
VERIFIER = (sys.executable, "-m", "verifier")
CURATE = (sys.executable, "-c", "from curation.cli import main; main()")
RECIPE = '[[steps]]\nname = "verify"\n[verify]\nrecipe = "accuracy"\n'

MATH = [
    ("What is 1/4 + 1/4?", ["1/2"], ["So \\boxed{\\frac12}.", "\\boxed{2}", "I do not know.", "\\boxed{\\sqrt{1/4}}"]),
    ("Solve x^2 = 4. «é»", ["x = 2", "-2"], ["\\boxed{-2}", "\\boxed{x=2}", "\\boxed{\\text{half \ufffd"]),
    ("No gold can be read.", [" "], ["\\boxed{1}"]),
]
SQUARE = {"code": {"language": "python", "stdio": [{"input": str(n), "output": str(n * n)} for n in range(40)]}}
PROGRAMS = [
    "```python\nprint(int(input()) ** 2)\n```",
    "```python\nprint(int(input()) * 2)\n```",
    "```python\nprint(1 / 0)\n```",
    "no program",
]


def completions() -> int:
    return sum(len(texts) for _, _, texts in MATH) + len(PROGRAMS)


def called(*command: object, cwd: Path, **environ: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        check=False,
        timeout=100,
        cwd=cwd,
        env={**os.environ, **SMALL, "PYTHONPATH": str(ROOT), **environ},
    )


@pytest.fixture
def folder(tmp_path):
    """The same samples as shards and as lines."""
    rows = [{"prompt": prompt, "answer": answers, "completions": texts} for prompt, answers, texts in MATH]
    write_rows(tmp_path / "math.parquet", rows)
    program = {"prompt": "Square a number.", "tests": json.dumps(SQUARE), "completions": PROGRAMS}
    write_rows(tmp_path / "code.parquet", [program])
    lines = [
        {"id": prompt, "prompt": prompt, "completions": texts, "reference": {"math": {"answers": answers}}}
        for prompt, answers, texts in MATH
    ]
    # The default recipe may be named, and other keys do not matter.
    code = {"id": "c", "prompt": program["prompt"], "completions": PROGRAMS, "reference": SQUARE, "recipe": "accuracy"}
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, [*lines, code])) + "\n", encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    return tmp_path


def score(folder: Path, *options: object, **environ: str) -> tuple[bytes, int | None]:
    """What it prints, and how many completions it did not judge."""
    done = called(*VERIFIER, "score", "in.jsonl", *options, cwd=folder, **environ)
    assert done.returncode == 0, done.stderr
    known = re.search(rb"; (\d+) completions from the verdict store", done.stderr)
    return done.stdout, None if known is None else int(known[1])


def curate(folder: Path, name: str, *options: object, **environ: str) -> tuple[int, int] | None:
    """How many completions were to be judged, and how many of them were not."""
    command = ["run", "recipe.toml", "--input", "*.parquet", "--output", name]
    done = called(*CURATE, *command, *options, cwd=folder, **environ)
    assert done.returncode == 0, done.stderr
    told = re.search(rb"(\d+) completions to be judged, (\d+) of them known to the verdict store\n", done.stdout)
    return None if told is None else (int(told[1]), int(told[2]))


def test_what_curate_judged_score_does_not_judge_and_prints_the_same_bytes(folder):
    expected, none = score(folder, "--no-store")
    assert none is None
    assert curate(folder, "out", "--store", "s") == (completions(), 0)
    assert score(folder, "--store", "s") == (expected, completions())
    assert b'"detail":"40 of 40 passed"' in expected
    assert expected.count(b'"name":"stdio[39]"') == 3


def test_what_score_judged_curate_does_not_judge_and_writes_the_same_bytes(folder):
    assert curate(folder, "plain", "--no-store") is None
    assert score(folder, "--store", "s")[1] == 0
    assert curate(folder, "out", "--store", "s") == (completions(), completions())
    assert tree(folder / "out") == tree(folder / "plain")
    assert (folder / "out/data").is_dir()


def test_both_have_one_file_where_none_is_named(folder):
    place = {"XDG_CACHE_HOME": str(folder / "cache"), "ASSAY_VERDICT_STORE": ""}
    assert score(folder, **place)[1] == 0
    assert (folder / "cache/assay/verdicts.sqlite").is_file()
    assert curate(folder, "out", **place) == (completions(), completions())
    named = {"ASSAY_VERDICT_STORE": "other"}
    assert score(folder, **named)[1] == 0
    assert score(folder, "--store", "other", **place)[1] == completions()


def test_a_server_of_the_same_configuration_knows_and_is_known(folder):
    expected, _ = score(folder, "--store", "s")
    with server() as (address, process):
        assert score(folder, "--store", "s", "--server", address) == (expected, completions())
        assert score(folder, "--store", "of-server", "--server", address) == (expected, 0)
        assert curate(folder, "out", "--store", "of-server", "--server", address) == (completions(), completions())
    assert process.returncode == 0
    assert score(folder, "--store", "of-server") == (expected, completions())


def test_another_recipe_or_configuration_is_another_question(folder):
    (folder / "strict.toml").write_text("[recipes.strict.terms.accuracy.options.math]\ntolerance = 0.1\n")
    score(folder, "--store", "s")
    assert score(folder, "--store", "s", "--recipe", "format")[1] == 0
    assert score(folder, "--store", "s", "--recipes", "strict.toml")[1] == 0
    assert score(folder, "--store", "s", ASSAY_MAX_COMPLETION_BYTES="1000")[1] == 0
    assert score(folder, "--store", "s", "--workers", "2")[1] == completions()


def test_rows_of_a_dataset_are_known_to_both(tmp_path):
    case = json.loads((ROOT / "tests/cases/formats/humaneval.jsonl").read_text(encoding="utf-8").splitlines()[0])
    texts = [*case["right"], *case["wrong"]]
    write_rows(tmp_path / "a.parquet", [{**case["row"], "completions": texts}])
    (tmp_path / "in.jsonl").write_text(json.dumps({**case["row"], "completions": texts}), encoding="utf-8")
    (tmp_path / "recipe.toml").write_text(f'[input]\nformat = "humaneval"\n{RECIPE}', encoding="utf-8")
    expected, _ = score(tmp_path, "--format", "humaneval", "--no-store")
    assert curate(tmp_path, "out", "--store", "s") == (len(texts), 0)
    assert score(tmp_path, "--format", "humaneval", "--store", "s") == (expected, len(texts))


def test_odd_lines_are_answered_the_same_and_what_failed_or_was_refused_is_asked_again(tmp_path):
    (tmp_path / "in.jsonl").write_bytes(INPUT)
    expected, _ = score(tmp_path, "--no-store")
    assert score(tmp_path, "--store", "s") == (expected, 0)
    # All but two malformed lines, a recipe that is not known and a group without completions.
    assert score(tmp_path, "--store", "s") == (expected, 7)


def test_a_place_that_cannot_be_used_stops_who_named_it_and_nobody_else(folder):
    named = called(*VERIFIER, "score", "in.jsonl", "--store", "in.jsonl/s", cwd=folder)
    assert named.returncode == 2
    assert b"verifier: the verdict store in.jsonl/s cannot be used: " in named.stderr
    assert not named.stdout
    place = {"XDG_CACHE_HOME": str(folder / "in.jsonl"), "ASSAY_VERDICT_STORE": ""}
    default = called(*VERIFIER, "score", "in.jsonl", cwd=folder, **place)
    assert default.returncode == 0
    assert default.stderr.count(b"cannot be used") == 1
    assert b"; going on without\n" in default.stderr
    assert default.stdout == score(folder, "--no-store")[0]
    command = [*CURATE, "run", "recipe.toml", "--input", "*.parquet", "--output", "o", "--store", "in.jsonl"]
    named = called(*command, cwd=folder)
    assert named.returncode == 2
    assert b"curate: the verdict store in.jsonl cannot be used: file is not a database" in named.stderr


def test_a_store_that_was_damaged_costs_score_no_answer_and_stops_curate_with_the_remedy(folder):
    expected, _ = score(folder, "--store", "s")
    store = folder / "s"
    store.write_bytes(store.read_bytes()[:4096] + b"\xff" * 4096)
    done = called(*VERIFIER, "score", "in.jsonl", "--store", "s", cwd=folder)
    assert (done.returncode, done.stdout) == (0, expected)
    assert done.stderr.count(b"the verdict store s: database disk image is malformed") == 1
    assert b"all is judged from here on" in done.stderr
    command = [*CURATE, "run", "recipe.toml", "--input", "*.parquet", "--output", "out", "--store", "s"]
    stopped = called(*command, cwd=folder)
    assert stopped.returncode == 1
    assert b"the verdict store s: database disk image is malformed; give another with --store FILE" in stopped.stderr
    assert b"Traceback" not in stopped.stderr
    assert curate(folder, "out", "--store", "another") == (completions(), 0)
    assert curate(folder, "plain", "--no-store") is None
    assert tree(folder / "out") == tree(folder / "plain")


def test_two_at_once_fill_one_store(folder):
    expected, _ = score(folder, "--no-store")
    environ = {**os.environ, **SMALL, "PYTHONPATH": str(ROOT)}
    command = [*VERIFIER, "score", "in.jsonl", "--store", "s"]
    running = [
        subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=100)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert outputs == [expected, expected]
    assert score(folder, "--store", "s") == (expected, completions())


def test_what_was_judged_before_a_signal_is_known_afterwards(folder):
    environ = {**os.environ, **SMALL, "PYTHONPATH": str(ROOT)}
    command = [*VERIFIER, "score", "-", "--store", "s"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=folder, env=environ, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write((folder / "in.jsonl").read_bytes())
        process.stdin.flush()
        for _ in range(len(MATH) + 1):
            assert process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert score(folder, "--store", "s")[1] == completions()


def test_the_engine_of_a_program_shares_the_store(folder):
    score(folder, "--store", "s")
    prompt, answers, texts = MATH[0]
    group = Group(
        id="x", prompt=prompt, completions=(*texts, "\\boxed{3}"), reference=MathReference(answers=tuple(answers))
    )
    with open_engine(workers=1, sandbox_slots=1) as engine:
        [expected] = engine.verify([group])
    with open_engine(workers=1, sandbox_slots=1, store=folder / "s") as engine:
        # Four from the file, and one that is judged and kept.
        assert engine.verify([group]) == [expected]
    wanted = replace(group, id="only", completions=("\\boxed{3}",))
    (folder / "in.jsonl").write_text(
        json.dumps({"completions": wanted.completions, "prompt": prompt, "reference": {"math": {"answers": answers}}})
    )
    assert score(folder, "--store", "s")[1] == 1
