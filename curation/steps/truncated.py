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
    | [a-z,]\ (?:the|an|of|and|or|is|are|was|were|because|with|which|into|from|than|if|since|where|whose|by|we
        |our|its|their|however|therefore)$
    | [0-9)\]}$]\ (?:and|or|because|with|from|than|if|since|where|which|the|an)$
    | \\(?:boxed|[dt]?frac|sqrt|text|begin|end)$ | [^*\s][:：]\*\*$ | (?:^|\n)[\#*\ ]*(?i:final\ answer)[*\ ]*$
    | \b(?:equal|equals|according|corresponds?|reduces?|simplifies|leads?|converges|due|in\ order|going|need|needs)\ to$
    | \b(?:get|obtain|see|find|note|follows|such|so|implies|conclude|shows?|means|given|know|assume|suppose)\ that$
    | \bthat\ (?:the|this|there|it|we|each|every)$ | (?:[,;]|if|since|when|where|because)\ there$
    | (?:因为|所以|以及|并且|由于|但是|等于|如果|那么|例如|我们|其中|首先|然后|接着|对于|根据|通过|为了|因此|可得)$
    | 可以得到$
    | (?:答案|结果|最终值|值|因此|所以|可得|得到)(?:为|是)$ | 我们[再将把先]$ | [综如]上所述[，,]?(?:这个)?$
    | (?:答えは|したがって|つまり|なぜなら|답은|따라서|그러므로|왜냐하면)$
    | [а-яё,]\ (?:что|или|равен|равна|равно|поэтому|потому|если|для|из|от|и|в|на|с|к|по|при)$
    | [a-záéíóúñ,]\ (?:el|los|las|una|del|que|porque|donde)$
    | [a-zàâçéèêëîôû,]\ (?:le|les|des|une|du|que\ la|dans|donc)$
    | [a-zäöüß,]\ (?:der|dem|des|eine|einen|und|oder|weil|dass)$
    | \b(?:que|de)\ la$
    | (?:^|\n)\d{1,2}[.)]\ [^\n]+\n+\d{1,2}[.)]$ | (?:^|\n)[-*]\ [^\n]+\n+[-*]$
"""
_WHOLE_END = r"""(?x)
      ^[^\n]{1,2}$ | (?i:\b(?:it|he|she|they|we|you|there|here|this|that|what|who|i)\ (?:is|are|was|were)$)
    | (?:^|[\n.!?])\ *(?i:who|whom|which|what|where|whose|how)\b[^\n.!?,]*\ (?:of|with|from|by|than|into|to)$
    | (?i:\b(?:is|sign|symbol|operator|character|relation|answer|choose|use))\W{1,4}[<=>+:&^(\[{,\\]$
    | (?i:\b(?:command|macro|use)\W{1,4}\\[a-z]+$)
    | \bhttps?://\S+$ | \b(?i:grade|type|group|ion|is|an?)\W{1,4}[A-Z][A-Za-z]?\d?\+$
    | \b[A-Za-z]:\\(?:[^\s\\]+\\)*$
    | ["“'‘`](?:the|an|of|and|or|is|are|was|were|because|with|which|from|than|if|we|that|there|to)$
    | (?i:\b(?:word|answer|option|choice)(?:\ is[:\s*"“']+|[*"“']*[:*"“'][:\s*"“']*)[a-z]+$)
"""
"""What looks open and is not: the end of a clause such as "what it is", a sign that is named, a path of Windows."""
_OPEN_INLINE = r"(?:^|\n)(?:[^$\n]*\$[^$\n]*\$)*[^$\n]*\$([^$\n]*)$"
_FORMULA = r"^(?:[^A-Za-z]|\\[A-Za-z]+|[A-Za-z]{1,2}(?:[^A-Za-z]|$))+$"
_FORMULA_SIGN = r"[\\^_]"
_SENTENCE_END = r"[.!?。！？]$"
_LAST_SENTENCE = r"(?:[a-z]{4}|[^\n]\ [^\n ]*[0-9)\]}$])[.!?] +([A-Z][^\n.!?]*[a-z]{2})$"
_CLOSING = (
    r"(?i)answer|choice|option|prove|done|q\.?e\.?d|thank|hope|luck|let me know|cheers|regards|result|solution|^note\b"
    r"|:\**\s+\S+(?: \S+){0,2}$"
)
_CLOSED_FENCE = r"^[ \t]*\n[ \t]*\n"


@dataclass(frozen=True)
class Truncated(TextStep):
    r"""Drops answers that stop in the midst of something; reasoning that never ends is a matter of ``format``.

    Reasons, in this order: ``unclosed_fence``: an odd number of three backticks, with text
    right after the last (a blank line follows one that closes).
    ``unclosed_box``: after the last ``\boxed{`` there are not more closing braces than opening ones.
    ``unclosed_formula``: an odd number of ``$$``, or no ``\]``, ``\)`` or ``\end{`` after the last ``\[``, ``\(`` or
    ``\begin{``, in an answer that does not end with a sentence; or an odd number of ``$`` in its last line, with
    nothing but a formula after the last; code is left out. ``unfinished_answer``: the last character is a comma, a
    colon, an opening bracket, a backslash or an operator; or the last word one that cannot be last, such as "the",
    "because", "因为", "что"; or an item of a list has its number alone; or the last line holds a finished sentence, and
    after it one that ends with a letter and does not speak of the answer. "What it is", a sign that is named, and a
    path may end an answer.

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
        is_cut = end.str.contains(_OPEN_END) & ~end.str.contains(_WHOLE_END)
        priced = pl.when(end.str.contains("$", literal=True)).then(end.str.replace_all(r"\$", "", literal=True))
        inline = priced.str.extract(_OPEN_INLINE)
        is_inline = inline.str.contains(_FORMULA) & inline.str.contains(_FORMULA_SIGN)
        is_block = is_open & ~end.str.contains(_SENTENCE_END)
        after_fence = _after_last(pl.when(fences % 2 == 1).then(answer), FENCE)
        opening, closing = _braces_after_box(answer)
        return [
            Rule(
                reason="unclosed_fence",
                drops=(after_fence.str.strip_chars() != "") & ~after_fence.str.contains(_CLOSED_FENCE),
                value=fences,
                detail=_from_last(answer, FENCE),
            ),
            Rule(
                reason="unclosed_box",
                drops=closing <= opening,
                value=1 + opening.cast(pl.Int64) - closing.cast(pl.Int64),
                detail=_from_last(answer, _BOX),
            ),
            Rule(reason="unclosed_formula", drops=is_block.fill_null(value=False) | is_inline, detail=last),
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
