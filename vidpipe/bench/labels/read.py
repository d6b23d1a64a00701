"""Labels that people made of a clip, read from MOT text or COCO JSON and held against the clip."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.scores.box_score import by_class, count
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.labels.coco import read_coco
from vidpipe.bench.labels.drawn import Drawn
from vidpipe.bench.labels.mot import read_mot
from vidpipe.core.errors import ConfigError
from vidpipe.core.files import unread
from vidpipe.models.base import Classes

# What a pipeline may call a thing, where it has not the word of those who labelled it.
_OTHER_WORDS = {
    "pedestrian": ("person",),
    "car": ("vehicle",),
    "bus": ("vehicle",),
    "truck": ("vehicle",),
    "bicycle": ("bike",),
    "motorcycle": ("motorbike", "bike"),
    "motorbike": ("motorcycle", "bike"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What people drew on a clip.

    Attributes:
        series: every frame of the clip; those that nobody labelled are not known. Without identities, unless every box
            that counts has one.
        notes: what a reader of scores must know.
        labelled: the pipeline's classes that people looked for.
    """

    series: Series
    notes: list[str]
    labelled: tuple[str, ...]

    def comparable(self, found: Series) -> Series:
        """Without the boxes of classes that nobody labelled: whether those are right, nobody knows."""
        labelled = np.isin(found.classes, self.labelled)
        return found.where(labelled[found.boxes.label])


def read_labels(path: Path, classes: Classes, like: Series, class_name: str | None = None) -> Labels:
    """Read labels of a clip; a file that begins as a JSON object is COCO (`read_coco`), any other MOT (`read_mot`).

    Names of classes become the pipeline's through the words that it lists for each, and its own names; upper and lower
    case are the same, and a pedestrian may be a person. What is none of its classes is left out, and noted.

    Args:
        like: the reference's boxes on the whole clip: its frames, size and classes are those of the clip. Without
            boxes (nobody has looked yet) only what does not fit the clip can be told.
        class_name: of the pipeline, of boxes in a file that names none. None: the only class there is, else the one
            that the reference sees where the labels are.

    Raises:
        ConfigError: the file cannot be read, is malformed, is not of this clip, or has no class of the pipeline.
    """
    drawn = _read(path, like)
    notes = list(drawn.notes)
    if drawn.names:
        index = _to_pipeline(path, drawn, classes, like)
        there = np.bincount(drawn.boxes.label, minlength=len(index))
        left = [f"{there[row]} of {drawn.names[row]}" for row in np.flatnonzero((index < 0) & (there > 0))]
        if left:
            notes.append(f"boxes left out, as the pipeline has no such class: {', '.join(left)}")
        boxes = replace(drawn.boxes, label=index[drawn.boxes.label])
        boxes = boxes[boxes.label >= 0]
        sought = index if drawn.all_named else boxes.label[~boxes.ignored]
    else:
        label, why = _unnamed(path, drawn.boxes, like, class_name)
        notes.append(why)
        boxes = replace(drawn.boxes, label=np.full(len(drawn.boxes), label))
        sought = boxes.label
    _refuse_outside(path, boxes, like)
    if (boxes.track >= 0).any() and (why_not := _unfit_tracks(boxes)) is not None:
        notes.append(f"{why_not}: tracks are not scored")
        boxes = replace(boxes, track=np.full(len(boxes), -1))
    rest = [name for position, name in enumerate(like.classes) if position not in sought]
    if rest:
        notes.append(f"nobody labelled {', '.join(rest)}: what is found of it is not held against labels")
    known = np.ones(like.frames, bool) if drawn.frames is None else np.isin(np.arange(like.frames), drawn.frames)
    labelled = tuple(name for name in like.classes if name not in rest)
    return Labels(replace(like, known=known, boxes=boxes), notes, labelled)


