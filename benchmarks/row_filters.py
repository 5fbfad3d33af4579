"""The filters of ``curate``'s R1 preset as plain Python a row, and the engine that is nothing else.

For benchmarks that hold ``curate`` against other engines: whatever runs rows through Python calls these functions.
Imports nothing but pyarrow, so that it also runs in an interpreter without polars; ``math_judge`` needs math-verify.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

MAX_CHARS = 131_072
MAX_CJK_PERCENT, MAX_CJK = 5, 20
MAX_PARAGRAPH = 2_000
LIST_LINES, LIST_LINE = 10, 60
BATCH = 256

CJK = re.compile(
    "[\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3038-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]"
)
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_NO_LETTERS = bytes(set(range(256)) - set(_LETTERS))
_ASCII = bytes(range(128))

_THINK = re.compile(r"\s*<think>(.*?)</think>(.*)", re.DOTALL)
_TAGS = re.compile(r"</?think>")
_LATIN = re.compile("[A-Za-z]")
_BLANK_LINE = re.compile(r"\r?\n[ \t\r]*\n\s*")
_FENCE = re.compile("```")

_NAMES = [(name, pa.string()) for name in ("id", "group_id", "answer")]
SCHEMAS = {
    "data": pa.schema([*_NAMES, ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))]),
    "rejected": pa.schema(
        [*_NAMES, ("prompt", pa.string()), ("completion", pa.string()), ("drop_reason", pa.string())]
    ),
}
"""Each text once: a kept sample as a conversation, a dropped one as it came."""


class RowFilter:
    """Says of each row of a stream why it is dropped; the completions of a prompt follow each other in it.

    Args:
        min_chars: least length of a completion.
    """

    def __init__(self, min_chars: int = 20) -> None:
        self._min_chars = min_chars
        self._group: str | None = None
        self._seen: set[str] = set()

    def reason(self, group: str, prompt: str, text: str) -> str | None:
        """The first reason; None for what stays. Literal searches and cheap bounds first, so most rows see no regex."""
        if not prompt.strip() or not text.strip():
            return "empty"
        if not self._min_chars <= len(text) <= MAX_CHARS:
            return "length"
        if text.count("<think>") != 1 or text.count("</think>") != 1:
            return "format"
        before, _, rest = text.partition("<think>")
        reasoning, closed, tail = rest.partition("</think>")
        if not closed or before.strip() or not reasoning.strip() or not tail.strip():
            return "format"
        if not reasoning.isascii() and is_mixed(reasoning):
            return "mixed_languages"
        if max(map(len, reasoning.split("\n\n"))) > MAX_PARAGRAPH and has_wall(reasoning):
            return "long_paragraph"
        if "```" in reasoning:
            return "code_in_reasoning"
        return "duplicate" if self._is_copy(group, text) else None

    def _is_copy(self, group: str, text: str) -> bool:
        """Whether the prompt had this completion before; remembers it."""
        if group != self._group:
            self._group, self._seen = group, set()
        is_copy = text in self._seen
        self._seen.add(text)
        return is_copy


class UsualRowFilter(RowFilter):
    """The same, written as such filters mostly are: each rule as it reads, by regular expressions, on every row."""

    def reason(self, group: str, prompt: str, text: str) -> str | None:
        """The first reason; None for what stays."""
        if not prompt.strip() or not text.strip():
            return "empty"
        if not self._min_chars <= len(text) <= MAX_CHARS:
            return "length"
        parts = _THINK.match(text)
        if parts is None or len(_TAGS.findall(text)) != 2:
            return "format"
        reasoning, tail = parts.groups()
        if not reasoning.strip() or not tail.strip():
            return "format"
        cjk, latin = len(CJK.findall(reasoning)), len(_LATIN.findall(reasoning))
        if cjk > MAX_CJK or 100 * cjk > MAX_CJK_PERCENT * (cjk + latin):
            return "mixed_languages"
        if has_wall(reasoning):
            return "long_paragraph"
        if _FENCE.search(reasoning):
            return "code_in_reasoning"
        return "duplicate" if self._is_copy(group, text) else None


def is_mixed(reasoning: str) -> bool:
    """Whether too many letters under a prompt in Latin script are CJK."""
    # What is not ASCII is a few characters of thousands: the regex sees these alone, and letters are counted in C.
    encoded = reasoning.encode()
    cjk = len(CJK.findall(encoded.translate(None, _ASCII).decode()))
    return bool(cjk) and (
        cjk > MAX_CJK or 100 * cjk > MAX_CJK_PERCENT * (cjk + len(encoded.translate(None, _NO_LETTERS)))
    )


def has_wall(reasoning: str) -> bool:
    """Whether a paragraph is too long and no list."""
    return any(len(part) > MAX_PARAGRAPH and not _is_list(part) for part in _BLANK_LINE.split(reasoning))


def _is_list(part: str) -> bool:
    lines = part.split("\n")
    return len(lines) >= LIST_LINES and max(map(len, lines)) <= LIST_LINE


def normalised(text: str) -> str:
    """As the step ``normalise`` leaves a completion."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\ufeff" in text or "\0" in text:
        text = text.replace("\ufeff", "").replace("\0", "")
    return text.strip()


