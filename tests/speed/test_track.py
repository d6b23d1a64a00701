"""What following ten things costs a frame, beside the optical flow of their points alone."""

from __future__ import annotations

from itertools import count

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.speed.conftest import Ratio
from tests.stages.conftest import opened
from tests.stages.track.conftest import found, measured, scene, shifted, texture
from vidpipe.core.answer import How
from vidpipe.core.frame import Frame, Image
from vidpipe.core.picture import BgrPicture
from vidpipe.stages.track.track import Track

WIDTH, HEIGHT = 768, 576
BOXES = [
    (60 + 130 * column, 60 + 250 * row, 100 + 130 * column, 180 + 250 * row) for row in range(2) for column in range(5)
]
STEPS = 20


def test_a_frame_of_ten_things_costs_a_few_times_their_flow(ratio: Ratio) -> None:
    """Measured: twice the flow of a hundred points there and back. Looks and decoding are apart."""
    stage = opened(Track, refresh_s=1e9, change=1, failing=1)
    frames = street()
    stage.answer([frames[0]])
    stage.learn(frames[0], measured(0, found(*BOXES)))
    numbers, answers = count(1), []

    def follow() -> None:
        seq = next(numbers)
        swing = abs((seq + STEPS) % (2 * STEPS) - STEPS)  # there and back again: nothing ever leaves
        asked = Frame("cam", seq, seq / 10, frames[swing].picture, WIDTH, HEIGHT)
        answers.append(stage.answer([asked])[0])

    pair = [cv2.resize(frame.luma(), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for frame in frames[:2]]
    points = np.random.default_rng(0).uniform(20, 260, (100, 2)).astype(np.float32)
    assert ratio(follow, lambda: there_and_back(pair, points)) < 6
    assert all(answer.how is How.TRACKED and len(answer.detections) == len(BOXES) for answer in answers)


def street() -> list[Frame]:
    ground = (texture(0, WIDTH, HEIGHT) // 4 + 90).astype(np.uint8)
    pictures = [scene(*(shifted(box, 2 * step) for box in BOXES), ground=ground) for step in range(STEPS + 1)]
    return [
        Frame("cam", seq, 0.0, BgrPicture(np.dstack([luma] * 3)), WIDTH, HEIGHT) for seq, luma in enumerate(pictures)
    ]


def there_and_back(pair: list[Image], points: NDArray[np.float32]) -> None:
    options = {"winSize": (9, 9), "maxLevel": 2}
    there, _, _ = cv2.calcOpticalFlowPyrLK(pair[0], pair[1], points, None, **options)
    cv2.calcOpticalFlowPyrLK(pair[1], pair[0], there, None, **options)
