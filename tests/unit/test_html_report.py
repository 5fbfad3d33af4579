from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import OutputError, RunLockedError
from curation.finished import read_manifest
from curation.html_report import write_report
from curation.html_report.charts import DROPPED, Bar, columns_chart, rows_chart
from curation.html_report.examples import find_examples
from curation.html_report.excerpts import _FINDERS, EXCERPT_CHARS, Dropped, excerpt, prompt_excerpt
from curation.html_report.survey import in_order, survey
from curation.manifest import open_directory
from curation.visible import visible
from tests.fakes_curation import FakeEngine, read_all, run_fake, think, write_rows

HOSTILE = "</pre></script><script>window.pwned = 1</script><img src=x onerror='pwned = 1'>{{ 7 * 7 }}"
FILTERS = '[[steps]]\nname = "validate"\n[[steps]]\nname = "format"\n'
STEPS = "".join(f'[[steps]]\nname = "{name}"\n' for name in ("dedup", "verify", "select")) + 'policy = "shortest"\n'


class Tables(HTMLParser):
    """The cells of all rows, and the names of all elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.elements: Counter[str] = Counter()
        self._is_cell = False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.elements[tag] += 1
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        self._is_cell = tag in {"td", "th"} or (self._is_cell and tag not in {"table", "p"})

    def handle_endtag(self, tag):
        self._is_cell = self._is_cell and tag not in {"td", "th"}

    def handle_data(self, data):
        if self._is_cell:
            self.rows[-1][-1] += data

    def row(self, name):
        return next(row for row in self.rows if row and row[0].strip() == name)


def tiles(page):
    found = re.findall(r"<dt>(rows|samples|kept|rejected|failed)</dt><dd>([\d,]+)</dd>", page)
    return {name: int(count.replace(",", "")) for name, count in found}


def rows(count=6):
    mixed = ["<think>我们想一想。</think> answer: 1", think(1, "because of 二 " + "and so on " * 20)]
    completions = [think(1), think(2), think(1), "no tags", think("broken"), *mixed]
    return [
        {"id": str(n), "prompt": f"p{n}", "completions": completions, "answer": "1", "domain": "a" if n % 2 else "b"}
        for n in range(count)
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    write_rows(folder / "one.parquet", rows(), group=2)
    write_rows(folder / "two.parquet", [{**row, "id": f"x{row['id']}", "prompt": "q" + row["id"]} for row in rows(3)])
    run_fake([str(folder / "*.parquet")], folder / "out")
    return folder / "out"


def samples(directory, kind) -> list[dict[str, Any]]:
    return [dict(row) for row in read_all(directory, kind)]


def page_of(directory):
    return write_report(directory).read_text(encoding="utf-8")


def test_the_headline_and_the_funnel_are_those_of_the_manifest(finished):
    totals = json.loads((finished / "manifest.json").read_text())["totals"]
    page = page_of(finished)
    assert tiles(page) == {name: totals[name] for name in ("rows", "samples", "kept", "rejected", "failed")}
    assert f"<dd>{100 * totals['kept'] / totals['samples']:.1f} %</dd>" in page
    tables = Tables(page)
    assert tables.row("no_think" if len(totals["dropped"]["format"]) > 1 else "format no_think")[1] == "9"
    assert totals["failures"] == {"verify": {"worker_lost": 9}}
    assert tables.row("worker_lost")[1] == "9"


def test_domains_and_files_add_up_to_the_manifest(finished):
    totals = json.loads((finished / "manifest.json").read_text())["totals"]
    tables = Tables(page_of(finished))
    for names in (("a", "b"), ("one.parquet", "two.parquet")):
        found = [next(row for row in tables.rows if row and row[0].strip().endswith(name)) for name in names]
        sums = [sum(int(row[column]) for row in found) for column in range(1, 5)]
        assert sums == [totals[name] for name in ("samples", "kept", "rejected", "failed")]


def test_pass_rates_are_those_of_the_judged_completions(finished):
    found = survey(finished, read_manifest(finished))
    expected: dict[str, list[bool]] = {}
    for kind in ("data", "rejected"):
        for row in samples(finished, kind):
            if row["verdicts"]:
                expected.setdefault(row["group_id"], []).append(row["verdicts"][0]["outcome"] == "CORRECT")
    assert found.pass_rates == Counter((sum(rights), len(rights)) for rights in expected.values())
    assert sum(found.pass_rates.values()) == 9


def test_equal_ids_of_other_prompts_are_other_prompts(tmp_path):
    for name in ("one", "two"):
        write_rows(
            tmp_path / f"{name}.parquet", [{"id": "1", "prompt": name, "completions": [think(1)], "answer": "1"}]
        )
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "out")
    assert survey(tmp_path / "out", read_manifest(tmp_path / "out")).pass_rates == {(1, 1): 2}


def test_a_prompt_whose_samples_stand_in_two_files_counts_once(tmp_path):
    for name, answer in (("one", 1), ("two", 2)):
        write_rows(tmp_path / f"{name}.parquet", [{"prompt": "p", "completion": think(answer), "answer": "1"}])
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "out")
    assert survey(tmp_path / "out", read_manifest(tmp_path / "out")).pass_rates == {(1, 2): 1}


def test_lengths_and_scripts_are_those_of_the_texts(finished):
    found = survey(finished, read_manifest(finished))
    texts = [row["messages"][-1]["content"] for row in samples(finished, "data")]
    assert sum(found.lengths.values(), Counter()) == Counter(map(len, texts))
    assert found.scripts["CJK (Han, kana, Hangul)"] == sum("二" in text for text in texts) == 9
    assert found.scripts["Latin"] == len(texts)


def judged_twice(tmp_path):
    """Two shards of which nine samples are dropped by select, and a prompt that stands in both."""
    rows = [{"id": "a", "prompt": "p", "completions": [think(1, "x" * n) for n in range(4)], "answer": "1"}]
    write_rows(tmp_path / "one.parquet", rows)
    write_rows(tmp_path / "two.parquet", [*rows, {**rows[0], "id": "b", "prompt": "q"}])
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "out", recipe=STEPS)
    return tmp_path / "out"


def test_reasons_tell_what_was_measured_and_found_over_all_files(tmp_path):
    directory = judged_twice(tmp_path)
    reasons = survey(directory, read_manifest(directory)).reasons
    selected = reasons["rejected", "select", "not_selected"]
    assert (selected.samples, selected.prompts, selected.measured) == (6, 2, 6)
    assert (selected.least, selected.median, selected.greatest) == (2.0, 3.0, 4.0)
    copies = reasons["rejected", "dedup", "duplicate"]
    assert (copies.samples, copies.least, copies.greatest, copies.distinct) == (4, 100.0, 100.0, 4)
    assert copies.details == ()
    tables = Tables(page_of(directory))
    assert tables.row("select / not_selected")[1:] == ["6", "2", "3", "4"]
    assert tables.row("dedup / duplicate")[1:] == ["4", "100", "100", "100"]
    # The same samples a third time.
    shutil.copy(tmp_path / "two.parquet", tmp_path / "zwo.parquet")
    run_fake([str(tmp_path / "*.parquet")], directory, recipe=STEPS)
    copies = survey(directory, read_manifest(directory)).reasons["rejected", "dedup", "duplicate"]
    assert copies.distinct == 8
    assert copies.details == (("a-0", 2), ("a-1", 2), ("a-2", 2), ("a-3", 2))
    assert any("a-0 × 2" in " ".join(cell.split()) for row in Tables(page_of(directory)).rows for cell in row)


def test_evaluation_items_are_counted_by_name(tmp_path):
    directory = judged_twice(tmp_path)
    file = directory / "rejected/two.parquet"
    table = pq.read_table(file)
    texts = [f"set:{number % 2} ngram: other words {number}" for number in range(table.num_rows)]
    for name, values in (("drop_step", ["decontaminate"] * len(texts)), ("drop_detail", texts)):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), [values])
    pq.write_table(table, file)
    reasons = survey(directory, read_manifest(directory)).reasons
    found = reasons["rejected", "decontaminate", "duplicate"]
    assert found.distinct == 2
    assert dict(found.details) == {"set:0": 2, "set:1": 2}
    assert all(not reason.details for end, reason in reasons.items() if end[1] == "select")


def test_nothing_is_told_of_what_was_found_private(tmp_path):
    directory = judged_twice(tmp_path)
    file = directory / "rejected/two.parquet"
    table = pq.read_table(file)
    for name, value in (("drop_step", "private_data"), ("drop_detail", "li.wei@tsinghua.edu.cn")):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), [[value] * table.num_rows])
    pq.write_table(table, file)
    assert "li.wei" not in page_of(directory)


def test_sources_are_counted_where_there_are_any(finished, tmp_path):
    assert "By source" not in page_of(finished)
    made = [
        {"prompt": str(n), "completions": [think(n % 2)], "answer": "1", "source": "ab"[n % 3 % 2]} for n in range(6)
    ]
    write_rows(tmp_path / "a.parquet", made)
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    found = survey(tmp_path / "out", read_manifest(tmp_path / "out"))
    assert found.sources == {"a": {"data": 2, "rejected": 2}, "b": {"data": 1, "rejected": 1}}
    assert Tables(page_of(tmp_path / "out")).row("a")[1:5] == ["4", "2", "2", "0"]


def test_dropped_samples_show_their_text_from_the_input_and_say_where_it_is_gone(tmp_path):
    directory = judged_twice(tmp_path)
    examples = find_examples(directory, read_manifest(directory))
    dropped = {(group.step, group.reason): group.samples for group in examples if group.kind == "rejected"}
    shown = dropped["select", "not_selected"]
    assert [(sample.id, sample.measured, sample.answer, sample.missing) for sample in shown] == [
        ("a-1", "2", "1", ""),
        ("b-1", "2", "1", ""),
    ]
    assert ["".join(piece.text for piece in sample.pieces) for sample in shown] == [think(1, "x")] * 2
    assert ["".join(piece.text for piece in sample.prompt) for sample in shown] == ["p", "q"]
    (tmp_path / "two.parquet").unlink()
    page = page_of(directory)
    assert f"The text is not to be had: {tmp_path}/two.parquet is not there any more." in page
    assert think(1, "x").replace("<", "&lt;").replace(">", "&gt;")[:-1] in page


def test_a_run_whose_state_is_gone_says_so(tmp_path):
    directory = judged_twice(tmp_path)
    assert survey(directory, read_manifest(directory)).pass_rates == {(4, 4): 2}
    for file in (directory / "state").glob("*.parquet"):
        file.unlink()
    found = survey(directory, read_manifest(directory))
    assert not found.has_verdicts
    page = page_of(directory)
    assert "verdicts cannot be told by prompt" in page
    assert "The text is not to be had: state/ of the run is not there" in page


def test_shards_of_one_file_are_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.shards._SHARD_BYTES", 200)
    write_rows(tmp_path / "a.parquet", rows(6), group=2)
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert len(manifest.shards) == 3
    tables = Tables(page_of(tmp_path / "out"))
    of_file = [row for row in tables.rows if row and "a.parquet" in row[0] and "data/" not in row[0]]
    assert [row[1:3] for row in of_file if len(row) > 3] == [["42", str(manifest.total("kept"))]]
    assert [row[1:] for row in of_file if len(row) == 3] == [["3", "6"]]


def test_splits_and_costs_are_told(tmp_path):
    directory = judged_twice(tmp_path)
    assert "Cost of the last run" not in page_of(directory)
    costs = {
        "reading": {"cpu_s": 2.5, "wall_s": 1.25, "samples": 500},
        "writing": {"cpu_s": 1, "wall_s": 2, "samples": 0},
    }
    (directory / "costs.json").write_text(json.dumps(costs))
    tables = Tables(page_of(directory))
    assert tables.row("train")[1:3] == ["1", "2"]
    assert tables.row("reading")[1:] == ["2.5 s", "1.2 s", "500", "5.0 s"]
    assert tables.row("writing")[1:] == ["1.0 s", "2.0 s", "0", "–"]
    (directory / "costs.json").write_text("[3]")
    assert "Cost of the last run" not in page_of(directory)


def test_the_same_run_gives_the_same_bytes_wherever_it_stands(finished, tmp_path):
    first = write_report(finished).read_bytes()
    moved = finished.rename(finished.with_name("moved"))
    try:
        assert write_report(moved, target=tmp_path / "page.html").read_bytes() == first
    finally:
        moved.rename(finished)
    assert str(finished.parent.parent).encode() not in first.replace(str(finished.parent).encode(), b"")


def test_hostile_texts_become_no_elements(tmp_path):
    kept = f"<think>{HOSTILE}</think> {HOSTILE} answer: 1"
    row = {"id": HOSTILE, "prompt": HOSTILE, "completions": [kept, HOSTILE], "answer": "1", "domain": HOSTILE}
    write_rows(tmp_path / "a <b>.parquet", [row])
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "out")
    page = page_of(tmp_path / "out")
    elements = Tables(page).elements
    assert not {"script", "img", "iframe", "object"} & set(elements)
    assert "window.pwned" in page
    assert page.count("{{ 7 * 7 }}") > 5


def test_the_page_asks_for_nothing_outside(finished):
    page = page_of(finished)
    assert "default-src 'none'" in page
    assert re.findall(r'(?:src|href)="(?!#|data:,)', page) == []
    assert "url(" not in re.sub(r"url\(#\w+\)", "", page)
    assert "@import" not in page
    assert len(set(re.findall(r' id="([^"]+)"', page))) == len(re.findall(r' id="([^"]+)"', page))


def test_a_run_without_verdicts_says_so(tmp_path):
    write_rows(tmp_path / "a.parquet", rows(2))
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out", recipe=FILTERS)
    page = page_of(tmp_path / "out")
    assert "No completion was judged" in page
    assert "There are no verdicts." in page
    assert tiles(page)["kept"] == 12


def test_an_empty_run_gives_a_page(tmp_path):
    write_rows(tmp_path / "a.parquet", rows(1))
    write_rows(tmp_path / "a.parquet", [], schema=pq.read_schema(tmp_path / "a.parquet"))
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    page = page_of(tmp_path / "out")
    assert tiles(page) == dict.fromkeys(("rows", "samples", "kept", "rejected", "failed"), 0)
    assert "No sample was read." in page
    assert "There is no sample to show." in page


def test_a_run_of_failures_alone_gives_a_page(tmp_path):
    row = {"prompt": "p", "completions": [think("broken"), think("broken 2")], "answer": "1"}
    write_rows(tmp_path / "a.parquet", [row])
    (tmp_path / "b.parquet").write_bytes(b"PAR1 this is no Parquet")
    run_fake([str(tmp_path / "*.parquet")], tmp_path / "out")
    page = page_of(tmp_path / "out")
    assert tiles(page)["failed"] == 2
    assert "--retry-failed" in page
    assert "cannot be read as Parquet" in page
    assert "No sample was kept." in page
    assert ">partial<" in page


def test_a_run_that_stopped_tells_what_was_not_reached(tmp_path):
    for name in ("a", "b"):
        write_rows(tmp_path / f"{name}.parquet", [{**row, "id": name + row["id"]} for row in rows(3)])
    report = run_fake([str(tmp_path / "*.parquet")], tmp_path / "out", engine=FakeEngine(dies_after=1))
    assert report.stopped
    page = page_of(tmp_path / "out")
    assert ">partial<" in page
    assert "not reached" in page


def test_what_is_no_run_is_told_with_the_remedy(finished, tmp_path):
    with pytest.raises(OutputError, match="no directory"):
        write_report(tmp_path / "none")
    with pytest.raises(OutputError, match=r"has no manifest\.json.*curate run RECIPE"):
        write_report(tmp_path)
    for text in ("{", "[]", '{"shards": 1}', '{"shards": [{"outputs": 3}]}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(OutputError, match="is no manifest"):
            write_report(tmp_path)


def test_outputs_that_the_manifest_does_not_know_are_refused(tmp_path):
    write_rows(tmp_path / "a.parquet", rows(2))
    run_fake([str(tmp_path / "a.parquet")], tmp_path / "out")
    data = tmp_path / "out/data/train-00000-of-00001.parquet"
    data.write_bytes((tmp_path / "out/rejected/a.parquet").read_bytes())
    with pytest.raises(OutputError, match="where the manifest says"):
        write_report(tmp_path / "out")
    data.write_bytes(b"PAR1")
    with pytest.raises(OutputError, match="cannot be read"):
        write_report(tmp_path / "out")
    data.unlink()
    with pytest.raises(OutputError, match="cannot be read"):
        write_report(tmp_path / "out")


def test_a_directory_on_which_a_run_is_at_work_is_left_alone(finished):
    with open_directory(finished), pytest.raises(RunLockedError):
        write_report(finished)
    write_report(finished)


def test_steps_stand_in_the_order_of_the_recipe_and_unknown_ones_last(finished):
    manifest = replace(read_manifest(finished), steps=("verify", "length"))
    names = dict.fromkeys(["zzz", "verify", "length", "read", "aaa"])
    assert in_order(names, manifest) == ["read", "verify", "length", "aaa", "zzz"]


def marked(completion, step, reason="", prompt="What is it?", detail=""):
    sample = Dropped(completion=completion, prompt=prompt, step=step, reason=reason, detail=detail)
    return [piece.text for piece in excerpt(sample) if piece.kind == "mark"]


@pytest.mark.parametrize(
    ("completion", "step", "reason", "expected"),
    [
        ("<think>so ```py\nx\n``` it</think> ```no```", "code_in_reasoning", "code_in_reasoning", ["```py\nx\n```"]),
        ("<think>so ```py\nx</think> 4", "code_in_reasoning", "code_in_reasoning", ["```py\nx"]),
        ("<think>a\n\nlong one\n\nb</think> longest of all", "long_paragraph", "long_paragraph", ["long one"]),
        ("<think>I add 两个数字, 然后 get</think> 好", "language_mix", "mixed_languages", ["两个数字, 然后"]),
        ("<think>4</think> \\boxed{5}.", "verify", "math:not_equal", ["5"]),
        ("<think>```a```</think>\n```py\nx\n```\n", "verify", "code:WA", ["```py\nx\n```"]),
        ("4", "verify", "code:NO_CODE", []),
        ("Well. <think>a</think> 4", "format", "text_before_think", ["Well. "]),
        ("<think> </think> 4", "format", "empty_think", ["<think> </think>"]),
        ("<think>a</think> ", "format", "empty_answer", ["</think>"]),
        ("<think>a<think>b</think> 4", "format", "repeated_think", ["<think>", "<think>", "</think>"]),
        ("no tag", "format", "no_think", []),
        ("<think>a</think> 4", "dedup", "duplicate", []),
        ("I say it here now. I say it here now. Else.", "repetition", "repeated_sentences", ["I say it here now."] * 2),
        ("<think>4</think> \\boxed{4}", "", "", ["4"]),
        ("<think>so</think> ```py\nx\n```\n```py\ny", "truncated", "unclosed_fence", ["```py\ny"]),
        ("<think>$$</think> So \\boxed{\\frac{1}{2}", "truncated", "unclosed_box", ["\\boxed{\\frac{1}{2}"]),
        ("<think>\\[</think> \\[a\\] and $$b", "truncated", "unclosed_formula", ["$$b"]),
        ("<think>a</think> It is 4.\nBut then the", "truncated", "unfinished_answer", ["But then the"]),
        ("<think>a</think> It is 4. But then we", "truncated", "unfinished_answer", ["But then we"]),
        (
            "<think>We sum it up once more. We sum it up once more.",
            "repetition",
            "repeated_sentences",
            ["We sum it up once more."] * 2,
        ),
    ],
)
def test_the_part_that_a_reason_is_about_is_marked(completion, step, reason, expected):
    assert marked(completion, step, reason) == expected


def test_of_a_loop_in_which_a_counter_changes_what_stands_between_is_marked():
    between = " is tried and does not fit, so we go on to number "
    text = "<think>" + "".join(f"{number}{between}" for number in range(60)) + "</think> 4"
    # An excerpt shows the first of many.
    assert marked(text, "repetition", "counted_loop", detail=between)[:3] == [between.strip()] * 3


def test_of_a_loop_each_round_is_marked():
    line = "and so on we go round and round this one small loop until nothing is left of it."
    tail = f"<think>Well. {line * 5}</think> 4"
    assert len(line) == 80
    assert marked(tail, "repetition", "looped_tail")[:2] == [line] * 2
    # The passage at the start of a quarter is the one that comes most often.
    middle = "x" * 300 + line * 10 + "y" * 300
    found = marked(middle, "repetition", "repeated_ngram")
    assert len(found[0]) == 80
    assert found[0] in line * 2


ITEM = "math500.jsonl:12 ngram: find the sum of x 2 and y"


def test_the_words_of_an_evaluation_item_are_marked_whatever_stands_between_them():
    text = "So: Find  the *sum* of $x^2$, and \\left(y\\right)."
    assert marked(text, "decontaminate", "completion_ngram", detail=ITEM) == ["Find  the *sum* of $x^2$, and \\left(y"]
    assert marked(text, "decontaminate", "prompt_ngram", detail=ITEM) == []
    assert marked("求和：第 三 题", "decontaminate", "completion_item", detail="aime.jsonl:3 item: 求 和 第 三") == [
        "求和：第 三"
    ]


def test_a_contaminated_prompt_is_marked_and_cut_around_the_item():
    prompt = "x " * 500 + "FIND the sum of x^2 and y, now." + " z" * 500
    sample = Dropped(completion="4", prompt=prompt, step="decontaminate", reason="prompt_ngram", detail=ITEM)
    pieces = prompt_excerpt(sample, 300)
    assert [piece.text for piece in pieces if piece.kind == "mark"] == ["FIND the sum of x^2 and y"]
    assert sum(len(piece.text) for piece in pieces if piece.kind != "gap") < 700
    other = prompt_excerpt(Dropped(completion="4", prompt=prompt, step="verify"), 300)
    assert [(piece.kind, len(piece.text)) for piece in other] == [("text", 300)]


def test_of_a_refusal_the_phrase_is_marked_in_the_answer_alone():
    text = "<think>I can't help with it.</think> I'm sorry, I can't help with that."
    assert marked(text, "refusal", "refusal", detail="I can't help with") == ["I can't help with"]
    assert marked(text.partition("sorry")[0], "refusal", "refusal", detail="I can't help with") == []


def test_of_a_step_without_a_marker_what_it_found_is_marked_where_it_stands():
    assert marked("a found thing, a found thing", "some_step", "x", detail="found thing") == ["found thing"] * 2
    assert marked("a found thing", "some_step", "x", detail="a") == []
    assert marked("it is q1-00 there", "dedup", "duplicate", detail="q1-00") == []


def test_latin_words_are_marked_under_a_chinese_prompt():
    completion = "<think>我们 add them together 得到 \\frac{1}{2}</think> 4"
    assert marked(completion, "language_mix", "mixed_languages", prompt="小明有几个苹果?") == ["add them together"]


def test_a_long_completion_is_cut_around_the_mark_and_says_how_much_is_left_out():
    completion = "<think>" + "x " * 5000 + "</think> so \\boxed{77} it is" + " y" * 5000
    pieces = excerpt(Dropped(completion=completion, step="verify", reason="math:not_equal"))
    assert [piece.text for piece in pieces if piece.kind == "mark"] == ["77"]
    shown = sum(len(piece.text) for piece in pieces if piece.kind != "gap")
    assert EXCERPT_CHARS // 2 < shown <= EXCERPT_CHARS + 80
    left_out = sum(int(piece.text.split()[0].replace(",", "")) for piece in pieces if piece.kind == "gap")
    assert shown + left_out == len(completion)


def test_of_a_long_mark_both_ends_are_shown():
    completion = "<think>short\n\n" + "a" + "b" * 3000 + "c" + "\n\nend</think> 4"
    marks = marked(completion, "long_paragraph", "long_paragraph")
    assert marks[0].startswith("ab")
    assert marks[-1].endswith("bc")


@given(
    st.text(max_size=2000),
    st.sampled_from(["x", *_FINDERS]),
    st.sampled_from(
        [
            *("", "code:WA", "repeated_lines", "repeated_sentences", "looped_tail", "empty_think", "empty_answer"),
            *("repeated_ngram", "unclosed_fence", "unclosed_formula", "unclosed_box", "refusal", "completion_ngram"),
        ]
    ),
    st.text(max_size=20),
    st.booleans(),
)
def test_an_excerpt_accounts_for_every_character(text, step, reason, detail, is_tagged):
    completion = f"<think>{text}</think>{text}" if is_tagged else text
    pieces = excerpt(Dropped(completion=completion, prompt="p", step=step, reason=reason, detail=detail))
    gaps = [int(piece.text.split()[0].replace(",", "")) for piece in pieces if piece.kind == "gap"]
    shown = "".join(piece.text for piece in pieces if piece.kind != "gap")
    hidden = visible(completion)
    if not gaps:
        assert shown == hidden
    assert all(gap > 0 for gap in gaps)


def test_what_cannot_be_seen_is_written_out():
    assert visible("a\x00b\u202ec\u200bd\r") == "a⟨U+0000⟩b⟨U+202E⟩c⟨U+200B⟩d⟨U+000D⟩"
    assert visible("क्‍ष é 中\t\n") == "क्‍ष é 中\t\n"


def test_names_in_a_chart_are_text_and_colours_are_the_pages():
    chart = rows_chart("x", "a < b", [Bar(name="<b>$x$", value=3, more=2), Bar(name="d", value=0, role=DROPPED)])
    for drawing in (chart.wide, chart.narrow):
        assert "&lt;b&gt;$x$" in drawing
        assert "a &lt; b" in drawing
        assert "var(--rejected)" in drawing
        assert "#0" not in drawing.replace("url(#", "")
        assert "<b>" not in drawing
        assert "font-family" not in drawing
    assert columns_chart("x", "t", [Bar(name="d", value=0)], axis="a").wide.count("<svg") == 1
