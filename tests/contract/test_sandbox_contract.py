"""What every sandbox promises: programs in, results out, nothing left behind, whatever the programs are."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from tests.sandboxes import BACKENDS, BY_A_TESTER, is_gvisor, opened, runner_seen_of
from verifier.errors import SandboxError
from verifier.judging.languages import LANGUAGES
from verifier.sandbox.base import CallRun, Job, Limits, Program, RunResult, RunStatus, ScriptRun, StdioRun
from verifier.sandbox.local import LocalSandbox
from verifier.sandbox.runner import plain
from verifier.sandbox.runner.plan import NotDataError, plan_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

LIMITS = Limits(
    cpu_time_s=0.5,
    memory_bytes=256 << 20,
    output_bytes=1 << 20,
    report_bytes=1 << 20,
    file_bytes=4 << 20,
    processes=16,
    wall_factor=2,
    wall_floor_s=2.0,
)
CASES = Path(__file__).parents[1] / "cases"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BACKENDS)
async def sandbox(request):
    async with opened(request.param) as opened_sandbox:
        yield opened_sandbox


def job(source, *runs, language="python", **fields):
    chosen = LANGUAGES[language]
    fields = {"limits": LIMITS} | fields
    return Job(
        toolchain=chosen.toolchain,
        program=chosen.program(source),
        runs=runs or (StdioRun(stdin=b""),),
        **fields,
    )


async def run(sandbox, source, stdin=b"", **limits) -> RunResult:
    result = await sandbox.run(job(source, StdioRun(stdin=stdin), limits=replace(LIMITS, **limits)))
    return result.runs[0]


async def call(sandbox, source, args="[]", kwargs="", entry_point="f", **limits):
    work = job(source, CallRun(entry_point=entry_point, args=args, kwargs=kwargs), limits=replace(LIMITS, **limits))
    return (await sandbox.run(work)).runs[0]


async def script(sandbox, source, text, *, framework="plain", entry_point="f", **limits):
    """Runs a script; one that is data comes to the same by a tester."""

    async def once(text):
        work = job(
            source,
            ScriptRun(entry_point=entry_point, script=text, framework=framework),
            limits=replace(LIMITS, **{"wall_floor_s": 10.0, **limits}),
        )
        return (await sandbox.run(work)).runs[0]

    result = await once(text)
    if framework == "plain" and is_data(text, entry_point):
        other = await once(text + BY_A_TESTER)
        assert other.status is result.status
        assert result.status is not RunStatus.EXITED or told(other) == told(result)
    return result


def is_data(text, entry_point):
    try:
        plan_of(text, entry_point)
    except (NotDataError, ValueError, SyntaxError):
        return False
    return True


def report(result):
    return json.loads(result.value.partition(b"\n")[0])


def told(result):
    return {name: value for name, value in report(result).items() if name != "calls"}


async def assert_honest(sandbox, toolchain="python"):
    """The next program is run as if nothing had been. (Each image has Python.)"""
    source = """
import os, sys
names = os.listdir('.')
try: names += os.listdir('/dev/shm')
except OSError: pass
sys.stdout.write(f'{names} {sys.stdin.read()}')
"""
    try:
        done = await sandbox.run(replace(job(source, StdioRun(stdin=b"hello")), toolchain=toolchain))
    except SandboxError as error:
        if error.reason == "no_toolchain":
            pytest.skip(str(error))
        raise
    (result,) = done.runs
    assert (result.status, result.exit_code, result.signal) == (RunStatus.EXITED, 0, 0), result
    assert result.stdout == b"[] hello"


async def assert_no_more_than(count, runner):
    """The kernel takes a moment to let killed processes go."""
    for _ in range(150):
        if len(runner.pids) <= count:
            break
        await asyncio.sleep(0.02)
    assert len(runner.pids) == count


async def assert_nothing_left(sandbox, before):
    """No process and no file."""
    runner = runner_seen_of(sandbox)
    await assert_no_more_than(before, runner)
    assert runner.left_behind == []


# --- programs -----------------------------------------------------------------------------------------------------


async def test_the_paths_of_the_standard_streams_are_there(sandbox):
    source = "open('/dev/stdout', 'w').write(open('/dev/stdin').read() + open('/dev/fd/0').read())"
    result = await run(sandbox, source, b"hello\n")
    assert (result.exit_code, result.stdout) == (0, b"hello\nhello\n"), result.stderr


@pytest.mark.parametrize("language", sorted({language.name for language in LANGUAGES.values()}))
async def test_every_language_runs_its_echo(sandbox, language):
    text = "héllo\n\0 1 2 3\n".encode()
    limits = replace(LIMITS, cpu_time_s=4, processes=64)
    try:
        result = await sandbox.run(
            job(LANGUAGES[language].echo, *[StdioRun(stdin=text)] * 2, language=language, limits=limits)
        )
    except SandboxError as error:
        if error.reason == "no_toolchain":
            pytest.skip(str(error))
        raise
    assert [(one.status, one.exit_code, one.stdout) for one in result.runs] == [(RunStatus.EXITED, 0, text)] * 2


async def test_each_run_starts_fresh(sandbox):
    source = """
