r"""Reads an answer as mathematics: LaTeX, plain text or a mixture, the whole of it or nothing.

Nothing is computed here and nothing is left out: a text of which a part cannot be read raises. Length, digits and
nesting are bounded, so that reading is cheap whatever the text says. Nodes are tuples whose first item is their kind:

========== ==================================================================================================
num        value (``Fraction``), decimal places shown or None
const      ``pi``, ``e``, ``i`` or ``inf``
var        name, with its subscript and primes
sum, prod  items; ``neg`` x, ``div`` a b, ``pow`` a b, ``root`` degree x, ``fact`` x, ``abs`` x
call       name, arguments
pm, mp     x, a term of a sum that is added in one reading and taken away in another
percent    x; ``degree`` x; ``unit`` x words power
seq        opening bracket, closing bracket, items: a tuple, a vector or an interval
bag        items, whether in braces: a set, or a list without brackets
matrix     rows
cases      rows of a value and its condition; the last may be a value alone, for all else
rel        operands, relations between them; ``both`` and ``any`` items that hold together, or one of them
in         x, set; ``builder`` condition; ``cup`` and ``cap`` items; ``without`` a b; ``known`` name of a set
ratio      items
text       words
========== ==================================================================================================
"""

from __future__ import annotations

import re
from fractions import Fraction
from types import MappingProxyType

from verifier.equivalence.limits import MAX_ANSWER_CHARS
from verifier.equivalence.signs import Node, NotReadError, Token, tokens_of

MAX_DEPTH = 50
_MAX_LEVELS = 160
"""Tuples within tuples; a level of what is written comes to two or three."""
_RELATIONS = frozenset({"=", "<", ">", "le", "ge", "ne", "approx"})
_OPENERS = frozenset(
    {"num", "var", "const", "func", "frac", "sqrt", "binom", "(", "[", "{", "lbrace", "lfloor", "lceil", "set", "begin"}
)
"""Signs with which a factor begins that may stand beside another without a sign between them."""
_BOTH = frozenset({"and", "和", "且", "land", "wedge"})
_CHANGING_MARKS = frozenset({"bar", "hat", "tilde"})
_FUNCTION_LETTERS = frozenset("fghFGHPQ")
_UNIT_VECTORS = frozenset("ijk")
_OF_VECTORS = frozenset({"vec", "mathbf", "boldsymbol", "hat", "bm", "overrightarrow"})
_BASES = range(2, 37)
_CASES = frozenset({"cases", "dcases", "rcases"})
_OTHERWISE = frozenset({"otherwise", "else", "其他", "其它", "否则"})
_CONDITION_WORDS = _OTHERWISE | {"", "if", "for", "when", "where", "for all", "while", "当", "若", "如果"}


def read(text: str, *, has_groups: bool = False) -> Node:
    """The answer that a normalised text is.

    Args:
        text: from ``normal.normalise``.
        has_groups: whether ``1,234`` is one number, which only the reader of the whole can know.

    Raises:
        NotReadError: it is none, or too much.
    """
    if len(text) > MAX_ANSWER_CHARS:
        raise NotReadError("too long")
    parser = _Parser(tokens_of(_grouped(text) if has_groups else text))
    try:
        node = parser.answer()
    except RecursionError as error:
        raise NotReadError("nested too deeply") from error
    if parser.kind != "":
        raise NotReadError(f"unread: {parser.kind}")
    if _is_deep(node):
        raise NotReadError("nested too deeply")
    return node


def _is_deep(node: Node) -> bool:
    """Whether a node is nested so deeply, as by a long row of divisions, that what works on it would not come back."""
    level: list[Node] = [node]
    for _ in range(_MAX_LEVELS):
        level = [part for one in level for part in one if isinstance(part, tuple)]
        if not level:
            return False
    return True


_ZEROS = re.compile(r"\d,0\d\d(?!\d)")
"""A group of three that is no number by itself."""
_GROUPS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!,?\d)")


def group_readings(text: str) -> tuple[bool, ...]:
    """With which values of ``has_groups`` a text is to be read."""
    if "," not in text or _GROUPS.search(text) is None:
        return (False,)
    return (True,) if _ZEROS.search(text) else (True, False)


