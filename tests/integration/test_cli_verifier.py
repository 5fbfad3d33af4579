"""The command ``verifier`` as a user calls it: real processes, real files, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from verifier.cli import main

COMMAND = (sys.executable, "-m", "verifier")
# The tests themselves may run under nohup, which the command would respect. Not by preexec_fn: in a child that gets to
# run Python before its program, gRPC begins threads anew, which end it when their files are closed.
HANGS_UP = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
SMALL = {"ASSAY_WORKERS": "1", "ASSAY_SANDBOX_SLOTS": "1"}


def line(name, *completions, **fields):
    return {
        "id": name,
        "completions": list(completions),
        "reference": {"math": {"answers": ["\\frac{1}{2}"]}},
        **fields,
    }


LINES = [
    json.dumps(line("right", "\\boxed{0.5}", "\\boxed{2}", expect=["CORRECT", "NOT_CORRECT"])),
    "{broken",
    json.dumps(line("no-list") | {"completions": "x"}),
    "",
    json.dumps(line("no-reference", "x", reference=None)),
    json.dumps(line("bad-gold", "\\boxed{1}", reference={"math": {"answers": [" "]}})),
    json.dumps(line("bad-recipe", "x", recipe="r9")),
    json.dumps(line("long", "x" * (5 << 20), "\\boxed{1/2}")),
    json.dumps(line("empty")),
    json.dumps(line("half", "a \\boxed{1/2} \ud800")),
]
INPUT = ("\n".join(LINES) + "\n").encode()


def run(*arguments, stdin=b"", **environ):
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=90,
        env={**os.environ, **SMALL, **environ},
    )


def started(*arguments):
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", HANGS_UP, *COMMAND, *arguments],
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env={**os.environ, **SMALL},
    )


@contextmanager
def server(*arguments):
    with started("serve", "--bind", "127.0.0.1:0", *arguments) as process:
        try:
            first = process.stdout.readline().decode()
            assert first.startswith("listening on "), process.stderr.read()
            yield first.split()[-1], process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(30)


@pytest.fixture(scope="module")
def here():
    return run("score", stdin=INPUT)


def test_every_line_is_answered_in_order_and_the_status_is_0(here):
    assert here.returncode == 0, here.stderr
    results = [json.loads(answer) for answer in here.stdout.splitlines()]
    assert [result["id"] for result in results] == [
        "right",
        "",
        "no-list",
        "no-reference",
        "bad-gold",
        "bad-recipe",
        "long",
        "empty",
        "half",
    ]
    told = [[score["verdicts"][0]["reason"] for score in result["scores"]] for result in results]
    assert told == [
        ["equal", "not_equal"],
        ["malformed_line 2: json"],
        ["malformed_line 3: completions"],
        ["no_reference"],
        ["unparseable_reference"],
        ["unknown_recipe"],
        ["too_long", "equal"],
        ["no_completions"],
        ["equal"],
    ]
    rewards = [[score["reward"] for score in result["scores"]] for result in results]
    assert rewards == [[1.0, 0.0], [None], [None], [None], [None], [None], [0.0, 1.0], [None], [1.0]]


def test_malformed_lines_are_told_and_counted_on_standard_error(here):
    errors = here.stderr.decode()
    assert "verifier: line 2: json: Expecting property name" in errors
    assert 'verifier: line 3: completions: expected a list, got the string "x"' in errors
    assert "9 groups, 11 completions, 2 malformed lines" in errors
    assert "Traceback" not in errors


def test_the_same_lines_come_back_from_a_server_byte_for_byte(here, tmp_path):
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(INPUT)
    with server() as (address, _):
        result = run("score", "--server", address, str(source), "-o", str(target))
    assert result.returncode == 0, result.stderr
    assert result.stdout == b""
    assert target.read_bytes() == here.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.jsonl", "out.jsonl"]


def test_a_recipe_on_the_command_line_overrides_that_of_the_lines():
    result = run("score", "--recipe", "format", stdin=json.dumps(line("a", "x", recipe="r9")).encode())
    assert json.loads(result.stdout)["scores"][0]["verdicts"][0]["verifier"] == "format"


def test_a_users_recipe_is_used_by_name(tmp_path):
    path = tmp_path / "recipes.toml"
    path.write_text("[recipes.double.terms.accuracy]\nweight = 2.0\n", encoding="utf-8")
    result = run("score", "--recipes", str(path), stdin=json.dumps(line("a", "\\boxed{1/2}", recipe="double")).encode())
    assert json.loads(result.stdout)["scores"][0]["reward"] == 2.0


def test_a_table_shows_each_completion():
    result = run("score", "--table", stdin=json.dumps(line("a", "\\boxed{1/2}", "x")).encode())
    rows = result.stdout.decode().splitlines()
    assert len(rows) == 3
    assert "math CORRECT equal" in rows[1]
    assert "math INCORRECT " in rows[2]


def test_results_come_while_the_input_is_still_open():
    with started("score") as process:
        for name in ("a", "b"):
            process.stdin.write(json.dumps(line(name, "\\boxed{1/2}")).encode() + b"\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["id"] == name
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_reader_that_has_enough_is_no_error():
    text = b"\n".join(json.dumps(line(str(i), "x")).encode() for i in range(3000))
    with started("score") as process:
        process.stdin.write(text[:100_000].rpartition(b"\n")[0] + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(text)
            process.stdin.close()
        errors = process.stderr.read()
        assert process.wait(30) == 1
    assert b"Traceback" not in errors


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=str
)
def test_a_signal_ends_at_once_and_leaves_no_output_file(tmp_path, number, status):
    with started("score", "-o", str(tmp_path / "out.jsonl")) as process:
        deadline = time.monotonic() + 30
        while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(2)
        process.send_signal(number)
        assert process.wait(20) == status
        assert b"Traceback" not in process.stderr.read()
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_written_and_the_target_of_a_link_replaced(tmp_path):
    pipe, target, link = tmp_path / "pipe", tmp_path / "target", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(target)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        assert run("score", "-o", str(pipe), stdin=LINES[0].encode()).returncode == 0
        assert json.loads(read.result(10))["id"] == "right"
    assert pipe.is_fifo()
    assert run("score", "-o", str(link), stdin=LINES[0].encode()).returncode == 0
    assert link.is_symlink()
    assert json.loads(target.read_bytes())["id"] == "right"


def test_a_full_disk_is_one_line_that_names_the_file():
    result = run("score", "-o", "/dev/full", stdin=LINES[0].encode())
    assert result.returncode == 1
    assert result.stderr == b"verifier: [Errno 28] No space left on device: '/dev/full'\n"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("score", "none.jsonl"), 2, "input none.jsonl cannot be read: No such file or directory"),
        (("score", "-o", "/none/out.jsonl"), 2, "output /none/out.jsonl cannot be written"),
        (("score", "-o", "/"), 2, "output / cannot be written: Is a directory"),
        (("score", "--recipe", "r9"), 2, "unknown recipe 'r9'; known: accuracy, format"),
        (("score", "--sandbox", "moon"), 2, "unknown sandbox 'moon'; known: docker, local"),
        (("score", "--server", "nowhere"), 2, "write HOST:PORT"),
        (("score", "--config", "none.toml"), 2, "settings file none.toml cannot be read"),
        (("score", "--recipes", "none.toml"), 2, "recipes file none.toml cannot be read"),
        (("score", "--workers", "0"), 2, "workers: 0 is too small"),
        (("score", "--nothing"), 2, "No such option"),
        (("serve", "--bind", "256.0.0.1:1"), 2, "cannot listen on 256.0.0.1:1"),
        (("serve", "--recipe", "r9"), 2, "unknown recipe 'r9'"),
        (("images", "build", "cobol"), 2, "unknown image 'cobol'; known: cpp, go, java, javascript, python, rust"),
    ],
)
def test_a_wrong_call_is_one_line_with_the_remedy(arguments, status, says):
    result = CliRunner().invoke(main, arguments, env=SMALL)
    assert result.exit_code == status
    assert says in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_doctor_says_what_stands_and_its_status_follows_the_chosen_sandbox():
    result = run("doctor", "--json")
    report = json.loads(result.stdout)
    assert report["sandbox"] == "local"
    assert set(report["sandboxes"]) >= {"local", "docker"}
    assert report["versions"]["math-verify"]
    assert result.returncode == (0 if report["is_ready"] else 1)
    local = report["sandboxes"]["local"]
    assert local["walls"] or local["remedy"]
    plain = run("doctor")
    assert b"sandbox local (chosen): " in plain.stdout


def test_sigterm_drains_and_ends_with_0():
    with server("--drain", "5") as (address, process):
        assert int(address.rpartition(":")[2]) > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert b"Traceback" not in process.stderr.read()


def test_no_process_outlives_the_server_even_when_it_is_killed():
    with server() as (_, process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert children
        process.kill()
        process.wait(10)
        deadline = time.monotonic() + 10
        while any(is_alive(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not [child for child in children if is_alive(child)]


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
