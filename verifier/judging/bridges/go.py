"""Scripts of tests in Go.

In the tester each function whose body the declaration leaves out is a variable of its type, which asks the solution's
process. Functions that the declaration brings whole, and types, are the task's own and stay in the tester. Values cross
by the declared types, and structs by their fields. The tests run on packages of our own in the place of ``testing`` and
testify's ``assert`` and ``require``, which are there on any host and link in half the time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from importlib.resources import files

from verifier.errors import UnscorableError
from verifier.judging.bridges.go_assertions import ASSERTION_NAMES, assertions_source
from verifier.judging.bridges.go_parts import Declaration, Function, GoSource, Import, import_lines, read_go
from verifier.judging.languages import LANGUAGES, PREBUILT
from verifier.sandbox.base import Program
from verifier.types import CodeReference

_WIRE, _TESTING = "assay_wire", "assay_testing"
_TESTIFY = "github.com/stretchr/testify/"
# A main of the script runs as a test; one of the program must neither clash with the server's nor run.
_MAIN = "assayMain"
_ASKER = """
var assayAsker = wire.NewAsker(assayTypes)

func assayFunc[T any](name string, inPlace bool) T {
	var f T
	assayAsker.Func(&f, name, inPlace)
	return f
}

func main() {
	isFailed := testing.RunAll(
		[]testing.Test{%s},
		func(value interface{}) { os.Exit(assayAsker.Code(true, true, value)) },
	)
	os.Exit(assayAsker.Code(isFailed, false, nil))
}
"""
# Each package of several files is one step; the names of the steps are ours.
_BUILD = (
    'go=$0; p() { name=$1; shift; "$go" tool compile -p "$name" -complete -trimpath "$PWD" -I . '
    f'-I {PREBUILT}/go -o "$name.a" "$@" >&2; }}; '
)
_LINK = f'"$go" tool link -s -L . -L {PREBUILT}/go -o "$1" main.a >&2'


class GoBridge:
    """See ``verifier.judging.bridges.base.Bridge``."""

    def tester(self, reference: CodeReference) -> Program:
        """The script with functions that ask."""
        signature, prelude, script = map(read_go, (reference.signature, reference.prelude, reference.script))
        stubs = _stubs(signature, reference.entry_point)
        if not stubs:
            raise UnscorableError(
                "bad_reference",
                "reference.code.signature must declare the Go function that reference.code.script tests, its body left"
                " out",
            )
        unfit = next((stub.name for stub in stubs if stub.is_method or stub.is_generic), "")
        if unfit:
            raise UnscorableError(
                "unsupported_signature",
                f"reference.code.signature leaves out the body of {unfit}; of Go only plain functions can be called",
            )
        names = {stub.name for stub in stubs} | script.names
        declared = _missing(signature, names)
        names.update(name for found in declared for name in found.names)
        more = _missing(prelude, names)
        body = "\n".join(
            (
                _body(script),
                *(signature.of(found) for found in declared),
                *(prelude.of(found) for found in more),
                *(_stub(stub, in_place=reference.in_place) for stub in stubs),
            )
        )
        main, packages = _substituted(_file((*script.imports, *signature.imports, *prelude.imports), body))
        types = (*_types(signature, declared), *_types(prelude, more))
        imports = f'import "os"\nimport "reflect"\nimport testing "{_TESTING}"\nimport wire "{_WIRE}"\n'
        tester = f"package main\n\n{imports}\n{_registry(types)}{_ASKER % _tests(script)}"
        return _program(main, (("tester.go", tester), *_wire("ask"), (f"{_TESTING}.go", _source("testing")), *packages))

    def solution(self, reference: CodeReference, program: str) -> Program:
        """The program with the server."""
        signature, prelude, own = map(read_go, (reference.signature, reference.prelude, program))
        stubs = _stubs(signature, reference.entry_point)
        names = {stub.name for stub in stubs} | own.names
        more = _missing(prelude, names)
        names.update(name for found in more for name in found.names)
        declared = _missing(signature, names)
        names.update(name for found in declared for name in found.names)
        imports = (*own.imports, *prelude.imports, *signature.imports)
        helpers = "\n".join((*map(prelude.of, more), *map(signature.of, declared)))
        types = (*_types(signature, signature.declarations), *_types(prelude, prelude.declarations))
        functions = ", ".join(f'"{stub.name}": {stub.name}' for stub in stubs)
        server = (
            f'package main\n\nimport "reflect"\nimport wire "{_WIRE}"\n\n{_registry(types)}\n'
            f"func main() {{ wire.Serve(map[string]interface{{}}{{{functions}}}, assayTypes()) }}\n"
        )
        return _program(
            _file(imports, _body(own), names),
            (("helpers.go", _file(imports, helpers, names)), ("server.go", server), *_wire("serve")),
        )


def _stubs(signature: GoSource, entry_point: str) -> list[Function]:
    """The functions of a declaration that are the solution's."""
    functions = [declared.function for declared in signature.declarations if declared.function]
    return [function for function in functions if function.is_empty or function.name == entry_point]


