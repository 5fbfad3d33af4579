"""Programming languages. To add one: its entry in ``LANGUAGES``, and an image folder if none fits."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from verifier.judging.java_source import JavaNames, java_names
from verifier.sandbox.base import MemoryRule, Program

PREBUILT = "/opt/assay"
"""Where ``sandbox_images/*/prebuild`` puts what programs may use; it need not be there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How programs of a language are found and run.

    Compilers are given bare file names, because they work in the program's directory: so neither their messages
    nor what a program prints of itself names a path of the jail.

    Args:
        name: as references name it.
        tags: of fenced blocks, in lower case; also taken as names of the language.
        toolchain: the image that runs it.
        source_name: file name of the program.
        compile_command: see ``verifier.sandbox.base.Program``; where there are ``names``, ``{name}`` and ``{main}``
            are replaced too. A shell's command names its tool as ``$0``.
        run_command: the same; empty for Python, which runs in a fork of the warm interpreter.
        environment: see ``Program``.
        memory_rule: see ``Program``.
        overhead_bytes: see ``Program``.
        names: reads the names from a source that has names of its own.
        compile_error: finds the message in a line of what the compiler wrote.
        memory_marks: what the run time writes to its standard error when memory has run out.
        echo: a program that copies its input to its output, with which backends test themselves.
    """

    name: str
    tags: tuple[str, ...]
    toolchain: str
    source_name: str
    compile_command: tuple[str, ...] = ()
    run_command: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    memory_rule: MemoryRule = MemoryRule.ADDRESS_SPACE
    overhead_bytes: int = 0
    names: Callable[[str], JavaNames] | None = None
    compile_error: re.Pattern[str] = re.compile(r"error: (.+)")
    memory_marks: tuple[str, ...] = ()
    echo: str

    def program(self, source: str, files: tuple[tuple[str, str], ...] = ()) -> Program:
        """A program of this language.

        Args:
            source: its text.
            files: names and texts of further files beside it.
        """
        names = self.names(source) if self.names else JavaNames(file_name=self.source_name, main_class="")

        def filled(command: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(
                word.replace("{name}", names.file_name).replace("{main}", names.main_class) for word in command
            )

        return Program(
            source_name=names.file_name,
            source=source,
            files=files,
            compile_command=filled(self.compile_command),
            run_command=filled(self.run_command),
            environment=self.environment,
            memory_rule=self.memory_rule,
            overhead_bytes=self.overhead_bytes,
        )

    def first_error(self, text: str) -> str:
        """The compiler's first message of an error, or empty."""
        for line in text.splitlines():
            if found := self.compile_error.search(line):
                return next(group for group in found.groups() if group)[:200]
        return ""


_NATIVE_ERROR = re.compile(r"error: (.+)|(undefined reference to .+)|(multiple definition of .+?);")
_NATIVE_MEMORY = ("std::bad_alloc",)

# A class archive made beforehand halves the compiler's start; without one the JVM must not be told of it.
_JAVAC = (
    f'jsa={PREBUILT}/java/javac.jsa; [ -e "$jsa" ] && set -- -J-XX:SharedArchiveFile="$jsa" "$@"; '
    'exec "$0" -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -J-XX:-UsePerfData -J-Xshare:auto "$@"'
)
_JAVA = (
    "java", "-Xmx{memory_mib}m", "-Xss64m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xshare:auto",
    "-Dfile.encoding=UTF-8", "-cp", "{dir}", "{main}",
)  # fmt: skip
# A third of the CPU time of `go build`, which hashes what cannot have changed.
_GO = (
    f'"$0" tool compile -p main -complete -trimpath "$PWD" -I {PREBUILT}/go -o main.o ./*.go >&2 '
    f'&& "$0" tool link -s -L {PREBUILT}/go -o "$1" main.o >&2'
)
# Node's own rule of later versions: what does not parse as CommonJS, but does as a module, is a module.
_NODE_CHECK = """
const fs = require('fs'), vm = require('vm'), file = process.argv[1];
const text = fs.readFileSync(file, 'utf8').replace(/^#!.*/, '');
const parameters = ['exports', 'require', 'module', '__filename', '__dirname'];
const fail = (error) => {
  const line = /^.*:(\\d+)\\n/.exec(error.stack || '');
  process.stderr.write(`${file}:${line ? line[1] : '?'}: error: ${error.name}: ${error.message}\\n`);
  process.exitCode = 1;
};
try {
  vm.compileFunction(text, parameters, { filename: file });
} catch (first) {
  try {
    new vm.SourceTextModule(text, { identifier: file });
    fs.writeFileSync('package.json', '{"type": "module"}');
  } catch (second) {
    fail(/\\b(import|export|await)\\b/.test(first.message) ? second : first);
  }
}
"""
_ESBUILD = (
    '"$0" "$1" --format=cjs --platform=node --target=node18 --log-level=error --outfile=program.js 2>messages '
    '|| { grep -q "Top-level await" messages && echo \'{"type": "module"}\' >package.json '
    '&& "$0" "$1" --format=esm --platform=node --target=node18 --log-level=error --outfile=program.js; } '
    "|| { cat messages >&2; exit 1; }"
)
_NODE = ("node", "--stack-size=100000", "--max-old-space-size={memory_mib}")
_NODE_ENVIRONMENT = (("NODE_PATH", f"{PREBUILT}/node:/usr/share/nodejs"),)
_NODE_MEMORY = ("JavaScript heap out of memory", "Array buffer allocation failed")
# One unit compiles faster than sixteen on few cores. Crates are looked for only where a program uses them.
_RUSTC = (
    "rustc", "--edition", "2021", "-C", "opt-level=2", "-C", "codegen-units=1", "-C", "strip=debuginfo",
    "-L", f"{PREBUILT}/rust", "--extern", "rand", "--extern", "regex", "--extern", "md5", "-o", "{binary}", "main.rs",
)  # fmt: skip
_MIB = 1 << 20


def check_javascript(name: str) -> tuple[str, ...]:
    """The command that checks the syntax of a file, and makes it a module where it parses as that alone."""
    return ("node", "--no-warnings", "--experimental-vm-modules", "-e", _NODE_CHECK, name)


_LANGUAGES = (
    Language(
        name="python",
        tags=("python", "python3", "py", "py3"),
        toolchain="python",
        source_name="solution.py",
        echo="import sys\nsys.stdout.write(sys.stdin.read())\n",
    ),
    Language(
        name="c",
        tags=("c", "c99", "c11", "c17"),
        toolchain="cpp",
        source_name="main.c",
        compile_command=("gcc", "-std=gnu17", "-O2", "-pipe", "-o", "{binary}", "main.c", "-lm"),
        run_command=("{binary}",),
        compile_error=_NATIVE_ERROR,
        echo="#include <stdio.h>\nint main(void) { int c; while ((c = getchar()) != EOF) putchar(c); return 0; }\n",
    ),
    Language(
        name="cpp",
        tags=("cpp", "c++", "cc", "cxx", "cpp11", "cpp14", "cpp17", "cpp20", "c++11", "c++14", "c++17", "c++20"),
        toolchain="cpp",
        source_name="main.cpp",
        compile_command=("g++", "-std=c++20", "-O2", "-pipe", "-o", "{binary}", "main.cpp"),
        run_command=("{binary}",),
        compile_error=_NATIVE_ERROR,
        memory_marks=_NATIVE_MEMORY,
        echo="#include <iostream>\nint main() { std::cout << std::cin.rdbuf(); }\n",
    ),
    Language(
        name="java",
        tags=("java", "java8", "java11", "java17"),
        toolchain="java",
        source_name="Main.java",
        compile_command=(
            "sh",
            "-c",
            _JAVAC,
            "javac",
            "-encoding",
            "UTF-8",
            "-proc:none",
            "-nowarn",
            "-d",
            ".",
            "{name}",
        ),
        run_command=_JAVA,
        memory_rule=MemoryRule.DATA,
        # The heap is held to the limit by itself. Stacks of threads (64 MiB each, or what a program asks for) are
        # reserved whole.
        overhead_bytes=768 * _MIB,
        names=java_names,
        memory_marks=("java.lang.OutOfMemoryError",),
        echo=(
            "public class Echo {\n    public static void main(String[] args) throws Exception {\n"
            "        System.in.transferTo(System.out);\n        System.out.flush();\n    }\n}\n"
        ),
    ),
    Language(
        name="javascript",
        tags=("javascript", "js", "node", "nodejs", "mjs", "cjs"),
        toolchain="javascript",
        source_name="main.js",
        compile_command=check_javascript("main.js"),
        run_command=(*_NODE, "{source}"),
        environment=_NODE_ENVIRONMENT,
        memory_rule=MemoryRule.DATA,
        overhead_bytes=256 * _MIB,
        memory_marks=_NODE_MEMORY,
        echo="process.stdin.pipe(process.stdout);\n",
    ),
    Language(
        name="typescript",
        tags=("typescript", "ts", "mts", "cts"),
        toolchain="javascript",
        source_name="main.ts",
        compile_command=("sh", "-c", _ESBUILD, "esbuild", "main.ts"),
        run_command=(*_NODE, "{dir}/program.js"),
        environment=_NODE_ENVIRONMENT,
        memory_rule=MemoryRule.DATA,
        overhead_bytes=256 * _MIB,
        compile_error=re.compile(r"\[ERROR\] (.+)"),
        memory_marks=_NODE_MEMORY,
        echo="const data: Buffer = require('fs').readFileSync(0);\nprocess.stdout.write(data);\n",
    ),
    Language(
        name="go",
        tags=("go", "golang"),
        toolchain="go",
        source_name="main.go",
        compile_command=("sh", "-c", _GO, "go", "{binary}"),
        run_command=("{binary}",),
        environment=(("GOTOOLCHAIN", "local"), ("GOTELEMETRY", "off")),
        memory_rule=MemoryRule.DATA,
        overhead_bytes=64 * _MIB,
        compile_error=re.compile(r"^(?:\./)?[\w.]+\.go:\d+(?::\d+)?: (.+)|link: (.+)"),
        memory_marks=("out of memory", "cannot allocate memory"),
        echo='package main\n\nimport (\n\t"io"\n\t"os"\n)\n\nfunc main() { io.Copy(os.Stdout, os.Stdin) }\n',
    ),
    Language(
        name="rust",
        tags=("rust", "rs"),
        toolchain="rust",
        source_name="main.rs",
        compile_command=_RUSTC,
        run_command=("{binary}",),
        compile_error=re.compile(r"^error(?:\[\w+\])?: (.+)"),
        memory_marks=("memory allocation of ",),
        echo="fn main() { std::io::copy(&mut std::io::stdin(), &mut std::io::stdout()).unwrap(); }\n",
    ),
    Language(
        name="bash",
        tags=("bash", "sh", "shell"),
        toolchain="cpp",
        source_name="main.sh",
        run_command=("bash", "{source}"),
        memory_marks=("xmalloc: cannot allocate", "xrealloc: cannot allocate"),
        echo="cat\n",
    ),
)

LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {tag: language for language in _LANGUAGES for tag in (language.name, *language.tags)}
)
"""Every name of every language."""