import os, sys, builtins
print(os.listdir('.'), getattr(builtins, 'mark', None), os.environ.get('MARK'), 'mark' in sys.modules, input())
open('mark', 'w').close(); builtins.mark = 1; os.environ['MARK'] = '1'; sys.modules['mark'] = sys
"""
    result = await sandbox.run(job(source, *(StdioRun(stdin=str(i).encode()) for i in range(4))))
    assert [one.stdout.decode() for one in result.runs] == [f"[] None None False {i}\n" for i in range(4)]


async def test_the_same_program_does_the_same_in_another_runner(sandbox):
    source = "import random\nprint(hash('a'), list({'x', 'y', 'z', 'w'}), random.random())"
    first = await run(sandbox, source)
    killed = asyncio.create_task(sandbox.run(job("while 1: pass", limits=replace(LIMITS, cpu_time_s=30))))
    await asyncio.sleep(0.1)
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    assert (await run(sandbox, source)).stdout == first.stdout


ARGUMENTS = "import sys\nprint(sys.argv[1:], open('a b').read(), input())"


@pytest.mark.parametrize("run_command", [(), ("python3", "{source}")])
async def test_a_program_gets_its_arguments_and_its_files_anew_in_each_run(sandbox, run_command):
    program = Program(
        source_name="main.py", source=ARGUMENTS + "\nopen('a b', 'a').write('more')", run_command=run_command
    )
    runs = [
        StdioRun(stdin=b"in", args=("x", "é y", ""), files=(("a b", text), ("c", b"\0" * 100_000)))
        for text in (b"one", b"two")
    ]
    result = await sandbox.run(Job(toolchain="python", program=program, runs=tuple(runs), limits=LIMITS))
    assert [one.stdout.decode() for one in result.runs] == [f"['x', 'é y', ''] {text} in\n" for text in ("one", "two")]


async def test_a_program_finds_the_files_beside_it_and_its_environment(sandbox):
    source = "import os, sys\nimport other\nprint(other.VALUE, os.environ.get('NAME', '').replace(sys.path[0], ''))"
    for run_command, name in (((), ""), (("python3", "{source}"), "/x 512")):
        program = Program(
            source_name="main.py",
            source=source,
            files=(("other.py", "VALUE = 5"),),
            run_command=run_command,
            environment=(("NAME", "{dir}/x {memory_mib}"),),
        )
        limits = replace(LIMITS, memory_bytes=512 << 20)
        result = await sandbox.run(Job(toolchain="python", program=program, runs=(StdioRun(),), limits=limits))
        assert result.runs[0].stdout.decode() == f"5 {name}\n", result


async def test_a_call_in_place_reports_its_first_argument_as_it_is_after_it(sandbox):
    source = "def f(x, y):\n    x.append(y)\n    return 'returned'"
    runs = [CallRun(entry_point="f", args="[[1], 2]", kwargs="", in_place=in_place) for in_place in (True, False)]
    result = await sandbox.run(job(source, *runs))
    assert [report(one)["value"] for one in result.runs] == [[1, 2], "returned"]


async def test_a_job_whose_cpu_time_in_all_is_spent_runs_no_more(sandbox):
    source = "import time\nwhile time.process_time() < 0.2: pass"
    runs = [StdioRun()] * 5
    found = (await sandbox.run(job(source, *runs, total_cpu_time_s=0.3))).runs
    assert [one.status for one in found] == [RunStatus.EXITED] * 2 + [RunStatus.BUDGET] * 3


@pytest.mark.parametrize(
    ("source", "code", "number"),
    [
        ("raise SystemExit", 0, 0),
        ("raise SystemExit(7)", 7, 0),
        ("import sys; sys.exit('message')", 1, 0),
        ("import os; os._exit(9)", 9, 0),
        ("1/0", 1, 0),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", 0, signal.SIGTERM),
        ("import os; os.abort()", 0, signal.SIGABRT),
        ("import ctypes; ctypes.string_at(0)", 0, signal.SIGSEGV),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 0, signal.SIGKILL),
    ],
)
async def test_the_end_of_a_program_is_told(sandbox, source, code, number):
    result = await run(sandbox, source)
    assert (result.status, result.exit_code, result.signal) == (RunStatus.EXITED, code, number)


@pytest.mark.parametrize(
    ("source", "limits", "status"),
    [
        ("while True: pass", {}, RunStatus.TIME),
        ("import time; time.sleep(60)", {}, RunStatus.TIME),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", {}, RunStatus.TIME),
        ("import sys\nwhile True: sys.stdout.write('x' * 65536)", {}, RunStatus.OUTPUT),
        ("import os\nb = b'x' * 65536\nwhile True: os.write(3, b)", {}, RunStatus.OUTPUT),
        ("import mmap\nm = mmap.mmap(-1, 200 << 20)\nm.write(b'x' * (200 << 20))", {"memory_bytes": 64 << 20}, None),
    ],
)
async def test_a_limit_that_is_passed_ends_the_program(sandbox, source, limits, status):
    result = await run(sandbox, source, **limits)
    if status is None:
        assert result.status is RunStatus.MEMORY or result.exit_code == 1
    else:
        assert result.status is status


async def test_memory_past_its_limit_is_an_error_in_the_program_or_its_end(sandbox):
    result = await run(sandbox, "b = bytearray(1 << 30)")
    assert result.status is RunStatus.MEMORY or report(result)["error"] == "MemoryError"


async def test_a_program_may_use_nearly_all_of_its_memory_and_time(sandbox):
    source = "b = bytearray(180 << 20)\nimport time\nwhile time.process_time() < 0.3: pass\nprint(len(b))"
    result = await run(sandbox, source, cpu_time_s=3.0, wall_floor_s=10.0)
    assert result.stdout == b"%d\n" % (180 << 20)
    assert 0.25 < result.cpu_time_s < 3.0


async def test_after_a_passed_limit_the_rest_is_skipped_or_not(sandbox):
    source = "if input() == 'loop':\n    while True: pass\nprint('done')"
    runs = [StdioRun(stdin=text) for text in (b"go", b"loop", b"go")]
    found = [one.status for one in (await sandbox.run(job(source, *runs))).runs]
    assert found == [RunStatus.EXITED, RunStatus.TIME, RunStatus.SKIPPED]
    found = [one.status for one in (await sandbox.run(job(source, *runs, stop_on_limit=False))).runs]
    assert found == [RunStatus.EXITED, RunStatus.TIME, RunStatus.EXITED]


async def test_what_does_not_compile_is_reported(sandbox):
    result = await run(sandbox, "def f(:\n")
    assert report(result) == {"error": "SyntaxError", "is_compile_error": True}
    assert report(await call(sandbox, "x = '\0'"))["is_compile_error"] is True


async def test_large_input_and_output_pass_through(sandbox):
    data = os.urandom(1 << 20).hex().encode()[: 1 << 20]
    result = await run(sandbox, LANGUAGES["python"].echo, data, output_bytes=2 << 20)
    assert result.stdout == data


async def test_errors_are_kept_up_to_a_bound(sandbox):
    result = await run(sandbox, "import sys\nfor _ in range(80): sys.stderr.write('x' * 65536)\nprint('done')")
    assert (result.status, result.stdout) == (RunStatus.EXITED, b"done\n")
    assert len(result.stderr) == 64 << 10


# --- C++ ------------------------------------------------------------------------------------------------------------


async def cpp(sandbox, source, *runs, **fields):
    try:
        return await sandbox.run(job(source, *runs, language="cpp", **fields))
    except SandboxError as error:
        if error.reason == "no_toolchain":
            pytest.skip(str(error))
        raise


async def test_cpp_that_does_not_compile_is_reported_and_not_run(sandbox):
    result = await cpp(sandbox, "int main() { return x; }")
    assert result.compile is not None
    assert result.compile.exit_code == 1
    assert b"error" in result.compile.stderr
    assert result.runs == ()


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("int main() { for (volatile int i = 0;; ++i); }", RunStatus.TIME),
        ("#include <vector>\nint main() { std::vector<char> v(1 << 29, 1); return v[9] - 1; }", RunStatus.MEMORY),
        ("#include <cstdio>\nint main() { for (;;) putchar(9); }", RunStatus.OUTPUT),
        (
            '#include <cstdio>\nint main() { FILE* f = fopen("a", "w"); for (;;) fputs("xxxxxxxx", f); }',
            RunStatus.OUTPUT,
        ),
    ],
)
async def test_limits_hold_for_cpp(sandbox, source, status):
    result = await cpp(sandbox, source, limits=replace(LIMITS, cpu_time_s=2))
    assert result.runs[0].status is status


async def test_a_cpp_program_has_its_stack_its_threads_and_little_memory(sandbox):
    source = """
