"""What the tracks of a stream look like, and since when they are there: for rules whose events join others."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidpipe.transforms.learnt.features import EMBEDDING
from vidpipe.transforms.rules.seen import Seen

if TYPE_CHECKING:
    import supervision as sv

LOOKS = "looks/"
"""Begins the name of the features that hold what a track looks like; the number of the track is the rest."""

_MOST = 256  # tracks: so many are in a picture at most
_DECIMALS = 4


@dataclass(slots=True)
class _Track:
    """A track: when it began, and the sum of its vectors, float32 [d]; None: nobody has described it yet."""

    first: float
    total: NDArray[np.float32] | None = None


class Looks:
    """The tracks of one stream that were seen lately. It pickles."""

    def __init__(self) -> None:
        self._tracks: OrderedDict[int, _Track] = OrderedDict()

    def see(self, seen: Seen) -> None:
        """Note which tracks are there."""
        for number in seen.ids:
            if number in self._tracks:
                self._tracks.move_to_end(number)
            elif number >= 0:
                self._tracks[number] = _Track(seen.time)
        while len(self._tracks) > _MOST:
            self._tracks.popitem(last=False)

    def describe(self, boxes: sv.Detections) -> None:
        """Note what boxes look like, where a transform has said it."""
        vectors = boxes.data.get(EMBEDDING) if len(boxes) else None
        if vectors is None or boxes.tracker_id is None:
            return
        for number, vector in zip(boxes.tracker_id.tolist(), np.asarray(vectors, np.float32), strict=True):
            track = self._tracks.get(number)
            if track is not None and vector.any():
                track.total = vector if track.total is None else track.total + vector

    def first(self, number: int) -> float | None:
        """When a track began, see `Seen.time`; None: it is not known."""
        return self._tracks[number].first if number in self._tracks else None

    def of(self, number: int) -> list[float] | None:
        """What a track looks like on average, [d] of length 1, rounded as results have it; None: nobody knows."""
        track = self._tracks.get(number)
        if track is None or track.total is None:
            return None
        length = np.linalg.norm(track.total)
        told: list[float] = np.round(track.total.astype(np.float64) / length, _DECIMALS).tolist() if length else []
        return told or None
