"""Pages of real runs, made by the command and opened in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self

import pyarrow as pa
import pytest
from click.testing import CliRunner

from curation.cli import main
from curation.costs import CostMeter, read_costs
from tests.fakes_curation import FakeEngine, run_fake, think, write_rows

RECIPE = """
[[steps]]
name = "normalise"
[[steps]]
name = "validate"
[[steps]]
name = "format"
[[steps]]
name = "language_mix"
[[steps]]
name = "long_paragraph"
max_chars = 400
[[steps]]
name = "code_in_reasoning"
[[steps]]
name = "dedup"
[[steps]]
name = "verify"
"""
FILTERS = '[[steps]]\nname = "validate"\n[[steps]]\nname = "format"\n'
HOSTILE = (
    "<script>window.pwned = 1; document.title = 'pwned'</script>",
    "<img src='http://pwned.invalid/x.png' onerror='window.pwned = 1'>",
    "</pre></style></title></textarea><svg onload='window.pwned = 1'><iframe src='http://pwned.invalid'></iframe>",
    "\"'><meta http-equiv=refresh content='0;url=http://pwned.invalid'><a href='javascript:pwned=1'>x</a>",
    "<!-- <style>body { display: none; background: url(http://pwned.invalid/b) }</style> <link rel=icon href=//x>",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} ]]> \u202e\u0000\u200b&lt;b&gt;",
    "unbroken" * 400,
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "headless_shell")


def curate(*arguments: object):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def program(*arguments: object, environment: dict[str, str] | None = None) -> None:
    command = [sys.executable, "-c", "from curation.cli import main; main()", *map(str, arguments)]
    subprocess.run(command, env=environment, cwd=Path(__file__).parents[2], check=True, capture_output=True)


def report_of(folder: Path, recipe: str, rows: list[dict[str, object]], schema: pa.Schema | None = None) -> Path:
    """The page of a run by the command, with the real verifiers."""
    write_rows(folder / "shards/<i>a&b.parquet", rows, schema=schema)
    (folder / "recipe.toml").write_text(recipe)
    files = folder / "shards/*.parquet"
    result = curate("run", folder / "recipe.toml", "--input", files, "--output", folder / "out")
    assert result.exit_code == 0, result.output
    result = curate("report", folder / "out")
    assert result.exit_code == 0, result.output
    assert result.output == f"{folder / 'out/report.html'}\n"
    return folder / "out/report.html"


def hostile_rows() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for number, text in enumerate(HOSTILE):
        reasoning, boxed = f"<think>{text}</think>", "So \\boxed{4}."
        completions = [
            f"{reasoning} {boxed}",
            f"{reasoning} {text} \\boxed{{5}}",
            f"{text} no tags",
            f"<think>\n```\n{text}\n```\n</think> {boxed}",
            f"<think>我们想一想这个问题吧 {text} 然后得到答案</think> {boxed}",
            f"<think>{'word ' * 90}{text}</think> {boxed}",
            *[f"{reasoning} {boxed}"] * 2,
            None,
        ]
        # A different prompt each, so that each reason has examples of several texts.
        row = {"id": f"{number}{text}", "prompt": f"2 + 2? {text}", "completions": completions, "answer": "4"}
        rows.append({**row, "domain": text if number else "math"})
    return rows


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """Pages of all kinds of runs."""
    folder = tmp_path_factory.mktemp("pages")
    texts: list[str | None] = ["<think>a</think> 4", "b", ""]
    plain: list[dict[str, object]] = [{"prompt": "2 + 2?", "completions": texts, "answer": "4"}]
    made = {
        "hostile": report_of(folder / "hostile", RECIPE, hostile_rows()),
        "unjudged": report_of(folder / "unjudged", FILTERS, plain),
        "empty": report_of(folder / "empty", RECIPE, [], schema=pa.Table.from_pylist(plain).schema),
    }
    for name, engine in (("failures", FakeEngine()), ("stopped", FakeEngine(dies_after=1))):
        for shard in "ab":
            row = {"prompt": shard, "completions": [think("broken"), think("broken 2")], "answer": "1"}
            write_rows(folder / name / f"{shard}.parquet", [row])
        run_fake([str(folder / name / "*.parquet")], folder / name / "out", engine=engine)
        assert curate("report", folder / name / "out").exit_code == 0
        made[name] = folder / name / "out/report.html"
    return made


@pytest.fixture(scope="module")
def browser(pages):  # after the runs: its own event loop goes on in this thread, and a run needs one
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        own = Path(started.chromium.executable_path)
        if program is None and not own.exists():
            pytest.skip("no Chromium on this machine; apt-get install chromium")
        # Root has no sandbox of Chromium's, and the pages are our own.
        opened = started.chromium.launch(executable_path=program or str(own), args=["--no-sandbox"])
        yield opened
        opened.close()


class Watched:
    """A page that was opened without a network, and all that it said or asked for."""

    def __init__(self, browser, path: Path, *, width: int = 1280, scheme: str = "light") -> None:
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, reduced_motion="reduce"
        )
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.evaluate("document.querySelectorAll('details').forEach(part => part.open = true)")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


KINDS = ("hostile", "unjudged", "empty", "failures", "stopped")

# Ratio of WCAG 2: of each text to the nearest background behind it.
POOR_CONTRASTS = """() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = rgb => rgb.slice(0, 3).map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const rgb = parts(getComputedStyle(at).backgroundColor);
      if (rgb.length === 3 || rgb[3] > 0) return rgb;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const element of document.body.querySelectorAll('*')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim())) continue;
    if (!element.checkVisibility() || element.tagName === 'title') continue;
    const style = getComputedStyle(element);
    const ink = light(parts(element instanceof SVGElement ? style.fill : style.color)), paper = light(behind(element));
    const ratio = (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
    if (ratio < 4.5) poor.push([element.tagName, element.className, element.textContent.slice(0, 30), ratio]);
  }
  return poor;
}"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_page_is_quiet_fits_and_can_be_read(browser, pages, kind, scheme, width):
    with Watched(browser, pages[kind], width=width, scheme=scheme) as opened:
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        background = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 28)")
        assert opened.page.evaluate(POOR_CONTRASTS) == []
        assert opened.complaints == []
        assert opened.requests == [pages[kind].as_uri()]