#include <cstdio>
#include <thread>
#include <vector>
int down(int n) { volatile char room[64] = {}; return n ? down(n - 1) + room[3] + 1 : 0; }
int main() {
    std::vector<std::thread> all;
    int sums[4] = {};
    for (int i = 0; i < 4; ++i) all.emplace_back([&sums, i] { sums[i] = i; });
    for (auto& one : all) one.join();
    printf("%d %d", down(300000), sums[0] + sums[1] + sums[2] + sums[3]);
}
"""
    result = await cpp(sandbox, source)
    assert result.runs[0].stdout == b"300000 6"
    small = await cpp(
        sandbox, '#include <cstdio>\nint main() { puts("1"); }', limits=replace(LIMITS, memory_bytes=16 << 20)
    )
    assert small.runs[0].status is RunStatus.EXITED


async def test_a_cpp_program_cannot_change_what_was_compiled(sandbox):
    source = """
#include <cstdio>
#include <unistd.h>
#include <sys/stat.h>
int main(int, char** argv) {
    chmod(argv[0], 0777);
    FILE* file = fopen(argv[0], "r+");
    puts(file || !unlink(argv[0]) ? "HIT" : "safe");
}
"""
    result = await cpp(sandbox, source, *[StdioRun(stdin=b"")] * 2)
    assert [one.stdout for one in result.runs] == [b"safe\n"] * 2


async def test_a_compiler_that_reads_without_end_is_stopped(sandbox):
    limits = replace(LIMITS, cpu_time_s=2, wall_floor_s=6, memory_bytes=300 << 20)
    result = await cpp(sandbox, '#include "/dev/zero"\nint main() {}', compile_limits=limits)
    assert result.compile is not None
    assert result.compile.status is not RunStatus.EXITED or result.compile.exit_code
    assert result.runs == ()


COUNTS_RUNS = """
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <sys/stat.h>
#include <unistd.h>
int main(int count, char** args) {
    char home[999];
    strcpy(home, args[0]);
    *strrchr(home, '/') = 0;
    for (int mode : {0777, 0, 0644}) chmod(args[0], mode), chmod(home, mode);
    char other[999];
    snprintf(other, 999, "%s/other", home);
    bool hit = !truncate(args[0], 0) || fopen(args[0], "r+") || !unlink(args[0]) || !rename(args[0], other);
    hit = hit || !symlink("/", other) || !mkdir(other, 0777) || fopen(other, "w");
    hit = hit || !rmdir(home) || !rename(home, "home");
    puts(hit ? "HIT" : "safe");
}
"""


async def test_what_was_compiled_is_kept_and_no_run_can_spoil_it(sandbox):
    for _ in range(3):
        result = await cpp(sandbox, COUNTS_RUNS, *[StdioRun()] * 2)
        assert [one.stdout for one in result.runs] == [b"safe\n"] * 2


async def test_the_same_program_is_compiled_once_and_another_anew(sandbox):
    source = "#include <cstdio>\nint main() { printf(NAME); }"
    command = ("g++", "-O0", "-o", "{binary}", "{source}")

    async def told(name, text=source):
        program = Program(
            source_name="m.cpp",
            source=text,
            compile_command=(*command, f'-DNAME="{name}"'),
            run_command=("{binary}",),
        )
        try:
            return await sandbox.run(Job(toolchain="cpp", program=program, runs=(StdioRun(),), limits=LIMITS))
        except SandboxError as error:
            if error.reason == "no_toolchain":
                pytest.skip(str(error))
            raise

    first, same, other, worse = [await told(*of) for of in (("a",), ("a",), ("b",), ("a", source + "\nnot C++"))]
    assert [one.runs[0].stdout for one in (first, same, other)] == [b"a", b"a", b"b"]
    assert same.compile == first.compile
    assert other.compile != first.compile
    assert worse.compile.exit_code == 1
    assert (await told("a", source + "\nnot C++")).compile == worse.compile


async def test_what_is_kept_can_be_read_by_its_own_program_alone(sandbox):
    kept = Program(
        source_name="SECRET.py",
        source="# SECRET\nimport sys, os\nprint(os.path.dirname(sys.argv[0]))",
        run_command=("python3", "{source}"),
    )
    mine = Job(toolchain="python", program=kept, runs=(StdioRun(),), limits=LIMITS)
    directory = (await sandbox.run(mine)).runs[0].stdout.decode().strip()
    spy = f"""