def _read(path: Path, clip: Series) -> Drawn:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"labels {path} cannot be read: {unread(error)}") from None
    return read_coco(path, text, clip) if text.lstrip().startswith("{") else read_mot(path, text, clip)


def _to_pipeline(path: Path, drawn: Drawn, classes: Classes, like: Series) -> NDArray[np.int64]:
    """For each name in the file the index of the pipeline's class, -1 where it has none."""
    meaning = {name.casefold(): position for position, name in enumerate(like.classes)}
    for position, name in enumerate(like.classes):
        meaning |= {alias.casefold(): position for alias in classes.mapping.get(name, ())}

    def in_pipeline(name: str) -> int:
        words = (name.casefold(), *_OTHER_WORDS.get(name.casefold(), ()))
        return next((meaning[word] for word in words if word in meaning), -1)

    index = np.array([in_pipeline(name) for name in drawn.names], np.int64)
    sought = np.arange(len(index)) if drawn.all_named else np.unique(drawn.boxes.label)
    if (index[sought] < 0).all():
        raise ConfigError(
            f"labels {path} are of {', '.join(drawn.names[name] for name in sought[:8])}, none of which is a class of "
            f"the pipeline ({', '.join(like.classes)}): list it under `classes`"
        )
    return index


def _unnamed(path: Path, boxes: Boxes, like: Series, class_name: str | None) -> tuple[int, str]:
    """Which class labels without one are of, and why."""
    if class_name is not None:
        if class_name not in like.classes:
            raise ConfigError(
                f"labels {path} shall be of {class_name}: the pipeline's classes are {', '.join(like.classes)}"
            )
        return like.classes.index(class_name), f"labels name no class: taken as {class_name}, as was asked"
    if len(like.classes) == 1:
        return 0, f"labels name no class: taken as {like.classes[0]}, the only one there is"
    everywhere = replace(like, known=np.ones(like.frames, bool))
    scores = []
    for label in range(len(like.classes)):
        labelled = replace(everywhere, boxes=replace(boxes, label=np.full(len(boxes), label)))
        scores.append(by_class(count(like, labelled), like.classes)[like.classes[label]].f1 or 0.0)
    best = int(np.argmax(scores))
    if scores[best] == 0 and len(like.boxes):
        raise ConfigError(
            f"labels {path} name no class, and the reference sees none of {', '.join(like.classes)} where they are: "
            "say which they are of (--truth-class)"
        )
    return best, (
        f"labels name no class: taken as {like.classes[best]}, with which the reference agrees best "
        f"(box F1 {scores[best]:.2f})"
    )


def _refuse_outside(path: Path, boxes: Boxes, clip: Series) -> None:
    boxes = boxes[~boxes.ignored]
    outside = (boxes.xyxy[:, 2:] <= 0).any(axis=1) | (boxes.xyxy[:, :2] >= (clip.width, clip.height)).any(axis=1)
    if outside.any():
        (x0, y0), (x1, y1) = boxes.xyxy[:, :2].min(axis=0), boxes.xyxy[:, 2:].max(axis=0)
        raise ConfigError(
            f"labels {path}: boxes reach from {x0:g} x {y0:g} to {x1:g} x {y1:g}, the picture is {clip.width} x "
            f"{clip.height}, and {outside.sum()} lie wholly outside, first in frame "
            f"{boxes.frame[outside][0] + 1}: are they of this clip, at this size?"
        )


def _unfit_tracks(boxes: Boxes) -> str | None:
    """Why identities cannot be scored; None where they can."""
    without = int(((boxes.track < 0) & ~boxes.ignored).sum())
    if without:
        return f"{without} labels have no identity"
    named = boxes[boxes.track >= 0]
    rows, times = np.unique(np.stack([named.frame, named.label, named.track], axis=1), axis=0, return_counts=True)
    if (times > 1).any():
        frame, _, track = rows[times > 1][0]
        return f"identity {track} is twice in frame {frame + 1}"
    return None
