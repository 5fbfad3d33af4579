"""What counts of a judge model's reply: one JSON object, as the last thing, with one of two labels, or with a number.

Neither is ever guessed from prose. A reply that says more than one thing, or anything else, is unreadable.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

CORRECT = "correct"
INCORRECT = "incorrect"
_VERDICT_START = re.compile(r'\{\s*"(?:analysis|correctness)"\s*:')
_SCORE_START = re.compile(r'\{\s*"(?:analysis|score)"\s*:')
_FENCE_END = re.compile(r"\s*```\s*\Z")
_MAX_STARTS = 32
_MAX_CHARS = 400_000
_THOUGHT_END = "</think>"
_THOUGHT_START = "<think>"


class UnreadableReplyError(Exception):
    """The reply is no verdict and no score; the message goes back to the judge."""


def verdict_in(reply: str) -> bool:
    """Whether the judge found the answer correct.

    Raises:
        UnreadableReplyError: it said neither, or not as agreed.
    """
    verdict = _said(reply, _VERDICT_START)
    if set(verdict) != {"analysis", "correctness"}:
        raise UnreadableReplyError('the keys of its JSON object are not "analysis" and "correctness"')
    _check_analysis(verdict)
    label = verdict["correctness"]
    if label == CORRECT:
        return True
    if label == INCORRECT:
        return False
    raise UnreadableReplyError('"correctness" is neither "correct" nor "incorrect"')


def score_in(reply: str, *, least: int, most: int) -> int:
    """The score that the judge gave.

    Raises:
        UnreadableReplyError: it gave none from ``least`` to ``most``, or not as agreed.
    """
    said = _said(reply, _SCORE_START)
    # A score that stands first does not come from the analysis.
    if list(said) != ["analysis", "score"]:
        raise UnreadableReplyError('the keys of its JSON object are not "analysis" and then "score"')
    _check_analysis(said)
    score = said["score"]
    if type(score) is not int:
        raise UnreadableReplyError('"score" is no whole number')
    if not least <= score <= most:
        raise UnreadableReplyError(f'"score" is not from {least} to {most}')
    return score


def _said(reply: str, begins: re.Pattern[str]) -> dict[str, object]:
    """The object that a reply ends with."""
    if len(reply) > _MAX_CHARS:
        raise UnreadableReplyError("it is too long")
    # A judge that reasons may weigh verdicts before it gives one.
    text = reply.rpartition(_THOUGHT_END)[2]
    if _THOUGHT_START in text:
        raise UnreadableReplyError("its reasoning has no end")
    text = text.rstrip()
    if text.endswith("```"):
        text = _FENCE_END.sub("", text)
    said, end = _only_object(text, begins)
    if end != len(text):
        raise UnreadableReplyError("text follows the JSON object")
    return said


def _check_analysis(said: dict[str, object]) -> None:
    if not isinstance(said["analysis"], str):
        raise UnreadableReplyError('"analysis" is no text')


def _only_object(text: str, begins: re.Pattern[str]) -> tuple[dict[str, object], int]:
    """The one object in the text that begins as agreed, and where it ends."""
    decoder = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refuse)
    found: list[tuple[dict[str, object], int]] = []
    end = 0
    for number, start in enumerate(begins.finditer(text)):
        if number >= _MAX_STARTS:
            raise UnreadableReplyError("it has too many JSON objects")
        if start.start() < end:
            continue
        try:
            value, end = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError) as error:  # also a number of thousands of digits, which Python refuses
            raise UnreadableReplyError("its JSON is malformed") from error
        found.append((value, end))
    if not found:
        raise UnreadableReplyError("it has no JSON object with the two keys")
    if len(found) > 1:
        raise UnreadableReplyError("it has more than one JSON object")
    return found[0]


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise UnreadableReplyError("its JSON has a key twice")
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    raise UnreadableReplyError(f"its JSON has {constant}")
