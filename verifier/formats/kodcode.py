"""KodCode: a pytest file that imports the functions under test from the module ``solution``.

Source:
    https://huggingface.co/datasets/KodCode/KodCode-V1.
"""

from __future__ import annotations

import re

from verifier.formats.base import Task
from verifier.formats.cases import nested
from verifier.formats.fields import Fields, list_of, object_of
from verifier.types import CodeReference, Framework

_IMPORT = re.compile(r"^[ \t]*from[ \t]+solution[ \t]+import[ \t]+\(?[ \t]*(\w+)", re.MULTILINE)


def read_kodcode(row: Fields) -> Task:
    """A row of KodCode."""
    script = row.needed("test")
    return Task(
        reference=CodeReference(
            language="python",
            script=script,
            framework=Framework.PYTEST.value,
            entry_point=_function(row) or _imported(script),
        ),
        solution=row.text("solution"),
    )


def _function(row: Fields) -> str:
    infos = list_of(nested(row.get("test_info") or None, row.at("test_info")), row.at("test_info"))
    return object_of(*infos[0]).text("function_name") if infos else ""


def _imported(script: str) -> str:
    found = _IMPORT.search(script)
    return found[1] if found else ""
