"""A declaration is taken from a program only in plain standard types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.judging.bridges.declarations import find_declaration, is_declared
from verifier.judging.bridges.tokens import MAX_CHARACTERS, tokens
from verifier.types import CodeReference

LANGUAGES = ("cpp", "go", "rust", "java")
CASES = [json.loads(line) for line in (Path(__file__).parents[1] / "cases/declarations.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=[case["program"][:40] for case in CASES])
def test_the_function_that_the_script_names_is_found(case):
    found = find_declaration(case["language"], case["program"], case["script"], "")
    assert found is not None
    assert found.signature.endswith(case["declaration"])


@pytest.mark.parametrize(
    ("language", "program"),
    [
        ("cpp", "struct Any { template <class T> bool operator==(T) { return true; } };\nAny f(int a) { return {}; }"),
        ("cpp", "template <class T> bool f(T a) { return true; }"),
        ("cpp", "auto f(int a) { return 1; }"),
        ("cpp", "int f(decltype(exit(0)) a) { return 1; }"),
        ("cpp", "#define f g\nint g(int a) { return 1; }"),
        ("cpp", "int (f)(int a) { return 1; }"),
        ("go", "type A struct{}\nfunc F(a A) A { return a }"),
        ("go", "func (t *T) F() int { return 1 }"),
        ("go", "func F(a unsafe.Pointer) int { return 1 }"),
        ("rust", "struct A;\nfn f(a: i32) -> A { A }"),
        ("rust", "fn f(a: impl Fn()) -> i32 { 1 }"),
        ("java", "class Evil { public boolean equals(Object o) { return true; } }\nclass Solution { Evil f() { } }"),
        ("java", "class Solution { private int f() { return 1; } }"),
        ("python", "def f(): pass"),
    ],
)
def test_what_is_not_plain_is_no_declaration(language, program):
    assert find_declaration(language, program, "Solution f F", "") is None


def test_an_alias_that_the_script_uses_keeps_its_meaning():
    program = "typedef int fabs2;\ndouble f(fabs2 a) { return 1; }"
    assert find_declaration("cpp", program, "fabs2(f(1))", "") is None


def test_standard_headers_come_along_and_others_do_not():
    includes = '#include <vector>\n#include "/etc/passwd"\n#include </etc/passwd>\n#include <x.h>\n'
    program = f"{includes}using namespace std;\nint f() {{ }}"
    found = find_declaration("cpp", program, "f", "")
    assert found is not None
    assert [line for line in found.signature.splitlines() if "include" in line] == [
        "#include <vector>",
        "#include <cstdint>",
    ]
    assert "using namespace std;" in found.signature


def test_a_known_entry_point_is_taken_whatever_else_is_named():
    program = "int f(int a) { return 1; }\nint g(int a) { return 1; }"
    found = find_declaration("cpp", program, "f g", "f")
    assert found is not None
    assert found.entry_point == "f"


@given(
    language=st.sampled_from(LANGUAGES),
    text=st.text(alphabet="f{}()<>[],;:&*/\"'`#\\\n =classfnuci\u00e9rR", max_size=200),
)
def test_any_text_is_read_and_no_token_is_empty(language, text):
    assert all(tokens(text, language))
    find_declaration(language, text, text, "")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "piece",
    [
        "/*",
        "(",
        "{",
        "class f ",
        "func f(",
        "fn f(",
        "int f(",
        'R"',
        "f(int a) {}",
        "'",
        "r#",
        "typedef int f;",
        "\\\n#",
    ],
)
def test_long_hostile_texts_are_read_in_time(language, piece):
    find_declaration(language, piece * (MAX_CHARACTERS // len(piece)), "f", "")


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("function g() {}\nfunction f(a) {}", "f"),
        ("const f = (a) => a;\nlet other = 1;", "f"),
        ("export default async function f() {}", "f"),
        ("class Stack {}\n  const f = 1;", "Stack"),
        ("  function f() {}", ""),
        ("const own = 1;", ""),
    ],
)
def test_the_name_that_a_script_in_javascript_tests_is_found(program, name):
    found = find_declaration("javascript", program, "const own = f(1); new Stack()", "")
    assert (found.entry_point if found else "") == name


def test_only_what_a_reference_leaves_out_is_read_from_programs():
    assert is_declared("cpp", CodeReference(language="cpp", signature="int f();"))
    assert not is_declared("cpp", CodeReference(language="cpp", entry_point="f"))
    assert is_declared("javascript", CodeReference(language="javascript", entry_point="f"))
    assert not is_declared("javascript", CodeReference(language="javascript"))
    assert is_declared("bash", CodeReference(language="bash"))
