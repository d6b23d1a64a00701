"""What tests of scores are made of: boxes in a line each, and the series that they lie in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from vidpipe.accuracy.series import Answers, Boxes, Series

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


def answers(
    published: Series,
    *,
    how: str | Sequence[str] = "measured",
    by: str | Sequence[str] = "big",
    as_of: Sequence[int] | None = None,
    captured_at: Sequence[float] | None = None,
    published_at: Sequence[float] | None = None,
) -> Answers:
    """These boxes as answers: if nothing else is said, measured by `big`, each on its own frame, at no known time."""
    frames = published.frames
    never = np.full(frames, np.nan)
    return Answers(
        published,
        how=np.broadcast_to(np.array(how, np.str_), frames),
        by=np.broadcast_to(np.array(by, np.str_), frames),
        reason=np.full(frames, ""),
        as_of=np.arange(frames) if as_of is None else np.array(as_of, np.int64),
        captured_at=never if captured_at is None else np.array(captured_at, np.float64),
        published_at=never if published_at is None else np.array(published_at, np.float64),
    )
