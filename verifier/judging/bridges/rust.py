"""Scripts of tests in Rust: the script calls a stub, the program answers, in two processes.

The tester is one crate: what the signature brings, a stub of the declared function, the script. The solution is
another, compiled elsewhere: the program at the root of its crate and, below it, a server that makes the calls that
arrive. Neither holds a line, a macro or a symbol of the other. The values that cross and their encoding are in
``rust/assay_wire.rs``, the exit codes in ``rust/assay_tester.rs``.

A call of the solution is resolved by Rust itself, with arguments of the declared types; what it returns is encoded as
the type it has, and read as the declared one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib import resources

from verifier.errors import UnscorableError
from verifier.judging.bridges.rust_declarations import (
    Declaration,
    Item,
    defined_names,
    derive,
    read_declaration,
    split_items,
    without_hidden,
)
from verifier.judging.languages import LANGUAGES
from verifier.sandbox.base import Program
from verifier.types import CodeReference

_TEST = re.compile(r"#\s*\[\s*(?:\w+\s*::\s*)*test\s*\]")
_MAIN = re.compile(r"\bfn\s+main\s*\(")
_RAND = re.compile(r"\brand\b")
_TWO_BOUNDS = re.compile(r"\bgen_range\s*\(\s*[^().]*(?:\([^()]*\)[^().]*)*,")
_BARE_RAND = re.compile(r"^\s*use\s+rand\s*;", re.MULTILINE)
_STANDARD = re.compile(r"use\s+(?:::)?(?:std|core|alloc)\b")
_WIRE = (
    "use crate::assay_wire::{Broken as AssayBroken, Get as AssayGet, Put as AssayPut, Reader as AssayReader};\n"
    "#[allow(unused_imports)]\n"
    "use crate::assay_wire::{Result as AssayResult, Writer as AssayWriter};"
)

_TESTER = """\
{items}
{rand}mod assay_wire;
mod assay_tester;
mod assay_given {{
#[allow(unused_imports)]
{wire}
#[allow(unused_imports)]
use super::*;
{derived}}}
fn {name}{generics}({parameters}) -> {result}{where} {{
let mut assay_w = crate::assay_wire::Writer::new();
{puts}
let assay_reply = crate::assay_tester::ask(&assay_w);
let mut assay_r = crate::assay_wire::Reader::new(&assay_reply);
let assay_result: {result} = crate::assay_tester::result(&mut assay_r);
{changes}
crate::assay_tester::end(&assay_r);
assay_result
}}
{script}
"""

_SOLUTION = """\
#![no_main]
{program}
{given}
mod assay_wire;
mod assay_server;
mod assay_given {{
#[allow(unused_imports)]
{uses}
use super::*;
{wire}
{derived}
fn answer{generics}(assay_r: &mut AssayReader, assay_w: &mut AssayWriter) -> AssayResult<()>{where} {{
{gets}
assay_r.end()?;
let assay_result = super::{name}({arguments});
AssayPut::put(&assay_result, assay_w);
{changes}
::std::result::Result::Ok(())
}}
#[no_mangle]
pub extern "C" fn main(_: i32, _: *const *const u8) -> i32 {{ crate::assay_server::serve(answer) }}
}}
"""


@dataclass(frozen=True, slots=True)
class RustBridge:
    """See ``Bridge``."""

    def tester(self, reference: CodeReference) -> Program:
        """See ``Bridge.tester``."""
        declaration = _declaration(reference)
        script = reference.script
        is_harness = _TEST.search(without_hidden(script)) is not None
        if not is_harness and not _MAIN.search(script):
            raise UnscorableError(
                "bad_script", "reference.code.script has neither a #[test] function nor a main function"
            )
        numbered = list(enumerate(declaration.parameters))
        items = _BARE_RAND.sub("", _lines(declaration.items))
        uses_rand = _RAND.search(f"{items}\n{script}") is not None
        source = _TESTER.format(
            items=items,
            rand='#[path = "assay_rand.rs"]\nmod rand;\n' if uses_rand else "",
            wire=_WIRE,
            derived=_derived(declaration.items),
            name=declaration.name,
            generics=declaration.generics,
            parameters=", ".join(f"assay_{at}: {parameter.kind}" for at, parameter in numbered),
            result=declaration.result,
            where=declaration.where,
            puts="\n".join(f"crate::assay_wire::Put::put(&assay_{at}, &mut assay_w);" for at, _ in numbered),
            changes="\n".join(
                f"crate::assay_tester::change(&mut *assay_{at}, &mut assay_r);"
                for at, one in numbered
                if one.is_changed
            ),
            script=_BARE_RAND.sub("", script),
        )
        program = _program(source, ("assay_wire.rs", "assay_tester.rs", *(("assay_rand.rs",) if uses_rand else ())))
        flags = ["--cap-lints", "allow", *(["--test"] if is_harness else [])]
        flags += ["--cfg", "assay_two_bounds"] if _TWO_BOUNDS.search(script) else []
        return replace(
            program,
            compile_command=(program.compile_command[0], *flags, *_tester_flags(program.compile_command[1:])),
            run_command=(*program.run_command, *(("--test-threads=1",) if is_harness else ())),
        )

    def solution(self, reference: CodeReference, program: str) -> Program:
        """See ``Bridge.solution``.

        The program is given what it does not define itself of the prelude and the signature. One that uses nothing
        is given what the signature uses of the standard library.
        """
        declaration = _declaration(reference)
        defined = defined_names(program)
        missing = [item for item in declaration.items if item.name and item.name not in defined]
        uses = [item.text for item in declaration.items if item.kind == "use" and _STANDARD.match(item.text)]
        lent = [item.text for item in split_items(reference.prelude) if item.kind == "use"]
        lent += uses if missing or "use" not in defined else []
        # Through a module, so that what the program imports itself comes first.
        exported = "\n".join(f"pub {use}" for use in dict.fromkeys(lent))
        given = f"mod assay_uses {{\n{exported}\n}}\n#[allow(unused_imports)]\nuse assay_uses::*;\n" if lent else ""
        numbered = list(enumerate(declaration.parameters))
        source = _SOLUTION.format(
            program=program,
            given=given + _lines(missing),
            uses="\n".join(uses),
            wire=_WIRE,
            derived=_derived(declaration.items),
            generics=declaration.generics,
            where=declaration.where,
            gets="\n".join(f"let assay_{at}: {one.kind} = AssayGet::get(assay_r)?;" for at, one in numbered),
            name=declaration.name,
            arguments=", ".join(f"{'&mut *' if one.is_changed else ''}assay_{at}" for at, one in numbered),
            changes="\n".join(f"AssayPut::put(&assay_{at}, assay_w);" for at, one in numbered if one.is_changed),
        )
        made = _program(source, ("assay_wire.rs", "assay_server.rs"))
        # A program may forbid unsafe code, or deny its warnings: of its own lines, not of ours.
        return replace(
            made, compile_command=(made.compile_command[0], "--cap-lints", "allow", *made.compile_command[1:])
        )


def _declaration(reference: CodeReference) -> Declaration:
    """The entry point, with the items of the prelude before those of the signature."""
    declaration = read_declaration(reference.signature, reference.entry_point)
    names = {item.name for item in declaration.items if item.name} | {declaration.name, "main"}
    texts = {item.text for item in declaration.items}
    before = tuple(item for item in split_items(reference.prelude) if item.name not in names and item.text not in texts)
    return replace(declaration, items=before + declaration.items)


def _derived(items: Iterable[Item]) -> str:
    return "".join(derive(item) for item in items if item.kind in ("struct", "enum"))


def _lines(items: Iterable[Item]) -> str:
    return "\n".join(item.text for item in items)


def _tester_flags(flags: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the language, but for optimisation and for the crate that the tester has its own of."""
    kept: list[str] = []
    at = 0
    while at < len(flags):
        pair = flags[at : at + 2]
        if pair == ("--extern", "rand") or (pair[0] == "-C" and pair[1].startswith(("opt-level", "codegen-units"))):
            at += 2
            continue
        kept.append(flags[at])
        at += 1
    return tuple(kept)


def _program(source: str, names: tuple[str, ...]) -> Program:
    folder = resources.files("verifier.judging.bridges") / "rust"
    return LANGUAGES["rust"].program(source, tuple((name, (folder / name).read_text()) for name in names))
