"""Step ``truncated``: answers that stop before they are done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep
from curation.steps.parts import FENCE

_BOX = r"\boxed{"
_PAIRS = ((r"\[", r"\]"), (r"\(", r"\)"), (r"\begin{", r"\end{"))
_END_CHARS = 400
_SHOWN_CHARS = 80
_CODE = r"(?s)```.*?```|`[^`\n]*`"
_LINE_BREAKS = (r"\\[", r"\\(")
_OPEN_END = r"""(?x)
      [,，、(（\[{\\^&<:：]$ | [^=]=$ | [^+]\+$
    | [a-z,]\ (?:the|an|of|and|or|is|are|was|were|because|with|which|into|from|than|if|since|where|whose|by|we)$
    | (?:因为|所以|以及|并且|由于|但是|等于|如果|那么|例如)$
"""
_SENTENCE_END = r"[.!?。！？]$"
_LAST_SENTENCE = r"(?:[a-z]{4}|[^\n]\ [^\n ]*[0-9)\]}$])[.!?] +([A-Z][^\n.!?]*[a-z]{2})$"
_CLOSING = r"(?i)answer|choice|option|prove|done|q\.?e\.?d"


@dataclass(frozen=True)
class Truncated(TextStep):
    r"""Drops answers that stop in the midst of something; reasoning that never ends is a matter of ``format``.

    Reasons, in this order: ``unclosed_fence``: an odd number of three backticks, with text after the last.
    ``unclosed_box``: after the last ``\boxed{`` there are not more closing braces than opening ones.
    ``unclosed_formula``: an odd number of ``$$``, or no ``\]``, ``\)`` or ``\end{`` after the last ``\[``, ``\(`` or
    ``\begin{``, in an answer that does not end with a sentence; code is left out. ``unfinished_answer``: the last
    character is a comma, a colon, an opening bracket, a backslash or an operator; or the last word one that cannot be
    last, such as "the", "because", "因为"; or the last line holds a finished sentence, and after it one that ends
    with a letter and does not speak of the answer.

    The answer is what follows the reasoning; without think tags, the whole completion. Nothing is dropped for the
    lack of a full stop alone: a number, a formula, a heading, an item of a list or a URL may end an answer.

    Value: for ``unclosed_fence`` how many fences the answer has, for ``unclosed_box`` how many braces are open at its
    end. Detail: what begins with the last fence or box; for the other reasons the last 80 characters.

    Example:
        ``"The sum is 4. However, we also"`` is dropped (``unfinished_answer``); ``"The sum is 4"`` is kept.

    Source:
        This project; open-r1 keeps ``is_reasoning_complete`` for the same end.
    """

    name: ClassVar[str] = "truncated"
    needs_parts: ClassVar[bool] = True

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """The end of the answer, and its text without code where a formula may be open."""
        answer = pl.col("tail")
        open_pairs = pl.any_horizontal(_is_open(answer, start, stop) for start, stop in _PAIRS)
        may_be_open = open_pairs | _is_odd(answer, "$$")
        prose = pl.when(may_be_open).then(answer).str.replace_all(_CODE, "")
        for mark in _LINE_BREAKS:
            prose = prose.str.replace_all(mark, "", literal=True)
        return ({"prose_": prose, "end_": answer.str.strip_chars_end().str.tail(_END_CHARS)},)

    def rules(self) -> Sequence[Rule]:
        """What is open for certain first."""
        answer, prose, end, fences = pl.col("tail"), pl.col("prose_"), pl.col("end_"), pl.col("tail_fences")
        sentence, last = end.str.extract(_LAST_SENTENCE), end.str.tail(_SHOWN_CHARS)
        is_open = _is_odd(prose, "$$") | pl.any_horizontal(_is_open(prose, *pair) for pair in _PAIRS)
        is_cut = end.str.contains(_OPEN_END)
        opening, closing = _braces_after_box(answer)
        return [
            Rule(
                reason="unclosed_fence",
                drops=(fences % 2 == 1) & ~end.str.ends_with(FENCE),
                value=fences,
                detail=_from_last(answer, FENCE),
            ),
            Rule(
                reason="unclosed_box",
                drops=closing <= opening,
                value=1 + opening.cast(pl.Int64) - closing.cast(pl.Int64),
                detail=_from_last(answer, _BOX),
            ),
            Rule(reason="unclosed_formula", drops=is_open & ~end.str.contains(_SENTENCE_END), detail=last),
            Rule(reason="unfinished_answer", drops=is_cut | ~sentence.str.contains(_CLOSING), detail=last),
        ]


def _is_odd(text: pl.Expr, mark: str) -> pl.Expr:
    return text.str.count_matches(mark, literal=True) % 2 == 1


def _after_last(text: pl.Expr, mark: str) -> pl.Expr:
    """What follows the last mark; null where there is none. Marks are ASCII, so no character is cut in two."""
    place = text.str.find_many([mark]).list.last().cast(pl.Int64)
    return text.cast(pl.Binary).bin.slice(place + len(mark), None).cast(pl.String)


def _is_open(text: pl.Expr, start: str, stop: str) -> pl.Expr:
    return ~_after_last(text, start).str.contains(stop, literal=True)


def _from_last(text: pl.Expr, mark: str) -> pl.Expr:
    return pl.lit(mark) + _after_last(text, mark)


def _braces_after_box(text: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """How many braces open and close after the last box begins; null where there is none."""
    rest = _after_last(text, _BOX)
    for escaped in (r"\{", r"\}"):
        rest = rest.str.replace_all(escaped, "", literal=True)
    return rest.str.count_matches("{", literal=True), rest.str.count_matches("}", literal=True)
