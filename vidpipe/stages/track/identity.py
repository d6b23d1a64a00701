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

from vidpipe.models.boxes import one_to_one
from vidpipe.stages.track.appearance import apart
from vidpipe.stages.track.association import Likeness, hidden_share, worth
from vidpipe.stages.track.things import Things
from vidpipe.stages.track.tracks import Tracks

if TYPE_CHECKING:
    import supervision as sv

LOST_S = 2.0  # media time for which a thing that no look finds may come back as the same
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
        self._likeness = Likeness()

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
        self._learn(rows, seen, hidden)
        self.things.meet(rows[met], boxes[met], seen[met], 1 - hidden[met])
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

    def _pass_time(self, pts: float) -> float:
        """Bring all things to the time of a look, so much later; those that have been lost for too long are forgotten."""
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
        follows_rows, known_rows = (things.ids[:, None] == known.ids).nonzero()
        flowed, follows = np.zeros((len(things.ids), 4)), np.zeros(len(things.ids), bool)
        flowed[follows_rows] = _apart(known.boxes, _labels(known.measured))[known_rows]
        follows[follows_rows] = known.blind_s[known_rows] <= 0
        likely = worth(things, flowed, follows, seconds, boxes)
        likely += self._likeness.evidence(apart(things.colours[:, None], seen)) * (1 - hidden)
        likely = np.maximum(likely, 0)
        for some in (sure,) if sure.all() else (sure, ~sure):
            thing, box = one_to_one(likely * some, 1e-9)
            rows[box] = thing
            likely[thing] = 0
        return rows

    def _learn(self, rows: NDArray[np.intp], seen: NDArray[np.float32], hidden: NDArray[np.float64]) -> None:
        """Learn what colours tell from boxes that nothing hides."""
        clear = hidden <= 0.15
        met = clear & (rows >= 0)
        same = apart(self.things.colours[rows[met]], seen[met])
        some = seen[clear]
        others = apart(some[:, None], some)[np.triu_indices(len(some), 1)]
        self._likeness.learn(same, others)


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
