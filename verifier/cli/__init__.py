"""The command ``verifier``: serve, score, doctor, images."""

from __future__ import annotations

from verifier.cli.main import main

__all__ = ["main"]
