"""Processes that can be killed, for work that may hang: the only way a deadline on a computation holds."""

from __future__ import annotations

from verifier.workers.frames import Json
from verifier.workers.pool import WorkerPool

__all__ = ["Json", "WorkerPool"]
