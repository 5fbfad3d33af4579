"""Runs with a table [judge]: a fake engine for the rules, and a real HTTP server for the judge."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from click.testing import CliRunner

from curation.agreement import Agreement, agreement
from curation.cli import main
from curation.errors import RecipeError, UsageError
from curation.recipe import parse_recipe
from curation.steps import build_steps, facts_hash, recipe_hash
from tests.fakes_curation import FakeEngine, read_all, run_fake, think, tree, write_rows
from tests.fakes_judge import Said, judge_server, verdict
from verifier.types import Scored, Verdict

STEPS = '[[steps]]\nname = "dedup"\n[[steps]]\nname = "verify"\n'
PROSE = "The cell turns light into sugar."


class Rules(FakeEngine):
    """As the rules: ``open`` in a reference is beyond them, ``odd`` in a completion is several answers."""

    def __init__(self, *, has_format=False):
        super().__init__()
        self.has_format = has_format

    def _score(self, group, text):
        found = self._verdict(group, text)
        if "open" in group.reference.answers[0]:
            found = Verdict.unscorable("math", "unparseable_reference")
        elif "odd" in text:
            found = Verdict.incorrect("math", "several_answers")
        form = Verdict.incorrect("format", "text_after") if "ugly" in text else Verdict.correct("format", "well_formed")
        verdicts = (found, form) if self.has_format else (found,)
        scores = [one.score for one in verdicts if one.score is not None]
        return Scored(reward=sum(scores) if len(scores) == len(verdicts) else None, verdicts=verdicts)


def by_content(request, _):
    """A judge that finds correct what holds ``good``, and does not answer to ``lost`` at first."""
    prompt = request["messages"][0]["content"]
    answer = re.search(r"\[BEGIN ANSWER TO CHECK.*?\]\n(.*?)\n\[END ANSWER", prompt, re.DOTALL)
    assert answer is not None
    if "cut" in answer[1]:
        return Said(reply="so", finish="length")
    return Said(reply=verdict("correct" if "good" in answer[1] else "incorrect"))


def table(server, more=""):
    return f'{STEPS}[judge]\nurl = "{server.url}"\nmodel = "m"\nretries = 0\n{more}\n'


def read(output, kind) -> list[dict[str, Any]]:
    return read_all(output, kind)


def curated(tmp_path, rows, server, *, more="", name="out", engine=None, store=None, **options):
    write_rows(tmp_path / "in.parquet", rows)
    engine = engine or Rules()
    store = tmp_path / "store.sqlite" if store is None else store
    report = run_fake(
        [str(tmp_path / "in.parquet")],
        tmp_path / name,
        recipe=table(server, more),
        engine=engine,
        store=store or None,
        **options,
    )
    ends = {}
    for kind in ("data", "rejected", "failed"):
        for row in read(tmp_path / name, kind):
            said = [(one["verifier"], one["outcome"], one["reason"]) for one in row["verdicts"] or ()]
            ends[row["completion_index"]] = (kind, row.get("drop_reason"), said, row["reward"])
    return report, ends


def row(answer, *completions):
    return {"prompt": "why?", "answer": answer, "completions": list(completions)}


OPEN = ("math", "UNSCORABLE", "unparseable_reference")


def test_the_rules_go_first_and_the_judge_decides_what_they_cannot(tmp_path):
    completions = [think("good"), think("bad"), think("cut short"), "<think>never ends, good", think("good", "again")]
    with judge_server(by_content) as server:
        report, ends = curated(tmp_path, [row("open", *completions)], server)
    assert not report.stopped
    assert ends == {
        0: ("data", None, [OPEN, ("judge", "CORRECT", "judged_correct")], None),
        1: ("rejected", "judge:judged_incorrect", [OPEN, ("judge", "INCORRECT", "judged_incorrect")], None),
        2: ("failed", "judge_truncated", [OPEN, ("judge", "FAILED", "judge_truncated")], None),
        3: ("rejected", "judge:no_answer", [OPEN, ("judge", "INCORRECT", "no_answer")], None),
        4: ("data", None, [OPEN, ("judge", "CORRECT", "judged_correct")], None),
    }
    # Equal answers are asked about once; what failed is asked for once more at the end.
    assert len(server.requests) == 4
    assert "because" not in server.prompts[0]


def test_what_the_rules_decide_is_theirs(tmp_path):
    with judge_server(by_content) as server:
        _, ends = curated(tmp_path, [row("4", think("4"), think("5"), think("odd"), think("broken"))], server)
    assert not server.requests
    assert ends[0] == ("data", None, [("math", "CORRECT", "equal")], 1.0)
    assert ends[1][:2] == ("rejected", "math:not_equal")
    assert ends[2][:2] == ("rejected", "math:several_answers")
    assert ends[3][:2] == ("failed", "worker_lost")


def test_without_a_reference_nothing_is_asked(tmp_path):
    rows = [{"prompt": "why?", "answer": " ", "completions": [think("good")]}]

    class Blank(Rules):
        def _score(self, group, text):
            return Scored(reward=None, verdicts=(Verdict.unscorable("math", "unparseable_reference"),))

    with judge_server(by_content) as server:
        _, ends = curated(tmp_path, rows, server, engine=Blank())
    assert not server.requests
    assert ends[0][:2] == ("rejected", "unscorable:unparseable_reference")


def test_where_the_reference_is_a_sentence_the_rules_are_no_judge_of_what_is_wrong(tmp_path):
    completions = [think("good, in other words"), think("bad"), think(PROSE)]
    with judge_server(by_content) as server:
        _, ends = curated(tmp_path, [row(PROSE, *completions)], server)
        _, none = curated(tmp_path, [row(PROSE, *completions)], server, more='judges = "unscorable"', name="none")
    assert [ends[place][0] for place in range(3)] == ["data", "rejected", "data"]
    assert ends[0][2] == [("math", "INCORRECT", "not_equal"), ("judge", "CORRECT", "judged_correct")]
    assert ends[0][3] is None
    assert ends[2][2:] == ([("math", "CORRECT", "equal")], 1.0)
    assert [none[place][0] for place in range(3)] == ["rejected", "rejected", "data"]
    assert len(server.requests) == 2


def test_the_real_rules_leave_sentences_to_the_judge(tmp_path, monkeypatch):
    monkeypatch.setenv("ASSAY_WORKERS", "1")
    write_rows(
        tmp_path / "in.parquet",
        [
            row(PROSE, "<think>a</think>good: light becomes sugar.", "<think>b</think>bad."),
            row("42", "<think>a</think>The answer is 42.", "<think>b</think>good, it is 41."),
        ],
    )
    with judge_server(by_content) as server:
        recipe = tmp_path / "recipe.toml"
        recipe.write_text(table(server, 'key_env = "A_KEY"'))
        arguments = ["run", str(recipe), "--input", str(tmp_path / "in.parquet"), "--output", str(tmp_path / "out")]
        refused = CliRunner().invoke(main, [*arguments, "--no-store"])
        assert refused.exit_code == 2
        assert "judge: key_env: the variable A_KEY is not set" in refused.output
        monkeypatch.setenv("A_KEY", "sk-not-to-be-seen")
        done = CliRunner().invoke(main, [*arguments, "--no-store"])
    assert done.exit_code == 0, done.output
    assert len(server.requests) == 2
    assert {(one["input_row"], one["completion_index"]) for one in read(tmp_path / "out", "data")} == {(0, 0), (1, 0)}
    for file in (tmp_path / "out").rglob("*"):
        assert not file.is_file() or b"sk-not-to-be-seen" not in file.read_bytes()


def test_a_reason_of_the_rules_can_be_rescued(tmp_path):
    with judge_server(by_content) as server:
        _, ends = curated(
            tmp_path,
            [row("4", think("odd but good"), think("odd"), think("good"))],
            server,
            more='judges = ["math:several_answers"]',
        )
    assert [ends[place][:2] for place in range(3)] == [
        ("data", None),
        ("rejected", "judge:judged_incorrect"),
        ("rejected", "math:not_equal"),
    ]
    assert len(server.requests) == 2


def test_the_form_is_still_that_of_the_rules_and_is_not_paid_for_twice(tmp_path):
    with judge_server(by_content) as server:
        _, ends = curated(
            tmp_path,
            [row("open", think("good"), think("good ugly"), think("bad"))],
            server,
            engine=Rules(has_format=True),
        )
    assert [ends[place][:2] for place in range(3)] == [
        ("data", None),
        ("rejected", "format:text_after"),
        ("rejected", "judge:judged_incorrect"),
    ]
    assert len(server.requests) == 2


def test_a_changed_judge_asks_anew_and_the_rules_are_not_asked_again(tmp_path):
    rows = [row("open", think("good"), think("bad"))]
    asked = []
    with judge_server(by_content) as server:
        for number, more in enumerate(["", "", "seed = 1", "seed = 1", 'model2 = "x"', ""]):
            changed = more.replace('model2 = "x"', "max_tokens = 99")
            engine = Rules()
            curated(tmp_path, rows, server, more=changed, name=f"out{number}", engine=engine)
            asked.append((len(engine.asked), len(server.requests)))
    assert asked == [(1, 2), (0, 2), (0, 4), (0, 4), (0, 6), (0, 6)]
    assert tree(tmp_path / "out0/data") == tree(tmp_path / "out1/data") == tree(tmp_path / "out5/data")


def test_a_judge_added_to_a_finished_run_asks_for_what_is_open_alone(tmp_path):
    rows = [row("open", think("good"), think("bad"))]
    write_rows(tmp_path / "in.parquet", rows)
    store = tmp_path / "store.sqlite"
    engine = Rules()
    run_fake([str(tmp_path / "in.parquet")], tmp_path / "out", recipe=STEPS, engine=engine, store=store)
    assert read(tmp_path / "out", "data") == []
    with judge_server(by_content) as server:
        _, ends = curated(tmp_path, rows, server, engine=engine)
        curated(tmp_path, rows, server, engine=engine)
        assert len(server.requests) == 2
    assert len(engine.asked) == 1
    assert ends[0][0] == "data"


def test_the_same_answers_give_the_same_bytes_in_whatever_order_they_come(tmp_path):
    rows = [{**row("open", think(f"good {i % 3}"), think(f"bad {i % 5}")), "prompt": f"p{i % 4}"} for i in range(40)]

    def script(delay):
        return lambda request, number: Said(
            reply=by_content(request, number).reply, delay_s=delay * (number * 7 % 5) / 100
        )

    trees = []
    for delay, in_flight in ((0, 1), (1, 16), (2, 64)):
        name = f"out{in_flight}"
        with judge_server(script(delay)) as server:
            curated(tmp_path, rows, server, more=f"in_flight = {in_flight}", name=name, store=False)
            assert server.most_in_flight <= in_flight
            assert len(server.requests) == 4 * 3 + 4 * 5
        trees.append({path: digest for path, digest in tree(tmp_path / name).items() if "recipe.toml" not in path})
    manifests = [json.loads((tmp_path / f"out{n}/manifest.json").read_text())["totals"] for n in (1, 16, 64)]
    assert manifests[0] == manifests[1] == manifests[2]
    data = [{path: digest for path, digest in one.items() if path.startswith(("data", "rejected"))} for one in trees]
    assert data[0]
    assert data[0] == data[1] == data[2]


@pytest.mark.parametrize(("status", "reason"), [(401, "judge_unauthorized"), (404, "judge_not_found")])
def test_a_judge_that_nobody_can_ask_stops_the_run_and_fails_no_sample(tmp_path, status, reason):
    rows = [row("open", think("good"), think("bad"))]
    with judge_server(lambda *_: Said(status=status)) as server:
        report, ends = curated(tmp_path, rows, server)
    assert "the judge model cannot be asked" in report.stopped
    assert reason in report.stopped
    assert ends == {}
    with judge_server(by_content) as server:
        engine = Rules()
        report, ends = curated(tmp_path, rows, server, engine=engine)
    assert not report.stopped
    assert engine.asked == []
    assert ends[0][0] == "data"


def test_too_many_failures_stop_the_run(tmp_path):
    rows = [{**row("open", think("good")), "prompt": f"p{i}"} for i in range(300)]
    with judge_server(lambda *_: Said(reply="hm")) as server:
        report, ends = curated(tmp_path, rows, server)
    assert "judge_unreadable" in report.stopped
    assert ends == {}


def test_what_failed_is_judged_when_it_is_asked_for_again(tmp_path):
    rows = [row("open", think("good"), think("cut good"))]
    with judge_server(by_content) as server:
        _, ends = curated(tmp_path, rows, server)
        assert ends[1][0] == "failed"
        server.script = lambda *_: Said(reply=verdict("correct"))
        before = len(server.requests)
        engine = Rules()
        _, ends = curated(tmp_path, rows, server, retries_failed=True, engine=engine)
        assert len(server.requests) == before + 1
    assert engine.asked == []
    assert ends[1] == ("data", None, [OPEN, ("judge", "CORRECT", "judged_correct")], None)


def test_an_audit_compares_and_decides_nothing(tmp_path):
    rows = [
        row("4", think("4"), think("5"), think("odd good")),
        {**row("good", think("good")), "prompt": "p2"},
        {**row("open", think("good")), "prompt": "p3"},
    ]
    write_rows(tmp_path / "in.parquet", rows)
    with judge_server(by_content) as server:
        curated(tmp_path, rows, server, more="audit_percent = 100")
        assert len(server.requests) == 5
    kept = read(tmp_path / "out", "data")
    assert [one["verdicts"][-1]["verifier"] for one in kept] == ["audit", "audit", "judge"]
    assert [one["reward"] for one in kept] == [1.0, 1.0, None]
    found = agreement(tmp_path / "out")
    assert found.counts == {(True, False): 1, (False, False): 1, (False, True): 1, (True, True): 1}
    assert found.kappa == 0
    assert found.reasons["math:several_answers", True] == 1
    told = CliRunner().invoke(main, ["audit", str(tmp_path / "out")])
    assert told.exit_code == 0, told.output
    assert "agreement 2 of 4 (50.0%), Cohen's kappa 0.000" in told.output


def test_a_part_of_an_audit_is_the_same_for_every_judge(tmp_path):
    rows = [{**row("4", think(f"{i}"), think(f"x{i}")), "prompt": f"p{i}"} for i in range(200)]
    with judge_server(by_content) as server:
        for name, more in (("a", ""), ("b", "seed = 4\n")):
            before = len(server.requests)
            curated(tmp_path, rows, server, more=f"{more}audit_percent = 12.5", name=name)
            assert 25 <= len(server.requests) - before <= 80
    audited = [
        {one["id"] for kind in ("data", "rejected") for one in read(tmp_path / name, kind) if len(one["verdicts"]) > 1}
        for name in ("a", "b")
    ]
    assert audited[0] == audited[1]


def test_a_run_without_an_audit_says_so(tmp_path):
    with judge_server(by_content) as server:
        curated(tmp_path, [row("4", think("4"))], server)
    with pytest.raises(UsageError, match=r"has no audit; give the recipe \[judge\] audit_percent"):
        agreement(tmp_path / "out")


@pytest.mark.parametrize(
    ("counts", "kappa"),
    [
        ((20, 5, 10, 15), 0.4),
        ((10, 0, 0, 10), 1.0),
        ((0, 10, 10, 0), -1.0),
        ((10, 0, 0, 0), None),
        ((0, 0, 0, 0), None),
    ],
)
def test_kappa_is_agreement_beyond_chance(counts, kappa):
    found = Agreement()
    found.counts.update(dict(zip([(True, True), (True, False), (False, True), (False, False)], counts, strict=True)))
    assert found.kappa == (kappa if kappa is None else pytest.approx(kappa))


GOOD = '[judge]\nurl = "http://127.0.0.1:1/v1"\nmodel = "m"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[steps]]\nname = "dedup"\n' + GOOD, r"judge: no step uses this table; add \[\[steps\]\] with name"),
        (STEPS + "[judge]\n", "judge: url: is missing"),
        ("judge = 3\n" + STEPS, "judge: must be a table, got 3"),
        (STEPS + GOOD + "vote = 3\n", "judge: unknown option 'vote'"),
        (STEPS + GOOD + 'judges = "unscoreable"\n', "judge.judges: 'unscoreable' is no reason"),
        (STEPS + GOOD + "judges = []\n", "judge.judges: is empty"),
        (STEPS + GOOD + "judges = [3]\n", "judge.judges: 3 is no reason"),
        (STEPS + GOOD + 'judges = ["format:text_after"]\n', "about the form"),
        (STEPS + GOOD + "audit_percent = 101\n", "judge.audit_percent: must be a number from 0 to 100"),
        (STEPS + GOOD + '[verify]\nkeep = "math"\n', "judge: the verdict of one verifier decides"),
    ],
)
def test_what_is_wrong_with_the_table_is_named_with_its_remedy(text, message):
    with pytest.raises(RecipeError, match=message):
        parse_recipe(text)


@pytest.mark.parametrize("more", ['key_env = "NOT_SET_ANYWHERE"', 'prompt = "nowhere.txt"'])
def test_what_the_environment_lacks_is_told_before_anything_is_done(tmp_path, more):
    write_rows(tmp_path / "in.parquet", [row("4", think("4"))])
    parse_recipe(STEPS + GOOD + more)  # the copy of a recipe in a run can be read without either
    with pytest.raises(RecipeError, match=r"judge: (key_env|prompt): "):
        run_fake([str(tmp_path / "in.parquet")], tmp_path / "out", recipe=STEPS + GOOD + more)
    assert not (tmp_path / "out").exists()


def test_the_judge_is_in_the_hash_of_the_recipe_and_not_in_that_of_the_facts():
    plain, judged, other = (parse_recipe(STEPS + text) for text in ("", GOOD, GOOD + "seed = 1\n"))
    steps = build_steps(plain)
    assert len({recipe_hash(one, steps) for one in (plain, judged, other)}) == 3
    assert len({facts_hash(one, steps) for one in (plain, judged, other)}) == 1