import os
kept = {directory!r}
for act in (
    lambda: os.listdir(kept), lambda: open(kept + '/SECRET.py').read(), lambda: open(kept + '/new', 'w'),
    lambda: os.rename(kept, 'x'), lambda: os.chmod(kept, 0), lambda: os.truncate(kept + '/SECRET.py', 0),
):
    try: print('HIT', act())
    except OSError: print('safe')
"""
    for program in (Program(source_name="a.py", source=spy), replace(kept, source_name="a.py", source=spy)):
        found = (await sandbox.run(replace(mine, program=program))).runs[0]
        assert b"HIT" not in found.stdout, found
        assert found.stdout.count(b"safe") == 6
    assert (await sandbox.run(mine)).runs[0].stdout.decode().strip() == directory


async def test_no_more_is_kept_than_fits(sandbox):
    command = ("python3", "{source}")
    for number in range(52):
        program = Program(source_name="a.py", source=f"print({number})", run_command=command)
        result = await sandbox.run(Job(toolchain="python", program=program, runs=(StdioRun(),), limits=LIMITS))
        assert result.runs[0].stdout == b"%d\n" % number
    assert len(runner_seen_of(sandbox).kept) <= 50


# --- calls ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "-2.5",
        "'é'",
        "None",
        "True",
        "[1, [2]]",
        "(1, (2, [3]))",
        "{'a': {1: 2}}",
        "{1, 2}",
        "frozenset({1})",
        "b'x'",
        "bytearray(b'x')",
        "2 ** 100",
        "10 ** 5000",
        "float('inf')",
        "1j",
        "range(2, 9, 3)",
        "__import__('collections').Counter('aab')",
        "__import__('collections').OrderedDict(b=1, a=2)",
        "__import__('collections').deque([1], 4)",
        "__import__('decimal').Decimal('0.10')",
        "__import__('fractions').Fraction(1, 3)",
        "__import__('datetime').datetime(2024, 2, 29, 1, 2, 3)",
        "__import__('datetime').timedelta(1, 2, 3)",
        "int",
        "ValueError",
    ],
)
async def test_a_returned_value_crosses_exactly(sandbox, value):
    result = await call(sandbox, f"def f(): return {value}")
    expected = eval(value)  # noqa: S307 (the list above)
    found = plain.decode(report(result)["value"])
    assert found == expected
    assert type(found) is type(expected)


async def test_arguments_come_as_json_says(sandbox):
    source = "def f(*args, **kwargs): return [args, kwargs, type(args[1]).__name__]"
    result = await call(sandbox, source, '[1, 2.0, "x", [null, true], 12345678901234567890]', '{"key": {"a": 1}}')
    assert plain.decode(report(result)["value"]) == [
        (1, 2.0, "x", [None, True], 12345678901234567890),
        {"key": {"a": 1}},
        "float",
    ]


@pytest.mark.parametrize(
    ("source", "entry_point"),
    [
        ("def f(x): return x + 1", "f"),
        ("class Solution:\n    def f(self, x): return x + 1", "f"),
        ("class Solution:\n    def f(self, x): return x + 1", "Solution.f"),
        ("class Solution:\n    def f(self, x): return x + 1", "Solution().f"),
        ("class Other:\n    @staticmethod\n    def f(x): return x + 1", "Other.f"),
        ("f = lambda x: x + 1", "f"),
    ],
)
async def test_entry_points_are_functions_or_methods(sandbox, source, entry_point):
    assert report(await call(sandbox, source, "[1]", entry_point=entry_point)) == {"value": 2}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def f(): raise ValueError('x')", "ValueError"),
        ("def g(): pass", "AttributeError"),
        ("f = 5", "TypeError"),
        ("def f(): return object()", "Uncrossable"),
        ("def f(): return lambda: 0", "Uncrossable"),
        ("def f():\n    raise SystemExit(0)", "SystemExit"),
        ("def f(): return f()", "RecursionError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
async def test_a_call_that_gives_no_value_says_why(sandbox, source, error):
    assert report(await call(sandbox, source))["error"] == error


# --- scripts --------------------------------------------------------------------------------------------------------


SCRIPTS = {
    "plain": "{import_}assert f(1) == 2\nassert f(2) == {value}\n",
    "unittest": """import unittest
{import_}class T(unittest.TestCase):
    def test_a(self): self.assertEqual(f(1), 2)
    def test_b(self): self.assertEqual(f(2), {value})
