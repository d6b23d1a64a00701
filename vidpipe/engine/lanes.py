"""What waits for one taker: in order, or of each live stream only the newest, by turns of weight."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

_IN_ORDER = ""  # the lane of all that keeps its order; no stream is called so


class Lanes(Generic[T]):
    """A lane for each live stream, which holds one frame at most, and one lane in which all else waits in order.

    The lanes are served by stride scheduling (Waldspurger and Weihl 1995): each turn moves a lane on by one over its
    weight, and the lane that is furthest behind is next. So under overload a stream of weight 2 is looked at twice as
    often as one of weight 1, however many frames each brings, and a lane that was empty cannot save turns up.

    Args:
        weights: of the live streams, by name; it may change while this is used.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights
        self._in_order: deque[T] = deque()
        self._newest: dict[str, T] = {}
        self._turns: dict[str, float] = {}
        self._turn = 0.0

    def __len__(self) -> int:
        return len(self._newest) + len(self._in_order)

    def append(self, item: T) -> None:
        """Put something in the lane that keeps its order."""
        if not self._in_order:
            self._join(_IN_ORDER)
        self._in_order.append(item)

    def put(self, stream: str, item: T) -> T | None:
        """Put a live stream's newest frame in its lane; the one that gave way to it, if any."""
        before = self._newest.get(stream)
        if before is None:
            self._join(stream)
        self._newest[stream] = item
        return before

    def take(self) -> T:
        """What comes next; raises IndexError where nothing waits."""
        lanes = [*self._newest, _IN_ORDER] if self._in_order else self._newest
        if not lanes:
            raise IndexError("nothing waits")
        lane = min(lanes, key=self._turns.__getitem__)
        self._turn = self._turns[lane]
        self._turns[lane] += 1 / self._weights.get(lane, 1.0)
        return self._in_order.popleft() if lane == _IN_ORDER else self._newest.pop(lane)

    def first_in_order(self) -> T | None:
        """What is next in the lane that keeps its order."""
        return self._in_order[0] if self._in_order else None

    def take_in_order(self) -> T:
        """That one, before its turn."""
        return self._in_order.popleft()

    def _join(self, lane: str) -> None:
        self._turns[lane] = max(self._turns.get(lane, 0.0), self._turn)
