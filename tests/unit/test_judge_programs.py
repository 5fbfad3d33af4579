"""The programs that a task brings: how they are called, what their ends mean, and who pays when they break."""

from __future__ import annotations

import json

import pytest

from verifier.errors import SandboxError, UnscorableError
from verifier.judging.bridges import BRIDGES
from verifier.judging.judge import ProgramJudge
from verifier.judging.limits import Bounds
from verifier.sandbox.base import (
    InteractiveRun,
    Job,
    JobResult,
    PairRun,
    RunResult,
    RunStatus,
    SandboxReport,
    StdioRun,
)
from verifier.types import CodeReference, JudgeProgram, SourceFile, StdioTest, TestGroup

STDIO = (StdioTest(input="in0", output="answer0"), StdioTest(input="in1", output="answer1"))
TESTLIB = JudgeProgram(language="cpp", source="int main() {}", args=("5",))
ICPC = JudgeProgram(language="python", source="pass", protocol="icpc", args=("x",))
PRINTED = JudgeProgram(language="python", source="pass", protocol="printed")
COMPILED = RunResult(status=RunStatus.EXITED)
NOT_COMPILED = RunResult(status=RunStatus.EXITED, exit_code=1, stderr=b"main.cpp:1:1: error: no\n")


def ended(code=0, *, status=RunStatus.EXITED, report=None, **fields):
    value = b"" if report is None else json.dumps(report).encode()
    return RunResult(status=status, exit_code=code, value=value, **fields)


class Answering:
    """Answers each job with the next of its results, and keeps the jobs."""

    def __init__(self, *results: JobResult | SandboxError) -> None:
        self.results = list(results)
        self.jobs: list[Job] = []

    async def run(self, job: Job) -> JobResult:
        self.jobs.append(job)
        result = self.results.pop(0)
        if isinstance(result, SandboxError):
            raise result
        return result

    async def report(self) -> SandboxReport:
        return SandboxReport(backend="answering", is_ready=True, walls=(), toolchains=("python",))

    async def aclose(self) -> None:
        return


def done(*runs, compiled=None, peer_compiled=None):
    return JobResult(compile=compiled, peer_compile=peer_compiled, runs=runs)


def opened(sandbox, **fields):
    fields = {"language": "python"} | fields
    if "script" not in fields:
        fields = {"stdio": STDIO} | fields
    return ProgramJudge(CodeReference(**fields), sandbox, Bounds())


async def judged(*results, **fields):
    judge = opened(Answering(*results), **fields)
    return await judge.judge("program")


# --- checkers: how they are called ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("checker", "args", "is_piped"),
    [
        (TESTLIB, ("input", "output", "answer", "5"), False),
        (ICPC, ("input", "answer", "./", "x"), True),
        (PRINTED, ("input", "answer", "output"), False),
    ],
    ids=["testlib", "icpc", "printed"],
)
async def test_a_checker_gets_the_files_of_its_case_in_a_job_of_its_own(checker, args, is_piped):
    right = ended(42) if checker is ICPC else ended(stdout=b"1")
    sandbox = Answering(done(ended(stdout=b"out0"), ended(stdout=b"out1")), done(right, right))
    found = await opened(sandbox, checker=checker).judge("program")
    assert found.is_accepted
    solution, checking = sandbox.jobs
    assert "answer" not in repr(solution)
    assert "program" not in repr(checking.runs) + checking.program.source
    assert checking.toolchain == "python"
    for at, run in enumerate(checking.runs):
        assert isinstance(run, StdioRun)
        assert run.args == args
        files = {"input": f"in{at}".encode(), "answer": f"answer{at}".encode()}
        assert dict(run.files) == (files if is_piped else files | {"output": f"out{at}".encode()})
        assert run.stdin == (f"out{at}".encode() if is_piped else b"")


async def test_only_cases_that_ended_well_are_checked():
    sandbox = Answering(done(ended(1), ended(stdout=b"out1")), done(ended(0)))
    found = await opened(sandbox, checker=TESTLIB).judge("program")
    assert [test.status.value for test in found.tests] == ["RE", "AC"]
    assert [dict(run.files)["output"] for run in sandbox.jobs[1].runs if isinstance(run, StdioRun)] == [b"out1"]
    sandbox = Answering(done(ended(1), ended(status=RunStatus.TIME)))
    found = await opened(sandbox, checker=TESTLIB).judge("program")
    assert [test.status.value for test in found.tests] == ["RE", "TLE"]


