"""Scripts of tests in Java.

The tester declares the classes that the script tests as stubs: each method whose body the declaration leaves out asks
the solution's process, where a server finds the method of that name by reflection. Methods that the declaration brings
whole, and helper types, are the task's own and stay in the tester; instances of helper types cross by their fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from importlib.resources import files

from verifier.errors import UnscorableError
from verifier.judging.bridges.base import CALLS
from verifier.judging.bridges.java_parts import JavaSource, JavaType, Method, read_java
from verifier.judging.languages import LANGUAGES
from verifier.sandbox.base import Program
from verifier.types import CodeReference

_PACKAGE = "assay_bridge"
_HANDLE = f"{_PACKAGE}_handle"
# The server comes compiled (see jvm/build), which more than halves the cost of compiling a program.
_WIRE, _REMOTE, _SERVER = "Wire.java", "Remote.java", "assay-server.b64"
# Strings joined by invokedynamic would cost each start-up a bootstrap.
_JAVAC = ("-g:none", "-XDstringConcat=inline", "-XDignore.symbol.file")
_UNPACK = f'base64 -d <{_SERVER} | tar --no-same-owner -xzf - && exec "$@"'
# The channel becomes standard input, which Java can open; both sides give the program an empty one.
_RUN = f'exec "$0" "$@" <&{CALLS} {CALLS}<&-'


class JavaBridge:
    """See ``verifier.judging.bridges.base.Bridge``."""

    def tester(self, reference: CodeReference) -> Program:
        """The script with the stubs."""
        signature = read_java(reference.signature, has_members=True)
        script = read_java(reference.script, has_members=True)
        prelude = read_java(reference.prelude, has_members=True)
        stubbed = [_stubs(declared, reference.entry_point) for declared in signature.types]
        if not any(stubbed):
            raise UnscorableError(
                "bad_reference",
                "reference.code.signature must be a Java class with the method that reference.code.script tests, its"
                " body left out",
            )
        scripted = {declared.name for declared in script.types}
        main = next((name for name in map(_main, reversed(script.types)) if name), "")
        goes_on = reference.script.lstrip().startswith("}")
        parts = ["".join(f"{line}\n" for line in _imports(signature, prelude, script))]
        for declared, stubs in zip(signature.types, stubbed, strict=True):
            if declared.name not in scripted:
                text = _with_stubs(signature, declared, stubs, in_place=reference.in_place)
                is_last = goes_on and declared is signature.types[-1]
                parts.append(text.removesuffix("}}\n") if is_last else text)
        if goes_on:
            parts.append(reference.script)
            main = signature.types[-1].name
        else:
            known = scripted | {declared.name for declared in signature.types}
            parts.append(_types(prelude, known))
            parts.append(_script(script))
        data = _data(prelude, signature, stubbed)
        program = LANGUAGES["java"].program(
            "".join(parts), ((_WIRE, _text("Wire.java")), (_REMOTE, _text("Remote.java")))
        )
        compiled = (*program.compile_command, *_JAVAC, _WIRE, _REMOTE)
        return _run(replace(program, compile_command=compiled), "Remote", [main or "Main", *data])

    def solution(self, reference: CodeReference, program: str) -> Program:
        """The program with the server."""
        signature = read_java(reference.signature, has_members=True)
        prelude = read_java(reference.prelude, has_members=False)
        own = read_java(program, has_members=False)
        stubbed = [_stubs(declared, reference.entry_point) for declared in signature.types]
        imports = _imports(prelude, *(() if own.imports else (signature,)))
        if own.types:
            text = program if own.package is None else program[: own.package.start] + program[own.package.end :]
        else:
            # A method alone, as it stands below the declaration of its class.
            imports += _imports(own)
            owner = next(declared for declared, stubs in zip(signature.types, stubbed, strict=True) if stubs)
            text = f"{owner.header.of(signature.text)}{program[own.head_end :]}}}"
        known = {declared.name for declared in own.types}
        helpers = [declared.name for declared, stubs in zip(signature.types, stubbed, strict=True) if stubs]
        text += f"\n{_types(prelude, known)}"
        known.update(declared.name for declared in prelude.types)
        text += _types(signature, known.union(helpers))
        data = _data(prelude, signature, stubbed)
        made = LANGUAGES["java"].program(f"{' '.join(imports)}{text}", ((_SERVER, _text("server.b64")),))
        compiled = ("sh", "-c", _UNPACK, "sh", *made.compile_command, *_JAVAC)
        return _run(replace(made, compile_command=compiled), "Server", data)


def _run(program: Program, main: str, args: Sequence[str]) -> Program:
    command = ("sh", "-c", _RUN, *_flags(program.run_command[:-1]), f"{_PACKAGE}.{main}", *args)
    return replace(program, run_command=command)


def _flags(command: Sequence[str]) -> tuple[str, ...]:
    return (command[0], "-ea", *command[1:])


def _text(name: str) -> str:
    return files("verifier.judging.bridges").joinpath("jvm", name).read_text("utf-8")


def _imports(*sources: JavaSource) -> list[str]:
    return list(dict.fromkeys(line for source in sources for line in source.import_lines()))


def _stubs(declared: JavaType, entry_point: str) -> tuple[Method, ...]:
    """The methods of a class that are the solution's."""
    if declared.kind != "class":
        return ()
    name = entry_point.replace("()", "").rpartition(".")[2]
    found = tuple(
        method
        for method in declared.methods
        if method.returns and (method.is_empty or method.name == name) and not method.modifiers & {"abstract", "native"}
    )
    # The name of a class as the entry point: all that it declares is the solution's.
    return found or (tuple(method for method in declared.methods if method.returns) if declared.name == name else ())


