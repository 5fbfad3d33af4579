r"""Cuts the text of an answer into signs: numbers, letters, commands of LaTeX, and words that are read as mathematics.

``sinx`` is a function and a letter, ``xy`` two letters, ``apples`` a word. Nothing is left out: a command or sign that
is not known raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from verifier.equivalence.limits import MAX_DIGITS
from verifier.equivalence.numbers import repeating
from verifier.equivalence.units import read_unit

Node = tuple[Any, ...]
"""See ``syntax``."""
MAX_TOKENS = 1500


class NotReadError(ValueError):
    """The text is no mathematics that we read."""


class Token(NamedTuple):
    """One sign.

    Args:
        kind: ``num``, ``var``, ``const``, ``func``, ``text``, ``sep``, ``set``, ``begin``, ``end``, or the sign itself.
        value: of numbers a node, else a text.
        is_apart: whether a space stands before it.
    """

    kind: str
    value: Any
    is_apart: bool = False


_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    |(?P<cycle>\d*\.\d*\\overline\ ?\{\ ?\d{1,40}\ ?\}|\d*\.\d*\\dot\ ?(?:\{\d\}|\d))
    |(?P<power>\d+(?:\.\d+)?[eE][+-]?\d{1,4}(?![\d.a-zA-Z]))
    |(?P<num>\d+(?:\.\d+)?|\.\d+)
    |(?P<text>\\(?:text|mathrm|operatorname|mathit)\*?\ ?\{[^{}]*\})
    |(?P<set>\\mathbb\ ?\{?\ ?[A-Z]\ ?\}?)
    |(?P<env>\\(?:begin|end)\ ?\{[a-zA-Z]+\*?\}(?:\ ?\{[clr|\ ]*\})?)
    |(?P<money>\\?\$(?=\ ?[\d.(])|[€£¥](?=\ ?[\d.(]))
    |(?P<command>\\[a-zA-Z]+|\\.)
    |(?P<word>[A-Za-z]+)
    |(?P<han>或者?|和|且|[\u4e00-\u9fff]+)
    |(?P<sign><=|>=|!=|=>|\*\*|[-+*/^_!%&|(){}\[\],;:=<>'])
    """,
    re.VERBOSE | re.DOTALL,
)


