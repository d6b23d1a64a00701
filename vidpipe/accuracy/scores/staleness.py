"""How old published answers are: what reuse, skipping, overload and links cost in time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.figures import Staleness
from vidpipe.accuracy.series import Answers, Series


def staleness(answers: Answers) -> Staleness:
    """Media seconds from the frame that the boxes were measured on to the frame that they were published for.

    Where nothing has been measured yet, nothing is known since the beginning of the stretch.
    """
    pts, frames = answers.series.pts, np.arange(answers.series.frames)
    age_s = pts - pts[np.maximum(answers.as_of, 0)]
    return Staleness(
        mean_s=float(age_s.mean()),
        p95_s=float(np.percentile(age_s, 95)),
        max_s=float(age_s.max()),
        fresh=float((answers.as_of == frames).mean()),
    )


def newest(answers: Answers, at: NDArray[np.float64]) -> Series:
    """For each moment, the answer to the newest frame of those published by then; before any, no boxes.

    Scored against the world of that moment, accuracy and delay become one figure (Li, Wang and Ramanan, "Towards
    streaming perception", ECCV 2020, section 3). An answer that is published behind that to a later frame is never the
    newest.

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
    return series.held(newest_by_then[np.searchsorted(answers.published_at[order], at, side="right")])
