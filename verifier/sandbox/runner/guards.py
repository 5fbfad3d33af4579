"""What a script of tests may evaluate, execute or unpickle: what it wrote itself, and plain data of a solution.

A script that evaluates a text which the solution gave would hand it the tester. Such a text may be an expression of
plain values, of classes that the script knows and of the solution's own functions, and no more.
"""

from __future__ import annotations

import ast
import builtins
import io
import pickle
import sys
import types
from collections.abc import Callable, Collection, Mapping
from typing import Any

from .proxies import Remote, RemoteType

_SCRIPT_NAME = "test_solution.py"
_NODES = (
    ast.Expression, ast.Constant, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.UnaryOp, ast.BinOp, ast.BoolOp,
    ast.Compare, ast.Call, ast.Name, ast.Attribute, ast.keyword, ast.Starred, ast.operator, ast.unaryop, ast.boolop,
    ast.cmpop, ast.expr_context, ast.Subscript, ast.Slice, ast.IfExp,
)  # fmt: skip
_FUNCTIONS = (
    "abs", "bool", "bytearray", "bytes", "complex", "dict", "divmod", "float", "frozenset", "int", "len", "list", "max",
    "min", "pow", "range", "round", "set", "sorted", "str", "sum", "tuple",
)  # fmt: skip
_MODULES = ("math", "datetime", "decimal", "fractions", "collections", "solution", "numpy")
_PICKLED = ("collections", "datetime", "decimal", "fractions", "uuid", "_codecs", "copyreg")


def install(script: str) -> None:
    """Guards the script's own calls; those of libraries stay as they are."""
    own: Any = builtins
    if "eval" in script or "exec" in script:
        tree = ast.parse(script)
        texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is str}
        own.eval, own.exec = _guarded(eval, texts), _guarded(exec, texts)
    if "pickle" in script:
        own = pickle
        own.loads, own.load = _loads, lambda file, **_: _loads(file.read())


def _guarded(function: Callable[..., object], texts: Collection[object]) -> object:
    def guarded(
        source: object,
        globals: dict[str, object] | None = None,  # noqa: A002 (the names of the original)
        locals: Mapping[str, object] | None = None,  # noqa: A002
        /,
        **more: object,
    ) -> object:
        frame = sys._getframe(1)
        own = frame.f_globals if globals is None else globals
        if frame.f_code.co_filename.endswith(_SCRIPT_NAME) and not (isinstance(source, str) and source in texts):
            names = {**own, **(locals or (frame.f_locals if globals is None else {}))}
            tree = _parsed(source)
            own = {**names, **_of_solution(tree, names)}
            _check(tree, own)
            return function(source, own)
        inner = (frame.f_locals if globals is None else own) if locals is None else locals
        return function(source, own, inner, **more)

    return guarded


def _parsed(source: object) -> ast.AST:
    if not isinstance(source, str):
        raise ValueError("only a text that the tests wrote, or a plain expression, is evaluated")  # noqa: TRY004
    return ast.parse(source.strip(), mode="eval")


def _of_solution(tree: ast.AST, names: Mapping[str, object]) -> dict[str, object]:
    """What the solution calls by the names of an expression that mean nothing here."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - names.keys() - vars(builtins).keys()
    solution = sys.modules["solution"]
    return {name: getattr(solution, name) for name in sorted(used) if hasattr(solution, name)}


def _check(tree: ast.AST, names: Mapping[str, object]) -> None:
    """Refuses what is more than an expression of plain values.

    Raises:
        ValueError: it is.
    """
    for node in ast.walk(tree):
        if not isinstance(node, _NODES) or not _is_harmless(node, names):
            raise ValueError("only a text that the tests wrote, or a plain expression, is evaluated")


def _is_harmless(node: ast.AST, names: Mapping[str, object]) -> bool:
    match node:
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            value = names.get(name)
            is_known = isinstance(value, types.ModuleType) and value.__name__ in _MODULES
            return (is_known or isinstance(value, Remote | RemoteType)) and not attribute.startswith("_")
        case ast.Attribute():
            return False
        case ast.Call(func=ast.Name(id=name)):
            value = names.get(name, vars(builtins).get(name))
            if value is vars(builtins).get(name):
                return name in _FUNCTIONS
            return isinstance(value, type | Remote) or getattr(value, "__module__", "") in _MODULES
        case ast.Call(func=ast.Attribute()):
            return True
        case ast.Call():
            return False
        case ast.Name(id=name):
            return not name.startswith("__")
        case _:
            return True


class _Unpickler(pickle.Unpickler):
    """Makes plain data, and objects of the script's own classes."""

    def find_class(self, module: str, name: str) -> object:
        found = getattr(sys.modules.get(module), name, None)
        if module == "builtins" and name in _FUNCTIONS and isinstance(found, type):
            return found
        if module in (*_PICKLED, "__main__", "test_solution", "prelude") and (
            isinstance(found, type) or name in ("encode", "_reconstructor", "__newobj__")
        ):
            return found
        raise pickle.UnpicklingError(f"{module}.{name} is no plain data")


def _loads(data: bytes, /, **_: object) -> object:
    return _Unpickler(io.BytesIO(data)).load()