""",
    "pytest": "{import_}def test_a():\n    assert f(1) == 2\ndef test_b():\n    assert f(2) == {value}\n",
}


@pytest.mark.parametrize("framework", SCRIPTS)
@pytest.mark.parametrize("import_", ["", "from solution import f\n", "from solution import *\n"])
async def test_scripts_pass_and_fail_in_every_framework(sandbox, framework, import_):
    for value, is_right in (("3", True), ("4", False)):
        text = SCRIPTS[framework].format(import_=import_, value=value)
        found = report(await script(sandbox, "def f(x): return x + 1", text, framework=framework))
        if "missing" in found:
            pytest.skip("pytest cannot be read by the sandbox's Python")
        assert [test[1] for test in found["tests"]][-1:] == [is_right], found
        assert found["calls"] >= 2
        assert not found["solution_died"]


async def test_the_entry_point_may_be_an_argument_s_name_too(sandbox):
    text = "def check(f):\n    assert f(1) == 2\ncheck(f)\n"
    assert report(await script(sandbox, "def f(x): return x + 1", text))["tests"] == [["script", True, ""]]


async def test_what_the_solution_defines_never_replaces_what_the_script_means(sandbox):
    source = """
def f(x): return x
def abs(x): return 0
def isinstance(*args): return True
class math:
    isclose = staticmethod(lambda *args: True)
