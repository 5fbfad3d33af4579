"""``curate init``: a recipe that runs as it is, with what was found beside each setting."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from curation.cli import main
from curation.errors import InputError
from curation.recipe import Recipe, parse_recipe
from curation.starting import Started, StartRequest, start_recipe
from curation.steps import build_steps
from tests.fakes_curation import FakeEngine, run_fake, think, write_rows, write_table
from tests.unit.test_curation_schemas import CASES, ids, table_of
from verifier.errors import SandboxError
from verifier.settings import Settings

ROOT = Path(__file__).parents[2]


async def fine(_: Settings) -> str:
    return ""


async def broken(_: Settings) -> str:
    return "user namespaces are off"


@asynccontextmanager
async def fake(_: Settings) -> AsyncIterator[FakeEngine]:
    yield FakeEngine()


def started(*globs: object, check=fine, opened=fake, **options) -> Started:
    request = StartRequest(globs=tuple(map(str, globs)), **options)
    return start_recipe(request, open_engine=opened, sandbox_check=check)


def recipe_of(*globs: object, **options) -> tuple[Recipe, str]:
    made = started(*globs, **options)
    assert made.is_whole, made.remarks
    recipe = parse_recipe(made.text)
    build_steps(recipe)
    return recipe, made.text


def names(recipe: Recipe) -> list[str]:
    return [spec.name for spec in recipe.steps]


def math_rows(count: int = 20, **more: object) -> list[dict[str, object]]:
    return [
        {"prompt": f"What is {n}?", "completions": [think(n), think(-1, "no")], "answer": str(n), **more}
        for n in range(count)
    ]


def test_a_recipe_runs_as_it_is_and_keeps_what_it_should(tmp_path):
    write_rows(tmp_path / "a.parquet", math_rows())
    recipe, text = recipe_of(tmp_path / "a.parquet")
    assert names(recipe)[:4] == ["normalise", "validate", "length", "format"]
    assert "# think tags: 40 of 40" in text
    assert "# of 40 that were judged 20 are right; math:not_equal 20" in text
    report = run_fake(list(recipe.globs), tmp_path / "out", recipe=text)
    assert sum(entry.kept for entry in report.entries) == 20


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_the_recipe_for_a_public_dataset_runs(case, ending, tmp_path):
    path = tmp_path / f"a.{ending}"
    write_table(path, table_of(case["columns"], case["rows"]))
    recipe, text = recipe_of(path)
    assert f"schema {case['schema']}" in text
    report = run_fake([str(path)], tmp_path / "out", recipe=text)
    assert not report.stopped
    assert [entry.error for entry in report.entries] == [""]
    assert recipe.columns == {}


@pytest.mark.parametrize("preset", ["r1", "r1-cold-start", "sky-t1", "open-r1"])
def test_a_preset_is_fitted_to_the_files(preset, tmp_path):
    write_rows(tmp_path / "a.parquet", [{**row, "completions": ["answer: 1"]} for row in math_rows()])
    recipe, text = recipe_of(tmp_path / "a.parquet", preset=preset)
    assert "format" not in names(recipe)
    assert (
        "# format is left out: asks for <think>reasoning</think> answer; 0 of 20 completions have think tags." in text
    )
    run_fake(list(recipe.globs), tmp_path / "out", recipe=text)


def test_the_same_files_give_the_same_recipe(tmp_path):
    write_rows(tmp_path / "a.parquet", math_rows(300), group=40)
    assert started(tmp_path / "a.parquet").text == started(tmp_path / "a.parquet").text


def test_domains_without_references_are_kept_without_a_verdict(tmp_path):
    rows: list[dict[str, object]] = math_rows(domain="math")
    rows += [{"prompt": "Hello?", "completions": [think("hi")], "answer": None, "domain": "general"}] * 4
    write_rows(tmp_path / "a.parquet", rows)
    recipe, text = recipe_of(tmp_path / "a.parquet")
    assert recipe.verify.options["skip"] == "general"
    assert "# no row of general has an answer or tests: these are kept without a verdict" in text
    report = run_fake(list(recipe.globs), tmp_path / "out", recipe=text)
    # Of the four equal ones dedup leaves one.
    assert sum(entry.kept for entry in report.entries) == 21


def test_rows_without_domain_and_reference_are_passed_by_naming_the_others(tmp_path):
    rows: list[Mapping[str, object]] = [
        *math_rows(),
        {"prompt": "Hello?", "completions": [think("hi")], "answer": None},
    ]
    write_rows(tmp_path / "a.parquet", rows)
    recipe, _ = recipe_of(tmp_path / "a.parquet")
    assert recipe.verify.options["only"] == "math"
    assert "skip" not in recipe.verify.options


def test_some_rows_without_reference_in_a_domain_are_told(tmp_path):
    rows: list[Mapping[str, object]] = [
        *math_rows(domain="math"),
        {"prompt": "?", "completions": [think(1)], "answer": None, "domain": "math"},
    ]
    write_rows(tmp_path / "a.parquet", rows)
    recipe, text = recipe_of(tmp_path / "a.parquet")
    assert "skip" not in recipe.verify.options
    assert "1 of 41 completions of math have no reference, and are dropped as unscorable:no_reference" in text


@pytest.mark.parametrize("preset", ["", "open-r1"])
def test_without_any_reference_nothing_is_verified(preset, tmp_path):
    write_rows(tmp_path / "a.parquet", [{"prompt": f"q{n}", "completion": think(n)} for n in range(5)])
    recipe, text = recipe_of(tmp_path / "a.parquet", preset=preset)
    assert not {"verify", "pass_rate"} & set(names(recipe))
    assert "# verify is left out: no row of the sample has an answer or tests" in text
    report = run_fake(list(recipe.globs), tmp_path / "out", recipe=text)
    assert sum(entry.kept for entry in report.entries) == 5


def test_a_column_of_scores_leads_to_the_step_quality(tmp_path):
    rows = [{**row, "quality_score": 0.25 + n / 100} for n, row in enumerate(math_rows())]
    write_rows(tmp_path / "a.parquet", rows)
    recipe, text = recipe_of(tmp_path / "a.parquet")
    [quality] = [spec for spec in recipe.steps if spec.name == "quality"]
    assert quality.options == {"min_score": 0.25}
    assert "# scores of the sample: 0.25 to 0.44, half of them below 0.35; raise the bound" in text
    rows[3]["quality_score"] = None
    write_rows(tmp_path / "a.parquet", rows)
    recipe, _ = recipe_of(tmp_path / "a.parquet")
    assert [spec.options["needs_score"] for spec in recipe.steps if spec.name == "quality"] == [False]


def test_what_a_filter_drops_stands_beside_it(tmp_path):
    rows = math_rows(30)
    for row in rows[:12]:
        row["completions"] = ["no tags"]
    write_rows(tmp_path / "a.parquet", rows)
    _, text = recipe_of(tmp_path / "a.parquet")
    assert "# drops 12 of the sample's 48: no_think 12\n" in text


def test_columns_of_likely_names_are_mapped_and_said(tmp_path):
    rows = [{"instruction": f"q{n}", "output": think(n), "answer": str(n)} for n in range(5)]
    write_rows(tmp_path / "a.parquet", rows)
    recipe, text = recipe_of(tmp_path / "a.parquet")
    assert recipe.columns == {"prompt": "instruction", "completions": "output"}
    assert 'completions = "output"            # by its name and type' in text
    report = run_fake(list(recipe.globs), tmp_path / "out", recipe=text)
    assert sum(entry.kept for entry in report.entries) == 5


def test_columns_that_cannot_be_told_are_asked_for_with_the_candidates(tmp_path):
    write_rows(tmp_path / "a.parquet", [{"prompt": "q", "alpha": "x", "beta": ["y"], "n": 1}])
    made = started(tmp_path / "a.parquet")
    assert not made.is_whole
    assert '# completions = ""           # columns that could be it: prompt, alpha, beta' in made.text
    assert "# prompt =" not in made.text
    filled = made.text.replace('# completions = ""', 'completions = "beta"')
    assert parse_recipe(filled).columns == {"completions": "beta"}


@pytest.mark.parametrize(
    ("names", "mapped"),
    [
        (("Prompt", "Response", "Answer"), ("Prompt", "Response", "Answer")),
        (("Question", "Model-Response", "expected_answer"), ("Question", "Model-Response", "expected_answer")),
        (("problem", "generated_solution", "Reference Answer"), (None, "generated_solution", "Reference Answer")),
        (("prompt", "response", "notes"), (None, None, None)),
    ],
)
def test_likely_names_are_known_in_whatever_case_and_answers_too(names, mapped, tmp_path):
    rows = [dict(zip(names, (f"q{n}", think(n), str(n)), strict=True)) for n in range(5)]
    write_rows(tmp_path / "a.parquet", rows)
    recipe, text = recipe_of(tmp_path / "a.parquet")
    assert tuple(recipe.columns.get(part) for part in ("prompt", "completions", "answer")) == mapped
    report = run_fake(list(recipe.globs), tmp_path / "out", recipe=text)
    assert sum(entry.kept for entry in report.entries) == 5


@pytest.mark.parametrize(
    ("reasoning", "is_mapped"),
    [("We add the two numbers, one after the other, and look at the sum.", True), ("on", False), (None, False)],
)
def test_reasoning_of_its_own_is_found_where_completions_have_none(reasoning, is_mapped, tmp_path):
    rows = [{"prompt": f"q{n}", "response": f"answer: {n}", "answer": str(n), "thinking": reasoning} for n in range(5)]
    write_rows(tmp_path / "a.parquet", rows)
    recipe, text = recipe_of(tmp_path / "a.parquet")
    assert recipe.columns == ({"reasoning": "thinking"} if is_mapped else {})
    assert ("format" in names(recipe)) == is_mapped
    report = run_fake(list(recipe.globs), tmp_path / "out", recipe=text)
    assert sum(entry.kept for entry in report.entries) == 5
    tagged = [{**row, "response": f"<think>\nx\n</think>\n\n{row['response']}"} for row in rows]
    write_rows(tmp_path / "b.parquet", tagged)
    assert recipe_of(tmp_path / "b.parquet")[0].columns == {}


ANSWER = {
    "role": "assistant",
    "content": "answer: 5",
    "reasoning": "We add two and three, and look at what the sum is.",
}


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        (
            {
                "request": {"messages": [{"role": "user", "content": "2+3?"}]},
                "response": {"choices": [{"message": ANSWER}]},
            },
            {
                "prompt": "request.messages",
                "completions": "response.choices.message.content",
                "reasoning": "response.choices.message.reasoning",
            },
        ),
        ({"prompt": "2+3?", "completions": [{"text": "answer: 5", "tokens": 3}]}, {"completions": "completions.text"}),
        ({"prompt": "2+3?", "outputs": [{"text": "answer: 5"}]}, {"completions": "outputs.text"}),
    ],
)
def test_what_servers_write_is_mapped_by_its_path(row, columns, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**row, "answer": 5}) + "\n")
    recipe, text = recipe_of(path)
    assert recipe.columns == columns
    [entry] = run_fake([str(path)], tmp_path / "out", recipe=text).entries
    assert entry.kept == 1


@pytest.mark.parametrize("part", ["prompt", "completion"])
def test_lists_of_json_in_a_text_are_told(part, tmp_path):
    row = {"prompt": "q", "completion": think(1)}
    held = json.dumps([{"role": "user", "content": row[part]}])
    write_rows(tmp_path / "a.parquet", [{**row, part: held}] * 3)
    assert started(tmp_path / "a.parquet").remarks[0].startswith(f"3 of 3 {part}s are JSON lists in a text")
    write_rows(tmp_path / "a.parquet", [{**row, part: f"[1] {held}"}, {**row, part: "[a]"}])
    assert started(tmp_path / "a.parquet").remarks == []


def test_tags_that_a_template_opens_do_not_lead_to_a_step_that_drops_all(tmp_path):
    rows = [{"prompt": f"q{n}", "response": f"We add.\n</think>\n\nanswer: {n}", "answer": str(n)} for n in range(5)]
    write_rows(tmp_path / "a.parquet", rows)
    recipe, text = recipe_of(tmp_path / "a.parquet")
    assert "format" not in names(recipe)
    assert "code_in_reasoning" in names(recipe)
    assert "# format is left out: 5 of 5 completions close a think tag that they do not open" in text
    write_rows(tmp_path / "a.parquet", [{**row, "prompt": f"{row['prompt']}<think>\n"} for row in rows])
    assert "format" in names(recipe_of(tmp_path / "a.parquet")[0])


def test_completions_that_are_the_reference_itself_are_told(tmp_path):
    solution = "We add the two. The sum is $\\boxed{5}$."
    talk = [{"role": "user", "content": "2+3?"}, {"role": "assistant", "content": solution}]
    write_rows(tmp_path / "a.parquet", [{"solution": solution, "messages": talk}] * 3)
    made = started(tmp_path / "a.parquet")
    assert made.is_whole
    assert "3 of 3 completions are their own reference" in made.remarks[0]


LINES = "".join(json.dumps(row) + "\n" for row in math_rows(3))


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (json.dumps(math_rows(3), indent=1).encode(), "is one JSON array; make lines of it: jq -c '.[]' "),
        (json.dumps(math_rows(3)).encode(), "is one JSON array"),
        (json.dumps(math_rows(1)[0], indent=1).encode(), "has objects of several lines"),
        (LINES.encode("utf-16"), "is UTF-16; write it as UTF-8"),
        (gzip.compress(LINES.encode()), "is compressed by gzip; let its name end with .jsonl.gz"),
        (b"prompt,response\na,b\n", "is of another kind"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "is a pointer of Git LFS"),
    ],
)
def test_files_without_any_line_that_can_be_read_are_told_with_the_remedy(content, remedy, tmp_path):
    write_rows(tmp_path / "in" / "a.parquet", math_rows(3))
    (tmp_path / "in" / "b.json").write_bytes(content)
    made = started(tmp_path / "in" / "*")
    assert not made.is_whole
    assert f"{tmp_path}/in/b.json: no line of it is a JSON object; it {remedy}" in made.remarks[0]
    (tmp_path / "r.toml").write_text(made.text)
    planned = curate("plan", str(tmp_path / "r.toml"), "--output", str(tmp_path / "out"))
    assert planned.exit_code == 1
    assert "no line of it is a JSON object" in "".join(planned.output.split("\n")).replace("  ", " ")


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b'\xef\xbb\xbf{"prompt": "p", "response": "r"}\r\n', b'{"prompt": "p", "response": "r"}']
)
def test_empty_files_and_marks_of_windows_are_no_trouble(content, tmp_path):
    (tmp_path / "b.jsonl").write_bytes(content)
    assert started(tmp_path / "b.jsonl").remarks == []


def test_tests_of_a_dataset_lead_to_its_format(tmp_path):
    tests = json.dumps({"inputs": ["1\n"], "outputs": ["1\n"]})
    write_rows(tmp_path / "a.parquet", [{"question": "Echo.", "input_output": tests, "completions": [think(1)]}])
    recipe, text = recipe_of(tmp_path / "a.parquet", check=broken)
    assert recipe.rows is not None
    assert recipe.rows.name == "apps"
    assert "# references: code 1" in text
    assert "# programs could not be judged here: user namespaces are off" in text


def test_the_solution_of_a_dataset_with_tests_is_no_answer(tmp_path):
    row = {"question": "Add.", "solution": "def add(a, b):\n    return a + b", "response": think(1)}
    write_rows(
        tmp_path / "a.parquet",
        [{**row, "test": "from solution import add\n\ndef test_add():\n    assert add(1, 2) == 3"}],
    )
    recipe, text = recipe_of(tmp_path / "a.parquet", check=broken)
    assert recipe.rows is not None
    assert recipe.rows.name == "kodcode"
    assert "# references: code 1" in text
    write_rows(tmp_path / "b.parquet", [{**row, "solution": "5"}])
    recipe, _ = recipe_of(tmp_path / "b.parquet")
    assert recipe.rows is None


@pytest.mark.parametrize("check", [fine, broken])
def test_an_engine_that_cannot_be_used_is_no_failure(check, tmp_path):
    @asynccontextmanager
    async def dead(_: Settings) -> AsyncIterator[FakeEngine]:
        raise SandboxError("no_isolation", "cannot start")
        yield

    write_rows(tmp_path / "a.parquet", math_rows())
    _, text = recipe_of(tmp_path / "a.parquet", opened=dead, check=check)
    assert "# nothing was judged:" in text


def test_paths_and_domains_of_any_signs_are_written_as_toml(tmp_path):
    folder = tmp_path / 'a "b" \\c é'
    write_rows(folder / "a.parquet", math_rows(domain='m"a\\th\n'))
    recipe, text = recipe_of(folder / "a.parquet")
    assert recipe.globs == (f"{folder}/a.parquet",)
    run_fake(list(recipe.globs), tmp_path / "out", recipe=text)


def test_languages_and_sources_are_counted(tmp_path):
    rows: list[Mapping[str, object]] = [
        *math_rows(3, source="alpha"),
        {"prompt": "二加二等于几?", "completions": [think(4)], "answer": "4", "source": "beta"},
    ]
    write_rows(tmp_path / "a.parquet", rows)
    _, text = recipe_of(tmp_path / "a.parquet")
    assert "# languages of prompts: en or another in Latin letters 6, zh 1" in text
    assert "# sources: alpha 6, beta 1" in text


def curate(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def test_the_command_writes_a_file_once_and_run_takes_it(tmp_path):
    target, out = tmp_path / "recipe.toml", str(tmp_path / "out")
    inputs: Sequence[str] = (f"{ROOT}/examples/shards/math_*.parquet",)
    result = curate("init", *inputs, "--output", str(target))
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert f"then: curate plan {target}" in result.stderr
    assert "that were judged" in target.read_text()
    again = curate("init", *inputs, "--output", str(target))
    assert again.exit_code == 2
    assert "--force" in again.stderr
    first = target.read_text()
    assert curate("init", *inputs, "--output", str(target), "--force").exit_code == 0
    assert target.read_text() == first
    planned = curate("plan", str(target), "--output", out)
    assert planned.exit_code == 0, planned.output
    done = curate("run", str(target), "--output", out, "--no-store")
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out/manifest.json").read_text())["totals"]["kept"] > 300


def test_the_command_prints_the_recipe_alone_to_standard_output(tmp_path):
    write_rows(tmp_path / "a.parquet", [{"prompt": "q", "alpha": "x"}])
    result = curate("init", f"{tmp_path}/a.parquet")
    assert result.exit_code == 1
    parse_recipe(result.stdout)
    assert "no column for the completions" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none/*.parquet"], "no file matches"),
        (["a.parquet", "--preset", "r2"], "unknown preset 'r2'"),
        (["a.parquet", "--sandbox", "lokal", "--sample", "9"], "lokal"),
    ],
)
def test_mistakes_end_with_status_2(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tests = json.dumps({"code": {"language": "python", "stdio": [{"input": "", "output": "1"}]}})
    write_rows(tmp_path / "a.parquet", [{"prompt": "q", "completions": [think(1)], "tests": tests}])
    result = curate("init", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (LINES.encode(), "it holds JSON; let its name end with .jsonl"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "it is a pointer of Git LFS"),
        (b"PAR1 cut", "mend or remove the file"),
        (b"", "mend or remove the file"),
    ],
)
def test_files_that_are_no_parquet_are_told_with_the_remedy(content, remedy, tmp_path):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match=remedy):
        started(tmp_path / "a.parquet")


def test_files_of_no_rows_give_a_recipe_too(tmp_path):
    schema = pa.schema({"prompt": pa.string(), "completions": pa.list_(pa.string()), "answer": pa.string()})
    write_rows(tmp_path / "a.parquet", [], schema=schema)
    recipe, _ = recipe_of(tmp_path / "a.parquet")
    assert "length" in names(recipe)
