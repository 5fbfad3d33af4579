"""Reading Java and Go just well enough to put stubs and servers beside them."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.errors import UnscorableError
from verifier.judging.bridges import BRIDGES
from verifier.judging.bridges.go_assertions import ASSERTION_NAMES, assertions_source
from verifier.judging.bridges.go_parts import import_lines, read_go
from verifier.judging.bridges.java_parts import read_java
from verifier.types import CodeReference

SIGNATURES = {
    "java": "import java.util.*;\n\nclass Solution {\n    public int f(List<Integer> xs) {\n",
    "go": 'import "sort"\n\nfunc Twice(x int) int { return 2 * x }\n\nfunc F(xs []int) int {\n',
}
SCRIPTS = {
    "java": "public class Main { public static void main(String[] a) { assert new Solution().f(null) == 1; } }",
    "go": "func TestF(t *testing.T) { if F(nil) != 1 { t.Fail() } }",
}
WORDS = (
    *"{}()[]<>;,.=@*1C\"'`\\",
    *("...", "//", "/*", "*/", '"""', 'import("', "class", "interface", "record", "enum", "public", "static", "void"),
    *("main", "import", "package", "func", "type", "var", "const", "struct", "map", "Solution", "Main", "F", "int"),
)
PIECES = st.lists(st.sampled_from(WORDS), max_size=60).flatmap(
    lambda words: st.sampled_from((" ", "\n")).map(lambda space: space.join(words))
)
LANGUAGES = pytest.mark.parametrize("language", ["java", "go"])


def reference(language, **fields):
    return CodeReference(
        **{"language": language, "signature": SIGNATURES[language], "script": SCRIPTS[language]} | fields
    )


@LANGUAGES
@given(program=PIECES | st.text())
def test_a_program_of_any_text_can_be_put_beside_a_server(language, program):
    made = BRIDGES[language].solution(reference(language), program)
    assert made.source_name


@LANGUAGES
@given(signature=PIECES | st.text(), script=PIECES | st.text())
def test_a_reference_of_any_text_is_scorable_or_not(language, signature, script):
    with contextlib.suppress(UnscorableError):
        assert BRIDGES[language].tester(reference(language, signature=signature, script=script)).run_command


@LANGUAGES
def test_no_part_of_a_program_reaches_the_tester_and_none_of_the_script_the_solution(language):
    asked = reference(language, script=SCRIPTS[language].replace("== 1", "== 737373").replace("!= 1", "!= 737373"))
    tester, solution = BRIDGES[language].tester(asked), BRIDGES[language].solution(asked, "secret")
    assert "737373" in str(tester)
    assert "737373" not in str(solution)
    assert "secret" not in str(tester)


@LANGUAGES
@pytest.mark.parametrize("unit", ["{", "(", "@A(x) ", "func ", "import ", "class A {", "/*", '"', "a.", "func f("])
def test_long_programs_are_read_in_linear_time(language, unit):
    # A quadratic reader would not come back before the test's own time limit.
    BRIDGES[language].solution(reference(language), unit * 100_000)


def test_the_parts_of_a_java_class_are_found():
    source = read_java(
        "package a;\nimport java.util.*;\n@Tag(x = 1)\npublic class S<T extends Comparable<T>> {\n"
        '    private int[] kept = {1, 2}; static final String A = "}{";\n    static { kept(); }\n'
        "    public S(int size) { this.size = size; }\n"
        '    @SuppressWarnings("x") public static <K> Map<K, List<int[]>> f(final List<K> xs, int[]... more)'
        " throws E { }\n    static class Node { int v; }\n    class Inner { }\n    record R(int a) { }\n"
        "    abstract int g();\n    java.util.List<String> h(@A int x, char c[]) {",
        has_members=True,
    )
    (declared,) = source.types
    assert source.import_lines() == ["import java.util.*;"]
    assert (declared.kind, declared.name, declared.inner) == ("class", "S", ("Node", "R"))
    found = {
        method.name: (method.returns, method.result, [(p.type_name, p.name) for p in method.parameters])
        for method in declared.methods
    }
    assert found == {
        "S": ("", "", [("int", "size")]),
        "f": ("Map<K, List<int[]>>", "Map", [("List", "xs"), ("int[][]", "more")]),
        "g": ("int", "int", []),
        "h": ("java.util.List<String>", "List", [("int", "x"), ("char[]", "c")]),
    }
    assert [method.is_empty for method in declared.methods] == [False, True, True, True]


def test_the_parts_of_a_go_source_are_found():
    source = read_go(
        'package x\n\nimport (\n\t"fmt"\n\tm "math"\n)\nimport _ "embed"\n\ntype (\n\tA struct{ x int }\n\tB = int\n)\n'
        "var a, b = 1, func() int { return 2 }\nconst (\n\tc = iota\n\td\n)\n\n"
        "func (s *A) Get(x int) (int, error) {\n\treturn 1, nil\n}\n"
        "func F(x map[string]interface{}, f func(int) bool) (a []int, err error) {\n\treturn\n}\n"
        "func G(x ...int) map[string]struct{ y int } {"
    )
    assert [(known.name, known.path) for known in source.imports] == [("fmt", "fmt"), ("m", "math"), ("_", "embed")]
    assert source.names == {"A", "B", "a", "b", "c", "d", "A.Get", "F", "G"}
    functions = [declared.function for declared in source.declarations if declared.function]
    assert [(function.name, function.is_empty) for function in functions] == [
        ("Get", False),
        ("F", False),
        ("G", True),
    ]
    assert functions[1].type_text == "(x map[string]interface{}, f func(int) bool) (a []int, err error)"
    assert functions[2].type_text == "(x ...int) map[string]struct{ y int }"


def test_imports_that_lack_are_added_and_those_that_nobody_uses_are_left_out():
    source = read_go('import "os"\nfunc F(list []int, s string) int { return strings.Count(s, "a") + list.n }')
    found = import_lines(source.imports, source, source.names)
    assert [known.path for known in found] == ["strings"]


def test_the_packages_of_assertions_differ_in_what_a_failure_does():
    assert "const failsNow = false" in assertions_source(package="assert")
    assert "const failsNow = true" in assertions_source(package="require")
    assert {"Equal", "Equalf", "ElementsMatch"} <= ASSERTION_NAMES


def test_a_script_that_needs_more_of_testify_is_given_testify_itself():
    script = 'import "github.com/stretchr/testify/assert"\nfunc TestF(t *testing.T) { assert.JSONEq(t, "1", F(nil)) }'
    assert '"github.com/stretchr/testify/assert"' in BRIDGES["go"].tester(reference("go", script=script)).source
