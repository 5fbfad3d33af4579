"""Verdicts kept by content, for all runs of a user: the same completion is judged once in its life.

A key is a hash of all that a verdict follows from: the prompt, the reference, the completion, its language, the recipe,
the engine's configuration and the version of this package. No text is kept, and no FAILED verdict: what we could not
judge is asked for again. SQLite keeps what was committed when a run is killed at any instant, and lets several runs
write.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from curation.errors import OutputError
from verifier.types import Outcome, Scored, Verdict

_PENDING = 256
_ASKED = 500
_WAIT_S = 60.0
_SCHEMA = "CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, scored TEXT NOT NULL) WITHOUT ROWID"


def content_key(context: str, parts: Sequence[object]) -> bytes:
    """The key of one completion.

    Args:
        context: what all of a run share: recipe, engine and version.
        parts: prompt, reference, language, completion.
    """
    digest = hashlib.blake2b(digest_size=32)
    for part in (context, *(part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts)):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()


class Verdicts(Protocol):
    """What a shard is judged with: the store, or a way to it from another machine."""

    def find(self, keys: Sequence[bytes]) -> Mapping[bytes, Scored]:
        """The verdicts that are known."""

    def add(self, entries: Iterable[tuple[bytes, Scored]]) -> None:
        """Keeps verdicts, in batches; FAILED ones are left out."""

    def flush(self) -> None:
        """Writes what is pending."""


class VerdictStore:
    """The store in one file; used by one thread."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise OutputError(
                f"the verdict store {path} cannot be used: {error}; give another with --store FILE, or --no-store"
            ) from error
        self._pending: dict[bytes, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.flush()
        self._connection.close()

    def find(self, keys: Sequence[bytes]) -> Mapping[bytes, Scored]:
        """The verdicts that are known."""
        return from_texts(self.find_texts(keys))

    def find_texts(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        """The same as they are written, to be sent elsewhere."""
        found: dict[bytes, str] = {}
        for start in range(0, len(keys), _ASKED):
            asked = keys[start : start + _ASKED]
            marks = ",".join("?" * len(asked))
            statement = f"SELECT key, scored FROM verdicts WHERE key IN ({marks})"  # noqa: S608 - question marks alone
            with closing(self._connection.execute(statement, asked)) as rows:
                found.update(rows)
        return found

    def add(self, entries: Iterable[tuple[bytes, Scored]]) -> None:
        """Keeps verdicts, in batches; FAILED ones are left out."""
        self.add_texts(as_texts(entries))

    def add_texts(self, entries: Mapping[bytes, str]) -> None:
        """Keeps them as they come from elsewhere."""
        self._pending.update(entries)
        if len(self._pending) >= _PENDING:
            self.flush()

    def flush(self) -> None:
        """Writes what is pending."""
        if not self._pending:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", self._pending.items())
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise OSError(f"the verdict store: {error}") from error
        self._pending.clear()


def as_texts(entries: Iterable[tuple[bytes, Scored]]) -> dict[bytes, str]:
    """Verdicts as they are written; without the FAILED ones."""
    return {
        key: _text(scored)
        for key, scored in entries
        if not any(verdict.outcome is Outcome.FAILED for verdict in scored.verdicts)
    }


def from_texts(texts: Mapping[bytes, str]) -> dict[bytes, Scored]:
    """Verdicts that were written."""
    return {key: _scored(text) for key, text in texts.items()}


def _text(scored: Scored) -> str:
    verdicts = [[one.verifier, one.outcome.value, one.score, one.reason] for one in scored.verdicts]
    return json.dumps([scored.reward, verdicts])


def _scored(text: str) -> Scored:
    reward, verdicts = json.loads(text)
    return Scored(
        reward=reward,
        verdicts=tuple(
            Verdict(verifier=verifier, outcome=Outcome(outcome), score=score, reason=reason)
            for verifier, outcome, score, reason in verdicts
        ),
    )
