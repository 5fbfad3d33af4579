"""A script of tests and the solution it tests, in two processes.

The **server** holds the solution and answers calls. The **tester** holds the script, in which the entry point is a
proxy (``remote.py``). Only plain data and handles cross. The tester alone reports what passed, so nothing that the
solution does to its own process can make a test pass.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import copy
import importlib
import importlib.util
import io
import operator
import os
import symtable
import sys
import traceback
import types
import typing
import unittest
from collections.abc import Callable, Mapping

from . import children, plain, remote
from .channel import Channel, Message, PeerGoneError
from .printed import Printed

CHANNEL = 4
REPORT = 5
_SCRIPT_NAME = "test_solution.py"

_OPERATIONS: Mapping[str, Callable[..., object]] = types.MappingProxyType(
    {name: getattr(operator, name) for name in remote.BINARY + remote.UNARY + remote.ITEMS}
    | {name: getattr(builtins, name) for name in remote.CONVERSIONS}
    | {name: getattr(copy, name) for name in remote.COPIES}
    | {
        "contains": operator.contains,
        "getattr": getattr,
        "setattr": setattr,
        "enter": lambda manager: type(manager).__enter__(manager),
        "exit": lambda manager: type(manager).__exit__(manager, None, None, None),
        "isinstance": isinstance,
        "await": asyncio.run,
    }
)


# --- the solution's side ----------------------------------------------------------------------------------------


class _Server:
    """Answers the tester's requests from the loaded solution."""

    def __init__(self, module: types.ModuleType, printed: Printed) -> None:
        self._module = module
        self._printed = printed
        self._objects: list[object] = []
        self._numbers: dict[int, int] = {}
        self.channel = Channel(CHANNEL, self.answer)

    def answer(self, message: Message) -> Message:
        return self._with_printed(self._answered(message))

    def _with_printed(self, message: Message) -> Message:
        text = self._printed.taken()
        return {**message, "printed": text} if text else message

    def _answered(self, message: Message) -> Message:
        try:
            return self._do(message)
        except plain.PlainError as error:
            return {"raised": {"name": "TypeError", "bases": ["TypeError"], "text": str(error), "fatal": False}}
        except BaseException as error:  # noqa: BLE001 (whatever the solution raises crosses by name)
            return {"raised": _describe(error, self._handle_of)}

    def _do(self, message: Message) -> Message:
        match message["do"]:
            case "find":
                return {"value": plain.encode(self._find(str(message["name"])), self._handle_of)}
            case "has":
                names = message["names"]
                assert isinstance(names, list)
                return {"value": [name for name in names if self._has(str(name))]}
            case "call":
                return self._call(message)
            case "operate":
                function = _OPERATIONS[str(message["name"])]
                return {"value": plain.encode(function(*self._values(message["args"])), self._handle_of)}
            case _:
                raise plain.PlainError("an unknown request")

    def _has(self, name: str) -> bool:
        try:
            self._find(name)
        except AttributeError:
            return False
        return True

    def _find(self, name: str) -> object:
        if name.isidentifier() and hasattr(self._module, name):
            return getattr(self._module, name)
        return children.find_entry_point(self._module, name)

    def _call(self, message: Message) -> Message:
        args = self._values(message["args"])
        pairs = message["kwargs"]
        assert isinstance(pairs, dict)
        kwargs = {name: self._value(node) for name, node in pairs.items()}
        result = self._value(message["target"])(*args, **kwargs)  # type: ignore[operator]
        reply: Message = {"value": plain.encode(result, self._handle_of)}
        if result is None:
            # A task that works in place: the tester's own arguments take the change.
            reply["args"] = [plain.encode(arg, self._handle_of) if _is_mutable(arg) else None for arg in args]
        return reply

    def _values(self, nodes: object) -> list[object]:
        assert isinstance(nodes, list)
        return [self._value(node) for node in nodes]

    def _value(self, node: object) -> object:
        return plain.decode(node, self._take)

    def _take(self, node: dict[str, object]) -> object:
        number = int(str(node["h"]))
        if node["t"] == "callback":
            return lambda *args, **kwargs: self._call_back(number, args, kwargs)
        return self._objects[number]

    def _call_back(self, number: int, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        nodes = [plain.encode(arg, self._handle_of) for arg in args]
        pairs = {name: plain.encode(arg, self._handle_of) for name, arg in kwargs.items()}
        message: Message = {"do": "callback", "h": number, "args": nodes, "kwargs": pairs}
        reply = self.channel.ask(self._with_printed(message))
        if "raised" in reply:
            raise RuntimeError("the test's function raised")
        return self._value(reply["value"])

    def _handle_of(self, value: object) -> plain.Node:
        number = self._numbers.get(id(value))
        if number is None:
            number = len(self._objects)
            self._objects.append(value)
            self._numbers[id(value)] = number
        node: dict[str, object] = {"t": "handle", "h": number, "n": getattr(value, "__name__", type(value).__name__)}
        if isinstance(value, type):
            node["k"] = "class"
            if issubclass(value, BaseException):
                node["bases"] = _builtin_bases(value)
        elif isinstance(value, types.CoroutineType):
            node["k"] = "coroutine"
        else:
            node["k"] = "function" if callable(value) else "object"
        return node


def _is_mutable(value: object) -> bool:
    return type(value) in (list, dict, set, bytearray)


def _builtin_bases(kind: type) -> list[str]:
    return [base.__name__ for base in kind.__mro__ if getattr(builtins, base.__name__, None) is base]


def _describe(error: BaseException, handle: plain.MakeHandle) -> dict[str, object]:
    kind = type(error)
    described: dict[str, object] = {"name": kind.__name__, "bases": _builtin_bases(kind), "text": ""}
    described["fatal"] = not isinstance(error, Exception)
    try:
        described["text"] = str(error)[:2000]
        described["args"] = plain.encode(list(error.args), handle)
        described["attributes"] = {name: plain.encode(value, handle) for name, value in error.__dict__.items()}
    except Exception:  # noqa: BLE001 (the solution's own __str__ and values)
        return described
    return described


def run_server() -> None:
    """Loads the solution and answers until the tester has gone."""
    _, source = children.read_payload()
    sys.argv = [children.SOURCE_NAME]
    sys.path[:] = [os.getcwd(), *sys.path]
    try:
        compile(source, children.SOURCE_NAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        _hello({"error": type(error).__name__, "is_compile_error": True})
        os._exit(1)
    printed = Printed()
    sys.stdout = printed.stream
    try:
        server = _Server(children.load_program(source, "solution"), printed)
    except BaseException as error:  # noqa: BLE001
        _hello({"error": type(error).__name__, "is_compile_error": False})
        os._exit(1)
    _hello({"ready": True})
    server.channel.serve()
    os._exit(0)


def _hello(message: Message) -> None:
    try:
        Channel(CHANNEL, lambda _: {}).send(message)
    except PeerGoneError:
        os._exit(1)


# --- the tester's side ------------------------------------------------------------------------------------------


def run_tester() -> None:
    """Runs the script against the proxy and reports every test."""
    head, text = children.read_payload()
    link = remote.Link(CHANNEL, str(head["entry_point"]))
    try:
        hello = link.channel.receive()
    except PeerGoneError:
        hello = {"error": "Exited", "is_compile_error": False}
    if not hello.get("ready"):
        report: dict[str, object] = {
            "solution_error": str(hello.get("error")),
            "is_compile_error": bool(hello.get("is_compile_error")),
        }
    else:
        report = _test(str(head["framework"]), text, str(head["entry_point"]), link)
        report |= {"calls": link.calls, "solution_died": link.is_dead, "unscorable": link.unscorable}
    children.write_report(report, REPORT)
    os._exit(0)


def _test(framework: str, text: str, entry_point: str, link: remote.Link) -> dict[str, object]:
    try:
        tree = ast.parse(text, _SCRIPT_NAME)
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
    # A module that the script forgot to import is ours, never what the solution calls by that name.
    bound = {name: module for name in sorted(free - {entry_point}) if (module := _library(name)) is not None}
    present = link.present(sorted(free - bound.keys()))
    bound |= {name: link.find(name) for name in present}
    module = remote.solution_module(link, tuple(name for name in present if name.isidentifier()))
    sys.modules["solution"] = module
    return bound


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
