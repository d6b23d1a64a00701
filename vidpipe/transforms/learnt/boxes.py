"""Features of published boxes: how many, how large, how fast, how near each other.

Lengths are in heights of the box, or parts of the picture, so that a camera's distance matters little.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

OF_CLASS = ("count", "height", "x", "foot", "fastest", "still", "stays", "turned", "heading")
OF_PAIR = ("near", "near and slow")
_MOST = 16  # boxes of a class that are looked at, the highest scores first
_REACH_S = 5.0  # that a track's way is remembered
_LATELY_S = 1.5  # of it, in which its speed and direction are taken
_STILL = 0.25  # heights: who is so near to where he was has not moved
_SLOW = 0.3  # heights a second
_LONGEST_S = 30.0  # beyond that, longer is the same


class Boxes(Protocol):
    """A published result, as far as features go by it; `rules.seen.Seen` is one."""

    @property
    def pts(self) -> float: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def boxes(self) -> Sequence[Sequence[float]]: ...
    @property
    def scores(self) -> Sequence[float]: ...
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def ids(self) -> Sequence[int]: ...


def size_of(classes: int) -> int:
    """How many features there are of so many classes."""
    return len(OF_CLASS) * classes + len(OF_PAIR) * classes * (classes + 1) // 2


def names_of(classes: Sequence[str]) -> list[str]:
    """What each feature says, in order."""
    single = [f"{name}: {what}" for name in classes for what in OF_CLASS]
    pairs = [f"{a} and {b}: {what}" for a, b in combinations_with_replacement(classes, 2) for what in OF_PAIR]
    return single + pairs


class _Box(NamedTuple):
    """A box now; lengths in heights of the picture.

    Attributes:
        speed: heights of the box a second; 0 where nobody knows.
    """

    x: float
    foot: float
    height: float
    speed: float


class _Track:
    """Where an object was.

    Attributes:
        first, last: media seconds when it was first and last seen.
        since: since when it has not moved, from `still_at`.
    """

    __slots__ = ("first", "last", "since", "still_at", "way")

    def __init__(self, pts: float, x: float, foot: float) -> None:
        self.first = self.last = self.since = pts
        self.still_at = x, foot
        self.way: deque[tuple[float, float, float]] = deque()

    def move(self, pts: float, x: float, foot: float, height: float) -> None:
        """See it where it is now."""
        self.last = pts
        while self.way and pts - self.way[0][0] > _REACH_S:
            self.way.popleft()
        self.way.append((pts, x, foot))
        if math.hypot(x - self.still_at[0], foot - self.still_at[1]) > _STILL * height:
            self.since, self.still_at = pts, (x, foot)

    def steps(self) -> tuple[float, float, float, float, float]:
        """How it went lately, x and y and for how long, and before that, x and y."""
        now, x, foot = self.way[-1]
        middle = next(at for at in self.way if now - at[0] <= _LATELY_S)
        begin = self.way[0]
        return x - middle[1], foot - middle[2], now - middle[0], middle[1] - begin[1], middle[2] - begin[2]


class BoxFeatures:
    """Makes features of one result after another; it pickles.

    Args:
        classes: by name, in the order of their features.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._index = {name: number for number, name in enumerate(classes)}
        self._tracks: dict[int, _Track] = {}

    def forget(self) -> None:
        """The stream broke off."""
        self._tracks.clear()

    def of(self, seen: Boxes) -> NDArray[np.float64]:
        """The features of a result, float64 [size_of(classes)].

        Args:
            seen: a later one than before; with a picture's size.
        """
        width, high = seen.width / seen.height, seen.height
        self._tracks = {id: track for id, track in self._tracks.items() if seen.pts - track.last <= _REACH_S}
        single = np.zeros((len(self._classes), len(OF_CLASS)))
        single[:, 2] = 0.5
        there: list[list[_Box]] = [[] for _ in self._classes]
        order = sorted(range(len(seen.boxes)), key=lambda row: -seen.scores[row])
        for row in order:
            number = self._index.get(seen.classes[row])
            if number is None or len(there[number]) >= _MOST:
                continue
            left, top, right, bottom = seen.boxes[row]
            x, foot, height = (left + right) / 2 / high, bottom / high, max((bottom - top) / high, 1e-3)
            own = single[number]
            own[0] += 1
            if height > own[1]:
                own[1], own[2], own[3] = height, x / width, foot
            speed = self._follow(seen.ids[row], seen.pts, x, foot, height, own) if seen.ids[row] >= 0 else 0.0
            there[number].append(_Box(x, foot, height, speed))
        single[:, 0] = np.log1p(single[:, 0])
        pairs = [
            value
            for a, b in combinations_with_replacement(range(len(self._classes)), 2)
            for value in _near(there[a], there[b], same=a == b)
        ]
        return np.concatenate([single.ravel(), pairs])

    def _follow(self, id: int, pts: float, x: float, foot: float, height: float, own: NDArray[np.float64]) -> float:
        """See a tracked object, note what it does, and return how fast it is."""
        track = self._tracks.get(id)
        if track is None:
            track = self._tracks[id] = _Track(pts, x, foot)
        track.move(pts, x, foot, height)
        dx, dy, for_s, was_x, was_y = track.steps()
        speed = math.hypot(dx, dy) / height / for_s if for_s > 0 else 0.0
        fastest = math.log1p(speed)
        if fastest > own[4]:
            own[4], own[8] = fastest, max(-3.0, min(3.0, dx / height / for_s))
        own[5] = max(own[5], math.log1p(min(pts - track.since, _LONGEST_S)))
        own[6] = max(own[6], math.log1p(min(pts - track.first, _LONGEST_S)))
        if dx * was_x + dy * was_y < 0:
            own[7] = max(own[7], min(math.hypot(dx, dy), math.hypot(was_x, was_y), height) / height)
        return speed


def _near(some: Sequence[_Box], others: Sequence[_Box], *, same: bool) -> tuple[float, float]:
    """How near the nearest two are, 0..1: 1 at one place, 1/e a height apart; and the same where both are slow."""
    near = slow = 0.0
    for row, one in enumerate(some):
        for other in others[row + 1 :] if same else others:
            apart = math.hypot(one.x - other.x, one.foot - other.foot) / ((one.height + other.height) / 2)
            closeness = math.exp(-apart)
            if closeness > near:
                near = closeness
            if closeness > slow:
                slow = max(slow, closeness * math.exp(-(one.speed + other.speed) / _SLOW))
    return near, slow