def unrelated(): return 1
"""
    for text in (
        "from solution import *\nassert abs(f(5) - 6) < 1e-6\n",
        "assert math.isclose(f(5), 6)\n",
        "import math\nfrom solution import *\nassert math.isclose(f(5), 6)\n",
        "assert isinstance(f(5), str)\n",
    ):
        found = report(await script(sandbox, source, text))
        assert found["tests"] == [["script", False, "AssertionError"]], text


async def test_arguments_are_copies_unless_the_task_works_in_place(sandbox):
    source = "def f(x):\n    x.clear()\n    return 1\ndef g(x):\n    x.sort()\n"
    text = "a = [3, 1, 2]\nassert f(a) == 1\nassert a == [3, 1, 2]\ng(a)\nassert a == [1, 2, 3]\n"
    assert report(await script(sandbox, source, text))["tests"] == [["script", True, ""]]


async def test_functions_of_the_script_can_be_called_back(sandbox):
    source = """
def f(g, x): return [g(x), g(x + 1)]
def h(g):
    try: g()
    except Exception: return 'raised'
"""
    text = "seen = []\ndef g(x):\n    seen.append(x)\n    return {x: (x,)}\ndef bad(): raise ValueError\n"
    text += "assert f(g, 1) == [{1: (1,)}, {2: (2,)}]\nassert seen == [1, 2]\nassert h(bad) == 'raised'\n"
    assert report(await script(sandbox, source, text))["tests"] == [["script", True, ""]]


async def test_a_script_may_capture_what_the_solution_prints(sandbox):
    source = """
import sys
def f(name):
    print('hello', name)
    sys.stdout.buffer.write(b'bytes\\n')
def g(back):
    print('before')
    back()
    print('after', end='')
"""
    text = """
import contextlib, io
out = io.StringIO()
with contextlib.redirect_stdout(out): f('you')
assert out.getvalue() == 'hello you\\nbytes\\n', out.getvalue()
out = io.StringIO()
with contextlib.redirect_stdout(out): g(lambda: print('between'))
assert out.getvalue() == 'before\\nbetween\\nafter', out.getvalue()
"""
    assert report(await script(sandbox, source, text))["tests"] == [["script", True, ""]]
    flood = "def f(x):\n    while True: print('x' * 1000)\n"
    assert (await script(sandbox, flood, "f(1)")).status is RunStatus.OUTPUT


async def test_exceptions_cross_by_name_and_text(sandbox):
    source = """
