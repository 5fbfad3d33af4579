"""JavaScript and TypeScript: the texts in ``node/`` carry calls between a script of tests and the program.

* Values cross as data: all that ``structuredClone`` takes, and generators. The tester makes each anew from its own
  constructors, so no prototype, getter, ``toJSON`` or Proxy of the solution is ever in its process.
* Functions cross as stubs that ask the other side, both ways. Objects of the entry point's class stay with the
  solution and are asked for their fields. Other classes cross if they are the prelude's.
* What an asynchronous entry point returns is awaited there, and is a promise here.
* What stands before the entry point in ``CodeReference.signature`` is there for both sides, as the prelude is.
* The script finds the entry point by its name, and by any ``require`` or ``import`` of a path. It may use ``describe``,
  ``it``, ``test`` and ``expect`` in the common part of Jest. ``console.assert`` fails the script.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, replace
from importlib import resources

from verifier.errors import UnscorableError
from verifier.judging.languages import LANGUAGES, check_javascript
from verifier.sandbox.base import Program
from verifier.types import CodeReference

_NAME = re.compile(r"[A-Za-z_$][\w$]*\Z", re.ASCII)
_WORD = re.compile(r"[\w$]+", re.ASCII)
_DECLARED = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?:default[ \t]+)?(?:async[ \t]+)?(?:const|let|var|function\*?|class)[ \t]+([\w$]+)",
    re.ASCII | re.MULTILINE,
)
_TRANSPILE = '"$0" ./*.ts --outdir=. --platform=node --target=node18 --log-level=error'


@functools.cache
def _text(name: str) -> str:
    return (resources.files("verifier.judging.bridges") / "node" / name).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class JavaScriptBridge:
    """See ``Bridge``.

    Args:
        language: ``javascript`` or ``typescript``.
    """

    language: str

    def tester(self, reference: CodeReference) -> Program:
        """See ``Bridge.tester``."""
        _entry_point(reference)
        files = (("suite.cjs", _text("suite.js")),)
        return self._program(reference, _text("tester.js"), "script", reference.script, files)

    def solution(self, reference: CodeReference, program: str) -> Program:
        """See ``Bridge.solution``."""
        return self._program(reference, _text("server.js"), "program", program)

    def _program(
        self, reference: CodeReference, main: str, name: str, text: str, files: tuple[tuple[str, str], ...] = ()
    ) -> Program:
        entry = _entry_point(reference)
        task = {"entry": entry, "is_in_place": reference.in_place}
        is_typed = self.language == "typescript"
        end = "ts" if is_typed else "js"
        files = (
            *files,
            ("channel.cjs", _text("channel.js")),
            ("loading.cjs", _text("loading.js")),
            ("task.json", json.dumps(task)),
            (f"prelude.{end}", f"{reference.prelude}\n{_helpers(reference, entry)}"),
            (f"{name}.{end}", text),
        )
        language = LANGUAGES[self.language]
        return replace(
            language.program(main, files),
            source_name="main.cjs",
            compile_command=("sh", "-c", _TRANSPILE, "esbuild") if is_typed else check_javascript(f"{name}.js"),
            run_command=(
                *language.run_command[:-1], "--no-warnings", "--experimental-vm-modules", "{dir}/main.cjs",
            ),
        )  # fmt: skip


def _helpers(reference: CodeReference, entry: str) -> str:
    """What stands before the entry point in its declaration: functions that program and script may both call."""
    found = [one for one in _DECLARED.finditer(reference.signature) if one[1] == entry]
    return reference.signature[: found[0].start()] if found else ""


def _entry_point(reference: CodeReference) -> str:
    """The name that the script calls: ``Solution`` of ``Solution.twoSum``.

    A script that does not have the name (data sets differ in capitals) may have that of the declaration.

    Raises:
        UnscorableError: it is no name.
    """
    name = reference.entry_point.partition(".")[0].removesuffix("()")
    if not _NAME.match(name):
        raise UnscorableError(
            "bad_reference", "reference.code.entry_point is not the name of a JavaScript function or class"
        )
    words = set(_WORD.findall(reference.script))
    declared = [one[1] for one in _DECLARED.finditer(reference.signature) if one[1] in words]
    return name if name in words or not declared else declared[-1]
