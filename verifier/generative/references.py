"""References as texts for a reader."""

from __future__ import annotations

import re
from collections.abc import Sequence

from verifier.equivalence import is_prose

_CJK_SENTENCE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]{6}")


def reference_text(answers: Sequence[str]) -> str:
    """Gold answers, of which any is right, as one text; empty where none says anything."""
    said = [answer.strip() for answer in answers if answer.strip()]
    if len(said) < 2:  # noqa: PLR2004 - "any one of" takes two
        return "".join(said)
    return "\n".join(["Any one of these:", *(f"{number}. {answer}" for number, answer in enumerate(said, 1))])


def is_prose_reference(answers: Sequence[str]) -> bool:
    """Whether every gold answer is a sentence, which no rule can compare with another wording of it."""
    said = [answer for answer in answers if answer.strip()]
    return bool(said) and all(is_prose(answer) or _CJK_SENTENCE.search(answer) for answer in said)
