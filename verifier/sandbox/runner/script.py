"""A script of tests and the solution it tests, in two processes.

The **server** holds the solution and answers calls. The **tester** holds the script, in which the entry point is a
proxy (``remote.py``). Only plain data and handles cross. The tester alone reports what passed, so nothing that the
solution does to its own process can make a test pass.
"""

from __future__ import annotations

import _symtable  # type: ignore[import-not-found]
import ast
import builtins
import importlib
import importlib.util
import io
import marshal
import os
import sys
import traceback
import types
import typing
import unittest
from collections.abc import Callable, Mapping
from typing import Any

from . import children, guards, remote
from .server import CHANNEL

REPORT = 4
_BUILTINS = frozenset(dir(builtins))
_SCRIPT_NAME = "test_solution.py"


# --- the tester's side ------------------------------------------------------------------------------------------


class Tester:
    """Runs a script against proxies of the solution. It is made before its process is forked.

    Args:
        descriptor: of the connection to the solution's server.
    """

    def __init__(self, descriptor: int = CHANNEL) -> None:
        self.link = remote.Link(descriptor)
        self._module = remote.solution_module(self.link)

    def run(self, head: dict[str, object], text: str, code: object) -> None:
        """Reports every test; never returns."""
        children.write_report(self.report(head, text, code), REPORT)
        os._exit(0)

    def report(self, head: dict[str, object], text: str, code: object) -> dict[str, object]:
        """What became of every test, or why none could be run: the solution's fault before that of the script."""
        link, entry_point, framework = self.link, str(head["entry_point"]), str(head["framework"])
        script = _Script(text, framework, code)
        if "solution" in head:
            children.show_source(str(head["solution"]))
        prelude: dict[str, object] | None = _run_prelude(str(head["prelude"])) if head.get("prelude") else {}
        link.begin(text, entry_point=entry_point, prelude=prelude or {}, in_place=bool(head.get("in_place")))
        is_announced = not head.get("prelude")
        wanted, own = ([], {}) if script.trouble else script.names(entry_point, link.prelude)
        try:
            found = link.bind(wanted, is_announced=is_announced)
        except remote.SolutionDiedError:
            found, link.trouble = None, {"error": "Exited"}
        if found is None:
            error, is_compile_error = str(link.trouble.get("error")), bool(link.trouble.get("is_compile_error"))
            return {"solution_error": error, "is_compile_error": is_compile_error}
        if prelude is None:
            return {"script_error": "its prelude"}
        if script.trouble:
            return script.trouble
        sys.modules["solution"] = self._module
        self._module.__dict__["__all__"] = [name for name in found if name.isidentifier()]
        guards.install(text)
        tests = _FRAMEWORKS[framework](text, script.code, found | own)
        for test in tests:
            if test[2] == remote.SolutionDiedError.__name__:
                test[2] = link.death
        if link.has_failed:
            # An assertion that the solution has kept from the script.
            tests.append(["script", False, "AssertionError"])
        return {
            "tests": tests, "calls": link.calls, "solution_died": bool(link.death), "unscorable": link.unscorable,
        }  # fmt: skip


