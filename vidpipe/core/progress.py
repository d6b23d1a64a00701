"""How long work tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Sees how long work goes on."""

    def step(self, what: str, total: int | None = None) -> None:
        """A step begins; `total` of what `advance` counts, if it counts."""
        ...

    def advance(self, count: int = 1) -> None: ...


class Silent:
    """Nobody wants to know."""

    def step(self, what: str, total: int | None = None) -> None:
        """See `Progress.step`."""

    def advance(self, count: int = 1) -> None:
        """See `Progress.advance`."""
