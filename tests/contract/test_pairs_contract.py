"""What every sandbox promises of two programs that talk: testers and interactors, and whose fault an end is."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.sandboxes import BACKENDS, is_gvisor, opened, runner_seen_of
from verifier.sandbox.base import InteractiveRun, Job, Limits, PairRun, Program, RunStatus, StdioRun

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(900)]

LIMITS = Limits(cpu_time_s=0.5, memory_bytes=256 << 20, output_bytes=1 << 20, wall_factor=2, wall_floor_s=1.0)
GUESSER = """
low, high = 0, 1000
while True:
    middle = (low + high) // 2
    print(middle, flush=True)
    answer = input()
    if answer == 'ok': break
    if answer == 'low': low = middle + 1
    else: high = middle - 1
"""
INTERACTOR = """
import sys
secret = int(open(sys.argv[1]).read())
for _ in range(12):
    guess = int(input())
    print('low' if guess < secret else 'high' if guess > secret else 'ok', flush=True)
    if guess == secret: sys.exit(42)
sys.exit(43)
"""
TALK = InteractiveRun(args=("secret",), files=(("secret", b"777"),))
TESTER = """
import os, sys
os.write(3, b'ping')
sys.exit(0 if os.read(3, 100) == b'pong' else 1)
"""
SOLUTION = """
import os, time
if os.read(3, 100) == b'ping': os.write(3, b'pong')
time.sleep(60)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=BACKENDS)
async def sandbox(request):
    async with opened(request.param) as opened_sandbox:
        yield opened_sandbox


def warm(source):
    return Program(source_name="s.py", source=source)


def executed(source, **fields):
    return Program(source_name="s.py", source=source, run_command=("python3", "{source}"), **fields)


async def run(sandbox, program, peer, *runs, **limits):
    from dataclasses import replace

    work = Job(toolchain="python", program=program, peer=peer, runs=runs or (TALK,), limits=replace(LIMITS, **limits))
    result = await sandbox.run(work)
    return result.runs[0]


@pytest.mark.parametrize("program", [warm, executed])
@pytest.mark.parametrize("peer", [warm, executed])
async def test_a_program_and_an_interactor_talk_to_each_other(sandbox, program, peer):
    found = await run(sandbox, program(GUESSER), peer(INTERACTOR), wall_floor_s=10.0)
    assert (found.status, found.exit_code, found.signal) == (RunStatus.EXITED, 0, 0), found
    assert (found.peer.status, found.peer.exit_code) == (RunStatus.EXITED, 42), found


@pytest.mark.parametrize("rest", ["import time\ntime.sleep(60)", "while True: pass", "while True: print('x' * 1000)"])
async def test_a_program_that_goes_on_when_its_interactor_has_ended_passes_its_limits(sandbox, rest):
    found = await run(sandbox, warm(GUESSER + rest), warm(INTERACTOR))
    assert found.status is RunStatus.TIME, found
    assert (found.peer.status, found.peer.exit_code) == (RunStatus.EXITED, 42), found


async def test_a_program_that_prints_and_ends_after_its_interactor_ends_as_it_would(sandbox):
    trailing = "\nprint('x' * 200_000)\nraise SystemExit(5)"
    found = await run(sandbox, executed(GUESSER + trailing), executed(INTERACTOR), wall_floor_s=10.0)
    assert (found.status, found.exit_code, found.peer.exit_code) == (RunStatus.EXITED, 5, 42)


@pytest.mark.parametrize("source", ["while True: pass", "import time\ntime.sleep(60)", "input()"])
async def test_a_program_that_keeps_its_interactor_waiting_has_used_up_its_time(sandbox, source):
    found = await run(sandbox, warm(source), warm(INTERACTOR))
    assert found.status is RunStatus.TIME
    assert found.peer.status is RunStatus.EXITED


