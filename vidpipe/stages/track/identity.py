"""Who is who from one look to the next: ByteTrack's association (Zhang et al., ECCV 2022), helped by flow and colour.

The association is that of the library `trackers`. Its Kalman filter guesses where each thing has gone. From frame to
frame that is the safer guide, since where one person passes before another flow may go along with the wrong one. But of
a thing that it has met once the filter knows no velocity, and over longer than a third of a second its guess is poor.
There it is told where each thing most likely is: by what flow has seen, by its own guess, and by colour, all things
together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import iou
from vidpipe.stages.track.appearance import alike
from vidpipe.stages.track.tracks import Tracks

if TYPE_CHECKING:
    import supervision as sv

LOST_S = 2.0  # media time for which a thing that no look finds may come back as the same
_RATE = 10.0  # the filter's unit of time, a second of it: its noise is tuned for frames, and this is their usual order
_ALONE_S = 0.3  # up to this the filter's own guess is best
_GUESS_S = 0.45  # beyond this it is worse than what flow has seen
_LEAST_OVERLAP = 0.1  # of a guess with what is found, for the two to be one thing
_LOST = 0.7  # what the filter's guess is worth for a thing that flow has lost
_RENEW = 0.3  # share of a look in what is remembered of a thing's colours
_APART_PX = 1e5  # between classes: no box of one ever meets one of another


class Identities:
    """Gives the boxes of each look the number of the thing that they show; classes do not mix.

    Args:
        activate: boxes that score less go on with a thing that is known, but begin none (ByteTrack, section 3).
    """

    def __init__(self, activate: float) -> None:
        from trackers import ByteTrackTracker

        self._tracker: Any = ByteTrackTracker(
            lost_track_buffer=round(30 * LOST_S),
            frame_rate=_RATE,
            track_activation_threshold=activate,
            high_conf_det_threshold=activate,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=0.1,
        )
        self._colours: dict[int, NDArray[np.float32]] = {}
        self._next = 1
        self._looked_at = 0.0

    def update(self, detections: sv.Detections, pts: float, known: Tracks, seen: NDArray[np.float32]) -> sv.Detections:
        """The detections with identities in `tracker_id`; those that are too unsure to begin a track are left out.

        Args:
            pts: media seconds of the look, later than that of the one before.
            known: what is followed, where flow has it in the looked-at picture.
            seen: colours of the detections, float32 [n, 9] (see `appearance`).
        """
        import supervision as sv

        boxes = _apart(detections.xyxy, _labels(detections))
        self._tell(known, pts - self._looked_at, boxes, seen)
        self._looked_at = pts
        shifted = sv.Detections(
            xyxy=boxes,
            confidence=detections.confidence,
            data={"row": np.arange(len(detections))},
        )
        updated = self._tracker.update(shifted, timestamp=pts)
        ids = np.full(len(detections), -1, np.int64)
        if len(updated):
            ids[updated.data["row"]] = updated.tracker_id
        self._name_new(ids, boxes)
        self._remember(ids, seen)
        named = detections[np.flatnonzero(ids >= 0)]
        assert isinstance(named, sv.Detections)
        named.tracker_id = ids[ids >= 0]
        return named

    def _tell(self, known: Tracks, seconds: float, found: NDArray[np.float64], seen: NDArray[np.float32]) -> None:
        """Give filters the velocity that leads to where flow, or all that is known, has their thing now.

        Args:
            found, seen: what the look found: boxes, classes apart, and colours.
        """
        if seconds <= 0:
            return
        flowed = dict(zip(known.ids.tolist(), _apart(known.boxes, _labels(known.measured)), strict=True))
        pairs = self._pairs(flowed, seconds, found, seen) if seconds > _ALONE_S else {}
        for track in self._tracker.tracks:
            goal = pairs.get(track.tracker_id)
            if goal is None and (seconds > _GUESS_S or _is_young(track)):
                goal = flowed.get(track.tracker_id)
            if goal is not None:
                state = _state(track)
                state[4:] = (goal - state[:4]) / (seconds * _RATE)

    def _pairs(
        self,
        flowed: dict[int, NDArray[np.float64]],
        seconds: float,
        found: NDArray[np.float64],
        seen: NDArray[np.float32],
    ) -> dict[int, NDArray[np.float64]]:
        """The found box of each thing, by identity, such that all together overlap and look alike the most."""
        from scipy.optimize import linear_sum_assignment

        tracks = [track for track in self._tracker.tracks if track.tracker_id != -1]
        if not tracks or not len(found):
            return {}
        worth = np.zeros((len(tracks), len(found)))
        for row, track in enumerate(tracks):
            overlap = _overlap(track, flowed.get(track.tracker_id), seconds, found)
            known = self._colours.get(track.tracker_id)
            likeness = alike(known, seen) if known is not None else 0.5
            worth[row] = np.where(overlap > _LEAST_OVERLAP, overlap + likeness, 0)
        chosen = zip(*linear_sum_assignment(worth, maximize=True), strict=True)
        return {tracks[row].tracker_id: found[column] for row, column in chosen if worth[row, column] > 0}

    def _remember(self, ids: NDArray[np.int64], seen: NDArray[np.float32]) -> None:
        alive = {track.tracker_id for track in self._tracker.tracks}
        self._colours = {number: kept for number, kept in self._colours.items() if number in alive}
        for number, new in zip(ids.tolist(), seen, strict=True):
            if number >= 0:
                kept = self._colours.get(number, new)
                self._colours[number] = kept + _RENEW * (new - kept)

    def _name_new(self, ids: NDArray[np.int64], boxes: NDArray[np.float64]) -> None:
        """Number the things seen for the first time at once: the library would wait for a second look."""
        new = {tuple(boxes[row]): row for row in np.flatnonzero(ids < 0)}
        for track in self._tracker.tracks:
            if track.tracker_id == -1:
                track.tracker_id = self._next
                self._next += 1
                row = new.get(tuple(track.get_state_bbox()))
                if row is not None:
                    ids[row] = track.tracker_id


def _state(track: Any) -> NDArray[np.float64]:
    """Box and velocity of a track's filter, float64 [8], to be read and written; classes lie apart."""
    state: NDArray[np.float64] = track.state_estimator.kf.state.reshape(-1)
    return state


def _is_young(track: Any) -> bool:
    """Whether its filter knows no velocity yet."""
    return bool(track.number_of_successful_consecutive_updates <= 1)


def _overlap(
    track: Any, flowed: NDArray[np.float64] | None, seconds: float, found: NDArray[np.float64]
) -> NDArray[np.floating]:
    """Intersection over union of where a thing is guessed to be and each found box, [n]."""
    state = _state(track)
    by_filter = iou((state[:4] + state[4:] * seconds * _RATE)[None], found)
    if flowed is None:
        return _LOST * by_filter
    by_flow = iou(flowed[None], found)
    return by_flow if _is_young(track) else (by_flow + by_filter) / 2


def _labels(detections: sv.Detections) -> NDArray[np.int64]:
    ids = detections.class_id
    return np.zeros(len(detections), np.int64) if ids is None else np.asarray(ids, np.int64)


def _apart(boxes: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64) + _APART_PX * labels[:, None]
