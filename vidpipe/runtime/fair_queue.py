"""What waits for one taker: in order, or of each live stream the newest few, by turns of weight."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")

SIZE = 3  # frames of a live stream that wait: so many may come at once, after a hitch of the network
_IN_ORDER = ""  # the lane of all that keeps its order; no stream is called so


class FairQueue(Generic[T]):
    """A short lane for each live stream, and one lane in which all else waits in order.

    In a lane that has overflowed only the newest frame is still worth a look: the others are refused. Otherwise frames
    are taken in order, so that a burst of them costs none.

    The lanes are served by stride scheduling (Waldspurger and Weihl 1995): each turn moves a lane on by one over its
    weight, and the lane that is furthest behind is next. So under overload a stream of weight 2 is looked at twice as
    often as one of weight 1, however many frames each brings, and a lane that was empty cannot save turns up.

    Args:
        weights: of the live streams, by name; it may change while this is used.
        refuse: called with each frame that is not to be looked at.
        size: of a lane.
    """

    def __init__(self, weights: Mapping[str, float], refuse: Callable[[T], None], size: int = SIZE) -> None:
        self._size = size
        self._weights = weights
        self._refuse = refuse
        self._in_order: deque[T] = deque()
        self._newest: dict[str, deque[T]] = {}
        self._overflowed: set[str] = set()
        self._turns: dict[str, float] = {}
        self._turn = 0.0

    def __len__(self) -> int:
        """How many can be taken, if no more come."""
        overflowed = (self._size - 1) * len(self._overflowed)  # such a lane is full, and gives one
        return len(self._in_order) + sum(map(len, self._newest.values())) - overflowed

    def append(self, item: T) -> None:
        """Put something in the lane that keeps its order."""
        if not self._in_order:
            self._join(_IN_ORDER)
        self._in_order.append(item)

    def put(self, stream: str, item: T) -> None:
        """Put a live stream's newest frame in its lane."""
        lane = self._newest.get(stream)
        if lane is None:
            lane = self._newest[stream] = deque()
            self._join(stream)
        lane.append(item)
        if len(lane) == self._size + 1:
            self._refuse(lane.popleft())
            self._overflowed.add(stream)

    def take(self) -> T:
        """What comes next; raises IndexError where nothing waits."""
        names = [*self._newest, _IN_ORDER] if self._in_order else self._newest
        if not names:
            raise IndexError("nothing waits")
        name = min(names, key=self._turns.__getitem__)
        self._turn = self._turns[name]
        self._turns[name] += 1 / self._weights.get(name, 1.0)
        return self._in_order.popleft() if name == _IN_ORDER else self._take_from(name)

    def close(self, stream: str) -> list[T]:
        """What waits in the lane of a stream that comes no more."""
        self._turns.pop(stream, None)
        self._overflowed.discard(stream)
        return list(self._newest.pop(stream, ()))

    def first_in_order(self) -> T | None:
        """What is next in the lane that keeps its order."""
        return self._in_order[0] if self._in_order else None

    def take_in_order(self) -> T:
        """That one, before its turn."""
        return self._in_order.popleft()

    def _take_from(self, stream: str) -> T:
        lane = self._newest[stream]
        if stream in self._overflowed:
            self._overflowed.discard(stream)
            while len(lane) > 1:
                self._refuse(lane.popleft())
        item = lane.popleft()
        if not lane:
            del self._newest[stream]
        return item

    def _join(self, lane: str) -> None:
        self._turns[lane] = max(self._turns.get(lane, 0.0), self._turn)
