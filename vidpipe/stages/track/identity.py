"""Who is who from one look to the next: ByteTrack's order of association (Zhang et al., ECCV 2022), by likelihood.

Of all ways to pair boxes with things the likeliest is taken, by where things should be and by what they look like; a
box that is likelier a new thing begins one. A thing that is lost, mostly behind another, goes on where its filter has
it, less and less sure of the place: it may be found again farther and farther off, if it looks like itself.

What is hidden is not remembered, and its colours count less: so where two have met and part, the colours that they had
before decide who is who.

All things are worked out at once as arrays: with the library `trackers`, which keeps an object for each, a look cost
more than all else that tracking does.
"""

from __future__ import annotations

import copy
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import one_to_one
from vidpipe.stages.track.appearance import apart
from vidpipe.stages.track.association import Likeness, by_place, hidden_share
from vidpipe.stages.track.things import Things
from vidpipe.stages.track.tracks import Tracks

if TYPE_CHECKING:
    import supervision as sv

LOST_S = 2.0  # media time for which a thing that no look finds may come back as the same
_LEAST = 1e-9  # what a pair is worth at least: at 0 a new thing explains the box as well
_APART_PX = 1e5  # between classes: no box of one ever meets one of another


class Identities:
    """Gives the boxes of each look the number of the thing that they show; classes do not mix.

    Args:
        activate: boxes that score less go on with a thing that is known, but begin none (ByteTrack, section 3).

    Attributes:
        things: what is known, as of the last look.
        likeness: what colours tell on this stream.
    """

    def __init__(self, activate: float) -> None:
        import_module("scipy.optimize")  # now, and not under the first look
        self._activate = activate
        self.things = Things.none()
        self.likeness = Likeness()
        self._next = 1
        self._looked_at = 0.0

    def update(self, detections: sv.Detections, pts: float, known: Tracks, seen: NDArray[np.float32]) -> sv.Detections:
        """The detections with identities in `tracker_id`; those that are too unsure to begin a track are left out.

        Args:
            pts: media seconds of the look. Where they go back, nobody knows how much time has passed: all are new.
            known: what is followed, where flow has it in the looked-at picture.
            seen: colours of the detections, float32 [n, 9] (see `appearance`).
        """
        boxes = _apart(detections.xyxy, _labels(detections))
        scores = detections.confidence
        sure = np.ones(len(boxes), bool) if scores is None else scores >= self._activate
        seconds = self._pass_time(pts)
        hidden = hidden_share(boxes)
        rows = self._associate(boxes, seen, hidden, sure, known, seconds)
        met = rows >= 0
        self.likeness.learn(seen, hidden, met, self.things.colours[rows[met]])
        self.things.meet(rows[met], boxes[met], seen[met], 1 - hidden[met])
        if met.all():
            return _named(detections, self.things.ids[rows])
        new = sure & ~met
        count = int(np.count_nonzero(new))
        ids = np.full(len(boxes), -1, np.int64)
        ids[met] = self.things.ids[rows[met]]
        ids[new] = np.arange(self._next, self._next + count)
        self._next += count
        self.things = self.things.and_new(Things.new(ids[new], boxes[new], seen[new], 1 - hidden[new]))
        return _named(detections, ids)

    def velocity(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Of things that the last look has found, pixels a second [n, 2]; NaN for those that no other one has."""
        things = self.things
        velocity = np.full((len(ids), 2), np.nan, np.float32)
        rows, own = ((ids[:, None] == things.ids) & (things.looks > 1)).nonzero()
        velocity[rows] = things.state[own, 1, :2]
        return velocity

    def _pass_time(self, pts: float) -> float:
        """Bring all things to the time of a look, so much later; those that are lost for too long are forgotten."""
        seconds = pts - self._looked_at
        self._looked_at = pts
        if seconds < 0:
            self.things = Things.none()
        if seconds <= 0 or not len(self.things.ids):
            return max(seconds, 0.0)
        self.things.go_on(seconds)
        stays = self.things.unseen_s <= LOST_S
        if not stays.all():
            self.things = self.things.of(stays)
        return seconds

    def _associate(
        self,
        boxes: NDArray[np.float64],
        seen: NDArray[np.float32],
        hidden: NDArray[np.float64],
        sure: NDArray[np.bool_],
        known: Tracks,
        seconds: float,
    ) -> NDArray[np.intp]:
        """The row of the thing that each box [m, 4] shows, [m]; -1: none. Sure boxes choose first."""
        things = self.things
        rows = np.full(len(boxes), -1, np.intp)
        if not len(things.ids) or not len(boxes):
            return rows
        own, known_rows = (things.ids[:, None] == known.ids).nonzero()
        flowed, follows = things.boxes.copy(), np.zeros(len(things.ids), bool)
        flowed[own] = _apart(known.boxes, _labels(known.measured))[known_rows]
        follows[own] = ~known.failing[known_rows]
        likely = by_place(things, flowed, follows, seconds, boxes)
        likely += self.likeness.evidence(apart(things.colours[:, None], seen)) * (1 - hidden)
        likely = np.maximum(likely, 0)
        for some in (sure,) if sure.all() else (sure, ~sure):
            thing, box = one_to_one(likely * some, _LEAST)
            rows[box] = thing
            likely[thing] = 0
        return rows


def _named(detections: sv.Detections, ids: NDArray[np.int64]) -> sv.Detections:
    """Those detections that have an identity, with it."""
    stays = ids >= 0
    # A copy shares all columns, and nobody writes to them; to choose rows costs ten times as much.
    named: Any = copy.copy(detections) if stays.all() else detections[stays]
    named.tracker_id = ids[stays]
    return named  # type: ignore[no-any-return]


def _labels(detections: sv.Detections) -> NDArray[np.int64]:
    ids = detections.class_id
    return np.zeros(len(detections), np.int64) if ids is None else np.asarray(ids, np.int64)


def _apart(boxes: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64) + _APART_PX * labels[:, None]
