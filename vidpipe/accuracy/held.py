"""What looks at some frames say of all: the answers of a configuration that was never run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.series import Series

_SLACK_S = 1e-3  # some containers round to milliseconds


def hold(series: Series, stride: int) -> Series:
    """The boxes of frames 0, n, 2n, ..., each held over the frames up to the next.

    Where nobody saw the frame that it would have been (it could not be decoded), the look before holds on.
    """
    return _from_looks(series, (np.arange(series.frames) % stride == 0) & series.known)


def held_for(series: Series, between_s: float) -> tuple[Series, NDArray[np.bool_]]:
    """The boxes of looks that are so many media seconds apart, each held up to the next; and which frames those are.

    A frame that could not be decoded is no look: the next one is.
    """
    looked = np.zeros(series.frames, bool)
    due = -np.inf
    for frame, (pts, known) in enumerate(zip(series.pts.tolist(), series.known.tolist(), strict=True)):
        if known and pts >= due - _SLACK_S:
            looked[frame], due = True, pts + between_s
    return _from_looks(series, looked), looked


def _from_looks(series: Series, looked: NDArray[np.bool_]) -> Series:
    frames = np.arange(series.frames)
    return series.held(np.maximum.accumulate(np.where(looked, frames, -1)))
