"""Checkers, interactors, preludes, partial credit and test values with a real sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.sandboxes import BUSY_BACKENDS, opened
from verifier.errors import SandboxError, UnscorableError
from verifier.judging.judge import Judged, ProgramJudge
from verifier.judging.limits import Bounds
from verifier.sandbox import StartableSandbox
from verifier.types import (
    CallTest,
    CodeReference,
    JudgeProgram,
    SourceFile,
    StdioTest,
    TestGroup,
    Tolerance,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

SQUARES = (StdioTest(input="3\n", output="9\n"), StdioTest(input="4\n", output="16\n"))
SQUARE = "n = int(input())\nprint(n * n)\n"

IN_PYTHON = """
import sys
answer = int(open(sys.argv[2]).read())
open(sys.argv[3] + "judgemessage.txt", "w").write("why")
got = sys.stdin.read().split()
if got == ["boom"]:
    raise ValueError
sys.exit(42 if got == [str(answer)] else 43)
"""
IN_CPP = """
#include <cstdlib>
#include <fstream>
#include "codes.h"
int main(int argc, char **argv) {
    std::ifstream output(argv[2]), answer(argv[3]);
    int got = 0, right = 0;
    output >> got;
    answer >> right;
    if (got < 0) abort();
    return got == right ? OK : got == right + 1 ? HALF : WRONG;
}
"""
CODES = "#pragma once\n#ifdef TESTSYS\nenum { OK = 0, WRONG = 1, HALF = 100 };\n#endif\n"
PRINTING = """
import sys
words = [open(name).read().split() for name in sys.argv[1:4]]
print(1 if words[1] == words[2] else 0.25 if words[2] else 0)
"""
CHECKERS = {
    "icpc": JudgeProgram(language="python", source=IN_PYTHON, protocol="icpc"),
    "testlib": JudgeProgram(language="cpp", source=IN_CPP, files=(SourceFile(name="codes.h", text=CODES),)),
    "printed": JudgeProgram(language="python", source=PRINTING, protocol="printed"),
}
GUESSING = """
import sys
secret, left = int(open(sys.argv[1]).read()), 12
print("ready", flush=True)
while left:
    guess = int(input())
    print("low" if guess < secret else "high" if guess > secret else "ok", flush=True)
    if guess == secret: sys.exit(42)
    left -= 1
sys.exit(43)
"""
GUESSER = """
input()
low, high = 0, 1000
while True:
    middle = (low + high) // 2
    print(middle, flush=True)
    said = input()
    if said == "ok": break
    if said == "low": low = middle + 1
    else: high = middle - 1
"""

NEVER_FLUSHES = "import sys\n" + GUESSER.replace(", flush=True", "").replace("input()", "sys.stdin.readline().strip()")
IN_JAVA = """
import java.io.*;
public class Main {
    public static void main(String[] args) {
        System.out.println(Squares.of(new Scanner(System.in).nextInt()));
    }
}
"""
IN_RUST = """#![allow(unused)]
use std::io::Read;
fn main() {
    let mut s = String::new();
    std::io::stdin().read_to_string(&mut s);
    println!("{}", square(s.trim().parse().unwrap()));
}
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BUSY_BACKENDS)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[StartableSandbox]:
    async with opened(request.param) as opened_sandbox:
        yield opened_sandbox


async def judged(sandbox: StartableSandbox, program: str, bounds: Bounds | None = None, **fields) -> Judged:
    judge = ProgramJudge(CodeReference(**({"language": "python"} | fields)), sandbox, bounds or Bounds())
    try:
        await judge.check()
        return await judge.judge(program)
    except SandboxError as error:
        if error.reason == "no_toolchain":
            pytest.skip(str(error))
        raise


def statuses(found: Judged) -> list[str]:
    return [test.status.value for test in found.tests]


@pytest.mark.parametrize("protocol", CHECKERS)
async def test_a_checker_of_each_protocol_judges_outputs(sandbox, protocol):
    checker = CHECKERS[protocol]
    found = await judged(sandbox, SQUARE, stdio=SQUARES, checker=checker)
    assert (statuses(found), found.score) == (["AC", "AC"], 1.0)
    found = await judged(sandbox, "print(9)", stdio=SQUARES, checker=checker)
    assert (statuses(found), found.reason) == (["AC", "WA"], "WA")
    found = await judged(sandbox, "1 / 0", stdio=SQUARES, checker=checker)
    assert statuses(found) == ["RE", "RE"]


