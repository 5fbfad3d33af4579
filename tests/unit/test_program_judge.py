"""What a reference becomes in the sandbox, and how its results become statuses."""

from __future__ import annotations

import json
import signal

import pytest

from verifier.errors import SandboxError, UnscorableError
from verifier.judging.judge import ProgramJudge
from verifier.judging.languages import LANGUAGES
from verifier.judging.limits import Bounds
from verifier.sandbox.base import CallRun, Job, JobResult, RunResult, RunStatus, SandboxReport, ScriptRun, StdioRun
from verifier.types import CallTest, CodeReference, StdioTest

STDIO = (StdioTest(input="1\n", output="1\n"), StdioTest(input="2\n", output="2\n"))
CALLS = (CallTest(args="[1]", expected="1"),)


class CannedSandbox:
    """Gives the results it was made with, and keeps the job."""

    def __init__(self, *runs: RunResult, compiled: RunResult | None = None) -> None:
        self.result = JobResult(compile=compiled, runs=runs)
        self.job: Job

    async def run(self, job: Job) -> JobResult:
        self.job = job
        return self.result

    async def report(self) -> SandboxReport:
        return SandboxReport(backend="canned", is_ready=True, walls=(), toolchains=("python",))

    async def aclose(self) -> None:
        return


def ended(stdout=b"", *, report=None, status=RunStatus.EXITED, **fields):
    value = report if isinstance(report, bytes) else json.dumps(report).encode() if report is not None else b""
    return RunResult(status=status, stdout=stdout, value=value, **fields)


def opened(sandbox, bounds=None, **fields):
    fields = {"language": "python"} | fields
    return ProgramJudge(CodeReference(**fields), sandbox, bounds or Bounds())


async def statuses(*runs, compiled=None, **fields):
    judged = await opened(CannedSandbox(*runs, compiled=compiled), **fields).judge("program")
    return [(test.name, test.status.value, test.detail) for test in judged.tests]


async def script_status(report, framework="plain"):
    run = ended(report=report)
    ((name, status, detail),) = await statuses(run, script="f(1)", entry_point="f", framework=framework)
    return name, status, detail


# --- what is sent -----------------------------------------------------------------------------------------------


async def test_a_job_holds_no_expected_output():
    for fields in (
        {"stdio": (StdioTest(input="in", output="EXPECTED"),)},
        {"calls": (CallTest(args="[1]", expected='"EXPECTED"'),), "entry_point": "f"},
    ):
        sandbox = CannedSandbox(ended())
        await opened(sandbox, **fields).judge("program")
        assert "EXPECTED" not in repr(sandbox.job)


async def test_each_test_is_a_run_in_order():
    sandbox = CannedSandbox(ended(), ended())
    await opened(sandbox, stdio=STDIO).judge("program")
    assert sandbox.job.runs == (StdioRun(stdin=b"1\n"), StdioRun(stdin=b"2\n"))
    assert sandbox.job.program.source == "program"
    assert sandbox.job.stop_on_limit
    sandbox = CannedSandbox(ended())
    await opened(sandbox, calls=(CallTest(args="[1]", kwargs='{"a": 2}', expected="1"),), entry_point="f").judge("p")
    assert sandbox.job.runs == (CallRun(entry_point="f", args="[1]", kwargs='{"a": 2}'),)
    sandbox = CannedSandbox(ended(report={"tests": [["t", True, ""]], "calls": 1}))
    await opened(sandbox, script="f(1)", entry_point="f", framework="").judge("p")
    assert sandbox.job.runs == (ScriptRun(entry_point="f", script="f(1)", framework="plain"),)


async def test_limits_come_from_the_reference_or_the_verifier():
    sandbox = CannedSandbox(ended(), ended())
    await opened(sandbox, stdio=STDIO).judge("p")
    assert (sandbox.job.limits.cpu_time_s, sandbox.job.limits.memory_bytes) == (4.0, 512 << 20)
    await opened(sandbox, stdio=STDIO, time_limit_s=0.5, memory_limit_bytes=64 << 20).judge("p")
    assert (sandbox.job.limits.cpu_time_s, sandbox.job.limits.memory_bytes) == (0.5, 64 << 20)


async def test_what_a_program_may_write_covers_what_is_expected_and_is_bounded_in_all():
    sandbox = CannedSandbox(*(ended() for _ in range(1000)))
    await opened(sandbox, stdio=(StdioTest(input="", output="1"),) * 1000).judge("p")
    assert sandbox.job.limits.output_bytes * 1000 <= 128 << 20
    sandbox = CannedSandbox(ended())
    await opened(sandbox, stdio=(StdioTest(input="", output="x" * (20 << 20)),)).judge("p")
    assert sandbox.job.limits.output_bytes >= 20 << 20
    sandbox = CannedSandbox(ended())
    await opened(sandbox, calls=(CallTest(args="[]", expected='"' + "x" * 200_000 + '"'),), entry_point="f").judge("p")
    assert sandbox.job.limits.report_bytes >= 400_000