def _missing(source: GoSource, names: Collection[str]) -> list[Declaration]:
    """The declarations of a source that bring no name that is there."""
    return [
        found
        for found in source.declarations
        if not any(name in names for name in found.names)
        and not (found.function and (found.function.is_empty or found.function.name == "main"))
    ]


def _body(source: GoSource) -> str:
    """A source without its head, and with another name for its ``main``."""
    text = source.text
    for declared in reversed(source.declarations):
        function = declared.function
        if function and function.name == "main" and not function.is_method:
            text = f"{text[: function.name_start]}{_MAIN}{text[function.name_end :]}"
    return text[source.head_end :]


def _file(imports: Iterable[Import], body: str, names: Collection[str] = ()) -> str:
    """A file of the package ``main`` with the imports that it needs."""
    source = read_go(body)
    lines = "".join(
        f'import {known.alias} "{known.path}"\n' for known in import_lines(imports, source, source.names.union(names))
    )
    return f"package main\n\n{lines}{body}\n"


def _substituted(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A file of tests on our own packages, and those packages that are not always there."""
    source = read_go(text)
    lines: list[str] = []
    packages: list[tuple[str, str]] = []
    for known in source.imports:
        path, package = known.path, known.path.removeprefix(_TESTIFY)
        selected = frozenset(re.findall(rf"\b{re.escape(known.name)}\s*\.\s*(\w+)", text))
        if path == "testing":
            path = _TESTING
        elif path != package and package in ("assert", "require") and selected <= ASSERTION_NAMES:
            path = f"assay_{package}"
            packages.append((f"{path}.go", assertions_source(package=package)))
        lines.append(f'import {known.name} "{path}"\n')
    return f"package main\n\n{''.join(lines)}{text[source.head_end :]}", packages


def _types(source: GoSource, declarations: Iterable[Declaration]) -> tuple[str, ...]:
    """Names of the types that have values of their own: no aliases, and none with parameters."""
    return tuple(
        name
        for declared in declarations
        if declared.keyword == "type"
        for name in declared.names
        if not re.search(rf"\b{re.escape(name)}[ \t]*(?:=|\[[ \t]*\w+[ \t,]+\w)", source.of(declared))
    )


def _registry(types: Iterable[str]) -> str:
    entries = "".join(f'\t\t"{name}": reflect.TypeOf((*{name})(nil)).Elem(),\n' for name in dict.fromkeys(types))
    return f"func assayTypes() map[string]reflect.Type {{\n\treturn map[string]reflect.Type{{\n{entries}\t}}\n}}\n"


def _stub(stub: Function, *, in_place: bool) -> str:
    changes = "true" if in_place or not stub.has_results else "false"
    return f'var {stub.name} = assayFunc[func{stub.type_text}]("{stub.name}", {changes})'


def _tests(script: GoSource) -> str:
    functions = [declared.function for declared in script.declarations if declared.function]
    tests = [
        function.name
        for function in functions
        if function.name.startswith("Test") and ".T)" in function.type_text and not function.is_method
    ]
    if tests:
        return ", ".join(f'{{"{name}", {name}}}' for name in tests)
    if "main" in script.names:
        return f'{{"main", func(*testing.T) {{ {_MAIN}() }}}}'
    raise UnscorableError(
        "no_tests", "reference.code.script has neither a main nor a function such as TestName(t *testing.T)"
    )


def _program(text: str, others: Sequence[tuple[str, str]]) -> Program:
    program = LANGUAGES["go"].program(text, tuple(others))
    libraries: dict[str, list[str]] = {}
    main = [program.source_name]
    for name, _ in others:
        if name.startswith("assay_"):
            libraries.setdefault(name.removesuffix(".go").partition("-")[0], []).append(name)
        else:
            main.append(name)
    steps = [f"p {package} {' '.join(names)}" for package, names in libraries.items()]
    steps += [f"p main {' '.join(main)}", _LINK]
    script = _BUILD + " && ".join(steps)
    return replace(program, compile_command=("sh", "-c", script, "go", "{binary}"))


def _wire(side: str) -> tuple[tuple[str, str], ...]:
    return (f"{_WIRE}.go", _source("wire")), (f"{_WIRE}-{side}.go", _source(side))


def _source(name: str) -> str:
    return files("verifier.judging.bridges").joinpath("golang", f"{name}.go").read_text("utf-8")
