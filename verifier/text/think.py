"""Where the reasoning of a completion ends and its answer begins.

One definition for all verifiers: an answer or a program is looked for in what follows the last ``</think>``, so
text inside the reasoning can never be judged as the answer (DeepSeek-R1, arXiv 2501.12948, section 2.2).
"""

from __future__ import annotations

import re
from typing import NamedTuple

OPEN_TAG = "<think>"
CLOSE_TAG = "</think>"


class Reasoned(NamedTuple):
    """A completion in its two parts.

    Args:
        reasoning: what stands between the tags; None where the completion has no reasoning at all.
        answer: what follows the reasoning; None where the reasoning never ends, so nothing was answered.
    """

    reasoning: str | None
    answer: str | None


def opens_reasoning(prompt: str) -> bool:
    """Whether the prompt (a chat template's last line) already wrote ``<think>``, so the completion need not."""
    return prompt.rstrip().endswith(OPEN_TAG)


_TURN = re.compile(r"<\|(?:im_end|im_start|endoftext|eot_id|end|start_header_id|end_of_text)\|>")


def _end_of_turn(completion: str) -> int:
    """Where the model's own turn ends: what follows a sign of its template is no part of its answer."""
    found = _TURN.search(completion)
    return found.start() if found else len(completion)


def split_reasoning(completion: str, *, is_opened: bool = False) -> Reasoned:
    """Splits a completion at the last closing tag; linear in its length.

    Args:
        completion: what the model wrote.
        is_opened: the prompt ended with ``<think>``.
    """
    if "<|" in completion:
        completion = completion[: _end_of_turn(completion)]
    head, closed, tail = completion.rpartition(CLOSE_TAG)
    if not closed:
        before, opened, after = completion.partition(OPEN_TAG)
        if opened or is_opened:
            return Reasoned(reasoning=after if opened else before, answer=None)
        return Reasoned(reasoning=None, answer=completion)
    _, opened, inside = head.partition(OPEN_TAG)
    reasoning = inside if opened else head
    if OPEN_TAG in tail:
        return Reasoned(reasoning=reasoning, answer=None)
    return Reasoned(reasoning=reasoning, answer=tail)
