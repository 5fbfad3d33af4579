"""How a completion becomes a program where the task gives its beginning (HumanEval and its kin).

Rules, in order, on what follows the reasoning:

1. an answer that starts with a line indented as code is a body as it stands, fences or not; else the text is the
   program of the last fenced block (``verifier.text.code_blocks``), and without any the whole answer;
2. text that starts with an indented line is a body: it continues the task's own code;
3. text that defines the entry point is a whole program and stays as it is;
4. all else is a body.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from verifier.judging.languages import LANGUAGES
from verifier.text.code_blocks import find_program
from verifier.text.think import split_reasoning

_MIN_FENCE = 3
_CODE = ("    ", "\t")

_DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "python": r"^(?:(?:async[ \t]+)?def|class)[ \t]+{name}\b|^{name}[ \t]*[:=]",
        "javascript": (
            r"^(?:export[ \t]+)?(?:(?:const|let|var)[ \t]+{name}\b|(?:async[ \t]+)?function[ \t*]+{name}\b)"
            r"|^{name}[ \t]*="
        ),
        "java": r"\bclass[ \t]+Solution\b",
        "go": r"^func[ \t]+{name}\b",
        "rust": r"^[ \t]*(?:pub[ \t]+)?(?:const[ \t]+|unsafe[ \t]+|async[ \t]+)*fn[ \t]+{name}\b",
        "cpp": r"^(?!return\b|else\b|if\b|while\b|for\b|#|//)[^\s;={{}}()/][^;={{}}()\n]*\b{name}[ \t]*\(",
    }
)
"""Language -> what the definition of an entry point looks like at the beginning of a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stub:
    """What a task gives of the program.

    Args:
        language: a key of ``_DEFINITIONS``.
        entry_point: the name that a whole program defines.
        head: the code that a body continues.
        imports: what a whole program is given in front where ``owns_imports`` does not find its own.
        owns_imports: pattern of a program that brings its own.
    """

    language: str
    entry_point: str
    head: str
    imports: str = ""
    owns_imports: str = ""

    def whole(self, text: str) -> str:
        """The whole program that a text stands for, by the rules 2 to 4."""
        if not self._is_whole(text):
            return self.head + text
        if self.imports and not re.search(self.owns_imports, text, re.MULTILINE):
            return f"{self.imports}\n{text}"
        return text

    def _is_whole(self, text: str) -> bool:
        if _first_line(text).startswith((" ", "\t")):
            return False
        pattern = _DEFINITIONS[self.language].format(name=re.escape(self.entry_point))
        return re.search(pattern, text, re.MULTILINE) is not None


def _first_line(text: str) -> str:
    """The first line that is not blank."""
    return next((line for line in io.StringIO(text) if not line.isspace()), "")


def as_answer(completion: str, *, language: str, stub: Stub | None, is_program: bool = False) -> str:
    """The completion as an answer whose last fenced block is the whole program.

    What needs no change comes back as it was, and the reasoning is kept.

    Args:
        completion: what the model wrote.
        language: of the program.
        stub: the beginning that the task gives; None for tasks that ask for a whole program.
        is_program: the text is a program, not an answer that holds one.
    """
    known = LANGUAGES.get(language)
    if known is None or (stub is None and not is_program):
        return completion
    answer = completion if is_program else split_reasoning(completion).answer
    if answer is None:
        return completion
    is_body = stub is not None and _first_line(answer).startswith(_CODE)
    found = None if is_body else find_program(answer, (known.name, *known.tags))
    text = answer if found is None else found
    program = text if stub is None else stub.whole(text)
    if program == found:
        return completion
    return completion[: len(completion) - len(answer)] + _fenced(program, known.name)


def _fenced(program: str, tag: str) -> str:
    longest = max((len(run) for run in re.findall("`+", program)), default=0)
    fence = "`" * max(_MIN_FENCE, longest + 1)
    return f"{fence}{tag}\n{program}{'' if program.endswith(chr(10)) else chr(10)}{fence}\n"


def before_definition(code: str, entry_point: str) -> str:
    """What stands in front of a Python entry point's definition: imports and helper functions."""
    pattern = rf"^(?:async[ \t]+)?def[ \t]+{re.escape(entry_point)}\b"
    found = re.search(pattern, code, re.MULTILINE)
    return code[: found.start()] if found else ""
