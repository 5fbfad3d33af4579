"""``curate plan``: everything that can be wrong at once, and an outlook that a run bears out."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from click.testing import CliRunner

from curation.cli import main
from curation.plan import Finding, Level, Plan
from curation.planning import PlanRequest, make_plan
from curation.starting import StartRequest, start_recipe
from tests.fakes_curation import RECIPE, FakeEngine, run_fake, think, tree, write_rows
from tests.fakes_store import CountedStore
from verifier.errors import ServerUnavailableError
from verifier.settings import Settings

ROOT = Path(__file__).parents[2]


async def fine(_: Settings) -> str:
    return ""


async def broken(_: Settings) -> str:
    return "user namespaces are off; enable them"


def plan_of(folder: Path, recipe: str = RECIPE, *, engine: FakeEngine | None = None, check=fine, **options) -> Plan:
    @asynccontextmanager
    async def opened(_: Settings) -> AsyncIterator[FakeEngine]:
        yield engine or FakeEngine()

    request = {"globs": (f"{folder}/in/*",), "output": f"{folder}/out"} | options
    return make_plan(PlanRequest(text=recipe, **request), open_engine=opened, sandbox_check=check)


def corpus(folder: Path, prompts: int = 600, **more: object) -> None:
    """A third of the completions are wrong, one in ten has no think tags; in three files of two row groups."""
    for number in range(3):
        rows = []
        for prompt in range(number * prompts // 3, (number + 1) * prompts // 3):
            texts = [think(1 if (prompt * 7 + index) % 3 else 2, f"r{prompt}-{index}") for index in range(4)]
            if prompt % 10 == 0:
                texts = ["answer: 1"] * 4
            rows.append({"prompt": f"q{prompt}", "completions": texts, "answer": "1", **more})
        write_rows(folder / f"in/{number}.parquet", rows)


def wide_files(folder: Path, prefix: str) -> None:
    """Files of row groups that are larger than what is read of an end at once."""
    for number in range(3):
        rows = [
            {"prompt": f"q{number}-{row}", "answer": "1", "completions": [think(1, os.urandom(2000).hex())] * 2}
            for row in range(200)
        ]
        with fsspec.open(f"{prefix}/{number}.parquet", "wb") as stream:
            stream.write(write_rows(folder / f"{number}.parquet", rows, group=50).read_bytes())


@pytest.mark.parametrize(
    ("step", "tests", "times"),
    [("dedup", None, 2), ("dedup_prompts", None, 3), ("dedup", '{"math": {"answers": ["1"]}}', 3)],
)
def test_texts_are_read_once_less_where_they_are_judged_while_they_are_at_hand(tmp_path, step, tests, times):
    corpus(tmp_path, prompts=30, tests=tests)
    plan = plan_of(tmp_path, RECIPE.replace('"dedup"', f'"{step}"'))
    assert plan.outlook is not None
    assert f"read the rows, {times} times" in [stage.stage for stage in plan.outlook.stages]


def test_the_disk_holds_what_is_put_aside_for_decisions_where_memory_does_not(tmp_path, monkeypatch):
    corpus(tmp_path)
    small = plan_of(tmp_path)
    monkeypatch.setattr("curation.executors.spool._IN_MEMORY", 1_000)
    large = plan_of(tmp_path)
    assert small.outlook is not None
    assert large.outlook is not None
    assert small.outlook.disk.spill == 0
    # Some 40 bytes a sample, of those that the first look of a decision reaches.
    assert 20 * 2_400 < large.outlook.disk.spill < 80 * 2_400


@pytest.mark.parametrize("output", ["out", "there"])
def test_a_plan_and_a_first_recipe_read_each_footer_once(tmp_path, output):
    wide_files(tmp_path / "made", "counted://raw")
    run_fake([f"{tmp_path}/made/*.parquet"], tmp_path / "there")
    CountedStore.ends.clear()
    plan = plan_of(tmp_path, globs=("counted://raw/*.parquet",), output=f"{tmp_path}/{output}")
    assert plan.outlook is not None
    assert plan.outlook.completions == 500
    assert len(CountedStore.ends) == 3
    assert set(CountedStore.ends.values()) == {1}
    CountedStore.ends.clear()
    start_recipe(StartRequest(globs=("counted://raw/*.parquet",), judged=0))
    assert len(CountedStore.ends) == 3
    assert set(CountedStore.ends.values()) == {1}


def test_where_footers_are_large_in_all_only_those_of_the_files_that_are_read_are_read_again(tmp_path, monkeypatch):
    wide_files(tmp_path / "made", "counted://raw")
    one = plan_of(tmp_path, globs=("counted://raw/*.parquet",))
    monkeypatch.setattr("curation.sampling._KEPT_FOOTER_BYTES", 0)
    CountedStore.ends.clear()
    other = plan_of(tmp_path, globs=("counted://raw/*.parquet",))
    assert one.funnel == other.funnel
    assert min(CountedStore.ends.values()) > 1


def told(plan: Plan, level: Level) -> str:
    return "\n".join(f"{finding.field}: {finding.message}" for finding in plan.of(level))


def test_the_outlook_holds_what_a_run_then_does(tmp_path):
    corpus(tmp_path)
    plan = plan_of(tmp_path)
    assert plan.status == 0, plan.findings
    outlook = plan.outlook
    assert outlook is not None
    assert (outlook.completions, outlook.prompts, outlook.completions_in_all) == (500, 125, 2400)
    assert not (tmp_path / "out").exists()
    report = run_fake([f"{tmp_path}/in/*"], tmp_path / "out")
    kept = sum(entry.kept for entry in report.entries)
    assert outlook.kept.low <= kept <= outlook.kept.high
    assert outlook.kept.high - outlook.kept.low < 300
    size = sum(file.stat().st_size for file in (tmp_path / "out").rglob("*.parquet"))
    assert size / 3 < outlook.disk.total < size * 3


def test_a_sample_that_is_the_corpus_tells_exactly_what_a_run_does(tmp_path):
    corpus(tmp_path, prompts=60)
    plan = plan_of(tmp_path)
    assert plan.outlook is not None
    assert plan.funnel is not None
    assert plan.outlook.is_whole
    report = run_fake([f"{tmp_path}/in/*"], tmp_path / "out")
    kept = sum(entry.kept for entry in report.entries)
    assert (plan.outlook.kept.low, plan.outlook.kept.count, plan.outlook.kept.high) == (kept, kept, kept)
    dropped: dict[str, int] = {}
    for entry in report.entries:
        for step, reasons in entry.dropped.items():
            dropped[step] = dropped.get(step, 0) + sum(reasons.values())
    assert {step: sum(reasons.values()) for step, reasons in plan.funnel.dropped.items()} == dropped


def test_all_that_is_wrong_is_told_at_once_with_the_field(tmp_path):
    corpus(tmp_path, prompts=6)
    (tmp_path / "in/broken.parquet").write_bytes(b"PAR1 this is no Parquet")
    write_rows(tmp_path / "in/strange.parquet", [{"x": "1"}])
    recipe = """
        [inptu]
        [output]
        file_mb = 0
        [[steps]]
        name = "lenght"
        [[steps]]
        name = "length"
        max_char = 3
        [[steps]]
        name = "decontaminate"
        sets = "none/*.jsonl"
        [[steps]]
        name = "pass_rate"
        [[steps]]
        name = "verify"
        [verify]
        kep = "correct"
    """
    plan = plan_of(tmp_path, recipe, output="", globs=(f"{tmp_path}/in/*", f"{tmp_path}/other/*"))
    errors = told(plan, Level.ERROR)
    for part in (
        "inptu: unknown key; did you mean 'input'?",
        "output.file_mb: must be a whole number of at least 1",
        "steps[0].name: unknown step 'lenght'; did you mean 'length'?",
        "steps[1] (length).max_char: unknown option; did you mean 'max_chars'?",
        "steps[2] (decontaminate).sets: no file matches 'none/*.jsonl'",
        "steps[3] (pass_rate): needs verdicts; put it after the step verify",
        "verify.kep: unknown option; did you mean 'keep'?",
        "other/*'; check the path",
        "broken.parquet: cannot be read",
        "strange.parquet: no column for the prompt",
        "output.dir: no output directory",
    ):
        assert part in errors
    assert plan.status == 2
    assert plan.outlook is None
    assert [group.rows for group in plan.files] == [6]


def test_files_of_one_layout_stand_together_with_the_part_of_each_column(tmp_path):
    corpus(tmp_path, prompts=30)
    write_rows(tmp_path / "in/x.parquet", [{"question": "q", "response": think(1), "solution": "1"}])
    lists, rows = plan_of(tmp_path).files
    assert (lists.files, lists.rows, lists.is_list) == (3, 30, True)
    assert rows.parts == {"answer": "solution", "completions": "response", "prompt": "question"}


def test_the_output_directory_is_looked_at_and_not_touched(tmp_path):
    corpus(tmp_path, prompts=30)
    run_fake([f"{tmp_path}/in/*"], tmp_path / "out")
    before = tree(tmp_path / "out")
    assert "holds 3 of 3 shards of an earlier run" in told(plan_of(tmp_path), Level.REMARK)
    only = plan_of(tmp_path, globs=(f"{tmp_path}/in/0.parquet",))
    assert "holds results of 2 file(s) that are not in this input" in told(only, Level.ERROR)
    with (tmp_path / "out/.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "a run is at work on" in told(plan_of(tmp_path), Level.ERROR)
    assert tree(tmp_path / "out") == before
    (tmp_path / "file").write_text("")
    assert "file is no directory" in told(plan_of(tmp_path, output=f"{tmp_path}/file"), Level.ERROR)


def test_unscorable_references_are_told_with_places(tmp_path):
    corpus(tmp_path, prompts=30)
    schema = pa.schema({"prompt": pa.string(), "completions": pa.list_(pa.string()), "answer": pa.string()})
    rows = [{"prompt": "?", "completions": [think(1)] * 2, "answer": None}] * 9
    write_rows(tmp_path / "in/x.parquet", rows, schema=schema)
    plan = plan_of(tmp_path, RECIPE.replace('[[steps]]\nname = "dedup"\n', ""))
    assert plan.status == 1
    assert plan.outlook is not None
    [one] = plan.outlook.unjudged
    assert (one.outcome, one.reason, one.count) == ("UNSCORABLE", "math:no_reference", 18)
    assert one.examples[:2] == (f"{tmp_path}/in/x.parquet row 0", f"{tmp_path}/in/x.parquet row 1")
    assert "18 of 126 judged completions are unscorable" in told(plan, Level.ATTENTION)


def test_a_sandbox_that_is_not_ready_is_an_error_where_rows_have_tests(tmp_path):
    corpus(tmp_path, prompts=30)
    assert plan_of(tmp_path, check=broken).status == 0
    tests = json.dumps({"code": {"language": "python", "stdio": [{"input": "", "output": "1"}]}})
    write_rows(tmp_path / "in/x.parquet", [{"prompt": "?", "completions": [think(1)], "tests": tests}])
    plan = plan_of(tmp_path, check=broken)
    assert "--sandbox: programs cannot be run in the sandbox local" in told(plan, Level.ERROR)
    assert "user namespaces are off; enable them" in told(plan, Level.ERROR)


def test_an_engine_that_cannot_be_used_leaves_the_rest_of_the_plan(tmp_path):
    corpus(tmp_path, prompts=30)
    dead = plan_of(tmp_path, engine=FakeEngine(dies_after=0))
    assert "the verifier went away" in told(dead, Level.ERROR)
    assert dead.outlook is not None
    assert not dead.outlook.is_judged

    @asynccontextmanager
    async def unreachable(settings: Settings) -> AsyncIterator[FakeEngine]:
        raise ServerUnavailableError("unreachable", settings.server)
        yield

    request = PlanRequest(text=RECIPE, globs=(f"{tmp_path}/in/*",), output=f"{tmp_path}/out", server="127.0.0.1:1")
    plan = make_plan(request, open_engine=unreachable, sandbox_check=fine)
    assert "--server" in told(plan, Level.ERROR)
    assert "127.0.0.1:1" in told(plan, Level.ERROR)
    assert plan.funnel is not None
    wrong = plan_of(tmp_path, RECIPE + '[verify]\nrecipe = "r2"\nkeep = "maths"\n')
    assert "the engine has no recipe 'r2'" in told(wrong, Level.ERROR)
    assert "'maths' is not a choice" in told(wrong, Level.ERROR)


def test_failed_verdicts_are_told_and_an_error_where_a_run_would_stop(tmp_path):
    rows = [
        {"prompt": f"q{n}", "completions": [think(1), think("1 broken" if n < 2 else 1)], "answer": "1"}
        for n in range(20)
    ]
    write_rows(tmp_path / "in/a.parquet", rows)
    recipe = RECIPE.replace('[[steps]]\nname = "dedup"\n', "")
    assert "2 of 40 completions could not be judged: worker_lost" in told(plan_of(tmp_path, recipe), Level.ATTENTION)
    strict = plan_of(tmp_path, recipe + "[verify]\nmax_failed_percent = 1\n")
    assert "over max_failed_percent = 1, a run would stop" in told(strict, Level.ERROR)


STEP = '[[steps]]\nname = "{}"\n'


@pytest.mark.parametrize(
    ("steps", "level", "part"),
    [
        (["verify", "format"], Level.ATTENTION, "steps[1] (format): drops 40 of 400 completions"),
        (["verify", "refusal"], Level.REMARK, "steps[1] (refusal): drops 0 of 400 completions"),
        (["verify", "dedup"], Level.ATTENTION, "steps[1] (dedup): drops 30 of 400 completions"),
        (["select", "verify"], Level.ATTENTION, "steps[0] (select): chooses among completions before it is known"),
        (["repetition", "format", "verify"], Level.REMARK, "steps[0] (repetition): is dear and looks at what format"),
    ],
)
def test_an_order_that_wastes_work_is_told(steps, level, part, tmp_path):
    corpus(tmp_path, prompts=100)
    plan = plan_of(tmp_path, "".join(STEP.format(step) for step in steps))
    assert part in told(plan, level)


def test_a_good_order_gives_no_remark(tmp_path):
    corpus(tmp_path, prompts=60)
    recipe = "".join(STEP.format(step) for step in ("normalise", "format", "repetition", "dedup", "verify", "select"))
    assert plan_of(tmp_path, recipe).findings == []


def quota_plan(folder: Path, quotas: str, when_short: str = "take_all") -> Plan:
    rows = [
        {"prompt": f"q{n}", "completions": [think(1)], "answer": "1", "domain": "math" if n % 4 else "logic"}
        for n in range(2000)
    ]
    write_rows(folder / "in/a.parquet", rows)
    return plan_of(folder, RECIPE + f'[[steps]]\nname = "quota"\ndomains = "{quotas}"\nwhen_short = "{when_short}"\n')


def test_domains_that_run_short_of_their_quota_are_told(tmp_path):
    plan = quota_plan(tmp_path, "math = 100, logic = 5000, stem = 10")
    assert plan.outlook is not None
    found = {one.domain: one for one in plan.outlook.domains}
    assert {name: one.state for name, one in found.items()} == {
        "math": "fills",
        "logic": "short",
        "stem": "may run short",
    }
    assert found["math"].output.count == 100
    assert found["logic"].available.low <= 500 <= found["logic"].available.high
    assert "logic will have" in told(plan, Level.ATTENTION)
    assert "counts the whole corpus" in told(plan, Level.REMARK)
    report = run_fake(
        [f"{tmp_path}/in/*"],
        tmp_path / "out",
        recipe=RECIPE + '[[steps]]\nname = "quota"\ndomains = "math = 100, logic = 5000, stem = 10"\n',
    )
    assert plan.outlook.kept.low <= sum(entry.kept for entry in report.entries) <= plan.outlook.kept.high


def test_quotas_that_shrink_alike_are_reckoned_alike(tmp_path):
    plan = quota_plan(tmp_path, "math = 1000, logic = 1000", "scale")
    assert plan.outlook is not None
    found = {one.domain: one for one in plan.outlook.domains}
    assert found["math"].output == found["logic"].output
    assert found["logic"].output.count == found["logic"].available.count


def test_an_option_for_domains_that_are_not_there_is_told(tmp_path):
    corpus(tmp_path, prompts=30)
    plan = plan_of(tmp_path, RECIPE + '[verify]\nonly = "maths"\n')
    assert "only = 'maths' names no domain of the sample, which has 'math'" in told(plan, Level.ATTENTION)


def test_steps_that_compare_scattered_completions_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.sampling._WHOLE_BYTES", 0)
    rows = [
        {"prompt": f"q{n}", "response": think(1, str(m)), "answer": "1", "prompt_id": f"q{n}"}
        for m in range(4)
        for n in range(200)
    ]
    write_rows(tmp_path / "in/a.parquet", rows)
    assert "completions of one prompt lie apart in the files" in told(plan_of(tmp_path), Level.REMARK)


def test_a_full_disk_is_an_error(tmp_path, monkeypatch):
    corpus(tmp_path, prompts=60)
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr("curation.planning.shutil.disk_usage", lambda _: usage)
    assert "bytes and 10 are free; make room" in told(plan_of(tmp_path), Level.ERROR)


def test_findings_come_worst_first(tmp_path):
    corpus(tmp_path, prompts=30)
    plan = plan_of(tmp_path, RECIPE.replace("validate", "repetition"), output="")
    levels = [list(Level).index(finding.level) for finding in plan.findings]
    assert levels == sorted(levels)
    assert isinstance(plan.findings[0], Finding)


def curate(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def test_the_command_on_the_examples_with_the_real_engine(tmp_path):
    (tmp_path / "recipe.toml").write_text(
        RECIPE.replace('name = "verify"', 'name = "verify"\nonly = "math"').replace('\nonly = "math"', "")
        + '[verify]\nonly = "math"\n'
    )
    shards = [f"{ROOT}/examples/shards/math_lists.parquet", f"{ROOT}/examples/shards/math_rows.parquet"]
    inputs = [part for shard in shards for part in ("--input", shard)]
    command = ["plan", str(tmp_path / "recipe.toml"), *inputs, "--output", str(tmp_path / "out")]
    result = curate(*command, "--sample", "100")
    assert result.exit_code == 0, result.output
    for part in ("Funnel of the sample", "math:not_equal", "kept in the corpus", "kept    ", "disk    about", "ready"):
        assert part in result.stdout
    assert not (tmp_path / "out").exists()
    fields = json.loads(curate(*command, "--json").stdout)
    assert (fields["status"], fields["is_ready"]) == (0, True)
    assert fields["outlook"]["is_judged"]
    assert fields["files"][1]["parts"]["answer"] == "solution"


def test_the_command_says_2_for_a_recipe_that_is_not_there(tmp_path):
    result = curate("plan", str(tmp_path / "none.toml"))
    assert result.exit_code == 2
    assert "cannot be read" in result.stderr
