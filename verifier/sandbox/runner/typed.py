"""Standard input of a solution that a script of tests calls: what the script puts there."""

from __future__ import annotations

import io
from collections.abc import Callable


class Typed(io.TextIOBase):
    """Takes the place of ``sys.stdin``; every read asks the tester."""

    def __init__(self) -> None:
        super().__init__()
        self.ask: Callable[..., object] = lambda *_: ""
        """Asks the tester; until the solution is loaded there is nothing to read."""

    @property
    def buffer(self) -> io.BytesIO:
        """All that is left, as bytes."""
        return io.BytesIO(self.read().encode("utf-8", "surrogateescape"))

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> str:
        return str(self.ask({"do": "stdin", "how": "read"}, -1 if size is None else size))

    def readline(self, size: int = -1, /) -> str:  # type: ignore[override]
        return str(self.ask({"do": "stdin", "how": "readline"}, size))
