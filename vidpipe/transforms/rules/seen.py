"""A published result as rules see it: the same numbers live, and out of a results file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vidpipe.cascade.audit import Audit
from vidpipe.cascade.reachback import Correction
from vidpipe.core.answer import Answer
from vidpipe.core.rounding import round_boxes, round_scores, round_seconds
from vidpipe.statistics.wilson import wilson
from vidpipe.transforms.base import Moment

_REMEMBERED = 1024  # frames: so many are under way at most


class Seen(NamedTuple):
    """A published result, rounded as results files are.

    Attributes:
        pts: media seconds.
        at: UTC seconds; None where the recording does not say.
        as_of: number of the frame that the boxes were measured on; -1: none yet.
        width, height: of the picture in pixels; 0 where there has been none yet.
        boxes: [n] of [4], xyxy in pixels; none where there has been no picture yet.
        scores: [n]; 1 where none is told.
        classes: [n], by name.
        ids: [n], identity of each; negative: it has none.
        audits: whose outcome has become known since the result before.
        epoch: of the settings that it was answered under.
        model: that measured the boxes, by name; None where nobody knows.
        degraded: why the answer is worth less than it would be; "" where it is not.
        corrections: of earlier results, that have become known since the result before.
        features: what had been computed of the frame anyway, by name; empty on most.
    """

    seq: int
    pts: float
    at: float | None
    as_of: int
    width: int
    height: int
    boxes: Sequence[Sequence[float]]
    scores: Sequence[float]
    classes: Sequence[str]
    ids: Sequence[int]
    audits: Sequence[Audit] = ()
    epoch: int = 0
    model: str | None = None
    degraded: str = ""
    corrections: Sequence[Correction] = ()
    features: Mapping[str, Sequence[float]] = {}

    @property
    def time(self) -> float:
        """UTC seconds; media seconds where the recording does not say."""
        return self.pts if self.at is None else self.at

    @classmethod
    def of(cls, answer: Answer, moment: Moment, *, boxes: bool = True) -> Seen:
        """What is published at a moment; without `boxes` what there is to know beside them."""
        detections = answer.detections
        count = len(detections) if moment.width and boxes else 0
        names = np.asarray(detections.data["class_name"]).tolist() if count else []
        ids = detections.tracker_id.tolist() if count and detections.tracker_id is not None else [-1] * count
        confidence = detections.confidence if count else None
        scores = [1.0] * count if confidence is None else round_scores(confidence).tolist()
        xyxy = round_boxes(detections.xyxy).tolist() if count else []
        at = None if moment.captured_at is None else round_seconds(moment.captured_at)
        place = moment.seq, round_seconds(moment.pts), at, answer.as_of, moment.width, moment.height
        told = moment.audits, moment.epoch, moment.model, moment.degraded, moment.corrections, answer.features
        return cls(*place, xyxy, scores, names, ids, *told)


class Ages:
    """How old the boxes of results are, in media seconds."""

    def __init__(self) -> None:
        self._pts: dict[int, float] = {}  # of frames that boxes may have been measured on, in order
        self._measured: tuple[int, float] = -1, 0.0  # the newest of them, which may stay so for longer than that

    def age_s(self, seen: Seen) -> float | None:
        """Of the boxes of the newest result; None: they were never measured, or so long ago that nobody knows."""
        self._pts[seen.seq] = seen.pts
        if len(self._pts) > _REMEMBERED:
            del self._pts[next(iter(self._pts))]
        if seen.as_of != self._measured[0]:
            if seen.as_of not in self._pts:
                return None
            self._measured = seen.as_of, self._pts[seen.as_of]
            # What is measured from now on is newer.
            self._pts = {seq: pts for seq, pts in self._pts.items() if seq > seen.as_of}
        return seen.pts - self._measured[1] if seen.as_of >= 0 else None


class MissRate:
    """How many of the stream's cheap answers lack a class that the last stage sees, by the audits so far.

    The same share of the answers of each stage is audited: so all audits together are a random sample of those of all.
    """

    def __init__(self) -> None:
        self._audited = 0
        self._missed = 0

    def learn(self, audits: Sequence[Audit]) -> None:
        """Count audits."""
        self._audited += len(audits)
        self._missed += sum(audit.missed for audit in audits)

    def told(self) -> dict[str, float | None]:
        """The estimate, None where nothing was audited, with its 95 % interval (Wilson)."""
        low, high = wilson(self._missed, self._audited)
        estimate = round(self._missed / self._audited, 6) if self._audited else None
        return {"estimate": estimate, "low": round(low, 6), "high": round(high, 6)}