def _run_prelude(text: str) -> dict[str, object] | None:
    """What the task's own code defines, run here; None if it does not run.

    The solution has the same code in front of it, and can change it there.
    """
    module = types.ModuleType("prelude")
    sys.modules["prelude"] = module
    try:
        exec(compile(text, "prelude.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except Exception:  # noqa: BLE001 (the task's own code)
        traceback.print_exc()
        return None
    return {name: value for name, value in vars(module).items() if not name.startswith("__")}


class _Script:
    """A script, looked at before anything is run.

    Args:
        text: its text.
        framework: that runs it.
        code: what an earlier tester told of it, True if this one is to tell, else nothing.

    Attributes:
        trouble: the report, if it cannot be run.
        code: its code; of nothing, if it cannot be run.
    """

    def __init__(self, text: str, framework: str, code: object) -> None:
        self.trouble: dict[str, object] = {}
        self._free: list[str] = []
        self.code: types.CodeType | None = None
        missing = "" if framework != "pytest" or _can_import("pytest") else "pytest"
        if missing:
            self.trouble = {"missing": missing}
        elif type(code) is bytes:
            self._free, self.code = marshal.loads(code)  # noqa: S302 (see ``Codes``)
        else:
            self._look(text)
            if code is True and not self.trouble:
                children.tell_first(marshal.dumps((self._free, self.code)), REPORT)

    def _look(self, text: str) -> None:
        try:
            # Making a tree of objects takes longer than most scripts run, and only their imports are read off it.
            tree = ast.parse(text, _SCRIPT_NAME) if "import" in text else ast.Module([], [])
            self._free = sorted(_free_names(_symtable.symtable(text, _SCRIPT_NAME, "exec")))
            self.code = compile(text, _SCRIPT_NAME, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.trouble = {"script_error": type(error).__name__}
            return
        if missing := _missing_module(tree):
            self.trouble = {"missing_module": missing}

    def names(self, entry_point: str, prelude: dict[str, object]) -> tuple[list[str], dict[str, object]]:
        """Names to ask the solution for, and those that the script gets from here, with what they stand for.

        They are the entry point, and names that the script uses and does not make. Only such names: what a solution
        calls ``abs`` or ``unittest`` must not replace the script's own. The module ``solution`` has every name that
        is asked of it.
        """
        if not prelude and self._free == [entry_point]:
            return self._free, {}
        free = {*self._free, entry_point} - {""}
        tested = {entry_point, entry_point.partition(".")[0].partition("(")[0], "Solution"}
        own = {name: value for name, value in prelude.items() if name in free - tested}
        # A module that the script forgot to import is ours, never what the solution calls by that name.
        for name in sorted(free - own.keys() - {entry_point}):
            module = _library(name)
            if module is not None:
                own[name] = module
        return sorted(free - own.keys()), own


def _can_import(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, OSError):
        return False
    return True


def _missing_module(tree: ast.Module) -> str:
    """The first module that the script imports, not inside a ``try``, and that is not here; or empty."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in (name.partition(".")[0] for name in names):
            if name != "solution" and not _is_here(name):
                return name
        if not isinstance(node, ast.Try):
            todo += ast.iter_child_nodes(node)
    return ""


def _is_here(name: str) -> bool:
    try:
        spec = None if name in sys.modules else importlib.util.find_spec(name)
        if spec is not None and spec.has_location and spec.origin:
            # What the zygote could find, this uid may not be able to read.
            os.close(os.open(spec.origin, os.O_RDONLY))
    except (ImportError, OSError, ValueError):
        return False
    return spec is not None or name in sys.modules


def _free_names(table: Any) -> set[str]:  # noqa: ANN401 (of a module without types)
    """Names that a script uses as global ones in any of its scopes, and makes in none.

    The module ``symtable`` would make an object of every name.
    """
    used: set[str] = set()
    made: set[str] = set()
    todo = [table]
    while todo:
        scope = todo.pop()
        todo += scope.children
        for name, flags in scope.symbols.items():
            kind = flags >> _symtable.SCOPE_OFF & _symtable.SCOPE_MASK
            if flags & _MADE and (scope is table or kind == _symtable.GLOBAL_EXPLICIT):
                made.add(name)
            elif flags & _symtable.USE and (scope is table or kind in _GLOBAL):
                used.add(name)
    return {name for name in used - made - _BUILTINS if not name.startswith("__")}


_MADE = _symtable.DEF_LOCAL | _symtable.DEF_IMPORT
_GLOBAL = (_symtable.GLOBAL_IMPLICIT, _symtable.GLOBAL_EXPLICIT)


def _library(name: str) -> object:
    """The module that scripts mean by a name they did not import; None if it is no such name."""
    full = {"np": "numpy"}.get(name, name)
    if full not in sys.stdlib_module_names and full != "numpy":
        return typing.__dict__.get(name) if name in typing.__all__ else None
    try:
        return importlib.import_module(full)
    except ImportError:
        return None


def _run_plain(_: str, code: types.CodeType, names: dict[str, object]) -> list[list[object]]:
    module = types.ModuleType("__main__")
    module.__file__ = _SCRIPT_NAME
    module.__dict__.update(names)
    sys.modules["__main__"] = module
    sys.argv = [_SCRIPT_NAME]
    try:
        exec(code, module.__dict__)  # noqa: S102 (this is the jail)
    except SystemExit as stop:
        # Only the script itself can end itself: a solution's SystemExit crosses as its death.
        return [["script", stop.code in (None, 0, False), "the script called exit"]]
    except BaseException as error:  # noqa: BLE001
        traceback.print_exc()
        return [["script", False, type(error).__name__]]
    return [["script", True, ""]]


def _as_module(code: types.CodeType, names: dict[str, object]) -> types.ModuleType:
    module = types.ModuleType("test_solution")
    module.__file__ = _SCRIPT_NAME
    module.__dict__.update(names)
    sys.modules["test_solution"] = module
    exec(code, module.__dict__)  # noqa: S102 (this is the jail)
    return module


class _Result(unittest.TestResult):
    """Every test by its name, in the order they ran."""

    def __init__(self) -> None:
        super().__init__(io.StringIO(), descriptions=False, verbosity=0)
        self.found: list[list[object]] = []

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self.found.append([test.id().rpartition("test_solution.")[2], True, ""])

    def addFailure(self, test: unittest.TestCase, err: object) -> None:  # noqa: N802
        self._add(test, err)

    def addError(self, test: unittest.TestCase, err: object) -> None:  # noqa: N802
        self._add(test, err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: object) -> None:  # noqa: ARG002, N802
        if err is not None:
            self._add(test, err)

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        self._add(test, (None, None, None))

    def _add(self, test: unittest.TestCase, err: object) -> None:
        kind = err[0] if isinstance(err, tuple) else None
        self.found.append([test.id().rpartition("test_solution.")[2], False, getattr(kind, "__name__", "failed")])


def _run_unittest(_: str, code: types.CodeType, names: dict[str, object]) -> list[list[object]]:
    # A script may end in unittest.main(); as a module its guard is false, and we run the cases.
    try:
        module = _as_module(code, names)
    except BaseException as error:  # noqa: BLE001
        return [["script", False, type(error).__name__]]
    result = _Result()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    return result.found


def _with_names(text: str, names: list[str]) -> str:
    """The script with an import of these names, after any ``from __future__ import``."""
    if not names:
        return text
    after = max(
        (
            node.end_lineno or 0
            for node in ast.parse(text).body
            if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        ),
        default=0,
    )
    lines = text.splitlines(keepends=True)
    lines.insert(after, f"from assay_names import {', '.join(names)}\n")
    return "".join(lines)


def _run_pytest(text: str, _: types.CodeType, names: dict[str, object]) -> list[list[object]]:
    import pytest  # noqa: PLC0415 (0.1 s, needed by pytest files alone)

    bindings = types.ModuleType("assay_names")
    bindings.__dict__.update(names)
    sys.modules["assay_names"] = bindings
    text = _with_names(text, sorted(name for name in names if name.isidentifier()))
    with open(_SCRIPT_NAME, "w", encoding="utf-8") as file:
        file.write(text)
    found: list[list[object]] = []
    raised: dict[str, str] = {}

    class Collector:
        def pytest_exception_interact(self, call: object, report: object) -> None:
            kind = getattr(getattr(call, "excinfo", None), "type", None)
            raised[str(getattr(report, "nodeid", ""))] = getattr(kind, "__name__", "failed")

        def pytest_collectreport(self, report: object) -> None:
            if getattr(report, "failed", False):
                found.append(["collection", False, "the test file cannot be collected"])

        def pytest_runtest_logreport(self, report: object) -> None:
            name = str(getattr(report, "nodeid", "")).partition("::")[2]
            passed, when = bool(getattr(report, "passed", False)), getattr(report, "when", "")
            if when == "call" or (when in ("setup", "teardown") and getattr(report, "failed", False)):
                if getattr(report, "skipped", False) and not hasattr(report, "wasxfail"):
                    return
                is_right = passed and not hasattr(report, "wasxfail")
                why = raised.get(str(getattr(report, "nodeid", "")), "AssertionError")
                found.append([name, is_right, "" if is_right else why])

    # Nothing but the file itself configures the run: no plugin of the machine's, no conftest.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    with open("pytest.ini", "w", encoding="utf-8") as file:
        file.write("[pytest]\n")
    options = ["-p", "no:cacheprovider", "--noconftest", "--rootdir", ".", "--confcutdir", ".", _SCRIPT_NAME]
    try:
        pytest.main(options, plugins=[Collector()])
    except BaseException as error:  # noqa: BLE001
        found.append(["script", False, type(error).__name__])
    return found


_FRAMEWORKS: Mapping[str, Callable[[str, Any, dict[str, object]], list[list[object]]]] = types.MappingProxyType(
    {"plain": _run_plain, "unittest": _run_unittest, "pytest": _run_pytest}
)
