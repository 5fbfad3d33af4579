"""The declaration of a C++ entry point: what the stub needs of it, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import UnscorableError
from verifier.judging.bridges.cpp_declarations import defined_names, read_declaration, split_items

HEADERS = {
    "bool f(vector<float> numbers, float threshold){": "bool f(vector<float> assay_0, float assay_1)",
    "map<int, pair<a, b>> f(const map<int, int> &m);": "map<int, pair<a, b>> f(const map<int, int> & assay_0)",
    "int f()": "int f()",
    "int f(void) {": "int f(void)",
    "int f(int, std::string, unsigned long, const P);": (
        "int f(int assay_0, std::string assay_1, unsigned long assay_2, const P assay_3)"
    ),
    "int f(std :: vector < long > argument0, long k = g(1, 2)) {": (
        "int f(std :: vector < long > assay_0, long assay_1)"
    ),
    "int f(function<int(int, int)> g, int (*h)(int), int a[3]) {": (
        "int f(function<int(int, int)> assay_0, int (*assay_1)(int), int assay_2[3])"
    ),
    "auto f(int a) -> vector<int> {": "auto f(int assay_0) -> vector<int>",
    "static inline string f(string /* a, (b) */ s) noexcept {": "static inline string f(string assay_0) noexcept",
}


@pytest.mark.parametrize("text", HEADERS)
def test_parameters_are_named_anew_and_keep_their_types(text):
    stub = read_declaration(text, "f").stub_header
    assert stub.split() == HEADERS[text].split() or "/*" in text


def test_helpers_before_the_entry_point_are_kept_as_they_are():
    signature = (
        "#include <string>\nusing namespace std;\ntypedef list<any> bag; // {\nstruct P { int a; };\n"
        'const char *s = "}";\n'
        "int helper(int a) { return a ? '{' : 1; }\n/* int f(int) { */\nint f(P p) {\n  int unfinished;\n"
    )
    declaration = read_declaration(signature, "f")
    assert [item.name for item in declaration.items] == ["", "", "bag", "P", "s", "helper"]
    assert declaration.header == "int f(P p)"


def test_the_last_function_is_taken_where_none_has_the_name():
    assert read_declaration("int g(int a) { return a; }\nint solutions(int b){", "solution").name == "solutions"


@pytest.mark.parametrize("signature", ["", "int x;", "template <class T> T f(T a) {", "auto f(int a) {"])
def test_what_no_stub_can_stand_for_is_unscorable(signature):
    with pytest.raises(UnscorableError):
        read_declaration(signature, "f")


def test_names_of_a_program_are_those_of_its_outermost_level():
    program = "struct A { int inner(int x) { return x; } };\nint f(int a) { if (g(a)) { } return 0; }\n"
    program += "using B = int; int c = 1;"
    assert {"A", "f", "B", "c"} <= defined_names(program)
    assert not {"inner", "g", "if"} & defined_names(program)


@given(st.text(alphabet="af{}()<>=;:,#\"'/*\\\n \t", max_size=200))
def test_any_text_is_read(text):
    defined_names(text)
    assert all(item.text for item in split_items(text))