def _grouped(text: str) -> str:
    """Numbers of which groups of three are one number; such a pair in brackets of its own is a pair."""

    def joined(found: re.Match[str]) -> str:
        before, after = text[: found.start()].rstrip("-+ "), text[found.end() :]
        is_pair = before.endswith(("(", "[")) and after.startswith((")", "]"))
        return found[0] if is_pair else found[0].replace(",", "")

    return _GROUPS.sub(joined, text)


class _Parser:
    """Recursive descent; ``kind`` is that of the next sign, empty at the end."""

    def __init__(self, tokens: list[Token]) -> None:
        letters = {token.value for token in tokens if token.kind in ("var", "const")}
        if {"i", "j"} <= letters <= _UNIT_VECTORS:  # nothing but a vector says i and j
            tokens = [
                token._replace(kind="var", value=f"\0{token.value}") if token.kind in ("var", "const") else token
                for token in tokens
            ]
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._bars = 0
        self._is_set = False
        self._has_vectors = sum(token.kind == "mark" and token.value in _OF_VECTORS for token in tokens) > 1
        self.kind = tokens[0].kind if tokens else ""

    def _next(self) -> Token:
        if self._at >= len(self._tokens):
            raise NotReadError("the text ends too early")
        token = self._tokens[self._at]
        self._at += 1
        self.kind = self._tokens[self._at].kind if self._at < len(self._tokens) else ""
        return token

    def _peek(self, ahead: int = 1) -> str:
        at = self._at + ahead
        return self._tokens[at].kind if at < len(self._tokens) else ""

    def _expect(self, *kinds: str) -> str:
        if self.kind not in kinds:
            raise NotReadError(f"expected {kinds[0]}, found {self.kind or 'the end'}")
        return self._next().kind

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise NotReadError("nested too deeply")

    # lists and relations

    def answer(self) -> Node:
        """All of it: one item, or a list."""
        items = self._items()
        if self.kind == "choose" and len(items) == 1:
            self._next()
            items = [("call", "binom", (items[0], self._sum()))]
        return items[0] if len(items) == 1 else ("bag", tuple(items), False)

    def _items(self) -> list[Node]:
        items = [self._item()]
        is_both = is_any = is_logic = is_comma = False
        while self.kind in (",", ";", "sep", "and", "or"):
            while self.kind in (",", ";", "sep", "and", "or"):
                is_comma = self.kind in (",", ";")
                is_logic = is_logic or self.kind in ("and", "or")
                is_this_both = self._is_both()
                is_both = is_both or is_this_both
                is_any = is_any or not (is_this_both or is_comma)
            if is_comma and self.kind in ("", ")", "]", "rbrace", "}", "row", "end"):
                break
            items.append(self._item())
        if is_logic and any(item[0] != "rel" for item in items):
            raise NotReadError("a sentence of logic")
        if is_both != is_any and all(is_inequality(item) for item in items):
            return [("both" if is_both else "any", tuple(items))]
        if is_both and any(is_inequality(item) for item in items):
            raise NotReadError("inequalities that hold together")
        return items

    def _is_both(self) -> bool:
        """Takes a separator; whether it says that what it parts holds together."""
        return str(self._next().value).casefold().strip(" ,") in _BOTH

    def _item(self) -> Node:
        self._enter()
        operands, relations = [self._union()], []
        while self.kind in _RELATIONS:
            relations.append(self._next().kind)
            operands.append(self._union())
        self._depth -= 1
        node = ("rel", tuple(operands), tuple(relations)) if relations else operands[0]
        if self.kind in ("in", "notin"):
            kind = self._next().kind
            node = (kind, node, self._union())
        return node

    def _union(self) -> Node:
        node = self._ratio()
        while self.kind in ("cup", "cap", "without"):
            kind = self._next().kind
            other = self._ratio()
            if kind == "without":
                node = ("without", node, other)
            elif node[0] == kind:
                node = (kind, (*node[1], other))
            else:
                node = (kind, (node, other))
        return node

    def _ratio(self) -> Node:
        node = self._measured()
        if self.kind != ":" or self._is_set:
            return node
        items = [node]
        while self.kind == ":":
            self._next()
            items.append(self._measured())
        return ("ratio", tuple(items))

    def _measured(self) -> Node:
        """A sum with the words after it."""
        if self.kind == "text":
            words = self._words()
            if self.kind == "=":
                return ("label", words)
            if self.kind != ":":
                return ("text", words)
            self._next()
            return ("rel", (("label", words), self._measured()), ("=",))
        node = self._sum()
        if self.kind == "text":
            words = self._words()
            power = 1
            if self.kind == "^":
                self._next()
                power = self._small()
            node = ("unit", node, words, power)
        return node

    def _words(self) -> str:
        words = []
        while self.kind == "text":
            words.append(self._next().value)
        return " ".join(words)

    def _small(self) -> int:
        is_braced = self.kind == "{"
        if is_braced:
            self._next()
        sign = -1 if self.kind == "-" else 1
        if sign < 0:
            self._next()
        if self.kind != "num":
            raise NotReadError("expected a number")
        value = self._next().value[1]
        if is_braced:
            self._expect("}")
        if value.denominator != 1 or value > 10:  # noqa: PLR2004
            raise NotReadError("a power of a unit")
        return sign * int(value)

    # sums, products, powers

    def _sum(self) -> Node:
        items = []
        sign = self._sign()
        node = self._product()
        items.append(_signed(sign, node))
        while self.kind in ("+", "-", "pm", "mp"):
            sign = self._sign()
            items.append(_signed(sign, self._product()))
        return items[0] if len(items) == 1 else ("sum", tuple(items))

    def _sign(self) -> str:
        """The signs before a term, as one: empty, ``-``, ``pm`` or ``mp``."""
        sign = ""
        while self.kind in ("+", "-", "pm", "mp"):
            kind = self._next().kind
            if kind == "-":
                sign = {"": "-", "-": "", "pm": "mp", "mp": "pm"}[sign]
            elif kind != "+":
                sign = kind if sign == "" else {"pm": "mp", "mp": "pm"}[kind]
        return sign

    def _product(self) -> Node:
        node = self._power()
        is_whole = node[0] == "num" and node[2] is None and node[1].denominator == 1
        while True:
            if self.kind == "mod":
                self._next()
                node = ("mod", node, self._power())
            elif self.kind in ("*", "/"):
                sign_token = self._next()
                kind = sign_token.kind
                sign = self._sign()
                other = _signed(sign, self._power())
                if sign_token.value == "times" and self._has_vectors:
                    raise NotReadError("a product of vectors")
                node = ("div", node, other) if kind == "/" else _times(node, other)
            elif self.kind in _OPENERS or (self.kind == "|" and not self._bars) or self.kind == "mark":
                node = self._beside(node, is_whole=is_whole)
            else:
                return node
            is_whole = False

    def _beside(self, node: Node, *, is_whole: bool) -> Node:
        """A factor with the one that stands beside it without a sign."""
        if is_whole and self.kind == "frac":
            return _mixed(node, self._power())
        if self.kind == "num" and self._tokens[self._at - 1].kind == ")":
            raise NotReadError("a number after a bracket")
        if self.kind == "num" and self._tokens[self._at - 1].kind == "!":
            return _times(node, self._power())  # 3!7!
        if self.kind == "num" and not (node[0] in ("pow", "prod") and self._is_after_power):  # as in (-1)^n2^n
            return self._after_number(node, is_whole=is_whole)
        if self.kind == "(" and node[0] == "var" and self._is_function(node[1]) and not self._is_apart:
            return self._applied(node)
        return _times(node, self._power())

    @property
    def _is_after_power(self) -> bool:
        """Whether the last sign was a whole exponent, such as n, without a space after it."""
        before = [token.kind for token in self._tokens[max(self._at - 2, 0) : self._at]]
        return before == ["^", "var"] and not self._is_apart

    @property
    def _is_apart(self) -> bool:
        return self._tokens[self._at].is_apart

    def _is_function(self, name: str) -> bool:
        """Whether a letter before a bracket is a function: by its name, or because that is what ``y(x)=`` defines."""
        if name[0] in _FUNCTION_LETTERS:
            return True
        at = self._at + 1
        while at + 1 < len(self._tokens) and self._tokens[at].kind == "var" and self._tokens[at + 1].kind == ",":
            at += 2
        kinds = [token.kind for token in self._tokens[at : at + 3]]
        return kinds == ["var", ")", "="]

    def _applied(self, node: Node) -> Node:
        """``f(x)`` of names is a function's value; else a product."""
        at, kind = self._at, self.kind
        group = self._after(self._read_group())
        arguments = group[3] if group[0] == "seq" else (group,)
        if all(one[0] in ("var", "num", "apply") for one in arguments):
            if self.kind == "^":
                raise NotReadError("a power of a function")
            return ("apply", node[1], tuple(arguments))
        self._at, self.kind = at, kind
        return _times(node, self._power())

    def _after_number(self, node: Node, *, is_whole: bool) -> Node:
        """A number beside another: the part of a mixed number, or a group of three digits."""
        token = self._next()
        value, places = token.value[1], token.value[2]
        if is_whole and token.is_apart and self.kind == "/" and self._peek() == "num" and places is None:
            self._next()
            bottom = self._next().value[1]
            if bottom and bottom.denominator == 1 and value < bottom:
                return ("num", node[1] + value / bottom, None)
        if is_whole and token.is_apart and places is None and 100 <= value < 1000:  # noqa: PLR2004
            return ("num", node[1] * 1000 + value, None)
        raise NotReadError("two numbers side by side")

    def _power(self) -> Node:
        node = self._postfix()
        if self.kind != "^":
            return node
        self._next()
        if self.kind == "circ":
            self._next()
            return self._with_minutes(("degree", node))
        if self.kind == "'":
            return self._primed(node)
        self._enter()
        if node[0] == "var" and [self._peek(ahead) for ahead in range(5)] == ["{", "(", "num", ")", "}"]:
            raise NotReadError("a derivative")
        sign = self._sign()
        exponent = self._braced() if self.kind == "{" else self._power()
        self._depth -= 1
        if exponent == ("degree-sign",):
            return ("degree", node)
        node = ("pow", node, _signed(sign, exponent))
        return self._after(node)

    def _with_minutes(self, node: Node) -> Node:
        """Degrees with the minutes and seconds after them."""
        size = 60
        while self.kind == "num" and self._peek() == "'":
            part = self._next().value
            marks = 0
            while self.kind == "'":
                self._next()
                marks += 1
            node = ("degree", ("sum", (node[1], ("num", part[1] / (size if marks == 1 else 60 * size), None))))
        return node

    def _primed(self, node: Node) -> Node:
        name = node[1] if node[0] == "var" else ""
        while self.kind == "'":
            self._next()
            name += "'"
        if node[0] != "var":
            raise NotReadError("a prime")
        return ("var", name)

    def _postfix(self) -> Node:
        return self._after(self._primary())

    def _after(self, node: Node) -> Node:
        while True:
            if self.kind == "!":
                self._next()
                if self.kind == "!":
                    raise NotReadError("a double factorial")
                node = ("fact", node)
            elif self.kind == "%":
                self._next()
                node = ("percent", node)
            elif self.kind == "degree":
                self._next()
                node = self._with_minutes(("degree", node))
            elif self.kind == "'" and node[0] == "var":
                node = self._primed(node)
            else:
                return node

    def _braced(self) -> Node:
        """What is in braces that only hold together."""
        self._expect("{")
        self._enter()
        if self.kind == "circ" and self._peek() == "}":
            self._next()
            self._next()
            self._depth -= 1
            return ("degree-sign",)
        bars, self._bars = self._bars, 0
        items = self._items()
        self._bars = bars
        if self.kind == "choose" and len(items) == 1:
            self._next()
            items = [("call", "binom", (items[0], self._sum()))]
        self._expect("}")
        self._depth -= 1
        return items[0] if len(items) == 1 else ("bag", tuple(items), False)

    def _argument(self, *, is_digit: bool = True) -> Node:
        """The argument of a command: in braces, or one sign."""
        if self.kind == "{":
            return self._braced()
        if self.kind == "num":
            token = self._tokens[self._at]
            _, value, places = token.value
            if is_digit and places is None and value >= 10:  # noqa: PLR2004 (one digit is the argument)
                digits = str(value.numerator)
                self._tokens[self._at] = Token("num", ("num", Fraction(int(digits[1:])), None), is_apart=False)
                return ("num", Fraction(int(digits[0])), None)
            self._next()
            return ("num", value, places)
        if self.kind in ("var", "const"):
            return self._primary()
        if self.kind in ("frac", "sqrt", "mark", "(") or (not is_digit and self.kind == "|"):
            return self._primary()
        raise NotReadError("an argument is missing")

    def _primary(self) -> Node:
        reader = self._READERS.get(self.kind)
        if reader is None:
            raise NotReadError(f"expected a value, found {self.kind or 'the end'}")
        self._enter()
        node = reader(self)
        self._depth -= 1
        return node

    def _read_number(self) -> Node:
        node: Node = self._next().value
        if self.kind == "_":
            return self._based(node)
        return node

    def _based(self, node: Node) -> Node:
        self._next()
        base = self._braced() if self.kind == "{" else self._argument(is_digit=False)
        if base[0] != "num" or base[1] not in _BASES or node[2] is not None or node[1].denominator != 1:
            raise NotReadError("a base")
        value = 0
        for digit in str(node[1].numerator):
            if int(digit) >= base[1]:
                raise NotReadError("a digit that its base does not have")
            value = value * int(base[1]) + int(digit)
        return ("num", Fraction(value), None)

    def _read_variable(self) -> Node:
        name = self._next().value
        if name == "C" and self.kind in ("_", "^"):
            chosen = self._read_combination()
            if chosen is not None:
                return chosen
        while self.kind in ("_", "'"):
            if self._next().kind == "'":
                name += "'"
            else:
                name += "_" + self._subscript()
        return ("var", name)

    def _read_combination(self) -> Node | None:
        """``C_n^k``, which is read as "n choose k"; None where it is a name."""
        at, kind = self._at, self.kind
        parts: dict[str, Node] = {}
        for _ in range(2):
            if self.kind in ("_", "^") and self.kind not in parts:
                sign = self._next().kind
                if self.kind not in ("{", "num", "var"):
                    break
                parts[sign] = self._argument()
        if len(parts) == 2 and all(one[0] in ("num", "var", "sum") for one in parts.values()):  # noqa: PLR2004
            return ("call", "binom", (parts["_"], parts["^"]))
        self._at, self.kind = at, kind
        return None

    def _subscript(self) -> str:
        if self.kind == "{":
            self._next()
            text = ""
            while self.kind not in ("}", ""):
                token = self._next()
                text += str(token.value[1]) if token.kind == "num" else str(token.value)
            self._expect("}")
            return text
        if self.kind not in ("num", "var", "const", "text"):
            raise NotReadError("a subscript")
        token = self._next()
        return str(token.value[1]) if token.kind == "num" else str(token.value)

    def _read_constant(self) -> Node:
        name = self._next().value
        if self.kind == "_":
            self._next()
            return ("var", f"{name}_{self._subscript()}")
        return ("const", name)

    def _read_set(self) -> Node:
        name = self._next().value
        if self.kind == "^" and name != "empty":
            self._next()
            mark = self._next().kind
            if mark == "{":
                mark = self._next().kind
                self._expect("}")
            if mark not in ("+", "-", "*"):
                raise NotReadError("a set of numbers")
            name += mark
        elif self.kind == "_" and name != "empty":
            self._next()
            name += "_" + self._subscript()
        return ("known", name)

    def _read_mark(self) -> Node:
        """A letter with an arrow or in bold; one with a bar or a hat is another."""
        mark = self._next().value
        node = self._argument()
        if node[0] == "var" or (node[0] == "const" and node[1] in "ei"):
            if str(node[1]).startswith("\0"):
                return node
            name = str(node[1]) if mark not in _CHANGING_MARKS else f"{mark} {node[1]}"
            if str(node[1]) in _UNIT_VECTORS and mark in _OF_VECTORS:
                return ("var", f"\0{node[1]}")
            while self.kind == "_":
                self._next()
                name += "_" + self._subscript()
            return ("var", name)
        raise NotReadError("a marked letter")

    def _read_group(self) -> Node:
        opener = self._next().kind
        bars, self._bars = self._bars, 0
        items = self._items()
        self._bars = bars
        closer = self._expect(")", "]")
        if len(items) == 1 and (opener == "(") != (closer == ")"):
            raise NotReadError("brackets that do not match")
        if len(items) == 1 and not (items[0][0] == "rel" and closer == "]"):
            return items[0]
        return ("seq", opener, closer, tuple(items))

    def _read_braced_set(self) -> Node:
        self._next()
        bars, self._bars = self._bars, 1
        self._is_set = True
        if self.kind == "rbrace":
            self._next()
            self._bars, self._is_set = bars, False
            return ("known", "empty")
        items = self._items()
        self._bars, self._is_set = bars, False
        if self.kind in ("mid", "|", ":") and len(items) == 1:
            self._next()
            conditions = self._items()
            self._expect("rbrace")
            return ("builder", items[0], tuple(conditions))
        if len(items) == 1 and items[0][0] == "ratio":
            raise NotReadError("a set by a condition")
        self._expect("rbrace")
        return ("bag", tuple(items), True)

    def _read_fraction(self) -> Node:
        self._next()
        top, bottom = self._argument(), self._argument()
        if _is_differential(top) and _is_differential(bottom):
            raise NotReadError("a derivative")
        return ("div", top, bottom)

    def _read_root(self) -> Node:
        self._next()
        degree: Node = ("num", Fraction(2), None)
        if self.kind == "[":
            self._next()
            degree = self._sum()
            self._expect("]")
        return ("root", degree, self._argument(is_digit=False))

    def _read_binomial(self) -> Node:
        self._next()
        top = self._argument()
        return ("call", "binom", (top, self._argument()))

    def _read_bars(self) -> Node:
        self._next()
        self._bars += 1
        node = self._sum()
        self._bars -= 1
        self._expect("|")
        return ("abs", node)

    def _read_floor(self) -> Node:
        name, closer = ("floor", "rfloor") if self._next().kind == "lfloor" else ("ceil", "rceil")
        node = self._sum()
        self._expect(closer)
        return ("call", name, (node,))

    def _read_function(self) -> Node:
        name = self._next().value
        base: Node | None = None
        exponent: Node | None = None
        is_of_several = name in ("max", "min", "gcd", "lcm")
        for _ in range(2):
            if self.kind == "_" and base is None:
                self._next()
                base = self._argument(is_digit=False)
            elif self.kind == "^" and exponent is None:
                self._next()
                sign = self._sign()
                exponent = _signed(sign, self._braced() if self.kind == "{" else self._argument(is_digit=False))
        arguments = self._arguments()
        if is_of_several and len(arguments) == 1 and arguments[0][0] == "bag" and arguments[0][2]:
            arguments = tuple(arguments[0][1])
        if is_of_several and len(arguments) == 1:
            raise NotReadError(f"{name} of one number")
        if base is not None:
            if name != "log" or len(arguments) != 1:
                raise NotReadError("a subscript of a function")
            arguments = (*arguments, base)
        if exponent == ("num", Fraction(-1), None) and name in ("sin", "cos", "tan", "cot", "sec", "csc"):
            return ("call", f"arc{name}", arguments)
        node: Node = ("abs", arguments[0]) if name == "abs" and len(arguments) == 1 else ("call", name, arguments)
        return node if exponent is None else ("pow", node, exponent)

    def _arguments(self) -> tuple[Node, ...]:
        if self.kind == "(":
            node = self._read_group()
            return tuple(node[3]) if node[0] == "seq" else (node,)
        if self.kind == "{":
            return (self._braced(),)
        factors = [self._power()]
        while self.kind in ("num", "var", "const", "frac", "sqrt", "mark"):
            factors.append(self._power())
        return (factors[0] if len(factors) == 1 else ("prod", tuple(factors)),)

    def _read_environment(self) -> Node:
        return self._read_cases() if self._tokens[self._at].value in _CASES else self._read_matrix()

    def _read_cases(self) -> Node:
        """Values with the conditions under which they hold; the last may have none but "otherwise"."""
        self._next()
        rows: list[tuple[Node, ...]] = []
        while self.kind != "end":
            value = self._union()
            while self.kind in (",", "&", ";"):
                self._next()
            said = self._words().casefold().strip(" ,.:") if self.kind == "text" else ""
            if said not in _CONDITION_WORDS:
                raise NotReadError("a condition in words")
            if said in _OTHERWISE:
                rows.append((value,))
            else:
                items = self._items()
                rows.append((value, items[0] if len(items) == 1 else ("both", tuple(items))))
            if self.kind == "row":
                self._next()
            elif self.kind != "end":
                raise NotReadError("cases")
        self._next()
        if len(rows) < 2 or any(len(row) == 1 for row in rows[:-1]):  # noqa: PLR2004
            raise NotReadError("cases of which only the last may stand alone")
        return ("cases", tuple(rows))

    def _read_matrix(self) -> Node:
        name = self._next().value
        if name.rstrip("*") not in ("matrix", "pmatrix", "bmatrix", "vmatrix", "array", "smallmatrix", "Bmatrix"):
            raise NotReadError(f"an environment that is not read: {name}")
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while self.kind != "end":
            row.append(self._item())
            if self.kind == "&":
                self._next()
            elif self.kind == "row":
                self._next()
                rows.append(tuple(row))
                row = []
            elif self.kind != "end":
                raise NotReadError("a matrix")
        self._next()
        if row:
            rows.append(tuple(row))
        if not rows or len({len(one) for one in rows}) != 1:
            raise NotReadError("a matrix whose rows differ in length")
        node: Node = ("matrix", tuple(rows))
        return ("call", "det", (node,)) if name.startswith("vmatrix") else node

    _READERS = MappingProxyType(
        {
            "num": _read_number,
            "var": _read_variable,
            "const": _read_constant,
            "set": _read_set,
            "mark": _read_mark,
            "(": _read_group,
            "[": _read_group,
            "{": _braced,
            "lbrace": _read_braced_set,
            "frac": _read_fraction,
            "sqrt": _read_root,
            "binom": _read_binomial,
            "|": _read_bars,
            "lfloor": _read_floor,
            "lceil": _read_floor,
            "func": _read_function,
            "begin": _read_environment,
        }
    )
    """The sign with which a value begins -> who reads it."""


