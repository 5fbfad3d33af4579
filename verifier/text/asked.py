r"""What a question tells to work out: the formulas that follow "simplify", "compute", 计算 and the like.

To write such a formula down again is no answer, though it is equal to the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from verifier.text.phrases import segments

_READ_CHARS = 20_000
_MAX_FORMULAS = 50
_NEAR_CHARS = 40
_FORMULA_CHARS = 600

_REWRITE = (
    r"simplify|reduce|convert|express|write|rewrite|expand|factor(?:i[sz]e)?|rationali[sz]e|round|化简|约分|展开|分解"
)
_COMPUTE = r"compute|evaluate|calculate|what\ is|find(?!\ that)|determine(?!\ that)|solve|计算|求"
_STARTS = "".join(sorted({word[0] for word in f"{_REWRITE}|{_COMPUTE}".split("|")}))
_ORDER = re.compile(
    # Few letters begin an order, and to look at one is a third of trying all orders.
    rf"(?=[{_STARTS}])(?<![A-Za-z])(?:(?P<rewrite>{_REWRITE})|{_COMPUTE})(?![A-Za-z]|[为得出到导])",
    re.IGNORECASE | re.VERBOSE,
)
_AT_START = re.compile(r"(?:^|[.?!。\n])[\s#*>]*$")
_FORMULA = re.compile(r"[-\d(\\|\[][^\s,]*(?:\s?[-+*/^=×·÷]\s?[^\s,]+)*")
_OPENER = re.compile(r"\$\$?|\\\[|\\\(")
_STOP = re.compile(r"[?？。\n]|\.(?:\s|$)")


def asks_for_box(prompt: str) -> bool:
    """Whether a prompt tells to put the answer in a box."""
    return "\\boxed" in prompt or "boxed{" in prompt or "\\fbox" in prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A formula to be worked out.

    Args:
        formula: as it stands in the text.
        is_rewrite: it is to be written in another form, so that even a plain number is no answer.
    """

    formula: str
    is_rewrite: bool


def asked_formulas(text: str, *, is_question: bool = True) -> tuple[Asked, ...]:
    """The formulas of a text that follow an order at once, or within a few words of the same sentence.

    Args:
        text: a question, or an answer that may begin with one.
        is_question: else only an order with which a sentence begins counts; "simplify to get" is none.
    """
    text = text[:_READ_CHARS]
    found: list[Asked] = []
    for order in _ORDER.finditer(text):
        if not is_question and not _AT_START.search(text[max(order.start() - 20, 0) : order.start()]):
            continue
        rest = text[order.end() : order.end() + _NEAR_CHARS + _FORMULA_CHARS]
        opener = _OPENER.search(rest)
        if opener and opener.start() <= _NEAR_CHARS and not _STOP.search(rest[: opener.start()].rstrip(":： \n")):
            formula = next(segments(rest[opener.start() :]), "")
        else:
            formula = _STOP.split(rest.strip(), maxsplit=1)[0]
            inner = _FORMULA.search(formula)
            formula = inner[0] if inner and inner.start() <= _NEAR_CHARS else formula
        if formula:
            found.append(Asked(formula=formula.strip(), is_rewrite=order["rewrite"] is not None))
        if len(found) == _MAX_FORMULAS:
            break
    return tuple(found)
