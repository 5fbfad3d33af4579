r"""Tasks of the math workers: math-verify, with its own clock switched off and its known mistakes caught.

Only a worker imports this module: it loads sympy. Killing a computation that takes too long is the pool's business, so
math-verify's alarms are off (they need a main thread and cannot stop one big-integer operation). Texts reach it only as
LaTeX through its ANTLR grammar, never through an evaluating parser.

Source:
    huggingface/Math-Verify 0.9.0; the mistakes are those of its issues 14, 41, 47 and 60.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from functools import lru_cache

import sympy
from math_verify import parse, verify
from math_verify.parser import LatexExtractionConfig
from sympy.core.random import seed

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

_CONFIG = (LatexExtractionConfig(),)
_CACHED_TEXTS = 512
_PRECISION = 40
_EXACT_TOLERANCE = sympy.Float("1e-12", _PRECISION)
_FLOAT_TOLERANCE = sympy.Float("2e-6", _PRECISION)
_PLAIN_CALL = re.compile(
    r"(?<![a-zA-Z\\])(sqrt|sin|cos|tan|cot|sec|csc|log|ln|exp|pi|infty|infinity|arcsin|arccos|arctan)(?![a-zA-Z])"
)
_PLAIN_ROOT = re.compile(r"\\sqrt ?\(([^()]{1,200})\)")
_SPACED_ROOT = re.compile(r"\\sqrt ?(\d{2,30})")
_COLUMN = re.compile(r"\\begin\{[pb]matrix\}([^&]*)\\end\{[pb]matrix\}")
_LONE_T = re.compile(r"(\\(?:sin|cos|tan|cot|sec|csc|ln|log)(?:\^\{?-?\d\}?)?) ?t(?![a-zA-Z])")
_DEGREES = re.compile(r"(?:[a-zA-Z] ?= ?)?(-?\d{1,9}(?:\.\d{1,9})?)\^\\circ")
_PLAIN_EXP = re.compile(r"\\exp ?\(([^()]{1,200})\)")
_MIXED = re.compile(r"(?<![\d.^_{/])(\d{1,9}) (\d{1,9})/(\d{1,9})(?!\d)")


def equal(payload: Mapping[str, str]) -> dict[str, Json]:
    """Whether ``answer`` equals ``gold``: ``{"equal": bool}``, or ``{"error": which}`` where one could not be read."""
    seed(0)
    try:
        gold_text, answer_text = _alike(payload["gold"], payload["answer"])
        gold, answer = _parsed(gold_text), _parsed(answer_text)
        if not gold:
            return {"error": "unparseable_gold"}
        if not answer:
            return {"error": "unparseable_answer"}
        is_equal = verify(list(gold), list(answer), timeout_seconds=None, allow_set_relation_comp=True)
        is_equal = is_equal and not _is_mistake(gold[0], answer[0])
    except (RecursionError, OverflowError):
        return {"error": "too_complex"}
    return {"equal": bool(is_equal)}


def can_parse(payload: str) -> bool:
    """Whether math-verify reads this text as mathematics."""
    try:
        return bool(_parsed(payload))
    except (RecursionError, OverflowError):
        return False


def _alike(gold: str, answer: str) -> tuple[str, str]:
    """A column vector beside a tuple is written as one, and degrees beside radians as radians."""
    if "\\pi" in gold and "\\circ" not in gold:
        answer = _in_radians(answer)
    elif "\\pi" in answer and "\\circ" not in answer:
        gold = _in_radians(gold)
    columns = [_COLUMN.fullmatch(text) for text in (gold, answer)]
    if (columns[0] is None) == (columns[1] is None):
        return gold, answer
    first, second = (
        f"({', '.join(row.strip() for row in column[1].split(chr(92) * 2) if row.strip())})" if column else text
        for column, text in zip(columns, (gold, answer), strict=True)
    )
    return first, second


def _in_radians(text: str) -> str:
    degrees = _DEGREES.fullmatch(text)
    return rf"\frac{{{degrees[1]}\pi}}{{180}}" if degrees else text


@lru_cache(maxsize=_CACHED_TEXTS)
def _parsed(normal: str) -> tuple[object, ...]:
    """What math-verify reads in the whole text; empty where it reads nothing but the string itself."""
    for library in ("math_verify", "latex2sympy2_extended"):
        # They complain of each parse without a time-out of their own; the time-out here is the worker's.
        logging.getLogger(library).setLevel(logging.CRITICAL)
    found = parse(
        f"${as_latex(normal)}$", extraction_config=_CONFIG, parsing_timeout=None, extraction_mode="first_match"
    )
    return tuple(found) if any(not isinstance(one, str) for one in found) else ()


def as_latex(normal: str) -> str:
    """Plain writing such as ``2*sqrt(3)`` as the LaTeX that the grammar knows."""
    text = normal.replace("**", "^").replace("*", r" \cdot ").replace("$", "")
    text = text.replace("\\langle", "(").replace("\\rangle", ")")
    text = _PLAIN_CALL.sub(lambda word: rf"\{'infty' if word[1] == 'infinity' else word[1]} ", text)
    text = _PLAIN_ROOT.sub(r"\\sqrt{\1}", text)
    text = _SPACED_ROOT.sub(r"\\sqrt{\1}", text)
    text = _LONE_T.sub(r"\1{t}", text)  # the grammar takes a bare t for the begin of a word
    text = _PLAIN_EXP.sub(r"e^{\1}", text)
    return _MIXED.sub(r"\1\\frac{\2}{\3}", text)


def _is_mistake(gold: object, answer: object) -> bool:
    """Whether math-verify's "equal" is one that we know to be wrong."""
    if isinstance(gold, sympy.Eq) and isinstance(answer, sympy.Eq):
        return _is_vacuous(gold, answer)
    if isinstance(gold, sympy.Expr) and isinstance(answer, sympy.Expr):
        return _is_far(gold, answer)
    return False


def _is_vacuous(gold: sympy.Eq, answer: sympy.Eq) -> bool:
    """Equations without real solutions are all equal to math-verify; only a constant factor makes them so."""
    one, other = gold.lhs - gold.rhs, answer.lhs - answer.rhs
    if not one.free_symbols or not other.free_symbols:
        return one.free_symbols != other.free_symbols or _is_far(gold.rhs, answer.rhs)
    ratio = sympy.simplify(one / other)
    if ratio.is_number and ratio != 0:
        return False
    if len(one.free_symbols) != 1:
        return False
    return not sympy.solve(gold, *one.free_symbols)


def _is_far(gold: sympy.Expr, answer: sympy.Expr) -> bool:
    """math-verify rounds to six decimals, so that all tiny numbers are equal; here the error is relative."""
    if not gold.is_number or not answer.is_number:
        return False
    one, other = (sympy.N(value.doit(), _PRECISION, maxn=2000) for value in (gold, answer))
    if not (one.is_finite and other.is_finite):
        return False
    if not (abs(one).is_comparable and abs(other).is_comparable):
        return False
    largest = max(abs(one), abs(other))
    has_float = gold.has(sympy.Float) or answer.has(sympy.Float)
    tolerance = _FLOAT_TOLERANCE if has_float else _EXACT_TOLERANCE
    return bool(abs(one - other) > tolerance * largest)