async def test_a_testlib_checker_tells_partial_scores_from_exit_codes():
    sandbox = Answering(done(ended(), ended()), done(ended(), ended()))
    await opened(sandbox, checker=TESTLIB).judge("program")
    assert sandbox.jobs[1].program.source == '#define TESTSYS\n#line 1 "main.cpp"\nint main() {}'


async def test_files_of_a_checker_lie_beside_it():
    checker = JudgeProgram(language="c++", source="x", files=(SourceFile(name="testlib.h", text="header"),))
    sandbox = Answering(done(ended(), ended()), done(ended(), ended()))
    await opened(sandbox, checker=checker, language="java").judge("class A {}")
    assert sandbox.jobs[1].program.files == (("testlib.h", "header"),)
    assert sandbox.jobs[1].toolchain == "java"


async def test_a_checker_in_another_language_runs_where_its_tools_are():
    sandbox = Answering(done(ended(), ended()), done(ended(), ended(), compiled=COMPILED))
    await opened(sandbox, checker=JudgeProgram(language="java", source="class A {}")).judge("program")
    assert sandbox.jobs[1].toolchain == "java"


# --- checkers: what their ends mean --------------------------------------------------------------------------------

BROKEN = "breaks_checker"


@pytest.mark.parametrize(
    ("checker", "run", "status", "score", "reason"),
    [
        (TESTLIB, ended(0), "AC", 1.0, "AC"),
        (TESTLIB, ended(1), "WA", 0.0, "WA"),
        (TESTLIB, ended(2), "WA", 0.0, "WA"),
        (TESTLIB, ended(4), "WA", 0.0, "WA"),
        (TESTLIB, ended(8), "WA", 0.0, "WA"),
        (TESTLIB, ended(3), "WA", 0.0, BROKEN),
        (TESTLIB, ended(42), "WA", 0.0, BROKEN),
        (TESTLIB, ended(7, stderr=b"points 0.25 half done\n"), "WA", 0.25, "WA"),
        (TESTLIB, ended(7, stderr=b"0.25\n"), "WA", 0.25, "WA"),
        (TESTLIB, ended(7, stderr=b"points 1"), "AC", 1.0, "AC"),
        (TESTLIB, ended(7, stderr=b"points 0"), "WA", 0.0, "WA"),
        (TESTLIB, ended(7, stderr=b"points 50"), "WA", 0.0, BROKEN),
        (TESTLIB, ended(7, stderr=b"points nan"), "WA", 0.0, BROKEN),
        (TESTLIB, ended(7, stderr=b"wrong, points 1"), "WA", 0.0, BROKEN),
        (TESTLIB, ended(7), "WA", 0.0, BROKEN),
        (TESTLIB, ended(50), "WA", 0.0, "WA"),
        (TESTLIB, ended(75), "WA", 0.25, "WA"),
        (TESTLIB, ended(150), "AC", 1.0, "AC"),
        (TESTLIB, ended(151), "WA", 0.0, BROKEN),
        (TESTLIB, ended(signal=11), "WA", 0.0, BROKEN),
        (TESTLIB, ended(status=RunStatus.TIME), "WA", 0.0, BROKEN),
        (TESTLIB, ended(0, status=RunStatus.OUTPUT), "WA", 0.0, BROKEN),
        (TESTLIB, ended(1, report={"error": "ValueError"}), "WA", 0.0, BROKEN),
        (ICPC, ended(42), "AC", 1.0, "AC"),
        (ICPC, ended(43), "WA", 0.0, "WA"),
        (ICPC, ended(0), "WA", 0.0, BROKEN),
        (ICPC, ended(1, report={"error": "ValueError"}), "WA", 0.0, BROKEN),
        (PRINTED, ended(stdout=b"1\n"), "AC", 1.0, "AC"),
        (PRINTED, ended(stdout=b" 1.0 "), "AC", 1.0, "AC"),
        (PRINTED, ended(stdout=b"0"), "WA", 0.0, "WA"),
        (PRINTED, ended(stdout=b"0.5"), "WA", 0.5, "WA"),
        (PRINTED, ended(stdout=b"1e-05"), "WA", 1e-05, "WA"),
        (PRINTED, ended(stdout=b""), "WA", 0.0, BROKEN),
        (PRINTED, ended(stdout=b"2"), "WA", 0.0, BROKEN),
        (PRINTED, ended(stdout=b"-1"), "WA", 0.0, BROKEN),
        (PRINTED, ended(stdout=b"nan"), "WA", 0.0, BROKEN),
        (PRINTED, ended(stdout=b"inf"), "WA", 0.0, BROKEN),
        (PRINTED, ended(stdout=b"1 1"), "WA", 0.0, BROKEN),
        (PRINTED, ended(1, stdout=b"1"), "WA", 0.0, BROKEN),
    ],
)
async def test_how_a_checker_ended_becomes_a_status(checker, run, status, score, reason):
    fields = {"stdio": STDIO[:1], "checker": checker, "scoring": "fraction"}
    found = await judged(done(ended()), done(run), **fields)
    assert [test.status.value for test in found.tests] == [status]
    assert (found.score, found.reason) == (score, reason)
    fields["scoring"] = "all"
    found = await judged(done(ended()), done(run), **fields)
    assert found.score == float(status == "AC")


