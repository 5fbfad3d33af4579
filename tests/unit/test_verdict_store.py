"""The verdict store: what makes a key, what is kept and given back, and files that are damaged, old or of others."""

from __future__ import annotations

import logging
import math
import multiprocessing
import sqlite3
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import INFO, FakeEngine
from tests.strategies import groups, texts, verdicts
from verifier import bootstrap
from verifier.engines import remote
from verifier.engines.store import VerdictStore, content_key, default_store, group_keys
from verifier.engines.stored import StoredEngine
from verifier.errors import InfrastructureError, InvalidRequestError
from verifier.settings import Settings
from verifier.types import (
    CallTest,
    CodeReference,
    Group,
    GroupResult,
    JudgeProgram,
    MathReference,
    Outcome,
    Scored,
    SourceFile,
    StdioTest,
    TestGroup,
    TestResult,
    TestStatus,
    Tolerance,
    Verdict,
)
from verifier.wire import codec

CHECKER = JudgeProgram(language="cpp", source="int main() {}", files=(SourceFile(name="a.h", text="x"),), args=("-v",))
CODE = CodeReference(
    language="python",
    stdio=(StdioTest(input="1", output="2", accepted=("3",), group="g"),),
    checker=CHECKER,
    tolerance=Tolerance(absolute=0.1),
    groups=(TestGroup(name="g", points=1.0),),
)
MATH_GROUP = Group(id="1", prompt="p", completions=("c",), reference=MathReference(answers=("1", "2")), language="en")
CODE_GROUP = replace(MATH_GROUP, reference=CODE)


def key(group: Group, config_hash: str = "h") -> bytes:
    [one] = group_keys(config_hash, group)
    return one


def code(**fields) -> Group:
    return replace(CODE_GROUP, reference=replace(CODE, **fields))


OTHERS = {
    "prompt": replace(MATH_GROUP, prompt="q"),
    "completion": replace(MATH_GROUP, completions=("d",)),
    "language": replace(MATH_GROUP, language="zh"),
    "recipe": replace(MATH_GROUP, recipe="r1"),
    "parts": replace(MATH_GROUP, prompt="pe", language="n"),
    "no reference": replace(MATH_GROUP, reference=None),
    "answers": replace(MATH_GROUP, reference=MathReference(answers=("1",))),
    "joined answers": replace(MATH_GROUP, reference=MathReference(answers=('1","2',))),
    "order of answers": replace(MATH_GROUP, reference=MathReference(answers=("2", "1"))),
    "code": CODE_GROUP,
    "program language": code(language="cpp"),
    "calls": code(calls=(CallTest(args="[]", expected="1"),)),
    "script": code(script="pass"),
    "framework": code(framework="pytest"),
    "entry point": code(entry_point="f"),
    "time limit": code(time_limit_s=1.0),
    "time limit without end": code(time_limit_s=math.inf),
    "time limit that is none": code(time_limit_s=math.nan),
    "memory": code(memory_limit_bytes=1 << 70),
    "prelude": code(prelude="import os"),
    "signature": code(signature="int f();"),
    "in place": code(in_place=True),
    "comparison": code(comparison="exact"),
    "tolerance": code(tolerance=Tolerance(relative=0.1)),
    "no tolerance": code(tolerance=None),
    "interactor": code(checker=None, interactor=CHECKER),
    "no checker": code(checker=None),
    "checker's file": code(checker=replace(CHECKER, files=(SourceFile(name="a.h", text="y"),))),
    "checker's protocol": code(checker=replace(CHECKER, protocol="icpc")),
    "checker's arguments": code(checker=replace(CHECKER, args=())),
    "scoring": code(scoring="fraction"),
    "points": code(groups=(TestGroup(name="g", points=2.0),)),
    "input": code(stdio=(StdioTest(input="2", output="2", accepted=("3",), group="g"),)),
    "output": code(stdio=(StdioTest(input="1", output="1", accepted=("3",), group="g"),)),
    "accepted": code(stdio=(StdioTest(input="1", output="2", group="g"),)),
    "test group": code(stdio=(StdioTest(input="1", output="2", accepted=("3",)),)),
}


def test_whatever_a_verdict_follows_from_changes_the_key():
    keys = {name: key(group) for name, group in OTHERS.items()}
    keys |= {"itself": key(MATH_GROUP), "configuration": key(MATH_GROUP, "g")}
    assert len(set(keys.values())) == len(keys)


def test_every_field_of_a_program_s_tests_is_tried_above():
    reached = {name for group in OTHERS.values() for name in CodeReference.__slots__ if _differs(group, name)}
    assert reached == set(CodeReference.__slots__)


