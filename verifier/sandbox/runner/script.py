"""A script of tests and the solution it tests, in two processes.

The **server** holds the solution and answers calls. The **tester** holds the script, in which the entry point is a
proxy (``remote.py``). Only plain data and handles cross. The tester alone reports what passed, so nothing that the
solution does to its own process can make a test pass.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import io
import os
import symtable
import sys
import traceback
import types
import typing
import unittest
from collections.abc import Callable, Mapping

from . import children, guards, remote
from .channel import PeerGoneError
from .server import CHANNEL

REPORT = 5
_SCRIPT_NAME = "test_solution.py"


# --- the tester's side ------------------------------------------------------------------------------------------


def run_tester() -> None:
    """Runs the script against the proxy and reports every test."""
    head, text = children.read_payload()
    if "solution" in head:
        children.show_source(str(head["solution"]))
    prelude = _run_prelude(str(head.get("prelude", "")))
    link = remote.Link(
        CHANNEL,
        entry_point=str(head["entry_point"]),
        script=text,
        prelude=prelude,
        in_place=bool(head.get("in_place")),
    )
    try:
        hello = link.channel.receive()
    except PeerGoneError:
        hello = {"error": "Exited", "is_compile_error": False}
    if not hello.get("ready"):
        report: dict[str, object] = {
            "solution_error": str(hello.get("error")),
            "is_compile_error": bool(hello.get("is_compile_error")),
        }
    elif prelude is None:
        report = {"script_error": "its prelude"}
    else:
        report = _test(str(head["framework"]), text, str(head["entry_point"]), link)
        report |= {"calls": link.calls, "solution_died": bool(link.death), "unscorable": link.unscorable}
        _add_what_link_knows(report, link)
    children.write_report(report, REPORT)
    os._exit(0)


def _add_what_link_knows(report: dict[str, object], link: remote.Link) -> None:
    """Why the solution died, and an assertion that it has kept from the script."""
    tests = report.get("tests")
    if not isinstance(tests, list):
        return
    for test in tests:
        if test[2] == remote.SolutionDiedError.__name__:
            test[2] = link.death
    if link.has_failed:
        tests.append(["script", False, "AssertionError"])


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


def _test(framework: str, text: str, entry_point: str, link: remote.Link) -> dict[str, object]:
    try:
        # Making a tree of objects takes longer than most scripts run, and only their imports are read off it.
        tree = ast.parse(text, _SCRIPT_NAME) if "import" in text else ast.Module([], [])
        table = symtable.symtable(text, _SCRIPT_NAME, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return {"script_error": type(error).__name__}
    if framework == "pytest":
        try:
            importlib.import_module("pytest")
        except (ImportError, OSError):
            return {"missing": "pytest"}
    missing = _missing_module(tree)
    if missing:
        return {"missing_module": missing}
    try:
        names = _bind(table, entry_point, link)
    except remote.SolutionDiedError:
        return {"tests": [["script", False, "the solution ended"]]}
    guards.install(text, tree)
    return {"tests": _FRAMEWORKS[framework](text, names)}


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


def _free_names(table: symtable.SymbolTable) -> set[str]:
    """Names that a script uses as global ones in any of its scopes, and makes in none."""
    used: set[str] = set()
    made: set[str] = set()
    todo = [table]
    while todo:
        scope = todo.pop()
        todo += scope.get_children()
        is_top = scope is table
        for symbol in scope.get_symbols():
            is_made = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
            if is_made and (is_top or symbol.is_declared_global()):
                made.add(symbol.get_name())
            elif symbol.is_referenced() and (is_top or symbol.is_global()):
                used.add(symbol.get_name())
    return {name for name in used - made - set(dir(builtins)) if not name.startswith("__")}


def _bind(table: symtable.SymbolTable, entry_point: str, link: remote.Link) -> dict[str, object]:
    """The entry point, and names that the script uses and does not make, where the solution has them.

    Only such names: what a solution calls ``abs`` or ``unittest`` must not replace the script's own. The module
    ``solution`` has every name that is asked of it.
    """
    free = _free_names(table) | ({entry_point} if entry_point else set())
    tested = {entry_point, entry_point.partition(".")[0].partition("(")[0], "Solution"}
    own = {name: value for name, value in link.prelude.items() if name in free - tested}
    free -= own.keys()
    # A module that the script forgot to import is ours, never what the solution calls by that name.
    bound = {name: module for name in sorted(free - {entry_point}) if (module := _library(name)) is not None}
    present = link.present(sorted(free - bound.keys()))
    bound |= {name: link.find(name) for name in present}
    module = remote.solution_module(link, tuple(name for name in present if name.isidentifier()))
    sys.modules["solution"] = module
    return bound | own


def _library(name: str) -> object:
    """The module that scripts mean by a name they did not import; None if it is no such name."""
    full = {"np": "numpy"}.get(name, name)
    if full not in sys.stdlib_module_names and full != "numpy":
        return typing.__dict__.get(name) if name in typing.__all__ else None
    try:
        return importlib.import_module(full)
    except ImportError:
        return None


def _run_plain(text: str, names: dict[str, object]) -> list[list[object]]:
    module = types.ModuleType("__main__")
    module.__file__ = _SCRIPT_NAME
    module.__dict__.update(names)
    sys.modules["__main__"] = module
    sys.argv = [_SCRIPT_NAME]
    try:
        exec(compile(text, _SCRIPT_NAME, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except SystemExit as stop:
        # Only the script itself can end itself: a solution's SystemExit crosses as its death.
        return [["script", stop.code in (None, 0, False), "the script called exit"]]
    except BaseException as error:  # noqa: BLE001
        traceback.print_exc()
        return [["script", False, type(error).__name__]]
    return [["script", True, ""]]


def _as_module(text: str, names: dict[str, object]) -> types.ModuleType:
    module = types.ModuleType("test_solution")
    module.__file__ = _SCRIPT_NAME
    module.__dict__.update(names)
    sys.modules["test_solution"] = module
    exec(compile(text, _SCRIPT_NAME, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
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


def _run_unittest(text: str, names: dict[str, object]) -> list[list[object]]:
    # A script may end in unittest.main(); as a module its guard is false, and we run the cases.
    try:
        module = _as_module(text, names)
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


def _run_pytest(text: str, names: dict[str, object]) -> list[list[object]]:
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


_FRAMEWORKS: Mapping[str, Callable[[str, dict[str, object]], list[list[object]]]] = types.MappingProxyType(
    {"plain": _run_plain, "unittest": _run_unittest, "pytest": _run_pytest}
)