async def test_cases_after_one_that_hung_the_checker_are_skipped():
    checking = done(ended(status=RunStatus.TIME), ended(status=RunStatus.SKIPPED))
    found = await judged(done(ended(), ended()), checking, checker=TESTLIB)
    assert [test.status.value for test in found.tests] == ["WA", "SKIPPED"]
    assert found.reason == BROKEN


async def test_a_program_that_takes_down_the_sandbox_of_its_checker_earns_nothing():
    lost = SandboxError("sandbox_lost", "gone", is_lost=True, is_own_doing=True)
    found = await judged(done(ended(), ended()), lost, checker=TESTLIB)
    assert (found.score, found.reason) == (0.0, BROKEN)
    with pytest.raises(SandboxError):
        await judged(done(ended(), ended()), SandboxError("sandbox_lost", "gone"), checker=TESTLIB)
    with pytest.raises(SandboxError):
        await judged(done(ended(), ended()), done(compiled=NOT_COMPILED), checker=TESTLIB)


# --- checkers: tried before any completion -------------------------------------------------------------------------


async def test_a_checker_is_tried_on_the_answers_of_the_task():
    sandbox = Answering(done(ended(0), ended(1), compiled=COMPILED))
    await opened(sandbox, checker=TESTLIB).check()
    (job,) = sandbox.jobs
    assert [dict(run.files)["output"] for run in job.runs if isinstance(run, StdioRun)] == [b"answer0", b"answer1"]


@pytest.mark.parametrize(
    ("result", "part"),
    [
        (done(compiled=NOT_COMPILED), "does not compile: no"),
        (done(compiled=ended(status=RunStatus.TIME)), "does not compile: compiling passed its time limit"),
        (
            done(*[ended(1, report={"error": "SyntaxError", "is_compile_error": True})] * 2),
            "does not compile: SyntaxError",
        ),
        (done(ended(0), ended(3)), "fails on the answer of stdio[1]: exit code 3"),
        (done(ended(0), ended(signal=6)), "fails on the answer of stdio[1]: SIGABRT"),
        (done(ended(status=RunStatus.TIME), ended(status=RunStatus.SKIPPED)), "stdio[0]: it passed its time limit"),
        (SandboxError("sandbox_lost", "gone", is_lost=True, is_own_doing=True), "takes its sandbox down"),
    ],
)
async def test_a_checker_that_fails_by_itself_is_the_task_s_fault(result, part):
    with pytest.raises(UnscorableError) as error:
        await opened(Answering(result), checker=TESTLIB).check()
    assert error.value.reason == "bad_checker"
    assert part in error.value.detail


async def test_an_empty_answer_proves_nothing_about_its_checker():
    tests = (StdioTest(input="1", output=" \n"), StdioTest(input="2", output=""))
    sandbox = Answering(done(ended(3), compiled=COMPILED))
    await opened(sandbox, stdio=tests, checker=TESTLIB).check()
    assert len(sandbox.jobs[0].runs) == 1
    with pytest.raises(UnscorableError, match="does not compile"):
        await opened(Answering(done(compiled=NOT_COMPILED)), stdio=tests, checker=TESTLIB).check()
    found = await judged(done(ended(), ended()), done(ended(3), ended(0)), stdio=tests, checker=TESTLIB)
    assert [test.status.value for test in found.tests] == ["WA", "AC"]