def _differs(group: Group, name: str) -> bool:
    return isinstance(group.reference, CodeReference) and getattr(group.reference, name) != getattr(CODE, name)


def test_a_key_knows_no_id_and_no_siblings():
    wide = replace(MATH_GROUP, id="other", completions=("a", "c", "b", "c"))
    keys = group_keys("h", wide)
    assert keys[1] == keys[3] == key(MATH_GROUP)
    assert len(set(keys)) == 3


def test_a_recipe_that_is_the_default_need_not_be_named():
    assert group_keys("h", MATH_GROUP, default_recipe="r1") == group_keys("h", replace(MATH_GROUP, recipe="r1"))


def test_texts_count_as_they_are_judged():
    half = replace(MATH_GROUP, prompt="\ud83d", completions=("\udc00",), reference=MathReference(answers=("\ud800",)))
    whole = replace(MATH_GROUP, prompt="�", completions=("�",), reference=MathReference(answers=("�",)))
    assert key(half) == key(whole)
    pair = replace(MATH_GROUP, reference=MathReference(answers=("\ud83d\ude00",)))
    assert key(pair) == key(replace(MATH_GROUP, reference=MathReference(answers=("😀",))))
    assert key(replace(MATH_GROUP, reference=MathReference(answers=("\ud83d", "\ude00")))) != key(pair)


@given(st.lists(groups, min_size=2, max_size=2))
def test_keys_are_equal_where_content_is(pair):
    one, other = pair
    contents = [
        [(group.prompt, group.reference, group.language, group.recipe, text) for text in group.completions]
        for group in pair
    ]
    for key_of_one, content in zip(group_keys("h", one), contents[0], strict=True):
        for key_of_other, another in zip(group_keys("h", other), contents[1], strict=True):
            assert (key_of_one == key_of_other) == (repr(content) == repr(another))


SOME = Scored(
    reward=0.5,
    verdicts=(
        Verdict(
            verifier="code",
            outcome=Outcome.INCORRECT,
            score=0.25,
            reason="WA",
            detail="1 of 90 passed",
            tests=tuple(TestResult(name=f"stdio[{n}]", status=TestStatus.WA, detail=f"line {n}") for n in range(90)),
        ),
        Verdict.correct("format", "well_formed"),
        Verdict.unscorable("language", "no_words", "nothing ✓"),
    ),
)


def bare(scored: Scored) -> Scored:
    return replace(scored, verdicts=tuple(replace(one, detail="", tests=()) for one in scored.verdicts))


def test_what_comes_back_is_what_was_given_or_that_without_details(tmp_path):
    path = tmp_path / "new/folder/verdicts.sqlite"
    with VerdictStore(path) as store:
        store.add([(b"a", SOME)])
        # Not only what is in the file: the same is often asked for again soon.
        assert store.find_whole([b"a", b"b"]) == {b"a": SOME}
        assert store.find([b"a"]) == {b"a": bare(SOME)}
    with VerdictStore(path) as store:
        assert store.find_whole([b"a", b"b"]) == {b"a": SOME}
        assert store.find([b"a", b"b"]) == {b"a": bare(SOME)}
    with closing(sqlite3.connect(path)) as file:
        [(size,)] = file.execute("SELECT length(details) FROM verdicts").fetchall()
    assert size < 600  # ninety tests


@given(st.floats(allow_nan=False, allow_infinity=False) | st.none(), st.lists(verdicts(), max_size=3))
def test_any_verdicts_come_back(reward, some):
    scored = Scored(reward=reward, verdicts=tuple(some))
    is_lasting = all(one.outcome is not Outcome.FAILED and one.verifier != "request" for one in some)
    with VerdictStore(Path(":memory:")) as store:
        store.add([(b"k", scored)])
        store.flush()
        assert store.find_whole([b"k"]) == ({b"k": scored} if is_lasting else {})


@given(texts)
def test_a_detail_with_half_a_pair_comes_back_as_it_is_printed(text):
    verdict = Verdict.incorrect("code", "RE", f"{text}\ud800")
    with VerdictStore(Path(":memory:")) as store:
        store.add([(b"k", Scored(reward=0.0, verdicts=(verdict,)))])
        assert store.find_whole([b"k"])[b"k"].verdicts[0].detail == f"{text}�"