# --- references at fault ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "part", "fields"),
    [
        ("unsupported_language", "language 'cobol'", {"language": "cobol", "stdio": STDIO}),
        ("unsupported_language", "known: bash, c, cpp, go", {"language": "", "stdio": STDIO}),
        ("bad_reference", "exactly one", {}),
        ("bad_reference", "exactly one", {"stdio": STDIO, "script": "x"}),
        ("bad_reference", "framework 'nose'", {"script": "x", "framework": "nose"}),
        ("bad_reference", "need Python", {"language": "cpp", "calls": CALLS, "entry_point": "f"}),
        ("bad_reference", "entry_point", {"calls": CALLS}),
        ("bad_reference", "calls[0].args", {"calls": (CallTest(args="1,", expected="1"),), "entry_point": "f"}),
        ("bad_reference", "not a JSON list", {"calls": (CallTest(args="{}", expected="1"),), "entry_point": "f"}),
        (
            "bad_reference",
            "calls[0].kwargs",
            {"calls": (CallTest(args="[]", kwargs="[]", expected="1"),), "entry_point": "f"},
        ),
        (
            "bad_reference",
            "calls[1].expected",
            {"calls": (*CALLS, CallTest(args="[]", expected="")), "entry_point": "f"},
        ),
        ("bad_reference", "time_limit_s 0", {"stdio": STDIO, "time_limit_s": 0.0}),
        ("bad_reference", "time_limit_s nan", {"stdio": STDIO, "time_limit_s": float("nan")}),
        ("bad_reference", "time_limit_s 301", {"stdio": STDIO, "time_limit_s": 301.0}),
        ("bad_reference", "memory_limit_bytes 1", {"stdio": STDIO, "memory_limit_bytes": 1}),
        ("bad_reference", "memory_limit_bytes -1", {"stdio": STDIO, "memory_limit_bytes": -1}),
    ],
)
def test_a_reference_at_fault_is_told_before_anything_runs(reason, part, fields):
    with pytest.raises(UnscorableError) as error:
        opened(CannedSandbox(), **fields)
    assert error.value.reason == reason
    assert part in error.value.detail
    assert "reference.code" in error.value.detail


# --- stdio ------------------------------------------------------------------------------------------------------


async def test_every_test_gets_its_status():
    assert await statuses(ended(b"1"), ended(b"3"), stdio=STDIO) == [("stdio[0]", "AC", ""), ("stdio[1]", "WA", "")]


async def test_acceptance_needs_every_test():
    judged = await opened(CannedSandbox(ended(b"1"), ended(b"3")), stdio=STDIO).judge("p")
    assert not judged.is_accepted
    assert (judged.reason, judged.score) == ("WA", 0.0)
    judged = await opened(CannedSandbox(ended(b"1"), ended(b"2")), stdio=STDIO).judge("p")
    assert judged.is_accepted
    assert (judged.reason, judged.score) == ("AC", 1.0)


@pytest.mark.parametrize(
    ("run", "status", "detail"),
    [
        (ended(b"1", status=RunStatus.TIME), "TLE", ""),
        (ended(b"1", status=RunStatus.MEMORY), "MLE", ""),
        (ended(b"1", status=RunStatus.OUTPUT), "OLE", ""),
        (ended(b"1", status=RunStatus.PROCESSES), "RE", "too many processes"),
        (ended(status=RunStatus.BUDGET), "TLE", "the time for all test cases was spent"),
        (ended(status=RunStatus.SKIPPED), "SKIPPED", ""),
        (ended(b"1", exit_code=3), "RE", "exit code 3"),
        (ended(b"1", signal=signal.SIGSEGV), "RE", "SIGSEGV"),
        (ended(b"1", signal=99), "RE", "signal 99"),
        (ended(b"1", exit_code=1, report={"error": "ValueError"}), "RE", "ValueError"),
        (ended(b"1", exit_code=1, report={"error": "MemoryError"}), "MLE", ""),
        (ended(b"1", exit_code=1, report={"error": "SyntaxError", "is_compile_error": True}), "CE", "SyntaxError"),
        (ended(b"1", report=b"[1]"), "AC", ""),
        (ended(b"1", report=b"\xff{"), "AC", ""),
        (ended(b"1", report=b"[" * 100_000), "AC", ""),
        (ended(b"0", report={"value": 1, "tests": [["t", True, ""]]}), "WA", ""),
    ],
)
async def test_how_a_run_ended_becomes_a_status(run, status, detail):
    assert await statuses(run, stdio=STDIO[:1]) == [("stdio[0]", status, detail)]


async def test_a_name_that_a_solution_chose_is_cut_and_printable():
    error = ended(exit_code=1, report={"error": "E\n\x1b[31m" + "x" * 500})
    ((_, _, detail),) = await statuses(error, stdio=STDIO[:1])
    assert detail.startswith("E[31mxx")
    assert len(detail) <= 60


async def test_a_program_that_does_not_compile_fails_every_test():
    stderr = b"/work/3-kept/main.cpp: In function:\n/work/3-kept/main.cpp:1:1: error: expected ';'\nmore"
    found = await statuses(compiled=ended(exit_code=1, stderr=stderr), language="cpp", stdio=STDIO)
    assert found == [("stdio[0]", "CE", "expected ';'"), ("stdio[1]", "CE", "expected ';'")]
    found = await statuses(compiled=ended(status=RunStatus.TIME), language="cpp", stdio=STDIO[:1])
    assert found == [("stdio[0]", "CE", "compiling passed its time limit")]


