"""The declaration of a Rust entry point: what the stub needs of it, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import UnscorableError
from verifier.judging.bridges.rust_declarations import defined_names, derive, read_declaration, split_items


def test_generics_parameters_and_result_are_told_apart():
    text = "pub fn f<'a>(mut a: &'a mut Vec<i32>, b: HashMap<String, (u8, f64)>, c: fn(i32) -> i32)"
    text += " -> Option<&'a [i32; 3]> {"
    found = read_declaration(text, "f")
    assert (found.generics, found.result) == ("<'a>", "Option<&'a [i32; 3]>")
    assert [one.kind for one in found.parameters] == [
        "&'a mut Vec<i32>",
        "HashMap<String, (u8, f64)>",
        "fn(i32) -> i32",
    ]
    assert [one.is_changed for one in found.parameters] == [True, False, False]


def test_items_around_the_entry_point_are_kept_but_a_main_function():
    signature = (
        "#![allow(unused)]\nfn main(){}\nuse std::{a, b::{c}};\n#[derive(Debug)]\nenum E { A, B(i32) }\n"
        "// fn x() {\nconst S: &str = \"}\";\nfn help(c: char) -> bool { c == '{' || c == '\\'' }\nfn f(e: E) {"
    )
    found = read_declaration(signature, "f")
    assert [(item.kind, item.name) for item in found.items] == [
        ("use", ""),
        ("enum", "E"),
        ("const", "S"),
        ("fn", "help"),
    ]
    assert found.items[1].text.startswith("#[derive(Debug)]")
    assert found.result == "()"


@pytest.mark.parametrize("signature", ["", "struct A;", "fn main() {}", "fn f(&mut self, a: i32) {"])
def test_what_no_stub_can_stand_for_is_unscorable(signature):
    with pytest.raises(UnscorableError):
        read_declaration(signature, "f")


def test_every_shape_of_a_type_is_derived():
    (item,) = split_items(
        "#[derive(Debug)] pub enum E<'a, T: Clone> { A, B(T, &'a str), C { x: Vec<(T, i32)>, y: u8 } }"
    )
    code = derive(item)
    assert "impl<'a, T : Clone + AssayGet> AssayGet for E<'a, T>" in code
    assert "E::B(assay_0, assay_1)" in code
    assert "E::C { x: assay_x, y: assay_y }" in code


def test_names_of_a_program_are_those_of_its_outermost_level():
    names = defined_names("use a::b;\nmod m { fn inner() {} }\nstruct S { f: i32 }\nfn f() { fn g() {} }")
    assert names == {"use", "m", "S", "f"}


@given(st.text(alphabet="afn{}()<>=;:,#[]!\"'/*\\\n r", max_size=200))
def test_any_text_is_read(text):
    defined_names(text)
    assert all(item.text for item in split_items(text))
