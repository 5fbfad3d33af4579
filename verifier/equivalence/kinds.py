r"""What an answer is: a number, an expression, a list, a tuple, a set of numbers, a matrix, an equation, or words.

A text is read whole (``syntax``) and becomes a value of one of the kinds below. A text may be read in more than one
way, where ``1,234`` may be a number or two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product

from flint import arb, fmpq

from verifier.equivalence import syntax
from verifier.equivalence.deep import flattened
from verifier.equivalence.evaluate import constant, exact, variables
from verifier.equivalence.expand import MAX_SIGNS, both_signs, vector, with_sign
from verifier.equivalence.nodes import (
    INFINITY,
    MINUS_INFINITY,
    digits_of,
    has_kind,
    is_infinite,
    nodes_equal,
    places_of,
    replaced,
)
from verifier.equivalence.quantities import CHANGING_HAN, CHANGING_WORDS
from verifier.equivalence.regions import (
    all_but,
    as_region,
    as_set,
    common,
    joined,
    moved,
    negative,
    overlap,
    region_of,
    union,
    whole_numbers,
    without,
)
from verifier.equivalence.signs import Node, NotReadError
from verifier.equivalence.units import read_unit
from verifier.equivalence.values import (
    DEGREE,
    EMPTY,
    NEVER,
    Bag,
    Cases,
    Matrix,
    Named,
    NoValueError,
    Piece,
    Ratio,
    Region,
    Relation,
    Scalar,
    Seq,
    Value,
    Words,
    bare,
)

_CACHED = 4096


def is_read(text: str) -> bool:
    """Whether a normalised text is mathematics that is read here."""
    return any(not isinstance(one, Words) for one in readings(text))


@lru_cache(maxsize=_CACHED)
def readings(text: str) -> tuple[Value, ...]:
    """What a normalised text may be; nothing where it is no mathematics that we read."""
    found: list[Value] = []
    text = flattened(text)
    for has_groups in syntax.group_readings(text):
        try:
            found.append(_value(syntax.read(text, has_groups=has_groups)))
        except (NotReadError, NoValueError):
            continue
    if not found and (stated := _ASKED.fullmatch(text)):
        left = text[: stated.start(1)].rstrip("= ")
        return tuple(Named(("asked", left), value) for value in readings(stated[1]))
    return tuple(found)


_ASKED = re.compile(
    r"(?:(?:\\(?:mathbb|mathrm|text|operatorname)\s?\{\s?)?(?:[PEfghFG]|Pr|Var|Cov)\s?\}?\s?[(\[][^=]{1,80}(?:=[^=()]{1,30})?[)\]]"
    r"|\\(?:lim|sum|prod|int|iint|oint)(?![a-zA-Z])(?:[^=]|(?<=[a-z])=(?=-?\d)){1,200}"
    r"|\\frac\{(?:d|\\partial)[^=]{1,40})\s?=\s?([^=]{1,400})"
)
"""An expression of which only the value counts: a probability, a limit, a sum, an integral, a derivative."""


def is_same_formula(one: str, other: str) -> bool:
    """Whether two normalised texts are one formula in different writing, with nothing worked out."""
    try:
        nodes = [syntax.read(text) for text in (one, other)]
    except NotReadError:
        return False
    return nodes[0] == nodes[1]


# --- kinds ----------------------------------------------------------------------------------------------------------


def _value(node: Node) -> Value:  # noqa: C901, PLR0912 (one case for each kind)
    match node:
        case ("bag", items, is_braced):
            return _bag(items, is_braced=is_braced)
        case ("seq", opener, closer, items):
            return _seq(items, opener + closer)
        case ("rel", operands, relations):
            return _relation(operands, relations)
        case ("both" | "any", items):
            return _conditions([_value(item) for item in items], is_any=node[0] == "any")
        case ("in", head, tail):
            if _name_of(head) is None:
                raise NoValueError("an element that is no name")
            inside = _value(tail)
            if isinstance(inside, Scalar):
                raise NoValueError("an element of what is no set")
            return Named(head, (as_region(inside) or inside) if isinstance(inside, Seq) else inside)
        case ("cup", items):
            return joined([_value(item) for item in items])
        case ("without", whole, part):
            return without(_value(whole), _value(part))
        case ("builder", head, conditions):
            return _built(head, conditions)
        case ("known", name):
            return _known(name)
        case ("matrix", rows):
            return Matrix(tuple(tuple(_value(item) for item in row) for row in rows))
        case ("cases", rows):
            return Cases(tuple((_value(row[0]), _value(row[1]) if len(row) > 1 else None) for row in rows))
        case ("ratio", items):
            return Ratio(items)
        case ("text", words):
            return Words(words)
        case ("sum", (first, ("neg", ("bag", _, True) as second))) if first[0] in (
            "builder",
            "bag",
            "cup",
            "known",
            "seq",
        ):
            return without(_value(first), _value(second))
        case ("cap" | "notin", *_):
            raise NoValueError(str(node[0]))
        case _:
            return _scalar(node)


def _scalar(node: Node) -> Value:  # noqa: C901 (one case for each kind)
    if has_kind(node, ("pm", "mp")):
        return Bag(tuple(_scalar(one) for one in both_signs(node)), is_braced=False)
    if has_kind(
        node,
        ("bag", "seq", "rel", "in", "cup", "known", "matrix", "cases", "text", "ratio", "builder", "unit"),
        below=True,
    ):
        raise NoValueError("a part that is no number")
    match node:
        case ("unit", inner, words, power):
            unit = read_unit(words, power=power)
            if unit is None and (power != 1 or not _is_plain(words)):
                raise NoValueError("words that change the number")
            found = _scalar(inner)
            if not isinstance(found, Scalar) or found.unit is not None or found.is_percent:
                raise NoValueError("a unit of what is no number")
            return Scalar(found.node, unit=unit, words="" if unit else words.casefold().strip(" ."))
        case ("percent", inner):
            return Scalar(inner, is_percent=True)
        case ("degree", inner):
            return Scalar(inner, unit=DEGREE)
        case ("neg", ("degree", inner)):
            return Scalar(("neg", inner), unit=DEGREE)
        case ("neg", ("percent", inner)):
            return Scalar(("neg", inner), is_percent=True)
        case ("apply", _, (_, _, *_) as items) if all(item[0] == "num" for item in items):  # the point P(1,2)
            return Named(("var", node[1]), Seq(tuple(_scalar(item) for item in items), "()"))
        case _:
            return vector(node) or Scalar(node)


def _bag(items: Sequence[Node], *, is_braced: bool) -> Value:
    found: list[Value] = []
    for item in _without_domains(items):
        value = _value(item)
        if isinstance(value, Bag) and item[0] != "bag":
            found += value.items  # of a plus-minus
        elif isinstance(value, Named) and isinstance(value.value, Bag) and not value.value.is_braced:
            found += [Named(value.name, one) for one in value.value.items]
        else:
            found.append(value)
    if len(found) == 1 and not is_braced:
        return found[0]
    if not is_braced and any(isinstance(bare([value])[0], Region) for value in found):
        names = {value.name for value in found if isinstance(value, Named)}
        inner = bare(found)
        if len(names) == 1:
            name = names.pop()
            whole = [value for value in inner if isinstance(value, Region)]
            if len(whole) == len(inner) and (both := overlap(whole)) is not None:
                return Named(name, both)
            return Named(name, joined([as_set(value) for value in inner]))
        if not names and all(isinstance(value, Region | Seq) for value in inner):
            return joined(list(inner))
    return _by_solution(found) or Bag(tuple(found), is_braced=is_braced)


def _without_domains(items: Sequence[Node]) -> list[Node]:
    r"""A list without what only says of which kind a name is, such as ``k\in\mathbb{Z}``; such names are set apart.

    Raises:
        NoValueError: the name is a whole number under a condition.
    """
    parameters = {
        (item[1], item[2][1])
        for item in items
        if item[0] == "in" and item[2][0] == "known" and item[2][1][0] in "ZN" and len(items) > 1
    }
    kept = [item for item in items if not (item[0] == "in" and (item[1], item[2][1]) in parameters)]
    counted = {name for (_, name), _ in parameters}
    for item in kept:
        is_condition = item[0] in ("both", "any") or syntax.is_inequality(item)
        if is_condition and counted & variables(item):
            raise NoValueError("whole numbers with a condition")
    reals = [item for item in kept if item[0] == "in" and item[1][0] == "var" and item[2] == ("known", "R")]
    kept = [item for item in kept if item not in reals] if len(reals) < len(kept) else kept
    return [_renamed(item, parameters) for item in kept] if parameters else kept


def _conditions(values: Sequence[Value], *, is_any: bool) -> Value:
    """Conditions on one name of which each or any holds."""
    names = {value.name for value in values if isinstance(value, Named)}
    regions = [value.value for value in values if isinstance(value, Named) and isinstance(value.value, Region)]
    if len(names) != 1 or len(regions) != len(values):
        raise NoValueError("conditions that hold together")
    found = union([piece for region in regions for piece in region.pieces]) if is_any else overlap(regions)
    return Named(names.pop(), found or EMPTY)


def _by_solution(values: Sequence[Value]) -> Value | None:
    """``p=5, q=2, p=7, q=2`` as two solutions of two names each; None for anything else."""
    if not all(isinstance(value, Named) for value in values):
        return None
    names = [value.name for value in values if isinstance(value, Named)]
    size = names.index(names[0], 1) if names and names[0] in names[1:] else 0
    if size < 2 or len(names) % size or names != names[:size] * (len(names) // size):  # noqa: PLR2004
        return None
    solutions = [Bag(tuple(values[at : at + size]), is_braced=False) for at in range(0, len(values), size)]
    return Bag(tuple(solutions), is_braced=False)


def _renamed(node: Node, parameters: Iterable[tuple[Node, str]]) -> Node:
    """The same with its whole-numbered parameters under names that everybody has."""
    names = sorted((one[1], of) for one, of in parameters if one[0] == "var")
    return replaced(node, {name: ("var", f"\0{of}{at}") for at, (name, of) in enumerate(names)})


def _seq(items: Sequence[Node], brackets: str) -> Value:
    if len(items) == 2 and (brackets in ("(]", "[)") or any(is_infinite(item) for item in items)):  # noqa: PLR2004
        return region_of([Piece(items[0], items[1], brackets[0] == "[", brackets[1] == "]")])
    if brackets in ("(]", "[)"):
        raise NoValueError("brackets that do not match")
    if has_kind(tuple(items), ("mp",)):
        return Bag(
            tuple(_seq([with_sign(item, sign) for item in items], brackets) for sign in (1, -1)), is_braced=False
        )
    if has_kind(tuple(items), ("pm",)):
        if sum(has_kind(item, ("pm",)) for item in items) > MAX_SIGNS:
            raise NoValueError("too many signs")
        choices = [[with_sign(item, sign) for sign in ((1, -1) if has_kind(item, ("pm",)) else (1,))] for item in items]
        return Bag(tuple(_seq(chosen, brackets) for chosen in product(*choices)), is_braced=False)
    return Seq(tuple(_value(item) for item in items), brackets)


def _name_of(node: Node) -> Node | None:
    r"""A node that only names something: ``x``, ``f(x)``, ``AB``, ``|AB|``, ``(x, y)``."""
    if node[0] == "label":
        return node if _is_plain(node[1]) else None
    if node[0] in ("var", "apply"):
        return node
    if node[0] == "abs" and node[1][0] == "prod":  # the length of a segment
        return _name_of(node[1])
    if node[0] == "prod" and all(item[0] == "var" and _is_of_point(item[1]) for item in node[1]):
        return node
    if node[0] == "seq" and all(item[0] == "var" for item in node[3]):
        return node
    if node[0] == "ratio" and all(item[0] == "var" for item in node[1]):
        return node
    return None


_PLAIN_WORDS = re.compile(r"[^\W\d_]{2,}(?:[ .·'’-]{1,2}[^\W\d_]+)*\.?")
_DENYING = frozenset({"false", "wrong", "incorrect", "unknown", "cannot", "isn't", "isnt"})


def _is_plain(words: str) -> bool:
    """Whether words only name what is counted or asked for, and neither change nor deny it."""
    said = re.findall(r"[^\W\d_]+", words.casefold())
    if not CHANGING_HAN.isdisjoint(words):
        return False
    return bool(_PLAIN_WORDS.fullmatch(words.strip())) and CHANGING_WORDS.union(_DENYING).isdisjoint(said)


def _is_of_point(name: str) -> bool:
    return name[:1].isupper() or name in ("angle", "triangle")


def _relation(operands: Sequence[Node], relations: Sequence[str]) -> Value:
    if relations[-1] == "approx" and "approx" not in relations[:-1]:
        return _approximated(operands, relations)
    if set(relations) == {"="}:
        return _equation(operands)
    region = _inequality(operands, relations)
    if region is not None:
        return region
    if len(operands) != 2 or relations[0] == "ne":  # noqa: PLR2004
        raise NoValueError("a chain of relations")
    left, right = operands
    if relations[0] in (">", "ge"):
        left, right = right, left
    return Relation(_difference(left, right), "<" if relations[0] in ("<", ">") else "<=")


def _approximated(operands: Sequence[Node], relations: Sequence[str]) -> Value:
    """What an approximation is given for, where that is near: within one unit of its last place."""
    if len(operands) == 2 and _name_of(operands[0]) is not None:  # noqa: PLR2004
        return Named(operands[0], _value(operands[1]))
    value = _value(operands[-2]) if len(operands) == 2 else _relation(operands[:-1], relations[:-1])  # noqa: PLR2004
    shown, inner = operands[-1], value.value if isinstance(value, Named) else value
    if not isinstance(inner, Scalar) or variables(inner.node) or variables(shown):
        raise NoValueError("an approximation of what is no number")
    step = Fraction(1, 10 ** places_of(shown)) if digits_of(shown) else Fraction(1, 2)
    if not digits_of(shown) and getattr(exact(shown), "denominator", 0) != 1:
        step = Fraction(0)  # what is no decimal is no approximation
    one, other = constant(inner.node), constant(shown)
    if one is None or other is None:
        raise NoValueError("an approximation")
    is_near = abs(one - other) <= arb(fmpq(step.numerator, step.denominator))
    return value if is_near else NEVER


def _difference(left: Node, right: Node) -> Node:
    if has_kind((left, right), ("seq", "bag", "matrix", "rel", "text", "unit", "pm", "mp"), below=True):
        raise NoValueError("no difference")
    return ("sum", (left, ("neg", right)))


def _equation(operands: Sequence[Node]) -> Value:
    first, last = operands[0], operands[-1]
    while len(operands) > 2 and _name_of(operands[0]) is not None and _name_of(operands[1]) is not None:  # noqa: PLR2004
        operands = operands[1:]  # x = y = 2
        first = operands[0]
    name = _name_of(first)
    if first == ("const", "e") and not has_kind(tuple(operands[1:]), ("const",)):
        name = first = ("var", "e")  # of an ellipse, say
        operands = (first, *operands[1:])
    if name is None and len(operands) == 2 and _name_of(last) is not None and not variables(first):  # noqa: PLR2004
        return Named(last, _value(first))
    if len(operands) == 2:  # noqa: PLR2004
        if name is not None and (name[0] != "var" or name[1] not in variables(last)):
            return Named(name, _value(last))
        if not variables(first) and not variables(last):
            return _chain(operands)
        return Relation(_difference(first, last), "=")
    if name is not None:
        return Named(name, _chain(operands[1:]))
    if variables(first) and not any(map(variables, operands[1:])):
        value = _chain(operands[1:])
        return value if value == NEVER else Relation(_difference(first, last), "=")
    return _chain(operands)


def _chain(operands: Sequence[Node]) -> Value:
    """What a chain of equal things is: its last part, where they are equal."""
    values = [_value(operand) for operand in operands]
    for one, other in pairwise(values):
        if not isinstance(one, Scalar) or not isinstance(other, Scalar):
            raise NoValueError("a chain of what is no number")
        sides = [("percent", side.node) if side.is_percent else side.node for side in (one, other)]
        is_equal = nodes_equal(sides[0], sides[1], b"chain")
        if is_equal is None:
            raise NoValueError("a chain")
        if not is_equal:
            return NEVER
    return values[-1]


_FLIPPED = {"<": ">", ">": "<", "le": "ge", "ge": "le", "ne": "ne", "=": "="}


def _inequality(operands: Sequence[Node], relations: Sequence[str]) -> Named | None:  # noqa: C901 (one case a relation)
    """The numbers for which a name lies between constants."""
    at = next((at for at, operand in enumerate(operands) if _name_of(operand) is not None), None)
    size = next((at for at, one in enumerate(operands) if one[0] == "abs" and len(variables(one)) == 1), None)
    if at is None and size is not None:
        return _of_size(operands, relations, size)
    if "approx" in relations or "=" in relations:
        return None
    if at is None and len(operands) == 2:  # noqa: PLR2004
        return _solved_inequality(operands, relations[0])
    if at is None or len(operands) > 3 or any(variables(one) for index, one in enumerate(operands) if index != at):  # noqa: PLR2004
        return None
    low: tuple[Node, bool] = (MINUS_INFINITY, False)
    high: tuple[Node, bool] = (INFINITY, False)
    for index, relation in enumerate(relations):
        # Seen from the name.
        other, seen = (operands[index], _FLIPPED[relation]) if index < at else (operands[index + 1], relation)
        if (index if index < at else index + 1) not in (at - 1, at + 1):
            return None
        if seen == "ne":
            if len(relations) > 1:
                return None
            if has_kind(other, ("pm",)):
                signs = (with_sign(other, 1), with_sign(other, -1))
                return Named(operands[at], common(all_but(signs[0]), all_but(signs[1])))
            return Named(operands[at], all_but(other))
        if seen in (">", "ge"):
            low = (other, seen == "ge")
        elif seen in ("<", "le"):
            high = (other, seen == "le")
        else:
            return None
    return Named(operands[at], region_of([Piece(low[0], high[0], low[1], high[1])]))


def _line_of(node: Node, name: str) -> tuple[Fraction, Fraction] | None:
    """Start and step of what is of the first degree in a name, by its form; None for anything else."""
    if name not in variables(node):
        value = exact(node)
        return None if value is None else (value, Fraction(0))
    match node:
        case ("var", _):
            return Fraction(0), Fraction(1)
        case ("neg", inner):
            line = _line_of(inner, name)
            return line and (-line[0], -line[1])
        case ("sum", items):
            lines = [_line_of(item, name) for item in items]
            known = [line for line in lines if line is not None]
            if len(known) < len(lines):
                return None
            return sum((line[0] for line in known), Fraction(0)), sum((line[1] for line in known), Fraction(0))
        case ("prod", items) if sum(name in variables(item) for item in items) == 1:
            line, scale = (Fraction(1), Fraction(0)), Fraction(1)
            for item in items:
                part = _line_of(item, name)
                if part is None:
                    return None
                line, scale = (part, scale) if part[1] else (line, scale * part[0])
            return line[0] * scale, line[1] * scale
        case ("div", top, bottom):
            line, divisor = _line_of(top, name), exact(bottom)
            return (line[0] / divisor, line[1] / divisor) if line and divisor else None
        case _:
            return None


def _of_size(operands: Sequence[Node], relations: Sequence[str], at: int) -> Named | None:
    """``1<=|x|<=2`` as the numbers of that size."""
    (name,) = variables(operands[at])
    line = _line_of(operands[at][1], name)
    size: Node = ("var", name)
    found = _inequality([size if index == at else one for index, one in enumerate(operands)], relations)
    if found is None or not isinstance(found.value, Region) or line is None or not line[1]:
        return None
    zero: Node = ("num", Fraction(0), None)
    sizes = common(found.value, Region((Piece(zero, INFINITY, has_low=True, has_high=False),)))
    mirrored = [
        Piece(negative(piece.high), negative(piece.low), piece.has_high, piece.has_low) for piece in sizes.pieces
    ]
    return Named(size, union([moved(piece, *line) for piece in (*mirrored, *sizes.pieces)]))


def _solved_inequality(operands: Sequence[Node], relation: str) -> Named | None:
    """``2x>6`` as what it says of its one name; None for what is not of the first degree."""
    node = _difference(operands[0], operands[1])
    names = variables(node)
    if len(names) != 1 or relation not in _FLIPPED:
        return None
    (name,) = names
    line = _line_of(node, name)
    if line is None or not line[1]:
        return None
    start, step = line
    bound: Node = ("num", -start / step, None)
    return _inequality((("var", name), bound), (_FLIPPED[relation] if step < 0 else relation,))


def _built(head: Node, conditions: Sequence[Node]) -> Value:
    domain = "R"
    if head[0] == "in":
        head, domain = head[1], head[2][1] if head[2][0] == "known" else ""
    others = [item for item in conditions if not (item[0] == "in" and item[1] == head and item[2][0] == "known")]
    domains = {item[2][1] for item in conditions if item not in others} | ({domain} - {"R"})
    domain = domains.pop() if len(domains) == 1 else "R" if not domains else ""
    if head[0] == "var" and others:
        value = _value(others[0]) if len(others) == 1 else _bag(others, is_braced=False)
        if isinstance(value, Named) and isinstance(value.value, Region) and value.name == head:
            return value.value if domain == "R" else whole_numbers(value.value, domain)
    if head[0] != "var" and len(conditions) == 1 and conditions[0][0] == "in":
        return _bag((head, conditions[0]), is_braced=False)
    raise NoValueError("a set by a condition")


def _known(name: str) -> Value:
    match name:
        case "empty":
            return EMPTY
        case "R":
            return Region((Piece(MINUS_INFINITY, INFINITY, has_low=False, has_high=False),))
        case "R+":
            return Region((Piece(("num", Fraction(0), None), INFINITY, has_low=False, has_high=False),))
        case _:
            return Words(f"\\mathbb{name}")