async def test_a_checker_s_partial_score_counts_where_the_scoring_says_so(sandbox):
    checker = CHECKERS["testlib"]
    off_by_one = "print(int(input()) ** 2 + 1)"
    for scoring, score in (("all", 0.0), ("fraction", 0.5)):
        found = await judged(sandbox, off_by_one, stdio=SQUARES, checker=checker, scoring=scoring)
        assert (statuses(found), found.score) == (["WA", "WA"], score)
    found = await judged(sandbox, "print(5)", stdio=SQUARES, checker=CHECKERS["printed"], scoring="fraction")
    assert found.score == 0.25


@pytest.mark.parametrize(("protocol", "output"), [("icpc", "boom"), ("testlib", "-1")])
async def test_breaking_the_checker_does_not_pay(sandbox, protocol, output):
    found = await judged(sandbox, f"print({output!r})", stdio=SQUARES, checker=CHECKERS[protocol])
    assert (found.score, found.reason) == (0.0, "breaks_checker")


@pytest.mark.parametrize(
    ("checker", "part"),
    [
        (JudgeProgram(language="cpp", source="int main() {"), "does not compile"),
        (JudgeProgram(language="python", source="def"), "does not compile: SyntaxError"),
        (JudgeProgram(language="python", source="1 / 0"), "fails on the answer of stdio[0]: ZeroDivisionError"),
        (JudgeProgram(language="cpp", source="#include <cstdlib>\nint main() { abort(); }"), "SIGABRT"),
        (JudgeProgram(language="python", source="raise SystemExit(77)", protocol="icpc"), "exit code 77"),
    ],
)
async def test_a_checker_that_fails_on_the_answers_is_the_task_s_fault(sandbox, checker, part):
    with pytest.raises(UnscorableError) as error:
        await judged(sandbox, SQUARE, stdio=SQUARES, checker=checker)
    assert error.value.reason == "bad_checker"
    assert part in error.value.detail


async def test_a_checker_sees_its_own_case_alone(sandbox):
    spy = """
import os, sys
here = sorted(os.listdir("."))
seen = b"".join(open(name, "rb").read() for name in here)
others = [b"9\\n", b"16\\n"]
others.remove(open("answer", "rb").read())
sys.exit(0 if here == ["answer", "input", "output"] and others[0] not in seen else 1)
"""
    checker = JudgeProgram(language="python", source=spy)
    found = await judged(sandbox, "print('out')", stdio=SQUARES, checker=checker)
    assert statuses(found) == ["AC", "AC"]


@pytest.mark.parametrize(
    ("program", "status"),
    [
        (GUESSER, "AC"),
        (GUESSER.replace("(low + high) // 2", "low"), "RE"),
        ("print(1)", "WA"),
        ("import time\ntime.sleep(60)", "TLE"),
        ("while True: pass", "TLE"),
        (NEVER_FLUSHES, "TLE"),
        (GUESSER + "raise SystemExit(3)", "RE"),
        (GUESSER + "print('more')", "AC"),
        (GUESSER + "while True: pass", "TLE"),
        ("1 / 0", "RE"),
    ],
)
async def test_a_talk_is_judged_by_both_ends(sandbox, program, status):
    interactor = JudgeProgram(language="python", source=GUESSING, protocol="icpc")
    tests = (StdioTest(input="777", output=""),)
    found = await judged(sandbox, program, stdio=tests, interactor=interactor, time_limit_s=0.5)
    assert statuses(found) == [status]


async def test_an_interactor_in_testlib_s_way_may_write_its_output_file(sandbox):
    source = """
#include <fstream>
#include <iostream>
int main(int argc, char **argv) {
    std::ifstream input(argv[1]);
    std::ofstream output(argv[2]);
    int n, got;
    input >> n;
    std::cout << n << std::endl;
    if (!(std::cin >> got)) return 2;
    output << got << std::endl;
    return got == n * n && output ? 0 : 1;
}
"""
    interactor = JudgeProgram(language="cpp", source=source)
    assert statuses(await judged(sandbox, SQUARE, stdio=SQUARES, interactor=interactor)) == ["AC", "AC"]
    assert statuses(await judged(sandbox, "print(9)", stdio=SQUARES, interactor=interactor)) == ["AC", "WA"]
    with pytest.raises(UnscorableError) as error:
        await judged(sandbox, SQUARE, stdio=SQUARES, interactor=JudgeProgram(language="cpp", source="x"))
    assert error.value.reason == "bad_interactor"


