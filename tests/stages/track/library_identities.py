"""Identities by ByteTrack as the library `trackers` has it: ours are held against them, and what they cost as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from trackers import ByteTrackTracker

from vidpipe.stages.track.tracks import Tracks

if TYPE_CHECKING:
    import supervision as sv

LOST_S, RATE = 2.0, 10.0
APART_PX = 1e5


class LibraryIdentities:
    """See `Identities`; it goes by places alone."""

    def __init__(self, activate: float) -> None:
        self.tracker: Any = ByteTrackTracker(
            lost_track_buffer=round(30 * LOST_S),
            frame_rate=RATE,
            track_activation_threshold=activate,
            high_conf_det_threshold=activate,
            minimum_consecutive_frames=1,
            minimum_iou_threshold=0.1,
        )
        self.next = 1

    def update(self, detections: sv.Detections, pts: float, known: Tracks, seen: NDArray[np.float32]) -> sv.Detections:
        import supervision as sv

        boxes = np.asarray(detections.xyxy, np.float64) + APART_PX * np.asarray(detections.class_id)[:, None]
        shifted = sv.Detections(xyxy=boxes, confidence=detections.confidence, data={"row": np.arange(len(detections))})
        updated = self.tracker.update(shifted, timestamp=pts)
        ids = np.full(len(detections), -1, np.int64)
        if len(updated):
            ids[updated.data["row"]] = updated.tracker_id
        self._name_new(ids, boxes)
        named: Any = detections[np.flatnonzero(ids >= 0)]
        named.tracker_id = ids[ids >= 0]
        return named  # type: ignore[no-any-return]

    def _name_new(self, ids: NDArray[np.int64], boxes: NDArray[np.float64]) -> None:
        """The library would wait for a second look with the number, and does not say whose a new track is."""
        new = {tuple(boxes[row]): row for row in np.flatnonzero(ids < 0)}
        for track in self.tracker.tracks:
            if track.tracker_id == -1:
                track.tracker_id = self.next
                self.next += 1
                ids[new[tuple(track.get_state_bbox())]] = track.tracker_id
