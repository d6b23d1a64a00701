"""How long boxes can be moved on before the next look, learnt from the looks."""

from __future__ import annotations

import math

_GAIN = 0.6  # how strongly a look that agrees less than wanted shortens the time, in powers of e
_LEAST_S = 0.05


class Refresh:
    """The time between looks, such that moved boxes agree with the next look as far as is wanted.

    How long flow can be trusted differs by scene: people who fill the picture, cars at its edge and a far crowd ask for
    looks at quite different rates. What a look finds, held against what flow had said, tells; no reference is needed.

    Attributes:
        seconds: of media time between looks, at the moment.
    """

    def __init__(self, longest_s: float) -> None:
        self.seconds = longest_s / 4

    def learn(self, agreed: float, wanted: float, longest_s: float) -> None:
        """A look has come.

        Args:
            agreed: F1 of the moved boxes against those that were found.
        """
        changed = self.seconds * math.exp(_GAIN * (agreed - wanted))
        self.seconds = min(max(changed, _LEAST_S), longest_s)
