"""Writes ``completions.jsonl`` from the readable sources in ``groups/``.

A source holds groups. ``=== id`` starts a group and is followed by its head in TOML (why, recipe, language,
reference); ``--- prompt`` starts the prompt, and ``--- CORRECT`` or ``--- INCORRECT`` a completion with what the
accuracy verifier must find. Texts stand as they are, with no escapes.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCES = HERE / "groups"
TARGET = HERE / "completions.jsonl"
OUTCOMES = ("CORRECT", "INCORRECT")
GROUP_MARK = "=== "
PART_MARK = "--- "


def main() -> None:
    """Writes the file; with ``--check`` only says whether it is up to date."""
    text = build()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, encoding="utf-8")
        print(f"{TARGET.name}: {len(text.splitlines())} groups")
    elif TARGET.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{TARGET.name} is out of date; run {Path(__file__).name}")


def build() -> str:
    """The content of ``completions.jsonl``, made from all sources in the order of their names."""
    groups = [group for path in sorted(SOURCES.glob("*.txt")) for group in read_groups(path)]
    ids = [group["id"] for group in groups]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise ValueError(f"ids are used twice: {', '.join(twice)}")
    return "".join(json.dumps(group, ensure_ascii=False) + "\n" for group in groups)


def read_groups(path: Path) -> list[dict[str, Any]]:
    """All groups of one source."""
    blocks = _split(path.read_text(encoding="utf-8"), GROUP_MARK)
    return [_group(f"{path.name}: {name}", name, body) for name, body in blocks]


def _group(where: str, name: str, body: str) -> dict[str, Any]:
    """One group in the product's JSON; ``where`` names it in errors."""
    head, _, parts_text = body.partition(f"\n{PART_MARK}")
    fields = tomllib.loads(head)
    parts = _split(PART_MARK + parts_text, PART_MARK)
    prompts = [text for kind, text in parts if kind == "prompt"]
    judged = [(kind, text) for kind, text in parts if kind != "prompt"]
    unknown = sorted({kind for kind, _ in judged if kind not in OUTCOMES})
    if len(prompts) != 1 or not judged or unknown:
        raise ValueError(f"{where}: needs one prompt and at least one completion; unknown parts: {unknown}")
    return {
        "id": name,
        "prompt": prompts[0],
        "completions": [text for _, text in judged],
        "reference": fields["reference"],
        **{key: fields[key] for key in ("language", "recipe") if key in fields},
        "expect": [kind for kind, _ in judged],
        "why": fields["why"],
    }


def _split(text: str, mark: str) -> list[tuple[str, str]]:
    """The pieces of a text that lines with this mark begin, each with what stands after the mark."""
    pieces: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith(mark):
            pieces.append((line.removeprefix(mark).strip(), []))
        elif pieces:
            pieces[-1][1].append(line)
    return [(name, "\n".join(lines).rstrip("\n")) for name, lines in pieces]


if __name__ == "__main__":
    main()
