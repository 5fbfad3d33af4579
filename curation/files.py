"""Files that are put in place whole, so that a kill at any instant leaves the old one or the new one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp"
"""Ending of a file that is not whole yet."""


def temporary_name() -> str:
    """A name that no other process takes, in whatever folder."""
    return secrets.token_hex(8) + TEMPORARY


def sweep(folder: Path) -> None:
    """Takes away what was never made whole."""
    for leftover in folder.glob(f"*{TEMPORARY}"):
        leftover.unlink(missing_ok=True)


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose bytes take the place of a file when all of them are written and synced.

    Several may write one file at once: each of them puts a whole one in place.

    Raises:
        OSError: it cannot be written; what was there stays.
    """
    temporary = path.with_name(temporary_name())
    with temporary.open("wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """Makes the names in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
