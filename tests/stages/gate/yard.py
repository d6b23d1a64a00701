"""A yard that somebody crosses now and then: small pictures with exact labels, drawn in no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.stages.gate.examples import Collector, Examples

CLASSES = ("person", "vehicle")
WIDTH, HEIGHT, FPS = 96, 72, 4
EVERY_S, LASTS_S = 20.0, 3.0  # somebody comes every so often, and is in the picture for so long

Change = Callable[[NDArray[np.uint8]], NDArray[np.uint8]]


def night(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A tone curve: the same place in the dark."""
    return ((picture / 255.0) ** 1.6 * 110).astype(np.uint8)


def turned(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The camera turned by 5 of its 60 degrees."""
    by = WIDTH * 5 // 60
    return np.concatenate([picture[:, by:], picture[:, -by:]], axis=1)


def picture(seq: int, seed: int = 0, fps: float = FPS) -> tuple[NDArray[np.uint8], bool]:
    """uint8 [h, w], and whether somebody is in it."""
    rng = np.random.default_rng([seed, seq])
    x, y = np.arange(WIDTH)[None], np.arange(HEIGHT)[:, None]
    grey = 110 + 35 * np.sin(x / 5) * np.cos(y / 7) + 6 * np.sin(seq / fps / 11) + rng.normal(0, 3, (HEIGHT, WIDTH))
    since_s = seq / fps % EVERY_S - 10
    there = 0 <= since_s < LASTS_S
    if there:
        crossing = int(seq / fps // EVERY_S)
        left = int(since_s / LASTS_S * (WIDTH - 10))
        top = 15 + crossing * 7 % 30
        grey[top : top + 22, left : left + 10] += 55 if crossing % 2 else -55
    return grey.clip(0, 255).astype(np.uint8), there


def frame(luma: NDArray[np.uint8], seq: int, fps: float = FPS) -> Frame:
    return Frame("yard", seq, seq / fps, BgrPicture(np.dstack([luma] * 3)), luma.shape[1], luma.shape[0])


def seen(there: bool) -> sv.Detections:
    """What the last stage would say."""
    return sv.Detections(
        xyxy=np.array([[10, 15, 20, 37]] * there, np.float32).reshape(-1, 4),
        confidence=np.full(int(there), 0.9, np.float32),
        class_id=np.zeros(int(there), int),
        data={"class_name": np.array(["person"] * there, dtype=str)},
    )


def footage(seconds: float, change: Change | None = None, first: int = 0) -> Iterator[tuple[Frame, bool]]:
    """Frames with whether somebody is in them."""
    for seq in range(first, first + round(seconds * FPS)):
        luma, there = picture(seq)
        yield frame(change(luma) if change else luma, seq), there


def examples(seconds: float = 180) -> Examples:
    collector = Collector("yard", CLASSES)
    for taken, there in footage(seconds):
        collector.add(taken, seen(there))
    return collector.examples()