@pytest.mark.parametrize("peer", [warm, executed])
async def test_an_interactor_can_judge_a_program_that_went_away(sandbox, peer):
    judging = "import sys\nfor _ in range(3): print('x' * 100_000, flush=True)\nsys.exit(43)"
    if peer is warm:
        judging = "import sys\ntry:\n    input()\nexcept EOFError:\n    sys.exit(43)\n"
    found = await run(sandbox, warm("raise SystemExit(3)"), peer(judging), wall_floor_s=10.0)
    assert (found.status, found.exit_code) == (RunStatus.EXITED, 3)
    assert found.peer.status is RunStatus.EXITED
    assert found.peer.exit_code


async def test_an_interactor_s_own_work_is_no_waiting_of_the_program_s(sandbox):
    slow = "import time\nwhile time.process_time() < 1.2: pass\n"
    found = await run(sandbox, warm(GUESSER), warm(slow + INTERACTOR))
    assert (found.status, found.peer.exit_code) == (RunStatus.EXITED, 42), found


async def test_a_tester_leads_and_the_program_s_end_is_told_apart(sandbox):
    found = await run(sandbox, executed(SOLUTION), executed(TESTER), PairRun(), wall_floor_s=10.0)
    assert (found.status, found.exit_code, found.signal) == (RunStatus.EXITED, 0, 0), found
    assert (found.peer.status, found.peer.exit_code) == (RunStatus.EXITED, 0), found
    found = await run(sandbox, executed("raise SystemExit(3)"), executed(TESTER), PairRun(), wall_floor_s=10.0)
    assert (found.exit_code, found.peer.exit_code) == (3, 1)


async def test_a_solution_that_does_not_answer_its_tester_has_used_up_its_time(sandbox):
    found = await run(sandbox, executed("while True: pass"), executed(TESTER), PairRun())
    assert (found.status, found.peer.status) == (RunStatus.TIME, RunStatus.EXITED)


SPY = """
import os, sys
hit = []
def look(directory):
    try: names = os.listdir(directory)
    except OSError: return
    for name in names:
        path = os.path.join(directory, name)
        if os.path.isdir(path): look(path)
        else:
            try: text = open(path).read()
            except (OSError, UnicodeDecodeError): continue
            if 'S' + 'ECRET' in text: hit.append(path)
for root in (*sys.path[:1], os.path.dirname(os.getcwd()), '/work', '/assay-work', '/tmp', '/dev/shm'): look(root)
me = os.getpid()
for pid in map(str, {1, os.getppid(), *range(2, 500), *range(me - 50, me + 50)}):
    for name in ('environ', 'cmdline', 'mem', 'maps', 'fd', 'cwd', 'root', 'task'):
        if int(pid) not in (me, 0):
            try: data = open(f'/proc/{pid}/{name}', 'rb').read(1 << 20)
            except OSError: continue
            if b'S' + b'ECRET' in data: hit.append(f'/proc/{pid}/{name}')
print(hit, file=sys.stderr)
"""


@pytest.mark.parametrize("program", [warm, executed])
async def test_neither_of_two_programs_can_read_what_is_the_other_s(sandbox, program):
    shown = "shown" if is_gvisor(sandbox) else "SECRET"
    runs = InteractiveRun(args=(shown,), files=(("secret", b"SECRET"),))
    peer = executed("# SECRET\nimport time\ntime.sleep(0.4)", environment=(("NAME", shown),))
    found = await run(sandbox, program(SPY), peer, runs, cpu_time_s=4, wall_floor_s=20.0)
    assert found.stderr == b"[]\n", found


async def test_nothing_is_left_of_two_programs(sandbox):
    await run(sandbox, executed(GUESSER), executed(INTERACTOR))
    daemons = (
        "import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(60)\n"
    )
    await run(sandbox, warm(daemons + GUESSER), executed(daemons + INTERACTOR))
    result = await sandbox.run(
        Job(toolchain="python", program=warm("import os\nprint(os.listdir('.'))"), runs=(StdioRun(),), limits=LIMITS)
    )
    assert result.runs[0].stdout == b"[]\n"
    assert runner_seen_of(sandbox).left_behind == []
