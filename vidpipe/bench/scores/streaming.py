"""Streaming accuracy: what somebody would have known at each moment.

Li, Wang and Ramanan, "Towards streaming perception", ECCV 2020, section 3: an answer that comes late is held against
the world as it is by then, so accuracy and delay become one figure.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vidpipe.bench.series import Answers, Series


def newest(answers: Answers, at: NDArray[np.float64]) -> Series:
    """For each moment, the answer to the newest frame of those published by then; before any, no boxes.

    The answer to a frame may be published behind that to a later one; then it is never the newest. Score with
    `box_score(count(newest(answers, answers.captured_at), truth), truth.pts)`.

    Args:
        at: UTC seconds, float64 [frames]: when each frame of the stream was captured.

    Raises:
        ValueError: not one moment for each frame, or one that is not known.
    """
    series = answers.series
    if at.shape != series.pts.shape or np.isnan(at).any():
        raise ValueError(f"{series.frames} frames need the moment of each, and {np.isfinite(at).sum()} are known")
    order = np.argsort(answers.published_at, kind="stable")  # NaN, never published, comes last
    newest_by_then = np.append(-1, np.maximum.accumulate(order))
    newest_frame = newest_by_then[np.searchsorted(answers.published_at[order], at, side="right")]
    boxes = series.boxes
    first, behind = (np.searchsorted(boxes.frame, newest_frame, side) for side in ("left", "right"))
    count = behind - first
    frame = np.repeat(np.arange(series.frames), count)
    within = np.arange(len(frame)) - np.repeat(np.cumsum(count) - count, count)
    held = boxes[np.repeat(first, count) + within]
    return replace(series, boxes=replace(held, frame=frame))
