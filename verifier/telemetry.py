"""Logging of the service: to standard error, one line a record, so that standard output stays data."""

from __future__ import annotations

import logging
import sys

LOGGER_NAME = "verifier"
"""Parent of every logger here; a program that embeds the verifier configures it as it likes."""


def set_up_logging(level: str) -> None:
    """Sends the records of this package from ``level`` on to standard error; for programs that own the process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger = logging.getLogger(LOGGER_NAME)
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False
