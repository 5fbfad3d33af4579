"""Jobs that cannot be: refused when they are made, not when they run."""

from __future__ import annotations

import pytest

from verifier.sandbox.base import CallRun, InteractiveRun, Job, Limits, PairRun, Program, ScriptRun, StdioRun

PYTHON = Program(source_name="a.py", source="")
EXECUTED = Program(source_name="a", source="", run_command=("{source}",))


def test_names_of_files_hold_no_directory():
    for name in ("", ".", "..", "a/b", "/etc/passwd", "a\0", "x" * 300):
        with pytest.raises(ValueError, match="not the name of a file"):
            Program(source_name="a.py", source="", files=((name, ""),))
        with pytest.raises(ValueError, match="not the name of a file"):
            StdioRun(files=((name, b""),))


@pytest.mark.parametrize(
    ("program", "peer", "run"),
    [
        (EXECUTED, None, PairRun()),
        (PYTHON, None, InteractiveRun()),
        (PYTHON, EXECUTED, PairRun()),
        (EXECUTED, PYTHON, PairRun()),
        (EXECUTED, None, CallRun(entry_point="f", args="[]", kwargs="")),
        (EXECUTED, None, ScriptRun(entry_point="f", script="", framework="plain")),
    ],
)
def test_a_run_needs_the_programs_that_it_is_made_of(program, peer, run):
    with pytest.raises(ValueError, match="need"):
        Job(toolchain="python", program=program, peer=peer, runs=(run,), limits=Limits())
