"""Verdicts kept by content in one file, for all who judge: the same completion is judged once in its life.

A key is a hash of all that a verdict follows from: the prompt, the reference, the language, the completion, the recipe
and the engine's ``config_hash``, in which the version of this package is. No verifier looks at a completion's siblings,
so each completion has a key of its own, whatever group it comes in. What was judged is not kept, but for what details
quote of it, and neither is a verdict that another asking may change: FAILED, and what is said of a request as a whole.

SQLite keeps what was committed when a process is killed at any instant, and lets several processes write.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import orjson

from verifier.engines.answers import REQUEST
from verifier.errors import InvalidRequestError
from verifier.types import Group, Outcome, Scored, TestResult, TestStatus, Verdict
from verifier.wire.unicode import well_formed

STORE_VARIABLE = "ASSAY_VERDICT_STORE"
"""Environment variable that names the file where no option does."""

Record: TypeAlias = tuple[str, bytes | None]
"""What is written of a completion: reward and verdicts; their details and tests, where there are any."""

_LAYOUT = 1
"""Number of the layout of the file: 0 had no details."""
_PENDING, _PENDING_S = 4_096, 1.0
"""Verdicts that are written together, and how long they may wait for that: each writing syncs, and holds up others."""
_CHECKPOINT_PAGES = 10_000
"""Of 4 KB that are written ahead before they are moved to their places, which are spread over the file."""
_ASKED = 500
_WAIT_S = 60.0
_PAUSE_S = 0.02
_SQUEEZED_BYTES = 256
"""Details from this size on are compressed; those of few tests are shorter, and would gain nothing."""
_KEPT = 4_096
_CREATE = "CREATE TABLE IF NOT EXISTS verdicts (key BLOB PRIMARY KEY, scored TEXT NOT NULL) WITHOUT ROWID"
_GROW = "ALTER TABLE verdicts ADD COLUMN details BLOB"
_REMEDY = "give another with --store FILE, or --no-store"


def default_store() -> Path:
    """The file that is used where none is named: ``assay/verdicts.sqlite`` in the user's cache.

    Raises:
        InvalidRequestError: the user has no home directory.
    """
    cache = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(cache) if cache else Path.home() / ".cache") / "assay" / "verdicts.sqlite"
    except RuntimeError as error:
        raise InvalidRequestError(f"no place for the verdict store: {error}; {_REMEDY}") from error


def content_key(context: str, parts: Sequence[str]) -> bytes:
    """The key of what follows from some texts.

    Args:
        context: what many keys share.
        parts: the texts.
    """
    digest = hashlib.blake2b(digest_size=32)
    _add(digest, context, *parts)
    return digest.digest()


def group_keys(
    config_hash: str, group: Group, *, default_recipe: str = "", encoded: Sequence[memoryview] = ()
) -> tuple[bytes, ...]:
    """The key of each completion of a group.

    Texts count as they are judged, which is well formed; a group's id does not count.

    Args:
        config_hash: of the engine that judges; see ``EngineInfo``.
        group: with the completions.
        default_recipe: of the engine, which a group that names none comes to.
        encoded: the completions in UTF-8 where they are at hand, as to encode them takes as long as to hash them.
    """
    reference = _REFERENCE.encode(group.reference)
    # Processors have instructions for this one, and there are very many.
    head = hashlib.sha256()
    _add(head, config_hash, group.recipe or default_recipe, group.prompt, group.language, reference)
    keys = []
    for completion in encoded or map(_bytes, group.completions):
        digest = head.copy()
        digest.update(completion)
        keys.append(digest.digest())
    return tuple(keys)


def _add(digest: hashlib._Hash | hashlib.blake2b, *parts: str) -> None:
    for part in parts:
        encoded = _bytes(part)
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return well_formed(text).encode()


def _fields(part: object) -> list[object]:
    """A reference, or a part of one, by kind and content."""
    names: tuple[str, ...] = type(part).__slots__  # type: ignore[attr-defined]  # all of them are slotted dataclasses
    return [type(part).__name__, *(getattr(part, name) for name in names)]


# Not orjson: it takes a limit of infinity for none.
_REFERENCE = json.JSONEncoder(default=_fields, ensure_ascii=False, separators=(",", ":"))


class StoreLostError(OSError):
    """The file of a store can no longer be read or written; says what to do."""


class Verdicts(Protocol):
    """What is judged with: the store, or a way to it from another machine."""

    def find(self, keys: Sequence[bytes]) -> Mapping[bytes, Scored]:
        """The verdicts that are known, without details."""

    def add(self, entries: Iterable[tuple[bytes, Scored]]) -> None:
        """Keeps verdicts, in batches; those that may change are left out."""

    def flush(self) -> None:
        """Writes what is pending."""


class VerdictStore:
    """The store in one file; used by one thread.

    Args:
        path: of the file, which is made with its folders where it is not there.

    Raises:
        InvalidRequestError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise self._unusable(error) from error
        self._pending: dict[bytes, Record] = {}
        self._written_at = time.monotonic()
        try:
            self._settle()
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unusable(error) from error
        except InvalidRequestError:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self.flush()
        finally:
            self.close()

    def close(self) -> None:
        """Closes the file; what is pending is not written."""
        self._connection.close()

    def find(self, keys: Sequence[bytes]) -> Mapping[bytes, Scored]:
        """The verdicts that are known, without details.

        Raises:
            OSError: the file cannot be read.
        """
        return from_texts(self.find_texts(keys))

    def find_texts(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        """The same as they are written, to be sent elsewhere."""
        found = {key: self._pending[key][0] for key in keys if key in self._pending}
        found.update(self._select("key, scored", keys))
        return found

    def find_whole(self, keys: Sequence[bytes]) -> Mapping[bytes, Scored]:
        """The verdicts that are known, as they were given.

        Raises:
            OSError: the file cannot be read.
        """
        found = {key: self._pending[key] for key in keys if key in self._pending}
        found.update((key, (scored, details)) for key, scored, details in self._select("key, scored, details", keys))
        return {key: _whole(*record) for key, record in found.items()}

    def add(self, entries: Iterable[tuple[bytes, Scored]]) -> None:
        """Keeps verdicts, in batches; those that may change are left out.

        Raises:
            OSError: the file cannot be written.
        """
        self.add_records(as_records(entries))

    def add_records(self, entries: Mapping[bytes, Record]) -> None:
        """Keeps them as they come from elsewhere."""
        self._pending.update(entries)
        if len(self._pending) >= _PENDING or time.monotonic() > self._written_at + _PENDING_S:
            self.flush()

    def flush(self) -> None:
        """Writes what is pending.

        Raises:
            OSError: the file cannot be written.
        """
        if not self._pending:
            return
        rows = [(key, *record) for key, record in self._pending.items()]
        try:
            with self._transaction():
                self._connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._lost(error) from error
        self._pending.clear()
        self._written_at = time.monotonic()

    def _select(self, columns: str, keys: Sequence[bytes]) -> list[Any]:
        rows: list[Any] = []
        for start in range(0, len(keys), _ASKED):
            asked = keys[start : start + _ASKED]
            marks = ",".join("?" * len(asked))
            statement = f"SELECT {columns} FROM verdicts WHERE key IN ({marks})"  # noqa: S608 - names of ours, and marks
            try:
                with closing(self._connection.execute(statement, asked)) as found:
                    rows += found
            except sqlite3.Error as error:
                raise self._lost(error) from error
        return rows

    def _settle(self) -> None:
        """Brings the file into the layout of this version; what an older one wrote stays.

        Raises:
            InvalidRequestError: a newer version wrote it.
        """
        if self._layout() > _LAYOUT:
            raise self._unusable("a newer version of this package wrote it")
        self._write_ahead()
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        if self._layout() == _LAYOUT:
            return
        with self._transaction():
            # Looked at again, as another process may have been faster.
            if self._layout() < _LAYOUT:
                self._connection.execute(_CREATE)
                self._connection.execute(_GROW)
                self._connection.execute(f"PRAGMA user_version = {_LAYOUT}")

    def _write_ahead(self) -> None:
        """Lets readers and a writer work at once. SQLite does not wait for others here, whatever its time-out."""
        until = time.monotonic() + _WAIT_S
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    def _layout(self) -> int:
        (number,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(number)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def _unusable(self, why: object) -> InvalidRequestError:
        return InvalidRequestError(f"the verdict store {self._path} cannot be used: {why}; {_REMEDY}")

    def _lost(self, error: sqlite3.Error) -> StoreLostError:
        return StoreLostError(f"the verdict store {self._path}: {error}; {_REMEDY}")


def as_records(entries: Iterable[tuple[bytes, Scored]]) -> dict[bytes, Record]:
    """Verdicts as they are written; without those that may change."""
    return {key: (_text(scored), _details(scored)) for key, scored in entries if _is_lasting(scored)}


def from_texts(texts: Mapping[bytes, str]) -> dict[bytes, Scored]:
    """Verdicts that were written, without details."""
    return {key: _bare(text) for key, text in texts.items()}


def _is_lasting(scored: Scored) -> bool:
    return all(one.outcome is not Outcome.FAILED and one.verifier != REQUEST for one in scored.verdicts)


def _text(scored: Scored) -> str:
    verdicts = [[one.verifier, one.outcome.value, one.score, one.reason] for one in scored.verdicts]
    return _dumped([scored.reward, verdicts]).decode()


def _details(scored: Scored) -> bytes | None:
    if not any(one.detail or one.tests for one in scored.verdicts):
        return None
    value = [
        [one.detail, [[test.name, test.status.value, test.detail] for test in one.tests]] for one in scored.verdicts
    ]
    written = _dumped(value)
    return zlib.compress(written, 1) if len(written) >= _SQUEEZED_BYTES else written


def _dumped(value: list[Any]) -> bytes:
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        # A text holds half of a UTF-16 pair, which is written as it would be to any wire.
        return well_formed(json.dumps(value, ensure_ascii=False)).encode()


@lru_cache(_KEPT)
def _bare(text: str) -> Scored:
    """One object for equal verdicts, of which a store has few."""
    reward, verdicts = orjson.loads(text)
    return Scored(
        reward=reward,
        verdicts=tuple(
            Verdict(verifier=verifier, outcome=Outcome(outcome), score=score, reason=reason)
            for verifier, outcome, score, reason in verdicts
        ),
    )


def _whole(text: str, details: bytes | None) -> Scored:
    bare = _bare(text)
    if details is None:
        return bare
    parts = orjson.loads(details if details.startswith(b"[") else zlib.decompress(details))
    return Scored(
        reward=bare.reward,
        verdicts=tuple(
            replace(verdict, detail=detail, tests=tuple(_test(*test) for test in tests))
            for verdict, (detail, tests) in zip(bare.verdicts, parts, strict=True)
        ),
    )


def _test(name: str, status: str, detail: str) -> TestResult:
    return TestResult(name=name, status=TestStatus(status), detail=detail)
