"""Where the reasoning of a completion ends and its answer begins.

One definition for all verifiers: an answer or a program is looked for in what follows the last ``</think>``, so
text inside the reasoning can never be judged as the answer (DeepSeek-R1, arXiv 2501.12948, section 2.2).
"""

from __future__ import annotations

import re
from typing import NamedTuple

OPEN_TAG = "<think>"
CLOSE_TAG = "</think>"
_FEW = 8
_SIGN_STARTS = ("|", "｜")


class Reasoned(NamedTuple):
    """A completion in its two parts.

    Args:
        answer: what follows the reasoning; None where the reasoning never ends, so nothing was answered.
        text: in which the reasoning stands, which is long and seldom asked for; None where there is no reasoning at
            all.
        start: of the reasoning.
        stop: of it.
    """

    answer: str | None
    text: str | None = None
    start: int = 0
    stop: int = 0

    @property
    def reasoning(self) -> str | None:
        """What stands between the tags; None where the completion has no reasoning at all."""
        return None if self.text is None else self.text[self.start : self.stop]


def opens_reasoning(prompt: str) -> bool:
    """Whether the prompt (a chat template's last line) already wrote ``<think>``, so the completion need not."""
    return prompt.rstrip().endswith(OPEN_TAG)


_HEADER = re.compile(
    r"\s*(?:<\|im_start\|>\s*(?:assistant)?|<\|start_header_id\|>\s*assistant\s*<\|end_header_id\|>|<\|start\|>\s*assistant|<\|begin_of_solution\|>)\s*"
)
_FINAL = re.compile(
    r"<\|channel\|>\s*final\s*<\|message\|>|<\|im_start\|>\s*answer\s*(?=\n|\\)|<\|end_of_thought\|>\s*(?:<\|begin_of_solution\|>)?"
)
_STARTS_WITH_SIGN = re.compile(r"\s*<[|｜]")
_ANALYSIS = re.compile(
    r"\s*(?:<\|channel\|>\s*(?:analysis|commentary)|<\|im_start\|>\s*think(?=\n)|<\|begin_of_thought\|>)"
)
_TURN = re.compile(
    r"<\|(?:im_end|im_start|endoftext|eot_id|eom_id|end|start_header_id|end_of_text|return|start|channel|end_of_solution)\|>"
    r"|<｜end▁of▁sentence｜>|</s>(?=\s*$)"
)


def _own_turn(completion: str) -> str | None:
    """The model's own turn, without the signs of its chat template; None where it is all reasoning.

    What follows the end of the turn is no part of it. OpenAI's harmony format and some others mark with such signs
    where the reasoning ends and the answer begins; there it is as if ``</think>`` stood.
    """
    header = _HEADER.match(completion)
    text = completion[header.end() :] if header else completion
    if _ANALYSIS.match(text):
        last = None
        for last in _FINAL.finditer(text):  # noqa: B007 - the last match is what we want
            pass
        if last is None:
            return None
        text = text[last.end() :]
    else:
        final = _FINAL.match(text)
        text = text[final.end() :] if final else text
    # Within the reasoning such a sign ends nothing.
    start = max(text.rfind(CLOSE_TAG), 0)
    found = _TURN.search(text, start)
    return text[: found.start()] if found else text


def _may_have_turns(text: str, start: int) -> bool:
    """Whether a sign of a chat template may stand at the head of a text or from ``start`` on."""
    if _STARTS_WITH_SIGN.match(text):
        return True
    # Two searches of two characters cost more than all else; most texts have but their tags.
    at = text.find("<", start)
    for _ in range(_FEW):
        if at < 0:
            return False
        if text[at + 1 : at + 2] in _SIGN_STARTS or text.startswith("</s>", at):
            return True
        at = text.find("<", at + 1)
    return any(f"<{sign}" in text for sign in _SIGN_STARTS) or "</s>" in text


def split_reasoning(completion: str, *, is_opened: bool = False) -> Reasoned:
    """Splits a completion at the last closing tag; linear in its length.

    Args:
        completion: what the model wrote.
        is_opened: the prompt ended with ``<think>``.
    """
    if "<" not in completion:
        return _unfinished(completion) if is_opened else Reasoned(completion)
    closed = completion.rfind(CLOSE_TAG)
    # Within the reasoning such a sign says nothing.
    if _may_have_turns(completion, max(closed, 0)):
        own = _own_turn(completion)
        if own is None:
            return _unfinished(completion)
        completion = own
        closed = completion.rfind(CLOSE_TAG)
    opened = completion.find(OPEN_TAG, 0, closed if closed >= 0 else len(completion))
    start = opened + len(OPEN_TAG) if opened >= 0 else 0
    if closed < 0:
        if opened >= 0:
            return _unfinished(completion, start)
        return _unfinished(completion) if is_opened else Reasoned(completion)
    tail = completion[closed + len(CLOSE_TAG) :]
    return Reasoned(None if OPEN_TAG in tail else tail, completion, start, closed)


def _unfinished(text: str, start: int = 0) -> Reasoned:
    """All that comes after ``start`` is reasoning."""
    return Reasoned(None, text, start, len(text))