@pytest.mark.parametrize(
    ("language", "prelude", "program"),
    [
        ("python", "import math", "from __future__ import annotations\nprint(math.isqrt(int(input()) ** 4))"),
        (
            "cpp",
            "#include <iostream>\nusing namespace std;",
            "int main() { int n; cin >> n; cout << n * n; }",
        ),
        ("c", "#include <stdio.h>", 'int main(void) { int n; scanf("%d", &n); printf("%d", n * n); }'),
        (
            "java",
            "import java.util.*;\nclass Squares { static int of(int n) { return n * n; } }",
            IN_JAVA,
        ),
        (
            "go",
            'package main\nimport ("fmt"; "math")\nfunc square(n int) int { return n * n }',
            'package main\nimport "fmt"\nfunc main() { var n int; fmt.Scan(&n); fmt.Println(square(n)) }',
        ),
        (
            "rust",
            "use std::io::Read;\nfn square(n: i32) -> i32 { n * n }",
            IN_RUST,
        ),
        (
            "javascript",
            "const square = (n) => n * n;",
            "#!/usr/bin/env node\nconsole.log(square(Number(require('fs').readFileSync(0))));",
        ),
        ("bash", "square() { echo $(( $1 * $1 )); }", "read n\nsquare $n"),
    ],
    ids=lambda value: value if len(value) < 11 else "",
)
async def test_a_prelude_stands_in_front_of_a_program(sandbox, language, prelude, program):
    found = await judged(sandbox, program, language=language, prelude=prelude, stdio=SQUARES)
    assert statuses(found) == ["AC", "AC"], found


async def test_groups_earn_their_points_as_wholes_and_go_on_after_a_limit(sandbox):
    tests = tuple(
        StdioTest(input=str(n), output=str(n), group=group) for n, group in enumerate(["a", "a", "b", "c", "c"])
    )
    groups = (TestGroup(name="a", points=20), TestGroup(name="b", points=30), TestGroup(name="c", points=50))
    program = "n = int(input())\nwhile n == 0: pass\nprint(n if n != 4 else 0)"
    found = await judged(sandbox, program, stdio=tests, scoring="groups", groups=groups, time_limit_s=0.3)
    assert (statuses(found), found.score) == (["TLE", "SKIPPED", "AC", "AC", "WA"], 0.3)


async def test_the_time_of_all_cases_together_can_be_bounded(sandbox):
    busy = "import time\nwhile time.process_time() < 0.3: pass\nprint(int(input()) ** 2)"
    found = await judged(sandbox, busy, Bounds(total_time_limit_s=0.2), stdio=SQUARES)
    assert (statuses(found), found.reason) == (["AC", "TLE"], "TLE")
    assert statuses(await judged(sandbox, busy, stdio=SQUARES)) == ["AC", "AC"]


@pytest.mark.parametrize(
    ("program", "expected", "fields", "status"),
    [
        ("def f(a): return sorted(a)", "[1, 2, 3]", {}, "AC"),
        ("def f(a):\n    for x in sorted(a): yield x", "[1, 2, 3]", {}, "AC"),
        ("def f(a): return map(int, sorted(a))", "[1, 2, 3]", {}, "AC"),
        ("def f(a): return zip(a, a)", "[[3, 3], [1, 1], [2, 2]]", {}, "AC"),
        ("def f(a): return dict.fromkeys(sorted(a)).keys()", "[1, 2, 3]", {}, "AC"),
        ("def f(a): return dict(zip(a, a)).values()", "[3, 1, 2]", {}, "AC"),
        ("def f(a):\n    for x in sorted(a): yield [x]", "[1, 2, 3]", {}, "WA"),
        ("def f(a): return iter('123')", '"123"', {}, "WA"),
        ("def f(a): return range(1, 4)", "[1, 2, 3]", {}, "AC"),
        ("def f(a): return set(a)", "[1, 2, 3]", {}, "WA"),
        ("def f(a): a.sort()", "[1, 2, 3]", {"in_place": True}, "AC"),
        ("def f(a): return sorted(a)", "[1, 2, 3]", {"in_place": True}, "WA"),
        ("def f(a): a[:] = []", "[1, 2, 3]", {"in_place": True}, "WA"),
        ("def f(a): return {'x': [1 / 3]}", '{"x": [0.333333]}', {"tolerance": Tolerance(absolute=1e-5)}, "AC"),
        ("def f(a): return {'x': [1 / 3]}", '{"x": [0.333333]}', {}, "WA"),
    ],
)
async def test_what_a_call_gives_is_compared(sandbox, program, expected, fields, status):
    calls = (CallTest(args="[[3, 1, 2]]", expected=expected),)
    found = await judged(sandbox, program, calls=calls, entry_point="f", **fields)
    assert statuses(found) == [status]


async def test_an_endless_iterator_is_the_solution_s_own_trouble(sandbox):
    calls = (CallTest(args="[]", expected="[1]"),)
    program = "def f():\n    while True: yield 1"
    found = await judged(sandbox, program, calls=calls, entry_point="f", time_limit_s=1.0, memory_limit_bytes=64 << 20)
    assert statuses(found)[0] in ("TLE", "MLE", "OLE", "RE")
