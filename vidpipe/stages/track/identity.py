"""Who is who from one look to the next: ByteTrack's association (Zhang et al., ECCV 2022), helped by flow and colour.

A Kalman filter guesses where each thing has gone. From frame to frame that is the safer guide, since where one person
passes before another flow may go along with the wrong one. But of a thing that it has met once the filter knows no
velocity, and over longer than a third of a second its guess is poor. There it is told where each thing most likely is:
by what flow has seen, by its own guess, and by colour, all things together.

All things are worked out at once as arrays: with the library `trackers`, which keeps an object for each, a look cost
more than all else that tracking does.
"""

from __future__ import annotations

import copy
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import iou, one_to_one
from vidpipe.stages.track.appearance import alike
from vidpipe.stages.track.things import Things
from vidpipe.stages.track.tracks import Tracks

if TYPE_CHECKING:
    import supervision as sv

LOST_S = 2.0  # media time for which a thing that no look finds may come back as the same
_ALONE_S = 0.3  # up to this the filter's own guess is best
_GUESS_S = 0.45  # beyond this it is worse than what flow has seen
_LEAST_OVERLAP = 0.1  # of a guess with what is found, for the two to be one thing
_LOST = 0.7  # what the filter's guess is worth for a thing that flow has lost
_APART_PX = 1e5  # between classes: no box of one ever meets one of another


class Identities:
    """Gives the boxes of each look the number of the thing that they show; classes do not mix.

    Args:
        activate: boxes that score less go on with a thing that is known, but begin none (ByteTrack, section 3).

    Attributes:
        things: what is known, as of the last look.
    """

    def __init__(self, activate: float) -> None:
        import_module("scipy.optimize")  # now, and not under the first look
        self._activate = activate
        self.things = Things.none()
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
        self._pass_time(pts, known, boxes, seen)
        rows = self._associate(boxes, sure)
        met = rows >= 0
        self.things.meet(rows[met], boxes[met], seen[met])
        if met.all():
            return _named(detections, self.things.ids[rows])
        new = sure & ~met
        count = int(np.count_nonzero(new))
        ids = np.full(len(boxes), -1, np.int64)
        ids[met] = self.things.ids[rows[met]]
        ids[new] = np.arange(self._next, self._next + count)
        self._next += count
        self.things = self.things.and_new(Things.new(ids[new], boxes[new], seen[new]))
        return _named(detections, ids)

    def _pass_time(self, pts: float, known: Tracks, found: NDArray[np.float64], seen: NDArray[np.float32]) -> None:
        """Bring all things to the time of a look; those that have been lost for too long are forgotten."""
        seconds = pts - self._looked_at
        self._looked_at = pts
        if seconds < 0:
            self.things = Things.none()
        if seconds <= 0 or not len(self.things.ids):
            return
        self._tell(known, seconds, found, seen)
        self.things.go_on(seconds)
        stays = self.things.unseen_s <= LOST_S
        if not stays.all():
            self.things = self.things.of(stays)

    def _tell(self, known: Tracks, seconds: float, found: NDArray[np.float64], seen: NDArray[np.float32]) -> None:
        """Give filters the velocity that leads to where flow, or all that is known, has their thing now.

        Args:
            found, seen: what the look found: boxes, classes apart, and colours.
        """
        things, young = self.things, self.things.young
        if seconds <= _ALONE_S and not young.any():
            return
        rows, known_rows = (things.ids[:, None] == known.ids).nonzero()
        goals, told = np.zeros((len(young), 4)), np.zeros(len(young), bool)
        goals[rows] = _apart(known.boxes, _labels(known.measured))[known_rows]
        told[rows] = True
        pairs = _pairs(things, goals, told, seconds, found, seen) if seconds > _ALONE_S and len(found) else None
        if seconds <= _GUESS_S:
            told &= young
        if pairs is not None:
            goals[pairs[0]], told[pairs[0]] = found[pairs[1]], True
        things.lead(told, goals, seconds)

    def _associate(self, boxes: NDArray[np.float64], sure: NDArray[np.bool_]) -> NDArray[np.intp]:
        """The row of the thing that each box [m, 4] shows, [m]; -1: none. Sure boxes choose first."""
        rows = np.full(len(boxes), -1, np.intp)
        if not len(self.things.ids) or not len(boxes):
            return rows
        overlap = iou(self.things.boxes[:, None], boxes)
        for some in (sure,) if sure.all() else (sure, ~sure):
            thing, box = one_to_one(overlap * some, _LEAST_OVERLAP)
            rows[box] = thing
            overlap[thing] = 0
        return rows


def _pairs(
    things: Things,
    flowed: NDArray[np.float64],
    follows: NDArray[np.bool_],
    seconds: float,
    found: NDArray[np.float64],
    seen: NDArray[np.float32],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of things and of found boxes, such that all together overlap and look alike the most.

    Args:
        flowed: where flow has each thing now, [n, 4], of those that it follows [n].
        found, seen: what the look found: boxes, classes apart, and colours.
    """
    by_flow, by_filter = iou(np.array([flowed, things.expected(seconds)])[:, :, None], found)
    by_both = np.where(things.young[:, None], by_flow, (by_flow + by_filter) / 2)
    overlap = np.where(follows[:, None], by_both, _LOST * by_filter)
    worth = np.where(overlap > _LEAST_OVERLAP, overlap + alike(things.colours[:, None], seen), 0)
    return one_to_one(worth, _LEAST_OVERLAP)


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