@pytest.mark.parametrize("has_policy", [True, False])
def test_hostile_texts_are_text_with_and_without_the_policy(browser, pages, tmp_path, has_policy):
    path = pages["hostile"]
    if not has_policy:
        # Escaping must hold by itself.
        text = path.read_text(encoding="utf-8")
        path = tmp_path / "page.html"
        path.write_text(text.replace("Content-Security-Policy", "x-nothing"), encoding="utf-8")
    with Watched(browser, path) as opened:
        page = opened.page
        page.mouse.move(300, 300)
        assert page.evaluate("window.pwned") is None
        assert page.title().startswith("Curation report")
        for name in ("script", "img", "iframe", "object", "embed", "form", "base"):
            assert page.locator(name).count() == 0
        assert page.locator("meta[http-equiv=refresh]").count() == 0
        assert page.locator("style").count() == 1
        assert page.locator("link").count() == 1
        assert page.evaluate("[...document.links].every(link => link.getAttribute('href').startsWith('#'))")
        attributes = "[...document.querySelectorAll('*')].flatMap(e => [...e.attributes]).map(a => a.name)"
        assert not [name for name in page.evaluate(attributes) if name.startswith("on")]
        shown = page.inner_text("main")
        assert "<script>window.pwned = 1" in shown
        assert "{{ 7 * 7 }}" in shown
        assert "⟨U+202E⟩" in shown
        assert "\u202e" not in shown
        assert opened.complaints == []
        assert opened.requests == [path.as_uri()]


def test_the_offending_parts_are_marked(browser, pages):
    with Watched(browser, pages["hostile"]) as opened:
        for reason, text in {
            "code_in_reasoning": "```",
            "mixed_languages": "我们想一想这个问题吧",
            "math:not_equal": "5",
            "long_paragraph": "word word",
        }.items():
            marks = opened.page.locator("details", has=opened.page.locator("summary", has_text=reason)).locator("mark")
            assert any(text in mark for mark in marks.all_inner_texts()), reason


def test_what_was_found_is_told_as_text(browser, pages):
    with Watched(browser, pages["hostile"]) as opened:
        told = [one.inner_text() for one in opened.page.locator("#reasons .found").all()]
        assert "16 CJK characters ×\xa06" in told
        assert sum(one.startswith("0<script>window.pwned = 1") for one in told) == 1
        copied = opened.page.locator("#duplicates details").inner_text()
        assert "0<script>window.pwned = 1" in copied
        assert "5{{ 7 * 7 }}" in copied


