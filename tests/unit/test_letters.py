"""Runs the tests of letters in a process of their own.

They fork, as the supervisor does, and it has one thread and no native libraries. The process that runs all tests has
threads of many libraries, of which a fork may find locks held and memory half changed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).with_name("letters_and_forks.py")


def test_letters_reach_children_of_a_process_with_one_thread():
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(TESTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100, cwd=TESTS.parents[2])
    assert done.returncode == 0, done.stdout + done.stderr
