"""Scripts in Rust: a real tester and a real solution, each compiled by itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pairs import Pairs
from verifier.errors import UnscorableError
from verifier.judging.bridges import TesterExit
from verifier.judging.bridges.rust import RustBridge
from verifier.types import CodeReference

BRIDGE = RustBridge()
CHECKED = CodeReference(
    language="rust",
    entry_point="total",
    signature="fn main() {}\nfn total(values: &Vec<i64>, first: usize) -> i64 {",
    script="""
#[cfg(test)]
mod tests {
    use super::*;
    #[test] fn sums() { assert_eq!(total(&vec![1, 2, 3], 0), 6); assert_eq!(total(&vec![1, 2, 3], 1), 5); }
    #[test] #[should_panic(expected = "first")] fn refuses() { total(&vec![], 9); }
}
""",
)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    return Pairs(tmp_path_factory.mktemp("rust"))


RIGHT = {
    "a_whole_program": (
        "#![forbid(unsafe_code)]\n#![deny(warnings)]\n//! Sums.\nmacro_rules! vec { () => {} }\n"
        "struct Reader; enum Put {}\n"
        'pub fn total(values: &[i64], first: usize) -> i64 { if first > values.len() { panic!("first") }'
        ' values[first..].iter().sum() }\nfn main() { println!("{}", total(&[1], 0)); }'
    ),
}
WRONG = {
    "a_wrong_answer": ("fn total(_: &Vec<i64>, _: usize) -> i64 { 6 }", TesterExit.FAILED),
    "a_panic": ('fn total(_: &Vec<i64>, _: usize) -> i64 { panic!("no") }', TesterExit.RAISED),
    "an_exit": ("fn total(_: &Vec<i64>, _: usize) -> i64 { std::process::exit(0) }", TesterExit.GONE),
    "another_main": (
        '#[no_mangle] pub extern "C" fn main() -> i32 { 0 }\nfn total(_: &Vec<i64>, _: usize) -> i64 { 6 }',
        "CE",
    ),
    "another_type": ("fn total(s: String) -> String { s }", "CE"),
}


@pytest.mark.parametrize("program", RIGHT.values(), ids=RIGHT)
def test_what_rust_itself_would_call_passes(pairs, program):
    assert pairs.found(BRIDGE, CHECKED, program) == TesterExit.PASSED


@pytest.mark.parametrize(("program", "expected"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_never_passes(pairs, program, expected):
    assert pairs.found(BRIDGE, CHECKED, program) == expected


def test_a_script_that_calls_nothing_is_vacuous(pairs):
    reference = CodeReference(language="rust", signature="fn f(a: i32) -> i32 {", script="fn main() { let _ = f; }")
    assert pairs.found(BRIDGE, reference, "fn f(a: i32) -> i32 { a }") == TesterExit.VACUOUS


def test_an_argument_that_cannot_be_sent_is_the_tasks_fault(pairs):
    signature = "use std::any::Any;\nfn f(a: &dyn Any) -> i32 {"
    reference = CodeReference(language="rust", signature=signature, script="struct S;\nfn main() { f(&S); }")
    assert pairs.answered(BRIDGE, reference, b"") == TesterExit.BROKEN


def test_a_script_without_a_test_is_unscorable():
    with pytest.raises(UnscorableError):
        BRIDGE.tester(CodeReference(language="rust", signature="fn f() {", script="// #[test]\nfn g() {}"))


@pytest.mark.timeout(900)
def test_every_type_crosses_exactly_and_back(pairs):
    types = """
use std::any::Any;
use std::borrow::Cow;
use std::collections::*;
use std::rc::Rc;
#[derive(Debug, PartialEq, Clone)]
pub enum Shape<'a, T> { Empty, Dot(T), Line { from: (i32, i32), name: &'a str } }
#[derive(Debug, PartialEq, Clone, Eq, Hash, PartialOrd, Ord)]
struct Id(u8, Option<Box<Id>>);
type Numbers = (i8, u8, i16, u16, i32, u64, i128, u128);
type Floats = (f32, f64, f64, char);
type Lists = (Vec<Vec<i32>>, VecDeque<bool>, [u16; 3], Box<[i64]>, LinkedList<String>);
type Maps = (HashMap<String, Vec<u8>>, BTreeMap<Id, char>, HashSet<i64>, BTreeSet<(u8, u8)>);
"""
    reference = CodeReference(
        language="rust",
        entry_point="same",
        signature=types
        + "fn same<'a>(n: Numbers, f: &Floats, l: Lists, m: Maps, s: Shape<'a, f32>, any: Vec<Box<dyn Any>>,"
        " one: &dyn Any, v: &mut Vec<i32>, part: &mut [u8], names: &[&str], r: Result<Rc<str>, String>)"
        " -> (Numbers, Floats, Lists, Maps, Shape<'a, f32>, Vec<Box<dyn Any>>, String, Cow<'a, str>) {".replace(
            "Rc<str>", "Box<str>"
        ),
        script="""
