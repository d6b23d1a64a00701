"""A share of frames that may be passed on, spent on those of the least margin."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

WINDOW = 512


class Budget:
    """The margins of a stream's latest frames, and which of the frames were passed on."""

    def __init__(self) -> None:
        self._margins: deque[float] = deque(maxlen=WINDOW)
        self._passed: deque[bool] = deque(maxlen=WINDOW)

    def quantile(self, margin: float, share: float) -> float:
        """The margin under which that share of the latest frames lies, the one at hand among them."""
        recent = np.sort([*self._margins, margin])
        return float(recent[min(int(share * len(recent)), len(recent) - 1)])

    def has_left(self, share: float) -> bool:
        """Whether the frame at hand may be passed on without more than that share of the latest ones being so."""
        recent = list(self._passed)[-(WINDOW - 1) :]
        return sum(recent) + 1 <= share * (len(recent) + 1)

    def spend(self, margin: float, passed: bool) -> None:
        """Count a frame."""
        self._margins.append(margin)
        self._passed.append(passed)

    def snapshot(self) -> Any:
        return tuple(self._margins), tuple(self._passed)

    def restore(self, state: Any) -> None:
        margins, passed = state
        self._margins.extend(margins)
        self._passed.extend(passed)
