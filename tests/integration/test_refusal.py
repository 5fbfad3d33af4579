"""A machine without walls: programs are refused, not run, and mathematics is judged all the same.

The machine is made by a seccomp filter that takes Landlock and namespaces away from the whole command.
"""

import json
import subprocess
import sys
import tempfile
import textwrap

import pytest

from verifier import CodeReference, Group, MathReference, Outcome, StdioTest, open_engine
from verifier.sandbox.runner import walls

pytestmark = pytest.mark.skipif(not walls.has_seccomp(), reason="no seccomp filter is known for this processor")

WITHOUT_WALLS = """
    import errno, os, struct, sys
    from verifier.sandbox.runner import walls

    def op(code, k, jt=0, jf=0):
        return struct.pack("HBBI", code, jt, jf, k)

    refuse = 0x00050000 | errno.ENOSYS
    program = op(0x20, 0)
    for name in ("landlock", "unshare"):
        number = 444 if name == "landlock" else walls._SYSCALLS["unshare"]
        program += op(0x15, number, 0, 1) + op(0x06, refuse)
    walls.prctl(walls.PR_SET_NO_NEW_PRIVS, 1)
    walls.seccomp(program + op(0x06, 0x7FFF0000))
    os.execv(sys.executable, [sys.executable, "-m", "verifier", *sys.argv[1:]])
"""


def _without_walls(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", textwrap.dedent(WITHOUT_WALLS), *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=100, check=False)


def test_a_program_is_failed_with_a_remedy_and_not_run(tmp_path):
    witness = tmp_path / "witness"
    program = f"```python\nopen({str(witness)!r}, 'w')\n```"
    tests = [{"output": ""}]
    groups = [
        {
            "id": "code",
            "completions": [program],
            "reference": {"code": {"language": "python", "stdio": tests}},
        },
        {"id": "math", "completions": ["\\boxed{2}"], "reference": {"math": {"answers": ["2"]}}},
    ]

    done = _without_walls("score", "-", stdin="".join(json.dumps(group) + "\n" for group in groups))

    assert done.returncode == 0, done.stderr
    code, math = (json.loads(line)["scores"][0] for line in done.stdout.splitlines())
    assert code["reward"] is None
    assert (code["verdicts"][0]["outcome"], code["verdicts"][0]["reason"]) == ("FAILED", "no_isolation")
    assert "docker" in code["verdicts"][0]["detail"]
    assert math["reward"] == 1.0
    assert not witness.exists()


def test_the_doctor_says_what_to_do(tmp_path):
    done = _without_walls("doctor")

    assert done.returncode == 1, done.stdout
    assert "not ready" in done.stdout
    assert "--sandbox docker" in done.stdout


async def test_without_a_temporary_directory_programs_fail_with_the_remedy_and_mathematics_goes_on(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    program = CodeReference(language="python", stdio=(StdioTest(input="", output=""),))
    async with open_engine(workers=1, sandbox_slots=1) as engine:
        code, answer = await engine.averify(
            [
                Group(id="code", completions=("```python\npass\n```",), reference=program),
                Group(id="math", completions=("\\boxed{1}",), reference=MathReference(answers=("1",))),
            ]
        )
    [verdict] = code.scores[0].verdicts
    assert verdict.outcome is Outcome.FAILED
    assert verdict.detail.endswith("No such file or directory; mount a writable /tmp, or set TMPDIR")
    assert answer.scores[0].reward == 1.0
