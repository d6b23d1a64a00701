"""What tests of scores are made of: boxes in a line each, and the series that they lie in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from vidpipe.evaluation.series import Boxes, Series

CLASSES = ("person", "vehicle")


class Row(NamedTuple):
    """A box of one frame."""

    frame: int
    xyxy: tuple[float, float, float, float]
    score: float = 1.0
    label: int = 0
    track: int = -1
    ignored: bool = False
    crowd: bool = False


def at(frame: int, x: float, y: float = 10, *, w: float = 20, h: float = 40, **columns: float) -> Row:
    """A box by its upper left corner: `at(3, 50, score=0.4, label=1, track=7, ignored=True)`."""
    return Row(frame, (x, y, x + w, y + h), **columns)  # type: ignore[arg-type]


def boxes(*rows: Row) -> Boxes:
    columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in Row._fields]
    return Boxes.of(columns[0], columns[1], **dict(zip(Row._fields[2:], columns[2:], strict=True)))  # type: ignore[arg-type]


def series(
    frames: int,
    *rows: Row,
    fps: float = 10,
    classes: Sequence[str] = CLASSES,
    unknown: Collection[int] = (),
    size: tuple[int, int] = (640, 480),
) -> Series:
    """A stretch of `frames` frames with these boxes; at the frames `unknown` nobody looked."""
    known = np.array([frame not in unknown for frame in range(frames)], bool)
    return Series(tuple(classes), *size, np.arange(frames) / fps, known, boxes(*rows))