def _set_of(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_FUNCTIONS = _set_of(
    "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot arcsec arccsc arcsinh arccosh",
    "arctanh asin acos atan log ln lg exp sqrt abs gcd lcm max min floor ceil sgn det",
)
_SAME: Mapping[str, str] = MappingProxyType(
    {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "Re": "re", "Im": "im"}
)
_GREEK = _set_of(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma tau",
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell hbar",
)
_CONSTANTS: Mapping[str, str] = MappingProxyType(
    {"pi": "pi", "infty": "inf", "infinity": "inf", "oo": "inf", "inf": "inf"}
)
_WORDS = {*_FUNCTIONS, *_GREEK, *_CONSTANTS, "Infinity"}
_NOT_IN_RUN = _set_of("abs min max det exp nu xi mu eta chi psi rho tau ell phi")
"""Too short, or too much like letters side by side, to be looked for in a run of them."""
_IN_RUN = re.compile(
    "|".join(sorted({*_FUNCTIONS, *_GREEK, "pi"} - _NOT_IN_RUN, key=lambda word: (-len(word), word))) + "|[a-zA-Z]"
)
_SIGNS: Mapping[str, str] = MappingProxyType(
    {
        "cdot": "*", "times": "*", "ast": "*", "div": "/", "le": "le", "ge": "ge", "lt": "<", "gt": ">", "ne": "ne",
        "approx": "approx", "simeq": "approx", "equiv": "=", "bmod": "mod", "choose": "choose", "in": "in",
        "notin": "notin", "wedge": "and", "land": "and", "lor": "or", "vee": "or", "cup": "cup", "cupdot": "cup",
        "sqcup": "cup", "bigcup": "cup", "cap": "cap", "setminus": "without", "backslash": "without", "pm": "pm",
        "mp": "mp", "mid": "mid", "vert": "|", "lfloor": "lfloor", "rfloor": "rfloor", "lceil": "lceil",
        "rceil": "rceil",
        "langle": "(", "rangle": ")", "colon": ":", "prime": "'", "{": "lbrace", "}": "rbrace", "%": "%", "|": "|",
        "circ": "circ", "frac": "frac", "sqrt": "sqrt", "binom": "binom", "newline": "row", "\\": "row", "cr": "row",
        "lbrack": "[", "rbrack": "]", "degree": "degree", "implies": "bad", "to": "bad",
    }
)  # fmt: skip
_IDLE = frozenset({*",;: !", *_set_of("quad qquad displaystyle rm bf left right limits")})
_MARKED = frozenset({"vec", "mathbf", "boldsymbol", "hat", "bm", "mathcal", "overrightarrow", "bar", "tilde", "mathsf"})
_PLAIN_SIGNS: Mapping[str, str] = MappingProxyType({"<=": "le", ">=": "ge", "!=": "ne", "**": "^"})
_SEPARATORS = frozenset({"or", "and", "或", "和", "或者", ", or", ", and", ",or", ",and"})
_LONG_WORD = 4


def tokens_of(text: str) -> list[Token]:
    """The signs of a text.

    Raises:
        NotReadError: it holds one that is not known, or too many.
    """
    found: list[Token] = []
    is_apart = False
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or len(found) > MAX_TOKENS:
            raise NotReadError(f"a sign that is not read: {text[at : at + 8]!r}")
        at = match.end()
        kind = match.lastgroup or ""
        if kind in ("space", "money"):
            is_apart = True
            continue
        value = match.group()
        if kind == "sign":
            if value == "!=" and found and not is_apart and found[-1].kind in ("num", ")"):
                found.append(Token("!", "!"))  # 3!=6
                value = "="
            found.append(Token(_PLAIN_SIGNS.get(value, value), value, is_apart))
        elif kind == "num":
            if value.startswith(".") and found and found[-1].kind == "num" and not is_apart:
                raise NotReadError("a number with two points")
            found.append(Token("num", _number(value), is_apart))
        else:
            found += _READERS[kind](value, is_apart, found)
        is_apart = False
    return found


def _number(digits: str) -> Node:
    if len(digits) > MAX_DIGITS:
        raise NotReadError("too many digits")
    whole, point, places = digits.partition(".")
    if not point:
        return ("num", Fraction(int(whole)), None)
    shown = places.rstrip("0")
    return ("num", Fraction(int((whole + places) or "0"), 10 ** len(places)), len(places) if shown else None)


def _cycle(value: str, is_apart: bool, _: list[Token]) -> list[Token]:  # noqa: FBT001
    head, tail = re.split(r"\\overline|\\dot", value)
    whole, _point, places = head.partition(".")
    cycle = tail.strip(" {}")
    return [Token("num", ("num", repeating(whole, places, cycle), None), is_apart)]


def _power(value: str, is_apart: bool, _: list[Token]) -> list[Token]:  # noqa: FBT001
    digits, exponent = re.split("[eE]", value)
    if abs(int(exponent)) > MAX_DIGITS:
        raise NotReadError("an exponent too large")
    kind, number, places = _number(digits)
    shown = None if places is None else max(places - int(exponent), 0) or None
    return [Token("num", (kind, number * Fraction(10) ** int(exponent), shown), is_apart)]


def _text(value: str, is_apart: bool, _: list[Token]) -> list[Token]:  # noqa: FBT001
    words = " ".join(value[value.index("{") + 1 : -1].split())
    if not words:
        return []
    if words.casefold().strip(" ,") in _SEPARATORS:
        return [Token("sep", words, is_apart)]
    if words in _FUNCTIONS:
        return [Token("func", _SAME.get(words, words), is_apart)]
    if value.startswith("\\operatorname"):
        return [Token("func" if words in ("Re", "Im", "sgn") else "var", _SAME.get(words, words), is_apart)]
    return (
        [Token("var", words, is_apart)] if len(words) == 1 and words not in "mslg" else [Token("text", words, is_apart)]
    )


def _set(value: str, is_apart: bool, _: list[Token]) -> list[Token]:  # noqa: FBT001
    return [Token("set", next(sign for sign in value[7:] if sign.isupper()), is_apart)]


def _env(value: str, is_apart: bool, _: list[Token]) -> list[Token]:  # noqa: FBT001
    name = value[value.index("{") + 1 : value.index("}")]
    return [Token("begin" if value.startswith("\\b") else "end", name, is_apart)]


def _command(value: str, is_apart: bool, _: list[Token]) -> list[Token]:  # noqa: C901, FBT001 (one case a kind)
    name = value[1:]
    if name in _SIGNS:
        return [Token(_SIGNS[name], name, is_apart)]
    if name in _FUNCTIONS:
        return [Token("func", name, is_apart)]
    if name in _CONSTANTS:
        return [Token("const", _CONSTANTS[name], is_apart)]
    if name in _GREEK:
        return [Token("var", name, is_apart)]
    if name in _IDLE:
        return []
    if name == "emptyset":
        return [Token("set", "empty", is_apart)]
    if name in _MARKED:
        return [Token("mark", name, is_apart)]
    if name in ("angle", "triangle"):
        return [Token("var", name, is_apart)]
    if name == "*":
        return [Token("*", name, is_apart)]
    if name[:-1] in _FUNCTIONS and name[-1].isalpha():  # a space was forgotten
        return [Token("func", _SAME.get(name[:-1], name[:-1]), is_apart), _letter(name[-1], is_apart=False)]
    raise NotReadError(f"a command that is not read: {value}")


def _word(value: str, is_apart: bool, found: list[Token]) -> list[Token]:  # noqa: FBT001
    if len(value) == 1:
        return [_letter(value, is_apart)]
    if value.casefold() in ("or", "and"):
        return [Token("sep", value, is_apart)]
    if value in _WORDS:
        return [_named(value, is_apart)]
    if found and found[-1].kind in ("num", ")", "}", "const", "!") and read_unit(value) is not None:
        return [Token("text", value, is_apart)]
    parts = _IN_RUN.findall(value)
    if len(value) >= _LONG_WORD and all(len(part) == 1 for part in parts):
        return [Token("text", value, is_apart)]
    tokens = [_named(part, False) if len(part) > 1 else _letter(part, False) for part in parts]  # noqa: FBT003
    return [tokens[0]._replace(is_apart=is_apart), *tokens[1:]]


def _han(value: str, is_apart: bool, _: list[Token]) -> list[Token]:  # noqa: FBT001
    return [Token("sep" if value in ("或", "或者", "和", "且") else "text", value, is_apart)]


def _named(name: str, is_apart: bool) -> Token:  # noqa: FBT001
    if name in _FUNCTIONS:
        return Token("sqrt" if name == "sqrt" else "func", _SAME.get(name, name), is_apart)
    if name in _GREEK:
        return Token("var", name, is_apart)
    return Token("const", _CONSTANTS.get(name.casefold(), name), is_apart)


def _letter(letter: str, is_apart: bool) -> Token:  # noqa: FBT001
    return Token("const" if letter in "ei" else "var", letter, is_apart)


_READERS = MappingProxyType(
    {
        "cycle": _cycle,
        "power": _power,
        "text": _text,
        "set": _set,
        "env": _env,
        "command": _command,
        "word": _word,
        "han": _han,
    }
)
