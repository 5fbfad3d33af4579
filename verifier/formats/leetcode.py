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
    entry_point, prelude = row.needed("entry_point"), row.text("prompt")
    # The tests take the node types from the task, never from the completion.
    return Task(
        reference=CodeReference(
            language="python",
            script=f"{prelude}\n{row.needed('test')}\n\ncheck({entry_point})\n",
            entry_point=entry_point,
            prelude=prelude,
        ),
        solution=row.text("completion"),
    )