def test_a_chart_is_named_and_only_that_of_the_width_is_shown(browser, pages):
    for width, shown, hidden in ((1280, "wide", "narrow"), (390, "narrow", "wide")):
        with Watched(browser, pages["hostile"], width=width) as opened:
            page = opened.page
            assert page.locator(f".chart .{shown} svg").count() == 3
            assert all(chart.is_visible() for chart in page.locator(f".chart .{shown} svg").all())
            assert not any(chart.is_visible() for chart in page.locator(f".chart .{hidden} svg").all())
            assert page.get_by_role("img", name="Prompts by pass rate").first.is_visible()
            # The letters of a drawing are as large as those of the page.
            sizes = page.evaluate(
                f"[...document.querySelectorAll('.chart .{shown} text')].map(t => t.getBoundingClientRect().height)"
            )
            assert min(sizes) >= 11


def test_equal_runs_in_other_processes_give_equal_bytes(pages, tmp_path):
    directory = pages["hostile"].parent
    for number, zone in enumerate(("UTC", "Asia/Tokyo")):
        settings = {"PYTHONHASHSEED": str(number), "TZ": zone, "POLARS_MAX_THREADS": str(number + 1), "LC_ALL": "C"}
        environment = {**os.environ, **settings}
        program("report", directory, "--output", tmp_path / f"{number}.html", environment=environment)
    assert (tmp_path / "0.html").read_bytes() == pages["hostile"].read_bytes()
    assert (tmp_path / "1.html").read_bytes() == pages["hostile"].read_bytes()


def test_what_a_run_cost_is_told_where_it_was_asked_for(tmp_path):
    rows: list[dict[str, object]] = [
        {"id": "1", "prompt": "2 + 2?", "completions": ["<think>a</think> 4", "b"], "answer": "4"}
    ]
    write_rows(tmp_path / "a.parquet", rows)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    command = (
        "run",
        tmp_path / "recipe.toml",
        "--input",
        tmp_path / "a.parquet",
        "--output",
        tmp_path / "out",
        "--no-store",
    )
    program(*command)
    assert not (tmp_path / "out/costs.json").exists()
    shutil.rmtree(tmp_path / "out")
    program(*command, "--costs")
    costs = read_costs(tmp_path / "out")
    assert {stage: cost.samples for stage, cost in costs.items()} == {
        "reading": 2,
        "judging": 1,
        "writing": 1,
        "accounting": 2,
    }
    assert all(0 <= cost.cpu_s < 60 and 0 < cost.wall_s < 60 for cost in costs.values())
    assert curate("report", tmp_path / "out").exit_code == 0
    assert "Cost of the last run" in (tmp_path / "out/report.html").read_text(encoding="utf-8")
    program(*command)
    assert not (tmp_path / "out/costs.json").exists()


def test_costs_count_the_processes_that_work_for_a_run(tmp_path):
    meter = CostMeter()
    meter.stage_started("judging", 7)
    code = "import time\nwhile time.process_time() < 0.3: pass\nprint(1, flush=True)\ninput()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        meter.write(tmp_path)
        worker.kill()
    # Ticks of Linux are a hundredth of a second.
    assert read_costs(tmp_path)["judging"].cpu_s > 0.25
    assert read_costs(tmp_path)["judging"].samples == 7


def test_a_directory_without_a_manifest_ends_with_status_2_and_the_remedy(tmp_path):
    result = curate("report", tmp_path)
    assert result.exit_code == 2
    assert "has no manifest.json" in result.stderr
    assert f"curate run RECIPE --output {tmp_path}" in result.stderr
    result = curate("report", tmp_path / "none")
    assert result.exit_code == 2
    assert "is no directory" in result.stderr


def test_a_page_that_cannot_be_written_ends_with_status_1(pages, tmp_path):
    result = curate("report", pages["empty"].parent, "--output", tmp_path / "none/page.html")
    assert result.exit_code == 1
    assert "cannot write the report" in result.stderr


def test_a_run_that_is_run_again_is_as_it_was_beside_its_report(pages):
    folder = pages["unjudged"].parents[1]
    before = (folder / "out/manifest.json").read_bytes()
    files = folder / "shards/*.parquet"
    program("run", folder / "recipe.toml", "--input", files, "--output", folder / "out")
    assert (folder / "out/manifest.json").read_bytes() == before