class TooSmall(ValueError):
    def __init__(self, least, found):
        super().__init__(least)
        self.found = found
    def __str__(self): return f'{self.found} is too small'
class Plain(Exception): pass
def f(x):
    if x == 0: raise TooSmall(1, found=0)
    if x == 1: raise Plain('a', 2)
    if x == 2: raise ValueError('a value', {'of': (1, 2)})
    if x == 3: b'\\xff'.decode()
    raise KeyError('k')
"""
    text = """
from solution import f, Plain, TooSmall
def raised(kind, x):
    try: f(x)
    except kind as error: return error
assert str(raised(ValueError, 0)) == '0 is too small'
assert raised(TooSmall, 0).found == 0
assert raised(TooSmall, 0).args == (1,)
assert str(raised(Plain, 1)) == "('a', 2)"
assert raised(ValueError, 2).args == ('a value', {'of': (1, 2)})
assert raised(UnicodeDecodeError, 3).reason == 'invalid start byte'
assert str(raised(LookupError, 4)) == "'k'"
assert raised(KeyError, 4).args == ('k',)
"""
    assert report(await script(sandbox, source, text))["tests"] == [["script", True, ""]]


async def test_objects_of_the_solution_can_be_used(sandbox):
    source = """
import dataclasses
@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    def __add__(self, other): return Point(self.x + other.x, self.y + other.y)
    def __mul__(self, k): return Point(self.x * k, self.y * k)
class Stack:
    def __init__(self): self.items = []
    def push(self, x): self.items.append(x)
    def pop(self): return self.items.pop()
    def __len__(self): return len(self.items)
    def __contains__(self, x): return x in self.items
    def __iter__(self): return iter(self.items)
    def __getitem__(self, i): return self.items[i]
    def __enter__(self): return self
    def __exit__(self, *_): self.items.clear()
LIMIT = 3
def f(n):
    for i in range(n): yield i
"""
    text = """
