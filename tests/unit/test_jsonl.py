"""One group a line in, one result a line out; a malformed line names itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from tests.strategies import groups, results
from verifier.types import (
    CallTest,
    CodeReference,
    Group,
    GroupResult,
    JudgeProgram,
    MathReference,
    Scored,
    SourceFile,
    StdioTest,
    TestGroup,
    TestResult,
    TestStatus,
    Tolerance,
    Verdict,
)
from verifier.wire import bindings, codec, jsonl
from verifier.wire.jsonl import MalformedLineError, group_from_line, line_from_result, malformed_result


def read(value) -> Group:
    return group_from_line(json.dumps(value).encode(), 3)


def problem(line) -> MalformedLineError:
    with pytest.raises(MalformedLineError) as caught:
        group_from_line(line if isinstance(line, bytes) else json.dumps(line).encode(), 3)
    return caught.value


@pytest.mark.parametrize("keeps_names", [True, False])
@given(group=groups)
def test_a_line_is_the_protobuf_json_of_its_group_in_either_spelling(group, keeps_names):
    text = json_format.MessageToJson(
        codec.group_to_proto(group),
        preserving_proto_field_name=keeps_names,
        always_print_fields_with_no_presence=True,
        indent=None,
    )
    assert group_from_line(text.encode(), 1) == group


@given(results)
def test_a_result_line_is_protobuf_json_that_reads_back_as_the_result(result):
    line = line_from_result(result)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    message = json_format.Parse(line.decode(), bindings.GroupResultMessage())
    assert codec.result_from_proto(message) == result


def test_the_contracts_lines_are_read():
    assert read(
        {
            "id": "g1",
            "prompt": "...",
            "completions": ["a", "b"],
            "reference": {"math": {"answers": ["\\frac{1}{2}"]}},
            "language": "en",
            "recipe": "r1",
        }
    ) == Group(
        id="g1",
        prompt="...",
        completions=("a", "b"),
        reference=MathReference(answers=("\\frac{1}{2}",)),
        language="en",
        recipe="r1",
    )
    code = {
        "language": "python",
        "stdio": [{"input": "1 2\n", "output": "3\n"}],
        "calls": [{"args": "[1, 2]", "expected": "3"}],
        "time_limit_s": 4,
        "memory_limit_bytes": 268435456,
    }
    assert read({"id": "g2", "completions": ["x"], "reference": {"code": code}}).reference == CodeReference(
        language="python",
        stdio=(StdioTest(input="1 2\n", output="3\n"),),
        calls=(CallTest(args="[1, 2]", expected="3"),),
        time_limit_s=4.0,
        memory_limit_bytes=268435456,
    )


def test_every_field_of_a_code_reference_is_read():
    program = {"language": "cpp", "source": "x", "files": [{"name": "testlib.h", "text": "y"}], "args": ["-f"]}
    code = {
        "language": "cpp",
        "stdio": [{"input": "", "output": "1", "accepted": ["2"], "group": "a"}],
        "prelude": "p",
        "signature": "int f();",
        "inPlace": True,
        "comparison": "lines",
        "tolerance": {"absolute": 1e-6, "relative": "0.5"},
        "checker": program,
        "interactor": {**program, "protocol": "icpc"},
        "scoring": "groups",
        "groups": [{"name": "a", "points": 40}],
    }
    checker = JudgeProgram(language="cpp", source="x", files=(SourceFile(name="testlib.h", text="y"),), args=("-f",))
    assert read({"id": "g", "completions": ["x"], "reference": {"code": code}}).reference == CodeReference(
        language="cpp",
        stdio=(StdioTest(input="", output="1", accepted=("2",), group="a"),),
        prelude="p",
        signature="int f();",
        in_place=True,
        comparison="lines",
        tolerance=Tolerance(absolute=1e-6, relative=0.5),
        checker=checker,
        interactor=replace(checker, protocol="icpc"),
        scoring="groups",
        groups=(TestGroup(name="a", points=40.0),),
    )


def test_the_contracts_result_is_written_with_nulls_and_in_order():
    test = TestResult(name="stdio[0]", status=TestStatus.WA, detail="é")
    verdicts = (
        Verdict.correct("math", "equal"),
        Verdict(verifier="code", outcome=Verdict.failed("x", "y").outcome, score=None, reason="lost", tests=(test,)),
    )
    result = GroupResult(id="g1", scores=(Scored(reward=None, verdicts=verdicts), Scored(reward=2.9, verdicts=())))
    assert line_from_result(result).decode() == (
        '{"id":"g1","scores":[{"reward":null,"verdicts":['
        '{"verifier":"math","outcome":"CORRECT","score":1.0,"reason":"equal","detail":""},'
        '{"verifier":"code","outcome":"FAILED","score":null,"reason":"lost","detail":"",'
        '"tests":[{"name":"stdio[0]","status":"WA","detail":"é"}]}]},'
        '{"reward":2.9,"verdicts":[]}]}\n'
    )


def test_keys_that_are_not_known_are_passed_over_at_every_level():
    group = read(
        {
            "id": "g",
            "completions": ["x"],
            "expect": ["CORRECT"],
            "why": {"deep": [1, None]},
            "reference": {"note": 1, "code": {"language": "python", "tier": 2, "stdio": [{"input": "", "no": 3}]}},
        }
    )
    assert group.reference == CodeReference(language="python", stdio=(StdioTest(input="", output=""),))


def test_null_is_the_same_as_absent():
    assert read({"id": None, "completions": ["x"], "reference": None, "prompt": None}) == Group(
        id="", completions=("x",)
    )
    assert read({"completions": ["x"], "reference": {"math": None, "code": {"language": "c", "time_limit_s": None}}})


@pytest.mark.parametrize("value", [5, "5", 5.0])
def test_a_64_bit_number_may_be_a_string(value):
    group = read({"completions": ["x"], "reference": {"code": {"memoryLimitBytes": value, "timeLimitS": value}}})
    assert group.reference == CodeReference(language="", memory_limit_bytes=5, time_limit_s=5.0)


@pytest.mark.parametrize(
    ("line", "field", "says"),
    [
        (b"", "json", "Expecting value"),
        (b"{", "json", "column 2"),
        (b"[1]", "json", "expected an object, got a list"),
        (b"nul", "json", "column 1"),
        (b'{"id":"a"} x', "json", "Extra data"),
        (b'{"id":"\xff"}', "json", "byte 8 is not UTF-8"),
        (b'{"id":"a","id":"b"}', "id", "twice"),
        (b'{"completions":["x"],"n":NaN}', "json", "NaN is not JSON"),
        (b'{"n":-Infinity}', "json", "-Infinity is not JSON"),
        (b"[" * 200_000, "json", "nested too deeply"),
        (b'{"a":' * 200_000, "json", "nested too deeply"),
        ({"id": "a"}, "completions", "missing"),
        ({"completions": None}, "completions", "missing"),
        ({"completions": "x"}, "completions", 'expected a list, got the string "x"'),
        ({"completions": ["x", 5]}, "completions[1]", "expected a string, got 5"),
        ({"completions": [None]}, "completions[0]", "expected a string, got null"),
        ({"id": 5, "completions": ["x"]}, "id", "expected a string, got 5"),
        ({"completions": [], "prompt": True}, "prompt", "expected a string, got true"),
        ({"completions": [], "prompt": ["x" * 99]}, "prompt", "got a list"),
        ({"completions": [], "reference": "1/2"}, "reference", "expected an object"),
        ({"completions": [], "reference": {"math": {}, "code": {}}}, "reference", "both"),
        ({"completions": [], "reference": {"math": {"answers": "1"}}}, "reference.math.answers", "expected a list"),
        (
            {"completions": [], "reference": {"code": {"stdio": [{"input": 5}]}}},
            "reference.code.stdio[0].input",
            "expected a string, got 5",
        ),
        (
            {"completions": [], "reference": {"code": {"calls": [{}, {"args": [1]}]}}},
            "reference.code.calls[1].args",
            "expected a string, got a list",
        ),
        ({"completions": [], "reference": {"code": {"in_place": "yes"}}}, "reference.code.in_place", "true or false"),
        (
            {"completions": [], "reference": {"code": {"checker": {"files": [{"name": 1}]}}}},
            "reference.code.checker.files[0].name",
            "expected a string, got 1",
        ),
        ({"completions": [], "reference": {"code": {"time_limit_s": "4s"}}}, "reference.code.time_limit_s", "finite"),
        ({"completions": [], "reference": {"code": {"time_limit_s": "nan"}}}, "reference.code.time_limit_s", "finite"),
        ({"completions": [], "reference": {"code": {"time_limit_s": "1_0"}}}, "reference.code.time_limit_s", "finite"),
        ({"completions": [], "reference": {"code": {"time_limit_s": True}}}, "reference.code.time_limit_s", "true"),
        (
            {"completions": [], "reference": {"code": {"memory_limit_bytes": 1.5}}},
            "reference.code.memory_limit_bytes",
            "whole number",
        ),
        (
            {"completions": [], "reference": {"code": {"memory_limit_bytes": 1 << 63}}},
            "reference.code.memory_limit_bytes",
            "64 bits",
        ),
        (
            {"completions": [], "reference": {"code": {"time_limit_s": 1, "timeLimitS": 1}}},
            "reference.code.time_limit_s",
            "twice",
        ),
    ],
)
def test_a_malformed_line_names_its_field_and_what_is_wrong(line, field, says):
    error = problem(line)
    assert error.field == field
    assert says in error.problem
    assert str(error).startswith(f"line 3: {field}: ")
    assert len(str(error)) < 300


def test_a_number_of_a_million_digits_costs_nothing_and_is_refused_where_it_counts():
    digits = b"9" * 1_000_000
    assert group_from_line(b'{"completions":["x"],"big":' + digits + b"}", 1).completions == ("x",)
    error = problem(b'{"completions":["x"],"reference":{"code":{"memory_limit_bytes":' + digits + b"}}}")
    assert error.field == "reference.code.memory_limit_bytes"


def test_a_line_past_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", 30)
    assert "more than 30 bytes" in problem(b'{"completions":["' + b"x" * 30 + b'"]}').problem


def test_the_answer_to_a_malformed_line_keeps_the_id_and_stands_in_its_place():
    error = problem({"id": "g7", "completions": [5]})
    line = json.loads(line_from_result(malformed_result(error)))
    assert line == {
        "id": "g7",
        "scores": [
            {
                "reward": None,
                "verdicts": [
                    {
                        "verifier": "request",
                        "outcome": "UNSCORABLE",
                        "score": None,
                        "reason": "malformed_line 3: completions[0]",
                        "detail": "line 3: completions[0]: expected a string, got 5",
                    }
                ],
            }
        ],
    }


def test_lone_surrogates_are_replaced_in_what_is_read_and_in_every_message():
    group = group_from_line(b'{"id":"\\ud800","completions":["a\\udc00", "\\ud83d\\ude00"]}', 1)
    assert group == Group(id="\ufffd", completions=("a\ufffd", "😀"))
    error = problem(b'{"id":"\\ud800","completions":["x"],"prompt":{},"\\ud800":1,"\\ud800":2}')
    line_from_result(malformed_result(error)).decode()


def test_a_byte_order_mark_is_passed_over():
    assert group_from_line(b'\xef\xbb\xbf{"completions":["x"]}\r\n', 1).completions == ("x",)


@given(st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_a_group_or_a_named_error(line):
    try:
        group_from_line(line, 1)
    except MalformedLineError as error:
        line_from_result(malformed_result(error))