fn main() {
    let n: Numbers = (-128, 255, -1, 65535, i32::MIN, u64::MAX, i128::MIN, u128::MAX);
    let f: Floats = (0.1, -0.0, f64::INFINITY, '\\u{10ffff}');
    let texts = LinkedList::from(["é".to_string()]);
    let l: Lists = (vec![vec![1], vec![]], VecDeque::from([true, false]), [1, 2, 3], Box::new([i64::MIN]), texts);
    let id = Id(1, Some(Box::new(Id(2, None))));
    let sets = (HashSet::from([5]), BTreeSet::from([(1, 2)]));
    let m: Maps = (HashMap::from([("k".into(), vec![1])]), BTreeMap::from([(id, 'z')]), sets.0, sets.1);
    let mut v = vec![3, 1, 2];
    let mut part = [1u8, 2, 3];
    let any: Vec<Box<dyn Any>> = vec![Box::new(1i32), Box::new("x"), Box::new(String::from("y")), Box::new(())];
    let s = Shape::Line { from: (1, 2), name: "q" };
    let (n2, f2, l2, m2, s2, a2, text, cow) =
        same(n, &f, l.clone(), m.clone(), s, any, &"one", &mut v, &mut part, &["a", "b"], Err("no".into()));
    assert_eq!((n2, f2, l2, m2), (n, f, l, m));
    assert!(f2.1.is_sign_negative());
    assert_eq!(s2, Shape::Line { from: (1, 2), name: "q" });
    assert_eq!(a2[0].downcast_ref::<i32>(), Some(&1));
    assert_eq!(a2[1].downcast_ref::<&str>(), Some(&"x"));
    assert!(a2[3].is::<()>());
    assert_eq!((v, part, text.as_str(), &*cow), (vec![1, 2, 3], [3, 2, 1], "oneab", "no"));
}
""",
    )
    program = (
        types
        + """
fn same<'a>(n: Numbers, f: &Floats, l: Lists, m: Maps, s: Shape<'a, f32>, any: Vec<Box<dyn Any>>, one: &dyn Any,
    v: &mut [i32], part: &mut [u8], names: &[&str], r: Result<Box<str>, String>)
    -> (Numbers, Floats, Lists, Maps, Shape<'a, f32>, Vec<Box<dyn Any>>, String, Cow<'a, str>) {
    v.sort();
    part.reverse();
    let text = format!("{}{}", one.downcast_ref::<&str>().unwrap(), names.concat());
    (n, *f, l, m, s, any, text, Cow::Owned(r.unwrap_err()))
}
"""
    )
    assert pairs.found(BRIDGE, reference, program) == TesterExit.PASSED


def test_chance_in_a_script_is_the_same_each_time(pairs):
    reference = CodeReference(
        language="rust",
        signature="use rand::Rng;\nuse rand;\nfn f(a: i32) -> i32 {",
        script="fn main() { let mut r = rand::thread_rng();"
        " for _ in 0..9 { let a = r.gen_range(0, 50); assert_eq!(f(a), a); } }",
    )
    program = "fn f(a: i32) -> i32 { if a < 50 { a } else { 0 } }"
    assert pairs.found(BRIDGE, reference, program) == TesterExit.PASSED


ANSWERED = CodeReference(
    language="rust",
    signature="use std::collections::HashMap;\nfn f(at: i32) -> (HashMap<i32, Vec<bool>>, Option<String>) {",
    script='fn main() { assert_eq!(f(1).1.unwrap(), "yes"); }',
)
ANSWER = b"r(\x02{\x01n\x04[\x02b\x01b\x00?\x01s\x03yes"


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(4, "little") + message


HOSTILE = {
    "no answer": b"",
    "an empty message": framed(b""),
    "a size without bytes": b"\xff\xff\xff\x00r",
    "a size beyond the limit": b"\xff\xff\xff\xffr",
    "a count beyond the message": framed(b"r(\x02{\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
    "a number without an end": framed(b"r(\x02{" + b"\xff" * 40),
    "another type": framed(b"rs\x03yes"),
    "text that is not UTF-8": framed(ANSWER.replace(b"yes", b"\xff\xfe\xfd")),
    "more than the answer": framed(ANSWER + b"u"),
    "less than the answer": framed(ANSWER[:-1]),
    "an integer out of range": framed(ANSWER.replace(b"n\x04", b"n\xff\xff\xff\xff\x0f")),
    "an unknown status": framed(b"y" + ANSWER[1:]),
    "a boolean that is neither": framed(ANSWER.replace(b"b\x01", b"b\x02")),
}


def test_the_right_answer_passes(pairs):
    assert pairs.answered(BRIDGE, ANSWERED, framed(ANSWER)) == TesterExit.PASSED
    assert pairs.answered(BRIDGE, ANSWERED, framed(ANSWER.replace(b"yes", b"no!"))) == TesterExit.FAILED
    assert pairs.answered(BRIDGE, ANSWERED, framed(b"xs\x02no")) == TesterExit.RAISED


@pytest.mark.parametrize("reply", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_answer_is_the_solutions_end(pairs, reply):
    assert pairs.answered(BRIDGE, ANSWERED, reply) == TesterExit.GONE


@given(place=st.integers(0, len(ANSWER) - 4), byte=st.integers(0, 255), cut=st.integers(0, 4))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_never_takes_the_tester_down(pairs, place, byte, cut):
    reply = ANSWER[:place] + bytes([byte]) + ANSWER[place + 1 + cut :]
    found = pairs.answered(BRIDGE, ANSWERED, framed(reply))
    assert found in (TesterExit.GONE, TesterExit.FAILED, TesterExit.RAISED, TesterExit.PASSED)
    if cut or place < 2:
        assert found != TesterExit.PASSED or reply == ANSWER
