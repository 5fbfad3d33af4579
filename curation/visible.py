"""Texts of models as a person is shown them: nothing in them hides, or moves what stands around it."""

from __future__ import annotations

import unicodedata

_HIDDEN = frozenset("\u061c\u200b\u200e\u200f\u2028\u2029\u2060\ufeff\ufff9\ufffa\ufffb")
_WHOLE_BELOW = 1e15


def visible(text: str) -> str:
    """A text with control characters, and those that hide or turn text, written out as their code."""
    return "".join(f"⟨U+{ord(char):04X}⟩" if _is_hidden(char) else char for char in text)


def cut(text: str, most: int) -> str:
    """The start of a text, made visible, with an ellipsis where there was more."""
    return visible(text[:most].rstrip()) + ("…" if len(text) > most else "")


def in_a_line(text: str, most: int, *, is_end: bool = False) -> str:
    """A text on one line: its start, or its end, with an ellipsis where there was more."""
    # Much of a long text would be split for nothing.
    near = text[-4 * most :] if is_end else text[: 4 * most]
    line = " ".join(near.split())
    if len(near) == len(text) and len(line) <= most:
        return visible(line)
    return "… " + visible(line[-most:]) if is_end else visible(line[:most]) + " …"


def measured(value: float) -> str:
    """A number as it is shown: whole where it is whole, else with two decimals."""
    return f"{int(value):,}" if value.is_integer() and abs(value) < _WHOLE_BELOW else f"{value:,.2f}"


def _is_hidden(char: str) -> bool:
    if char in "\n\t" or " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    # The other format characters, such as joiners, are parts of words in some scripts.
    is_turning = unicodedata.bidirectional(char) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    is_tag = "\U000e0000" <= char <= "\U000e0fff"
    return category in {"Cc", "Cs", "Cn"} or is_turning or is_tag or char in _HIDDEN
