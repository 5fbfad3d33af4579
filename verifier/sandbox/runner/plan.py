"""A script of tests that is data: nothing but assertions about calls of the entry point, with literal arguments.

Most scripts of the public data sets are. Such a script is read in a jailed child of its own, which runs nothing of it,
and becomes a plan: what is called with what, and what must hold of each value. The supervisor goes through the plan
itself (``dialogue.py``), so that no process has to hold the tests. Whatever is anything else has no plan, and runs in a
tester. To admit more: a case in ``_claim`` and the operation in ``dialogue.OPERATIONS``.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from . import children, plain

_INT_BITS, _LONG = 4096, 100_000
_MAX_STEPS = 5000
_FLOATS = ("inf", "-inf", "nan", "infinity", "-infinity")
_WRAPPERS = ("sorted", "set", "list", "tuple", "len", "abs")
"""Built-in functions that a claim may apply to a value before it is compared."""
_COMPARISONS: Mapping[type[ast.cmpop], str] = MappingProxyType({ast.Eq: "eq", ast.NotEq: "ne", ast.Is: "is"})


class NotDataError(Exception):
    """The script is more than data."""


def run(head: dict[str, object], text: str, _: object) -> None:
    """Reports the plan of a script; never returns."""
    try:
        plan = plan_of(text, str(head["entry_point"]))
    except (NotDataError, plain.PlainError, SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        plan = None
    children.write_report({"plan": plan})
    os._exit(0)


def plan_of(text: str, entry_point: str) -> dict[str, object]:
    """The name to be looked for in the solution, and steps: arguments, operation, wrapper and operand of each.

    Raises:
        NotDataError: it is no script of this kind.
    """
    if entry_point in _BUILTINS:
        raise NotDataError
    reader = _Reader(entry_point)
    reader.read(ast.parse(text).body, "")
    if not reader.steps:
        raise NotDataError
    return {"name": reader.target, "steps": reader.steps}


class _Reader:
    """Reads statements; a name that is called must be that of the entry point, or the parameter that stands for it."""

    def __init__(self, entry_point: str) -> None:
        self._entry_point = entry_point
        self._functions: dict[str, ast.FunctionDef] = {}
        self._is_aimed = False
        self.target = ""
        self.steps: list[list[object]] = []

    def read(self, body: list[ast.stmt], parameter: str) -> None:
        """Reads a block; ``parameter`` is empty outside a function."""
        for node in body:
            match node:
                case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Assert(test=ast.Constant(value=True)):
                    continue
                case ast.Assert(test=test):  # what it says where it fails changes nothing but its words
                    self._assertion(test, parameter)
                case ast.Assign(targets=[ast.Name(id=name)], value=value) if not parameter and self._is_free(name):
                    _literal(value)
                case ast.ImportFrom(module="solution", names=names, level=0) if not parameter:
                    if any(one.asname or one.name != self._entry_point for one in names):
                        raise NotDataError
                case ast.Import(names=names) | ast.ImportFrom(names=names, level=0) if not parameter:
                    self._import(node, names)
                case ast.FunctionDef(name=name) if not parameter and self._is_free(name) and name != self._entry_point:
                    self._functions[name] = node
                case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=[target], keywords=[])) if not parameter:
                    self._check(name, target)
                case _:
                    raise NotDataError

    def _import(self, node: ast.stmt, names: list[ast.alias]) -> None:
        """What is imported is not used, or there is no plan."""
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in names]
        if any(module.partition(".")[0] not in sys.stdlib_module_names for module in modules):
            raise NotDataError
        if not all(self._is_free(one.asname or one.name) and one.name != "*" for one in names):
            raise NotDataError

    def _is_free(self, name: str) -> bool:
        """Whether a name means nothing to what is read later."""
        return name not in self._functions and name != self._entry_point and name not in _BUILTINS

    def _check(self, name: str, target: ast.expr) -> None:
        function = self._functions.get(name)
        if function is None or function.decorator_list or function.returns is not None:
            raise NotDataError
        arguments = function.args
        if (
            len(arguments.args) != 1
            or arguments.posonlyargs
            or arguments.kwonlyargs
            or arguments.vararg
            or arguments.kwarg
            or arguments.defaults
            or arguments.args[0].arg in _BUILTINS
        ):
            raise NotDataError
        self._aim(target)
        self.read(function.body, arguments.args[0].arg)

    def _aim(self, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name) if name == self._entry_point:
                found = name
            case ast.Attribute(value=ast.Call(func=ast.Name(id=owner), args=[], keywords=[]), attr=name):
                found = f"{owner}().{name}"
            case _:
                raise NotDataError
        # A second object would be another one.
        if found != self._entry_point or (self._is_aimed and "()" in found):
            raise NotDataError
        self._is_aimed = True

    def _assertion(self, test: ast.expr, parameter: str) -> None:
        for claim in test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else (test,):
            self._claim(claim, parameter)
        if len(self.steps) > _MAX_STEPS:
            raise NotDataError

    def _claim(self, node: ast.expr, parameter: str) -> None:
        match node:
            case ast.Compare(left=left, ops=[operation], comparators=[right]) if type(operation) in _COMPARISONS:
                name = _COMPARISONS[type(operation)]
                if self._is_call(left, parameter):
                    self._add(left, parameter, name, right)
                elif name != "is":
                    self._add(right, parameter, name, left)
                else:
                    raise NotDataError
            case ast.Compare(
                left=ast.Call(func=ast.Name("abs"), args=[ast.BinOp(left, ast.Sub(), right)], keywords=[]),
                ops=[ast.Lt() | ast.LtE() as operation],
                comparators=[bound],
            ):
                value, other = (left, right) if self._is_call(left, parameter) else (right, left)
                operands = [_number(other), _number(bound)]
                self._step(value, parameter, "within" if isinstance(operation, ast.Lt) else "at_most", "", operands)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self._step(operand, parameter, "false", "", None)
            case _:
                self._step(node, parameter, "true", "", None)

    def _is_call(self, node: ast.expr, parameter: str) -> bool:
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in _WRAPPERS and name != parameter:
                return len(node.args) == 1 and self._is_call(node.args[0], parameter)
            case ast.Call(func=ast.Name(id=name)):
                return name in (parameter, self._entry_point)
            case _:
                return False

    def _add(self, node: ast.expr, parameter: str, operation: str, operand: ast.expr) -> None:
        wrapper = ""
        match node:
            case ast.Call(func=ast.Name(id=name), args=[inner], keywords=[]) if name in _WRAPPERS and name != parameter:
                node, wrapper = inner, name
        value = _literal(operand)
        if operation == "is" and value is not None and type(value) is not bool:
            raise NotDataError
        self._step(node, parameter, operation, wrapper, plain.encode(value))

    def _step(self, node: ast.expr, parameter: str, operation: str, wrapper: str, operand: object) -> None:
        match node:
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name in (
                parameter,
                self._entry_point,
            ):
                self.target = self._entry_point
            case _:
                raise NotDataError
        nodes = [plain.encode(_literal(arg)) for arg in args]
        pairs = {}
        for keyword in keywords:
            if keyword.arg is None or keyword.arg in pairs:
                raise NotDataError
            pairs[keyword.arg] = plain.encode(_literal(keyword.value))
        self.steps.append([nodes, pairs, operation, wrapper, operand])


def _number(node: ast.expr) -> object:
    value = _literal(node)
    if type(value) not in (int, float):
        raise NotDataError
    return plain.encode(value)


def _literal(node: ast.expr) -> Any:  # noqa: ANN401 (whatever it is)
    """The value of an expression of literals; arithmetic is bounded.

    Raises:
        NotDataError: it is more, or too large.
    """
    match node:
        case ast.Constant(value=value) if value is not ...:
            return _bounded(value)
        case ast.List(elts=items):
            return [_literal(item) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_literal(item) for item in items)
        case ast.Set(elts=items):
            return _made("set", [_literal(item) for item in items])
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip([key for key in keys if key], values, strict=True)
            return _made("dict", [(_literal(key), _literal(value)) for key, value in pairs])
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return _negative(_literal(operand))
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _SIGNS:
            return _arithmetic(_SIGNS[type(operation)], _literal(left), _literal(right))
        case ast.Call(func=ast.Name(id=name), args=items, keywords=[]):
            return _called(name, [_literal(item) for item in items])
        case _:
            raise NotDataError


def _negative(value: Any) -> object:  # noqa: ANN401
    if type(value) not in (int, float, complex):
        raise NotDataError
    return -value


def _called(name: str, values: list[object]) -> object:
    match name, values:
        case "float", [str(text)] if text.strip().lower() in _FLOATS:
            return float(text)
        case _, [] if name in _MAKERS:
            return _MAKERS[name](())
        case _, [list() | tuple() | set() | str() as value] if name in _MAKERS:
            return _made(name, value)
        case _:
            raise NotDataError


def _made(name: str, items: object) -> object:
    try:
        return _MAKERS[name](items)
    except (TypeError, ValueError) as error:  # it raises in the script too, in a way of its own
        raise NotDataError from error


_MAKERS: Mapping[str, Callable[[Any], object]] = MappingProxyType(
    {"set": set, "frozenset": frozenset, "tuple": tuple, "list": list, "dict": dict}
)
_BUILTINS = frozenset({*_WRAPPERS, *_MAKERS, "float"})
_SIGNS: Mapping[type[ast.operator], str] = MappingProxyType(
    {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Pow: "**", ast.Div: "/"}
)


def _arithmetic(sign: str, left: object, right: object) -> object:
    numbers = isinstance(left, int | float | complex) and isinstance(right, int | float | complex)
    match sign:
        case "-" if numbers:
            return _bounded(left - right)  # type: ignore[operator]
        case "+" if numbers or (type(left) is type(right) and isinstance(left, str | list | tuple | bytes)):
            return _bounded(left + right)  # type: ignore[operator]
        case "*" if numbers:
            return _bounded(left * right)  # type: ignore[operator]
        case "*" if isinstance(left, str | list | tuple | bytes) and type(right) is int:
            if len(left) * max(right, 1) > _LONG:
                raise NotDataError
            return left * right
        case "/" if numbers and right != 0:
            return left / right  # type: ignore[operator]
        case "**" if type(left) is int and type(right) is int and right >= 0:
            if max(left.bit_length(), 1) * right > _INT_BITS:
                raise NotDataError
            return left**right
        case _:
            raise NotDataError


def _bounded(value: object) -> object:
    if type(value) is int and value.bit_length() > _INT_BITS:
        raise NotDataError
    return value
