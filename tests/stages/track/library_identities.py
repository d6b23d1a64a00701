"""Identities by the association of the library `trackers`: what `Identities` must say as well, for less."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from trackers import ByteTrackTracker

from vidpipe.models.boxes import iou
from vidpipe.stages.track.appearance import alike
from vidpipe.stages.track.tracks import Tracks

if TYPE_CHECKING:
    import supervision as sv

LOST_S, RATE = 2.0, 10.0
ALONE_S, GUESS_S = 0.3, 0.45
LEAST_OVERLAP, LOST, RENEW = 0.1, 0.7, 0.3
APART_PX = 1e5


class LibraryIdentities:
    """See `Identities`. Its filters are the library's, read and written from outside."""

    def __init__(self, activate: float) -> None:
        self.tracker: Any = ByteTrackTracker(
            lost_track_buffer=round(30 * LOST_S),
            frame_rate=RATE,
            track_activation_threshold=activate,
            high_conf_det_threshold=activate,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=LEAST_OVERLAP,
        )
        self.colours: dict[int, NDArray[np.float32]] = {}
        self.next = 1
        self.looked_at = 0.0

    def update(self, detections: sv.Detections, pts: float, known: Tracks, seen: NDArray[np.float32]) -> sv.Detections:
        import supervision as sv

        boxes = _apart(detections.xyxy, _labels(detections))
        self._tell(known, pts - self.looked_at, boxes, seen)
        self.looked_at = pts
        shifted = sv.Detections(xyxy=boxes, confidence=detections.confidence, data={"row": np.arange(len(detections))})
        updated = self.tracker.update(shifted, timestamp=pts)
        ids = np.full(len(detections), -1, np.int64)
        if len(updated):
            ids[updated.data["row"]] = updated.tracker_id
        self._name_new(ids, boxes)
        self._remember(ids, seen)
        named: Any = detections[np.flatnonzero(ids >= 0)]
        named.tracker_id = ids[ids >= 0]
        return named  # type: ignore[no-any-return]

    def _tell(self, known: Tracks, seconds: float, found: NDArray[np.float64], seen: NDArray[np.float32]) -> None:
        if seconds <= 0:
            return
        flowed = dict(zip(known.ids.tolist(), _apart(known.boxes, _labels(known.measured)), strict=True))
        pairs = self._pairs(flowed, seconds, found, seen) if seconds > ALONE_S else {}
        for track in self.tracker.tracks:
            goal = pairs.get(track.tracker_id)
            if goal is None and (seconds > GUESS_S or _is_young(track)):
                goal = flowed.get(track.tracker_id)
            if goal is not None:
                state = _state(track)
                state[4:] = (goal - state[:4]) / (seconds * RATE)

    def _pairs(
        self,
        flowed: dict[int, NDArray[np.float64]],
        seconds: float,
        found: NDArray[np.float64],
        seen: NDArray[np.float32],
    ) -> dict[int, NDArray[np.float64]]:
        tracks = self.tracker.tracks
        if not tracks or not len(found):
            return {}
        worth = np.zeros((len(tracks), len(found)))
        for row, track in enumerate(tracks):
            overlap = _overlap(track, flowed.get(track.tracker_id), seconds, found)
            likeness = alike(self.colours[track.tracker_id], seen)
            worth[row] = np.where(overlap > LEAST_OVERLAP, overlap + likeness, 0)
        chosen = zip(*linear_sum_assignment(worth, maximize=True), strict=True)
        return {tracks[row].tracker_id: found[column] for row, column in chosen if worth[row, column] > 0}

    def _remember(self, ids: NDArray[np.int64], seen: NDArray[np.float32]) -> None:
        alive = {track.tracker_id for track in self.tracker.tracks}
        self.colours = {number: kept for number, kept in self.colours.items() if number in alive}
        for number, new in zip(ids.tolist(), seen, strict=True):
            if number >= 0:
                kept = self.colours.get(number, new)
                self.colours[number] = kept + RENEW * (new - kept)

    def _name_new(self, ids: NDArray[np.int64], boxes: NDArray[np.float64]) -> None:
        """The library would wait for a second look with the number, and does not say whose a new track is."""
        new = {tuple(boxes[row]): row for row in np.flatnonzero(ids < 0)}
        for track in self.tracker.tracks:
            if track.tracker_id == -1:
                track.tracker_id = self.next
                self.next += 1
                ids[new[tuple(track.get_state_bbox())]] = track.tracker_id


def _state(track: Any) -> NDArray[np.float64]:
    state: NDArray[np.float64] = track.state_estimator.kf.state.reshape(-1)
    return state


def _is_young(track: Any) -> bool:
    return bool(track.number_of_successful_consecutive_updates <= 1)


def _overlap(
    track: Any, flowed: NDArray[np.float64] | None, seconds: float, found: NDArray[np.float64]
) -> NDArray[np.floating]:
    state = _state(track)
    by_filter = iou((state[:4] + state[4:] * seconds * RATE)[None], found)
    if flowed is None:
        return LOST * by_filter
    by_flow = iou(flowed[None], found)
    return by_flow if _is_young(track) else (by_flow + by_filter) / 2


def _labels(detections: sv.Detections) -> NDArray[np.int64]:
    ids = detections.class_id
    return np.zeros(len(detections), np.int64) if ids is None else np.asarray(ids, np.int64)


def _apart(boxes: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64) + APART_PX * labels[:, None]
