"""Who is who from one look to the next: ByteTrack's association (Zhang et al., ECCV 2022), helped by flow.

The association is that of the library `trackers`. Its Kalman filter guesses where each thing has gone. From frame to
frame that is the safer guide, since where one person passes before another flow may go along with the wrong one. But of
a thing that it has met once the filter knows no velocity, and over longer than half a second its guess is poor: there
it is told the velocity that flow has seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.tracking.tracks import Tracks

if TYPE_CHECKING:
    import supervision as sv

LOST_S = 2.0  # media time for which a thing that no look finds may come back as the same
_RATE = 10.0  # the filter's unit of time, a second of it: its noise is tuned for frames, and this is their usual order
_GUESS_S = 0.45  # beyond this the filter's guess is worse than what flow has seen
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
        self._next = 1
        self._looked_at = 0.0

    def update(self, detections: sv.Detections, pts: float, known: Tracks) -> sv.Detections:
        """The detections with identities in `tracker_id`; those that are too unsure to begin a track are left out.

        Args:
            pts: media seconds of the look, later than that of the one before.
            known: what is followed, where flow has it in the looked-at picture.
        """
        import supervision as sv

        self._tell(known, pts - self._looked_at)
        self._looked_at = pts
        boxes = _apart(detections.xyxy, _labels(detections))
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
        named = detections[np.flatnonzero(ids >= 0)]
        assert isinstance(named, sv.Detections)
        named.tracker_id = ids[ids >= 0]
        return named

    def _tell(self, known: Tracks, seconds: float) -> None:
        """Give the filters of young tracks, of all after a long time, the velocity with which flow has moved them."""
        if seconds <= 0:
            return
        rows = {number: row for row, number in enumerate(known.ids.tolist())}
        for track in self._tracker.tracks:
            row = rows.get(track.tracker_id)
            if row is None or (seconds <= _GUESS_S and track.number_of_successful_consecutive_updates > 1):
                continue
            state = track.state_estimator.kf.state.reshape(-1)
            class_offset = _APART_PX * np.round(state[0] / _APART_PX)
            state[4:] = (known.boxes[row] + class_offset - state[:4]) / (seconds * _RATE)

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


def _labels(detections: sv.Detections) -> NDArray[np.int64]:
    ids = detections.class_id
    return np.zeros(len(detections), np.int64) if ids is None else np.asarray(ids, np.int64)


def _apart(boxes: NDArray[Any], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64) + _APART_PX * labels[:, None]
