r"""Compares answers by what they are (``kinds``).

Values of kinds that cannot be the same thing differ; values of one kind are compared part by part, and numbers and
expressions as ``nodes`` does. None says that this module cannot tell, and nothing about the answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from flint import acb, arb

from verifier.equivalence.evaluate import constant, exact, precision, variables
from verifier.equivalence.kinds import readings
from verifier.equivalence.nodes import (
    NEEDED_POINTS,
    POINT_BITS,
    POINTS,
    at_points,
    has_kind,
    is_real,
    nodes_equal,
    replaced,
    same_function,
)
from verifier.equivalence.policy import DEFAULT, Need, Order, Percent, Policy
from verifier.equivalence.regions import as_region
from verifier.equivalence.signs import Node
from verifier.equivalence.values import (
    DEGREE,
    RADIAN,
    Bag,
    Cases,
    Matrix,
    Named,
    Never,
    Ratio,
    Region,
    Relation,
    Scalar,
    Seq,
    Value,
    Words,
    bare,
)

_MAX_ITEMS, _FEW = 64, 12
_UNKNOWNS = frozenset({"x", "z", "t", "r", "lambda", "k", "m"})
_ANY = Scalar(("num", Fraction(0), None))


def typed_equal(gold: str, answer: str, policy: Policy = DEFAULT) -> bool | None:
    """Whether two normalised texts are the same answer; None where that cannot be told here."""
    golds, answers = readings(gold), readings(answer)
    if not golds or not answers:
        return None
    seed = f"{gold}\0{answer}".encode()
    found: bool | None = False
    for one in golds:
        for other in answers:
            is_equal = _Comparison(seed, policy).equal(one, other)
            if is_equal:
                return True
            found = None if is_equal is None else found
    return found


def is_within(gold: str, answer: str, tolerance: float) -> bool:
    """Whether two normalised texts are real numbers, of one unit, whose difference is a small part of the first.

    Args:
        gold: of the reference.
        answer: compared with it.
        tolerance: the part, such as 0.01.
    """
    for one in readings(gold):
        for other in readings(answer):
            ours, theirs = bare([one, other])
            if isinstance(ours, Scalar) and isinstance(theirs, Scalar) and _are_alike(ours, theirs):
                first, second = constant(ours.node), constant(theirs.node)
                if first is None or second is None:
                    continue
                if is_real(first) and is_real(second) and abs(first - second) <= abs(first) * arb(tolerance):
                    return True
    return False


def _are_alike(one: Scalar, other: Scalar) -> bool:
    """Whether nothing but their numbers can tell them apart."""
    return one.is_percent == other.is_percent and (one.unit == other.unit or not (one.unit and other.unit))


class _Comparison:
    """One comparison; its points follow from both texts, so an answer cannot be made for them."""

    def __init__(self, seed: bytes, policy: Policy) -> None:
        self._seed = seed
        self._policy = policy

    def equal(self, gold: Value, answer: Value) -> bool | None:  # noqa: C901, PLR0912 (one case for each pair of kinds)
        """Whether two values are the same answer."""
        match gold, answer:
            case (Never(), _) | (_, Never()):
                return False
            case Scalar(), Scalar():
                return self._scalars(gold, answer)
            case (Named(("seq", *_), Seq()), Bag(is_braced=False) | Named(("seq", *_), Seq())) | (
                Bag(is_braced=False),
                Named(("seq", *_), Seq()),
            ) if (ours := _by_name(gold)) is not None and (theirs := _by_name(answer)) is not None:
                return self._bags(ours, theirs)
            case Named(), Named():
                return self._named(gold, answer)
            case (Named(), Relation(kind="=")) | (Relation(kind="="), Named()):
                return self._curves(gold, answer)
            case Named(_, value), _:
                if self._policy.names is Need.REQUIRED and not isinstance(value, Region):
                    return False  # but an interval names no variable that x < 3 does
                return self.equal(value, answer)
            case _, Named(_, value):
                return self.equal(gold, value)
            case Bag(), Bag():
                return self._bags(gold, answer)
            case Seq(), Seq():
                return self._seqs(gold, answer)
            case Region(), Region():
                return self._regions(gold, answer)
            case (Region(), Seq() | Bag()) | (Seq() | Bag(), Region()):
                sides = as_region(gold), as_region(answer)
                if any(isinstance(side, Seq) and len(side.items) != 2 for side in (gold, answer)):  # noqa: PLR2004
                    return False
                return None if sides[0] is None or sides[1] is None else self._regions(sides[0], sides[1])
            case Relation(), Relation():
                return self._relations(gold, answer)
            case Matrix(), Matrix():
                return self._matrices(gold, answer)
            case Cases(), Cases():
                return self._cases(gold, answer)
            case (Matrix() as matrix, Seq(items, _)) | (Seq(items, _), Matrix() as matrix):
                return self._column(matrix, items, is_answer=matrix is answer)
            case (Ratio(), Ratio()) | (Ratio(), Scalar()) | (Scalar(), Ratio()):
                return self._ratios(gold, answer)
            case Bag() as bag, Seq() as seq:
                return self._list_and_tuple(bag, seq, is_answer=True)
            case Seq() as seq, Bag() as bag:
                return self._list_and_tuple(bag, seq, is_answer=False)
            case (Bag(items, _), _):
                return self._one_of(items, answer, is_answer=False)
            case (_, Bag(items, _)):
                return self._one_of(items, gold, is_answer=True)
            case (Relation(kind="="), Scalar()) | (Scalar(), Relation(kind="=")):
                return self._solved(gold, answer)
            case Words(one), Words(other):
                return one.casefold().strip(" .") == other.casefold().strip(" .")
            case (Words(), _) | (_, Words()) | (Relation(), _) | (_, Relation()):
                return None
            case _:
                return False

    def _same(self, gold: Node, answer: Node) -> bool | None:
        return nodes_equal(gold, answer, self._seed, self._policy)

    def _scalars(self, gold: Scalar, answer: Scalar) -> bool | None:  # noqa: C901 (one case for each that sets them apart)
        if ("var", "angle") in gold.node[1:2] + tuple(gold.node[1] if gold.node[0] == "prod" else ()):
            return _points_of(answer.node) in (_points_of(gold.node), _points_of(gold.node)[::-1])
        if gold.unit is not None and answer.unit is not None:
            if {gold.unit, answer.unit} == {DEGREE, RADIAN}:
                turned, plain = (gold, answer) if gold.unit == DEGREE else (answer, gold)
                return self._same(("degree", turned.node), plain.node)
            if gold.unit.bases != answer.unit.bases:
                return False
            if gold.unit.factor != answer.unit.factor:
                scale: Node = ("num", answer.unit.factor / gold.unit.factor, None)
                return self._same(gold.node, ("prod", (scale, answer.node)))
            return self._same(gold.node, answer.node)
        if self._policy.units is Need.REQUIRED and (gold.unit or gold.words) and not (answer.unit or answer.words):
            return False
        if gold.words and answer.words and gold.words.removesuffix("s") != answer.words.removesuffix("s"):
            return None
        if (gold.words and answer.unit) or (gold.unit and answer.words):
            return None
        if gold.is_percent != answer.is_percent and not (gold.unit or answer.unit):
            return self._percent_and_plain(gold, answer)
        if (gold.unit == DEGREE) != (answer.unit == DEGREE) and not (gold.unit and answer.unit):
            turned, plain = (gold, answer) if gold.unit == DEGREE else (answer, gold)
            if has_kind(plain.node, ("const",)) or _is_angle(plain.node):
                return self._same(("degree", turned.node), plain.node)
            return self._same(gold.node, answer.node)
        return self._same(gold.node, answer.node)

    def _percent_and_plain(self, gold: Scalar, answer: Scalar) -> bool | None:
        percent, plain = (gold, answer) if gold.is_percent else (answer, gold)
        same = self._same(percent.node, plain.node) if self._policy.percent is Percent.EITHER else False
        if same:
            return True
        share = self._same(_as_share(percent.node), plain.node)
        return share if share or same is not None else None

    def _named(self, gold: Named, answer: Named) -> bool | None:
        if gold.name == answer.name:
            return self.equal(gold.value, answer.value)
        if "asked" in (gold.name[0], answer.name[0]) or {gold.name[0], answer.name[0]} == {"seq", "var"}:
            return False
        functions = [side for side in (gold, answer) if side.name[0] == "apply"]
        if len(functions) == 2:  # noqa: PLR2004
            if gold.name[1] != answer.name[1] or any(one[0] != "var" for side in functions for one in side.name[2]):
                return False
            if not any(variables(side.name) - {side.name[1]} & _variables_of(side.value) for side in functions):
                return False  # values at points that have names
            sides = [_of_arguments(side) for side in functions]
            return None if sides[0] is None or sides[1] is None else self.equal(sides[0], sides[1])
        # ``y`` may be what another calls ``f(x)``, and the area what another calls ``A``; but x is not y.
        kinds = {gold.name[0], answer.name[0]}
        if len(functions) == 1 and gold.name[1] == answer.name[1]:
            return self.equal(gold.value, answer.value)  # y and y(x)
        if kinds == {"var"} and (same := self._curves(gold, answer)):
            return same
        if len(kinds) == 1 or (
            kinds == {"var", "apply"}
            and not any(name[0] == "var" and name[1].rstrip("'") == "y" for name in (gold.name, answer.name))
        ):
            return False
        return self.equal(gold.value, answer.value)

    def _bags(self, gold: Bag, answer: Bag) -> bool | None:
        golds, answers = _records(gold.items), _records(answer.items)
        if golds is None or answers is None:
            gold, answer = _as_listed(gold), _as_listed(answer)
            golds, answers = _records(gold.items), _records(answer.items)
        if golds is not None and answers is not None:
            if golds.keys() != answers.keys():
                return False
            return _all(self.equal(golds[name], answers[name]) for name in golds)
        if len(gold.items) != len(answer.items) and not (gold.is_braced or answer.is_braced):
            # Equal ones may be said once, but not another number of times.
            shorter = min(gold, answer, key=lambda bag: len(bag.items)).items
            if any(self.equal(one, other) for one, other in combinations(bare(shorter), 2)):
                return False
        record, values = (golds, answer.items) if golds is not None else (answers, gold.items)
        if record is not None and any(isinstance(value, Named) for value in values):
            return False
        if golds is not None and answers is None and self._policy.names is Need.REQUIRED:
            return False
        if record is not None and (golds is not None or self._policy.order is Order.STRICT):
            # Only one side gives names: its values come in their order.
            return self._in_order(record, values, is_answer=golds is None)
        return self._unnamed_bags(gold, answer)

    def _unnamed_bags(self, gold: Bag, answer: Bag) -> bool | None:
        if self._have_other_names(gold, answer):
            return False
        if self._policy.order is Order.STRICT and not gold.is_braced:
            return self._as_sequences(gold.items, answer.items)
        if not gold.is_braced and not answer.is_braced and self._repeat_otherwise(bare(gold.items), bare(answer.items)):
            return False
        if (
            _have_words(gold) != _have_words(answer) or _has_conditions(gold) or _has_conditions(answer)
        ):  # which is which, only their order says
            return self._as_sequences(gold.items, answer.items)
        if all(isinstance(item, Named) for item in (*gold.items, *answer.items)):
            return self._as_sets(gold.items, answer.items)
        return self._as_sets(bare(gold.items), bare(answer.items))

    def _repeat_otherwise(self, golds: Sequence[Value], answers: Sequence[Value]) -> bool:
        """Whether lists of one length say one thing twice, and not each as often as the other."""
        if not len(golds) == len(answers) <= _FEW:
            return False
        counts = [[sum(self.equal(one, other) is True for other in side) for one in golds] for side in (golds, answers)]
        return max(counts[0]) > 1 and counts[0] != counts[1]

    def _have_other_names(self, gold: Bag, answer: Bag) -> bool:
        """Whether both give names, and not the same."""
        ours, theirs = ({item.name for item in bag.items if isinstance(item, Named)} for bag in (gold, answer))
        if not ours or not theirs:
            return False
        if all(name[0] == "var" for name in ours | theirs):
            return ours != theirs
        return len(ours) == len(theirs) == 1 and self._named_alike(ours.pop(), theirs.pop()) is False

    def _in_order(self, record: dict[Node, Value], values: Sequence[Value], *, is_answer: bool) -> bool | None:
        """Values with names against values without: coordinates are taken in the order of the alphabet."""
        names = list(record)
        if all(name[0] == "var" and name[1] in ("x", "y", "z") for name in names):
            names.sort()
        named = [record[name] for name in names]
        return self._each(values, named) if is_answer else self._each(named, values)

    def _named_alike(self, one: Node, other: Node) -> bool | None:
        return self._named(Named(one, _ANY), Named(other, _ANY))

    def _as_sets(self, golds: Sequence[Value], answers: Sequence[Value]) -> bool | None:
        """Whether the same things are named, in any order; equal ones count once, but see ``_bags``."""
        fewer, more = sorted((len(golds), len(answers)))
        if more > 2 * fewer + 2:  # equal ones count once, but nobody says each so often
            return False
        if more > _MAX_ITEMS:
            return self._as_numbers(golds, answers)
        # Every one has its like on the other side; so equal ones count once.
        is_unknown = False
        for ones, others, turn in ((golds, answers, False), (answers, golds, True)):
            for one in ones:
                results = (
                    self.equal(other, one) if turn else self.equal(one, other)
                    for other in others
                    if not _are_far(one, other)
                )
                found = _any(results)
                if found is False:
                    return False
                is_unknown = is_unknown or found is None
        return None if is_unknown else True

    @staticmethod
    def _as_numbers(golds: Sequence[Value], answers: Sequence[Value]) -> bool | None:
        sides: list[set[Fraction]] = []
        for values in (golds, answers):
            found = {exact(value.node) if isinstance(value, Scalar) else None for value in values}
            numbers = {number for number in found if number is not None}
            if len(numbers) != len(found):
                return None
            sides.append(numbers)
        return sides[0] == sides[1]

    def _seqs(self, gold: Seq, answer: Seq) -> bool | None:
        if gold.brackets != answer.brackets and len(gold.items) == len(answer.items) == 2:  # noqa: PLR2004
            return False
        return self._as_sequences(gold.items, answer.items)

    def _as_sequences(self, golds: Sequence[Value], answers: Sequence[Value]) -> bool | None:
        return self._each(bare(golds), bare(answers))

    def _each(self, golds: Sequence[Value], answers: Sequence[Value]) -> bool | None:
        if len(golds) != len(answers):
            return False
        return _all(self.equal(one, other) for one, other in zip(golds, answers, strict=True))

    def _list_and_tuple(self, bag: Bag, seq: Seq, *, is_answer: bool) -> bool | None:
        """A list without brackets against a tuple; ``is_answer`` says that the tuple is the answer."""
        if bag.is_braced:
            return False
        if (record := _records(bag.items)) is not None:
            if is_answer and self._policy.names is Need.REQUIRED:
                return False
            return self._in_order(record, bare(seq.items), is_answer=not is_answer)
        if any(isinstance(item, Seq) for item in (*bag.items, *seq.items)) and len(bag.items) != len(seq.items):
            return False
        if is_answer and self._policy.order is Order.FREE:
            return self._as_sets(bare(bag.items), bare(seq.items))
        return self._as_sequences(seq.items, bag.items)

    def _one_of(self, items: Sequence[Value], other: Value, *, is_answer: bool) -> bool | None:
        """A list against one thing: all of it must be that thing."""
        if not items or len(items) > _MAX_ITEMS or _all(self.equal(items[0], item) for item in items[1:]) is False:
            return False
        sides = ((other, item) if is_answer else (item, other) for item in bare(items))
        return _all(self.equal(one, two) for one, two in sides)

    def _regions(self, gold: Region, answer: Region) -> bool | None:
        if len(gold.pieces) != len(answer.pieces):
            return False
        results: list[bool | None] = []
        for one, other in zip(gold.pieces, answer.pieces, strict=True):
            if (one.has_low, one.has_high) != (other.has_low, other.has_high):
                return False
            results += [self._ends(one.low, other.low), self._ends(one.high, other.high)]
        return _all(results)

    def _ends(self, gold: Node, answer: Node) -> bool | None:
        return self._scalars(*(Scalar(end[1], DEGREE) if end[0] == "degree" else Scalar(end) for end in (gold, answer)))

    def _relations(self, gold: Relation | None, answer: Relation | None) -> bool | None:
        """Whether one is a multiple of the other, by a positive number where it is no equation."""
        if gold is None or answer is None:
            return None
        if gold.kind != answer.kind:
            return False
        names = variables(gold.node), variables(answer.node)
        if not any(names) or names[0] != names[1]:
            return False if any(names) else None
        ratios: list[acb] = []
        with precision(POINT_BITS):
            for one, other, _ in at_points(gold.node, answer.node, self._seed, turns=2 * POINTS):
                if other.contains(0) or one.contains(0):
                    continue
                ratio = one / other
                if not ratio.is_finite():
                    continue
                if ratios and not ratio.overlaps(ratios[0]):
                    return False
                ratios.append(ratio)
                if len(ratios) == POINTS:
                    break
        if len(ratios) < NEEDED_POINTS:
            return None
        return bool(gold.kind == "=" or (is_real(ratios[0]) and ratios[0].real > 0))

    def _curves(self, gold: Value, answer: Value) -> bool | None:
        """Two equations, of which one or both are solved for a name, as ``y=2x+3`` and ``x=(y-3)/2``."""
        one, other = _as_relation(gold), _as_relation(answer)
        if (same := self._relations(one, other)) or one is None or other is None:
            return same
        for side, relation in ((gold, other), (answer, one)):
            if not isinstance(side, Named) or not isinstance(side.value, Scalar) or side.name[0] != "var":
                continue
            if variables(relation.node) == variables(side.value.node) | {side.name[1]} and variables(side.value.node):
                solved = self._solved_for(relation, side.name[1], side.value.node)
                if solved:
                    return True
        return same

    def _solved_for(self, relation: Relation, name: str, value: Node) -> bool | None:
        """Whether an equation has this value of a name for its only solution; None where it may have more."""
        zero: Node = ("num", Fraction(0), None)
        at = [replaced(relation.node, {name: ("num", Fraction(point), None)}) for point in (1, 2, 3)]
        bend: Node = ("sum", (at[0], ("neg", ("prod", (("num", Fraction(2), None), at[1]))), at[2]))
        if same_function(zero, bend, self._seed) is not True:
            # y/x = 3 is of the first degree in y only
            return None
        return same_function(zero, replaced(relation.node, {name: value}), self._seed)

    def _solved(self, gold: Value, answer: Value) -> bool | None:
        """An equation against the value of names, ``a+b=5`` and 5, or of its one other name, ``xy=6`` and ``6/x``."""
        relation, value = (gold, answer) if isinstance(gold, Relation) else (answer, gold)
        if isinstance(relation, Relation) and isinstance(value, Scalar) and not variables(value.node):
            stated = _stated(relation)
            return stated is not None and self._scalars(value, Scalar(stated))
        if not isinstance(gold, Relation) or not isinstance(answer, Scalar) or answer.unit or answer.is_percent:
            return None
        missing = variables(gold.node) - variables(answer.node)
        if len(missing) != 1 or not variables(answer.node) <= variables(gold.node) or not variables(answer.node):
            return None
        (name,) = missing
        return self._solved_for(gold, name, answer.node)

    def _matrices(self, gold: Matrix, answer: Matrix) -> bool | None:
        if len(gold.rows) != len(answer.rows):
            return False
        return _all(self._each(row, another) for row, another in zip(gold.rows, answer.rows, strict=True))

    def _cases(self, gold: Cases, answer: Cases) -> bool | None:
        """The same values under the same conditions, in any order; "otherwise" is whatever is left."""
        if len(gold.rows) != len(answer.rows):
            return False
        left = list(answer.rows)
        for value, condition in gold.rows:
            if condition is None:
                continue  # the last, and compared with what is left
            at = next((at for at, row in enumerate(left) if row[1] is not None and self.equal(condition, row[1])), None)
            if at is None:
                if len(left) == 1 and left[0][1] is None:
                    at = 0
                else:
                    return None
            same = self.equal(value, left.pop(at)[0])
            if not same:
                return same
        return self.equal(gold.rows[-1][0], left[0][0]) if left else True

    def _column(self, matrix: Matrix, items: Sequence[Value], *, is_answer: bool) -> bool | None:
        """A vector, written as a matrix of one row or column and as a tuple."""
        rows = matrix.rows
        if items and all(isinstance(item, Seq) and len(item.items) == len(rows[0]) for item in items):
            nested = Matrix(tuple(item.items for item in items if isinstance(item, Seq)))
            return self._matrices(nested, matrix) if is_answer else self._matrices(matrix, nested)
        entries = [row[0] for row in rows] if len(rows[0]) == 1 else list(rows[0]) if len(rows) == 1 else []
        return self._each(items, entries) if is_answer else self._each(entries, items)

    def _ratios(self, gold: Value, answer: Value) -> bool | None:
        sides = [side.items if isinstance(side, Ratio) else None for side in (gold, answer)]
        if sides[0] is not None and sides[1] is not None:
            if len(sides[0]) != len(sides[1]):
                return False
            if any(exact(node) == 0 for node in (*sides[0], *sides[1])):  # a time of day, say
                return _all(self._same(one, other) for one, other in zip(*sides, strict=True))
            (first, *golds), (one, *answers) = sides[0], sides[1]
            return _all(
                self._same(("prod", (first, theirs)), ("prod", (one, ours)))
                for ours, theirs in zip(golds, answers, strict=True)
            )
        ratio = gold if isinstance(gold, Ratio) else answer
        if isinstance(ratio, Ratio) and any(exact(node) == 0 for node in ratio.items):
            return False
        nodes = [
            ("div", *side.items) if isinstance(side, Ratio) and len(side.items) == 2 else getattr(side, "node", None)  # noqa: PLR2004
            for side in (gold, answer)
        ]
        return None if nodes[0] is None or nodes[1] is None else self._same(nodes[0], nodes[1])


def _all(results: Iterable[bool | None]) -> bool | None:
    """False where one is, else None where one is."""
    found: bool | None = True
    for result in results:
        if result is False:
            return False
        found = None if result is None else found
    return found


def _any(results: Iterable[bool | None]) -> bool | None:
    found: bool | None = False
    for result in results:
        if result:
            return True
        found = None if result is None else found
    return found


def _stated(equation: Relation) -> Node | None:
    """The number that an equation gives for an expression of names alone; ``2x=5`` and ``x^2+y^2=5`` give none."""
    if equation.node[0] != "sum" or len(equation.node[1]) != 2:  # noqa: PLR2004
        return None
    left, right = equation.node[1]
    if right[0] != "neg" or bool(variables(left)) == bool(variables(right)):
        return None
    names, value = (left, right[1]) if variables(left) else (right[1], left)
    is_plain = not has_kind(names, ("num", "pow", "root", "const", "abs")) and names[0] != "neg"
    return value if is_plain else None


def _is_angle(node: Node) -> bool:
    """Whether a number is given by the function of which it is the sine, cosine or the like."""
    if node[0] == "call" and node[1].startswith("arc"):
        return True
    return any(_is_angle(part) for part in node if isinstance(part, tuple) and part and isinstance(part[0], str))


def _points_of(node: Node) -> list[Node]:
    """The points that name an angle, in order."""
    return [item for item in node[1] if item != ("var", "angle")] if node[0] == "prod" else [node]


def _are_far(one: Value, other: Value) -> bool:
    """Whether two numbers are so far apart that no rounding brings them together; what is no plain number never is."""
    if not isinstance(one, Scalar) or not isinstance(other, Scalar):
        return False
    first, second = _size(one), _size(other)
    return first is not None and second is not None and abs(first - second) > _FAR * max(abs(first), abs(second))


@lru_cache(maxsize=4096)
def _size(value: Scalar) -> complex | None:
    if value.unit is not None or value.is_percent or variables(value.node):
        return None
    found = constant(value.node)
    if found is None or not found.is_finite():
        return None
    try:
        return complex(float(found.real.mid()), float(found.imag.mid()))
    except (OverflowError, ValueError):
        return None


_FAR = 0.05


def _as_share(node: Node) -> Node:
    """A percentage as a part of one, with the places that it then shows."""
    if node[0] == "num":
        return ("num", node[1] / 100, None if node[2] is None else node[2] + 2)
    return ("percent", node)


def _by_name(value: Value) -> Bag | None:
    """``(a,b)=(1,2)``, or a list of named values, as values with a name each; None for others."""
    match value:
        case Named(("seq", _, _, names), Seq(items)) if len(names) == len(items):
            return Bag(tuple(Named(name, item) for name, item in zip(names, items, strict=True)), is_braced=False)
        case Bag(items) if _records(items) is not None:
            return value
        case _:
            return None


def _has_conditions(bag: Bag) -> bool:
    """Whether a list holds values and the conditions under which they hold."""
    kinds = {isinstance(item, Relation) or isinstance(bare([item])[0], Region) for item in bag.items}
    return len(kinds) > 1


def _have_words(bag: Bag) -> bool:
    """Whether each item of a list counts something of its own."""
    words = [item.words for item in bag.items if isinstance(item, Scalar)]
    return len(words) == len(bag.items) > 1 and all(words) and len(set(words)) == len(words)


def _variables_of(value: Value) -> frozenset[str]:
    return variables(value.node) if isinstance(value, Scalar | Relation) else frozenset()


def _as_listed(bag: Bag) -> Bag:
    """``x_1=1, x_2=2`` as solutions of x; other lists as they are."""
    items = bag.items
    names = [item.name[1] for item in items if isinstance(item, Named) and item.name[0] == "var"]
    letters = {name.partition("_")[0] for name in names if "_" in name}
    if len(names) != len(items) or len(names) < 2 or len(letters) != 1 or len(set(names)) != len(names):  # noqa: PLR2004
        return bag
    (letter,) = letters
    if letter not in _UNKNOWNS or not all(re.fullmatch(r"\w+_\d", name) for name in names):
        return bag
    return replace(bag, items=tuple(Named(("var", letter), item.value) for item in items if isinstance(item, Named)))


def _records(items: Sequence[Value]) -> dict[Node, Value] | None:
    """Values by their names, where each has one of its own."""
    names = {item.name: item.value for item in items if isinstance(item, Named)}
    return names if len(names) == len(items) > 1 else None


def _of_arguments(side: Named) -> Value | None:
    """What a function of names is, its names replaced by their places; None where they are no different names."""
    names = [argument[1] for argument in side.name[2] if argument[0] == "var"]
    if len(names) != len(side.name[2]) or len(set(names)) != len(names) or not isinstance(side.value, Scalar):
        return None
    places: dict[str, Node] = {name: ("var", f"\0{at}") for at, name in enumerate(names)}
    return replace(side.value, node=replaced(side.value.node, places))


def _as_relation(value: Value) -> Relation | None:
    if isinstance(value, Relation):
        return value
    if isinstance(value, Named) and isinstance(value.value, Scalar) and not value.value.unit:
        return Relation(("sum", (value.name, ("neg", value.value.node))), "=")
    return None