def _main(declared: JavaType) -> str:
    is_main = any(method.name == "main" and "static" in method.modifiers for method in declared.methods)
    return declared.name if is_main else ""


def _data(prelude: JavaSource, signature: JavaSource, stubbed: Iterable[tuple[Method, ...]]) -> list[str]:
    """Names of the types whose instances cross by their fields."""
    names: list[str] = []
    for declared, stubs in (
        *((declared, ()) for declared in prelude.types),
        *zip(signature.types, stubbed, strict=True),
    ):
        names += [f"{declared.name}${name}" for name in declared.inner]
        if not stubs and declared.kind != "interface":
            names.append(declared.name)
    return list(dict.fromkeys(names))


def _types(source: JavaSource, known: Iterable[str]) -> str:
    """The types of a source that are not known yet, none of them public, since a file has one public type."""
    return "".join(
        f"{_unpublic(source.text, declared, declared.span.end)}\n"
        for declared in source.types
        if declared.name not in frozenset(known)
    )


def _unpublic(text: str, declared: JavaType, end: int) -> str:
    if declared.public is None:
        return text[declared.span.start : end]
    return text[declared.span.start : declared.public.start] + text[declared.public.end : end]


def _script(script: JavaSource) -> str:
    if script.types:
        return _types(script, ())
    return (
        "class Main {\n    public static void main(String[] args) throws Throwable {\n"
        f"{script.text[script.head_end :]}\n    }}\n}}\n"
    )


def _with_stubs(source: JavaSource, declared: JavaType, stubs: Sequence[Method], *, in_place: bool) -> str:
    """A class of the declaration as the tester has it, closed, each stub asking the solution."""
    if not stubs:
        return f"{_unpublic(source.text, declared, declared.body_end)}}}\n"
    start = declared.span.start
    text = source.text[start : declared.body_end]
    constructors = [method for method in declared.methods if not method.returns and method.name == declared.name]
    for method in sorted((*stubs, *constructors), key=lambda method: method.body.start, reverse=True):
        body = method.body
        if method.returns:
            replaced = _call(declared, method, in_place=in_place)
        else:
            kept = "" if method.is_empty else body.of(source.text).strip().removeprefix("{").removesuffix("}")
            replaced = f"{{{kept} {_create(declared, method)} }}"
        text = text[: body.start - start] + replaced + text[min(body.end, declared.body_end) - start :]
    make = "" if constructors else f"{{ {_create(declared, None)} }} "
    is_made = any("static" not in method.modifiers for method in stubs)
    field = f" private int {_HANDLE} = -1; {make}" if is_made else ""
    opened = declared.header.end - start
    text = f"{text[:opened]}{field}{text[opened:]}"
    if declared.public is not None:
        text = text[: declared.public.start - start] + text[declared.public.end - start :]
    return f"{text}}}\n"


def _quoted(name: str) -> str:
    return f'"{name}"'


def _arguments(method: Method | None) -> tuple[str, str]:
    parameters = method.parameters if method else ()
    types = ", ".join(_quoted(parameter.type_name) for parameter in parameters)
    return f"new String[] {{{types}}}", f"new Object[] {{{', '.join(parameter.name for parameter in parameters)}}}"


def _create(declared: JavaType, method: Method | None) -> str:
    types, args = _arguments(method)
    return f"{_HANDLE} = {_PACKAGE}.Remote.create({_quoted(declared.name)}, {types}, {args});"


def _call(declared: JavaType, method: Method, *, in_place: bool) -> str:
    types, args = _arguments(method)
    handle = "-1" if "static" in method.modifiers else f"this.{_HANDLE}"
    changes = "true" if in_place or method.returns == "void" else "false"
    names = f"{_quoted(declared.name)}, {_quoted(method.name)}, {types}, {_quoted(method.result)}"
    call = f"{_PACKAGE}.Remote.call({handle}, {names}, {changes}, {args})"
    return f"{{ {call}; }}" if method.returns == "void" else f"{{ return ({method.returns}) {call}; }}"
