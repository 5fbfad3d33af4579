"""A tester and a solution run as a ``PairRun`` does, without a jail: compiled apart, one end of a socket pair each."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from verifier.judging.bridges import CALLS, Bridge, TesterExit
from verifier.sandbox.base import Program
from verifier.types import CodeReference


class Pairs:
    """Runs pairs below a directory; a program is compiled once."""

    def __init__(self, directory: Path, time_s: float = 20.0) -> None:
        self._directory = directory
        self._time_s = time_s
        self._built: dict[Program, Path] = {}

    def found(self, bridge: Bridge, reference: CodeReference, program: str) -> TesterExit | str:
        """How the tester ended; ``CE`` if the solution does not compile, ``TLE`` if the tester does not end."""
        tester = self.built(bridge.tester(reference))
        assert isinstance(tester, list), tester
        solution = self.built(bridge.solution(reference, program))
        return self._run(tester, solution) if isinstance(solution, list) else "CE"

    def answered(self, bridge: Bridge, reference: CodeReference, reply: bytes) -> TesterExit | str:
        """How the tester ended after these bytes as the answer to its first call, and no more."""
        tester = self.built(bridge.tester(reference))
        assert isinstance(tester, list), tester
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = self._started(tester, theirs)
            ours.recv(1 << 16)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                ours.sendall(reply)
            ours.shutdown(socket.SHUT_WR)
            try:
                code = process.wait(self._time_s)
            except subprocess.TimeoutExpired:
                process.kill()
                return "TLE"
        return TesterExit(code) if code >= 0 else f"signal {-code}"

    def built(self, program: Program) -> list[str] | str:
        """The command that runs it, or what its compiler wrote."""
        where = self._built.get(program)
        if where is None:
            if not shutil.which(program.compile_command[0]):
                pytest.skip(f"{program.compile_command[0]} is not installed")
            where = self._built[program] = Path(tempfile.mkdtemp(dir=self._directory))
            for name, text in ((program.source_name, program.source), *program.files):
                (where / name).write_text(text)
            made = subprocess.run(
                _filled(program.compile_command, program, where), cwd=where, capture_output=True, text=True, check=False
            )
            (where / "failure").write_text(made.stderr if made.returncode else "")
        failure = (where / "failure").read_text()
        return failure or _filled(program.run_command, program, where)

    def _run(self, tester: list[str], solution: list[str]) -> TesterExit | str:
        ends = socket.socketpair()
        processes = [self._started(command, end) for command, end in zip((tester, solution), ends, strict=True)]
        for end in ends:
            end.close()
        try:
            return TesterExit(processes[0].wait(self._time_s))
        except subprocess.TimeoutExpired:
            return "TLE"
        finally:
            for process in processes:
                process.kill()
                process.wait()

    @staticmethod
    def _started(command: list[str], end: socket.socket) -> subprocess.Popen[bytes]:
        copied = os.dup(end.fileno())
        # A shell puts the end in its place; what was inherited under other numbers is closed.
        place = f"exec {CALLS}<&{copied} {copied}<&-; " if copied != CALLS else ""
        process = subprocess.Popen(
            ["bash", "-c", f'{place}exec "$@"', "bash", *command],
            pass_fds=(copied,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(copied)
        return process


def _filled(command: tuple[str, ...], program: Program, where: Path) -> list[str]:
    values = {"{source}": str(where / program.source_name), "{binary}": str(where / "program"), "{dir}": str(where)}
    for mark, value in values.items():
        command = tuple(word.replace(mark, value) for word in command)
    # What is tested here does not depend on it, and most of a compiler's time does.
    return ["-O0" if word == "-O2" else word for word in command]
