"""LeetCodeDataset: a preamble of imports and node types, ``Solution().method``, and a script with ``check``.

Source:
    https://github.com/newfacade/LeetCodeDataset (fields of version 0.3).
"""

from __future__ import annotations

from verifier.formats.base import Task
from verifier.formats.fields import Fields
from verifier.types import CodeReference


def read_leetcode(row: Fields) -> Task:
    """A row of LeetCodeDataset."""
    entry_point = row.needed("entry_point")
    return Task(
        reference=CodeReference(
            language="python",
            script=f"{row.needed('test')}\n\ncheck({entry_point})\n",
            entry_point=entry_point,
            prelude=row.text("prompt"),
        ),
        solution=row.text("completion"),
    )
