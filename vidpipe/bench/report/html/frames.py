"""The frames on which pipeline and reference disagree most, side by side."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.scores.box_score import Counts, count
from vidpipe.accuracy.scores.matching import match
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.report.evidence import Evidence
from vidpipe.core.frame import Frame, Image
from vidpipe.core.settings import Knobs
from vidpipe.sources.open import open_source

_MOST = 6
_APART_S = 2.0
_WIDTH = 440
_JPEG_QUALITY = 72
_AGREED, _MISSED, _FALSE = (233, 180, 86), (31, 138, 255), (203, 140, 229)  # BGR


class Picture(NamedTuple):
    """A picture with one side's boxes: `jpeg` in base64, None of a frame that cannot be decoded; `alt` in words."""

    title: str
    jpeg: str | None
    alt: str


class Disagreement(NamedTuple):
    """One frame: whose answer was published, and how many of its boxes are right, missed and false."""

    seq: int
    pts: float
    source: str
    right: int
    missed: int
    false: int
    sides: tuple[Picture, Picture]


def frames(clip: str, evidence: Evidence) -> list[Disagreement]:
    """The worst frames; none where there is no disagreement.

    Raises:
        SourceError: the stream cannot be opened any more.
    """
    counts = count(evidence.published.series, evidence.truth)
    chosen = worst(counts, evidence.truth.pts)
    pictures = _decode(clip, evidence, chosen) if chosen else {}
    return [_disagreement(frame, evidence, counts, pictures.get(frame)) for frame in chosen]


def worst(counts: Counts, pts: NDArray[np.float64]) -> list[int]:
    """Up to 6 frames with the most false and missed boxes, of equals the earlier; any two at least 2 s apart."""
    wrong = (counts.fp + counts.fn).sum(axis=0)
    chosen: list[int] = []
    for frame in np.argsort(-wrong, kind="stable").tolist():
        if wrong[frame] and len(chosen) < _MOST and all(abs(pts[frame] - pts[other]) >= _APART_S for other in chosen):
            chosen.append(frame)
    return chosen


class Side(NamedTuple):
    """One side of a pair: its boxes in one frame, and which of them the other side has as well."""

    boxes: Boxes
    agreed: NDArray[np.bool_]


def sides(truth: Series, published: Series, frame: int) -> tuple[Side, Side]:
    """Of one frame: the reference's, then the pipeline's; what does not count stays out of both."""
    theirs, ours = (series.part(frame, frame + 1).boxes for series in (truth, published))
    matches = match(ours, theirs)
    found, right = np.zeros(len(theirs), bool), np.zeros(len(ours), bool)
    found[matches.truth], right[matches.predictions] = True, True
    counts = ~theirs.ignored
    return Side(theirs[counts], found[counts]), Side(ours, right)


def _decode(clip: str, evidence: Evidence, chosen: Sequence[int]) -> dict[int, Image]:
    """One pass up to the last of them: seeking would have to count frames anew."""
    pictures = {}
    with closing(open_source(clip, evidence.stream, knobs=Knobs())) as source:
        for frame in source:
            if frame.seq in chosen and isinstance(frame, Frame):
                pictures[frame.seq] = frame.bgr()
            if frame.seq >= max(chosen):
                break
    return pictures


def _disagreement(frame: int, evidence: Evidence, counts: Counts, picture: Image | None) -> Disagreement:
    answers = evidence.published
    reference, pipeline = sides(evidence.truth, answers.series, frame)
    age = f", as of frame {answers.as_of[frame]}" if answers.as_of[frame] != frame else ""
    reason = f" ({answers.reason[frame]})" if answers.reason[frame] else ""
    source = f"{answers.how[frame]} by {answers.by[frame]}{age}{reason}"
    right, missed, false = (int(part[:, frame].sum()) for part in (counts.tp, counts.fn, counts.fp))
    classes = evidence.truth.classes
    shown = (
        _picture("reference", picture, reference, classes, "missed", _MISSED),
        _picture("published", picture, pipeline, classes, "false", _FALSE),
    )
    return Disagreement(frame, float(answers.series.pts[frame]), source, right, missed, false, shown)


def _picture(
    title: str, picture: Image | None, side: Side, classes: Sequence[str], wrong: str, colour: tuple[int, int, int]
) -> Picture:
    """With boxes drawn; wrong ones lie on top."""
    import cv2

    alt = f"{title}: {len(side.boxes)} boxes, {int((~side.agreed).sum())} of them {wrong}"
    if picture is None:
        return Picture(title, None, alt)
    scale = min(1.0, _WIDTH / picture.shape[1])
    drawn = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    for row in np.argsort(~side.agreed, kind="stable"):
        x0, y0, x1, y1 = np.rint(side.boxes.xyxy[row] * scale).astype(int).tolist()
        line, width = (_AGREED, 1) if side.agreed[row] else (colour, 2)
        cv2.rectangle(drawn, (x0, y0), (x1, y1), line, width)
        said = f"{classes[side.boxes.label[row]]} {side.boxes.score[row]:.2f}"
        cv2.putText(drawn, said, (x0, y0 - 3), cv2.FONT_HERSHEY_SIMPLEX, 0.36, line, 1, cv2.LINE_AA)
    _, data = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return Picture(title, b64encode(data.tobytes()).decode(), alt)
