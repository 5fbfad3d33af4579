"""Where a task's own code is put in a program."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.judging.languages import LANGUAGES
from verifier.judging.preludes import with_prelude


def joined(language, prelude, program):
    return with_prelude(language, prelude, program, source_name=LANGUAGES[language].source_name)


@pytest.mark.parametrize("language", sorted({language.name for language in LANGUAGES.values()}))
@pytest.mark.parametrize("prelude", ["", " \n"])
def test_without_a_prelude_the_program_stays_as_it_is(language, prelude):
    assert joined(language, prelude, "package x;\nimport y\n#!z\n") == "package x;\nimport y\n#!z\n"


@pytest.mark.parametrize(
    ("program", "head"),
    [
        ("x = 1\n", ""),
        ("from __future__ import annotations\nx = 1\n", "from __future__ import annotations\n"),
        ('"""Doc."""\n# why\n\nfrom __future__ import annotations\nx = 1\n', None),
        ("from __future__ import (\n    annotations,\n    division,\n)\nx = 1\n", None),
        ("from __future__ import division; x = 1\ny = 1\n", "from __future__ import division; x = 1\n"),
        ('"""A line\nfrom __future__ import annotations\n"""\nx = 1\n', ""),
        ("x = 1\ny = '__future__'\n", ""),
        ("from __future__ import annotations\r\nx = 1\r\n", "from __future__ import annotations\n"),
    ],
)
def test_a_python_prelude_stands_after_the_future_imports(program, head):
    text = joined("python", "import math", program)
    before, found, after = text.partition("import math\n")
    assert found
    if head is not None:
        assert before == head
    assert (before + after) == program.replace("\r\n", "\n")
    compile(text, "solution.py", "exec")


@given(st.text(alphabet="'\"#\\\n ()\tfrom__future__ import;x", max_size=60))
def test_a_python_prelude_is_added_to_any_text_without_trouble(program):
    text = joined("python", "import math", program)
    assert "import math\n" in text
    try:
        names = [node for node in ast.parse(program).body if isinstance(node, ast.ImportFrom)]
    except (SyntaxError, ValueError):
        return
    if any(node.module == "__future__" for node in names):
        assert text.index("__future__") < text.index("import math")


def test_compilers_of_c_are_told_where_the_program_begins():
    assert joined("cpp", "#include <vector>", "int x;") == '#include <vector>\n#line 1 "main.cpp"\nint x;'
    assert joined("c", "#include <a.h>\n\n", "int x;") == '#include <a.h>\n#line 1 "main.c"\nint x;'


def test_java_has_its_imports_first():
    program = 'package a.b;\nimport java.io.*;\npublic class Main { String s = "\\nimport x;"; }'
    lines = joined("java", "import java.util.*;\nclass Node { int value; }", program).split("\n")
    said = [line for line in lines if line]
    assert said[:3] == ["package a.b;", "import java.util.*;", "import java.io.*;"]
    assert said[3:] == ["class Node { int value; }", program.rsplit("\n", maxsplit=1)[-1]]


def test_go_has_one_package_and_only_the_imports_that_are_used_or_its_own():
    prelude = 'package main\n\nimport (\n\t"fmt"\n\t"math"\n\t"os"\n\tb "bytes"\n)\n\ntype Node struct{ at b.Buffer }\n'
    program = 'package main\n\nimport "fmt"\nimport "unused"\n\nfunc f() float64 { fmt.Println(); return math.Pi }\n'
    text = joined("go", prelude, program)
    assert text.count("package main") == 1
    imports = [line for line in text.split("\n") if line.startswith("import")]
    assert imports == ['import "fmt"', 'import "unused"', 'import "math"', 'import b "bytes"']
    assert text.index("type Node") < text.index("func f()")


def test_rust_keeps_inner_attributes_first_and_says_nothing_twice():
    text = joined("rust", "use std::a;\nuse std::b;", "#![allow(x)]\n// note\nuse std::a;\nfn f() {}\n")
    assert text == "#![allow(x)]\n// note\nuse std::b;\nuse std::a;\nfn f() {}\n"


def test_scripts_lose_their_first_line_where_it_names_an_interpreter():
    assert joined("javascript", "const a = 1;", "#!/usr/bin/env node\nf();") == "const a = 1;\nf();"
    assert joined("typescript", "import a from 'a';\nimport b from 'b';", "import a from 'a';\n") == (
        "import b from 'b';\nimport a from 'a';\n"
    )
    assert joined("bash", "x=1", "echo $x") == "x=1\necho $x"


@pytest.mark.parametrize(
    ("language", "program"),
    [
        ("go", "import (\n" * 200_000),
        ("go", "import (" + "a" * 2_000_000),
        ("java", "import x\n" * 200_000),
        ("java", " " * 2_000_000),
        ("python", "from __future__ import (\n" * 80_000),
        ("python", '__future__"""' + "\n" * 1_000_000),
        ("rust", "#![\n" * 400_000),
        ("typescript", "import\n" * 300_000),
    ],
    ids=range(8),
)
def test_a_hostile_head_costs_linear_time(language, program):
    assert "helper" in joined(language, "helper", program)
