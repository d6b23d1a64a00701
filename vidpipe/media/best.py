"""The best picture of each track: large, sharp, surely found, and whole."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame, Image

if TYPE_CHECKING:
    import supervision as sv

_TRACKS = 128  # of which a picture is kept: those that were seen last
_BYTES = 32_000_000  # of all of them
_BETTER = 1.1  # times as good as the one before: a little better is not worth another JPEG
_LARGE = 0.1  # of the picture's area: more does not make a better picture
_EDGE = 0.01  # of width and height: what comes nearer to the border may be cut off by it
_CUT_OFF = 0.3  # what a box at the border is worth
_MOVED = 0.8  # what a box is worth that was moved there, not found there
_SHARP = 60.0  # variance of the Laplacian at which a picture is half as sharp as it can be
_BLURRED = 0.1  # what a picture is worth that shows nothing sharp at all: better than none
_MARGIN = 0.15  # of a box's longer side, around it
_QUALITY = 90  # of JPEG
_COLOUR = (132, 220, 61)  # BGR, of boxes


@dataclass(frozen=True, slots=True)
class Best:
    """A picture of a track.

    Attributes:
        jpeg: the file's content.
        seq: of the frame that it shows.
        quality: the greater the better.
    """

    jpeg: bytes
    seq: int
    quality: float


class BestPictures:
    """Keeps one picture for each track of a stream, as JPEG. For one thread.

    Only frames count whose own answer has the box: found in this very frame, or moved to it. A box that an older answer
    left behind would show an empty place.

    Args:
        what: the box with some room around it, or the whole frame.
        boxes: are drawn.
    """

    def __init__(self, what: Literal["crop", "frame"], *, boxes: bool) -> None:
        self._what = what
        self._boxes = boxes
        self._best: OrderedDict[int, Best] = OrderedDict()
        self._bytes = 0

    def of(self, track: int) -> Best | None:
        """The best one of a track; None where there is none, or no more."""
        return self._best.get(track)

    def look(self, frame: Frame, answer: Answer) -> None:
        """See whether this frame is a better picture of any of its tracks."""
        found = answer.detections
        if not is_own(answer, frame) or found.tracker_id is None or not len(found):
            return
        whole: bytes | None = None
        worth = _worth(frame, answer)
        for place, track in enumerate(found.tracker_id.tolist()):
            if track < 0:
                continue
            before = self._best.get(track)
            bar = before.quality * _BETTER if before else 0.0
            if before:
                self._best.move_to_end(track)
            if worth[place] <= bar or (quality := worth[place] * _sharpness(frame, found.xyxy[place])) <= bar:
                continue
            if self._what == "crop":
                jpeg = cropped(frame, found, place, boxes=self._boxes)
            else:
                jpeg = whole = whole or drawn(frame, answer, boxes=self._boxes)
            if jpeg:
                self._keep(track, Best(jpeg, frame.seq, quality))

    def _keep(self, track: int, best: Best) -> None:
        self._bytes += len(best.jpeg) - (len(before.jpeg) if (before := self._best.pop(track, None)) else 0)
        self._best[track] = best
        while len(self._best) > _TRACKS or (self._bytes > _BYTES and len(self._best) > 1):
            _, gone = self._best.popitem(last=False)
            self._bytes -= len(gone.jpeg)


def is_own(answer: Answer, frame: Frame) -> bool:
    """Whether the boxes of an answer are those of this very frame."""
    return (answer.how is How.MEASURED and answer.as_of == frame.seq) or answer.how in (How.TRACKED, How.REUSED)


def drawn(frame: Frame, answer: Answer, *, boxes: bool) -> bytes:
    """The whole frame as JPEG, with boxes where they are its own and are asked for."""
    picture = frame.bgr()
    if boxes and is_own(answer, frame) and len(answer.detections):
        picture = picture.copy()
        for place in range(len(answer.detections)):
            _draw(picture, answer.detections, place, (0, 0))
    return _jpeg(picture)


def cropped(frame: Frame, found: sv.Detections, place: int, *, boxes: bool) -> bytes:
    """What lies in and around a box, as JPEG; b"" where it lies outside of the picture."""
    x0, y0, x1, y1 = found.xyxy[place].tolist()
    margin = _MARGIN * max(x1 - x0, y1 - y0)
    left, top = max(0, int(x0 - margin)), max(0, int(y0 - margin))
    picture = frame.bgr()[top : max(0, int(y1 + margin) + 1), left : max(0, int(x1 + margin) + 1)]
    if not picture.size:
        return b""
    if boxes:
        picture = picture.copy()
        _draw(picture, found, place, (left, top))
    return _jpeg(picture)


def _worth(frame: Frame, answer: Answer) -> NDArray[np.float64]:
    """How good each box's picture is at most: by score, size, and whether the border cuts it off; [n]."""
    found = answer.detections
    xyxy = found.xyxy.astype(np.float64)
    width, height = frame.width, frame.height
    inside = np.clip(xyxy, 0, (width, height, width, height))
    area = (inside[:, 2] - inside[:, 0]) * (inside[:, 3] - inside[:, 1]) / (width * height)
    edge = np.array([_EDGE * width, _EDGE * height])
    near = (xyxy[:, :2] < edge).any(axis=1) | (xyxy[:, 2:] > np.array([width, height]) - edge).any(axis=1)
    score = np.ones(len(found)) if found.confidence is None else found.confidence.astype(np.float64)
    worth = score * np.sqrt(np.minimum(area / _LARGE, 1.0)) * np.where(near, _CUT_OFF, 1.0)
    return np.asarray(worth * (1.0 if answer.how is How.MEASURED else _MOVED))


def _sharpness(frame: Frame, box: NDArray[np.floating]) -> float:
    """`_BLURRED`..1, of what is in a box."""
    import cv2

    x0, y0, x1, y1 = (max(0, int(value)) for value in box)
    grey = frame.luma()[y0:y1, x0:x1]
    if min(grey.shape) < 3:
        return _BLURRED
    variance = float(cv2.Laplacian(grey, cv2.CV_32F).var())
    return _BLURRED + (1 - _BLURRED) * variance / (variance + _SHARP)


def _draw(picture: Image, found: sv.Detections, place: int, corner: tuple[int, int]) -> None:
    """Draw a box with its class, score and track into a part of a picture that begins at `corner`."""
    import cv2

    x0, y0, x1, y1 = (int(value) - corner[axis % 2] for axis, value in enumerate(found.xyxy[place].tolist()))
    cv2.rectangle(picture, (x0, y0), (x1, y1), _COLOUR, 2)
    names = found.data.get("class_name")
    words = [] if names is None else [str(names[place])]
    if found.confidence is not None:
        words.append(f"{found.confidence[place]:.2f}")
    if found.tracker_id is not None and found.tracker_id[place] >= 0:
        words.append(f"#{found.tracker_id[place]}")
    cv2.putText(picture, " ".join(words), (x0, max(10, y0 - 4)), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _COLOUR, 1, cv2.LINE_AA)


def _jpeg(picture: Image) -> bytes:
    import cv2

    done, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return encoded.tobytes() if done else b""