async def test_what_could_not_be_tried_is_our_fault():
    with pytest.raises(SandboxError):
        await opened(Answering(SandboxError("sandbox_lost", "gone")), checker=TESTLIB).check()


# --- interactors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("interactor", "args"), [(TESTLIB, ("input", "output", "answer", "5")), (ICPC, ("input", "answer", "./", "x"))]
)
async def test_an_interactor_is_the_peer_of_the_program(interactor, args):
    right = ended(42 if interactor is ICPC else 0)
    sandbox = Answering(done(ended(peer=right), ended(peer=right)))
    found = await opened(sandbox, interactor=interactor).judge("program")
    assert found.is_accepted
    (job,) = sandbox.jobs
    assert job.peer is not None
    assert job.peer.source.endswith(interactor.source)
    assert job.runs == tuple(
        InteractiveRun(args=args, files=(("input", f"in{at}".encode()), ("answer", f"answer{at}".encode())))
        for at in range(2)
    )


@pytest.mark.parametrize(
    ("run", "status", "reason"),
    [
        (ended(peer=ended(42)), "AC", "AC"),
        (ended(peer=ended(43)), "WA", "WA"),
        (ended(1, peer=ended(43)), "RE", "RE"),
        (ended(1, peer=ended(42)), "RE", "RE"),
        (ended(signal=11, peer=ended(42)), "RE", "RE"),
        (ended(1, peer=ended(9)), "RE", "RE"),
        (ended(peer=ended(9)), "WA", "breaks_interactor"),
        (ended(peer=ended(signal=6)), "WA", "breaks_interactor"),
        (ended(peer=ended(status=RunStatus.OUTPUT)), "WA", "breaks_interactor"),
        (ended(status=RunStatus.TIME, peer=ended(43)), "WA", "WA"),
        (ended(status=RunStatus.TIME, peer=ended(0)), "TLE", "TLE"),
        (ended(status=RunStatus.BUDGET), "TLE", "TLE"),
        (ended(status=RunStatus.TIME, peer=ended(42)), "TLE", "TLE"),
        (ended(status=RunStatus.MEMORY, peer=ended(42)), "MLE", "MLE"),
        (ended(status=RunStatus.SKIPPED), "SKIPPED", "SKIPPED"),
    ],
)
async def test_how_a_talk_ended_becomes_a_status(run, status, reason):
    found = await judged(done(run), stdio=STDIO[:1], interactor=ICPC)
    assert ([test.status.value for test in found.tests], found.reason) == ([status], reason)


async def test_an_interactor_is_compiled_before_any_completion():
    sandbox = Answering(done(ended(43)))
    await opened(sandbox, interactor=ICPC).check()
    assert sandbox.jobs[0].peer is None
    with pytest.raises(UnscorableError) as error:
        await opened(Answering(done(compiled=NOT_COMPILED)), interactor=TESTLIB).check()
    assert error.value.reason == "bad_interactor"


# --- scripts in other languages ------------------------------------------------------------------------------------

BASH = {"language": "bash", "script": '[[ $(f 1) = "1" ]]', "entry_point": "f", "signature": "f() { :; }"}


@pytest.mark.parametrize(
    ("run", "status"),
    [
        (ended(peer=ended(0)), "AC"),
        (ended(peer=ended(1)), "WA"),
        (ended(peer=ended(2)), "RE"),
        (ended(peer=ended(3)), "RE"),
        (ended(7, peer=ended(3)), "RE"),
        (ended(peer=ended(99)), "RE"),
        (ended(peer=ended(signal=11)), "RE"),
        (ended(peer=ended(0, signal=9)), "RE"),
        (ended(status=RunStatus.TIME, peer=ended(0)), "TLE"),
        (ended(peer=ended(0, status=RunStatus.TIME)), "TLE"),
        (ended(status=RunStatus.OUTPUT, peer=ended(0)), "OLE"),
    ],
)
async def test_how_a_tester_ended_becomes_a_status(run, status):
    sandbox = Answering(done(run, compiled=COMPILED, peer_compiled=COMPILED))
    found = await opened(sandbox, **BASH).judge("f() { echo 1; }")
    assert [(test.name, test.status.value) for test in found.tests] == [("script", status)]
    (job,) = sandbox.jobs
    assert job.runs == (PairRun(),)
    assert job.peer is not None
    assert BASH["script"] not in repr(job.program)