@pytest.mark.parametrize(
    "verdict", [Verdict.failed("math", "worker_lost"), Verdict.unscorable("request", "too_many_completions")]
)
def test_what_another_asking_may_change_is_not_kept(verdict):
    with VerdictStore(Path(":memory:")) as store:
        store.add([(b"k", Scored(reward=None, verdicts=(Verdict.correct("format", "well_formed"), verdict)))])
        store.flush()
        assert not store.find([b"k"])


def test_more_keys_than_one_statement_takes(tmp_path):
    keys = [number.to_bytes(4, "big") for number in range(1_203)]
    with VerdictStore(tmp_path / "s") as store:
        store.add((one, SOME) for one in keys)
        assert set(store.find(keys)) == set(keys)


def test_a_file_without_details_is_taken_on_with_what_it_holds(tmp_path):
    path = tmp_path / "s"
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        file.execute("CREATE TABLE verdicts (key BLOB PRIMARY KEY, scored TEXT NOT NULL) WITHOUT ROWID")
        file.execute("INSERT INTO verdicts VALUES (?, ?)", (b"k", '[1.0, [["judge", "CORRECT", 1.0, "judged"]]]'))
    expected = Scored(reward=1.0, verdicts=(Verdict.correct("judge", "judged"),))
    for _ in range(2):
        with VerdictStore(path) as store:
            assert store.find_whole([b"k"]) == store.find([b"k"]) == {b"k": expected}
            store.add([(b"l", SOME)])


def test_the_keys_of_texts_that_came_as_utf_8_are_those_of_the_texts():
    texts = ("right", "", "wörks – 好", "a" * 9_000)
    group = replace(MATH_GROUP, completions=texts)
    views = tuple(memoryview(text.encode()) for text in texts)
    assert group_keys("c", group) == group_keys("c", group, encoded=views)
    assert len(set(group_keys("c", group))) == len(texts)


def test_a_key_of_texts_stays_what_it_was():
    # What a judge model said was paid for, and is found by it in older files.
    expected = "6619d0b2618df7c2d5c880ff0e35841646441fc5215a1956ab36d1273ea992c5"
    assert content_key("judge", ("question", "reference", "answer")).hex() == expected


