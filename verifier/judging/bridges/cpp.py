"""Scripts of tests in C++: the script calls a stub, the program answers, in two processes.

The tester is one translation unit: what the signature brings, a stub of the declared type, the script. The solution
is another, compiled elsewhere: the program and, around it, a server that makes the calls that arrive. Neither holds a
line, a macro or a symbol of the other. The values that cross and their encoding are in ``cpp/assay_wire.hpp``, the exit
codes in ``cpp/assay_tester.hpp``.

A call of the solution is resolved by C++ itself: arguments of the declared types, and a result converted to the
declared one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources

from verifier.judging.bridges.cpp_declarations import (
    Declaration,
    Item,
    defined_names,
    read_declaration,
    split_items,
    without_hidden,
)
from verifier.judging.languages import LANGUAGES
from verifier.sandbox.base import Program
from verifier.types import CodeReference

_HEADERS = (
    (re.compile(r"^[ \t]*#[ \t]*include[ \t]*<boost/any\.hpp>", re.MULTILINE), "assay_any.hpp"),
    (re.compile(r"^[ \t]*#[ \t]*include[ \t]*<openssl/md5\.h>", re.MULTILINE), "assay_md5.hpp"),
)
"""Headers that public data sets take for granted and the images lack, with what stands in for them."""
_INCLUDE = re.compile(r"^[ \t]*#[ \t]*include\b", re.MULTILINE)
_TESTER_FLAGS = ("-O0", "-w")

_TESTER = """\
{macros}#include "assay_tester.hpp"
{items}
namespace assay_declared {{
{header};
}}
{stub} {{ return assay_tester::Stub<decltype(assay_declared::{name})>::call({arguments}); }}
#line 1 "script"
{script}
"""

_SOLUTION = """\
{macros}#include "assay_server.hpp"
{given}
{early}
#line 1 "main.cpp"
{program}
#line 1 "assay"
{late}
struct assay_adapter {{
    template <class... A> static decltype(auto) call(A &...a) {{
        if constexpr (requires {{ ::{name}(a...); }}) return ::{name}(a...);
        else return ::{name}(static_cast<A &&>(a)...);
    }}
}};
void assay_server::serve() {{ Server<decltype(assay_declared::{name})>::serve<assay_adapter>(); }}
"""


@dataclass(frozen=True, slots=True)
class CppBridge:
    """See ``Bridge``."""

    def tester(self, reference: CodeReference) -> Program:
        """See ``Bridge.tester``."""
        declaration = _declaration(reference)
        source = _TESTER.format(
            macros=_macros(declaration),
            items=_lines(declaration.items),
            header=declaration.header,
            stub=declaration.stub_header,
            name=declaration.name,
            arguments=", ".join(f"assay_{at}" for at in range(declaration.parameters)),
            script=reference.script,
        )
        program = _program(source, "assay_tester.hpp")
        flags = tuple(flag for flag in program.compile_command[1:] if not flag.startswith("-O"))
        return replace(program, compile_command=(program.compile_command[0], *_TESTER_FLAGS, *flags))

    def solution(self, reference: CodeReference, program: str) -> Program:
        """See ``Bridge.solution``.

        The program is given what it does not define itself of the prelude and the signature. One that includes
        nothing is given their using directives too.
        """
        declaration = _declaration(reference)
        defined = defined_names(program)
        missing = [item for item in declaration.items if item.name and item.name not in defined]
        usings = [item for item in declaration.items if item.is_using]
        is_fragment = bool(missing) or _INCLUDE.search(program) is None
        lent = usings if is_fragment else [item for item in split_items(reference.prelude) if item.is_using]
        given = [*(item for item in declaration.items if item.is_directive), *lent, *missing]
        own = [item for item in declaration.items if item.name in defined]
        # A structure of the program's own is known only below it; there its macros reach what is declared.
        is_late = any(item.is_structure for item in own)
        inside = _lines([*usings, *(item for item in own if item.is_alias)])
        declared = f"namespace assay_declared {{\n{inside}\n{declaration.header};\n}}"
        source = _SOLUTION.format(
            macros=_macros(declaration),
            given=_lines(given),
            early="" if is_late else declared,
            program=program,
            late=declared if is_late else "",
            name=declaration.name,
        )
        return _program(source, "assay_server.hpp")


def _declaration(reference: CodeReference) -> Declaration:
    """The entry point, with the items of the prelude before those of the signature."""
    declaration = read_declaration(reference.signature, reference.entry_point)
    names = {item.name for item in declaration.items} | {declaration.name}
    before = tuple(item for item in split_items(reference.prelude) if not item.name or item.name not in names)
    return replace(declaration, items=before + declaration.items)


def _macros(declaration: Declaration) -> str:
    """The parts of the encoding that cost time to compile, where the declaration needs them."""
    text = without_hidden(f"{_lines(declaration.items)}\n{declaration.header}")
    return "".join(
        f"#define ASSAY_WITH_{name.upper()}\n" for name in ("any", "variant") if re.search(rf"\b{name}\b", text)
    )


def _lines(items: Iterable[Item]) -> str:
    return "\n".join(item.text for item in items)


def _program(source: str, header: str) -> Program:
    files = ["assay_wire.hpp", header]
    for pattern, stand_in in _HEADERS:
        source, count = pattern.subn(f'#include "{stand_in}"', source)
        if count:
            files.append(stand_in)
    if "#define ASSAY_WITH_ANY\n" in source and "assay_any.hpp" not in files:
        files.append("assay_any.hpp")
    folder = resources.files("verifier.judging.bridges") / "cpp"
    return LANGUAGES["cpp"].program(source, tuple((name, (folder / name).read_text()) for name in files))
