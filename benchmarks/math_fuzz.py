"""Random answers against the comparer of mathematics: it never raises, and says the same of both orders.

    python benchmarks/math_fuzz.py [--pairs N] [--seed N]

Four kinds of pairs in turn, so many in all: two random texts made of the signs of LaTeX and of answers (no exception,
and never another verdict for the other order unless a rounded decimal is one of them); a random text with itself
(equal); a value in two random forms (equal); and a value in a random form with a neighbour of it in another (not
equal). Values are whole numbers, fractions, decimals, roots, multiples of pi, polynomials, tuples, sets, intervals and
equations. Prints the pairs that break a law, at most twenty of each, how many pairs a second were compared, and the
slowest one in CPU time.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from math import gcd

from verifier.equivalence import GoldKind, decide, normalise, read_gold

PIECES = (
    *"0123456789", *"+-*/^_=<>()[]{},.;:|!%&'", *"xyznkabceiABC", *(" ",) * 4, "\\frac", "\\sqrt", "\\pi", "\\cdot",
    "\\times", "\\text{", "\\left(", "\\right)", "\\{", "\\}", "\\le", "\\ge", "\\ne", "\\in", "\\cup", "\\infty",
    "\\pm", "^\\circ", "\\%", "\\$", "\\approx", "\\begin{pmatrix}", "\\end{pmatrix}", "\\\\", "\\mathbb{R}", "\\sin",
    "\\ln", "\\log", "\\binom", "or", "and", "cm", "m/s", "apples", "\\boxed{", "答案", "π", "√", "−", "½", "²", "，",
    "\\int", "\\sum", "\\lim", "\\overline{3}", "mod", "e^", "x=", "f(x)=", "10^", "C(5,2)",
)  # fmt: skip
COLUMN, ROW, OR = "\\begin{{pmatrix}}{}\\end{{pmatrix}}", " \\\\ ", " \\text{ or } x = "
SHOWN = 20
CHOICES = re.compile(r"[A-H&,()、 ]+")

Chance = random.Random
Forms = Callable[[Chance], str]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pairs", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)  # noqa: S311 - a sample that can be made again, not a secret
    laws = (raises_nothing, is_itself, has_forms, has_neighbours)
    broken: Counter[str] = Counter()
    slowest = (0.0, "", "")
    started, own = time.perf_counter(), time.process_time()
    for number in range(chosen.pairs):
        law = laws[number % len(laws)]
        gold, answer, found = "", "", ""
        before = time.process_time()
        try:
            gold, answer, found = law(chance)
        except Exception as error:  # noqa: BLE001 - that nothing is raised is what is asked
            found = f"raised {type(error).__name__}: {error}"
        spent = time.process_time() - before
        slowest = max(slowest, (spent, gold, answer))
        if found:
            broken[law.__name__] += 1
            if broken[law.__name__] <= SHOWN:
                print(f"{law.__name__}: {gold!r} | {answer!r}: {found}", flush=True)
    wall, cpu = time.perf_counter() - started, time.process_time() - own
    print(f"{chosen.pairs} pairs, {sum(broken.values())} broke a law {dict(broken)}")
    print(f"{chosen.pairs / cpu:.0f} pairs a CPU second ({wall:.0f} s); the slowest {1000 * slowest[0]:.1f} ms")
    print(f"slowest: {slowest[1]!r} | {slowest[2]!r}")
    raise SystemExit(1 if broken else 0)


def said(gold: str, answer: str) -> bool | None:
    """The verdict, None where it is left open or the gold is blank."""
    read = read_gold(gold)
    return None if read is None else decide(read, normalise(answer))


def raises_nothing(chance: Chance) -> tuple[str, str, str]:
    one, other = (random_text(chance) for _ in range(2))
    return one, other, of_both_orders(one, other)


def of_both_orders(one: str, other: str) -> str:
    """How the verdicts of the two orders differ; empty where they do not, or may."""
    verdicts = said(one, other), said(other, one)
    # The rounding of a decimal is asked of one side only, a small letter may stand for a choice, and what kind the
    # reference is decides whether letters are words, and choices by the alphabet stand for any order.
    is_policy = "." in one + other or len(one.strip()) == 1 or len(other.strip()) == 1 or CHOICES.fullmatch(one)
    is_policy = is_policy or any(gold and gold.kind is GoldKind.WORDS for gold in map(read_gold, (one, other)))
    # One side may be sure where the other only leaves it open.
    is_other = None not in verdicts and verdicts[0] != verdicts[1] and not is_policy
    return f"{verdicts[0]} one way, {verdicts[1]} the other" if is_other else ""


def is_itself(chance: Chance) -> tuple[str, str, str]:
    text = random_text(chance)
    return text, text, "is not itself" if said(text, text) is False else ""


def has_forms(chance: Chance) -> tuple[str, str, str]:
    forms, _ = random_value(chance)
    one, other = forms(chance), forms(chance)
    return one, other, "" if said(one, other) is True else f"{said(one, other)} of two forms of one value"


def has_neighbours(chance: Chance) -> tuple[str, str, str]:
    forms, neighbour = random_value(chance)
    one, other = forms(chance), neighbour(chance)
    return one, other, "" if said(one, other) is not True else "equal to a neighbour"


def random_text(chance: Chance) -> str:
    return "".join(chance.choice(PIECES) for _ in range(chance.randint(1, chance.choice((4, 12, 40)))))


# --- values -----------------------------------------------------------------------------------------------------------


def random_value(chance: Chance) -> tuple[Forms, Forms]:
    """A value, and one beside it, each by what writes it in a random form."""
    kind = chance.randrange(9)
    if kind <= 1:
        return numbers(chance)
    if kind == 2:
        return roots(chance)
    if kind == 3:
        return of_pi(chance)
    if kind == 4:
        return polynomials(chance)
    return lists(chance, kind)


def numbers(chance: Chance) -> tuple[Forms, Forms]:
    value = Fraction(chance.randint(-400, 400), chance.choice((1, 1, 1, 2, 3, 4, 5, 7, 8, 10, 100)))
    step = Fraction(chance.choice((-1, 1)), value.denominator)
    return (lambda c: number(value, c)), (lambda c: number(value + step, c))


def number(value: Fraction, chance: Chance) -> str:
    top, bottom = value.numerator, value.denominator
    sign = "-" if top < 0 else ""
    forms = [rf"{sign}\frac{{{abs(top)}}}{{{bottom}}}", f"{top}/{bottom}", rf"\dfrac{{{top}}}{{{bottom}}}"]
    scale = chance.randint(2, 9)
    forms.append(rf"{sign}\frac{{{abs(top) * scale}}}{{{bottom * scale}}}")
    if bottom == 1:
        forms += [str(top), f"{top}.0", rf"\text{{{top}}}", f"{top:,}", rf"\boxed{{{top}}}", f"${top}$", f"x = {top}"]
    if 10**4 % bottom == 0 and bottom > 1:
        forms.append(str(float(value)))
    if abs(top) > bottom > 1:
        forms.append(rf"{sign}{abs(top) // bottom}\frac{{{abs(top) % bottom}}}{{{bottom}}}")
    return chance.choice(forms)


def whole(value: int, chance: Chance) -> str:
    """A whole number as a part of something."""
    scale = chance.randint(2, 9)
    return chance.choice((str(value), str(value), f"{value}.0", rf"\frac{{{value * scale}}}{{{scale}}}"))


def roots(chance: Chance) -> tuple[Forms, Forms]:
    times, inner = chance.randint(2, 9), chance.choice((2, 3, 5, 6, 7, 10, 11, 13))

    def forms(chance: Chance, times: int = times) -> str:
        return chance.choice(
            (
                rf"{times}\sqrt{{{inner}}}", rf"\sqrt{{{inner * times * times}}}", f"{times}√{inner}",
                f"{times}*sqrt({inner})",
                rf"\frac{{{times * inner}}}{{\sqrt{{{inner}}}}}",
                rf"\sqrt{inner if inner < 10 else '{' + str(inner) + '}'} \cdot {times}",
            )
        )  # fmt: skip

    return forms, lambda c: forms(c, times + 1)


def of_pi(chance: Chance) -> tuple[Forms, Forms]:
    top, bottom = chance.randint(1, 20), chance.randint(1, 12)

    def forms(chance: Chance, top: int = top) -> str:
        common = gcd(top, bottom)
        return chance.choice(
            (
                rf"\frac{{{top}\pi}}{{{bottom}}}", rf"\frac{{{top // common}}}{{{bottom // common}}}\pi",
                f"{top}π/{bottom}",
                f"{top}*pi/{bottom}", rf"\dfrac{{{2 * top}\pi}}{{{2 * bottom}}}",
            )
        )  # fmt: skip

    return forms, lambda c: forms(c, top + 1)


def polynomials(chance: Chance) -> tuple[Forms, Forms]:
    name = chance.choice("xyt")
    one, other = chance.randint(1, 9), chance.randint(1, 9)

    def forms(chance: Chance, shift: int = 0) -> str:
        linear, constant = one + other, one * other + shift
        written = [
            f"{name}^2+{linear}{name}+{constant}", f"{constant} + {linear} {name} + {name}^{{2}}",
            rf"{name}({name}+{linear})+{constant}", f"{name}**2 + {linear}*{name} + {constant}",
        ]  # fmt: skip
        if not shift:
            written.append(f"({name}+{one})({name}+{other})")
        return chance.choice(written)

    return forms, lambda c: forms(c, 1)


def lists(chance: Chance, kind: int) -> tuple[Forms, Forms]:
    items = sorted(chance.sample(range(-30, 60), chance.choice((2, 2, 3))))
    if kind == 5:
        items = items[:2]

    def forms(chance: Chance, items: list[int] = items) -> str:
        texts = [whole(item, chance) for item in items]
        inner = ", ".join(texts)
        if kind == 5:
            written = (rf"[{inner})", rf"\left[{inner}\right)", rf"{texts[0]} \le x < {texts[1]}", rf"x\in[{inner})")
        elif kind == 6:
            mixed = chance.sample(texts, len(texts))
            written = (
                rf"\{{{', '.join(mixed)}\}}",
                rf"\left\{{{', '.join(mixed)}\right\}}",
                rf"\lbrace {inner}\rbrace",
                rf"\{{{inner}\}}",
            )
        elif kind == 7:
            written = (
                f"({inner})",
                rf"\left({inner}\right)",
                rf"\langle {inner}\rangle",
                COLUMN.format(ROW.join(texts)),
            )
        else:  # solutions
            mixed = chance.sample(texts, len(texts))
            written = (
                " or ".join(f"x={text}" for text in mixed), ", ".join(f"x = {text}" for text in mixed),
                f"x = {OR.join(mixed)}", rf"x\in\{{{inner}\}}",
            )  # fmt: skip
        return chance.choice(written)

    return forms, lambda c: forms(c, [*items[:-1], items[-1] + 1])


if __name__ == "__main__":
    main()
