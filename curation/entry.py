"""Where the command ``curate`` begins: its modules take most of a second, in which a user may think better of it."""

from __future__ import annotations

import sys

INTERRUPTED = 130
"""Exit status, as of a shell's command that a signal ended."""


def main() -> None:
    """The command."""
    try:
        from curation.cli import main as curate  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    curate()