async def test_a_script_without_a_call_is_the_task_s_fault():
    with pytest.raises(UnscorableError) as error:
        await judged(done(ended(peer=ended(4)), compiled=COMPILED, peer_compiled=COMPILED), **BASH)
    assert error.value.reason == "vacuous_script"


async def test_a_tester_is_compiled_alone_before_any_completion():
    sandbox = Answering(done(compiled=COMPILED))
    await opened(sandbox, **BASH).check()
    assert (sandbox.jobs[0].peer, sandbox.jobs[0].runs) == (None, ())
    with pytest.raises(UnscorableError) as error:
        await opened(Answering(done(compiled=NOT_COMPILED)), **BASH).check()
    assert error.value.reason == "bad_script"


def test_a_script_that_no_bridge_can_split_is_never_run_beside_the_solution(monkeypatch):
    monkeypatch.setattr("verifier.judging.testing.BRIDGES", {"bash": BRIDGES["bash"]})
    with pytest.raises(UnscorableError, match="could fake a pass") as error:
        opened(Answering(), language="rust", script="fn main() {}")
    assert error.value.reason == "unisolated_script"


# --- partial credit ------------------------------------------------------------------------------------------------

TIMED_OUT, SKIPPED = ended(status=RunStatus.TIME), ended(status=RunStatus.SKIPPED)


def in_groups(*groups):
    return tuple(StdioTest(input=str(at), output="", group=group) for at, group in enumerate(groups))


async def test_where_each_case_can_earn_those_after_a_limit_are_run_too():
    sandbox = Answering(done(ended(), TIMED_OUT, SKIPPED, SKIPPED), done(TIMED_OUT, SKIPPED), done(ended()))
    judge = opened(sandbox, stdio=in_groups("", "", "", ""), scoring="fraction")
    found = await judge.judge("program")
    assert [test.status.value for test in found.tests] == ["AC", "TLE", "TLE", "AC"]
    assert (found.score, found.reason) == (0.5, "TLE")
    assert [[run.stdin for run in job.runs if isinstance(run, StdioRun)] for job in sandbox.jobs] == [
        [b"0", b"1", b"2", b"3"],
        [b"2", b"3"],
        [b"3"],
    ]


async def test_a_group_that_is_lost_is_not_run_on():
    sandbox = Answering(done(TIMED_OUT, SKIPPED, SKIPPED), done(ended()))
    found = await opened(
        sandbox,
        stdio=in_groups("a", "a", "b"),
        scoring="groups",
        groups=(TestGroup(name="a", points=1), TestGroup(name="b", points=1)),
    ).judge("program")
    assert [test.status.value for test in found.tests] == ["TLE", "SKIPPED", "AC"]
    assert found.score == 0.5


async def test_limits_are_passed_a_few_times_at_most():
    many = 12
    results = [done(TIMED_OUT, *[SKIPPED] * left) for left in range(many - 1, many - 6, -1)]
    sandbox = Answering(*results)
    found = await opened(sandbox, stdio=in_groups(*[""] * many), scoring="fraction").judge("program")
    assert [test.status.value for test in found.tests] == ["TLE"] * 5 + ["SKIPPED"] * 7
    assert sandbox.results == []


async def test_all_cases_share_a_budget_where_one_is_set():
    sandbox = Answering(
        done(ended(cpu_time_s=2.0), ended(status=RunStatus.TIME, cpu_time_s=4.0), SKIPPED), done(ended())
    )
    reference = CodeReference(language="python", stdio=in_groups("", "", ""), scoring="fraction")
    await ProgramJudge(reference, sandbox, Bounds(total_time_limit_s=10.0)).judge("program")
    assert [job.total_cpu_time_s for job in sandbox.jobs] == [10.0, 4.0]


# --- much to compare -----------------------------------------------------------------------------------------------


async def test_long_outputs_are_compared_whole_while_others_go_on():
    long = "1 " * (1 << 20)
    tests = (StdioTest(input="", output=long),)
    found = await judged(done(ended(stdout=long.encode())), stdio=tests)
    assert found.is_accepted
    found = await judged(done(ended(stdout=long.encode() + b"2")), stdio=tests)
    assert not found.is_accepted
