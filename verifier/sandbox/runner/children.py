"""What children do behind the walls: run a program, call a function, execute a command.

Descriptors: 0 to 2 are the program's own, 3 is the payload to read, 4 takes the report. A report is only a
description: nothing a solution writes there can make it right.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import linecache
import logging
import os
import signal
import sys
import threading
import traceback
import types

from . import plain

PAYLOAD, REPORT = 3, 4
WIRE = 4
SOURCE_NAME = "solution.py"
_CHUNK = 1 << 20


def read_payload() -> tuple[dict[str, object], str]:
    """The head and the program from descriptor 3, which is then closed; files that come with them are written."""
    parts = []
    while chunk := os.read(PAYLOAD, _CHUNK):
        parts.append(chunk)
    os.close(PAYLOAD)
    line, _, source = b"".join(parts).partition(b"\n")
    head: dict[str, object] = {} if line == b"{}" else json.loads(line)
    at = 0
    for name, size in head.pop("files", ()):  # type: ignore[attr-defined]
        with open(name, "wb") as file:
            file.write(source[at : at + size])
        at += size
    return head, source[at:].decode("utf-8", "replace")


def write_report(report: dict[str, object], descriptor: int = REPORT) -> None:
    """Writes a report and closes its descriptor."""
    data = json.dumps(report).encode("ascii") + b"\n"
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.close(descriptor)
    except OSError:
        # The program closed or broke the descriptor: it has no report, and that is its own loss.
        return


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


def _prepare(source: str, args: object = ()) -> None:
    sys.argv += map(str, args)  # type: ignore[call-overload]
    show_source(source)


def show_source(source: str) -> None:
    """Lets tracebacks and ``inspect.getsource`` find the program."""
    linecache.cache[SOURCE_NAME] = (lambda: source,)


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    sys.stderr.write(f"{stop.code}\n")
    return 1


def _compiled(source: str) -> types.CodeType | None:
    """The program's code, or None if it has none, which is reported."""
    try:
        return compile(source, SOURCE_NAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        write_report({"error": type(error).__name__, "is_compile_error": True})
        return None


def run_stdio() -> None:
    """Runs a program as ``__main__``."""
    head, source = read_payload()
    _prepare(source, head.get("args", ()))
    program = _compiled(source)
    if program is None:
        finish(1)
        return
    code = 0
    try:
        load_program(program, "__main__")
    except SystemExit as stop:
        code = _exit_code(stop)
    except BaseException as error:  # noqa: BLE001 (every end of the program is reported)
        traceback.print_exc()
        write_report(describe(error))
        code = 1
    finish(code)


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


def run_call() -> None:
    """Loads a program, calls its entry point once and reports the value."""
    head, source = read_payload()
    _prepare(source)
    program = _compiled(source)
    if program is None:
        os._exit(1)
    sys.set_int_max_str_digits(0)
    args = json.loads(str(head["args"]))
    kwargs = json.loads(str(head["kwargs"])) if head["kwargs"] else {}
    try:
        module = load_program(program, "solution")
        value = find_entry_point(module, str(head["entry_point"]))(*args, **kwargs)  # type: ignore[operator]
        shown = args[0] if head["in_place"] else value
        report: dict[str, object] = {"value": plain.Encoder(is_json=True).encode(shown)}
    except plain.PlainError as error:
        report = {"error": "Uncrossable", "message": str(error)}
    except BaseException as error:  # noqa: BLE001
        report = describe(error)
    write_report(report)
    os._exit(0 if "value" in report else 1)


def run_program(kind: str) -> None:
    """Writes the files where they are wanted, and executes the command of the payload unless it is ``place``."""
    head, _ = read_payload()
    argv, environment = head["argv"], head["environment"]
    if kind == "place" or not isinstance(argv, list) or not isinstance(environment, dict):
        return
    with contextlib.suppress(OSError):
        os.dup2(WIRE, PAYLOAD)  # where there is a wire, it is the first descriptor after the program's own
        os.close(WIRE)
    # One that talks to a program judges it also when the program has gone away.
    for number in (signal.SIGXFSZ,) if head.get("survives_pipes") else (signal.SIGXFSZ, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    os.execve(argv[0], argv, {**os.environ, **environment})  # noqa: S606
