"""Programming languages. To add one: its entry in ``LANGUAGES``, and an image folder if none fits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How programs of a language are found and run.

    Args:
        name: as references name it.
        tags: of fenced blocks, in lower case; also taken as names of the language.
        toolchain: the image that runs it.
        source_name: file name of the program.
        compile_command: see ``verifier.sandbox.base.Job``.
        run_command: empty for Python, which runs in a fork of the warm interpreter.
        echo: a program that copies its input to its output, with which backends test themselves.
    """

    name: str
    tags: tuple[str, ...]
    toolchain: str
    source_name: str
    compile_command: tuple[str, ...] = ()
    run_command: tuple[str, ...] = ()
    echo: str


_LANGUAGES = (
    Language(
        name="python",
        tags=("python", "python3", "py", "py3"),
        toolchain="python",
        source_name="solution.py",
        echo="import sys\nsys.stdout.write(sys.stdin.read())\n",
    ),
    Language(
        name="cpp",
        tags=("cpp", "c++", "cc", "cxx", "cpp17", "cpp20"),
        toolchain="cpp",
        source_name="main.cpp",
        compile_command=("g++", "-std=c++20", "-O2", "-pipe", "-o", "{binary}", "{source}"),
        run_command=("{binary}",),
        echo="#include <iostream>\nint main() { std::cout << std::cin.rdbuf(); }\n",
    ),
)

LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {tag: language for language in _LANGUAGES for tag in (language.name, *language.tags)}
)
"""Every name of every language."""
