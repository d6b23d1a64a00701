"""What a stage may say of a frame: every answer of one is held against this where it is taken.

Most answers repeat detections that were looked at before, or have none: those cost a few comparisons. Boxes are looked
at one by one in plain Python, which for the dozen that a picture has is faster than numpy, and names the bad one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol
from weakref import ref

import numpy as np

from vidpipe.answer import Answer, How, nothing
from vidpipe.errors import StageError, text_of

if TYPE_CHECKING:
    import supervision as sv

_DROPPED, _FAILED = How.DROPPED, How.FAILED
_COLUMNS = (("class_id", "iu"), ("confidence", "fiu"), ("tracker_id", "iu"))
_OUTSIDE = 1.0  # how far a box may reach out of the picture, in widths and heights of it
_ROUNDING = 1e-6  # by which a score may be off
_DEEPEST = 8  # levels of lists in lists


class Place(Protocol):
    """Which picture an answer is of: a `Frame`, or a `Moment`."""

    @property
    def stream(self) -> str: ...

    @property
    def seq(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def height(self) -> int: ...


class Contract:
    """What the answers of one stage must be; for one thread.

    Args:
        stage: its id.
        classes: names of the pipeline's classes, by `class_id`.
    """

    def __init__(self, stage: str, classes: Sequence[str]) -> None:
        self._stage = stage
        self._classes = tuple(classes)
        self._empty = nothing()
        self._known: dict[str, ref[sv.Detections]] = {}  # of each stream those that were found good last

    def check(self, answer: Any, frame: Place) -> None:
        """Raises StageError where this is no answer that the stage may give to this frame."""
        self._check(answer, frame)
        if answer.by != self._stage:
            self._refuse(f"an answer by {_short(answer.by)}: its own bear its id")
        if answer.how is _FAILED or answer.how is _DROPPED:
            self._refuse(f"an answer that is {answer.how.value}, which no stage may say: to fail a frame it raises")

    def check_result(self, answer: Any, moment: Place) -> None:
        """The same of an answer that is about to be published, as a transform completed it."""
        self._check(answer, moment)

    def check_completed(self, answer: Any, frame: Place) -> None:
        """The same of an answer of a later stage, as this one completed it."""
        self._check(answer, frame)
        if answer.how.carried:
            self._refuse(f"an answer back that is {answer.how.value} now")

    def _check(self, answer: Any, frame: Place) -> None:
        if type(answer) is not Answer:  # a class of the user's is not known everywhere that answers travel
            self._refuse(f"a {type(answer).__name__} in place of an Answer or None")
        if type(answer.how) is not How:
            self._refuse(f"an answer whose `how` is {_short(answer.how)} and no How")
        if type(answer.as_of) is not int or not -1 <= answer.as_of <= frame.seq:
            self._refuse(f"an answer as of {_short(answer.as_of)} to frame {frame.seq}: -1 to {frame.seq} may be")
        if type(answer.by) is not str or type(answer.reason) is not str or type(answer.partial) is not bool:
            self._refuse("an answer whose `by` or `reason` is no str, or whose `partial` is no bool")
        boxes = answer.detections
        if boxes is self._empty:
            return
        known = self._known.get(frame.stream)
        if known is None or known() is not boxes:
            self._look_through(boxes, frame)
            self._known[frame.stream] = ref(boxes)

    def _look_through(self, boxes: Any, frame: Place) -> None:
        try:
            self._check_detections(boxes, frame)
        except StageError:
            raise
        except BaseException as error:  # of what only looks like detections
            why = f"{type(error).__name__}: {text_of(error)}"
            raise StageError(f"stage {self._stage} gave detections that cannot be read: {why}") from None

    def _check_detections(self, boxes: Any, frame: Place) -> None:
        if type(boxes) is not type(self._empty):
            self._refuse(f"detections that are a {type(boxes).__name__} and no sv.Detections")
        xyxy = boxes.xyxy
        if not (_is_array(xyxy, "fiu") and xyxy.ndim == 2 and xyxy.shape[1] == 4):
            self._refuse("detections whose `xyxy` is no array of numbers [n, 4]")
        self._check_columns(boxes, len(xyxy))
        if len(xyxy):
            self._check_classes(boxes)
            self._check_scores(boxes)
            self._check_boxes(boxes, frame)

    def _check_columns(self, boxes: sv.Detections, count: int) -> None:
        """That there is one value for each box, and nothing that could not be written or sent."""
        for name, kinds in _COLUMNS:
            column = getattr(boxes, name)
            if column is not None and not (_is_array(column, kinds) and column.shape == (count,)):
                self._refuse(f"detections whose `{name}` is no array of {count} numbers, one for each box")
        if boxes.mask is not None and len(boxes.mask) != count:
            self._refuse(f"detections with {len(boxes.mask)} masks for {count} boxes")
        if type(boxes.data) is not dict or type(boxes.metadata) is not dict:
            self._refuse("detections whose `data` or `metadata` is no dict")
        for name, column in boxes.data.items():
            if not (type(name) is str and type(column) in (np.ndarray, list) and _is_plain(column)):
                self._refuse(f"detections whose data[{_short(name)}] is no array or list of plain values")
            if len(column) != count:
                self._refuse(f"detections whose data[{_short(name)}] has not one value for each of {count} boxes")
        if boxes.metadata and not _is_plain(boxes.metadata):
            self._refuse("detections whose `metadata` holds more than plain values")

    def _check_classes(self, boxes: sv.Detections) -> None:
        names = boxes.data.get("class_name")
        if boxes.class_id is None or names is None:
            self._refuse("boxes without `class_id`" if boxes.class_id is None else "boxes without data['class_name']")
        known = self._classes
        for number, name in zip(boxes.class_id.tolist(), np.asarray(names).tolist(), strict=True):
            if not 0 <= number < len(known):
                self._refuse(f"a box of class {number}: the pipeline's classes are 0 to {len(known) - 1}")
            if name != known[number]:
                self._refuse(f"a box of class {number} with the name {_short(name)}: it is {_short(known[number])}")

    def _check_scores(self, boxes: sv.Detections) -> None:
        if boxes.confidence is None:
            return
        for score in boxes.confidence.tolist():
            if not -_ROUNDING <= score <= 1 + _ROUNDING:  # also where it is not a number
                self._refuse(f"a box that scores {score:.6g}: scores lie in 0 to 1")

    def _check_boxes(self, boxes: sv.Detections, frame: Place) -> None:
        width, height = frame.width, frame.height
        left, right = -_OUTSIDE * width, (1 + _OUTSIDE) * width
        top, bottom = -_OUTSIDE * height, (1 + _OUTSIDE) * height
        for x0, y0, x1, y1 in boxes.xyxy.tolist():
            if not (left <= x0 <= x1 <= right and top <= y0 <= y1 <= bottom):
                inverted = x1 < x0 or y1 < y0
                wrong = "its corners are swapped" if inverted else f"nowhere near the {width}x{height} picture"
                self._refuse(f"the box [{x0:.6g}, {y0:.6g}, {x1:.6g}, {y1:.6g}]: {wrong}")

    def _refuse(self, what: str) -> NoReturn:
        raise StageError(f"stage {self._stage} gave {what}")


def _is_array(column: Any, kinds: str) -> bool:
    return type(column) is np.ndarray and column.dtype.kind in kinds


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether everybody can read it: numbers and text, in arrays, lists and dicts."""
    if type(value) is np.ndarray and value.dtype.kind in "biufU":
        return True
    if value is None or type(value) in (str, int, float, bool):
        return True
    if depth == _DEEPEST:
        return False
    if isinstance(value, dict):
        return all(type(key) is str and _is_plain(item, depth + 1) for key, item in value.items())
    if not isinstance(value, np.ndarray | np.generic | list | tuple):
        return False
    array = np.asarray(value)
    if array.dtype.kind == "O":
        return all(_is_plain(item, depth + 1) for item in array.ravel().tolist())
    return array.dtype.kind in "biufU"


def _short(value: object) -> str:
    """A name or number as it may stand in a message; of anything else what it is."""
    if type(value) in (str, int, float):
        text = repr(value)
        return text if len(text) <= 40 else text[:36] + "..."
    return f"a {type(value).__name__}"