import copy
from solution import Point, Stack, LIMIT
assert Point(1, 2) + Point(3) == Point(4, 2)
assert (Point(1, 2) * 2).y == 4
assert Point(x=1) != Point(2)
stack = Stack()
for i in range(LIMIT): stack.push(i)
assert len(stack) == 3 and 2 in stack and 7 not in stack and list(stack) == [0, 1, 2] and stack[1] == 1
other = copy.deepcopy(stack)
assert other.pop() == 2 and len(stack) == 3
with stack as same: assert len(same) == 3
assert len(stack) == 0
try: stack.pop()
except IndexError: pass
else: assert False
assert list(f(3)) == [0, 1, 2]
assert isinstance(Point(1), Point) and not isinstance(Point(1), Stack)
"""
    assert report(await script(sandbox, source, text))["tests"] == [["script", True, ""]]


async def test_a_coroutine_of_the_solution_can_be_awaited(sandbox):
    source = "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x"
    told = report(await script(sandbox, source, "import asyncio\nassert asyncio.run(f(5)) == 5"))
    assert told["tests"] == [["script", True, ""]]


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        ("import os\nos._exit(0)", "assert f(1) == 2", {"solution_error": "Exited", "is_compile_error": False}),
        ("def f(:", "assert f(1) == 2", {"solution_error": "SyntaxError", "is_compile_error": True}),
        ("raise ImportError", "assert f(1) == 2", {"solution_error": "ImportError", "is_compile_error": False}),
        ("def f(x): return x", "assert f(1 == 2", {"script_error": "SyntaxError"}),
        ("def f(x): return x", "import no_such\nassert f(1)", {"missing_module": "no_such"}),
    ],
)
async def test_a_script_that_cannot_run_says_whose_fault_it_is(sandbox, source, text, found):
    assert found.items() <= report(await script(sandbox, source, text)).items()


async def test_a_solution_that_ends_itself_during_the_tests_is_dead_for_good(sandbox):
    source = "import os\ndef f(x):\n    raise SystemExit(0)\n"
    text = "try:\n    f(1)\nexcept BaseException:\n    pass\n"
    found = report(await script(sandbox, source, text))
    assert found["solution_died"]


# --- hostile programs -----------------------------------------------------------------------------------------------


HOSTILE = {
    case["name"]: case
    for case in map(json.loads, (CASES / "hostile_programs.jsonl").read_text(encoding="utf-8").splitlines())
}
"""Programs that do harm, or print HIT where they could; how each may end, and what it prints where that is certain."""

HOST_PATHS = "\n".join(map(str, (__file__, CASES, CASES.parents[1], CASES.parents[1] / "verifier", Path.home())))


@pytest.fixture
def victim():
    """A file of ours that anybody could write, in a directory where anybody may."""
    with tempfile.TemporaryDirectory(prefix="assay-victim-") as directory:
        path = Path(directory) / "victim"
        Path(directory).chmod(0o777)
        path.write_text("intact")
        path.chmod(0o666)
        yield path
        assert path.read_text() == "intact"
        assert path.stat().st_mode & 0o777 == 0o666


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_program_harms_nobody_and_leaves_nothing(sandbox, name, victim):
    if (
        name == "C: fork bomb"
        and isinstance(sandbox, LocalSandbox)
        and sandbox._mode == "landlock"
        and not os.geteuid()
    ):
        pytest.skip("the kernel does not limit the processes of root, and this would stop the machine for a while")
    hostile = HOSTILE[name]
    language = hostile.get("language", "python")
    toolchain = LANGUAGES[language].toolchain
    await assert_honest(sandbox, toolchain)
    before = len(runner_seen_of(sandbox).pids)
    stdin = {"VICTIM": str(victim), "HOST_PATHS": HOST_PATHS}.get(hostile.get("stdin"), "").encode()
    limits = replace(LIMITS, memory_bytes=200 << 20)
    if is_gvisor(sandbox):  # its system calls take several times as long
        limits = replace(limits, cpu_time_s=3 * limits.cpu_time_s)
    done = await sandbox.run(job(hostile["source"], StdioRun(stdin=stdin), language=language, limits=limits))
    assert done.runs, done.compile
    result = done.runs[0]
    assert not hits(sandbox, result), result.stdout
    assert result.status.value in hostile["ends"], result
    if "stdout" in hostile:
        shown = [line for line in result.stdout.decode().splitlines(keepends=True) if "HIT" not in line]
        assert "".join(shown) == hostile["stdout"], result
    await assert_honest(sandbox, toolchain)
    await assert_nothing_left(sandbox, before)


OF_THE_IMAGE = (
    "passwd",
    "root/root",
    "/etc/hostname",
    "/etc/hosts",
    "/home",
    "/var",
    "/boot",
    "/run",
    "/sys",
    "/work",
    "cmdline",
    "environ",
    "maps",
    "/fd",
    "/..",
)
"""What a container without Landlock shows: its own image, and of processes what they were started with."""


def hits(sandbox, result):
    """What a program got hold of."""
    found = [line for line in result.stdout.decode(errors="replace").splitlines() if "HIT" in line]
    if is_gvisor(sandbox):
        found = [line for line in found if not line.split(" ")[1].endswith(OF_THE_IMAGE)]
    return found


async def test_a_cancelled_job_stops_all_that_it_started(sandbox):
    await run(sandbox, "print(1)")
    runner = runner_seen_of(sandbox)
    source = HOSTILE["daemons"]["source"] + "\ntime.sleep(60)\n"
    task = asyncio.create_task(sandbox.run(job(source, limits=replace(LIMITS, cpu_time_s=10, wall_floor_s=60))))
    for _ in range(40):
        await asyncio.sleep(0.25)
        if len(runner.pids) > 4:
            break
    assert len(runner.pids) > 4
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await assert_no_more_than(0, runner)
    await assert_honest(sandbox)


async def test_many_executions_reuse_uids_and_nothing_else(sandbox):
    source = "import os\nprint(os.listdir('.'), open('f', 'a').tell())\n"
    result = await sandbox.run(job(source, *[StdioRun(stdin=b"")] * 300))
    assert {one.stdout for one in result.runs} == {b"[] 0\n"}


async def test_text_that_no_file_can_hold_is_still_a_program(sandbox):
    result = await run(sandbox, "print('\ud800')")
    assert result.stdout == b"?\n"


async def test_the_report_names_walls_and_tools(sandbox):
    told = await sandbox.report()
    assert told.is_ready
    assert {wall.name for wall in told.walls if wall.required} >= {"files", "network", "processes", "kernel"}
    assert all(wall.stands for wall in told.walls if wall.required)
    assert told.toolchains