def messages(prompt: str, text: str) -> list[dict[str, str]]:
    """The conversation of a kept sample."""
    return [{"role": "user", "content": prompt}, {"role": "assistant", "content": text}]


def math_judge(*, is_usual: bool = False) -> Callable[[str, str], bool]:
    """A function of gold answer and completion: whether math-verify finds them equal.

    A gold answer is parsed once for the completions of its prompt, and of a completion only what follows the reasoning
    is searched. Its own time limits of five seconds stay on, as one who runs it on a corpus leaves them on.

    Args:
        is_usual: as the reward functions of open-r1 and TRL do it: gold and the whole completion are parsed anew for
            each row.
    """
    from math_verify import LatexExtractionConfig, parse, verify  # noqa: PLC0415 - only those who verify pay for it

    # Answers stand in boxes, so that numbers in running text need not be looked for.
    targets = [LatexExtractionConfig()]
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)

    @functools.lru_cache(maxsize=16)
    def parsed(answer: str) -> Any:  # noqa: ANN401 - expressions of an untyped package
        return parse(f"${answer}$", targets)

    def is_usually_right(answer: str, text: str) -> bool:
        return bool(verify(parse(f"${answer}$", targets), parse(text, targets)))

    def is_right(answer: str, text: str) -> bool:
        return bool(verify(parsed(answer), parse(text.rpartition("</think>")[2], targets)))

    return is_usually_right if is_usual else is_right


def samples_of(path: Path, *, normalises: bool = False, is_usual: bool = False) -> Iterator[dict[str, Any]]:
    """Samples of a shard with their reason, row by row; a row has a list of completions, or one."""
    rows = row_filter(is_usual=is_usual)
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=BATCH):
            for row in batch.to_pylist():
                for key, group, text in _completions(row):
                    told = normalised(text) if normalises else text
                    yield {
                        "id": key,
                        "group_id": group,
                        "prompt": row["prompt"],
                        "completion": told,
                        "answer": row["answer"],
                        "drop_reason": rows.reason(group, row["prompt"], told),
                    }


def _completions(row: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    if "completion" in row:
        yield row["id"], row["group_id"], row["completion"]
        return
    for index, text in enumerate(row["completions"]):
        yield f"{row['id']}-{index}", row["id"], text


def row_filter(*, is_usual: bool) -> RowFilter:
    """The filters, written with care for speed or as they mostly are."""
    return UsualRowFilter() if is_usual else RowFilter()


def run_python(
    source: Path, target: Path, *, verifies: bool = False, keeps_dropped: bool = True, is_usual: bool = False
) -> None:
    """Plain Python a row; with math-verify called in the same process where asked."""
    judge = math_judge(is_usual=is_usual) if verifies else None
    for path in sorted(source.glob("*.parquet")):
        writers: dict[str, pq.ParquetWriter] = {}
        held: dict[str, list[dict[str, Any]]] = {"data": [], "rejected": []}
        for sample in samples_of(path, normalises=verifies, is_usual=is_usual):
            if judge and sample["drop_reason"] is None and not judge(sample["answer"], sample["completion"]):
                sample["drop_reason"] = "wrong"
            kind = "data" if sample["drop_reason"] is None else "rejected"
            if kind == "data":
                sample["messages"] = messages(sample["prompt"], sample["completion"])
            elif not keeps_dropped:
                continue
            held[kind].append(sample)
            if len(held[kind]) == 1_000:
                _flush(target, path, kind, held, writers)
        for kind in held:
            _flush(target, path, kind, held, writers)
        for writer in writers.values():
            writer.close()


def write_tables(tables: Iterable[pa.Table], path: Path) -> None:
    """Writes tables of one schema as a file of zstd Parquet; none at all where there is no table."""
    writer: pq.ParquetWriter | None = None
    for table in tables:
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=False)
        writer.write_table(table)
    if writer:
        writer.close()


def _flush(
    target: Path, path: Path, kind: str, held: dict[str, list[dict[str, Any]]], writers: dict[str, pq.ParquetWriter]
) -> None:
    if not held[kind]:
        return
    if kind not in writers:
        (target / kind).mkdir(parents=True, exist_ok=True)
        dictionary = [] if kind == "data" else ["drop_reason"]
        options = {"compression": "zstd", "compression_level": 1, "use_dictionary": dictionary or False}
        writers[kind] = pq.ParquetWriter(target / kind / path.name, SCHEMAS[kind], **options, write_statistics=False)
    writers[kind].write_table(pa.Table.from_pylist(held[kind], schema=SCHEMAS[kind]))
    held[kind] = []
