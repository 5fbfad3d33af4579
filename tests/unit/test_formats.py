"""Rows of public datasets become references by named formats, or an answer that names the field."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifier.errors import UnknownNameError, UnscorableError
from verifier.formats import FORMATS, as_answer, find_format, livecodebench
from verifier.formats.cases import arguments, memory_limit, time_limit
from verifier.formats.fields import FieldError, Fields, json_text, object_of, parse_row
from verifier.formats.own import reference_from_fields
from verifier.formats.plain_pickle import PickleError, inflated, pickled_text
from verifier.formats.programs import Stub
from verifier.text.code_blocks import find_program
from verifier.types import CodeReference

CASES = Path(__file__).parents[1] / "cases" / "formats"


def cases(key: str):
    found = [
        (name, case)
        for name in FORMATS
        for case in map(json.loads, (CASES / f"{name}.jsonl").read_text().splitlines())
        if key in case
    ]
    return pytest.mark.parametrize(("name", "case"), found, ids=[f"{name}: {case['why']}" for name, case in found])


def row(case) -> Fields:
    # As the command reads a line.
    return object_of(parse_row(json.dumps(case["row"])), "")


def test_every_format_has_cases_and_every_case_a_format():
    assert {path.stem for path in CASES.glob("*.jsonl")} == set(FORMATS)


@cases("reference")
def test_a_row_becomes_the_reference_of_its_tests(name, case):
    expected = reference_from_fields(Fields(case["reference"]))
    assert FORMATS[name].task(row(case)).reference == expected


@cases("script_has")
def test_a_row_without_expected_outputs_brings_its_own_solution_into_the_script(name, case):
    reference = FORMATS[name].task(row(case)).reference
    assert all(part in reference.script for part in case["script_has"])
    compile(reference.script, "script", "exec")


@cases("unscorable")
def test_a_row_that_cannot_be_judged_names_the_field_and_the_remedy(name, case):
    with pytest.raises(UnscorableError) as caught:
        FORMATS[name].task(row(case))
    assert caught.value.reason == case["unscorable"]
    assert case["detail"] in caught.value.detail


@cases("id")
def test_a_row_has_the_id_of_its_task_or_its_number(name, case):
    assert FORMATS[name].id(row(case), 0) == case["id"]


@cases("prompt")
def test_a_row_has_the_prompt_of_its_task(name, case):
    assert FORMATS[name].prompt(row(case)) == case["prompt"]


@cases("programs")
def test_a_completion_becomes_a_whole_program(name, case):
    task = FORMATS[name].task(row(case))
    for text, program in case["programs"]:
        for completion in (text, f"```\n{text}```\n"):
            answer = as_answer(completion, language=task.reference.language, stub=task.stub)
            assert find_program(answer, (task.reference.language,)) or find_program(answer, ()) == program


BROKEN: tuple[object, ...] = (None, 3, [], {}, [[]], "", "{}", "[", "9" * 5000, {"x": [None]})


def converted(name, values):
    """Converts, or says in words why not; any other error is a fault of the converter."""
    with suppress(UnscorableError):
        reference = FORMATS[name].task(values).reference
        assert isinstance(reference, CodeReference)
        assert reference.stdio or reference.calls or reference.script


@cases("row")
def test_a_row_that_lost_any_field_is_converted_or_unscorable_and_nothing_else(name, case):
    for field in case["row"]:
        for value in BROKEN:
            converted(name, object_of(parse_row(json.dumps(case["row"] | {field: value})), ""))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(st.sampled_from(sorted(FORMATS)), st.data())
def test_no_row_of_any_kind_raises_anything_else(name, data):
    columns = FORMATS[name].columns
    values = data.draw(st.dictionaries(st.sampled_from(columns), JSON | JSON.map(json.dumps)))
    converted(name, Fields(values))


def test_a_format_that_nobody_knows_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="unknown format 'aps'; known: acecode, apps"):
        find_format("aps")


def test_tests_that_read_standard_input_fit_any_language_and_scripts_do_not():
    io = Fields({"input_output": '{"inputs": ["1"], "outputs": ["1"]}'})
    assert FORMATS["apps"].task(io, language="rust").reference.language == "rust"
    statements = Fields({"test_cases": ["assert f(1) == 1"]})
    assert FORMATS["acecode"].task(statements, language="rust").reference.language == "python"


def test_a_time_limit_is_given_where_the_row_has_none():
    limited = Fields({"input_output": '{"inputs": ["1"], "outputs": ["1"]}', "time_limit": "2 seconds"})
    assert FORMATS["taco"].task(limited, time_limit_s=9.0).reference.time_limit_s == 2.0
    assert FORMATS["apps"].task(limited, time_limit_s=9.0).reference.time_limit_s == 9.0
    assert FORMATS["apps"].task(limited).reference.time_limit_s is None


def test_an_id_that_samples_write_with_a_prefix_is_the_rows_own():
    assert FORMATS["mbppplus"].id(Fields({"task_id": "Mbpp/17"}), 0) == "17"
    assert FORMATS["apps"].id(Fields({"task_id": None, "problem_id": 0}), 5) == "0"
    assert FORMATS["taco"].id(Fields({}), 5) == "5"
    with pytest.raises(FieldError, match="task_id"):
        FORMATS["taco"].id(Fields({"task_id": 1.5}), 5)


# --- numbers and limits ---------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(JSON)
def test_values_keep_every_digit(value):
    assert json_text(parse_row(json.dumps(value))) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2}', "[" * 100_000, "{", "\ufeff{", "1" * 5000, ""])
def test_a_field_that_is_no_json_is_told_by_its_name(text):
    with pytest.raises(FieldError, match=r"^(tests|a): "):
        parse_row(text, "tests")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (2, 2.0),
        (1.5, 1.5),
        ("2.0 seconds", 2.0),
        ("1 second", 1.0),
        ("500 ms", 0.5),
        ("3", 3.0),
        ({"seconds": 1, "nanos": 500_000_000}, 1.5),
        ({"seconds": "2", "nanos": None}, 2.0),
        ("{'seconds': 2, 'nanos': 0}", 2.0),
        (1e6, 300.0),
        (0, None),
        (None, None),
        ("", None),
        ({"seconds": 0}, None),
    ],
)
def test_time_limits_are_read_in_every_form_and_kept_in_bounds(value, seconds):
    assert time_limit(value, "time_limit") == seconds


@pytest.mark.parametrize("value", ["soon", "1-2 seconds", "-1", -1, [], True, "1" * 20, float("nan")])
def test_a_time_limit_that_cannot_be_read_is_told(value):
    with pytest.raises(FieldError, match="time_limit"):
        time_limit(value, "time_limit")


@pytest.mark.parametrize(
    ("value", "unit", "size"),
    [
        (256_000_000, "b", 256_000_000),
        ("256.0 megabytes", "b", 256 << 20),
        ("64 MB", "b", 64 << 20),
        ("1 GiB", "b", 1 << 30),
        (256.0, "m", 256 << 20),
        ("256", "m", 256 << 20),
        ("1 kB", "b", 16 << 20),
        (1e18, "b", 64 << 30),
        (0, "b", None),
        (None, "m", None),
        ("", "m", None),
    ],
)
def test_memory_limits_are_read_in_every_form_and_kept_in_bounds(value, unit, size):
    assert memory_limit(value, "memory_limit", unit=unit) == size


@pytest.mark.parametrize("value", ["much", -1, "-1 MB", {}, False])
def test_a_memory_limit_that_cannot_be_read_is_told(value):
    with pytest.raises(FieldError, match="memory_limit"):
        memory_limit(value, "memory_limit")


def test_arguments_are_a_list_or_one_json_a_line():
    assert arguments([1, [2]], "input") == [1, [2]]
    assert arguments('1\n[2]\n\n"a"', "input") == [1, [2], "a"]
    assert arguments("[1, [2]]", "input", "list") == [1, [2]]
    assert arguments("[1, [2]]", "input") == [[1, [2]]]
    with pytest.raises(FieldError, match="input: expected a list of arguments, got 3"):
        arguments("3", "input", "list")


# --- pickles --------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(), st.sampled_from([1, 2, 3, 4, 5]))
def test_the_pickle_of_a_text_is_read_without_running_it(text, protocol):
    assert pickled_text(pickle.dumps(text, protocol)) == text


def test_a_long_text_is_read_across_frames():
    text = "é" * 200_000
    assert pickled_text(pickle.dumps(text, 4)) == text


class _Reducing:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("value", [b"bytes", 3, None, ["x"], {"a": 1}, ("x",), _Reducing(), 2.5, {"x"}, str, range(3)])
@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_a_pickle_of_anything_else_is_refused(value, protocol, capsys):
    with pytest.raises(PickleError):
        pickled_text(pickle.dumps(value, protocol))
    assert capsys.readouterr().out == ""


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_are_a_text_or_refused(data):
    with suppress(PickleError):
        assert isinstance(pickled_text(data), str)


@settings(deadline=None)
@given(st.text(max_size=50), st.data())
def test_a_pickle_that_was_cut_or_changed_is_a_text_or_refused(text, data):
    pickled = bytearray(pickle.dumps(text))
    pickled[data.draw(st.integers(0, len(pickled) - 1))] = data.draw(st.integers(0, 255))
    with suppress(PickleError):
        assert isinstance(pickled_text(bytes(pickled)), str)


def test_a_bomb_is_refused_before_it_is_whole(monkeypatch):
    bomb = zlib.compress(b"\0" * (1 << 20))
    with pytest.raises(PickleError, match="more than 1000 bytes"):
        inflated(bomb, 1000)
    assert inflated(bomb, 1 << 20) == b"\0" * (1 << 20)
    monkeypatch.setattr(livecodebench, "MAX_INFLATED_BYTES", 1000)
    with pytest.raises(UnscorableError, match="more than 1000 bytes"):
        FORMATS["livecodebench"].task(Fields({"private_test_cases": base64.b64encode(bomb).decode()}))


# --- programs -------------------------------------------------------------------------------------------------------

STUB = Stub(language="python", entry_point="f", head="def f(x):\n")


@pytest.mark.parametrize(
    ("completion", "program"),
    [
        ("    return x\n", "def f(x):\n    return x\n"),
        ("\n\n\treturn x", "def f(x):\n\n\n\treturn x\n"),
        ("def f(x):\n    return 1\n", "def f(x):\n    return 1\n"),
        ("f = abs\n", "f = abs\n"),
        ("import math\nasync def f(x): ...\n", "import math\nasync def f(x): ...\n"),
        ("    return g(x)\ndef f(y):\n    return 2\n", "def f(x):\n    return g(x)\ndef f(y):\n    return 2\n"),
        ("return x\n", "def f(x):\nreturn x\n"),
        ("a\n```python\n    return 3\n```\nb", "def f(x):\n    return 3\n"),
        ("a\n```py\ndef f(x):\n    return 3\n```\nb", "def f(x):\n    return 3\n"),
        ("<think>\ndef f(x): pass\n</think>\n    return 4\n", "def f(x):\n\n    return 4\n"),
        ('    return "```"\n', 'def f(x):\n    return "```"\n'),
        ("    s = '''\n```\n'''\n", "def f(x):\n    s = '''\n```\n'''\n"),
    ],
)
def test_a_completion_continues_the_prompt_or_is_whole(completion, program):
    answer = as_answer(completion, language="python", stub=STUB).rpartition("</think>")[2]
    assert find_program(answer, ("python", "py")) == program


def test_the_reasoning_is_kept_and_what_needs_no_change_is_not_changed():
    assert as_answer("<think>a</think>    return 1", language="python", stub=STUB).startswith("<think>a</think>```")
    whole = "<think>a</think>```python\ndef f(x): ...\n```"
    assert as_answer(whole, language="python", stub=STUB) == whole
    assert as_answer("<think>never ends", language="python", stub=STUB) == "<think>never ends"
    assert as_answer("no code", language="python", stub=None) == "no code"


def test_a_program_is_taken_as_it_is():
    assert (
        find_program(as_answer("print(1)", language="python", stub=None, is_program=True), ("python",)) == "print(1)\n"
    )
    fenced = "```python\nprint(1)\n```"
    assert as_answer(fenced, language="python", stub=None, is_program=True) == fenced


@settings(deadline=None)
@given(st.text())
def test_any_completion_becomes_an_answer(text):
    for language in ("python", "cpp", "java", "go", "rust", "javascript"):
        stub = Stub(language=language, entry_point="f", head="head\n")
        assert isinstance(as_answer(text, language=language, stub=stub), str)


@pytest.mark.parametrize("text", ["f" * 100_000, "f (" * 30_000, " " * 100_000, "`" * 100_000, "a\n" * 50_000])
def test_a_long_completion_is_read_in_linear_time(text):
    # The suite's time-out would end a quadratic search.
    for language in ("python", "cpp", "java", "go", "rust", "javascript"):
        stub = Stub(language=language, entry_point="f", head="head\n")
        assert as_answer(text, language=language, stub=stub)
