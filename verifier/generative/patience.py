"""How long an endpoint is waited for that only asks to wait."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


def _unheard(_: str) -> None:
    """For those who need not know."""


@dataclass(slots=True)
class Patience:
    """Since when endpoints have done nothing but ask to wait; one for all that a run asks, so that it ends once.

    Args:
        told: called with what is waited for, and with an empty text when that is over.
    """

    told: Callable[[str], None] = _unheard
    _since: dict[str, float] = field(default_factory=dict)

    def since(self, url: str, now: float) -> float:
        """When an endpoint, which now asks to wait, began to do so.

        Args:
            url: of the endpoint.
            now: on the clock of ``time.monotonic``.
        """
        return self._since.setdefault(url, now)

    def answered(self, url: str) -> None:
        """An endpoint did something else."""
        if self._since.pop(url, None) is not None:
            self.told("")