async def test_a_program_in_cpp_has_no_report_of_its_own():
    run = ended(b"1", signal=signal.SIGABRT, stderr=b"what():  std::bad_alloc")
    assert await statuses(run, compiled=ended(), language="cpp", stdio=STDIO[:1]) == [("stdio[0]", "MLE", "")]
    run = ended(b"1", report={"error": "ValueError"})
    assert await statuses(run, compiled=ended(), language="cpp", stdio=STDIO[:1]) == [("stdio[0]", "AC", "")]


# --- calls ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("run", "status", "detail"),
    [
        (ended(report={"value": 1}), "AC", ""),
        (ended(report={"value": 2}), "WA", ""),
        (ended(report={"value": {"t": "no such", "v": 1}}), "WA", ""),
        (ended(report={}), "RE", "the call did not return"),
        (ended(b"1"), "RE", "the call did not return"),
        (ended(report=b'{"value": 2}\n{"value": 1}'), "WA", ""),
        (
            ended(exit_code=1, report={"error": "Uncrossable", "message": "a value of type X cannot cross"}),
            "RE",
            "a value of type X cannot cross",
        ),
        (ended(exit_code=1, report={"error": "ZeroDivisionError"}), "RE", "ZeroDivisionError"),
        (ended(exit_code=1, report={"value": 1}), "RE", "exit code 1"),
        (ended(report={"value": 1}, status=RunStatus.TIME), "TLE", ""),
    ],
)
async def test_what_a_call_gave_becomes_a_status(run, status, detail):
    assert await statuses(run, calls=CALLS, entry_point="f") == [("calls[0]", status, detail)]


async def test_a_huge_key_is_a_wrong_answer_and_no_trouble():
    run = ended(report={"value": {"t": "dict", "v": [[{"t": "int", "v": hex(10**5000)}, 1]]}})
    calls = (CallTest(args="[]", expected='{"1": 1}'),)
    assert await statuses(run, calls=calls, entry_point="f") == [("calls[0]", "WA", "")]


# --- scripts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "status", "detail"),
    [
        ({"tests": [["script", True, ""]], "calls": 1}, "AC", ""),
        ({"tests": [["script", False, "AssertionError"]], "calls": 1}, "WA", "AssertionError"),
        ({"tests": [["script", False, "TypeError"]], "calls": 1}, "RE", "TypeError"),
        (
            {"tests": [["script", True, ""]], "calls": 1, "solution_died": True},
            "RE",
            "the solution ended during the tests",
        ),
        ({"tests": [], "calls": 1}, "RE", "no test was completed"),
        ({"solution_error": "SyntaxError", "is_compile_error": True}, "CE", "SyntaxError"),
        ({"solution_error": "ImportError", "is_compile_error": False}, "RE", "ImportError"),
        ({}, "RE", "the tests did not end"),
    ],
)
async def test_what_a_tester_found_becomes_a_status(report, status, detail):
    assert (await script_status(report))[1:] == (status, detail)


async def test_each_test_of_a_framework_is_a_test():
    tests = [["A.test_a", True, ""], ["A.test_b", False, "AssertionError"], ["A.test_c", False, "KeyError"]]
    run = ended(report={"tests": tests, "calls": 3})
    found = await statuses(run, script="x", entry_point="f", framework="unittest")
    assert [(name, status) for name, status, _ in found] == [("A.test_a", "AC"), ("A.test_b", "WA"), ("A.test_c", "RE")]


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        ({"tests": [], "calls": 0}, "no_tests"),
        ({"tests": [["script", True, ""]], "calls": 0}, "vacuous_script"),
        ({"script_error": "SyntaxError"}, "bad_script"),
        ({"missing_module": "sortedcontainers"}, "missing_module"),
        (
            {"tests": [["script", False, "x"]], "calls": 1, "unscorable": "an argument of type X"},
            "unsupported_argument",
        ),
    ],
)
async def test_a_script_at_fault_is_the_task_s_fault(report, reason):
    with pytest.raises(UnscorableError) as error:
        await script_status(report)
    assert error.value.reason == reason


@pytest.mark.parametrize("report", [{"missing": "pytest"}, {"tests": [["t", 1, ""]], "calls": 1}])
async def test_a_tester_that_cannot_work_is_our_fault(report):
    with pytest.raises(SandboxError):
        await script_status(report, framework="pytest")


async def test_a_script_that_passed_a_limit_is_no_pass():
    report = {"tests": [["script", True, ""]], "calls": 1}
    found = await statuses(ended(report=report, status=RunStatus.TIME), script="x", entry_point="f")
    assert found == [("script", "TLE", "")]


def test_every_language_has_an_echo_and_its_names_lead_to_it():
    assert {"python", "cpp", "c++", "py"} <= set(LANGUAGES)
    for name, language in LANGUAGES.items():
        assert name in (language.name, *language.tags)
        assert language.echo
