"""Whether things keep their identity: MOTA, IDF1 and HOTA, against labels with track ids."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.figures import TrackScore
from vidpipe.accuracy.scores.matching import that_count
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.core.extras import extra
from vidpipe.models.boxes import iou


def track_score(predictions: Series, truth: Series) -> TrackScore:
    """MOTA (Bernardin and Stiefelhagen, 2008) and IDF1 (Ristani et al., 2016) at IoU 0.5, HOTA (Luiten et al., 2021).

    They are those of TrackEval, as the library `trackers` has them. Each class is tracked on its own: a track id counts
    within its class. Errors and boxes of all classes are summed. Frames that `truth` does not know are left out; so are
    ignored boxes and what was found there. A box without identity is nobody's, and counts as not there.

    Returns:
        None for all where one side has no identities.
    """
    scores = extra("trackers.eval", "trackers", "a score of identities")
    ours, theirs = (boxes[boxes.track >= 0] for boxes in that_count(predictions, truth))
    if not ((predictions.boxes.track >= 0).any() and len(theirs)):
        return TrackScore(mota=None, idf1=None, hota=None, switches=None)
    our_boxes, their_boxes = (_by_frame(boxes, truth.frames) for boxes in (ours, theirs))
    alike = [_alike(one, other) for one, other in zip(their_boxes, our_boxes, strict=True)]
    told = [boxes.track for boxes in their_boxes], [boxes.track for boxes in our_boxes], alike
    clear, identity, hota = (
        compute(*told)
        for compute in (scores.compute_clear_metrics, scores.compute_identity_metrics, scores.compute_hota_metrics)
    )
    return TrackScore(mota=clear["MOTA"], idf1=identity["IDF1"], hota=hota["HOTA"], switches=clear["IDSW"])


def _by_frame(boxes: Boxes, frames: int) -> list[Boxes]:
    """The boxes of each frame, `track` a number for each track of each class."""
    _, track = np.unique(boxes.track, return_inverse=True)
    ids = boxes.label * (len(boxes) + 1) + track
    # One number twice in a frame: the surest box has it, and the others are nobody whom the labels could mean.
    surest = np.lexsort((-boxes.score, ids, boxes.frame))
    begins = np.flatnonzero(np.diff(np.stack([boxes.frame[surest], ids[surest]]), prepend=-1).any(axis=0))
    turn = np.arange(len(boxes)) - np.repeat(begins, np.diff(begins, append=len(boxes)))
    ids[surest] += turn * (int(ids.max(initial=0)) + 1)
    numbered = replace(boxes, track=ids)
    borders = np.searchsorted(boxes.frame, np.arange(frames + 1)).tolist()
    return [numbered[low:high] for low, high in pairwise(borders)]


def _alike(truth: Boxes, predictions: Boxes) -> NDArray[np.float64]:
    """Intersection over union, [truth, predictions]; 0 between classes."""
    overlap = iou(truth.xyxy[:, None].astype(np.float64), predictions.xyxy[None].astype(np.float64))
    return np.where(truth.label[:, None] == predictions.label, overlap, 0.0)
