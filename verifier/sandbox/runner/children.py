"""What children do behind the walls: run a program, call a function, execute a command.

Descriptors: 0 to 2 are the program's own; then the wire to a peer, where there is one, and what takes the report. A
report is only a description: nothing a solution writes there can make it right.
"""

from __future__ import annotations

import atexit
import json
import linecache
import logging
import marshal
import os
import signal
import sys
import threading
import traceback
import types

from . import channel, plain
from .records import FIRST, LENGTH

REPORT = 3
SOURCE_NAME = "solution.py"


def write_report(report: dict[str, object], descriptor: int = REPORT) -> None:
    """Writes a report and closes its descriptor."""
    data = channel.written(report) + b"\n"
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.close(descriptor)
    except OSError:
        # The program closed or broke the descriptor: it has no report, and that is its own loss.
        return


def tell_first(data: bytes, descriptor: int = REPORT) -> None:
    """Writes what ``Codes`` keeps, before anything of the job has run: what is told later is no part of it."""
    view = memoryview(FIRST + LENGTH.pack(len(data)) + data)
    while view:
        view = view[os.write(descriptor, view) :]


def load_program(code: types.CodeType, name: str) -> types.ModuleType:
    """Runs a program as a fresh module of this name.

    Raises:
        BaseException: whatever the program raises.
    """
    module = types.ModuleType(name)
    module.__file__ = SOURCE_NAME
    sys.modules[name] = module
    exec(code, module.__dict__)  # noqa: S102 (this is the jail)
    return module


def finish(code: int) -> None:
    """Ends as an interpreter does: threads joined, exit functions run, streams flushed; never returns."""
    try:
        # Where a program started no thread and registered nothing there is nothing to do, but much is touched for it:
        # the main thread has a lock and a place of its own, and the module ``logging`` a function and a handler.
        if len(threading._shutdown_locks) > 1 or len(threading._active) > 1 or threading._threading_atexits:  # type: ignore[attr-defined]
            threading._shutdown()  # type: ignore[attr-defined]
        if atexit._ncallbacks() > 1 or len(logging._handlerList) > 1:  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def describe(error: BaseException) -> dict[str, object]:
    """An exception by its name; its message may hold addresses, so it stays out."""
    return {"error": type(error).__name__, "is_compile_error": False}


_shown: list[str] = []


def let_sources_be_shown() -> None:
    """Lets tracebacks and ``inspect.getsource`` find the program that ``show_source`` is told."""
    linecache.cache[SOURCE_NAME] = (lambda: "".join(_shown),)


def forget_source() -> None:
    """Forgets what was shown."""
    _shown.clear()


def show_source(source: str) -> None:
    """Keeps the program for those who ask for its lines."""
    _shown.append(source)


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    sys.stderr.write(f"{stop.code}\n")
    return 1


def _compiled(source: str, code: object) -> types.CodeType | None:
    """The program's code, as it is known or compiled here; None if it has none, which is reported."""
    if type(code) is bytes:
        known: types.CodeType = marshal.loads(code)  # noqa: S302 (see ``Codes``)
        return known
    try:
        program = compile(source, SOURCE_NAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        write_report({"error": type(error).__name__, "is_compile_error": True})
        return None
    if code is True:
        tell_first(marshal.dumps(program))
    return program


def run_stdio(head: dict[str, object], source: str, code: object) -> None:
    """Runs a program as ``__main__``."""
    finish(exit_code_of(head, source, code))


def exit_code_of(head: dict[str, object], source: str, code: object) -> int:
    """Runs a program as ``__main__``; what it ends with."""
    args = head.get("args")
    if args:
        sys.argv += map(str, args)  # type: ignore[call-overload]
    show_source(source)
    program = _compiled(source, code)
    if program is None:
        return 1
    try:
        load_program(program, "__main__")
    except SystemExit as stop:
        return _exit_code(stop)
    except BaseException as error:  # noqa: BLE001 (every end of the program is reported)
        traceback.print_exc()
        write_report(describe(error))
        return 1
    return 0


def find_entry_point(module: types.ModuleType, name: str) -> object:
    """The function under test: a name, or a method of a class that takes no arguments (``Solution``).

    Raises:
        AttributeError: there is none.
    """
    owner, _, method = name.replace("()", "").rpartition(".")
    if owner:
        return getattr(getattr(module, owner)(), method)
    if hasattr(module, name):
        return getattr(module, name)
    solution = getattr(module, "Solution", None)
    if solution is not None and hasattr(solution, name):
        return getattr(solution(), name)
    raise AttributeError(name)


def run_call(head: dict[str, object], source: str, code: object) -> None:
    """Loads a program, calls its entry point once and reports the value."""
    report = value_of(head, source, code)
    write_report(report)
    os._exit(0 if "value" in report else 1)


def value_of(head: dict[str, object], source: str, code: object) -> dict[str, object]:
    """Loads a program and calls its entry point once; the report."""
    show_source(source)
    program = _compiled(source, code)
    if program is None:
        os._exit(1)
    sys.set_int_max_str_digits(0)
    args = json.loads(str(head["args"]))
    kwargs = json.loads(str(head["kwargs"])) if head["kwargs"] else {}
    try:
        module = load_program(program, "solution")
        value = find_entry_point(module, str(head["entry_point"]))(*args, **kwargs)  # type: ignore[operator]
        shown = args[0] if head["in_place"] else value
        return {"value": plain.Encoder(is_json=True).encode(shown)}
    except plain.PlainError as error:
        return {"error": "Uncrossable", "message": str(error)}
    except BaseException as error:  # noqa: BLE001
        return describe(error)


def run_program(kind: str, home: str, head: dict[str, object]) -> None:
    """Executes the command of the head, unless the files were only to be placed."""
    argv, environment = head["argv"], head["environment"]
    if kind == "place" or not isinstance(argv, list) or not isinstance(environment, dict):
        return
    # One that talks to a program judges it also when the program has gone away.
    for number in (signal.SIGXFSZ,) if head.get("survives_pipes") else (signal.SIGXFSZ, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.execve(argv[0], argv, {**os.environ, "HOME": home, "TMPDIR": home, **environment})  # noqa: S606