def _times(node: Node, other: Node) -> Node:
    return ("prod", (*node[1], other)) if node[0] == "prod" else ("prod", (node, other))


def is_inequality(node: Node) -> bool:
    """Whether a node says that something is less, more, or other than something else."""
    return node[0] == "rel" and bool(set(node[2]) - {"=", "approx"})


def _signed(sign: str, node: Node) -> Node:
    match sign:
        case "":
            return node
        case "-":
            return ("num", -node[1], node[2]) if node[0] == "num" and node[1] else ("neg", node)
        case _:
            return (sign, node)


def _is_differential(node: Node) -> bool:
    """``dy``, or the ``d`` of ``d/dx``."""
    return node == ("var", "d") or (node[0] == "prod" and node[1][0] == ("var", "d"))


def _mixed(whole: Node, part: Node) -> Node:
    """A whole number with the fraction after it; a sign after the fraction is of both."""
    if part[0] in ("percent", "degree") and _is_part(part[1]):
        return (part[0], ("sum", (whole, part[1])))
    return ("sum", (whole, part)) if _is_part(part) else ("prod", (whole, part))


def _is_part(node: Node) -> bool:
    """Whether it is a fraction of whole numbers below one, as the part of a mixed number is."""
    if node[0] != "div":
        return False
    top, bottom = node[1], node[2]
    is_plain = all(one[0] == "num" and one[2] is None and one[1].denominator == 1 for one in (top, bottom))
    return is_plain and 0 < top[1] < bottom[1]