@pytest.mark.parametrize("kind", ["newer", "no database", "folder", "below a file", "cut"])
def test_a_file_that_cannot_be_used_is_named_with_the_remedy_and_left_as_it_is(tmp_path, kind):
    path = tmp_path / "s"
    match kind:
        case "newer":
            with closing(sqlite3.connect(path)) as file:
                file.execute("PRAGMA user_version = 2")
        case "no database":
            path.write_bytes(b"this is a text, and of some length, so that it could be a header " * 20)
        case "folder":
            path.mkdir()
        case "below a file":
            path.write_bytes(b"")
            path /= "s"
        case _:
            with VerdictStore(path) as store:
                store.add((number.to_bytes(2, "big"), SOME) for number in range(300))
            path.write_bytes(b"SQLite format 3\0" + b"\0" * 50)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(
        InvalidRequestError, match=r"the verdict store .*/s cannot be used: .*--store FILE, or --no-store"
    ):
        VerdictStore(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_home_that_is_not_there_is_told(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert default_store() == Path("/cache/assay/verdicts.sqlite")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", _no_home)
    with pytest.raises(InvalidRequestError, match="no home; give another with --store FILE"):
        default_store()


def _no_home() -> Path:
    raise RuntimeError("no home")


def _fill(path: Path, first: int) -> None:
    with VerdictStore(path) as store:
        for number in range(first, first + 600):
            store.add([(number.to_bytes(4, "big"), SOME)])


def test_several_processes_make_and_fill_one_file(tmp_path):
    context = multiprocessing.get_context("spawn")
    path = tmp_path / "s"
    # Some of what they write is the same.
    processes = [context.Process(target=_fill, args=(path, first)) for first in (0, 300, 600)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    with VerdictStore(path) as store:
        assert len(store.find([number.to_bytes(4, "big") for number in range(2_000)])) == 1_200


class Counting(FakeEngine):
    """Notes what it was asked, and fails at the word ``broken``."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, ...]] = []

    async def verify(self, group: Group) -> GroupResult:
        self.asked.append(group.completions)
        result = await super().verify(group)
        failed = Scored(reward=None, verdicts=(Verdict.failed("fake", "lost"),))
        scores = zip(group.completions, result.scores, strict=True)
        return GroupResult(id=group.id, scores=tuple(failed if "broken" in text else one for text, one in scores))


def over(engine: Counting, store: VerdictStore) -> StoredEngine:
    return StoredEngine(engine, store, INFO, max_completions=4)


async def test_only_what_is_not_known_is_asked_and_counted(tmp_path):
    inner = Counting()
    with VerdictStore(tmp_path / "s") as store:
        engine = over(inner, store)
        await engine.verify(replace(MATH_GROUP, completions=("right", "wrong", "broken")))
        assert engine.found == 0
        result = await engine.verify(replace(MATH_GROUP, id="2", completions=("new", "wrong", "broken", "right")))
        assert inner.asked == [("right", "wrong", "broken"), ("new", "broken")]
        assert result.id == "2"
        assert [scored.reward for scored in result.scores] == [0.0, 0.0, None, 1.0]
        assert engine.found == 2
        assert engine.at_once(MATH_GROUP) is None
        known = engine.at_once(replace(MATH_GROUP, completions=("right", "right")))
        assert known is not None
        assert [scored.reward for scored in known.scores] == [1.0, 1.0]
        assert engine.found == 4
        assert len(inner.asked) == 2


async def test_a_group_that_is_too_large_is_left_to_the_engine(tmp_path):
    inner = Counting()
    with VerdictStore(tmp_path / "s") as store:
        engine = over(inner, store)
        for _ in range(2):
            await engine.verify(replace(MATH_GROUP, completions=("right",) * 5))
    assert inner.asked == [("right",) * 5] * 2


@pytest.mark.parametrize("breaks", ["find", "add", "close"])
async def test_a_store_that_breaks_costs_no_answer_and_is_told_once(tmp_path, caplog, breaks):
    caplog.set_level(logging.WARNING)
    path = tmp_path / "s"
    inner = Counting()
    with closing(VerdictStore(path)) as store:
        engine = over(inner, store)
        if breaks == "find":
            _drop(path)
        many = [
            replace(MATH_GROUP, completions=(f"wrong {number}",)) for number in range(300 if breaks == "add" else 3)
        ]
        for number, group in enumerate(many):
            if breaks == "add" and number == 200:
                store.find = store.find_whole = lambda keys: {}  # type: ignore[method-assign]
                _drop(path)
            assert (await engine.verify(group)).scores[0].reward == 0.0
        if breaks == "close":
            _drop(path)
        await engine.aclose()
    assert inner.is_closed
    assert len(inner.asked) == len(many)
    [record] = caplog.records
    assert record.getMessage().startswith(f"the verdict store {path}: no such table: verdicts; ")
    assert record.getMessage().endswith("; all is judged from here on, and nothing is kept")


def _drop(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("DROP TABLE verdicts")


def test_what_could_not_be_written_leaves_the_file_usable(tmp_path):
    path = tmp_path / "s"
    with closing(VerdictStore(path)) as store:
        store.add([(b"k", SOME)])
        _drop(path)
        with pytest.raises(OSError, match="no such table"):
            store.flush()
        with closing(sqlite3.connect(path)) as file:
            file.execute("CREATE TABLE verdicts (key BLOB PRIMARY KEY, scored TEXT NOT NULL, details BLOB)")
        store.flush()
        assert store.find([b"k"]) == {b"k": bare(SOME)}


def test_the_configuration_holds_what_else_a_verdict_follows_from(monkeypatch):
    def told(**fields) -> str:
        settings = Settings(**fields)
        return bootstrap._config_hash(settings, bootstrap.recipes_of(settings))

    plain, docker = told(), told(sandbox="docker")
    assert plain == told(workers=9, sandbox_slots=9, max_pending_completions=9, image_tag="no image is used")
    others = [
        told(recipe="r1"),
        told(max_completion_bytes=9),
        *(told(sandbox="docker", **{name: "x"}) for name in ("image_prefix", "image_tag", "docker_runtime")),
    ]
    for name in ("assay", "python-flint"):
        with monkeypatch.context() as patch:
            patch.setattr(bootstrap, "version", lambda one, name=name: "9" if one == name else version(one))
            others.append(told())
    with monkeypatch.context() as patch:
        patch.setattr("platform.python_version_tuple", lambda: ("3", "99", "0"))
        others.append(told())
    assert len({plain, docker, *others}) == 2 + len(others)


def test_an_answer_that_leaves_out_a_completion_is_none():
    group = replace(MATH_GROUP, completions=("a", "b"))
    one, two = ([codec.result_to_proto(GroupResult(id="1", scores=(SOME,) * count))] for count in (1, 2))
    with pytest.raises(InfrastructureError, match="2 completions were asked, 1 were answered"):
        remote._result_of(one, group)
    assert len(remote._result_of(two, group).scores) == 2
    assert len(remote._result_of(one, replace(group, completions=())).scores) == 1
