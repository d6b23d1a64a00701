"""The active cache: frames since the one that is being looked at, to bring a late answer to the present.

Glimpse (Chen et al., SenSys 2015), section 4.3: the boxes of a late answer are tracked from its frame to now through
some of the frames in between. Which ones: those that split the way into stretches of as equal change as can be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from vidpipe.stages.track.seen import Seen

MOST = 96  # frames kept; when there are more, every second one of the older half goes


class Cached(NamedTuple):
    """A frame of the active cache.

    Attributes:
        change: from the frame before, mean grey levels.
    """

    seen: Seen
    change: float

    @property
    def seq(self) -> int:
        return self.seen.seq


class ActiveCache:
    """The frames from the oldest look whose answer is awaited to the newest frame, bounded in number."""

    def __init__(self) -> None:
        self._frames: deque[Cached] = deque()

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, frame: Cached, keep: Collection[int]) -> None:
        """Take in the newest frame.

        Args:
            keep: numbers of frames whose answers are awaited: those stay whatever is thinned out.
        """
        self._frames.append(frame)
        if len(self._frames) > MOST:
            self._thin(keep)

    def forget_before(self, seq: int) -> None:
        """Let go of what is older than a frame."""
        while self._frames and self._frames[0].seq < seq:
            self._frames.popleft()

    def since(self, seq: int) -> list[Cached]:
        """The frame of that number and all behind it; none if it is not there any longer."""
        frames = [frame for frame in self._frames if frame.seq >= seq]
        return frames if frames and frames[0].seq == seq else []

    def _thin(self, keep: Collection[int]) -> None:
        """Twice as wide steps in the older half: a replay has fewer to choose from there, but none is out of reach."""
        frames = list(self._frames)
        older = [frame for i, frame in enumerate(frames[: MOST // 2]) if i % 2 == 0 or frame.seq in keep]
        self._frames = deque(older + frames[MOST // 2 :])


def way(frames: Sequence[Cached], most: int, always: Collection[int] = ()) -> list[Cached]:
    """The frames to track through: the last one, and up to `most` - 1 between it and the first, where it begins.

    Args:
        frames: the active cache from the answered frame to the newest.
        always: numbers of frames that must be among them (others await their answer there).
    """
    if len(frames) < 2:
        return []
    steps = [frame.change for frame in frames[1:]]
    chosen = {end + 1 for end in partition(steps, most)}
    chosen |= {i for i, frame in enumerate(frames) if i and frame.seq in always}
    return [frames[i] for i in sorted(chosen)]


def partition(changes: Sequence[float], parts: int) -> list[int]:
    """Ends of up to `parts` runs of consecutive changes such that the largest sum of a run is least.

    The linear partition problem, by dynamic programming over prefixes: O(n^2 * parts) as array operations.

    Returns:
        Index of the last change of each run, in order; the last one is `len(changes) - 1`.
    """
    n = len(changes)
    parts = min(max(parts, 1), n)
    if parts == n:
        return list(range(n))
    sums = np.concatenate([[0.0], np.cumsum(changes)])
    run = sums[None, :] - sums[:, None]  # run[i, j]: of changes i to j - 1
    run[np.tril_indices(n + 1, -1)] = np.inf
    best = run[0]  # best[j]: least largest sum over the first j changes, in so many runs
    begins = []
    for _ in range(parts - 1):
        worst = np.maximum(best[:, None], run)
        begin = worst.argmin(axis=0)
        begins.append(begin)
        best = worst[begin, np.arange(n + 1)]
    ends, end = [n - 1], n
    for begin in reversed(begins):
        end = int(begin[end])
        if end == 0:
            break
        ends.append(end - 1)
    return ends[::-1]
