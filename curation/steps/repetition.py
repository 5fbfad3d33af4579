"""Step ``repetition``: text that goes round in a loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from curation.steps.base import Rule, TextStep, option
from verifier.text.think import OPEN_TAG

_LETTER_BYTES = 20
_LEAST_BYTES = 3  # less stands between two ends, as a blank line does
_PASSAGE_BYTES = 80
_PARTS = 4
_CODE = r"(?s)```.*?```"  # in programs lines come again
_END_CHARS = 400
_COUNTED_LETTERS = 32
_BETWEEN_NUMBERS = rf"[0-9]([^0-9]{{{_COUNTED_LETTERS},}})[0-9]"
_MOST = pl.Struct({"len": pl.Int64, "piece": pl.String})
_SENTENCE_END = r"[.?\n]"
_SENTENCE_END_CJK = r"[.!?。！？\n]"


@dataclass(frozen=True)
class Repetition(TextStep):
    r"""Drops completions that say the same thing again and again.

    Only what holds at least 20 bytes of letters (20 Latin letters, seven Han characters) counts as a line or a
    sentence, so that rows of a matrix, braces and ``\end{align}`` never do. A passage is as many characters as take
    80 bytes on average where it stands (for ``ngrams``, in the text), about 20 tokens in any script; its occurrences do
    not overlap.

    Reasons, in this order: ``repeated_lines``: one line occurs ``lines`` times or more, blocks of code aside.
    ``repeated_sentences``: one sentence follows upon itself, ``sentences`` times or more; a sentence ends with its
    line, with ``.`` or ``?``, and in a text that holds ``。`` with ``! 。 ！ ？`` too. ``looped_tail``: the last
    passage of the reasoning, or of what follows it, occurs there ``tails`` times or more.
    ``counted_loop``: what stands between two numbers of the last 400 characters of one of them, with 32 letters or
    more, occurs there ``counters`` times or more, as in a loop in which a counter alone changes. ``repeated_ngram``: a
    passage occurs ``ngrams`` times or more in the completion; the first passage of each quarter is tried if it comes
    again within the length of a quarter, so that no regular loop over half of the text slips through. Value: how often
    it occurs; detail: the line, sentence or passage.

    Args:
        lines: least number of equal lines.
        sentences: least number of equal sentences in a row.
        tails: least number of occurrences of the last passage.
        ngrams: least number of occurrences of any passage.
        counters: least number of occurrences of what stands between two numbers.

    Example:
        ``"I should check this once more. "`` four times in a row is dropped (``repeated_sentences``), three times
        is kept.

    Source:
        10 lines and 4 sentences: paragraphs and sentences of allenai/open-instruct's repetition filter; 20 tokens
        seen over 20 times: a-m-team's AM-Thinking; 5 tails and 50 counters are this project's.
    """

    name: ClassVar[str] = "repetition"
    needs_parts: ClassVar[bool] = True
    lines: int = option(10, least=2)
    sentences: int = option(4, least=2)
    tails: int = option(5, least=2)
    ngrams: int = option(21, least=2)
    counters: int = option(50, least=2)

    def measures(self) -> Sequence[Mapping[str, pl.Expr]]:
        """Cheap bounds for all, then exact counts for the few texts that they leave; null where there is no need."""
        text, lines, has_stops = pl.col("completion"), pl.col("lines_"), pl.col("has_stops_")
        is_long = pl.element().str.len_bytes() >= _LETTER_BYTES
        twins = lines.list.len().cast(pl.Int64) - lines.list.n_unique().cast(pl.Int64)
        # The first line or sentence may have the tag before it; without the short ones between, runs only grow.
        bound = pl.col("hashes_").list.diff().list.count_matches(0).cast(pl.Int64) + 2
        return (
            {
                "lines_": text.str.split("\n").list.filter(is_long),
                "has_stops_": text.str.contains("。", literal=True),
                "size_": text.str.len_chars().cast(pl.Int64),
                "width_": _width(text),
            },
            {
                "lined_": pl.when(twins + 2 >= self.lines).then(text).str.replace_all(_CODE, ""),
                "hashes_": _split(text, has_stops)
                .list.filter(is_long)
                .list.eval(_hash(pl.element().str.strip_chars())),
                "looped_": pl.when(pl.any_horizontal(_recurs(text, number) for number in range(_PARTS))).then(text),
                "most_tails_": pl.max_horizontal(_tails(pl.col("reasoning")), _tails(pl.col("tail"))),
                "counted_": _counted(pl.col("reasoning")),
                "counted_tail_": _counted(pl.col("tail")),
            },
            {
                "most_counts_": pl.max_horizontal(*_counts()),
                "most_lines_": pl.col("lined_").map_batches(_most_lines, return_dtype=_MOST),
                "stuck_": pl.when(bound >= self.sentences).then(text),
                "most_": pl.max_horizontal(_occurrences(pl.col("looped_"), number) for number in range(_PARTS)),
            },
            {"most_sentences_": pl.col("stuck_").map_batches(_most_sentences, return_dtype=_MOST)},
        )

    def rules(self) -> Sequence[Rule]:
        """From what a reader sees first to what only counting tells."""
        text = pl.col("completion")
        lines, sentences, tails = pl.col("most_lines_").struct, pl.col("most_sentences_").struct, pl.col("most_tails_")
        loops = pl.concat_list(_occurrences(text, number) for number in range(_PARTS))
        passage = pl.concat_list(_passage(text, number) for number in range(_PARTS)).list.get(loops.list.arg_max())
        reasoning, tail = pl.col("reasoning"), pl.col("tail")
        first, _ = _counts()
        counted = (
            pl.when(first.fill_null(0) >= self.counters).then(pl.col("counted_")).otherwise(pl.col("counted_tail_"))
        )
        last = pl.when(_tails(reasoning).fill_null(0) >= self.tails).then(reasoning).otherwise(tail)
        return [
            _rule("repeated_lines", lines["len"], self.lines, lines["piece"]),
            _rule("repeated_sentences", sentences["len"], self.sentences, sentences["piece"]),
            _rule("looped_tail", tails, self.tails, _tail(last)),
            _rule("counted_loop", pl.col("most_counts_"), self.counters, counted),
            _rule("repeated_ngram", pl.col("most_"), self.ngrams, passage),
        ]


def _rule(reason: str, count: pl.Expr, least: int, repeated: pl.Expr) -> Rule:
    return Rule(reason=reason, drops=count >= least, value=count, detail=repeated)


def _width(text: pl.Expr) -> pl.Expr:
    """Characters of a passage."""
    size = text.str.len_bytes().cast(pl.Int64)
    return _PASSAGE_BYTES * text.str.len_chars().cast(pl.Int64) // pl.max_horizontal(size, pl.lit(1, pl.Int64))


def _passage(text: pl.Expr, number: int) -> pl.Expr:
    """The first passage of a part."""
    return text.str.slice(pl.col("size_") * number // _PARTS, pl.col("width_"))


def _recurs(text: pl.Expr, number: int) -> pl.Expr:
    """Whether the first passage of a part comes again in the part."""
    start = pl.col("size_") * number // _PARTS + pl.col("width_")
    rest = text.str.slice(start, pl.col("size_") // _PARTS)
    return rest.str.contains(_passage(text, number), literal=True)


def _occurrences(text: pl.Expr, number: int) -> pl.Expr:
    return text.str.count_matches(_passage(text, number), literal=True)


def _tails(text: pl.Expr) -> pl.Expr:
    return text.str.count_matches(_tail(text), literal=True)


def _tail(text: pl.Expr) -> pl.Expr:
    """The last passage; its width goes by the characters at the end, which may be of another script than most."""
    end = text.str.strip_chars_end().str.tail(_PASSAGE_BYTES)
    return end.str.tail(_PASSAGE_BYTES * _PASSAGE_BYTES // pl.max_horizontal(end.str.len_bytes(), pl.lit(1)))


def _counts() -> tuple[pl.Expr, pl.Expr]:
    """How often what stands between two numbers occurs in the reasoning, and in what follows it."""
    parts = (("reasoning", "counted_"), ("tail", "counted_tail_"))
    first, second = (pl.col(part).str.count_matches(pl.col(counted), literal=True) for part, counted in parts)
    return first, second


def _counted(text: pl.Expr) -> pl.Expr:
    """The first long stretch between two numbers near the end, where it holds letters enough."""
    between = text.str.strip_chars_end().str.tail(_END_CHARS).str.extract(_BETWEEN_NUMBERS)
    return pl.when(between.str.replace_all(r"\P{L}+", "").str.len_chars() >= _COUNTED_LETTERS).then(between)


def _split(text: pl.Expr, has_stops: pl.Expr) -> pl.Expr:
    # One regex for both costs twice as much: three characters of one byte are searched for by other means.
    other = pl.when(has_stops).then(text).str.split(_SENTENCE_END_CJK, literal=False)
    return pl.coalesce(other, pl.when(~has_stops).then(text).str.split(_SENTENCE_END, literal=False))


def _hash(piece: pl.Expr) -> pl.Expr:
    # The difference of unsigned numbers over 2**63 is null.
    return piece.hash().reinterpret(signed=True)


def _most_lines(texts: pl.Series) -> pl.Series:
    """The most frequent line of each text and how often it occurs, null where there is no text."""
    lines = _pieces(texts, pl.col("text").str.split("\n"))
    return _greatest(lines.group_by("place", "piece").len(), texts)


def _most_sentences(texts: pl.Series) -> pl.Series:
    """The sentence of the longest run of equal ones in each text and its length, null where there is no text."""
    has_stops = pl.col("text").str.contains("。", literal=True)
    stripped = _split(pl.col("text"), has_stops).list.eval(pl.element().str.strip_chars())
    sentences = _pieces(texts, stripped.list.filter(pl.element().str.len_bytes() >= _LEAST_BYTES))
    run = pl.struct("place", "piece").rle_id()
    return _greatest(sentences.group_by(run.alias("run")).agg(pl.col("place", "piece").first(), pl.len()), texts)


def _pieces(texts: pl.Series, split: pl.Expr) -> pl.DataFrame:
    """The pieces of the few texts that are there, a row each: grouping within lists is dear for all the others."""
    few = pl.DataFrame({"text": texts}).with_row_index("place").drop_nulls("text")
    pieces = few.select("place", piece=split).explode("piece")
    return pieces.with_columns(pl.col("piece").str.strip_prefix(OPEN_TAG))


def _greatest(counts: pl.DataFrame, texts: pl.Series) -> pl.Series:
    letters = pl.col("piece").str.replace_all(r"\P{L}+", "").str.len_bytes()
    # Of pieces as frequent as one another the least is told, as groups have no order.
    worded = counts.filter(letters >= _LETTER_BYTES).sort("len", "piece", descending=[True, False])
    most = worded.unique("place", keep="first", maintain_order=True).with_columns(pl.col("len").cast(pl.Int64))
    places = pl.DataFrame({"text": texts}).with_row_index("place").select("place")
    return places.join(most, on="place", how="left", maintain_order="left").select(list(_MOST.to_schema())).to_struct()
