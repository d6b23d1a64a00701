"""Whether things keep their identity: MOTA, IDF1 and HOTA, against labels with track ids."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.bench.figures import TrackScore
from vidpipe.bench.scores.matching import that_count
from vidpipe.bench.series import Boxes, Series
from vidpipe.models.boxes import iou

_UNDEFINED = TrackScore(mota=None, idf1=None, hota=None, switches=None)


def track_score(predictions: Series, truth: Series) -> TrackScore:
    """MOTA (Bernardin and Stiefelhagen, 2008) and IDF1 (Ristani et al., 2016) at IoU 0.5, HOTA (Luiten et al., 2021).

    They are those of TrackEval, as the library `trackers` has them. Each class is tracked on its own: a track id counts
    within its class. Errors and boxes of all classes are summed. Frames that `truth` does not know are left out; so are
    ignored boxes and what was found there. A box without identity is nobody's, and counts as not there.

    Returns:
        None for all where one side has no identities.

    Raises:
        ValueError: the series are not of the same frames and classes.
    """
    from trackers.eval import compute_clear_metrics, compute_hota_metrics, compute_identity_metrics

    known = tuple(boxes[boxes.track >= 0] for boxes in that_count(predictions, truth))
    if not ((predictions.boxes.track >= 0).any() and len(known[1])):
        return _UNDEFINED
    ours, theirs = (_Frames.of(boxes, truth.frames) for boxes in known)
    alike = [_alike(one, other) for one, other in zip(theirs.boxes, ours.boxes, strict=True)]
    clear = compute_clear_metrics(theirs.ids, ours.ids, alike)
    identity = compute_identity_metrics(theirs.ids, ours.ids, alike)
    hota = compute_hota_metrics(theirs.ids, ours.ids, alike)
    return TrackScore(mota=clear["MOTA"], idf1=identity["IDF1"], hota=hota["HOTA"], switches=clear["IDSW"])


class _Frames(NamedTuple):
    """Boxes frame by frame, and a number for each track of each class."""

    boxes: list[Boxes]
    ids: list[NDArray[np.int64]]

    @classmethod
    def of(cls, boxes: Boxes, frames: int) -> _Frames:
        _, track = np.unique(boxes.track, return_inverse=True)
        ids = boxes.label * (len(boxes) + 1) + track
        # One number twice in a frame: the surest box has it, and the others are nobody whom the labels could mean.
        surest = np.lexsort((-boxes.score, ids, boxes.frame))
        begins = np.flatnonzero(np.diff(np.stack([boxes.frame[surest], ids[surest]]), prepend=-1).any(axis=0))
        turn = np.arange(len(boxes)) - np.repeat(begins, np.diff(begins, append=len(boxes)))
        ids[surest] += turn * (int(ids.max(initial=0)) + 1)
        borders = np.searchsorted(boxes.frame, np.arange(frames + 1)).tolist()
        parts = [slice(low, high) for low, high in pairwise(borders)]
        return cls([boxes[part] for part in parts], [ids[part] for part in parts])


def _alike(truth: Boxes, predictions: Boxes) -> NDArray[np.float64]:
    """Intersection over union, [truth, predictions]; 0 between classes."""
    overlap = iou(truth.xyxy[:, None].astype(np.float64), predictions.xyxy[None].astype(np.float64))
    return np.where(truth.label[:, None] == predictions.label, overlap, 0.0)
